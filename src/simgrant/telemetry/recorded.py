"""A record of a request, read back: what `record` wrote of what was decided, and on which facts."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import GenericAlias
from typing import Any, get_args, get_type_hints

import msgspec

from simgrant.domain.facts import Device, Fact, Facts


class Recorded(msgspec.Struct):
    """The members of a record that say what was decided, for whom, and why."""

    tenant: str
    event: str = ""
    subscriber_ref: str = ""
    leg: str = ""
    apps: tuple[str, ...] = ()
    spec_version: str = ""
    profile: str = ""
    operation: str = ""
    policy: str = ""
    decisions: msgspec.Raw = msgspec.Raw(b"[]")
    facts: msgspec.Raw = msgspec.Raw(b"{}")
    device: Device | None = None


class RecordedDecision(msgspec.Struct, frozen=True):
    """What was asked and what was decided."""

    feature: str
    area: str
    result: str
    reason: str
    rule: str


_pull = msgspec.json.Decoder(Recorded).decode
_pull_decisions = msgspec.json.Decoder(tuple[RecordedDecision, ...]).decode
_pull_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class Unreadable(ValueError):
    """It is no record of this release; neither its text nor a value of it is in the message."""


def pull_recorded(body: bytes) -> Recorded:
    """Return a stored record; raise Unreadable."""
    try:
        return _pull(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Unreadable("no record of a request") from None


def pull_decisions(raw: bytes) -> tuple[RecordedDecision, ...]:
    """Return the decisions of a record; raise Unreadable."""
    try:
        return _pull_decisions(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Unreadable("decisions of another kind") from None


def pull_facts(raw: bytes) -> dict[str, Fact[Any]]:
    """Return the facts of a record by name, without ages; raise Unreadable.

    Those that most requests have nothing of are not in a record, and not in here.
    """
    found: dict[str, Fact[Any]] = {}
    try:
        for name, member in _pull_members(raw).items():
            decoder = _decoders().get(name)
            if decoder is None:
                raise Unreadable(f"a fact {name[:32]}, which this release does not know")
            found[name] = Fact(*decoder.decode(member))
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Unreadable("facts of another kind") from None
    return found


@cache
def _decoders() -> Mapping[str, msgspec.json.Decoder[tuple[Any, str]]]:
    """Return how each fact is read, by its type in `Facts`."""
    found = {}
    for name, hint in get_type_hints(Facts).items():
        (kind,) = get_args(hint)
        if name not in ("features", "offer", "device"):
            found[name] = msgspec.json.Decoder(GenericAlias(tuple, (kind, str)))
    return found
