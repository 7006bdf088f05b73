"""Who is asked about subscriptions when a device asks, as the settings have it."""

from __future__ import annotations

from collections.abc import Mapping

from simgrant.compose.bss import open_sources
from simgrant.config.bss import bss_of, freshness_of
from simgrant.config.load import Loaded
from simgrant.domain.policy import Policy
from simgrant.flows.derived import Derived
from simgrant.flows.eligibility import Desk, Eligibilities
from simgrant.ports.clock import Clock
from simgrant.ports.store import Store
from simgrant.telemetry.metrics import Metrics


def open_eligibilities(
    loaded: Loaded,
    policies: Mapping[str, Policy],
    store: Store,
    *,
    metrics: Metrics,
    clock: Clock,
) -> Eligibilities:
    """Return who asks each tenant's BSS, where it has one; raise StartRefused for a bad file."""
    settings, desks = loaded.settings, {}
    for tenant, source in open_sources(loaded, clock).items():
        name = bss_of(settings, tenant)
        table = settings.bss[name]
        desks[tenant] = Desk(
            name=f"bss.{name}",
            source=source,
            timeout_s=table.timeout_s,
            freshness=freshness_of(table),
            heals_s=table.heals_s,
        )
    return Eligibilities(
        store.told,
        desks,
        looks_at=Derived(policies, lambda _, policy: policy.looks_at_bss),
        clock=clock,
        metrics=metrics,
        first_retry_s=max(1, settings.server.retry_after_s // 2),
    )
