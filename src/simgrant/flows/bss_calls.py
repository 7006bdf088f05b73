"""What an order asks of the BSS, and what came of it as an event of the order (ADR 0033)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simgrant.domain import order as domain
from simgrant.domain.order import Cancelled, Event, Failed, Later, Todo, Told, Trouble
from simgrant.ports.bss_orders import BssOrders, Declined, NotReached, Wanted

if TYPE_CHECKING:
    from simgrant.ports.orders import Kept


async def call_bss(bss: BssOrders, kept: Kept, *, deadline: float) -> Event:
    """Ask the BSS for what is to be done for an order; never raise."""
    order = kept.order
    wanted = Wanted(tenant=kept.tenant, owner=kept.owner, order=order)
    try:
        match order.todo:
            case Todo.ASK_BSS:
                return await bss.order(order.call_id, wanted, deadline=deadline) or Later()
            case Todo.TAKE_BACK:
                done = await bss.cancel(order.call_id, wanted, deadline=deadline)
                return Cancelled() if done else Later()
            case Todo.TELL_BSS:
                await bss.changed(order.call_id, wanted, deadline=deadline)
                return Told()
    except Declined as error:
        if order.todo is Todo.ASK_BSS:
            return domain.Declined(error.reason)
        return Failed(Trouble.REFUSED, error.reason)
    except NotReached as error:
        return Failed(Trouble.NOT_REACHED, error.reason)
    except Exception as error:
        # UnknownOutcome, and whatever else: nobody can say that it was not done.
        return Failed(Trouble.UNKNOWN, getattr(error, "reason", type(error).__name__))
    return Failed(Trouble.REFUSED, "nothing_of_the_bss")
