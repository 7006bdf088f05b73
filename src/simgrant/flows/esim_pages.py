"""The pages that answers about eSIMs name (TS.43 §6.5.9).

On one the subscriber goes on with an order, on the others he reads why there is none. Each is the
page of its application, entered by a handle that says what it is about; the page itself is
``flows.web_views.esim``.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from typing import Final

from simgrant.domain.order import Device, Kind, Order, OrderState
from simgrant.errors import Overloaded
from simgrant.flows.answer import handle_of, page_of
from simgrant.flows.esim_means import Asking, Line
from simgrant.flows.operations.operation import Done, Means, Refused, Task
from simgrant.identities import Iccid
from simgrant.nouns import replace
from simgrant.spec.ids import AppId, OperationResult, OperationType
from simgrant.wire.document import Item, Parm

ORDER: Final = "order"
PLAN: Final = "plan"
NOT_ENABLED: Final = "not_enabled"
ERROR: Final = "error"
"""What a handle may be about; the order's identifier, or a reason, comes after it, and after the
order's whose plan is to be changed the plan that it has."""
SELECTS: Final = "selects"
"""After the order's: the device left open which line it is to get."""
_TRANSFER: Final = str(int(OperationType.TRANSFER))
OLD_COMPANION: Final = (
    "old_companion_terminal_iccid",
    "old_terminal_iccid",
    "old_companion_terminal_id",
)
"""What says which companion another takes the place of."""
_IN_USE: Final = frozenset({OrderState.RELEASED, OrderState.ACTIVE, OrderState.INACTIVE})
_SECONDS: Final = "1"


def asks(
    task: Task,
    line: Line,
    kind: Kind,
    *,
    device: Device,
    old: Iccid | None,
    former: Mapping[str, Order],
) -> bool:
    """Say whether the subscriber is asked on a page before this is ordered."""
    if selects_companion(task):
        return line.asking is not Asking.NEVER
    return line.asks(
        kind,
        plan=not task.ask.value("plan_id").strip(),
        service=not task.ask.value("companion_terminal_service"),
        line=old is None and bool(movable(former, device)),
    )


def movable(orders: Mapping[str, Order], device: Device) -> tuple[Order, ...]:
    """Return the orders whose lines may move to a device: those that others use."""
    return tuple(
        order
        for order in orders.values()
        if order.iccid is not None
        and order.state in _IN_USE
        and order.device.terminal_id != device.terminal_id
    )


def order_page(task: Task, means: Means, order: Order) -> tuple[Item, ...]:
    """Return where the subscriber goes on (TS.43 §6.5.3)."""
    about = order_about(order)
    if SELECTS not in about and order.old_iccid is None and selects_companion(task):
        about = (*about, SELECTS)
    return _posted("SubscriptionService", task, means, about)


def order_about(order: Order) -> tuple[str, ...]:
    """Return what the handle of an order's page says."""
    selects = (order.selects or order.kind is Kind.TRANSFER) and order.old_iccid is None
    return (ORDER, order.order_id, *((SELECTS,) if selects else ()))


def plan_page(task: Task, means: Means, line: Line, order: Order) -> tuple[Item, ...]:
    """Return where the subscriber chooses another plan; nothing where there is none."""
    if not line.plans_instead(order):
        return ()
    return _posted("SubscriptionService", task, means, (PLAN, order.order_id, order.plan))


def not_enabled(task: Task, means: Means, line: Line, reason: str) -> tuple[Item, ...]:
    """Return where the subscriber reads why it is not to be had now (TS.43 §6.5.2)."""
    if line.asking is Asking.NEVER:
        return ()
    return _posted("NotEnabled", task, means, (NOT_ENABLED, reason))


def polling(task: Task, means: Means) -> tuple[Item, ...]:
    """Return when a device asks again whether it is eligible; nothing if it has asked too often.

    There is no order yet that could count, so each worker counts for itself.
    """
    key = (task.tenant.name, task.subscription.imsi.digits, task.holder.terminal_id)
    try:
        means.esim.polls.take(key, now=task.at)
    except Overloaded:
        return ()
    interval = means.esim.esims[task.tenant.name].longest_polling_s
    return (Parm("PollingInterval", str(interval)), Parm("PollingIntervalUnit", _SECONDS))


def with_error_page(task: Task, means: Means, outcome: Done | Refused) -> Done | Refused:
    """Return an outcome with the page that says what went wrong (TS.43 §6.5.1).

    It has no ContentsType, so the handle goes into an address: such a handle can do nothing.
    """
    line = means.esim.esims[task.tenant.name].lines.get(task.app_id)
    if (
        not isinstance(outcome, Refused)
        or outcome.result is not OperationResult.GENERAL_ERROR
        or line is None
        or line.asking is Asking.NEVER
    ):
        return outcome
    url, handle = _page(task, means, (ERROR, ""))
    page = (Parm("GeneralErrorURL", url), Parm("GeneralErrorUserData", f"flow={handle}"))
    return replace(outcome, items=(*outcome.items, *page))


def selects_companion(task: Task) -> bool:
    """Say whether a line is to come from another companion, and it is not said which (§7.6)."""
    value = task.ask.value
    return (
        task.app_id == AppId.ODSA_COMPANION
        and value("operation_type") == _TRANSFER
        and not any(map(value, OLD_COMPANION))
    )


def _posted(name: str, task: Task, means: Means, about: tuple[str, ...]) -> tuple[Item, ...]:
    url, handle = _page(task, means, about)
    data = b64encode(b'{"flow":"%b"}' % handle.encode()).decode()
    return (
        Parm(f"{name}URL", url),
        Parm(f"{name}UserData", f"encodedValue={data}"),
        Parm(f"{name}ContentsType", "json"),
    )


def _page(task: Task, means: Means, about: tuple[str, ...]) -> tuple[str, str]:
    """Return a page's address, and the handle that opens it."""
    portal = means.esim.portals[task.tenant.name]
    handle = handle_of(
        portal,
        task.app_id,
        task.subscription,
        task.holder.terminal_id,
        ring=means.keys.ring,
        now=task.at,
        about=about,
    )
    return page_of(portal, task.app_id), handle
