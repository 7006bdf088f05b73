"""What a subscriber has, as three inventories tell it (TMF637, TMF638, TMF639)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Annotated, Final, TypeAlias, TypeVar
from urllib.parse import quote, urlencode

import msgspec

from simgrant.nouns import Word, named_noun
from simgrant.wire.tmf.parts import (
    BadMessage,
    Characteristics,
    Part,
    Reference,
    Text,
    characteristics_of,
    read,
)

MOST_ITEMS: Final = 100
"""Items of one answer."""
_P = TypeVar("_P", bound=Part)
_MOST_LINKS: Final = 64


class Inventory(Word):
    """An inventory; the value is the name of its resource."""

    PRODUCT = "product"
    SERVICE = "service"
    RESOURCE = "resource"


class ProductStatus(Word):
    """ProductStatusType."""

    CREATED = "created"
    PENDING_ACTIVE = "pendingActive"
    CANCELLED = "cancelled"
    ACTIVE = "active"
    PENDING_TERMINATE = "pendingTerminate"
    TERMINATED = "terminated"
    SUSPENDED = "suspended"
    ABORTED = "aborted"


class ServiceState(Word):
    """ServiceStateType."""

    FEASIBILITY_CHECKED = "feasibilityChecked"
    DESIGNED = "designed"
    RESERVED = "reserved"
    INACTIVE = "inactive"
    ACTIVE = "active"
    TERMINATED = "terminated"


class ResourceStatus(Word):
    """ResourceStatusType."""

    STANDBY = "standby"
    ALARM = "alarm"
    AVAILABLE = "available"
    RESERVED = "reserved"
    UNKNOWN = "unknown"
    SUSPENDED = "suspended"


class _Link(Reference, frozen=True):
    """ResourceRef of a product: some inventories have the number there."""

    value: Text = ""


_Links: TypeAlias = Annotated[tuple[_Link, ...], msgspec.Meta(max_length=_MOST_LINKS)]


class _Product(Part, frozen=True):
    id: Text = ""
    name: Text = ""
    status: Text = ""
    start_date: Text = ""
    product_offering: Reference = Reference()
    product_specification: Reference = Reference()
    product_characteristic: Characteristics = ()
    realizing_resource: _Links = ()


class _Service(Part, frozen=True):
    id: Text = ""
    name: Text = ""
    state: Text = ""
    category: Text = ""
    service_type: Text = ""
    start_date: Text = ""
    service_specification: Reference = Reference()
    service_characteristic: Characteristics = ()


class _Resource(Part, frozen=True):
    id: Text = ""
    name: Text = ""
    category: Text = ""
    resource_status: Text = ""
    start_operating_date: Text = ""
    resource_specification: Reference = Reference()
    resource_characteristic: Characteristics = ()


@named_noun
class Item:
    """A product, service or resource, as far as it is of use here."""

    id: str = field(repr=False)
    state: str
    """Its state or status; spaces around it are not part of it (the enumeration of TMF637 has
    some)."""
    names: frozenset[str] = field(repr=False)
    """What it can be known by: its name, kind, and the ids and names of what it is one of."""
    values: Mapping[str, str] = field(repr=False, hash=False)
    """Characteristics, and resources that have a name and a value; ``startDate`` where nothing
    else has that name is when it began."""


FIELDS: Final[Mapping[Inventory, tuple[str, ...]]] = {
    Inventory.PRODUCT: (
        "id",
        "name",
        "status",
        "startDate",
        "productOffering",
        "productSpecification",
        "productCharacteristic",
        "realizingResource",
    ),
    Inventory.SERVICE: (
        "id",
        "name",
        "state",
        "category",
        "serviceType",
        "startDate",
        "serviceSpecification",
        "serviceCharacteristic",
    ),
    Inventory.RESOURCE: (
        "id",
        "name",
        "category",
        "resourceStatus",
        "startOperatingDate",
        "resourceSpecification",
        "resourceCharacteristic",
    ),
}
"""The members that are read, to ask for these alone."""


def pull_items(body: bytes, inventory: Inventory) -> tuple[Item, ...]:
    """Return what a list has in it; BadMessage, also where it is longer than `MOST_ITEMS`."""
    match inventory:
        case Inventory.PRODUCT:
            return tuple(map(_of_product, _listed(read(body, tuple[_Product, ...]))))
        case Inventory.SERVICE:
            return tuple(map(_of_service, _listed(read(body, tuple[_Service, ...]))))
    return tuple(map(_of_resource, _listed(read(body, tuple[_Resource, ...]))))


def push_query(
    filters: Sequence[tuple[str, str]], fields: Sequence[str], *, offset: int, limit: int
) -> str:
    """Return the query of a list: filters, the members that are wanted, and which part of it."""
    query: list[tuple[str, str]] = [*filters]
    if fields:
        query.append(("fields", ",".join(fields)))
    if offset:
        query.append(("offset", str(offset)))
    query.append(("limit", str(limit)))
    return urlencode(query, quote_via=quote, safe=",")


def _listed(found: tuple[_P, ...]) -> tuple[_P, ...]:
    if len(found) > MOST_ITEMS:
        raise BadMessage(f"it lists more than {MOST_ITEMS}")
    return found


def _of_product(told: _Product) -> Item:
    values = characteristics_of(told.product_characteristic)
    for link in told.realizing_resource:
        if link.name and link.value:
            values.setdefault(link.name, link.value)
    return _item(
        told.id,
        told.status,
        {told.name} | told.product_offering.names | told.product_specification.names,
        values,
        told.start_date,
    )


def _of_service(told: _Service) -> Item:
    return _item(
        told.id,
        told.state,
        {told.name, told.category, told.service_type} | told.service_specification.names,
        characteristics_of(told.service_characteristic),
        told.start_date,
    )


def _of_resource(told: _Resource) -> Item:
    return _item(
        told.id,
        told.resource_status,
        {told.name, told.category} | told.resource_specification.names,
        characteristics_of(told.resource_characteristic),
        told.start_operating_date,
    )


def _item(id_: str, state: str, names: set[str], values: dict[str, str], since: str) -> Item:
    if since:
        values.setdefault("startDate", since)
    return Item(id=id_, state=state.strip(), names=frozenset(names - {""}), values=values)
