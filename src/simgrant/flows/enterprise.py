"""What the operations on eSIMs do for an enterprise, whose device management asks (TS.43 §10).

An enterprise has a contract and no SIM. So no policy of a subscriber is asked, no page is shown
and nobody is told by push; which of its devices may have a profile, its own management says. What
bounds it are the settings: how many devices, how many orders in an hour, which plans, and what
holds for every device (lists, check digits, orders for one eUICC). Its devices are known by
`enterprise_terminal_id`; all of an enterprise's orders are never read at once, since there may be
very many.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Awaitable, Callable, Mapping
from functools import wraps
from typing import Final, TypeAlias

from simgrant.domain.device_lists import Listing
from simgrant.domain.order import (
    Activated,
    Deactivated,
    Device,
    Event,
    Kind,
    Order,
    OrderState,
    OutOfOrder,
    Unsubscribed,
    begin,
    place_of_id,
)
from simgrant.domain.owner import Enterprise
from simgrant.errors import Conflict, Overloaded
from simgrant.flows import esim
from simgrant.flows.esim import BadParameter
from simgrant.flows.esim_means import Line
from simgrant.flows.esim_rules import Target, device_fact
from simgrant.flows.operations.operation import Done, Means, Refused, RequestorTask
from simgrant.identities import Iccid
from simgrant.nouns import replace
from simgrant.ports.orders import NoStock, TooFast, TooMany, TooOften
from simgrant.spec.ids import Eligibility, OperationResult, OperationType, SubscriptionResult
from simgrant.wire.document import Characteristic, CharacteristicList, Item, Parm

_DEVICE: Final = "enterprise_terminal"
_ID_BYTES: Final = 16

_Do: TypeAlias = Callable[[RequestorTask, Means], Awaitable[Done | Refused]]


def operation(do: _Do) -> _Do:
    """Return an operation that says what it was refused for, to who names an enterprise."""

    @wraps(do)
    async def run(task: RequestorTask, means: Means) -> Done | Refused:
        try:
            if not task.requestor.enterprise_id:
                raise BadParameter("enterprise_id is missing")
            return await do(task, means)
        except BadParameter as error:
            return esim.bad_parameter(error)
        except OutOfOrder as error:
            return Refused(OperationResult.INVALID_OPERATION, str(error))
        except Conflict as error:
            return Refused(OperationResult.GENERAL_ERROR, error.reason)

    return run


async def check_eligibility(task: RequestorTask, means: Means) -> Done:
    """Say whether the enterprise may get eSIMs; of its devices nothing is asked (TS.43 §10.2)."""
    line, status, detail = esim.line_of(task, means), Eligibility.ENABLED, ""
    if line is None:
        status, detail = Eligibility.INCOMPATIBLE, "not_offered"
    else:
        whose = Enterprise(task.requestor.enterprise_id)
        if await means.esim.ordering.live_of(task.tenant.name, whose) >= line.most:
            status, detail = Eligibility.DISABLED, "too_many_devices"
    return Done((Parm("EnterpriseAppEligibility", str(int(status))),), detail=detail)


async def acquire_plan(task: RequestorTask, means: Means) -> Done:
    """Tell the plans that may be chosen; nothing at all where there is none (TS.43 §6.5.6)."""
    line = esim.line_of(task, means)
    offers: list[Characteristic] = []
    for plan in line.plans if line is not None else ():
        items = [Parm("PlanId", plan.plan_id), Parm("PlanName", plan.name)]
        if plan.description:
            items.append(Parm("PlanDescription", plan.description))
        offers.append(Characteristic("PlanOffer", tuple(items)))
    return Done((CharacteristicList("PlanOffers", tuple(offers)),) if offers else ())


async def acquire_configuration(task: RequestorTask, means: Means) -> Done:
    """Tell how far the profile of one device is; nothing at all where it has none."""
    order = await _find(task, means)
    if order is None:
        return Done()
    items: tuple[Item, ...] = await esim.configuration(task, means, order)
    return Done((Characteristic("EnterpriseConfiguration", items),))


async def manage_subscription(task: RequestorTask, means: Means) -> Done | Refused:
    """Do what the operation_type says (TS.43 §6.5.3)."""
    do = _TYPES.get(task.ask.value("operation_type"))
    if do is None:
        return Refused(OperationResult.INVALID_OPERATION, "operation_type")
    return await do(task, means)


async def _subscribe(task: RequestorTask, means: Means) -> Done | Refused:
    """Order a profile for a device, or find the order that there is."""
    line, device = esim.line_of(task, means), esim.device_in(task, _DEVICE)
    if line is None:
        return esim.dismissed("not_offered")
    plan = esim.plan_in(task, line)
    there = await _at(task, means, device.terminal_id)
    if there is None or there.state is OrderState.ENDED:
        return await _make(task, means, line, device, Kind.SUBSCRIBE, plan, instead_of=there)
    if device.eid not in (None, there.device.eid):
        raise BadParameter(f"{_DEVICE}_eid is another than that of the device's order")
    if plan not in ("", there.plan):
        raise BadParameter("plan_id is another: plans are changed by operation_type 2")
    return await esim.told(task, means, there)


async def _transfer(task: RequestorTask, means: Means) -> Done | Refused:
    """Give a device the subscription of another, which ends once the new profile is installed."""
    line, device = esim.line_of(task, means), esim.device_in(task, _DEVICE)
    if line is None:
        return esim.dismissed("not_offered")
    old = esim.iccid_in(task, "old_terminal_iccid")
    former = await _with(task, means, old)
    if former is None or old is None:
        raise BadParameter("old_terminal_iccid is no profile of this enterprise")
    there = await _at(task, means, device.terminal_id)
    if there is not None and there.state is not OrderState.ENDED:
        if there.old_iccid != old:
            raise BadParameter("the device has another profile")
        return await esim.told(task, means, there)
    if former.state is OrderState.ENDED:
        raise BadParameter("the old device's subscription has ended")
    plan = esim.plan_in(task, line) or former.plan
    return await _make(
        task, means, line, device, Kind.TRANSFER, plan, instead_of=there, old_iccid=old
    )


async def _recover(task: RequestorTask, means: Means) -> Done | Refused:
    """Give a device a profile for the one that was removed from it, wiped for instance."""
    line, device = esim.line_of(task, means), esim.device_in(task, _DEVICE)
    if line is None:
        return esim.dismissed("not_offered")
    removed = esim.iccid_in(task, "terminal_iccid")
    there = await _at(task, means, device.terminal_id)
    if removed is None or there is None or removed not in (there.iccid, there.old_iccid):
        raise BadParameter("terminal_iccid is no profile of this device")
    if there.iccid != removed and there.state is not OrderState.ENDED:
        return await esim.told(task, means, there)
    if there.state is not OrderState.ENDED:
        there = await means.esim.ordering.begins(esim.kept(task, there), Unsubscribed())
    return await _make(
        task, means, line, device, Kind.RECOVER, there.plan, instead_of=there, old_iccid=removed
    )


async def _make(
    task: RequestorTask,
    means: Means,
    line: Line,
    device: Device,
    kind: Kind,
    plan: str,
    *,
    instead_of: Order | None,
    old_iccid: Iccid | None = None,
) -> Done | Refused:
    """Write an order and return what is told of it; raise what the limit of an hour raises."""
    if line.by_address and device.eid is None:
        raise BadParameter("an EID is needed")
    doubts = esim.look_at(Target(device, kind, old_iccid), line, task, means)
    if _is_denied(device, line, means):
        return _refused(task, means, "device_denied")
    order = begin(
        Order(
            order_id=os.urandom(_ID_BYTES).hex(),
            app_id=task.app_id,
            kind=kind,
            place=place_of_id(device.terminal_id),
            state=OrderState.ORDERED,
            device=device,
            source=line.source_of(plan),
            matching_id=esim.new_matching_id(),
            created_at=task.at,
            changed_at=task.at,
            plan=plan,
            old_iccid=old_iccid,
        ),
        call_id=secrets.token_hex(_ID_BYTES),
    )
    try:
        made = await means.esim.ordering.make(
            task.tenant.name,
            task.owner,
            order,
            instead_of=instead_of,
            most=line.most,
            most_an_hour=line.most_an_hour,
            pace=replace(line.conditions.pace, per_line=0),
        )
    except (NoStock, TooMany, TooOften, TooFast) as error:
        # Perhaps the same request was faster, and took the last.
        made = await _at(task, means, device.terminal_id)
        if made is None or made.kind is not kind or made.state is OrderState.ENDED:
            return _limited(task, means, error)
    if made is None:
        # Likewise, or what the device had is still being given back.
        made = await _at(task, means, device.terminal_id)
        if made is None or made.kind is not kind or made.state is OrderState.ENDED:
            raise Conflict("order_busy")
    done = await esim.told(task, means, made)
    return replace(done, detail=done.detail or doubts)


def _is_denied(device: Device, line: Line, means: Means) -> bool:
    """Say whether a list denies the device; there is no policy that would have a say."""
    lists, conditions = means.esim.lists, line.conditions
    eid = device.eid.digits if device.eid is not None else ""
    said = (
        lists.of_tac(conditions.tac_list, device_fact(device).tac),
        lists.of_eid(conditions.eid_list, eid),
    )
    return any(each.value is Listing.DENIED for each in said)


def _limited(task: RequestorTask, means: Means, error: Conflict) -> Done | Refused:
    """Return what is told where a limit is reached; raise Overloaded for that of an hour."""
    if isinstance(error, TooFast):
        raise Overloaded("too_many_orders", retry_after=error.retry_after) from None
    if isinstance(error, TooOften):
        return _refused(task, means, error.reason)
    return esim.dismissed(error.reason)


def _refused(task: RequestorTask, means: Means, reason: str) -> Refused:
    """Return what is told of a device that may not have one, and count it."""
    means.esim.metrics.count_esim_refusal(task.tenant.name, task.app_id, reason)
    return Refused(OperationResult.GENERAL_ERROR, reason)


async def _update(task: RequestorTask, means: Means) -> Done:
    """Take note of what a device installed."""
    order = await _meant(task, means)
    await means.esim.ordering.installed(esim.kept(task, order))
    return esim.result(SubscriptionResult.DONE)


async def _change(task: RequestorTask, means: Means) -> Done:
    """Change the plan of a device."""
    return await esim.change_plan(task, means, await _meant(task, means))


async def _unsubscribe(task: RequestorTask, means: Means) -> Done:
    """Give a profile up; one that was given up already stays so."""
    return await esim.give_up(task, means, await _meant(task, means))


def _happens(event: Callable[[], Event]) -> _Do:
    async def do(task: RequestorTask, means: Means) -> Done:
        return await esim.tell(task, means, await _meant(task, means), event())

    return do


_TYPES: Mapping[str, _Do] = {
    str(int(number)): do
    for number, do in {
        OperationType.SUBSCRIBE: _subscribe,
        OperationType.UNSUBSCRIBE: _unsubscribe,
        OperationType.CHANGE: _change,
        OperationType.TRANSFER: _transfer,
        OperationType.UPDATE: _update,
        OperationType.ACTIVATE: _happens(Activated),
        OperationType.DEACTIVATE: _happens(Deactivated),
        OperationType.RECOVER: _recover,
    }.items()
}


async def _meant(task: RequestorTask, means: Means) -> Order:
    """Return the order of the device that a request names; raise `BadParameter` for none."""
    order = await _find(task, means)
    if order is None:
        raise BadParameter("this enterprise has no such device or profile")
    return order


async def _find(task: RequestorTask, means: Means) -> Order | None:
    """Return the order of a device by its id, by its ICCID, or by both where they agree."""
    iccid = esim.iccid_in(task, "terminal_iccid")
    terminal_id = task.ask.value(f"{_DEVICE}_id").strip()
    if not (iccid or terminal_id):
        raise BadParameter(f"{_DEVICE}_id is missing")
    if not terminal_id:
        return await _with(task, means, iccid)
    order = await _at(task, means, esim.device_in(task, _DEVICE).terminal_id)
    return order if order is not None and iccid in (None, order.iccid) else None


async def _at(task: RequestorTask, means: Means, terminal_id: str) -> Order | None:
    place = place_of_id(terminal_id)
    return await means.esim.ordering.at(task.tenant.name, task.owner, place)


async def _with(task: RequestorTask, means: Means, iccid: Iccid | None) -> Order | None:
    if iccid is None:
        return None
    return await means.esim.ordering.with_profile(task.tenant.name, task.owner, iccid)
