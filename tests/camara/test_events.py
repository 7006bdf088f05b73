"""Events from what befalls a line to a consumer's sink: in one process, over TLS, on SQLite."""

from __future__ import annotations

import asyncio
import os
import ssl
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry

from simgrant.adapters.camara_sinks.web import WebSinks
from simgrant.adapters.store.sql.store import SqlStore
from simgrant.adapters.store.sqlite import SqliteConfig
from simgrant.adapters.store.sqlite import open_store as open_sqlite
from simgrant.domain.bss_events import BssEvent, Change
from simgrant.domain.camara.access_token import Method
from simgrant.domain.camara.consumer import Consumer
from simgrant.domain.camara.event_subscription import EndReason, EventSubscription, EventType
from simgrant.domain.camara.usage import Outcome, Usage
from simgrant.domain.line_marks import LineMark, MarkName
from simgrant.flows.camara.notifications import NotificationRules, Notifications, Source
from simgrant.flows.camara.subscribing import Made, SubscriptionRules, Subscriptions
from simgrant.links.http import HttpConfig
from simgrant.links.outside import OutsideLink
from simgrant.links.retry import RetryRules
from simgrant.ports.camara_consents import Purposeful
from simgrant.ports.store import Change as StoreChange
from simgrant.sim.push.certificates import Authority
from simgrant.sim.sink import Notification, Sink
from simgrant.sim.web import Break
from simgrant.telemetry.metrics import Metrics
from tests.camara_world import CONSUMER, PURPOSE, Keys
from tests.clocks import MovableClock
from tests.conformance.conftest import sqlite_path, sqlite_template
from tests.conformance.test_store import IMSI, NUMBER, T, new
from tests.conformance.test_store_camara_events import befalls

__all__ = ["sqlite_path", "sqlite_template"]

SECRET = "let-me-in"
HERE = (ip_network("127.0.0.0/8"),)
RULES = NotificationRules(
    life_s=3600,
    lease_s=60,
    timeout_s=5.0,
    first_pause_s=2.0,
    longest_pause_s=60.0,
    in_flight=8,
    poll_s=1.0,
)


@dataclass
class World:
    """An operator and a bank's sink."""

    store: SqlStore
    sink: Sink
    ca: Path
    clock: MovableClock = field(default_factory=MovableClock)
    keys: Keys = field(default_factory=lambda: Keys(T))
    consumer: Consumer | None = CONSUMER
    permitted: bool = True
    names: list[list[str]] = field(default_factory=lambda: [["127.0.0.1"]])
    links: list[WebSinks] = field(default_factory=list)

    def of(self, tenant: str, client_id: str) -> Consumer | None:
        assert (tenant, client_id) == (T, "bank")
        return self.consumer

    async def permits(
        self, tenant: str, imsi: object, wanted: Purposeful, /, *, now: int, silent: bool = False
    ) -> bool:
        assert (tenant, imsi, wanted.purpose) == (T, IMSI, PURPOSE)
        assert now
        assert silent
        return self.permitted

    async def resolve(self, _host: str, _port: int) -> Sequence[str]:
        return self.names.pop(0) if len(self.names) > 1 else self.names[0]

    def worker(self, *, allowed: Any = HERE, timeout_s: float = 5.0) -> Notifications:
        """Return a worker that may be asked for one round after the other."""
        config = HttpConfig(
            peer="sinks", ca_file=self.ca, retry=RetryRules(tries=1, failures=1000), most_bytes=4096
        )
        link = OutsideLink(config, self.clock, allowed=allowed, resolve=self.resolve)
        self.links.append(WebSinks(link))
        return Notifications(
            self.store.camara_events,
            self.links[-1],
            self,
            lines=self.store.camara_lines,
            permits=self,
            sources={T: Source(url="https://api.example.net", home_plmns={"00101"})},
            keys=self.keys,
            clock=self.clock,
            metrics=Metrics(CollectorRegistry()),
            rules=replace(RULES, timeout_s=timeout_s),
        )

    async def subscribe(self, **own: Any) -> EventSubscription:
        """Write a subscription of the bank's."""
        now = int(self.clock.now())
        rules = SubscriptionRules(most=9, ahead_s=60)
        flow = Subscriptions(self.store.camara_events, self.keys, rules=rules)
        fields: dict[str, Any] = {
            "subscription_id": "s1",
            "client_id": "bank",
            "purpose": PURPOSE,
            "api": "sim-swap-subscriptions",
            "type": EventType.SWAPPED,
            "msisdn": NUMBER,
            "two_legs": True,
            "sink": self.sink.url.replace("127.0.0.1", "bank.example"),
            "token_expires_at": now + 3000,
            "created_at": now,
            "sim_since": now - 100,
        }
        one = EventSubscription(**(fields | own))
        sealed = flow.sealed(T, one.subscription_id, SECRET, now=now)
        one = replace(one, access_token=sealed)
        usage = Usage(
            usage_id=os.urandom(16),
            at_ms=now * 1000,
            client_id=one.client_id,
            api=one.api,
            operation="create",
            method=Method.NONE,
            outcome=Outcome.DELIVERED,
            status=201,
        )
        assert await flow.add(T, usage, made=Made(one, None), expires_at=now + 300)
        return one

    async def swap(self, ago_s: int = 10) -> int:
        """Have another SIM noted; return when that was."""
        at = int(self.clock.now()) - ago_s
        await self.store.set_marks(T, IMSI, [LineMark(MarkName.SIM_SINCE, str(at), at)])
        return at

    async def left(self) -> int:
        """Return how many rows wait, whenever they are due."""
        far = int(self.clock.now()) + 10**6
        return len(await self.store.camara_events.claim(now=far, again_at=far, limit=99))


async def rounds(worker: Notifications) -> None:
    """Have a worker do all that is due."""
    while await worker.take_some():
        while worker._taking.under_way:
            await asyncio.wait(set(worker._taking.under_way))


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority(now=time.time())


@pytest.fixture
async def world(authority: Authority, sqlite_path: Path, tmp_path: Path) -> AsyncIterator[World]:
    ca = tmp_path / "ca.pem"
    ca.write_bytes(authority.pem)
    tls: ssl.SSLContext = authority.server(["127.0.0.1", "bank.example"])
    sink = Sink(tls, access_token=SECRET)
    await sink.up()
    store = await open_sqlite(SqliteConfig(sqlite_path))
    await store.add(new(IMSI, NUMBER))
    there = World(store, sink, ca)
    yield there
    for each in there.links:
        await each.close()
    await store.close()
    await sink.down()


def seen(sink: Sink) -> list[Notification]:
    return sink.came[:]


async def test_a_swap_that_a_bss_tells_is_told_to_the_sink(world: World) -> None:
    await world.subscribe()
    at = int(world.clock.now())
    await befalls(
        world.store, BssEvent(event_id="1", change=Change.SIM_SWAPPED, at=at, imsi=IMSI), now=at
    )
    await rounds(world.worker())
    (came,) = seen(world.sink)
    assert (came.status, came.authorized) == (204, True)
    assert came.content_type == "application/cloudevents+json"
    assert came.correlator == came.id
    event = dict(came.event)
    assert event.pop("id")
    assert event.pop("time").endswith("Z")
    assert event == {
        "source": "https://api.example.net",
        "type": EventType.SWAPPED,
        "specversion": "1.0",
        "datacontenttype": "application/json",
        "data": {"subscriptionId": "s1", "phoneNumber": NUMBER.e164},
    }
    await rounds(world.worker())
    assert len(seen(world.sink)) == 1


async def test_whoever_named_no_number_is_told_none(world: World) -> None:
    await world.subscribe(two_legs=False)
    roamer: dict[str, Any] = {
        "subscription_id": "s2",
        "api": "device-roaming-status-subscriptions",
        "type": EventType.ROAMING_STATUS,
        "two_legs": False,
    }
    await world.subscribe(**roamer)
    await world.swap()
    now = int(world.clock.now())
    await world.store.change(T, IMSI, StoreChange(visited_plmn="20801"), now=now)
    await rounds(world.worker())
    data = {each.type: each.event["data"] for each in seen(world.sink)}
    assert data[EventType.SWAPPED] == {"subscriptionId": "s1"}
    assert data[EventType.ROAMING_STATUS] == {
        "subscriptionId": "s2",
        "roaming": True,
        "countryCode": 208,
        "countryName": ["FR"],
    }


async def test_the_last_event_and_then_the_end(world: World) -> None:
    await world.subscribe(max_events=1)
    await world.swap()
    worker = world.worker()
    await rounds(worker)
    world.clock.ahead = 5
    await rounds(worker)
    assert [each.type for each in seen(world.sink)] == [EventType.SWAPPED, EventType.SWAPPED.ended]
    assert seen(world.sink)[1].event["data"] == {
        "subscriptionId": "s1",
        "terminationReason": EndReason.MAX_EVENTS_REACHED,
    }
    assert await world.left() == 0


async def test_the_end_of_its_access_token_is_told_while_it_is_good(world: World) -> None:
    await world.subscribe()
    world.clock.ahead = 3000 - 60 + 1
    await rounds(world.worker())
    (came,) = seen(world.sink)
    assert came.event["data"]["terminationReason"] == EndReason.ACCESS_TOKEN_EXPIRED
    assert await world.left() == 0


async def test_a_process_that_ends_between_claim_and_settle_tells_it_once_more(
    world: World,
) -> None:
    await world.subscribe()
    await world.swap()
    killed = world.worker()
    cast("Any", killed)._rows = Unsettled(world.store)
    await rounds(killed)
    (first,) = seen(world.sink)
    other = world.worker()
    await rounds(other)
    assert len(seen(world.sink)) == 1
    world.clock.ahead = RULES.lease_s + 1
    await rounds(other)
    assert [each.id for each in seen(world.sink)] == [first.id, first.id]
    world.clock.ahead *= 3
    await rounds(other)
    assert len(seen(world.sink)) == 2


class Unsettled:
    """An outbox whose process ends before it settles anything."""

    def __init__(self, store: SqlStore) -> None:
        self._rows = store.camara_events

    def __getattr__(self, name: str) -> Any:
        return getattr(self._rows, name)

    async def done(self, claim: object) -> None:
        assert claim


@pytest.mark.parametrize(
    ("status", "comes_again", "is_there"),
    [
        (200, False, True),
        (400, False, True),
        (401, True, True),
        (403, True, True),
        (410, False, False),
        (429, True, True),
        (500, True, True),
        (503, True, True),
        (302, True, True),
    ],
)
async def test_what_a_sink_says(
    world: World, status: int, comes_again: bool, is_there: bool
) -> None:
    await world.subscribe()
    await world.swap()
    world.sink.status = status
    worker = world.worker()
    await rounds(worker)
    world.sink.status = 204
    world.clock.ahead = 4
    await rounds(worker)
    assert len(seen(world.sink)) == (2 if comes_again else 1)
    assert len({each.id for each in seen(world.sink)}) == 1
    found = await world.store.camara_events.find(T, "s1")
    assert (found is not None) is is_there
    # The end of its access token waits, and nothing else.
    assert await world.left() == (1 if is_there else 0)


async def test_a_sink_that_never_answers_keeps_nobody(world: World) -> None:
    await world.subscribe()
    await world.swap()
    world.sink.fault = Break.SILENT
    worker = world.worker(timeout_s=0.5)
    await rounds(worker)
    world.sink.fault = None
    world.clock.ahead = 4
    await rounds(worker)
    assert seen(world.sink)[-1].status == 204


async def test_what_is_too_old_is_told_to_nobody(world: World) -> None:
    await world.subscribe(token_expires_at=0)
    await world.swap()
    world.sink.status = 503
    worker = world.worker()
    await rounds(worker)
    world.clock.ahead = RULES.life_s + 1
    await rounds(worker)
    assert len(seen(world.sink)) == 1
    assert await world.left() == 0


@pytest.mark.parametrize(
    "addresses",
    [["127.0.0.1"], ["10.1.2.3"], ["169.254.169.254"], ["::1"], ["9.9.9.9", "192.168.0.1"]],
)
async def test_no_event_goes_into_our_own_network(world: World, addresses: list[str]) -> None:
    await world.subscribe()
    await world.swap()
    world.names = [addresses]
    await rounds(world.worker(allowed=()))
    assert seen(world.sink) == []
    assert await world.left() == 2


async def test_a_name_that_leads_elsewhere_the_second_time_is_looked_at_again(
    world: World,
) -> None:
    """DNS rebinding: a public address when it was looked at, one of ours when it is called."""
    await world.subscribe()
    await world.swap()
    worker = world.worker()
    await rounds(worker)
    assert len(seen(world.sink)) == 1
    world.names = [["10.0.0.1"]]
    await world.swap(ago_s=5)
    await rounds(worker)
    assert len(seen(world.sink)) == 1


@pytest.mark.parametrize("why", ["consumer", "permission", "host", "consent"])
async def test_whoever_may_not_be_told_any_more_is_told_nothing(world: World, why: str) -> None:
    await world.subscribe()
    await world.swap()
    match why:
        case "consumer":
            world.consumer = None
        case "permission":
            world.consumer = replace(CONSUMER, permissions=())
        case "host":
            world.consumer = replace(CONSUMER, sink_hosts=frozenset({"other.example"}))
        case _:
            world.permitted = False
    await rounds(world.worker())
    assert seen(world.sink) == []
