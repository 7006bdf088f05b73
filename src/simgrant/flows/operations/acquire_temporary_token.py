"""AcquireTemporaryToken: a token for a third party, good for named operations (TS.43 §6.4.6).

Nothing is written: the token says all that it is bound to, and a row about it begins with its
first use (``flows.by_lent_token``). So a device may acquire as many as it likes at no cost to
the store. That of ``ap2009`` is for the phone that the line is to move to (TS.43 §8.9).
"""

from __future__ import annotations

import os

from simgrant.domain.order import Kind
from simgrant.domain.policy import Result
from simgrant.domain.risk import Way
from simgrant.flows import esim, transfers
from simgrant.flows.esim_rules import Target, learn, weigh
from simgrant.flows.lent_tokens import TOKEN_ID_BYTES, Lent, push_lent
from simgrant.flows.operations.operation import Done, Means, Proof, Refused, Task, from_table
from simgrant.flows.tokens import MAX_TEXT
from simgrant.keyring.ring import NONCE_BYTES, Purpose
from simgrant.nouns import replace
from simgrant.spec.ids import AppId, OperationResult
from simgrant.wire.document import Item, Parm
from simgrant.wire.instant import utc

_MOST_REQUESTOR = 128


async def run(task: Task, means: Means) -> Done | Refused:
    """Grant what of the targets may be lent here, and say which that is.

    The expiry is told with a refusal too, since Android's library fails on its absence
    (divergence "expiry-with-refusal").
    """
    now: Item = Parm("TemporaryTokenExpiry", utc(task.at))
    offer = means.offers[task.tenant.name]
    granted: dict[str, None] = {}
    for target in _targets(task):
        operation = means.operation(target)
        if operation is None:
            return Refused(OperationResult.INVALID_PARAMETER, "a target is no operation", (now,))
        if Proof.TEMPORARY_TOKEN not in operation.proofs.get(task.app_id, ()):
            continue
        if operation.name not in offer.withheld:
            granted[operation.name] = None
    if not granted:
        return Refused(OperationResult.GENERAL_ERROR, "no target may be lent here", (now,))
    moves_line = task.app_id == AppId.ODSA_PRIMARY
    if moves_line and (refusal := await _not_to_be_moved(task, means)):
        return replace(refusal, items=(now,))
    requestor = task.ask.value("requestor_id").lower()
    expires = task.at + (offer.transfer_life_s if moves_line else offer.temporary_life_s)
    lent = Lent(
        token_id=os.urandom(TOKEN_ID_BYTES),
        imsi=task.subscription.imsi,
        terminal_id=task.holder.terminal_id,
        client=task.holder.client,
        app_id=task.app_id,
        operations=tuple(granted),
        requestor=requestor,
        client_id=task.client_id,
        scope="",
        single_use=offer.single_use and not moves_line,
        issued=task.at,
        expires=expires,
        epoch=task.subscription.token_epoch,
        terminal_epoch=task.holder.terminal_epoch,
        signed_in=task.signed_in if moves_line else Way.SIM,
        signed_in_at=task.signed_in_at if moves_line and task.signed_in is not Way.SIM else 0,
    )
    nonce = os.urandom(NONCE_BYTES)
    token = push_lent(
        Purpose.TEMPORARY_TOKEN, lent, means.keys.ring, task.tenant.name, nonce=nonce, now=task.at
    )
    if len(requestor) > _MOST_REQUESTOR or len(token) > MAX_TEXT:
        return Refused(OperationResult.INVALID_PARAMETER, "the names in it are too long", (now,))
    return Done(
        (
            Parm("TemporaryToken", token),
            Parm("TemporaryTokenExpiry", utc(expires)),
            Parm("OperationTargets", ",".join(granted)),
        )
    )


async def _not_to_be_moved(task: Task, means: Means) -> Done | Refused | None:
    """Return why a line is not to be moved, None where it may be (TS.43 §8.9).

    Where its holder has to sign in for that, it is here: with the token nobody can. All else is
    judged once the new phone is known.
    """
    line = esim.line_of(task, means)
    if line is None:
        return Refused(OperationResult.GENERAL_ERROR, "not_offered")
    try:
        iccid = esim.iccid_in(task, "terminal_iccid")
        there = await esim.orders(task, means)
        await transfers.is_ours(task, means, iccid, there)
    except esim.BadParameter as error:
        return esim.bad_parameter(error)
    target = Target(None, Kind.TRANSFER, iccid, beforehand=True)
    known = await learn(task, means.esim, line, None, kind=target.kind, old_iccid=iccid)
    weighed = weigh(task, means.esim, line, target, there, known)
    return esim.refused(task, means, weighed) if weighed.result is Result.STEP_UP else None


def _targets(task: Task) -> list[str]:
    """Return the targets asked for: a list with commas, an array, or the figure's misspelling."""
    names = ("operation_targets", "operation_target")
    listed = [value for name, value in task.ask.parameters if name in names]
    return [target.strip() for value in listed for target in value.split(",") if target.strip()]


OPERATION = from_table(__name__, run)
