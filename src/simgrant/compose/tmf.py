"""What a BSS that speaks TM Forum Open APIs is asked for, as its settings say."""

from __future__ import annotations

from dataclasses import replace

from simgrant.adapters.bss.tmf.lookups import TmfLookups
from simgrant.adapters.bss.tmf.orders import Config as OrdersConfig
from simgrant.adapters.bss.tmf.orders import Names, TmfOrders
from simgrant.adapters.bss.tmf.rules import Rules, ValueRule
from simgrant.config import tmf as settings
from simgrant.config.bss_tables import Bss, TmfInventory, TmfProducts, TmfServices
from simgrant.domain.eligibility import Aspect
from simgrant.links.api import ApiLink
from simgrant.ports.clock import Clock
from simgrant.wire.tmf.inventory import FIELDS


def source(table: Bss, tenant: str, link: ApiLink, clock: Clock) -> TmfLookups | None:
    """Return who tells of subscribers; None where no inventory has anything mapped."""
    del tenant
    rules = [_rules(each) for _, each in settings.inventories_of(table)]
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
