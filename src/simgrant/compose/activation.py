"""Who switches Wi-Fi calling in the network, as the settings say."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Final

from simgrant.compose import tmf
from simgrant.compose.bss import open_link
from simgrant.config.bss import bss_of
from simgrant.config.load import Loaded
from simgrant.domain.policy import Policy
from simgrant.domain.tenant import Tenant
from simgrant.flows.bss_inbox import BssInbox
from simgrant.flows.eligibility import Eligibilities
from simgrant.flows.order_switches import SwitchDesk
from simgrant.flows.switching import Desk, Switching
from simgrant.ports.clock import Clock
from simgrant.ports.keys import Keys
from simgrant.ports.store import Store

# Jitter has no need of a good source of chance.
_CHANCE: Final = random.Random().random  # noqa: S311


def switched_tenants(loaded: Loaded) -> frozenset[str]:
    """Return the tenants whose lines are switched."""
    names = {tenant: bss_of(loaded.settings, tenant) for tenant in loaded.tenants}
    return frozenset(
        tenant for tenant, name in names.items() if name and loaded.settings.bss[name].activation.on
    )


def open_device_switches(loaded: Loaded, clock: Clock) -> dict[str, SwitchDesk]:
    """Return who switches the services of devices of each tenant. Raise StartRefused."""
    desks: dict[str, SwitchDesk] = {}
    found: dict[str, SwitchDesk] = {}
    for tenant in sorted(loaded.tenants):
        name = bss_of(loaded.settings, tenant)
        if not name or not loaded.settings.bss[name].activation.devices:
            continue
        table = loaded.settings.bss[name]
        if name not in desks:
            link = open_link(loaded, name, table, clock)
            desks[name] = SwitchDesk(
                activation=tmf.activation(table, link, clock, devices=True),
                look_every_s=table.activation.look_every_s,
                within_s=table.activation.devices_within_s,
            )
        found[tenant] = desks[name]
    return found


def open_switching(
    loaded: Loaded,
    store: Store,
    *,
    inbox: BssInbox,
    bss: Eligibilities,
    tenants: Mapping[str, Tenant],
    policies: Mapping[str, Policy],
    keys: Keys,
    clock: Clock,
) -> tuple[Switching, ...]:
    """Return who switches lines, to be run; nobody where no BSS does. Raise StartRefused."""
    desks: dict[str, Desk] = {}
    of_tenants: dict[str, Desk] = {}
    for tenant in sorted(switched_tenants(loaded)):
        name = bss_of(loaded.settings, tenant)
        if name not in desks:
            table = loaded.settings.bss[name]
            desks[name] = Desk(
                name=f"bss.{name}",
                activation=tmf.activation(table, open_link(loaded, name, table, clock), clock),
                look_every_s=table.activation.look_every_s,
                off=table.activation.off,
            )
        of_tenants[tenant] = desks[name]
    if not desks:
        return ()
    switching = Switching(
        store,
        of_tenants,
        inbox=inbox,
        bss=bss,
        tenants=tenants,
        policies=policies,
        keys=keys,
        clock=clock,
        chance=_CHANCE,
    )
    return (switching,)
