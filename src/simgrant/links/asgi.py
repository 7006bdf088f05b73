"""A call to an ASGI application: its types, a header, its body, and why it is refused."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias

from simgrant.errors import EcsError
from simgrant.telemetry.log import say_fault

Scope: TypeAlias = dict[str, Any]
Message: TypeAlias = dict[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]

_MOST_DIGITS: Final = 12


class Refused(Exception):
    """A call that is refused."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class TooLong(Refused):
    """Its body is longer; nothing more of it is read."""

    def __init__(self) -> None:
        super().__init__(413, "too_large")


class Disconnected(Refused):
    """Whoever called has gone in the middle of it."""

    def __init__(self) -> None:
        super().__init__(400, "disconnected")


def refusal(error: Exception) -> tuple[int, str]:
    """Return the status and the reason that an error means; what is a fault of ours is logged."""
    match error:
        case Refused():
            return error.status, error.reason
        case EcsError():
            return 503, error.reason
        case TimeoutError():
            return 503, "timeout"
        case _:
            say_fault(error)
            return 500, "internal_error"


def header(scope: Scope, name: bytes) -> str:
    """Return the value of a header, the first of several; empty = there is none."""
    found = next((value for key, value in scope["headers"] if key == name), b"")
    return str(found, "latin-1")


async def read_body(scope: Scope, receive: Receive, *, most: int) -> bytes:
    """Return the body of a call.

    Raise `TooLong` for more than ``most`` bytes, at once where Content-Length says so;
    `Disconnected`.
    """
    length = header(scope, b"content-length")
    if length.isdecimal() and (len(length) > _MOST_DIGITS or int(length) > most):
        raise TooLong
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        body += message.get("body", b"")
        if len(body) > most:
            raise TooLong
        if not message.get("more_body", False):
            return bytes(body)
