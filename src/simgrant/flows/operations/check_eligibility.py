"""CheckEligibility: whether a device may have an eSIM of this application (TS.43 §6.5.2)."""

from __future__ import annotations

from collections.abc import Iterable

from simgrant.domain.order import Kind
from simgrant.domain.policy import Result
from simgrant.flows import enterprise, esim, esim_pages
from simgrant.flows.esim_rules import Target, Weighed, learn, weigh
from simgrant.flows.operations.operation import Done, Means, Refused, Task, from_table
from simgrant.nouns import replace
from simgrant.spec.ids import AppId, Eligibility
from simgrant.wire.document import Item, Parm

_NAME = {
    AppId.ODSA_COMPANION: "CompanionAppEligibility",
    AppId.ODSA_PRIMARY: "PrimaryAppEligibility",
}
_KINDS = {
    AppId.ODSA_COMPANION: (Kind.SUBSCRIBE,),
    AppId.ODSA_PRIMARY: (Kind.SUBSCRIBE, Kind.TRANSFER),
}
"""What may come of it; the request does not say. Companions are transferred as they are got, and
who recovers a profile has been told that he may have one."""
_BEST_FIRST = (Eligibility.ENABLED, Eligibility.DISABLED, Eligibility.INCOMPATIBLE)


async def run(task: Task, means: Means) -> Done | Refused:
    """Say whether the application may be offered; of a companion, whose numbers it may have.

    It may be where the rules let anything that can come of it, and is judged as that will be. What
    a limit is against is told as "disabled", not "incompatible": that changes by itself.
    """
    app_id, line = AppId(task.app_id), esim.line_of(task, means)
    if line is None:
        return _told(app_id, Eligibility.INCOMPATIBLE, (), Done(detail="not_offered"))
    try:
        # Figures ask before they know the companion; then the phone is looked at.
        prefix = esim.prefix_of(task)
        device = esim.device_in(task, prefix) if task.ask.value(f"{prefix}_id").strip() else None
        if device is not None:
            esim.look_at(Target(device, Kind.SUBSCRIBE), line, task, means)
    except esim.BadParameter as error:
        return esim.bad_parameter(error)
    former = await esim.orders(task, means)
    known = await learn(task, means.esim, line, device)
    weighed = {
        kind: weigh(task, means.esim, line, Target(device, kind, beforehand=True), former, known)
        for kind in _KINDS[app_id]
    }
    best = weighed[Kind.SUBSCRIBE]
    if not best.limited:
        best = min(weighed.values(), key=lambda each: _BEST_FIRST.index(_status(each)))
    status, detail = _status(best), _why(best, weighed.items())
    items: tuple[Item, ...] = ()
    if status is Eligibility.DISABLED:
        items = esim_pages.not_enabled(task, means, line, detail)
        if app_id is AppId.ODSA_PRIMARY:
            items += esim_pages.polling(task, means)
    done = Done(items, detail=detail, verdict=best.verdict, times=best.times)
    return _told(app_id, status, line.services, done)


def _status(weighed: Weighed) -> Eligibility:
    match weighed.result:
        case Result.ALLOWED | Result.STEP_UP:
            return Eligibility.ENABLED
        case Result.PENDING:
            return Eligibility.DISABLED
    return Eligibility.DISABLED if weighed.limited else Eligibility.INCOMPATIBLE


def _why(best: Weighed, weighed: Iterable[tuple[Kind, Weighed]]) -> str:
    """Return for the record why not, or what else would not be done."""
    if _status(best) is not Eligibility.ENABLED:
        return best.reason
    others = (
        f"{kind}: {each.reason}" for kind, each in weighed if each.result is not Result.ALLOWED
    )
    return ", ".join(others)


def _told(app_id: AppId, status: Eligibility, services: Iterable[str], done: Done) -> Done:
    items: list[Item] = [Parm(_NAME[app_id], str(int(status)))]
    if app_id is AppId.ODSA_COMPANION:
        items.append(Parm("CompanionDeviceServices", ",".join(services)))
    return replace(done, items=(*items, *done.items))


OPERATION = from_table(
    __name__, run, for_requestor=enterprise.operation(enterprise.check_eligibility)
)
