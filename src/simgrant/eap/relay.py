"""What passes between a phone and an EAP server that is not ours: challenges, and their answers.

A phone of TS.43 knows AKA-Challenge and nothing else. Who it is was said in its EAP_ID, so the
server's questions about that are answered here; anything else ends the conversation.
"""

from __future__ import annotations

import struct
from dataclasses import field
from enum import StrEnum
from typing import Final, TypeAlias

from simgrant.eap.packet import (
    Code,
    IdentityRequest,
    MalformedPacket,
    Packet,
    Subtype,
    Variant,
    pull_packet,
    push_packet,
)
from simgrant.nouns import noun

_HEAD: Final = struct.Struct(">BBHB")
_SHORT_HEAD: Final = struct.Struct(">BBH")
_REQUEST, _RESPONSE, _SUCCESS = 1, 2, 3
_IDENTITY: Final = 1


class NoWay(StrEnum):
    """Why a server's packet, or a phone's, is not passed on; a stable word."""

    NO_REQUEST = "no_request"
    """What should be an EAP request is none."""
    MALFORMED = "malformed"
    OTHER_METHOD = "other_method"
    """The server wants another EAP method than the identity is for."""
    NOTIFICATION = "notification"
    REAUTHENTICATION = "reauthentication"
    OTHER_MESSAGE = "other_message"
    NO_RAND = "no_rand"
    """A challenge without RAND, AUTN or MAC."""
    WRONG_HEADER = "wrong_header"
    """The phone answers another request, or with another method."""
    UNEXPECTED = "unexpected"
    """The phone's message is none that answers a challenge."""


@noun
class Shown:
    """A challenge, which the phone has to see."""

    identifier: int


@noun
class Answered:
    """What the server asked is answered at once."""

    packet: bytes = field(repr=False)


FromServer: TypeAlias = Shown | Answered | NoWay


def push_identity(identifier: int, identity: bytes) -> bytes:
    """Return the EAP-Response/Identity that a conversation begins with (RFC 3748 §5.1)."""
    return _HEAD.pack(_RESPONSE, identifier, 5 + len(identity), _IDENTITY) + identity


def from_server(data: bytes, identity: bytes, variant: Variant) -> FromServer:
    """Say what is to be done with a server's EAP request; for every input, without raising."""
    if len(data) < _HEAD.size:
        return NoWay.NO_REQUEST
    code, identifier, length, kind = _HEAD.unpack_from(data)
    if code != _REQUEST or length != len(data):
        return NoWay.NO_REQUEST
    if kind == _IDENTITY:
        return Answered(push_identity(identifier, identity))
    if kind != variant:
        return NoWay.OTHER_METHOD
    try:
        packet = pull_packet(data)
    except MalformedPacket:
        return NoWay.MALFORMED
    match packet.subtype:
        case Subtype.CHALLENGE:
            whole = packet.rand is not None and packet.autn is not None and packet.mac is not None
            return Shown(identifier) if whole else NoWay.NO_RAND
        case Subtype.IDENTITY if packet.identity_request is not IdentityRequest.NONE:
            return Answered(_aka_identity(packet, identity))
        case Subtype.NOTIFICATION:
            return NoWay.NOTIFICATION
        case Subtype.REAUTHENTICATION:
            return NoWay.REAUTHENTICATION
    return NoWay.OTHER_MESSAGE


def from_phone(data: bytes, identifier: int, variant: Variant) -> Subtype | NoWay:
    """Return what a phone's packet is that answers a challenge, or why it is not passed on."""
    try:
        packet = pull_packet(data)
    except MalformedPacket:
        return NoWay.MALFORMED
    if (packet.code, packet.identifier, packet.variant) != (Code.RESPONSE, identifier, variant):
        return NoWay.WRONG_HEADER
    match packet.subtype:
        case Subtype.CHALLENGE if packet.res is None or packet.mac is None:
            return NoWay.MALFORMED
        case Subtype.SYNCHRONIZATION_FAILURE if packet.auts is None:
            return NoWay.MALFORMED
        case (
            Subtype.CHALLENGE
            | Subtype.SYNCHRONIZATION_FAILURE
            | Subtype.AUTHENTICATION_REJECT
            | Subtype.CLIENT_ERROR
        ):
            return packet.subtype
    return NoWay.UNEXPECTED


def is_success(data: bytes) -> bool:
    """Say whether a packet is EAP-Success (RFC 3748 §4.2)."""
    return len(data) == _SHORT_HEAD.size and _SHORT_HEAD.unpack(data)[::2] == (_SUCCESS, 4)


def _aka_identity(asked: Packet, identity: bytes) -> bytes:
    return push_packet(
        Packet(
            code=Code.RESPONSE,
            identifier=asked.identifier,
            variant=asked.variant,
            subtype=Subtype.IDENTITY,
            identity=identity,
        )
    )
