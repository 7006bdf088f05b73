"""Facts from what one read of the store gave: each with its source and age.

In two steps, since a phone's request needs only the first most of the time: what the facts are
made of is looked at for every request, and facts are made of it where nobody decided on the
like before (``flows.verdicts``), or where somebody wants to read them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple, TypeAlias, TypeGuard, TypeVar

from simgrant.domain.companions import NOT_COUNTED, Companions
from simgrant.domain.eligibility import Aspect, Aspects
from simgrant.domain.facts import (
    HELD,
    NO_STORE,
    NOBODY,
    Area,
    BoostState,
    Device,
    Fact,
    Facts,
    Purchases,
    StoreState,
    UsageShape,
    Wish,
)
from simgrant.domain.holdings import (
    HeldBilling,
    HeldBoost,
    HeldSatellite,
    HeldUsage,
    Holding,
    Holdings,
    Money,
)
from simgrant.domain.network_facts import NOTHING_HEARD, Learned, Registration
from simgrant.domain.plans import Billing, Satellite, boost_meant, is_derived
from simgrant.domain.policy import Policy
from simgrant.domain.rollouts import DRAWN_BYTES, is_in
from simgrant.domain.subscription import (
    Consent,
    ConsentKind,
    ConsentStatus,
    Profile,
    Subscription,
    SubscriptionStatus,
)
from simgrant.domain.tenant import Tenant
from simgrant.domain.told import Told, aspects_told
from simgrant.errors import BadRequest
from simgrant.identities import Imei
from simgrant.keyring.ring import KeyRing
from simgrant.services import SERVICES
from simgrant.spec.ids import MsgButton, ProvStatus
from simgrant.wire.request import Ask, StoreClaim, TerminalClaim

T = TypeVar("T")

SUBSCRIPTION, LOCATION, REQUEST = "subscription", "location", "request"
REGISTRATION = "registration"
TERMS, ADDRESS = "terms consent", "address consent"
BOOSTS, USAGE, SATELLITE, STORE = "boosts", "usage", "satellite opt-in", "store"
OPTIONS, REFUSALS, TENURE = "options", "refusals", "tenure"
COMPANIONS = "eSIM orders"
EXPIRED = "expired"
"""State of a consent whose time is over."""


_WISHING = frozenset(app for app, service in SERVICES.items() if "wish" in service.needs)
"""The applications that look at what a request asks for beyond their names."""
_LOOKED_AT = {
    app: service.needs & HELD for app, service in SERVICES.items() if service.needs & HELD
}
"""What each application looks at of what the subscription holds."""
_COUNTING = frozenset(app for app, service in SERVICES.items() if "companions" in service.needs)
"""The applications that look at how many companions there are, whatever rules do."""
_MADE_OF: Mapping[str, type[Holding]] = {
    "boosts": HeldBoost,
    "usage": HeldUsage,
    "satellite": HeldSatellite,
    "store": HeldBilling,
}
_SOURCES_TOLD = (
    (SUBSCRIPTION, Aspect.STATUS),
    (SUBSCRIPTION, Aspect.PLAN),
    (TERMS, Aspect.TERMS),
    (ADDRESS, Aspect.ADDRESS),
    (SUBSCRIPTION, Aspect.PROVISIONING),
)
"""The store's own sources of facts, in whose place a BSS may be."""
_NAMES_TOLD = (SUBSCRIPTION, TERMS, ADDRESS, LOCATION, OPTIONS, REFUSALS, TENURE)
"""What a BSS may be the source of."""
Kinds: TypeAlias = frozenset[type[Holding]]
"""Kinds of what subscriptions hold."""
_NO_KINDS: Kinds = frozenset()
_KINDS = {app: Kinds(_MADE_OF[name] for name in names) for app, names in _LOOKED_AT.items()}


class Wanted(NamedTuple):
    """What a request asks for beyond the names of applications."""

    wish: Wish
    """As far as rules and services may see it."""
    store: StoreClaim
    button: MsgButton | None = None
    """What the subscriber pressed in the dialogue about the store's terms."""

    def about(self, app_id: str) -> tuple[str, ...]:
        """Return what an application's page has to know of it."""
        needs = SERVICES[app_id].needs
        if "boosts" in needs and self.wish.boost_type is not None:
            return (str(self.wish.boost_type),)
        return (self.store.vendor, self.store.user_id) if "store" in needs else ()


NOTHING_MORE = Wanted(Wish(), StoreClaim("", ""))


class HeldView(NamedTuple):
    """What the facts about a subscription's holdings are made of."""

    boosts: tuple[BoostState, ...] = ()
    usage: tuple[UsageShape, ...] = ()
    satellite: ConsentStatus = ConsentStatus.NOT_REQUIRED
    store: StoreState = NO_STORE


NOTHING_HELD = HeldView()


class ToldView(NamedTuple):
    """What the facts are made of that a BSS told."""

    source: str = ""
    aspects: Aspects = frozenset()
    """What it told; the rest is the store's."""
    options: frozenset[str] = frozenset()
    refusals: frozenset[str] = frozenset()
    tenure_d: int | None = None


NOTHING_TOLD = ToldView()
NO_OPTIONS: Fact[frozenset[str]] = Fact(frozenset(), NOBODY)


class View(NamedTuple):
    """What the facts are made of, but for their ages: equal views make equal facts."""

    status: SubscriptionStatus
    plan: str
    provisioning: ProvStatus
    terms: str
    """A `ConsentStatus`, ``expired``, or empty for a consent that was never given."""
    address: str
    area: Area
    visited_plmn: str
    held: HeldView = NOTHING_HELD
    located_by: str = LOCATION
    """The source of area and network."""
    registration: Registration = Registration.UNKNOWN
    registered_by: str = NOBODY
    """The source of that."""
    schedules: tuple[str, ...] = ()
    """Those in force."""
    rollouts: tuple[str, ...] = ()
    """Those that the subscription is in."""
    told: ToldView = NOTHING_TOLD
    companions: Companions | None = None
    """None = nobody looked."""


def wanted(ask: Ask, apps: Iterable[str]) -> Wanted:
    """Return what a request asks for beyond these applications.

    Raise BadRequest where one of them cannot be answered without a parameter that did not come, or
    came as nonsense; of other applications' parameters nothing is read.
    """
    asking = _WISHING.intersection(apps)
    if not asking:
        return NOTHING_MORE
    boost_type, button, store = None, None, NOTHING_MORE.store
    for app in asking:
        if not all(map(ask.value, SERVICES[app].requires)):
            raise BadRequest("parameter_missing")
        if "boosts" in SERVICES[app].needs:
            boost_type = ask.boost_type
        if "store" in SERVICES[app].needs:
            store, button = ask.store, ask.button
    return Wanted(Wish(boost_meant(boost_type), store.vendor), store, button)


def counting(policy: Policy) -> frozenset[str]:
    """Return the applications for which it is looked how many companions a line has."""
    return frozenset(SERVICES) if policy.looks_at_companions else _COUNTING


@lru_cache(maxsize=256)
def looked_at(apps: tuple[str, ...]) -> Kinds:
    """Return what these applications look at of what the subscription holds; mostly nothing."""
    kinds = _NO_KINDS
    for app in apps:
        if app in _KINDS:
            kinds |= _KINDS[app]
    return kinds


@lru_cache(maxsize=256)
def _names_looked_at(apps: tuple[str, ...]) -> frozenset[str]:
    return frozenset(name for app in apps for name in _LOOKED_AT.get(app, ()))


def held(
    profile: Profile, apps: tuple[str, ...], store: StoreClaim, *, policy: Policy, now: float
) -> HeldView:
    """Return what the subscription holds now, as far as these applications look at it.

    A boost whose time is over has expired, whoever was to end it; a counter whose cycle is over
    says nothing any more.
    """
    looked_at = _names_looked_at(apps)
    if not looked_at:
        return NOTHING_HELD
    holdings, plan = profile.held, policy.plan(profile.subscription.plan)
    boosts, usage, satellite, state = NOTHING_HELD
    if "boosts" in looked_at:
        found = [BoostState(each.boost_type, each.state(now)) for each in holdings.boosts]
        boosts = tuple(sorted(found))
    if "usage" in looked_at:
        counted = [
            UsageShape(each.counter, each.allowance is not None, each.cycle_end is not None)
            for each in holdings.usage
            if each.counter in plan.counters and (each.cycle_end is None or now < each.cycle_end)
        ]
        usage = tuple(sorted(counted))
    if "satellite" in looked_at:
        satellite = _activation(plan.satellite, holdings.satellite)
    if "store" in looked_at:
        state = _store_state(plan.billing, holdings, store, now)
    return HeldView(boosts, usage, satellite, state)


def look(
    profile: Profile,
    *,
    tenant: Tenant,
    now: float,
    roaming_max_age: int,
    policy: Policy,
    ring: KeyRing,
    held: HeldView = NOTHING_HELD,
) -> View:
    """Return what a subscription's facts are made of now.

    What the policy has of time and chance is looked at here: so what is kept for equal
    circumstances cannot outlive a schedule.
    """
    subscription = profile.subscription
    visited, area, located_by = "", Area.UNKNOWN, LOCATION
    if subscription.visited_plmn and now - subscription.visited_at <= roaming_max_age:
        visited = subscription.visited_plmn
    registration, registered_by = Registration.UNKNOWN, NOBODY
    if profile.heard is not NOTHING_HEARD:
        location, known = profile.heard.location, profile.heard.registration
        if _tells_more(location, subscription):
            visited, located_by = location.value, _by(LOCATION, location)
        if known is not None:
            registration, registered_by = Registration(known.value), _by(REGISTRATION, known)
    told = NOTHING_TOLD if profile.told is None else _told(profile.told, now)
    if located_by == LOCATION:
        located_by = _source(LOCATION, told, Aspect.VISITED_PLMN)
    if visited:
        at_home = any(plmn.digits == visited for plmn in tenant.plmns)
        area = Area.HOME if at_home else Area.ROAMING
    return View(
        subscription.status,
        subscription.plan,
        subscription.provisioning,
        _state(profile.terms, now),
        _state(profile.address, now),
        area,
        visited,
        held,
        located_by,
        registration,
        registered_by,
        policy.calendar.at(now),
        _rollouts(subscription, policy, ring) if policy.rollouts else (),
        told,
        None if profile.counted is NOT_COUNTED else profile.counted.companions,
    )


def _rollouts(subscription: Subscription, policy: Policy, ring: KeyRing) -> tuple[str, ...]:
    """Return the roll-outs that a subscription is in, by what only this ring can compute."""
    tenant, digits = subscription.tenant, subscription.imsi.digits
    return tuple(
        name
        for name, share in policy.rollouts.items()
        if is_in(share, ring.derive(tenant, "rollout", f"{name}|{digits}", DRAWN_BYTES))
    )


def times_of(profile: Profile, *, now: float) -> dict[str, int]:
    """Return when each source told what it told (Unix seconds), where it can grow old.

    A consent whose time is over has been missing since then.
    """
    subscription = profile.subscription
    found = {SUBSCRIPTION: subscription.changed_at}
    if profile.terms is not None:
        found[TERMS] = _since(profile.terms, now)
    if profile.address is not None:
        found[ADDRESS] = _since(profile.address, now)
    if subscription.visited_at:
        found[LOCATION] = subscription.visited_at
    if profile.told is not None:
        source, at = profile.told.source, profile.told.asked_at
        for name in _NAMES_TOLD:
            found[f"{name}, {source}"] = at
    if profile.heard is not NOTHING_HEARD:
        location, known = profile.heard.location, profile.heard.registration
        if _tells_more(location, subscription):
            found[_by(LOCATION, location)] = location.at
        if known is not None:
            found[_by(REGISTRATION, known)] = known.at
    if profile.counted.at:
        found[COMPANIONS] = profile.counted.at
    holdings = profile.held
    if holdings.boosts:
        found[BOOSTS] = max([each.at for each in holdings.boosts])
    if holdings.usage:
        found[USAGE] = max([each.at for each in holdings.usage])
    if holdings.satellite is not None:
        found[SATELLITE] = holdings.satellite.at
    if holdings.billing:
        found[STORE] = max([each.at for each in holdings.billing])
    return found


def device_of(claim: TerminalClaim) -> Device:
    """Return what the request says that the device is."""
    return Device(Imei.tac_of(claim.terminal_id), claim.vendor, claim.model, claim.sw_version)


def gather(
    view: View,
    device: Device,
    *,
    policy: Policy,
    wish: Wish = NOTHING_MORE.wish,
    times: dict[str, int] | None = None,
) -> Facts:
    """Return everything that rules and services may look at; without ``times``, without ages."""
    at = (times or {}).get
    by_policy = f"policy {policy.version}"
    held, told = view.held, view.told
    status, plan, terms, address, provisioning = (
        _source(name, told, aspect) for name, aspect in _SOURCES_TOLD
    )
    options = _by_told(OPTIONS, told.options, told, Aspect.OPTIONS, at)
    return Facts(
        status=Fact(view.status, status, at(status)),
        plan=Fact(view.plan, plan, at(plan)),
        features=features_fact(policy, view.plan, options),
        terms=_consent(ConsentKind.TERMS, view.terms, policy, terms, at(terms)),
        address=_consent(ConsentKind.ADDRESS, view.address, policy, address, at(address)),
        provisioning=Fact(view.provisioning, provisioning, at(provisioning)),
        area=Fact(view.area, view.located_by, at(view.located_by)),
        visited_plmn=Fact(view.visited_plmn, view.located_by, at(view.located_by)),
        device=Fact(device, REQUEST),
        registration=Fact(view.registration, view.registered_by, at(view.registered_by)),
        offer=Fact(policy.plan(view.plan), by_policy),
        wish=Fact(wish, REQUEST),
        options=options,
        refusals=_by_told(REFUSALS, told.refusals, told, Aspect.REFUSALS, at),
        tenure_d=_by_told(TENURE, told.tenure_d, told, Aspect.CUSTOMER_SINCE, at),
        boosts=Fact(held.boosts, BOOSTS if held.boosts else NOBODY, at(BOOSTS)),
        usage=Fact(held.usage, USAGE if held.usage else NOBODY, at(USAGE)),
        companions=_counted(view.companions, at),
        satellite=Fact(held.satellite, SATELLITE, at(SATELLITE)),
        store=Fact(held.store, STORE, at(STORE)),
        schedules=Fact(view.schedules, by_policy),
        rollouts=Fact(view.rollouts, by_policy),
    )


def features_fact(policy: Policy, plan: str, options: Fact[frozenset[str]]) -> Fact[frozenset[str]]:
    """Return what a plan contains and what was bought besides.

    A feature of which a plan says more than its name cannot be bought without a plan that has it.
    """
    own, source = policy.features_of(plan), f"policy {policy.version}"
    bought = frozenset(each for each in options.value if not is_derived(each))
    if bought <= own:
        return Fact(own, source)
    return Fact(own | bought, f"{source}; {options.source}", options.at)


def _told(told: Told, now: float) -> ToldView:
    """Return what facts are made of that a BSS told."""
    found = told.eligibility
    if found is None:
        return NOTHING_TOLD._replace(source=told.source, aspects=frozenset({Aspect.STATUS}))
    since = found.customer_since
    return ToldView(
        told.source,
        aspects_told(found),
        found.options or frozenset(),
        found.refusals or frozenset(),
        None if since is None else max(0, int(now) - since) // 86_400,
    )


def _counted(there: Companions | None, at: Callable[[str], int | None]) -> Fact[Companions]:
    return Fact(Companions(), NOBODY) if there is None else Fact(there, COMPANIONS, at(COMPANIONS))


def _source(name: str, told: ToldView, aspect: Aspect) -> str:
    """Return where a fact comes from: a BSS that tells this aspect, else the store."""
    return _by_bss(name, told) if aspect in told.aspects else name


def _by_bss(name: str, told: ToldView) -> str:
    return f"{name}, {told.source}"


def _by_told(
    name: str, value: T, told: ToldView, aspect: Aspect, at: Callable[[str], int | None]
) -> Fact[T]:
    if aspect not in told.aspects:
        return Fact(value, NOBODY)
    source = _by_bss(name, told)
    return Fact(value, source, at(source))


def _tells_more(location: Learned | None, subscription: Subscription) -> TypeGuard[Learned]:
    """Say whether a network told where the phone is, later than the operator's systems did."""
    return location is not None and (
        not subscription.visited_plmn or location.at >= subscription.visited_at
    )


def _by(source: str, learned: Learned) -> str:
    return f"{source}, {learned.source}"


def _activation(satellite: Satellite | None, known: HeldSatellite | None) -> ConsentStatus:
    if satellite is None or not satellite.activation:
        return ConsentStatus.NOT_REQUIRED
    return ConsentStatus.MISSING if known is None else known.status


def _store_state(
    billing: Billing | None, held: Holdings, store: StoreClaim, now: float
) -> StoreState:
    """Return what is settled with a store; nothing where the plan does not have it."""
    if billing is None or not billing.sells(store.vendor):
        return NO_STORE
    row = held.at_store(store.vendor, store.user_id)
    limit = billing.limit(store.vendor)
    terms = ConsentStatus.MISSING if billing.terms.required else ConsentStatus.NOT_REQUIRED
    if row is None:
        known = Purchases.NO_LIMIT if limit is None else Purchases.UNKNOWN
        return StoreState(terms, ProvStatus.NOT_REQUIRED, known, str(limit or ""))
    if billing.terms.required:
        terms = row.terms
    if limit is None or (row.limit is not None and row.limit.is_less(limit)):
        limit = row.limit
    spent = row.spent
    if spent is not None and row.resets_at is not None and now >= row.resets_at:
        spent = spent._replace(amount=Decimal(0))
    return StoreState(terms, row.provisioning, _purchases(spent, limit), str(limit or ""))


def _purchases(spent: Money | None, limit: Money | None) -> Purchases:
    if limit is None:
        return Purchases.NO_LIMIT
    if spent is None or spent.currency != limit.currency:
        return Purchases.UNKNOWN
    return Purchases.LIMIT_REACHED if spent.amount >= limit.amount else Purchases.BELOW_LIMIT


def _state(consent: Consent | None, now: float) -> str:
    if consent is None:
        return ""
    over = consent.expires_at
    return EXPIRED if over is not None and now >= over else consent.status


def _since(consent: Consent, now: float) -> int:
    over = consent.expires_at
    return over if over is not None and now >= over else consent.at


def _consent(
    kind: ConsentKind, state: str, policy: Policy, source: str, at: int | None
) -> Fact[ConsentStatus]:
    if not policy.requires(kind):
        return Fact(ConsentStatus.NOT_REQUIRED, f"policy {policy.version}")
    if state in ("", EXPIRED):
        return Fact(ConsentStatus.MISSING, f"{source}, {state}".rstrip(", "), at)
    return Fact(ConsentStatus(state), source, at)
