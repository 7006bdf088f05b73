"""Documents as JSON (TS.43 §2.9): one member a group, all values texts.

The mapping is known from the samples of the specification only: a group that occurs once is an
object, a list is an array of objects with one member each, and the lists of networks of SatMode,
which have no group around them, are arrays of plain objects.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Final, TypeAlias

from simgrant.wire import content_types, relay
from simgrant.wire.document import Application, Characteristic, Document, Parm, Token, Vers

CONTENT_TYPE: Final = content_types.JSON

BARE_LISTS: Final = frozenset({"PLMNAllowed", "PLMNBarred"})
"""Characteristics that are repeated where they stand: an array even if there is but one."""

_Value: TypeAlias = "str | dict[str, _Value] | list[_Value]"

_encode = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":")).encode
_RELAY_MEMBER: Final = f'"{relay.MEMBER}":'


def push_document(document: Document) -> bytes:
    """Return ``document`` in UTF-8; ValueError if JSON could not say it.

    Numbers are texts, as in the samples.
    """
    return join(document.vers, document.token, push_applications(document.applications))


def join(vers: Vers, token: Token | None, applications: str) -> bytes:
    """Return the document around applications that are written already."""
    parts = [f'"Vers":{{"version":"{vers.version}","validity":"{vers.validity}"}}']
    if token is not None:
        parts.append(f'"Token":{{"token":{_encode(token.token)},"validity":"{token.validity}"}}')
    if applications:
        parts.append(applications)
    return f"{{{','.join(parts)}}}".encode(errors="ignore")


def push_applications(applications: Iterable[Application]) -> str:
    """Return the members that answer; ValueError if JSON could not say them.

    No member may be called as that of a relayed EAP packet, for Android would take the document
    for another challenge.
    """
    members: dict[str, _Value] = {}
    for application in applications:
        if application.app_id in ("Vers", "Token"):
            raise ValueError(f"{application.app_id} occurs twice")
        _put_once(members, application.app_id, _object(application))
    text = _encode(members)
    # Quotes within a value are escaped, so only a member can look like this.
    if _RELAY_MEMBER in text:
        raise ValueError("a document may not hold an EAP packet")
    return text[1:-1]


def _object(group: Application | Characteristic) -> dict[str, _Value]:
    members: dict[str, _Value] = {}
    for item in group.items:
        if isinstance(item, Parm):
            _put_once(members, item.name, item.value)
        elif isinstance(item, Characteristic):
            _put_characteristic(members, item)
        else:
            _put_once(members, item.type, [{entry.type: _object(entry)} for entry in item.entries])
    return members


def _put_characteristic(members: dict[str, _Value], item: Characteristic) -> None:
    if item.type not in BARE_LISTS:
        _put_once(members, item.type, _object(item))
        return
    before = members.setdefault(item.type, [])
    if not isinstance(before, list):
        raise ValueError(f"{item.type} is a parm and a characteristic")
    before.append(_object(item))


def _put_once(members: dict[str, _Value], name: str, value: _Value) -> None:
    if name in members:
        raise ValueError(f"{name} occurs twice")
    members[name] = value
