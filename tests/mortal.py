"""A port at whose calls a process may end, for tests of what is left behind."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol, cast


class Fuse(Protocol):
    """Counts the points at which a process may end, and ends it at one of them."""

    def point(self) -> None:
        """Come by one of them."""


class Mortal:
    """A port with such a point before and after each of its calls."""

    def __init__(self, port: Any, fuse: Fuse) -> None:
        self._port, self._fuse = port, fuse

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        if not callable(found):
            return found

        async def called(*args: Any, **options: Any) -> Any:
            self._fuse.point()
            answer = await cast("Callable[..., Awaitable[Any]]", found)(*args, **options)
            self._fuse.point()
            return answer

        return called
