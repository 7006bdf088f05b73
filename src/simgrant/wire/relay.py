"""The envelope of a relayed EAP packet: one JSON member with base64 (TS.43 §2.8.1)."""

from __future__ import annotations

import binascii
from typing import Final

from simgrant.errors import BadRequest
from simgrant.wire import content_types, flat_json

CONTENT_TYPE: Final = content_types.EAP_RELAY
MEMBER: Final = "eap-relay-packet"
"""The member that tells an EAP packet from parameters, whatever the Content-Type says."""
MAX_PACKET: Final = 1500
"""An EAP packet fits one Ethernet frame; an AKA challenge has about 70 bytes."""

_MAX_TEXT: Final = MAX_PACKET * 2
_MAX_BODY: Final = 16 * 1024


def push_relay(packet: bytes) -> bytes:
    """Return the body that carries ``packet``: one member, standard base64, no spaces."""
    return b'{"eap-relay-packet":"%b"}' % binascii.b2a_base64(packet, newline=False)


def pull_relay(body: bytes) -> bytes:
    """Return the packet in a relay body, for the simulator; raise `BadRequest` if there is none."""
    if len(body) > _MAX_BODY:
        raise BadRequest("body_too_large")
    for name, value in flat_json.pull_object(body):
        if name == MEMBER:
            return pull_packet(value)
    raise BadRequest("relay_packet_missing")


def pull_packet(value: object) -> bytes:
    """Return the EAP packet in the member's value.

    The alphabet is the standard one and padding is due; line breaks are let through, because
    Android's default base64 has one every 76 characters and one at the end.
    """
    if not isinstance(value, str):
        raise BadRequest("relay_packet_not_text")
    if len(value) > _MAX_TEXT:
        raise BadRequest("relay_packet_too_long")
    text = value.replace("\n", "").replace("\r", "")
    try:
        packet = binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        raise BadRequest("relay_packet_not_base64") from None
    if not packet:
        raise BadRequest("relay_packet_empty")
    if len(packet) > MAX_PACKET:
        raise BadRequest("relay_packet_too_long")
    return packet
