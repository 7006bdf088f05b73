"""The simulated SM-DP+: its profiles, its books, its levers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgrant.identities import Eid, Iccid
from simgrant.sim.http import Answer, HttpClient, Url
from simgrant.sim.smdp.caller import Caller
from simgrant.sim.smdp.certificates import Certificates
from simgrant.sim.smdp.control import DELETION, Control
from simgrant.sim.smdp.faults import Fault
from simgrant.sim.smdp.pool import Pool, Refusal, State
from simgrant.sim.smdp.server import SmdpServer
from simgrant.sim.web import Answer as WebAnswer
from simgrant.sim.web import Request as WebRequest
from simgrant.sim.web import WebServer
from simgrant.wire.es2plus import (
    CancelOrder,
    ConfirmOrder,
    DownloadOrder,
    FinalStatus,
    Function,
    Progress,
    ReleaseProfile,
    Request,
    pull_request,
)

EID = Eid("89049032123451234512345678901235")
OTHER = Eid("89049032123451234512345678909999")


def pool(count: int = 3, **options: Any) -> Pool:
    made = Pool(address="smdp.example.com", **options)
    made.add("consumer", count)
    return made


def test_iccids_have_their_check_digit() -> None:
    for iccid in pool(30).profiles:
        digits = [int(each) for each in reversed(iccid)]
        luhn = sum(digits[0::2]) + sum(sum(divmod(2 * each, 10)) for each in digits[1::2])
        assert len(iccid) == 19
        assert luhn % 10 == 0


# --- whatever is called in whatever order -----------------------------------------------------

ICCIDS = st.sampled_from([Iccid(each) for each in pool().profiles]) | st.just(Iccid("8" * 19))
EIDS = st.sampled_from([None, EID, OTHER])
MATCHING_IDS = st.sampled_from([None, "", "A", "B"])
CALLS: st.SearchStrategy[tuple[Function, Request]] = st.one_of(
    st.tuples(
        st.just(Function.DOWNLOAD_ORDER),
        st.builds(
            DownloadOrder,
            iccid=st.none() | ICCIDS,
            profile_type=st.sampled_from(["", "consumer", "watch"]),
            eid=EIDS,
        ),
    ),
    st.tuples(
        st.just(Function.CONFIRM_ORDER),
        st.builds(
            ConfirmOrder,
            iccid=ICCIDS,
            release=st.booleans(),
            eid=EIDS,
            matching_id=MATCHING_IDS,
        ),
    ),
    st.tuples(
        st.just(Function.CANCEL_ORDER),
        st.builds(
            CancelOrder,
            iccid=ICCIDS,
            final=st.sampled_from(FinalStatus),
            eid=EIDS,
            matching_id=MATCHING_IDS,
        ),
    ),
    st.tuples(st.just(Function.RELEASE_PROFILE), st.builds(ReleaseProfile, iccid=ICCIDS)),
)
FREE = {State.AVAILABLE, State.UNAVAILABLE}


@given(st.lists(CALLS, max_size=12))
def test_a_refused_call_changes_nothing_and_no_profile_is_lost(
    calls: list[tuple[Function, Request]],
) -> None:
    ours = pool()
    for number, (function, request) in enumerate(calls):
        before = json.dumps(ours.stock()), repr(ours.profiles)
        refused = False
        try:
            ours.execute(function, str(number), request)
        except Refusal:
            refused = True
        assert not refused or (json.dumps(ours.stock()), repr(ours.profiles)) == before
        assert sum(ours.stock()["consumer"].values()) == 3
        named = [each.matching_id for each in ours.profiles.values() if each.matching_id]
        assert len(named) == len(set(named))
        for each in ours.profiles.values():
            if each.state in FREE:
                assert (each.eid, each.matching_id, each.confirmation_code) == ("", "", "")
            if each.state in (State.CONFIRMED, State.RELEASED):
                assert each.eid or each.matching_id


@given(st.lists(CALLS, max_size=8), st.integers(0, 60))
def test_the_books_tell_all_of_it_though_the_last_line_was_cut(
    tmp_path_factory: pytest.TempPathFactory, calls: list[tuple[Function, Request]], cut: int
) -> None:
    books = tmp_path_factory.mktemp("books") / "books"
    ours = pool(books=books)
    for number, (function, request) in enumerate(calls):
        try:
            ours.execute(function, str(number), request)
        except Refusal:
            continue
    ours.close()
    line = json.dumps({"profiles": [], "call_id": "9", "call": {}})[:cut]
    with books.open("a") as file:
        file.write(line)
    again = Pool(address="smdp.example.com", books=books)
    assert again.profiles == ours.profiles
    for number, (function, _) in enumerate(calls):
        told = again.remembered(function, str(number))
        assert told == ours.remembered(function, str(number))
    again.add("consumer", 1)
    again.close()
    third = Pool(address="smdp.example.com", books=books)
    assert third.profiles == again.profiles
    third.close()


def test_what_are_no_books_is_not_written_to(tmp_path: Path) -> None:
    books = tmp_path / "books"
    books.write_text("my diary\n")
    with pytest.raises(ValueError, match="not the books"):
        Pool(address="smdp.example.com", books=books)
    assert books.read_text() == "my diary\n"


def test_an_euicc_brings_a_profile_only_where_it_can_be_brought() -> None:
    ours = pool(1)
    (iccid,) = ours.profiles
    with pytest.raises(ValueError, match="Available"):
        ours.advance(iccid, State.DOWNLOADED)
    ours.execute(Function.DOWNLOAD_ORDER, "1", DownloadOrder(iccid=Iccid(iccid), eid=EID))
    ours.execute(Function.CONFIRM_ORDER, "2", ConfirmOrder(iccid=Iccid(iccid), release=True))
    for state in (
        State.DOWNLOADED,
        State.INSTALLED,
        State.ENABLED,
        State.DISABLED,
        State.DELETED,
    ):
        assert ours.advance(iccid, state).state is state
    with pytest.raises(ValueError, match="Deleted"):
        ours.advance(iccid, State.ENABLED)
    with pytest.raises(ValueError, match="no such"):
        ours.advance("1", State.ENABLED)


# --- certificates -----------------------------------------------------------------------------


def test_certificates_are_kept_from_one_run_to_the_next(tmp_path: Path) -> None:
    now = 1_795_750_000.0
    first = Certificates(tmp_path, now=now).fingerprint()
    assert Certificates(tmp_path, now=now + 28 * 86_400).fingerprint() == first
    assert Certificates(tmp_path, now=now + 29.5 * 86_400).fingerprint() != first
    second = Certificates(tmp_path, now=now)
    second.operator.write_text("rubbish")
    Certificates(tmp_path, now=now)
    assert "BEGIN CERTIFICATE" in second.operator.read_text()
    assert all(path.stat().st_mode & 0o077 == 0 for path in tmp_path.glob("*-key.pem"))


# --- what it does with requests that are none ---------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"target": "/"}, 404),
        ({"target": Function.HANDLE_PROGRESS.path}, 404),
        ({"method": "GET"}, 405),
        ({"headers": {"x-admin-protocol": "gsma/rsp/v2.5.0"}}, 415),
        ({"headers": {"content-type": "application/json"}}, 400),
        ({"body": b"{}"}, 500),
    ],
)
async def test_what_is_no_call_is_not_answered_as_one(changes: dict[str, Any], status: int) -> None:
    server = SmdpServer(pool(), None)
    wanted: dict[str, Any] = {
        "method": "POST",
        "target": Function.DOWNLOAD_ORDER.path,
        "headers": {
            "content-type": "application/json",
            "x-admin-protocol": "gsma/rsp/v2.5.0",
        },
        "body": b"{}",
        "version": "http/1.1",
    }
    answer = server.web.answer(WebRequest(**(wanted | changes)))
    assert isinstance(answer, WebAnswer)
    assert answer.status == status
    assert not server.seen


# --- the levers ---------------------------------------------------------------------------------


class Operator:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[Progress] = []
        self.web = WebServer(self._answer, None)

    def _answer(self, request: WebRequest) -> WebAnswer:
        function = Function(request.target.rpartition("/")[2])
        _, told = pull_request(function, request.body)
        assert isinstance(told, Progress)
        self.told.append(told)
        return WebAnswer(204)


class Levers:
    """The management interface, and what is behind it."""

    def __init__(self, server: SmdpServer, control: Control, operator: Operator) -> None:
        self.server = server
        self.operator = operator
        self._client = HttpClient(Url.parse(control.web.url))

    async def pull(self, method: str, path: str, **content: Any) -> Any:
        answer = await self.ask(method, path, json.dumps(content).encode())
        assert answer.status == 200, answer.body
        return json.loads(answer.body)

    async def ask(
        self, method: str, path: str, body: bytes, kind: str = "application/json"
    ) -> Answer:
        headers = (("Content-Type", kind),)
        return await self._client.exchange(method, path, headers, body=body)

    async def close(self) -> None:
        await self._client.aclose()


@pytest.fixture
async def levers() -> AsyncIterator[Levers]:
    operator = Operator()
    await operator.web.up()
    caller = Caller(operator.web.url, now=lambda: 1_795_750_015.9)
    server = SmdpServer(pool(), None)
    await server.up()
    control = Control(server, caller)
    await control.up()
    made = Levers(server, control, operator)
    yield made
    await made.close()
    await control.down()
    await caller.close()
    await server.down()
    await operator.web.down()


async def test_the_books_can_be_read(levers: Levers) -> None:
    assert await levers.pull("GET", "/stock") == {"consumer": {"Available": 3}}
    first, *_ = await levers.pull("GET", "/profiles")
    assert await levers.pull("GET", f"/profiles/{first['iccid']}") == first
    assert first["state"] == "Available"
    added = await levers.pull("POST", "/profiles", profile_type="watch", count=2)
    assert len(added) == 2
    assert (await levers.pull("GET", "/stock"))["watch"] == {"Available": 2}
    watches = await levers.pull("GET", "/profiles?profile_type=watch")
    assert [each["iccid"] for each in watches] == added
    assert await levers.pull("GET", "/profiles?profile_type=") == []
    assert await levers.pull("GET", "/calls") == []


async def test_faults_are_switched_while_it_runs(levers: Levers) -> None:
    assert await levers.pull("GET", "/fault") is None
    told = await levers.pull(
        "PUT", "/fault", fault="failing", function="confirmOrder", times=2, reason="3.3"
    )
    assert (told["fault"], told["function"], told["times"]) == ("failing", "confirmOrder", 2)
    plan = levers.server.plan
    assert plan is not None
    assert (plan.fault, plan.function, plan.reason) == (
        Fault.FAILING,
        Function.CONFIRM_ORDER,
        "3.3",
    )
    assert await levers.pull("DELETE", "/fault") is None
    assert levers.server.plan is None


async def test_an_installation_is_told_to_the_operator(levers: Levers) -> None:
    ours = levers.server.pool
    iccid = next(iter(ours.profiles))
    ours.execute(Function.DOWNLOAD_ORDER, "1", DownloadOrder(iccid=Iccid(iccid), eid=EID))
    ours.execute(Function.CONFIRM_ORDER, "2", ConfirmOrder(iccid=Iccid(iccid), release=True))
    assert await levers.pull("POST", "/install", iccid=iccid) == [204, 204]
    assert [each.point for each in levers.operator.told] == [3, 4]
    told = levers.operator.told[1]
    assert (told.iccid, told.eid, told.profile_type) == (Iccid(iccid), EID, "consumer")
    assert told.at == 1_795_750_015
    assert await levers.pull("POST", "/state", iccid=iccid, state="Enabled")
    sent = {"iccid": iccid, "point": 3, "status": "Failed", "function": "handleNotification"}
    assert await levers.pull("POST", "/progress", **sent) == 204
    assert levers.operator.told[2].function is Function.HANDLE_NOTIFICATION


async def test_a_deletion_is_told_and_the_profile_may_go_to_another(levers: Levers) -> None:
    ours = levers.server.pool
    iccid = next(iter(ours.profiles))
    ours.execute(Function.DOWNLOAD_ORDER, "1", DownloadOrder(iccid=Iccid(iccid), eid=EID))
    ours.execute(Function.CONFIRM_ORDER, "2", ConfirmOrder(iccid=Iccid(iccid), release=True))
    await levers.pull("POST", "/install", iccid=iccid)
    given_back = CancelOrder(iccid=Iccid(iccid), final=FinalStatus.AVAILABLE)
    with pytest.raises(Refusal):
        ours.execute(Function.CANCEL_ORDER, "3", given_back)
    assert await levers.pull("POST", "/delete", iccid=iccid) == [204]
    told = levers.operator.told[-1]
    assert (told.iccid, told.point) == (Iccid(iccid), DELETION)
    assert told.function is Function.HANDLE_NOTIFICATION
    ours.execute(Function.CANCEL_ORDER, "4", given_back)
    order = DownloadOrder(iccid=Iccid(iccid), eid=Eid(f"{EID.digits[:-2]}43"))
    assert ours.execute(Function.DOWNLOAD_ORDER, "5", order).iccid == Iccid(iccid)


async def test_an_operator_that_is_away_is_said_to_be(levers: Levers) -> None:
    await levers.operator.web.down()
    iccid = next(iter(levers.server.pool.profiles))
    body = json.dumps({"iccid": iccid}).encode()
    answer = await levers.ask("POST", "/progress", body)
    assert answer.status == 400
    assert b"connection" in answer.body


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/profiles/1", b"", 400),
        ("GET", "/nothing", b"", 404),
        ("PUT", "/fault", b"{}", 400),
        ("PUT", "/fault", b'{"fault":"magic"}', 400),
        ("PUT", "/fault", b'{"fault":"slow","much":1}', 400),
        ("PUT", "/fault", b'{"fault":"slow","share":0}', 400),
        ("POST", "/profiles", b'{"profile_type":"a","count":0}', 400),
        ("POST", "/state", b'{"iccid":"1","state":"Enabled"}', 400),
        ("POST", "/install", b'{"iccid":"1"}', 400),
        ("POST", "/delete", b'{"iccid":"1"}', 400),
        ("POST", "/progress", b'{"iccid":"1"}', 400),
        ("POST", "/progress", b"[" * 60_000, 400),
    ],
)
async def test_what_cannot_be_done_is_said(
    levers: Levers, method: str, path: str, body: bytes, status: int
) -> None:
    assert (await levers.ask(method, path, body)).status == status


async def test_a_form_of_a_web_page_pulls_no_lever(levers: Levers) -> None:
    body = b'{"fault":"slow"}'
    assert (await levers.ask("PUT", "/fault", body, "text/plain")).status == 415
    assert levers.server.plan is None


async def test_without_an_operator_nobody_is_told() -> None:
    ours = pool(1)
    (iccid,) = ours.profiles
    ours.execute(Function.DOWNLOAD_ORDER, "1", DownloadOrder(iccid=Iccid(iccid), eid=EID))
    ours.execute(Function.CONFIRM_ORDER, "2", ConfirmOrder(iccid=Iccid(iccid), release=True))
    control = Control(SmdpServer(ours, None))
    assert await control.install(iccid) == []
    assert ours.profiles[iccid].state is State.INSTALLED
    with pytest.raises(ValueError, match="no operator"):
        await control.tell(iccid, 4)


def test_the_address_of_an_operator_has_to_be_one() -> None:
    with pytest.raises(ValueError, match="http"):
        Caller("operator.example.com")
