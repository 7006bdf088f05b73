"""Milenage, the algorithm set of most SIMs (TS 35.206).

All five AES blocks behind the first are independent of each other, so that one
call encrypts them together, and the rotations and additions around it are done
on one large integer each. That makes a vector about five times as cheap as the
textbook way, which is what a simulator of a whole network needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

from simgrant.eap.algorithm import SQN_LIMIT, AkaResult
from simgrant.eap.vector import AuthVector

if TYPE_CHECKING:
    from collections.abc import Callable

_M128 = (1 << 128) - 1
_CONSTANTS = 1 << 384 | 2 << 256 | 4 << 128 | 8
"""c1 to c5 side by side: 0, 1, 2, 4 and 8 (TS 35.206 §4.1)."""


class Milenage:
    """Milenage with the K and OPc of one SIM."""

    __slots__ = ("_encrypt", "_opc", "_opc5", "_opc_r1")

    def __init__(self, k: bytes, opc: bytes) -> None:
        """Take K and OPc, 16 bytes each; `opc_from_op` makes it of OP."""
        if len(k) != 16 or len(opc) != 16:
            raise ValueError("K and OPc have 16 bytes each")
        # ECB over whole blocks keeps no state, so one encryptor serves every call.
        self._encrypt = _encryptor(k)
        self._opc = int.from_bytes(opc, "big")
        self._opc5 = int.from_bytes(opc * 5, "big")
        self._opc_r1 = (self._opc << 64 | self._opc >> 64) & _M128

    def __repr__(self) -> str:
        """Show no key."""
        return "Milenage(…)"

    def generate(self, rand: bytes, *, sqn: int, amf: bytes) -> AuthVector:
        """Return a whole vector for one RAND and sequence number."""
        out = self._outputs(rand, sqn=sqn, amf=amf)
        concealed = (sqn ^ int.from_bytes(out[16:22], "big")).to_bytes(6, "big")
        return AuthVector(rand, concealed + amf + out[:8], out[24:32], out[32:48], out[48:64])

    def f1(self, rand: bytes, *, sqn: int, amf: bytes) -> bytes:
        """Return MAC-A, 8 bytes."""
        return self._outputs(rand, sqn=sqn, amf=amf)[:8]

    def f1_star(self, rand: bytes, *, sqn: int, amf: bytes) -> bytes:
        """Return MAC-S, 8 bytes."""
        return self._outputs(rand, sqn=sqn, amf=amf)[8:16]

    def f2345(self, rand: bytes) -> AkaResult:
        """Return RES (8 bytes), CK, IK and AK."""
        out = self._outputs(rand, sqn=0, amf=b"\0\0")
        return AkaResult(res=out[24:32], ck=out[32:48], ik=out[48:64], ak=out[16:22])

    def f5_star(self, rand: bytes) -> bytes:
        """Return AK*, 6 bytes."""
        return self._outputs(rand, sqn=0, amf=b"\0\0")[64:70]

    def _outputs(self, rand: bytes, *, sqn: int, amf: bytes) -> bytes:
        """Return OUT1 to OUT5, 16 bytes each (TS 35.206 §4.1)."""
        if len(rand) != 16 or len(amf) != 2 or not 0 <= sqn < SQN_LIMIT:
            raise ValueError("RAND has 16 bytes, AMF 2 and SQN 48 bits")
        opc = self._opc
        start = (int.from_bytes(rand, "big") ^ opc).to_bytes(16, "big")
        temp = int.from_bytes(self._encrypt(start), "big")
        half = sqn << 16 | amf[0] << 8 | amf[1]
        # Rotated by r1 = 64 bits, SQN|AMF|SQN|AMF is itself again.
        first = temp ^ (half << 64 | half) ^ self._opc_r1
        x = temp ^ opc
        twice = x << 128 | x
        blocks = (
            first << 512
            | x << 384
            | (twice >> 96 & _M128) << 256
            | (twice >> 64 & _M128) << 128
            | twice >> 32 & _M128
        ) ^ _CONSTANTS
        out = self._encrypt(blocks.to_bytes(80, "big"))
        return (int.from_bytes(out, "big") ^ self._opc5).to_bytes(80, "big")


def opc_from_op(k: bytes, op: bytes) -> bytes:
    """Return OPc = E_K(OP) xor OP (TS 35.206 §4.1)."""
    if len(k) != 16 or len(op) != 16:
        raise ValueError("K and OP have 16 bytes each")
    mixed = int.from_bytes(_encryptor(k)(op), "big") ^ int.from_bytes(op, "big")
    return mixed.to_bytes(16, "big")


def _encryptor(k: bytes) -> Callable[[bytes], bytes]:
    """Return the bare block cipher, which is what Milenage is built on."""
    return Cipher(AES(k), ECB()).encryptor().update  # noqa: S305
