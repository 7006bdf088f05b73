"""Where a line is, and where it moves to: what orders of `LINE` have in common (ADR 0031).

Each move has an order in a place of its own, which follows from the last move: so the profile in
use keeps its order until the new one is installed, and phones that want the line meet in one place.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from simgrant.domain.order import LINE, ON_DEVICE, Device, Kind, Order, OrderState
from simgrant.identities import Iccid

_INSTALLED: Final = frozenset({OrderState.ACTIVE, OrderState.INACTIVE})


def is_of_line(order: Order) -> bool:
    """Say whether an order moves the line itself."""
    return order.place.startswith(LINE)


def has_moved(before: Order, after: Order) -> bool:
    """Say whether a line left its old phone by this transition, and not before (TS.43 §8.7)."""
    return (
        after.kind is Kind.TRANSFER
        and is_of_line(after)
        and before.state not in _INSTALLED
        and after.state is OrderState.ACTIVE
    )


def source_of_move(orders: Iterable[Order], old: Iccid | None) -> Order | None:
    """Return the order whose profile moves; None where it is the SIM that the line began with.

    Whoever names a profile that was released for him has it, even if nobody said that it was
    installed.
    """
    live = [order for order in orders if order.state in ON_DEVICE]
    for order in live:
        if old is not None and order.iccid == old:
            return order
    line = [order for order in live if is_of_line(order) and order.state in _INSTALLED]
    return max(line, key=lambda order: order.created_at, default=None)


def place_of_move(orders: Iterable[Order], source: Order | None, device: Device) -> str:
    """Return the place of the order that moves a line to a device, from where ``source`` is.

    A move that is under way is in the way of every other: which line is meant may be said last.
    """
    line = [order for order in orders if is_of_line(order) and order.state is not OrderState.ENDED]
    line.sort(key=lambda order: order.created_at)
    there = [order for order in line if order.state in _INSTALLED or order is source]
    for order in there:
        if (order.device.terminal_id, order.device.eid) == (device.terminal_id, device.eid):
            return order.place  # It is there already.
    for order in line:
        if order not in there:
            return order.place
    return f"{LINE} after {there[-1].order_id}" if there else LINE
