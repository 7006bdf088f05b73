"""The load generator: a closed loop over HTTP/1.1, in a process and on a core of its own.

It reads one job per line from standard input and writes one result per line. It is as lean as
Python lets it be (one `perf_counter` and one small parser per answer), it answers challenges as a
genuine SIM does, and it looks at every answer: a server that is fast because it refuses is an
error, not a figure. Connections stay open from one job to the next at the same server, so that
making them costs nothing in a short turn; those with TLS are for one request each.
"""

from __future__ import annotations

import asyncio
import itertools
import re
import ssl
import sys
from array import array
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from time import perf_counter, time
from typing import BinaryIO, Literal, NamedTuple, Protocol

import msgspec
import uvloop

from bench import bank, handset, world

_LOOK_AT = 64
"""How many answers of a run are read as documents, and not only counted."""
_PATIENCE_S = 15.0
"""Seconds over its time after which a run is given up."""

Kind = Literal[
    "token", "auth", "verify", "chain", "vector", "build", "read", "decide_last", "decide_middle"
]
"""``bench.diameter`` and ``bench.rules`` do the jobs after the first four."""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One turn of a case."""

    port: int
    partners: int = 0
    """The port for partners, where an operation has to do with both; 0 = it has not."""
    kind: Kind
    requests: str
    """File that `write_requests` wrote."""
    seconds: float
    connections: int
    tls: bool = False
    """Over TLS, with a new connection for each request."""
    sees: str = "EntitlementStatus"
    """What is in a document that is as it should be."""


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it."""

    seconds: float = 0.0
    took_ms: list[float] = []
    """How long each operation took, in no order."""
    times: int = 1
    """Each of these is the mean of so many operations in a row."""
    fault: str = ""
    """What was wrong with the first bad answer; the figures mean nothing then."""


class Request(msgspec.Struct, frozen=True, array_like=True):
    """The bytes of a first request, and the identity that a challenge will be about."""

    data: bytes
    nai: str = ""


class Head(NamedTuple):
    """Where an answer's parts are."""

    status: int
    start: int
    """Of the body."""
    end: int
    """Of the body; the buffer may still be shorter."""


class Fault(Exception):
    """An answer is not what it should be."""


def write_requests(path: Path, requests: list[Request]) -> None:
    """Write the requests of a job to a file."""
    path.write_bytes(msgspec.msgpack.encode(requests))


def read_requests(path: Path) -> list[Request]:
    """Return the requests of a file that `write_requests` wrote."""
    return msgspec.msgpack.decode(path.read_bytes(), type=list[Request])


def pull_head(data: bytes) -> Head | None:
    """Return the head of an HTTP/1.1 answer with a Content-Length; None if more has to come."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = data[: end + 2].lower()
    at = head.find(b"\r\ncontent-length:")
    if at < 0 or not head.startswith(b"http/1.1 "):
        raise Fault(f"no answer with a length: {data[:200]!r}")
    length = int(head[at + 17 : head.index(b"\r\n", at + 17)])
    return Head(int(head[9:12]), end + 4, end + 4 + length)


class _Exchange(Protocol):
    """One operation after the other on one connection."""

    def begin(self) -> bytes: ...

    def answered(self, data: bytes, head: Head) -> bytes:
        """Return what to send next, empty when the operation is done; raise Fault."""


class _Token:
    """A request by token."""

    def __init__(self, requests: Iterator[Request], looks: Iterator[int], sees: bytes) -> None:
        self._requests = requests
        self._looks = looks
        self._sees = sees

    def begin(self) -> bytes:
        return next(self._requests).data

    def answered(self, data: bytes, head: Head) -> bytes:
        _expect(data, head, b"\r\ncontent-type: text/vnd.wap.connectivity-xml\r\n")
        if next(self._looks) < _LOOK_AT:
            _expect_document(data, head, self._sees)
        return b""


class _Auth:
    """A full authentication: challenge, answer, document."""

    def __init__(self, requests: Iterator[Request], looks: Iterator[int], sees: bytes) -> None:
        self._requests = requests
        self._looks = looks
        self._sees = sees
        self._head = world.answer_head()
        self._nai = ""

    def begin(self) -> bytes:
        request = next(self._requests)
        self._nai = request.nai
        return request.data

    def answered(self, data: bytes, head: Head) -> bytes:
        if not self._nai:
            _expect(data, head, b"\r\ncontent-type: text/vnd.wap.connectivity-xml\r\n")
            if next(self._looks) < _LOOK_AT:
                _expect_document(data, head, self._sees)
            return b""
        _expect(data, head, b"\r\ncontent-type: application/vnd.gsma.eap-relay.v1.0+json\r\n")
        at = data.index(b"\r\nset-cookie: ") + 14
        cookie = data[at : data.index(b";", at)]
        body = handset.answer_relay(data[head.start : head.end], self._nai, world.CARD)
        self._nai = ""
        return b"%bCookie: %b\r\nContent-Length: %d\r\n\r\n%b" % (
            self._head,
            cookie,
            len(body),
            body,
        )


class _Verify:
    """A number that is verified for a partner, with an access token of its own."""

    def __init__(self, requests: Iterator[Request], looks: Iterator[int], sees: bytes) -> None:
        del looks, sees
        self._requests = requests

    def begin(self) -> bytes:
        return next(self._requests).data

    def answered(self, data: bytes, head: Head) -> bytes:
        _expect_verified(data, head)
        return b""


class _ForPartners(bytes):
    """What is to be sent to the port for partners."""


class Chain:
    """A phone gets a temporary token, its bank an access token for it, and the number's truth."""

    def __init__(self, requests: Iterator[Request], partners: int) -> None:
        self._requests = requests
        self._url = f"http://127.0.0.1:{partners}"
        self._number = ""
        self._next = self._redeem

    def begin(self) -> bytes:
        request = next(self._requests)
        self._number, self._next = request.nai, self._redeem
        return request.data

    def answered(self, data: bytes, head: Head) -> bytes:
        return self._next(data, head)

    def _redeem(self, data: bytes, head: Head) -> bytes:
        _expect(data, head, b"\r\ncontent-type: text/vnd.wap.connectivity-xml\r\n")
        found = _TEMPORARY.search(_body(data, head))
        if found is None:
            raise Fault(f"no temporary token: {data[:1200]!r}")
        self._next = self._verify
        return _ForPartners(bank.token_request(found[1].decode(), url=self._url, now=int(time())))

    def _verify(self, data: bytes, head: Head) -> bytes:
        _expect(data, head, b"\r\ncontent-type: application/json\r\n")
        token = msgspec.json.decode(data[head.start : head.end])["access_token"]
        self._next = self._verified
        return _ForPartners(bank.verify_request(token, self._number))

    def _verified(self, data: bytes, head: Head) -> bytes:
        _expect_verified(data, head)
        return b""


_TEMPORARY = re.compile(rb'"TemporaryToken" value="([^"]+)"')
_EXCHANGES: Mapping[str, type[_Token] | type[_Auth] | type[_Verify]] = {
    "token": _Token,
    "auth": _Auth,
    "verify": _Verify,
}


def _expect(data: bytes, head: Head, line: bytes) -> None:
    if head.status != 200 or data.find(line, 0, head.start) < 0:
        raise Fault(f"unexpected answer: {data[:600]!r}")


def _expect_verified(data: bytes, head: Head) -> None:
    _expect(data, head, b"\r\ncontent-type: application/json\r\n")
    if data.find(b":true}", head.start) < 0:
        raise Fault(f"not verified: {data[:600]!r}")


def _body(data: bytes, head: Head) -> bytes:
    body = data[head.start : head.end]
    if data.find(b"\r\ncontent-encoding: gzip\r\n", 0, head.start) >= 0:
        import gzip

        body = gzip.decompress(body)
    return body


def _expect_document(data: bytes, head: Head, sees: bytes) -> None:
    body = _body(data, head)
    if sees not in body:
        raise Fault(f"no {sees.decode()} in {body[:600]!r}")


class _Run:
    """What the connections of one run share."""

    def __init__(self, job: Job) -> None:
        self.started = perf_counter()
        self.until = self.started + job.seconds
        self.ended = self.started
        self.took_ms = array("d")
        self.fault = ""

    def fail(self, why: str) -> None:
        """End the run; its figures mean nothing any more."""
        self.fault = self.fault or why
        self.until = 0.0

    def result(self) -> Result:
        return Result(
            seconds=self.ended - self.started, took_ms=self.took_ms.tolist(), fault=self.fault
        )


class _ToPartners(asyncio.Protocol):
    """A second connection of one `_Connection`, to the port for partners."""

    owner: _Connection

    def data_received(self, data: bytes) -> None:
        self.owner.data_received(data)

    def connection_lost(self, _: Exception | None) -> None:
        self.owner.close()


class _Connection(asyncio.Protocol):
    """One connection: the next operation begins when the one before is answered.

    It rests when the run is over, and can then `resume` in another. With a time at which making
    the connection `began`, it is for one operation only.
    """

    def __init__(
        self,
        run: _Run,
        exchange: _Exchange,
        *,
        began: float | None,
        partners: asyncio.WriteTransport | None = None,
    ) -> None:
        self._run = run
        self._exchange = exchange
        self._once = began is not None
        self._began = began or perf_counter()
        self._kept = b""
        self._resumed = False
        """Whether it has resumed, and nothing has come since."""
        self.rested = asyncio.get_running_loop().create_future()
        self._partners = partners

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport
        transport.write(self._exchange.begin())

    @property
    def usable(self) -> bool:
        """Whether it can resume: neither side has closed it."""
        return not self._once and not self._transport.is_closing()

    def resume(self, run: _Run, exchange: _Exchange) -> None:
        """Work again, after a rest."""
        self._run = run
        self._exchange = exchange
        self._resumed = True
        self._began = perf_counter()
        self.rested = asyncio.get_running_loop().create_future()
        self._transport.write(exchange.begin())

    def close(self) -> None:
        """Close it at the end of its rest."""
        self._transport.close()
        if self._partners is not None:
            self._partners.close()

    def data_received(self, data: bytes) -> None:
        if self.rested.done():
            self._transport.abort()
            return
        self._resumed = False
        if self._kept:
            data = self._kept + data
        try:
            head = pull_head(data)
            if head is None or len(data) < head.end:
                self._kept = data
                return
            self._kept = b""
            following = self._exchange.answered(data, head)
        except (Fault, ValueError) as fault:
            self._run.fail(str(fault))
            self._transport.abort()
            return
        if following:
            aside = self._partners if isinstance(following, _ForPartners) else None
            (aside or self._transport).write(following)
            return
        now = perf_counter()
        run = self._run
        run.took_ms.append((now - self._began) * 1000)
        run.ended = now
        self._began = now
        if self._once:
            self._transport.close()
        elif now >= run.until:
            self.rested.set_result(None)
        else:
            self._transport.write(self._exchange.begin())

    def connection_lost(self, exc: Exception | None) -> None:
        if self.rested.done():
            return
        self.rested.set_result(None)
        # A server may close an idle connection just when we take it up again.
        if exc is not None and not self._resumed:
            self._run.fail(f"connection lost: {exc!r}")


async def run(job: Job, requests: Iterator[Request], kept: list[_Connection]) -> Result:
    """Run one job over the connections that were kept, and keep those it leaves open."""
    shared, looks = _Run(job), itertools.count()
    loop = asyncio.get_running_loop()
    # Whose certificate it is, is not what is measured.
    context = ssl._create_unverified_context() if job.tls else None  # noqa: S323

    async def connect(exchange: _Exchange) -> _Connection:
        began = perf_counter() if job.tls else None
        partners = aside = None
        if job.kind == "chain":
            partners, aside = await loop.create_connection(_ToPartners, "127.0.0.1", job.partners)
        made = partial(_Connection, shared, exchange, began=began, partners=partners)
        _, connection = await loop.create_connection(made, "127.0.0.1", job.port, ssl=context)
        if aside is not None:
            # Nothing comes by it before something was sent there.
            aside.owner = connection
        return connection

    async def client() -> None:
        exchange: _Exchange
        if job.kind == "chain":
            exchange = Chain(requests, job.partners)
        else:
            exchange = _EXCHANGES[job.kind](requests, looks, job.sees.encode())
        while perf_counter() < shared.until:
            connection = kept.pop() if kept else None
            if connection and connection.usable:
                connection.resume(shared, exchange)
            else:
                try:
                    connection = await connect(exchange)
                except OSError as error:
                    shared.fail(f"no connection: {error!r}")
                    return
            await connection.rested
            if connection.usable:
                kept.append(connection)

    def stay_awake() -> None:
        # To wake a process that sleeps on another core costs the server an interrupt for each
        # answer, which a client on the network never costs it.
        if not done.is_set():
            loop.call_soon(stay_awake)

    done = asyncio.Event()
    stay_awake()
    try:
        async with asyncio.timeout(job.seconds + _PATIENCE_S), asyncio.TaskGroup() as group:
            for _ in range(job.connections):
                group.create_task(client())
    except TimeoutError:
        shared.fail("the server stopped answering")
    finally:
        done.set()
    return shared.result()


async def work(do: Callable[[Job], Awaitable[Result]], results: BinaryIO) -> None:
    """Do the jobs that are read from standard input, until it ends."""
    loop = asyncio.get_running_loop()
    # Read by a thread, so that the loop sees meanwhile what servers close.
    while line := await loop.run_in_executor(None, sys.stdin.buffer.readline):
        result = await do(msgspec.json.decode(line, type=Job))
        results.write(msgspec.json.encode(result) + b"\n")
        results.flush()


async def serve() -> None:
    """Generate load until standard input ends."""
    files: dict[str, list[Request]] = {}
    sources: dict[int, Iterator[Request]] = {}
    kept: defaultdict[int, list[_Connection]] = defaultdict(list)

    async def do(job: Job) -> Result:
        if job.requests not in files:
            files[job.requests] = read_requests(Path(job.requests))
        # Each server goes through the requests by itself, and so meets none again soon.
        if job.port not in sources:
            sources[job.port] = itertools.cycle(files[job.requests])
        return await run(job, sources[job.port], kept[job.port])

    await work(do, sys.stdout.buffer)
    for connection in itertools.chain.from_iterable(kept.values()):
        connection.close()


def main() -> None:
    """Run the generator."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve())


if __name__ == "__main__":
    main()
