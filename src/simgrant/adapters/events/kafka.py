"""Events from a topic of Kafka: at least once, in the order of each partition.

The client's calls block, so a thread of its own makes them and hands batches to the event loop, one
at a time: while one is taken over no more is read, but the cluster is told that we are there. What
was taken over is committed after that, by hand, and before a partition goes to somebody else. Who
dies in between is told it again, and what was taken over is known by then (ADR 0046).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from pathlib import Path
from typing import Any, Final

import structlog
from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)

from simgrant.errors import StartRefused
from simgrant.flows.event_batches import EventBatches
from simgrant.links.secret_file import SecretFile, read_text
from simgrant.nouns import named_noun
from simgrant.telemetry.log import say_fault
from simgrant.wire.tmf_events import CLOUD_TYPES, bound

_POLL_S: Final = 0.2
_CALL_S: Final = 10.0
"""Seconds for what asks the cluster something: commits, dead letters."""
_LAG_S: Final = 2.0
"""Seconds between two looks how far behind we are."""
_RESTART_FIRST_S, _RESTART_LAST_S = 0.5, 30.0
_STOP_S: Final = 10.0
_NOT_LET_IN: Final = (KafkaError._SSL, KafkaError._AUTHENTICATION)
"""A certificate that one of the two does not believe, or a name and password that are wrong."""
_CLOUD: Final = "ce_"
_REASON: Final = "simgrant-reason"


@named_noun
class Config:
    """A topic."""

    name: str
    """What the settings call it."""
    brokers: tuple[str, ...]
    topic: str
    group: str
    dead_letters: str = ""
    """Topic for what cannot be read; empty = none."""
    batch: int = 200
    start: str = "earliest"
    """Where a group begins that is new: ``earliest`` or ``latest``."""
    session_timeout_s: float = 10.0
    tls: bool = True
    ca_file: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    sasl: str = ""
    """Mechanism; empty = none."""
    user: str = ""
    password_file: Path | None = None


def client_settings(config: Config) -> dict[str, Any]:
    """Return what the client is told of the cluster; StartRefused where a file is no use."""
    protocol = "SSL" if config.tls else "PLAINTEXT"
    common: dict[str, Any] = {
        "bootstrap.servers": ",".join(config.brokers),
        "client.id": "simgrant",
        "security.protocol": f"SASL_{protocol}" if config.sasl else protocol,
    }
    for key, path in (
        ("ssl.ca.location", config.ca_file),
        ("ssl.certificate.location", config.certificate),
        ("ssl.key.location", config.key),
    ):
        if path is not None:
            if not path.is_file():
                raise StartRefused(f"{path}: there is no such file")
            common[key] = str(path)
    if config.sasl and config.password_file is not None:
        common |= {
            "sasl.mechanisms": config.sasl,
            "sasl.username": config.user,
            "sasl.password": SecretFile(config.password_file, read_text).value(),
        }
    return common


class KafkaTopic:
    """One topic, read by one thread while it runs."""

    def __init__(
        self,
        config: Config,
        common: dict[str, Any],
        batches: EventBatches,
        show_lag: Callable[[int], None],
    ) -> None:
        """``common`` is what `client_settings` gives. A cluster that is away keeps nobody from
        starting. ``show_lag`` is given how many messages wait, in a thread of its own.
        """
        self._config = config
        self._common = common
        self._batches = batches
        self._show_lag = show_lag

    def __repr__(self) -> str:
        return f"KafkaTopic({self._config.name})"

    async def run(self) -> None:
        """Read the topic until it is cancelled, then leave the group within a bound.

        A reader that ends by a fault is followed by another, after a while.
        """
        pause_s = _RESTART_FIRST_S
        while True:
            reader = _Reader(
                self._config,
                self._common,
                self._batches.take,
                self._show_lag,
                asyncio.get_running_loop(),
            )
            try:
                await reader.ended()
            finally:
                reader.stop()
                # Cancelled or not: an offset may be on its way to be committed.
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(asyncio.shield(reader.ended()), _STOP_S)
            if reader.has_read:
                pause_s = _RESTART_FIRST_S
            await asyncio.sleep(pause_s * random.uniform(0.5, 1))  # noqa: S311 - jitter
            pause_s = min(pause_s * 2, _RESTART_LAST_S)


class _Reader:
    """The thread. What it shares with the event loop are futures, and nothing else."""

    def __init__(
        self,
        config: Config,
        common: dict[str, Any],
        take: Callable[[Sequence[bytes]], Any],
        show_lag: Callable[[int], None],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._config = config
        self._common = common
        self._take = take
        self._show_lag = show_lag
        self._loop = loop
        self._stopping = threading.Event()
        self._ended: asyncio.Future[None] = loop.create_future()
        self._under_way: Future[list[str]] | None = None
        self._batch: list[Message] = []
        self._early: list[Message] = []
        """What came while a batch was under way, of partitions that were new then."""
        self._looked = float("-inf")
        self._is_up: bool | None = None
        self._not_let_in: int | None = None
        self.has_read = False
        self._producer: Producer | None = None
        # A daemon: a cluster that does not let go of it must not keep the process alive.
        threading.Thread(target=self._run, name=f"kafka-{config.name}", daemon=True).start()

    async def ended(self) -> None:
        """Return when the thread has ended."""
        await asyncio.shield(self._ended)

    def stop(self) -> None:
        """Let it end; a batch that is under way is given up, and told again to whoever is next."""
        self._stopping.set()
        if self._under_way is not None:
            self._under_way.cancel()

    # --- the thread --------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._consumer = Consumer(
                {
                    **self._common,
                    "group.id": self._config.group,
                    "enable.auto.commit": False,
                    "auto.offset.reset": self._config.start,
                    "session.timeout.ms": round(self._config.session_timeout_s * 1000),
                    "heartbeat.interval.ms": round(self._config.session_timeout_s * 1000 / 4),
                    # What is read ahead, for all partitions together.
                    "queued.max.messages.kbytes": 16_384,
                    "error_cb": self._failed,
                },
                logger=logging.getLogger("kafka"),
            )
            try:
                self._consumer.subscribe(
                    [self._config.topic],
                    on_assign=self._assigned,
                    on_revoke=self._revoked,
                    on_lost=self._lost,
                )
                while not self._stopping.is_set():
                    self._turn()
            finally:
                self._consumer.close()
                self._show_lag(0)
        except Exception as error:
            say_fault(error, source=self._config.name)
        finally:
            with contextlib.suppress(RuntimeError):
                # The loop may have ended before us.
                self._loop.call_soon_threadsafe(self._end)

    def _end(self) -> None:
        if not self._ended.done():
            self._ended.set_result(None)

    def _turn(self) -> None:
        """Read a batch and have it taken over, or wait a moment for one."""
        found, self._early = self._early, []
        if not found:
            found = self._consumer.consume(self._config.batch, _POLL_S)
        self._look_behind()
        self._batch = [each for each in found if self._is_message(each)]
        if not self._batch:
            return
        self.has_read = True
        self._show_up(is_up=True)
        self._under_way = asyncio.run_coroutine_threadsafe(
            self._take([_value(each) for each in self._batch]), self._loop
        )
        wait((self._under_way,), _POLL_S)
        if not self._under_way.done() and not self._sit_out(self._under_way):
            return
        self._finish()

    def _sit_out(self, under_way: Future[list[str]]) -> bool:
        """Read no more until a batch is taken over; False where we are to stop before that.

        Not at once, since what was read ahead is forgotten by it.
        """
        self._consumer.pause(self._consumer.assignment())
        while not under_way.done():
            if self._stopping.is_set():
                under_way.cancel()
                return False
            self._look_behind()
            # Keeps the group, and the callbacks below, going.
            message = self._consumer.poll(_POLL_S / 10)
            if message is not None and self._is_message(message):
                self._early.append(message)
        self._consumer.resume(self._consumer.assignment())
        return True

    def _finish(self) -> None:
        """Commit the batch that was taken over, once."""
        under_way, self._under_way = self._under_way, None
        if under_way is None or under_way.cancelled():
            return
        batch, self._batch = self._batch, []
        self._bury(batch, under_way.result())
        next_of: dict[tuple[str, int], int] = {}
        for each in batch:
            place = (each.topic() or "", each.partition() or 0)
            next_of[place] = max(next_of.get(place, 0), (each.offset() or 0) + 1)
        ours = {(each.topic, each.partition) for each in self._consumer.assignment()}
        offsets = [
            TopicPartition(topic, partition, offset)
            for (topic, partition), offset in next_of.items()
            if (topic, partition) in ours
        ]
        if offsets:
            try:
                self._consumer.commit(offsets=offsets, asynchronous=False)
            except KafkaException as error:
                # They will be told again, here or elsewhere, and are known.
                self._say("not_committed", error.args[0])

    def _bury(self, batch: Sequence[Message], reasons: Sequence[str]) -> None:
        """Send what could not be read to the topic for that; it is set aside here anyway."""
        dead = [(each, reason) for each, reason in zip(batch, reasons, strict=True) if reason]
        if not dead or not self._config.dead_letters:
            return
        if self._producer is None:
            self._producer = Producer(
                {**self._common, "enable.idempotence": True, "message.timeout.ms": 9_000},
                logger=logging.getLogger("kafka"),
            )
        failed: list[KafkaError] = []

        def told(error: KafkaError | None, _: Message) -> None:
            if error is not None:
                failed.append(error)

        for message, reason in dead:
            self._producer.produce(
                self._config.dead_letters,
                value=message.value(),
                key=message.key(),
                headers={_REASON: reason.encode()},
                on_delivery=told,
            )
        if self._producer.flush(_CALL_S) or failed:
            self._say("dead_letters_not_sent", failed[0] if failed else None)

    def _look_behind(self) -> None:
        """Show how many messages wait in the partitions that are ours, now and then."""
        now = time.monotonic()
        if now - self._looked < _LAG_S:
            return
        self._looked = now
        behind = 0
        for each in self._consumer.position(self._consumer.assignment()):
            low, high = self._consumer.get_watermark_offsets(each, cached=True)
            if high >= 0:
                at = each.offset if each.offset >= 0 else max(low, 0)
                behind += max(0, high - at)
        self._show_lag(behind)

    # --- what the client calls, in the thread ------------------------------------------------

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        consumer.assign(partitions)
        if self._under_way is not None:
            consumer.pause(partitions)
        self._say("assigned", None, partitions=sorted(each.partition for each in partitions))

    def _revoked(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        """Commit what is taken over before the partitions are somebody else's."""
        under_way = self._under_way
        if under_way is not None and not self._stopping.is_set():
            with contextlib.suppress(Exception):
                under_way.result(self._config.session_timeout_s / 2)
            if under_way.done():
                self._finish()
        self._forget(partitions)

    def _lost(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        self._forget(partitions)

    def _forget(self, partitions: list[TopicPartition]) -> None:
        gone = {(each.topic, each.partition) for each in partitions}
        self._early = [each for each in self._early if (each.topic(), each.partition()) not in gone]

    def _failed(self, error: KafkaError) -> None:
        code = error.code()
        if code == KafkaError._ALL_BROKERS_DOWN:
            self._show_up(is_up=False)
        elif code in _NOT_LET_IN and code != self._not_let_in:
            # It is tried again and again: said once, until it is something else.
            self._not_let_in = code
            self._say("not_let_in", error)

    def _is_message(self, message: Message) -> bool:
        error = message.error()
        if error is None:
            return True
        if error.fatal():
            raise KafkaException(error)
        if error.code() != KafkaError._PARTITION_EOF:
            self._say("not_read", error)
        return False

    def _show_up(self, *, is_up: bool) -> None:
        if self._is_up is not is_up:
            self._is_up = is_up
            self._not_let_in = None if is_up else self._not_let_in
            self._say("reads" if is_up else "unreachable", None)

    def _say(self, what: str, error: KafkaError | None, **more: Any) -> None:
        log = structlog.get_logger()
        say = log.info if what in ("assigned", "reads") else log.warning
        reason = "" if error is None else error.name()
        say("event_topic", topic=self._config.name, state=what, reason=reason, **more)


def _value(message: Message) -> bytes:
    """Return what a message says, with the attributes of CloudEvents beside it (binary mode)."""
    value = message.value() or b""
    pairs: Any = message.headers() or ()
    headers = {
        name.lower(): told.decode("utf-8", "replace") if isinstance(told, bytes) else str(told)
        for name, told in pairs
        if told is not None
    }
    if headers.get("content-type", "").startswith(CLOUD_TYPES):
        return value
    attributes = {
        name.removeprefix(_CLOUD): told for name, told in headers.items() if name.startswith(_CLOUD)
    }
    return bound(attributes, value)
