"""The authentication centre of a simulated HSS: vectors for SIMs that it knows (TS 33.102 §6.3)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import cycle
from typing import Final

from simgrant.eap.algorithm import AkaAlgorithm, open_auts
from simgrant.eap.keys import bind_to_network
from simgrant.sim.sims import Sim
from simgrant.spec.diameter import TGPP
from simgrant.wire.diameter.vectors import RAND_BYTES, RESYNC_BYTES, Brought, Scheme, Wanted

_IND_BITS: Final = 5
_AMF: Final = {
    Scheme.AKA: b"\x00\x00",
    Scheme.AKA_PRIME: b"\x80\x00",
    Scheme.IMS_AKA: b"\x00\x00",
    Scheme.UTRAN: b"\x00\x00",
    Scheme.E_UTRAN: b"\x80\x00",
}
UNKNOWN_USER: Final = (TGPP, 5001)
NO_SUCH_SCHEME: Final = (TGPP, 5006)
BAD_AUTS: Final = (TGPP, 5012)


@dataclass(eq=False)
class Refusal(Exception):
    """There is no vector: vendor and code of the result that says why."""

    vendor: int
    code: int


class Auc:
    """SIMs with their keys and the last sequence number that each was given."""

    def __init__(self, sims: Iterable[Sim], *, knows_prime: bool = True, ready: int = 0) -> None:
        """Take who there is; with ``ready``, each gets so many vectors in turn, again and again.

        That is for load that AES in Python would bound: to a SIM, a vector that it has seen is of
        the past, and the answer to its resynchronisation is made for it alone.
        """
        self.sims: Mapping[str, Sim] = {sim.imsi.digits: sim for sim in sims}
        """By IMSI (digits)."""
        self._keys: dict[str, AkaAlgorithm] = {}
        self._sqn: dict[str, int] = {}
        self._knows_prime = knows_prime
        self._ready = ready
        self._made: dict[tuple[str, str, str], Iterator[Brought]] = {}

    def item(self, wanted: Wanted, *, wrong: bool = False) -> Brought:
        """Return a vector as an answer has it, of a wrong key if told so; Refusal.

        That of E-UTRAN has CK and IK too, of which KASME is made.
        """
        digits = wanted.user_name.partition("@")[0]
        sim = self.sims.get(digits)
        if sim is None:
            raise Refusal(*UNKNOWN_USER)
        prime = wanted.scheme == Scheme.AKA_PRIME
        if wanted.scheme not in _AMF or (prime and not (self._knows_prime and wanted.network)):
            raise Refusal(*NO_SUCH_SCHEME)
        keys = self._keys.get(digits)
        if keys is None:
            keys = self._keys[digits] = sim.keys()
        if wanted.resync:
            self._take_over(digits, keys, wanted.resync)
        if wrong:
            keys = sim.keys(wrong=True)
        if not self._ready or wanted.resync or wrong:
            return self._fresh(wanted, sim, keys)
        kind = (wanted.user_name, wanted.scheme, wanted.network)
        if kind not in self._made:
            some = [self._fresh(wanted, sim, keys) for _ in range(self._ready)]
            self._made[kind] = cycle(some)
        return next(self._made[kind])

    def _fresh(self, wanted: Wanted, sim: Sim, keys: AkaAlgorithm) -> Brought:
        vector = keys.generate(
            os.urandom(RAND_BYTES), sqn=self._next(sim), amf=_AMF[Scheme(wanted.scheme)]
        )
        ck, ik = vector.ck, vector.ik
        if wanted.scheme == Scheme.AKA_PRIME:
            name = wanted.network.encode()
            ck, ik = bind_to_network(ck, ik, autn=vector.autn, network_name=name)
        return Brought(
            wanted.user_name, wanted.scheme, vector.rand, vector.autn, vector.xres, ck, ik
        )

    def _next(self, sim: Sim) -> int:
        sqn = self._sqn.get(sim.imsi.digits, sim.sqn) + (1 << _IND_BITS)
        self._sqn[sim.imsi.digits] = sqn
        return sqn

    def _take_over(self, digits: str, keys: AkaAlgorithm, resync: bytes) -> None:
        rand, auts = resync[:RAND_BYTES], resync[RAND_BYTES:]
        sqn = open_auts(keys, rand, auts) if len(resync) == RESYNC_BYTES else None
        if sqn is None:
            raise Refusal(*BAD_AUTS)
        self._sqn[digits] = sqn
