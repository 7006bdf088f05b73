"""The pseudo-random function of EAP-AKA's keys (RFC 4187 Appendix A, FIPS 186-2 cn. 1).

Its G function is one bare SHA-1 compression without padding. `hashlib` always
pads, so there are two implementations: plain Python, which is the reference,
and libcrypto's `SHA1_Transform`, some twenty times faster, which is used only
after it has reproduced a published vector in this very process.
"""

from __future__ import annotations

import contextlib
import ctypes
import ctypes.util
import struct
from collections.abc import Callable
from typing import Literal

Implementation = Literal["ctypes", "python"]
"""How the compression is computed."""

KEY_BYTES = 20
"""XKEY has b = 160 bits in EAP-AKA."""

_IV = (0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0)
_M32 = 0xFFFFFFFF
_M160 = (1 << 160) - 1
_PAD = bytes(44)
_WORDS = struct.Struct(">5I")

_PROOF_KEY = bytes.fromhex("bd029bbe7f51960bcf9edb2b61f06f0feb5a38b6")
_PROOF_OUT = bytes.fromhex(
    "2070b3223dba372fde1c0ffc7b2e3b498b2606143c6c18bacb0f6c55babb13788e20d737a3275116"
)


def prf(key: bytes, length: int) -> bytes:
    """Stretch a 20-byte key to `length` bytes with the implementation in use."""
    return _active(key, length)


def prf_pure(key: bytes, length: int) -> bytes:
    """Stretch a 20-byte key to `length` bytes in plain Python."""
    _check(key, length)
    xkey = int.from_bytes(key, "big")
    out = bytearray()
    while len(out) < length:
        block = _compress(xkey)
        out += block
        xkey = (1 + xkey + int.from_bytes(block, "big")) & _M160
    return bytes(out[:length])


def use(implementation: Implementation) -> None:
    """Choose the implementation; for the bench and for tests of both."""
    global IMPLEMENTATION, _active
    if implementation == "python":
        IMPLEMENTATION, _active = "python", prf_pure
        return
    if prf_fast is None:
        raise ValueError("this machine has no usable SHA1_Transform")
    IMPLEMENTATION, _active = "ctypes", prf_fast


def _check(key: bytes, length: int) -> None:
    if len(key) != KEY_BYTES or length < 0:
        raise ValueError("the PRF takes a key of 20 bytes and a length that is not negative")


def _compress(xkey: int) -> bytes:
    """Return G: the SHA-1 compression of XKEY and 44 zero bytes.

    The four phases are written out because a round function per call would
    double the time of a fallback that may have to carry a whole server.
    """
    w = [xkey >> 128, xkey >> 96 & _M32, xkey >> 64 & _M32, xkey >> 32 & _M32, xkey & _M32]
    w += [0] * 11
    add = w.append
    for t in range(64):
        x = w[t] ^ w[t + 2] ^ w[t + 8] ^ w[t + 13]
        add((x << 1 | x >> 31) & _M32)
    a, b, c, d, e = _IV
    for x in w[:20]:
        f = d ^ (b & (c ^ d))
        f += (a << 5 | a >> 27) + e + x + 0x5A827999
        e, d, c, b, a = d, c, (b << 30 | b >> 2) & _M32, a, f & _M32
    for x in w[20:40]:
        f = (b ^ c ^ d) + (a << 5 | a >> 27) + e + x + 0x6ED9EBA1
        e, d, c, b, a = d, c, (b << 30 | b >> 2) & _M32, a, f & _M32
    for x in w[40:60]:
        f = (b & c) | (d & (b | c))
        f += (a << 5 | a >> 27) + e + x + 0x8F1BBCDC
        e, d, c, b, a = d, c, (b << 30 | b >> 2) & _M32, a, f & _M32
    for x in w[60:]:
        f = (b ^ c ^ d) + (a << 5 | a >> 27) + e + x + 0xCA62C1D6
        e, d, c, b, a = d, c, (b << 30 | b >> 2) & _M32, a, f & _M32
    return _WORDS.pack(*(x + y & _M32 for x, y in zip(_IV, (a, b, c, d, e), strict=True)))


_ShaCtx = ctypes.c_uint32 * 24
"""OpenSSL's SHA_CTX: five words of state, two of length, a block, a counter."""


def _load() -> Callable[[bytes, int], bytes] | None:
    """Return the libcrypto implementation, or None where it cannot be trusted.

    `SHA1_Transform` is deprecated in OpenSSL 3 and missing from its relatives,
    so every failure here only means that the reference is used instead.
    """
    for name in ("libcrypto.so.3", "libcrypto.so.1.1", None):
        with contextlib.suppress(OSError, AttributeError):
            found = name or ctypes.util.find_library("crypto")
            if found is None:
                continue
            fast = _bind(ctypes.PyDLL(found))
            if fast(_PROOF_KEY, len(_PROOF_OUT)) == _PROOF_OUT:
                return fast
    return None


def _bind(library: ctypes.PyDLL) -> Callable[[bytes, int], bytes]:
    """Wrap one library; the context lives per call, so threads do not meet in it."""
    transform = library.SHA1_Transform
    transform.argtypes = (_ShaCtx, ctypes.c_char_p)
    transform.restype = None

    def fast(key: bytes, length: int) -> bytes:
        """Stretch a 20-byte key to `length` bytes with libcrypto."""
        _check(key, length)
        out = b""
        while len(out) < length:
            context = _ShaCtx(*_IV)
            transform(context, key + _PAD)
            block = _WORDS.pack(*context[:5])
            out += block
            xkey = 1 + int.from_bytes(key, "big") + int.from_bytes(block, "big")
            key = (xkey & _M160).to_bytes(20, "big")
        return out[:length]

    return fast


prf_fast: Callable[[bytes, int], bytes] | None = _load()
"""The libcrypto implementation, None if this machine has none that is right."""

_active: Callable[[bytes, int], bytes] = prf_fast or prf_pure

IMPLEMENTATION: Implementation = "ctypes" if prf_fast else "python"
"""What `prf` uses now."""
