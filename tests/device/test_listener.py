"""The listeners on real sockets: TLS, proxies, bounds before there is a request, and the end."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import ipaddress
import json
import re
import ssl
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import structlog
import uvicorn.server
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from simgrant import serving
from simgrant.errors import StartRefused
from simgrant.services import SERVICES
from tests.device.harness import (
    START,
    XML,
    Answer,
    Phone,
    Request,
    Server,
    Workbench,
    connect,
    query,
    service,
)
from tests.device.harness import push_request as pieces_of

DEADLINE = 5.0
"""Seconds after which a test gives up; nothing here takes a tenth of it."""

PLAIN = "".join(
    f'[{each}]\nlisten = "127.0.0.1:0"\n' for each in ("device", "management", "portal")
)


@dataclass(repr=False)
class Remote(Server):
    """A server that is reached through its sockets."""

    device: tuple[str, int]
    management: tuple[str, int]
    stopping: Callable[[], Any]
    tls: ssl.SSLContext | None = None
    prefix: bytes = b""
    """What a proxy puts before everything."""

    async def connect(self) -> Connection:
        return await Connection.to(self.device, self.tls)

    async def send(self, request: Request) -> Answer:
        """Send a request on a connection of its own."""
        async with contextlib.aclosing(await self.connect()) as connection:
            connection.write(self.prefix + push_request(request))
            return await connection.answer()

    async def manage(self, path: str, method: str = "GET") -> Answer:
        async with contextlib.aclosing(await Connection.to(self.management)) as connection:
            connection.write(f"{method} {path} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
            return await connection.answer(bodiless=method == "HEAD")


@dataclass
class Connection:
    """One connection and what came on it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @classmethod
    async def to(
        cls, address: tuple[str, int], context: ssl.SSLContext | None = None
    ) -> Connection:
        async with asyncio.timeout(DEADLINE):
            return cls(*await asyncio.open_connection(*address, ssl=context))

    def write(self, data: bytes) -> None:
        self.writer.write(data)

    async def answer(self, *, bodiless: bool = False) -> Answer:
        """Return the next answer."""
        async with asyncio.timeout(DEADLINE):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            first, *lines = head.split("\r\n")[:-2]
            headers = [
                (name.lower(), value.strip())
                for name, _, value in (line.partition(":") for line in lines)
            ]
            size = int(dict(headers).get("content-length", "0"))
            body = b"" if bodiless else await self.reader.readexactly(size)
        self.status_line = first
        return Answer(int(first.split(" ")[1]), headers, body)

    async def rest(self) -> bytes:
        """Return everything until the server closes; a reset ends it too."""
        async with asyncio.timeout(DEADLINE):
            try:
                return await self.reader.read()
            except ConnectionError:
                return b""

    async def aclose(self) -> None:
        self.writer.close()
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            await self.writer.wait_closed()


def push_request(request: Request) -> bytes:
    """Return a request as bytes; its body has a length unless it comes in pieces."""
    return b"".join(pieces_of(request))


def address_of(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or 0


@asynccontextmanager
async def listening(
    bench: Workbench,
    settings: str = "",
    *,
    tls: ssl.SSLContext | None = None,
    reload: asyncio.Event | None = None,
) -> AsyncIterator[Remote]:
    """Run a whole server on free ports of the loopback interface."""
    if "[device]" not in settings:
        settings = '[device]\nlisten = "127.0.0.1:0"\n' + settings
    settings += '\n[management]\nlisten = "127.0.0.1:0"\n[portal]\nlisten = "127.0.0.1:0"\n'
    loaded = bench.loaded(settings)
    with structlog.testing.capture_logs() as events:
        async with AsyncExitStack() as stack:
            with bench.watched() as (stores, out):
                running = await stack.enter_async_context(serving.running(loaded, reload=reload))
            yield Remote(
                running.parts,
                bench.clock,
                stores[0],
                loaded,
                out,
                events,
                address_of(running.device_url),
                address_of(running.management_url),
                stack.aclose,
                tls,
            )


class Hurried:
    """The asyncio that uvicorn sees: it looks every tenth of a second whether to stop."""

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio, name)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / 20)


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let servers end without taking their time."""
    monkeypatch.setattr(uvicorn.server, "asyncio", Hurried())


@pytest.fixture
async def remote(bench: Workbench) -> AsyncIterator[Remote]:
    """A server with the default settings."""
    async with listening(bench) as opened:
        yield opened


def device(**settings: object) -> str:
    """Return the section of the device listener."""
    values = {"listen": "127.0.0.1:0"} | settings
    return "[device]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in values.items())


def start_of(phone: Phone) -> bytes:
    """Return a first leg as bytes."""
    return push_request(Request("GET", phone.query(("EAP_ID", phone.eap_id))))


# --- plain HTTP ----------------------------------------------------------------------------


async def test_a_phone_authenticates_through_the_socket(remote: Remote) -> None:
    phone = Phone(remote)
    answer = await phone.full()
    assert answer.header("content-type") == XML
    assert service(answer, "ap2004")["EntitlementStatus"] == "1"
    again = await phone.fast(answer.token)
    assert again.token == answer.token


async def test_connections_are_kept_and_requests_may_be_pipelined(remote: Remote) -> None:
    phone = Phone(remote)
    token = await phone.token()
    fast = phone.query(("IMSI", phone.imsi.digits), ("token", token))
    body = json.dumps({"token": token, "app": "ap2004"}).encode()
    connection = await remote.connect()
    for _ in range(3):
        connection.write(start_of(phone))
        assert (await connection.answer()).cookie
    connection.write(
        push_request(Request("GET", fast, [("accept", XML)]))
        + push_request(Request("POST", b"", [("accept", XML)], body))
        + push_request(Request("POST", b"", [("accept", XML)], [body[:7], body[7:]]))
        + push_request(Request("GET", b"token=x&app=ap2004"))
        + start_of(phone)
    )
    answers = [await connection.answer() for _ in range(5)]
    assert [answer.status for answer in answers] == [200, 200, 200, 511, 200]
    assert [answer.token for answer in answers[:3]] == [token] * 3
    assert answers[4].cookie
    await connection.aclose()


async def test_a_request_in_single_bytes_is_read(remote: Remote) -> None:
    phone = Phone(remote)
    connection = await remote.connect()
    for byte in start_of(phone):
        connection.write(bytes((byte,)))
        await connection.writer.drain()
    assert (await connection.answer()).status == 200
    await connection.aclose()


async def test_head_keeps_the_framing(remote: Remote) -> None:
    connection = await remote.connect()
    connection.write(push_request(Request("HEAD")) + push_request(Request("GET")))
    assert (await connection.answer(bodiless=True)).status == 405
    assert (await connection.answer()).status == 511
    await connection.aclose()


@pytest.mark.conforms("versions.reason-phrase", "versions.unsupported-406")
@pytest.mark.spec("TS.43 §2.5")
async def test_406_has_the_reason_phrase(remote: Remote) -> None:
    text = query([("app", "ap2004"), ("entitlement_version", "0.9")])
    connection = await remote.connect()
    connection.write(push_request(Request("GET", text)))
    answer = await connection.answer()
    assert connection.status_line == "HTTP/1.1 406 protocol not supported"
    assert answer.body == b"protocol not supported"
    await connection.aclose()


async def test_the_server_does_not_say_what_it_is(remote: Remote) -> None:
    answer = await remote.get("")
    assert answer.all("server") == []
    assert len(answer.all("date")) == 1


@pytest.mark.parametrize("path", ["/healthz", "/metrics", "/readyz", "/services.json"])
async def test_devices_see_no_management_page(remote: Remote, path: str) -> None:
    assert (await remote.send(Request("GET", path=path))).status == 511


# --- what is no request --------------------------------------------------------------------

GARBAGE = [
    b"\r\n\r\n\x00\r\nQUIT\n",
    bytes(range(256)),
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64),
    b"GET\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET / HTTP/1.1\r\nbad header\r\n\r\n",
    b"GET / HTTP/1.1\r\na: b\x00c\r\n\r\n",
    b"POST / HTTP/1.1\r\ncontent-length: x\r\n\r\n",
    b"POST / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
    b"POST / HTTP/1.1\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\ncontent-length: 99999999999999999999999\r\n\r\n",
    b"POST / HTTP/1.1\r\ncontent-length: \xb2\r\n\r\n",
    b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
]


@pytest.mark.parametrize("data", GARBAGE)
async def test_garbage_ends_the_connection_and_harms_nobody(remote: Remote, data: bytes) -> None:
    connection = await remote.connect()
    connection.write(data)
    connection.writer.write_eof()
    said = await connection.rest()
    for status in re.findall(rb"HTTP/1.1 (\d+)", said):
        assert status in (b"400", b"405", b"413", b"431", b"501", b"511"), said
    await connection.aclose()
    assert (await Phone(remote).full()).status == 200
    assert [event for event in remote.events if event["event"] == "internal_error"] == []


@pytest.mark.conforms("status.431", "divergence.too-large-413")
@pytest.mark.parametrize("pieces", [1, 40])
async def test_a_head_that_is_too_long_is_431(bench: Workbench, pieces: int) -> None:
    async with listening(bench, device(max_head=4096)) as remote:
        head = b"GET / HTTP/1.1\r\n" + b"".join(
            b"x-%d: %b\r\n" % (number, b"y" * 200) for number in range(40)
        )
        connection = await remote.connect()
        size = -(-len(head) // pieces)
        with contextlib.suppress(ConnectionError):
            for at in range(0, len(head), size):
                connection.write(head[at : at + size])
                await connection.writer.drain()
        answer = await connection.answer()
        assert (answer.status, answer.header("connection")) == (431, "close")
        assert await connection.rest() == b""
        assert remote.store.asked == []
        await connection.aclose()
        assert (await Phone(remote).full()).status == 200


async def test_a_finished_head_that_is_too_long_is_431_too(bench: Workbench) -> None:
    async with listening(bench, device(max_head=4096)) as remote:
        headers = [(f"x-{number}", "y" * 200) for number in range(40)]
        answer = await remote.send(Request("GET", b"app=ap2004", headers))
        assert answer.status == 431
        assert [line["outcome"] for line in remote.log_lines] == ["head_too_large"]


async def test_a_long_body_does_not_count_as_head(bench: Workbench) -> None:
    async with listening(bench, device(max_head=4096)) as remote:
        body = json.dumps({"app": "ap2004", "x": "y" * 4000, "z": "y" * 4000}).encode()
        answers = [await remote.send(Request("POST", b"", (), each)) for each in (body, [body])]
        assert [answer.status for answer in answers] == [511, 511]
        connection = await remote.connect()
        for _ in range(6):
            connection.write(push_request(Request("POST", b"", (), body)))
            assert (await connection.answer()).status == 511
        await connection.aclose()


@pytest.mark.parametrize("begun", [b"", b"G", b"GET / HTTP/1.1\r\nhost: x\r\n"])
async def test_a_head_that_comes_too_slowly_ends_the_connection(
    bench: Workbench, begun: bytes
) -> None:
    async with listening(bench, device(head_timeout_s=0.05)) as remote:
        connection = await remote.connect()
        connection.write(begun)
        assert await connection.rest() == b""
        await connection.aclose()
        assert remote.log_lines == []


async def test_a_second_head_that_comes_too_slowly_ends_the_connection(bench: Workbench) -> None:
    async with listening(bench, device(head_timeout_s=0.05, keep_alive_s=60)) as remote:
        connection = await remote.connect()
        connection.write(push_request(Request("GET")))
        assert (await connection.answer()).status == 511
        connection.write(b"GET / HT")
        assert await connection.rest() == b""
        await connection.aclose()


async def test_a_request_that_takes_long_is_not_ended_by_the_head_s_time(
    bench: Workbench,
) -> None:
    async with listening(bench, device(head_timeout_s=0.05)) as remote:
        phone = Phone(remote)
        remote.store.hold()
        asked = asyncio.create_task(phone.begin())
        await remote.store.called("sim_key", 1)
        done, _ = await asyncio.wait([asked], timeout=0.15)
        assert not done
        remote.store.release()
        assert (await asked).status == 200


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_megabyte_is_413_and_the_connection_ends(remote: Remote, chunked: bool) -> None:
    body: Any = [bytes(4096)] * 256 if chunked else bytes(1 << 20)
    connection = await remote.connect()
    connection.write(push_request(Request("POST", b"", (), body)))
    answer = await connection.answer()
    assert (answer.status, answer.header("connection")) == (413, "close")
    assert await connection.rest() == b""
    await connection.aclose()
    assert [line["status"] for line in remote.log_lines] == [413]


@pytest.mark.parametrize("word", ["100-continue", "100-Continue", "200-maybe"])
async def test_who_expects_to_be_asked_for_the_body_is(remote: Remote, word: str) -> None:
    connection = await remote.connect()
    connection.write(
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\nexpect: %b\r\n\r\n" % word.encode()
    )
    if word.lower() == "100-continue":
        async with asyncio.timeout(DEADLINE):
            said = await connection.reader.readuntil(b"\r\n\r\n")
        assert said == b"HTTP/1.1 100 Continue\r\n\r\n"
    connection.write(b"{}")
    assert (await connection.answer()).status == 511
    await connection.aclose()


async def test_bodies_under_way_are_bounded(bench: Workbench) -> None:
    head = b"POST / HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n"
    made: list[Connection] = []

    async def begin(remote: Remote) -> bytes:
        """Send a head on a connection of its own and return what is said to it."""
        made.append(await remote.connect())
        made[-1].write(head)
        async with asyncio.timeout(DEADLINE):
            return await made[-1].reader.readuntil(b"\r\n\r\n")

    async with listening(bench, "[server]\nmax_in_flight = 2\n") as remote:
        for _ in range(3):
            assert (await begin(remote)).startswith(b"HTTP/1.1 100 ")
        refusal = await begin(remote)
        assert refusal.startswith(b"HTTP/1.1 503 ")
        assert b"\r\nretry-after: " in refusal
        assert (await Phone(remote).begin()).status == 200, "a start has no body"
        # One that comes to its end makes room, and so does one that is given up.
        made[0].write(b"{}")
        assert (await made[0].answer()).status == 511
        assert (await begin(remote)).startswith(b"HTTP/1.1 100 ")
        await made[1].aclose()
        async with asyncio.timeout(DEADLINE):
            while not (await begin(remote)).startswith(b"HTTP/1.1 100 "):
                pass
        outcomes = [line["outcome"] for line in remote.log_lines]
        assert outcomes.count("disconnected") == 1
        assert "in_flight" in outcomes
        for connection in made:
            await connection.aclose()


async def test_a_body_that_comes_too_slowly_is_503(bench: Workbench) -> None:
    async with listening(bench, "[server]\nrequest_timeout_s = 1\n") as remote:
        connection = await remote.connect()
        connection.write(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n{")
        answer = await connection.answer()
        assert (answer.status, answer.header("connection")) == (503, "close")
        assert await connection.rest() == b""
        assert [line["outcome"] for line in remote.log_lines] == ["request_timeout"]
        await connection.aclose()


async def test_nothing_is_answered_until_the_client_takes_what_there_is(server: Server) -> None:
    connection, line = connect(server.parts)
    request = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
    connection.pause_writing()
    connection.data_received(request * 3)
    await line.answered.wait()
    for _ in range(10):
        await asyncio.sleep(0)
    assert line.sent.count(b"HTTP/1.1 511 ") == 1
    connection.resume_writing()
    for _ in range(10):
        await asyncio.sleep(0)
    assert line.sent.count(b"HTTP/1.1 511 ") == 3


async def test_what_comes_behind_a_body_is_no_header(bench: Workbench) -> None:
    settings = device(trusted_proxies=["127.0.0.0/8"])
    async with listening(bench, settings) as remote:
        body = json.dumps({"app": "ap2004", "EAP_ID": Phone(remote).eap_id}).encode()
        head = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
        chunk = b"%x\r\n%b\r\n0\r\nx-forwarded-for: 203.0.113.9\r\n\r\n" % (len(body), body)
        connection = await remote.connect()
        connection.write(head + chunk)
        assert (await connection.answer()).status == 200
        await connection.aclose()
        record = (await remote.records())[-1]
        assert record["source_ref"] == reference(remote, "127.0.0.1")


async def test_a_client_that_goes_away_while_we_work(remote: Remote) -> None:
    remote.store.hold()
    connection = await remote.connect()
    connection.write(start_of(Phone(remote)))
    await remote.store.called("sim_key", 1)
    await connection.aclose()
    remote.store.release()
    assert (await Phone(remote).full()).status == 200
    assert [event for event in remote.events if event["log_level"] == "error"] == []


# --- who is asking -------------------------------------------------------------------------


def proxy_header(
    source: str = "203.0.113.9", *, command: int = 1, signature: bytes = b"\r\n\r\n\x00\r\nQUIT\n"
) -> bytes:
    """Return a PROXY protocol v2 header."""
    address = ipaddress.ip_address(source)
    family = 0x11 if address.version == 4 else 0x21
    target = "127.0.0.1" if address.version == 4 else "::1"
    body = address.packed + ipaddress.ip_address(target).packed + struct.pack(">HH", 55_555, 443)
    return signature + bytes((0x20 | command, family)) + struct.pack(">H", len(body)) + body


async def source_seen(remote: Remote, *headers: tuple[str, str], prefix: bytes = b"") -> str:
    """Start an authentication and return the reference of the address that it came from."""
    phone = Phone(remote)
    text = phone.query(("EAP_ID", phone.eap_id))
    answer = await replace(remote, prefix=prefix).send(Request("GET", text, headers))
    assert answer.status == 200
    return str((await remote.records())[-1]["source_ref"])


def reference(remote: Remote, source: str) -> str:
    return remote.ring.reference("default", "source", source, now=START)


PROXIED = device(proxy_protocol=True, trusted_proxies=["127.0.0.0/8"])


@pytest.mark.parametrize("source", ["203.0.113.9", "2001:db8::7"])
async def test_a_trusted_proxy_says_who_asks(bench: Workbench, source: str) -> None:
    async with listening(bench, PROXIED) as remote:
        seen = await source_seen(remote, prefix=proxy_header(source))
        assert seen == reference(remote, source)


async def test_the_proxy_s_own_connections_are_its_own(bench: Workbench) -> None:
    async with listening(bench, PROXIED) as remote:
        seen = await source_seen(remote, prefix=proxy_header(command=0))
        assert seen == reference(remote, "127.0.0.1")


async def test_a_proxy_header_holds_for_the_whole_connection(bench: Workbench) -> None:
    async with listening(bench, PROXIED) as remote:
        phone = Phone(remote)
        connection = await remote.connect()
        for byte in proxy_header():
            connection.write(bytes((byte,)))
            await connection.writer.drain()
        for _ in range(2):
            connection.write(start_of(phone))
            assert (await connection.answer()).status == 200
        await connection.aclose()
        seen = {record["source_ref"] for record in await remote.records()}
        assert seen == {reference(remote, "203.0.113.9")}


async def test_limits_count_the_source_that_the_proxy_names(bench: Workbench) -> None:
    settings = PROXIED + "[limits]\nimsi_source_burst = 1\n"
    async with listening(bench, settings) as remote:
        one = replace(remote, prefix=proxy_header("203.0.113.9"))
        two = replace(remote, prefix=proxy_header("203.0.113.10"))
        statuses = [(await Phone(each).begin()).status for each in (one, one, two, two)]
        assert statuses == [200, 503, 200, 503]


@pytest.mark.parametrize(
    "prefix",
    [
        b"",
        b"PROXY TCP4 203.0.113.9 127.0.0.1 55555 443\r\n",
        proxy_header(signature=b"\r\n\r\n\x00\r\nQUIX\n"),
        proxy_header(command=7),
        proxy_header()[:16].replace(b"\x00\x0c", b"\xff\xff"),
        proxy_header()[:14] + b"\x00\x04" + bytes(4),
    ],
    ids=["none", "version 1", "signature", "command", "length", "addresses"],
)
async def test_a_connection_without_a_right_header_is_dropped(
    bench: Workbench, prefix: bytes
) -> None:
    async with listening(bench, PROXIED) as remote:
        connection = await remote.connect()
        connection.write(prefix + start_of(Phone(remote)))
        assert await connection.rest() == b""
        await connection.aclose()
        assert remote.log_lines == []


async def test_a_proxy_header_that_never_ends_is_dropped_in_time(bench: Workbench) -> None:
    settings = device(proxy_protocol=True, trusted_proxies=["127.0.0.0/8"], head_timeout_s=0.05)
    async with listening(bench, settings) as remote:
        connection = await remote.connect()
        connection.write(proxy_header()[:9])
        assert await connection.rest() == b""
        await connection.aclose()


async def test_a_stranger_s_proxy_header_is_refused(bench: Workbench) -> None:
    settings = device(proxy_protocol=True, trusted_proxies=["192.0.2.1"])
    async with listening(bench, settings) as remote:
        for prefix in (proxy_header(), b""):
            connection = await remote.connect()
            connection.write(prefix + start_of(Phone(remote)))
            assert await connection.rest() == b""
            await connection.aclose()
        assert remote.log_lines == []


CHAINS = [
    ([("x-forwarded-for", "198.51.100.7")], "198.51.100.7"),
    ([("forwarded", "for=198.51.100.7;proto=https")], "198.51.100.7"),
    ([("forwarded", 'for="[2001:db8::7]:4711"')], "2001:db8::7"),
    ([("x-forwarded-for", "1.1.1.1, 198.51.100.7")], "198.51.100.7"),
    ([("x-forwarded-for", "1.1.1.1"), ("x-forwarded-for", "198.51.100.7")], "198.51.100.7"),
    ([("x-forwarded-for", "198.51.100.7, 127.0.0.5")], "198.51.100.7"),
    ([("forwarded", "for=1.1.1.1, for=198.51.100.7, for=127.0.0.5")], "198.51.100.7"),
    ([("x-forwarded-for", "1.1.1.1, unknown")], "127.0.0.1"),
    ([("x-forwarded-for", "")], "127.0.0.1"),
    ([("x-forwarded-for", "127.0.0.9")], "127.0.0.9"),
    ([("forwarded", "for=198.51.100.7"), ("x-forwarded-for", "1.1.1.1")], "198.51.100.7"),
    ([], "127.0.0.1"),
]


@pytest.mark.spec("RFC 7239 §7.4")
async def test_trusted_proxies_are_believed_for_what_they_wrote(bench: Workbench) -> None:
    async with listening(bench, device(trusted_proxies=["127.0.0.0/8"])) as remote:
        for headers, source in CHAINS:
            assert await source_seen(remote, *headers) == reference(remote, source), headers


@pytest.mark.spec("RFC 7239 §8.1")
@pytest.mark.parametrize("trusted", [[], ["192.0.2.1"]])
async def test_from_anybody_else_the_headers_say_nothing(
    bench: Workbench, trusted: list[str]
) -> None:
    async with listening(bench, device(trusted_proxies=trusted)) as remote:
        for headers, _ in CHAINS:
            assert await source_seen(remote, *headers) == reference(remote, "127.0.0.1")


# --- TLS -----------------------------------------------------------------------------------


def write_certificate(directory: Path, serial: int, *, key_too: bool = True) -> None:
    """Write a self-signed certificate and its key, each whole at once."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "aes.example")])
    start = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=3650))
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    if key_too:
        (directory / "new.pem").write_bytes(private)
        (directory / "new.pem").rename(directory / "key.pem")
    (directory / "new.pem").write_bytes(certificate.public_bytes(pem))
    (directory / "new.pem").rename(directory / "cert.pem")


def client_context(version: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if version is not None:
        context.minimum_version = context.maximum_version = version
    return context


TLS = device(tls_certificate="cert.pem", tls_key="key.pem") + "[keys]\npoll_s = 0.02\n"


@asynccontextmanager
async def over_tls(
    bench: Workbench, *, reload: asyncio.Event | None = None
) -> AsyncIterator[Remote]:
    write_certificate(bench.directory, 1)
    async with listening(bench, TLS, tls=client_context(), reload=reload) as remote:
        yield remote


async def serial_of(remote: Remote) -> int:
    """Make a handshake and return the serial number of the certificate that came."""
    connection = await remote.connect()
    found = connection.writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    await connection.aclose()
    return x509.load_der_x509_certificate(found).serial_number


@pytest.mark.conforms("server.tls")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_tls_1_2_and_1_3_are_spoken(bench: Workbench, version: ssl.TLSVersion) -> None:
    async with over_tls(bench) as remote:
        remote.tls = client_context(version)
        assert (await Phone(remote).full()).status == 200


async def test_the_cookie_is_for_tls_only_where_there_is_tls(bench: Workbench) -> None:
    async with over_tls(bench) as remote:
        line = (await Phone(remote).begin()).header("set-cookie")
        assert "Secure" in [part.strip() for part in line.split(";")]


def client_hello(minor: int) -> bytes:
    """Return the first message of a handshake of SSL 3.0 (0) to TLS 1.2 (3).

    Written by hand, since libraries no longer write the older ones.
    """
    suites = bytes.fromhex("c02bc02cc009c00ac013c014002f0035")
    extensions = bytes.fromhex("000a000400020017" + "000b00020100")
    extensions += bytes.fromhex("000d000400020403")
    body = bytes((3, minor)) + bytes(32) + b"\0" + struct.pack(">H", len(suites)) + suites
    body += b"\x01\0" + struct.pack(">H", len(extensions)) + extensions
    hello = b"\x01" + len(body).to_bytes(3, "big") + body
    return bytes((22, 3, min(minor, 1))) + struct.pack(">H", len(hello)) + hello


@pytest.mark.conforms("server.tls")
@pytest.mark.parametrize(("minor", "refused"), [(0, True), (1, True), (2, True), (3, False)])
async def test_older_versions_of_tls_are_refused(
    bench: Workbench, minor: int, refused: bool
) -> None:
    async with over_tls(bench) as remote:
        connection = await Connection.to(remote.device)
        connection.write(client_hello(minor))
        async with asyncio.timeout(DEADLINE):
            said = await connection.reader.read(7)
        if refused:
            # The alert protocol_version, unless the connection is gone before it.
            assert said in (b"", b"\x15\x03" + bytes((max(minor, 1), 0, 2, 2, 70)))
        else:
            assert (said[0], said[5]) == (22, 2), "ServerHello"
        await connection.aclose()


async def test_weak_ciphers_are_refused(bench: Workbench) -> None:
    async with over_tls(bench) as remote:
        context = client_context(ssl.TLSVersion.TLSv1_2)
        context.set_ciphers("ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA384:@SECLEVEL=0")
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await Connection.to(remote.device, context)


async def test_plain_http_to_a_tls_listener_ends(bench: Workbench) -> None:
    async with over_tls(bench) as remote:
        connection = await Connection.to(remote.device)
        connection.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        assert b"HTTP/1.1 200" not in await connection.rest()
        await connection.aclose()
        assert (await Phone(remote).full()).status == 200


async def test_a_new_certificate_is_taken_over_without_a_restart(bench: Workbench) -> None:
    async with over_tls(bench) as remote:
        old = await remote.connect()
        assert await serial_of(remote) == 1
        write_certificate(bench.directory, 2)
        async with asyncio.timeout(DEADLINE):
            while await serial_of(remote) == 1:
                pass
        assert await serial_of(remote) == 2
        old.write(push_request(Request("GET")))
        assert (await old.answer()).status == 511, "who is connected stays so"
        await old.aclose()


async def said_of_certificate(remote: Remote) -> str:
    """Return what the server says next about its certificate, shaking hands meanwhile."""
    async with asyncio.timeout(DEADLINE):
        while True:
            for event in remote.events:
                if event["event"].startswith("certificate"):
                    remote.events.clear()
                    return str(event["event"])
            await serial_of(remote)


@pytest.mark.parametrize("broken", ["no PEM", "of another key", "gone"])
async def test_a_broken_certificate_leaves_the_old_one(bench: Workbench, broken: str) -> None:
    async with over_tls(bench) as remote:
        match broken:
            case "no PEM":
                (bench.directory / "cert.pem").write_text("-----BEGIN CERTIFICATE-----\n")
            case "of another key":
                write_certificate(bench.directory, 3, key_too=False)
            case _:
                (bench.directory / "cert.pem").unlink()
        assert await said_of_certificate(remote) == "certificate_not_renewed"
        assert await serial_of(remote) == 1
        assert (await Phone(remote).full()).status == 200
        write_certificate(bench.directory, 4)
        async with asyncio.timeout(DEADLINE):
            while await serial_of(remote) == 1:
                pass
        assert await serial_of(remote) == 4


async def test_a_signal_reads_the_certificate_again(bench: Workbench) -> None:
    reload = asyncio.Event()
    async with over_tls(bench, reload=reload) as remote:
        reload.set()
        assert await said_of_certificate(remote) == "certificate_renewed"
        assert await serial_of(remote) == 1


# --- management ----------------------------------------------------------------------------


async def test_management_pages(remote: Remote) -> None:
    assert (await Phone(remote).full()).status == 200
    alive, ready = await remote.manage("/healthz"), await remote.manage("/readyz")
    assert (alive.status, alive.body) == (200, b"alive\n")
    assert (ready.status, ready.body) == (200, b"ready\n")
    metrics = (await remote.manage("/metrics")).body.decode()
    counted = re.findall(r"^simgrant_requests_total\{([^}]*)\} (\S+)$", metrics, re.MULTILINE)
    assert {(re.findall('leg="([^"]*)"', labels)[0], number) for labels, number in counted} == {
        ("start", "1.0"),
        ("answer", "1.0"),
    }
    services = (await remote.manage("/services.json")).object
    assert [each["app_id"] for each in services["services"]] == list(SERVICES)


async def test_management_refuses_the_rest(remote: Remote) -> None:
    assert (await remote.manage("/")).status == 404
    assert (await remote.manage("/healthz", "POST")).status == 405
    assert (await remote.manage("/healthz", "HEAD")).status == 200
    assert (await remote.manage("/ts43?token=x")).status == 404


async def test_not_ready_while_the_store_is_down(remote: Remote) -> None:
    remote.store.down = True
    ready = await remote.manage("/readyz")
    assert (ready.status, ready.body) == (503, b"the store does not answer\n")
    assert (await remote.manage("/healthz")).status == 200
    remote.store.down = False
    assert (await remote.manage("/readyz")).status == 200


# --- the end -------------------------------------------------------------------------------


async def test_what_is_in_flight_is_finished_before_the_end(bench: Workbench) -> None:
    async with listening(bench) as remote:
        phone = Phone(remote)
        idle = await remote.connect()
        idle.write(start_of(phone))
        assert (await idle.answer()).status == 200
        remote.store.hold()
        asked = asyncio.create_task(phone.begin())
        await remote.store.called("sim_key", 2)
        stop = asyncio.create_task(remote.stopping())
        assert await idle.rest() == b"", "who asks nothing is let go at once"
        assert not stop.done()
        assert not asked.done()
        with pytest.raises(ConnectionError):
            await remote.connect()
        remote.store.release()
        assert (await asked).status == 200
        async with asyncio.timeout(DEADLINE):
            await stop
        await idle.aclose()
        assert len(remote.log_lines) == 2
        assert len(remote.store.records) == 2, "the last records are written too"


async def test_the_end_does_not_wait_for_ever(bench: Workbench) -> None:
    async with listening(bench, "[server]\nshutdown_timeout_s = 1\n") as remote:
        remote.store.hold()
        asked = asyncio.create_task(Phone(remote).begin())
        await remote.store.called("sim_key", 1)
        async with asyncio.timeout(DEADLINE):
            await remote.stopping()
        remote.store.release()
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            assert (await asked).status in (500, 503)


async def test_records_are_written_while_it_runs(bench: Workbench) -> None:
    async with listening(bench, "[records]\ninterval_s = 0.02\n") as remote:
        await Phone(remote).full()
        async with asyncio.timeout(DEADLINE):
            await remote.store.called("append_records", 1)
        assert remote.store.records


async def test_a_port_in_use_is_refused_in_one_line(remote: Remote, bench: Workbench) -> None:
    host, port = remote.device
    with pytest.raises(StartRefused, match=rf"device.listen {host}:{port}: ") as refused:
        async with listening(bench, device(listen=f"{host}:{port}")):
            pass
    assert "\n" not in str(refused.value)
