"""A database that crashes and comes back, and one that is replaced by its replica."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace

import pytest

from simgrant.compose.store import open_keys
from simgrant.config.load import DEFAULT_TENANT
from simgrant.sim.http import Answer
from tests.e2e.nodes import NO_LIMITS, SIMS, Site, until
from tests.e2e.phones import (
    ENABLED,
    Crowd,
    Phone,
    busy,
    cookie_of,
    document_of,
    is_challenge,
    phones,
    token_of,
    vowifi_of,
)
from tests.servers.postgres import Postgres

pytestmark = pytest.mark.e2e

PHONES = 12


class Watch:
    """What good phones may see of a database that goes away: 503, and nothing that is wrong."""

    def __init__(self) -> None:
        self.wrong: Counter[str] = Counter()

    def look(self, answer: Answer) -> None:
        if answer.status == 503:
            wait = answer.first("retry-after")
            if not (wait.isdigit() and int(wait) >= 1):
                self.wrong[f"503 with Retry-After {wait!r}"] += 1
        elif answer.status != 200:
            self.wrong[f"{answer.status} {answer.body[:60]!r}"] += 1
        elif not is_challenge(answer) and vowifi_of(answer) != ENABLED:
            self.wrong[f"document {document_of(answer)}"] += 1


async def test_a_database_crash_is_503_for_a_while_and_over_without_a_restart(
    durable: Postgres, durable_site: Site
) -> None:
    node = durable_site.node(settings=NO_LIMITS)
    watch = Watch()

    async def act(phone: Phone, crowd: Crowd) -> None:
        """Ask in every way; an answer that got 503 is repeated until it is taken."""
        challenge = await phone.begin(node)
        watch.look(challenge)
        await crowd.note(challenge)
        if challenge.status == 200:
            reply, cookie = phone.reply(challenge), cookie_of(challenge)
            answer = await phone.finish(node, reply, cookie)
            watch.look(answer)
            while answer.status == 503 and not crowd.stop.is_set():
                await crowd.note(answer)
                await asyncio.sleep(0.05)  # a phone waits longer
                answer = await phone.finish(node, reply, cookie)
                watch.look(answer)
            await crowd.note(answer)
        answer = await phone.fast(node)
        watch.look(answer)
        await crowd.note(answer)

    async with phones(SIMS[:PHONES]) as many:
        for phone in many:
            assert (await phone.full(node)).status == 200
        before = [phone.token for phone in many]
        async with busy(many, act, pause=0.05) as crowd:
            await crowd.more(3 * PHONES)
            await asyncio.to_thread(durable.kill)
            await crowd.more(4 * PHONES, status=503)
            assert await asyncio.to_thread(node.readiness) == 503
            assert (await asyncio.to_thread(node.get, "healthz"))[0] == 200
            await asyncio.to_thread(durable.restart)
            await until(lambda: node.readiness() == 200, what="ready again")
            healthy = crowd.statuses[503]
            await crowd.more(6 * PHONES)
            # Whoever was being answered meanwhile; nobody meets a connection that broke.
            assert crowd.statuses[503] - healthy <= PHONES
        assert not watch.wrong
        for phone, token in zip(many, before, strict=True):
            assert (await phone.fast(node, token)).status == 200
        assert (await many[0].full(node)).status == 200
        await _assert_recorded(durable_site, many[0])
    assert node.stop() == 0


async def _assert_recorded(site: Site, phone: Phone) -> None:
    """Records are written again, too."""
    wanted = phone.seen[-1].first("x-request-id")
    ring = open_keys(site.loaded()).ring
    references = ring.references(DEFAULT_TENANT, "imsi", phone.sim.imsi.digits)
    async with site.store() as store, asyncio.timeout(10):
        while True:
            found = await store.records(DEFAULT_TENANT, references)
            if wanted in {record.request_id for record in found}:
                break
            await asyncio.sleep(0.05)


async def test_a_server_without_its_database_still_ends_in_an_orderly_way(
    durable: Postgres, durable_site: Site
) -> None:
    node = durable_site.node()
    async with Phone() as phone:
        assert (await phone.full(node)).status == 200
        durable.kill()
        assert (await phone.fast(node)).status == 503
        node.terminate()
        assert await node.ended(within=15) == 0


async def test_a_replica_takes_over_with_every_token_and_every_accepted_session(
    durable: Postgres, durable_site: Site
) -> None:
    first = durable_site.node()
    with Postgres.replica_of(durable, durable=True) as replica:
        async with phones(SIMS[:5]) as many:
            accepted = []
            for phone in many:
                challenge = await phone.begin(first)
                reply, cookie = phone.reply(challenge), cookie_of(challenge)
                accepted.append((reply, cookie, token_of(await phone.finish(first, reply, cookie))))
            open_challenge = await many[0].begin(first)
            replica.await_replay(durable)
            durable.kill()
            assert (await many[0].fast(first)).status == 503
            assert first.stop() == 0
            assert replica.sql("SELECT pg_promote()") == "t"

            database = str(durable_site.settings["store.url"]).rpartition("/")[2]
            promoted = replace(
                durable_site, settings={"store.url": replica.url(database)}, nodes=[]
            )
            durable_site.nodes.append(second := promoted.node())
            for phone, (reply, cookie, token) in zip(many, accepted, strict=True):
                assert vowifi_of(await phone.fast(second, token)) == ENABLED
                assert token_of(await phone.finish(second, reply, cookie)) == token
            # And one that was only begun goes on where it was.
            answer = await many[0].finish(
                second, many[0].reply(open_challenge), cookie_of(open_challenge)
            )
            assert vowifi_of(answer) == ENABLED
            assert (await many[1].full(second)).status == 200
            assert second.stop() == 0
