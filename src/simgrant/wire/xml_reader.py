"""XML documents read back, for the simulator: the server writes them and reads none.

A plain XML reader, without the habits of Android's: a document that only a lenient reader
understands must not pass here. DOCTYPE is refused, so no entity can be declared.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, NoReturn
from xml.parsers import expat

from simgrant.errors import PeerMisbehaved
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

LISTS: Final = frozenset(
    {
        "VoiceOverCellularEntitleInfo",
        "CompanionConfigurations",
        "PrimaryConfigurations",
        "PlanOffers",
        "DataPlanInfo",
        "DataBoostInfo",
        "DataUsageInfo",
        "5GSAInfo",
        "AllowedServicesInfo",
    }
)
"""The characteristics that are lists of items; XML does not show the difference (TS.43 §2.9)."""

_MAX_BYTES: Final = 256 * 1024
_MAX_DEPTH: Final = 16
_ROOT: Final = "wap-provisioningdoc"


@dataclass(slots=True)
class _Group:
    """An element that is still open."""

    type: str
    items: list[Item] = field(default_factory=list)


def pull_document(data: bytes) -> Document:
    """Return the document in ``data``; raise `PeerMisbehaved` if it is none.

    Groups beside VERS, TOKEN and APPLICATION, such as the MSG and USER of RCC.14, are passed over.
    """
    if len(data) > _MAX_BYTES:
        raise PeerMisbehaved("document_too_large")
    tree = _Tree()
    parser = expat.ParserCreate()
    parser.StartElementHandler = tree.start
    parser.EndElementHandler = tree.end
    parser.CharacterDataHandler = tree.text
    parser.StartDoctypeDeclHandler = _refuse_doctype
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        text = expat.ErrorString(error.code)
        raise PeerMisbehaved("document_not_xml", for_operator=text) from None
    return _document(tree.root.items)


class _Tree:
    """Collects the groups as the parser meets them."""

    def __init__(self) -> None:
        self.root = _Group(_ROOT)
        self._open: list[_Group] = []
        self._in_parm = False

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """Open a characteristic, or take a parm."""
        if self._in_parm or len(self._open) > _MAX_DEPTH:
            raise PeerMisbehaved("document_shape")
        if not self._open:
            if tag != _ROOT:
                raise PeerMisbehaved("document_root")
            self._open.append(self.root)
        elif tag == "characteristic" and "type" in attributes:
            self._open.append(_Group(attributes["type"]))
        elif tag == "parm" and "name" in attributes and "value" in attributes:
            self._open[-1].items.append(Parm(attributes["name"], attributes["value"]))
            self._in_parm = True
        else:
            raise PeerMisbehaved("document_shape")

    def end(self, tag: str) -> None:
        """Close what was opened last."""
        if tag == "parm":
            self._in_parm = False
            return
        group = self._open.pop()
        if self._open:
            self._open[-1].items.append(_closed(group))

    def text(self, text: str) -> None:
        """Refuse text between the elements, for which there is no meaning."""
        if text.strip():
            raise PeerMisbehaved("document_shape")


def _refuse_doctype(*_: object) -> NoReturn:
    raise PeerMisbehaved("document_doctype")


def _closed(group: _Group) -> Item:
    entries = tuple(item for item in group.items if isinstance(item, Characteristic))
    if group.type in LISTS and len(entries) == len(group.items):
        return CharacteristicList(group.type, entries)
    return Characteristic(group.type, tuple(group.items))


def _document(items: list[Item]) -> Document:
    vers: Vers | None = None
    token: Token | None = None
    applications = []
    for item in items:
        if not isinstance(item, Characteristic):
            raise PeerMisbehaved("document_shape")
        parms = {parm.name: parm.value for parm in item.items if isinstance(parm, Parm)}
        if item.type == "VERS":
            vers = Vers(_number(parms, "version"), _number(parms, "validity"))
        elif item.type == "TOKEN":
            token = Token(parms.get("token", ""), _number(parms, "validity"))
        elif item.type == "APPLICATION":
            applications.append(_application(item, parms))
    if vers is None:
        raise PeerMisbehaved("document_without_vers")
    return Document(vers, token, tuple(applications))


def _application(item: Characteristic, parms: dict[str, str]) -> Application:
    if "AppID" not in parms:
        raise PeerMisbehaved("application_without_id")
    rest = (part for part in item.items if not (isinstance(part, Parm) and part.name == "AppID"))
    return Application(parms["AppID"], tuple(rest))


def _number(parms: dict[str, str], name: str) -> int:
    try:
        return int(parms.get(name, "0"))
    except ValueError:
        raise PeerMisbehaved("document_number") from None
