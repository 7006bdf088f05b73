"""Consents that events tell: written once, with the event, in whichever order they come."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from simgrant.adapters.store.sql.store import SqlStore
from simgrant.domain.bss_events import BssEvent, Change, ToldConsent
from simgrant.domain.camara.consent import ConsentEntry
from simgrant.domain.camara.consumer import Consumer, Permission
from simgrant.domain.eligibility import Eligibility
from simgrant.flows.bss_inbox import BssInbox
from simgrant.flows.camara.consents import is_genuine
from simgrant.flows.camara.told_consents import scribe
from simgrant.identities import Imsi
from simgrant.keyring.ring import Key, KeyRing, Use
from simgrant.ports.bss_events import Taken
from simgrant.ports.camara_consents import Speaker
from tests.conformance.test_store import IMSI, NUMBER, OTHER, T, new

NOW = 1_000.0
BANK = Consumer(
    client_id="bank",
    name="Bank",
    permissions=(
        Permission(
            api="sim-swap", scopes=frozenset({"sim-swap:check"}), purposes=frozenset({"Fraud"})
        ),
    ),
)
TOLD = ToldConsent(client_id="bank", purpose="Fraud", apis=("sim-swap",))


class Keys:
    """A ring of one key of each use."""

    def __init__(self) -> None:
        keys = [Key(f"0000000{n}", use, 0, 0, bytes([n]) * 32) for n, use in enumerate(Use)]
        self.ring = KeyRing({T: keys}, accept_for=60)

    def refresh(self) -> bool:
        return False


class Clock:
    """It is always now."""

    def now(self) -> float:
        return NOW

    def monotonic(self) -> float:
        return NOW


def inbox(store: SqlStore) -> BssInbox:
    return BssInbox(store.life, clock=Clock(), keys=Keys())


def event(change: Change, *, at: int, imsi: Imsi | None = IMSI, **members: object) -> BssEvent:
    told = replace(TOLD, **members)  # type: ignore[arg-type]
    return BssEvent(
        event_id=f"{change}-{at}-{imsi and imsi.digits}",
        change=change,
        at=at,
        imsi=imsi,
        msisdn=NUMBER,
        api_consent=told,
    )


def given(*, at: int = 900, **members: object) -> BssEvent:
    return event(Change.CONSENT_GIVEN, at=at, **members)  # type: ignore[arg-type]


def withdrawn(*, at: int, **members: object) -> BssEvent:
    return event(Change.CONSENT_WITHDRAWN, at=at, **members)  # type: ignore[arg-type]


async def said(store: SqlStore, imsi: Imsi = IMSI) -> list[tuple[int, str, int]]:
    found = await store.api_consents.of(T, imsi)
    assert all(is_genuine(each, T, Keys()) for each in found)
    return [(each.number, each.said.value, each.at) for each in found]


@pytest.fixture
async def bank(store: SqlStore) -> SqlStore:
    """A store with a consumer and a subscription."""
    assert await store.consumers.put(T, BANK, seen=0)
    await store.add(new())
    return store


async def test_a_word_is_written_with_its_event_and_nothing_waits(bank: SqlStore) -> None:
    events = [given(expires_at=5_000), withdrawn(at=950, imsi=None)]
    assert await inbox(bank).take(T, "crm", events) == [Taken.KEPT] * 2
    assert await said(bank) == [(1, "given", 900), (2, "withdrawn", 950)]
    first, _ = await bank.api_consents.of(T, IMSI)
    assert (first.subject, first.evidence) == (NUMBER.e164, f"crm consent_given-900-{IMSI.digits}")
    assert await bank.life.waits() == 0
    # Nor is anything said of the terms of our own services.
    assert await inbox(bank).take(T, "crm", events) == [Taken.KNOWN] * 2
    assert len(await said(bank)) == 2


async def test_a_word_and_a_change_may_come_together(bank: SqlStore) -> None:
    plan = BssEvent(
        event_id="1",
        change=Change.PLAN_CHANGED,
        at=900,
        imsi=IMSI,
        told=Eligibility(plan="silver"),
    )
    # The later one stands first: in one message too, the times say which holds.
    events = [withdrawn(at=950), plan, given()]
    assert await inbox(bank).take(T, "crm", events) == [Taken.KEPT] * 3
    assert await said(bank) == [(1, "given", 900), (2, "withdrawn", 950)]
    assert await bank.life.waits() == 1


async def test_a_word_that_comes_late_changes_nothing(bank: SqlStore) -> None:
    for each in (withdrawn(at=950), given(at=940), given(at=950)):
        assert await inbox(bank).take(T, "crm", [each]) == [Taken.KEPT]
    assert await said(bank) == [(1, "withdrawn", 950)]
    # Another system that tells the same says nothing new.
    await inbox(bank).take(T, "esb", [withdrawn(at=950)])
    assert len(await said(bank)) == 1


async def test_what_comes_together_is_numbered_one_after_the_other(bank: SqlStore) -> None:
    await bank.add(new(OTHER, None))
    inboxes = [inbox(bank) for _ in range(4)]
    lines = [IMSI, OTHER]
    await asyncio.gather(
        *(
            # Each in another order: nobody waits for one who waits for him.
            one.take(T, f"s-{n}", [given(at=900 + n, imsi=imsi) for imsi in lines[:: (-1) ** n]])
            for n, one in enumerate(inboxes)
        )
    )
    for imsi in lines:
        numbers = [number for number, _, _ in await said(bank, imsi)]
        assert numbers == list(range(1, len(numbers) + 1))
        assert (await said(bank, imsi))[-1][2] == 903


async def test_what_nobody_could_write_is_set_aside_until_a_person_comes(store: SqlStore) -> None:
    await store.add(new())
    here = inbox(store)
    word, prophet = given(), given(at=1_301)
    assert await here.take(T, "crm", [word, prophet]) == [Taken.SET_ASIDE] * 2
    asides = {each.event: each for each in await here.listed(T)}
    assert {each.event: each.reason for each in asides.values()} == {
        word: "unknown_consumer",
        prophet: "from_the_future",
    }
    assert await here.replay(asides[word]) == (Taken.SET_ASIDE,)
    await store.consumers.put(T, BANK, seen=0)
    assert await here.replay(asides[word]) == (Taken.KEPT,)
    assert await here.replay(asides[word]) == (Taken.KNOWN,)
    assert await here.replay(asides[prophet]) == (Taken.KEPT,)
    assert await said(store) == [(1, "given", 900), (2, "given", 1_000)]
    assert await here.listed(T) == []


async def test_who_is_gone_says_nothing_any_more(bank: SqlStore) -> None:
    await bank.remove(T, IMSI, now=99)
    assert await inbox(bank).take(T, "crm", [given()]) == [Taken.SET_ASIDE]
    assert await said(bank) == []


async def test_what_was_set_aside_goes_with_an_erasure(bank: SqlStore) -> None:
    here = inbox(bank)
    wrong = given(imsi=None, purpose="Other")
    assert await here.take(T, "crm", [wrong]) == [Taken.SET_ASIDE]
    assert [each.reason for each in await here.listed(T)] == ["not_of_contract"]
    await bank.erase(T, IMSI, [], now=90)
    assert await here.listed(T) == []


async def test_where_one_cannot_be_written_by_a_fault_of_ours_none_of_them_is(
    bank: SqlStore,
) -> None:
    writes = scribe(Keys().ring, now=NOW)

    def faulty(speaker: Speaker, source: str, told: BssEvent) -> Sequence[ConsentEntry]:
        if told.change is Change.CONSENT_WITHDRAWN:
            raise ZeroDivisionError
        return writes(speaker, source, told)

    events = [given(), withdrawn(at=950)]
    with pytest.raises(ZeroDivisionError):
        await bank.life.take(T, "crm", events, now=NOW, future_s=300, scribe=faulty)
    assert await said(bank) == []
    # Nobody was told that they are safe: they come again, and are as new.
    assert await inbox(bank).take(T, "crm", events) == [Taken.KEPT] * 2
    assert [each for _, each, _ in await said(bank)] == ["given", "withdrawn"]
