"""EAP-AKA inside HTTP: the SIM says who is asking, in two legs (TS.43 §2.8.1).

The order of a session's steps is the safety of the whole: nothing is written
before a SIM answered, the outcome is written before the answer leaves, and the
row of a session is the only judge when two answers arrive at once.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import field
from typing import Literal, TypeVar

from simgrant.domain.subscription import SERVED, Terminal
from simgrant.domain.tenant import Tenant
from simgrant.domain.trail import Trail
from simgrant.eap import identity, machine, state
from simgrant.eap.machine import Accept, Action, Aka, FetchVector, Reject, RejectReason, SendPacket
from simgrant.eap.vector import AuthVector
from simgrant.errors import (
    AuthenticationRejected,
    BadRequest,
    PeerTimeout,
    Unauthenticated,
    UnknownIdentity,
)
from simgrant.flows.authenticate import Call, Challenge, Principal, Reception
from simgrant.flows.eligibility import Eligibilities
from simgrant.flows.limits import StartLimits
from simgrant.flows.network_data import NetworkFacts
from simgrant.flows.sessions import (
    MAX_COOKIE,
    SESSION_ID_BYTES,
    Started,
    open_row,
    pull_cookie,
    pull_pair,
    push_cookie,
    push_pair,
    seal_row,
)
from simgrant.flows.tokens import Claims, pull_token
from simgrant.flows.vector_sources import VectorSources
from simgrant.identities import Imsi, InvalidIdentity
from simgrant.keyring.ring import NONCE_BYTES
from simgrant.nouns import noun, replace
from simgrant.ports.eap_servers import EapServer, Relayed
from simgrant.ports.store import Outcome, SessionRow
from simgrant.ports.vectors import VectorRequest
from simgrant.wire.request import Ask, pull_parameters, push_parameters
from simgrant.wire.request import ask as to_ask
from simgrant.within import Within

T = TypeVar("T")


@noun
class Rules:
    """How long a session lives, and what is told to whom."""

    session_life_s: int
    vector_timeout_s: float
    hide_unknown: bool
    eap: machine.Options


@noun
class _Session:
    """A session as its second leg finds it: the cookie, and the row if there is one."""

    tenant: Tenant
    started: Started
    row: SessionRow | None
    aka: bytes = field(repr=False)
    """As in ``Started``: that of the newest challenge."""
    parameters: bytes
    """The first request's, from the cookie or from the row."""
    asked_again: bytes
    """The second challenge, where there is one."""
    now: float
    """Unix seconds of this answer: the token, its grant and the row share one instant."""

    @property
    def imsi(self) -> Imsi:
        """The SIM that was challenged."""
        return self.started.imsi

    @property
    def kept(self) -> bytes:
        """The parameters, where they have to go on in the row."""
        return self.parameters if self.started.kept else b""


class BySim:
    """Proves a SIM by its answer to a challenge."""

    def __init__(
        self,
        reception: Reception,
        *,
        vectors: VectorSources,
        eap_servers: Mapping[str, EapServer],
        network: NetworkFacts,
        limits: StartLimits,
        rules: Rules,
        bss: Eligibilities,
    ) -> None:
        """Take the EAP server of each tenant whose SIMs are not authenticated here."""
        self._bss = bss
        self._reception = reception
        self._store = reception.store
        self._keys = reception.keys
        self._clock = reception.clock
        self._vectors = vectors
        self._eap_servers = eap_servers
        self._network = network
        self._limits = limits
        self._rules = rules

    # --- first leg -------------------------------------------------------------

    def tenant_of(self, ask: Ask, call: Call) -> Tenant:
        """Return whose SIM an EAP_ID names."""
        _, imsi = _nai(ask.eap_id)
        return self._reception.tenancy.resolve(call.host, imsi, ask.gid1)

    async def start(self, ask: Ask, call: Call, trail: Trail) -> Challenge:
        """Return the challenge for an EAP_ID. Nothing is written."""
        now = self._clock.now()
        nai, imsi = _nai(ask.eap_id)
        tenant = self._reception.tenancy.resolve(call.host, imsi, ask.gid1)
        self._reception.name(trail, tenant, imsi, ask.terminal_id)
        self._reception.name_source(trail, tenant, call.source)
        self._reception.asked(ask, trail)
        if ask.imsi and ask.imsi != imsi.digits:
            raise BadRequest("imsi_contradicts_eap_id")
        if not (tenant.serves(imsi) and _realm_is_home(nai, tenant)):
            raise UnknownIdentity("plmn_not_served")
        self._limits.start(tenant.name, imsi.digits, call.source, now=self._clock.monotonic())
        self._network.look_ahead(tenant.name, imsi)
        unknown: UnknownIdentity | None = None
        relayed: Relayed | None = None
        if (server := self._eap_servers.get(tenant.name)) is not None:
            try:
                relayed = await self._in_time(
                    "aaa", lambda until: server.begin(ask.eap_id, deadline=until), call, trail
                )
            except UnknownIdentity as error:
                unknown = error
        if relayed is not None:
            held, packet = relayed.held, relayed.packet
        else:
            aka = Aka.new(first_id=os.urandom(1)[0])
            given = machine.IdentityGiven(ask.eap_id.encode())
            aka, action = machine.step(aka, given, self._rules.eap)
            if isinstance(action, FetchVector):
                # Who is unknown is refused below, but only after the same work as for a known SIM.
                vector = None
                if unknown is None:
                    try:
                        vector = await self._vector(tenant, imsi, action, call, trail)
                    except UnknownIdentity as error:
                        unknown = error
                vector = vector or self._made_up(tenant, imsi)
                aka, action = machine.step(aka, machine.VectorFetched(vector), self._rules.eap)
            if not isinstance(action, SendPacket):
                raise _judged(action)
            held, packet = state.push_state(aka), action.data
        started = Started(
            os.urandom(SESSION_ID_BYTES),
            int(now),
            imsi,
            held,
            push_parameters(ask.parameters),
            hidden=unknown is not None,
            relayed=relayed is not None,
        )
        cookie = await self._cookie(started, tenant, now)
        if unknown is not None and not self._rules.hide_unknown:
            raise unknown
        return Challenge(packet, cookie)

    async def _cookie(self, started: Started, tenant: Tenant, now: float) -> str:
        """Return the cookie; what is too long for one goes into the session's row."""
        ring = self._keys.ring
        cookie = push_cookie(started, ring, tenant.name, nonce=os.urandom(NONCE_BYTES), now=now)
        if len(cookie) <= MAX_COOKIE:
            return cookie
        nonce = os.urandom(NONCE_BYTES)
        sealed = seal_row(b"", started.parameters, ring, tenant.name, nonce=nonce, now=now)
        row = SessionRow(Outcome.STARTED, int(now), sealed)
        await self._store.decide_session(
            tenant.name, started.imsi, started.session_id, row, expected=None
        )
        short = replace(started, parameters=b"", kept=True)
        return push_cookie(short, ring, tenant.name, nonce=os.urandom(NONCE_BYTES), now=now)

    def _made_up(self, tenant: Tenant, imsi: Imsi) -> AuthVector:
        """Return a vector that looks like any other and that no SIM can answer."""
        rand = os.urandom(16)
        made = self._keys.ring.derive(tenant.name, "hidden", imsi.digits + rand.hex(), 54)
        autn = made[:6] + b"\x80\x00" + made[6:14]
        return AuthVector(rand, autn, made[14:22], made[22:38], made[38:54])

    # --- second leg --------------------------------------------------------------

    async def answer(
        self, packet: bytes, cookies: tuple[str, ...], call: Call, trail: Trail
    ) -> Challenge | Principal:
        """Take the SIM's answer: the principal, or a second challenge after resynchronisation."""
        now = self._clock.now()
        tenant, started, cookie = self._started(cookies, call, now)
        self._reception.name(trail, tenant, started.imsi, "")
        self._reception.name_source(trail, tenant, call.source)
        if not (started.kept or started.hidden or started.relayed):
            # Nearly every answer is the right one to the first challenge. Its row judges it when
            # it is written; what was known before is read only of those that are not.
            first = state.pull_state(started.aka)
            session = _Session(tenant, started, None, started.aka, started.parameters, b"", now)
            _, action = machine.step(first, machine.PacketReceived(packet), self._rules.eap)
            if isinstance(action, Accept):
                ask = self._first_ask(started.parameters, session, trail)
                return await self._accept(session, ask, packet, call, trail)
        session = await self._session(tenant, started, trail, now)
        if session.row is not None and session.row.outcome is Outcome.ACCEPTED:
            return await self._repeated(session, session.row, packet, trail)
        if session.asked_again and _is_answer(packet, session.row):
            # The packet that asked for resynchronisation: its answer may have been lost.
            return Challenge(session.asked_again, cookie)
        ask = self._first_ask(session.parameters, session, trail)
        if started.relayed:
            return await self._relayed(session, ask, packet, cookie, call, trail)
        aka = state.pull_state(session.aka)
        aka, action = machine.step(aka, machine.PacketReceived(packet), self._rules.eap)
        if isinstance(action, Reject) and action.reason is RejectReason.MALFORMED:
            # Nobody is judged by bytes that are no answer: the session stays as it is.
            raise BadRequest("eap_malformed", for_operator=action.detail)
        if session.started.hidden:
            await self._decide(session, Outcome.REFUSED, packet)
            raise AuthenticationRejected("hidden")
        if isinstance(action, FetchVector):
            try:
                vector = await self._vector(session.tenant, session.imsi, action, call, trail)
            except (AuthenticationRejected, UnknownIdentity):
                await self._decide(session, Outcome.REFUSED, packet)
                raise
            aka, action = machine.step(aka, machine.VectorFetched(vector), self._rules.eap)
        match action:
            case Accept():
                return await self._accept(session, ask, packet, call, trail)
            case SendPacket(data):
                return await self._again(session, packet, state.push_state(aka), data, cookie)
            case _:
                await self._decide(session, Outcome.REFUSED, packet)
                raise _judged(action)

    async def _again(
        self, session: _Session, answered: bytes, held: bytes, packet: bytes, cookie: str
    ) -> Challenge:
        """Write where the session stands, and return its second challenge."""
        if not await self._decide(session, Outcome.RESYNC, answered, push_pair(held, packet)):
            raise Unauthenticated("session_over")
        return Challenge(packet, cookie)

    async def _relayed(
        self, session: _Session, ask: Ask, packet: bytes, cookie: str, call: Call, trail: Trail
    ) -> Challenge | Principal:
        """Let the tenant's EAP server judge the SIM's answer."""
        server = self._eap_servers.get(session.tenant.name)
        if server is None:
            raise Unauthenticated("session_of_no_aaa")
        try:
            relayed = await self._in_time(
                "aaa",
                lambda until: server.answer(session.aka, session.imsi, packet, deadline=until),
                call,
                trail,
            )
        except (AuthenticationRejected, UnknownIdentity):
            if await self._decide(session, Outcome.REFUSED, packet):
                raise
            # The same answer on another connection was faster: its server hears it once only.
            row = await self._store.session(
                session.tenant.name, session.imsi, session.started.session_id
            )
            if row is None or row.outcome is not Outcome.ACCEPTED:
                raise
            return await self._repeated(session, row, packet, trail)
        if relayed is None:
            return await self._accept(session, ask, packet, call, trail)
        return await self._again(session, packet, relayed.held, relayed.packet, cookie)

    async def _session(
        self, tenant: Tenant, started: Started, trail: Trail, now: float
    ) -> _Session:
        """Return the undecided or accepted session that a cookie began."""
        read = self._store.session(tenant.name, started.imsi, started.session_id)
        row = await self._reception.timed("store", read, trail)
        if row is None and started.kept:
            raise Unauthenticated("session_unknown")
        if row is not None and row.outcome is Outcome.REFUSED:
            raise Unauthenticated("session_over")
        aka_state, parameters, asked_again = started.aka, started.parameters, b""
        if row is not None:
            row_state, kept = open_row(row.state, self._keys, now=now)
            parameters = kept if started.kept else parameters
            if row.outcome is Outcome.RESYNC:
                aka_state, asked_again = pull_pair(row_state)
        return _Session(tenant, started, row, aka_state, parameters, asked_again, now)

    def _started(
        self, cookies: tuple[str, ...], call: Call, now: float
    ) -> tuple[Tenant, Started, str]:
        """Return tenant and session of the first cookie that is one, and the cookie."""
        refusal = Unauthenticated("no_session")
        for value in cookies:
            try:
                name, started = pull_cookie(
                    value, self._keys, now=now, life=self._rules.session_life_s
                )
                return self._reception.tenant_of(name, call), started, value
            except Unauthenticated as error:
                refusal = error
        raise refusal

    def _first_ask(self, parameters: bytes, session: _Session, trail: Trail) -> Ask:
        """Return the first leg's request, which the second leg does not repeat."""
        ask = to_ask(pull_parameters(parameters))
        self._reception.name(trail, session.tenant, session.imsi, ask.terminal_id)
        self._reception.asked(ask, trail)
        return ask

    async def _accept(
        self, session: _Session, ask: Ask, packet: bytes, call: Call, trail: Trail
    ) -> Principal:
        """Write that the SIM is proved, with the token it gets, and return the principal."""
        reception, now = self._reception, session.now
        tenant, claims = session.tenant, self._claims(session, ask, trail.apps, int(now))
        profile = await reception.profile(tenant, claims, trail)
        if profile is None or profile.subscription.status not in SERVED:
            await self._decide(session, Outcome.REFUSED, packet)
            status = "none" if profile is None else profile.subscription.status
            raise UnknownIdentity(f"subscription_{status}")
        claims = replace(
            claims,
            epoch=profile.subscription.token_epoch,
            terminal_epoch=profile.terminal_epoch or 0,
        )
        # The SIM is proved, whatever is written: the BSS is asked meanwhile.
        self._bss.begin(profile, claims.apps, deadline=call.deadline)
        token = reception.token(claims, tenant)
        claim = ask.terminal
        terminal = Terminal(
            claims.terminal_id, claim.vendor, claim.model, claim.sw_version, seen_at=int(now)
        )
        won = await self._decide(
            session, Outcome.ACCEPTED, packet, token.encode(), terminal, claims.client
        )
        if won:
            # A real SIM answered: its start counts once only.
            self._limits.answered(
                tenant.name, session.imsi.digits, call.source, now=self._clock.monotonic()
            )
            return Principal(
                tenant,
                profile,
                ask,
                claims.terminal_id,
                claims.apps,
                token,
                claims.expires,
                int(now),
                claims,
            )
        # The same answer on another connection was faster, or a different one was.
        row = await self._store.session(tenant.name, session.imsi, session.started.session_id)
        if row is None or row.outcome is not Outcome.ACCEPTED:
            raise Unauthenticated("session_over")
        return await self._repeated(session, row, packet, trail)

    async def _repeated(
        self, session: _Session, row: SessionRow, packet: bytes, trail: Trail
    ) -> Principal:
        """Give the accepted answer's document again: its first copy may have been lost."""
        if not _is_answer(packet, row):
            raise Unauthenticated("session_over")
        now = session.now
        token, kept = open_row(row.state, self._keys, now=now)
        name, claims = pull_token(token.decode(), self._keys, now=now)
        ask = self._first_ask(kept or session.parameters, session, trail)
        profile = await self._reception.profile(session.tenant, claims, trail)
        if (
            name != session.tenant.name
            or profile is None
            or profile.subscription.status not in SERVED
            or claims.epoch != profile.subscription.token_epoch
            or claims.terminal_epoch != (profile.terminal_epoch or 0)
        ):
            raise Unauthenticated("session_over")
        return Principal(
            session.tenant,
            profile,
            ask,
            claims.terminal_id,
            claims.apps,
            token.decode(),
            claims.expires,
            row.at,
            claims,
        )

    def _claims(self, session: _Session, ask: Ask, apps: tuple[str, ...], issued: int) -> Claims:
        return Claims(
            session.imsi,
            ask.terminal_id,
            apps,
            ask.app_name.lower(),
            issued,
            issued + self._reception.token_life_s,
            epoch=0,
            terminal_epoch=0,
        )

    async def _decide(
        self,
        session: _Session,
        outcome: Outcome,
        packet: bytes,
        row_state: bytes = b"",
        terminal: Terminal | None = None,
        client: str = "",
    ) -> bool:
        """Write the session's row if it is still as it was read; say whether it was."""
        now, tenant = session.now, session.tenant.name
        sealed = b""
        if outcome is not Outcome.REFUSED:
            nonce = os.urandom(NONCE_BYTES)
            sealed = seal_row(
                row_state, session.kept, self._keys.ring, tenant, nonce=nonce, now=now
            )
        answer_hash = hashlib.sha256(packet).digest()
        return await self._store.decide_session(
            tenant,
            session.imsi,
            session.started.session_id,
            SessionRow(outcome, int(now), sealed, answer_hash),
            expected=None if session.row is None else session.row.outcome,
            terminal=terminal,
            client=client,
        )

    # --- both legs -----------------------------------------------------------------

    async def _vector(
        self, tenant: Tenant, imsi: Imsi, action: FetchVector, call: Call, trail: Trail
    ) -> AuthVector:
        """Fetch the vector that the EAP machine asks for, always of the session's own SIM."""
        request = VectorRequest(tenant.name, imsi, action.variant, action.resync)
        return await self._in_time(
            "vectors",
            lambda until: self._vectors.fetch(request, deadline=until, trail=trail),
            call,
            trail,
        )

    async def _in_time(
        self,
        peer: Literal["vectors", "aaa"],
        ask: Callable[[float], Awaitable[T]],
        call: Call,
        trail: Trail,
    ) -> T:
        """Ask whoever vouches for SIMs, who is told until when, and note how long it took."""
        now = self._clock.monotonic()
        deadline = min(call.deadline, now + self._rules.vector_timeout_s)
        try:
            with Within(max(0.0, deadline - now)):
                return await self._reception.timed(peer, ask(deadline), trail)
        except TimeoutError:
            raise PeerTimeout("vectors_timeout" if peer == "vectors" else "aaa_timeout") from None


def _nai(eap_id: str) -> tuple[identity.Nai, Imsi]:
    """Return the EAP_ID taken apart; BadRequest if it is none, UnknownIdentity if not usable."""
    try:
        nai = identity.parse_nai(eap_id)
    except identity.RealmMismatch:
        raise UnknownIdentity("realm_mismatch") from None
    except (identity.MalformedIdentity, InvalidIdentity):
        raise BadRequest("eap_id_malformed") from None
    if nai.imsi is None:
        # Pseudonyms are given inside EAP only, and a phone's EAP_ID is its root NAI.
        raise UnknownIdentity("identity_not_permanent")
    return nai, nai.imsi


def _is_answer(packet: bytes, row: SessionRow | None) -> bool:
    """Say whether this is the very packet that the row was written for."""
    return row is not None and hashlib.sha256(packet).digest() == row.answer_hash


def _realm_is_home(nai: identity.Nai, tenant: Tenant) -> bool:
    """Say whether the realm is that of a network the tenant serves, MNC in three digits."""
    networks = tenant.plmns
    return not networks or any(
        nai.mcc == plmn.mcc and nai.mnc == f"{plmn.mnc:0>3}" for plmn in networks
    )


def _judged(action: Action) -> AuthenticationRejected | UnknownIdentity:
    """Return the error that says why the EAP machine did not go on."""
    if not isinstance(action, Reject):
        return UnknownIdentity(f"eap_{type(action).__name__}")
    if action.reason is RejectReason.UNKNOWN_IDENTITY:
        return UnknownIdentity("identity_not_usable", for_operator=action.detail)
    return AuthenticationRejected(action.reason.value, for_operator=action.detail)
