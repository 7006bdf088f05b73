"""When a number got another SIM (CAMARA sim-swap 2.1): an activation counts as well."""

from __future__ import annotations

from typing import Final

import msgspec

from simgrant.flows.camara.api import Answer, Content, Handler, Task, read_api
from simgrant.flows.camara.bodies import OfAge, OfNumber, checked_age, told_change


class SimSwapInfo(Content, frozen=True, kw_only=True):
    """When."""

    latest_sim_change: str | None
    """None = not within the days that are told of."""
    monitored_period: int | msgspec.UnsetType = msgspec.UNSET
    """Days."""


class CheckSimSwapInfo(Content, frozen=True, kw_only=True):
    """Whether."""

    swapped: bool


async def retrieve_date(task: Task) -> Answer:
    """Return when the SIM became the number's."""
    changed = await task.facts.sim_changed_at(task.line, task.asking)
    date, days = told_change(changed, monitored_d=task.rules.monitored_sim_d, now=task.now)
    return Answer(SimSwapInfo(latest_sim_change=date, monitored_period=days))


async def check(task: Task) -> Answer:
    """Say whether that was within the hours that are asked about."""
    age_s = checked_age(task.body, monitored_d=task.rules.monitored_sim_d)
    changed = await task.facts.sim_changed_at(task.line, task.asking)
    return Answer(CheckSimSwapInfo(swapped=changed > task.now - age_s))


API: Final = read_api(
    __package__,
    "sim_swap",
    {
        "retrieveSimSwapDate": Handler(retrieve_date, OfNumber, SimSwapInfo),
        "checkSimSwap": Handler(check, OfAge, CheckSimSwapInfo),
    },
)
