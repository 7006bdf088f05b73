"""The main request: authenticate, gather facts, decide, answer (TS.43 §2, §3.1 of each service).

This is where a request's road can be read from top to bottom; every step is a
function of its own elsewhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import field

from simgrant.domain.companions import count
from simgrant.domain.holdings import MOST_STORE_USERS, HeldBilling, Holdings
from simgrant.domain.network_facts import NO_KINDS, Heard
from simgrant.domain.network_facts import Kinds as NetworkKinds
from simgrant.domain.policy import Policy
from simgrant.domain.subscription import (
    ConsentStatus,
    Profile,
    PushRegistration,
    Subscription,
)
from simgrant.domain.tenant import Tenancy
from simgrant.domain.trail import Trail
from simgrant.errors import (
    BadRequest,
    EcsError,
    PeerMisbehaved,
    PeerUnavailable,
    Unauthenticated,
)
from simgrant.flows.answer import Portal, usage_value, user_data, vers
from simgrant.flows.authenticate import Call, Challenge, Principal
from simgrant.flows.by_oidc import ByOidc, Failed
from simgrant.flows.by_otp import ByOtp
from simgrant.flows.by_sim import BySim
from simgrant.flows.by_token import ByToken
from simgrant.flows.clients import Client, Clients, completed
from simgrant.flows.clients import Profile as Family
from simgrant.flows.derived import Derived
from simgrant.flows.early_no import EarlyNo
from simgrant.flows.eligibility import Eligibilities
from simgrant.flows.gather import (
    Kinds,
    Wanted,
    device_of,
    held,
    look,
    looked_at,
    times_of,
    wanted,
)
from simgrant.flows.network_data import NetworkFacts
from simgrant.flows.operate import Operate, StepUp, Told
from simgrant.flows.operations import OPERATED
from simgrant.flows.private_identity import PrivateIdentities
from simgrant.flows.sessions import COOKIE
from simgrant.flows.shape import shaped
from simgrant.flows.sign_in import CodeSent, Redirect, signing_in
from simgrant.flows.verdicts import IDENTITY, IDENTITY_EXPIRY, Asked, Verdicts
from simgrant.nouns import noun, replace
from simgrant.ports.clock import Clock
from simgrant.ports.keys import Keys
from simgrant.ports.store import Store
from simgrant.services import SERVICES
from simgrant.spec.ids import MsgButton, NotifAction, OperationResult, RegisterNotifStatus
from simgrant.wire.cookies import cookie_values
from simgrant.wire.document import Application, Document, Parm, Token, Vers
from simgrant.wire.instant import utc
from simgrant.wire.negotiate import Format, best_text, document_format, languages
from simgrant.wire.push_token import CHANNELS, Channel, is_token
from simgrant.wire.request import Ask, NotifClaim, StoreClaim
from simgrant.wire.writers import WRITERS

__all__ = ["Call", "Challenge", "CodeSent", "Entitle", "Granted", "Redirect", "Rules"]


@noun
class Granted:
    """The answer is a document, as bytes."""

    tenant: str
    content_type: str
    body: bytes = field(repr=False)
    gzip: bool = True
    """Whether it may be compressed for a client that accepts that."""


@noun
class Rules:
    """The numbers of documents, and what is done without the core network."""

    validity_s: int
    validity_spread: float
    roaming_max_age_s: int
    fallback_on_core_failure: bool = False
    """Whether a phone that the core network fails is sent to another way to prove itself, where
    all its applications have one."""


class Entitle:
    """The use case of the device endpoint."""

    def __init__(
        self,
        *,
        by_token: ByToken,
        by_sim: BySim,
        by_oidc: ByOidc | None,
        by_otp: ByOtp | None,
        early_no: EarlyNo,
        tenancy: Tenancy,
        operate: Operate,
        identities: PrivateIdentities,
        policies: Mapping[str, Policy],
        portals: Mapping[str, Portal],
        keys: Keys,
        store: Store,
        network: NetworkFacts,
        bss: Eligibilities,
        clock: Clock,
        channels: Mapping[str, Collection[Channel]],
        rules: Rules,
        clients: Clients,
    ) -> None:
        self._by_token = by_token
        self._by_sim = by_sim
        self._by_oidc = by_oidc
        self._by_otp = by_otp
        self._early_no = early_no
        self._tenancy = tenancy
        self._operate = operate
        self._identities = identities
        self._portals = portals
        self._policies = policies
        self._verdicts = Derived(
            policies, lambda name, policy: Verdicts(policy, portals[name], identities.kind(name))
        )
        self._keys = keys
        self._store = store
        self._network = network
        self._bss = bss
        self._clock = clock
        self._channels = channels
        self._rules = rules
        self._clients = clients

    async def ask(
        self, ask: Ask, call: Call, trail: Trail
    ) -> Challenge | CodeSent | Granted | Redirect:
        """Answer a request that carries parameters, in the order of TS.43 §2.8."""
        trail.spec_version, trail.app_name = str(ask.spec_version), ask.app_name[:64]
        proved = ask.is_lent or ask.token or ask.eap_id
        if ask.value("state") or (ask.value("otp") and not proved):
            # Who comes back says nothing of himself; what he is, his first request said.
            answer = await self._called_back(ask, call, trail)
            if answer is not None:
                return answer
        client = self._clients.of(ask, call, trail)
        want = wanted(ask, ask.apps)  # Refused now, not after an authentication.
        if ask.is_lent:
            told = await self._operate.for_borrower(ask, call, trail)
            return self._tell(told, client.profile, call, trail)
        if self._operate.by_requestor(ask):
            told = await self._operate.for_requestor(ask, call, trail)
            return self._tell(told, client.profile, call, trail)
        if ask.token:
            trail.leg = "token"
            principal = await self._by_token.authenticate(ask, call, trail)
            if principal.apps != ask.apps:
                want = wanted(ask, principal.apps)
            return await self._grant(principal, want, client, call, trail)
        if ask.eap_id:
            trail.leg = "start"
            ask = completed(ask, client.profile)
            if ask.value("access_token"):
                # Whoever proves himself badly is not worth a vector (TS.43 §14.1.5).
                tenant = self._by_sim.tenant_of(ask, call)
                await self._operate.prove_app(ask, call, tenant, trail)
            try:
                return await self._by_sim.start(ask, call, trail)
            except (PeerUnavailable, PeerMisbehaved) as error:
                if not self._has_another_way(ask, call, error):
                    raise
                # The phone begins anew without its SIM (TS.43 §2.8.1, Table 7).
                raise Unauthenticated(
                    "core_unavailable", for_operator=error.for_operator or error.reason
                ) from None
        return await self._without_proof(ask, call, trail)

    def _has_another_way(self, ask: Ask, call: Call, error: EcsError) -> bool:
        """Say whether whoever the core network keeps from proving his SIM may sign in instead."""
        # Without the store no other way leads anywhere.
        if not self._rules.fallback_on_core_failure or error.reason.startswith("store_"):
            return False
        tenant = self._by_sim.tenant_of(ask, call)
        return (self._by_oidc is not None and self._by_oidc.offers(tenant, ask)) or (
            self._by_otp is not None and self._by_otp.offers(tenant, ask)
        )

    async def _called_back(
        self, ask: Ask, call: Call, trail: Trail
    ) -> CodeSent | Granted | Redirect | None:
        """Answer who comes back from a page or with a password; None for what is not ours."""
        state, code = ask.value("state"), ask.value("otp")
        if code and self._by_otp is not None:
            trail.leg = "otp"
            handles = (state,) if state else cookie_values(call.cookies, COOKIE)
            who = await self._by_otp.answer(handles, code, call, trail)
            return await self._grant_first(who, call, trail)
        if self._by_oidc is None or not state:
            return None
        answer = await self._by_oidc.call_back(ask, call, trail)
        match answer:
            case Principal():
                return await self._grant_first(answer, call, trail)
            case Failed():
                return self._failed(answer, call, trail)
        return answer

    async def _without_proof(self, ask: Ask, call: Call, trail: Trail) -> CodeSent | Redirect:
        """Answer who brings neither token nor SIM: a password is sent, a page named, or 511."""
        tenant = self._tenancy.resolve(call.host, None, "")
        by_otp = self._by_otp
        if by_otp is not None and ask.value("msisdn") and by_otp.offers(tenant, ask):
            trail.leg = "otp"
            return await by_otp.start(ask, tenant, call, trail)
        if away := self._early_no.page(tenant.name, ask.apps, ask):
            trail.tenant, trail.detail = tenant.name, "companion_not_eligible"
            return Redirect(away)
        if self._by_oidc is not None:
            page = await self._by_oidc.start(ask, tenant, call, trail)
            if page is not None:
                return page
        raise Unauthenticated("no_credentials")

    async def _grant_first(
        self, who: Principal, call: Call, trail: Trail
    ) -> CodeSent | Granted | Redirect:
        """Return the document of the request that a sign-in began with."""
        trail.spec_version = str(who.ask.spec_version)
        trail.app_name = who.ask.app_name[:64]
        client = self._clients.of(who.ask, call, trail)
        return await self._grant(who, wanted(who.ask, who.apps), client, call, trail)

    def _failed(self, failed: Failed, call: Call, trail: Trail) -> Granted:
        """Return a document without TOKEN that says where to read why (TS.43 §2.8.4)."""
        sign_in, items = failed.sign_in, []
        family = self._clients.of(failed.ask, call, trail).profile
        spoken = (*languages(call.accept_language), self._policies[trail.tenant].words.language)
        if sign_in.error_url:
            items.append(Parm("GeneralErrorURL", sign_in.error_url))
            items.append(Parm("GeneralErrorUserData", f"error={failed.error}"))
        text = best_text(sign_in.error_texts, spoken)
        if text:
            items.append(Parm("GeneralErrorText", text))
        error = Parm("OperationResult", str(int(OperationResult.GENERAL_ERROR)))
        applications = tuple(
            Application(app, ((error, *items) if app in OPERATED else tuple(items)))
            for app in failed.apps
        )
        return self._written(
            applications,
            Vers(1, family.vers_validity_s or self._rules.validity_s),
            tenant=trail.tenant,
            format_=family.format or document_format(call.accept),
            family=family,
            token=None,
        )

    async def answer(
        self, packet: bytes, cookies: tuple[str, ...], call: Call, trail: Trail
    ) -> Challenge | CodeSent | Granted | Redirect:
        """Answer a request that carries an EAP packet and nothing but a cookie."""
        result = await self._by_sim.answer(packet, cookies, call, trail)
        if isinstance(result, Challenge):
            return result
        return await self._grant_first(result, call, trail)

    async def _step_up(
        self, who: Principal, call: Call, trail: Trail
    ) -> CodeSent | Redirect | None:
        """Send the holder of a proved SIM to sign in, too; None where he cannot.

        What he asked goes along, and is done once he is back; the SIM's token does not.
        """
        ask, leg = signing_in(who), trail.leg
        imsi = who.profile.subscription.imsi
        try:
            if self._by_oidc is not None:
                page = await self._by_oidc.start(ask, who.tenant, call, trail, imsi=imsi)
                if page is not None:
                    return page
            by_otp = self._by_otp
            if by_otp is None or not by_otp.offers(who.tenant, ask):
                return None
            if who.profile.subscription.msisdn is None:
                return None
            handle = await by_otp.second_factor(ask, who.tenant, who.profile.subscription, call)
            return CodeSent(handle)
        finally:
            trail.leg = leg

    async def _grant(
        self, who: Principal, want: Wanted, client: Client, call: Call, trail: Trail
    ) -> CodeSent | Granted | Redirect:
        """Return the document for a proved SIM."""
        now, ring, rules = self._clock.now(), self._keys.ring, self._rules
        name, ask, family = who.tenant.name, who.ask, client.profile
        # One policy from here to the end, whatever is published meanwhile.
        verdicts, wants = self._verdicts[name], self._network.wanted[name]
        operates = bool(ask.value("operation")) and self._operate.wanted(who.apps, ask)
        if self._bss.asks(name):
            who = await self._told(who, NO_KINDS if operates else wants, call, trail)
        elif wants and not operates:
            heard = await self._heard(who.profile.subscription, wants, trail)
            who = replace(who, profile=replace(who.profile, heard=heard))
        if not (operates or verdicts.counting.isdisjoint(who.apps)):
            orders = await self._store.orders.of(name, who.profile.subscription.imsi)
            who = replace(who, profile=replace(who.profile, counted=count(orders)))
        profile = who.profile
        subscription = profile.subscription
        if kinds := looked_at(who.apps):
            profile = await self._with_holdings(who, kinds, want, verdicts.policy, now)
            subscription = profile.subscription
        left = max(1, int(who.expires - who.at))
        token = Token(who.token, min(left, family.token_validity_s or left))
        format_ = family.format or document_format(call.accept)
        registered = None if ask.notif is None else await self._register(who, ask.notif)
        trail.device = device_of(ask.terminal)
        if operates:
            application = await self._operate.for_device(who, call, trail, registered)
            if isinstance(application, StepUp):
                away = await self._step_up(who, call, trail)
                if away is not None:
                    return away
                application = application.otherwise
            return self._document(
                application,
                trail,
                tenant=name,
                subscription=subscription,
                format_=format_,
                family=family,
                token=token,
            )
        trail.times = times_of(profile, now=now)
        asked = Asked(
            who.apps,
            client.version,
            languages(call.accept_language),
            registered,
            want.wish,
            family.shape,
        )
        view = look(
            profile,
            tenant=who.tenant,
            now=now,
            roaming_max_age=rules.roaming_max_age_s,
            policy=verdicts.policy,
            ring=ring,
            held=held(profile, who.apps, want.store, policy=verdicts.policy, now=now),
        )
        kept = verdicts.of(asked, view, trail.device)
        trail.verdict = kept.verdict

        def own(value: str) -> str:
            if value == IDENTITY:
                return self._identities.push(name, subscription.imsi, at=who.at, now=now)
            if value == IDENTITY_EXPIRY:
                return utc(self._identities.expires(who.at))
            if value not in SERVICES:
                return usage_value(profile.held.usage, value)
            return user_data(
                self._portals[name],
                value,
                subscription,
                who.terminal_id,
                ring=ring,
                now=who.at,
                about=want.about(value),
            )

        body = WRITERS[format_].join(
            vers(
                subscription,
                trail.subscriber_ref,
                validity_s=self._bss.validity_s(
                    profile, family.vers_validity_s or rules.validity_s
                ),
                spread=rules.validity_spread,
                told_since=0 if profile.told is None else profile.told.changed_at,
            ),
            token,
            kept.text(format_, own),
        )
        return Granted(name, family.content_type(format_), body, family.gzip)

    async def _told(
        self, who: Principal, wants: NetworkKinds, call: Call, trail: Trail
    ) -> Principal:
        """Return who asks, as the BSS has him, with what core networks say; both asked at once."""
        asked = self._bss.of(who.profile, who.apps, deadline=call.deadline, trail=trail)
        if not wants:
            return replace(who, profile=await asked)
        told = asyncio.ensure_future(asked)
        try:
            heard = await self._heard(who.profile.subscription, wants, trail)
            return replace(who, profile=replace(await told, heard=heard))
        finally:
            told.cancel()

    async def _heard(self, subscription: Subscription, wants: NetworkKinds, trail: Trail) -> Heard:
        """Return what core networks say that rules look at."""
        began = self._clock.monotonic()
        try:
            return await self._network.heard(subscription, wants)
        finally:
            trail.peers_us["network"] = int((self._clock.monotonic() - began) * 1e6)

    async def _with_holdings(
        self, who: Principal, kinds: Kinds, want: Wanted, policy: Policy, now: float
    ) -> Profile:
        """Return the profile with what the subscription holds, an answer to a dialogue in it."""
        tenant, profile = who.tenant.name, who.profile
        subscription = profile.subscription
        held = await self._store.holdings(tenant, subscription.imsi, kinds)
        billing = policy.plan(subscription.plan).billing
        if want.button is None or billing is None or not billing.sells(want.store.vendor):
            return replace(profile, held=held)
        # Who pressed a button has decided on the terms of one store for one of its users (TS.43
        # §11.1.3). It is written before it is told back.
        settled = _answered(held, want.store, want.button, at=int(now))
        await self._store.set_holding(tenant, subscription.imsi, settled)
        return replace(
            profile,
            subscription=replace(subscription, changed_at=int(now)),
            held=held.with_billing(settled),
        )

    def _tell(self, told: Told, family: Family, call: Call, trail: Trail) -> Granted:
        """Return the document for a third party; with a lent token it never holds a TOKEN.

        One task's token would become a subscriber's otherwise (divergence
        "no-token-for-third-parties").
        """
        format_ = family.format or document_format(call.accept)
        if told.offer.bare_json and family.format is None and "xml" not in call.accept.lower():
            format_ = Format.JSON
        return self._document(
            told.application,
            trail,
            tenant=told.tenant,
            subscription=told.subscription,
            format_=format_,
            family=family,
            token=told.token,
        )

    def _document(
        self,
        application: Application,
        trail: Trail,
        *,
        tenant: str,
        subscription: Subscription | None,
        format_: Format,
        family: Family,
        token: Token | None,
    ) -> Granted:
        """Return a document about an operation."""
        rules = self._rules
        validity_s = family.vers_validity_s or rules.validity_s
        version = Vers(1, validity_s)
        if subscription is not None:
            version = vers(
                subscription,
                trail.subscriber_ref,
                validity_s=validity_s,
                spread=rules.validity_spread,
            )
        return self._written(
            (application,), version, tenant=tenant, format_=format_, family=family, token=token
        )

    @staticmethod
    def _written(
        applications: tuple[Application, ...],
        version: Vers,
        *,
        tenant: str,
        format_: Format,
        family: Family,
        token: Token | None,
    ) -> Granted:
        """Return a document that no policy decided on, as the family reads it."""
        document = Document(version, token, shaped(applications, family.shape))
        body = WRITERS[format_].push_document(document)
        return Granted(tenant, family.content_type(format_), body, family.gzip)

    async def _register(self, who: Principal, notif: NotifClaim) -> tuple[RegisterNotifStatus, ...]:
        """Keep where the terminal wants to be told of changes; return what each app is told.

        What could be no token of its channel is never kept, since it says where requests go to.
        Nor is anything kept for applications of which there is no notice (TS.43 §2.6), and they
        say so, since a client that believes in notices stops asking.
        """
        unheard = (RegisterNotifStatus.INVALID_TOKEN,) * len(who.apps)
        if not (notif.is_complete and notif.action in tuple(NotifAction)):
            return unheard
        channel = CHANNELS.get(NotifAction(notif.action))
        if channel is not None and not is_token(channel, notif.token):
            return unheard
        await self._store.register_push(
            who.tenant.name,
            who.profile.subscription.imsi,
            [
                PushRegistration(
                    who.terminal_id,
                    app,
                    who.ask.app_name.lower(),
                    notif.action,
                    notif.token,
                    int(who.at),
                )
                for app in who.apps
                if SERVICES[app].notifiable
            ],
        )
        if notif.action == NotifAction.DISABLE:
            return (RegisterNotifStatus.SUCCESS,) * len(who.apps)
        if channel not in self._channels.get(who.tenant.name, ()):
            # Kept, for when the operator sets the channel up; until then the client is to poll.
            return unheard
        return tuple(
            RegisterNotifStatus.SUCCESS
            if SERVICES[app].notifiable
            else RegisterNotifStatus.INVALID_TOKEN
            for app in who.apps
        )


def _answered(held: Holdings, store: StoreClaim, button: MsgButton, *, at: int) -> HeldBilling:
    """Return what is settled with a store's user who pressed a button under its terms."""
    terms = ConsentStatus.GIVEN if button is MsgButton.ACCEPTED else ConsentStatus.MISSING
    known = held.at_store(store.vendor, store.user_id)
    if known is not None:
        return replace(known, terms=terms, at=at)
    if len(held.billing) >= MOST_STORE_USERS:
        raise BadRequest("too_many_store_users")
    return HeldBilling(store.vendor, store.user_id, terms, at=at)
