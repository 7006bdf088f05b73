"""What the operations on eSIMs have in common: who may, which device, which order, which words.

The operations themselves (``flows/operations``) say what a request wants; the orders behind them
are `flows.ordering`'s. Answers are TS.43 §6.5.2 to 6.5.5.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Collection, Iterable

from simgrant.domain.line import is_of_line
from simgrant.domain.order import (
    UNDER_WAY,
    Activated,
    CompanionService,
    Deactivated,
    Device,
    Event,
    Inquiry,
    Kind,
    Order,
    OrderState,
    OutOfOrder,
    PlanChanged,
    Polled,
    Unsubscribed,
    begin,
)
from simgrant.domain.policy import Result
from simgrant.errors import BadLentToken
from simgrant.flows import esim_pages
from simgrant.flows.before_order import (
    answered,
    asks,
    is_asked_by_old_phone,
    looked_after,
    prepared,
)
from simgrant.flows.esim_means import Line, is_told_by_address
from simgrant.flows.esim_rules import (
    ANOTHER,
    TOO_MANY,
    Meant,
    Target,
    Weighed,
    doubts_about,
    learn,
    leaving,
    meant,
    weigh,
)
from simgrant.flows.operations.operation import AnyTask, Done, Means, Refused, Task
from simgrant.identities import Eid, Iccid, InvalidIdentity
from simgrant.nouns import replace
from simgrant.ports.orders import Kept, NoStock, TokenOver, TooMany, TooOften
from simgrant.spec.ids import AppId, OperationResult, ServiceStatus, SubscriptionResult
from simgrant.wire.activation_code import ActivationCode, push_parameter
from simgrant.wire.document import Characteristic, Item, Parm

_ORDER_ID_BYTES = 16
_MATCHING_ID = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
"""Letters of matching ids: what SGP.22 allows, less what people mistake for one another."""
_MATCHING_ID_LETTERS = 26
_UNDECIDED = (OrderState.ASKED, OrderState.AT_PORTAL)
_NAME_LETTERS = 64
_SECONDS = "1"


class BadParameter(ValueError):
    """A parameter is missing, malformed or about something else; the text names it."""


def line_of(task: AnyTask, means: Means) -> Line | None:
    """Return what the tenant offers to this application; None where nothing."""
    return means.esim.esims[task.tenant.name].lines.get(task.app_id)


def prefix_of(task: Task) -> str:
    """Return what the parameters of the device that gets an eSIM begin with (TS.43 §6.3).

    A phone that has no SIM yet asks for itself: its eSIM is in terminal_eid.
    """
    if task.app_id == AppId.ODSA_COMPANION:
        return "companion_terminal"
    value = task.ask.value
    asks_for_itself = value("terminal_eid").strip() and not value("target_terminal_id").strip()
    return "terminal" if asks_for_itself else "target_terminal"


def device_in(task: AnyTask, prefix: str) -> Device:
    """Return the device that the parameters with this prefix describe; raise `BadParameter`."""
    value = task.ask.value
    terminal_id = value(f"{prefix}_id").strip()
    if not terminal_id:
        raise BadParameter(f"{prefix}_id is missing")
    if len(terminal_id) > _NAME_LETTERS:
        raise BadParameter(f"{prefix}_id is too long")
    eid = value(f"{prefix}_eid").strip()
    try:
        checked = Eid(eid) if eid else None
    except InvalidIdentity:
        raise BadParameter(f"{prefix}_eid is no EID") from None
    return Device(
        terminal_id,
        checked,
        value(f"{prefix}_vendor")[:_NAME_LETTERS],
        value(f"{prefix}_model")[:_NAME_LETTERS],
        value(f"{prefix}_sw_version")[:_NAME_LETTERS],
        value(f"{prefix}_friendly_name")[:_NAME_LETTERS],
    )


def iccid_in(task: AnyTask, *names: str) -> Iccid | None:
    """Return the first ICCID of these parameters; raise `BadParameter` for what is none."""
    for name in names:
        text = task.ask.value(name).strip().upper().removesuffix("F")
        if text:
            try:
                return Iccid(text)
            except InvalidIdentity:
                raise BadParameter(f"{name} is no ICCID") from None
    return None


def plan_in(task: AnyTask, line: Line) -> str:
    """Return the plan that was chosen, empty for none; raise `BadParameter` for what is none."""
    plan = task.ask.value("plan_id").strip()
    if plan and line.offer(plan) is None:
        raise BadParameter("plan_id is no plan that may be chosen")
    return plan


async def change_plan(task: AnyTask, means: Means, order: Order) -> Done:
    """Let an order have the plan that the request names; raise `BadParameter`, `OutOfOrder`."""
    line = line_of(task, means)
    plan = plan_in(task, line) if line is not None else ""
    if line is None or not plan:
        raise BadParameter("plan_id is missing")
    if line.source_of(plan).profile_type != order.source.profile_type:
        raise BadParameter("this plan is for profiles of another type")
    if plan != order.plan or order.state is OrderState.ENDED:
        await means.esim.ordering.happens(kept(task, order), PlanChanged(plan))
    return result(SubscriptionResult.DONE)


async def give_up(task: AnyTask, means: Means, order: Order) -> Done:
    """Give an order's profile up; one that was given up already stays so."""
    if order.state is not OrderState.ENDED:
        await means.esim.ordering.happens(kept(task, order), Unsubscribed())
    return result(SubscriptionResult.DONE)


async def tell(task: AnyTask, means: Means, order: Order, event: Event) -> Done:
    """Let something happen to an order; raise `OutOfOrder` where it cannot."""
    await means.esim.ordering.happens(kept(task, order), event)
    return result(SubscriptionResult.DONE)


def new_matching_id() -> str:
    """Return a matching id that nobody can guess."""
    return "".join(secrets.choice(_MATCHING_ID) for _ in range(_MATCHING_ID_LETTERS))


async def orders(task: Task, means: Means) -> dict[str, Order]:
    """Return the orders of this application, by place."""
    found = await means.esim.ordering.of(task.tenant.name, task.subscription.imsi)
    return {
        place: order
        for place, order in found.items()
        if order.app_id == task.app_id and not order.is_aside
    }


def is_same(ours: Device, asking: Device) -> bool:
    """Whether a request is about this device; who handed an order in may know its EID alone."""
    known = ours.terminal_id in ("", asking.terminal_id)
    return known and ours.eid == asking.eid


def kept(task: AnyTask, order: Order) -> Kept:
    """Return an order with whose it is."""
    return Kept(task.tenant.name, task.owner, order)


async def order_for(
    task: Task,
    means: Means,
    device: Device,
    *,
    kind: Kind,
    service: CompanionService | None = None,
    old_iccid: Iccid | None = None,
    leaves: Iccid | None = None,
    place: str = "",
    old_terminal_id: str = "",
    asked_by: str = "",
    inquiry: Inquiry | None = None,
) -> Done | Refused:
    """Order a profile for a device, or find the order that there is; return what is told.

    The same request finds the same order, however often it comes. ``inquiry`` is what the
    subscriber has to be asked before, whatever the tenant's settings say.
    """
    line = line_of(task, means)
    if line is None:
        return dismissed("not_offered")
    if line.by_address and device.eid is None:
        raise BadParameter("an EID is needed")
    plan = plan_in(task, line)
    selects = esim_pages.selects_companion(task)
    target = Target(device, kind, old_iccid, at=place, selects=selects)
    place = target.place
    former = await orders(task, means)
    there = former.get(place)
    doubts = look_at(target, line, task, means)
    if there is not None and meant(there, target) is Meant.ITS_OWN:
        return await answer(task, means, there)
    known = await learn(task, means.esim, line, device, kind=kind, old_iccid=old_iccid)
    weighed = weigh(task, means.esim, line, target, former, known)
    if weighed.result is not Result.ALLOWED:
        return await _refused(task, means, weighed, target)
    asked = esim_pages.asks(task, line, kind, device=device, old=old_iccid, former=former)
    wanted = await prepared(
        task,
        means,
        line,
        Order(
            order_id=os.urandom(_ORDER_ID_BYTES).hex(),
            app_id=task.app_id,
            kind=kind,
            place=place,
            state=OrderState.AT_PORTAL if asked else OrderState.ORDERED,
            device=device,
            source=line.source_of(plan),
            matching_id=new_matching_id(),
            created_at=task.at,
            changed_at=task.at,
            plan=plan or task.subscription.plan,
            service=service,
            old_iccid=old_iccid if asked else old_iccid or leaves,
            old_terminal_id=old_terminal_id,
            asked_by=asked_by,
            selects=selects,
            lent=task.lent.token_id.hex() if task.lent is not None else "",
        ),
        former=former,
        inquiry=inquiry,
    )
    if not isinstance(wanted, Order):
        return wanted
    if there is not None and there.state is not OrderState.ENDED:
        there = await means.esim.ordering.begins(kept(task, there), Unsubscribed())
    order = begin(wanted, call_id=secrets.token_hex(_ORDER_ID_BYTES))
    try:
        made = await means.esim.ordering.make(
            task.tenant.name,
            task.subscription.imsi,
            order,
            instead_of=there,
            most=None if is_of_line(order) else line.most + leaving(target, former),
            pace=line.conditions.pace,
        )
    except (NoStock, TooMany) as error:
        return dismissed(error.reason)
    except TokenOver as error:
        raise BadLentToken(error.reason) from None
    except TooOften as error:
        over = replace(weighed, result=Result.DENIED, reason=error.reason, limited=True)
        return await _refused(task, means, over, target)
    if made is None:
        # Somebody was faster; where it was the same request, its order is ours.
        made = (await orders(task, means)).get(place)
        if made is None or not is_same(made.device, device):
            return dismissed(ANOTHER)
    done = await told(task, means, made)
    detail = done.detail or doubts
    return replace(done, detail=detail, verdict=weighed.verdict, times=weighed.times)


async def _refused(task: Task, means: Means, weighed: Weighed, target: Target) -> Done | Refused:
    """Return what is told of what may not be: of rules and limits nothing is told."""
    if weighed.limited:
        # The limit may have been reached by the same request, a moment ago.
        own = (await orders(task, means)).get(target.place)
        if own is not None and meant(own, target) is Meant.ITS_OWN:
            return await told(task, means, own)
    return refused(task, means, weighed)


def refused(task: Task, means: Means, weighed: Weighed) -> Done | Refused:
    """Return what is told where rules or limits say no, or want a sign-in, and count it."""
    means.esim.metrics.count_esim_refusal(task.tenant.name, task.app_id, weighed.reason)
    if weighed.reason in (TOO_MANY, ANOTHER):
        return replace(dismissed(weighed.reason), verdict=weighed.verdict, times=weighed.times)
    return Refused(
        OperationResult.GENERAL_ERROR,
        weighed.reason,
        verdict=weighed.verdict,
        times=weighed.times,
        step_up=weighed.result is Result.STEP_UP,
        texts=weighed.texts,
    )


def look_at(target: Target, line: Line, task: AnyTask, means: Means) -> str:
    """Return for the record which check digits are wrong; count them.

    Raise `BadParameter` where such identifiers are refused.
    """
    return _doubted("check digits are wrong", doubts_about(target), line, task, means)


def look_for(names: Iterable[str], task: Task, means: Means) -> str:
    """Return for the record which of these are missing, which TS.43 wants (Table 27); count them.

    Raise `BadParameter` where such requests are refused.
    """
    line = line_of(task, means)
    missing = tuple(name for name in names if not task.ask.value(name).strip())
    return _doubted("missing", missing, line, task, means) if line is not None else ""


def _doubted(what: str, doubts: Collection[str], line: Line, task: AnyTask, means: Means) -> str:
    for doubt in doubts:
        means.esim.metrics.count_doubt(task.tenant.name, doubt)
    said = f"{what}: {', '.join(doubts)}" if doubts else ""
    if said and line.conditions.strict:
        raise BadParameter(said)
    return said


def noted(outcome: Done | Refused, doubts: str) -> Done | Refused:
    """Return an outcome with what was doubtful about its request."""
    said = [each for each in (outcome.detail, doubts) if each]
    return replace(outcome, detail="; ".join(said))


async def answer(task: Task, means: Means, order: Order) -> Done | Refused:
    """Return what a device is told that asks for this order again, perhaps with an answer."""
    now = await answered(task, means, order)
    return await told(task, means, now) if isinstance(now, Order) else now


async def told(task: AnyTask, means: Means, order: Order) -> Done | Refused:
    """Return what a device is told that asked for this order."""
    order = await looked_after(task, means, order)
    match order.state:
        case OrderState.RELEASED | OrderState.ACTIVE | OrderState.INACTIVE:
            return result(SubscriptionResult.DOWNLOAD_PROFILE, download_info(task, means, order))
        case OrderState.DELETING if is_asked_by_old_phone(task, order):
            return result(SubscriptionResult.DELETE_PROFILE_IN_USE)
        case OrderState.ASKED:
            return result(SubscriptionResult.REQUIRES_USER_INPUT, asks(task, means, order))
        case OrderState.AT_PORTAL if not means.esim.portals[task.tenant.name].url:
            # Only who handed its profile in can have wanted that.
            return Refused(OperationResult.GENERAL_ERROR, "no_portal")
        case OrderState.AT_PORTAL if isinstance(task, Task):
            page = esim_pages.order_page(task, means, order)
            return result(SubscriptionResult.CONTINUE_TO_WEBSHEET, *page)
        case state if state in UNDER_WAY:
            return result(SubscriptionResult.DELAYED_DOWNLOAD)
    return dismissed(order.reason)


def download_info(task: AnyTask, means: Means, order: Order) -> Characteristic:
    """Return where a profile is downloaded from (TS.43 §6.5.3)."""
    line, items = line_of(task, means), list[Item]()
    address = means.esim.address(task.tenant.name, order)
    if order.iccid is not None:
        items.append(Parm("ProfileIccid", order.iccid.digits))
    if is_told_by_address(line, order):
        items.append(Parm("ProfileSmdpAddress", address))
    else:
        code = ActivationCode(address, order.matching_id, order.code_oid, order.code_confirmed)
        items.append(Parm("ProfileActivationCode", push_parameter(code)))
    return Characteristic("DownloadInfo", tuple(items))


async def configuration(task: AnyTask, means: Means, order: Order) -> tuple[Item, ...]:
    """Return the members of a configuration (TS.43 §6.5.5); a device that waits has polled."""
    esim = means.esim.esims[task.tenant.name]
    order = await looked_after(task, means, order)
    waits = order.state in UNDER_WAY and order.state not in _UNDECIDED
    if waits:
        try:
            order = await means.esim.ordering.happens(kept(task, order), Polled(esim.most_polls))
        except OutOfOrder:
            ordering = means.esim.ordering
            order = await ordering.at(task.tenant.name, task.owner, order.place) or order
    items: list[Item] = []
    if order.iccid is not None:
        items.append(Parm("ICCID", order.iccid.digits))
    if order.service is not None:
        items.append(Parm("CompanionDeviceService", order.service.value))
    items.append(_STATUS[status_of(order)])
    if order.state is OrderState.ASKED:
        # A profile that the subscriber has to say yes to before it is there (TS.43 §8.12).
        items.append(asks(task, means, order))
    going = order.going is OrderState.ACTIVE and order.going is not order.state
    if going or (waits and order.state in UNDER_WAY):
        interval = min(esim.longest_polling_s, esim.polling_s * 2 ** (order.polls // 4))
        items += [Parm("PollingInterval", str(interval)), Parm("PollingIntervalUnit", _SECONDS)]
    if order.state is OrderState.RELEASED:
        items.append(download_info(task, means, order))
    return tuple(items)


async def switched(
    task: Task, means: Means, order: Order, event: type[Activated | Deactivated]
) -> Order:
    """Have a device's service on or off, and return its order as it is after a short while.

    Raise `OutOfOrder` where there is none, and Conflict.
    """
    ordering = means.esim.ordering
    until = ordering.switch_until(task.tenant.name)
    goes = OrderState.ACTIVE if event is Activated else OrderState.INACTIVE
    # What is so, or is being made so, is nothing to wait for.
    begins = until and goes is not (order.going or order.state)
    happens = ordering.begins if begins else ordering.happens
    return await happens(kept(task, order), event(until))


def status_of(order: Order) -> ServiceStatus:
    """Return an order's state as a device is told it (TS.43 §6.5.4).

    What goes off in the network is on until it is off: there is no word for what is in between
    (divergence "off-once-it-is-off").
    """
    if order.going is OrderState.ACTIVE and order.going is not order.state:
        return ServiceStatus.ACTIVATING
    match order.state:
        case OrderState.RELEASED | OrderState.ACTIVE:
            return ServiceStatus.ACTIVATED
        case OrderState.INACTIVE | OrderState.ASKED | OrderState.AT_PORTAL:
            return ServiceStatus.DEACTIVATED
        case OrderState.ENDED:
            return ServiceStatus.DEACTIVATED_NO_REUSE
    return ServiceStatus.ACTIVATING


def result(number: SubscriptionResult, *items: Item) -> Done:
    """Return a SubscriptionResult with what goes with it."""
    return Done((_RESULT[number], *items))


def service_status(order: Order) -> Done:
    """Return a ServiceStatus alone, as ManageService answers."""
    return Done((_STATUS[status_of(order)],))


def bad_parameter(error: BadParameter) -> Refused:
    """Return what is told of a parameter that is not as it must be."""
    return Refused(OperationResult.INVALID_PARAMETER, str(error))


def dismissed(reason: str) -> Done:
    """Return that the device gets no profile, with the reason for the operator."""
    return Done((_RESULT[SubscriptionResult.DISMISS],), detail=reason)


_RESULT = {n: Parm("SubscriptionResult", str(int(n))) for n in SubscriptionResult}
_STATUS = {n: Parm("ServiceStatus", str(int(n))) for n in ServiceStatus}
