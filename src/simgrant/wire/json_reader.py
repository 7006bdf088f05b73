"""JSON documents read back, for the simulator: the server writes them and reads none."""

from __future__ import annotations

from typing import Final

from simgrant.errors import BadRequest, PeerMisbehaved
from simgrant.wire import flat_json
from simgrant.wire.document import (
    Application,
    Characteristic,
    CharacteristicList,
    Document,
    Item,
    Parm,
    Token,
    Vers,
)
from simgrant.wire.flat_json import Members
from simgrant.wire.json import BARE_LISTS

_MAX_BYTES: Final = 256 * 1024
_MAX_DEPTH: Final = 16


def pull_document(data: bytes) -> Document:
    """Return the document in ``data``; raise `PeerMisbehaved` if it is none.

    Numbers are taken as the texts they were written as. ``VERS`` and ``TOKEN`` in capitals are
    known too, as AOSP's own tests write them.
    """
    if len(data) > _MAX_BYTES:
        raise PeerMisbehaved("document_too_large")
    try:
        return _document(flat_json.pull_object(data))
    except BadRequest as error:
        raise PeerMisbehaved(error.reason) from None


def _document(members: Members) -> Document:
    vers: Vers | None = None
    token: Token | None = None
    applications = []
    for name, value in members:
        if not isinstance(value, Members):
            raise PeerMisbehaved("document_shape")
        if name.lower() == "vers":
            vers = Vers(_number(value, "version"), _number(value, "validity"))
        elif name.lower() == "token":
            token = Token(_found(value, "token", ""), _number(value, "validity"))
        else:
            applications.append(Application(name, _items(value, depth=1)))
    if vers is None:
        raise PeerMisbehaved("document_without_vers")
    return Document(vers, token, tuple(applications))


def _items(members: Members, *, depth: int) -> tuple[Item, ...]:
    if depth > _MAX_DEPTH:
        raise PeerMisbehaved("document_too_deep")
    deeper = depth + 1
    items: list[Item] = []
    for name, value in members:
        if isinstance(value, str):
            items.append(Parm(name, value))
        elif isinstance(value, Members):
            items.append(Characteristic(name, _items(value, depth=deeper)))
        elif not isinstance(value, list):
            raise PeerMisbehaved("document_shape")
        elif name in BARE_LISTS:
            groups = (_items(_object(entry), depth=deeper) for entry in value)
            items.extend(Characteristic(name, group) for group in groups)
        else:
            entries = (_entry(entry, depth=deeper) for entry in value)
            items.append(CharacteristicList(name, tuple(entries)))
    return tuple(items)


def _entry(value: object, *, depth: int) -> Characteristic:
    members = _object(value)
    if len(members) != 1:
        raise PeerMisbehaved("document_shape")
    ((name, group),) = members
    return Characteristic(name, _items(_object(group), depth=depth))


def _object(value: object) -> Members:
    if not isinstance(value, Members):
        raise PeerMisbehaved("document_shape")
    return value


def _found(members: Members, name: str, default: str) -> str:
    value = dict(members).get(name, default)
    if not isinstance(value, str):
        raise PeerMisbehaved("document_shape")
    return value


def _number(members: Members, name: str) -> int:
    try:
        return int(_found(members, name, "0"))
    except ValueError:
        raise PeerMisbehaved("document_number") from None
