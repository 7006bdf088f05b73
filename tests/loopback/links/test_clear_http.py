"""HTTP/1.1 in the clear: an answer is the one to its request, or there is none."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simgrant.errors import PeerMisbehaved, PeerTimeout, PeerUnavailable
from simgrant.links.clear_http import ClearHttp, Heard, NoAnswer, TooLong
from simgrant.links.http import HttpConfig, HttpLink, HttpRequest, Repeat
from simgrant.links.retry import RetryRules
from tests.clocks import MachineClock
from tests.examples import examples

MOST = 1000
GOOD = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ngood"
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Peer:
    """A server that says what it is told to, whatever it is asked."""

    def __init__(self, serve: Serve | None = None) -> None:
        self.says: list[bytes] = [GOOD]
        """The last one again and again."""
        self.heard: list[bytes] = []
        self.connections = 0
        self.ends = False
        """Whether a connection ends behind an answer."""
        self.port = 0
        self.asked = asyncio.Event()
        self._serve = serve or self._say
        self._serving: set[asyncio.Task[None] | None] = set()

    async def up(self) -> None:
        self._server = await asyncio.start_server(self._served, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def down(self) -> None:
        """Wait until nobody is served any more: whoever was, has gone."""
        self._server.close()
        async with asyncio.timeout(10):
            await asyncio.gather(*(task for task in self._serving if task is not None))

    async def _served(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._serving.add(asyncio.current_task())
        with suppress(OSError, asyncio.IncompleteReadError):
            await self._serve(reader, writer)
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    async def _say(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            self.heard.append(await reader.readuntil(b"\r\n\r\n"))
            self.asked.set()
            writer.write(self.says.pop(0) if len(self.says) > 1 else self.says[0])
            await writer.drain()
            if self.ends:
                return


def client(**changes: float) -> ClearHttp:
    rules = {"connect_timeout_s": 5.0, "idle_s": 60.0} | changes
    return ClearHttp(
        hosts={"peer.example": ("127.0.0.1", 0)},
        most_bytes=MOST,
        connect_timeout_s=rules["connect_timeout_s"],
        idle_s=rules["idle_s"],
    )


@asynccontextmanager
async def served(peer: Peer) -> AsyncIterator[Callable[..., Awaitable[Heard]]]:
    await peer.up()
    http = client()

    async def ask(path: str = "/x", body: bytes = b"") -> Heard:
        url = f"http://127.0.0.1:{peer.port}{path}"
        written = http.written("POST" if body else "GET", url, {}, body)
        assert written is not None
        async with asyncio.timeout(10):
            return await http.exchange(*written)

    try:
        yield ask
    finally:
        http.close()
        await peer.down()


def test_a_plain_request_is_written_as_it_is() -> None:
    written = client().written(
        "POST", "http://Peer.example:8080/a/b%2F?q=1&r", {"X-A": "b c", "accept": "*/*"}, b"{}"
    )
    assert written == (
        ("peer.example", 8080),
        b"POST /a/b%2F?q=1&r HTTP/1.1\r\nhost: peer.example:8080\r\nuser-agent: simgrant\r\n"
        b"x-a: b c\r\naccept: */*\r\ncontent-length: 2\r\n\r\n{}",
    )
    written = client().written("GET", "http://peer.example/", {}, b"")
    assert written == (
        ("peer.example", 80),
        b"GET / HTTP/1.1\r\nhost: peer.example\r\nuser-agent: simgrant\r\n\r\n",
    )
    written = client().written("PUT", "http://peer.example/", {}, b"")
    assert written is not None
    assert b"\r\ncontent-length: 0\r\n" in written[1]


@pytest.mark.parametrize(
    ("method", "url", "headers"),
    [
        ("GET", "https://a/", {}),
        ("GET", "http://user@a/", {}),
        ("GET", "http://[::1]/", {}),
        ("GET", "http://a", {}),
        ("GET", "http://a:0/", {}),
        ("GET", "http://a:65536/", {}),
        ("GET", "http://a/b/../c", {}),
        ("GET", "http://a/b c", {}),
        ("GET", "http://a/b\r\nx: y", {}),
        ("GET", "http://a/b\n", {}),
        ("GET", "http://a/#b", {}),
        ("GET", "http://a/ü", {}),
        ("HEAD", "http://a/", {}),
        ("CONNECT", "http://a/", {}),
        ("GET", "http://a/", {"x": "a\r\ny: b"}),
        ("GET", "http://a/", {"x": "ü"}),
        ("GET", "http://a/", {"x y": "a"}),
        ("GET", "http://a/", {"x:": "a"}),
        ("GET", "http://a/", {"": "a"}),
        ("GET", "http://a/", {"Host": "b"}),
        ("POST", "http://a/", {"Content-Length": "0"}),
        ("POST", "http://a/", {"Transfer-Encoding": "chunked"}),
    ],
)
def test_what_is_not_plain_is_left_to_another(
    method: str, url: str, headers: dict[str, str]
) -> None:
    assert client().written(method, url, headers, b"") is None


@given(
    url=st.text(max_size=30).map("http://a/".__add__),
    name=st.text(max_size=8),
    value=st.text(max_size=8),
)
@settings(max_examples=examples(200))
def test_nothing_that_is_put_in_becomes_more_than_a_value(url: str, name: str, value: str) -> None:
    written = client().written("GET", url, {name: value}, b"")
    if written is not None:
        head = written[1].decode("ascii").split("\r\n")
        assert head[0].count(" ") == 2
        assert len(head) == 6
        assert head[3] == f"{name.lower()}: {value}"


async def test_a_connection_is_kept_for_the_next_request() -> None:
    peer = Peer()
    async with served(peer) as ask:
        for _ in range(5):
            heard = await ask()
            assert (heard.status, heard.version, heard.body) == (200, "1.1", b"good")
            assert heard.headers == {"content-length": "4"}
    assert (peer.connections, len(peer.heard)) == (1, 5)


INTERIM = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 E\r\nlink: x\r\n\r\n"
KEPT = GOOD.replace(b"OK\r\n", b"OK\r\nconnection: keep-alive\r\n")
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2;x=y\r\ngo\r\n2\r\nod\r\n0\r\n"


@pytest.mark.parametrize(
    ("says", "status", "body", "is_kept"),
    [
        (GOOD, 200, b"good", True),
        (CHUNKED + b"\r\n", 200, b"good", True),
        (CHUNKED + b"x-more: y\r\n\r\n", 200, b"good", True),
        (INTERIM + GOOD, 200, b"good", True),
        (b"HTTP/1.1 204 No\r\n\r\n", 204, b"", True),
        (b"HTTP/1.1 304 No\r\n\r\n", 304, b"", True),
        (b"HTTP/1.1 503 No\r\nretry-after: 5\r\ncontent-length: 0\r\n\r\n", 503, b"", True),
        (GOOD.replace(b"OK\r\n", b"OK\r\nconnection: close\r\n"), 200, b"good", False),
        (GOOD.replace(b"1.1", b"1.0"), 200, b"good", False),
        (KEPT.replace(b"1.1", b"1.0"), 200, b"good", False),
        # Another answer behind it: nobody asked for that one.
        (GOOD + b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nbad", 200, b"good", False),
        (GOOD + b"HTTP/1.1 204 No\r\n\r\n", 200, b"good", False),
        (GOOD + b"\x00garbage", 200, b"good", False),
    ],
)
async def test_an_answer_ends_where_it_says(
    says: bytes, status: int, body: bytes, is_kept: bool
) -> None:
    peer = Peer()
    peer.says = [says, GOOD]
    async with served(peer) as ask:
        heard = await ask()
        assert (heard.status, heard.body) == (status, body)
        assert (await ask()).body == b"good"
    assert peer.connections == (1 if is_kept else 2)


async def test_an_answer_without_a_length_ends_with_its_connection() -> None:
    peer = Peer()
    peer.says, peer.ends = [b"HTTP/1.1 200 OK\r\n\r\ngood"], True
    async with served(peer) as ask:
        assert (await ask()).body == b"good"
        assert (await ask()).body == b"good"
    assert peer.connections == 2


@pytest.mark.parametrize(
    "says",
    [
        b"",
        b"SSH-2.0-x\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\ngood",
        b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\ncontent-length: 5\r\n\r\ngood",
        b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\ncontent-length: 4\r\n\r\ngood",
        b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: identity\r\n\r\ngood",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nx\r\n",
        b"HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: y",
        CHUNKED,
    ],
)
async def test_what_is_no_answer_is_none(says: bytes) -> None:
    peer = Peer()
    peer.says, peer.ends = [says], True
    async with served(peer) as ask:
        with pytest.raises(NoAnswer) as raised:
            await ask()
        assert not raised.value.never_sent
        peer.says, peer.ends = [GOOD], False
        assert (await ask()).body == b"good", "on a connection of its own"
    assert peer.connections == 2


@pytest.mark.parametrize(
    "says",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 1001\r\n\r\n" + b"x" * 1001,
        b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1001,
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + b"1;" + b"x" * 80_000,
        b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 12_000,
        b"HTTP/1.1 100 Continue\r\n\r\n" * 9,
    ],
)
async def test_what_is_too_long_is_not_read_to_its_end(says: bytes) -> None:
    peer = Peer()
    peer.says = [says]
    async with served(peer) as ask:
        with pytest.raises(TooLong):
            await ask()


async def test_as_much_as_may_come_comes() -> None:
    peer = Peer()
    small = b"".join(b"1\r\nx\r\n" for _ in range(MOST))
    peer.says = [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + small + b"0\r\n\r\n"]
    async with served(peer) as ask:
        assert (await ask()).body == b"x" * MOST


async def test_what_nobody_asked_for_is_no_answer() -> None:
    sent = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(GOOD)
        await asyncio.sleep(0.02)
        writer.write(GOOD.replace(b"good", b"evil"))
        await writer.drain()
        sent.set()
        await reader.read()

    peer = Peer(serve)
    async with served(peer) as ask:
        assert (await ask()).body == b"good"
        await sent.wait()
        await asyncio.sleep(0.05)
        assert (await ask()).body == b"good"
    assert peer.connections == 2


async def test_a_connection_that_its_peer_ended_is_not_used() -> None:
    peer = Peer()
    peer.ends = True
    async with served(peer) as ask:
        for _ in range(3):
            assert (await ask()).body == b"good"
            await asyncio.sleep(0.02)
    assert peer.connections == 3


async def test_of_many_at_once_each_has_its_own_answer() -> None:
    chance = random.Random(5)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            path = (await reader.readuntil(b"\r\n\r\n")).split(b" ")[1]
            await asyncio.sleep(chance.random() / 200)
            says = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(path), path)
            cut = chance.randrange(len(says))
            writer.write(says[:cut])
            await asyncio.sleep(0)
            writer.write(says[cut:])

    peer, answered = Peer(serve), 0
    async with served(peer) as ask:

        async def one(number: int) -> None:
            nonlocal answered
            path = f"/lines/{number:015d}"
            try:
                # Some go away before their answer comes, and leave it behind.
                async with asyncio.timeout(0.004 if number % 3 == 0 else None):
                    heard = await ask(path)
            except TimeoutError:
                return
            assert heard.body.decode() == path
            answered += 1

        async def some(first: int) -> None:
            for number in range(first, 600, 20):
                await one(number)

        await asyncio.gather(*map(some, range(20)))
    assert answered >= 400
    assert 20 < peer.connections < 400, "kept, but for those that somebody left"


@given(
    cuts=st.lists(st.integers(1, 90), max_size=6), says=st.sampled_from([GOOD, CHUNKED + b"\r\n"])
)
@settings(max_examples=examples(60), deadline=None)
def test_in_however_many_parts_it_comes_it_is_the_same(cuts: list[int], says: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        ends = sorted({min(cut, len(says)) for cut in cuts} | {len(says)})
        for start, end in zip([0, *ends], ends, strict=False):
            writer.write(says[start:end])
            await asyncio.sleep(0)

    async def run() -> None:
        async with served(Peer(serve)) as ask:
            assert (await ask()).body == b"good"

    asyncio.run(run())


@given(
    says=st.one_of(
        st.binary(max_size=300),
        st.builds(
            lambda at, junk: GOOD[:at] + junk + GOOD[at:],
            st.integers(0, len(GOOD)),
            st.binary(min_size=1, max_size=8),
        ),
    )
)
@settings(max_examples=examples(100), deadline=None)
def test_whatever_comes_is_an_answer_or_none(says: bytes) -> None:
    async def run() -> None:
        peer = Peer()
        peer.says, peer.ends = [says], True
        async with served(peer) as ask:
            with suppress(NoAnswer, TooLong):
                assert 100 <= (await ask()).status <= 999

    asyncio.run(run())


async def test_nobody_listens_is_said_and_that_nothing_was_sent() -> None:
    server = await asyncio.start_server(lambda _r, _w: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    written = client().written("GET", f"http://peer.example:{port}/", {}, b"")
    assert written is not None
    with pytest.raises(NoAnswer, match="refused") as raised:
        await client().exchange(*written)
    assert raised.value.never_sent


async def test_what_is_not_used_for_long_is_ended() -> None:
    over = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(GOOD)
        await reader.read()
        over.set()

    peer = Peer(serve)
    await peer.up()
    http = client(idle_s=0.05)
    written = http.written("GET", f"http://peer.example:{peer.port}/", {}, b"")
    assert written is not None
    await http.exchange(*written)
    async with asyncio.timeout(10):
        await over.wait()
    http.close()
    await peer.down()


# --- as a link uses it ------------------------------------------------------------------------


@asynccontextmanager
async def linked(peer: Peer) -> AsyncIterator[HttpLink]:
    await peer.up()
    link = HttpLink(
        HttpConfig(
            peer="p",
            plain=True,
            most_bytes=MOST,
            hosts=(("peer.example", "127.0.0.1", peer.port),),
            retry=RetryRules(first_wait_s=0.001, longest_wait_s=0.002),
        ),
        MachineClock(),
    )
    try:
        yield link
    finally:
        await link.close()
        await peer.down()


async def send(
    link: HttpLink, *, repeat: Repeat = Repeat.STRUGGLING, within: float = 10
) -> tuple[int, bytes, str]:
    request = HttpRequest("GET", "http://peer.example/x?token=sEcReT", {}, b"", repeat)
    reply = await link.send(request, deadline=time.monotonic() + within)
    return reply.status, reply.body, reply.header("X-More")


async def test_a_link_says_the_same_of_it_as_of_any_other() -> None:
    peer = Peer()
    peer.says = [GOOD.replace(b"\r\n\r\n", b"\r\nx-MORE: a\r\nx-more: b\r\n\r\n")]
    async with linked(peer) as link:
        assert await send(link) == (200, b"good", "a")
        peer.says = [b"garbage", GOOD.replace(b"200", b"503"), GOOD]
        assert await send(link) == (200, b"good", "")
        peer.says = [b"garbage", GOOD]
        with pytest.raises(PeerUnavailable, match="no HTTP") as raised:
            await send(link, repeat=Repeat.NEVER_SENT)
        assert "sEcReT" not in str(raised.value)
        peer.says = [b"HTTP/1.1 200 OK\r\ncontent-length: 1001\r\n\r\n" + b"x" * 1001]
        with pytest.raises(PeerMisbehaved) as long:
            await send(link)
        assert long.value.reason == "answer_too_long"
        peer.says = [b"HTTP/1.1 200 OK\r\n"]
        with pytest.raises(PeerTimeout):
            await send(link, within=0.05)
        peer.says = [GOOD]
        assert await send(link) == (200, b"good", "")
    with pytest.raises(PeerUnavailable):
        await send(link)


async def test_requests_under_way_fail_where_a_link_is_closed() -> None:
    peer = Peer()
    peer.says = [b"HTTP/1.1 200 OK\r\n"]
    async with linked(peer) as link:
        task = asyncio.create_task(send(link, repeat=Repeat.NEVER_SENT))
        await peer.asked.wait()
        await link.close()
        with pytest.raises(PeerUnavailable):
            await task
