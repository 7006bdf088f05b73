"""GetPhoneNumber: the number of the SIM that was proved (TS.43 §13.1)."""

from __future__ import annotations

from simgrant.flows.operations.operation import (
    Done,
    Means,
    Refused,
    Task,
    from_table,
    without_number,
)
from simgrant.wire.document import Parm


async def run(task: Task, means: Means) -> Done | Refused:
    """Tell the number in E.164 form; TS.43 asks for no entitlement of its own."""
    number = await means.number(task.subscription)
    if number is None:
        return without_number(task)
    return Done((Parm("MSISDN", number.e164),))


OPERATION = from_table(__name__, run)
