"""ManageSubscription: a device gets a profile, gives one up, or says what it did with one.

TS.43 §6.5.3. What a request wants is its ``operation_type``; which profile or device it means, its
other parameters. The order behind it is found by these again, so a request may be repeated.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping

from simgrant.domain.order import (
    LIVE,
    ON_DEVICE,
    Activated,
    CompanionService,
    Deactivated,
    Device,
    Event,
    Kind,
    Order,
    OrderState,
    OutOfOrder,
    place_of,
)
from simgrant.errors import Conflict, NotAllowed
from simgrant.flows import enterprise, esim, esim_pages, transfers
from simgrant.flows.esim import BadParameter
from simgrant.flows.esim_means import Asking
from simgrant.flows.operations.operation import Done, Means, Refused, Task, from_table
from simgrant.identities import Iccid
from simgrant.spec.ids import AppId, OperationResult, OperationType, SubscriptionResult

_LENT = frozenset({OperationType.TRANSFER, OperationType.UPDATE})
"""What a temporary token is good for: the line moves, and the new phone says that it has it."""
_BEGINS = frozenset({OperationType.SUBSCRIBE, OperationType.TRANSFER})
"""What a companion is activated by."""


async def run(task: Task, means: Means) -> Done | Refused:
    """Do what the operation_type says."""
    text = task.ask.value("operation_type")
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 3 else -1
    do = _TYPES.get(number)
    if do is None:
        return Refused(OperationResult.INVALID_OPERATION, "operation_type")
    if task.lent is not None and number not in _LENT:
        raise NotAllowed("operation_type_not_of_token")
    try:
        if task.lent is not None:
            _require_device(task)
        doubts = esim.look_for(_wanted(task, number), task, means)
        return esim.noted(await do(task, means), doubts)
    except BadParameter as error:
        return esim.bad_parameter(error)
    except OutOfOrder as error:
        return Refused(OperationResult.INVALID_OPERATION, str(error))
    except Conflict as error:
        return Refused(OperationResult.GENERAL_ERROR, error.reason)


async def _subscribe(task: Task, means: Means) -> Done | Refused:
    asked = esim.iccid_in(task, "terminal_iccid")
    for order in (await esim.orders(task, means)).values() if asked else ():
        if order.iccid == asked and order.inquiry is not None:
            # It answers a configuration that is deactivated until it does (TS.43 §8.12).
            return await esim.answer(task, means, order)
    device = esim.device_in(task, esim.prefix_of(task))
    return await esim.order_for(
        task, means, device, kind=Kind.SUBSCRIBE, service=_service(task, means)
    )


async def _transfer(task: Task, means: Means) -> Done | Refused:
    """Give the line, or a companion's, to another device (TS.43 §8.3 to 8.7, §7.6)."""
    device = esim.device_in(task, esim.prefix_of(task))
    if task.app_id == AppId.ODSA_COMPANION:
        return await _transfer_of_companion(task, means, device)
    moved = await transfers.move(task, means, device)
    outcome = await esim.order_for(
        task,
        means,
        device,
        kind=Kind.TRANSFER,
        old_iccid=moved.old_iccid,
        leaves=moved.leaves,
        place=moved.place,
        old_terminal_id=moved.old_terminal_id,
        asked_by=moved.asked_by,
    )
    return transfers.with_note(outcome, moved.note)


async def _transfer_of_companion(task: Task, means: Means, device: Device) -> Done | Refused:
    """Let a companion take the place of another; which, is chosen on a page if it is not said."""
    there = await esim.orders(task, means)
    old = esim.iccid_in(task, "old_companion_terminal_iccid", "old_terminal_iccid")
    former = _former_companion(task, there.values(), old)
    if former is not None:
        service, old = former.service, former.iccid
    elif any(task.ask.value(name) for name in esim_pages.OLD_COMPANION):
        raise BadParameter("the old companion is none of this line")
    else:
        service, own = _service(task, means), there.get(place_of(device))
        line = esim.line_of(task, means)
        by_page = line is not None and line.asking is not Asking.NEVER
        ordered = own is not None and own.state is not OrderState.ENDED
        if not ordered and not (by_page and esim_pages.movable(there, device)):
            raise BadParameter("old_companion_terminal_iccid is missing")
    return await esim.order_for(
        task, means, device, kind=Kind.SUBSCRIBE, service=service, old_iccid=old
    )


def _former_companion(task: Task, there: Iterable[Order], old: Iccid | None) -> Order | None:
    """Return the order of the companion that gives its line, by its ICCID, else by its id."""
    if old is not None:
        return next((order for order in there if order.iccid == old), None)
    named = task.ask.value("old_companion_terminal_id").strip().lower()
    return next(
        (
            order
            for order in there
            if order.state in ON_DEVICE and order.device.terminal_id.lower() == named
        ),
        None,
    )


async def _recover(task: Task, means: Means) -> Done | Refused:
    """Give a profile for the one that was removed from the device (TS.43 §8.13)."""
    removed = esim.iccid_in(task, "terminal_iccid", "target_terminal_iccid")
    if removed is None:
        raise BadParameter("terminal_iccid is missing")
    prefix = esim.prefix_of(task) if task.ask.value(f"{esim.prefix_of(task)}_id") else "terminal"
    device = esim.device_in(task, prefix)
    there = await esim.orders(task, means)
    await transfers.is_ours(task, means, removed, there)
    former = transfers.order_about(removed, there)
    return await esim.order_for(
        task,
        means,
        device,
        kind=Kind.RECOVER,
        old_iccid=removed,
        place=former.place if former is not None else "",
    )


async def _update(task: Task, means: Means) -> Done | Refused:
    """Take note of what the device installed."""
    await means.esim.ordering.installed(esim.kept(task, await _meant(task, means)))
    return esim.result(SubscriptionResult.DONE)


def _happens(event: Callable[[], Event]) -> Callable[[Task, Means], Awaitable[Done | Refused]]:
    async def do(task: Task, means: Means) -> Done | Refused:
        return await esim.tell(task, means, await _meant(task, means), event())

    return do


async def _unsubscribe(task: Task, means: Means) -> Done | Refused:
    """Give a profile up; one that was given up already stays so."""
    return await esim.give_up(task, means, await _meant(task, means))


async def _change(task: Task, means: Means) -> Done | Refused:
    """Change the plan to the one that is named; where none is, it is chosen on a page."""
    if task.ask.value("plan_id"):
        return await esim.change_plan(task, means, await _meant(task, means))
    line = esim.line_of(task, means)
    elsewhere = Refused(OperationResult.NOT_SUPPORTED, "plans are changed elsewhere")
    if line is None or line.asking is Asking.NEVER:
        return elsewhere
    order = await _meant(task, means)
    if order.state not in LIVE:
        raise OutOfOrder(f"plan in {order.state}")
    page = esim_pages.plan_page(task, means, line, order)
    return esim.result(SubscriptionResult.CONTINUE_TO_WEBSHEET, *page) if page else elsewhere


async def _meant(task: Task, means: Means) -> Order:
    """Return the order that a request means: by ICCID, else by its device."""
    there = {
        order.place: order
        for order in transfers.of_holder(task, (await esim.orders(task, means)).values())
    }
    prefix = esim.prefix_of(task)
    iccid = esim.iccid_in(task, f"{prefix}_iccid", "terminal_iccid")
    if iccid is not None:
        for order in there.values():
            if order.iccid == iccid:
                return order
        raise BadParameter("no profile of this line has this ICCID")
    device = esim.device_in(task, prefix)
    if (found := there.get(place_of(device))) is not None:
        return found
    for order in there.values():
        if order.device.terminal_id == device.terminal_id:
            return order
    raise BadParameter("this device has no profile of this line")


def _wanted(task: Task, number: int) -> tuple[str, ...]:
    """Return what TS.43 wants of a companion; watches leave some of it out (Table 27)."""
    if task.app_id != AppId.ODSA_COMPANION:
        return ()
    always = ("companion_terminal_vendor", "companion_terminal_eid")
    return (*always, "companion_terminal_friendly_name") if number in _BEGINS else always


def _require_device(task: Task) -> None:
    """Raise `BadParameter` unless all of the target is named, as with a token it must (§8.9)."""
    for name in ("target_terminal_id", "target_terminal_eid"):
        if not task.ask.value(name).strip():
            raise BadParameter(f"{name} is missing")


def _service(task: Task, means: Means) -> CompanionService | None:
    """Return whose number a companion gets, None where it is none."""
    if task.app_id != AppId.ODSA_COMPANION:
        return None
    line = esim.line_of(task, means)
    offered = line.services if line is not None else ()
    asked = task.ask.value("companion_terminal_service")
    for service in CompanionService:
        if asked.lower() == service.value.lower() and service in offered:
            return service
    if asked or not offered:
        raise BadParameter("companion_terminal_service is not offered")
    return offered[0]


_TYPES: Mapping[int, Callable[[Task, Means], Awaitable[Done | Refused]]] = {
    OperationType.SUBSCRIBE: _subscribe,
    OperationType.UNSUBSCRIBE: _unsubscribe,
    OperationType.CHANGE: _change,
    OperationType.TRANSFER: _transfer,
    OperationType.UPDATE: _update,
    OperationType.ACTIVATE: _happens(Activated),
    OperationType.DEACTIVATE: _happens(Deactivated),
    OperationType.RECOVER: _recover,
}

OPERATION = from_table(
    __name__, run, for_requestor=enterprise.operation(enterprise.manage_subscription)
)
