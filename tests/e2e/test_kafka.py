"""Events from Kafka, on the wire: the cluster is the one that librdkafka plays.

Of what it commits and to whom it gives partitions it does as a broker does, which is what counts.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import apsw
import pytest
from confluent_kafka import Consumer, Message, Producer, TopicPartition

from simgrant.adapters.events.kafka import Config, KafkaTopic, client_settings
from simgrant.adapters.store.sql.engine import Rows
from simgrant.cli.serve import make_state
from simgrant.compose.store import open_store
from simgrant.config.load import load
from simgrant.domain.subscription import Subscription, SubscriptionStatus
from simgrant.errors import StartRefused
from simgrant.flows.event_batches import EventBatches, Pauses
from simgrant.flows.event_reading import EventReader
from simgrant.identities import Imsi
from simgrant.ports.store import NewSubscription
from simgrant.wire.tmf_events import Happening, Kind, Made, plain_event, tmf_event
from tests.clocks import MachineClock
from tests.cloud_events import cloud_event
from tests.event_intake import MemoryIntake
from tests.servers.process import launch

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
LINES = [f"0010100000000{each:02}" for each in range(20)]
WAIT_S = 60


@dataclass
class Cluster:
    """A cluster in this process, and one topic of it."""

    producer: Producer
    brokers: str
    topic: str = field(default_factory=lambda: f"events-{uuid4().hex[:8]}")

    @property
    def dead(self) -> str:
        return f"{self.topic}-dead"

    def send(self, *messages: bytes, key: str = "") -> None:
        for each in messages:
            self.producer.produce(self.topic, value=each, key=key.encode() or None)
        assert self.producer.flush(10) == 0

    def tell(self, count: int, *, first: int = 0) -> None:
        """Send so many events, in turn of each line."""
        for at in range(first, first + count):
            imsi = LINES[at % len(LINES)]
            event = plain_event(f"e-{at}", "plan_changed", at=at, imsi=imsi)
            self.producer.produce(self.topic, value=json.dumps(event).encode(), key=imsi.encode())
        assert self.producer.flush(10) == 0

    def committed(self, group: str = "simgrant") -> int:
        """Return how many messages of the topic a group is done with."""
        looker = Consumer({"bootstrap.servers": self.brokers, "group.id": group})
        try:
            partitions = looker.list_topics(self.topic, timeout=10).topics[self.topic].partitions
            places = [TopicPartition(self.topic, each) for each in partitions]
            return sum(max(0, each.offset) for each in looker.committed(places, timeout=10))
        finally:
            looker.close()

    def buried(self, count: int) -> list[tuple[bytes | None, bytes | None, str]]:
        """Return (key, value, reason) of messages of the topic for what cannot be read."""
        reader = Consumer(
            {
                "bootstrap.servers": self.brokers,
                "group.id": uuid4().hex,
                "auto.offset.reset": "earliest",
            }
        )
        try:
            reader.subscribe([self.dead])
            found = reader.consume(count, timeout=WAIT_S)
            return [(each.key(), each.value(), _reason_of(each)) for each in found]
        finally:
            reader.close()


def _reason_of(message: Message) -> str:
    headers = dict(message.headers() or ())
    reason = headers["simgrant-reason"]
    assert isinstance(reason, bytes)
    return reason.decode()


@pytest.fixture(scope="module")
def brokers() -> Iterator[tuple[Producer, str]]:
    producer = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "127.0.0.1:1"})
    (broker,) = producer.list_topics(timeout=10).brokers.values()
    yield producer, f"{broker.host}:{broker.port}"
    producer.flush(5)


@pytest.fixture
def cluster(brokers: tuple[Producer, str]) -> Cluster:
    return Cluster(*brokers)


@asynccontextmanager
async def reading(
    cluster: Cluster, intake: MemoryIntake, *, lags: list[int] | None = None, batch: int = 20
) -> AsyncIterator[asyncio.Task[None]]:
    batches = EventBatches(
        intake,
        EventReader(),
        tenant="default",
        source="topic",
        clock=MachineClock(),
        pauses=Pauses(first_s=0.05, longest_s=0.1),
    )
    config = Config(
        name="topic",
        brokers=(cluster.brokers,),
        topic=cluster.topic,
        group="simgrant",
        dead_letters=cluster.dead,
        batch=batch,
        session_timeout_s=6,
        tls=False,
    )
    show = (lags if lags is not None else []).append
    task = asyncio.create_task(KafkaTopic(config, client_settings(config), batches, show).run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(intake: MemoryIntake, holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not holds():
            intake.news.clear()
            await intake.news.wait()


async def eventually(holds: Callable[[], bool]) -> None:
    """Wait for what the cluster has to be asked about."""
    async with asyncio.timeout(WAIT_S):
        while not await asyncio.to_thread(holds):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.1)


async def test_every_kind_of_event_is_taken_over_and_committed(cluster: Cluster) -> None:
    plain = plain_event("p-1", "plan_changed", at=1, imsi=LINES[0])
    tmf = tmf_event(
        "t-1",
        Made(Kind.PRODUCT, "1", characteristics={"msisdn": "15550100"}),
        Happening.STATE_CHANGE,
        at=1,
    )
    cloud = cloud_event(plain | {"id": "c-1"}, source="/bss", event_id="x", at=1)
    intake = MemoryIntake()
    async with reading(cluster, intake):
        cluster.send(*(json.dumps(each).encode() for each in (plain, tmf, cloud)), key="k")
        # CloudEvents in binary mode: what says it is with it.
        cluster.producer.produce(
            cluster.topic,
            value=json.dumps({"change": "changed", "imsi": LINES[0]}).encode(),
            key=b"k",
            headers={"ce_specversion": b"1.0", "ce_id": b"b-1", "ce_type": b"x.changed"},
        )
        assert cluster.producer.flush(10) == 0
        await until(intake, lambda: len(intake.kept) == 4)
        await eventually(lambda: cluster.committed() == 4)
    assert [key for _, _, key in intake.kept] == ["p-1", "t-1", "c-1", "b-1"]


async def test_what_cannot_be_read_is_set_aside_and_sent_on(cluster: Cluster) -> None:
    intake = MemoryIntake()
    cluster.send(b"{", json.dumps({"id": 1}).encode(), b"", key="k")
    cluster.tell(5)
    async with reading(cluster, intake):
        await until(intake, lambda: len(intake.kept) == 5 and len(intake.aside) == 3)
        await eventually(lambda: cluster.committed() == 8)
    assert sorted(each[3] for each in intake.aside) == ["no_envelope", "not_json", "not_json"]
    buried = await asyncio.to_thread(cluster.buried, 3)
    assert sorted(reason for _, _, reason in buried) == ["no_envelope", "not_json", "not_json"]
    assert {key for key, _, _ in buried} == {b"k"}
    assert {value for _, value, _ in buried} >= {b"{", b'{"id": 1}'}


async def test_while_the_store_is_away_the_topic_waits(cluster: Cluster) -> None:
    intake, lags = MemoryIntake(away=True), list[int]()
    cluster.tell(100)
    async with reading(cluster, intake, lags=lags):
        await eventually(lambda: any(lags))
        assert intake.kept == {}
        assert await asyncio.to_thread(cluster.committed) == 0
        intake.away = False
        await until(intake, lambda: len(intake.kept) == 100)
        await eventually(lambda: cluster.committed() == 100)
        await eventually(lambda: lags[-1] == 0)


async def test_a_node_that_comes_gets_its_share_and_nothing_is_lost(
    cluster: Cluster,
) -> None:
    gate = asyncio.Event()
    first, second = MemoryIntake(gate=gate), MemoryIntake()
    cluster.tell(100)
    async with reading(cluster, first):
        # It has a batch under way when its partitions are wanted elsewhere.
        await until(first, lambda: first.asked > 0)
        async with reading(cluster, second):
            await asyncio.sleep(1)
            gate.set()
            cluster.tell(100, first=100)
            await until(second, lambda: bool(second.kept))
            await eventually(lambda: len(first.kept | second.kept) == 200)
            await eventually(lambda: cluster.committed() == 200)


async def test_who_ends_leaves_the_group_at_once(cluster: Cluster) -> None:
    first, second = MemoryIntake(), MemoryIntake()
    cluster.tell(10)
    async with reading(cluster, first):
        await until(first, lambda: len(first.kept) == 10)
        await eventually(lambda: cluster.committed() == 10)
    cluster.tell(10, first=10)
    async with reading(cluster, second):
        await until(second, lambda: len(second.kept) == 10)
    assert {key for _, _, key in second.kept} == {f"e-{at}" for at in range(10, 20)}


def inbox_of(folder: Path) -> Path:
    """Make a database with all the lines in it; return its settings."""
    settings = folder / "simgrant.toml"
    settings.write_text('server.state_dir = "state"\n')
    loaded = load(settings, {})
    loaded.state_dir.mkdir()
    make_state(loaded)

    async def fill() -> None:
        store = await open_store(loaded)
        lines = [
            Subscription("default", Imsi(line), None, SubscriptionStatus.ACTIVE, "standard")
            for line in LINES
        ]
        await store.add_many(map(NewSubscription, lines))
        await store.close()

    asyncio.run(fill())
    return settings


@pytest.mark.slow
@pytest.mark.parametrize("die", ["before", "after"])
async def test_a_node_that_is_killed_in_mid_batch_loses_nothing_and_does_nothing_twice(
    cluster: Cluster, tmp_path: Path, die: str
) -> None:
    settings, log = await asyncio.to_thread(inbox_of, tmp_path), tmp_path / "log"
    cluster.tell(300)

    def start(*how: str) -> subprocess.Popen[bytes]:
        module = [sys.executable, "-m", "tests.e2e.kafka_process"]
        return launch(
            ["env", "-C", str(ROOT), *module, cluster.brokers, cluster.topic, str(settings), *how],
            log=log,
            signal="KILL",
        )

    def kept() -> list[tuple[str, int, int]]:
        """Return (line, number, when it arrived) of every event that waits to be acted upon."""
        with contextlib.closing(apsw.Connection(str(tmp_path / "state/simgrant.db"))) as db:
            rows: Rows = db.execute("SELECT imsi, event_id, arrived_us FROM bss_event").fetchall()
        return [(imsi, int(event_id[2:]), at) for imsi, event_id, at in rows]

    for at in ("2", "3"):
        killed = start(die, at)
        assert await asyncio.to_thread(killed.wait, WAIT_S) == -signal.SIGKILL, log.read_text()
    before = kept()
    assert 0 < len(before) < 300
    committed = await asyncio.to_thread(cluster.committed)
    assert committed < len(before) if die == "after" else committed == len(before)
    node = start()
    try:
        await eventually(lambda: len(kept()) == 300 and cluster.committed() == 300)
    finally:
        node.kill()
        node.wait()
    after = kept()
    assert set(before) <= set(after), "what was taken over stays as it was"
    of_line = defaultdict(list)
    for imsi, number, arrived in after:
        of_line[imsi].append((number, arrived))
    for place, imsi in enumerate(LINES):
        events = sorted(of_line[imsi])
        assert [number for number, _ in events] == list(range(place, 300, len(LINES)))
        arrivals = [arrived for _, arrived in events]
        assert arrivals == sorted(arrivals), "in the order of its partition"


def test_a_file_that_is_not_there_refuses_the_start(tmp_path: Path) -> None:
    config = Config(
        name="t", brokers=("127.0.0.1:1",), topic="t", group="g", ca_file=tmp_path / "no.pem"
    )
    with pytest.raises(StartRefused, match="no such file"):
        client_settings(config)
