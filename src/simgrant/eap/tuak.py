"""TUAK, the algorithm set built on Keccak instead of AES (TS 35.231).

Few SIMs have it, but it is the reason why XRES is not always eight bytes long.
Only the simulator and the local AuC ever hold a key, so plain Python is quick
enough.
"""

from __future__ import annotations

from typing import Final

from simgrant.eap.algorithm import SQN_LIMIT, AkaResult
from simgrant.eap.vector import AuthVector

_M64 = (1 << 64) - 1
_ALGORITHM_NAME: Final = b"TUAK1.0"

_F1, _F1_STAR, _F2345, _F5_STAR = 0x00, 0x80, 0x40, 0xC0
"""The two top bits of INSTANCE say which function is meant (TS 35.231 §6)."""
_SIZE_CODES: Final = {4: 0x00, 8: 0x08, 16: 0x10, 32: 0x20}
"""Bits of INSTANCE for the size of MAC or RES in bytes."""


class Tuak:
    """TUAK with the K and TOPc of one SIM, and the sizes its operator chose."""

    __slots__ = (
        "_ck_bytes",
        "_ik_bytes",
        "_iterations",
        "_k",
        "_mac_bytes",
        "_res_bytes",
        "_topc",
    )

    def __init__(
        self,
        k: bytes,
        topc: bytes,
        *,
        res_bytes: int = 8,
        mac_bytes: int = 8,
        ck_bytes: int = 16,
        ik_bytes: int = 16,
        iterations: int = 1,
    ) -> None:
        """Take K (16 or 32 bytes) and TOPc (32); `topc_from_top` makes it of TOP.

        `generate` needs the default sizes of MAC, CK and IK, since EAP-AKA knows
        no others (RFC 4187 §10.7).
        """
        if len(k) not in (16, 32) or len(topc) != 32 or iterations < 1:
            raise ValueError("K has 16 or 32 bytes, TOPc 32, and one iteration is the least")
        if res_bytes not in (4, 8, 16, 32) or mac_bytes not in (8, 16, 32):
            raise ValueError("RES has 4, 8, 16 or 32 bytes and MAC 8, 16 or 32")
        if ck_bytes not in (16, 32) or ik_bytes not in (16, 32):
            raise ValueError("CK and IK have 16 or 32 bytes")
        self._k, self._topc, self._iterations = k, topc, iterations
        self._res_bytes, self._mac_bytes = res_bytes, mac_bytes
        self._ck_bytes, self._ik_bytes = ck_bytes, ik_bytes

    def __repr__(self) -> str:
        """Show no key."""
        return "Tuak(…)"

    def generate(self, rand: bytes, *, sqn: int, amf: bytes) -> AuthVector:
        """Return a whole vector for one RAND and sequence number."""
        mac = self.f1(rand, sqn=sqn, amf=amf)
        made = self.f2345(rand)
        concealed = (sqn ^ int.from_bytes(made.ak, "big")).to_bytes(6, "big")
        return AuthVector(rand, concealed + amf + mac, made.res, made.ck, made.ik)

    def f1(self, rand: bytes, *, sqn: int, amf: bytes) -> bytes:
        """Return MAC-A."""
        return self._mac(_F1, rand, sqn=sqn, amf=amf)

    def f1_star(self, rand: bytes, *, sqn: int, amf: bytes) -> bytes:
        """Return MAC-S."""
        return self._mac(_F1_STAR, rand, sqn=sqn, amf=amf)

    def f2345(self, rand: bytes) -> AkaResult:
        """Return RES, CK, IK and AK."""
        instance = _F2345 | _SIZE_CODES[self._res_bytes]
        instance |= 0x04 if self._ck_bytes == 32 else 0
        instance |= 0x02 if self._ik_bytes == 32 else 0
        out = self._output(instance, rand, sqn=0, amf=b"\0\0")
        return AkaResult(
            res=_reversed(out, 0, self._res_bytes),
            ck=_reversed(out, 32, self._ck_bytes),
            ik=_reversed(out, 64, self._ik_bytes),
            ak=_reversed(out, 96, 6),
        )

    def f5_star(self, rand: bytes) -> bytes:
        """Return AK*, 6 bytes."""
        return _reversed(self._output(_F5_STAR, rand, sqn=0, amf=b"\0\0"), 96, 6)

    def _mac(self, function: int, rand: bytes, *, sqn: int, amf: bytes) -> bytes:
        instance = function | _SIZE_CODES[self._mac_bytes]
        return _reversed(self._output(instance, rand, sqn=sqn, amf=amf), 0, self._mac_bytes)

    def _output(self, instance: int, rand: bytes, *, sqn: int, amf: bytes) -> bytes:
        if len(rand) != 16 or len(amf) != 2 or not 0 <= sqn < SQN_LIMIT:
            raise ValueError("RAND has 16 bytes, AMF 2 and SQN 48 bits")
        middle = rand[::-1] + amf[::-1] + sqn.to_bytes(6, "little")
        return _tuak(self._topc, instance, middle, k=self._k, iterations=self._iterations)


def topc_from_top(k: bytes, top: bytes, *, iterations: int = 1) -> bytes:
    """Return TOPc, the operator's TOP bound to one K (TS 35.231 §6.2)."""
    if len(k) not in (16, 32) or len(top) != 32:
        raise ValueError("K has 16 or 32 bytes and TOP 32")
    return _reversed(_tuak(top, 0, bytes(24), k=k, iterations=iterations), 0, 32)


def _tuak(top: bytes, instance: int, middle: bytes, *, k: bytes, iterations: int) -> bytes:
    """Fill the 200 bytes of Keccak's state and permute them (TS 35.231 §6.1).

    Every field stands in it last byte first; `middle` is RAND, AMF and SQN, so
    turned already. The padding is that of a sponge of capacity 512.
    """
    instance |= 0x01 if len(k) == 32 else 0
    state = (
        top[::-1]
        + bytes((instance,))
        + _ALGORITHM_NAME[::-1]
        + middle
        + k[::-1].ljust(32, b"\0")
        + b"\x1f"
    ).ljust(200, b"\0")
    lanes = [int.from_bytes(state[at : at + 8], "little") for at in range(0, 200, 8)]
    lanes[16] |= 1 << 63
    for _ in range(iterations):
        _keccak(lanes)
    return b"".join(lane.to_bytes(8, "little") for lane in lanes)


def _reversed(out: bytes, at: int, size: int) -> bytes:
    return out[at : at + size][::-1]


# --- Keccak-f[1600] (FIPS 202 §3) ---


def _round_constants() -> tuple[int, ...]:
    """Return the 24 constants of iota, from their shift register (FIPS 202 §3.2.5)."""
    constants, register = [], 1
    for _ in range(24):
        constant = 0
        for power in range(7):
            if register & 1:
                constant |= 1 << ((1 << power) - 1)
            register = register << 1 ^ (0x171 if register & 0x80 else 0)
        constants.append(constant)
    return tuple(constants)


def _moves() -> tuple[tuple[int, int, int], ...]:
    """Return for rho and pi together: from which lane, to which lane, turned how far."""
    moves, x, y = [(0, 0, 0)], 1, 0
    for t in range(24):
        turn = (t + 1) * (t + 2) // 2 % 64
        nx, ny = y, (2 * x + 3 * y) % 5
        moves.append((x + 5 * y, nx + 5 * ny, turn))
        x, y = nx, ny
    return tuple(moves)


_ROUNDS: Final = _round_constants()
_MOVES: Final = _moves()


def _keccak(a: list[int]) -> None:
    """Permute 25 lanes of 64 bits in place; lane x, y is at x + 5y."""
    for constant in _ROUNDS:
        c = [a[x] ^ a[x + 5] ^ a[x + 10] ^ a[x + 15] ^ a[x + 20] for x in range(5)]
        d = [c[x - 1] ^ ((c[(x + 1) % 5] << 1 | c[(x + 1) % 5] >> 63) & _M64) for x in range(5)]
        b = [0] * 25
        for source, target, turn in _MOVES:
            lane = a[source] ^ d[source % 5]
            b[target] = (lane << turn | lane >> (64 - turn)) & _M64
        for y in range(0, 25, 5):
            for x in range(5):
                a[y + x] = b[y + x] ^ (~b[y + (x + 1) % 5] & b[y + (x + 2) % 5])
        a[0] ^= constant
