"""The service of an eSIM's device, switched in the network before its order says that it is.

ManageService asks for it, the order's row says what is wanted (`Todo.SWITCH`), and whoever drives
the order has it done (ADR 0053). To switch again does no harm, so nothing has to be remembered of a
call that nobody heard the answer of.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from simgrant.domain.order import Event, Failed, OrderState, Switched, Switching, Trouble
from simgrant.errors import EcsError, PeerMisbehaved
from simgrant.identities import Imsi
from simgrant.nouns import named_noun
from simgrant.ports.activation import Activation
from simgrant.ports.network_data import Subscriber
from simgrant.ports.orders import Kept
from simgrant.spec.ids import ProvStatus


@named_noun
class SwitchDesk:
    """Who switches the services of a tenant's devices."""

    activation: Activation = field(repr=False, hash=False)
    look_every_s: float
    """Seconds between two looks at what is under way."""
    within_s: int
    """Seconds that it may take; then it is put back."""


NO_DESKS: Mapping[str, SwitchDesk] = {}


async def switch(desk: SwitchDesk, kept: Kept, *, deadline: float) -> Event:
    """Have a service as its order wants it, or look how far that is; never raise."""
    order, owner = kept.order, kept.owner
    has_ended = order.state is OrderState.ENDED
    if not isinstance(owner, Imsi) or order.iccid is None:
        return Failed(Trouble.REFUSED, "nothing_to_switch")
    on = not has_ended and order.going is not OrderState.INACTIVE
    try:
        if order.watch:
            told = await desk.activation.progress(order.watch, on=on, deadline=deadline)
        else:
            who = Subscriber(owner, None)
            told = await desk.activation.switch(who, on=on, deadline=deadline, iccid=order.iccid)
    except PeerMisbehaved as error:
        # What makes no sense is not asked about again: it is switched anew.
        return Failed(Trouble.UNKNOWN, error.reason)
    except EcsError as error:
        return Failed(Trouble.NOT_REACHED, error.reason)
    if told.failed:
        # Whoever wants an order's end can do no more: it is tried again.
        return Failed(Trouble.UNKNOWN if has_ended else Trouble.REFUSED, "switch_failed")
    if told.status is ProvStatus.IN_PROGRESS:
        return Switching(told.watch, desk.look_every_s)
    return Switched()
