"""The pages of eSIMs: what to order, that it is ordered, and why not (TS.43 §6.5.9, §6.7).

What is chosen comes back with the form and is written with the decision, so that there is one step,
however many pages it takes. What the end of it says follows from the order, whoever moved it on:
another browser, a worker, an operator.
"""

from __future__ import annotations

from simgrant.domain.order import LIVE, GivenUp, Kind, Order, OrderState, PlanChanged
from simgrant.domain.order import Chosen as OrderChosen
from simgrant.domain.policy import Result
from simgrant.domain.subscription import SubscriptionStatus
from simgrant.domain.visit import Settlement, Step
from simgrant.flows.esim_means import OldProfile, is_told_by_address
from simgrant.flows.esim_pages import ERROR, NOT_ENABLED, PLAN, SELECTS
from simgrant.flows.web_views.web_view import (
    DO,
    Case,
    Choices,
    Choose,
    Chosen,
    Closed,
    Confirm,
    DeleteFirst,
    Form,
    Later,
    Matter,
    Means,
    Movable,
    NotOffered,
    Ready,
    Screen,
    Selected,
    Subject,
    Turn,
    WebView,
)
from simgrant.spec.ids import AppId
from simgrant.wire.activation_code import ActivationCode, push_activation_code

DISMISSED = "dismissed"
"""Why an order ended that the subscriber did not want."""
SURE = "sure"
"""The field of a form that says that what it has was shown to be confirmed."""
EDIT = "edit"
_SIM = "sim"
"""The line of the SIM that the subscription has, whose ICCID nobody told us."""
_MOST_NAME = 64
_WHY_NOT = {"too_many_devices": "esim_too_many"}


def at(case: Case) -> Step | NotOffered:
    """Return whether it is to be decided, or was."""
    matter = case.matter
    if matter is None or matter.about[:1] == (ERROR,):
        return NotOffered({}, "esim_error")
    if matter.about[:1] == (NOT_ENABLED,):
        reason = matter.about[1] if len(matter.about) > 1 else ""
        texts = case.decision.texts if case.decision.result is not Result.ALLOWED else {}
        return NotOffered(texts, _WHY_NOT.get(reason, "esim_not_enabled"))
    if matter.order is None:
        return NotOffered({}, "esim_over")
    if matter.about[:1] == (PLAN,) and matter.order.state not in LIVE:
        return NotOffered({}, "esim_over")
    if _is_decided(matter, matter.order):
        return Step.DONE
    if matter.line is None or case.profile.subscription.status is not SubscriptionStatus.ACTIVE:
        return NotOffered({}, "esim_not_enabled")
    if matter.about[:1] == (PLAN,):
        offered = matter.line.plans_instead(matter.order)
        return Step.CHOICE if offered else NotOffered({}, "esim_not_enabled")
    if SELECTS in matter.about and _is_companion(matter.order) and not matter.movable:
        return NotOffered({}, "esim_over")
    if case.decision.result is not Result.ALLOWED:
        return NotOffered(case.decision.texts, "esim_not_enabled")
    return Step.CHOICE


def screen(case: Case, step: Step, means: Means) -> Screen:
    """Return what is shown at a step."""
    del means
    matter = case.matter
    if matter is None or matter.order is None:
        return NotOffered({}, "esim_over")
    if step is Step.DONE:
        return _end(case, matter, matter.order)
    choices = _choices(matter, matter.order)
    chosen = _proposed(choices, matter.order)
    return Choose(choices, chosen) if choices.any else Confirm(choices, chosen)


async def act(case: Case, step: Step, form: Form, means: Means) -> Turn:
    """Return what was chosen, to be confirmed, or that it is ordered."""
    matter = case.matter
    if matter is None or matter.order is None or matter.line is None:
        return screen(case, step, means)
    choices = _choices(matter, matter.order)
    chosen = _pull(form, choices, matter.order)
    if choices.named and not _is_name(chosen.name):
        return Choose(choices, chosen, unnamable=True)
    if choices.any and form.get(DO) == EDIT:
        return Choose(choices, chosen)
    if choices.any and form.get(SURE) != "yes":
        return Confirm(choices, chosen)
    if choices.instead:
        if chosen.plan == matter.order.plan:
            return Settlement(step, Step.DONE, case.now)
        changed = means.change(matter.order, PlanChanged(chosen.plan))
        return Settlement(step, Step.DONE, case.now, order=changed)
    former = next((each for each in matter.movable if each.order_id == chosen.line), None)
    moves = matter.order.kind is Kind.TRANSFER
    first = former is not None and moves and matter.line.deletes(former)
    # A device that did not say that it can load the same profile again gets another.
    reused = matter.line.old_profile is OldProfile.REUSED and matter.order.redownloadable
    source = matter.line.source_of(chosen.plan) if chosen.plan else None
    event = OrderChosen(
        plan=chosen.plan,
        service=chosen.service if former is None or moves else former.service,
        name=chosen.name if choices.named else "",
        source=former.source if former is not None and first and reused else source,
        old_iccid=None if former is None else former.iccid,
        old_terminal_id="" if former is None else former.device.terminal_id,
        old_order_id=former.order_id if former is not None and first else "",
        reuses=first and reused,
    )
    return Settlement(step, Step.DONE, case.now, order=means.change(matter.order, event))


def leave(case: Case, step: Step, means: Means) -> Turn:
    """Return that the order has ended, or where it is if it was decided already."""
    matter = case.matter
    if matter is None or matter.order is None or step is not Step.CHOICE:
        return screen(case, step, means)
    if matter.about[:1] == (PLAN,):
        return Closed()
    change = means.change(matter.order, GivenUp(DISMISSED))
    return Settlement(step, Step.DONE, case.now, order=change)


def _choices(matter: Matter, order: Order) -> Choices:
    line, companion = matter.line, _is_companion(order)
    if line is None:
        return Choices()
    if matter.about[:1] == (PLAN,):
        return Choices(plans=line.plans_instead(order), instead=True)
    selects = SELECTS in matter.about and bool(matter.movable)
    takes_place = order.old_iccid is not None or selects
    is_new = order.kind is Kind.SUBSCRIBE and not (takes_place or order.handed_in)
    lines = () if companion else (Movable(_SIM),)
    return Choices(
        plans=line.plans if is_new and len(line.plans) > 1 else (),
        services=line.services if is_new and companion and len(line.services) > 1 else (),
        lines=(*lines, *map(_movable, matter.movable)) if selects else (),
        named=companion,
    )


def _proposed(choices: Choices, order: Order) -> Chosen:
    """Return what is chosen before anybody did: what the phone asked for, else what is first."""
    plans = [offer.plan_id for offer in choices.plans]
    return Chosen(
        order.plan if order.plan in plans else next(iter(plans), ""),
        order.service if order.service in choices.services else next(iter(choices.services), None),
        choices.lines[0].name if choices.lines else "",
        order.device.name,
    )


def _pull(form: Form, choices: Choices, order: Order) -> Chosen:
    """Return what a form has chosen; what it does not have, or nobody offered, is as proposed."""
    before = _proposed(choices, order)
    plan, service, line = form.get("plan"), form.get("service"), form.get("line")
    services = {each.value: each for each in choices.services}
    return Chosen(
        plan if plan in [each.plan_id for each in choices.plans] else before.plan,
        services.get(service or "", before.service),
        line if line in [each.name for each in choices.lines] else before.line,
        " ".join(form.get("name", before.name).split()),
    )


def _is_name(text: str) -> bool:
    return len(text) <= _MOST_NAME and text.isprintable()


def _end(case: Case, matter: Matter, order: Order) -> Screen:
    """Return what is shown of an order that was decided."""
    if matter.about[:1] == (PLAN,):
        offer = matter.line.offer(order.plan) if matter.line is not None else None
        return Later(plan=offer.name if offer is not None else order.plan)
    selected = SELECTS in matter.about and not _is_companion(order)
    match order.state:
        case OrderState.RELEASED if order.iccid is not None:
            if selected and order.old_iccid is not None:
                return Selected(order.old_iccid.digits, order.old_terminal_id)
            if is_told_by_address(matter.line, order):
                return Ready(address=matter.address, iccid=order.iccid.digits)
            code = ActivationCode(
                matter.address, order.matching_id, order.code_oid, order.code_confirmed
            )
            return Ready(push_activation_code(code))
        case OrderState.ACTIVE | OrderState.INACTIVE:
            return Later(installed=True)
        case OrderState.DELETING if order.old_iccid is not None:
            number = case.profile.subscription.msisdn
            return DeleteFirst(order.old_iccid.digits, number.digits if number else "")
        case OrderState.ENDED if order.reason == DISMISSED:
            return Closed()
        case OrderState.ENDED:
            return NotOffered({}, "esim_failed")
    if selected and order.old_iccid is not None:
        # It goes on when the phone asks for that line, or is ready by then.
        return Selected(order.old_iccid.digits, order.old_terminal_id)
    return Later()


def _is_decided(matter: Matter, order: Order) -> bool:
    """Say whether nothing is left to choose, whoever did."""
    if matter.about[:1] == (PLAN,):
        return matter.about[2:] != (order.plan,)
    return order.state is not OrderState.AT_PORTAL


def _is_companion(order: Order) -> bool:
    return order.app_id == AppId.ODSA_COMPANION


def _movable(order: Order) -> Movable:
    device = order.device
    words = device.name or f"{device.vendor} {device.model}".strip() or "eSIM"
    return Movable(order.order_id, words, order.iccid.digits[-4:] if order.iccid else "")


WEB_VIEWS = tuple(
    WebView(app_id, Subject.ESIM, at, screen, act, leave)
    for app_id in (AppId.ODSA_COMPANION, AppId.ODSA_PRIMARY)
)
