"""A service that an NRF tells of and gives tokens for, over HTTP/2 on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest

from simgrant.errors import EcsError
from simgrant.links.http import Reply
from simgrant.links.sbi.service import SbiService
from simgrant.sim.web import Answer, Break, Request
from tests.loopback.links.sbi.core import US, Core, Node, said, search_result

IMSI = "001010000000001"
PATH = f"/nudm-ueau/v1/imsi-{IMSI}/x"


class TokenNrf(Node):
    """An NRF that gives out numbered tokens, and says of whom it was told to."""

    def __init__(self, *instances: Node) -> None:
        super().__init__()
        self.instances = instances
        self.tokens = 0
        self.other = self._say

    def _say(self, request: Request) -> Answer:
        if request.method == "GET":
            return search_result(*self.instances)
        self.tokens += 1
        grant = {"access_token": f"token{self.tokens}", "token_type": "Bearer", "expires_in": 600}
        return Answer(200, (("content-type", "application/json"),), json.dumps(grant).encode())


@pytest.fixture
async def core() -> AsyncIterator[Core]:
    found = Core()
    yield found
    for node in found.nodes:
        await node.web.down()


@contextlib.asynccontextmanager
async def running(service: SbiService) -> AsyncIterator[SbiService]:
    task = asyncio.create_task(service.run())
    try:
        yield service
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def ask(service: SbiService, core: Core, *, seconds: float = 5.0) -> Reply:
    deadline = core.deadline(seconds)
    return await service.request("POST", PATH, b"{}", imsi=IMSI, deadline=deadline)


async def refused(service: SbiService, core: Core, *, seconds: float = 5.0) -> EcsError:
    with pytest.raises(EcsError) as raised:
        await ask(service, core, seconds=seconds)
    return raised.value


async def test_instances_are_those_that_the_nrf_tells(core: Core) -> None:
    first, second = Node(), Node()
    nrf = TokenNrf(first, second)
    await core.up(first, second, nrf)
    async with running(core.service([], nrf=nrf)) as service:
        assert (await ask(service, core)).status == 200
    assert (len(first.seen), len(second.seen)) == (1, 0)
    (asked,) = nrf.seen
    assert dict(parse_qsl(urlsplit(asked.target).query)) == {
        "target-nf-type": "UDM",
        "requester-nf-type": "AUSF",
        "service-names": "nudm-ueau",
    }
    assert core.watched.found_all == [("udm.home", 2, "")]


async def test_a_request_says_whom_it_is_about(core: Core) -> None:
    node = Node()
    await core.up(node)
    await ask(core.service([node]), core)
    (seen,) = node.seen
    assert seen.headers["3gpp-sbi-correlation-info"] == f"imsi-{IMSI}"
    assert seen.headers["content-type"] == "application/json"
    assert "application/problem+json" in seen.headers["accept"]
    assert "authorization" not in seen.headers


async def test_an_nrf_that_is_silent_holds_nobody_up_for_longer_than_the_deadline(
    core: Core,
) -> None:
    nrf = Node(Answer(fault=Break.SILENT))
    await core.up(nrf)
    async with running(core.service([], nrf=nrf)) as service:
        error = await refused(service, core, seconds=0.1)
    assert error.reason == "sbi_no_instance"


@pytest.mark.parametrize(
    "answer",
    [said(403), said(200, body=b"no"), said(200, body=b"{}"), search_result()],
)
async def test_an_nrf_that_tells_nothing_is_told_of(core: Core, answer: Answer) -> None:
    nrf = Node(answer)
    await core.up(nrf)
    async with running(core.service([], nrf=nrf)) as service:
        error = await refused(service, core)
        assert error.reason == "sbi_no_instance"
        (told,) = core.watched.found_all
        assert told[1] == 0
        assert told[2]


async def test_who_was_known_is_asked_while_the_nrf_is_away(
    core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    node, nrf = Node(), Node()
    await core.up(node, nrf)
    nrf.answers = [search_result(node, validity_s=0), said(503), search_result()]
    monkeypatch.setattr("simgrant.links.sbi.service._SHORTEST_S", 0.01)
    async with running(core.service([], nrf=nrf)) as service:
        while len(core.watched.found_all) < 2:
            core.watched.news.clear()
            await core.watched.news.wait()
        assert core.watched.found_all[1][:2] == ("udm.home", 1)
        assert "503" in core.watched.found_all[1][2]
        assert (await ask(service, core)).status == 200


async def test_a_token_is_fetched_once_and_shown_to_every_instance(core: Core) -> None:
    node = Node()
    nrf = TokenNrf(node)
    await core.up(node, nrf)
    service = core.service([node], nrf=nrf, oauth2=True)
    async with running(service):
        await asyncio.gather(*(ask(service, core) for _ in range(5)))
    assert nrf.tokens == 1
    assert {seen.headers["authorization"] for seen in node.seen} == {"Bearer token1"}
    form = {name: value for name, (value,) in parse_qs(nrf.seen[0].body.decode()).items()}
    assert form == {
        "grant_type": "client_credentials",
        "nfInstanceId": US.instance,
        "nfType": "AUSF",
        "targetNfType": "UDM",
        "scope": "nudm-ueau",
    }


async def test_a_refused_token_is_renewed_once(core: Core) -> None:
    node = Node(said(200), said(401), said(200))
    nrf = TokenNrf(node)
    await core.up(node, nrf)
    async with running(core.service([node], nrf=nrf, oauth2=True)) as service:
        await ask(service, core)
        # A token that is refused as soon as it was made is no old one.
        core.clock.ahead += 31
        assert (await ask(service, core)).status == 200
    assert [seen.headers["authorization"] for seen in node.seen] == [
        "Bearer token1",
        "Bearer token1",
        "Bearer token2",
    ]


async def test_tokens_that_are_refused_again_and_again_are_not_fetched_again_and_again(
    core: Core,
) -> None:
    node = Node(said(401))
    nrf = TokenNrf(node)
    await core.up(node, nrf)
    async with running(core.service([node], nrf=nrf, oauth2=True)) as service:
        for _ in range(5):
            error = await refused(service, core)
            assert error.reason in ("sbi_token_refused", "credentials_refused")
    assert nrf.tokens <= 2


async def test_a_token_is_in_no_error(core: Core) -> None:
    node = Node(Answer(fault=Break.RESET))
    nrf = TokenNrf(node)
    await core.up(node, nrf)
    async with running(core.service([node], nrf=nrf, oauth2=True)) as service:
        error = await refused(service, core)
    assert "token1" not in f"{error!r}{error.for_operator}"
