"""A 3GPP AAA server that authenticates SIMs by itself (RFC 4072; TS 29.273 §5, §7).

Where a conversation stands travels in our own sealed session, State and Destination-Host with it,
so that any worker goes on with it. No key of an answer is read.
"""

from __future__ import annotations

import struct
from dataclasses import field
from typing import Final

from simgrant.eap.identity import kind_of
from simgrant.eap.packet import Subtype, Variant
from simgrant.eap.relay import (
    Answered,
    NoWay,
    Shown,
    from_phone,
    from_server,
    is_success,
    push_identity,
)
from simgrant.errors import (
    AuthenticationRejected,
    BadRequest,
    EcsError,
    PeerMisbehaved,
    PeerUnavailable,
    Unauthenticated,
    UnknownIdentity,
)
from simgrant.identities import Imsi
from simgrant.links.diameter.events import Tell, Tells
from simgrant.links.diameter.node import DiameterNode, RouteConfig
from simgrant.nouns import named_noun, noun, replace
from simgrant.ports.eap_servers import EapServer, Relayed
from simgrant.spec.diameter import IETF, result_name
from simgrant.wire.diameter.eap import (
    APPLICATIONS,
    Command,
    EapAnswer,
    EapRequest,
    pull_answer,
    push_fixed,
    push_request,
)
from simgrant.wire.diameter.message import BadDiameter

_UNKNOWN_SESSION: Final = (IETF, 5002)
_MULTI_ROUND: Final = (IETF, 1001)
_SUCCESS: Final = (IETF, 2001)
_MOST_ROUNDS: Final = 4
"""Questions about the identity that are answered: EAP's own, and AKA's three (RFC 4187 §4.1)."""
_MOST_STATE: Final = 512
"""Bytes of State that fit into our session beside the rest."""
_FORMAT: Final = 1
_HEAD: Final = struct.Struct(">BBBBBBBH")
"""Format, identifier, method, flags, and the lengths of identity, session, host and State."""
_RESYNCED: Final = 1


def handlers(interface: str) -> Tells:
    """Return what an AAA server may ask, and the answer: we keep no session."""
    application = APPLICATIONS[interface]
    return {
        (application, Command.RE_AUTH): Tell(
            name="aaa_re_auth", pull=None, unknown=_UNKNOWN_SESSION
        ),
        (application, Command.ABORT_SESSION): Tell(
            name="aaa_abort_session", pull=None, unknown=_UNKNOWN_SESSION
        ),
    }


@named_noun
class Config:
    """Which AAA server, and how it is asked."""

    route: RouteConfig
    realm: str
    """Destination-Realm."""
    host: str = ""
    """Destination-Host of a first request; empty = whoever serves the realm."""
    interface: str = "swm"
    """A key of `wire.diameter.eap.APPLICATIONS`."""
    prime: bool = False
    """Whether a phone may be challenged with EAP-AKA', if its identity is one for that."""


@noun
class Held:
    """Where a conversation stands."""

    identifier: int
    """Of the challenge that the phone has."""
    variant: Variant
    resynced: bool
    identity: bytes = field(repr=False)
    session_id: str
    host: str
    state: bytes = field(repr=False)


def push_held(held: Held) -> bytes:
    """Return where a conversation stands, as bytes."""
    session, host = held.session_id.encode(), held.host.encode()
    head = _HEAD.pack(
        _FORMAT,
        held.identifier,
        held.variant,
        _RESYNCED if held.resynced else 0,
        len(held.identity),
        len(session),
        len(host),
        len(held.state),
    )
    return head + held.identity + session + host + held.state


def pull_held(data: bytes) -> Held:
    """Return what `push_held` wrote; Unauthenticated for what it did not."""
    try:
        format_, identifier, variant, flags, *lengths = _HEAD.unpack_from(data)
        if format_ != _FORMAT or len(data) != _HEAD.size + sum(lengths):
            raise Unauthenticated("session_format")
        parts, at = [], _HEAD.size
        for length in lengths:
            parts.append(data[at : at + length])
            at += length
        identity, session, host, state = parts
        return Held(
            identifier,
            Variant(variant),
            bool(flags & _RESYNCED),
            identity,
            session.decode(),
            host.decode(),
            state,
        )
    except (struct.error, ValueError):
        raise Unauthenticated("session_format") from None


def open_eap_server(config: Config, *, node: DiameterNode) -> EapServer:
    """Return the AAA server as an EAP server (see the port)."""
    return AaaRelay(config, node)


class AaaRelay:
    """One AAA server, by whichever peers lead to it."""

    def __init__(self, config: Config, node: DiameterNode) -> None:
        self._name = config.route.name
        self._host = config.host
        self._prime = config.prime
        self._application = APPLICATIONS[config.interface]
        self._node = node
        self._route = node.route(config.route)
        self._fixed = push_fixed(self._application, config.realm) + node.node.push_origin()

    async def begin(self, identity: str, *, deadline: float) -> Relayed:
        """Return the challenge for an identity (see the port)."""
        said = identity.encode()
        found = kind_of(said)
        held = Held(
            identifier=0,
            variant=found[0] if found and self._prime else Variant.AKA,
            resynced=False,
            identity=said,
            session_id=self._node.session_id(),
            host=self._host,
            state=b"",
        )
        return await self._challenged(held, push_identity(0, said), deadline)

    async def answer(
        self, held: bytes, imsi: Imsi, packet: bytes, *, deadline: float
    ) -> Relayed | None:
        """Take the phone's packet (see the port)."""
        stands = pull_held(held)
        said = from_phone(packet, stands.identifier, stands.variant)
        if said is NoWay.MALFORMED:
            raise BadRequest("eap_malformed")
        if said is NoWay.WRONG_HEADER:
            raise AuthenticationRejected("wrong_header")
        if isinstance(said, NoWay):
            raise AuthenticationRejected("unexpected")
        if said is Subtype.SYNCHRONIZATION_FAILURE:
            if stands.resynced:
                raise AuthenticationRejected("resync_twice")
            return await self._challenged(replace(stands, resynced=True), packet, deadline)
        result, told = await self._ask(stands, packet, deadline)
        if result == _SUCCESS and said is Subtype.CHALLENGE:
            if told.payload and not is_success(told.payload):
                raise PeerMisbehaved(
                    "aaa_contradicts",
                    for_operator=f"{self._name}: 2001 comes with another packet",
                )
            if told.user_name and imsi.digits not in told.user_name:
                raise PeerMisbehaved(
                    "aaa_other_user",
                    for_operator=f"{self._name}: its success is another user's",
                )
            return None
        if result == _SUCCESS:
            raise PeerMisbehaved(
                "aaa_success_unearned",
                for_operator=f"{self._name}: success for a SIM that did not answer",
            )
        # The phone has said all that it can say: whatever is asked now is no challenge for it.
        way = from_server(told.payload, stands.identity, stands.variant)
        raise AuthenticationRejected(
            "aaa_asks_again", for_operator=f"{self._name}: {way if isinstance(way, NoWay) else ''}"
        )

    async def _challenged(self, held: Held, packet: bytes, deadline: float) -> Relayed:
        """Return the challenge that answers a packet; what is asked before it is answered here."""
        for _ in range(_MOST_ROUNDS + 1):
            result, told = await self._ask(held, packet, deadline)
            if result == _SUCCESS:
                raise PeerMisbehaved(
                    "aaa_success_unearned",
                    for_operator=f"{self._name}: success before any challenge",
                )
            if len(told.state) > _MOST_STATE:
                raise PeerMisbehaved(
                    "aaa_state_too_long",
                    for_operator=f"{self._name}: State has {len(told.state)} bytes",
                )
            held = replace(held, host=told.host, state=told.state)
            match from_server(told.payload, held.identity, held.variant):
                case Shown(identifier):
                    return Relayed(told.payload, push_held(replace(held, identifier=identifier)))
                case Answered(answer):
                    packet = answer
                case NoWay() as way:
                    raise self._no_way(way)
        raise AuthenticationRejected(
            "aaa_identity_rounds", for_operator=f"{self._name}: it does not stop asking who it is"
        )

    async def _ask(
        self, held: Held, packet: bytes, deadline: float
    ) -> tuple[tuple[int, int], EapAnswer]:
        """Return result and content of an answer that does not say no."""
        asked = EapRequest(held.session_id, held.identity.decode(), packet, held.host, held.state)
        told = await self._node.request(
            self._route,
            Command.DIAMETER_EAP,
            self._application,
            push_request(asked, self._fixed),
            deadline=deadline,
            host=held.host,
            goes_on=bool(held.identifier or held.state),
        )
        if told.result not in (_MULTI_ROUND, _SUCCESS):
            raise self._no(told.result)
        try:
            found = pull_answer(told.avps)
        except BadDiameter as error:
            # The text repeats no value.
            raise PeerMisbehaved("aaa_malformed", for_operator=f"{self._name}: {error}") from None
        if found.session_id and found.session_id != held.session_id:
            raise PeerMisbehaved(
                "aaa_other_session",
                for_operator=f"{self._name}: its answer is another session's",
            )
        return told.result, found

    def _no(self, result: tuple[int, int]) -> EcsError:
        """Return the error that a result means (TS.43 Table 7), by vendor and code."""
        vendor, code = result
        said = f"{self._name}: {result_name(vendor, code)}"
        match vendor, code:
            case (10415, 5001) | (0, 5030):
                return UnknownIdentity("aaa_user_unknown", for_operator=said)
            case (10415, 5003):
                return UnknownIdentity("aaa_not_registered", for_operator=said)
            case (0, 5003):
                return UnknownIdentity("aaa_not_authorised", for_operator=said)
            case (10415, 5420 | 5421 | 5450 | 5451 | 5452):
                return UnknownIdentity("aaa_no_subscription", for_operator=said)
            case (_, 4001):
                return AuthenticationRejected("aaa_rejected", for_operator=said)
            case (0, 3002):
                return PeerUnavailable("aaa_unreachable", for_operator=said)
            case (0, 3004):
                return PeerUnavailable("aaa_busy", for_operator=said)
            case (0, 5002):
                return PeerUnavailable("aaa_session_lost", for_operator=said)
            case (0, _) if 3000 <= code < 4000:
                return PeerUnavailable("aaa_not_routed", for_operator=said)
            case (0, _) if code >= 5000:
                return PeerMisbehaved("aaa_refused_request", for_operator=said)
        return PeerUnavailable("aaa_error", for_operator=said)

    def _no_way(self, way: NoWay) -> EcsError:
        """Return the error that an EAP request means which the phone is not shown."""
        said = f"{self._name}: its EAP request: {way}"
        match way:
            case NoWay.OTHER_METHOD:
                return AuthenticationRejected("aaa_other_method", for_operator=said)
            case NoWay.NOTIFICATION:
                return AuthenticationRejected("aaa_notification", for_operator=said)
            case NoWay.REAUTHENTICATION:
                return AuthenticationRejected("aaa_reauthentication", for_operator=said)
            case NoWay.OTHER_MESSAGE:
                return AuthenticationRejected("aaa_other_message", for_operator=said)
        return PeerMisbehaved("aaa_malformed", for_operator=said)
