"""The built-in authentication centre: vectors from keys in our own store (TS 33.102 §6.3).

For laboratories, tests and small networks. Ki and OPc are wrapped by the key
ring at rest and in clear only while a vector is made. Sequence numbers follow
the clock (TS 33.102 §C.1.1.3): SEQ = tenths of a second + the SIM's own offset,
so that handing out a vector writes nothing, and IND tells sources apart. Within
a process a SIM never gets one SEQ twice; each worker has an IND of its own.
"""

from __future__ import annotations

import os
import secrets
from collections import OrderedDict
from collections.abc import Callable

from simgrant.eap.algorithm import AkaAlgorithm, open_auts
from simgrant.eap.milenage import Milenage
from simgrant.eap.packet import Variant
from simgrant.eap.tuak import Tuak
from simgrant.eap.vector import AuthVector, Resync
from simgrant.errors import AuthenticationRejected, PeerMisbehaved, UnknownIdentity
from simgrant.identities import Imsi
from simgrant.keyring.ring import NONCE_BYTES, KeyRing, SealBroken
from simgrant.nouns import noun, replace
from simgrant.ports.clock import Clock
from simgrant.ports.keys import Keys
from simgrant.ports.store import SimKey, Store
from simgrant.ports.vectors import VectorRequest

IND_BITS = 5
_SEQ_LIMIT = 1 << (48 - IND_BITS)
_EPOCH = 1_577_836_800
"""The clock of sequence numbers starts in 2020; only differences matter."""
_REMEMBERED = 100_000
_FRESH = 1 << 28
"""How far ahead of its own a SIM takes a SEQ (TS 33.102 §C.2.1)."""
_ATTEMPTS = 3
_NOBODY = Imsi("000000")


@noun
class Config:
    """What tells this source of vectors from others."""

    ind: int
    """0 to 31."""


def open_vectors(config: Config, *, store: Store, keys: Keys, clock: Clock) -> LocalAuc:
    """Return the authentication centre over a store."""
    return LocalAuc(config, store, keys, clock)


class LocalAuc:
    """A source of vectors (the ``Vectors`` port)."""

    def __init__(self, config: Config, store: Store, keys: Keys, clock: Clock) -> None:
        self._ind = config.ind
        self._store = store
        self._keys = keys
        self._clock = clock
        self._last: OrderedDict[tuple[str, Imsi], int] = OrderedDict()
        self._dummies: dict[str, SimKey] = {}

    async def fetch(self, request: VectorRequest, *, deadline: float) -> AuthVector:
        """Return one vector; ``deadline`` is the store's business here."""
        del deadline
        key = await self._store.sim_key(request.tenant, request.imsi)
        rand = os.urandom(16)
        if key is None:
            # An IMSI that is not ours costs the same work as one that is.
            dummy = self._dummy(request.tenant)
            algorithm = unwrap(dummy, self._keys.ring, request.tenant, _NOBODY)
            algorithm.generate(rand, sqn=self._sqn(request, dummy.sqn_offset), amf=dummy.amf)
            raise UnknownIdentity("sim_unknown")
        if request.variant is Variant.AKA_PRIME and not key.amf[0] & 0x80:
            raise PeerMisbehaved(
                "amf_without_separation_bit",
                for_operator="EAP-AKA' needs a SIM whose AMF has its first bit set",
            )
        algorithm = unwrap(key, self._keys.ring, request.tenant, request.imsi)
        offset = key.sqn_offset
        if request.resync is not None:
            offset = await self._resynchronise(algorithm, request, request.resync)
        return algorithm.generate(rand, sqn=self._sqn(request, offset), amf=key.amf)

    async def _resynchronise(
        self, algorithm: AkaAlgorithm, request: VectorRequest, resync: Resync
    ) -> int:
        """Take over the SIM's sequence number and return the new offset (TS 33.102 §C.3.3)."""
        sqn_ms = open_auts(algorithm, resync.rand, resync.auts)
        if sqn_ms is None:
            raise AuthenticationRejected("auts_not_verified")
        # One further than the SIM is now, counted from now on.
        offset = (sqn_ms >> IND_BITS) + 1 - self._tenths()
        for _ in range(_ATTEMPTS):
            key = await self._store.sim_key(request.tenant, request.imsi)
            if key is None:
                raise UnknownIdentity("sim_unknown")
            if await self._store.set_sqn_offset(
                request.tenant, request.imsi, offset, expected=key.sqn_offset
            ):
                break
        name = (request.tenant, request.imsi)
        if self._last.get(name, 0) - (sqn_ms >> IND_BITS) >= _FRESH:
            # What we gave last is too far ahead for this SIM to take (TS 33.102 §C.2.1).
            del self._last[name]
        return offset

    def _dummy(self, tenant: str) -> SimKey:
        key = self._dummies.get(tenant)
        if key is None:
            key = self._dummies[tenant] = wrap(
                "milenage",
                secrets.token_bytes(16),
                secrets.token_bytes(16),
                ring=self._keys.ring,
                tenant=tenant,
                imsi=_NOBODY,
                amf=b"\x80\x00",
                sqn=0,
                now=self._clock.now(),
            )
        return key

    def _tenths(self) -> int:
        return int((self._clock.now() - _EPOCH) * 10)

    def _sqn(self, request: VectorRequest, offset: int) -> int:
        """Return the next SQN of a SIM: SEQ by the clock, IND by this source."""
        name = (request.tenant, request.imsi)
        seq = max(self._tenths() + offset, self._last.get(name, -1) + 1, 1)
        self._last[name] = seq
        self._last.move_to_end(name)
        if len(self._last) > _REMEMBERED:
            self._last.popitem(last=False)
        return (seq % _SEQ_LIMIT) << IND_BITS | self._ind


def initial_offset(sqn: int, *, now: float) -> int:
    """Return the offset of a SIM whose sequence number is ``sqn`` at ``now`` (Unix seconds)."""
    return (sqn >> IND_BITS) - int((now - _EPOCH) * 10)


def wrap(
    algorithm: str,
    k: bytes,
    op: bytes,
    *,
    ring: KeyRing,
    tenant: str,
    imsi: Imsi,
    amf: bytes,
    sqn: int,
    now: float,
    res_length: int = 8,
) -> SimKey:
    """Return a SIM's keys as they are stored. ``op`` is OPc or TOPc, in clear, as bytes."""
    if algorithm not in _ALGORITHMS:
        raise ValueError(f"algorithm must be one of {', '.join(_ALGORITHMS)}")
    _ALGORITHMS[algorithm](k, op, res_length)  # refuses wrong lengths
    if len(amf) != 2:
        raise ValueError("AMF has 2 bytes")

    def wrapped(part: str, secret: bytes) -> bytes:
        return ring.wrap(tenant, _label(imsi, part), secret, nonce=os.urandom(NONCE_BYTES), now=now)

    return SimKey(
        algorithm=algorithm,
        wrapped_k=wrapped("k", k),
        wrapped_op=wrapped("op", op),
        amf=amf,
        sqn_offset=initial_offset(sqn, now=now),
        res_length=res_length,
    )


def unwrap(key: SimKey, ring: KeyRing, tenant: str, imsi: Imsi) -> AkaAlgorithm:
    """Return the algorithm with a SIM's keys in it; PeerMisbehaved if no key opens them."""
    make = _ALGORITHMS.get(key.algorithm)
    if make is None:
        raise PeerMisbehaved("auc_algorithm_unknown")
    try:
        k = ring.unwrap(tenant, _label(imsi, "k"), key.wrapped_k)
        op = ring.unwrap(tenant, _label(imsi, "op"), key.wrapped_op)
    except SealBroken:
        raise PeerMisbehaved(
            "auc_key_not_unwrapped",
            for_operator="the wrapping key of this SIM is not on the key ring",
        ) from None
    return make(k, op, key.res_length)


def wrapped_anew(key: SimKey, *, ring: KeyRing, tenant: str, imsi: Imsi, now: float) -> SimKey:
    """Return the row under the newest wrapping key, as it is where it is so already.

    Raise SealBroken if no key of the ring opens it.
    """

    def anew(part: str, wrapped: bytes) -> bytes:
        label, nonce = _label(imsi, part), os.urandom(NONCE_BYTES)
        return ring.wrapped_anew(tenant, label, wrapped, nonce=nonce, now=now)

    return replace(key, wrapped_k=anew("k", key.wrapped_k), wrapped_op=anew("op", key.wrapped_op))


def _label(imsi: Imsi, part: str) -> str:
    return f"{imsi.digits}|{part}"


def _milenage(k: bytes, op: bytes, res_length: int) -> AkaAlgorithm:
    if res_length != 8:
        raise ValueError("Milenage gives a RES of 8 bytes")
    return Milenage(k, op)


def _tuak(k: bytes, op: bytes, res_length: int) -> AkaAlgorithm:
    return Tuak(k, op, res_bytes=res_length)


_ALGORITHMS: dict[str, Callable[[bytes, bytes, int], AkaAlgorithm]] = {
    "milenage": _milenage,
    "tuak": _tuak,
}
