"""What follows from events: the inbox, and who acts upon it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from simgrant.compose.activation import switched_services
from simgrant.compose.clock import CLOCK
from simgrant.config.load import Loaded
from simgrant.domain.policy import Policy
from simgrant.domain.tenant import Tenant
from simgrant.flows.answer import Portal
from simgrant.flows.answers import Answers
from simgrant.flows.asked_anew import AskedAnew
from simgrant.flows.bss_inbox import BssInbox
from simgrant.flows.eligibility import Eligibilities
from simgrant.flows.heard_anew import HeardAnew
from simgrant.flows.life_orders import LifeOrders, OnSwap
from simgrant.flows.lifecycle import Lifecycle
from simgrant.flows.live_policies import LivePolicies
from simgrant.flows.network_data import NetworkFacts
from simgrant.flows.policy_sweeps import PolicySweeps
from simgrant.ports.keys import Keys
from simgrant.ports.life import Judged
from simgrant.ports.store import RequestRecord, Store
from simgrant.telemetry.metrics import Metrics


def open_life(
    loaded: Loaded,
    store: Store,
    *,
    tenants: Mapping[str, Tenant],
    policies: Mapping[str, Policy],
    portals: Mapping[str, Portal],
    sms_apps: Callable[[Loaded, str], tuple[str, ...]],
    keys: Keys,
    metrics: Metrics,
    keep: Callable[[RequestRecord], None],
    eligibilities: Eligibilities | None = None,
    network: NetworkFacts | None = None,
) -> tuple[BssInbox, Lifecycle]:
    """Return where events are brought, and who acts upon them; one worker's are known at once."""

    def policy_of(name: str) -> Callable[[], Policy]:
        return lambda: policies[name]

    lifecycle = Lifecycle(
        store.life,
        answers={
            name: _answers(loaded, tenant, policy_of(name), portals[name], keys)
            for name, tenant in tenants.items()
        },
        sms_apps={name: sms_apps(loaded, name) for name in loaded.tenants},
        switched=switched_services(loaded),
        keys=keys,
        clock=CLOCK,
        metrics=metrics,
        keep=keep,
        orders=LifeOrders(
            store.orders,
            {name: OnSwap(table.on_sim_swap) for name, table in loaded.tenants.items()},
            clock=CLOCK,
        )
        if loaded.settings.esim
        else None,
        asks=None
        if eligibilities is None or not any(map(eligibilities.asks, tenants))
        else AskedAnew(store, eligibilities, clock=CLOCK),
        hears=HeardAnew(store, network) if network is not None and network.asks else None,
    )
    inbox = BssInbox(store.life, clock=CLOCK, keys=keys, metrics=metrics, wake=lifecycle.wake)
    return inbox, lifecycle


def open_sweeps(
    loaded: Loaded,
    store: Store,
    *,
    tenants: Mapping[str, Tenant],
    policies: LivePolicies,
    portals: Mapping[str, Portal],
    sms_apps: Callable[[Loaded, str], tuple[str, ...]],
    keys: Keys,
    note: Callable[[str, Judged], None],
    eligibilities: Eligibilities,
    network: NetworkFacts,
) -> PolicySweeps:
    """Return who tells devices that another policy decides, to be run."""
    return PolicySweeps(
        store.sweeps,
        policies,
        answering=lambda name, policy: _answers(
            loaded, tenants[name], lambda: policy, portals[name], keys
        ),
        sms_apps={name: sms_apps(loaded, name) for name in loaded.tenants},
        switched=switched_services(loaded),
        note=note,
        clock=CLOCK,
        eligibilities=eligibilities,
        network=network,
    )


def _answers(
    loaded: Loaded, tenant: Tenant, policy: Callable[[], Policy], portal: Portal, keys: Keys
) -> Answers:
    return Answers(
        tenant,
        policy,
        portal,
        ring=lambda: keys.ring,
        roaming_max_age_s=loaded.settings.roaming.max_age_s,
    )
