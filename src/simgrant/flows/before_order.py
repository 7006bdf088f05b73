"""What comes before an order of an eSIM: a question, and an old profile that has to be deleted.

TS.43 §8.11 and 8.12. `prepared` says what an order has to wait for, or why there is to be none;
`answered` takes what the subscriber said; `looked_after` sees that nobody waits for what is over.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from simgrant.domain.order import (
    ON_DEVICE,
    Answered,
    Inquiry,
    Kind,
    Order,
    OrderState,
    OutOfOrder,
)
from simgrant.flows.esim_means import Line, OldProfile
from simgrant.flows.message import Limits, message
from simgrant.flows.operations.operation import AnyTask, Done, Means, Refused, Task
from simgrant.nouns import replace
from simgrant.ports.account_pins import PinState
from simgrant.ports.orders import Kept
from simgrant.spec.ids import AppId, MsgButton, OperationResult, SubscriptionResult
from simgrant.wire.document import Characteristic, Parm

_REDOWNLOADABLE = "1"
_BUTTONS = {str(int(button)): button for button in MsgButton}


async def prepared(
    task: Task,
    means: Means,
    line: Line,
    order: Order,
    *,
    former: Mapping[str, Order],
    inquiry: Inquiry | None = None,
) -> Order | Done | Refused:
    """Return a new order with what it has to wait for, or what is told where there is to be none.

    ``former`` are the orders that there are. ``inquiry`` is what the subscriber has to be asked at
    least, whatever the tenant's settings say.
    """
    wanted = _after_deletion(task, line, order, former.values())
    if not isinstance(wanted, Order):
        return wanted
    inquiry = _stricter(inquiry, line.inquiries.get(order.kind))
    if inquiry is None or (order.state is OrderState.AT_PORTAL and inquiry is not Inquiry.PIN):
        # Who is asked on a page confirms it there. A PIN is for no page.
        return wanted
    if task.app_id != AppId.ODSA_PRIMARY:
        # TS.43 has no message for companions, whose phones have a page.
        return Refused(OperationResult.GENERAL_ERROR, "nobody_to_ask")
    button = _button(task)
    if isinstance(button, Refused):
        return button
    if button is MsgButton.REJECTED:
        # He has said so before, and says it again.
        return Done((_RESULT[SubscriptionResult.DISMISS],), detail="rejected")
    if inquiry is Inquiry.PIN:
        state = await means.esim.pins.state(task.tenant.name, task.subscription.imsi, at=task.at)
        if state is not PinState.OPEN:
            return Refused(OperationResult.GENERAL_ERROR, f"account_pin_{state}")
    return replace(wanted, state=OrderState.ASKED, inquiry=inquiry)


async def answered(task: Task, means: Means, order: Order) -> Order | Refused:
    """Return an order after what the subscriber answered, if he was asked and did (TS.43 §8.12.2).

    A wrong answer leaves it as it is: who asks again is asked again.
    """
    if order.state is not OrderState.ASKED:
        return order
    button = _button(task)
    if button is None or isinstance(button, Refused):
        return order if button is None else button
    whose = Kept(task.tenant.name, task.owner, order)
    try:
        if button is MsgButton.REJECTED:
            return await means.esim.ordering.happens(whose, Answered(accepted=False))
        if order.inquiry is Inquiry.PIN:
            state = await means.esim.pins.judge(
                task.tenant.name,
                task.subscription.imsi,
                task.ask.value("msg_response").strip(),
                at=task.at,
            )
            if state is not PinState.RIGHT:
                # Whether it was wrong or not even looked at is nobody's business.
                return Refused(OperationResult.INVALID_MSG_RESPONSE, f"account_pin_{state}")
        return await means.esim.ordering.begins(whose, Answered(accepted=True))
    except OutOfOrder:
        # The same answer came twice, and the other one was faster.
        return await means.esim.ordering.at(whose.tenant, whose.owner, order.place) or order


async def looked_after(task: AnyTask, means: Means, order: Order) -> Order:
    """Return an order, which goes on if the profile that it waits for is known to be gone."""
    if order.state is not OrderState.DELETING:
        return order
    ordering, whose = means.esim.ordering, Kept(task.tenant.name, task.owner, order)
    there = await ordering.of(whose.tenant, whose.owner)
    for old in there.values():
        if old.order_id == order.old_order_id and old.state in ON_DEVICE and not old.gone:
            return order
    try:
        return await ordering.old_is_gone(whose, wait=True)
    except OutOfOrder:
        return there.get(order.place, order)


def is_asked_by_old_phone(task: AnyTask, order: Order) -> bool:
    """Say whether it is the old phone that asks: old_terminal_id is its own (TS.43 §8.7)."""
    asking = task.ask.terminal_id.lower()
    return asking != "" and asking == order.old_terminal_id.lower()


def asks(task: AnyTask, means: Means, order: Order) -> Characteristic:
    """Return the question of an order, in the subscriber's language (MSG, TS.43 §6.5.5)."""
    return message(
        means.esim.speech[task.tenant.name],
        task.languages,
        order.inquiry or Inquiry.CONFIRMATION,
        order.kind,
        Limits.pull(task.ask.value("msg_character_display_limits")),
    )


def _after_deletion(task: Task, line: Line, order: Order, there: Iterable[Order]) -> Order | Done:
    """Return an order that waits for an old profile of ours to be deleted, where that is wanted.

    What is none of ours may be a SIM of plastic, or anybody's: nobody waits for that, and above all
    it is not ordered again.
    """
    if order.kind is not Kind.TRANSFER or line.old_profile is OldProfile.KEPT:
        return order
    can = task.ask.value("redownloadable_profile") == _REDOWNLOADABLE
    order = replace(order, redownloadable=can)
    theirs = [each for each in there if each.iccid is not None and each.iccid == order.old_iccid]
    old = next((each for each in theirs if each.state in ON_DEVICE), None)
    if old is None and len(theirs) == 1 and theirs[0].gone:
        # It was deleted before anybody asked, and nobody has used it since.
        (old,) = theirs
    if old is None or not line.deletes(old):
        return order
    reuses = line.old_profile is OldProfile.REUSED
    if reuses and not can:
        return Done((_RESULT[SubscriptionResult.REDOWNLOADABLE_PROFILE_IS_MANDATORY],))
    return replace(
        order,
        old_order_id=old.order_id,
        old_terminal_id=order.old_terminal_id or old.device.terminal_id,
        old_first=True,
        reuses=reuses,
        source=old.source if reuses else order.source,
    )


def _button(task: Task) -> MsgButton | Refused | None:
    """Return what was pressed, None = nothing; or why that makes no sense (TS.43 Table 27)."""
    text, response = task.ask.value("msg_btn"), task.ask.value("msg_response")
    button = _BUTTONS.get(text)
    if text and button is None:
        return Refused(OperationResult.INVALID_PARAMETER, "msg_btn is neither 0 nor 1")
    if response and button is not MsgButton.ACCEPTED:
        return Refused(OperationResult.INVALID_PARAMETER, "msg_response comes with msg_btn 1 only")
    return button


def _stricter(one: Inquiry | None, other: Inquiry | None) -> Inquiry | None:
    return Inquiry.PIN if Inquiry.PIN in (one, other) else one or other


_RESULT = {n: Parm("SubscriptionResult", str(int(n))) for n in SubscriptionResult}
