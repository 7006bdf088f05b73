"""VerifyPhoneNumber: whether a number is that of the SIM that was proved (TS.43 §13.2, 14.1.7).

Whoever asks learns yes or no about the number he has, and nothing of the right one.
"""

from __future__ import annotations

import hmac

from simgrant.flows.operations.operation import (
    Done,
    Means,
    Refused,
    Task,
    from_table,
    without_number,
)
from simgrant.identities import InvalidIdentity, Msisdn
from simgrant.spec.ids import OperationResult
from simgrant.wire.document import Parm

_NO, _YES = Parm("PhoneNumberVerification", "0"), Parm("PhoneNumberVerification", "1")


async def run(task: Task, means: Means) -> Done | Refused:
    """Compare both numbers in E.164 form; another number is an answer, not an error."""
    given = task.ask.value("msisdn")
    try:
        number = Msisdn(given)
    except InvalidIdentity:
        return Refused(OperationResult.INVALID_PARAMETER, "msisdn is not in E.164 form")
    own = await means.number(task.subscription)
    if own is None:
        return without_number(task)
    if hmac.compare_digest(number.e164, own.e164):
        return Done((_YES, Parm("msisdn", given)))
    return Done((_NO,), wrong_guess=True)


OPERATION = from_table(__name__, run)
