"""Vectors from an HSS, over any of its interfaces: the question, whose answer it is, what no means.

An interface says what its requests look like; everything else is the same for all of them. We are
nobody's serving node: nothing is registered. What an HSS tells by itself is heard all the same
(``events``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
from simgrant.links.diameter.node import DiameterNode, RouteConfig
from simgrant.links.separation import check_separated
from simgrant.nouns import named_noun
from simgrant.ports.vectors import VectorRequest
from simgrant.spec.diameter import result_name
from simgrant.wire.diameter.avps import SESSION_ID
from simgrant.wire.diameter.message import Avps, BadDiameter
from simgrant.wire.diameter.vectors import Brought, Scheme, Wanted

_SCHEMES: Final = frozenset(Scheme)


@named_noun
class Interface:
    """How an HSS is asked for a vector."""

    application: int
    command: int
    fixed: bytes
    """The AVPs that every request has, but for who sends it."""
    schemes: Mapping[Variant, Scheme]
    """What a vector for each is asked for as; a variant that is missing is not to be had."""
    push: Callable[[Wanted], bytes]
    """Writes the AVPs of a request that are its own."""
    pull: Callable[[Avps], Brought]
    """Reads those of an answer; BadDiameter."""
    domain: str = ""
    """What follows the IMSI in User-Name, with its @."""
    network: str = ""
    """The access network that EAP-AKA' binds keys to."""


class HssVectors:
    """A source of vectors (the ``Vectors`` port)."""

    def __init__(self, route: RouteConfig, interface: Interface, node: DiameterNode) -> None:
        self._name = route.name
        self._node = node
        self._route = node.route(route)
        self._interface = interface
        self._fixed = interface.fixed + node.node.push_origin()

    async def fetch(self, request: VectorRequest, *, deadline: float) -> AuthVector:
        """Return one vector by ``deadline`` (see the port)."""
        interface, prime = self._interface, request.variant is Variant.AKA_PRIME
        scheme = interface.schemes.get(request.variant)
        if scheme is None:
            # The settings are refused that would lead here.
            raise PeerMisbehaved(
                "hss_scheme_unsupported",
                for_operator=f"{self._name}: its interface has no vectors for EAP-AKA'",
            )
        resync = request.resync
        wanted = Wanted(
            request.imsi.digits + interface.domain,
            scheme,
            b"" if resync is None else resync.rand + resync.auts,
            interface.network if prime else "",
        )
        avps = SESSION_ID.push(self._node.session_id()) + self._fixed + interface.push(wanted)
        told = await self._node.request(
            self._route, interface.command, interface.application, avps, deadline=deadline
        )
        vendor, code = told.result
        if not 2000 <= code < 3000:
            raise self._no(vendor, code, resync=resync is not None)
        try:
            found = interface.pull(told.avps)
            self._check(found, scheme, request.imsi.digits)
            vector = AuthVector(
                found.rand, found.autn, found.xres, found.ck, found.ik, derived=prime
            )
        except (BadDiameter, ValueError) as error:
            # Neither text repeats a value.
            raise PeerMisbehaved(
                "hss_vector_malformed", for_operator=f"{self._name}: {error}"
            ) from None
        if prime:
            check_separated(vector, self._name)
        return vector

    def _check(self, found: Brought, scheme: Scheme, digits: str) -> None:
        """Raise PeerMisbehaved where the vector is for another user or another use."""
        if found.scheme and found.scheme != scheme:
            raise PeerMisbehaved(
                "hss_other_scheme",
                for_operator=f"{self._name}: its vector is of {_shown(found.scheme)}, not {scheme}",
            )
        if found.user_name and digits not in found.user_name:
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


def _shown(scheme: str) -> str:
    """Return a scheme, if we know it: what comes from outside is not repeated to the log."""
    return scheme if scheme in _SCHEMES else "another scheme"
