"""ValidateOperatorToken: whether an operator token is good for a client and scopes (TS.43 §14.1.6).

A token that is no good never comes this far: the flow says so in the same words.
"""

from __future__ import annotations

from simgrant.flows.operations.operation import Done, Means, Refused, Task, from_table
from simgrant.spec.ids import OperationResult
from simgrant.wire.document import Parm

INVALID = Done((Parm("OperatorTokenValidity", "0"),))
"""What is said of a token that is not good."""


async def run(task: Task, _means: Means) -> Done | Refused:
    """Compare what was given of client_id and scope with what the token is bound to."""
    client_id, scope = task.ask.value("client_id"), task.ask.value("scope").lower()
    checked = [name for name, value in (("scope", scope), ("client_id", client_id)) if value]
    if not checked:
        return Refused(OperationResult.INVALID_PARAMETER, "neither client_id nor scope was given")
    lent = task.lent
    if lent is None or (client_id and client_id != lent.client_id):
        return INVALID
    if not set(scope.split()) <= set(lent.scope.split()):
        return INVALID
    return Done(
        (
            Parm("OperatorTokenValidity", "1"),
            Parm("OperatorTokenValidatedParams", ",".join(checked)),
        )
    )


OPERATION = from_table(__name__, run)
