"""The listener that SM-DP+s call, over real mutual TLS, told by the simulated SM-DP+."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from simgrant.errors import PeerUnavailable, StartRefused
from simgrant.fronts.es2plus.app import Call, Es2plusFront, Limits
from simgrant.identities import Eid, Iccid
from simgrant.links.certified import CERTIFICATE, CertifiedProtocol
from simgrant.links.client_certificates import Callers, require_certificate
from simgrant.ports.profile_events import INSTALLATION
from simgrant.sim.http import Answer, HttpClient, Unreachable, Url
from simgrant.sim.smdp.caller import Caller
from simgrant.sim.smdp.certificates import Certificates
from simgrant.sim.smdp.pool import Profile
from simgrant.wire.es2plus import DONE, Function, Outcome, Status
from tests.clocks import MachineClock

ICCID, EID = "8949449999999990023", "89049032123451234512345678901235"
PROFILE = Profile(ICCID, "consumer", eid=EID)
PATH = Function.HANDLE_PROGRESS.path
JSON = (("Content-Type", "application/json"), ("X-Admin-Protocol", "gsma/rsp/v2.5.0"))


@dataclass
class Events:
    """Keeps what it is told, or does what a test says in place of it."""

    told: list[tuple[str, Iccid, int, Status, int]] = field(default_factory=list)
    eids: list[Eid | None] = field(default_factory=list)
    instead: Callable[[], Any] | None = None

    async def progress(
        self,
        smdp: str,
        iccid: Iccid,
        *,
        point: int,
        status: Status,
        at: int,
        eid: Eid | None = None,
    ) -> None:
        if self.instead is not None:
            await self.instead()
        self.told.append((smdp, iccid, point, status, at))
        self.eids.append(eid)


@dataclass
class World:
    """The listener, and who may call it."""

    events: Events
    records: list[Call]
    url: str
    certificates: Certificates
    recorded: asyncio.Event = field(default_factory=asyncio.Event)

    def caller(self, context: ssl.SSLContext | None = None) -> Caller:
        return Caller(self.url, tls=context or self.certificates.caller_context())

    async def post(
        self, body: bytes, *, method: str = "POST", path: str = PATH, headers: Any = JSON
    ) -> Answer:
        client = HttpClient(Url.parse(self.url), tls=self.certificates.caller_context())
        try:
            return await client.exchange(method, path, headers, body=body)
        finally:
            await client.aclose()

    async def record(self, count: int = 1) -> Call:
        """Return the newest record, once there are so many."""
        while len(self.records) < count:
            self.recorded.clear()
            await self.recorded.wait()
        return self.records[-1]


class Server(uvicorn.Server):
    """uvicorn's, which leaves signals alone."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_up = asyncio.Event()

    @asynccontextmanager
    async def running(self, listener: socket.socket) -> AsyncIterator[None]:
        self.config.load()
        self.lifespan = self.config.lifespan_class(self.config)
        await self.startup(sockets=[listener])
        ticking = asyncio.create_task(self.main_loop())
        try:
            yield
        finally:
            self.should_exit = True
            await ticking
            await self.shutdown(sockets=[listener])


def with_hashes(**certificates: str) -> Callers:
    """Return who may call, each known by a hash."""
    return Callers("smdp", sha256={name: [it] for name, it in certificates.items()}, subjects={})


def with_subjects(**certificates: str) -> Callers:
    """Return who may call, each known by a subject."""
    return Callers("smdp", sha256={}, subjects={name: [it] for name, it in certificates.items()})


@asynccontextmanager
async def listening(
    certificates: Certificates, known: Callers, *, limits: Limits | None = None
) -> AsyncIterator[World]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.operator, certificates.operator_key)
    require_certificate(context, certificates.ca)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        world = World(Events(), [], url, certificates)

        def record(call: Call) -> None:
            world.records.append(call)
            world.recorded.set()

        front = Es2plusFront(
            world.events,
            known,
            clock=MachineClock(),
            record=record,
            limits=limits,
        )
        config = uvicorn.Config(
            front,
            http=CertifiedProtocol,
            lifespan="off",
            access_log=False,
            log_config=None,
            ssl_context_factory=lambda *_: context,
        )
        async with Server(config).running(listener):
            yield world


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("smdp"), now=time.time())


@pytest.fixture
async def world(certificates: Certificates) -> AsyncIterator[World]:
    known = with_hashes(north=certificates.fingerprint())
    async with listening(certificates, known) as made:
        yield made


def said(**changes: Any) -> bytes:
    content: dict[str, Any] = {
        "header": {"functionRequesterIdentifier": "DP", "functionCallIdentifier": "7"},
        "iccid": f"{ICCID}F",
        "notificationPointId": 4,
        "notificationPointStatus": {"status": "Executed-Success"},
    }
    return json.dumps(content | changes).encode()


# --- what is told ---------------------------------------------------------------------------


@pytest.mark.spec("SGP.22 §5.3.5")
@pytest.mark.parametrize(
    "function", [Function.HANDLE_PROGRESS, Function.HANDLE_NOTIFICATION], ids=str
)
async def test_what_an_smdp_tells_is_taken_over_and_answered_with_204(
    world: World, function: Function
) -> None:
    failed = Status(Outcome.FAILED, "8.2.7", "3.8")
    caller = world.caller()
    assert await caller.tell(PROFILE, 2, failed, function=function) == 204
    assert await caller.tell(PROFILE, INSTALLATION, function=function) == 204
    (first, second) = world.events.told
    assert first[:4] == ("north", Iccid(ICCID), 2, failed)
    assert second[:4] == ("north", Iccid(ICCID), 4, DONE)
    assert [eid and eid.digits for eid in world.events.eids] == [PROFILE.eid] * 2
    record = await world.record(2)
    assert (record.smdp, record.function, record.answer) == ("north", function.value, 204)
    assert (record.point, record.status, record.iccid) == (4, "Executed-Success", Iccid(ICCID))
    assert record.call_id.startswith("urn:uuid:")
    assert ICCID not in repr(record)
    await caller.close()


async def test_the_answer_has_no_body_and_the_version_that_was_asked_in(world: World) -> None:
    for asked, told in (
        ("gsma/rsp/v3.1.0", "gsma/rsp/v3.1.0"),
        ("nonsense", "gsma/rsp/v2.5.0"),
    ):
        headers = (("Content-Type", "application/json"), ("X-Admin-Protocol", asked))
        answer = await world.post(said(), headers=headers)
        assert (answer.status, answer.body) == (204, b"")
        assert answer.first("x-admin-protocol") == told


async def test_its_time_counts_and_ours_where_it_says_none(world: World) -> None:
    before = int(time.time())
    await world.post(said(timestamp="2026-11-27T03:26:55Z"))
    await world.post(said())
    assert world.events.told[0][4] == 1_795_750_015
    assert before <= world.events.told[1][4] <= int(time.time())


async def test_the_same_event_may_come_twice(world: World) -> None:
    for _ in range(2):
        assert (await world.post(said())).status == 204
    assert len(world.events.told) == 2


# --- who may tell ---------------------------------------------------------------------------


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("whose", ["nobody", "stranger"])
async def test_a_certificate_of_no_authority_of_ours_ends_the_handshake(
    world: World, tmp_path: Path, whose: str, version: ssl.TLSVersion
) -> None:
    context = ssl.create_default_context(cafile=str(world.certificates.ca))
    context.maximum_version = version
    if whose == "stranger":
        strangers = world.certificates.stranger(tmp_path)
        context.load_cert_chain(strangers.smdp, strangers.smdp_key)
    caller = world.caller(context)
    with pytest.raises(Unreachable):
        await caller.tell(PROFILE, 4)
    assert not world.events.told
    assert not world.records


async def test_a_certificate_of_our_authority_that_no_setting_names_gets_403(
    world: World,
) -> None:
    context = ssl.create_default_context(cafile=str(world.certificates.ca))
    context.load_cert_chain(world.certificates.operator, world.certificates.operator_key)
    caller = world.caller(context)
    assert await caller.tell(PROFILE, 4) == 403
    assert not world.events.told
    record = await world.record()
    assert (record.smdp, record.iccid, record.reason) == ("", None, "unknown_certificate")
    await caller.close()


async def test_an_smdp_may_be_known_by_its_subject(certificates: Certificates) -> None:
    known = with_subjects(south="CN=smdp")
    async with listening(certificates, known) as world:
        assert (await world.post(said())).status == 204
        assert world.events.told[0][0] == "south"
    known = with_subjects(south="CN=smdp,O=Example")
    async with listening(certificates, known) as world:
        assert (await world.post(said())).status == 403


def test_hashes_are_taken_as_openssl_prints_them(certificates: Certificates) -> None:
    pem = certificates.smdp.read_bytes()
    der = x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)
    digits = sha256(der).hexdigest().upper()
    colons = ":".join(digits[at : at + 2] for at in range(0, 64, 2))
    assert with_hashes(a=colons).of(der) == "a"
    assert with_hashes(a=colons).of(b"") is None
    assert with_subjects(a="CN=x").of(b"rubbish") is None


@pytest.mark.parametrize(
    ("known", "of", "said"),
    [
        (with_hashes, {"a": "12"}, "no SHA-256"),
        (with_hashes, {"a": "g" * 64}, "no SHA-256"),
        (with_subjects, {"a": "nonsense"}, "no subject"),
        (with_subjects, {"a": ""}, "everybody"),
        (with_hashes, {"a": "a" * 64, "b": "A" * 64}, "also a's"),
        (with_subjects, {"a": "CN=x", "b": "CN=x"}, "also a's"),
    ],
)
def test_callers_that_could_not_be_told_apart_refuse_the_start(
    known: Callable[..., Callers], of: dict[str, str], said: str
) -> None:
    with pytest.raises(StartRefused, match=said):
        known(**of)


@pytest.mark.parametrize("content", [None, b"rubbish"])
def test_an_authority_that_is_no_use_refuses_the_start(
    tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(StartRefused, match=r"ca\.pem"):
        require_certificate(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), path)


# --- what is refused ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "status", "reason"),
    [
        ({"body": b"<html>"}, 400, "malformed: not the JSON of this function"),
        ({"body": said(iccid="89")}, 400, "malformed: iccid"),
        ({"body": b""}, 400, "malformed: not the JSON of this function"),
        ({"body": said(resultData="x" * 100_000)}, 413, "too_large"),
        ({"method": "PUT"}, 405, "method"),
        ({"path": Function.DOWNLOAD_ORDER.path}, 404, "no_such_function"),
        ({"path": "/"}, 404, "no_such_function"),
        ({"headers": (("Content-Type", "text/plain"),)}, 415, "content_type"),
    ],
)
async def test_what_is_no_call_is_refused(
    world: World, changes: dict[str, Any], status: int, reason: str
) -> None:
    asked = {"body": said()} | changes
    assert (await world.post(asked.pop("body"), **asked)).status == status
    assert not world.events.told
    record = await world.record()
    assert (record.smdp, record.answer, record.reason) == ("north", status, reason)


@pytest.mark.parametrize(("chunks", "status"), [(0, 400), (16, 413)])
async def test_a_body_in_chunks_is_bounded_and_may_break_off(
    certificates: Certificates, chunks: int, status: int
) -> None:
    known = with_hashes(north=certificates.fingerprint())
    der = ssl.PEM_cert_to_DER_cert(certificates.smdp.read_text())
    events, sent = Events(), []
    coming = [{"type": "http.request", "body": b"x" * 8192, "more_body": True}] * chunks
    messages = iter([*coming, {"type": "http.disconnect"}])
    scope = {"method": "POST", "path": PATH, "headers": [], "state": {CERTIFICATE: der}}

    async def receive() -> Any:
        return next(messages)

    async def send(message: Any) -> None:
        sent.append(message)

    front = Es2plusFront(events, known, clock=MachineClock(), record=lambda _: None)
    await front(scope, receive, send)
    assert sent[0]["status"] == status
    assert not events.told


async def test_what_could_not_be_kept_is_answered_with_503(world: World) -> None:
    async def refuse() -> None:
        raise PeerUnavailable("store_unavailable")

    world.events.instead = refuse
    answer = await world.post(said())
    assert answer.status == 503
    assert answer.first("retry-after")
    assert (await world.record()).reason == "store_unavailable"


async def test_a_fault_of_ours_is_500_and_the_next_call_is_served(world: World) -> None:
    async def stumble() -> None:
        raise RuntimeError

    world.events.instead = stumble
    assert (await world.post(said())).status == 500
    world.events.instead = None
    assert (await world.post(said())).status == 204


async def test_nobody_waits_longer_than_the_limit(certificates: Certificates) -> None:
    known = with_hashes(north=certificates.fingerprint())
    async with listening(certificates, known, limits=Limits(timeout_s=0.05)) as world:
        world.events.instead = asyncio.Event().wait
        assert (await world.post(said())).status == 503
        assert (await world.record()).reason == "timeout"


async def test_calls_under_way_are_bounded(certificates: Certificates) -> None:
    known = with_hashes(north=certificates.fingerprint())
    async with listening(certificates, known, limits=Limits(in_flight=1)) as world:
        begun, go_on = asyncio.Event(), asyncio.Event()

        async def wait() -> None:
            begun.set()
            await go_on.wait()

        world.events.instead = wait
        first = asyncio.create_task(world.post(said()))
        await begun.wait()
        assert (await world.post(said())).status == 503
        assert (await world.record()).reason == "in_flight"
        go_on.set()
        assert (await first).status == 204
        assert len(world.events.told) == 1
