"""Prices, quotas and limits: what is written, and who is told that it is too much."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from simgrant.domain.camara.access_token import Method
from simgrant.domain.camara.consumer import Consumer, Permission, Rates
from simgrant.domain.camara.month import Month, month_of, pull_month
from simgrant.domain.camara.tariff import Price, Tariff
from simgrant.domain.camara.usage import Outcome, Usage
from simgrant.errors import NotAllowed, Overloaded, PeerUnavailable
from simgrant.flows.camara.books import Books
from simgrant.flows.camara.fraud import Fraud, FraudRules, Reaction
from simgrant.flows.camara.quotas import Quotas
from simgrant.flows.limits import Rate
from simgrant.ports.camara_usage import Counted, Span

NOVEMBER = Month(2026, 11)
T = "default"


@given(at=st.integers(min_value=0, max_value=32_503_680_000 - 1))
def test_every_moment_is_in_its_month_and_in_no_other(at: int) -> None:
    month = month_of(at)
    assert month.since <= at < month.until
    assert month.next.since == month.until
    assert month_of(month.since) == month == month_of(month.until - 1)


def test_months_are_written_as_they_are_read() -> None:
    assert pull_month("2026-11") == NOVEMBER
    assert str(NOVEMBER) == "2026-11"
    assert NOVEMBER.since == datetime(2026, 11, 1, tzinfo=UTC).timestamp()
    for text in ("", "2026", "2026-13", "2026-00", "2026-1", "1999-01", "2026-11-01", "٢٠٢٦-11"):
        with pytest.raises(ValueError, match="no month"):
            pull_month(text)


@dataclass
class Clock:
    wall: float = NOVEMBER.since + 1000.0
    time: float = 0.0

    def now(self) -> float:
        return self.wall

    def monotonic(self) -> float:
        return self.time


@dataclass
class Rows:
    """Rows in memory."""

    kept: dict[tuple[str, bytes], Usage] = field(default_factory=dict)
    spans: list[Span] = field(default_factory=list)
    away: bool = False

    async def record(self, tenant: str, usage: Usage, *, expires_at: int) -> bool:
        del expires_at
        if (tenant, usage.usage_id) in self.kept:
            return False
        self.kept[tenant, usage.usage_id] = usage
        return True

    async def spent(self, tenant: str, token_id: bytes) -> bool:
        return (tenant, token_id) in self.kept

    async def counted(self, span: Span) -> Sequence[Counted]:
        if self.away:
            raise PeerUnavailable("store_away")
        self.spans.append(span)
        found = Counter(
            (tenant, usage.client_id, usage.api)
            for (tenant, _), usage in self.kept.items()
            if span.since_ms <= usage.at_ms < span.until_ms
            and usage.outcome is not Outcome.REFUSED
            and not usage.sandbox
        )
        return [Counted(*key, count) for key, count in found.items()]


class Tariffs:
    """One tariff, from a moment on."""

    def tariff(self, tenant: str, name: str, *, at: int) -> Tariff | None:
        assert tenant == T
        if name != "gold" or at < 1_000:
            return None
        prices = (
            Price(outcome=Outcome.MATCH, micros=30_001),
            Price(outcome=Outcome.MATCH, micros=5, operation="share"),
        )
        return Tariff(name=name, valid_from=1_000, currency="EUR", prices=prices, share_ppm=333_333)


def usage(number: int = 0, **members: object) -> Usage:
    made = Usage(
        usage_id=number.to_bytes(16, "big"),
        at_ms=(NOVEMBER.since + 999) * 1000,
        client_id="bank",
        api="number-verification",
        operation="verify",
        method=Method.SIM,
        outcome=Outcome.MATCH,
        status=200,
        tariff="gold",
    )
    return replace(made, **members)  # type: ignore[arg-type]


def books(rows: Rows, quotas: Quotas | None = None) -> Books:
    used = (quotas.used,) if quotas is not None else ()
    return Books(rows, Tariffs(), *used)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("members", "price", "share", "currency"),
    [
        ({}, 30_001, 10_000, "EUR"),
        ({"operation": "share"}, 5, 1, "EUR"),
        ({"outcome": Outcome.REFUSED}, 0, 0, "EUR"),
        ({"sandbox": True}, 0, 0, ""),
        ({"tariff": ""}, 0, 0, ""),
    ],
)
def test_an_answer_costs_what_the_tariff_of_its_moment_says(
    members: dict[str, object], price: int, share: int, currency: str
) -> None:
    found = books(Rows()).priced(T, replace(usage(), **members))  # type: ignore[arg-type]
    assert (found.price_micros, found.share_micros, found.currency) == (price, share, currency)


def test_a_tariff_that_is_not_in_force_is_complained_of_once() -> None:
    made = books(Rows())
    with capture_logs() as logs:
        for name in ("gold", "gold", "silver"):
            found = made.priced(T, usage(tariff=name, at_ms=999_999))
            assert (found.tariff, found.price_micros) == (name, 0)
    assert [each["tariff"] for each in logs] == ["gold", "silver"]


# --- quotas ------------------------------------------------------------------------------------

BANK = Consumer(client_id="bank", name="Bank")


def permission(**rates: float) -> Permission:
    return Permission(
        api="number-verification",
        scopes=frozenset(),
        purposes=frozenset(),
        rates=Rates(**rates),  # type: ignore[arg-type]
    )


def take(quotas: Quotas, given: Permission, *, now: float = 0.0, consumer: Consumer = BANK) -> str:
    try:
        quotas.take(T, consumer, given, now=now)
    except Overloaded as error:
        return error.reason if error.retry_after else "no time to come back"
    return ""


def test_a_rate_is_each_consumers_and_apis_own() -> None:
    quotas, two = Quotas(Rows(), Clock()), permission(per_second=2)  # type: ignore[arg-type]
    assert [take(quotas, two) for _ in range(3)] == ["", "", "too_many_requests"]
    assert take(quotas, replace(two, api="sim-swap")) == ""
    assert take(quotas, two, consumer=replace(BANK, client_id="shop")) == ""
    assert take(quotas, two, now=0.5) == ""
    assert take(quotas, two, now=0.5) == "too_many_requests"
    more = permission(per_second=2, burst=5)
    assert [take(quotas, more, now=0.5) for _ in range(6)] == [""] * 5 + ["too_many_requests"]
    assert not any(take(quotas, permission()) for _ in range(1000))


async def test_a_month_is_counted_in_rows_and_in_what_was_written_since() -> None:
    rows, clock = Rows(), Clock()
    quotas = Quotas(rows, clock)  # type: ignore[arg-type]
    ours, three = books(rows, quotas), permission(per_month=3)
    for n in range(2):
        rows.kept[T, bytes([n])] = usage(n)
    assert take(quotas, three) == "", "nothing was counted yet"
    await quotas.look()
    assert take(quotas, three) == ""
    assert await ours.record(T, usage(7), expires_at=0)
    assert not await ours.record(T, usage(7), expires_at=0)
    assert take(quotas, three) == "quota_exceeded"
    assert take(quotas, three, consumer=replace(BANK, sandbox=True)) == ""
    assert take(quotas, permission(per_month=4)) == ""
    for _ in range(3):
        clock.wall += 100
        await quotas.look()
        assert take(quotas, three) == "quota_exceeded"
        assert take(quotas, permission(per_month=4)) == ""
    clock.wall = NOVEMBER.until
    assert take(quotas, three) == ""
    await quotas.look()
    assert take(quotas, three) == ""


@given(
    st.lists(
        st.tuples(st.sampled_from(("own", "other", "late", "look")), st.integers(0, 20_000)),
        max_size=30,
    )
)
def test_however_it_is_looked_at_nothing_is_counted_twice_or_forgotten(
    steps: list[tuple[str, int]],
) -> None:
    async def play() -> None:
        rows, clock = Rows(), Clock()
        quotas = Quotas(rows, clock)  # type: ignore[arg-type]
        ours = books(rows, quotas)
        take(quotas, permission(per_month=1))
        for number, (step, ms) in enumerate(steps):
            clock.wall += ms / 1000
            made = usage(number, at_ms=int(clock.now() * 1000))
            match step:
                case "own":
                    await ours.record(T, made, expires_at=0)
                case "other":
                    await rows.record(T, made, expires_at=0)
                case "late":
                    late = replace(made, at_ms=made.at_ms - 9_000)
                    await rows.record(T, late, expires_at=0)
                case "look":
                    await quotas.look()
        await quotas.look()
        if rows.kept:
            assert take(quotas, permission(per_month=len(rows.kept))) == "quota_exceeded"
        assert take(quotas, permission(per_month=len(rows.kept) + 1)) == ""

    asyncio.run(play())


async def test_rows_are_read_once_but_for_the_last_seconds() -> None:
    rows, clock = Rows(), Clock()
    quotas = Quotas(rows, clock)  # type: ignore[arg-type]
    await quotas.look()
    assert rows.spans == []
    take(quotas, permission(per_month=1))
    await quotas.look()
    clock.wall += 5
    rows.spans.clear()
    await quotas.look()
    settled, fresh = rows.spans
    assert settled.until_ms - settled.since_ms == 5_000
    assert fresh.since_ms == (clock.wall - 10) * 1000


async def test_while_the_store_is_away_what_was_counted_counts() -> None:
    rows, clock = Rows(), Clock()
    quotas = Quotas(rows, clock)  # type: ignore[arg-type]
    one = permission(per_month=1)
    take(quotas, one)
    rows.kept[T, b""] = usage()
    await quotas.look()
    rows.away = True
    with pytest.raises(PeerUnavailable):
        await quotas.look()
    assert take(quotas, one) == "quota_exceeded"


# --- fraud -------------------------------------------------------------------------------------

SLOW = FraudRules(number=Rate(3, 0.001), number_consumer=Rate(2, 0.001), device=Rate(4, 0.001))


def asked(fraud: Fraud, client_id: str = "bank", number: str = "1", device: str = "") -> str:
    try:
        fraud.ask(T, client_id, number=number, device=device, now=0)
    except Overloaded as error:
        return error.reason
    return ""


def test_a_number_is_asked_about_in_measure() -> None:
    fraud = Fraud(SLOW)
    assert [asked(fraud) for _ in range(3)] == ["", "", "number_asked_too_often"]
    assert [asked(fraud, "shop") for _ in range(2)] == ["", "number_asked_too_often"]
    assert asked(fraud, number="2") == ""


def test_a_device_gets_tokens_in_measure_whatever_the_number() -> None:
    fraud = Fraud(SLOW)
    found = [asked(fraud, number=str(n), device="d") for n in range(5)]
    assert found == [""] * 4 + ["device_asks_too_often"]
    assert asked(fraud, number="9", device="e") == ""


@pytest.mark.parametrize(
    ("reaction", "hours", "young"),
    [
        (Reaction.MARK, 24, "sim_swapped"),
        (Reaction.REFUSE, 24, "refused"),
        (Reaction.NOTHING, 24, ""),
        (Reaction.REFUSE, 0, ""),
    ],
)
def test_a_new_sim_is_marked_or_proves_nothing(reaction: Reaction, hours: int, young: str) -> None:
    fraud = Fraud(FraudRules(sim_age_h=hours, reaction=reaction))

    def judged(age_s: float) -> str:
        try:
            return fraud.judge(1_000_000, at=1_000_000 + age_s)
        except NotAllowed as error:
            return {"sim_swapped_lately": "refused"}[error.reason]

    assert judged(24 * 3600 - 1) == young
    assert judged(-5) == (young if hours else "")
    assert judged(24 * 3600) == ""
    assert fraud.judge(0, at=1) == ""
