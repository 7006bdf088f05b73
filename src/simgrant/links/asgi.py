"""A call to an ASGI application: its types, a header, and its body, which is read so far only."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias

Scope: TypeAlias = dict[str, Any]
Message: TypeAlias = dict[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]

_MOST_DIGITS: Final = 12


class TooLong(Exception):
    """It is longer; nothing more of it is read."""


class Disconnected(Exception):
    """Whoever called has gone in the middle of it."""


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
