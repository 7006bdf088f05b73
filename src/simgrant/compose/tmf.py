"""What a BSS that speaks TM Forum Open APIs is asked for, as its settings say."""

from __future__ import annotations

from simgrant.adapters.address import tmf as address
from simgrant.adapters.address.tmf import Config as AddressConfig
from simgrant.adapters.address.tmf import TmfValidator
from simgrant.adapters.bss.tmf import qualification
from simgrant.adapters.bss.tmf.activation import Config as ActivationConfig
from simgrant.adapters.bss.tmf.activation import TmfActivation
from simgrant.adapters.bss.tmf.lookups import TmfLookups
from simgrant.adapters.bss.tmf.offers import Config as OffersConfig
from simgrant.adapters.bss.tmf.offers import TmfOffers
from simgrant.adapters.bss.tmf.orders import Config as OrdersConfig
from simgrant.adapters.bss.tmf.orders import Names, TmfOrders
from simgrant.adapters.bss.tmf.qualification import TmfJudge
from simgrant.adapters.bss.tmf.rules import Rules, ValueRule
from simgrant.adapters.bss.tmf.service_orders import TmfServiceOrders
from simgrant.config import tmf as settings
from simgrant.config.bss_tables import Bss, TmfInventory, TmfProducts, TmfServices
from simgrant.domain.address import AddressField
from simgrant.domain.eligibility import Aspect
from simgrant.links.api import ApiLink
from simgrant.nouns import replace
from simgrant.ports.clock import Clock
from simgrant.wire.tmf.apis import Api
from simgrant.wire.tmf.inventory import FIELDS


def source(table: Bss, tenant: str, link: ApiLink, clock: Clock) -> TmfLookups | None:
    """Return who tells of subscribers; None where no inventory has anything mapped."""
    del tenant
    rules = [_rules(each) for _, each in settings.inventories_of(table)]
    asked = table.qualification
    if asked.on:
        config = qualification.Config(
            path=asked.path,
            resource=asked.resource,
            offerings=asked.offerings,
            offering=asked.offering,
            names=replace(qualification.Names(), **asked.names),
        )
        return TmfJudge(link, rules, config, clock)
    return TmfLookups(link, rules, clock) if rules else None


def orders(table: Bss, link: ApiLink, clock: Clock) -> TmfOrders:
    """Return who orders profiles."""
    config = OrdersConfig(
        path=table.orders.path,
        category=table.orders.category,
        offering=table.orders.offering,
        offerings=table.orders.offerings,
        names=replace(Names(), **table.orders.names),
        patience_s=table.orders.patience_s,
    )
    return TmfOrders(link, config, clock)


def offers(table: Bss, link: ApiLink, clock: Clock) -> TmfOffers:
    """Return who says which plans are sold."""
    config = OffersConfig(
        path=table.offers.path,
        filters=settings.filters_of(table.offers),
        sold=frozenset(each.lower() for each in table.offers.sold),
        plans=table.offers.plans,
    )
    return TmfOffers(link, config, clock)


def activation(table: Bss, link: ApiLink, clock: Clock, specification: str) -> TmfActivation:
    """Return who switches services of a specification in the network."""
    asked = table.activation
    by_orders = asked.by == "orders"
    config = ActivationConfig(
        path=asked.path or str(Api.SERVICE if by_orders else Api.ACTIVATION),
        specification=specification,
        iccid=asked.iccid,
        imsi=asked.imsi,
        msisdn=asked.msisdn,
        patch=asked.patch,
        # The device does not wait: whoever looks again finds out when it is done.
        patience_s=0,
    )
    if by_orders:
        return TmfServiceOrders(link, config, asked.order_path, clock)
    return TmfActivation(link, config, clock)


def validator(table: Bss, link: ApiLink) -> TmfValidator:
    """Return who checks addresses."""
    config = AddressConfig(
        path=table.addresses.path,
        countries=table.addresses.countries,
        needs={
            country: frozenset(map(AddressField, parts))
            for country, parts in table.addresses.needs.items()
        },
    )
    return address.open_validator(link, config)


def _rules(table: TmfInventory) -> Rules:
    inventory = settings.kind_of(table)
    return Rules(
        inventory=inventory,
        path=table.path,
        filters=settings.filters_of(table),
        fields=FIELDS[inventory] if table.send_fields else (),
        owner=frozenset(table.owner),
        loose=table.loose,
        states=settings.states_of(table),
        plans=table.plans if isinstance(table, TmfProducts) else {},
        options=table.options,
        refusals=table.refusals,
        vowifi=frozenset(table.vowifi if isinstance(table, TmfServices) else ()),
        provisioning=settings.provisioning_of(table),
        values={
            Aspect(aspect): ValueRule(name=name, meanings=table.meanings.get(aspect, {}))
            for aspect, name in table.values.items()
        },
        page=table.page,
        pages=table.pages,
    )
