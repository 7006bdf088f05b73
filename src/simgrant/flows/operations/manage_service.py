"""ManageService: the service on a device goes on or off (TS.43 §6.5.4)."""

from __future__ import annotations

from collections.abc import Mapping

from simgrant.domain.order import Activated, Deactivated, OutOfOrder
from simgrant.errors import Conflict
from simgrant.flows import esim
from simgrant.flows.operations.operation import Done, Means, Refused, Task, from_table
from simgrant.spec.ids import AppId, OperationResult, OperationType

_EVENTS: Mapping[str, type[Activated | Deactivated]] = {
    str(int(OperationType.ACTIVATE_SERVICE)): Activated,
    str(int(OperationType.DEACTIVATE_SERVICE)): Deactivated,
}


async def run(task: Task, means: Means) -> Done | Refused:
    """Switch the service of one profile, and say how it is then."""
    event = _EVENTS.get(task.ask.value("operation_type"))
    if event is None:
        return Refused(OperationResult.INVALID_OPERATION, "operation_type")
    wanted = ("companion_terminal_service",) if task.app_id == AppId.ODSA_COMPANION else ()
    try:
        doubts = esim.look_for(wanted, task, means)
        iccid = esim.iccid_in(
            task, "companion_terminal_iccid", "target_terminal_iccid", "terminal_iccid"
        )
    except esim.BadParameter as error:
        return esim.bad_parameter(error)
    for order in (await esim.orders(task, means)).values():
        if iccid is not None and order.iccid == iccid:
            break
    else:
        return Refused(OperationResult.INVALID_PARAMETER, "no profile of this line is meant")
    try:
        now = await esim.switched(task, means, order, event)
    except OutOfOrder as error:
        return Refused(OperationResult.INVALID_OPERATION, str(error))
    except Conflict as error:
        return Refused(OperationResult.GENERAL_ERROR, error.reason)
    return esim.noted(esim.service_status(now), doubts)


OPERATION = from_table(__name__, run)
