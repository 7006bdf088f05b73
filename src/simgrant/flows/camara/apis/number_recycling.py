"""Whether a number has become another person's since a day (CAMARA number-recycling 0.2)."""

from __future__ import annotations

from datetime import date
from typing import Final

from simgrant.flows.camara.api import Answer, Content, Handler, Task, read_api
from simgrant.flows.camara.bodies import OfNumber, end_of
from simgrant.flows.camara.problem import Code, Problem


class CheckNumberRecycling(OfNumber, kw_only=True):
    """Since which day."""

    specified_date: date


class NumberRecyclingInfo(Content, frozen=True, kw_only=True):
    """Whether."""

    phone_number_recycled: bool


async def check(task: Task) -> Answer:
    """Say whether somebody else had the number on that day, or nobody."""
    ends = end_of(task.body.specified_date, now=task.now)
    since = await task.facts.number_since(task.line, task.asking)
    # On the day on which he got it, it was his.
    recycled = since.at >= ends
    if recycled and not since.known:
        raise Problem(
            Code.SERVICE_NOT_APPLICABLE, "It is not known for so long", reason="owner_not_known"
        )
    return Answer(NumberRecyclingInfo(phone_number_recycled=recycled))


API: Final = read_api(
    __package__,
    "number_recycling",
    {"checkNumberRecycling": Handler(check, CheckNumberRecycling, NumberRecyclingInfo)},
)
