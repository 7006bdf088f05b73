"""The worker behind the outbox: every notice told, none twice, none for ever."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest
import structlog
from prometheus_client import CollectorRegistry

from simgrant.adapters.store.sqlite import SqliteConfig, open_store
from simgrant.domain.subscription import PushRegistration, Subscription, SubscriptionStatus
from simgrant.errors import PeerTimeout, PeerUnavailable
from simgrant.flows.notices import End, Notices, Rules
from simgrant.identities import Imsi, Msisdn
from simgrant.keyring.ring import Key, KeyRing, Use
from simgrant.ports.notifier import Dead, Delivered, Later, Notice, Receipt, Refused, Target
from simgrant.ports.store import NewSubscription, RequestRecord, Settled, Store
from simgrant.spec.ids import NotifAction
from simgrant.telemetry.metrics import Metrics
from simgrant.wire.push_token import Channel
from tests.clocks import StillClock
from tests.databases import make_database

T = "blue"
IMSI = Imsi("001010000000001")
NUMBER = Msisdn("447700900001")
PUSH = PushRegistration("490154203237518", "ap2004", "ims", int(NotifAction.FCM), "fcm-token", 10)
START = 1_000
LIFE = 3_600
DEADLINE = 10.0

Answer = Receipt | Exception
RULES = Rules(
    life_s=LIFE,
    lease_s=60,
    timeout_s=5.0,
    first_pause_s=0.01,
    longest_pause_s=60.0,
    batch=20,
    in_flight=8,
    poll_s=0.005,
)


@dataclass
class Channels:
    """A notifier that says what it is told to say, and keeps what it was given."""

    channel: Channel = Channel.FCM
    answers: list[Answer] = field(default_factory=list)
    taken: list[tuple[Target, Notice]] = field(default_factory=list)
    came: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    under_way: int = 0
    most: int = 0

    async def notify(self, target: Target, notice: Notice, *, deadline: float) -> Receipt:
        assert deadline == pytest.approx(START, abs=2 * LIFE)
        self.taken.append((target, notice))
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        self.came.release()
        await self.gate.wait()
        self.under_way -= 1
        answer = self.answers.pop(0) if self.answers else Delivered()
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def close(self) -> None:
        return


class Watched(Metrics):
    """Metrics that say when they change."""

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__(registry)
        self.counted = asyncio.Event()

    def count_notices(
        self, tenant: str, channel: str, result: str, count: int, seconds: float | None
    ) -> None:
        super().count_notices(tenant, channel, result, count, seconds)
        self.counted.set()


class Keys:
    def __init__(self) -> None:
        keys = [Key(f"0000000{n}", use, 0, 0, bytes([n]) * 32) for n, use in enumerate(Use)]
        self.ring = KeyRing({T: keys}, accept_for=60)

    def refresh(self) -> bool:
        return False


class Outbox:
    """The store's outbox: it fails as often as it is told to, and says when it is looked at."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.failures = {"claims": 0, "settlements": 0}
        self.looks = 0
        self.looked = asyncio.Event()
        self.settled = asyncio.Event()

    async def claim_notices(self, **asked: int) -> object:
        self.looks += 1
        self.looked.set()
        self.looked.clear()
        self._fail("claims")
        return await self._store.claim_notices(**asked)

    async def settle_notices(self, settled: list[Settled]) -> None:
        self._fail("settlements")
        await self._store.settle_notices(settled)
        self.settled.set()

    def _fail(self, what: str) -> None:
        self.failures[what] -= 1
        if self.failures[what] >= 0:
            raise PeerUnavailable("store_unavailable")


@dataclass
class World:
    """A store with an outbox, a channel, and the worker between them."""

    store: Store
    outbox: Outbox
    fcm: Channels
    sms: Channels
    clock: StillClock
    metrics: Watched
    notices: Notices
    kept: list[RequestRecord]

    def records(self) -> list[dict[str, Any]]:
        """Return what was kept of notices that ended."""
        assert all(each.tenant == T for each in self.kept)
        return [json.loads(each.body) for each in self.kept]

    def count(self, end: End, channel: str = "fcm") -> float:
        labels = {"tenant": T, "channel": channel, "result": end.value}
        return self.metrics.registry.get_sample_value("simgrant_notices_total", labels) or 0

    async def until(self, number: int, *ends: End, channel: str = "fcm") -> None:
        """Wait until so many notices ended so."""
        while sum(self.count(end, channel) for end in ends) < number:
            self.metrics.counted.clear()
            await self.metrics.counted.wait()

    async def empty(self) -> bool:
        """Say whether the outbox is, whatever is due when."""
        left = await self.store.claim_notices(now=10**9, again_at=10**9 + 1, limit=1)
        return not left


@asynccontextmanager
async def world(path: Path, rules: Rules = RULES) -> AsyncIterator[World]:
    file = make_database(path / "simgrant.db")
    store = await open_store(SqliteConfig(file, timeout_s=60))
    fcm, sms, clock = Channels(), Channels(Channel.SMS), StillClock(float(START))
    metrics = Watched(CollectorRegistry())
    fcm.gate.set()
    sms.gate.set()
    outbox, kept = Outbox(store), list[RequestRecord]()
    notices = Notices(
        cast("Store", outbox),
        notifiers={T: {Channel.FCM: fcm, Channel.SMS: sms}},
        keys=Keys(),
        clock=clock,
        metrics=metrics,
        keep=kept.append,
        rules=rules,
    )
    await store.add(
        NewSubscription(Subscription(T, IMSI, NUMBER, SubscriptionStatus.ACTIVE, "standard"))
    )
    try:
        async with asyncio.timeout(DEADLINE):
            yield World(store, outbox, fcm, sms, clock, metrics, notices, kept)
    finally:
        await store.close()


@asynccontextmanager
async def running(notices: Notices) -> AsyncIterator[None]:
    task = asyncio.create_task(notices.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_one_call_tells_a_client_of_all_its_applications(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        apps = ("ap2003", "ap2004", "ap2005")
        await here.store.register_push(T, IMSI, [replace(PUSH, app_id=app) for app in apps])
        await here.store.tell(T, IMSI, at=START - 5)
        async with running(here.notices):
            await here.until(3, End.DELIVERED)
        ((target, notice),) = here.fcm.taken
        assert target == Target(Channel.FCM, PUSH.token, "ims", None)
        assert sorted(notice.apps) == list(apps)
        assert (notice.at, notice.expires_at) == (START - 5, START - 5 + LIFE)
        assert await here.empty()
        labels = {"tenant": T, "channel": "fcm"}
        took = here.metrics.registry.get_sample_value("simgrant_notice_seconds_sum", labels)
        assert took == 3 * 5


async def test_the_collapse_id_is_the_clients_and_tells_nobody_who_it_is(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        other = replace(PUSH, app_name="other", token="t2")
        await here.store.register_push(T, IMSI, [PUSH, other])
        async with running(here.notices):
            for number in (1, 2):
                await here.store.tell(T, IMSI, at=START)
                await here.until(2 * number, End.DELIVERED)
        ids = {(target.token, notice.collapse_id) for target, notice in here.fcm.taken}
        assert len(ids) == 2
        assert not any(IMSI.digits in each or PUSH.terminal_id in each for _, each in ids)


async def test_a_notice_never_takes_the_place_of_one_for_other_applications(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as here:
        await here.store.register_push(T, IMSI, [PUSH, replace(PUSH, app_id="ap2005")])
        async with running(here.notices):
            for number, apps in enumerate((["ap2004"], ["ap2005"], None), start=1):
                await here.store.tell(T, IMSI, at=START, apps=apps)
                await here.until(number if apps else 4, End.DELIVERED)
        assert len({notice.collapse_id for _, notice in here.fcm.taken}) == 3


async def test_what_is_not_delivered_comes_again_and_then_no_more(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        here.fcm.answers += [
            PeerUnavailable("push_unreachable"),
            Later("throttled"),
            PeerTimeout("push_timeout"),
        ]
        await here.store.register_push(T, IMSI, [PUSH])
        await here.store.tell(T, IMSI, at=START)
        async with running(here.notices):
            for number in range(1, 5):
                await here.fcm.came.acquire()
                assert len(here.fcm.taken) == number
                here.clock.time += 2
            await here.until(1, End.DELIVERED)
        assert (here.count(End.FAILED), here.count(End.LATER)) == (2, 1)
        assert len({notice.collapse_id for _, notice in here.fcm.taken}) == 1
        assert await here.empty()


@pytest.mark.parametrize(
    "said", [Later("throttled", 300), PeerUnavailable("open", retry_after=300)]
)
async def test_a_channel_that_asks_for_time_gets_it(tmp_path: Path, said: Answer) -> None:
    async with world(tmp_path) as here:
        here.fcm.answers.append(said)
        await here.store.register_push(T, IMSI, [PUSH])
        await here.store.tell(T, IMSI, at=START)
        async with running(here.notices):
            await here.until(1, End.LATER, End.FAILED)
        assert not await here.store.claim_notices(now=START + 299, again_at=START + 300, limit=9)
        due = await here.store.claim_notices(now=START + 400, again_at=START + 401, limit=9)
        assert [notice.attempts for notice in due] == [2]


async def test_pauses_grow_up_to_a_bound(tmp_path: Path) -> None:
    rules = replace(RULES, first_pause_s=10.0, longest_pause_s=40.0)
    async with world(tmp_path, rules) as here:
        await here.store.register_push(T, IMSI, [PUSH])
        await here.store.tell(T, IMSI, at=START)
        async with running(here.notices):
            for least, most in ((10, 14), (20, 27), (40, 53), (40, 53)):
                begun = here.clock.time
                here.fcm.answers.append(Later("busy"))
                await here.fcm.came.acquire()
                count = len(here.fcm.taken)
                await here.until(count, End.LATER)
                here.clock.time = begun + least - 1
                looks = here.outbox.looks
                while here.outbox.looks < looks + 2:
                    await here.outbox.looked.wait()
                assert len(here.fcm.taken) == count
                here.clock.time = begun + most + 1
            await here.fcm.came.acquire()


async def test_a_dead_token_is_forgotten(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        here.fcm.answers.append(Dead("unregistered"))
        await here.store.register_push(T, IMSI, [PUSH])
        await here.store.tell(T, IMSI, at=START)
        async with running(here.notices):
            await here.until(1, End.DEAD)
        held = await here.store.export(T, IMSI)
        assert held is not None
        assert held.push == ()
        assert await here.empty()


async def test_a_renewed_token_outlives_an_older_death(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        here.fcm.answers.append(Dead("unregistered", since=PUSH.at - 1))
        await here.store.register_push(T, IMSI, [PUSH])
        await here.store.tell(T, IMSI, at=START)
        async with running(here.notices):
            await here.until(1, End.DEAD)
        held = await here.store.export(T, IMSI)
        assert held is not None
        assert held.push == (PUSH,)


async def test_what_the_channel_refuses_is_not_repeated_and_is_told_to_the_operator(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as here:
        here.fcm.answers += [Refused("sender_mismatch"), Refused("sender_mismatch")]
        two = [PUSH, replace(PUSH, app_name="other", token="t2")]
        await here.store.register_push(T, IMSI, two)
        await here.store.tell(T, IMSI, at=START)
        with structlog.testing.capture_logs() as lines:
            async with running(here.notices):
                await here.until(2, End.REFUSED)
        assert lines == [
            {
                "event": "notice_refused",
                "log_level": "warning",
                "tenant": T,
                "reason": "sender_mismatch",
            }
        ]
        assert await here.empty()


async def test_nobody_is_told_of_what_is_long_past(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        await here.store.register_push(T, IMSI, [PUSH])
        await here.store.tell(T, IMSI, at=START - LIFE)
        async with running(here.notices):
            await here.until(1, End.EXPIRED)
        assert here.fcm.taken == []
        assert await here.empty()


@pytest.mark.parametrize(
    ("push", "end", "channel"),
    [
        (replace(PUSH, action=int(NotifAction.APNS), token="ab"), End.NO_CHANNEL, "apns"),
        (replace(PUSH, action=int(NotifAction.SNC)), End.UNREGISTERED, ""),
        (replace(PUSH, token="not one of FCM's"), End.UNREGISTERED, "fcm"),
    ],
)
async def test_what_no_channel_takes_is_dropped(
    tmp_path: Path, push: PushRegistration, end: End, channel: str
) -> None:
    async with world(tmp_path) as here:
        await here.store.register_push(T, IMSI, [push])
        await here.store.tell(T, IMSI, at=START)
        async with running(here.notices):
            await here.until(1, end, channel=channel)
        assert here.fcm.taken == []
        assert await here.empty()


async def test_a_client_that_ended_its_registration_is_left_alone(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        await here.store.register_push(T, IMSI, [PUSH])
        await here.store.tell(T, IMSI, at=START)
        await here.store.register_push(T, IMSI, [replace(PUSH, action=0)])
        async with running(here.notices):
            await here.until(1, End.UNREGISTERED, channel="")
        assert here.fcm.taken == []


async def test_a_sim_is_told_by_sms_under_its_own_number(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        await here.store.tell(T, IMSI, at=START, sms_apps=("ap2003", "ap2004"))
        async with running(here.notices):
            await here.until(2, End.DELIVERED, channel="sms")
        ((target, notice),) = here.sms.taken
        assert target == Target(Channel.SMS, NUMBER.digits, "", IMSI)
        assert sorted(notice.apps) == ["ap2003", "ap2004"]


async def test_a_change_during_a_delivery_is_told_too(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        here.fcm.gate.clear()
        await here.store.register_push(T, IMSI, [PUSH])
        await here.store.tell(T, IMSI, at=START)
        async with running(here.notices):
            await here.fcm.came.acquire()
            await here.store.tell(T, IMSI, at=START)
            here.fcm.gate.set()
            await here.fcm.came.acquire()
            await here.until(2, End.DELIVERED)
        assert await here.empty()


async def test_only_so_many_are_under_way(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        here.fcm.gate.clear()
        many = [replace(PUSH, terminal_id=f"t{number}") for number in range(30)]
        await here.store.register_push(T, IMSI, many)
        await here.store.tell(T, IMSI, at=START)
        async with running(here.notices):
            for _ in range(RULES.in_flight):
                await here.fcm.came.acquire()
            assert here.fcm.came.locked()
            here.fcm.gate.set()
            await here.until(30, End.DELIVERED)
        assert here.fcm.most == RULES.in_flight


async def test_what_is_under_way_at_the_end_is_finished_and_not_repeated(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        here.fcm.gate.clear()
        await here.store.register_push(T, IMSI, [PUSH])
        await here.store.tell(T, IMSI, at=START)
        task = asyncio.create_task(here.notices.run())
        await here.fcm.came.acquire()
        task.cancel()
        await asyncio.sleep(0)
        here.fcm.gate.set()
        await asyncio.gather(task, return_exceptions=True)
        assert here.count(End.DELIVERED) == 1
        assert await here.empty()


async def test_a_fault_of_an_adapter_does_not_end_the_worker(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        here.fcm.answers.append(RuntimeError(f"secret {PUSH.token}"))
        await here.store.register_push(T, IMSI, [PUSH])
        await here.store.tell(T, IMSI, at=START)
        with structlog.testing.capture_logs() as lines:
            async with running(here.notices):
                await here.fcm.came.acquire()
                await here.until(1, End.FAILED)
                here.clock.time += 5
                await here.until(1, End.DELIVERED)
        assert PUSH.token not in repr(lines)


@pytest.mark.parametrize("failures", [{"claims": 3}, {"settlements": 3}])
async def test_a_store_that_fails_for_a_while_costs_nothing(
    tmp_path: Path, failures: dict[str, int]
) -> None:
    async with world(tmp_path) as here:
        await here.store.register_push(T, IMSI, [PUSH])
        await here.store.tell(T, IMSI, at=START)
        here.outbox.failures |= failures
        async with running(here.notices):
            await here.outbox.settled.wait()
        assert len(here.fcm.taken) == 1
        assert await here.empty()


# --- what support finds ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "outcome", "more"),
    [
        (Delivered("projects/p/messages/1"), "delivered", {"reference": "projects/p/messages/1"}),
        (Dead("unregistered"), "dead", {"reason": "unregistered"}),
        (Refused("sender_mismatch"), "refused", {"reason": "sender_mismatch"}),
    ],
)
async def test_what_became_of_a_notice_is_kept_under_the_subscription(
    tmp_path: Path, answer: Answer, outcome: str, more: dict[str, str]
) -> None:
    async with world(tmp_path) as here:
        here.fcm.answers.append(answer)
        await here.store.register_push(T, IMSI, [PUSH, replace(PUSH, app_id="ap2003")])
        await here.store.tell(T, IMSI, at=START - 5)
        async with running(here.notices):
            await here.until(2, *End)
        (record,) = here.records()
        ring = Keys().ring
        assert len(record.pop("request_id")) == 16
        assert sorted(record.pop("apps")) == ["ap2003", "ap2004"]
        assert record == {
            "at": "1970-01-01T00:16:40.000Z",
            "event": "notice",
            "tenant": T,
            "outcome": outcome,
            "channel": "fcm",
            "subscriber_ref": ring.reference(T, "imsi", IMSI.digits, now=START),
            "terminal_ref": ring.reference(T, "terminal", PUSH.terminal_id, now=START),
            "changed_at": "1970-01-01T00:16:35.000Z",
            "attempts": 1,
            "app_name": "ims",
            **more,
        }
        (kept,) = here.kept
        assert (kept.subscriber_ref, kept.at_us) == (record["subscriber_ref"], START * 10**6)
        for secret in (PUSH.token, IMSI.digits, PUSH.terminal_id):
            assert secret.encode() not in kept.body


async def test_a_try_is_no_end_and_the_last_reason_is_kept_with_the_end(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        here.fcm.answers += [Later("throttled"), PeerUnavailable("push_unreachable" * 20)]
        await here.store.register_push(T, IMSI, [PUSH])
        await here.store.tell(T, IMSI, at=START)
        async with running(here.notices):
            await here.fcm.came.acquire()
            await here.until(1, End.LATER)
            assert here.kept == []
            await here.outbox.settled.wait()
            held = await here.store.export(T, IMSI)
            assert held is not None
            assert [(each.attempts, each.reason) for each in held.notices] == [(1, "throttled")]
            here.clock.time += 2
            await here.until(1, End.FAILED)
            here.clock.time += LIFE
            await here.until(1, End.EXPIRED)
        (record,) = here.records()
        assert (record["outcome"], record["attempts"]) == ("expired", 3)
        assert record["reason"] == ("push_unreachable" * 20)[:128]
