"""SCTP where the kernel has it: a transport that writes each message by itself (RFC 6733 §2.1.1).

Event loops know TCP: they write what there is in one go, which over SCTP would make one message of
several. So this one sends for each ``write``. One association with one address, in clear.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Callable
from typing import Any, Final

IPPROTO_SCTP: Final = 132
_NODELAY: Final = 3
_DEFAULT_SNDINFO: Final = 34
"""Options of the socket (RFC 6458 §8.1)."""
_DIAMETER_IN_CLEAR: Final = 46
"""Payload protocol identifier (RFC 6733 §11.5)."""
_SNDINFO: Final = struct.Struct("=HH4sIi")
"""Stream, flags, payload protocol in the order of the network, context, association."""
_MOST_READ: Final = 256 * 1024
_HIGH, _LOW = 64 * 1024, 16 * 1024
"""Bytes that wait to be sent, at which the protocol is paused and goes on."""


def is_there() -> bool:
    """Return whether this kernel has SCTP; asking may load its module."""
    try:
        socket.socket(socket.AF_INET, socket.SOCK_STREAM, IPPROTO_SCTP).close()
    except OSError:
        return False
    return True


async def connect(
    make: Callable[[], asyncio.Protocol],
    address: str,
    port: int,
    *,
    protocol: int = IPPROTO_SCTP,
) -> MessageTransport:
    """Return a transport to where somebody listens; OSError. ``make`` makes what is told of it."""
    loop = asyncio.get_running_loop()
    failed: OSError | None = None
    # Resolvers do not know of SCTP, and a name has the same addresses for it.
    for found in await loop.getaddrinfo(address, port, type=socket.SOCK_STREAM):
        sock = None
        try:
            sock = _opened(found[0], protocol)
            await loop.sock_connect(sock, found[4])
        except OSError as error:
            failed = error
        except BaseException:
            if sock is not None:
                sock.close()
            raise
        else:
            return MessageTransport(sock, make())
        if sock is not None:
            sock.close()
    raise failed or OSError(f"{address} has no address")


def _opened(family: int, protocol: int) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM, protocol)
    sock.setblocking(False)
    if protocol == IPPROTO_SCTP:
        sock.setsockopt(IPPROTO_SCTP, _NODELAY, 1)
        payload = _DIAMETER_IN_CLEAR.to_bytes(4, "big")
        sock.setsockopt(IPPROTO_SCTP, _DEFAULT_SNDINFO, _SNDINFO.pack(0, 0, payload, 0, 0))
    return sock


class MessageTransport(asyncio.Transport):
    """A connected socket; each ``write`` is one message."""

    def __init__(self, sock: socket.socket, protocol: asyncio.Protocol) -> None:
        """Take a socket that does not block, and tell the protocol that it is connected."""
        super().__init__({"sockname": sock.getsockname(), "socket": sock})
        self._loop = asyncio.get_running_loop()
        self._sock = sock
        self._protocol = protocol
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._is_paused = False
        self._is_closing = False
        self._is_over = False
        protocol.connection_made(self)
        if not self._is_over:
            self._loop.add_reader(sock, self._read)

    def is_closing(self) -> bool:
        """Return whether it is closed, or about to be."""
        return self._is_closing

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        """Send a message, once there is room for it."""
        if self._is_closing:
            return
        if not self._waiting:
            if self._is_done_with(bytes(data)):
                return
            self._loop.add_writer(self._sock, self._send_waiting)
        self._waiting.append(bytes(data))
        self._waiting_bytes += len(data)
        if self._waiting_bytes > _HIGH and not self._is_paused:
            self._is_paused = True
            self._protocol.pause_writing()

    def close(self) -> None:
        """Read no more, send what waits, and close."""
        if self._is_closing:
            return
        self._is_closing = True
        self._loop.remove_reader(self._sock)
        if not self._waiting:
            self._end(None)

    def abort(self) -> None:
        """Close at once."""
        self._end(None)

    def _read(self) -> None:
        try:
            data = self._sock.recv(_MOST_READ)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._end(error)
            return
        if data:
            self._protocol.data_received(data)
        else:
            self._end(None)

    def _is_done_with(self, data: bytes) -> bool:
        """Send a message, or learn that the connection is lost; False where there is no room."""
        try:
            sent = self._sock.send(data)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError as error:
            self._end(error)
            return True
        if sent < len(data):
            # What follows would be taken for its rest.
            self._end(OSError("a message was cut"))
        return True

    def _send_waiting(self) -> None:
        while self._waiting and self._is_done_with(self._waiting[0]):
            if self._is_over:
                return
            self._waiting_bytes -= len(self._waiting.popleft())
        if self._is_paused and self._waiting_bytes <= _LOW:
            self._is_paused = False
            self._protocol.resume_writing()
        if not self._waiting:
            self._loop.remove_writer(self._sock)
            if self._is_closing:
                self._end(None)

    def _end(self, error: OSError | None) -> None:
        if self._is_over:
            return
        self._is_over = self._is_closing = True
        self._waiting.clear()
        self._loop.remove_reader(self._sock)
        self._loop.remove_writer(self._sock)
        self._loop.call_soon(self._ended, error)

    def _ended(self, error: OSError | None) -> None:
        try:
            self._protocol.connection_lost(error)
        finally:
            self._sock.close()
