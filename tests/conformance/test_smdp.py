"""The port ``Smdp``, as its adapter for ES2+ keeps it, against an SM-DP+ over mutual TLS."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyreqwest.http import HeaderMap

from simgrant.adapters.smdp.es2plus import Config, Es2plus, cause_of, open_smdp
from simgrant.errors import PeerUnavailable, StartRefused
from simgrant.identities import Eid, Iccid
from simgrant.links.http import HttpConfig, Reply
from simgrant.links.retry import RetryRules
from simgrant.ports.smdp import (
    Cause,
    Confirmed,
    FinalStatus,
    NotReached,
    Refused,
    Smdp,
    Terms,
    UnknownOutcome,
)
from simgrant.sim.smdp.certificates import Certificates
from simgrant.sim.smdp.faults import Fault, Plan
from simgrant.sim.smdp.pool import Pool, State
from simgrant.sim.smdp.server import SmdpServer
from simgrant.sim.web import Answer, Request, WebServer
from simgrant.wire.es2plus import Function, Outcome, ReleaseProfile, Status
from tests.clocks import MachineClock

EID = Eid("89049032123451234512345678901235")
OTHER_EID = Eid("89049032123451234512345678909999")
NO_SUCH = Iccid("8999901999999999999")
QUICK = RetryRules(tries=3, failures=1_000, first_wait_s=0.001, longest_wait_s=0.002)
"""A link that would repeat what it may, at once."""
TERMS = Terms(name="north", address="smdp.example.com", post_confirm_delay_s=2.0)


@dataclass
class World:
    """An SM-DP+ with ten profiles, and our side of it."""

    server: SmdpServer
    ours: Es2plus
    config: Config
    certificates: Certificates
    calls: int = 0

    @property
    def pool(self) -> Pool:
        return self.server.pool

    def state(self, iccid: Iccid) -> State:
        return self.pool.profiles[iccid.digits].state

    @property
    def free(self) -> int:
        return self.pool.stock()["consumer"].get("Available", 0)

    def next_call(self) -> str:
        self.calls += 1
        return f"call-{self.calls}"

    async def download(self, *, within: float = 10, **wanted: Any) -> Iccid:
        until = time.monotonic() + within
        wanted = wanted or {"profile_type": "consumer", "eid": EID}
        return await self.ours.download_order(self.next_call(), **wanted, deadline=until)

    async def confirm(self, iccid: Iccid, *, within: float = 10, **wanted: Any) -> Confirmed:
        until = time.monotonic() + within
        wanted = {"release": True} | wanted
        return await self.ours.confirm_order(
            self.next_call(), iccid=iccid, **wanted, deadline=until
        )

    async def cancel(self, iccid: Iccid, *, within: float = 10, **wanted: Any) -> None:
        until = time.monotonic() + within
        await self.ours.cancel_order(self.next_call(), iccid=iccid, **wanted, deadline=until)

    async def release(self, iccid: Iccid, *, within: float = 10) -> None:
        until = time.monotonic() + within
        await self.ours.release_profile(self.next_call(), iccid=iccid, deadline=until)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("smdp"), now=time.time())


@pytest.fixture
async def world(certificates: Certificates) -> AsyncIterator[World]:
    pool = Pool(address="dp.example.net")
    pool.add("consumer", 10)
    server = SmdpServer(pool, certificates.server_context())
    await server.up()
    config = Config(
        terms=TERMS,
        url=server.web.url,
        requester="simgrant",
        http=HttpConfig(
            peer="smdp north",
            ca_file=certificates.ca,
            certificate=certificates.operator,
            key=certificates.operator_key,
            retry=QUICK,
        ),
    )
    made = World(server, open_smdp(config, clock=MachineClock()), config, certificates)
    yield made
    await made.ours.close()
    await server.down()


def port(ours: Es2plus) -> Smdp:
    """Hold the adapter against the protocol."""
    return ours


# --- what goes well -------------------------------------------------------------------------


async def test_an_order_is_reserved_confirmed_and_released_at_once(world: World) -> None:
    iccid = await world.download()
    assert world.state(iccid) is State.LINKED
    confirmed = await world.confirm(iccid, eid=EID)
    assert world.state(iccid) is State.RELEASED
    assert confirmed.smdp_address == "dp.example.net"
    assert confirmed.matching_id == world.pool.profiles[iccid.digits].matching_id
    assert confirmed.matching_id not in repr(confirmed)
    assert port(world.ours).terms == TERMS


async def test_an_order_can_be_released_later(world: World) -> None:
    iccid = await world.download(profile_type="consumer")
    assert world.state(iccid) is State.ALLOCATED
    await world.confirm(iccid, release=False, matching_id="OURS-1", confirmation_code="1234")
    assert world.state(iccid) is State.CONFIRMED
    await world.release(iccid)
    assert world.state(iccid) is State.RELEASED
    profile = world.pool.profiles[iccid.digits]
    assert (profile.matching_id, profile.confirmation_code) == ("OURS-1", "1234")


async def test_an_order_of_the_default_smdp_has_no_matching_id(world: World) -> None:
    iccid = await world.download()
    assert (await world.confirm(iccid, eid=EID, matching_id="")).matching_id == ""


async def test_our_own_iccid_is_ordered_by_its_name(world: World) -> None:
    ours = Iccid(next(reversed(world.pool.profiles)))
    assert await world.download(iccid=ours, eid=EID) == ours
    await world.cancel(ours, eid=EID)
    assert world.state(ours) is State.AVAILABLE
    await world.download(iccid=ours, eid=OTHER_EID)
    await world.cancel(ours, final=FinalStatus.UNAVAILABLE)
    assert world.state(ours) is State.UNAVAILABLE


async def test_every_call_has_our_name_its_identifier_and_the_version(world: World) -> None:
    await world.download()
    (seen,) = world.server.seen
    assert (seen.header.requester, seen.header.call_id) == ("simgrant", "call-1")
    assert world.server.web.connections == 1


async def test_the_connection_is_kept(world: World) -> None:
    for _ in range(5):
        iccid = await world.download()
        await world.cancel(iccid)
    assert world.server.web.connections == 1


async def test_a_warning_is_no_failure(world: World) -> None:
    world.server.play(Plan(fault=Fault.WARNING))
    assert world.state(await world.download()) is State.LINKED


# --- what is refused: every row of the table --------------------------------------------------


@pytest.mark.spec("SGP.22 §5.2.6")
@pytest.mark.parametrize(
    ("function", "subject", "reason", "cause"),
    [
        (Function.DOWNLOAD_ORDER, "8.2.5", "3.7", Cause.OUT_OF_STOCK),
        (Function.DOWNLOAD_ORDER, "8.2.1", "3.3", Cause.IN_USE),
        (Function.CONFIRM_ORDER, "8.2.6", "3.3", Cause.IN_USE),
        (Function.RELEASE_PROFILE, "8.2.1", "3.5", Cause.ALREADY_RELEASED),
        (Function.CANCEL_ORDER, "8.2.1", "3.5", Cause.WRONG_STATE),
        (Function.CONFIRM_ORDER, "8.2.1", "3.5", Cause.WRONG_STATE),
        (Function.DOWNLOAD_ORDER, "8.1.1", "3.10", Cause.OTHER_EID),
        (Function.CONFIRM_ORDER, "8.2.6", "3.10", Cause.OTHER_EID),
        (Function.CONFIRM_ORDER, "8.9", "5.1", Cause.SMDS_DOWN),
        (Function.DOWNLOAD_ORDER, "8.2.5", "3.9", Cause.CONFIGURATION),
        (Function.DOWNLOAD_ORDER, "8.2.1", "1.2", Cause.CONFIGURATION),
        (Function.DOWNLOAD_ORDER, "1.2.1", "2.1", Cause.CONFIGURATION),
        (Function.DOWNLOAD_ORDER, "1.2.2", "2.1", Cause.CONFIGURATION),
        (Function.DOWNLOAD_ORDER, "8.8.1", "3.10", Cause.OTHER),
        (Function.DOWNLOAD_ORDER, "8.2.6", "3.8", Cause.OTHER),
        (Function.DOWNLOAD_ORDER, "8.2.7", "2.2", Cause.OTHER),
        (Function.DOWNLOAD_ORDER, "8.2.1", "4.2", Cause.OTHER),
        (Function.DOWNLOAD_ORDER, "", "", Cause.OTHER),
    ],
)
async def test_a_failure_is_refused_with_its_codes_and_its_cause(
    world: World, function: Function, subject: str, reason: str, cause: Cause
) -> None:
    assert cause_of(function, Status(Outcome.FAILED, subject, reason)) is cause
    calls: dict[Function, Callable[[], Awaitable[object]]] = {
        Function.DOWNLOAD_ORDER: world.download,
        Function.CONFIRM_ORDER: lambda: world.confirm(NO_SUCH),
        Function.CANCEL_ORDER: lambda: world.cancel(NO_SUCH),
        Function.RELEASE_PROFILE: lambda: world.release(NO_SUCH),
    }
    world.server.play(Plan(fault=Fault.FAILING, subject=subject, reason=reason))
    with pytest.raises(Refused) as raised:
        await calls[function]()
    error = raised.value
    assert (error.cause, error.subject, error.reason_code) == (cause, subject, reason)
    assert error.reason == cause.value
    assert world.free == 10


async def test_the_pool_itself_says_what_cannot_be(world: World) -> None:
    async def cause(work: Awaitable[object]) -> Cause:
        with pytest.raises(Refused) as raised:
            await work
        return raised.value.cause

    assert await cause(world.confirm(NO_SUCH)) is Cause.CONFIGURATION
    assert await cause(world.download(profile_type="watch")) is Cause.CONFIGURATION
    iccid = await world.download()
    assert await cause(world.download(iccid=iccid)) is Cause.IN_USE
    assert await cause(world.confirm(iccid, eid=OTHER_EID)) is Cause.OTHER_EID
    await world.confirm(iccid, matching_id="A-1")
    assert await cause(world.release(iccid)) is Cause.ALREADY_RELEASED
    assert await cause(world.confirm(iccid)) is Cause.IN_USE
    other = await world.download()
    assert await cause(world.confirm(other, matching_id="A-1")) is Cause.IN_USE
    assert await cause(world.cancel(iccid, matching_id="B-1")) is Cause.OTHER_EID
    world.pool.advance(iccid.digits, State.DOWNLOADED)
    assert await cause(world.cancel(iccid)) is Cause.WRONG_STATE
    for _ in range(8):
        await world.download()
    assert await cause(world.download()) is Cause.OUT_OF_STOCK


async def test_a_fault_may_be_of_one_function_and_of_so_many_calls(world: World) -> None:
    world.server.play(Plan(fault=Fault.OUT_OF_STOCK, function=Function.DOWNLOAD_ORDER, times=2))
    ours = Iccid(next(iter(world.pool.profiles)))
    with pytest.raises(Refused) as raised:
        await world.release(ours)
    assert raised.value.cause is Cause.ALREADY_RELEASED
    for _ in range(2):
        with pytest.raises(Refused) as raised:
            await world.download()
        assert raised.value.cause is Cause.OUT_OF_STOCK
    await world.download()
    assert world.server.plan is None
    assert world.free == 9


async def test_a_fault_may_be_of_a_share_of_the_calls(world: World) -> None:
    world.server.play(Plan(fault=Fault.OUT_OF_STOCK, share=0.2))
    refused = []
    for number in range(10):
        try:
            await world.download()
        except Refused:
            refused.append(number)
    assert refused == [4, 9]


# --- what surely did not happen ---------------------------------------------------------------


async def test_an_smdp_that_is_away_was_not_reached(world: World) -> None:
    await world.server.down()
    with pytest.raises(NotReached):
        await world.download()


async def test_a_breaker_that_is_open_says_when_to_come_back(world: World) -> None:
    http = replace(world.config.http, retry=replace(QUICK, failures=1))
    ours = open_smdp(replace(world.config, http=http), clock=MachineClock())
    world.ours, before = ours, world.ours
    await before.close()
    world.server.play(Plan(fault=Fault.BROKEN))
    with pytest.raises(UnknownOutcome):
        await world.download()
    with pytest.raises(NotReached) as raised:
        await world.download()
    assert raised.value.reason == "circuit_open"
    assert raised.value.retry_after
    assert len(world.server.seen) == 1


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_who_shows_the_wrong_certificate_is_not_served(
    world: World, tmp_path: Path, version: ssl.TLSVersion
) -> None:
    strangers = world.certificates.stranger(tmp_path)
    context = world.certificates.server_context()
    context.maximum_version = version
    server = SmdpServer(world.pool, context)
    await server.up()
    for certificate, key in ((None, None), (strangers.operator, strangers.operator_key)):
        http = replace(world.config.http, certificate=certificate, key=key)
        ours = open_smdp(replace(world.config, url=server.web.url, http=http), clock=MachineClock())
        with pytest.raises(PeerUnavailable):
            await ours.download_order("1", profile_type="consumer", deadline=time.monotonic() + 10)
        await ours.close()
    assert not server.seen
    assert world.free == 10
    await server.down()


async def test_an_smdp_with_the_wrong_certificate_is_told_nothing(
    world: World, tmp_path: Path
) -> None:
    strangers = world.certificates.stranger(tmp_path)
    server = SmdpServer(world.pool, strangers.server_context())
    await server.up()
    ours = open_smdp(replace(world.config, url=server.web.url), clock=MachineClock())
    with pytest.raises(NotReached, match="certificate"):
        await ours.download_order("1", profile_type="consumer", deadline=time.monotonic() + 10)
    assert not server.seen
    await ours.close()
    await server.down()


# --- what nobody knows --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "left"),
    [
        (Fault.SILENT, 9),
        (Fault.LOST, 9),
        (Fault.UNREAD, 10),
        (Fault.WRONG_ICCID, 9),
        (Fault.EXPIRED, 9),
        (Fault.BROKEN, 10),
        (Fault.NONSENSE, 9),
    ],
)
async def test_a_call_of_which_nobody_knows_is_sent_once(
    world: World, fault: Fault, left: int
) -> None:
    world.server.play(Plan(fault=fault))
    ours = Iccid(next(iter(world.pool.profiles)))
    within = 1.0 if fault is Fault.SILENT else 10
    with pytest.raises(UnknownOutcome):
        await world.download(within=within, iccid=ours)
    assert len(world.server.seen) == 1
    assert world.free == left


async def test_a_slow_answer_is_waited_for_until_the_deadline(world: World) -> None:
    world.server.play(Plan(fault=Fault.SLOW, delay_s=0.05))
    assert world.state(await world.download()) is State.LINKED
    world.server.play(Plan(fault=Fault.SLOW, delay_s=30))
    with pytest.raises(UnknownOutcome) as raised:
        await world.download(within=1.0)
    assert raised.value.reason == "peer_timeout"
    assert world.free == 8


async def test_an_smdp_that_dies_in_a_call_leaves_an_unknown_outcome(world: World) -> None:
    world.server.play(Plan(fault=Fault.SILENT))
    call = asyncio.create_task(world.download())
    await world.server.until_seen(1)
    await world.server.down()
    with pytest.raises(UnknownOutcome):
        await call
    assert world.free == 9


async def test_closing_in_a_call_leaves_an_unknown_outcome(world: World) -> None:
    world.server.play(Plan(fault=Fault.SILENT))
    call = asyncio.create_task(world.download())
    await world.server.until_seen(1)
    await world.ours.close()
    with pytest.raises(UnknownOutcome):
        await call


async def test_who_repeats_with_the_same_identifier_gets_the_same_profile(world: World) -> None:
    world.server.play(Plan(fault=Fault.LOST, times=1))
    with pytest.raises(UnknownOutcome):
        await world.download()
    world.calls -= 1
    again = await world.download()
    assert world.free == 9
    assert [each.result for each in world.server.seen] == ["done", "repeated"]
    assert world.state(again) is State.LINKED


async def test_an_smdp_that_forgets_calls_would_order_twice(world: World) -> None:
    forgetful = SmdpServer(world.pool, world.certificates.server_context(), remembers=False)
    await forgetful.up()
    ours = open_smdp(replace(world.config, url=forgetful.web.url), clock=MachineClock())
    for _ in range(2):
        until = time.monotonic() + 10
        await ours.download_order("the same", profile_type="consumer", deadline=until)
    assert world.free == 8
    await ours.close()
    await forgetful.down()


async def test_a_profile_that_is_given_twice_is_the_callers_to_notice(world: World) -> None:
    first = await world.download()
    world.server.play(Plan(fault=Fault.DUPLICATE, times=1))
    assert await world.download() == first
    assert world.free == 9


# --- peers that are different -------------------------------------------------------------------


class Peer:
    """Answers everything with what it was given."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.asked: list[Request] = []
        self.web = WebServer(self._answer, None)

    def _answer(self, request: Request) -> Answer:
        self.asked.append(request)
        return self.answer


def said(**content: Any) -> bytes:
    done = {"functionExecutionStatus": {"status": "Executed-Success"}}
    return json.dumps({"header": done, **content}).encode()


GOOD = said(iccid="8949449999999990023F", matchingId="A-1")
JSON = ("content-type", "application/json")


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    made = Peer(Answer(200, (JSON,), GOOD))
    await made.web.up()
    yield made
    await made.web.down()


@pytest.fixture
async def plain(peer: Peer) -> AsyncIterator[tuple[Config, list[Es2plus]]]:
    """Our settings for a peer without TLS, and what is to be closed at the end."""
    opened: list[Es2plus] = []
    http = HttpConfig(peer="smdp north", plain=True, retry=QUICK)
    yield Config(terms=TERMS, url=peer.web.url + "/", requester="us", http=http), opened
    for each in opened:
        await each.close()


async def ordered(plain: tuple[Config, list[Es2plus]], **changes: Any) -> Iccid:
    config, opened = plain
    ours = open_smdp(replace(config, **changes), clock=MachineClock())
    opened.append(ours)
    return await ours.download_order("1", profile_type="consumer", deadline=time.monotonic() + 10)


async def test_the_request_is_what_the_specification_says(
    peer: Peer, plain: tuple[Config, list[Es2plus]]
) -> None:
    assert await ordered(plain) == Iccid("8949449999999990023")
    (request,) = peer.asked
    assert (request.method, request.target) == ("POST", "/gsma/rsp2/es2plus/downloadOrder")
    assert request.headers["content-type"] == "application/json"
    assert request.headers["x-admin-protocol"] == "gsma/rsp/v2.5.0"
    assert "authorization" not in request.headers
    assert json.loads(request.body) == {
        "header": {"functionRequesterIdentifier": "us", "functionCallIdentifier": "1"},
        "profileType": "consumer",
    }


async def test_a_peer_may_have_its_own_address_version_and_password(
    peer: Peer, plain: tuple[Config, list[Es2plus]], tmp_path: Path
) -> None:
    password = tmp_path / "password"
    password.write_text("pässword\n")
    changes: dict[str, Any] = {
        "urls": {Function.DOWNLOAD_ORDER: f"{peer.web.url}/elsewhere"},
        "admin_protocol": "gsma/rsp/v3.1.0",
        "user": "us",
        "password_file": password,
    }
    await ordered(plain, **changes)
    (request,) = peer.asked
    assert request.target == "/elsewhere"
    assert request.headers["x-admin-protocol"] == "gsma/rsp/v3.1.0"
    assert request.headers["authorization"] == "Basic dXM6cMOkc3N3b3Jk"
    (ours,) = plain[1]
    password.write_text("another")
    until = time.monotonic() + 10
    await ours.download_order("2", profile_type="consumer", deadline=until)
    assert peer.asked[1].headers["authorization"] == "Basic dXM6YW5vdGhlcg=="
    password.write_text("")
    with pytest.raises(NotReached):
        await ours.download_order("3", profile_type="consumer", deadline=until)
    assert len(peer.asked) == 2


@pytest.mark.parametrize("padded", [True, False])
async def test_iccids_are_padded_or_not(
    peer: Peer, plain: tuple[Config, list[Es2plus]], padded: bool
) -> None:
    ours = open_smdp(replace(plain[0], pad_iccid=padded), clock=MachineClock())
    plain[1].append(ours)
    iccid = Iccid("8949449999999990023")
    await ours.release_profile("1", iccid=iccid, deadline=time.monotonic() + 10)
    assert json.loads(peer.asked[0].body)["iccid"] == iccid.digits + "F" * padded


@pytest.mark.parametrize(
    "headers",
    [
        (),
        (("content-type", "application/json; charset=utf-8"),),
        (JSON, ("x-admin-protocol", "gsma/rsp/v2.0.0")),
        (JSON, ("x-admin-protocol", "gsma/rsp/v3.1.0")),
    ],
)
async def test_headers_of_answers_may_be_as_they_are(
    peer: Peer, plain: tuple[Config, list[Es2plus]], headers: tuple[tuple[str, str], ...]
) -> None:
    peer.answer = Answer(200, headers, GOOD)
    assert await ordered(plain) == Iccid("8949449999999990023")


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, (("content-type", "text/html"),), GOOD),
        Answer(200, (JSON, ("x-admin-protocol", "gsma/rsp/v1.0.0")), GOOD),
        Answer(200, (JSON,), b""),
        Answer(200, (JSON,), b"<html>"),
        Answer(200, (JSON,), b"{}"),
        Answer(200, (JSON,), said()),
        Answer(200, (JSON,), said(iccid="89")),
        Answer(200, (JSON,), said(iccid=12)),
        Answer(200, (JSON,), GOOD + b" " * 70_000),
        Answer(204),
        Answer(302, (("location", "https://example.org/"),)),
        Answer(408),
        Answer(409),
        Answer(500, (JSON,), GOOD),
        Answer(503, (("retry-after", "5"),)),
        Answer(504),
    ],
)
async def test_what_is_no_answer_leaves_an_unknown_outcome(
    peer: Peer, plain: tuple[Config, list[Es2plus]], answer: Answer
) -> None:
    peer.answer = answer
    with pytest.raises(UnknownOutcome):
        await ordered(plain)
    assert len(peer.asked) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 413, 415, 421, 426, 429, 431])
async def test_who_is_turned_away_at_the_door_was_not_heard(
    peer: Peer, plain: tuple[Config, list[Es2plus]], status: int
) -> None:
    peer.answer = Answer(status, (("retry-after", "7"),), GOOD)
    with pytest.raises(NotReached, match=str(status)) as raised:
        await ordered(plain)
    assert raised.value.retry_after == 7
    assert len(peer.asked) == 1


ORDERED = Iccid("8949449999999990023")


@pytest.mark.parametrize(
    ("wanted", "content", "known"),
    [
        ({}, {"matchingId": "A-1"}, "A-1"),
        ({}, {}, None),
        ({}, {"matchingId": "a b"}, None),
        ({"matching_id": "A-1"}, {}, "A-1"),
        ({"matching_id": "A-1"}, {"matchingId": "A-1"}, "A-1"),
        ({"matching_id": "A-1"}, {"matchingId": "B-1"}, None),
        ({"matching_id": ""}, {}, ""),
        ({"matching_id": ""}, {"matchingId": ""}, ""),
        ({"matching_id": ""}, {"matchingId": "A-1"}, None),
        ({"eid": EID}, {"matchingId": "A-1", "eid": EID.digits}, "A-1"),
        ({"eid": EID}, {"matchingId": "A-1", "eid": OTHER_EID.digits}, None),
        ({}, {"matchingId": "A-1", "iccid": NO_SUCH.digits}, None),
        ({}, {"matchingId": "A-1", "smdpAddress": "https://x"}, None),
    ],
)
async def test_a_confirmation_is_believed_only_for_what_was_asked(
    peer: Peer,
    plain: tuple[Config, list[Es2plus]],
    wanted: dict[str, Any],
    content: dict[str, Any],
    known: str | None,
) -> None:
    peer.answer = Answer(200, (JSON,), said(**content))
    ours = open_smdp(plain[0], clock=MachineClock())
    plain[1].append(ours)
    call = ours.confirm_order(
        "1", iccid=ORDERED, release=True, **wanted, deadline=time.monotonic() + 10
    )
    if known is None:
        with pytest.raises(UnknownOutcome):
            await call
    else:
        assert await call == Confirmed(matching_id=known, smdp_address="smdp.example.com")


async def test_an_expired_call_may_have_been_done(
    peer: Peer, plain: tuple[Config, list[Es2plus]]
) -> None:
    expired = {"header": {"functionExecutionStatus": {"status": "Expired"}}}
    peer.answer = Answer(200, (JSON,), json.dumps(expired).encode())
    ours = open_smdp(plain[0], clock=MachineClock())
    plain[1].append(ours)
    with pytest.raises(UnknownOutcome, match="expired"):
        await ours.release_profile("1", iccid=ORDERED, deadline=time.monotonic() + 10)


@pytest.fixture(scope="module")
def judge() -> Es2plus:
    """An adapter that asks nobody."""
    config = Config(terms=TERMS, url="https://127.0.0.1", requester="us")
    return open_smdp(config, clock=MachineClock())


@given(
    status=st.integers(100, 599),
    headers=st.dictionaries(
        st.sampled_from(["content-type", "x-admin-protocol", "retry-after"]),
        st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30)
        | st.sampled_from(["application/json", "gsma/rsp/v2.5.0"]),
    ),
    body=st.binary(max_size=100)
    | st.sampled_from([GOOD, GOOD[:-1], GOOD.replace(b"Executed-Success", b"Failed")]),
)
def test_any_reply_is_an_answer_or_one_of_the_three(
    judge: Es2plus, status: int, headers: dict[str, str], body: bytes
) -> None:
    reply = Reply(status, "HTTP/1.1", body, HeaderMap(headers))
    try:
        judge._judged(Function.RELEASE_PROFILE, ReleaseProfile(iccid=ORDERED), reply)
    except (Refused, NotReached, UnknownOutcome):
        return
    assert (status, body) == (200, GOOD)


# --- secrets ------------------------------------------------------------------------------------


async def test_no_error_and_no_line_of_log_tells_who_it_is_about(
    world: World, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.DEBUG)
    password = tmp_path / "password"
    password.write_text("pass-SECRET")
    ours = open_smdp(replace(world.config, user="us", password_file=password), clock=MachineClock())
    iccid = Iccid(next(iter(world.pool.profiles)))
    texts = [repr(world.config), repr(ours), repr(ours.terms)]
    for fault in Fault:
        world.server.play(Plan(fault=fault, subject="8.2.1", reason="3.9", delay_s=0))
        call = ours.confirm_order(
            f"call-{fault}",
            iccid=iccid,
            release=True,
            eid=EID,
            matching_id="SECRET-1",
            confirmation_code="SECRET-2",
            deadline=time.monotonic() + 0.5,
        )
        try:
            await call
        except PeerUnavailable as error:
            texts += [str(error), repr(error), error.for_operator, error.reason]
    everything = "\n".join((*texts, caplog.text))
    assert not re.search(f"SECRET|{iccid.digits}|{EID.digits}", everything)
    await ours.close()


def test_files_that_are_no_use_refuse_the_start(certificates: Certificates, tmp_path: Path) -> None:
    http = HttpConfig(peer="p", certificate=certificates.operator, key=tmp_path / "none")
    config = Config(terms=TERMS, url="https://x", requester="us", http=http)
    with pytest.raises(StartRefused, match="none"):
        open_smdp(config, clock=MachineClock())
    fitting = replace(http, key=certificates.operator_key)
    missing = replace(config, http=fitting, user="us", password_file=tmp_path / "password")
    with pytest.raises(StartRefused, match="password"):
        open_smdp(missing, clock=MachineClock())
