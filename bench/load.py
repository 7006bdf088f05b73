"""The load generator: a closed loop over HTTP/1.1, in a process and on a core of its own.

It reads one job per line from standard input and writes one result per line. It is as lean as
Python lets it be (one `perf_counter` and one small parser per answer), it answers challenges as a
genuine SIM does, and it looks at every answer: a server that is fast because it refuses is an
error, not a figure.
"""

from __future__ import annotations

import asyncio
import itertools
import ssl
import sys
from array import array
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Literal, NamedTuple, Protocol

import msgspec
import uvloop

from bench import handset, world

_LOOK_AT = 64
"""How many answers of a run are read as documents, and not only counted."""
_PATIENCE_S = 15.0
"""Seconds over its time after which a run is given up."""

Kind = Literal["token", "auth"]


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One run."""

    port: int
    kind: Kind
    requests: str
    """File that `write_requests` wrote."""
    seconds: float
    connections: int
    tls: bool = False
    """Over TLS, with a new connection for each request."""


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it."""

    operations: int = 0
    seconds: float = 0.0
    p50_ms: float = 0.0
    p99_ms: float = 0.0
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


def percentile(ordered: array[float], share: float) -> float:
    """Return the value below which a share of the ordered values lies; 0 for none."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


class _Exchange(Protocol):
    """One operation after the other on one connection."""

    def begin(self) -> bytes: ...

    def answered(self, data: bytes, head: Head) -> bytes:
        """Return what to send next, empty when the operation is done; raise Fault."""


class _Token:
    """A request by token."""

    def __init__(self, requests: Iterator[Request], looks: Iterator[int]) -> None:
        self._requests = requests
        self._looks = looks

    def begin(self) -> bytes:
        return next(self._requests).data

    def answered(self, data: bytes, head: Head) -> bytes:
        _expect(data, head, b"\r\ncontent-type: text/vnd.wap.connectivity-xml\r\n")
        if next(self._looks) < _LOOK_AT:
            _expect_document(data, head)
        return b""


class _Auth:
    """A full authentication: challenge, answer, document."""

    def __init__(self, requests: Iterator[Request], looks: Iterator[int]) -> None:
        self._requests = requests
        self._looks = looks
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
                _expect_document(data, head)
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


_EXCHANGES: dict[Kind, type[_Token] | type[_Auth]] = {"token": _Token, "auth": _Auth}


def _expect(data: bytes, head: Head, line: bytes) -> None:
    if head.status != 200 or data.find(line, 0, head.start) < 0:
        raise Fault(f"unexpected answer: {data[:600]!r}")


def _expect_document(data: bytes, head: Head) -> None:
    body = data[head.start : head.end]
    if data.find(b"\r\ncontent-encoding: gzip\r\n", 0, head.start) >= 0:
        import gzip

        body = gzip.decompress(body)
    if b"EntitlementStatus" not in body:
        raise Fault(f"no entitlement in {body[:600]!r}")


class _Run:
    """What the connections of one run share."""

    def __init__(self, job: Job) -> None:
        self.started = perf_counter()
        self.until = self.started + job.seconds
        self.ended = self.started
        self.took = array("d")
        self.fault = ""

    def fail(self, why: str) -> None:
        """End the run; its figures mean nothing any more."""
        self.fault = self.fault or why
        self.until = 0.0

    def result(self) -> Result:
        took = array("d", sorted(self.took))
        return Result(
            operations=len(took),
            seconds=self.ended - self.started,
            p50_ms=percentile(took, 0.5) * 1000,
            p99_ms=percentile(took, 0.99) * 1000,
            fault=self.fault,
        )


class _Connection(asyncio.Protocol):
    """One connection: the next operation begins when the one before is answered.

    With a time at which making the connection `began`, it is for one operation only.
    """

    def __init__(self, run: _Run, exchange: _Exchange, *, began: float | None) -> None:
        self._run = run
        self._exchange = exchange
        self._fresh = began is not None
        self._began = began or perf_counter()
        self._kept = b""
        self.closed = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport
        transport.write(self._exchange.begin())

    def data_received(self, data: bytes) -> None:
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
            self._transport.write(following)
            return
        now = perf_counter()
        run = self._run
        run.took.append(now - self._began)
        run.ended = now
        self._began = now
        if self._fresh or now >= run.until:
            self._transport.close()
        else:
            self._transport.write(self._exchange.begin())

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.closed.done():
            self.closed.set_result(None)
        if exc is not None:
            self._run.fail(f"connection lost: {exc!r}")


async def run(job: Job, requests: Iterator[Request]) -> Result:
    """Run one job."""
    shared, looks = _Run(job), itertools.count()
    loop = asyncio.get_running_loop()
    # Whose certificate it is, is not what is measured.
    context = ssl._create_unverified_context() if job.tls else None  # noqa: S323

    async def client() -> None:
        exchange = _EXCHANGES[job.kind](requests, looks)
        while perf_counter() < shared.until:
            began = perf_counter() if job.tls else None
            made = partial(_Connection, shared, exchange, began=began)
            try:
                _, connection = await loop.create_connection(
                    made, "127.0.0.1", job.port, ssl=context
                )
            except OSError as error:
                shared.fail(f"no connection: {error!r}")
            else:
                await connection.closed

    try:
        async with asyncio.timeout(job.seconds + _PATIENCE_S), asyncio.TaskGroup() as group:
            for _ in range(job.connections):
                group.create_task(client())
    except TimeoutError:
        shared.fail("the server stopped answering")
    return shared.result()


def main() -> None:
    """Serve jobs until standard input ends."""
    sources: dict[str, Iterator[Request]] = {}
    decode = msgspec.msgpack.Decoder(list[Request]).decode
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        for line in sys.stdin.buffer:
            job = msgspec.json.decode(line, type=Job)
            if job.requests not in sources:
                sources[job.requests] = itertools.cycle(decode(Path(job.requests).read_bytes()))
            result = runner.run(run(job, sources[job.requests]))
            sys.stdout.buffer.write(msgspec.json.encode(result) + b"\n")
            sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
