"""A node that is killed takes nothing with it that any phone was told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import asyncpg
import pytest

from simgrant.sim.http import Answer, HttpError
from tests.e2e.nodes import NO_LIMITS, SIMS, Node, Site
from tests.e2e.phones import (
    ENABLED,
    Crowd,
    Phone,
    busy,
    cookie_of,
    phones,
    token_of,
    vowifi_of,
)

pytestmark = pytest.mark.e2e

PHONES = 30


@dataclass
class Session:
    """One session as its phone knows it."""

    reply: bytes
    cookie: str
    answer: Answer | None = None
    """The document; None where the connection broke before it came."""


@dataclass
class Diary:
    """The sessions of every phone that answered a challenge, oldest first."""

    sessions: dict[Phone, list[Session]] = field(default_factory=dict)

    async def act(self, node: Node, phone: Phone, crowd: Crowd) -> None:
        """Authenticate once; at the first broken connection the phone has to wait."""
        try:
            challenge = await phone.begin(node)
            assert challenge.status == 200
            session = Session(phone.reply(challenge), cookie_of(challenge))
            self.sessions.setdefault(phone, []).append(session)
            session.answer = await phone.finish(node, session.reply, session.cookie)
        except HttpError:
            await crowd.stop.wait()
        else:
            await crowd.note(session.answer)

    def broken(self) -> int:
        """Return how many phones do not know what became of their answer."""
        return sum(found[-1].answer is None for found in self.sessions.values())


async def _crash(many: Sequence[Phone], diary: Diary, node: Node) -> Crowd:
    """Kill a node in the middle of the phones' authentications."""
    async with busy(many, lambda phone, crowd: diary.act(node, phone, crowd)) as crowd:
        await crowd.more(3 * len(many))
        # Everybody is on the way somewhere, and some wait for their document.
        await crowd.until(lambda: diary.broken() > 2)
        node.kill()
    assert set(crowd.statuses) == {200}
    return crowd


async def _assert_nothing_lost(diary: Diary, node: Node) -> None:
    """Ask a node about every session: what a phone was told still holds, the rest goes on."""
    for phone, sessions in diary.sessions.items():
        told = [each for each in sessions if each.answer is not None]
        for session in told[-1:]:
            assert session.answer is not None
            given = token_of(session.answer)
            if session is sessions[-1]:
                accepted = await phone.fast(node, given)
                assert accepted.status == 200
                assert vowifi_of(accepted) == ENABLED
            again = await phone.finish(node, session.reply, session.cookie)
            assert token_of(again) == given
        for session in sessions[-1:]:
            if session.answer is None:
                completed = await phone.finish(node, session.reply, session.cookie)
                assert completed.status == 200
                assert vowifi_of(completed) == ENABLED
                assert (await phone.fast(node, token_of(completed))).status == 200
                once_more = await phone.finish(node, session.reply, session.cookie)
                assert token_of(once_more) == token_of(completed)


@pytest.mark.parametrize("killed", [0, 1])
async def test_a_killed_node_loses_nothing_that_was_answered_and_the_other_takes_over(
    site: Site, killed: int
) -> None:
    nodes = site.started(2, NO_LIMITS)
    victim, survivor = nodes[killed], nodes[1 - killed]
    diary = Diary()
    async with phones(SIMS[:PHONES]) as many:
        crowd = await _crash(many, diary, victim)
        assert diary.broken()
        await _assert_nothing_lost(diary, survivor)
    connection = await asyncpg.connect(str(site.settings["store.url"]))
    try:
        rows = await connection.fetch("SELECT outcome, count(*) AS n FROM session GROUP BY outcome")
    finally:
        await connection.close()
    outcomes = {row["outcome"]: row["n"] for row in rows}
    # One row for each session that was answered, and each was decided once, for good.
    assert outcomes == {"accepted": sum(map(len, diary.sessions.values()))}
    assert outcomes["accepted"] >= crowd.statuses[200]


async def test_a_killed_node_comes_back_on_its_sqlite_file_with_everything_it_answered(
    sqlite_site: Site,
) -> None:
    node = sqlite_site.node(settings=NO_LIMITS)
    diary = Diary()
    async with phones(SIMS[:PHONES]) as many:
        await _crash(many, diary, node)
        assert diary.broken()
        node.start()
        await _assert_nothing_lost(diary, node)
