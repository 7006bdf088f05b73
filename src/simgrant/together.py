"""What is asked for while something is under way is done together next.

A transaction costs the same few journeys for one as for many. Nobody waits for company: who finds
nobody there is served at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from simgrant.errors import EcsError, PeerUnavailable

A = TypeVar("A")
R = TypeVar("R")


@dataclass(slots=True, eq=False)
class _Call(Generic[A, R]):
    """What somebody asks for, and where he is told what became of it."""

    what: A
    done: asyncio.Future[R]


class Together(Generic[A, R]):
    """Does one batch after the other, each all or nothing."""

    def __init__(
        self,
        do: Callable[[Sequence[A]], Awaitable[Sequence[R]]],
        *,
        most: int,
        most_waiting: int,
        weight: Callable[[A], int] = lambda _: 1,
        key: Callable[[A], Hashable] | None = None,
    ) -> None:
        """``do`` does some in one go, and returns what became of each, in order.

        ``most`` is the weight of a batch, unless one alone has more, ``most_waiting`` that of all
        who wait. Of two with the same ``key`` the second is in a later batch.
        """
        self._do = do
        self._most = most
        self._most_waiting = most_waiting
        self._weight = weight
        self._key = key
        self._waiting: list[_Call[A, R]] = []
        self._weighs = 0
        """All who wait, together."""
        self._task: asyncio.Task[None] | None = None

    async def one(self, what: A) -> R:
        """Return what became of it, once it is done.

        Raises what doing it raises, and PeerUnavailable ``store_overloaded`` where too many wait.
        Of who goes away while he waits, nothing is done.
        """
        weight = self._weight(what)
        if self._waiting and self._weighs + weight > self._most_waiting:
            raise PeerUnavailable("store_overloaded", for_operator="too much waits to be kept")
        self._weighs += weight
        call = _Call[A, R](what, asyncio.get_running_loop().create_future())
        self._waiting.append(call)
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        return await call.done

    async def _run(self) -> None:
        """Do what waits until nothing does."""
        calls: list[_Call[A, R]] = []
        try:
            while calls := self._next():
                await self._serve(calls)
        finally:
            # Only where this is cancelled there are any.
            for call in [*calls, *self._waiting]:
                call.done.cancel()
            self._waiting.clear()
            self._weighs = 0
            self._task = None

    def _next(self) -> list[_Call[A, R]]:
        calls: list[_Call[A, R]] = []
        later: list[_Call[A, R]] = []
        weight, keys = 0, set[Hashable]()
        for call in self._waiting:
            if call.done.done():
                continue
            key = object() if self._key is None else self._key(call.what)
            own = self._weight(call.what)
            if later or key in keys or (calls and weight + own > self._most):
                later.append(call)
                continue
            calls.append(call)
            keys.add(key)
            weight += own
        self._waiting = later
        self._weighs = sum(self._weight(each.what) for each in later)
        return calls

    async def _serve(self, calls: Sequence[_Call[A, R]]) -> None:
        try:
            results = await self._do([call.what for call in calls])
        except PeerUnavailable as error:
            for call in calls:
                _fail(call, error)
        except Exception as error:
            if len(calls) == 1:
                _fail(calls[0], error)
                return
            # One by one it shows whose it is; the others' are done.
            for call in calls:
                await self._serve([call])
        else:
            for call, result in zip(calls, results, strict=True):
                if not call.done.done():
                    call.done.set_result(result)


def _fail(call: _Call[A, R], error: Exception) -> None:
    """Tell a caller; an error of several is another one for each, since who raises it adds to its
    traceback."""
    if isinstance(error, EcsError):
        error = type(error)(
            error.reason, for_operator=error.for_operator, retry_after=error.retry_after
        )
    if not call.done.done():
        call.done.set_exception(error)
