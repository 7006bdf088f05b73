"""The port ``Deeds`` over any ``Engine``, and an engine that writes down each change beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeVar

import msgspec

from simgrant.adapters.store.sql import statements
from simgrant.adapters.store.sql.engine import Body, Engine, Params, Row, Rows, Run
from simgrant.adapters.store.sql.statements import Guarded, change_unheld
from simgrant.errors import Conflict
from simgrant.identities import Imsi
from simgrant.ports.deeds import (
    Answer,
    AnswerKey,
    Begun,
    Deed,
    Entry,
    Progress,
    chained,
    row_of,
)

T = TypeVar("T")
_PURGED: Final = 1_000

# These change nothing, and keep others from changing the rows until the transaction ends. Who acts
# upon events of a subscription locks them in this order.
# Also where nothing is due: of two who come at once, each has to lock this before the subscription.
DUE_HELD = """
INSERT INTO life_due (tenant, imsi, due_ms, mark, tries, shard) VALUES (?1, ?2, ?3, 0, -1, ?4)
ON CONFLICT (tenant, imsi) DO UPDATE SET mark = life_due.mark
"""
HELD = "UPDATE subscription SET changed_at = changed_at WHERE tenant = ?1 AND imsi = ?2"

HEAD_RAISED = """
INSERT INTO audit_head (tenant, number, chain) VALUES (?1, 1, ?2)
ON CONFLICT (tenant) DO UPDATE SET number = audit_head.number + 1
RETURNING number, chain
"""
HEAD_CHAINED = "UPDATE audit_head SET chain = ?2 WHERE tenant = ?1"

_ENTRY = (
    "number, at, client, actor, call, request_id, detail, subject, before_digest, after_digest,"
    " chain"
)
ENTRY_KEPT = f"""
INSERT INTO audit_entry (tenant, {_ENTRY})
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
"""  # noqa: S608 - of our own words
ENTRIES = f"""
SELECT {_ENTRY} FROM audit_entry WHERE tenant = ?1 AND number > ?2 ORDER BY number LIMIT ?3
"""  # noqa: S608 - of our own words
NEWEST_ENTRIES = f"""
SELECT {_ENTRY} FROM audit_entry WHERE tenant = ?1 ORDER BY number DESC LIMIT ?2
"""  # noqa: S608 - of our own words
ENTRIES_ABOUT = f"""
SELECT {_ENTRY} FROM audit_entry WHERE tenant = ?1 AND subject = ?2 AND number > ?3
ORDER BY number LIMIT ?4
"""  # noqa: S608 - of our own words
ENTRIES_PURGED = """
DELETE FROM audit_entry WHERE tenant = ?1 AND at < ?2 AND number IN (
    SELECT number FROM audit_entry WHERE tenant = ?1 ORDER BY number LIMIT ?3
) RETURNING 1
"""

ANSWER_BEGUN = """
INSERT INTO api_answer
    (tenant, client, call_key, digest, progress, status, headers, body, subject, at, shard)
VALUES (?1, ?2, ?3, ?4, 0, 0, ?5, ?6, ?5, ?7, ?8)
ON CONFLICT (tenant, client, call_key) DO UPDATE SET at = excluded.at, digest = excluded.digest
WHERE api_answer.progress = 0 AND api_answer.at < ?9
RETURNING 1
"""
ANSWER = """
SELECT digest, progress, status, headers, body, at FROM api_answer
WHERE tenant = ?1 AND client = ?2 AND call_key = ?3
"""
ANSWER_CHANGED = """
UPDATE api_answer SET progress = 1, subject = ?5
WHERE tenant = ?1 AND client = ?2 AND call_key = ?3 AND at = ?4 AND progress < 2
RETURNING 1
"""
ANSWER_KEPT = """
UPDATE api_answer SET progress = 2, status = ?5, headers = ?6, body = ?7
WHERE tenant = ?1 AND client = ?2 AND call_key = ?3 AND at = ?4
"""
ANSWER_GIVEN_UP = """
DELETE FROM api_answer
WHERE tenant = ?1 AND client = ?2 AND call_key = ?3 AND at = ?4 AND progress = 0
"""
ANSWERS_PURGED = change_unheld(
    "DELETE FROM api_answer",
    key="tenant, client, call_key",
    which="shard = ?1 AND at < ?2 LIMIT ?3",
)
ANSWERS_ABOUT_FORGOTTEN = "DELETE FROM api_answer WHERE tenant = ?1 AND subject = ?2"


class SqlDeeds:
    """Who changed what, and what calls were answered, in tables (the ``Deeds`` port)."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def state(self, tenant: str, imsi: Imsi) -> bytes | None:
        """Return a subscription's state as bytes, None where there is none."""
        key = (tenant, imsi.digits)
        found = await self._engine.read(statements.BY_IMSI, key)
        return _state(found, await self._engine.read(statements.MARKS, key)) if found else None

    async def entries(
        self, tenant: str, *, after: int = 0, subjects: Sequence[str] = (), limit: int = 100
    ) -> Sequence[Entry]:
        """Return entries after a number, in their order, or the newest ones."""
        if subjects:
            found = [
                row
                for subject in dict.fromkeys(subjects)
                for row in await self._engine.read(
                    ENTRIES_ABOUT, (tenant, subject, max(after, 0), limit)
                )
            ]
            return sorted(map(_entry, found), key=lambda each: each.number)[:limit]
        if after < 0:
            return list(map(_entry, await self._engine.read(NEWEST_ENTRIES, (tenant, limit))))
        return list(map(_entry, await self._engine.read(ENTRIES, (tenant, after, limit))))

    async def begin(self, key: AnswerKey, digest: bytes, *, at: int, lease_s: int) -> Begun:
        """Note that a call is carried out, if none of its key is, or was."""
        shard = statements.shard_of(key.key)
        params = (*_of(key), digest, "", b"", at, shard, at - lease_s)
        for _ in range(2):
            if await self._engine.write(ANSWER_BEGUN, params):
                return Begun(is_new=True)
            found = await self._engine.read(ANSWER, _of(key))
            if found:
                own, progress, status, headers, body, begun = found[0]
                answer = None
                if progress == Progress.ANSWERED:
                    answer = Answer(status=status, headers=headers, body=bytes(body))
                return Begun(
                    is_new=False,
                    digest=bytes(own),
                    progress=Progress(progress),
                    answer=answer,
                    at=begun,
                )
        # Given up between the two, twice: whoever comes again finds it as it is then.
        return Begun(is_new=False, digest=digest)

    async def finish(self, key: AnswerKey, answer: Answer, *, began: int) -> None:
        """Keep the answer of a call that was begun."""
        told = (answer.status, answer.headers, answer.body)
        await self._engine.write(ANSWER_KEPT, (*_of(key), began, *told))

    async def give_up(self, key: AnswerKey, *, began: int) -> None:
        """Forget a call that was begun, if it changed nothing."""
        await self._engine.write(ANSWER_GIVEN_UP, (*_of(key), began))

    async def purge(self, tenant: str, *, answers_before: int, entries_before: int) -> int:
        """Delete a batch of old rows; return how many."""
        gone = len(await self._engine.write(ENTRIES_PURGED, (tenant, entries_before, _PURGED)))
        for shard in range(statements.SHARDS):
            params = (shard, answers_before, _PURGED)
            gone += len(await self._engine.write(ANSWERS_PURGED, params))
        return gone


class DeedEngine:
    """An engine whose changes are a deed, which is written down in the same transaction."""

    def __init__(self, engine: Engine, deed: Deed) -> None:
        self._engine = engine
        self._deed = deed

    async def read(self, sql: str, params: Params, *, slow: bool = False) -> Rows:
        """Return the rows of a SELECT."""
        return await self._engine.read(sql, params, slow=slow)

    async def write(self, sql: str, params: Params) -> Rows:
        """Return the rows of a change once it, and the deed, are safe on disk."""

        def body() -> Body[Rows]:
            return tuple((yield Run(sql, params)))

        return await self.transact(body)

    async def write_guarded(self, guarded: Guarded, params: Params) -> bool:
        """Refuse: this is of devices, which do no deeds."""
        raise NotImplementedError

    async def write_rows(self, sql: str, rows: Sequence[Params]) -> Rows:
        """Refuse: this is of what others tell, which is no deed."""
        raise NotImplementedError

    async def transact(self, body: Callable[[], Body[T]], *, slow: bool = False) -> T:
        """Run all that a body yields, and write the deed down, in one transaction."""
        return await self._engine.transact(lambda: _written(self._deed, body), slow=slow)

    async def close(self) -> None:
        """Do nothing: the engine is another's."""


def _written(deed: Deed, body: Callable[[], Body[T]]) -> Body[T]:
    before = yield from _digest_of(deed, hold=True)
    if deed.seen and deed.seen != before:
        raise Conflict("changed_meanwhile", for_operator="it is no longer what was seen")
    done = yield from body()
    if done is not None and not done:
        # It found that there is nothing to be done, and changed nothing.
        return done
    after = yield from _digest_of(deed)
    # The last, so that whoever else changes something waits for as short as can be.
    ((number, chain),) = yield Run(HEAD_RAISED, (deed.tenant, b""))
    entry = Entry(
        number=number,
        at=deed.at,
        client=deed.client,
        actor=deed.actor,
        call=deed.call,
        request_id=deed.request_id,
        detail=deed.detail,
        subject=deed.subject,
        before=before,
        after=after,
        chain=b"",
    )
    chain = chained(bytes(chain), deed.tenant, entry, deed.digest)
    yield Run(ENTRY_KEPT, (deed.tenant, *row_of(entry), chain))
    yield Run(HEAD_CHAINED, (deed.tenant, chain))
    if deed.answer is not None and not (
        yield Run(ANSWER_CHANGED, (*_of(deed.answer), deed.began, deed.subject))
    ):
        raise Conflict("taken_over", for_operator="the same call was begun anew meanwhile")
    return done


def _digest_of(deed: Deed, *, hold: bool = False) -> Body[bytes]:
    if deed.imsi is None:
        return b""
    key = (deed.tenant, deed.imsi.digits)
    if hold:
        yield Run(DUE_HELD, (*key, deed.at * 1000, statements.shard_of(deed.imsi.digits)))
        yield Run(HELD, key)
    found = yield Run(statements.BY_IMSI, key)
    if not found:
        return b""
    return deed.digest(_state(found, (yield Run(statements.MARKS, key))))


def _state(subscription: Rows, marks: Rows) -> bytes:
    # Without `changed_at`, which follows by itself where devices are told something else.
    return msgspec.json.encode((list(subscription[0][:-1]), list(map(list, marks))))


def _of(key: AnswerKey) -> tuple[str, str, str]:
    return key.tenant, key.client, key.key


def _entry(row: Row) -> Entry:
    number, at, client, actor, call, request_id, detail, subject, before, after, chain = row
    return Entry(
        number=number,
        at=at,
        client=client,
        actor=actor,
        call=call,
        request_id=request_id,
        detail=detail,
        subject=subject,
        before=bytes(before),
        after=bytes(after),
        chain=bytes(chain),
    )
