"""Our Diameter node against HSSs on loopback: connections, fail-over, watchdog, bounds."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from simgrant.errors import PeerMisbehaved, PeerTimeout, PeerUnavailable
from simgrant.links.diameter.peer import State, TlsFiles
from simgrant.links.diameter.watchdog import WatchdogRules
from simgrant.links.retry import RetryRules
from simgrant.sim.hss.faults import Fault, Plan
from simgrant.spec.diameter import IETF, TGPP
from simgrant.wire.diameter import swx
from simgrant.wire.diameter.base import Cause, pull_result
from simgrant.wire.diameter.vectors import Scheme
from tests.loopback.links.diameter.world import (
    EAGER,
    IMSI,
    NEVER_AGAIN,
    REALM,
    US,
    hss_server,
    world,
)

SUCCESS = (IETF, 2001)


# --- one peer ----------------------------------------------------------------------------------


async def test_a_request_is_answered() -> None:
    async with world() as made:
        told = await made.ask()
        assert told.result == SUCCESS
        assert swx.pull_item(told.avps).scheme == Scheme.AKA
        assert made.diary.results == [("hss0", "2001")]
        assert [seen.peer for seen in made.hss.seen] == [US.host]


async def test_hundreds_under_way_get_their_own_answers() -> None:
    async with world() as made:
        imsis = [f"00101000000000{1 + number % 5}" for number in range(400)]
        imsis = [imsi.zfill(15) for imsi in imsis]
        made.hss.plan = Plan(fault=Fault.SLOW, delay_s=0.05, times=200)
        told = await asyncio.gather(*(made.ask(imsi=imsi) for imsi in imsis))
        assert [swx.pull_item(each.avps).user_name for each in told] == imsis
        assert len({seen.end_to_end for seen in made.hss.seen}) == 400


async def test_a_no_is_an_answer() -> None:
    async with world() as made:
        told = await made.ask(imsi="001019999999999")
        assert told.result == (TGPP, 5001)
        assert made.diary.results == [("hss0", "e5001")]


@pytest.mark.parametrize(("vendor", "code"), [(9, 5001), (0, 1234), (10415, 4_000_000_000)])
async def test_a_result_that_a_peer_makes_up_is_counted_as_one_of_those(
    vendor: int, code: int
) -> None:
    async with world() as made:
        made.hss.plan = Plan(fault=Fault.RESULT, vendor=vendor, code=code)
        assert (await made.ask()).result == (vendor, code)
        assert made.diary.results == [("hss0", "other")]


async def test_who_asks_before_anybody_is_connected_waits_for_it() -> None:
    async with world(wait=False) as made:
        assert (await made.ask()).result == SUCCESS


async def test_nobody_listens() -> None:
    async with world(retry=NEVER_AGAIN) as made:
        await made.hss.down()
        await made.until_state(State.CLOSED)
        with pytest.raises(PeerUnavailable) as raised:
            await made.ask()
        assert raised.value.reason == "diameter_no_peer"


async def test_an_answer_with_a_wrong_hop_by_hop_is_nobodys() -> None:
    async with world() as made:
        made.hss.plan = Plan(fault=Fault.OTHER_ID)
        with pytest.raises(PeerTimeout) as raised:
            await made.ask(within=0.2)
        assert raised.value.reason == "diameter_timeout"
        assert made.diary.results == [("hss0", "late")]


@pytest.mark.parametrize(
    ("fault", "reason"),
    [(Fault.OTHER_END, "diameter_other_answer"), (Fault.MALFORMED, "diameter_malformed")],
)
async def test_an_answer_that_is_none_is_said_to_be(fault: Fault, reason: str) -> None:
    async with world() as made:
        made.hss.plan = Plan(fault=fault)
        with pytest.raises(PeerMisbehaved) as raised:
            await made.ask()
        assert raised.value.reason == reason
        assert made.diary.results == [("hss0", "malformed")]


async def test_a_cancelled_request_waits_for_nothing() -> None:
    async with world() as made:
        made.hss.plan = Plan(fault=Fault.SILENT)
        asking = asyncio.create_task(made.ask())
        await made.until(lambda: made.hss.seen)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        connection = made.route.ways[0][0].connection
        assert connection is not None
        assert connection.in_flight == 0


async def test_more_than_the_window_are_refused_at_once() -> None:
    async with world(window=2) as made:
        made.hss.plan = Plan(fault=Fault.SILENT)
        asking = [asyncio.create_task(made.ask(within=0.5)) for _ in range(2)]
        await made.until(lambda: len(made.hss.seen) == 2)
        with pytest.raises(PeerUnavailable) as raised:
            await made.ask()
        assert raised.value.reason == "diameter_window_full"
        await asyncio.gather(*asking, return_exceptions=True)


async def test_a_peer_that_only_ever_fails_is_left_alone_and_tried_again() -> None:
    rules = RetryRules(failures=3, pause_s=60)
    async with world(route_retry=rules) as made:
        made.hss.plan = Plan(fault=Fault.SILENT, times=3)
        for _ in range(3):
            with pytest.raises(PeerTimeout):
                await made.ask(within=0.05)
        with pytest.raises(PeerUnavailable) as raised:
            await made.ask()
        assert raised.value.reason == "circuit_open"
        assert 48 <= (raised.value.retry_after or 0) <= 72
        made.clock.ahead += 73
        assert (await made.ask()).result == SUCCESS
        assert (await made.ask()).result == SUCCESS


@pytest.mark.spec("RFC 7944 §9.1")
@pytest.mark.parametrize("urgency", [None, 0, 15])
async def test_requests_say_how_urgent_they_are_where_they_are_to(urgency: int | None) -> None:
    async with world() as made:
        config = replace(made.route.config, message_priority=urgency)
        made.route = made.node.route(config)
        await made.ask()
        assert [seen.priority for seen in made.hss.seen] == [urgency]


# --- another peer ------------------------------------------------------------------------------


async def test_what_a_lost_connection_leaves_open_goes_to_the_other_peer_with_the_t_flag() -> None:
    both = hss_server(0), hss_server(1)
    async with world(*both, peers=({"retry": NEVER_AGAIN}, {"priority": 2})) as made:
        both[0].plan = Plan(fault=Fault.SILENT)
        asking = [asyncio.create_task(made.ask()) for _ in range(300)]
        await made.until(lambda: len(both[0].seen) == 300)
        await both[0].down()
        told = await asyncio.gather(*asking)
        assert {each.result for each in told} == {SUCCESS}
        assert all(seen.repeated for seen in both[1].seen)
        assert not any(seen.repeated for seen in both[0].seen)
        assert [seen.end_to_end for seen in both[0].seen] == [
            seen.end_to_end for seen in both[1].seen
        ]


async def test_a_peer_that_keeps_silent_costs_the_patience_and_no_more() -> None:
    both = hss_server(0), hss_server(1)
    async with world(*both, peers=({}, {"priority": 2}), patience_s=0.05) as made:
        both[0].plan = Plan(fault=Fault.SILENT)
        assert (await made.ask()).result == SUCCESS
        assert made.diary.results == [("hss0", "late"), ("hss1", "2001")]
        assert both[1].seen[0].repeated
        assert both[1].seen[0].end_to_end == both[0].seen[0].end_to_end


@pytest.mark.parametrize(("fault", "code"), [(Fault.BUSY, 3004), (Fault.UNDELIVERABLE, 3002)])
async def test_who_is_too_busy_or_cannot_deliver_is_not_the_last_word(
    fault: Fault, code: int
) -> None:
    both = hss_server(0), hss_server(1)
    async with world(*both, peers=({}, {"priority": 2})) as made:
        both[0].plan = Plan(fault=fault)
        assert (await made.ask()).result == SUCCESS
        # It was answered: this is no possible duplicate.
        assert not both[1].seen[0].repeated
        assert both[1].seen[0].end_to_end == both[0].seen[0].end_to_end
        both[1].plan = Plan(fault=fault)
        assert (await made.ask()).result == (IETF, code)


async def test_repetitions_are_a_small_share_where_everybody_is_slow() -> None:
    both = hss_server(0), hss_server(1)
    rules = RetryRules(reserve=3, failures=1000)
    async with world(*both, patience_s=0.001, route_retry=rules) as made:
        for hss in both:
            hss.plan = Plan(fault=Fault.SILENT)
        asking = [asyncio.create_task(made.ask(within=0.2)) for _ in range(20)]
        await asyncio.gather(*asking, return_exceptions=True)
        # One in ten more may be repeated than was held in reserve.
        assert 3 <= len(both[0].seen) + len(both[1].seen) - 20 <= 5


async def test_who_has_nobody_else_to_ask_waits_until_the_deadline() -> None:
    both = hss_server(0), hss_server(1)
    rules = RetryRules(failures=1, pause_s=600)
    peers: tuple[dict[str, Any], ...] = ({}, {"priority": 2})
    async with world(*both, peers=peers, patience_s=0.02, route_retry=rules) as made:
        both[0].plan = Plan(fault=Fault.SILENT)
        both[1].plan = Plan(fault=Fault.SLOW, delay_s=0.2)
        for _ in range(2):
            # The second time the first peer is left alone, and is no reason for impatience.
            assert (await made.ask()).result == SUCCESS
        assert [len(hss.seen) for hss in both] == [1, 2]


async def test_patience_is_not_lost_where_no_repetition_is_left() -> None:
    both = hss_server(0), hss_server(1)
    rules = RetryRules(reserve=0, share=0.0)
    async with world(*both, patience_s=0.02, route_retry=rules) as made:
        for hss in both:
            hss.plan = Plan(fault=Fault.SLOW, delay_s=0.2)
        assert (await made.ask()).result == SUCCESS
        assert len(both[0].seen) + len(both[1].seen) == 1


async def test_who_has_no_time_left_asks_nobody() -> None:
    async with world() as made:
        with pytest.raises(PeerTimeout) as raised:
            await made.ask(within=0.0)
        assert raised.value.reason == "diameter_timeout"
        assert len(made.hss.seen) == 0
        assert made.diary.results == []


async def test_the_lowest_priority_number_is_asked_while_it_is_there() -> None:
    both = hss_server(0), hss_server(1)
    async with world(*both, peers=({}, {"priority": 2})) as made:
        for _ in range(20):
            await made.ask()
        assert len(both[1].seen) == 0
        await both[0].down()
        await made.until_state(State.CLOSED)
        await made.ask()
        assert len(both[1].seen) == 1


async def test_weights_share_the_load() -> None:
    both = hss_server(0), hss_server(1)
    async with world(*both, peers=({"weight": 9}, {"weight": 1})) as made:
        await asyncio.gather(*(made.ask() for _ in range(400)))
        # 40 are expected of the second; this is off by five standard deviations on either side.
        assert 10 <= len(both[1].seen) <= 70


# --- the watchdog ------------------------------------------------------------------------------


async def test_a_silent_connection_is_asked_and_stays() -> None:
    async with world(watchdog=EAGER) as made:
        await made.until(lambda: made.hss.watchdogs >= 3)
        assert made.node.states() == {"hss0": State.OKAY}
        assert made.reasons() == [""]


async def test_who_does_not_answer_is_suspected_and_then_given_up() -> None:
    async with world(watchdog=EAGER, retry=NEVER_AGAIN) as made:
        made.hss.plan = Plan(fault=Fault.DEAF)
        await made.until_state(State.SUSPECT)
        await made.until_state(State.CLOSED)
        assert made.reasons() == [""] + ["it does not answer the watchdog"] * 2


async def test_a_suspect_is_asked_only_where_there_is_nobody_else() -> None:
    both = hss_server(0), hss_server(1)
    slow = WatchdogRules(tw_s=0.2, doubt_s=0.001)
    async with world(*both, peers=({"watchdog": slow}, {"priority": 2})) as made:
        both[0].plan = Plan(fault=Fault.DEAF)
        await made.until_state(State.SUSPECT)
        await made.ask()
        assert [len(hss.seen) for hss in both] == [0, 1]


async def test_a_connection_made_anew_is_doubtful_until_three_watchdogs_were_answered() -> None:
    async with world(watchdog=EAGER) as made:
        made.hss.connections[0].abort()
        await made.until_state(State.DOUBTFUL)
        before = made.hss.watchdogs
        await made.until_state(State.OKAY)
        assert made.hss.watchdogs - before in (2, 3)  # The first may have come already.
        assert [state for _, state, _ in made.diary.states] == [
            State.OKAY,
            State.CLOSED,
            State.DOUBTFUL,
            State.OKAY,
        ]


async def test_a_doubtful_peer_serves_where_there_is_nobody_else() -> None:
    both = hss_server(0), hss_server(1)
    async with world(*both, peers=({}, {"priority": 2})) as made:
        both[0].connections[0].abort()
        await made.until_state(State.DOUBTFUL)
        await made.ask()
        assert [len(hss.seen) for hss in both] == [0, 1]
        await both[1].down()
        await made.until_state(State.CLOSED, "hss1")
        assert (await made.ask()).result == SUCCESS
        assert [len(hss.seen) for hss in both] == [1, 1]


# --- good-bye ----------------------------------------------------------------------------------


async def test_we_say_good_bye_when_we_stop() -> None:
    async with world() as made:
        await made.stop()
        assert made.hss.left == [US.host]
        # That we left is no news of the peer.
        assert made.diary.states == [("hss0", State.OKAY, "")]
        await made.until(lambda: not made.hss.connections)
        with pytest.raises(PeerUnavailable) as raised:
            await made.ask()
        assert raised.value.reason == "diameter_closed"


async def test_a_stop_does_not_wait_for_a_deaf_peer_for_long() -> None:
    async with world() as made:
        made.hss.plan = Plan(fault=Fault.DEAF)
        async with asyncio.timeout(5):
            await made.stop()


async def test_a_peer_that_says_good_bye_is_answered_and_comes_back_as_good_as_new() -> None:
    async with world() as made:
        made.hss.plan = Plan(fault=Fault.GOOD_BYE, times=1)
        assert (await made.ask()).result == SUCCESS
        await made.until(lambda: made.hss.told)
        assert pull_result(made.hss.told[0].avps) == SUCCESS
        await made.until(lambda: len(made.diary.states) >= 3)
        assert [state for _, state, _ in made.diary.states] == [
            State.OKAY,
            State.CLOSED,
            State.OKAY,
        ]
        assert made.reasons()[1] == "it said good-bye"
        assert (await made.ask()).result == SUCCESS


async def test_a_peer_that_does_not_want_us_is_left_alone_for_longer() -> None:
    rules = RetryRules(first_wait_s=0.001, longest_wait_s=3600)
    async with world(retry=rules) as made:
        made.hss.say_good_bye(Cause.DO_NOT_WANT_TO_TALK_TO_YOU)
        await made.until_state(State.CLOSED)
        await asyncio.sleep(0.05)  # Ten times what another cause would have let it wait.
        assert made.node.states() == {"hss0": State.CLOSED}


# --- what a peer asks --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command", [swx.Command.PUSH_PROFILE, swx.Command.REGISTRATION_TERMINATION]
)
async def test_what_is_told_about_registrations_is_answered_by_who_has_none(command: int) -> None:
    async with world() as made:
        made.hss.push(command, IMSI)
        await made.until(lambda: made.hss.told)
        told = made.hss.told[0]
        assert pull_result(told.avps) == (TGPP, 5001)
        assert told.header.flags == 0x40


@pytest.mark.parametrize(
    ("command", "application", "code"),
    [(999, swx.APPLICATION, 3001), (swx.Command.PUSH_PROFILE, 16777236, 3007), (258, 0, 3007)],
)
async def test_what_nobody_here_knows_is_refused(command: int, application: int, code: int) -> None:
    async with world() as made:
        made.hss.push(command, IMSI, application)
        await made.until(lambda: made.hss.told)
        told = made.hss.told[0]
        assert pull_result(told.avps) == (IETF, code)
        assert told.header.flags & 0x20
        assert (await made.ask()).result == SUCCESS


# --- who is connected to -----------------------------------------------------------------------


async def test_who_does_not_know_us_is_told_to_the_operator() -> None:
    hss = hss_server(0, peers=frozenset({f"ecs-1.{REALM}"}))
    async with world(hss, wait=False, retry=NEVER_AGAIN) as made:
        await made.until(lambda: made.diary.states)
        assert made.reasons() == ["it answers 3010 UNKNOWN_PEER"]


async def test_another_than_the_one_we_mean_is_not_used() -> None:
    async with world(hss_server(7), wait=False) as made:
        await made.until(lambda: made.diary.states)
        assert made.reasons() == [f"it is hss7.{REALM}, not hss0.{REALM}"]
        with pytest.raises(PeerUnavailable):
            await made.ask()


async def test_the_same_trouble_again_and_again_is_said_once() -> None:
    async with world(hss_server(7), wait=False) as made:
        await asyncio.sleep(0.1)
        assert len(made.diary.states) == 1


class Odd:
    """A server that does with a connection what a test says."""

    def __init__(self, said: bytes, *, again: int = 1) -> None:
        self.port = 0
        self._said = said
        self._again = again
        self._server: asyncio.Server | None = None

    async def up(self) -> None:
        self._server = await asyncio.start_server(self._met, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def down(self) -> None:
        if self._server is not None:
            self._server.close()

    async def _met(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            for _ in range(self._again):
                writer.write(self._said)
                await writer.drain()
            await reader.read()
        writer.close()


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"", "no connection in time"),
        (b"\x01", "no connection in time"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "no answer to our capabilities"),
        (b"\x01\xff\xff\xff" + b"\0" * 16, "no answer to our capabilities"),
    ],
)
async def test_who_answers_no_capabilities_is_given_up_in_time(said: bytes, reason: str) -> None:
    odd = Odd(said)
    async with world(
        odd,  # type: ignore[arg-type]
        wait=False,
        connect_timeout_s=0.1,
        retry=NEVER_AGAIN,
    ) as made:
        await made.until(lambda: made.diary.states)
        assert made.reasons()[0].startswith(reason)


async def test_a_peer_that_asks_and_does_not_read_is_disconnected() -> None:
    async with world(retry=NEVER_AGAIN) as made:
        connection = made.route.ways[0][0].connection
        assert connection is not None
        # As asyncio calls it once 64 KiB wait to be sent.
        connection.pause_writing()
        with pytest.raises(PeerUnavailable):
            await made.ask()
        made.hss.push(swx.Command.PUSH_PROFILE, IMSI)
        await made.until_state(State.CLOSED)
        assert made.reasons()[-1] == "it does not read"


# --- TLS ---------------------------------------------------------------------------------------


async def test_over_tls_with_certificates_of_both(tmp_path: Path) -> None:
    from simgrant.sim.push.certificates import Authority

    authority = Authority(now=time.time())
    ca = tmp_path / "ca.pem"
    ca.write_bytes(authority.pem)
    hss = hss_server(0, tls=authority.server([f"hss0.{REALM}"]))
    async with world(hss, tls=TlsFiles(ca=ca)) as made:
        assert (await made.ask()).result == SUCCESS
    stranger = tmp_path / "stranger.pem"
    stranger.write_bytes(Authority(now=time.time()).pem)
    for files, name in ((TlsFiles(ca=stranger), f"hss0.{REALM}"), (TlsFiles(ca=ca), "other")):
        hss = hss_server(0, tls=authority.server([name]))
        async with world(hss, tls=files, wait=False, retry=NEVER_AGAIN) as made:
            await made.until(lambda made=made: made.diary.states)  # type: ignore[misc]
            assert made.reasons() == ["TLS: CERTIFICATE_VERIFY_FAILED"]


async def test_what_came_back_is_counted_by_peer_and_result() -> None:
    both = hss_server(0), hss_server(1)
    async with world(*both) as made:
        await asyncio.gather(*(made.ask() for _ in range(50)))
        counted = Counter(made.diary.results)
        assert sum(counted.values()) == 50
        assert set(counted) <= {("hss0", "2001"), ("hss1", "2001")}
