"""Vectors from an HSS over SWx (TS 29.273 §8): Multimedia-Auth, and what its results mean.

We are no serving AAA: nothing is registered, so no Server-Assignment is sent, and what an HSS tells
about registrations is answered as by somebody who has none. The subscriber is named by his IMSI, in
digits: some HSSs gather every digit of a longer name.
"""

from __future__ import annotations

from typing import Final

from simgrant.eap.packet import Variant
from simgrant.eap.vector import RAND_BYTES, AuthVector
from simgrant.errors import (
    AuthenticationRejected,
    EcsError,
    PeerMisbehaved,
    PeerUnavailable,
    UnknownIdentity,
)
from simgrant.links.diameter.connection import Handlers
from simgrant.links.diameter.node import DiameterNode, RouteConfig
from simgrant.nouns import named_noun
from simgrant.ports.vectors import VectorRequest
from simgrant.spec.diameter import TGPP, result_name
from simgrant.wire.diameter.avps import SESSION_ID
from simgrant.wire.diameter.message import Avps, BadDiameter
from simgrant.wire.diameter.swx import (
    APPLICATION,
    AuthItem,
    AuthRequest,
    Command,
    Scheme,
    pull_item,
    push_fixed,
    push_request,
)

_UNKNOWN_USER: Final = (TGPP, 5001)
HANDLERS: Final[Handlers] = {
    (APPLICATION, Command.REGISTRATION_TERMINATION): lambda _: _UNKNOWN_USER,
    (APPLICATION, Command.PUSH_PROFILE): lambda _: _UNKNOWN_USER,
}
"""What an HSS may ask, and the answer: that user is not registered here."""


@named_noun
class Config:
    """Which HSS, and what it has to know."""

    route: RouteConfig
    realm: str
    """Destination-Realm."""
    host: str = ""
    """Destination-Host; empty = whoever serves the realm."""
    network: str = "WLAN"
    """The access network that EAP-AKA' binds keys to (ANID); that of the EAP machine."""


def open_vectors(config: Config, *, node: DiameterNode) -> Swx:
    """Return the HSS as a source of vectors."""
    return Swx(config, node)


class Swx:
    """A source of vectors (the ``Vectors`` port)."""

    def __init__(self, config: Config, node: DiameterNode) -> None:
        self._name = config.route.name
        self._node = node
        self._route = node.route(config.route)
        self._network = config.network
        self._fixed = push_fixed(config.realm, config.host) + node.node.push_origin()

    async def fetch(self, request: VectorRequest, *, deadline: float) -> AuthVector:
        """Return one vector by ``deadline`` (see the port)."""
        prime = request.variant is Variant.AKA_PRIME
        resync = request.resync
        wanted = AuthRequest(
            request.imsi.digits,
            Scheme.AKA_PRIME if prime else Scheme.AKA,
            b"" if resync is None else resync.rand + resync.auts,
            self._network if prime else "",
        )
        avps = SESSION_ID.push(self._node.session_id()) + self._fixed + push_request(wanted)
        told = await self._node.request(
            self._route, Command.MULTIMEDIA_AUTH, APPLICATION, avps, deadline=deadline
        )
        vendor, code = told.result
        if not 2000 <= code < 3000:
            raise self._no(vendor, code, resync=resync is not None)
        return self._vector(told.avps, wanted, prime=prime)

    def _vector(self, avps: Avps, wanted: AuthRequest, *, prime: bool) -> AuthVector:
        try:
            item = pull_item(avps)
            self._check(item, wanted)
            vector = AuthVector(
                item.authenticate[:RAND_BYTES],
                item.authenticate[RAND_BYTES:],
                item.authorization,
                item.ck,
                item.ik,
                derived=prime,
            )
        except (BadDiameter, ValueError) as error:
            # Neither text repeats a value.
            raise PeerMisbehaved(
                "hss_vector_malformed", for_operator=f"{self._name}: {error}"
            ) from None
        if prime and not vector.separated:
            raise PeerMisbehaved(
                "amf_without_separation_bit",
                for_operator=f"{self._name}: EAP-AKA' needs an AMF whose first bit is set",
            )
        return vector

    def _check(self, item: AuthItem, wanted: AuthRequest) -> None:
        """Raise PeerMisbehaved where the vector is for another user or another use."""
        if item.scheme and item.scheme != wanted.scheme:
            raise PeerMisbehaved(
                "hss_other_scheme", for_operator=f"{self._name}: its vector is not {wanted.scheme}"
            )
        if item.user_name and wanted.user_name not in item.user_name:
            raise PeerMisbehaved(
                "hss_other_user", for_operator=f"{self._name}: its vector is another user's"
            )

    def _no(self, vendor: int, code: int, *, resync: bool) -> EcsError:
        """Return the error that a result means (TS.43 Table 7), by vendor and code."""
        said = f"{self._name}: {result_name(vendor, code)}"
        match vendor, code:
            case (10415, 5001) | (0, 5030):
                return UnknownIdentity("hss_user_unknown", for_operator=said)
            case (10415, 5003):
                return UnknownIdentity("hss_not_registered", for_operator=said)
            case (0, 5003):
                return UnknownIdentity("hss_not_authorised", for_operator=said)
            case (10415, 5420 | 5421 | 5450 | 5451 | 5452):
                return UnknownIdentity("hss_no_subscription", for_operator=said)
            case (_, 4001):
                return AuthenticationRejected("hss_rejected", for_operator=said)
            case (_, 4181):
                return PeerUnavailable("hss_no_vector", for_operator=said)
            case (0, 3002):
                return PeerUnavailable("hss_unreachable", for_operator=said)
            case (0, 3004):
                return PeerUnavailable("hss_busy", for_operator=said)
            case (0, _) if 3000 <= code < 4000:
                return PeerUnavailable("hss_not_routed", for_operator=said)
            case _ if resync and code >= 5000:
                # There is no result for it: HSSs say 5006, 5012 or what they like.
                return AuthenticationRejected("auts_not_verified", for_operator=said)
            case (10415, 5006):
                return PeerMisbehaved("hss_scheme_unsupported", for_operator=said)
            case (0, _) if code >= 5000:
                return PeerMisbehaved("hss_refused_request", for_operator=said)
        return PeerUnavailable("hss_error", for_operator=said)
