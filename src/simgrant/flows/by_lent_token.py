"""A temporary or operator token says for whom somebody asks (TS.43 §2.8.6, §14.1.6).

What is wrong with the token itself is 401, what it is not good for is 403, and both say no more
(divergence "lent-token-statuses").
Whether a token for single use was used is judged by one row, which begins with its first use:
of two who come at once one wins, and a refusal on the way burns nothing. One that moves a line is
good until it has, and belongs to the first device that is shown with it: of two, one wins.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from simgrant.domain.partner import Partner
from simgrant.domain.subscription import SERVED, Profile
from simgrant.domain.tenant import Tenant
from simgrant.domain.trail import Trail
from simgrant.errors import BadLentToken, BadRequest, NotAllowed, Unauthenticated
from simgrant.flows.authenticate import Call, Reception
from simgrant.flows.camara.own_tokens import OwnTokens
from simgrant.flows.issuers import Issuers
from simgrant.flows.lent_tokens import Lent, pull_lent
from simgrant.flows.marks import is_other, named_mark
from simgrant.flows.operations.operation import Means, Operation, Proof
from simgrant.keyring.ring import Purpose
from simgrant.nouns import noun
from simgrant.ports.store import TokenState, TokenUse
from simgrant.wire.request import Ask

_PURPOSES = {
    Proof.TEMPORARY_TOKEN: Purpose.TEMPORARY_TOKEN,
    Proof.OPERATOR_TOKEN: Purpose.OPERATOR_TOKEN,
}


class Shown(NamedTuple):
    """A token that was opened, and whose it is; nothing is known yet of what became of it."""

    proof: Proof
    tenant: Tenant
    lent: Lent


@noun
class Borrower:
    """Whoever asks with a token that is good for what he asks."""

    proof: Proof
    tenant: Tenant
    lent: Lent
    profile: Profile
    client_id: str
    """The OAuth client that his access_token proves; empty without one."""
    at: int
    """Unix seconds."""
    held_for: bytes = b""
    """The mark of the device that the token belongs to; empty = of none yet."""


class ByLentToken:
    """Proves a subscription by a token that its device lent to somebody."""

    def __init__(
        self,
        reception: Reception,
        *,
        means: Means,
        issuers: Issuers,
        own: OwnTokens | None = None,
    ) -> None:
        """``own`` knows access tokens of ours; None = there are none."""
        self._own = own
        self._reception = reception
        self._store = reception.store
        self._means = means
        self._issuers = issuers

    def open(self, ask: Ask, call: Call, trail: Trail) -> Shown:
        """Return the token that came and whose it is; raise `BadLentToken`."""
        temporary, operator = ask.temporary_token, ask.value("operator_token")
        if temporary and operator:
            raise BadRequest("two_lent_tokens")
        proof = Proof.TEMPORARY_TOKEN if temporary else Proof.OPERATOR_TOKEN
        trail.leg = str(proof)
        reception = self._reception
        opened = pull_lent(
            _PURPOSES[proof], temporary or operator, reception.keys, now=reception.clock.now()
        )
        if opened is None:
            raise BadLentToken("lent_token_foreign")
        name, lent = opened
        try:
            tenant = reception.tenant_of(name, call)
        except Unauthenticated:
            raise BadLentToken("lent_token_of_another_tenant") from None
        reception.name(trail, tenant, lent.imsi, "")
        reception.name_source(trail, tenant, call.source)
        return Shown(proof, tenant, lent)

    async def admit(
        self, shown: Shown, operation: Operation, app_id: str, ask: Ask, call: Call, trail: Trail
    ) -> Borrower:
        """Return who asks, if the token, its owner and the tenant let him do that."""
        proof, tenant, lent = shown
        if app_id != lent.app_id:
            raise NotAllowed("lent_token_of_another_app")
        if proof not in operation.proofs.get(app_id, ()):
            raise NotAllowed("operation_not_by_this_token")
        good_for = {operation.name, *operation.implied_by}
        if good_for.isdisjoint(lent.operations) and not operation.asks_validity:
            raise NotAllowed("operation_not_of_token")
        requestor = ask.value("requestor_id").lower()
        if not (requestor or ask.terminal_id):
            raise BadRequest("no_requestor")
        if lent.requestor and requestor != lent.requestor:
            raise NotAllowed("lent_token_of_another_requestor")
        client_id = await self.client(tenant, ask, call, trail)
        if not lent.moves_line:  # Another phone asks then, and no partner.
            self._let_in(tenant, lent, requestor, operation, client_id)
        use = None
        if proof is Proof.TEMPORARY_TOKEN and not lent.single_use:
            use = await self._unspent(tenant, lent, trail)
        profile = await self._reception.timed(
            "store",
            self._store.profile(tenant.name, lent.imsi, lent.terminal_id, lent.client),
            trail,
        )
        if (
            profile is None
            or profile.subscription.status not in SERVED
            or profile.subscription.token_epoch != lent.epoch
            or not (_has_moved(use) or _is_current(profile, lent))
        ):
            raise BadLentToken("lent_token_revoked")
        now = int(self._reception.clock.now())
        held_for = b""
        if lent.moves_line:
            held_for = await self._hold(tenant, lent, use, ask, now, trail)
        return Borrower(proof, tenant, lent, profile, client_id, now, held_for)

    async def client(self, tenant: Tenant, ask: Ask, call: Call, trail: Trail) -> str:
        """Return the OAuth client that an access_token proves, empty where none came.

        One that nobody whom the tenant trusts has made proves nothing, and is refused; where the
        tenant trusts nobody, there is nothing to hold it against and it is not looked at.
        """
        token = ask.value("access_token")
        if token and self._own is not None:
            consumer = self._own.client(tenant.name, token)
            if consumer is not None:
                return consumer
        if not token or not self._issuers.trusted(tenant.name):
            return ""
        asked = self._issuers.client(tenant.name, token, deadline=call.deadline)
        return await self._reception.timed("issuer", asked, trail)

    def _let_in(
        self, tenant: Tenant, lent: Lent, requestor: str, operation: Operation, client_id: str
    ) -> None:
        """Refuse whoever the tenant has no contract with; without any partner it asks for none."""
        partners = self._means.partners[tenant.name]
        if not partners:
            return
        partner = _partner(partners, requestor, lent.client_id)
        if partner is None:
            raise NotAllowed("requestor_unknown")
        if not partner.may(operation.name):
            raise NotAllowed("operation_not_of_requestor")
        if client_id:
            if client_id not in partner.client_ids:
                raise NotAllowed("access_token_of_another")
        elif partner.needs_access_token:
            raise BadLentToken("no_access_token")

    async def consume(self, who: Borrower, ask: Ask, trail: Trail) -> None:
        """Make a token for single use useless; raise `BadLentToken` if somebody did so before.

        One that was redeemed for an access token is good once more, with that access token.
        """
        lent = who.lent
        if who.proof is not Proof.TEMPORARY_TOKEN or not lent.single_use:
            return
        holder = holder_of(ask.value("access_token"))
        use = TokenUse(TokenState.CONSUMED, who.at, lent.expires, holder)
        name, imsi, token_id = who.tenant.name, lent.imsi, lent.token_id
        write = self._store.use_token
        won = write(name, imsi, token_id, use, expected=None)
        if await self._reception.timed("store", won, trail):
            return
        if holder:
            won = write(name, imsi, token_id, use, expected=TokenState.REDEEMED)
            if await self._reception.timed("store", won, trail):
                return
        raise BadLentToken("lent_token_spent")

    async def redeem(self, tenant: Tenant, lent: Lent, access_token: str) -> bool:
        """Give a temporary token in exchange for an access token; say whether it was still whole.

        From then on, only whoever has that access token gets what the temporary token is for.
        """
        now = int(self._reception.clock.now())
        use = TokenUse(TokenState.REDEEMED, now, lent.expires, holder_of(access_token))
        return await self._store.use_token(
            tenant.name, lent.imsi, lent.token_id, use, expected=None
        )

    async def _unspent(self, tenant: Tenant, lent: Lent, trail: Trail) -> TokenUse | None:
        read = self._store.token_use(tenant.name, lent.imsi, lent.token_id)
        use = await self._reception.timed("store", read, trail)
        if use is not None and use.state is TokenState.CONSUMED:
            raise BadLentToken("lent_token_spent")
        return use

    async def _hold(
        self,
        tenant: Tenant,
        lent: Lent,
        use: TokenUse | None,
        ask: Ask,
        now: int,
        trail: Trail,
    ) -> bytes:
        """Return the mark of the device that a token belongs to; raise NotAllowed for another.

        It is written before anything is done with the token, so that whatever comes of this
        request, the next one with another device is refused (divergence
        "transfer-token-one-device").
        """
        named = named_mark(lent.token_id, ask)
        if use is None and named is not None:
            use = TokenUse(TokenState.BOUND, now, lent.expires, named)
            written = self._store.use_token(
                tenant.name, lent.imsi, lent.token_id, use, expected=None
            )
            if not await self._reception.timed("store", written, trail):
                use = await self._unspent(tenant, lent, trail)
        if use is None:
            return b""
        if is_other(lent.token_id, ask, use.holder):
            raise NotAllowed("lent_token_of_another_device")
        return use.holder


def _has_moved(use: TokenUse | None) -> bool:
    """Say whether the phone that lent a token has lost its own to what was done with that."""
    return use is not None and use.state is TokenState.MOVED


def _is_current(profile: Profile, lent: Lent) -> bool:
    """Say whether the phone that lent a token still has what it lent it on."""
    known = profile.granted_at is not None
    return known and (profile.terminal_epoch or 0) == lent.terminal_epoch


def holder_of(access_token: str) -> bytes:
    """Return what a row keeps of an access token; empty for none."""
    return hashlib.sha256(access_token.encode()).digest() if access_token else b""


def _partner(partners: tuple[Partner, ...], requestor: str, client_id: str) -> Partner | None:
    """Return the partner of that name; whoever gives none is the one that the token was made for.

    An operator token names its client, so a requestor that is another's partner is refused.
    """
    for partner in partners:
        named = requestor in partner.requestor_ids if requestor else client_id in partner.client_ids
        if named:
            return partner if not client_id or client_id in partner.client_ids else None
    return None
