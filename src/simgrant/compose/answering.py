"""A front that knows no connection, as what answers the requests of one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from simgrant.fronts.device.message import Reply, Request, Send
from simgrant.fronts.device.protocol import Answer
from simgrant.fronts.device.source import Proxies

A = TypeVar("A")


class Told(Protocol):
    """What a front says."""

    @property
    def status(self) -> int:
        """HTTP status."""

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """Headers, without the length of the body."""

    @property
    def body(self) -> bytes:
        """What follows them; there is none with 204."""


def answering(
    front: Callable[[A], Awaitable[Told]],
    asked: Callable[[Request, str], A],
    proxies: Proxies,
) -> Answer:
    """Return what answers the requests of a connection by a front.

    ``asked`` makes what the front takes of a request and of the address of who asks.
    """

    async def answer(request: Request, send: Send) -> None:
        source = proxies.source(
            request.peer, forwarded=request.forwarded, x_forwarded_for=request.x_forwarded_for
        )
        told = await front(asked(request, source))
        length = "" if told.status == 204 else f"content-length: {len(told.body)}\r\n"
        lines = "".join(f"{name}: {value}\r\n" for name, value in told.headers)
        send(Reply(told.status, (length + lines).encode("latin-1"), told.body), b"")

    return answer
