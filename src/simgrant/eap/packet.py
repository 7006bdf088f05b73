"""EAP-AKA and EAP-AKA' packets: bytes to `Packet` and back (RFC 4187 §8, RFC 9048 §3).

One frozen class holds every attribute as an optional field of its own type. An
attribute that may occur once therefore *can* occur once only, and whoever reads
a packet says `packet.autn` instead of searching a list.
"""

from __future__ import annotations

import struct
from dataclasses import field
from enum import IntEnum
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from simgrant.nouns import named_noun, noun

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

MAX_PACKET_BYTES: Final = 1500
"""No EAP-AKA packet of a sane peer is longer; a bound keeps hostile ones cheap."""

HEADER_BYTES: Final = 8
MAC_BYTES: Final = 16
EMPTY_MAC: Final = bytes(MAC_BYTES)

if TYPE_CHECKING:
    _PullTable = dict[int, tuple[str, Callable[[bytes, int, int], Any]]]
    _PushTable = tuple[tuple[str, Any, Callable[[Any], bytes]], ...]

_HEADER = struct.Struct(">BBHBBH")
_U16 = struct.Struct(">H")


class MalformedPacket(ValueError):
    """The bytes are no EAP-AKA packet; the message never repeats any of them."""


class Code(IntEnum):
    """Who speaks (RFC 3748 §4.1). Success and Failure never travel over TS.43's relay."""

    REQUEST = 1
    RESPONSE = 2


class Variant(IntEnum):
    """The EAP type: which of the two methods is spoken."""

    AKA = 23
    """EAP-AKA (RFC 4187)."""
    AKA_PRIME = 50
    """EAP-AKA' (RFC 9048)."""


class Subtype(IntEnum):
    """The message (RFC 4187 §11)."""

    CHALLENGE = 1
    AUTHENTICATION_REJECT = 2
    SYNCHRONIZATION_FAILURE = 4
    IDENTITY = 5
    NOTIFICATION = 12
    REAUTHENTICATION = 13
    CLIENT_ERROR = 14


class IdentityRequest(IntEnum):
    """Which identity an AKA-Identity request wants; a later one wants more (RFC 4187 §4.1)."""

    NONE = 0
    ANY = 1
    FULLAUTH = 2
    PERMANENT = 3


GENERAL_FAILURE_BEFORE: Final = 16384
"""AT_NOTIFICATION of a failure before authentication (RFC 4187 §10.19)."""
SUCCESS_NOTIFIED: Final = 32768
"""AT_NOTIFICATION that tells the peer of its success (protected result indication)."""
BEFORE_AUTHENTICATION: Final = 0x4000
"""The P bit: no keys are agreed yet, so there is no AT_MAC (RFC 4187 §10.19)."""


@noun
class Res:
    """AT_RES: the answer of the SIM, whose length counts in bits (RFC 4187 §10.8)."""

    value: bytes = field(repr=False)
    bits: int


@named_noun
class Packet:
    """One EAP-AKA packet with its attributes; None or empty means "was not there"."""

    code: Code
    identifier: int
    variant: Variant
    subtype: Subtype
    rand: bytes | None = None
    autn: bytes | None = None
    res: Res | None = None
    auts: bytes | None = None
    identity_request: IdentityRequest = IdentityRequest.NONE
    identity: bytes | None = None
    client_error: int | None = None
    notification: int | None = None
    network_name: bytes | None = None
    """AT_KDF_INPUT (RFC 9048 §3.1)."""
    kdfs: tuple[int, ...] = ()
    """All AT_KDF in their order (RFC 9048 §3.2)."""
    iv: bytes | None = None
    encrypted: bytes | None = None
    """AT_ENCR_DATA, still encrypted (RFC 4187 §10.12)."""
    checkcode: bytes | None = None
    """AT_CHECKCODE; empty if no AKA-Identity round took place (RFC 4187 §10.13)."""
    result_indication: bool = False
    bidding: bool | None = None
    """The D bit of AT_BIDDING: the server prefers EAP-AKA' (RFC 9048 §4)."""
    mac: bytes | None = None
    mac_at: int = field(default=0, compare=False)
    """Where the 16 bytes of AT_MAC begin in the bytes this came from."""

    def __repr__(self) -> str:
        """Show what kind of packet this is and nothing of what it carries."""
        return f"Packet({self.code.name} {self.identifier} {self.variant.name} {self.subtype.name})"


@named_noun
class Encrypted:
    """What stands inside AT_ENCR_DATA (RFC 4187 §10.12); says nothing of itself in its repr."""

    counter: int | None = field(default=None, repr=False)
    counter_too_small: bool = field(default=False, repr=False)
    nonce_s: bytes | None = field(default=None, repr=False)
    next_pseudonym: bytes | None = field(default=None, repr=False)
    next_reauth_id: bytes | None = field(default=None, repr=False)


def pull_packet(data: bytes) -> Packet:
    """Read one whole packet or raise `MalformedPacket`, and nothing else."""
    size = len(data)
    if size < HEADER_BYTES:
        raise MalformedPacket("shorter than an EAP-AKA header")
    if size > MAX_PACKET_BYTES:
        raise MalformedPacket("longer than 1500 bytes")
    code, identifier, length, method, subtype, _ = _HEADER.unpack_from(data)
    if length != size:
        raise MalformedPacket("length field and length differ")
    if code not in _CODES or method not in _VARIANTS or subtype not in _SUBTYPES:
        raise MalformedPacket("code, type or subtype is none of EAP-AKA's")
    return Packet(
        code=_CODES[code],
        identifier=identifier,
        variant=_VARIANTS[method],
        subtype=_SUBTYPES[subtype],
        **_pull_attributes(data, HEADER_BYTES, _PULL_PLAIN),
    )


def pull_encrypted(data: bytes) -> Encrypted:
    """Read the decrypted bytes of AT_ENCR_DATA or raise `MalformedPacket`."""
    found = _pull_attributes(data, 0, _PULL_INNER)
    found.pop("padding", None)
    return Encrypted(**found)


def push_packet(packet: Packet) -> bytes:
    """Write a packet; attributes come out in one fixed order, AT_MAC last.

    Android ignores the order, but a fixed one keeps the bytes predictable and
    lets the MAC be filled in at the end without looking for its place.
    """
    body = _push_attributes(packet, _PUSH_PLAIN)
    size = HEADER_BYTES + len(body)
    if size > MAX_PACKET_BYTES:
        raise MalformedPacket("longer than 1500 bytes")
    head = _HEADER.pack(packet.code, packet.identifier, size, packet.variant, packet.subtype, 0)
    return head + body


def push_plain_challenge(identifier: int, *, rand: bytes, autn: bytes) -> bytes:
    """Write what nearly every conversation of TS.43 starts with: RAND, AUTN, empty MAC.

    The same 68 bytes as `push_packet` would write, at a tenth of its price.
    """
    return b"".join(
        (
            b"\x01",
            bytes((identifier,)),
            b"\x00\x44\x17\x01\x00\x00\x01\x05\x00\x00",
            rand,
            b"\x02\x05\x00\x00",
            autn,
            b"\x0b\x05\x00\x00",
            EMPTY_MAC,
        )
    )


def push_encrypted(inner: Encrypted) -> bytes:
    """Write what goes into AT_ENCR_DATA, padded to whole AES blocks (RFC 4187 §10.12)."""
    body = _push_attributes(inner, _PUSH_INNER)
    missing = -len(body) % 16
    if missing:
        body += bytes((_PADDING, missing // 4)) + bytes(missing - 2)
    return body


# --- attribute numbers (RFC 4187 §11, RFC 9048 §8) ---

_RAND, _AUTN, _RES, _AUTS, _PADDING, _PERMANENT_ID_REQ = 1, 2, 3, 4, 6, 10
_MAC, _NOTIFICATION, _ANY_ID_REQ, _IDENTITY, _FULLAUTH_ID_REQ = 11, 12, 13, 14, 17
_COUNTER, _COUNTER_TOO_SMALL, _NONCE_S, _CLIENT_ERROR_CODE = 19, 20, 21, 22
_KDF_INPUT, _KDF, _IV, _ENCR_DATA, _NEXT_PSEUDONYM, _NEXT_REAUTH_ID = 23, 24, 129, 130, 132, 133
_CHECKCODE, _RESULT_IND, _BIDDING = 134, 135, 136

_SKIPPABLE = 128
"""From here on an attribute that is not known is passed over (RFC 4187 §8.1)."""

_CODES = {int(code): code for code in Code}
_VARIANTS = {int(variant): variant for variant in Variant}
_SUBTYPES = {int(subtype): subtype for subtype in Subtype}


def _pull_attributes(data: bytes, at: int, table: _PullTable) -> dict[str, Any]:
    """Walk over the attributes and return those of the table by field name."""
    found: dict[str, Any] = {}
    end = len(data)
    while at < end:
        if at + 4 > end:
            raise MalformedPacket("attribute cut off")
        kind = data[at]
        stop = _res_stop(data, at) if kind == _RES else at + 4 * data[at + 1]
        if stop == at:
            raise MalformedPacket("attribute of length zero")
        if stop > end:
            raise MalformedPacket("attribute past the end")
        if kind in table:
            name, pull = table[kind]
            value = pull(data, at, stop)
            if kind == _KDF:
                value = (*found.get(name, ()), value)
            elif name in found:
                raise MalformedPacket("attribute occurs twice")
            found[name] = value
            if kind == _MAC:
                found["mac_at"] = at + 4
        elif kind < _SKIPPABLE:
            raise MalformedPacket("attribute unknown here and not skippable")
        at = stop
    return found


def _res_stop(data: bytes, at: int) -> int:
    """Return where AT_RES ends, by its bit length.

    Not as RFC 4187 §10.8: Android does not pad a RES whose size is no multiple
    of four, and its length byte is then rounded down. Both readings can be told
    apart, so the bit length decides and the length byte must agree with one.
    """
    words = data[at + 1]
    bits: int = _U16.unpack_from(data, at + 2)[0]
    size = 4 + (bits + 7) // 8
    if words == (size + 3) // 4:
        return at + 4 * words
    if words == size // 4:
        return at + size
    raise MalformedPacket("RES and its length differ")


def _pull_res(data: bytes, at: int, _stop: int) -> Res:
    bits = _U16.unpack_from(data, at + 2)[0]
    if not 32 <= bits <= 128:
        raise MalformedPacket("RES is not 32 to 128 bits long")
    return Res(data[at + 4 : at + 4 + (bits + 7) // 8], bits)


def _pull_block(data: bytes, at: int, stop: int) -> bytes:
    """Return the 16 bytes behind two reserved ones (AT_RAND, AT_AUTN, AT_MAC, AT_IV ...)."""
    if stop - at != 20:
        raise MalformedPacket("attribute of a wrong size")
    return data[at + 4 : stop]


def _pull_auts(data: bytes, at: int, stop: int) -> bytes:
    """Return the 14 bytes of AT_AUTS, which has no reserved bytes (RFC 4187 §10.9)."""
    if stop - at != 16:
        raise MalformedPacket("attribute of a wrong size")
    return data[at + 2 : stop]


def _pull_number(data: bytes, at: int, stop: int) -> int:
    if stop - at != 4:
        raise MalformedPacket("attribute of a wrong size")
    number: int = _U16.unpack_from(data, at + 2)[0]
    return number


def _pull_flag(data: bytes, at: int, stop: int) -> bool:
    _pull_number(data, at, stop)
    return True


def _pull_request(data: bytes, at: int, stop: int, *, request: IdentityRequest) -> IdentityRequest:
    _pull_number(data, at, stop)
    return request


def _pull_bidding(data: bytes, at: int, stop: int) -> bool:
    return bool(_pull_number(data, at, stop) & 0x8000)


def _pull_sized(data: bytes, at: int, stop: int) -> bytes:
    """Return the bytes whose true length stands before them (AT_IDENTITY and its like)."""
    length = _U16.unpack_from(data, at + 2)[0]
    if stop - at != 4 + (length + 3) // 4 * 4:
        raise MalformedPacket("attribute and the length inside differ")
    return data[at + 4 : at + 4 + length]


def _pull_encr_data(data: bytes, at: int, stop: int) -> bytes:
    if stop - at < 20 or (stop - at - 4) % 16:
        raise MalformedPacket("encrypted data is not whole blocks")
    return data[at + 4 : stop]


def _pull_checkcode(data: bytes, at: int, stop: int) -> bytes:
    """Return nothing, a SHA-1 or a SHA-256 value (RFC 4187 §10.13, RFC 9048 §3.5)."""
    if stop - at not in (4, 24, 36):
        raise MalformedPacket("attribute of a wrong size")
    return data[at + 4 : stop]


def _pull_padding(data: bytes, at: int, stop: int) -> bool:
    """Check AT_PADDING: 4, 8 or 12 bytes, all zero (RFC 4187 §10.12)."""
    if stop - at > 12 or any(data[at + 2 : stop]):
        raise MalformedPacket("padding is not padding")
    return True


_PULL_PLAIN: _PullTable = {
    _RAND: ("rand", _pull_block),
    _AUTN: ("autn", _pull_block),
    _RES: ("res", _pull_res),
    _AUTS: ("auts", _pull_auts),
    _PERMANENT_ID_REQ: (
        "identity_request",
        partial(_pull_request, request=IdentityRequest.PERMANENT),
    ),
    _MAC: ("mac", _pull_block),
    _NOTIFICATION: ("notification", _pull_number),
    _ANY_ID_REQ: ("identity_request", partial(_pull_request, request=IdentityRequest.ANY)),
    _IDENTITY: ("identity", _pull_sized),
    _FULLAUTH_ID_REQ: (
        "identity_request",
        partial(_pull_request, request=IdentityRequest.FULLAUTH),
    ),
    _CLIENT_ERROR_CODE: ("client_error", _pull_number),
    _KDF_INPUT: ("network_name", _pull_sized),
    _KDF: ("kdfs", _pull_number),
    _IV: ("iv", _pull_block),
    _ENCR_DATA: ("encrypted", _pull_encr_data),
    _CHECKCODE: ("checkcode", _pull_checkcode),
    _RESULT_IND: ("result_indication", _pull_flag),
    _BIDDING: ("bidding", _pull_bidding),
}

_PULL_INNER: _PullTable = {
    _PADDING: ("padding", _pull_padding),
    _COUNTER: ("counter", _pull_number),
    _COUNTER_TOO_SMALL: ("counter_too_small", _pull_flag),
    _NONCE_S: ("nonce_s", _pull_block),
    _NEXT_PSEUDONYM: ("next_pseudonym", _pull_sized),
    _NEXT_REAUTH_ID: ("next_reauth_id", _pull_sized),
}


def _push_attributes(source: Packet | Encrypted, table: _PushTable) -> bytes:
    """Write the fields of the table that are there, in its order."""
    parts = []
    for name, absent, push in table:
        value = getattr(source, name)
        if value != absent:
            parts.append(push(value))
    return b"".join(parts)


def _push_res(res: Res) -> bytes:
    if not 32 <= res.bits <= 128 or len(res.value) != (res.bits + 7) // 8:
        raise MalformedPacket("RES and its length differ")
    return _padded(_RES, res.bits, res.value)


def _push_block(value: bytes, *, kind: int) -> bytes:
    if len(value) != 16:
        raise MalformedPacket("attribute of a wrong size")
    return bytes((kind, 5, 0, 0)) + value


def _push_auts(value: bytes) -> bytes:
    if len(value) != 14:
        raise MalformedPacket("attribute of a wrong size")
    return bytes((_AUTS, 4)) + value


def _push_number(number: int, *, kind: int) -> bytes:
    return bytes((kind, 1)) + _U16.pack(number)


def _push_flag(_there: bool, *, kind: int) -> bytes:
    return bytes((kind, 1, 0, 0))


def _push_request(request: IdentityRequest) -> bytes:
    return bytes((_REQUEST_KINDS[request], 1, 0, 0))


def _push_bidding(prefers_prime: bool) -> bytes:
    return _push_number(0x8000 if prefers_prime else 0, kind=_BIDDING)


def _push_sized(value: bytes, *, kind: int) -> bytes:
    return _padded(kind, len(value), value)


def _push_encr_data(value: bytes) -> bytes:
    if not value or len(value) % 16:
        raise MalformedPacket("encrypted data is not whole blocks")
    return _padded(_ENCR_DATA, 0, value)


def _push_checkcode(value: bytes) -> bytes:
    if len(value) not in (0, 20, 32):
        raise MalformedPacket("attribute of a wrong size")
    return _padded(_CHECKCODE, 0, value)


def _push_kdfs(kdfs: Iterable[int]) -> bytes:
    return b"".join(_push_number(kdf, kind=_KDF) for kdf in kdfs)


def _padded(kind: int, number: int, value: bytes) -> bytes:
    """Write one attribute with two bytes of number, its value and zeros up to a word."""
    words = 1 + (len(value) + 3) // 4
    if words > 255:
        raise MalformedPacket("attribute too long")
    return bytes((kind, words)) + _U16.pack(number) + value + bytes(-len(value) % 4)


_REQUEST_KINDS = {
    IdentityRequest.ANY: _ANY_ID_REQ,
    IdentityRequest.FULLAUTH: _FULLAUTH_ID_REQ,
    IdentityRequest.PERMANENT: _PERMANENT_ID_REQ,
}

_PUSH_PLAIN: _PushTable = (
    ("rand", None, partial(_push_block, kind=_RAND)),
    ("autn", None, partial(_push_block, kind=_AUTN)),
    ("res", None, _push_res),
    ("auts", None, _push_auts),
    ("identity_request", IdentityRequest.NONE, _push_request),
    ("identity", None, partial(_push_sized, kind=_IDENTITY)),
    ("client_error", None, partial(_push_number, kind=_CLIENT_ERROR_CODE)),
    ("notification", None, partial(_push_number, kind=_NOTIFICATION)),
    ("network_name", None, partial(_push_sized, kind=_KDF_INPUT)),
    ("kdfs", (), _push_kdfs),
    ("iv", None, partial(_push_block, kind=_IV)),
    ("encrypted", None, _push_encr_data),
    ("checkcode", None, _push_checkcode),
    ("result_indication", False, partial(_push_flag, kind=_RESULT_IND)),
    ("bidding", None, _push_bidding),
    ("mac", None, partial(_push_block, kind=_MAC)),
)

_PUSH_INNER: _PushTable = (
    ("counter", None, partial(_push_number, kind=_COUNTER)),
    ("counter_too_small", False, partial(_push_flag, kind=_COUNTER_TOO_SMALL)),
    ("nonce_s", None, partial(_push_block, kind=_NONCE_S)),
    ("next_pseudonym", None, partial(_push_sized, kind=_NEXT_PSEUDONYM)),
    ("next_reauth_id", None, partial(_push_sized, kind=_NEXT_REAUTH_ID)),
)
