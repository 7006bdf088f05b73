"""A sink of notifications: what an application's back end listens with (CloudEvents, CAMARA).

It speaks HTTPS, as every sink has to. It checks nothing but the access token that it gave out, so
that what is wrong with a notification can be seen.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import ssl
from collections.abc import Callable
from dataclasses import field
from typing import Any, Final

from simgrant.nouns import noun
from simgrant.sim.web import Answer, Break, Request, WebServer

EVENTS: Final = "application/cloudevents+json"


@noun
class Notification:
    """What came."""

    content_type: str
    correlator: str
    event: dict[str, Any] = field(repr=False)
    """As it was sent; empty where it was no JSON object."""
    authorized: bool
    status: int
    """What was answered; 0 = nothing."""

    @property
    def id(self) -> str:
        """The event's id: the same for one that comes again."""
        return str(self.event.get("id", ""))

    @property
    def type(self) -> str:
        """The event's type."""
        return str(self.event.get("type", ""))


class Sink:
    """Listens on a port of its own, and keeps what came."""

    def __init__(
        self,
        tls: ssl.SSLContext | None,
        *,
        access_token: str = "",
        tell: Callable[[Notification], None] = lambda _: None,
    ) -> None:
        """Without an access token whoever calls is welcome."""
        self.web = WebServer(self._answer, tls)
        self.came: list[Notification] = []
        self.status = 204
        """What is answered."""
        self.fault: Break | None = None
        """What is done to the connection in place of an answer."""
        self._access_token = access_token
        self._tell = tell
        self._news = asyncio.Condition()

    async def up(self) -> None:
        """Listen; raises OSError."""
        await self.web.up()

    async def down(self) -> None:
        """Listen no more."""
        await self.web.down()

    @property
    def url(self) -> str:
        """Where notifications are to be sent."""
        return f"{self.web.url}/notifications"

    async def until(self, count: int, *, within: float) -> list[Notification]:
        """Return what came, once it is so many; raise TimeoutError."""
        async with asyncio.timeout(within), self._news:
            await self._news.wait_for(lambda: len(self.came) >= count)
        return self.came[:]

    async def _answer(self, request: Request) -> Answer:
        given = request.headers.get("authorization", "")
        wanted = f"Bearer {self._access_token}"
        welcome = not self._access_token or hmac.compare_digest(given.encode(), wanted.encode())
        status = self.status if welcome else 401
        try:
            event = json.loads(request.body)
        except ValueError:
            event = {}
        told = Notification(
            request.headers.get("content-type", ""),
            request.headers.get("x-correlator", ""),
            event if isinstance(event, dict) else {},
            welcome,
            0 if self.fault else status,
        )
        async with self._news:
            self.came.append(told)
            self._news.notify_all()
        self._tell(told)
        return Answer(status, fault=self.fault)
