"""The main request: authenticate, gather facts, decide, answer (TS.43 §2, §3.1 of each service).

This is where a request's road can be read from top to bottom; every step is a
function of its own elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from simgrant.domain.policy import Policy
from simgrant.domain.subscription import PushRegistration
from simgrant.domain.trail import Trail
from simgrant.errors import BadTemporaryToken, Unauthenticated, UnsupportedVersion
from simgrant.flows.answer import Portal, answer, service_flow, vers
from simgrant.flows.authenticate import Call, Challenge, Family, Principal
from simgrant.flows.by_sim import BySim
from simgrant.flows.by_token import ByToken
from simgrant.flows.gather import gather
from simgrant.nouns import noun
from simgrant.ports.clock import Clock
from simgrant.ports.keys import Keys
from simgrant.ports.store import Store
from simgrant.services.service import ServiceFlow
from simgrant.spec.ids import NotifAction, RegisterNotifStatus
from simgrant.wire.document import Application, Document, Parm, Token
from simgrant.wire.negotiate import Format, document_format, languages
from simgrant.wire.request import Ask, NotifClaim

__all__ = ["Call", "Challenge", "Entitle", "Granted", "Rules"]


@noun
class Granted:
    """The answer is a document."""

    document: Document
    format: Format


@noun
class Rules:
    """The numbers of documents."""

    validity_s: int
    validity_spread: float
    roaming_max_age_s: int


class Entitle:
    """The use case of the device endpoint."""

    def __init__(
        self,
        *,
        by_token: ByToken,
        by_sim: BySim,
        policies: Mapping[str, Policy],
        portals: Mapping[str, Portal],
        keys: Keys,
        store: Store,
        clock: Clock,
        rules: Rules,
        families: Sequence[Family] = (),
    ) -> None:
        self._by_token = by_token
        self._by_sim = by_sim
        self._policies = policies
        self._portals = portals
        self._keys = keys
        self._store = store
        self._clock = clock
        self._rules = rules
        self._families = families

    async def ask(self, ask: Ask, call: Call, trail: Trail) -> Challenge | Granted:
        """Answer a request that carries parameters, in the order of TS.43 §2.8."""
        trail.spec_version, trail.app_name = str(ask.spec_version), ask.app_name[:64]
        if ask.spec_version.major < 1:
            raise UnsupportedVersion
        if ask.temporary_token:
            # No operation issues one yet, so none can be good (TS.43 Table 8).
            raise BadTemporaryToken
        if ask.token:
            trail.leg = "token"
            principal = await self._by_token.authenticate(ask, call, trail)
            return await self._grant(principal, call, trail)
        if ask.eap_id:
            trail.leg = "start"
            return await self._by_sim.start(self._completed(ask, call), call, trail)
        raise Unauthenticated("no_credentials")

    def _completed(self, ask: Ask, call: Call) -> Ask:
        """Return the request with the apps that its client's family means, where it names none."""
        if ask.apps:
            return ask
        agent = call.user_agent.lower()
        for family in self._families:
            if family.user_agent in agent:
                named = tuple(("app", app) for app in family.apps)
                return replace(ask, apps=family.apps, parameters=(*ask.parameters, *named))
        return ask

    async def answer(
        self, packet: bytes, cookies: tuple[str, ...], call: Call, trail: Trail
    ) -> Challenge | Granted:
        """Answer a request that carries an EAP packet and nothing but a cookie."""
        result = await self._by_sim.answer(packet, cookies, call, trail)
        if isinstance(result, Challenge):
            return result
        trail.spec_version = str(result.ask.spec_version)
        trail.app_name = result.ask.app_name[:64]
        return await self._grant(result, call, trail)

    async def _grant(self, who: Principal, call: Call, trail: Trail) -> Granted:
        """Return the document for a proved SIM."""
        now, ring = self._clock.now(), self._keys.ring
        name, subscription = who.tenant.name, who.profile.subscription
        policy, portal = self._policies[name], self._portals[name]
        facts = gather(
            who.profile,
            who.ask.terminal,
            policy=policy,
            tenant=who.tenant,
            now=now,
            roaming_max_age=self._rules.roaming_max_age_s,
        )
        trail.facts = facts

        def flow(app_id: str) -> ServiceFlow | None:
            return service_flow(
                portal, app_id, subscription, who.terminal_id, ring=ring, now=who.at
            )

        answered = answer(
            who.apps,
            facts,
            policy=policy,
            version=who.ask.spec_version,
            languages=languages(call.accept_language),
            flow=flow,
        )
        trail.decisions.extend(answered.decisions)
        applications = answered.applications
        if who.ask.notif is not None:
            applications = await self._registered(who, who.ask.notif, applications)
        document = Document(
            vers(
                subscription,
                trail.subscriber_ref,
                validity_s=self._rules.validity_s,
                spread=self._rules.validity_spread,
            ),
            Token(who.token, max(1, int(who.expires - who.at))),
            applications,
        )
        return Granted(document, document_format(call.accept))

    async def _registered(
        self, who: Principal, notif: NotifClaim, applications: Sequence[Application]
    ) -> tuple[Application, ...]:
        """Keep where the terminal wants to be told of changes, and say so in each answer."""
        status = RegisterNotifStatus.INVALID_TOKEN
        if notif.is_complete and notif.action in tuple(NotifAction):
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
                ],
            )
            if notif.action == NotifAction.DISABLE:
                status = RegisterNotifStatus.SUCCESS
            # Kept, but no channel delivers yet: saying so makes the client poll.
        parm = Parm("RegisterNotifStatus", str(int(status)))
        return tuple(
            replace(application, items=(*application.items, parm)) for application in applications
        )
