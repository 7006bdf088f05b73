"""GetSubscriberDeviceInfo: number and perhaps IMSI, to the holder of an operator token.

TS.43 §14.1.6. The number is what the token's scopes ask for; the IMSI only where the tenant
wants it told.
"""

from __future__ import annotations

from simgrant.flows.operations.operation import (
    Done,
    Means,
    Refused,
    Task,
    from_table,
    without_number,
)
from simgrant.wire.document import Item, Parm


async def run(task: Task, means: Means) -> Done | Refused:
    """Tell what the tenant allows to be told."""
    number = await means.number(task.subscription)
    if number is None:
        return without_number(task)
    items: list[Item] = [Parm("MSISDN", number.e164)]
    if means.offers[task.tenant.name].tells_imsi:
        items.append(Parm("IMSI", task.subscription.imsi.digits))
    return Done(tuple(items))


OPERATION = from_table(__name__, run)
