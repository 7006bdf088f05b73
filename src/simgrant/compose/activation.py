"""Who switches services in the network, as the settings say."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Final

from simgrant.compose import tmf
from simgrant.compose.bss import open_link
from simgrant.config.bss import bss_of, switches_devices
from simgrant.config.bss_tables import TmfActivation
from simgrant.config.load import Loaded
from simgrant.domain.plans import boost_feature
from simgrant.domain.policy import Policy
from simgrant.domain.tenant import Tenant
from simgrant.flows import calling_wishes
from simgrant.flows.boost_wishes import BoostWishes
from simgrant.flows.bss_inbox import BssInbox
from simgrant.flows.calling_wishes import CallingWishes
from simgrant.flows.eligibility import Eligibilities
from simgrant.flows.order_switches import SwitchDesk
from simgrant.flows.switching import Desk, Switching
from simgrant.ports.clock import Clock
from simgrant.ports.keys import Keys
from simgrant.ports.store import Store
from simgrant.ports.switching import VOWIFI

# Jitter has no need of a good source of chance.
_CHANCE: Final = random.Random().random  # noqa: S311


def switched_services(loaded: Loaded) -> dict[str, frozenset[str]]:
    """Return which services of each tenant's lines are switched (`ports.switching`)."""
    names = {tenant: bss_of(loaded.settings, tenant) for tenant in loaded.tenants}
    found = {
        tenant: frozenset(_specifications(loaded.settings.bss[name].activation))
        for tenant, name in names.items()
        if name
    }
    return {tenant: services for tenant, services in found.items() if services}


def _specifications(table: TmfActivation) -> dict[str, str]:
    """Return the ids of specifications of the services of lines that are switched."""
    found = {VOWIFI: table.specification} if table.on else {}
    boosts = {boost_feature(int(kind)): each for kind, each in table.boosts.items()}
    return found | boosts


def open_device_switches(loaded: Loaded, clock: Clock) -> dict[str, SwitchDesk]:
    """Return who switches the services of devices of each tenant. Raise StartRefused."""
    desks: dict[str, SwitchDesk] = {}
    found: dict[str, SwitchDesk] = {}
    for tenant in sorted(loaded.tenants):
        if not switches_devices(loaded.settings, tenant):
            continue
        name = bss_of(loaded.settings, tenant)
        table = loaded.settings.bss[name]
        if name not in desks:
            link = open_link(loaded, name, table, clock)
            desks[name] = SwitchDesk(
                activation=tmf.activation(table, link, clock, table.activation.devices),
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
    calling: dict[str, calling_wishes.Rules] = {}
    for tenant in sorted(switched_services(loaded)):
        name = bss_of(loaded.settings, tenant)
        asked = loaded.settings.bss[name].activation
        if name not in desks:
            table = loaded.settings.bss[name]
            link = open_link(loaded, name, table, clock)
            desks[name] = Desk(
                name=f"bss.{name}",
                activations={
                    service: tmf.activation(table, link, clock, specification)
                    for service, specification in _specifications(asked).items()
                },
                look_every_s=asked.look_every_s,
            )
        of_tenants[tenant] = desks[name]
        calling[tenant] = calling_wishes.Rules(asked.off, by_imsi=asked.imsi != "")
    if not desks:
        return ()
    boosts = BoostWishes(store, clock=clock)
    calls = CallingWishes(
        store,
        calling,
        inbox=inbox,
        bss=bss,
        tenants=tenants,
        policies=policies,
        keys=keys,
        clock=clock,
    )
    switching = Switching(
        store.switches,
        of_tenants,
        lambda service: calls if service == VOWIFI else boosts,
        clock=clock,
        chance=_CHANCE,
    )
    return (switching,)
