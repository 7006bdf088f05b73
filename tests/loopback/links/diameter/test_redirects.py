"""Redirects (RFC 6733 §6.12 to §6.14): our node, a redirect agent and HSSs on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simgrant.errors import PeerMisbehaved, PeerTimeout, PeerUnavailable
from simgrant.links.diameter.node import RouteConfig
from simgrant.links.diameter.peer import State
from simgrant.links.diameter.redirects import Asked, Redirects
from simgrant.sim.hss.faults import Fault, Plan
from simgrant.spec.diameter import IETF, TGPP
from simgrant.wire.diameter import swx
from simgrant.wire.diameter.avps import DESTINATION_HOST, SESSION_ID
from simgrant.wire.diameter.redirect import Usage
from tests.examples import examples
from tests.loopback.links.diameter.world import NEVER_AGAIN, REALM, World, hss_server, world

SUCCESS = (IETF, 2001)
OTHER = "001010000000002"


def to(*numbers: int, scheme: str = "aaa", **more: Any) -> Plan:
    """Return the plan of an agent that redirects to HSSs by their numbers."""
    hosts = tuple(f"{scheme}://HSS{each}.{REALM};transport=tcp" for each in numbers)
    return Plan(fault=Fault.REDIRECT, to=hosts, **more)


@asynccontextmanager
async def behind_an_agent(plan: Plan, hsses: int = 2, **options: Any) -> AsyncIterator[World]:
    """Run an agent, number 0, that has such a plan, and HSSs behind it."""
    made_of = tuple(hss_server(number) for number in range(1 + hsses))
    made_of[0].plan = plan
    async with world(*made_of, asked=1, **options) as made:
        yield made


def counts(made: World) -> list[int]:
    return [len(hss.seen) for hss in made.hsses]


# --- one request -------------------------------------------------------------------------------


@pytest.mark.spec("RFC 6733 §6.12")
async def test_who_is_told_to_ask_another_asks_it() -> None:
    async with behind_an_agent(to(2)) as made:
        told = await made.ask()
        assert told.result == SUCCESS
        assert counts(made) == [1, 0, 1]
        agent, hss = made.hsses[0].seen[0], made.hsses[2].seen[0]
        assert hss.end_to_end == agent.end_to_end
        assert not hss.repeated
        assert made.diary.results == [("hss0", "3006"), ("hss2", "2001")]


async def test_who_is_redirected_to_is_who_is_meant() -> None:
    async with behind_an_agent(to(1)) as made:
        # An HSS refuses what is for another host, and an agent's name is another's.
        assert (await made.ask(host=f"hss0.{REALM}")).result == SUCCESS


async def test_the_first_that_is_there_is_asked_of_several() -> None:
    async with behind_an_agent(to(1, 2), retry=NEVER_AGAIN) as made:
        await made.hsses[1].down()
        await made.until_state(State.CLOSED, "hss1")
        assert (await made.ask()).result == SUCCESS
        assert counts(made) == [1, 0, 1]


async def test_who_is_too_busy_is_followed_by_another_that_was_named() -> None:
    async with behind_an_agent(to(1, 2), peers=({}, {}, {"priority": 2})) as made:
        made.hsses[1].plan = Plan(fault=Fault.BUSY)
        assert (await made.ask()).result == SUCCESS
        assert counts(made) == [1, 1, 1]


async def test_an_agent_behind_an_agent() -> None:
    async with behind_an_agent(to(1)) as made:
        made.hsses[1].plan = to(2)
        assert (await made.ask()).result == SUCCESS
        assert counts(made) == [1, 1, 1]
        assert len({hss.seen[0].end_to_end for hss in made.hsses}) == 1


async def test_nothing_goes_around_in_circles() -> None:
    async with behind_an_agent(to(1)) as made:
        made.hsses[1].plan = to(0)
        with pytest.raises(PeerUnavailable) as raised:
            await made.ask()
        assert raised.value.reason == "diameter_redirect_loop"
        assert counts(made) == [1, 1, 0]


async def test_who_redirects_to_himself_is_asked_once() -> None:
    async with behind_an_agent(to(0)) as made:
        with pytest.raises(PeerUnavailable) as raised:
            await made.ask()
        assert raised.value.reason == "diameter_redirect_loop"
        assert counts(made) == [1, 0, 0]


async def test_there_is_an_end_to_agents_behind_agents() -> None:
    async with behind_an_agent(to(1), hsses=5) as made:
        for number in range(1, 5):
            made.hsses[number].plan = to(number + 1)
        with pytest.raises(PeerUnavailable) as raised:
            await made.ask()
        assert raised.value.reason == "diameter_redirect_loop"
        assert counts(made) == [1, 1, 1, 1, 0, 0]


@pytest.mark.parametrize(
    "where",
    ["aaa://hss.example.com", f"aaas://hss1.{REALM}"],
    ids=["a stranger", "one that is to have TLS and has none"],
)
async def test_only_peers_are_followed(where: str) -> None:
    async with behind_an_agent(Plan(fault=Fault.REDIRECT, to=(where,))) as made:
        with pytest.raises(PeerUnavailable) as raised:
            await made.ask()
        assert raised.value.reason == "diameter_redirect_unknown"
        assert "redirects_to" in raised.value.for_operator
        assert counts(made) == [1, 0, 0]


async def test_a_peer_that_is_for_something_else_is_not_followed() -> None:
    async with world(hss_server(0), hss_server(1)) as made:
        made.route = made.node.route(RouteConfig(name="home", peers=("hss0",)))
        made.hss.plan = to(1)
        with pytest.raises(PeerUnavailable) as raised:
            await made.ask()
        assert raised.value.reason == "diameter_redirect_unknown"


@pytest.mark.parametrize("where", [(), ("hss1",), ("aaa://hss1;transport=pigeon",)])
async def test_a_redirect_to_nowhere_is_malformed(where: tuple[str, ...]) -> None:
    async with behind_an_agent(Plan(fault=Fault.REDIRECT, to=where)) as made:
        with pytest.raises(PeerMisbehaved) as raised:
            await made.ask()
        assert raised.value.reason == "diameter_redirect_malformed"


async def test_who_is_redirected_to_and_is_not_connected_is_missed() -> None:
    async with behind_an_agent(to(1), retry=NEVER_AGAIN) as made:
        await made.hsses[1].down()
        await made.until_state(State.CLOSED, "hss1")
        with pytest.raises(PeerUnavailable) as raised:
            await made.ask()
        assert raised.value.reason == "diameter_no_peer"


async def test_following_has_the_deadline_of_the_request() -> None:
    async with behind_an_agent(to(1)) as made:
        made.hsses[1].plan = Plan(fault=Fault.SILENT)
        with pytest.raises(PeerTimeout):
            await made.ask(within=0.1)


GRAPHS = st.lists(
    st.tuples(st.lists(st.integers(0, 3), max_size=4), st.sampled_from(Usage)),
    min_size=4,
    max_size=4,
)
"""For each of four, who it redirects to, and for what else; it answers where that is nobody."""


@settings(max_examples=examples(20))
@given(GRAPHS)
def test_whoever_redirects_to_whomever_it_has_an_end(
    graph: list[tuple[list[int], Usage]],
) -> None:
    async def play() -> None:
        plan = to(*graph[0][0], usage=graph[0][1]) if graph[0][0] else Plan(fault=Fault.BUSY)
        async with behind_an_agent(plan, hsses=3) as made:
            for hss, (hosts, usage) in list(zip(made.hsses, graph, strict=True))[1:]:
                hss.plan = to(*hosts, usage=usage) if hosts else None
            before, ends = [0] * 4, set[object]()
            for _ in range(3):
                try:
                    ends.add((await made.ask()).result)
                except PeerUnavailable as error:
                    ends.add(error.reason)
                assert ends <= {SUCCESS, (IETF, 3004), "diameter_redirect_loop"}
                now = counts(made)
                # An agent that is remembered may be asked again once what it said was doubted.
                assert all(after - was <= 2 for after, was in zip(now, before, strict=True))
                before = now

    asyncio.run(play())


# --- what holds for more than one --------------------------------------------------------------

KEPT = {
    Usage.DONT_CACHE: (2, 2),
    Usage.ALL_SESSION: (2, 2),  # Each of ours is a session of its own.
    Usage.ALL_USER: (1, 2),
    Usage.REALM_AND_APPLICATION: (1, 1),
    Usage.ALL_REALM: (1, 1),
    Usage.ALL_APPLICATION: (1, 1),
    Usage.ALL_HOST: (1, 1),
}
"""How often an agent is asked for two requests about one user, and of two."""


@pytest.mark.spec("RFC 6733 §6.13")
@pytest.mark.parametrize("usage", Usage)
async def test_a_redirect_holds_for_what_it_says(usage: Usage) -> None:
    for second, times in zip(("001010000000001", OTHER), KEPT[usage], strict=True):
        async with behind_an_agent(to(1, usage=usage)) as made:
            assert (await made.ask()).result == SUCCESS
            assert (await made.ask(imsi=second)).result == SUCCESS
            assert counts(made) == [times, 2, 0]


async def test_it_holds_for_as_long_as_it_says() -> None:
    async with behind_an_agent(to(1, usage=Usage.ALL_USER, seconds=60)) as made:
        await made.ask()
        made.clock.ahead += 59
        await made.ask()
        assert counts(made) == [1, 2, 0]
        made.clock.ahead += 2
        await made.ask()
        assert counts(made) == [2, 3, 0]


async def test_without_a_time_it_is_for_this_request() -> None:
    async with behind_an_agent(to(1, usage=Usage.ALL_HOST, seconds=0)) as made:
        await made.ask()
        await made.ask()
        assert counts(made) == [2, 2, 0]


async def test_who_moved_is_found_where_he_is_now() -> None:
    async with behind_an_agent(to(1, usage=Usage.ALL_USER)) as made:
        await made.ask()
        made.hsses[1].plan = Plan(fault=Fault.UNKNOWN_USER)
        made.hss.plan = to(2, usage=Usage.ALL_USER)
        assert (await made.ask()).result == SUCCESS
        assert (await made.ask()).result == SUCCESS
        assert counts(made) == [2, 2, 2]


async def test_a_no_that_the_agent_stands_by_is_one() -> None:
    async with behind_an_agent(to(1, usage=Usage.ALL_HOST)) as made:
        await made.ask()
        made.hsses[1].plan = Plan(fault=Fault.UNKNOWN_USER)
        assert (await made.ask()).result == (TGPP, 5001)
        assert counts(made) == [2, 3, 0]


async def test_who_is_too_busy_and_the_agent_stands_by_it_is_too_busy() -> None:
    async with behind_an_agent(to(1, usage=Usage.ALL_USER)) as made:
        await made.ask()
        made.hsses[1].plan = Plan(fault=Fault.BUSY)
        assert (await made.ask()).result == (IETF, 3004)
        assert counts(made) == [2, 2, 0]


async def test_who_is_named_is_asked_and_no_agent() -> None:
    async with behind_an_agent(to(2)) as made:
        route, avps = made.route, made.node.node.push_origin()
        avps += SESSION_ID.push("a;1;1") + DESTINATION_HOST.push(f"hss1.{REALM}")
        told = await made.node.request(
            route,
            303,
            swx.APPLICATION,
            avps,
            deadline=made.clock.monotonic() + 10,
            host=f"hss1.{REALM}",
        )
        assert told.result == (IETF, 5005)
        assert counts(made) == [0, 1, 0]


async def test_who_is_gone_is_asked_for_at_the_agent() -> None:
    async with behind_an_agent(to(1, usage=Usage.ALL_APPLICATION), retry=NEVER_AGAIN) as made:
        await made.ask()
        await made.hsses[1].down()
        await made.until_state(State.CLOSED, "hss1")
        made.hss.plan = to(2)
        assert (await made.ask()).result == SUCCESS
        assert counts(made) == [2, 1, 1]


async def test_who_is_silent_is_asked_for_at_the_agent_after_the_patience() -> None:
    plan = to(1, usage=Usage.ALL_USER)
    async with behind_an_agent(plan, patience_s=0.05) as made:
        await made.ask()
        made.hsses[1].plan = Plan(fault=Fault.SILENT)
        made.hss.plan = to(2)
        assert (await made.ask()).result == SUCCESS
        assert made.hsses[2].seen[0].repeated


async def test_what_is_known_is_good_without_the_agent() -> None:
    async with behind_an_agent(to(1, usage=Usage.ALL_USER), retry=NEVER_AGAIN) as made:
        await made.ask()
        await made.hss.down()
        await made.until_state(State.CLOSED)
        assert (await made.ask()).result == SUCCESS
        with pytest.raises(PeerUnavailable):
            await made.ask(imsi=OTHER)


async def test_many_at_once_are_all_redirected() -> None:
    async with behind_an_agent(to(1, 2, usage=Usage.ALL_USER)) as made:
        imsis = [f"00101000000000{1 + number % 5}" for number in range(100)]
        told = await asyncio.gather(*(made.ask(imsi=imsi) for imsi in imsis))
        assert [swx.pull_item(each.avps).user_name for each in told] == imsis


# --- the memory --------------------------------------------------------------------------------

NAMES = st.sampled_from(["", "a", "b"])
ASKED = st.builds(Asked, st.sampled_from([1, 2]), NAMES, NAMES, NAMES, NAMES)


def empty(most: int = 10) -> Redirects:
    return Redirects(b"k" * 32, most=most)


@given(asked=ASKED, usage=st.sampled_from(Usage), seconds=st.integers(0, 2**32 - 1))
def test_what_is_kept_is_found_while_it_is_good(asked: Asked, usage: Usage, seconds: int) -> None:
    kept = empty()
    kept.keep(usage, asked, "agent", ("hss",), seconds=seconds, now=1000.0)
    good = min(seconds, 86_400)
    if len(kept):
        assert kept.hosts(asked, "agent", 1000.0 + good - 0.5) == ("hss",)
    assert kept.hosts(asked, "agent", 1000.0 + good) == ()
    assert len(kept) == 0


@given(st.lists(st.tuples(ASKED, st.sampled_from(Usage)), max_size=40))
def test_no_more_is_kept_than_there_is_room_for(all_of: list[tuple[Asked, Usage]]) -> None:
    kept = empty(most=3)
    for asked, usage in all_of:
        kept.keep(usage, asked, "agent", ("hss",), seconds=60, now=0.0)
        assert len(kept) <= 3
        kept.forget(asked, "agent")
        assert kept.hosts(asked, "agent", 0.0) == ()


def test_what_is_said_of_less_counts_before_what_is_said_of_more() -> None:
    asked, kept = Asked(1, "realm", "", "session", "user"), empty()
    usages = (
        Usage.ALL_HOST,
        Usage.ALL_APPLICATION,
        Usage.ALL_REALM,
        Usage.REALM_AND_APPLICATION,
        Usage.ALL_USER,
        Usage.ALL_SESSION,
    )
    for number, usage in enumerate(usages):
        kept.keep(usage, asked, "agent", (f"hss{number}",), seconds=60, now=0.0)
        assert kept.hosts(asked, "agent", 1.0) == (f"hss{number}",)


def test_no_user_is_in_the_memory() -> None:
    asked, kept = Asked(1, "realm", "", "session", "001010000000001"), empty()
    kept.keep(Usage.ALL_USER, asked, "agent", ("hss",), seconds=60, now=0.0)
    assert b"001010000000001" not in repr(vars(kept)).encode()
