"""Get3PAppInfo: a name for the app that an app token is of, which tells not who it is.

TS.43 §14.2. The app's server makes the token, a JWT that names it, is over in minutes and is good
once; a device asks with it what it may show its user.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from simgrant.domain.partner import Partner
from simgrant.flows.operations.operation import Done, Means, Refused, Task, from_table
from simgrant.flows.tokens import encode
from simgrant.ports.store import TokenState, TokenUse
from simgrant.spec.ids import OperationResult
from simgrant.wire.document import Parm
from simgrant.wire.jwt import SIGNED_OR_SHARED, BadJwt, Wanted, issuer_of, pull_jwt, pull_keys

_LONGEST_S = 600
_MOST_JTI = 128


async def run(task: Task, means: Means) -> Done | Refused:
    """Consume the app token, and tell the name that this tenant's devices know the app by."""
    tenant, text = task.tenant.name, task.ask.value("app_token")
    partner = means.partner(tenant, issuer_of(text)) if means.partners[tenant] else None
    if partner is None or not partner.app_key:
        return _no("the app token names no partner that makes any")
    if not partner.may(OPERATION.name):
        return _no("the partner may not have this")
    try:
        claims = _claims(text, partner, task.at)
    except BadJwt as error:
        return _no(f"the app token is {error}")
    client_id, jti, expires = claims["iss"], claims["jti"], int(claims["exp"]) + 60
    token_id = hashlib.sha256(f"{client_id}\0{jti}".encode()).digest()
    use = TokenUse(TokenState.CONSUMED, task.at, expires)
    # Of no subscription: it is good once, whichever device brings it.
    if not await means.store.use_token(tenant, None, token_id, use, expected=None):
        return _no("the app token was used before")
    name = means.keys.ring.derive(tenant, "3p_app", partner.name, 12)
    return Done((Parm("3PAppNameAnon", encode(name)),))


def _claims(text: str, partner: Partner, now: int) -> Mapping[str, Any]:
    wanted = Wanted(partner.client_ids, longest_s=_LONGEST_S)
    keys = pull_keys(partner.app_key)
    claims = pull_jwt(text, keys, wanted, algorithms=SIGNED_OR_SHARED, now=now)
    jti = claims.get("jti")
    if not (isinstance(jti, str) and 0 < len(jti) <= _MOST_JTI):
        raise BadJwt("without a jti")
    if claims.get("sub", claims["iss"]) != claims["iss"]:
        raise BadJwt("of another subject")
    return claims


def _no(detail: str) -> Refused:
    return Refused(OperationResult.INVALID_PARAMETER, detail)


OPERATION = from_table(__name__, run)
