"""What the settings of TM Forum APIs mean, and what of them cannot work."""

from __future__ import annotations

import re
import string
from collections.abc import Iterator, Mapping
from typing import Final

from simgrant.config.bss_tables import (
    Bss,
    TmfActivation,
    TmfAddresses,
    TmfInventory,
    TmfOffers,
    TmfOrders,
    TmfProducts,
    TmfQualification,
    TmfResources,
    TmfServices,
)
from simgrant.domain.address import AddressField
from simgrant.domain.aspect_values import TEXTUAL, meaning
from simgrant.domain.eligibility import Aspect
from simgrant.domain.plan_offer import MOST_PLAN_ID
from simgrant.domain.subscription import SubscriptionStatus
from simgrant.spec.ids import ProvStatus
from simgrant.wire.tmf.inventory import Inventory

_PLACES: Final = frozenset({"imsi", "msisdn", "e164"})
"""What filters may name in braces."""
_BOOST_TYPE: Final = re.compile(r"[1-9][0-9]{0,4}", re.ASCII)
_PATH: Final = re.compile(r"(/[A-Za-z0-9._~-]+)*", re.ASCII)
_ACTIVE, _SUSPENDED = SubscriptionStatus.ACTIVE, SubscriptionStatus.SUSPENDED
_STATES: Final[Mapping[Inventory, Mapping[str, SubscriptionStatus | None]]] = {
    Inventory.PRODUCT: {
        "created": None,
        "pendingActive": None,
        "cancelled": None,
        "aborted": None,
        "active": _ACTIVE,
        "suspended": _SUSPENDED,
        "pendingTerminate": _ACTIVE,
        "terminated": SubscriptionStatus.REMOVED,
    },
    Inventory.SERVICE: {
        "feasibilityChecked": None,
        "designed": None,
        "reserved": None,
        "inactive": _SUSPENDED,
        "active": _ACTIVE,
        "terminated": None,
    },
    Inventory.RESOURCE: {
        "": _ACTIVE,
        "standby": _ACTIVE,
        "alarm": _ACTIVE,
        "available": _ACTIVE,
        "reserved": _ACTIVE,
        "unknown": _ACTIVE,
        "suspended": _SUSPENDED,
    },
}
"""What the states of the definitions mean; what is to come or never was is as good as not there."""
_PROVISIONING: Final = {
    "feasibilityChecked": ProvStatus.IN_PROGRESS,
    "designed": ProvStatus.IN_PROGRESS,
    "reserved": ProvStatus.IN_PROGRESS,
    "inactive": ProvStatus.NOT_PROVISIONED,
    "active": ProvStatus.PROVISIONED,
    "terminated": ProvStatus.NOT_PROVISIONED,
}
_KINDS: Final[Mapping[type[TmfInventory], Inventory]] = {
    TmfProducts: Inventory.PRODUCT,
    TmfServices: Inventory.SERVICE,
    TmfResources: Inventory.RESOURCE,
}
_COUNTRY: Final = re.compile(r"[A-Z]{2}", re.ASCII)
_NAMES_OF_PROSPECTS: Final = frozenset({"imsi", "msisdn", "eid", "imei", "vendor", "model", "kind"})
_NAMES: Final = frozenset(
    {
        "imsi",
        "enterprise",
        "eid",
        "imei",
        "kind",
        "service",
        "profile_type",
        "old_iccid",
        "version",
        "iccid",
        "smdp_address",
        "matching_id",
    }
)


def inventories_of(table: Bss) -> Iterator[tuple[str, TmfInventory]]:
    """Yield the inventories in which something is mapped, by the names of their tables."""
    for name, each in (
        ("products", table.products),
        ("services", table.services),
        ("resources", table.resources),
    ):
        plans = isinstance(each, TmfProducts) and each.plans
        vowifi = isinstance(each, TmfServices) and each.vowifi
        if plans or vowifi or each.options or each.refusals or each.values:
            yield name, each


def kind_of(table: TmfInventory) -> Inventory:
    """Return which inventory a table is of."""
    return _KINDS[type(table)]


def states_of(table: TmfInventory) -> dict[str, SubscriptionStatus | None]:
    """Return what states mean; None = such an item is as good as not there. ValueError."""
    own = {
        state: SubscriptionStatus(word) if word else None for state, word in table.states.items()
    }
    return {**_STATES[kind_of(table)], **own}


def provisioning_of(table: TmfInventory) -> dict[str, ProvStatus]:
    """Return what the states of VoWiFi's services mean; ValueError."""
    own = table.provisioning if isinstance(table, TmfServices) else {}
    found = {state: _prov_status(word) for state, word in own.items()}
    return {**_PROVISIONING, **found}


def _prov_status(word: str) -> ProvStatus:
    status = meaning(Aspect.PROVISIONING, word)
    assert isinstance(status, ProvStatus)  # noqa: S101 - that is what this aspect is
    return status


def filters_of(table: TmfInventory | TmfOffers) -> list[tuple[str, str]]:
    """Return the names and values of the filters."""
    pairs = (each.partition("=") for each in table.filter)
    return [(name, value) for name, _, value in pairs]


def tmf_problems(where: str, table: Bss) -> Iterator[str]:
    """Name what is missing or malformed."""
    told: dict[str, str] = {}
    found = dict(inventories_of(table))
    used = (table.orders, table.qualification, table.offers, table.addresses, table.activation)
    if not (found or any(each.on for each in used) or _switches(table.activation)):
        yield f"{where}: nothing is mapped, so it would never be asked"
    for name, each in found.items():
        yield from _inventory_problems(f"{where}.{name}", each)
        for aspect in each.values:
            if aspect in told:
                yield f"{where}.{name}.values.{aspect}: {told[aspect]} tells that already"
            told[aspect] = name
    if table.orders.on:
        yield from _order_problems(f"{where}.orders", table.orders)
    if table.qualification.on:
        yield from _qualification_problems(f"{where}.qualification", table.qualification)
    if table.offers.on:
        yield from _offer_problems(f"{where}.offers", table.offers)
    if table.addresses.on:
        yield from _address_problems(f"{where}.addresses", table.addresses)
    if table.activation.on or _switches(table.activation):
        yield from _activation_problems(f"{where}.activation", table.activation)


def _inventory_problems(where: str, table: TmfInventory) -> Iterator[str]:
    if not _PATH.fullmatch(table.path):
        yield f"{where}.path: {table.path!r} is no path such as /tmf-api/productInventory/v4"
    if not table.filter:
        yield f"{where}.filter: must be set: who is asked about would not be said"
    for each in table.filter:
        yield from (f"{where}.filter: {each!r} {text}" for text in _filter_problems(each))
    if not table.owner:
        yield f"{where}.owner: must be set: whose data it is could not be told"
    yield from _word_problems(where, table)
    for aspect in table.values:
        if aspect not in TEXTUAL:
            yield f"{where}.values: {aspect!r} is nothing that a characteristic can tell"
    for aspect, meanings in table.meanings.items():
        if aspect not in table.values:
            yield f"{where}.meanings.{aspect}: values.{aspect} must be set for it"
            continue
        for word in meanings.values() if aspect in TEXTUAL else ():
            try:
                meaning(Aspect(aspect), word)
            except ValueError:
                yield f"{where}.meanings.{aspect}: {word!r} means nothing"


def _word_problems(where: str, table: TmfInventory) -> Iterator[str]:
    for key, read in (("states", states_of), ("provisioning", provisioning_of)):
        try:
            read(table)
        except ValueError:
            yield f"{where}.{key}: one of them is none of ours"


def _filter_problems(text: str) -> Iterator[str]:
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        yield "is no parameter such as status=active"
    try:
        places = {place for _, place, _, _ in string.Formatter().parse(value) if place is not None}
        plain = all(not spec and not how for _, _, spec, how in string.Formatter().parse(value))
    except ValueError:
        yield "has a brace without its twin"
        return
    if not places <= _PLACES or not plain:
        yield "may have {imsi}, {msisdn} and {e164} in braces, nothing else"


def _order_problems(where: str, table: TmfOrders) -> Iterator[str]:
    if not _PATH.fullmatch(table.path):
        yield f"{where}.path: {table.path!r} is no path such as /tmf-api/productOrdering/v4"
    for name in table.names:
        if name not in _NAMES:
            yield f"{where}.names: {name!r} is none of {', '.join(sorted(_NAMES))}"
    for name in ("iccid", "smdp_address"):
        if table.names.get(name, name) == "":
            yield f"{where}.names.{name}: must not be empty: profiles are told by it"
    if not table.offering:
        yield f"{where}.offering: must be set"
    if table.look_every_s and not 1 <= table.look_every_s <= 86_400:
        yield f"{where}.look_every_s: {table.look_every_s} is neither 0 nor within 1 to 86400"


def _qualification_problems(where: str, table: TmfQualification) -> Iterator[str]:
    if not _PATH.fullmatch(table.path):
        yield f"{where}.path: {table.path!r} is no path such as /tmf-api/qualification/v4"
    for name in table.names:
        if name not in _NAMES_OF_PROSPECTS:
            yield f"{where}.names: {name!r} is none of {', '.join(sorted(_NAMES_OF_PROSPECTS))}"
    if not table.names.get("imsi", "imsi") and not table.names.get("msisdn", "msisdn"):
        yield f"{where}.names: imsi or msisdn must have a name: whom it is about is said by it"


def _offer_problems(where: str, table: TmfOffers) -> Iterator[str]:
    if not _PATH.fullmatch(table.path):
        yield f"{where}.path: {table.path!r} is no path such as /tmf-api/productCatalog/v4"
    for each in table.filter:
        name, equals, value = each.partition("=")
        if not (name and equals and value):
            yield f"{where}.filter: {each!r} is no parameter such as category.id=plans"
    for plan in table.plans.values():
        if not 0 < len(plan) <= MOST_PLAN_ID:
            yield f"{where}.plans: {plan!r} has not 1 to {MOST_PLAN_ID} letters"


def _switches(table: TmfActivation) -> bool:
    """Say whether services of devices or boosts are switched."""
    return bool(table.devices or table.boosts)


def _activation_problems(where: str, table: TmfActivation) -> Iterator[str]:
    for key in ("path", "order_path"):
        path = getattr(table, key)
        if not _PATH.fullmatch(path):
            yield f"{where}.{key}: {path!r} is no path such as /tmf-api/serviceOrdering/v4"
    if not table.specification:
        yield f"{where}.specification: must be set"
    if not table.imsi and not table.msisdn:
        yield f"{where}: imsi or msisdn must have a name: whose service it is is said by it"
    if table.imsi == table.msisdn:
        yield f"{where}: imsi and msisdn need names of their own"
    if table.devices and (not table.iccid or table.iccid in (table.imsi, table.msisdn)):
        yield f"{where}.iccid: must have a name of its own: a device's service is found by it"
    for kind, specification in table.boosts.items():
        if not _BOOST_TYPE.fullmatch(kind) or not specification:
            yield f"{where}.boosts: {kind!r} is no boost type with a specification, such as 166"
    if table.boosts and not table.imsi:
        yield f"{where}.boosts: imsi must have a name: a boost is found by it"


def _address_problems(where: str, table: TmfAddresses) -> Iterator[str]:
    if not _PATH.fullmatch(table.path):
        yield f"{where}.path: {table.path!r} is no path such as /tmf-api/geographicAddress/v4"
    if not table.countries:
        yield f"{where}.countries: must be set"
    for code, name in table.countries.items():
        if not _COUNTRY.fullmatch(code) or not name:
            yield f"{where}.countries: {code!r} is no country with a name, such as DE"
    for code, parts in table.needs.items():
        if code not in table.countries:
            yield f"{where}.needs: {code!r} is none of its countries"
        for part in parts:
            if part not in set(AddressField):
                yield f"{where}.needs.{code}: {part!r} is no part of an address"
