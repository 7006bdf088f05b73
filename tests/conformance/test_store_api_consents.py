"""What subscribers said about consumers, as every store has to keep it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from simgrant.adapters.store.sql.store import SqlStore
from simgrant.domain.camara.consent import ConsentEntry, Said
from simgrant.errors import Conflict
from simgrant.identities import Imsi
from simgrant.ports.camara_consents import MOST_ENTRIES, MOST_KEPT
from tests.conformance.test_store import IMSI, OTHER, T, new

ENTRY = ConsentEntry(
    client_id="bank",
    application="app",
    purpose="Fraud",
    api="sim-swap",
    said=Said.GIVEN,
    at=100,
    expires_at=900,
    subject="+491710000001",
    source="care",
    evidence="call 4711",
    proof=b"\x00\xff" * 16,
)


async def test_every_word_is_kept_and_counted_by_what_it_is_about(store: SqlStore) -> None:
    await store.add(new())
    withdrawn = replace(ENTRY, said=Said.WITHDRAWN, at=200, expires_at=None)
    other = replace(ENTRY, api="number-verification")
    numbers = await store.api_consents.add(T, IMSI, [ENTRY, withdrawn, other])
    assert numbers == [1, 2, 1]
    assert await store.api_consents.of(T, IMSI) == [
        replace(other, number=1),
        replace(ENTRY, number=1),
        replace(withdrawn, number=2),
    ]
    assert await store.api_consents.of("blue", IMSI) == []
    assert await store.api_consents.of(T, OTHER) == []


async def test_words_that_come_together_get_numbers_of_their_own(store: SqlStore) -> None:
    await store.add(new())
    numbers = await asyncio.gather(*(store.api_consents.add(T, IMSI, [ENTRY]) for _ in range(5)))
    assert sorted(number for (number,) in numbers) == [1, 2, 3, 4, 5]


async def test_words_that_go_together_are_written_together_or_not_at_all(store: SqlStore) -> None:
    await store.add(new())
    consents, first = store.api_consents, replace(ENTRY, number=1)
    both = [first, replace(first, api="number-verification")]
    await consents.add(T, IMSI, both)
    assert await consents.of(T, IMSI) == both[::-1]
    third = replace(first, api="kyc-tenure")
    for late in (first, replace(first, number=3)):
        with pytest.raises(Conflict) as caught:
            await consents.add(T, IMSI, [third, late])
        assert caught.value.reason == "said_meanwhile"
    assert len(await consents.of(T, IMSI)) == 2, "not even the one that could have been"


async def test_whatever_was_said_there_is_room_to_withdraw_it(store: SqlStore) -> None:
    await store.add(new())
    consents = store.api_consents
    await consents.add(T, IMSI, [replace(ENTRY, api=f"api-{n}") for n in range(MOST_ENTRIES)])
    with pytest.raises(Conflict) as caught:
        await consents.add(T, IMSI, [replace(ENTRY, api="api-0")])
    assert caught.value.reason == "too_many_entries"
    no = replace(ENTRY, said=Said.WITHDRAWN, expires_at=None, at=200)
    noes = [replace(no, api=f"api-{n}") for n in range(MOST_ENTRIES)]
    assert await consents.add(T, IMSI, noes) == [2] * MOST_ENTRIES
    assert len(await consents.of(T, IMSI)) == MOST_KEPT
    with pytest.raises(Conflict) as caught:
        await consents.add(T, IMSI, [no])
    assert caught.value.reason == "too_many_entries"


async def test_of_answers_that_come_together_one_counts(store: SqlStore) -> None:
    await store.add(new())
    answers = [
        [replace(ENTRY, number=1, said=said, expires_at=None, api=api) for api in ("a", "b")]
        for said in (Said.GIVEN, Said.DENIED, Said.GIVEN, Said.DENIED)
    ]
    ends = await asyncio.gather(
        *(store.api_consents.add(T, IMSI, each) for each in answers), return_exceptions=True
    )
    assert [type(each) for each in ends].count(Conflict) == 3
    assert await store.api_consents.of(T, IMSI) == answers[ends.index([1, 1])]


async def test_nobody_who_is_not_there_says_anything(store: SqlStore) -> None:
    with pytest.raises(Conflict) as caught:
        await store.api_consents.add(T, IMSI, [ENTRY])
    assert caught.value.reason == "no_subscription"
    await store.add(new())
    await store.remove(T, IMSI, now=99)
    with pytest.raises(Conflict):
        await store.api_consents.add(T, IMSI, [ENTRY])


async def test_the_proof_outlives_the_line_and_goes_with_an_erasure(store: SqlStore) -> None:
    await store.add(new())
    await store.api_consents.add(T, IMSI, [ENTRY])
    await store.remove(T, IMSI, now=99)
    assert len(await store.api_consents.of(T, IMSI)) == 1
    await store.erase(T, IMSI, [], now=90)
    assert await store.api_consents.of(T, Imsi(IMSI.digits)) == []
