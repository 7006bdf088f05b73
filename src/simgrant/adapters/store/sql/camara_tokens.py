"""The port ``CamaraTokens`` over any ``Engine``: what access tokens are got for, with the SQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from simgrant.adapters.store.sql import statements
from simgrant.adapters.store.sql.engine import Body, Engine, Params, Run
from simgrant.adapters.store.sql.rows import from_token_use
from simgrant.adapters.store.sql.statements import change_unheld, guarded, purge, shard_of
from simgrant.domain.camara.questions import DAY_S
from simgrant.errors import Conflict
from simgrant.identities import Msisdn
from simgrant.ports.camara_tokens import (
    Assertion,
    Exchange,
    Exchanged,
    Question,
    RequestKind,
    RequestState,
    Temporary,
    UserRequest,
)
from simgrant.ports.store import TokenState, TokenUse

ASSERTION_KEPT: Final = """
INSERT INTO camara_assertion (tenant, client_id, jti, expires_at, shard)
VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT (tenant, client_id, jti) DO NOTHING RETURNING 1
"""
ASSERTION_THERE: Final = """
SELECT 1 FROM camara_assertion WHERE tenant = ?1 AND client_id = ?2 AND jti = ?3
"""
USE_BEGINS_BY: Final = """
INSERT INTO token_use (tenant, imsi, token_id, state, holder, at, expires_at, shard)
SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8 WHERE NOT EXISTS (
    SELECT 1 FROM camara_assertion WHERE tenant = ?1 AND client_id = ?9 AND jti = ?10
)
ON CONFLICT (tenant, imsi, token_id) DO NOTHING
RETURNING 1
"""
# One that came in at the same moment is an error, which undoes what was done before it.
ASSERTION_FOLLOWS: Final = """
INSERT INTO camara_assertion (tenant, client_id, jti, expires_at, shard)
SELECT ?1, ?9, ?10, ?11, ?12 WHERE true
"""
TEMPORARY_EXCHANGED: Final = guarded(USE_BEGINS_BY, ASSERTION_FOLLOWS)
"""A temporary token for a consumer's assertion, which is nearly every exchange: one journey."""
_COLUMNS: Final = "request_id, kind, client_id, state, body, expires_at, poll_from, interval_s"
REQUEST_MADE: Final = f"""
INSERT INTO camara_request (tenant, {_COLUMNS}, shard)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
ON CONFLICT (tenant, request_id) DO NOTHING RETURNING 1
"""  # noqa: S608 - of our own words
REQUEST: Final = f"""
SELECT {_COLUMNS} FROM camara_request WHERE tenant = ?1 AND request_id = ?2
"""  # noqa: S608 - of our own words
REQUEST_SETTLED: Final = """
UPDATE camara_request SET state = ?3, body = ?4
WHERE tenant = ?1 AND request_id = ?2 AND state = ?5 AND expires_at > ?6 RETURNING 1
"""
REQUEST_USED: Final = """
UPDATE camara_request SET state = ?3
WHERE tenant = ?1 AND request_id = ?2 AND state = ?4 RETURNING 1
"""
REQUEST_POLLED: Final = """
UPDATE camara_request SET poll_from = ?3, interval_s = ?4
WHERE tenant = ?1 AND request_id = ?2 RETURNING 1
"""
_QUESTION: Final = "msisdn, request_id, proof, open_until, asked, quiet_until"
QUESTION: Final = f"""
SELECT {_QUESTION} FROM camara_question WHERE tenant = ?1 AND msisdn = ?2
"""  # noqa: S608 - of our own words
# Whoever asks has looked at what was asked before: of two who did, one asks.
QUESTION_ASKED: Final = f"""
INSERT INTO camara_question (tenant, {_QUESTION}, tries, expires_at, shard)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, ?8, ?9)
ON CONFLICT (tenant, msisdn) DO UPDATE SET
    request_id = excluded.request_id, proof = excluded.proof, open_until = excluded.open_until,
    asked = excluded.asked, quiet_until = excluded.quiet_until, tries = excluded.tries,
    expires_at = excluded.expires_at
WHERE camara_question.request_id = ?10
RETURNING 1
"""  # noqa: S608 - of our own words
QUESTION_TRIED: Final = """
UPDATE camara_question SET tries = tries + 1
WHERE tenant = ?1 AND msisdn = ?2 AND request_id = ?3 AND tries < ?4 RETURNING 1
"""
QUESTION_CLOSED: Final = """
UPDATE camara_question SET open_until = 0, quiet_until = ?4, expires_at = ?5
WHERE tenant = ?1 AND msisdn = ?2 AND request_id = ?3 RETURNING 1
"""
QUESTION_OVER: Final = """
UPDATE camara_question SET open_until = 0
WHERE tenant = ?1 AND msisdn = ?2 AND request_id = ?3 AND open_until > 0 RETURNING 1
"""
# By the time until which it is kept, a day or more after it was asked, since there is an index.
QUESTIONS_OVER: Final = change_unheld(
    "UPDATE camara_question SET open_until = 0",
    key="tenant, msisdn",
    which="shard = ?1 AND expires_at > ?2 AND open_until > 0 AND open_until <= ?3 "
    "ORDER BY expires_at LIMIT ?4",
    returning="tenant",
)
REVOKED_KEPT: Final = """
INSERT INTO camara_revoked (tenant, token_id, expires_at, shard) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (tenant, token_id) DO NOTHING
"""
REVOKED: Final = "SELECT 1 FROM camara_revoked WHERE tenant = ?1 AND token_id = ?2"
ASSERTIONS_PURGED: Final = purge("camara_assertion", key="tenant, client_id, jti", by="expires_at")
REQUESTS_PURGED: Final = purge("camara_request", key="tenant, request_id", by="expires_at")
QUESTIONS_PURGED: Final = purge("camara_question", key="tenant, msisdn", by="expires_at")
REVOKED_PURGED: Final = purge("camara_revoked", key="tenant, token_id", by="expires_at")
_PURGES: Final = (ASSERTIONS_PURGED, REQUESTS_PURGED, QUESTIONS_PURGED, REVOKED_PURGED)
_PURGED: Final = 5_000
_CLOSED: Final = 500


class SqlCamaraTokens:
    """What access tokens are got for, in tables (the ``CamaraTokens`` port)."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def exchange(self, tenant: str, exchange: Exchange) -> Exchanged | Assertion:
        """Write all of it in one transaction, or nothing."""
        temporary, made, used = exchange.temporary, exchange.made, exchange.used
        if temporary is not None and made is None and not used and len(exchange.assertions) == 1:
            return await self._for_one(tenant, temporary, exchange.assertions[0])

        def body() -> Body[Exchanged]:
            for each in exchange.assertions:
                if not (yield Run(ASSERTION_KEPT, (tenant, *_assertion(each)))):
                    raise _Stop(each)
            if temporary is not None and not (
                yield Run(statements.USE_BEGINS, _use(tenant, temporary))
            ):
                raise _Stop(Exchanged.SPENT)
            if used:
                ends = (tenant, used, RequestState.USED.value, RequestState.GRANTED.value)
                if not (yield Run(REQUEST_USED, ends)):
                    raise _Stop(Exchanged.SPENT)
            asks = exchange.asks
            if asks is not None and not (
                yield Run(QUESTION_ASKED, (*_asked(tenant, asks), exchange.asked_before))
            ):
                raise _Stop(Exchanged.ASKED)
            if made is not None and not (yield Run(REQUEST_MADE, _request(tenant, made))):
                raise _Stop(Exchanged.SPENT)
            return Exchanged.DONE

        try:
            return await self._engine.transact(body)
        except _Stop as stop:
            return stop.became

    async def _for_one(
        self, tenant: str, temporary: Temporary, assertion: Assertion
    ) -> Exchanged | Assertion:
        params = (*_use(tenant, temporary), *_assertion(assertion))
        try:
            written = await self._engine.write_guarded(TEMPORARY_EXCHANGED, params)
        except Conflict:
            return assertion
        if written:
            return Exchanged.DONE
        there = (tenant, assertion.client_id, assertion.jti)
        replayed = await self._engine.read(ASSERTION_THERE, there)
        return assertion if replayed else Exchanged.SPENT

    async def request(self, tenant: str, request_id: bytes) -> UserRequest | None:
        """Return a request."""
        found = await self._engine.read(REQUEST, (tenant, request_id))
        if not found:
            return None
        its_id, kind, client_id, state, body, expires_at, poll_from, interval_s = found[0]
        return UserRequest(
            request_id=bytes(its_id),
            kind=RequestKind(kind),
            client_id=client_id,
            state=RequestState(state),
            body=bytes(body),
            expires_at=expires_at,
            poll_from=poll_from,
            interval_s=interval_s,
        )

    async def polled(
        self, tenant: str, request_id: bytes, *, poll_from: int, interval_s: int
    ) -> None:
        """Write from when on a request may be polled again."""
        await self._engine.write(REQUEST_POLLED, (tenant, request_id, poll_from, interval_s))

    async def settle(
        self,
        tenant: str,
        request_id: bytes,
        state: RequestState,
        body: bytes,
        *,
        now: int,
        closes: Question | None = None,
    ) -> bool:
        """Grant or deny a request; False, and nothing changed, if it is not pending, or is over."""
        params = (tenant, request_id, state.value, body, RequestState.PENDING.value, now)

        def body_of() -> Body[bool]:
            if not (yield Run(REQUEST_SETTLED, params)):
                return False
            if closes is not None:
                key = (tenant, closes.msisdn.digits, closes.request_id)
                yield Run(QUESTION_CLOSED, (*key, closes.quiet_until, closes.kept_until))
            return True

        return await self._engine.transact(body_of)

    async def question(self, tenant: str, msisdn: Msisdn) -> Question | None:
        """Return what a number was asked last, whether it is still open or not."""
        found = await self._engine.read(QUESTION, (tenant, msisdn.digits))
        if not found:
            return None
        number, request_id, proof, open_until, asked, quiet_until = found[0]
        return Question(
            msisdn=Msisdn(number),
            request_id=bytes(request_id),
            proof=bytes(proof),
            open_until=open_until,
            asked=tuple(map(int, asked.split())),
            quiet_until=quiet_until,
        )

    async def tried(self, tenant: str, question: Question, *, most: int) -> bool:
        """Count an answer to a question; False, and nothing changed, if there were ``most``."""
        params = (tenant, question.msisdn.digits, question.request_id, most)
        return bool(await self._engine.write(QUESTION_TRIED, params))

    async def close_unanswered(self, tenant: str, question: Question) -> bool:
        """Close a question that is over; False, and nothing changed, if it was closed before."""
        params = (tenant, question.msisdn.digits, question.request_id)
        return bool(await self._engine.write(QUESTION_OVER, params))

    async def close_all_unanswered(self, *, until: int, asked_since: int) -> Sequence[str]:
        """Close some that were over by ``until``; return the tenant of each."""
        for shard in range(statements.SHARDS):
            params = (shard, asked_since + DAY_S, until, _CLOSED)
            closed = await self._engine.write(QUESTIONS_OVER, params)
            # Told at once: whatever fails in the next shard, they would be told to nobody again.
            if closed:
                return [tenant for (tenant,) in closed]
        return ()

    async def revoke(self, tenant: str, token_id: bytes, *, expires_at: int) -> None:
        """Make an access token useless until it is over (Unix seconds)."""
        params = (tenant, token_id, expires_at, shard_of(token_id.hex()))
        await self._engine.write(REVOKED_KEPT, params)

    async def revoked(self, tenant: str, token_id: bytes) -> bool:
        """Say whether an access token was revoked."""
        return bool(await self._engine.read(REVOKED, (tenant, token_id)))

    async def purge(self, *, before: int) -> int:
        """Delete a batch of rows that were over before; return how many."""
        left = _PURGED
        for shard in range(statements.SHARDS):
            for text in _PURGES:
                if left > 0:
                    left -= len(await self._engine.write(text, (shard, before, left)))
        return _PURGED - left


class _Stop(Exception):
    """Something was used before: all of the transaction is undone."""

    def __init__(self, became: Exchanged | Assertion) -> None:
        super().__init__(became)
        self.became = became


def _assertion(one: Assertion) -> tuple[str, bytes, int, int]:
    return one.client_id, one.jti, one.expires_at, shard_of(one.jti.hex())


def _use(tenant: str, one: Temporary) -> Params:
    state = TokenState.REDEEMED if one.redeemed_for else TokenState.CONSUMED
    use = TokenUse(state, one.at, one.expires_at, one.redeemed_for)
    return from_token_use(tenant, one.imsi, one.token_id, use)


def _asked(tenant: str, one: Question) -> Params:
    number = one.msisdn.digits
    return (
        tenant,
        number,
        one.request_id,
        one.proof,
        one.open_until,
        " ".join(map(str, one.asked)),
        one.quiet_until,
        one.kept_until,
        shard_of(number),
    )


def _request(tenant: str, one: UserRequest) -> Params:
    return (
        tenant,
        one.request_id,
        one.kind.value,
        one.client_id,
        one.state.value,
        one.body,
        one.expires_at,
        one.poll_from,
        one.interval_s,
        shard_of(one.request_id.hex()),
    )
