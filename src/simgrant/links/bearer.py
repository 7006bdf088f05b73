"""A bearer token that ends: made once, used by many requests, renewed in time.

One renewal is under way at a time, however many requests wait for it; while the old token is good
they do not wait. A token that the peer refuses is renewed at once, but not again and again: a peer
that refuses each new token as well has another problem than its age.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import field
from typing import Final

from simgrant.errors import EcsError, PeerTimeout, PeerUnavailable
from simgrant.links.http import HttpLink, HttpRequest, Reply
from simgrant.nouns import noun
from simgrant.ports.clock import Clock

_UNAUTHORIZED: Final = 401
_RENEWAL_S: Final = 10.0
_AFTER_FAILURE_S: Final = 5.0


@noun
class Token:
    """A token and how long it is of use, in seconds from now."""

    text: str = field(repr=False)
    renew_after: float
    """From then on a new one is fetched, while this one is still used."""
    good_for: float


class Bearer:
    """A token that is always good, as far as this side can tell."""

    def __init__(
        self,
        renew: Callable[[float], Awaitable[Token]],
        clock: Clock,
        *,
        gap_s: float = 30.0,
        is_stale: Callable[[], bool] = lambda: False,
    ) -> None:
        """``renew`` is given a deadline and returns a new token, or raises an EcsError.

        ``gap_s`` is the least time between two renewals, unless ``is_stale`` says that what
        tokens are made from has changed.
        """
        self._renew = renew
        self._clock = clock
        self._gap_s = gap_s
        self._is_stale = is_stale
        self._token = ""
        self._renew_at = self._ends_at = self._not_before = float("-inf")
        self._problem: EcsError | None = None
        self._renewal: asyncio.Task[None] | None = None

    async def get(self, *, deadline: float) -> str:
        """Return a token by ``deadline``; raises what the renewal raised, or PeerTimeout."""
        now = self._clock.monotonic()
        if now < self._renew_at:
            return self._token
        if self._renewal is None and (now >= self._not_before or self._is_stale()):
            self._renewal = asyncio.create_task(self._renewed())
        if now < self._ends_at:
            return self._token
        if self._renewal is not None:
            # The renewal goes on for the others if this request's time is over.
            await asyncio.wait({self._renewal}, timeout=max(0.0, deadline - now))
        if self._clock.monotonic() < self._ends_at:
            return self._token
        if self._problem is not None:
            problem, wait = self._problem, self._not_before - self._clock.monotonic()
            # Anew for each, since who raises one adds to its traceback.
            raise type(problem)(
                problem.reason,
                for_operator=problem.for_operator,
                retry_after=problem.retry_after or max(1, math.ceil(wait)),
            )
        raise PeerTimeout(for_operator="no access token in time")

    def refused(self, token: str) -> None:
        """Count that the peer does not take ``token`` (any more)."""
        if token == self._token:
            self._renew_at = self._ends_at = float("-inf")
            self._problem = PeerUnavailable(
                "credentials_refused",
                for_operator="the peer takes no token made with these credentials",
            )

    async def close(self) -> None:
        """Give up a renewal that is under way."""
        if self._renewal is not None:
            self._renewal.cancel()
            await asyncio.wait({self._renewal})

    async def _renewed(self) -> None:
        try:
            token = await self._renew(self._clock.monotonic() + _RENEWAL_S)
            now = self._clock.monotonic()
            self._token, self._problem = token.text, None
            self._renew_at, self._ends_at = now + token.renew_after, now + token.good_for
            self._not_before = now + self._gap_s
        except EcsError as problem:
            self._problem = problem
            self._not_before = self._clock.monotonic() + _AFTER_FAILURE_S
        finally:
            self._renewal = None


async def send_as(
    bearer: Bearer,
    http: HttpLink,
    request: Callable[[str], HttpRequest],
    *,
    deadline: float,
    is_refusal: Callable[[Reply], bool] = lambda reply: reply.status == _UNAUTHORIZED,
) -> Reply:
    """Send what ``request`` makes of a token, once more if the peer refuses that token.

    PeerUnavailable ``credentials_refused`` if it refuses the next one as well.
    """
    for _ in range(2):
        token = await bearer.get(deadline=deadline)
        reply = await http.send(request(token), deadline=deadline)
        if not is_refusal(reply):
            return reply
        bearer.refused(token)
    raise PeerUnavailable(
        "credentials_refused", for_operator="the peer refused a token that was just made"
    )
