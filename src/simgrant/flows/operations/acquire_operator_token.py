"""AcquireOperatorToken: a token by which an app's server is known to act for it (TS.43 §14.1).

Only for an app that proved itself: by an access_token of its client, here or when the temporary
token was acquired, unless the operator asks no such proof of this partner.
"""

from __future__ import annotations

import os

from simgrant.domain.partner import Partner
from simgrant.flows.lent_tokens import TOKEN_ID_BYTES, Lent, push_lent
from simgrant.flows.operations.operation import Done, Means, Refused, Task, from_table
from simgrant.flows.tokens import MAX_TEXT
from simgrant.keyring.ring import NONCE_BYTES, Purpose
from simgrant.spec.ids import OperationResult
from simgrant.wire.document import Item, Parm
from simgrant.wire.instant import utc

_MOST_SCOPE = 512


async def run(task: Task, means: Means) -> Done | Refused:
    """Grant the operations that the scopes name, as far as the partner may have them."""
    client_id, scope = task.ask.value("client_id"), " ".join(task.ask.value("scope").split())
    partner = means.partner(task.tenant.name, client_id)
    if partner is None:
        return Refused(OperationResult.GENERAL_ERROR, "client_id is no partner's")
    proved = {task.client_id, task.lent.client_id if task.lent else ""}
    if partner.needs_access_token and client_id not in proved:
        return Refused(OperationResult.GENERAL_ERROR, "no access_token proved the app")
    if len(scope) > _MOST_SCOPE:
        return Refused(OperationResult.INVALID_PARAMETER, "scope is too long")
    granted = _granted(scope, partner, task, means)
    if not granted:
        return Refused(OperationResult.GENERAL_ERROR, "scope names nothing that is granted")
    offer = means.offers[task.tenant.name]
    expires = task.at + offer.operator_life_s
    lent = Lent(
        token_id=os.urandom(TOKEN_ID_BYTES),
        imsi=task.subscription.imsi,
        terminal_id=task.holder.terminal_id,
        client=task.holder.client,
        app_id=task.app_id,
        operations=granted,
        requestor="",
        client_id=client_id,
        scope=scope.lower(),
        single_use=False,
        issued=task.at,
        expires=expires,
        epoch=task.subscription.token_epoch,
        terminal_epoch=task.holder.terminal_epoch,
    )
    nonce = os.urandom(NONCE_BYTES)
    token = push_lent(
        Purpose.OPERATOR_TOKEN, lent, means.keys.ring, task.tenant.name, nonce=nonce, now=task.at
    )
    if len(token) > MAX_TEXT:
        return Refused(OperationResult.INVALID_PARAMETER, "the names in it are too long")
    items: list[Item] = [
        Parm("OperatorToken", token),
        Parm("OperatorTokenExpiry", utc(expires)),
    ]
    if offer.auth_url:
        items.append(Parm("OperatorTokenAuthURL", offer.auth_url))
    return Done((*items, Parm("ClientID", client_id)))


def _granted(scope: str, partner: Partner, task: Task, means: Means) -> tuple[str, ...]:
    """Return the names of the operations that any of the scopes opens."""
    asked = set(scope.lower().split())
    withheld = means.offers[task.tenant.name].withheld
    found = {
        operation.name
        for operation in means.operations.values()
        if not asked.isdisjoint(operation.scopes)
        and operation.name not in withheld
        and partner.may(operation.name)
    }
    return tuple(sorted(found))


OPERATION = from_table(__name__, run)
