"""CheckEligibility: whether a device may have an eSIM of this application (TS.43 §6.5.2)."""

from __future__ import annotations

from simgrant.domain.order import OrderState
from simgrant.domain.policy import Result
from simgrant.flows import enterprise, esim, esim_pages
from simgrant.flows.gather import device_of
from simgrant.flows.operations.operation import Done, Means, Refused, Task, from_table
from simgrant.spec.ids import AppId, Eligibility
from simgrant.wire.document import Item, Parm

_NAME = {
    AppId.ODSA_COMPANION: "CompanionAppEligibility",
    AppId.ODSA_PRIMARY: "PrimaryAppEligibility",
}


async def run(task: Task, means: Means) -> Done | Refused:
    """Say whether the application may be offered; of a companion, whose numbers it may have.

    Who has as many devices as he may is told "disabled", not "incompatible": that changes when he
    gives one up.
    """
    app_id, line = AppId(task.app_id), esim.line_of(task, means)
    status, detail = Eligibility.ENABLED, ""
    if line is None:
        status, detail = Eligibility.INCOMPATIBLE, "not_offered"
    else:
        try:
            device = esim.device_fact(esim.device_in(task, "companion_terminal"))
        except esim.BadParameter:
            # Figures ask before they know the companion; then the phone is looked at.
            device = device_of(task.ask.terminal)
        decision = esim.decide(task, means, device)
        if decision.result is Result.DENIED:
            status, detail = Eligibility.INCOMPATIBLE, decision.reason
        elif decision.result is Result.PENDING:
            status, detail = Eligibility.DISABLED, decision.reason
        elif task.lent is None:  # What moves the line is no further device.
            live = (await esim.orders(task, means)).values()
            if sum(order.state is not OrderState.ENDED for order in live) >= line.most:
                status, detail = Eligibility.DISABLED, "too_many_devices"
    items: list[Item] = [Parm(_NAME[app_id], str(int(status)))]
    if app_id is AppId.ODSA_COMPANION:
        services = line.services if line is not None else ()
        items.append(Parm("CompanionDeviceServices", ",".join(services)))
    if status is Eligibility.DISABLED and line is not None:
        items += esim_pages.not_enabled(task, means, line, detail)
        if app_id is AppId.ODSA_PRIMARY:
            items += esim_pages.polling(task, means)
    return Done(tuple(items), detail=detail)


OPERATION = from_table(
    __name__, run, for_requestor=enterprise.operation(enterprise.check_eligibility)
)
