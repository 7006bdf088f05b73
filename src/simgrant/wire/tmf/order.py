"""Product orders: what is to be added, changed or ended, and how far that is (TMF622)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, TypeAlias

import msgspec

from simgrant.nouns import Word
from simgrant.wire.tmf.parts import (
    Characteristics,
    Part,
    Reference,
    Text,
    characteristics_of,
    push_characteristics,
)

_MOST_ITEMS: Final = 32


class OrderState(Word):
    """ProductOrderStateType."""

    ACKNOWLEDGED = "acknowledged"
    REJECTED = "rejected"
    PENDING = "pending"
    HELD = "held"
    IN_PROGRESS = "inProgress"
    CANCELLED = "cancelled"
    COMPLETED = "completed"
    FAILED = "failed"
    PARTIAL = "partial"
    ASSESSING_CANCELLATION = "assessingCancellation"
    PENDING_CANCELLATION = "pendingCancellation"


REFUSED: Final = frozenset({OrderState.REJECTED, OrderState.FAILED, OrderState.CANCELLED})
"""The states in which nothing was done, and nothing will be."""
DONE: Final = frozenset({OrderState.COMPLETED, OrderState.PARTIAL})
"""The states in which there is a product."""
BEING_CANCELLED: Final = frozenset(
    {OrderState.ASSESSING_CANCELLATION, OrderState.PENDING_CANCELLATION}
)
"""The states of who was asked to cancel it, and has not done so yet."""
OVER: Final = REFUSED | DONE
"""The states that no other follows."""


class Action(Word):
    """OrderItemActionType."""

    ADD = "add"
    MODIFY = "modify"
    DELETE = "delete"


class TaskState(Word):
    """TaskStateType: how far a cancellation is."""

    ACKNOWLEDGED = "acknowledged"
    TERMINATED_WITH_ERROR = "terminatedWithError"
    IN_PROGRESS = "inProgress"
    DONE = "done"


class OrderedProduct(Part, frozen=True):
    """The product of an item."""

    id: Text = ""
    status: Text = ""
    product_offering: Reference = Reference()
    product_characteristic: Characteristics = ()

    @property
    def values(self) -> Mapping[str, str]:
        """Return its characteristics by name."""
        return characteristics_of(self.product_characteristic)


class Item(Part, frozen=True):
    """One of the things that are ordered together."""

    id: Text
    action: Text
    state: Text = ""
    product: OrderedProduct = OrderedProduct()
    product_offering: Reference = Reference()


_Items: TypeAlias = Annotated[tuple[Item, ...], msgspec.Meta(min_length=1, max_length=_MOST_ITEMS)]


class ProductOrder(Part, frozen=True):
    """An order, as it is asked for or told of."""

    product_order_item: _Items
    id: Text = ""
    external_id: Text = ""
    state: Text = ""

    @property
    def product(self) -> OrderedProduct:
        """Return the product of its first item, which is the only one of ours."""
        return self.product_order_item[0].product


class CancelProductOrder(Part, frozen=True):
    """The task of cancelling an order."""

    product_order: Reference
    id: Text = ""
    state: Text = ""
    cancellation_reason: Text = ""


FIELDS: Final = ("id", "externalId", "state", "productOrderItem")
"""The members that are read."""


def push_order(
    external_id: str,
    action: Action,
    *,
    offering: str = "",
    product: str = "",
    status: str = "",
    values: Mapping[str, str],
    category: str = "",
) -> bytes:
    """Return an order of one item; what is empty is left out."""
    what: dict[str, Any] = {"productCharacteristic": push_characteristics(values)}
    if product:
        what["id"] = product
    if status:
        what["status"] = status
    item: dict[str, Any] = {"id": "1", "quantity": 1, "action": action, "product": what}
    if offering:
        item["productOffering"] = {"id": offering}
    order: dict[str, Any] = {"externalId": external_id, "productOrderItem": [item]}
    if category:
        order["category"] = category
    return msgspec.json.encode(order)


def push_cancel(order_id: str, reason: str) -> bytes:
    """Return the task of cancelling an order, by the id that its server gave it."""
    return msgspec.json.encode({"cancellationReason": reason, "productOrder": {"id": order_id}})
