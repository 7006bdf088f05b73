"""eSIM orders and their history as plain data, for operators and for whoever they are about.

ICCIDs, EIDs and names are in clear here, so this is for the management plane alone; what would
let somebody download the profile, the matching id, is left out.
"""

from __future__ import annotations

from typing import Any

from simgrant.domain.order import Order
from simgrant.flows.moments import moment
from simgrant.ports.orders import Passed


def order_data(order: Order) -> dict[str, Any]:
    """Return an order."""
    return {
        "order": order.order_id,
        "app": order.app_id,
        "kind": order.kind.value,
        "state": order.state.value,
        "todo": order.todo.value if order.todo else None,
        "awaits": order.awaits.value if order.awaits else None,
        "tries": order.tries,
        "iccid": order.iccid.digits if order.iccid else None,
        "eid": order.device.eid.digits if order.device.eid else None,
        "terminal_id": order.device.terminal_id,
        "name": order.device.name,
        "gone": order.gone,
        "old_iccid": order.old_iccid.digits if order.old_iccid else None,
        "inquiry": order.inquiry.value if order.inquiry else None,
        "plan": order.plan,
        "service": order.service.value if order.service else None,
        "mode": order.source.mode.value,
        "smdp": order.source.smdp,
        "profile_type": order.source.profile_type,
        "created_at": moment(order.created_at),
        "changed_at": moment(order.changed_at),
        "going": order.going.value if order.going else None,
        "reason": order.reason,
        "orphan": order.orphan,
    }


def passed_data(passed: Passed) -> dict[str, Any]:
    """Return one transition of an order."""
    return {
        "at": moment(passed.at),
        "order": passed.order_id,
        "event": passed.event,
        "before": passed.before,
        "after": passed.after,
        "todo": passed.todo,
        "reason": passed.reason,
    }
