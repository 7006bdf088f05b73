"""Whether somebody has been a customer since a day (CAMARA kyc-tenure 0.2)."""

from __future__ import annotations

from datetime import date
from typing import Final

import msgspec

from simgrant.flows.camara.api import Answer, Content, Handler, Task, read_api
from simgrant.flows.camara.bodies import OfNumber, end_of
from simgrant.flows.camara.problem import Code, Problem

_CONTRACTS: Final = {True: "PAYG", False: "PAYM"}
"""By whether a line is prepaid."""


class Tenure(OfNumber, kw_only=True):
    """Since which day."""

    tenure_date: date


class TenureInfo(Content, frozen=True, kw_only=True):
    """Whether."""

    tenure_date_check: bool
    contract_type: str | msgspec.UnsetType = msgspec.UNSET


async def check(task: Task) -> Answer:
    """Say whether the line's owner was a customer on that day and has been since."""
    ends = end_of(task.body.tenure_date, now=task.now)
    facts = task.facts
    since = await facts.customer_since(task.line, task.asking)
    held = since.at < ends
    if not (held or since.known):
        raise Problem(
            Code.SERVICE_NOT_APPLICABLE, "It is not known for so long", reason="owner_not_known"
        )
    prepaid = (await facts.told(task.line, task.asking)).prepaid
    contract = msgspec.UNSET if prepaid is None else _CONTRACTS[prepaid]
    return Answer(TenureInfo(tenure_date_check=held, contract_type=contract))


API: Final = read_api(
    __package__, "kyc_tenure", {"checkTenure": Handler(check, Tenure, TenureInfo)}
)
