"""Who of the instances of a service is asked, over HTTP/2 on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from email.utils import formatdate

import pytest

from simgrant.errors import EcsError, PeerTimeout, PeerUnavailable
from simgrant.links.http import Reply
from simgrant.links.sbi.producers import Producers, SbiRequest
from simgrant.sim.web import Answer, Break, Request
from simgrant.wire.sbi.nrf import Instance
from tests.loopback.links.sbi.core import GOOD, Core, Node, said

IMSI = "001010000000001"
REQUEST = SbiRequest(method="POST", path="/a/b", body=b"{}", headers={"user-agent": "AUSF"})


@pytest.fixture
async def core() -> AsyncIterator[Core]:
    found = Core()
    yield found
    for node in found.nodes:
        await node.web.down()


async def ask(producers: Producers, core: Core, *, seconds: float = 5.0) -> Reply:
    return await producers.send(REQUEST, imsi=IMSI, deadline=core.deadline(seconds))


async def refused(producers: Producers, core: Core, *, seconds: float = 5.0) -> EcsError:
    with pytest.raises(EcsError) as raised:
        await ask(producers, core, seconds=seconds)
    return raised.value


async def test_a_request_says_when_it_was_sent_and_how_long_it_is_waited_for(core: Core) -> None:
    node = Node()
    await core.up(node)
    reply = await ask(core.producers([node]), core, seconds=2.0)
    assert (reply.status, reply.version) == (200, "HTTP/2.0")
    (seen,) = node.seen
    assert (seen.method, seen.target, seen.body) == ("POST", "/a/b", b"{}")
    assert seen.headers["user-agent"] == "AUSF"
    assert 1_000 < int(seen.headers["3gpp-sbi-max-rsp-time"]) < 2_000
    assert seen.headers["3gpp-sbi-sender-timestamp"].endswith(" GMT")


async def test_the_first_is_asked_while_it_answers(core: Core) -> None:
    first, second = Node(), Node()
    await core.up(first, second)
    producers = core.producers([first, second])
    for _ in range(5):
        await ask(producers, core)
    assert (len(first.seen), len(second.seen)) == (5, 0)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
async def test_who_cannot_is_passed_over(core: Core, status: int) -> None:
    first, second = Node(said(status)), Node()
    await core.up(first, second)
    reply = await ask(core.producers([first, second]), core)
    assert reply.status == 200
    assert (len(first.seen), len(second.seen)) == (1, 1)


@pytest.mark.parametrize("status", [200, 201, 400, 401, 403, 404, 501])
async def test_everything_else_is_the_answer(core: Core, status: int) -> None:
    first, second = Node(said(status)), Node()
    await core.up(first, second)
    assert (await ask(core.producers([first, second]), core)).status == status
    assert second.seen == []


@pytest.mark.parametrize("fault", [Break.RESET, Break.RESET_STREAM, Break.HALF])
async def test_a_lost_request_goes_to_the_next(core: Core, fault: Break) -> None:
    first, second = Node(Answer(fault=fault)), Node()
    await core.up(first, second)
    assert (await ask(core.producers([first, second]), core)).status == 200
    assert ("udm.home", "lost") in core.watched.answers


async def test_who_is_silent_is_passed_over_after_a_while(core: Core) -> None:
    first, second = Node(Answer(fault=Break.SILENT)), Node()
    await core.up(first, second)
    producers = core.producers([first, second], patience_s=0.1)
    assert (await ask(producers, core)).status == 200
    assert core.watched.answers == [("udm.home", "timeout"), ("udm.home", "200")]


async def test_who_is_gone_is_passed_over(core: Core) -> None:
    first, second = Node(), Node()
    await core.up(first, second)
    await first.web.down()
    assert (await ask(core.producers([first, second]), core)).status == 200
    assert core.watched.answers[0] == ("udm.home", "unreachable")


@pytest.mark.parametrize(
    ("fault", "reason"),
    [(Break.SILENT, "sbi_timeout"), (Break.RESET, "sbi_lost"), (None, "sbi_unreachable")],
)
async def test_where_nobody_is_left_it_is_said_why(
    core: Core, fault: Break | None, reason: str
) -> None:
    node = Node(Answer(fault=fault))
    await core.up(node)
    if fault is None:
        await node.web.down()
    error = await refused(core.producers([node]), core, seconds=0.3)
    assert error.reason == reason
    assert isinstance(error, PeerTimeout if fault is Break.SILENT else PeerUnavailable)
    assert IMSI not in error.for_operator


async def test_that_all_are_too_busy_is_an_answer(core: Core) -> None:
    first, second = Node(said(503)), Node(said(429))
    await core.up(first, second)
    assert (await ask(core.producers([first, second]), core)).status == 429


# --- overload and load -------------------------------------------------------------------------


def oci(core: Core, percent: int, *, instance: str = "x", seconds: int = 60) -> tuple[str, str]:
    at = formatdate(core.clock.now(), usegmt=True)
    return (
        "3gpp-sbi-oci",
        f'Timestamp: "{at}"; Period-of-Validity: {seconds}s; '
        f"Overload-Reduction-Metric: {percent}%; NF-Instance: {instance}",
    )


async def test_who_is_overloaded_gets_nothing_for_so_long(core: Core) -> None:
    first, second = Node(said(200, oci(core, 100))), Node()
    await core.up(first, second)
    producers = core.producers([first, second])
    for _ in range(4):
        await ask(producers, core)
    assert (len(first.seen), len(second.seen)) == (1, 3)
    core.clock.ahead += 61
    await ask(producers, core)
    assert len(first.seen) == 2


async def test_where_everybody_is_overloaded_nothing_is_sent(core: Core) -> None:
    node = Node(said(200, oci(core, 100)))
    await core.up(node)
    producers = core.producers([node])
    await ask(producers, core)
    error = await refused(producers, core)
    assert (error.reason, len(node.seen)) == ("sbi_overloaded", 1)
    assert error.retry_after is not None
    assert 50 < error.retry_after <= 60


async def test_an_instance_speaks_of_itself_alone(core: Core) -> None:
    told = Node(said(200, oci(core, 100, instance="other")))
    await core.up(told)
    producers = core.producers([Instance(id="own", root=told.root)])
    await ask(producers, core)
    assert (await ask(producers, core)).status == 200


async def test_retry_after_is_obeyed_and_bounded(core: Core) -> None:
    first, second = Node(said(503, ("retry-after", "999999")), GOOD), Node()
    await core.up(first, second)
    producers = core.producers([first, second])
    await ask(producers, core)
    await ask(producers, core)
    assert len(first.seen) == 1
    core.clock.ahead += 61
    await ask(producers, core)
    assert len(first.seen) == 2


async def test_who_has_nothing_left_to_give_is_asked_last(core: Core) -> None:
    at = formatdate(core.clock.now(), usegmt=True)
    full = f'Timestamp: "{at}"; Load-Metric: 100%; NF-Instance: a'
    busy, idle = Node(said(200, ("3gpp-sbi-lci", full))), Node()
    await core.up(busy, idle)
    producers = core.producers(
        [
            Instance(id="a", root=busy.root, priority=1, capacity=1),
            Instance(id="b", root=idle.root, priority=1, capacity=60_000),
        ]
    )
    for _ in range(20):
        await ask(producers, core)
    assert len(idle.seen) > len(busy.seen)


# --- ranges and referrals ------------------------------------------------------------------------


async def test_only_who_serves_the_sim_is_asked(core: Core) -> None:
    first, second = Node(), Node()
    await core.up(first, second)
    other = Instance(id="a", root=first.root, ranges=(("00102", "00102"),))
    own = Instance(id="b", root=second.root, priority=9, ranges=(("00101", "00101"),))
    await ask(core.producers([other, own]), core)
    assert (first.seen, len(second.seen)) == ([], 1)
    error = await refused(core.producers([other]), core)
    assert error.reason == "sbi_no_instance"


@pytest.mark.parametrize("status", [307, 308])
async def test_a_referral_is_followed_to_who_is_known(core: Core, status: int) -> None:
    first, second, third = Node(), Node(), Node()
    await core.up(first, second, third)
    first.answers = [said(status, ("location", f"{third.root}/a/b"))]
    assert (await ask(core.producers([first, second, third]), core)).status == 200
    assert (len(second.seen), len(third.seen)) == (0, 1)


async def test_a_referral_elsewhere_is_not_followed(core: Core) -> None:
    stranger, node = Node(), Node()
    await core.up(stranger, node)
    for location in (f"{stranger.root}/a/b", "", "/a/b", f"{node.root}.evil.example/a/b"):
        node.answers = [said(307, ("location", location))]
        error = await refused(core.producers([node]), core)
        assert error.reason == "sbi_referred_elsewhere"
    assert stranger.seen == []


async def test_referrals_in_a_circle_end(core: Core) -> None:
    first, second = Node(), Node()
    await core.up(first, second)
    first.answers = [said(307, ("location", f"{second.root}/a/b"))]
    second.answers = [said(307, ("location", f"{first.root}/a/b"))]
    error = await refused(core.producers([first, second]), core)
    assert error.reason == "sbi_referred_elsewhere"
    assert len(first.seen) + len(second.seen) <= 4


# --- who is known ------------------------------------------------------------------------------


async def test_who_stays_keeps_the_connection_and_who_is_gone_loses_it(core: Core) -> None:
    first, second = Node(), Node()
    await core.up(first, second)
    stays, goes = Instance(id="a", root=first.root), Instance(id="b", root=second.root)
    producers = core.producers([goes, stays])
    for chosen in ([goes], [goes, stays], [stays]):
        producers.become(chosen)
        await ask(producers, core)
    producers.become([stays])
    await ask(producers, core)
    assert first.web.connections == 1
    assert producers.roots == {first.root}
    await producers.close()


async def test_others_may_be_known_while_somebody_is_waited_for(core: Core) -> None:
    first, second, third = Node(), Node(), Node()
    await core.up(first, second, third)
    producers = core.producers([first, second])

    def busy(_: Request) -> Answer:
        producers.become([Instance(id="c", root=third.root)])
        return said(503)

    first.other = busy
    # A request ends with those with whom it began.
    assert (await ask(producers, core)).status == 200
    assert (len(first.seen), len(second.seen)) == (1, 1)
    assert (await ask(producers, core)).status == 200
    assert len(third.seen) == 1
    await producers.close()


async def test_an_answer_too_long_is_not_read(core: Core) -> None:
    first, second = Node(said(200, body=b"x" * 70_000)), Node()
    await core.up(first, second)
    reply = await ask(core.producers([first, second]), core)
    assert reply.body == GOOD.body
    assert ("udm.home", "malformed") in core.watched.answers


async def test_many_at_once_share_a_connection(core: Core) -> None:
    node = Node()
    await core.up(node)
    producers = core.producers([node])
    await ask(producers, core)
    await asyncio.gather(*(ask(producers, core) for _ in range(100)))
    assert (len(node.seen), node.web.connections) == (101, 1)
    await producers.close()
