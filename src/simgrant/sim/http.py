"""A small HTTP/1.1 client that sends exactly the lines it is given.

A handset's stack differs from a tidy one: headers in an order of its own, a
`Cookie` line for each cookie, no redirects. Libraries mend all that on the way,
so the simulator brings its own client, with a bound on everything a server can
send and a deadline on everything it can keep one waiting for.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
import time
import zlib
from collections.abc import Callable
from dataclasses import field
from typing import Final, TypeAlias
from urllib.parse import quote, urlsplit

from simgrant.nouns import named_noun, noun

Headers: TypeAlias = tuple[tuple[str, str], ...]
"""Header lines in the order of the wire; a name may occur more than once."""

_GZIP_WINDOW: Final = 31
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-9][0-9]{2})(?: (.*))?")
_CHUNK_SIZE = re.compile(rb"[0-9A-Fa-f]{1,8}")
_FIELD_VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")
_BODILESS: Final = frozenset({204, 304})
_MOST_TRAILERS: Final = 100


class HttpError(Exception):
    """No usable answer came; the message says why, in words for people."""


class Unreachable(HttpError):
    """The server could not be reached, hung up, or did not answer in time."""


class BadAnswer(HttpError):
    """What came back is not HTTP/1.1, or is more than the client takes."""


@noun
class Url:
    """An http or https address, taken apart once."""

    scheme: str
    host: str
    port: int
    path: str
    query: str = ""
    """A query that was configured; a GET keeps it and appends its own parameters."""

    @classmethod
    def parse(cls, text: str) -> Url:
        """Return the address, or raise ValueError with a message for people."""
        parts = urlsplit(text)
        if parts.scheme not in _PORTS or not parts.hostname:
            raise ValueError(f"{text!r} is no http:// or https:// address")
        if parts.username is not None or parts.fragment:
            raise ValueError("the address may have no user name and no fragment")
        try:
            port = parts.port
        except ValueError:
            raise ValueError(f"the port of {text!r} is no port") from None
        path = quote(parts.path, safe="/%:@!$&'()*+,;=-._~") or "/"
        query = quote(parts.query, safe="/?%:@!$&'()*+,;=-._~")
        return cls(parts.scheme, parts.hostname, port or _PORTS[parts.scheme], path, query)

    @property
    def authority(self) -> str:
        """What the `Host` header says: the port only where it is not the usual one."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        return f"{self.scheme}://{self.authority}"

    def target(self, query: str = "") -> str:
        """Return the request target: the path, the configured query, and `query`."""
        both = "&".join(filter(None, (self.query, query)))
        return f"{self.path}?{both}" if both else self.path

    def __str__(self) -> str:
        return f"{self.origin}{self.path}"


_PORTS: Final = {"http": 80, "https": 443}


@named_noun
class Limits:
    """How long to wait and how much to take; the seconds are Android's."""

    connect_s: float = 30.0
    """Seconds for TCP and TLS together."""
    read_s: float = 30.0
    """Seconds from the request's last byte to the answer's last byte."""
    head_bytes: int = 64 * 1024
    """Bytes of status line and headers, and of one chunk's size line."""
    body_bytes: int = 4 * 1024 * 1024
    """Bytes of a body, before and after it is decompressed."""


@named_noun
class Answer:
    """A whole answer, its body decoded."""

    status: int
    reason: str
    headers: Headers
    body: bytes = field(repr=False)
    milliseconds: float
    wire_bytes: int
    """Bytes of the body as it travelled, which gzip makes fewer."""

    def all(self, name: str) -> tuple[str, ...]:
        """Return every value of a header, in order; the name's case does not matter."""
        return _values(self.headers, name)

    def first(self, name: str) -> str:
        """Return the first value of a header, or nothing."""
        return next(iter(self.all(name)), "")


class HttpClient:
    """One handset's connection to one server, kept open between exchanges.

    Android's HttpURLConnection keeps it too, so the second leg of a challenge
    usually arrives on the connection of the first.
    """

    def __init__(
        self,
        url: Url,
        *,
        tls: ssl.SSLContext | None = None,
        limits: Limits | None = None,
        keep_alive: bool = True,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.url = url
        self._tls = (tls or ssl.create_default_context()) if url.scheme == "https" else None
        self._limits = limits or Limits()
        self._keep_alive = keep_alive
        self._clock = clock
        self._open: _Connection | None = None

    async def exchange(
        self, method: str, target: str, headers: Headers, *, body: bytes | None = None
    ) -> Answer:
        """Send one request and return its answer; raise `HttpError` where there is none.

        The lines of `headers` go out first and as they are; what the platform
        adds by itself (Host, Connection, Accept-Encoding, Content-Length)
        follows them.
        """
        request = self._request(method, target, headers, body)
        began = self._clock()
        idle, self._open = self._open, None
        if idle is not None:
            # It may have been closed while it lay idle, for which the request is not to blame.
            with contextlib.suppress(_HungUpSilently):
                return await self._over(idle, method, request, began=began)
        try:
            return await self._over(await self._connect(), method, request, began=began)
        except _HungUpSilently:
            raise Unreachable("the server closed the connection without an answer") from None

    async def aclose(self) -> None:
        """Close the connection, if one is open."""
        idle, self._open = self._open, None
        if idle is not None:
            await idle.aclose()

    def _request(self, method: str, target: str, headers: Headers, body: bytes | None) -> bytes:
        own: list[tuple[str, str]] = [
            ("Host", self.url.authority),
            ("Connection", "Keep-Alive" if self._keep_alive else "close"),
            ("Accept-Encoding", "gzip"),
        ]
        if body is not None:
            own.append(("Content-Length", str(len(body))))
        given = {name.lower() for name, _ in headers}
        lines = [f"{method} {target} HTTP/1.1"]
        for name, value in (*headers, *(line for line in own if line[0].lower() not in given)):
            if not _TOKEN.fullmatch(name) or not _FIELD_VALUE.fullmatch(value):
                raise ValueError(f"header {name!r} cannot be sent: it holds a control character")
            lines.append(f"{name}: {value}")
        return "\r\n".join((*lines, "", "")).encode("utf-8") + (body or b"")

    async def _connect(self) -> _Connection:
        where = self.url.origin
        try:
            async with asyncio.timeout(self._limits.connect_s):
                reader, writer = await asyncio.open_connection(
                    self.url.host,
                    self.url.port,
                    ssl=self._tls,
                    limit=self._limits.head_bytes,
                    **({"ssl_shutdown_timeout": 1.0} if self._tls else {}),
                )
        except TimeoutError:
            raise Unreachable(
                f"no connection to {where} within {self._limits.connect_s:g} s"
            ) from None
        except ssl.SSLCertVerificationError as error:
            raise Unreachable(f"the certificate of {where}: {error.verify_message}") from None
        except ssl.SSLError as error:
            raise Unreachable(f"no TLS with {where}: {error.reason or error}") from None
        except OSError as error:
            raise Unreachable(f"no connection to {where}: {_plain(error)}") from None
        return _Connection(reader, writer, self._limits)

    async def _over(
        self, connection: _Connection, method: str, request: bytes, *, began: float
    ) -> Answer:
        try:
            async with asyncio.timeout(self._limits.read_s):
                head, wire = await connection.exchange(method, request)
            answer = Answer(
                status=head.status,
                reason=head.reason,
                headers=head.headers,
                body=_decoded(head.headers, wire, most=self._limits.body_bytes),
                milliseconds=(self._clock() - began) * 1000,
                wire_bytes=len(wire),
            )
        except TimeoutError:
            connection.abort()
            raise Unreachable(f"no answer within {self._limits.read_s:g} s") from None
        except OSError as error:
            connection.abort()
            raise Unreachable(f"the connection broke: {_plain(error)}") from None
        except BaseException:
            connection.abort()
            raise
        if self._keep_alive and head.lasting:
            self._open = connection
        else:
            await connection.aclose()
        return answer


def tls_context(*, ca: str | None = None, insecure: bool = False) -> ssl.SSLContext:
    """Return the TLS settings of a handset: a trust store, a private CA, or no check at all.

    Raises OSError where the CA's file cannot be read or holds no certificate.
    """
    context = ssl.create_default_context(cafile=ca)
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


# --------------------------------------------------------------------------- one connection


class _HungUpSilently(Exception):
    """The server closed the connection before the first byte of an answer."""


@noun
class _Head:
    status: int
    reason: str
    headers: Headers
    lasting: bool
    """Whether the connection may carry another request."""


class _Connection:
    """The stream of bytes; whoever calls it sets the deadline."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, limits: Limits
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._limits = limits

    async def exchange(self, method: str, request: bytes) -> tuple[_Head, bytes]:
        try:
            self._writer.write(request)
            await self._writer.drain()
            first = await self._reader.read(1)
        except (ConnectionResetError, BrokenPipeError):
            raise _HungUpSilently from None
        if not first:
            raise _HungUpSilently
        try:
            head = self._head(first + await self._reader.readuntil(b"\r\n\r\n"))
            while 100 <= head.status < 200:
                head = self._head(await self._reader.readuntil(b"\r\n\r\n"))
            return head, await self._body(method, head)
        except asyncio.LimitOverrunError:
            raise BadAnswer(
                f"a header or chunk size longer than {self._limits.head_bytes} bytes"
            ) from None
        except asyncio.IncompleteReadError:
            raise Unreachable("the server hung up in the middle of its answer") from None

    def _head(self, data: bytes) -> _Head:
        first, *lines = data[:-4].split(b"\r\n")
        match = _STATUS_LINE.fullmatch(first)
        if match is None:
            raise BadAnswer("the answer does not begin with an HTTP/1.1 status line")
        headers = []
        for line in lines:
            name, colon, value = line.decode("latin-1").partition(":")
            if not colon or not _TOKEN.fullmatch(name):
                raise BadAnswer("a header line without a name")
            headers.append((name, value.strip(" \t")))
        said = {
            word.strip().lower()
            for text in _values(headers, "connection")
            for word in text.split(",")
        }
        lasting = "close" not in said and (first.startswith(b"HTTP/1.1") or "keep-alive" in said)
        if not (_values(headers, "content-length") or _values(headers, "transfer-encoding")):
            lasting = lasting and int(match[1]) in _BODILESS
        return _Head(
            int(match[1]), (match[2] or b"").decode("latin-1").strip(), tuple(headers), lasting
        )

    async def _body(self, method: str, head: _Head) -> bytes:
        if method == "HEAD" or head.status in _BODILESS:
            return b""
        most = self._limits.body_bytes
        coding = ",".join(_values(head.headers, "transfer-encoding")).strip().lower()
        if coding:
            if coding != "chunked":
                raise BadAnswer(f"a transfer coding that is not chunked: {coding[:40]}")
            return await self._chunks(most)
        lengths = set(_values(head.headers, "content-length"))
        if not lengths:
            body = await self._reader.read(most + 1)
            while len(body) <= most and (more := await self._reader.read(most + 1 - len(body))):
                body += more
            if len(body) > most:
                raise BadAnswer(f"a body of more than {most} bytes")
            return body
        length = lengths.pop()
        if lengths or not (length.isascii() and length.isdigit()):
            raise BadAnswer("a Content-Length that is no length")
        if int(length) > most:
            raise BadAnswer(f"a body of more than {most} bytes")
        return await self._reader.readexactly(int(length))

    async def _chunks(self, most: int) -> bytes:
        body = bytearray()
        while True:
            line = await self._reader.readuntil(b"\r\n")
            size = line[:-2].partition(b";")[0].strip()
            if not _CHUNK_SIZE.fullmatch(size):
                raise BadAnswer("a chunk without a size")
            length = int(size, 16)
            if length > most - len(body):
                raise BadAnswer(f"a body of more than {most} bytes")
            if not length:
                break
            body += await self._reader.readexactly(length)
            if await self._reader.readexactly(2) != b"\r\n":
                raise BadAnswer("a chunk longer than its size")
        for _ in range(_MOST_TRAILERS):
            if await self._reader.readuntil(b"\r\n") == b"\r\n":
                return bytes(body)
        raise BadAnswer("trailers without end")

    def abort(self) -> None:
        """Drop the connection at once; for when its state is not known any more."""
        self._writer.transport.abort()

    async def aclose(self) -> None:
        """Close the connection, and wait until it is."""
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()


def _values(headers: Headers | list[tuple[str, str]], name: str) -> tuple[str, ...]:
    wanted = name.lower()
    return tuple(value for key, value in headers if key.lower() == wanted)


def _decoded(headers: Headers, wire: bytes, *, most: int) -> bytes:
    coding = ",".join(_values(headers, "content-encoding")).strip().lower()
    if coding in {"", "identity"} or not wire:
        return wire
    if coding not in {"gzip", "x-gzip"}:
        raise BadAnswer(f"a content coding that was not asked for: {coding[:40]}")
    unzip = zlib.decompressobj(_GZIP_WINDOW)
    try:
        body = unzip.decompress(wire, most + 1)
    except zlib.error:
        raise BadAnswer("a body that says gzip and is not") from None
    if len(body) > most:
        raise BadAnswer(f"a body of more than {most} bytes")
    if not unzip.eof:
        raise BadAnswer("a gzip body without its end")
    return body


def _plain(error: OSError) -> str:
    """Say in words what the operating system said with a number."""
    return error.strerror or str(error) or type(error).__name__
