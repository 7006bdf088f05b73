"""GSUP, by which Osmocom's network elements ask an HLR, in the frames of IPA that carry it.

There is no standard of it: the messages are those of OsmoHLR (its manual, "Generic Subscriber
Update Protocol"). Three of them are here, which bring authentication vectors, and the keep-alive
and identity of IPA ("CCM"). What is not known is passed over, as OsmoHLR does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field
from typing import Final

from simgrant.nouns import Number, noun

PORT: Final = 4222
MOST_BYTES: Final = 4096
"""Longest frame that is taken. An answer with five vectors has some 550 bytes."""
MOST_VECTORS: Final = 5
CCM: Final = 0xFE
"""The stream of IPA's own messages."""
_OSMO: Final = 0xEE
_GSUP: Final = 0x05
_HEAD: Final = 3
_SESSION_BEGINS, _SESSION_ENDS = b"\x01", b"\x03"
_EUTRAN: Final = b"\x03"
_SERIAL, _UNIT_NAME, _UNIT_ID = 0, 1, 8
_NO_UNIT: Final = b"0/0/0\0"
"""Who names no unit is disconnected; that of who is no base station is this."""


class Ccm(Number):
    """Messages of IPA itself, by their first byte."""

    PING = 0
    PONG = 1
    IDENTITY_REQUEST = 4
    IDENTITY_RESPONSE = 5
    IDENTITY_ACK = 6


class MessageType(Number):
    """Messages of GSUP, by their first byte."""

    AUTH_INFO_REQUEST = 0x08
    AUTH_INFO_ERROR = 0x09
    AUTH_INFO_RESULT = 0x0A


class Cause(Number):
    """Why there is no vector (TS 24.008 §10.5.5.14, GMM cause)."""

    IMSI_UNKNOWN = 2
    ILLEGAL_MS = 3
    ILLEGAL_ME = 6
    GPRS_NOT_ALLOWED = 7
    NOTHING_ALLOWED = 8
    PLMN_NOT_ALLOWED = 11
    NETWORK_FAILURE = 17
    CONGESTION = 22
    SEMANTICALLY_INCORRECT = 95
    INVALID_MANDATORY = 96
    NO_SUCH_TYPE = 97
    NO_SUCH_ELEMENT = 99
    PROTOCOL_ERROR = 111


class _Tag(Number):
    IMSI = 0x01
    CAUSE = 0x02
    AUTH_TUPLE = 0x03
    RAND = 0x20
    SRES = 0x21
    KC = 0x22
    IK = 0x23
    CK = 0x24
    AUTN = 0x25
    AUTS = 0x26
    RES = 0x27
    CURRENT_RAT = 0x2A
    SESSION_ID = 0x30
    SESSION_STATE = 0x31


class BadGsup(ValueError):
    """What came is not GSUP as it has to be. The text never repeats a value."""


@noun
class AuthInfoRequest:
    """What a SendAuthInfo request asks for."""

    imsi: str = field(repr=False)
    session: int | None
    """What the answer repeats; 32 bits. None = nothing."""
    separated: bool = False
    """Whether the AMF shall have the separation bit: the terminal is said to be on E-UTRAN."""
    rand: bytes = field(default=b"", repr=False)
    auts: bytes = field(default=b"", repr=False)
    """With ``rand``: the SIM's own sequence number. Empty = no resynchronisation."""


@noun
class Quintuple:
    """A vector as it came; what a tuple of GSM lacks is empty."""

    rand: bytes = field(repr=False)
    autn: bytes = field(repr=False)
    res: bytes = field(repr=False)
    ck: bytes = field(repr=False)
    ik: bytes = field(repr=False)


@noun
class AuthInfoAnswer:
    """What answers it: vectors, or the cause why there are none."""

    imsi: str = field(repr=False)
    session: int | None
    """None where the HLR does not repeat it."""
    vectors: tuple[Quintuple, ...] = ()
    cause: int | None = None


# --- frames --------------------------------------------------------------------------


@noun
class Frame:
    """What travels on one stream of IPA."""

    stream: int
    data: bytes = field(repr=False)

    @property
    def gsup(self) -> bytes | None:
        """Return the message of GSUP in it; None where it carries something else."""
        if self.stream != _OSMO or self.data[:1] != bytes((_GSUP,)):
            return None
        return self.data[1:]


class Splitter:
    """Cuts what TCP brings into frames. After BadGsup it cannot go on: nothing is aligned."""

    def __init__(self, most: int = MOST_BYTES) -> None:
        """Take the longest content of a frame that is accepted, in bytes."""
        self._most = most
        self._held = bytearray()

    def feed(self, data: bytes) -> list[Frame]:
        """Return the frames that are whole now; BadGsup where one is too long."""
        held = self._held
        held += data
        found: list[Frame] = []
        at, end = 0, len(held)
        while end - at >= _HEAD:
            length = held[at] << 8 | held[at + 1]
            if length > self._most:
                raise BadGsup("a frame is too long")
            if end - at < _HEAD + length:
                break
            start = at + _HEAD
            found.append(Frame(held[at + 2], bytes(held[start : start + length])))
            at = start + length
        del held[:at]
        return found


def push_frame(stream: int, data: bytes) -> bytes:
    """Return a frame."""
    return len(data).to_bytes(2, "big") + bytes((stream,)) + data


def push_gsup(message: bytes) -> bytes:
    """Return the frame that carries a message of GSUP."""
    return push_frame(_OSMO, bytes((_GSUP,)) + message)


def push_ccm(kind: Ccm, data: bytes = b"") -> bytes:
    """Return the frame with a message of IPA itself."""
    return push_frame(CCM, bytes((kind,)) + data)


def push_identity(name: str) -> bytes:
    """Return the answer to who we are: OsmoHLR routes by the serial number."""
    value = name.encode("ascii") + b"\0"
    items = ((_SERIAL, value), (_UNIT_NAME, value), (_UNIT_ID, _NO_UNIT))
    return push_ccm(
        Ccm.IDENTITY_RESPONSE,
        b"".join((len(each) + 1).to_bytes(2, "big") + bytes((tag,)) + each for tag, each in items),
    )


def pull_identity(data: bytes) -> str:
    """Return the serial number that an identity response (behind its first byte) has; BadGsup."""
    at = 0
    while len(data) - at >= _HEAD:
        length = data[at] << 8 | data[at + 1]
        if not 1 <= length <= len(data) - at - 2:
            break
        if data[at + 2] == _SERIAL:
            name = data[at + 3 : at + 2 + length].rstrip(b"\0")
            if name.isascii() and name:
                return name.decode("ascii")
            break
        at += 2 + length
    raise BadGsup("an identity without a serial number")


def is_name(name: str) -> bool:
    """Whether a name can be told as an identity, and be shown in a line of a log."""
    return 0 < len(name) <= 64 and name.isascii() and name.isprintable() and " " not in name


# --- messages ------------------------------------------------------------------------


def push_request(wanted: AuthInfoRequest) -> bytes:
    """Return a SendAuthInfo request."""
    parts = [bytes((MessageType.AUTH_INFO_REQUEST,)), _item(_Tag.IMSI, _push_digits(wanted.imsi))]
    if wanted.separated:
        parts.append(_item(_Tag.CURRENT_RAT, _EUTRAN))
    if wanted.session is not None:
        parts.append(_push_session(wanted.session, _SESSION_BEGINS))
    if wanted.auts:
        parts += (_item(_Tag.AUTS, wanted.auts), _item(_Tag.RAND, wanted.rand))
    return b"".join(parts)


def pull_request(data: bytes) -> AuthInfoRequest:
    """Return what is asked for; BadGsup."""
    if data[:1] != bytes((MessageType.AUTH_INFO_REQUEST,)):
        raise BadGsup("no SendAuthInfo request")
    items, _ = _pull_items(data[1:])
    return AuthInfoRequest(
        _pull_digits(items.get(_Tag.IMSI, b"")),
        _pull_session(items),
        items.get(_Tag.CURRENT_RAT) == _EUTRAN,
        items.get(_Tag.RAND, b""),
        items.get(_Tag.AUTS, b""),
    )


def push_answer(told: AuthInfoAnswer) -> bytes:
    """Return the answer to a SendAuthInfo request."""
    failed = told.cause is not None
    kind = MessageType.AUTH_INFO_ERROR if failed else MessageType.AUTH_INFO_RESULT
    parts = [bytes((kind,)), _item(_Tag.IMSI, _push_digits(told.imsi))]
    if told.cause is not None:
        parts.append(_item(_Tag.CAUSE, bytes((told.cause,))))
    parts.extend(_item(_Tag.AUTH_TUPLE, _push_tuple(each)) for each in told.vectors)
    if told.session is not None:
        parts.append(_push_session(told.session, _SESSION_ENDS))
    return b"".join(parts)


def is_answer(data: bytes) -> bool:
    """Whether a message is the answer to a SendAuthInfo request, to judge by its type."""
    return data[:1] in (
        bytes((MessageType.AUTH_INFO_ERROR,)),
        bytes((MessageType.AUTH_INFO_RESULT,)),
    )


def pull_answer(data: bytes) -> AuthInfoAnswer:
    """Return what an answer says; BadGsup."""
    if not is_answer(data):
        raise BadGsup("no answer to SendAuthInfo")
    items, tuples = _pull_items(data[1:])
    cause: int | None = None
    if data[0] == MessageType.AUTH_INFO_ERROR:
        told = items.get(_Tag.CAUSE, b"")
        if len(told) != 1:
            raise BadGsup("an error without a cause")
        cause, tuples = told[0], []
    return AuthInfoAnswer(
        _pull_digits(items.get(_Tag.IMSI, b"")),
        _pull_session(items),
        tuple(_pull_tuple(each) for each in tuples),
        cause,
    )


# --- elements ------------------------------------------------------------------------


def _item(tag: _Tag, value: bytes) -> bytes:
    return bytes((tag, len(value))) + value


def _walk(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Go through tags, each with a length of one byte and its value; BadGsup."""
    at, end = 0, len(data)
    while at < end:
        start = at + 2
        if start > end or (after := start + data[at + 1]) > end:
            raise BadGsup("an element goes beyond its end")
        yield data[at], data[start:after]
        at = after


def _pull_items(data: bytes) -> tuple[dict[int, bytes], list[bytes]]:
    """Return elements by tag, and the authentication tuples, which alone may be repeated."""
    items: dict[int, bytes] = {}
    tuples: list[bytes] = []
    for tag, value in _walk(data):
        if tag == _Tag.AUTH_TUPLE:
            tuples.append(value)
        elif tag in items:
            raise BadGsup("an element comes twice")
        else:
            items[tag] = value
    if len(tuples) > MOST_VECTORS:
        raise BadGsup("there are too many vectors")
    return items, tuples


def _push_tuple(vector: Quintuple) -> bytes:
    parts = (
        (_Tag.RAND, vector.rand),
        (_Tag.IK, vector.ik),
        (_Tag.CK, vector.ck),
        (_Tag.AUTN, vector.autn),
        (_Tag.RES, vector.res),
    )
    return b"".join(_item(tag, value) for tag, value in parts if value)


def _pull_tuple(data: bytes) -> Quintuple:
    items = dict(_walk(data))
    rand, autn, res = (items.get(tag, b"") for tag in (_Tag.RAND, _Tag.AUTN, _Tag.RES))
    return Quintuple(rand, autn, res, items.get(_Tag.CK, b""), items.get(_Tag.IK, b""))


def _push_session(session: int, state: bytes) -> bytes:
    number = _item(_Tag.SESSION_ID, session.to_bytes(4, "big"))
    return number + _item(_Tag.SESSION_STATE, state)


def _pull_session(items: dict[int, bytes]) -> int | None:
    found = items.get(_Tag.SESSION_ID)
    if found is None:
        return None
    if len(found) != 4:
        raise BadGsup("a session id has four bytes")
    return int.from_bytes(found, "big")


def _push_digits(digits: str) -> bytes:
    """Return digits in bytes, the first one low; F fills the last (TS 24.008 §10.5.4.7)."""
    padded = digits + "f" * (len(digits) % 2)
    return bytes.fromhex("".join(padded[at + 1] + padded[at] for at in range(0, len(padded), 2)))


def _pull_digits(data: bytes) -> str:
    text = data.hex()
    digits = "".join(text[at + 1] + text[at] for at in range(0, len(text), 2))
    digits = digits[:-1] if digits.endswith("f") else digits
    if not (digits.isdecimal() and len(digits) <= 15):
        raise BadGsup("there is no IMSI")
    return digits
