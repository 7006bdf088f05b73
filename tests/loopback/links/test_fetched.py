"""What others publish: asked for once, kept, and looked for again in measure."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from simgrant.errors import PeerMisbehaved, PeerTimeout, PeerUnavailable
from simgrant.links.fetched import Fetched, FetchRules
from simgrant.links.http import HttpConfig, HttpLink
from simgrant.links.retry import RetryRules
from simgrant.sim.web import Answer, Break, Request, WebServer
from tests.clocks import StillClock

RULES = FetchRules(keep_s=300, gap_s=5, fetch_s=1, good_s=3600)


@dataclass
class World:
    """A number at an address, and who keeps it."""

    clock: StillClock
    server: WebServer
    answers: list[Answer]
    fetched: Fetched[int]
    asked: list[str]

    async def current(self, path: str = "/", *, wait: float = 5.0) -> int:
        deadline = self.clock.time + wait
        return await self.fetched.current(self.server.url + path, deadline=deadline)

    async def look_again(self) -> bool:
        return await self.fetched.look_again(deadline=self.clock.time + 5)

    def says(self, text: bytes) -> None:
        self.answers[:] = [Answer(200, body=text)]


@pytest.fixture
async def world() -> AsyncIterator[World]:
    asked: list[str] = []
    answers = [Answer(200, body=b"1")]

    def answer(request: Request) -> Answer:
        asked.append(request.target)
        return answers[0]

    clock, server = StillClock(), WebServer(answer, None)
    await server.up()
    retry = RetryRules(tries=1, failures=1000)
    http = HttpLink(HttpConfig(peer="them", plain=True, retry=retry), clock)
    fetched = Fetched(http, int, clock, RULES)
    yield World(clock, server, answers, fetched, asked)
    await fetched.close()
    await http.close()
    await server.down()


async def test_one_request_serves_all_who_wait(world: World) -> None:
    assert await asyncio.gather(*(world.current() for _ in range(10))) == [1] * 10
    assert await world.current() == 1
    assert world.asked == ["/"]


async def test_what_is_old_is_used_while_it_is_asked_for_anew(world: World) -> None:
    assert await world.current() == 1
    world.says(b"2")
    world.clock.time += 300
    assert await world.current() == 1
    assert await world.look_again(), "the request under way is waited for"
    assert await world.current() == 2
    assert len(world.asked) == 2


async def test_who_looks_again_too_often_asks_nobody(world: World) -> None:
    assert await world.current() == 1
    world.says(b"2")
    assert not await world.look_again()
    world.clock.time += 5
    assert await world.look_again()
    assert not await world.look_again()
    assert await world.current() == 2
    assert len(world.asked) == 2


@pytest.mark.parametrize("answer", [Answer(500), Answer(200, body=b"x"), Answer(404)])
async def test_what_cannot_be_read_leaves_what_is_kept(world: World, answer: Answer) -> None:
    assert await world.current() == 1
    world.answers[:] = [answer]
    world.clock.time += 300
    assert not await world.look_again()
    assert await world.current() == 1


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer(500), PeerUnavailable),
        (Answer(200, body=b"x"), PeerMisbehaved),
        (Answer(200, body=b"1" * 100_000), PeerMisbehaved),
        (Answer(302, (("location", "/elsewhere"),)), PeerUnavailable),
        (Answer(fault=Break.RESET), PeerUnavailable),
    ],
)
async def test_what_was_never_read_is_an_error(
    world: World, answer: Answer, error: type[Exception]
) -> None:
    world.answers[:] = [answer]
    with pytest.raises(error):
        await world.current()
    # Nobody asks again at once, and the reason stays the same.
    with pytest.raises(error):
        await world.current()
    assert world.asked == ["/"]
    world.says(b"3")
    world.clock.time += 5
    assert await world.current() == 3


async def test_what_is_too_old_is_of_no_use(world: World) -> None:
    assert await world.current() == 1
    world.answers[:] = [Answer(500)]
    world.clock.time += 3599
    assert await world.current() == 1
    assert not await world.look_again()
    world.clock.time += 1
    with pytest.raises(PeerUnavailable, match="status 500"):
        await world.current()
    world.says(b"1")
    world.clock.time += 5
    assert await world.current() == 1, "read again, if only to be the same"
    world.answers[:] = [Answer(500)]
    world.clock.time += 3599
    assert await world.current() == 1


async def test_after_a_long_silence_it_is_asked_first(world: World) -> None:
    assert await world.current() == 1
    world.says(b"2")
    world.clock.time += 3600
    assert await world.current() == 2


async def test_who_waits_has_a_deadline(world: World) -> None:
    world.answers[:] = [Answer(fault=Break.SILENT)]
    with pytest.raises(PeerTimeout):
        await world.current(wait=0.05)


async def test_another_address_is_read_at_once(world: World) -> None:
    assert await world.current() == 1
    world.says(b"2")
    await world.current("/moved")
    assert await world.look_again()
    assert await world.current("/moved") == 2
    assert world.asked == ["/", "/moved"]
