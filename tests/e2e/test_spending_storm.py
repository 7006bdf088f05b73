"""Books after a storm: processes that die while they spend tokens, and what is in the rows then."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from simgrant.adapters.store import migrate
from simgrant.compose.store import open_store
from simgrant.config.load import load
from simgrant.domain.camara.month import month_of
from simgrant.domain.camara.tariff import Price, Tariff
from simgrant.domain.camara.usage import Outcome
from simgrant.flows.camara import statements
from tests.e2e.spending_process import AT_MS, AT_ONCE, BACK, WRITERS, T, token_id, usage
from tests.servers.postgres import Postgres

pytestmark = pytest.mark.e2e

TOKENS, KILLS = 400, 12
PRICE, SHARE = 30_001, 250_000
GOLD = Tariff(
    name="gold",
    valid_from=0,
    currency="EUR",
    prices=(Price(outcome=Outcome.MATCH, micros=PRICE),),
    share_ppm=SHARE,
)


def storm(settings: Path) -> bytes:
    return subprocess.run(
        [sys.executable, "-m", "tests.e2e.spending_process", settings, str(TOKENS), str(KILLS)],
        stdout=subprocess.PIPE,
        check=True,
        timeout=120,
        cwd=Path(__file__).parents[2],
    ).stdout


async def test_rows_are_the_tokens_that_were_spent(postgres: Postgres, tmp_path: Path) -> None:
    url = postgres.create_database()
    migrate.upgrade(url)
    settings = tmp_path / "simgrant.toml"
    settings.write_text(f'[store]\nurl = "{url}"\n')
    store = await open_store(load(settings, {}))
    assert await store.consumers.put_tariff(T, GOLD)

    found = json.loads(await asyncio.to_thread(storm, settings))
    assert found["lives"] == KILLS + WRITERS
    won: Counter[int] = Counter()
    lost: set[int] = set()
    for number, is_won, times in found["told"]:
        if is_won:
            won[number] += times
        else:
            lost.add(number)

    month = month_of(AT_MS / 1000)
    pages = statements.exported(store.usage, T, statements.span_of(month), limit=50)
    rows = {row.usage_id: row async for page, _ in pages for row in page}
    totals = await statements.statement(store.usage, T, month)
    await store.close()

    assert not [number for number, times in won.items() if times > 1], "spent twice"
    assert lost, "the writers did not show the same tokens"
    assert rows.keys() == {token_id(number) for number in range(TOKENS)}
    untold = TOKENS - len(won)
    assert untold <= KILLS * AT_ONCE, "spent, and nobody was told so but those who were killed"
    assert set(range(TOKENS)) - won.keys() <= lost, "what a dead writer spent is spent"
    for number in range(TOKENS):
        price = 0 if number % 2 else PRICE
        share = price * SHARE // 1_000_000
        priced = replace(usage(number), price_micros=price, share_micros=share, currency="EUR")
        assert rows[token_id(number)] == priced
    assert list(totals) == list(statements.added_up(map(statements.total_of, rows.values())))
    assert sum(each.count for each in totals) == TOKENS
    assert sum(each.price_micros for each in totals) == PRICE * TOKENS // 2
    assert BACK > AT_ONCE, "whoever goes on looks at all that may have been under way"
