"""Two nodes on one database with one key ring are one server to every phone."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Self

import asyncpg
import pytest

from simgrant.config.load import DEFAULT_TENANT
from simgrant.sim.handset import Handset
from simgrant.sim.http import Answer, Url
from simgrant.sim.partner import Errand, PartnerServer
from simgrant.sim.profiles import PROFILES, ProfileName
from simgrant.sim.sims import Sim
from simgrant.wire.document import Parm
from tests.e2e.nodes import PATIENT, Node, Site, locked, until_locked_out
from tests.e2e.phones import (
    ENABLED,
    INCOMPATIBLE,
    Phone,
    cookie_of,
    document_of,
    is_challenge,
    phones,
    token_of,
    vowifi_of,
)

pytestmark = pytest.mark.e2e


async def test_an_authentication_begun_on_one_node_is_finished_on_the_other(
    nodes: list[Node], phone: Phone
) -> None:
    one, other = nodes
    for first, second in ((one, other), (other, one)):
        answer = await phone.full(first, second)
        assert answer.status == 200
        assert vowifi_of(answer) == ENABLED


async def test_a_token_from_one_node_works_on_the_other(nodes: list[Node], phone: Phone) -> None:
    one, other = nodes
    for first, second in ((one, other), (other, one)):
        given = token_of(await phone.full(first))
        answer = await phone.fast(second, given)
        assert answer.status == 200
        assert token_of(answer) == given
        assert vowifi_of(answer) == ENABLED


async def test_a_resynchronisation_begun_on_one_node_is_finished_on_the_other(
    nodes: list[Node], sims: Iterator[Sim]
) -> None:
    one, other = nodes
    async with Phone(next(sims), ahead=True) as phone:
        first = await phone.begin(one)
        second = await phone.finish(other, phone.reply(first), cookie_of(first))
        assert second.status == 200
        assert is_challenge(second)
        answer = await phone.finish(one, phone.reply(second), cookie_of(first))
        assert vowifi_of(answer) == ENABLED
        # What the network learnt of this SIM, every node knows: two legs are enough from now on.
        for node in nodes:
            before = len(phone.seen)
            assert vowifi_of(await phone.full(node)) == ENABLED
            assert len(phone.seen) == before + 2


async def test_the_revoke_command_ends_a_token_on_both_nodes_by_the_time_it_returns(
    nodes: list[Node], shared_site: Site, phone: Phone
) -> None:
    one, other = nodes
    given = token_of(await phone.full(one))
    for node in nodes:
        assert (await phone.fast(node, given)).status == 200

    await asyncio.to_thread(shared_site.command, "token", "revoke", phone.sim.imsi.digits)

    for node in nodes:
        assert (await phone.fast(node, given)).status == 511
    assert (await phone.full(other)).status == 200


async def test_a_temporary_token_is_redeemed_once_whichever_node_is_asked(
    nodes: list[Node], sims: Iterator[Sim]
) -> None:
    urls = [Url.parse(f"http://127.0.0.1:{node.port}/") for node in nodes]
    profile = PROFILES[ProfileName.ANDROID_NUMBER]
    targets = (("operation_targets", "GetPhoneNumber"),)
    async with contextlib.AsyncExitStack() as stack:
        phone = await stack.enter_async_context(Handset(next(sims), urls[0], profile))
        outcome = await phone.operate("AcquireTemporaryToken", extra=targets)
        assert outcome.document is not None
        (application,) = outcome.document.applications
        parms = {item.name: item.value for item in application.items if isinstance(item, Parm)}
        servers = [
            await stack.enter_async_context(PartnerServer(url)) for url in urls for _ in range(5)
        ]
        errand = Errand(
            operation="GetPhoneNumber", proof=(("temporary_token", parms["TemporaryToken"]),)
        )
        answers = await asyncio.gather(*(server.run(errand) for server in servers))
    assert sorted(str(answer.last.status) for answer in answers) == ["200", *["401"] * 9]


async def test_a_token_revoked_in_the_store_is_refused_by_both_nodes_at_once(
    nodes: list[Node], shared_site: Site, phone: Phone
) -> None:
    given = token_of(await phone.full(nodes[0]))
    async with shared_site.store() as store:
        await store.revoke_tokens(DEFAULT_TENANT, phone.sim.imsi, phone.terminal_id)
        returned = time.monotonic()
        refused = await asyncio.gather(*(phone.fast(node, given) for node in nodes))
    assert [answer.status for answer in refused] == [511, 511]
    assert time.monotonic() - returned < 1


async def test_both_nodes_see_at_once_that_a_subscription_is_suspended_and_resumed(
    nodes: list[Node], shared_site: Site, phone: Phone
) -> None:
    given = token_of(await phone.full(nodes[0]))
    for change, status in (("suspend", INCOMPATIBLE), ("resume", ENABLED)):
        await asyncio.to_thread(shared_site.command, "subscription", change, phone.sim.imsi.digits)
        for node in nodes:
            assert vowifi_of(await phone.fast(node, given)) == status
            assert vowifi_of(await phone.full(node)) == status


async def test_a_barred_subscription_is_refused_by_both_nodes_at_once(
    nodes: list[Node], shared_site: Site, phone: Phone
) -> None:
    given = token_of(await phone.full(nodes[0]))
    await asyncio.to_thread(shared_site.command, "subscription", "bar", phone.sim.imsi.digits)
    for node in nodes:
        assert (await phone.fast(node, given)).status == 511
        assert (await phone.full(node)).status == 403


async def test_an_accepted_answer_repeated_on_the_other_node_gives_the_same_token(
    nodes: list[Node], phone: Phone
) -> None:
    one, other = nodes
    challenge = await phone.begin(one)
    reply, cookie = phone.reply(challenge), cookie_of(challenge)
    first = await phone.finish(one, reply, cookie)
    for node in (other, one, other):
        again = await phone.finish(node, reply, cookie)
        assert again.status == 200
        assert token_of(again) == token_of(first)


async def test_an_accepted_answer_repeated_on_the_other_node_gives_the_same_document(
    nodes: list[Node], phone: Phone
) -> None:
    one, other = nodes
    challenge = await phone.begin(one)
    reply, cookie = phone.reply(challenge), cookie_of(challenge)
    first = await phone.finish(one, reply, cookie)
    again = await phone.finish(other, reply, cookie)
    assert document_of(again) == document_of(first)


async def test_of_a_right_and_a_wrong_answer_at_the_same_time_one_decides_for_both_nodes(
    nodes: list[Node], shared_site: Site, sims: Iterator[Sim]
) -> None:
    one, other = nodes
    async with phones(islice(sims, 10)) as many:
        contests = [await Contest.begun(phone, one) for phone in many]
        # All have read that nothing is decided; none has written yet.
        async with locked(shared_site, "session", mode="SHARE") as release:
            right = [asyncio.create_task(each.answer_rightly(one)) for each in contests]
            wrong = [asyncio.create_task(each.answer_wrongly(other)) for each in contests]
            await until_locked_out(shared_site, len(right + wrong))
            await release()
            won, lost = await asyncio.gather(*right), await asyncio.gather(*wrong)
        outcomes = await _outcomes(shared_site, [phone.sim.imsi.digits for phone in many])
        for contest, good, bad in zip(contests, won, lost, strict=True):
            assert bad.status == 403
            assert good.status in (200, 511)
            outcome = outcomes[contest.phone.sim.imsi.digits]
            assert outcome == ["accepted" if good.status == 200 else "refused"]
            for node in nodes:
                assert (await contest.answer_rightly(node)).status == good.status
                assert (await contest.answer_wrongly(node)).status == 511


@dataclass
class Contest:
    """A session that gets a right and a wrong answer."""

    phone: Phone
    reply: bytes
    cookie: str

    @classmethod
    async def begun(cls, phone: Phone, node: Node) -> Self:
        challenge = await phone.begin(node)
        return cls(phone, phone.reply(challenge), cookie_of(challenge))

    async def answer_rightly(self, node: Node) -> Answer:
        return await self.phone.finish(node, self.reply, self.cookie)

    async def answer_wrongly(self, node: Node) -> Answer:
        wrong = self.reply[:-1] + bytes((self.reply[-1] ^ 1,))
        async with Phone(self.phone.sim) as impostor:
            return await impostor.finish(node, wrong, self.cookie)


async def _outcomes(site: Site, imsis: list[str]) -> dict[str, list[str]]:
    """Return what the database says of the sessions of each SIM."""
    connection = await asyncpg.connect(str(site.settings["store.url"]))
    try:
        rows = await connection.fetch(
            "SELECT imsi, outcome FROM session WHERE imsi = ANY($1)", imsis
        )
    finally:
        await connection.close()
    found: dict[str, list[str]] = {imsi: [] for imsi in imsis}
    for row in rows:
        found[row["imsi"]].append(row["outcome"])
    return found


async def test_a_token_stays_good_where_the_second_turned_while_it_was_made(
    shared_site: Site, phone: Phone
) -> None:
    node = shared_site.node(settings={**PATIENT, "tokens.overlap_s": 0})
    challenge = await phone.begin(node)
    reply, cookie = phone.reply(challenge), cookie_of(challenge)
    async with locked(shared_site, "subscription") as release:
        answering = asyncio.create_task(phone.finish(node, reply, cookie))
        await until_locked_out(shared_site, 1)
        began = int(time.time())
        await asyncio.sleep(began + 1.01 - time.time())
        await release()
        answer = await answering
    assert (await phone.fast(node, token_of(answer))).status == 200
    assert document_of(await phone.finish(node, reply, cookie)) == document_of(answer)
