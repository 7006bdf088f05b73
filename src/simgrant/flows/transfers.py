"""A line moves from phone to phone: who asks, which profile, to which place (TS.43 §8.3 to 8.9).

Either phone may ask. The old one, whose SIM is proved, says so by naming itself; the new one proves
the line by a sign-in, or brings a temporary token that the old one acquired (`by_lent_token`). What
is told of the old SIM is held against what is known of it.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import Final

from simgrant.domain.line import place_of_move, source_of_move
from simgrant.domain.line_marks import MarkName, mark_of
from simgrant.domain.order import Device, Order
from simgrant.flows import esim
from simgrant.flows.esim import BadParameter
from simgrant.flows.marks import mark
from simgrant.flows.operations.operation import Done, Means, Refused, Task
from simgrant.identities import Iccid, Imei
from simgrant.nouns import noun, replace

_ID_LETTERS: Final = 64


@noun
class Move:
    """One move of a line, before there is an order for it."""

    place: str
    """Where its order is: the same for every phone that wants this line now."""
    old_iccid: Iccid | None
    """The profile or SIM that it leaves, as the request says it."""
    leaves: Iccid | None
    """The profile that it leaves where neither the request nor a page says another."""
    old_terminal_id: str = field(repr=False)
    """The phone that the line leaves; empty where nobody said."""
    asked_by: str = field(repr=False)
    """As in `Order`."""
    note: str
    """For the record: who asked, and what could not be held against anything."""


async def move(task: Task, means: Means, device: Device) -> Move:
    """Return what a request wants moved; raise `BadParameter` if it is not this line's."""
    there = await esim.orders(task, means)
    old = esim.iccid_in(task, "old_terminal_iccid")
    source = source_of_move(there.values(), old)
    compared = await is_ours(task, means, old, there)
    by_old = await _by_old_phone(task, means, device, old)
    named = task.ask.value("old_terminal_id").strip()[:_ID_LETTERS]
    left = task.holder.terminal_id if by_old or task.lent is not None else named
    return Move(
        place=place_of_move(there.values(), source, device),
        old_iccid=source.iccid if old is not None and source is not None else old,
        leaves=source.iccid if source is not None else None,
        old_terminal_id=left,
        asked_by="" if by_old or task.lent is not None else task.holder.terminal_id,
        note=("transfer_by_old_phone" if by_old else "transfer_by_new_phone")
        + ("" if compared else ", old_iccid_not_compared"),
    )


async def is_ours(
    task: Task, means: Means, iccid: Iccid | None, there: Mapping[str, Order]
) -> bool:
    """Say whether an ICCID was found to be this line's; raise `BadParameter` if it is not.

    It is a SIM's that the operator told us of, or a profile's that we ordered. Where the SIM's is
    not known, only what is known to be another's can be refused.
    """
    if iccid is None or order_about(iccid, there) is not None:
        return True
    own = await _sim(task, means)
    if own is not None:
        if own != iccid:
            raise BadParameter("an ICCID is not of this line")
        return True
    kept = await means.esim.ordering.by_iccid(task.tenant.name, iccid)
    if kept is not None and kept.owner != task.subscription.imsi:
        raise BadParameter("an ICCID is of another line")
    return False


def order_about(iccid: Iccid, there: Mapping[str, Order]) -> Order | None:
    """Return the order that has a profile, else the one that took its place; None for neither."""
    for order in there.values():
        if order.iccid == iccid:
            return order
    return next((order for order in there.values() if order.old_iccid == iccid), None)


def with_note(outcome: Done | Refused, note: str) -> Done | Refused:
    """Return what became of a move, with what the record is to say of it."""
    if isinstance(outcome, Refused):
        return outcome
    return replace(outcome, detail=", ".join(filter(None, (outcome.detail, note))))


def of_holder(task: Task, orders: Iterable[Order]) -> list[Order]:
    """Return the orders that whoever asks may know of: with a lent token, its device's alone."""
    if task.lent is None:
        return list(orders)
    token_id = task.lent.token_id
    return [
        order
        for order in orders
        if order.device.eid is not None
        and hmac.compare_digest(
            mark(token_id, order.device.terminal_id, order.device.eid.digits), task.held_for
        )
    ]


async def _sim(task: Task, means: Means) -> Iccid | None:
    """Return the ICCID of the subscription's SIM, None where nobody told it."""
    marks = await means.store.marks(task.tenant.name, task.subscription.imsi)
    noted = mark_of(marks, MarkName.ICCID)
    return Iccid(noted.value) if noted is not None else None


async def _by_old_phone(task: Task, means: Means, device: Device, old: Iccid | None) -> bool:
    """Say whether it is the phone that the line leaves that asks.

    TS.43 has two signs of it: it names itself as the old terminal (§8.7), or its SIM is the old
    one. The second holds only for a phone with an IMEI of its own: what has no SIM says the new
    eSIM's, or is an application with a UUID (§6.3).
    """
    if task.lent is not None:
        return False
    asks = task.holder.terminal_id.lower()
    if named := task.ask.value("old_terminal_id").strip().lower():
        return named == asks
    if old is None or not Imei.tac_of(asks) or asks == device.terminal_id.lower():
        return False
    return old == await _sim(task, means)
