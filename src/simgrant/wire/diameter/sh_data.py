"""Sh-Data: number, place and state of a user as XML (TS 29.328 Annexes C and D).

Everything that came after the first release stands within ``Extension`` in ``Extension``, and
HSSs differ in how deep: so what is looked for is found by its name, wherever it is. What we do not
know is passed over. The document comes from a peer: its size, depth and number of elements are
bounded, and DOCTYPE is refused, so no entity can be declared.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Final, NoReturn
from xml.parsers import expat

from simgrant.nouns import Number, named_noun
from simgrant.wire.diameter.message import BadDiameter, Fault

_MOST_BYTES: Final = 64 * 1024
_MOST_ELEMENTS: Final = 500
_MOST_DEPTH: Final = 24
_MOST_PLACES: Final = 10
_MOST_LETTERS: Final = 256
"""Of one element's text; longer ones are none that we look for."""
_NUMBER: Final = re.compile(r"\+?([0-9]{5,15})", re.ASCII)
_NETWORK: Final = re.compile(r"[0-9]{5,6}", re.ASCII)
_MINUTES: Final = re.compile(r"[0-9]{1,5}", re.ASCII)
_PLMN_BYTES: Final = 3
_PLACES: Final = (
    "Sh-5GSLocationInformation",
    "EPSLocationInformation",
    "PSLocationInformation",
)
"""The newer system first: that is where a phone is that several know of."""
_STATES: Final = ("Sh-5GSUserState", "EPSUserState", "PSUserState")
_CELLS: Final = (
    "TrackingAreaId",
    "E-UTRANCellGlobalId",
    "RoutingAreaId",
    "LocationAreaId",
    "ServiceAreaId",
    "CellGlobalId",
)
"""What begins with the network's three bytes."""


class State(Number):
    """What a packet domain knows of a phone (tPSUserState)."""

    DETACHED = 0
    ATTACHED_NOT_REACHABLE = 1
    ATTACHED_REACHABLE = 2
    CONNECTED_NOT_REACHABLE = 3
    CONNECTED_REACHABLE = 4
    NOT_PROVIDED = 5
    NOT_REACHABLE = 6
    """The network says so, and not whether it is attached."""

    @property
    def says_nothing(self) -> bool:
        """Whether it leaves open if the network has the phone."""
        return self >= State.NOT_PROVIDED

    @property
    def is_attached(self) -> bool:
        """Whether the network has the phone."""
        return State.ATTACHED_NOT_REACHABLE <= self <= State.CONNECTED_REACHABLE


@named_noun
class UserData:
    """What a document tells; what it does not tell is empty."""

    number: str = field(default="", repr=False)
    """Digits."""
    network: str = field(default="", repr=False)
    """Digits of MCC and MNC."""
    age_s: int = 0
    """Seconds since the phone was known to be there; 0 also where it is not said."""
    state: State | None = None


@dataclass(slots=True)
class _Element:
    name: str
    text: str = ""
    parts: list[_Element] = field(default_factory=list)

    def find(self, name: str) -> Iterator[_Element]:
        """Yield everything of a name that is in it, at any depth, in its order."""
        for part in self.parts:
            if part.name == name:
                yield part
            yield from part.find(name)


def pull_user_data(data: bytes) -> UserData:
    """Return what a document tells; BadDiameter, whose text repeats nothing of it."""
    root = _read(data)
    if root.name != "Sh-Data":
        raise _bad("User-Data is no Sh-Data")
    network, age_s = _place(root)
    return UserData(number=_number(root), network=network, age_s=age_s, state=_state(root))


def push_user_data(told: UserData, *, plmn: bytes = b"") -> bytes:
    """Return a document as an HSS writes it; ``plmn`` are the network's three bytes."""
    parts = []
    if told.number:
        parts.append(f"<PublicIdentifiers><MSISDN>{told.number}</MSISDN></PublicIdentifiers>")
    eps = ""
    if told.state is not None:
        eps += f"<EPSUserState>{int(told.state)}</EPSUserState>"
    if told.network:
        area = base64.b64encode(plmn + b"\0\x01").decode()
        eps += (
            f"<EPSLocationInformation><TrackingAreaId>{area}</TrackingAreaId>"
            f"<AgeOfLocationInformation>{told.age_s // 60}</AgeOfLocationInformation>"
            f"<Extension><VisitedPLMNID>{told.network}</VisitedPLMNID></Extension>"
            "</EPSLocationInformation>"
        )
    if eps:
        parts.append(f"{'<Extension>' * 4}{eps}{'</Extension>' * 4}")
    return f'<?xml version="1.0" encoding="UTF-8"?><Sh-Data>{"".join(parts)}</Sh-Data>'.encode()


def pull_plmn(data: bytes) -> str:
    """Return a network's digits from its three bytes (TS 29.272 §7.3.9); empty for none."""
    if len(data) != _PLMN_BYTES:
        return ""
    a, b, c = data
    digits = f"{a & 15:x}{a >> 4:x}{b & 15:x}{c & 15:x}{c >> 4:x}{b >> 4:x}".removesuffix("f")
    return digits if digits.isdecimal() else ""


def _number(root: _Element) -> str:
    for whose in root.find("PublicIdentifiers"):
        for each in whose.find("MSISDN"):
            if match := _NUMBER.fullmatch(each.text):
                return match[1]
    return ""


def _place(root: _Element) -> tuple[str, int]:
    """Return the network that a phone was seen in last, and the age of that in seconds."""
    places = (place for name in _PLACES for place in root.find(name))
    found = [
        (_minutes(place), network)
        for place in islice(places, _MOST_PLACES)
        if (network := _network(place))
    ]
    if not found:
        return "", 0
    minutes, network = min(found, key=lambda each: each[0])
    return network, minutes * 60


def _network(place: _Element) -> str:
    for each in place.find("VisitedPLMNID"):
        # Most write its digits, some the three bytes.
        if _NETWORK.fullmatch(each.text):
            return each.text
        if network := pull_plmn(_bytes(each.text)):
            return network
    for name in _CELLS:
        for each in place.find(name):
            if network := pull_plmn(_bytes(each.text)[:_PLMN_BYTES]):
                return network
    return ""


def _minutes(place: _Element) -> int:
    for each in place.find("AgeOfLocationInformation"):
        if _MINUTES.fullmatch(each.text):
            return int(each.text)
    return 0


def _state(root: _Element) -> State | None:
    """Return the state in the system that has the phone, else that of one which knows."""
    found = [
        State(int(each.text))
        for name in _STATES
        for each in root.find(name)
        if each.text in _OF_STATE
    ]
    return min(found, key=lambda state: (not state.is_attached, state.says_nothing), default=None)


_OF_STATE: Final = frozenset(str(int(state)) for state in State)


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return b""


def _read(data: bytes) -> _Element:
    if len(data) > _MOST_BYTES:
        raise _bad("User-Data is too large")
    tree = _Tree()
    # Whatever it says of itself, it is read as UTF-8, which the schema demands.
    parser = expat.ParserCreate("UTF-8")
    parser.StartElementHandler = tree.start
    parser.EndElementHandler = tree.end
    parser.CharacterDataHandler = tree.text
    parser.StartDoctypeDeclHandler = _refuse_doctype
    try:
        parser.Parse(data, True)
    except expat.ExpatError:
        raise _bad("User-Data is no XML") from None
    return tree.root


class _Tree:
    """Collects the elements as the parser meets them."""

    def __init__(self) -> None:
        self.root = _Element("")
        self._open: list[_Element] = []
        self._count = 0

    def start(self, tag: str, _attributes: dict[str, str]) -> None:
        """Open an element; prefixes of namespaces are passed over, there is only one."""
        self._count += 1
        if self._count > _MOST_ELEMENTS or len(self._open) >= _MOST_DEPTH:
            raise _bad("User-Data has too many elements")
        element = _Element(tag.rpartition(":")[2])
        if self._open:
            self._open[-1].parts.append(element)
        else:
            self.root = element
        self._open.append(element)

    def end(self, _tag: str) -> None:
        """Close what was opened last."""
        element = self._open.pop()
        element.text = element.text.strip()

    def text(self, text: str) -> None:
        """Add to the text of what is open, as far as anything is looked for that long."""
        if self._open and len(self._open[-1].text) <= _MOST_LETTERS:
            self._open[-1].text += text[: _MOST_LETTERS + 1]


def _refuse_doctype(*_: object) -> NoReturn:
    raise _bad("User-Data has a DOCTYPE")


def _bad(text: str) -> BadDiameter:
    return BadDiameter(Fault.INVALID_AVP_VALUE, text)
