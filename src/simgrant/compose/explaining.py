"""What an explanation needs of the settings, for whoever asks for one."""

from __future__ import annotations

from simgrant import compose
from simgrant.compose import core_network
from simgrant.config.bss import bss_of
from simgrant.config.load import Loaded
from simgrant.domain.policy import Policy
from simgrant.domain.subscription import Subscription
from simgrant.flows import explain as flow
from simgrant.flows.answer import Portal
from simgrant.flows.clients import Clients
from simgrant.flows.explain_esim import ESIM_APPS
from simgrant.keyring.ring import KeyRing
from simgrant.ports.store import Store
from simgrant.spec.ids import PrivateUserIdType


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
        tenant=compose.tenancy(loaded).by_name[name],
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
        clients=Clients(compose.profiles(loaded)),
        identities=PrivateUserIdType.OTHER if own.identity_key else PrivateUserIdType.PSEUDONYM,
        esim=compose.esim_sources(loaded, store, name, inquiry.app_id)
        if inquiry.app_id in ESIM_APPS
        else None,
    )
