"""Vectors over service-based interfaces, of a UDM or an HSS: the question, and what no means.

An operation says what requests look like; everything else is the same for all of them. Nobody is
told how an authentication ended, as we are nobody's serving node.
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
from simgrant.links.http import Reply
from simgrant.links.sbi.service import SbiService
from simgrant.links.separation import check_separated
from simgrant.nouns import named_noun
from simgrant.ports.vectors import VectorRequest
from simgrant.wire.sbi import headers, ueau
from simgrant.wire.sbi.body import BadMessage
from simgrant.wire.sbi.ueau import Asked, Brought, Operation

_PRIME_ONLY: Final = frozenset({Operation.GENERATE_AUTH_DATA})
_PRIME_TOO: Final = frozenset({Operation.GENERATE_AV, Operation.GENERATE_AUTH_DATA})
_KINDS: Final = {
    False: frozenset({"EAP_AKA", ""}),
    True: frozenset({"EAP_AKA_PRIME", ""}),
}
"""What a vector may say that it is for; old ones of generate-av say nothing."""


@named_noun
class Interface:
    """How vectors are asked for."""

    operation: Operation
    network: str = ""
    """What EAP-AKA' binds keys to; that of the EAP machine."""
    ausf: str = ""
    """Our NF instance id, where the operation has it."""
    ims_domain: str = ""
    server_name: str = ""


def serves(operation: Operation, *, prime: bool) -> bool:
    """Tell whether an operation has vectors for EAP-AKA' or, without ``prime``, for EAP-AKA."""
    return operation in _PRIME_TOO if prime else operation not in _PRIME_ONLY


class SbiVectors:
    """A source of vectors (the ``Vectors`` port)."""

    def __init__(self, interface: Interface, service: SbiService) -> None:
        self._interface = interface
        self._service = service
        self._name = service.name

    async def fetch(self, request: VectorRequest, *, deadline: float) -> AuthVector:
        """Return one vector by ``deadline`` (see the port)."""
        interface, prime = self._interface, request.variant is Variant.AKA_PRIME
        if not serves(interface.operation, prime=prime):
            # It says nothing of the source: phones of the other kind are served.
            raise PeerMisbehaved(
                "udm_variant_unsupported",
                for_operator=f"{self._name}: no vectors for "
                f"{request.variant.name} by {interface.operation}",
            )
        resync = request.resync
        asked = Asked(
            imsi=request.imsi.digits,
            prime=prime,
            network=interface.network,
            rand=b"" if resync is None else resync.rand,
            auts=b"" if resync is None else resync.auts,
            ausf=interface.ausf,
            ims_domain=interface.ims_domain,
            server_name=interface.server_name,
        )
        reply = await self._service.request(
            "POST",
            ueau.path(interface.operation, asked),
            ueau.push(interface.operation, asked),
            imsi=asked.imsi,
            deadline=deadline,
        )
        if reply.status != 200:
            raise self._no(reply, resync=resync is not None)
        try:
            brought = ueau.pull(interface.operation, reply.body)
        except BadMessage as error:
            raise PeerMisbehaved("udm_malformed", for_operator=f"{self._name}: {error}") from None
        return self._vector(brought, asked)

    def _vector(self, brought: Brought, asked: Asked) -> AuthVector:
        kind, user = brought.kind, brought.user
        if kind not in _KINDS[asked.prime]:
            raise PeerMisbehaved(
                "udm_other_kind",
                for_operator=f"{self._name}: its vector is for another method; the subscriber's "
                "authentication method may be 5G AKA",
            )
        if user and user.removeprefix("imsi-").partition("@")[0] != asked.imsi:
            raise PeerMisbehaved(
                "udm_other_user", for_operator=f"{self._name}: its vector is another user's"
            )
        try:
            vector = AuthVector(
                brought.rand,
                brought.autn,
                brought.xres,
                brought.ck,
                brought.ik,
                derived=asked.prime,
            )
        except ValueError as error:
            # The text repeats no value.
            raise PeerMisbehaved("udm_malformed", for_operator=f"{self._name}: {error}") from None
        if asked.prime:
            check_separated(vector, self._name)
        return vector

    def _no(self, reply: Reply, *, resync: bool) -> EcsError:
        """Return the error that a status and its cause mean (TS.43 Table 7)."""
        problem = headers.pull_problem(reply.header("content-type"), reply.body)
        cause = "" if problem is None else problem.cause
        said = f"{self._name}: {reply.status} {cause}".rstrip()
        match reply.status, cause:
            case 404, "USER_NOT_FOUND":
                return UnknownIdentity("udm_user_unknown", for_operator=said)
            case 404, "" if problem is not None:
                # Open5GS describes the problem without a cause. What is no problem at all is of
                # somebody who does not have this service, and says nothing of the SIM.
                return UnknownIdentity("udm_user_unknown", for_operator=said)
            case 403, "AUTHENTICATION_REJECTED" if resync:
                return AuthenticationRejected("auts_not_verified", for_operator=said)
            case 403, "AUTHENTICATION_REJECTED":
                return AuthenticationRejected("udm_rejected", for_operator=said)
            case ((429 | 503), _):
                return PeerUnavailable("udm_busy", for_operator=said)
            case 501, _:
                return PeerUnavailable("udm_no_vector", for_operator=said)
            case status, _ if 400 <= status < 500:
                return PeerMisbehaved("udm_refused_request", for_operator=said)
        return PeerUnavailable("udm_error", for_operator=said)
