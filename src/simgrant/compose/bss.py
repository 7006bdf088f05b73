"""Business support systems: links to them, who tells of subscribers, and who orders profiles.

A kind of BSS is a line in ``SOURCES``. Each of what a BSS is used for has a link of its own, so
that trouble with one thing keeps nobody from another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from simgrant.adapters.address import embedded as embedded_addresses
from simgrant.adapters.bss import embedded
from simgrant.compose import rest, tmf
from simgrant.config.api_tables import ApiTable
from simgrant.config.bss import bss_of, validator_of
from simgrant.config.bss_tables import Bss
from simgrant.config.load import Loaded
from simgrant.flows.bss_judges import Judge, Judges
from simgrant.flows.bss_waiting import WaitingOrders
from simgrant.flows.esim_means import Esim
from simgrant.flows.ordering import Ordering
from simgrant.flows.plan_offers import PlansOnSale
from simgrant.links.api import ApiConfig, ApiLink, OAuthConfig
from simgrant.links.client_auth import ClientAuth, Credentials
from simgrant.links.http import HttpConfig
from simgrant.ports.address_validator import AddressValidator
from simgrant.ports.bss_orders import BssOrders, TellsLater
from simgrant.ports.clock import Clock
from simgrant.ports.eligibility import ChecksEligibility, EligibilitySource
from simgrant.ports.orders import Orders
from simgrant.ports.plan_offers import PlanOffers

SOURCES: Final[Mapping[str, Callable[[Bss, str, ApiLink, Clock], EligibilitySource | None]]] = {
    "rest": rest.source,
    "ses": rest.ses_source,
    "tmf": tmf.source,
}
"""By type: who tells of subscribers; None = the settings map nothing."""


def open_sources(loaded: Loaded, clock: Clock) -> dict[str, EligibilitySource]:
    """Return who is asked about subscribers, by tenant; tenants without a BSS are left out.

    Tenants of one BSS share its link, which may be closed once for each of them.

    Raise StartRefused where a file is no use.
    """
    links: dict[str, ApiLink] = {}
    found: dict[str, EligibilitySource] = {}
    for tenant in loaded.tenants:
        if not (name := bss_of(loaded.settings, tenant)):
            continue
        table = loaded.settings.bss[name]
        if name not in links:
            links[name] = open_link(loaded, name, table, clock)
        source = SOURCES[table.type](table, tenant, links[name], clock)
        if source is not None:
            found[tenant] = source
    return found


def open_orders(loaded: Loaded, clock: Clock) -> dict[str, BssOrders]:
    """Return who orders the profiles of each tenant; where no BSS does, the waiting list.

    Raise StartRefused where a file is no use.
    """
    nobody = embedded.open_bss()
    found: dict[str, BssOrders] = {
        name: tmf.orders(table, open_link(loaded, name, table, clock), clock)
        for name, table in loaded.settings.bss.items()
        if table.orders.on
    }
    return {tenant: found.get(bss_of(loaded.settings, tenant), nobody) for tenant in loaded.tenants}


def judges_of(loaded: Loaded, sources: Mapping[str, EligibilitySource], clock: Clock) -> Judges:
    """Return those of these BSSs, by tenant, that judge who may have an eSIM."""
    tables = {tenant: loaded.settings.bss[bss_of(loaded.settings, tenant)] for tenant in sources}
    return Judges(
        {
            tenant: Judge(source, tables[tenant].timeout_s)
            for tenant, source in sources.items()
            if isinstance(source, ChecksEligibility)
        },
        clock,
    )


def waiting_orders(
    loaded: Loaded,
    orders: Orders,
    ordering: Ordering,
    bss: Mapping[str, BssOrders],
    clock: Clock,
) -> WaitingOrders | None:
    """Return who looks at orders that BSSs have taken over, to be run; None where nobody does."""
    every_s = {
        tenant: loaded.settings.bss[name].orders.look_every_s
        for tenant in loaded.tenants
        if (name := bss_of(loaded.settings, tenant))
    }
    asked = {
        tenant: each
        for tenant, each in bss.items()
        if isinstance(each, TellsLater) and every_s.get(tenant)
    }
    if not asked:
        return None
    return WaitingOrders(orders, ordering, bss=asked, every_s=every_s, clock=clock)


def open_offers(loaded: Loaded, clock: Clock) -> dict[str, PlanOffers]:
    """Return who says which plans are sold, by tenant; raise StartRefused."""
    found: dict[str, PlanOffers] = {
        name: tmf.offers(table, open_link(loaded, name, table, clock), clock)
        for name, table in loaded.settings.bss.items()
        if table.offers.on
    }
    names = {tenant: bss_of(loaded.settings, tenant) for tenant in loaded.tenants}
    return {tenant: found[name] for tenant, name in names.items() if name in found}


def open_sale(
    loaded: Loaded, esims: Mapping[str, Esim], apps: Mapping[str, str], clock: Clock
) -> PlansOnSale:
    """Return what tenants offer of eSIMs, with the plans of their BSSs, to be run.

    ``apps`` are the AppIDs of what the settings call ``app``. Raise StartRefused where a file is
    no use.
    """
    takers: dict[str, set[str]] = {}
    for table in loaded.settings.esim.values():
        for tenant in (table.tenants or loaded.tenants) if table.plans_of_bss else ():
            takers.setdefault(tenant, set()).add(apps[table.app])
    names = {tenant: bss_of(loaded.settings, tenant) for tenant in loaded.tenants}
    return PlansOnSale(
        esims,
        open_offers(loaded, clock),
        takers={tenant: frozenset(found) for tenant, found in takers.items()},
        every_s={
            tenant: loaded.settings.bss[name].offers.every_s
            for tenant, name in names.items()
            if name
        },
        clock=clock,
    )


def open_validator(loaded: Loaded, clock: Clock) -> AddressValidator:
    """Return who checks addresses; raise StartRefused."""
    name = validator_of(loaded.settings)
    if not name:
        return embedded_addresses.open_validator()
    table = loaded.settings.bss[name]
    return tmf.validator(table, open_link(loaded, name, table, clock))


def known_countries(loaded: Loaded) -> Mapping[str, str]:
    """Return the countries whose addresses can be checked: by code, what they are called."""
    if name := validator_of(loaded.settings):
        return loaded.settings.bss[name].addresses.countries
    return embedded_addresses.open_validator().countries


def open_link(loaded: Loaded, name: str, table: Bss, clock: Clock) -> ApiLink:
    """Return a link to a BSS; raise StartRefused where a file is no use."""
    return open_api(
        loaded,
        f"bss.{name}",
        table,
        clock,
        root=table.url.rstrip("/"),
        timeout_s=table.timeout_s,
        most_bytes=table.max_bytes,
    )


def open_api(
    loaded: Loaded,
    peer: str,
    table: ApiTable,
    clock: Clock,
    *,
    root: str,
    timeout_s: float,
    most_bytes: int,
) -> ApiLink:
    """Return a link to an API, all of whose paths begin with ``root``; raise StartRefused."""
    oauth = None
    if table.token_url:
        oauth = OAuthConfig(
            token_url=table.token_url,
            credentials=Credentials(
                client_id=table.client_id,
                client_auth=ClientAuth(table.client_auth),
                secret_file=loaded.path(table.secret_file),
                key_id=table.key_id,
            ),
            scope=table.scope,
        )
    config = ApiConfig(
        root=root,
        http=HttpConfig(
            peer=peer,
            ca_file=loaded.path(table.ca_file) if table.ca_file else None,
            certificate=loaded.path(table.certificate) if table.certificate else None,
            key=loaded.path(table.key) if table.key else None,
            # The check of the settings has looked which of them may be plain.
            plain=any(each.startswith("http:") for each in (table.url, table.token_url)),
            connect_timeout_s=timeout_s,
            most_bytes=most_bytes,
        ),
        oauth=oauth,
        key_header=table.api_key_header,
        key_file=loaded.path(table.api_key_file) if table.api_key_file else None,
        user=table.user,
        password_file=loaded.path(table.password_file) if table.password_file else None,
        headers=table.headers,
    )
    return ApiLink(config, clock)
