"""Where a line is, and where it moves to: what orders of `LINE` have in common (ADR 0034).

Each move has an order in a place of its own, which follows from where the line is: so the profile
in use keeps its order until the new one is installed, and phones that want the line meet there.
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


def place_of_move(source: Order | None, device: Device) -> str:
    """Return the place of the order that moves a line from there to a device."""
    if source is None:
        return LINE
    if source.device.terminal_id == device.terminal_id and source.device.eid == device.eid:
        return source.place  # It is there already.
    return f"{LINE} after {source.order_id}"
