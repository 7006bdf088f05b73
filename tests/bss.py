"""A BSS that orders profiles, for tests of what is asked of one (the port ``BssOrders``)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from simgrant.domain.order import OrderState
from simgrant.identities import Iccid
from simgrant.ports.bss_orders import Declined, Delivered, Wanted

R = TypeVar("R")


@dataclass(eq=False)
class Bss:
    """What it has on its books, and what befalls the next calls."""

    later: bool = False
    fates: list[Exception | None] = field(default_factory=list)
    lost: bool = False
    """Whether a fate befalls a call after it was executed."""
    given: dict[str, Delivered] = field(default_factory=dict)
    """By order."""
    taken_back: list[str] = field(default_factory=list)
    told: dict[str, tuple[int, OrderState]] = field(default_factory=dict)
    """The newest state of each order, with its version."""
    calls: list[tuple[str, str]] = field(default_factory=list)
    _answers: dict[str, object] = field(default_factory=dict)

    async def order(self, call_id: str, wanted: Wanted, *, deadline: float) -> Delivered | None:
        del deadline
        return self._do("order", call_id, lambda: self._order(wanted.order_id))

    def _order(self, order_id: str) -> Delivered | None:
        if order_id in self.taken_back:
            raise Declined("taken_back")
        if self.later:
            return None
        iccid = Iccid(f"89446{len(self.given):014d}")
        return self.given.setdefault(order_id, Delivered(iccid, "bss.example.net", "BSS-1"))

    async def cancel(self, call_id: str, wanted: Wanted, *, deadline: float) -> bool:
        del deadline
        return self._do("cancel", call_id, lambda: self._cancel(wanted.order_id))

    def _cancel(self, order_id: str) -> bool:
        if self.later:
            return False
        self.taken_back.append(order_id)
        return True

    async def changed(self, call_id: str, wanted: Wanted, *, deadline: float) -> None:
        del deadline
        order = wanted.order
        self._do(
            "changed", call_id, lambda: self._changed(order.order_id, order.version, order.state)
        )

    def _changed(self, order_id: str, version: int, state: OrderState) -> None:
        self.told[order_id] = max((version, state), self.told.get(order_id, (-1, state)))

    async def close(self) -> None:
        pass

    def _do(self, name: str, call_id: str, do: Callable[[], R]) -> R:
        self.calls.append((name, call_id))
        fate = self.fates.pop(0) if self.fates else None
        if fate is not None and not self.lost:
            raise fate
        done: R = self._answers[call_id] if call_id in self._answers else do()  # type: ignore[assignment]
        self._answers[call_id] = done
        if fate is not None:
            raise fate
        return done
