"""What is at an address, read once and kept: metadata and keys that others publish and change.

One request serves all who wait. What is old is used on while it is asked for anew, so that nobody
waits for it and a peer that is away costs nothing; whoever finds that it no longer fits, such as by
a key that is not there, looks again, but not more often than every few seconds, or strangers would
decide how often we ask.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from simgrant.errors import EcsError, PeerMisbehaved, PeerTimeout, PeerUnavailable
from simgrant.links.http import HttpRequest, Repeat, Reply
from simgrant.nouns import named_noun
from simgrant.ports.clock import Clock

T = TypeVar("T")


@named_noun
class FetchRules:
    """How long what was read is good, in seconds."""

    keep_s: float = 300.0
    """After this it is asked for again."""
    gap_s: float = 5.0
    """At least so long between two requests."""
    fetch_s: float = 5.0
    """How long one may take."""
    good_s: float = 86_400.0
    """After this it is of no use: whoever is away for so long is not believed any more."""


class Link(Protocol):
    """By which an address is asked."""

    @property
    def peer(self) -> str:
        """Return the peer's name, for errors."""

    async def send(self, request: HttpRequest, *, deadline: float) -> Reply:
        """Return the peer's answer (see `HttpLink`)."""


class Fetched(Generic[T]):
    """What is at one address, as ``read`` understands it (ValueError: it does not)."""

    def __init__(
        self,
        http: Link,
        read: Callable[[bytes], T],
        clock: Clock,
        rules: FetchRules = FetchRules(),  # noqa: B008 - a value
    ) -> None:
        self._http = http
        self._read = read
        self._clock = clock
        self._rules = rules
        self._url = ""
        self._data: bytes | None = None
        self._value: T | None = None
        self._asked = self._read_at = float("-inf")
        self._failure: EcsError = PeerUnavailable()
        self._under_way: asyncio.Task[bool] | None = None

    async def current(self, url: str, *, deadline: float) -> T:
        """Return what is there, as of some minutes ago; ``deadline`` is of the monotonic clock.

        Errors, where it was not read for ``good_s``: PeerTimeout, PeerUnavailable, PeerMisbehaved.
        """
        self._move(url)
        if self._is_over():
            await self._awaited(deadline)
        elif self._clock.monotonic() - self._asked >= self._rules.keep_s:
            self._ask()
        if self._value is None or self._is_over():
            raise self._failure.with_traceback(None)
        return self._value

    async def look_again(self, *, deadline: float) -> bool:
        """Ask anew, if nobody did so just now; say whether there is something else by now."""
        return await self._awaited(deadline)

    async def close(self) -> None:
        """Ask no more."""
        if self._under_way is not None:
            self._under_way.cancel()
            await asyncio.wait({self._under_way})

    def _is_over(self) -> bool:
        return self._clock.monotonic() - self._read_at >= self._rules.good_s

    def _move(self, url: str) -> None:
        if url != self._url:
            # What was read elsewhere is good until it was read here.
            self._url, self._data, self._asked = url, None, float("-inf")

    async def _awaited(self, deadline: float) -> bool:
        task = self._ask()
        if task is None:
            return False
        try:
            async with asyncio.timeout(max(0.0, deadline - self._clock.monotonic())):
                return await asyncio.shield(task)
        except TimeoutError:
            raise PeerTimeout(for_operator=f"{self._http.peer}: no answer in time") from None

    def _ask(self) -> asyncio.Task[bool] | None:
        """Return the one request under way, or begin one if it is due."""
        if self._under_way is None:
            now = self._clock.monotonic()
            if now - self._asked < self._rules.gap_s:
                return None
            self._asked = now
            self._under_way = asyncio.create_task(self._renew(self._url))
            self._under_way.add_done_callback(self._ended)
        return self._under_way

    def _ended(self, _task: asyncio.Task[bool]) -> None:
        self._under_way = None

    async def _renew(self, url: str) -> bool:
        request = HttpRequest("GET", url, {"accept": "application/json"}, b"", Repeat.STRUGGLING)
        deadline = self._clock.monotonic() + self._rules.fetch_s
        try:
            reply = await self._http.send(request, deadline=deadline)
            if reply.status != 200:
                raise PeerUnavailable(for_operator=f"{self._http.peer}: status {reply.status}")
            if reply.body == self._data:
                self._read_at = self._clock.monotonic()
                return False
            value = self._read(reply.body)
        except EcsError as error:
            self._failure = error
            return False
        except ValueError as error:
            self._failure = PeerMisbehaved(for_operator=f"{self._http.peer}: {error}")
            return False
        self._data, self._value = reply.body, value
        self._read_at = self._clock.monotonic()
        return True
