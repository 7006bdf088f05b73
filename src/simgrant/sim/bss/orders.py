"""Product orders of a simulated BSS: taken, done at once or after a while, cancelled (TMF622)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import uuid4

import msgspec

from simgrant.sim.bss.answers import Call, Refusal, json_answer, listed, one, selected
from simgrant.sim.web import Answer
from simgrant.wire.sbi.body import BadMessage, read
from simgrant.wire.tmf.apis import Api
from simgrant.wire.tmf.order import (
    DONE,
    OVER,
    Action,
    CancelProductOrder,
    OrderState,
    ProductOrder,
    TaskState,
)
from simgrant.wire.tmf.parts import push_characteristics

SMDP_ADDRESS: Final = "smdp.bss.example"


@dataclass(slots=True, repr=False)
class Product:
    """What came of orders: an eSIM profile."""

    id: str
    values: dict[str, str]
    offering: str = ""
    version: int = -1
    """Of the last change."""
    ended: bool = False


@dataclass(slots=True, repr=False)
class Ordered:
    """An order, as the BSS has it on its books."""

    document: dict[str, Any]
    action: str
    product: Product
    left: int = 0
    """How often it is looked at before it is done; -1 = until somebody says so."""
    asked: ProductOrder = field(kw_only=True)


class Orders:
    """All orders; what is set here holds for those that come."""

    def __init__(
        self, root: Callable[[], str], tell: Callable[[str, dict[str, Any]], None]
    ) -> None:
        """``tell`` is given the type of an event and the order that it is about."""
        self._root = root
        self._tell = tell
        self.left = 0
        """How often an order is looked at before it is done; -1 = until somebody says so."""
        self.refuses = False
        """Whether orders are taken, and rejected."""
        self.known: dict[str, Ordered] = {}
        """By the id that the BSS gave them."""
        self.products: dict[str, Product] = {}
        self.tasks: dict[str, dict[str, Any]] = {}
        self._profiles = 0

    def answer(self, call: Call) -> Answer:
        """Answer a request for productOrder or cancelProductOrder; Refusal."""
        match call.method, call.resource, call.id:
            case "POST", "productOrder", "":
                return self._take(call)
            case "POST", "cancelProductOrder", "":
                return self._cancel(call)
            case "GET", "productOrder", "":
                return listed(self._looked_at(), call)
            case "GET", "productOrder", id_:
                self._look_at(id_)
                return json_answer(one([each.document for each in self.known.values()], call))
            case "GET", "cancelProductOrder", "":
                return listed([*self.tasks.values()], call)
            case "GET", "cancelProductOrder", _:
                return json_answer(one([*self.tasks.values()], call))
        raise Refusal(405)

    def become(self, id_: str, state: OrderState) -> None:
        """Bring an order into another state, and tell; ValueError where there is none."""
        ordered = self.known.get(id_)
        if ordered is None:
            raise ValueError("there is no such order")
        self._become(ordered, state)

    def _take(self, call: Call) -> Answer:
        asked = _read(call, ProductOrder)
        item, id_ = asked.product_order_item[0], uuid4().hex
        document = msgspec.json.decode(call.body) | {
            "id": id_,
            "href": f"{self._root()}{Api.ORDER}/productOrder/{id_}",
            "state": OrderState.ACKNOWLEDGED,
        }
        ordered = Ordered(document, item.action, self._product(item.action, asked), asked=asked)
        ordered.left = self.left
        self.known[id_] = ordered
        self._tell("ProductOrderCreateEvent", document)
        if self.refuses:
            self._become(ordered, OrderState.REJECTED)
        elif not ordered.left:
            self._become(ordered, OrderState.COMPLETED)
        return json_answer(selected(document, call), status=201)

    def _product(self, action: str, asked: ProductOrder) -> Product:
        """Return the product that an order is about: the one that it names, or a new one."""
        told = asked.product
        if action == Action.ADD:
            return Product(f"esim-{uuid4().hex}", {})
        iccid = told.values.get("iccid")
        for product in self.products.values():
            if told.id == product.id or (iccid and product.values.get("iccid") == iccid):
                return product
        return self.products.setdefault(
            told.id or f"esim-{iccid}", Product(told.id or f"esim-{iccid}", dict(told.values))
        )

    def _looked_at(self) -> list[dict[str, Any]]:
        for id_ in tuple(self.known):
            self._look_at(id_)
        return [each.document for each in self.known.values()]

    def _look_at(self, id_: str) -> None:
        ordered = self.known.get(id_)
        if ordered is None or ordered.document["state"] in OVER or ordered.left < 0:
            return
        ordered.left -= 1
        done = ordered.left <= 0
        self._become(ordered, OrderState.COMPLETED if done else OrderState.IN_PROGRESS)

    def _become(self, ordered: Ordered, state: OrderState) -> None:
        before, document = ordered.document["state"], ordered.document
        document["state"] = state
        item = document["productOrderItem"][0]
        item["state"] = state
        if state is OrderState.COMPLETED and before != state:
            self._do(ordered)
            item["product"] = {
                "id": ordered.product.id,
                "productCharacteristic": push_characteristics(ordered.product.values),
            }
        if before != state:
            self._tell("ProductOrderStateChangeEvent", document)

    def _do(self, ordered: Ordered) -> None:
        product, asked = ordered.product, ordered.asked
        told = asked.product
        match ordered.action:
            case Action.ADD:
                self._profiles += 1
                product.offering = asked.product_order_item[0].product_offering.id
                product.values = {
                    **told.values,
                    "iccid": f"89881{self._profiles:014d}",
                    "smdpAddress": SMDP_ADDRESS,
                    "matchingId": f"BSS-{self._profiles:08d}",
                }
                self.products[product.id] = product
            case Action.MODIFY:
                version = int(told.values.get("version", "0"))
                if version > product.version:
                    product.version = version
                    product.values |= told.values
            case Action.DELETE:
                product.ended = True

    def _cancel(self, call: Call) -> Answer:
        asked, id_ = _read(call, CancelProductOrder), uuid4().hex
        ordered = self.known.get(asked.product_order.id)
        if ordered is None:
            raise Refusal(404)
        state = TaskState.DONE
        if ordered.document["state"] in DONE:
            state = TaskState.TERMINATED_WITH_ERROR
        else:
            self._become(ordered, OrderState.CANCELLED)
        task = msgspec.json.decode(call.body) | {
            "id": id_,
            "href": f"{self._root()}{Api.ORDER}/cancelProductOrder/{id_}",
            "state": state,
        }
        self.tasks[id_] = task
        return json_answer(task, status=201)


def _read(call: Call, kind: Any) -> Any:
    call.content()
    try:
        return read(call.body, kind)
    except BadMessage as error:
        raise Refusal(400, str(error)) from None
