"""A web server on loopback that speaks HTTP/2 or HTTP/1.1, and breaks connections on demand.

HTTP/2 is h2's, HTTP/1.1 is httptools'; what to answer is the business of whoever is played. There
is no bound on clients here and no time limit: it serves one server under test.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import field
from enum import StrEnum
from typing import Final, TypeAlias, cast

import httptools
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    DataReceived,
    RemoteSettingsChanged,
    RequestReceived,
    StreamEnded,
    StreamReset,
    WindowUpdated,
)
from h2.exceptions import ProtocolError
from hyperframe.frame import GoAwayFrame

from simgrant.nouns import noun

_MOST_BODY: Final = 64 * 1024
_MOST_STREAMS: Final = (1 << 31) - 1
_PREFACE: Final = b"PRI * HTTP/2.0"


class Break(StrEnum):
    """What is done to a connection in place of the answer, or with it."""

    SILENT = "silent"
    """The request is read and never answered."""
    RESET = "reset"
    """The connection is broken."""
    GOAWAY = "goaway"
    """The connection is ended in order, before the request is looked at (HTTP/2)."""
    DRAIN = "drain"
    """The answer comes, and the connection is to end after what is under way (HTTP/2)."""
    RESET_STREAM = "reset-stream"
    """The request is reset, and the connection goes on (HTTP/2)."""
    REFUSE_STREAM = "refuse-stream"
    """Likewise, and it is said that nothing was done (RFC 9113 §8.7)."""
    HALF = "half"
    """Half of the answer's body comes, and then the connection ends."""


@noun
class Request:
    """A whole request."""

    method: str
    target: str = field(repr=False)
    headers: dict[str, str] = field(repr=False)
    """By name in lower case; of a repeated one the last."""
    body: bytes = field(repr=False)
    version: str
    """``h2`` or ``http/1.1``."""


@noun
class Answer:
    """What to answer: a status with its headers and body, or a fault of the connection."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    fault: Break | None = None


Answerer: TypeAlias = Callable[[Request], Answer | Awaitable[Answer]]
"""What is answered, at once or once it is known."""


async def after(delay_s: float, answer: Answer) -> Answer:
    """Return an answer after so many seconds."""
    await asyncio.sleep(delay_s)
    return answer


class WebServer:
    """Listens on a port of its own; may be taken down and up again on the same port."""

    def __init__(self, answer: Answerer, tls: ssl.SSLContext | None) -> None:
        """Without TLS it speaks what the client begins with."""
        self._answer = answer
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Transport] = set()
        self._emptied = asyncio.Event()
        self.is_down = True
        """It listens to nobody."""
        self.port = 0
        self.deaf = False
        """What comes is thrown away: connections stay, and nobody is there (a machine hangs)."""
        self.connections = 0
        """Connections that were made in all."""

    async def up(self) -> None:
        """Listen, on the same port as before."""
        self.is_down = False
        try:
            self._server = await asyncio.get_running_loop().create_server(
                lambda: _Connection(self, self._tls), "127.0.0.1", self.port
            )
        except OSError:
            self.is_down = True
            raise
        self.port = self._server.sockets[0].getsockname()[1]

    async def down(self) -> None:
        """Stop listening and break every connection."""
        server, self._server = self._server, None
        self.is_down = True
        if server is not None:
            for listener in server.sockets:
                asyncio.get_running_loop().remove_reader(listener)
            for _ in range(3):
                # Who was accepted is on the way here, and would be lost if it were closed now.
                await asyncio.sleep(0)
            server.close()
            for transport in tuple(self._open):
                transport.abort()
            while self._open:
                self._emptied.clear()
                await self._emptied.wait()
            await server.wait_closed()

    @property
    def url(self) -> str:
        """The server's address."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def answer(self, request: Request) -> Answer | Awaitable[Answer]:
        """Return what is to be answered."""
        return self._answer(request)

    def opened(self, transport: asyncio.Transport) -> None:
        """Count a connection."""
        self.connections += 1
        self._open.add(transport)
        if self.is_down:
            transport.abort()

    def closed(self, transport: asyncio.Transport) -> None:
        """Forget a connection."""
        self._open.discard(transport)
        self._emptied.set()


class _Connection(asyncio.Protocol):
    """One connection; ALPN says which protocol it is, or how the client begins.

    TLS is begun here and not by the listener, which tells of no connection before its handshake is
    done, so that nobody could end it sooner.
    """

    def __init__(self, server: WebServer, tls: ssl.SSLContext | None) -> None:
        self._server = server
        self._tls = tls
        self._speaker: _Http1 | _Http2 | None = None
        self._early = b""
        """What came before it was known which protocol it is."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._raw = cast("asyncio.Transport", transport)
        self._server.opened(self._raw)
        if self._tls is None:
            return
        self._raw.pause_reading()
        self._handshake = asyncio.get_running_loop().create_task(self._begin(self._tls))

    def data_received(self, data: bytes) -> None:
        if self._server.deaf:
            return
        if self._speaker is not None:
            self._speaker.receive(data)
            return
        self._early += data
        begun = self._early[: len(_PREFACE)]
        if self._tls is None and not (len(begun) < len(_PREFACE) and _PREFACE.startswith(begun)):
            self._speak(_Http2 if begun == _PREFACE else _Http1, self._raw)

    def connection_lost(self, error: Exception | None) -> None:
        del error
        self._server.closed(self._raw)
        if self._speaker is not None:
            self._speaker.lost()

    async def _begin(self, tls: ssl.SSLContext) -> None:
        loop = asyncio.get_running_loop()
        if self._raw.is_closing():
            return
        begun = loop.create_task(loop.start_tls(self._raw, self, tls, server_side=True))
        await asyncio.sleep(0)  # It has the connection now,
        await asyncio.sleep(0)  # and the protocol that it gave it knows of it.
        if self._early:
            # uvloop reads on though it was told not to: what came this early is the handshake's.
            early, self._early = self._early, b""
            handshake = cast("asyncio.BufferedProtocol", self._raw.get_protocol())
            memoryview(handshake.get_buffer(len(early)))[: len(early)] = early
            handshake.buffer_updated(len(early))
        try:
            transport = await begun
        except (OSError, ssl.SSLError):
            transport = None
        if transport is None:
            self._raw.abort()
            self._server.closed(self._raw)
            return
        chosen: ssl.SSLObject = transport.get_extra_info("ssl_object")
        self._speak(_Http2 if chosen.selected_alpn_protocol() == "h2" else _Http1, transport)

    def _speak(self, speaker: type[_Http1 | _Http2], transport: asyncio.Transport) -> None:
        self._speaker = speaker(self._server.answer, transport)
        early, self._early = self._early, b""
        self._speaker.receive(early)


class _Http2:
    def __init__(self, answer: Answerer, transport: asyncio.Transport) -> None:
        self._answer = answer
        self._transport = transport
        self._h2 = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self._requests: dict[int, tuple[dict[str, str], bytearray]] = {}
        self._unsent: dict[int, bytes] = {}
        """Of bodies what waits until the client takes more."""
        self._waiting: dict[int, asyncio.Task[None]] = {}
        self._last = _MOST_STREAMS
        """The last request that is answered."""
        self._h2.initiate_connection()
        self._flush()

    def receive(self, data: bytes) -> None:
        try:
            for event in self._h2.receive_data(data):
                match event:
                    case RequestReceived(stream_id=int(stream)) if stream > self._last:
                        pass
                    case RequestReceived(stream_id=int(stream), headers=headers):
                        self._requests[stream] = (
                            {str(name): str(value) for name, value in headers or ()},
                            bytearray(),
                        )
                    case DataReceived(stream_id=int(stream), data=bytes(body)):
                        if stream in self._requests:
                            self._requests[stream][1].extend(body[:_MOST_BODY])
                        if event.flow_controlled_length:
                            self._h2.acknowledge_received_data(event.flow_controlled_length, stream)
                    case StreamEnded(stream_id=int(stream)):
                        if stream in self._requests:
                            self._complete(stream, *self._requests.pop(stream))
                    case StreamReset(stream_id=int(stream)):
                        self._forget(stream)
                    case WindowUpdated() | RemoteSettingsChanged():
                        for stream in tuple(self._unsent):
                            self._send_body(stream)
        except ProtocolError:
            self._flush()
            self._transport.close()
        else:
            self._flush()

    def lost(self) -> None:
        for waiting in self._waiting.values():
            waiting.cancel()

    def _complete(self, stream: int, headers: dict[str, str], body: bytearray) -> None:
        request = Request(headers[":method"], headers[":path"], headers, bytes(body), "h2")
        answer = self._answer(request)
        if isinstance(answer, Answer):
            self._send(stream, answer)
        else:
            self._waiting[stream] = asyncio.ensure_future(self._send_later(stream, answer))

    async def _send_later(self, stream: int, later: Awaitable[Answer]) -> None:
        try:
            answer = await later
        finally:
            del self._waiting[stream]
        # The client may have ended the connection meanwhile.
        with contextlib.suppress(ProtocolError):
            self._send(stream, answer)
            self._flush()

    def _forget(self, stream: int) -> None:
        self._requests.pop(stream, None)
        self._unsent.pop(stream, None)
        if (waiting := self._waiting.get(stream)) is not None:
            waiting.cancel()

    def _send(self, stream: int, answer: Answer) -> None:
        match answer.fault:
            case Break.SILENT:
                pass
            case Break.RESET:
                self._transport.abort()
            case Break.GOAWAY:
                self._h2.close_connection(ErrorCodes.NO_ERROR, last_stream_id=max(0, stream - 2))
                self._flush()
                self._transport.close()
            case Break.RESET_STREAM:
                self._h2.reset_stream(stream, ErrorCodes.INTERNAL_ERROR)
            case Break.REFUSE_STREAM:
                self._h2.reset_stream(stream, ErrorCodes.REFUSED_STREAM)
            case _:
                length = ("content-length", str(len(answer.body)))
                head = [(":status", str(answer.status)), length, *answer.headers]
                self._h2.send_headers(stream, head)
                if answer.fault is Break.HALF:
                    self._h2.send_data(stream, answer.body[: len(answer.body) // 2])
                    self._flush()
                    self._transport.close()
                    return
                self._unsent[stream] = answer.body
                self._send_body(stream)
                if answer.fault is Break.DRAIN:
                    self._say_good_bye()

    def _say_good_bye(self) -> None:
        """Tell the client to go, which it does once everything is answered (RFC 9113 §6.8)."""
        self._flush()
        self._last = self._h2.highest_inbound_stream_id
        # h2 sends one only to end a connection itself.
        self._transport.write(GoAwayFrame(last_stream_id=self._last).serialize())

    def _send_body(self, stream: int) -> None:
        """Send as much of a body as the client takes now."""
        left = self._unsent.pop(stream)
        while True:
            room = self._h2.local_flow_control_window(stream)
            piece = left[: min(room, self._h2.max_outbound_frame_size)]
            left = left[len(piece) :]
            if piece or not left:
                self._h2.send_data(stream, piece, end_stream=not left)
            if not left:
                return
            if not piece:
                self._unsent[stream] = left
                return

    def _flush(self) -> None:
        self._transport.write(self._h2.data_to_send())


class _Http1:
    def __init__(self, answer: Answerer, transport: asyncio.Transport) -> None:
        self._answer = answer
        self._transport = transport
        self._parser = httptools.HttpRequestParser(self)
        self._target = ""
        self._headers: dict[str, str] = {}
        self._body = bytearray()
        self._waiting: asyncio.Task[None] | None = None

    def lost(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()

    def receive(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.close()

    def on_message_begin(self) -> None:
        self._target, self._headers, self._body = "", {}, bytearray()

    def on_url(self, url: bytes) -> None:
        self._target += url.decode("latin-1")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self._body.extend(body[:_MOST_BODY])

    def on_message_complete(self) -> None:
        method = self._parser.get_method().decode("ascii")
        answer = self._answer(
            Request(method, self._target, self._headers, bytes(self._body), "http/1.1")
        )
        if isinstance(answer, Answer):
            self._send(answer)
        else:
            self._waiting = asyncio.ensure_future(self._send_later(answer))

    async def _send_later(self, answer: Awaitable[Answer]) -> None:
        self._send(await answer)

    def _send(self, answer: Answer) -> None:
        match answer.fault:
            case Break.SILENT:
                pass
            case None | Break.HALF | Break.DRAIN:
                lines = [f"HTTP/1.1 {answer.status} -"]
                lines += [f"{name}: {value}" for name, value in answer.headers]
                lines += [f"content-length: {len(answer.body)}", "", ""]
                half = answer.fault is Break.HALF
                body = answer.body[: len(answer.body) // 2] if half else answer.body
                self._transport.write("\r\n".join(lines).encode("latin-1") + body)
                if half:
                    self._transport.close()
            case _:
                self._transport.abort()
