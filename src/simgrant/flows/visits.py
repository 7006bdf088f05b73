"""A person's visit to a web view: from the handle of a document to what is settled (ADR 0025).

The handle says whose visit it is, one row how far it is, and the facts, gathered as for a phone,
which page is due. What is settled is written before the page that says so is made.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import field
from functools import partial
from typing import Final

from simgrant.domain.companions import count
from simgrant.domain.facts import Question, Wish
from simgrant.domain.holdings import HeldBoost, Purchase
from simgrant.domain.order import GivenUp, Kind, OutOfOrder
from simgrant.domain.plans import boost_feature
from simgrant.domain.risk import Way
from simgrant.domain.subscription import SERVED
from simgrant.domain.tenant import Tenant
from simgrant.domain.trail import Trail
from simgrant.domain.visit import Settlement, Step, Visit
from simgrant.errors import Conflict, Unauthenticated, UnknownIdentity
from simgrant.flows.authenticate import Reception
from simgrant.flows.consent_pages.screens import ConsentScreen
from simgrant.flows.eligibility import Eligibilities
from simgrant.flows.esim_means import FEATURES, Conditions, EsimMeans
from simgrant.flows.esim_pages import ORDER, PLAN, SELECTS, movable
from simgrant.flows.esim_rules import Target, activation_facts, by_bss
from simgrant.flows.gather import counting, device_of, gather, held, look, times_of
from simgrant.flows.handles import Handle, pull_handle, pull_page, push_page
from simgrant.flows.limits import Rate, Throttle
from simgrant.flows.web_views import WEB_VIEWS
from simgrant.flows.web_views.web_view import (
    DO,
    Agree,
    Case,
    Choose,
    Closed,
    Confirm,
    Form,
    Matter,
    Means,
    NotOffered,
    Offers,
    Screen,
    Subject,
    Texts,
    Turn,
    WebView,
    fingerprint,
)
from simgrant.nouns import noun, replace
from simgrant.ports.address_validator import AddressValidator
from simgrant.ports.orders import Kept, NoStock
from simgrant.ports.switching import NOTHING_SWITCHED, VOWIFI, ServicesOf
from simgrant.services import SERVICES
from simgrant.spec.ids import AppId
from simgrant.spec.version import NEWEST
from simgrant.wire.negotiate import best_text
from simgrant.wire.request import StoreClaim, TerminalClaim

TOKEN: Final = "page"  # noqa: S105 - a name
"""The field of a form that has the page's token."""
GO: Final = "go"
CLOSE: Final = "close"
"""The button that settles a step, and the one that leaves without."""
_VISIT_S = 3600
"""Seconds that a visit may last in all."""
_SPARE_S = 1.0
"""Of the time for an answer, what is left to make the page after an order was waited for."""
_FASTER = frozenset({"held_meanwhile", "order_meanwhile"})
"""Why a step did not settle that somebody else had settled."""


@noun
class Guest:
    """What is known of who opens a page."""

    host: str
    source: str
    languages: tuple[str, ...]
    """Best first."""
    deadline: float
    """Seconds of the monotonic clock by which the answer must be made."""


@noun
class Page:
    """A page to be made: what is shown, to whom, and what its form comes back with."""

    tenant: str
    subject: Subject | None
    """None = of no service of a phone's."""
    screen: Screen | ConsentScreen
    languages: tuple[str, ...]
    """Best first, the tenant's own last."""
    token: str = field(default="", repr=False)
    """Empty where nothing is left to be sent."""


@noun
class House:
    """What is one tenant's own about its pages."""

    language: str
    terms: Mapping[Subject, Texts]
    """What has to be agreed to, by subject and language; carrier billing may have it in a plan."""
    countries: Sequence[tuple[str, str]]
    """Codes and names, in the order in which they are offered."""
    hosts: frozenset[str]
    """Host names of its pages, where they are not those of all tenants."""


@noun
class Rules:
    """The numbers of visits."""

    resume_s: int
    """Seconds from the first page in which the handle may be used again."""
    page_life_s: int
    receipts_s: int
    """Seconds for which it is kept what was bought."""
    roaming_max_age_s: int
    by_source: Rate
    by_visit: Rate
    remembered: int
    """Sources and visits whose rate is known at a time."""


class Visits:
    """The use case of the portal."""

    def __init__(
        self,
        reception: Reception,
        *,
        houses: Mapping[str, House],
        validator: AddressValidator,
        esim: EsimMeans,
        bss: Eligibilities,
        rules: Rules,
        switched: ServicesOf = NOTHING_SWITCHED,
    ) -> None:
        """``switched`` are the services of tenants' lines that are switched in the network."""
        self._reception = reception
        self._houses = houses
        self._validator = validator
        self._esim = esim
        self._bss = bss
        remembered = rules.remembered
        self._by_source = Throttle("too_many_pages", rules.by_source, remembered=remembered)
        self._by_visit = Throttle("too_many_pages", rules.by_visit, remembered=remembered)
        self._rules = rules
        self._switched = switched
        self._taken = frozenset(host for house in houses.values() for host in house.hosts)

    async def close(self) -> None:
        """Let go of every connection."""
        await self._validator.close()

    async def open(self, text: str, guest: Guest, trail: Trail) -> Page:
        """Return the first page of a handle, or the one that its visit is at.

        Raise Unauthenticated for any other text, and for a handle that is over: the subscriber
        has to begin anew on the phone.
        """
        now = self._reception.clock.now()
        self._by_source.take((guest.source,), now=self._reception.clock.monotonic())
        name, handle, visit_id = pull_handle(text, self._reception.keys, now=now)
        tenant = self._enter(name, handle, visit_id, guest, trail)
        case = await self._case(tenant, handle, guest, trail)
        view = WEB_VIEWS[handle.app_id]
        step = view.at(case)
        visit = None
        if now < handle.until:
            if isinstance(step, NotOffered):
                # Nothing can be settled, so nothing is used up.
                return self._page(tenant, view, step, guest)
            visit = Visit(step, int(now), max(int(now) + _VISIT_S, handle.until))
            store = self._reception.store
            began = store.begin_visit(tenant.name, handle.imsi, visit_id, visit)
            if not await self._reception.timed("store", began, trail):
                visit = None
        if visit is None:
            visit = await self._visit(tenant, handle, visit_id, trail)
            if visit is None:
                raise Unauthenticated("web_view_expired")
            if now >= visit.opened_at + self._rules.resume_s:
                raise Unauthenticated("web_view_used")
        return self._shown(tenant, case, handle, visit_id, visit, guest)

    async def submit(self, form: Form, guest: Guest, trail: Trail) -> Page:
        """Return what follows on the form of a page.

        Raise Unauthenticated for one whose token is none, or is over.
        """
        now = self._reception.clock.now()
        self._by_source.take((guest.source,), now=self._reception.clock.monotonic())
        keys, life_s = self._reception.keys, self._rules.page_life_s
        name, token = pull_page(form.get(TOKEN, ""), keys, now=now, life_s=life_s)
        handle, visit_id = token.handle, token.visit
        tenant = self._enter(name, handle, visit_id, guest, trail)
        case = await self._case(tenant, handle, guest, trail)
        view = WEB_VIEWS[handle.app_id]
        visit = await self._visit(tenant, handle, visit_id, trail)
        if visit is None or now >= visit.expires_at:
            raise Unauthenticated("web_view_expired")
        step, means = _due(view, case, visit), self._means(tenant, guest)
        turn: Turn
        if form.get(DO) == CLOSE:
            turn = Closed() if isinstance(step, NotOffered) else view.leave(case, step, means)
            if not isinstance(turn, Settlement):
                trail.detail = f"{token.step}: closed"
                return self._page(tenant, view, turn, guest)
        elif step is not token.step or token.shown != _mark(view.screen(case, step, means)):
            return self._shown(tenant, case, handle, visit_id, visit, guest)
        else:
            turn = await view.act(case, step, form, means)
            if isinstance(turn, Settlement) and form.get(DO) != GO:
                turn = view.screen(case, step, means)
        if not isinstance(turn, Settlement):
            following = self._token(tenant, handle, visit_id, token.step, turn)
            return self._page(tenant, view, turn, guest, token=following)
        turn = replace(_switched(turn, self._switched.get(tenant.name, ())), of=visit.step)
        if turn.receipt is not None:
            turn = replace(turn, keep_until=turn.at + self._rules.receipts_s)
        await self._settle(tenant, handle, visit_id, turn, guest, trail)
        case = await self._case(tenant, handle, guest, trail)
        visit = await self._visit(tenant, handle, visit_id, trail) or visit
        return self._shown(tenant, case, handle, visit_id, visit, guest)

    # --- what both have in common ----------------------------------------------------------

    def _enter(
        self, name: str, handle: Handle, visit_id: bytes, guest: Guest, trail: Trail
    ) -> Tenant:
        """Return the tenant whose page it is; refuse another's, and whoever comes too often."""
        tenant, house = self._reception.tenancy.by_name.get(name), self._houses.get(name)
        elsewhere = guest.host in self._taken and house and guest.host not in house.hosts
        if tenant is None or house is None or elsewhere or handle.app_id not in WEB_VIEWS:
            raise Unauthenticated("web_view_of_another_tenant")
        self._reception.name(trail, tenant, handle.imsi, handle.terminal_id)
        self._reception.name_source(trail, tenant, guest.source)
        trail.apps = (handle.app_id,)
        self._by_visit.take((visit_id.hex(),), now=self._reception.clock.monotonic())
        return tenant

    async def _case(self, tenant: Tenant, handle: Handle, guest: Guest, trail: Trail) -> Case:
        """Return how things stand for a subscription that is served; refuse any other."""
        store, now = self._reception.store, self._reception.clock.now()
        house, app_id = self._houses[tenant.name], handle.app_id
        policy = self._esim.policies[tenant.name]
        reading = store.profile(tenant.name, handle.imsi, handle.terminal_id, "")
        profile = await self._reception.timed("store", reading, trail)
        if profile is None or profile.subscription.status not in SERVED:
            raise UnknownIdentity("subscription_not_served")
        if handle.epoch != profile.subscription.token_epoch:
            raise Unauthenticated("web_view_revoked")
        profile = await self._bss.of(profile, (app_id,), deadline=guest.deadline, trail=trail)
        matter = await self._matter(tenant, handle, trail)
        if matter is None:
            holdings = store.holdings(tenant.name, handle.imsi)
            profile = replace(profile, held=await self._reception.timed("store", holdings, trail))
        profile = replace(profile, heard=await self._esim.network.heard(profile.subscription))
        if policy.looks_at_companions or app_id in counting(policy):
            orders = store.orders.of(tenant.name, handle.imsi)
            counted = count(await self._reception.timed("store", orders, trail))
            profile = replace(profile, counted=counted)
        boost_type, claim = _about(handle)
        view = look(
            profile,
            tenant=tenant,
            now=now,
            roaming_max_age=self._rules.roaming_max_age_s,
            policy=policy,
            ring=self._reception.keys.ring,
            held=held(profile, (app_id,), claim, policy=policy, now=now),
        )
        device, times = (
            device_of(TerminalClaim(handle.terminal_id, "", "", "")),
            times_of(profile, now=now),
        )
        if matter is None:
            wish = Wish(boost_type, claim.vendor)
            facts = gather(view, device, policy=policy, wish=wish, times=times)
        else:
            asking = self._esim.risk.of(profile.subscription, handle.terminal_id)
            facts = activation_facts(
                view,
                _target(matter),
                matter.line.conditions if matter.line is not None else Conditions(),
                asking=device,
                proof=Way.PAGE,
                holder_proof=Way.PAGE,
                risk=by_bss(await self._reception.timed("store", asking, trail), profile.told),
                policy=policy,
                lists=self._esim.lists,
                times=times,
                at=int(now),
            )
        plan = policy.plan(profile.subscription.plan)
        if matter is None:
            question = SERVICES[app_id].questions(NEWEST, facts)[0]
        else:
            question = Question(FEATURES[AppId(app_id)], facts.area.value)
        subject = WEB_VIEWS[app_id].subject
        terms = house.terms.get(subject, {})
        if not terms and plan.billing is not None:
            terms = plan.billing.terms.message
        return Case(
            profile,
            facts,
            policy.decide(question, facts),
            plan,
            boost_type,
            claim,
            best_text(terms, (*guest.languages, house.language)),
            int(now),
            matter,
        )

    async def _matter(self, tenant: Tenant, handle: Handle, trail: Trail) -> Matter | None:
        """Return what a page about eSIMs is about; None where it is of another service."""
        if handle.app_id not in FEATURES:
            return None
        line = self._esim.esims[tenant.name].lines.get(handle.app_id)
        if handle.about[:1] not in ((ORDER,), (PLAN,)):
            return Matter(handle.about, line)
        reading = self._esim.ordering.of(tenant.name, handle.imsi)
        there = {
            place: order
            for place, order in (await self._reception.timed("store", reading, trail)).items()
            if order.app_id == handle.app_id
        }
        order = next(
            (each for each in there.values() if handle.about[1:2] == (each.order_id,)), None
        )
        if order is None:
            return Matter(handle.about, line)
        address = self._esim.address(tenant.name, order)
        return Matter(handle.about, line, order, address, movable(there, order.device))

    async def _visit(
        self, tenant: Tenant, handle: Handle, visit_id: bytes, trail: Trail
    ) -> Visit | None:
        reading = self._reception.store.visit(tenant.name, handle.imsi, visit_id)
        return await self._reception.timed("store", reading, trail)

    async def _settle(
        self,
        tenant: Tenant,
        handle: Handle,
        visit_id: bytes,
        settled: Settlement,
        guest: Guest,
        trail: Trail,
    ) -> None:
        """Write what a step ended in, unless somebody else was faster; an order goes on then."""
        store, change, ordering = self._reception.store, settled.order, self._esim.ordering
        writing = store.settle_visit(tenant.name, handle.imsi, visit_id, settled)
        try:
            won = await self._reception.timed("store", writing, trail)
        except NoStock as error:
            if change is not None:
                with contextlib.suppress(OutOfOrder):  # somebody else has ended it
                    kept = Kept(tenant.name, handle.imsi, change.before)
                    await ordering.happens(kept, GivenUp(error.reason))
            trail.detail = f"{settled.of}: {error.reason}"
            return
        except Conflict as conflict:
            if conflict.reason not in _FASTER:
                raise
            won = False
        if won and change is not None:
            left = guest.deadline - self._reception.clock.monotonic() - _SPARE_S
            going_on = ordering.changed(tenant.name, handle.imsi, change, within=left)
            await self._reception.timed("smdp", going_on, trail)
        ends = f"{settled.to}: {settled.receipt}" if settled.receipt else settled.to
        trail.detail = f"{settled.of} to {ends}" if won else f"{settled.of}: too late"

    def _shown(
        self,
        tenant: Tenant,
        case: Case,
        handle: Handle,
        visit_id: bytes,
        visit: Visit,
        guest: Guest,
    ) -> Page:
        """Return the page that a visit is at."""
        view = WEB_VIEWS[handle.app_id]
        step = _due(view, case, visit)
        if isinstance(step, NotOffered):
            return self._page(tenant, view, step, guest)
        screen = view.screen(case, step, self._means(tenant, guest))
        if step is Step.DONE:
            return self._page(tenant, view, screen, guest)
        token = self._token(tenant, handle, visit_id, step, screen)
        return self._page(tenant, view, screen, guest, token=token)

    def _means(self, tenant: Tenant, guest: Guest) -> Means:
        return Means(
            self._validator,
            self._houses[tenant.name].countries,
            guest.deadline,
            partial(self._esim.ordering.change, tenant.name),
        )

    def _token(
        self, tenant: Tenant, handle: Handle, visit_id: bytes, step: Step, screen: Screen
    ) -> str:
        return push_page(
            handle,
            visit_id,
            step,
            shown=_mark(screen),
            ring=self._reception.keys.ring,
            tenant=tenant.name,
            now=self._reception.clock.now(),
        )

    def _page(
        self, tenant: Tenant, view: WebView, screen: Screen, guest: Guest, *, token: str = ""
    ) -> Page:
        languages = (*guest.languages, self._houses[tenant.name].language)
        return Page(tenant.name, view.subject, screen, languages, token)


def _due(view: WebView, case: Case, visit: Visit) -> Step | NotOffered:
    """Return the step that a visit is at: the end once it was reached, else what is missing."""
    return Step.DONE if visit.step is Step.DONE else view.at(case)


def _switched(settled: Settlement, services: Collection[str]) -> Settlement:
    """Return what was settled as it is where these services are switched in the network."""
    bought = settled.holding
    if isinstance(bought, HeldBoost) and boost_feature(bought.boost_type) in services:
        settled = replace(settled, holding=replace(bought, purchase=Purchase.IN_PROGRESS))
    return replace(settled, switches=settled.switches and VOWIFI in services)


def _mark(screen: Screen) -> str:
    return fingerprint(screen) if isinstance(screen, Agree | Offers | Choose | Confirm) else ""


def _target(matter: Matter) -> Target:
    """Return what a page about eSIMs is about, as rules look at it."""
    if matter.order is None:
        return Target(None, Kind.SUBSCRIBE, beforehand=True)
    order = matter.order
    return Target(
        order.device, order.kind, order.old_iccid, at=order.place, selects=SELECTS in matter.about
    )


def _about(handle: Handle) -> tuple[int | None, StoreClaim]:
    """Return the boost and the store that a handle is about."""
    if handle.app_id in FEATURES:
        return None, StoreClaim("", "")
    match handle.about:
        case (boost_type,):
            return int(boost_type), StoreClaim("", "")
        case (vendor, user_id):
            return None, StoreClaim(vendor, user_id)
    return None, StoreClaim("", "")
