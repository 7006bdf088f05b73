"""Carries calls out: each once, however often it comes with one key, and answers as bytes."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import field
from typing import Any, Final

import msgspec

from simgrant.errors import EcsError
from simgrant.flows.management.call import Asked, Call, Done
from simgrant.flows.management.problem import Code, Problem, problem_of
from simgrant.flows.subscriptions import BadRow
from simgrant.nouns import noun, replace
from simgrant.ports.deeds import Answer, AnswerKey, Begun

LEASE_S: Final = 300
"""Seconds after which a call that was begun and changed nothing is taken to be dead; longer than
any may take."""
_SOON_S: Final = 30
"""Seconds in which a call is answered that is no import."""
ANSWERS_KEPT_S: Final = 86_400
"""Seconds for which a call may be said again."""


@noun
class Told:
    """What a call is answered with."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


async def carry_out(call: Call, asked: Asked[Any, Any], *, key: str, said: bytes) -> Told:
    """Return the answer of a call; raise `Problem`.

    With ``key`` it is carried out once: whoever says it again gets the same answer. ``said`` is
    what was asked, as bytes.
    """
    desk = asked.desk
    if not key or not call.changes:
        return _told(call, await _done(call, asked))
    answer_key = AnswerKey(desk.tenant, desk.client.name, key)
    digest = desk.digest(said)
    deeds = desk.store.deeds
    try:
        begun = await deeds.begin(answer_key, digest, at=desk.now, lease_s=LEASE_S)
    except EcsError as error:
        raise problem_of(error) from None
    if not begun.is_new:
        return _again(begun, digest, dead_at=desk.now - (LEASE_S if call.slow else _SOON_S))
    desk = replace(desk, answer=answer_key)
    try:
        told = _told(call, await _done(call, replace(asked, desk=desk)))
        answer = Answer(
            status=told.status,
            headers=msgspec.json.encode(told.headers).decode(),
            body=told.body,
        )
    except BaseException:
        # What was changed stays known; what was not may be tried anew with the same key.
        await _forget(asked, answer_key)
        raise
    # It is done: who asked is told so, though who says it again may hear that the answer is lost.
    with contextlib.suppress(EcsError):
        await deeds.finish(answer_key, answer, began=desk.now)
    return told


async def _forget(asked: Asked[Any, Any], key: AnswerKey) -> None:
    # What cannot be forgotten now is taken over once its lease is over.
    with contextlib.suppress(EcsError):
        await asked.desk.store.deeds.give_up(key, began=asked.desk.now)


def _again(begun: Begun, digest: bytes, *, dead_at: int) -> Told:
    """Return what a call was answered that came before.

    One that was begun before ``dead_at``, and has changed something, gets no answer any more.
    """
    if begun.digest != digest:
        raise Problem(Code.KEY_REUSED, "what is asked is not what was asked with this key before")
    if begun.answer is not None:
        headers = msgspec.json.decode(begun.answer.headers, type=dict[str, str])
        replayed = {**headers, "idempotency-replayed": "true"}
        return Told(begun.answer.status, replayed, begun.answer.body)
    if begun.progress and begun.at < dead_at:
        raise Problem(Code.ANSWER_LOST, "look at what there is now; it is not done twice")
    raise Problem(Code.IN_PROGRESS, retry_after=1)


async def _done(call: Call, asked: Asked[Any, Any]) -> Done:
    try:
        return await call.run(asked)
    except (EcsError, BadRow) as error:
        raise problem_of(error) from None


def _told(call: Call, done: Done) -> Told:
    headers = {}
    if done.etag:
        headers["etag"] = done.etag
    if done.location:
        headers["location"] = done.location
    body = b"" if call.answer is type(None) else msgspec.json.encode(done.content)
    return Told(done.status or call.status, headers, body)
