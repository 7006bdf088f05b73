"""Two requests for one vector: the second is sent while the first takes long.

What became of the loser nobody knows: its request is given up, and a vector that comes after all
is not used. That costs a sequence number, of which there are enough.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias

from simgrant.eap.vector import AuthVector
from simgrant.errors import EcsError, PeerMisbehaved, PeerUnavailable

Outcome: TypeAlias = AuthVector | EcsError
"""What became of a request: a vector, or why there is none."""
Asking: TypeAlias = Coroutine[Any, Any, Outcome]


def cannot(outcome: Outcome) -> bool:
    """Say whether a source was unable to answer, so that another one may."""
    return isinstance(outcome, PeerUnavailable | PeerMisbehaved)


async def hedged(
    first: Asking, second: Callable[[], Asking | None], *, after: float
) -> tuple[Outcome | None, Outcome | None]:
    """Return what became of both requests, None of one that was given up or never sent.

    The ``second`` is made ``after`` so many seconds without an answer to the first; it may be None.
    Whatever the first source answers counts at once. Of the second only a vector does: its no is
    its own, and the first may still answer, or fail.
    """
    leading = asyncio.ensure_future(first)
    both = [leading]
    try:
        await asyncio.wait(both, timeout=after)
        if not leading.done() and (other := second()) is not None:
            both.append(asyncio.ensure_future(other))
        while waiting := [each for each in both if not each.done()]:
            if leading.done() and not cannot(leading.result()):
                break
            if any(isinstance(each.result(), AuthVector) for each in both[1:] if each.done()):
                break
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        told = [each.result() if each.done() else None for each in both]
    finally:
        left = [each for each in both if not each.done()]
        for each in left:
            each.cancel()
        if left:
            await asyncio.wait(left)
    return told[0], told[1] if len(told) > 1 else None
