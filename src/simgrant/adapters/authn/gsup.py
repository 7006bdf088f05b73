"""Vectors from an OsmoHLR over GSUP: SendAuthInfo, and what its causes mean.

Nothing is registered there: without a location update an HLR sends us no subscriber and no news.
It makes five vectors for each request; the first is used and the rest thrown away, since one that
is kept may be overtaken by another request's.
"""

from __future__ import annotations

from typing import Final

from simgrant.eap.packet import Variant
from simgrant.eap.vector import AuthVector
from simgrant.errors import (
    AuthenticationRejected,
    EcsError,
    PeerMisbehaved,
    PeerUnavailable,
    UnknownIdentity,
)
from simgrant.links.gsup import Hlr
from simgrant.links.separation import check_separated
from simgrant.nouns import named_noun
from simgrant.ports.vectors import VectorRequest
from simgrant.wire.gsup import AuthInfoAnswer, Cause

_NOT_SERVED: Final = frozenset(
    {
        Cause.ILLEGAL_MS,
        Cause.ILLEGAL_ME,
        Cause.GPRS_NOT_ALLOWED,
        Cause.NOTHING_ALLOWED,
        Cause.PLMN_NOT_ALLOWED,
    }
)
_NOT_LIKED: Final = range(95, 112)
"""The causes of TS 24.008 that are about the message, and not about the subscriber."""


@named_noun
class Config:
    """Which HLR."""

    name: str
    """What the operator calls it, for errors."""


def open_vectors(config: Config, *, hlr: Hlr) -> Gsup:
    """Return the HLR as a source of vectors."""
    return Gsup(config, hlr)


class Gsup:
    """A source of vectors (the ``Vectors`` port)."""

    def __init__(self, config: Config, hlr: Hlr) -> None:
        self._name = config.name
        self._hlr = hlr

    async def fetch(self, request: VectorRequest, *, deadline: float) -> AuthVector:
        """Return one vector by ``deadline`` (see the port)."""
        prime = request.variant is Variant.AKA_PRIME
        resync = request.resync
        told = await self._hlr.ask(
            request.imsi.digits,
            separated=prime,
            rand=b"" if resync is None else resync.rand,
            auts=b"" if resync is None else resync.auts,
            deadline=deadline,
        )
        if told.cause is not None:
            raise self._no(told.cause, resync=resync is not None)
        return self._vector(told, prime=prime)

    def _vector(self, told: AuthInfoAnswer, *, prime: bool) -> AuthVector:
        try:
            if not told.vectors:
                raise ValueError("there is no vector in it")
            found = told.vectors[0]
            if not found.autn:
                raise ValueError("its vectors are of GSM: it has no keys of UMTS for this SIM")
            vector = AuthVector(found.rand, found.autn, found.res, found.ck, found.ik)
        except ValueError as error:
            # The text repeats no value.
            raise PeerMisbehaved(
                "hlr_vector_malformed", for_operator=f"{self._name}: {error}"
            ) from None
        if prime:
            check_separated(vector, self._name)
        return vector

    def _no(self, cause: int, *, resync: bool) -> EcsError:
        """Return the error that a cause means (TS.43 Table 7)."""
        said = f"{self._name}: cause {cause}"
        match cause:
            case Cause.IMSI_UNKNOWN if resync:
                # OsmoHLR says so of an AUTS that does not verify; it knew the IMSI a moment ago.
                return AuthenticationRejected("auts_not_verified", for_operator=said)
            case Cause.IMSI_UNKNOWN:
                return UnknownIdentity("hlr_user_unknown", for_operator=said)
            case _ if cause in _NOT_SERVED:
                return UnknownIdentity("hlr_not_served", for_operator=said)
            case Cause.CONGESTION:
                return PeerUnavailable("hlr_busy", for_operator=said)
            case _ if cause in _NOT_LIKED:
                return PeerMisbehaved("hlr_refused_request", for_operator=said)
        return PeerUnavailable("hlr_error", for_operator=said)
