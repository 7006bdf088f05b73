"""A subscription's life for tests: a store, a clock set by hand, and who acts upon events."""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from simgrant.adapters.store.sql.store import SqlStore
from simgrant.adapters.store.sqlite import SqliteConfig, open_store
from simgrant.domain.bss_events import BssEvent, Change
from simgrant.domain.policy import Policy, default_policy
from simgrant.domain.subscription import (
    PushRegistration,
    Subscription,
    SubscriptionStatus,
    Terminal,
)
from simgrant.domain.tenant import Plmn, Tenant
from simgrant.domain.words import Words
from simgrant.flows.answer import Portal
from simgrant.flows.answers import Answers
from simgrant.flows.asked_anew import AsksAnew
from simgrant.flows.bss_inbox import BssInbox
from simgrant.flows.life_orders import LifeOrders
from simgrant.flows.lifecycle import Lifecycle, Rules
from simgrant.identities import Imsi, Msisdn
from simgrant.keyring.ring import Key, KeyRing, Use
from simgrant.ports.bss_events import Taken
from simgrant.ports.store import NewSubscription, Outcome, RequestRecord, SessionRow
from simgrant.ports.switching import NOTHING_SWITCHED, ServicesOf
from simgrant.telemetry.metrics import Metrics
from tests.clocks import StillClock
from tests.folders import in_memory

T = "blue"
IMSI = Imsi("001010000000001")
NUMBER = Msisdn("447700900001")
PHONE, WATCH = "490154203237518", "350000000000017"
START = 1_700_000_000
SOURCE = "crm"


class Keys:
    """A ring of one key of each use."""

    def __init__(self) -> None:
        keys = [Key(f"0000000{n}", use, 0, 0, bytes([n]) * 32) for n, use in enumerate(Use)]
        self.ring = KeyRing({T: keys}, accept_for=60)

    def refresh(self) -> bool:
        return False


@dataclass
class World:
    """The parts, and what they left."""

    store: SqlStore
    clock: StillClock
    inbox: BssInbox
    life: Lifecycle
    policies: dict[str, Policy]
    records: list[dict[str, Any]] = field(default_factory=list)
    asks: AsksAnew | None = None
    """Who asks a BSS, for workers that begin from then on."""

    async def tell(self, change: Change, event_id: str = "", **members: Any) -> Taken:
        """Take an event over as of now, unless it says another time."""
        members.setdefault("at", int(self.clock.now()))
        members.setdefault("imsi", IMSI)
        event_id = event_id or f"{change}-{self.clock.now()}"
        (taken,) = await self.inbox.take(
            T, SOURCE, [BssEvent(event_id=event_id, change=change, **members)]
        )
        return taken

    async def act(self) -> None:
        """Act upon everything that is due."""
        while await self.life.act():
            pass

    async def pass_time(self, seconds: float) -> None:
        """Let time pass and act upon what is due then."""
        self.clock.time += seconds
        await self.act()

    async def told(self) -> set[tuple[str, str]]:
        """Return terminal and application of each notice that waits; none waits after that."""
        now, found = int(self.clock.now()), set()
        while some := await self.store.claim_notices(now=now, again_at=now + 10**6, limit=50):
            found |= {(each.terminal_id, each.app_id) for each in some}
        return found

    async def state(self, imsi: Imsi = IMSI) -> Subscription:
        """Return the subscription as it is."""
        found = await self.store.find(T, imsi=imsi)
        assert found is not None
        return found

    def outcomes(self) -> list[tuple[str, str]]:
        """Return what happened and what became of it, by the records, and forget them."""
        found = [(record["change"], record["outcome"]) for record in self.records]
        self.records.clear()
        return found


def another_worker(
    world: World,
    *,
    orders: LifeOrders | None = None,
    switched: ServicesOf = NOTHING_SWITCHED,
    **rules: Any,
) -> Lifecycle:
    """Return another process's worker on the same store."""
    tenant = Tenant(T, plmns=(Plmn("001", "01"),))
    keys = Keys()

    def keep(record: RequestRecord) -> None:
        world.records.append(json.loads(record.body))

    answers = Answers(
        tenant,
        lambda: world.policies[T],
        Portal("https://portal.example", 600),
        ring=lambda: keys.ring,
        roaming_max_age_s=86_400,
    )
    return Lifecycle(
        world.store.life,
        answers={T: answers},
        sms_apps={T: ("ap2004", "ap2003")},
        keys=keys,
        clock=world.clock,
        metrics=Metrics(CollectorRegistry()),
        keep=keep,
        orders=orders,
        switched=switched,
        asks=world.asks,
        rules=Rules(**rules),
    )


@asynccontextmanager
async def opened(template: Path, **rules: Any) -> AsyncIterator[World]:
    """Open a copy of a migrated store with a subscription that has a phone and a watch."""
    with in_memory() as folder:
        path = Path(shutil.copy(template, folder / "store.sqlite3"))
        store = await open_store(SqliteConfig(path, timeout_s=60))
        clock = StillClock(float(START))
        try:
            world = World(
                store,
                clock,
                BssInbox(store.life, clock=clock, keys=Keys()),
                None,  # type: ignore[arg-type]
                {T: the_policy()},
            )
            world.life = another_worker(world, **rules)
            await store.add(NewSubscription(subscription()))
            for number, terminal in enumerate((PHONE, WATCH)):
                await store.decide_session(
                    T,
                    IMSI,
                    bytes([number]) * 16,
                    SessionRow(Outcome.ACCEPTED, START - 100),
                    expected=None,
                    terminal=Terminal(terminal, "Vendor", "Model", "1", START - 100, START - 100),
                    client="app",
                )
            await store.register_push(T, IMSI, [registration(PHONE, "ap2004")])
            yield world
        finally:
            await store.close()


@cache
def the_policy() -> Policy:
    """Return the policy that comes with the server."""
    return default_policy(Words("en"))


def subscription(plan: str = "basic") -> Subscription:
    """Return one of long ago."""
    return Subscription(
        T,
        IMSI,
        NUMBER,
        SubscriptionStatus.ACTIVE,
        plan,
        created_at=START - 10_000,
        changed_at=START - 10_000,
    )


def registration(terminal: str, app: str) -> PushRegistration:
    """Return a registration for pushes."""
    return PushRegistration(terminal, app, "ims", 2, f"token-{terminal}", START - 50)
