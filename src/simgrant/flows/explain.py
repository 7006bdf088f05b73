"""Why a phone gets what it gets: the live path's own functions, with every rule shown.

Facts are gathered and the answer is made by ``gather`` and ``answer``, as for a
phone; only the proof of the SIM is left out. A what-if changes one fact and
writes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any, Final

from simgrant.domain.companions import NOT_COUNTED, count
from simgrant.domain.facts import Facts, Wish
from simgrant.domain.network_facts import NOTHING_HEARD, Heard
from simgrant.domain.order import Order, OrderState
from simgrant.domain.policy import Decision, Policy, RuleTrace
from simgrant.domain.subscription import SERVED, Profile, Subscription
from simgrant.domain.tenant import Tenant
from simgrant.domain.told import effective
from simgrant.errors import Conflict
from simgrant.flows.answer import Portal, answer, filled, page_of, usage_value
from simgrant.flows.clients import Client, Clients, Condition, Told, client_of
from simgrant.flows.eligibility import of_now
from simgrant.flows.explain_esim import ESIM_APPS, Sources, Supposed, explain_esim
from simgrant.flows.gather import counting, device_of, gather, held, look, times_of
from simgrant.flows.network_data import Tellers, heard, told_by
from simgrant.flows.shape import PLAIN, Shape, shaped
from simgrant.keyring.ring import KeyRing
from simgrant.nouns import noun, replace
from simgrant.ports.store import RequestRecord, Store
from simgrant.services import PrivateIdentity, ServiceFlow
from simgrant.spec.ids import PrivateUserIdType
from simgrant.spec.version import DEFAULT, SpecVersion
from simgrant.wire.document import Application
from simgrant.wire.request import StoreClaim, TerminalClaim

USER_DATA: Final = "flow=…"
"""Stands for the sealed user data, which would open the subscriber's page to whoever reads it."""


@noun
class Inquiry:
    """What is asked, and what is supposed for the sake of the question."""

    app_id: str
    spec_version: SpecVersion = DEFAULT
    terminal_id: str = ""
    languages: tuple[str, ...] = ()
    visited_plmn: str | None = None
    """The network to suppose; empty = not known; None = the one on record."""
    records: int = 5
    """How many of the newest request records to bring along."""
    boost_type: int | None = None
    """The boost that is asked for; None = the lists of ap2010."""
    store: StoreClaim = StoreClaim("", "")
    """The store that asks, for ap2012."""
    client: Told | None = None
    """What the client says of itself; None = it is told by nothing, and no profile fits it."""
    like: str = ""
    """The profile to suppose, whatever the client says."""
    esim: Supposed = Supposed()
    """The request for an eSIM, for ap2006 and ap2009."""


@noun
class Rules:
    """The numbers that the live path has from its settings."""

    roaming_max_age_s: int
    tellers: Tellers
    """Who tells anything of subscribers; nobody is asked."""
    bss: str = ""
    """The tenant's BSS, as the settings name it; what it told last is looked at."""


@noun
class Explained:
    """One decision with every rule that was tried for it."""

    decision: Decision
    tried: tuple[RuleTrace, ...]


@noun
class Fitted:
    """The profile of a supposed client, and what it changes."""

    client: Client
    tried: tuple[tuple[str, tuple[Condition, ...]], ...]
    """Each profile that was tried, with its conditions; the last one is the client's. Empty
    where it was supposed by its name."""
    plain: Application
    """What a client would get that needs nothing done differently."""


@noun
class Explanation:
    """Everything there is to say about one subscription and one service."""

    subscription: Subscription
    refusal: str
    """Why no document is given at all; empty where one is."""
    facts: Facts
    explained: tuple[Explained, ...]
    application: Application
    """What a phone would get, if nothing refused it before."""
    fitted: Fitted | None
    """Of the client that was supposed, if one was."""
    records: tuple[Mapping[str, Any], ...] = field(repr=False)
    """The newest request records, the newest first."""
    limit: str = ""
    """Which limit is in the way of one more eSIM; empty = none."""
    devices: tuple[Order, ...] = ()
    """Of a service of eSIMs, the orders of its devices that have not ended, by place."""


async def explain(
    inquiry: Inquiry,
    subscription: Subscription,
    *,
    tenant: Tenant,
    policy: Policy,
    portal: Portal,
    store: Store,
    ring: KeyRing,
    rules: Rules,
    now: float,
    clients: Clients | None = None,
    identities: PrivateUserIdType = PrivateUserIdType.PSEUDONYM,
    esim: Sources | None = None,
) -> Explanation:
    """Return what a phone with this SIM would get for one service now, and why.

    Raise Conflict where the subscription is gone, or there is no profile of the name supposed.
    """
    imsi = subscription.imsi
    client, tried = _client(inquiry, clients)
    profile = await store.profile(tenant.name, imsi, inquiry.terminal_id, "")
    if profile is None:
        raise Conflict("no_subscription", for_operator="it is gone")
    counts = policy.looks_at_companions or inquiry.app_id in counting(policy)
    profile = replace(
        profile,
        counted=count(await store.orders.of(tenant.name, imsi)) if counts else NOT_COUNTED,
        held=await store.holdings(tenant.name, imsi),
        heard=await _heard(store, profile.subscription, policy, rules.tellers, now=now),
    )
    if rules.bss:
        told = await store.told.told(tenant.name, imsi)
        if (told := of_now(told, rules.bss, policy.looks_at_bss)) is not None:
            profile = effective(profile, told)
    supposed = _supposed(profile, inquiry, now)
    view = look(
        supposed,
        tenant=tenant,
        now=now,
        roaming_max_age=rules.roaming_max_age_s,
        policy=policy,
        ring=ring,
        held=held(supposed, (inquiry.app_id,), inquiry.store, policy=policy, now=now),
    )
    device, times = device_of(_terminal(inquiry)), times_of(supposed, now=now)
    wish = Wish(inquiry.boost_type, inquiry.store.vendor)
    facts = gather(view, device, policy=policy, wish=wish, times=times)

    def flow(app_id: str) -> ServiceFlow | None:
        url = page_of(portal, app_id)
        return ServiceFlow(url, USER_DATA) if url else None

    def answered(version: SpecVersion, shape: Shape) -> tuple[Application, tuple[Decision, ...]]:
        made = answer(
            [inquiry.app_id],
            facts,
            policy=policy,
            version=version,
            languages=inquiry.languages,
            flow=flow,
            identity=PrivateIdentity(identities, "…", "…"),
            own_parameters=shape.own_parameters,
        )
        (application,) = shaped(made.applications, shape)
        own = filled(application, lambda name: usage_value(supposed.held.usage, name))
        return own, made.decisions

    plain, decisions = answered(inquiry.spec_version, PLAIN)
    application = plain
    if client is not None:
        application, decisions = answered(client.version, client.profile.shape)
    limit, devices = "", tuple[Order, ...]()
    if esim is not None and inquiry.app_id in ESIM_APPS:
        devices = tuple(
            each
            for each in await store.orders.of(tenant.name, imsi)
            if each.app_id == inquiry.app_id and each.state is not OrderState.ENDED
        )
        facts, decision, limit = await explain_esim(
            inquiry.esim,
            esim,
            profile.subscription,
            profile.told,
            view,
            app_id=inquiry.app_id,
            asking=device,
            terminal_id=inquiry.terminal_id,
            policy=policy,
            times=times,
            now=now,
        )
        decisions = (decision,)
    found = await store.records(
        tenant.name, ring.references(tenant.name, "imsi", imsi.digits), limit=inquiry.records
    )
    return Explanation(
        subscription=profile.subscription,
        refusal=_refusal(profile.subscription, tenant) or _refused_version(client),
        facts=facts,
        explained=tuple(
            Explained(decision, policy.explain(decision.question, facts)) for decision in decisions
        ),
        application=application,
        fitted=None if client is None else Fitted(client, tried, plain),
        records=record_data(found),
        limit=limit,
        devices=devices,
    )


def record_data(records: Sequence[RequestRecord]) -> tuple[Mapping[str, Any], ...]:
    """Return stored records as plain data."""
    return tuple(json.loads(record.body) for record in records)


def _client(
    inquiry: Inquiry, clients: Clients | None
) -> tuple[Client | None, tuple[tuple[str, tuple[Condition, ...]], ...]]:
    """Return the client that is supposed, and the profiles that were tried for it."""
    if clients is None:
        return None, ()
    if inquiry.like:
        profile = clients.named(inquiry.like)
        if profile is None:
            raise Conflict("no_profile", for_operator=f"there is no profile {inquiry.like}")
        return client_of(profile, inquiry.spec_version), ()
    if inquiry.client is None:
        return None, ()
    tried = tuple(clients.tried(inquiry.client))
    names = tuple((profile.name, conditions) for profile, conditions in tried)
    return client_of(tried[-1][0], inquiry.client.version), names


def _terminal(inquiry: Inquiry) -> TerminalClaim:
    told = inquiry.client
    vendor, model = (told.vendor, told.model) if told else ("", "")
    return TerminalClaim(inquiry.terminal_id, vendor, model, "")


def _refused_version(client: Client | None) -> str:
    if client is None or not client.refused:
        return ""
    return f"profile {client.profile.name} does not serve version {client.version}: 406"


async def _heard(
    store: Store, subscription: Subscription, policy: Policy, tellers: Tellers, *, now: float
) -> Heard:
    """Return what networks said until now of what a phone's request would have them asked for."""
    telling = tellers.of(subscription, policy.looks_at_network)
    if not telling:
        return NOTHING_HEARD
    rows = await store.learned.learned(subscription.tenant, subscription.imsi)
    return heard(tellers.good(told_by(rows, telling), now=now))


def _supposed(profile: Profile, inquiry: Inquiry, now: float) -> Profile:
    if inquiry.visited_plmn is None:
        return profile
    supposed = replace(profile.subscription, visited_plmn=inquiry.visited_plmn, visited_at=int(now))
    return replace(
        profile, subscription=supposed, heard=Heard(registration=profile.heard.registration)
    )


def _refusal(subscription: Subscription, tenant: Tenant) -> str:
    if subscription.status not in SERVED:
        return f"the subscription is {subscription.status}: 403, and 511 to its tokens"
    if not tenant.serves(subscription.imsi):
        return f"the IMSI is in no network of tenant {tenant.name}: 403"
    return ""
