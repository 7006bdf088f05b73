"""Keys and MACs of EAP-AKA and EAP-AKA' (RFC 4187 §7, RFC 9048 §3.3 and §3.4).

The server of TS.43 needs K_aut alone, so that MSK and EMSK are made only on
request: they would cost three times as much as the whole rest.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from dataclasses import field
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

from simgrant.eap.packet import EMPTY_MAC, MAC_BYTES, Variant
from simgrant.eap.prf import prf
from simgrant.nouns import noun

KDF_CK_IK: Final = 1
"""The one key derivation function of EAP-AKA' (RFC 9048 §3.3)."""

K_AUT_BYTES: Final = {Variant.AKA: 16, Variant.AKA_PRIME: 32}
"""Size of K_aut."""

_U16 = struct.Struct(">H")
_HASH: Final = {Variant.AKA: "sha1", Variant.AKA_PRIME: "sha256"}


@noun
class Keys:
    """What one full authentication yields; says nothing of itself in its repr."""

    k_encr: bytes = field(repr=False)
    """Key of AT_ENCR_DATA, 16 bytes."""
    k_aut: bytes = field(repr=False)
    """Key of AT_MAC, 16 bytes (EAP-AKA') 32."""
    master: bytes = field(repr=False)
    """What re-authentication starts from: MK (20 bytes), with EAP-AKA' K_re (32)."""
    msk: bytes = field(default=b"", repr=False)
    """64 bytes if asked for."""
    emsk: bytes = field(default=b"", repr=False)
    """64 bytes if asked for."""


@noun
class SessionKeys:
    """MSK and EMSK, which EAP hands to whoever carries it (RFC 3748 §7.10)."""

    msk: bytes = field(repr=False)
    emsk: bytes = field(repr=False)


def master_key(identity: bytes, *, ik: bytes, ck: bytes) -> bytes:
    """Return MK = SHA1(Identity | IK | CK) (RFC 4187 §7).

    The identity is the last one the peer gave, byte for byte, leading digit and
    realm included; in TS.43 that is EAP_ID as sent (TS.43 §2.8.1).
    """
    # SHA-1 is the method's own choice; the flag keeps FIPS builds of OpenSSL content.
    return hashlib.sha1(identity + ik + ck, usedforsecurity=False).digest()


def derive(identity: bytes, *, ik: bytes, ck: bytes, msk: bool = False) -> Keys:
    """Return the keys of EAP-AKA (RFC 4187 §7); MSK and EMSK only if `msk`."""
    mk = master_key(identity, ik=ik, ck=ck)
    out = prf(mk, 160 if msk else 32)
    return Keys(out[:16], out[16:32], mk, out[32:96], out[96:])


def derive_prime(identity: bytes, *, ik: bytes, ck: bytes, msk: bool = False) -> Keys:
    """Return the keys of EAP-AKA' from IK' and CK' (RFC 9048 §3.3)."""
    out = prf_prime(ik + ck, b"EAP-AKA'" + identity, 208 if msk else 80)
    return Keys(out[:16], out[16:48], out[48:80], out[80:144], out[144:])


def bind_to_network(
    ck: bytes, ik: bytes, *, autn: bytes, network_name: bytes
) -> tuple[bytes, bytes]:
    """Return CK' and IK': the keys bound to the access network's name (TS 33.402 §A.2)."""
    text = b"\x20" + network_name + _U16.pack(len(network_name)) + autn[:6] + b"\x00\x06"
    out = hmac.digest(ck + ik, text, "sha256")
    return out[:16], out[16:]


def prf_prime(key: bytes, seed: bytes, length: int) -> bytes:
    """Return PRF': HMAC-SHA-256 in a chain, numbered from one (RFC 9048 §3.4.1)."""
    out = block = b""
    for number in range(1, -(-length // 32) + 1):
        block = hmac.digest(key, block + seed + bytes((number,)), "sha256")
        out += block
    return out[:length]


def rederive(
    variant: Variant, identity: bytes, *, master: bytes, counter: int, nonce_s: bytes
) -> SessionKeys:
    """Return fresh MSK and EMSK for a fast re-authentication (RFC 4187 §7, RFC 9048 §3.3)."""
    tail = _U16.pack(counter) + nonce_s
    if variant is Variant.AKA:
        xkey = hashlib.sha1(identity + tail + master, usedforsecurity=False).digest()
        out = prf(xkey, 128)
    else:
        out = prf_prime(master, b"EAP-AKA' re-auth" + identity + tail, 128)
    return SessionKeys(out[:64], out[64:])


def mac_of(variant: Variant, k_aut: bytes, covered: bytes) -> bytes:
    """Return the 16 bytes of AT_MAC over bytes in which AT_MAC is zero (RFC 4187 §10.15)."""
    return hmac.digest(k_aut, covered, _HASH[variant])[:MAC_BYTES]


def sign(variant: Variant, k_aut: bytes, packet: bytes, *, appended: bytes = b"") -> bytes:
    """Fill in the AT_MAC with which the packet ends; `appended` is covered, not sent."""
    return packet[:-MAC_BYTES] + mac_of(variant, k_aut, packet + appended)


def is_signed(
    variant: Variant, k_aut: bytes, packet: bytes, *, mac_at: int, appended: bytes = b""
) -> bool:
    """Tell in constant time whether the AT_MAC at `mac_at` is right; no AT_MAC is not."""
    if not mac_at:
        return False
    after = mac_at + MAC_BYTES
    covered = packet[:mac_at] + EMPTY_MAC + packet[after:] + appended
    return hmac.compare_digest(mac_of(variant, k_aut, covered), packet[mac_at:after])


def checkcode_of(variant: Variant, identity_packets: bytes) -> bytes:
    """Return AT_CHECKCODE's value over the AKA-Identity packets (RFC 4187 §10.13).

    Empty if there were none. SHA-256 with EAP-AKA' (RFC 9048 §3.5).
    """
    if not identity_packets:
        return b""
    return hashlib.new(_HASH[variant], identity_packets, usedforsecurity=False).digest()


def iv_for(k_aut: bytes, plain: bytes, *, context: bytes) -> bytes:
    """Return the AT_IV for one encryption, made from a secret and all it protects.

    RFC 4187 §10.12 wants an IV nobody can predict or repeat. A keyed hash over
    the packet's header and the plain text is both, without the machine needing
    a source of randomness at every step.
    """
    return hmac.digest(k_aut, b"AT_IV" + context + plain, "sha256")[:16]


def encrypt(k_encr: bytes, iv: bytes, plain: bytes) -> bytes:
    """Return the value of AT_ENCR_DATA: AES-128-CBC over whole blocks (RFC 4187 §10.12)."""
    encryptor = Cipher(AES(k_encr), CBC(iv)).encryptor()
    return encryptor.update(plain) + encryptor.finalize()


def decrypt(k_encr: bytes, iv: bytes, secret: bytes) -> bytes:
    """Return what `encrypt` was given."""
    decryptor = Cipher(AES(k_encr), CBC(iv)).decryptor()
    return decryptor.update(secret) + decryptor.finalize()
