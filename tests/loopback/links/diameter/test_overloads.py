"""Overload control (RFC 7683): a node that spares who reports, and what is known of reports."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgrant.errors import PeerUnavailable
from simgrant.links.diameter.overloads import Overloads
from simgrant.links.diameter.peer import State
from simgrant.sim.hss.faults import Fault, Plan
from simgrant.spec.diameter import IETF
from simgrant.wire.diameter import cx, swx
from simgrant.wire.diameter.overload import Report, Scope
from simgrant.wire.diameter.redirect import Usage
from tests.loopback.links.diameter.world import NEVER_AGAIN, REALM, World, hss_server, world

SUCCESS = (IETF, 2001)
HSS0, HSS1 = f"hss0.{REALM}", f"hss1.{REALM}"


def overload(percent: int = 100, *, seconds: int = 30, realm: bool = False, times: int = 1) -> Plan:
    return Plan(fault=Fault.OVERLOAD, percent=percent, seconds=seconds, realm=realm, times=times)


async def spared(made: World, host: str = "") -> PeerUnavailable:
    """Return the error of a request that is not sent."""
    before = [len(hss.seen) for hss in made.hsses]
    with pytest.raises(PeerUnavailable) as raised:
        await made.ask(host=host)
    assert raised.value.reason == "diameter_overloaded"
    assert [len(hss.seen) for hss in made.hsses] == before
    return raised.value


# --- what a node does --------------------------------------------------------------------------


@pytest.mark.spec("RFC 7683 §5.2.2")
async def test_who_reports_is_spared_for_as_long_as_it_said() -> None:
    async with world() as made:
        made.hss.plan = overload(seconds=30)
        assert (await made.ask()).result == SUCCESS
        error = await spared(made)
        assert error.retry_after in (29, 30)
        assert made.diary.reports == [("home", HSS0, 100)]
        assert made.diary.not_sent == ["home"]
        made.clock.ahead += 31
        assert (await made.ask()).result == SUCCESS


async def test_a_share_is_a_share() -> None:
    async with world() as made:
        made.hss.plan = overload(25, times=-1)
        await made.ask()
        asked = await asyncio.gather(*(made.ask() for _ in range(400)), return_exceptions=True)
        refused = [each for each in asked if isinstance(each, PeerUnavailable)]
        assert {each.reason for each in refused} == {"diameter_overloaded"}
        # 100 are expected; this is off by five standard deviations on either side.
        assert 57 <= len(refused) <= 143
        assert len(made.hss.seen) == 1 + 400 - len(refused)
        assert len(made.diary.reports) == 1


async def test_what_is_too_much_for_one_goes_to_another_at_once() -> None:
    both = hss_server(0), hss_server(1)
    async with world(*both, peers=({}, {"priority": 2}), patience_s=600) as made:
        both[0].plan = overload()
        for _ in range(5):
            assert (await made.ask()).result == SUCCESS
        assert [len(hss.seen) for hss in both] == [1, 4]
        both[1].plan = overload()
        await made.ask()
        await spared(made)


async def test_who_is_to_be_spared_is_nobody_to_lose_patience_for() -> None:
    both = hss_server(0), hss_server(1)
    async with world(*both, peers=({}, {"priority": 2}), patience_s=0.02) as made:
        both[1].plan = overload()
        both[0].plan = Plan(fault=Fault.BUSY, times=1)
        await made.ask()
        both[0].plan = Plan(fault=Fault.SLOW, delay_s=0.2)
        assert (await made.ask()).result == SUCCESS
        assert made.diary.results[2:] == [("hss0", "2001")]


async def test_the_end_is_heard_while_a_share_is_sent() -> None:
    async with world() as made:
        made.hss.plan = overload(50)
        await made.ask()
        made.hss.plan = overload(50, seconds=0, times=-1)
        made.clock.ahead += 11
        await asyncio.gather(*(made.ask() for _ in range(64)), return_exceptions=True)
        before = len(made.hss.seen)
        await asyncio.gather(*(made.ask() for _ in range(64)))
        assert len(made.hss.seen) == before + 64
        assert made.diary.reports == [("home", HSS0, 50), ("home", HSS0, 50)]


@pytest.mark.spec("RFC 7683 §7.6")
async def test_a_realm_is_spared_what_names_no_host_in_it() -> None:
    both = hss_server(0), hss_server(1)
    async with world(*both) as made:
        for hss in both:
            hss.plan = overload(realm=True)
        await made.ask()
        await spared(made)
        assert made.diary.reports == [("home", REALM, 100)]
        assert (await made.ask(host=HSS1)).result in (SUCCESS, (IETF, 3002))


async def test_a_host_is_spared_what_names_it_by_whatever_way() -> None:
    both = hss_server(0), hss_server(1)
    async with world(*both, peers=({}, {"priority": 2}), retry=NEVER_AGAIN) as made:
        both[0].plan = overload()
        await made.ask()
        await both[0].down()
        await made.until_state(State.CLOSED)
        # The other one might pass it on.
        await spared(made, host=HSS0)
        assert (await made.ask()).result == SUCCESS


async def test_a_conversation_goes_on() -> None:
    async with world() as made:
        made.hss.plan = overload()
        await made.ask()
        assert (await made.ask(goes_on=True)).result == SUCCESS


async def test_who_asks_for_something_else_is_not_meant() -> None:
    async with world() as made:
        made.hss.plan = overload()
        await made.ask()
        told = await made.node.request(
            made.route,
            cx.Command.MULTIMEDIA_AUTH,
            cx.APPLICATION,
            made.node.node.push_origin(),
            deadline=made.clock.monotonic() + 10,
        )
        assert told.result == (IETF, 5005)


async def test_another_route_to_the_same_host_hears_for_itself() -> None:
    async with world() as made:
        made.hss.plan = overload()
        await made.ask()
        config = made.route.config
        assert made.node.route(config) is made.route
        made.route = made.node.route(type(config)(name="other", peers=config.peers))
        assert (await made.ask()).result == SUCCESS


async def test_whom_an_agent_would_send_it_to_is_spared_without_asking_it() -> None:
    agent, hss = hss_server(0), hss_server(1)
    agent.plan = Plan(fault=Fault.REDIRECT, to=(f"aaa://{HSS1}",), usage=Usage.ALL_HOST)
    async with world(agent, hss, asked=1) as made:
        hss.plan = overload()
        await made.ask()
        await spared(made)


async def test_who_is_redirected_to_is_spared() -> None:
    agent, hss = hss_server(0), hss_server(1)
    agent.plan = Plan(fault=Fault.REDIRECT, to=(f"aaa://{HSS1}",))
    async with world(agent, hss, asked=1) as made:
        hss.plan = overload()
        await made.ask()
        with pytest.raises(PeerUnavailable) as raised:
            await made.ask()
        assert raised.value.reason == "diameter_overloaded"
        assert [len(agent.seen), len(hss.seen)] == [2, 1]


async def test_who_does_not_heed_says_so_and_spares_nobody() -> None:
    async with world(heeds_overload=False) as made:
        made.hss.plan = overload(times=-1)
        for _ in range(3):
            assert (await made.ask()).result == SUCCESS
        assert made.diary.reports == []


async def test_a_report_that_is_malformed_spoils_nothing() -> None:
    async with world() as made:
        made.hss.plan = overload(101, times=-1)
        for _ in range(3):
            assert (await made.ask()).result == SUCCESS
        assert made.diary.reports == []


# --- what is known -----------------------------------------------------------------------------

KEY = (swx.APPLICATION, Scope.HOST, HSS0)
REPORTS = st.builds(
    Report,
    st.integers(0, 5),
    st.just(Scope.HOST),
    st.integers(0, 100),
    st.integers(0, 86_400),
)


def report(sequence: int, percent: int = 50, seconds: int = 60) -> Report:
    return Report(sequence, Scope.HOST, percent, seconds)


@pytest.mark.spec("RFC 7683 §5.2.1.3")
@given(st.lists(REPORTS, min_size=1, max_size=20))
def test_the_newest_counts_whatever_order_they_come_in(reports: list[Report]) -> None:
    known = Overloads()
    for each in reports:
        known.take(KEY, each, 0.0)
    newest = max(each.sequence for each in reports)
    first = next(each for each in reports if each.sequence == newest)
    percent, left = known.of(KEY, 0.0)
    assert percent == (first.percent if first.seconds else 0)
    if percent:
        assert left == min(first.seconds, 300)


@given(REPORTS, st.floats(0, 400))
def test_nothing_is_believed_for_longer_than_five_minutes(said: Report, later: float) -> None:
    known = Overloads()
    known.take(KEY, said, 0.0)
    percent, left = known.of(KEY, later)
    assert percent in (0, said.percent)
    assert later + left <= 300 or not left
    assert known.of(KEY, 300.0) == (0, 0.0)
    assert len(known) == 0


def test_the_highest_number_of_all_is_good_for_its_time_only() -> None:
    known = Overloads()
    known.take(KEY, report((1 << 64) - 1, 100), 0.0)
    known.take(KEY, report(1, 10), 1.0)
    assert known.of(KEY, 1.0)[0] == 100
    known.take(KEY, report(1, 10), 61.0)
    assert known.of(KEY, 61.0)[0] == 10


def test_one_that_ended_is_not_revived_by_what_was_under_way() -> None:
    known = Overloads()
    known.take(KEY, report(1), 0.0)
    known.take(KEY, report(2, seconds=0), 1.0)
    known.take(KEY, report(1), 2.0)
    assert known.of(KEY, 2.0)[0] == 0


def test_a_peer_cannot_fill_the_memory_or_the_log() -> None:
    known = Overloads(most=10)
    news = 0
    for number in range(1000):
        news += known.take(KEY, report(number, number % 100), number / 1000)
        known.take((1, Scope.HOST, f"hss{number}"), report(1), 0.0)
        assert len(known) <= 10
    assert news == 1
