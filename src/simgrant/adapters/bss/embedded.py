"""The BSS of an operator who has connected none: the list of orders that wait is its interface.

Whatever is asked for is taken over at once, since it stands in the order's row already. People,
or a program of theirs, look at what waits and say what became of it on the management plane
(`simgrant order`, and its twin in JSON).
"""

from __future__ import annotations

from simgrant.ports.bss_orders import Delivered, Wanted


def open_bss() -> EmbeddedBss:
    """Return it; there is nothing to connect to."""
    return EmbeddedBss()


class EmbeddedBss:
    """The waiting list (the ``BssOrders`` port)."""

    async def order(self, call_id: str, wanted: Wanted, *, deadline: float) -> Delivered | None:
        """Leave it to whoever looks at the list."""
        del call_id, wanted, deadline
        return None

    async def cancel(self, call_id: str, wanted: Wanted, *, deadline: float) -> bool:
        """Say that nothing is to be taken back if no profile was handed in; else leave it."""
        del call_id, deadline
        return wanted.order.iccid is None

    async def changed(self, call_id: str, wanted: Wanted, *, deadline: float) -> None:
        """Do nothing: the list shows the state."""

    async def close(self) -> None:
        """Do nothing."""
