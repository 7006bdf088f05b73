"""Two nodes and one database: a token is spent once, whoever is in a hurry and whoever dies."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from urllib.parse import urlencode

import asyncpg
import pytest

from simgrant.compose.store import open_keys
from simgrant.config.load import DEFAULT_TENANT
from simgrant.domain.camara.month import month_of
from simgrant.domain.camara.tariff import Price, Tariff
from simgrant.domain.camara.usage import Outcome, Usage
from simgrant.flows.camara import statements
from simgrant.flows.camara.proving import ASSERTION_TYPE
from simgrant.flows.camara.tokens import pull_access_token
from simgrant.flows.lent_tokens import pull_lent
from simgrant.keyring.ring import Purpose
from simgrant.ports.camara_usage import Total
from tests.e2e.banks import (
    PURPOSE,
    TARIFF,
    Bank,
    Told,
    consumer,
    listening,
    posted,
    verification,
)
from tests.e2e.lean import GONE
from tests.e2e.nodes import SIMS, Node, Site, locked, until_locked_out
from tests.e2e.phones import Phone
from tests.jwts import EcSigner

pytestmark = pytest.mark.e2e

T = DEFAULT_TENANT
SIGNER = EcSigner("bank-1")
CUSTOMERS, STRIKES = 8, 4
AT_ONCE = 50
PRICE, SHARE = 30_001, 250_000
GOLD = Tariff(
    name=TARIFF,
    valid_from=0,
    currency="EUR",
    prices=(Price(outcome=Outcome.MATCH, micros=PRICE),),
    share_ppm=SHARE,
)


@pytest.fixture(scope="module")
def pair(shared_site: Site) -> list[Node]:
    """Two nodes that serve a bank."""

    async def enrol() -> None:
        async with shared_site.store() as store:
            assert await store.consumers.put_tariff(T, GOLD)
            assert await store.consumers.put(T, consumer(SIGNER), seen=0)

    asyncio.run(enrol())
    return listening(shared_site, 2)


@pytest.fixture
async def bank(pair: list[Node]) -> AsyncIterator[Bank]:
    """The bank, at both nodes."""
    bank = Bank(pair, SIGNER)
    yield bank
    bank.close()


@pytest.fixture
async def customers(pair: list[Node]) -> AsyncIterator[list[Phone]]:
    """Phones whose SIMs were proved."""
    made = [Phone(sim, app="ap2014", entitlement_version="12.0") for sim in SIMS[:CUSTOMERS]]
    for phone in made:
        assert (await phone.full(*pair)).status == 200
    yield made
    for phone in made:
        await phone.__aexit__()


# --- races -----------------------------------------------------------------------------------


async def everywhere(
    bank: Bank, site: Site, table: str, requests: Iterable[bytes]
) -> Mapping[int, list[bytes]]:
    """Send requests to both nodes in turn; return the bodies of the answers, by status.

    All that can have read that nothing was done yet, before anybody writes into the table.
    """
    async with locked(site, table, mode="SHARE") as release:
        asked = [
            asyncio.create_task(bank.ask(bank.nodes[number % 2], request))
            for number, request in enumerate(requests)
        ]
        await until_locked_out(site, 4)
        await release()
        answers = await asyncio.gather(*asked)
    found: dict[int, list[bytes]] = {}
    for status, body in answers:
        found.setdefault(status, []).append(body)
    return found


def counted(found: Mapping[int, list[bytes]]) -> dict[int, int]:
    return {status: len(bodies) for status, bodies in found.items()}


async def test_of_fifty_who_redeem_a_temporary_token_one_gets_an_access_token(
    bank: Bank, shared_site: Site, customers: list[Phone]
) -> None:
    temporary = await bank.lend(customers[0])
    requests = [bank.redemption(temporary) for _ in range(AT_ONCE)]
    found = await everywhere(bank, shared_site, "token_use", requests)
    assert counted(found) == {200: 1, 400: AT_ONCE - 1}
    assert {json.loads(body)["error"] for body in found[400]} == {"invalid_grant"}


async def test_of_fifty_who_show_an_access_token_for_one_call_one_is_answered(
    bank: Bank, shared_site: Site, customers: list[Phone]
) -> None:
    number = customers[0].sim.msisdn
    assert number
    told = await redeemed(bank, customers[0])
    before = await rows_of(shared_site)
    requests = [verification(told, number.digits)] * AT_ONCE
    found = await everywhere(bank, shared_site, "camara_usage", requests)
    assert counted(found) == {200: 1, 401: AT_ONCE - 1}
    assert len(set(found[401])) == 1, "who comes late learns nothing"
    rows = await rows_of(shared_site)
    assert rows.keys() - before.keys() == {access_id(shared_site, told)}


async def test_an_assertion_is_good_once_at_all_nodes_together(
    bank: Bank, shared_site: Site, customers: list[Phone]
) -> None:
    one, other = bank.nodes
    first, second = await bank.lend(customers[0]), await bank.lend(customers[1])
    assert (await bank.ask(one, bank.redemption(first, jti="once")))[0] == 200
    # It is the assertion that is refused: the temporary token is still whole.
    assert (await bank.ask(other, bank.redemption(second, jti="once")))[0] == 400
    assert (await bank.ask(other, bank.redemption(second)))[0] == 200
    form = {
        "grant_type": "client_credentials",
        "scope": f"dpv:{PURPOSE} sim-swap:check",
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": bank.assertion(sub="bank"),
    }
    requests = [posted("/oauth2/token", urlencode(form))] * AT_ONCE
    found = await everywhere(bank, shared_site, "camara_assertion", requests)
    assert counted(found) == {200: 1, 401: AT_ONCE - 1}
    assert {json.loads(body)["error"] for body in found[401]} == {"invalid_client"}


# --- nodes that die --------------------------------------------------------------------------


async def test_what_a_node_asked_of_the_database_before_it_died_counts_once(
    bank: Bank, shared_site: Site, customers: list[Phone]
) -> None:
    one, other = bank.nodes
    numbers = [phone.sim.msisdn.digits for phone in customers if phone.sim.msisdn]
    tokens = [await redeemed(bank, phone) for phone in customers]
    before = await rows_of(shared_site)
    requests = [verification(*each) for each in zip(tokens, numbers, strict=True)]
    async with locked(shared_site, "camara_usage", mode="SHARE") as release:
        lost = [asyncio.create_task(bank.ask(one, each)) for each in requests]
        await until_locked_out(shared_site, len(requests))
        await bank.kill(one, after=0)
        assert {status for status, _ in await asyncio.gather(*lost)} == {GONE}
        again = [asyncio.create_task(bank.ask(other, each)) for each in requests]
        await until_locked_out(shared_site, len(requests) + 1)
        await release()
        answers = await asyncio.gather(*again)
    await bank.revive(one)
    # Whether the dead node's statements were still done is up to the database.
    assert {status for status, _ in answers} <= {200, 401}
    rows = await rows_of(shared_site)
    assert rows.keys() - before.keys() == {access_id(shared_site, each) for each in tokens}


async def test_books_are_the_tokens_that_were_spent_after_a_storm(
    bank: Bank, shared_site: Site, customers: list[Phone]
) -> None:
    before = await rows_of(shared_site)
    redeemed_before = await temporaries_of(shared_site)
    told: list[Told] = []
    over = asyncio.Event()

    async def live(phone: Phone) -> None:
        while not over.is_set():
            own, twice = random.random() < 0.5, random.random() < 0.3
            told.append(await bank.follow(phone, claims_its_own=own, twice=twice))

    async def strike() -> None:
        """Kill one node and then the other, each at some moment, and bring both back."""
        for node in random.sample(bank.nodes, 2):
            await bank.kill(node, after=random.randint(1, 60))
        await asyncio.gather(*map(bank.revive, bank.nodes))

    async with asyncio.TaskGroup() as group:
        for phone in customers:
            group.create_task(live(phone))
        for _ in range(STRIKES):
            await strike()
        over.set()

    rows = await rows_of(shared_site)
    keys = open_keys(shared_site.loaded())
    new = {usage_id: row for usage_id, row in rows.items() if usage_id not in before}
    spent = {access_id(shared_site, each.access): each for each in told if each.access}
    assert sum(each.lost for each in told), "nobody died at a bad moment"
    assert len({each.temporary for each in told}) == len(told)

    # Every token for one call that anybody had was spent by one row, and there is no other row.
    assert new.keys() == spent.keys()
    for usage_id, each in spent.items():
        row = new[usage_id]
        outcome = Outcome.MATCH if each.claims_its_own else Outcome.NO_MATCH
        price = PRICE if each.claims_its_own else 0
        assert (row.outcome, row.status, row.price_micros) == (outcome, 200, price)
        assert row.share_micros == price * SHARE // 1_000_000
        assert each.verified in (None, each.claims_its_own)
    # And each of them was got for a temporary token that nobody got another one for.
    ids = set()
    for each in told:
        opened = pull_lent(Purpose.TEMPORARY_TOKEN, each.temporary, keys, now=time.time())
        assert opened
        ids.add(opened[1].token_id)
    assert await temporaries_of(shared_site) - redeemed_before == ids

    totals = await totals_of(shared_site)
    assert list(totals) == list(statements.added_up(map(statements.total_of, rows.values())))
    assert sum(each.count for each in totals) == len(rows)
    matches = Counter(row.outcome for row in rows.values())[Outcome.MATCH]
    assert sum(each.price_micros for each in totals) == PRICE * matches


# --- what is in the database --------------------------------------------------------------------


async def redeemed(bank: Bank, phone: Phone) -> str:
    """Return an access token for a phone's number."""
    status, body = await bank.ask(bank.nodes[1], bank.redemption(await bank.lend(phone)))
    assert status == 200, body
    return str(json.loads(body)["access_token"])


def access_id(site: Site, access: str) -> bytes:
    return pull_access_token(access, open_keys(site.loaded()), now=time.time())[1].token_id


async def rows_of(site: Site) -> dict[bytes, Usage]:
    """Return all usage of this month, by its id."""
    span = statements.span_of(month_of(time.time()))
    async with site.store() as store:
        pages = statements.exported(store.usage, T, span, limit=200)
        return {row.usage_id: row async for page, _ in pages for row in page}


async def totals_of(site: Site) -> Iterable[Total]:
    async with site.store() as store:
        return await statements.statement(store.usage, T, month_of(time.time()))


async def temporaries_of(site: Site) -> set[bytes]:
    """Return the ids of temporary tokens that were redeemed."""
    connection = await asyncpg.connect(str(site.settings["store.url"]))
    try:
        return {row[0] for row in await connection.fetch("SELECT token_id FROM token_use")}
    finally:
        await connection.close()
