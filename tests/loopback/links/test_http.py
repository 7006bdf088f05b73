"""The outbound HTTP client, against a real server on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import time
import traceback
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from simgrant.errors import PeerMisbehaved, PeerTimeout, PeerUnavailable, StartRefused
from simgrant.links.http import HttpConfig, HttpLink, HttpRequest, Repeat, Reply
from simgrant.links.retry import RetryRules
from simgrant.sim.push.certificates import Authority
from simgrant.sim.web import Answer, Break, Request, WebServer
from tests.clocks import MovableClock

QUICK = RetryRules(first_wait_s=0.001, longest_wait_s=0.002)


class Peer:
    """A server that answers what it was given, the last answer again and again."""

    def __init__(self, authority: Authority) -> None:
        self.web = WebServer(self._answer, authority.server(["127.0.0.1", "peer.example"]))
        self.answers = [Answer(200, (), b"good")]
        self.seen: list[Request] = []
        self._news = asyncio.Event()

    async def until_seen(self, count: int) -> None:
        while len(self.seen) < count:
            self._news.clear()
            await self._news.wait()

    def _answer(self, request: Request) -> Answer:
        self.seen.append(request)
        self._news.set()
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority(now=time.time())


@pytest.fixture
async def peer(authority: Authority) -> AsyncIterator[Peer]:
    made = Peer(authority)
    await made.web.up()
    yield made
    await made.web.down()


class Caller:
    """A link with its clock, and requests that have a token in their address."""

    def __init__(self, peer: Peer, config: HttpConfig) -> None:
        self.clock = MovableClock()
        self.link = HttpLink(config, self.clock)
        self.request = HttpRequest(
            "POST", f"{peer.web.url}/x?token=sEcReT", {"x-a": "b"}, b"body", Repeat.STRUGGLING
        )

    async def send(self, within: float = 10, **changes: Any) -> Reply:
        request = replace(self.request, **changes)
        return await self.link.send(request, deadline=self.clock.monotonic() + within)


@pytest.fixture
def config(authority: Authority, tmp_path: Path) -> HttpConfig:
    path = tmp_path / "ca.pem"
    path.write_bytes(authority.pem)
    return HttpConfig(peer="p", ca_file=path, retry=QUICK)


@pytest.fixture
async def caller(peer: Peer, config: HttpConfig) -> AsyncIterator[Caller]:
    made = Caller(peer, config)
    yield made
    await made.link.close()


@pytest.mark.parametrize(("http2", "version"), [(True, "h2"), (False, "http/1.1")])
async def test_the_connection_is_kept_whichever_protocol_it_speaks(
    peer: Peer, config: HttpConfig, http2: bool, version: str
) -> None:
    caller = Caller(peer, replace(config, http2=http2))
    for _ in range(5):
        reply = await caller.send()
    assert (reply.status, reply.body) == (200, b"good")
    (first, *_) = peer.seen
    assert (first.method, first.target, first.body) == ("POST", "/x?token=sEcReT", b"body")
    assert first.version == version
    assert first.headers["x-a"] == "b"
    assert "accept-encoding" not in first.headers
    assert peer.web.connections == 1
    await caller.link.close()


@pytest.mark.parametrize("is_port_given", [True, False])
async def test_a_name_can_be_given_another_address(
    peer: Peer, config: HttpConfig, is_port_given: bool
) -> None:
    port = peer.web.port
    hosts = (("peer.example", "127.0.0.1", port if is_port_given else 0),)
    caller = Caller(peer, replace(config, hosts=hosts))
    url = "https://peer.example/" if is_port_given else f"https://peer.example:{port}/"
    assert (await caller.send(url=url)).status == 200
    await caller.link.close()


async def test_a_proxy_is_used_where_one_is_set_and_no_other(
    peer: Peer, config: HttpConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bytes] = []

    async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65_536):
                writer.write(data)
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        there, back = await asyncio.open_connection("127.0.0.1", peer.web.port)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await asyncio.gather(pipe(reader, back), pipe(there, writer))

    proxy = await asyncio.start_server(serve, "127.0.0.1", 0)
    address = f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}"
    caller = Caller(peer, replace(config, proxy=address))
    assert (await caller.send(url="https://peer.example/")).status == 200
    assert asked[0].startswith(b"CONNECT peer.example:443 HTTP/1.1\r\n")
    await caller.link.close()

    monkeypatch.setenv("HTTPS_PROXY", address)
    caller = Caller(peer, config)
    assert (await caller.send()).status == 200
    assert len(asked) == 1
    await caller.link.close()
    proxy.close()
    await proxy.wait_closed()


async def test_redirects_are_answers(peer: Peer, caller: Caller) -> None:
    peer.answers = [Answer(307, (("location", f"{peer.web.url}/elsewhere"),))]
    assert (await caller.send()).status == 307
    assert len(peer.seen) == 1


async def test_plain_http_is_refused_unless_allowed(caller: Caller) -> None:
    with pytest.raises(PeerUnavailable) as raised:
        await caller.send(url="http://127.0.0.1:1/")
    assert raised.value.reason == "request_unsendable"


async def test_a_token_that_no_header_can_hold_is_not_sent(peer: Peer, caller: Caller) -> None:
    with pytest.raises(PeerUnavailable, match="header"):
        await caller.send(headers={"authorization": "Bearer a\r\nx: b"})
    assert not peer.seen


async def test_a_certificate_of_a_stranger_is_refused(peer: Peer, config: HttpConfig) -> None:
    caller = Caller(peer, replace(config, ca_file=None))
    with pytest.raises(PeerUnavailable, match="certificate"):
        await caller.send()
    assert not peer.seen
    await caller.link.close()


async def test_a_certificate_of_another_name_is_refused(peer: Peer, config: HttpConfig) -> None:
    hosts = (("other.example", "127.0.0.1", peer.web.port),)
    caller = Caller(peer, replace(config, hosts=hosts))
    with pytest.raises(PeerUnavailable, match="certificate"):
        await caller.send(url="https://other.example/")
    await caller.link.close()


async def test_an_answer_that_is_too_long_is_not_read_to_its_end(
    peer: Peer, config: HttpConfig
) -> None:
    caller = Caller(peer, replace(config, most_bytes=1000, http2=False))
    peer.answers = [Answer(200, (), b"x" * 1000), Answer(200, (), b"x" * 1001)]
    assert len((await caller.send()).body) == 1000
    with pytest.raises(PeerMisbehaved):
        await caller.send()
    await caller.link.close()


@pytest.mark.parametrize("fault", [Break.RESET, Break.GOAWAY])
async def test_a_request_that_may_is_repeated_without_an_answer(
    peer: Peer, caller: Caller, fault: Break
) -> None:
    peer.answers = [Answer(fault=fault), Answer(fault=fault), Answer(200)]
    assert (await caller.send()).status == 200
    assert len(peer.seen) == 3


async def test_one_that_is_not_is_sent_once(peer: Peer, caller: Caller) -> None:
    peer.answers = [Answer(fault=Break.RESET), Answer(200)]
    with pytest.raises(PeerUnavailable):
        await caller.send(repeat=Repeat.NEVER_SENT)
    assert len(peer.seen) == 1
    peer.answers = [Answer(503), Answer(200)]
    assert (await caller.send(repeat=Repeat.UNANSWERED)).status == 503


async def test_one_that_never_left_may_always_be_repeated(peer: Peer, caller: Caller) -> None:
    await peer.web.down()
    with pytest.raises(PeerUnavailable):
        await caller.send(repeat=Repeat.NEVER_SENT)
    await peer.web.up()
    # Three tries without a connection, of the five that open the breaker.
    with pytest.raises(PeerUnavailable):
        await caller.send(repeat=Repeat.NEVER_SENT, url="https://127.0.0.1:1/")
    with pytest.raises(PeerUnavailable, match="left alone"):
        await caller.send(repeat=Repeat.NEVER_SENT)


async def test_a_struggling_peer_is_asked_again_unless_it_says_when(
    peer: Peer, caller: Caller
) -> None:
    peer.answers = [Answer(503), Answer(500), Answer(200)]
    assert (await caller.send()).status == 200
    peer.answers = [Answer(503, (("retry-after", "5"),)), Answer(200)]
    assert (await caller.send()).status == 503
    peer.answers = [Answer(429), Answer(200)]
    assert (await caller.send()).status == 429


async def test_tries_are_bounded_and_the_last_answer_is_returned(
    peer: Peer, caller: Caller
) -> None:
    peer.answers = [Answer(503)]
    assert (await caller.send()).status == 503
    assert len(peer.seen) == QUICK.tries


async def test_repetitions_have_a_budget(peer: Peer, config: HttpConfig) -> None:
    caller = Caller(peer, replace(config, retry=replace(QUICK, reserve=3, failures=1000)))
    peer.answers = [Answer(503)]
    for _ in range(20):
        await caller.send()
    assert len(peer.seen) <= 20 + 3 + 20 * QUICK.share
    await caller.link.close()


async def test_the_breaker_opens_and_one_request_closes_it(peer: Peer, caller: Caller) -> None:
    peer.answers = [Answer(503)]
    for _ in range(2):
        assert (await caller.send()).status == 503
    with pytest.raises(PeerUnavailable) as raised:
        await caller.send()
    assert raised.value.reason == "circuit_open"
    assert raised.value.retry_after
    assert len(peer.seen) == QUICK.failures
    peer.answers = [Answer(200)]
    caller.clock.ahead += 2 * QUICK.pause_s
    assert (await caller.send()).status == 200
    assert (await caller.send()).status == 200


async def test_silence_opens_the_breaker_too(peer: Peer, caller: Caller) -> None:
    peer.answers = [Answer(fault=Break.SILENT)]
    for _ in range(QUICK.failures):
        with pytest.raises(PeerTimeout):
            await caller.send(within=0.05)
    with pytest.raises(PeerUnavailable, match="left alone"):
        await caller.send(within=0.05)


async def test_turns_are_bounded_and_waiting_for_one_has_a_deadline(
    peer: Peer, config: HttpConfig
) -> None:
    caller = Caller(peer, replace(config, in_flight=2))
    peer.answers = [Answer(fault=Break.SILENT)]
    slow = [asyncio.create_task(caller.send(within=60)) for _ in range(2)]
    await peer.until_seen(2)
    with pytest.raises(PeerTimeout):
        await caller.send(within=0.1)
    assert len(peer.seen) == 2
    for task in slow:
        task.cancel()
    peer.answers = [Answer(200)]
    assert (await caller.send()).status == 200
    await caller.link.close()


async def test_no_error_repeats_the_address(peer: Peer, config: HttpConfig) -> None:
    caller = Caller(peer, replace(config, retry=replace(QUICK, failures=100)))
    texts = [repr(caller.request), repr(caller.link)]
    peer.answers = [Answer(fault=Break.RESET)]
    for url in (caller.request.url, "https://127.0.0.1:1/?token=sEcReT", "sEcReT"):
        with pytest.raises(PeerUnavailable) as raised:
            await caller.send(url=url)
        texts.append("".join(traceback.format_exception(raised.value)))
    assert "sEcReT" not in "".join(texts)
    await caller.link.close()


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("999999999", 86_400.0),
        ("Thu, 01 Jan 1970 00:00:30 GMT", 20.0),
        ("Thu, 01 Jan 1970 00:00:05 GMT", 0.0),
        ("", None),
        ("-1", None),
        ("soon", None),
        ("99999999999999999999", None),
        ("Thu, 99 Foo 1970 00:00:30 GMT", None),
    ],
)
async def test_retry_after_is_seconds_or_a_date(
    peer: Peer, caller: Caller, value: str, seconds: float | None
) -> None:
    peer.answers = [Answer(429, (("retry-after", value),))]
    assert (await caller.send()).retry_after(10.0) == seconds


@pytest.mark.parametrize("content", [None, b"no certificate"])
def test_a_ca_file_that_is_no_use_refuses_the_start(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(StartRefused, match=r"ca\.pem"):
        HttpLink(HttpConfig(peer="p", ca_file=path), MovableClock())
