"""What was used in a month: totals for an invoice, rows for who doubts them, and TMF635's words.

Totals are those of the rows, to the last millionth: prices and shares are written with each row,
and nothing is rounded when they are added up.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import msgspec

from simgrant.domain.camara.month import Month
from simgrant.domain.camara.tariff import MILLION
from simgrant.domain.camara.usage import Usage
from simgrant.nouns import replace
from simgrant.ports.camara_usage import Place, Span, Total, UsageRows

_PAGE: Final = 500
_PLACE: Final = re.compile(r"([0-9]{1,2})\.(-1|[0-9]{1,18})\.((?:[0-9a-f]{2}){0,16})")


def span_of(month: Month) -> Span:
    """Return the span that a month is."""
    return Span(month.since * 1000, month.until * 1000)


async def statement(
    rows: UsageRows, tenant: str, month: Month, *, client_id: str = ""
) -> Sequence[Total]:
    """Return the totals of a month, in the order of consumer, API, operation, way and outcome."""
    parts = rows.totals(tenant, span_of(month), client_id=client_id)
    return added_up([each async for some in parts for each in some])


def added_up(parts: Iterable[Total]) -> Sequence[Total]:
    """Return totals with those put together that are alike, in their order."""
    sums: dict[Total, tuple[int, int, int]] = {}
    for part in parts:
        alike = replace(part, count=0, price_micros=0, share_micros=0)
        count, price, share = sums.get(alike, (0, 0, 0))
        sums[alike] = (
            count + part.count,
            price + part.price_micros,
            share + part.share_micros,
        )
    found = (
        replace(alike, count=count, price_micros=price, share_micros=share)
        for alike, (count, price, share) in sums.items()
    )
    return sorted(found, key=_order)


def _order(total: Total) -> tuple[str | bool, ...]:
    return (
        total.sandbox,
        total.client_id,
        total.currency,
        total.api,
        total.operation,
        total.method.value,
        total.application,
        total.tariff,
        total.outcome.value,
    )


def total_of(usage: Usage) -> Total:
    """Return the total of one row."""
    return Total(
        client_id=usage.client_id,
        application=usage.application,
        api=usage.api,
        operation=usage.operation,
        method=usage.method,
        outcome=usage.outcome,
        tariff=usage.tariff,
        currency=usage.currency,
        sandbox=usage.sandbox,
        count=1,
        price_micros=usage.price_micros,
        share_micros=usage.share_micros,
    )


async def exported(
    rows: UsageRows,
    tenant: str,
    span: Span,
    *,
    client_id: str = "",
    after: Place | None = None,
    limit: int = _PAGE,
) -> AsyncIterator[tuple[Sequence[Usage], Place | None]]:
    """Yield rows, at most ``limit`` at a time, each time with where to go on; None = at the end.

    They come in parts that are in the order of time each.
    """
    place: Place | None = after or Place()
    while place is not None:
        found, place = await rows.page(tenant, span, place, client_id=client_id, limit=limit)
        yield found, place


def push_place(place: Place) -> str:
    """Return a place as a text."""
    return f"{place.shard}.{place.at_ms}.{place.usage_id.hex()}"


def pull_place(text: str) -> Place:
    """Return the place that a text says; raise ValueError."""
    found = _PLACE.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no place where an export ended")
    return Place(int(found[1]), int(found[2]), bytes.fromhex(found[3]))


# --- what is shown ------------------------------------------------------------------------------


def amount(micros: int) -> str:
    """Return money in its currency, with as many decimals as it has, two at least."""
    text = f"{Decimal(micros) / MILLION:.6f}"
    return re.sub(r"(\.[0-9]{2}[0-9]*?)0*$", r"\1", text)


class StatementLine(msgspec.Struct, kw_only=True):
    """Answers that are alike. Amounts are exact, in their currency."""

    consumer: str
    application: str
    api: str
    operation: str
    method: str
    """How the subscriber was proved."""
    outcome: str
    tariff: str
    sandbox: bool
    count: int
    currency: str
    price: str
    aggregator: str
    """Of the price, the aggregator's."""
    operator: str
    """Of the price, the operator's."""


def line_of(total: Total) -> StatementLine:
    """Return a line of a statement."""
    return StatementLine(
        consumer=total.client_id,
        application=total.application,
        api=total.api,
        operation=total.operation,
        method=total.method.value,
        outcome=total.outcome.value,
        tariff=total.tariff,
        sandbox=total.sandbox,
        count=total.count,
        currency=total.currency,
        price=amount(total.price_micros),
        aggregator=amount(total.share_micros),
        operator=amount(total.price_micros - total.share_micros),
    )


class UsageRow(msgspec.Struct, kw_only=True):
    """One answer, and what it costs. Amounts are exact, in their currency."""

    id: str
    at: str
    consumer: str
    application: str
    api: str
    operation: str
    purpose: str
    method: str
    outcome: str
    status: int
    code: str
    subject: str
    """A keyed reference of the number that it is about."""
    correlator: str
    suspicion: str
    sandbox: bool
    duration_us: int
    tariff: str
    currency: str
    price: str
    aggregator: str
    operator: str


def row_of(usage: Usage) -> UsageRow:
    """Return a row of an export."""
    return UsageRow(
        id=usage.usage_id.hex(),
        at=moment_ms(usage.at_ms),
        consumer=usage.client_id,
        application=usage.application,
        api=usage.api,
        operation=usage.operation,
        purpose=usage.purpose,
        method=usage.method.value,
        outcome=usage.outcome.value,
        status=usage.status,
        code=usage.code,
        subject=usage.subject_ref,
        correlator=usage.correlator,
        suspicion=usage.suspicion,
        sandbox=usage.sandbox,
        duration_us=usage.duration_us,
        tariff=usage.tariff,
        currency=usage.currency,
        price=amount(usage.price_micros),
        aggregator=amount(usage.share_micros),
        operator=amount(usage.price_micros - usage.share_micros),
    )


def plain(usage: Usage) -> dict[str, Any]:
    """Return a row of an export by the names of its members."""
    return msgspec.structs.asdict(row_of(usage))


_CHARACTERISTICS: Final = (
    "application",
    "operation",
    "purpose",
    "method",
    "outcome",
    "status",
    "code",
    "subject",
    "correlator",
    "suspicion",
    "sandbox",
    "aggregator",
    "operator",
)


def tmf635(usage: Usage) -> dict[str, Any]:
    """Return a row as a Usage of TM Forum's Usage Management API (TMF635, 4.0.0).

    It is ``rated``; what the API has no word for is a ``usageCharacteristic``, and the price, which
    is a floating point number there, is one as a text as well.
    """
    data = plain(usage)
    named = [{"name": "price", "value": data["price"]}] if usage.currency else []
    named += [
        {"name": name, "value": data[name]}
        for name in _CHARACTERISTICS
        if data[name] not in ("", False)
    ]
    made: dict[str, Any] = {
        "id": data["id"],
        "usageDate": data["at"],
        "usageType": usage.api,
        "description": f"{usage.api} {usage.operation}",
        "status": "rated",
        "usageSpecification": {"id": usage.operation, "name": usage.operation},
        "usageCharacteristic": named,
        "relatedParty": [
            {"id": usage.client_id, "role": "consumer", "@referredType": "Organization"}
        ],
        "@type": "Usage",
    }
    if usage.currency:
        made["ratedProductUsage"] = [
            {
                "isBilled": False,
                "ratingDate": data["at"],
                "offerTariffType": usage.tariff,
                "usageRatingTag": "usage",
                "taxExcludedRatingAmount": {
                    "unit": usage.currency,
                    "value": usage.price_micros / MILLION,
                },
            }
        ]
    return made


def moment_ms(at_ms: int) -> str:
    """Return Unix milliseconds in ISO 8601."""
    seconds, ms = divmod(at_ms, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{ms:03}Z"
