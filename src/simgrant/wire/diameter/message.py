"""The Diameter header and AVPs: bytes to parts and back (RFC 6733 §3, §4.1).

Strict in what decides where things end, for that is what attacks are made of; lenient in flags, of
which every vendor has a view of its own. Time and memory are linear in the bytes that came.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import field
from typing import Final, Generic, TypeVar

from simgrant.nouns import Number, noun

T = TypeVar("T")

VERSION: Final = 1
HEADER_BYTES: Final = 20
MOST_BYTES: Final = 64 * 1024
"""Of one message that is taken; what we are sent has some hundred."""

REQUEST: Final = 0x80
PROXIABLE: Final = 0x40
ERROR: Final = 0x20
RETRANSMITTED: Final = 0x10
"""Flags of the header (RFC 6733 §3)."""

_VENDOR: Final = 0x80
_MANDATORY: Final = 0x40
_HEADER: Final = struct.Struct(">IIIII")
_AVP: Final = struct.Struct(">II")
_VENDOR_AVP: Final = struct.Struct(">III")
_AVP_IN_PARTS: Final = struct.Struct(">IBBHI")
"""Code, flags, the length in two parts, and the vendor if there is one: small numbers are quick."""
_PADDING: Final = (b"", b"\0", b"\0\0", b"\0\0\0")
_24_BITS: Final = 0xFFFFFF


class Fault(Number):
    """What is wrong with a message, as the Result-Code that says so (RFC 6733 §7.1)."""

    AVP_UNSUPPORTED = 5001
    INVALID_AVP_VALUE = 5004
    MISSING_AVP = 5005
    UNSUPPORTED_VERSION = 5011
    INVALID_AVP_LENGTH = 5014
    INVALID_MESSAGE_LENGTH = 5015


class BadDiameter(ValueError):
    """What came is not Diameter as it has to be. The text never repeats a value."""

    def __init__(self, fault: Fault, text: str) -> None:
        self.fault = fault
        super().__init__(text)


@noun
class Header:
    """The 20 bytes that every message begins with."""

    length: int
    """Of the whole message."""
    flags: int
    command: int
    application: int
    hop_by_hop: int
    end_to_end: int

    @property
    def is_request(self) -> bool:
        """Whether it asks; it answers otherwise."""
        return bool(self.flags & REQUEST)


class AvpKind(Generic[T]):
    """An AVP of the dictionary: how its value is written and read."""

    __slots__ = ("_code", "_flags", "_head", "_pull", "_push", "_vendor", "key", "name")

    def __init__(
        self,
        name: str,
        *,
        code: int,
        vendor: int,
        mandatory: bool,
        push: Callable[[T], bytes],
        pull: Callable[[bytes], T],
    ) -> None:
        self.name = name
        self.key = vendor << 32 | code
        """Vendor and code in one number."""
        self._code = code
        self._vendor = vendor
        self._head = 12 if vendor else 8
        self._flags = ((_VENDOR if vendor else 0) | (_MANDATORY if mandatory else 0)) << 24
        self._push = push
        self._pull = pull

    def __repr__(self) -> str:
        return f"AvpKind({self.name})"

    def push(self, value: T) -> bytes:
        """Return the whole AVP, padded; ValueError where the value is none of its type."""
        try:
            return self.wrap(self._push(value))
        except struct.error:
            raise ValueError(f"{self.name}: out of range") from None

    def wrap(self, data: bytes) -> bytes:
        """Return the whole AVP of data that is written already, as a group's AVPs are."""
        length = self._head + len(data)
        if length > _24_BITS:
            raise ValueError(f"{self.name}: too long")
        if self._vendor:
            head = _VENDOR_AVP.pack(self._code, self._flags | length, self._vendor)
        else:
            head = _AVP.pack(self._code, self._flags | length)
        return head + data + _PADDING[-length & 3]

    def pull(self, data: bytes) -> T:
        """Return the value of an AVP's data; BadDiameter where it is none."""
        try:
            return self._pull(data)
        except BadDiameter:
            raise
        except (ValueError, struct.error):
            raise BadDiameter(Fault.INVALID_AVP_VALUE, f"{self.name} is malformed") from None


class Avps:
    """The AVPs of a message or of a grouped one, in order. Its repr has their numbers only."""

    __slots__ = ("_found",)

    def __init__(self, found: list[tuple[int, int, bytes]]) -> None:
        """Take (key, flags, data) of each."""
        self._found = found

    def __repr__(self) -> str:
        shown = (
            f"{key >> 32}:{key & 0xFFFFFFFF}" if key >> 32 else str(key)
            for key, _, _ in self._found
        )
        return f"Avps({', '.join(shown)})"

    def __len__(self) -> int:
        return len(self._found)

    def get(self, kind: AvpKind[T]) -> T | None:
        """Return the value of the first of a kind, None where there is none; BadDiameter."""
        key = kind.key
        for each, _, data in self._found:
            if each == key:
                return kind.pull(data)
        return None

    def need(self, kind: AvpKind[T]) -> T:
        """Return the value of the first of a kind; BadDiameter where there is none."""
        key = kind.key
        for each, _, data in self._found:
            if each == key:
                return kind.pull(data)
        raise BadDiameter(Fault.MISSING_AVP, f"{kind.name} is missing")

    def by_key(self) -> dict[int, bytes]:
        """Return the data of the first of each kind by its key, for whoever reads most of them."""
        return {key: data for key, _, data in reversed(self._found)}

    def all(self, kind: AvpKind[T]) -> Iterator[T]:
        """Yield the value of each of a kind; BadDiameter."""
        key = kind.key
        return (kind.pull(data) for each, _, data in self._found if each == key)

    def copies(self, kind: AvpKind[T]) -> bytes:
        """Return those of a kind as they came, for the answer that has to repeat them."""
        return Avps([each for each in self._found if each[0] == kind.key]).push()

    def without(self, kind: AvpKind[T]) -> Avps:
        """Return all but those of a kind."""
        return Avps([each for each in self._found if each[0] != kind.key])

    def push(self) -> bytes:
        """Return all of them as bytes."""
        return b"".join(_written(key, flags, data) for key, flags, data in self._found)


@noun
class Message:
    """A message. Its values are keys and identities as often as not: the repr has none."""

    header: Header
    avps: Avps = field(compare=False)


def pull_header(data: bytes) -> Header:
    """Return the header; BadDiameter where nobody could say where the message ends."""
    if len(data) < HEADER_BYTES:
        raise BadDiameter(Fault.INVALID_MESSAGE_LENGTH, "the message ends in its header")
    first, second, application, hop_by_hop, end_to_end = _HEADER.unpack_from(data)
    if first >> 24 != VERSION:
        raise BadDiameter(Fault.UNSUPPORTED_VERSION, "the version is not 1")
    length = first & _24_BITS
    if length < HEADER_BYTES or length & 3:
        raise BadDiameter(Fault.INVALID_MESSAGE_LENGTH, "the message has an impossible length")
    return Header(length, second >> 24, second & _24_BITS, application, hop_by_hop, end_to_end)


def pull_message(data: bytes) -> Message:
    """Return a whole message; BadDiameter where it is none, and nothing else."""
    header = pull_header(data)
    if header.length != len(data):
        raise BadDiameter(Fault.INVALID_MESSAGE_LENGTH, "the message is not as long as it says")
    return Message(header, pull_avps(data, HEADER_BYTES))


def pull_avps(data: bytes, at: int = 0) -> Avps:
    """Return the AVPs from ``at`` to the end; BadDiameter.

    The last one may lack its padding: some peers do not count it into a grouped AVP.
    """
    found: list[tuple[int, int, bytes]] = []
    add, unpack, end = found.append, _AVP_IN_PARTS.unpack_from, len(data)
    roomy = end - 12
    while at <= roomy:
        # The last is the vendor if there is one, and data if not.
        key, flags, high, low, vendor = unpack(data, at)
        after = at + low + (high << 16)
        if flags & _VENDOR:
            at += 12
            key |= vendor << 32
        else:
            at += 8
        if not at <= after <= end:
            raise BadDiameter(Fault.INVALID_AVP_LENGTH, "an AVP has an impossible length")
        add((key, flags, data[at:after]))
        at = (after + 3) & ~3
    if at < end:
        add(_last(data, at))
    return Avps(found)


def _last(data: bytes, at: int) -> tuple[int, int, bytes]:
    """Return an AVP so short that it can have no vendor, with which the data ends."""
    if at + 8 > len(data):
        raise BadDiameter(Fault.INVALID_AVP_LENGTH, "an AVP ends in its header")
    key, word = _AVP.unpack_from(data, at)
    after = at + (word & 0xFFFFFF)
    if word & 0x80000000 or not at + 8 <= after <= len(data) <= after + 3:
        raise BadDiameter(Fault.INVALID_AVP_LENGTH, "an AVP has an impossible length")
    return key, word >> 24, data[at + 8 : after]


def push_message(header: Header, avps: bytes) -> bytes:
    """Return the message of these AVPs; the length is theirs, not the header's."""
    length = HEADER_BYTES + len(avps)
    if length > _24_BITS:
        raise ValueError("a message has at most 16 MiB")
    return (
        _HEADER.pack(
            VERSION << 24 | length,
            header.flags << 24 | header.command,
            header.application,
            header.hop_by_hop,
            header.end_to_end,
        )
        + avps
    )


def request(
    command: int,
    application: int,
    avps: bytes,
    *,
    hop_by_hop: int,
    end_to_end: int,
    flags: int = PROXIABLE,
) -> bytes:
    """Return a request."""
    header = Header(0, REQUEST | flags, command, application, hop_by_hop, end_to_end)
    return push_message(header, avps)


def answer(to: Header, avps: bytes, *, error: bool = False) -> bytes:
    """Return the answer to a request; ``error`` is the E flag, for results of the protocol."""
    flags = to.flags & PROXIABLE | (ERROR if error else 0)
    return push_message(
        Header(0, flags, to.command, to.application, to.hop_by_hop, to.end_to_end), avps
    )


def _written(key: int, flags: int, data: bytes) -> bytes:
    if flags & _VENDOR:
        head = _VENDOR_AVP.pack(key & 0xFFFFFFFF, flags << 24 | 12 + len(data), key >> 32)
    else:
        head = _AVP.pack(key, flags << 24 | 8 + len(data))
    return head + data + _PADDING[-len(data) & 3]
