"""A trail as JSON: the log line and the stored record are the same text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from datetime import UTC, datetime
from functools import lru_cache
from operator import attrgetter
from typing import Any, Literal

import msgspec

from simgrant.domain.facts import Device, Fact, Facts
from simgrant.domain.policy import Decision
from simgrant.domain.trail import Trail

_encode = msgspec.json.Encoder().encode
_FACTS = tuple(field.name for field in fields(Facts))
_KEPT = tuple(name for name in _FACTS if name not in ("features", "offer", "device"))
"""What a verdict's record keeps: features and offer follow from the plan and the policy's version,
the device is the request's own."""
_DEFAULTS = {
    field.name: field.default.value for field in fields(Facts) if isinstance(field.default, Fact)
}
"""What most requests have nothing of: it is left out then."""
_kept: Callable[[Facts], tuple[Fact[Any], ...]] = attrgetter(*_KEPT)
_facts: Callable[[Facts], tuple[Fact[Any], ...]] = attrgetter(*_FACTS)


class Record(msgspec.Struct, omit_defaults=True):
    """The members of a record, but for those of its verdict; ages are in seconds."""

    at: str
    request_id: str
    tenant: str
    leg: str
    status: int
    outcome: str
    ms: float
    subscriber_ref: str
    terminal_ref: str
    apps: tuple[str, ...]
    spec_version: str
    user_agent: str
    peers_us: dict[str, int]
    event: Literal["", "request"] = ""
    source_ref: str = ""
    unknown_apps: tuple[str, ...] = ()
    app_name: str = ""
    detail: str = ""
    operation: str = ""
    operation_result: int = 0
    device: Device | None = None
    ages: dict[str, int] | None = None
    profile: str = ""
    requestor: str = ""
    vector_source: str = ""
    hedged_to: str = ""


def push_trail(trail: Trail, *, now: float, seconds: float) -> bytes:
    """Return the record of a finished request as one line of JSON, without the line's end."""
    second = int(now)
    verdict = trail.verdict
    record = _encode(
        Record(
            f"{_second(second)}.{int((now - second) * 1000):03d}Z",
            trail.request_id,
            trail.tenant,
            trail.leg,
            trail.status,
            trail.outcome,
            round(seconds * 1000, 3),
            trail.subscriber_ref,
            trail.terminal_ref,
            trail.apps,
            trail.spec_version,
            trail.user_agent,
            trail.peers_us,
            "request",
            trail.source_ref,
            trail.unknown_apps,
            trail.app_name,
            trail.detail,
            trail.operation,
            trail.operation_result,
            trail.device,
            {source: second - at for source, at in trail.times.items()} if verdict else None,
            trail.profile,
            trail.requestor,
            trail.vector_source,
            trail.hedged_to,
        )
    )
    return record if verdict is None else b"%b,%b}" % (record[:-1], verdict.record)


class NoticeRecord(msgspec.Struct, omit_defaults=True):
    """The members of the record of a notice that ended."""

    at: str
    request_id: str
    """Of this record alone: nobody asked."""
    tenant: str
    event: Literal["", "notice"]
    outcome: str
    """How it ended, as in the metric ``simgrant_notices_total``."""
    channel: str
    subscriber_ref: str
    terminal_ref: str
    apps: tuple[str, ...]
    changed_at: str
    attempts: int
    app_name: str = ""
    reason: str = ""
    """The channel's word, or ours."""
    reference: str = ""
    """The channel's own name for what it took over."""
    cause: str = ""
    """Why the device was told, where there is a word for it: ``line_moved``."""


def push_notice(record: NoticeRecord) -> bytes:
    """Return the record of a notice as one line of JSON, without the line's end."""
    return _encode(record)


class NetworkRecord(msgspec.Struct, omit_defaults=True):
    """The members of the record of what a core network told."""

    at: str
    request_id: str
    """Of this record alone: no phone asked."""
    tenant: str
    event: Literal["", "network"]
    outcome: str
    """What followed: ``forget`` or ``revoke``."""
    subscriber_ref: str
    told: str
    """Interface and command."""
    told_at: str
    peer: str
    cause: str = ""
    times: int = 1
    """How often it was told before this was done."""


def push_network(record: NetworkRecord) -> bytes:
    """Return the record of what a core network told as one line of JSON, without the line's end."""
    return _encode(record)


class LifeRecord(msgspec.Struct, omit_defaults=True):
    """The members of the record of an event of a subscription's life."""

    at: str
    request_id: str
    """Of this record alone: no phone asked."""
    tenant: str
    event: Literal["", "life"]
    outcome: str
    """``changed`` or ``unchanged``, of what devices are told; ``late`` or ``set_aside``."""
    subscriber_ref: str
    change: str
    """What happened."""
    event_id: str
    peer: str
    """Who told it."""
    told_at: str
    """When it happened, as whoever told it says."""
    detail: str = ""
    """Why it was set aside."""
    before: dict[str, str] | None = None
    """Of each application whose answer changed, what was decided before."""
    after: dict[str, str] | None = None
    """And after."""
    apps: tuple[str, ...] = ()
    """Applications that devices were told of."""
    revoked: bool = False
    """Whether no token of before is good any more."""


def push_life(record: LifeRecord) -> bytes:
    """Return the record of an event of a life as one line of JSON, without the line's end."""
    return _encode(record)


def instant(now: float) -> str:
    """Return Unix seconds as a record says them, with milliseconds."""
    return f"{datetime.fromtimestamp(now, UTC):%Y-%m-%dT%H:%M:%S}.{int(now % 1 * 1000):03d}Z"


def push_verdict(facts: Facts, decisions: tuple[Decision, ...]) -> bytes:
    """Return a verdict as members of a record: policy, decisions, facts as ``[value, source]``."""
    members = {
        "policy": decisions[0].policy_version if decisions else "",
        "decisions": [decision_record(decision) for decision in decisions],
        "facts": {
            name: (fact.value, fact.source)
            for name, fact in zip(_KEPT, _kept(facts), strict=True)
            if name not in _DEFAULTS or fact.value != _DEFAULTS[name]
        },
    }
    return _encode(members)[1:-1]


@lru_cache(maxsize=4)
def _second(second: int) -> str:
    """Return the ISO 8601 text of a second, made once for all its requests."""
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def facts_record(facts: Facts, *, now: float) -> dict[str, dict[str, Any]]:
    """Return each fact with its source, and its age in seconds where it can grow old."""
    second = int(now)
    return {
        name: (
            {"value": fact.value, "source": fact.source}
            if fact.at is None
            else {"value": fact.value, "source": fact.source, "age_s": second - fact.at}
        )
        for name, fact in zip(_FACTS, _facts(facts), strict=True)
    }


def decision_record(decision: Decision) -> dict[str, str]:
    """Return what was asked, what was decided, by which rule and why."""
    return {
        "feature": decision.question.feature,
        "area": decision.question.area,
        "result": decision.result,
        "reason": decision.reason,
        "rule": decision.rule,
    }
