"""What an explanation needs of the settings, for whoever asks for one."""

from __future__ import annotations

from simgrant.compose import core_network
from simgrant.compose.bss import open_sources
from simgrant.compose.clients import profiles
from simgrant.compose.esims import esim_sources
from simgrant.compose.store import tenancy
from simgrant.config.bss import bss_of
from simgrant.config.load import Loaded
from simgrant.domain.policy import Policy
from simgrant.domain.subscription import Subscription
from simgrant.flows import ask_bss
from simgrant.flows import explain as flow
from simgrant.flows.answer import Portal
from simgrant.flows.ask_bss import Asked
from simgrant.flows.clients import Clients
from simgrant.flows.eligibility import of_now
from simgrant.flows.explain_esim import ESIM_APPS
from simgrant.keyring.ring import KeyRing
from simgrant.ports.clock import Clock
from simgrant.ports.store import Store
from simgrant.spec.ids import PrivateUserIdType


async def ask(
    loaded: Loaded, subscription: Subscription, *, policy: Policy, store: Store, clock: Clock
) -> Asked | None:
    """Ask the tenant's BSS now, and change nothing; None where none is asked. StartRefused."""
    tenant, settings = subscription.tenant, loaded.settings
    sources = open_sources(loaded, clock)
    try:
        if tenant not in sources:
            return None
        name, source = bss_of(settings, tenant), sources[tenant]
        wants = policy.looks_at_bss & source.tells
        known = await store.told.told(tenant, subscription.imsi)
        return await ask_bss.ask(
            source,
            subscription,
            wants,
            bss=f"bss.{name}",
            known=of_now(known, f"bss.{name}", wants),
            timeout_s=settings.bss[name].timeout_s,
            clock=clock,
        )
    finally:
        for each in {*sources.values()}:
            await each.close()


async def explain(
    loaded: Loaded,
    inquiry: flow.Inquiry,
    subscription: Subscription,
    *,
    policy: Policy,
    store: Store,
    ring: KeyRing,
    now: float,
) -> flow.Explanation:
    """Return what a phone with this SIM would get; Conflict where the subscription is gone."""
    name, settings = subscription.tenant, loaded.settings
    own = loaded.tenants[name]
    return await flow.explain(
        inquiry,
        subscription,
        tenant=tenancy(loaded).by_name[name],
        policy=policy,
        portal=Portal(own.portal_url or loaded.portal_url, settings.portal.user_data_life_s),
        store=store,
        ring=ring,
        rules=flow.Rules(
            settings.roaming.max_age_s,
            core_network.tellers(loaded),
            f"bss.{bss}" if (bss := bss_of(settings, name)) else "",
        ),
        now=now,
        clients=Clients(profiles(loaded)),
        identities=PrivateUserIdType.OTHER if own.identity_key else PrivateUserIdType.PSEUDONYM,
        esim=esim_sources(loaded, store, name, inquiry.app_id)
        if inquiry.app_id in ESIM_APPS
        else None,
    )
