"""Batches of a log: nothing is skipped, whatever the store does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence

from simgrant.domain.bss_events import BssEvent, ToldConsent
from simgrant.flows.event_batches import FAULT, EventBatches, Pauses
from simgrant.flows.event_reading import EventReader
from simgrant.ports.bss_events import Taken
from simgrant.wire.tmf_events import plain_event
from tests.clocks import MachineClock
from tests.event_intake import MemoryIntake


class Flaw(MemoryIntake):
    """Fails for one event, by a fault of ours."""

    async def take(self, tenant: str, source: str, events: Sequence[BssEvent]) -> Sequence[Taken]:
        if any(each.event_id == "2" for each in events):
            raise ZeroDivisionError
        return await super().take(tenant, source, events)


def message(event_id: str) -> bytes:
    event = plain_event(event_id, "plan_changed", at=1, imsi="001010000000001")
    return json.dumps(event).encode()


def batches(intake: MemoryIntake) -> EventBatches:
    return EventBatches(
        intake,
        EventReader(),
        tenant="t",
        source="topic",
        clock=MachineClock(),
        pauses=Pauses(first_s=0.001, longest_s=0.002),
    )


async def test_a_batch_is_kept_and_what_cannot_be_read_set_aside() -> None:
    intake = MemoryIntake()
    reasons = await batches(intake).take([message("1"), b"{", message("2")])
    assert reasons == ["", "not_json", ""]
    assert list(intake.kept) == [("t", "topic", "1"), ("t", "topic", "2")]
    assert intake.aside == [("t", "topic", b"{", "not_json")]


async def test_while_the_store_is_away_it_waits_and_nothing_comes_twice() -> None:
    intake = MemoryIntake(away=True)
    task = asyncio.create_task(batches(intake).take([message("1"), b"{"]))
    done, _ = await asyncio.wait({task}, timeout=0.05)
    assert not done
    intake.away = False
    assert await task == ["", "not_json"]
    assert len(intake.kept) == len(intake.aside) == 1


async def test_what_we_fail_at_holds_up_no_other() -> None:
    intake = Flaw()
    assert await batches(intake).take([message("1"), message("2"), message("3")]) == ["", FAULT, ""]
    assert [event_id for *_, event_id in intake.kept] == ["1", "3"]
    assert intake.aside == [("t", "topic", message("2"), FAULT)]


async def test_a_consent_of_a_log_is_taken_over_once() -> None:
    about = {"client_id": "bank", "purpose": "Fraud", "apis": ["sim-swap"]}
    event = plain_event("1", "consent_given", at=1, imsi="001010000000001", api_consent=about)
    intake, raw = MemoryIntake(), json.dumps(event).encode()
    assert await batches(intake).take([raw, raw]) == ["", ""]
    (kept,) = intake.kept.values()
    assert kept.api_consent == ToldConsent(client_id="bank", purpose="Fraud", apis=("sim-swap",))
