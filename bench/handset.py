"""The client's half of a full authentication, as lean as the load generator needs it."""

from __future__ import annotations

from binascii import a2b_base64, b2a_base64

from simgrant.eap import keys
from simgrant.eap.algorithm import AkaAlgorithm
from simgrant.eap.packet import Variant
from simgrant.eap.usim import SoftUsim, UsimSuccess

_RAND = slice(12, 28)
_AUTN = slice(32, 48)
"""Where an AKA-Challenge has them: header 8, AT_RAND 4 + 16, AT_AUTN 4 + 16 (RFC 4187 §9.3)."""
_RESPONSE = bytes.fromhex("020000281701000003030040")
_MAC = bytes.fromhex("0b050000") + bytes(16)
_BEFORE = b'{"eap-relay-packet":"'
_AFTER = b'"}'


def answer_relay(body: bytes, nai: str, card: AkaAlgorithm) -> bytes:
    """Return the body that answers a challenge's, with the RES and MAC of a genuine SIM."""
    start = body.index(_BEFORE) + len(_BEFORE)
    challenge = a2b_base64(body[start : body.index(b'"', start)])
    packet = answer_challenge(challenge, nai.encode(), card)
    return _BEFORE + b2a_base64(packet, newline=False) + _AFTER


def answer_challenge(challenge: bytes, nai: bytes, card: AkaAlgorithm) -> bytes:
    """Return EAP-Response/AKA-Challenge to an AKA-Challenge that this SIM believes."""
    made = SoftUsim(card).authenticate(challenge[_RAND], challenge[_AUTN])
    if not isinstance(made, UsimSuccess):
        raise ValueError(f"the SIM refused the challenge: {type(made).__name__}")
    k_aut = keys.derive(nai, ik=made.ik, ck=made.ck).k_aut
    packet = b"".join((_RESPONSE[:1], challenge[1:2], _RESPONSE[2:], made.res, _MAC))
    return keys.sign(Variant.AKA, k_aut, packet)
