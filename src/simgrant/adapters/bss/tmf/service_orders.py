"""A service that is switched by service orders, where an orchestrator does it (TMF641).

The service itself is found in the inventory (TMF638). An order is called by what it brings about
for whom, so that an orchestrator can tell one that comes again while it is under way.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

from simgrant.adapters.bss.tmf.activation import Config, TmfActivation, as_wanted
from simgrant.adapters.bss.tmf.answers import failed, misbehaved, read_answer
from simgrant.links.api import ApiLink
from simgrant.links.http import Repeat
from simgrant.ports.activation import Switched
from simgrant.ports.clock import Clock
from simgrant.spec.ids import ProvStatus
from simgrant.wire.tmf import order as orders
from simgrant.wire.tmf.activation import Service
from simgrant.wire.tmf.inventory import ServiceState
from simgrant.wire.tmf.service_order import ServiceOrder, push_service_order

_TAKEN: Final = frozenset({200, 201, 202})


class TmfServiceOrders(TmfActivation):
    """A service that is switched by orders (the ``Activation`` port)."""

    def __init__(self, link: ApiLink, config: Config, path: str, clock: Clock) -> None:
        """``config`` says how the service is found, ``path`` what orders' addresses begin with."""
        super().__init__(link, config, clock)
        self._path = path

    async def progress(self, watch: str, *, on: bool, deadline: float) -> Switched:
        """Return how far an order is (see the port)."""
        reply = await self._link.send(
            "GET",
            f"{self._path}/serviceOrder/{quote(watch, safe='')}",
            repeat=Repeat.STRUGGLING,
            deadline=deadline,
        )
        if reply.status != 200:
            raise failed(reply, self._peer, now=self._clock.now())
        return self._outcome(read_answer(reply, ServiceOrder, self._peer), watch, on=on)

    async def _change(
        self, found: Service | None, values: Mapping[str, str], *, on: bool, deadline: float
    ) -> Switched:
        """Order that a service is switched, or made."""
        body = push_service_order(
            f"{self._config.specification}-{next(iter(values.values()))}-{'on' if on else 'off'}",
            specification=self._config.specification,
            service=found.id if found else "",
            state=ServiceState.ACTIVE if on else ServiceState.INACTIVE,
            values=values,
        )
        reply = await self._link.send("POST", f"{self._path}/serviceOrder", body, deadline=deadline)
        if reply.status not in _TAKEN:
            raise failed(reply, self._peer, now=self._clock.now())
        order = read_answer(reply, ServiceOrder, self._peer)
        told = self._outcome(order, self._checked(order.id), on=on)
        if told.status is not ProvStatus.IN_PROGRESS:
            return told
        return await self._watched(order.id, on=on, deadline=deadline)

    def _outcome(self, order: ServiceOrder, watch: str, *, on: bool) -> Switched:
        if order.state == orders.OrderState.COMPLETED:
            return as_wanted(on=on)
        if order.state in orders.OVER:
            return Switched(status=as_wanted(on=not on).status, failed=True)
        if order.state not in set(orders.OrderState):
            raise misbehaved(self._peer, "an order is in a state that nobody knows")
        return Switched(status=ProvStatus.IN_PROGRESS, watch=watch)
