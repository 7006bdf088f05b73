"""Consumers, tariffs and usage of partner APIs, as every store has to keep them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simgrant.adapters.store.sql.store import SqlStore
from simgrant.domain.camara.access_token import Method
from simgrant.domain.camara.consumer import (
    Application,
    Consumer,
    GrantType,
    Permission,
    Rates,
)
from simgrant.domain.camara.tariff import Price, Tariff
from simgrant.domain.camara.usage import Outcome, Usage
from simgrant.ports.camara_consumers import ConsumerRow
from simgrant.ports.camara_usage import Counted, Place, Span, Total
from tests.conformance import conftest

BANK = Consumer(
    client_id="bank",
    name="Bank",
    jwks='{"keys": []}',
    secret_hash=b"\x00\xff" * 16,
    certificate=b"\x01" * 32,
    grants=frozenset(GrantType),
    applications=(Application(id="app", name="App", sink_hosts=frozenset({"a.example"})),),
    permissions=(
        Permission(
            api="number-verification",
            scopes=frozenset({"number-verification:verify"}),
            purposes=frozenset({"FraudPreventionAndDetection"}),
            tariff="gold",
            rates=Rates(per_second=2.5, per_month=1000),
        ),
    ),
)
GOLD = Tariff(
    name="gold",
    valid_from=1_000,
    currency="EUR",
    prices=(Price(outcome=Outcome.MATCH, micros=30_000),),
    share_ppm=200_000,
)


# --- consumers and tariffs ---------------------------------------------------------------------


async def test_a_consumer_is_kept_as_it_is(store: SqlStore) -> None:
    assert await store.consumers.put("blue", BANK, seen=0)
    first = replace(BANK, revision=1)
    assert await store.consumers.find("blue", "bank") == ConsumerRow("bank", 1, first)
    assert await store.consumers.find("red", "bank") is None
    assert await store.consumers.put("blue", replace(first, name="Other"), seen=1)
    row = await store.consumers.find("blue", "bank")
    assert row == ConsumerRow("bank", 2, replace(BANK, name="Other", revision=2))


async def test_of_two_who_saw_the_same_the_second_writes_nothing(store: SqlStore) -> None:
    assert not await store.consumers.put("blue", BANK, seen=1)
    made = await asyncio.gather(*(store.consumers.put("blue", BANK, seen=0) for _ in range(4)))
    assert sorted(made) == [False, False, False, True]
    changes = [
        store.consumers.put("blue", BANK, seen=1),
        store.consumers.remove("blue", "bank", seen=1),
    ]
    assert sorted(await asyncio.gather(*changes)) == [False, True]
    assert (await store.consumers.numbers()) == {"blue": 2}


async def test_a_name_that_was_removed_is_not_given_again(store: SqlStore) -> None:
    await store.consumers.put("blue", BANK, seen=0)
    assert await store.consumers.remove("blue", "bank", seen=1)
    assert await store.consumers.find("blue", "bank") == ConsumerRow("bank", 2, None)
    assert not await store.consumers.put("blue", BANK, seen=0)


async def test_who_saw_a_number_is_told_what_came_after_it(store: SqlStore) -> None:
    consumers = store.consumers
    assert await consumers.numbers() == {}
    assert await consumers.changed("blue") == await consumers.changed("blue", 7)
    await consumers.put("blue", BANK, seen=0)
    await consumers.put("red", BANK, seen=0)
    await consumers.put("blue", replace(BANK, client_id="shop"), seen=0)
    assert await consumers.numbers() == {"blue": 2, "red": 1}
    everything = await consumers.changed("blue")
    assert [row.client_id for row in everything.consumers] == ["bank", "shop"]
    await consumers.remove("blue", "bank", seen=1)
    later = await consumers.changed("blue", everything.number)
    assert (later.number, later.consumers) == (3, [ConsumerRow("bank", 2, None)])


async def test_a_consumer_of_a_newer_release_is_nobody(place: conftest.Place) -> None:
    store = await place.open()
    try:
        await store.consumers.put("blue", BANK, seen=0)
        strange = "UPDATE camara_consumer SET body = ?1 WHERE tenant = ?2 RETURNING 1"
        await store._engine.write(
            strange, ('{"client_id":"bank","name":"B","bound":"magic"}', "blue")
        )
        assert await store.consumers.find("blue", "bank") == ConsumerRow(
            "bank", 1, None, unreadable=True
        )
    finally:
        await store.close()


async def test_a_tariff_has_versions(store: SqlStore) -> None:
    consumers = store.consumers
    later = replace(GOLD, valid_from=2_000, share_ppm=0)
    assert await consumers.put_tariff("blue", later)
    assert await consumers.put_tariff("blue", GOLD)
    assert not await consumers.put_tariff("blue", replace(GOLD, currency="USD"))
    changed = await consumers.changed("blue", 2)
    assert (changed.number, changed.tariffs) == (2, [GOLD, later])
    assert await consumers.remove_tariff("blue", "gold", 2_000)
    assert not await consumers.remove_tariff("blue", "gold", 2_000)
    assert (await consumers.changed("blue", 2)).tariffs == [GOLD]
    assert await consumers.numbers() == {"blue": 3}


# --- usage -------------------------------------------------------------------------------------


def usage(number: int, at_ms: int = 5_000, **members: object) -> Usage:
    return replace(
        Usage(
            usage_id=number.to_bytes(2, "little") * 8,
            at_ms=at_ms,
            client_id="bank",
            application="app",
            api="number-verification",
            operation="phoneNumberVerify",
            purpose="FraudPreventionAndDetection",
            method=Method.SIM,
            outcome=Outcome.MATCH,
            status=200,
            subject_ref="ref",
            correlator="corr",
            tariff="gold",
            price_micros=30_000,
            share_micros=6_000,
            currency="EUR",
            suspicion="sim_swapped",
            duration_us=900,
        ),
        **members,  # type: ignore[arg-type]
    )


async def rows(
    store: SqlStore, span: Span, tenant: str = "blue", *, client_id: str = ""
) -> list[Usage]:
    return [row async for page in pages(store, span, tenant, client_id) for row in page]


async def pages(
    store: SqlStore, span: Span, tenant: str, client_id: str
) -> AsyncIterator[Sequence[Usage]]:
    after: Place | None = Place()
    while after is not None:
        found, after = await store.usage.page(tenant, span, after, client_id=client_id, limit=3)
        yield found


ALL = Span(0, 2**62)


async def test_one_of_many_spends_a_token(place: conftest.Place) -> None:
    stores = [await place.open() for _ in range(2)]
    try:
        one = usage(1)
        assert not await stores[0].usage.spent("blue", one.usage_id)
        tries = (each.usage.record("blue", one, expires_at=9) for each in stores * 5)
        assert sorted(await asyncio.gather(*tries)) == [False] * 9 + [True]
        assert await stores[1].usage.spent("blue", one.usage_id)
        assert not await stores[1].usage.spent("red", one.usage_id)
        assert await stores[1].usage.record("red", one, expires_at=9)
        assert await rows(stores[0], ALL) == [one]
    finally:
        for store in stores:
            await store.close()


async def test_usage_is_paged_by_time_and_consumer(store: SqlStore) -> None:
    kept = [usage(n, at_ms=1_000 + n // 4, client_id=("bank", "shop")[n % 2]) for n in range(60)]
    for each in kept:
        assert await store.usage.record("blue", each, expires_at=0)
    await store.usage.record("red", usage(99), expires_at=0)
    found = await rows(store, Span(1_003, 1_010))
    assert sorted(found, key=lambda each: each.usage_id) == sorted(
        (each for each in kept if 1_003 <= each.at_ms < 1_010), key=lambda each: each.usage_id
    )
    assert {each.client_id for each in await rows(store, ALL, client_id="shop")} == {"shop"}
    assert len(await rows(store, ALL, client_id="shop")) == 30
    assert await store.usage.page("blue", ALL, Place(99), limit=3) == ((), None)


async def test_what_counts_for_quotas_is_neither_refused_nor_of_a_sandbox(store: SqlStore) -> None:
    for n, members in enumerate(
        (
            {},
            {},
            {"outcome": Outcome.REFUSED},
            {"sandbox": True},
            {"api": "sim-swap"},
            {"at_ms": 9_999},
        )
    ):
        await store.usage.record("blue", usage(n, **members), expires_at=0)  # type: ignore[arg-type]
    await store.usage.record("red", usage(0), expires_at=0)
    counted = await store.usage.counted(Span(5_000, 9_999))
    assert sorted(counted, key=str) == [
        Counted("blue", "bank", "number-verification", 2),
        Counted("blue", "bank", "sim-swap", 1),
        Counted("red", "bank", "number-verification", 1),
    ]


async def test_usage_is_kept_until_it_is_old_and_its_token_over(store: SqlStore) -> None:
    await store.usage.record("blue", usage(1, at_ms=1_000), expires_at=50)
    await store.usage.record("blue", usage(2, at_ms=1_000), expires_at=99)
    await store.usage.record("blue", usage(3, at_ms=2_000), expires_at=50)
    assert await store.usage.purge(before_ms=2_000, now=99) == 1
    assert {each.usage_id[0] for each in await rows(store, ALL)} == {2, 3}
    assert await store.usage.purge(before_ms=2_000, now=99) == 0


def added_up(parts: Iterable[Total]) -> Counter[object]:
    sums: Counter[object] = Counter()
    for each in parts:
        alike = replace(each, count=0, price_micros=0, share_micros=0)
        sums[alike, "count"] += each.count
        sums[alike, "price"] += each.price_micros
        sums[alike, "share"] += each.share_micros
    return sums


def of_row(row: Usage) -> Total:
    return Total(
        client_id=row.client_id,
        application=row.application,
        api=row.api,
        operation=row.operation,
        method=row.method,
        outcome=row.outcome,
        tariff=row.tariff,
        currency=row.currency,
        sandbox=row.sandbox,
        count=1,
        price_micros=row.price_micros,
        share_micros=row.share_micros,
    )


MONEY = st.integers(min_value=0, max_value=2**40)
USED = st.fixed_dictionaries(
    {
        "at_ms": st.integers(min_value=0, max_value=9),
        "client_id": st.sampled_from(("bank", "shop")),
        "outcome": st.sampled_from(Outcome),
        "currency": st.sampled_from(("EUR", "USD")),
        "price_micros": MONEY,
        "share_micros": MONEY,
    }
)


@settings(
    max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(used=st.lists(USED, max_size=10), tenant=st.uuids().map(str))
async def test_totals_are_those_of_the_rows(
    store: SqlStore, used: list[dict[str, object]], tenant: str
) -> None:
    for n, members in enumerate(used):
        await store.usage.record(tenant, usage(n, **members), expires_at=0)  # type: ignore[arg-type]
    for client_id in ("", "shop"):
        span = Span(2, 8)
        parts = [
            each
            async for some in store.usage.totals(tenant, span, client_id=client_id)
            for each in some
        ]
        found = await rows(store, span, tenant, client_id=client_id)
        assert added_up(parts) == added_up(map(of_row, found))
        wanted = [m for m in used if client_id in ("", m["client_id"]) and 2 <= m["at_ms"] < 8]  # type: ignore[operator]
        assert len(found) == len(wanted)


@pytest.mark.parametrize("share", [0, 1, 333_333, 1_000_000])
def test_shares_are_of_each_answer_and_nothing_is_lost(share: int) -> None:
    tariff = replace(
        GOLD,
        share_ppm=share,
        prices=(
            Price(outcome=Outcome.MATCH, micros=7),
            Price(outcome=Outcome.MATCH, micros=11, operation="share"),
            Price(outcome=Outcome.MATCH, micros=13, method=Method.CHALLENGE),
        ),
    )
    for operation, method, micros in (
        ("verify", Method.SIM, 7),
        ("share", Method.SIM, 11),
        ("verify", Method.CHALLENGE, 13),
        ("share", Method.CHALLENGE, 11),  # What is said of the operation counts first.
    ):
        charge = tariff.charge(operation, Outcome.MATCH, method)
        assert charge.price_micros == micros
        assert charge.share_micros == micros * share // 1_000_000 <= micros
    assert tariff.charge("verify", Outcome.REFUSED, Method.SIM).price_micros == 0
