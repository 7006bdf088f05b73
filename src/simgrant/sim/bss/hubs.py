"""Who wants to know what happens at a simulated BSS, and telling them (TMF630, TMF688).

Each hub has a queue and is told one event after the other, at least once: what is not taken is
brought again a few times, and then left.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

import msgspec

from simgrant.sim.bss.answers import Call, Refusal, json_answer
from simgrant.sim.http import HttpClient, HttpError, Limits, Url
from simgrant.sim.web import Answer
from simgrant.wire.tmf.apis import Api

_KEPT: Final = 10_000
_WAITING: Final = 10_000
_TRIES: Final = 5
_FIRST_PAUSE_S: Final = 0.1
_DOMAINS: Final = {
    Api.PRODUCT: "productInventory",
    Api.SERVICE: "serviceInventory",
    Api.RESOURCE: "resourceInventory",
    Api.ORDER: "productOrdering",
    Api.ACTIVATION: "serviceActivation",
}


@dataclass(slots=True, repr=False)
class Hub:
    """Somebody who wants to know."""

    id: str
    api: Api
    callback: Url
    query: str
    topic: str
    """Of TMF688, where it is for one."""
    waiting: asyncio.Queue[dict[str, Any]] = field(
        default_factory=lambda: asyncio.Queue(maxsize=_WAITING)
    )
    told: int = 0
    """Events that were taken."""
    left: int = 0
    """Events that were not."""

    def wants(self, api: Api, event_type: str) -> bool:
        """Say whether an event is for it."""
        name, _, types = self.query.partition("=")
        if name == "eventType" and event_type not in types.split(","):
            return False
        return self.api in (api, Api.EVENT)

    def shown(self) -> dict[str, Any]:
        """Return it as it was registered."""
        told = {"id": self.id, "callback": str(self.callback)}
        return told | {"query": self.query} if self.query else told


class Hubs:
    """All of them. To be used within one event loop."""

    def __init__(self, *, token: str = "", now: Callable[[], float]) -> None:
        """``token`` is the bearer token that listeners want; empty = none."""
        self._token = token
        self._now = now
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.hubs: dict[str, Hub] = {}
        self.events: deque[dict[str, Any]] = deque(maxlen=_KEPT)
        """What has happened, the newest last."""
        self.twice = False
        """Whether each event is told twice."""
        self.shows = True
        """Whether who is registered is shown."""
        self.often = False
        """Whether the same callback may be registered several times."""

    def answer(self, call: Call) -> Answer:
        """Answer a request for a hub; Refusal."""
        assert call.api is not None  # noqa: S101 - hubs are of an API
        topic, id_ = "", call.id
        if call.resource == "topic":
            topic, _, id_ = call.id.partition("/hub")
            id_ = id_.strip("/")
        match call.method, id_:
            case "POST", "":
                return self._register(call, call.api, topic)
            case "GET", "" if self.shows:
                return json_answer([each.shown() for each in self._of(call.api)])
            case "GET", id_ if self.shows and id_ in self.hubs:
                return json_answer(self.hubs[id_].shown())
            case "DELETE", id_ if id_ in self.hubs:
                self._forget(id_)
                return Answer(204)
        is_shown = call.method == "GET" and self.shows
        raise Refusal(404 if call.method == "DELETE" or is_shown else 405)

    def announce(self, api: Api, event_type: str, name: str, document: object) -> dict[str, Any]:
        """Tell everybody who wants to know that something happened to a resource; return it."""
        at = datetime.fromtimestamp(self._now(), UTC).isoformat().replace("+00:00", "Z")
        event = {
            "eventId": uuid4().hex,
            "eventTime": at,
            "eventType": event_type,
            "correlationId": uuid4().hex,
            "domain": _DOMAINS.get(api, ""),
            "title": event_type,
            "priority": "Normal",
            "timeOcurred": at,
            "event": {name: document},
        }
        # As it is now: what is announced may change before it is sent.
        self.tell(api, msgspec.json.decode(msgspec.json.encode(event)))
        return event

    def tell(self, api: Api, event: dict[str, Any]) -> None:
        """Tell an event, whatever is in it."""
        self.events.append(event)
        for hub in self.hubs.values():
            if hub.wants(api, str(event.get("eventType", ""))):
                for _ in range(2 if self.twice else 1):
                    with contextlib.suppress(asyncio.QueueFull):
                        hub.waiting.put_nowait(event)

    async def told(self) -> None:
        """Wait until nothing is on its way any more."""
        for hub in self.hubs.values():
            await hub.waiting.join()

    async def close(self) -> None:
        """Forget everybody, and be done with it."""
        tasks = list(self._tasks.values())
        self.forget()
        await asyncio.gather(*tasks, return_exceptions=True)

    def forget(self) -> None:
        """Forget everybody, as one that was set up anew has."""
        for id_ in tuple(self.hubs):
            self._forget(id_)

    def register(self, api: Api, callback: str, *, query: str = "", topic: str = "") -> Hub:
        """Take somebody in; ValueError where the address is none."""
        hub = Hub(uuid4().hex, api, Url.parse(callback), query, topic)
        self.hubs[hub.id] = hub
        self._tasks[hub.id] = asyncio.get_running_loop().create_task(self._keep_telling(hub))
        return hub

    def _register(self, call: Call, api: Api, topic: str) -> Answer:
        content = call.content()
        callback = content.get("callback") if isinstance(content, dict) else None
        query = content.get("query", "") if isinstance(content, dict) else ""
        if not isinstance(callback, str) or not isinstance(query, str):
            raise Refusal(400, "callback is missing")
        known = any(str(hub.callback) == callback for hub in self._of(api))
        if known and not self.often:
            raise Refusal(409, "it is registered already")
        try:
            hub = self.register(api, callback, query=query, topic=topic)
        except ValueError as error:
            raise Refusal(400, str(error)) from None
        return json_answer(hub.shown(), status=201)

    def _of(self, api: Api) -> list[Hub]:
        return [hub for hub in self.hubs.values() if hub.api is api]

    def _forget(self, id_: str) -> None:
        del self.hubs[id_]
        self._tasks.pop(id_).cancel()

    async def _keep_telling(self, hub: Hub) -> None:
        client = HttpClient(hub.callback, limits=Limits(connect_s=2, read_s=5))
        try:
            while True:
                event = await hub.waiting.get()
                try:
                    if await self._told(hub, client, event):
                        hub.told += 1
                    else:
                        hub.left += 1
                finally:
                    hub.waiting.task_done()
        finally:
            await client.aclose()

    async def _told(self, hub: Hub, client: HttpClient, event: dict[str, Any]) -> bool:
        headers = [("Content-Type", "application/json;charset=utf-8")]
        if self._token:
            headers.append(("Authorization", f"Bearer {self._token}"))
        target = hub.callback.target()
        if hub.api is not Api.EVENT:
            kind = str(event.get("eventType", ""))
            target = f"{hub.callback.path.rstrip('/')}/listener/{kind[:1].lower()}{kind[1:]}"
        for attempt in range(_TRIES):
            if attempt:
                await asyncio.sleep(_FIRST_PAUSE_S * 2 ** (attempt - 1))
            try:
                answer = await client.exchange(
                    "POST", target, tuple(headers), body=msgspec.json.encode(event)
                )
            except HttpError:
                continue
            if answer.status < 500 and answer.status != 429:
                return answer.status < 300
        return False
