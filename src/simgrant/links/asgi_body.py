"""The body of a call to an ASGI application, read no further than it may be long."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

_MOST_DIGITS: Final = 12


class TooLong(Exception):
    """It is longer; nothing more of it is read."""


class Disconnected(Exception):
    """Whoever called has gone in the middle of it."""


async def read_body(
    receive: Callable[[], Awaitable[dict[str, Any]]], *, length: str, most: int
) -> bytes:
    """Return the body of a call whose Content-Length is ``length`` (empty = it says none).

    Raise `TooLong` for more than ``most`` bytes, at once where the length says so; `Disconnected`.
    """
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
