"""Whoever others name, reached where DNS said and nowhere else; and consumers' keys from there."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path

import pytest

from simgrant.adapters.consumer_keys.web import WebKeys
from simgrant.domain.camara.consumer import Consumer
from simgrant.errors import PeerMisbehaved, PeerTimeout, PeerUnavailable, Unauthenticated
from simgrant.flows.camara.consumer_keys import ConsumerKeys
from simgrant.links.fetched import FetchRules
from simgrant.links.http import HttpConfig, HttpRequest, Reply, Unsent
from simgrant.links.outside import OutsideLink
from simgrant.links.retry import RetryRules
from simgrant.sim.push.certificates import Authority
from simgrant.sim.web import Answer, Request, WebServer
from simgrant.wire.web_address import Network
from tests.clocks import MovableClock
from tests.jwts import EcSigner, SharedSigner

HERE = (ip_network("127.0.0.0/8"),)


@dataclass
class World:
    """A consumer's server, and a DNS that says what it likes."""

    server: WebServer
    make: Callable[..., OutsideLink]
    clock: MovableClock
    seen: list[Request] = field(default_factory=list)
    answer: Answer = field(default_factory=lambda: Answer(200, (), b"good"))
    said: list[list[str]] = field(default_factory=lambda: [["127.0.0.1"]])

    async def resolve(self, _host: str, _port: int) -> Sequence[str]:
        found = self.said.pop(0) if len(self.said) > 1 else self.said[0]
        if not found:
            raise OSError
        return found

    def url(self, host: str = "bank.example", path: str = "/keys") -> str:
        return f"https://{host}:{self.server.port}{path}"


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority(now=time.time())


@pytest.fixture
async def world(authority: Authority, tmp_path: Path) -> AsyncIterator[World]:
    ca = tmp_path / "ca.pem"
    ca.write_bytes(authority.pem)
    made: list[OutsideLink] = []

    def answer(request: Request) -> Answer:
        there.seen.append(request)
        return there.answer

    def make(*, allowed: tuple[Network, ...] = HERE) -> OutsideLink:
        config = HttpConfig(
            peer="them", ca_file=ca, retry=RetryRules(tries=1, failures=1000), most_bytes=65536
        )
        made.append(OutsideLink(config, there.clock, allowed=allowed, resolve=there.resolve))
        return made[-1]

    server = WebServer(answer, authority.server(["127.0.0.1", "bank.example"]))
    there = World(server, make, MovableClock())
    await server.up()
    yield there
    for link in made:
        await link.close()
    await server.down()


async def ask(world: World, url: str = "", *, allowed: tuple[Network, ...] = HERE) -> Reply:
    request = HttpRequest("GET", url or world.url(), {})
    return await world.make(allowed=allowed).send(request, deadline=world.clock.monotonic() + 5)


async def test_a_name_is_asked_where_dns_says_that_it_is(world: World) -> None:
    assert (await ask(world)).body == b"good"
    assert world.seen[0].target == "/keys"
    assert (await ask(world, world.url("127.0.0.1"))).status == 200


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["10.0.0.1"],
        ["169.254.169.254"],
        ["::1"],
        ["9.9.9.9", "127.0.0.1"],
        ["::ffff:a00:1"],
    ],
)
async def test_nobody_is_asked_in_our_own_network(world: World, addresses: list[str]) -> None:
    world.said = [addresses]
    with pytest.raises(Unsent) as caught:
        await ask(world, allowed=())
    assert caught.value.reason == "address_not_allowed"
    assert "127" not in caught.value.for_operator
    assert not world.seen


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost", "127.1", "0x7f000001"])
async def test_nor_by_number(world: World, host: str) -> None:
    with pytest.raises(Unsent):
        await ask(world, world.url(host), allowed=())
    assert not world.seen


async def test_dns_is_asked_each_time_and_what_it_says_later_counts(world: World) -> None:
    link = world.make(allowed=(ip_network("127.0.0.1/32"),))
    world.said = [["127.0.0.1"], ["127.0.0.2"], ["127.0.0.1"]]
    request = HttpRequest("GET", world.url(), {})
    deadline = world.clock.monotonic() + 5
    assert (await link.send(request, deadline=deadline)).status == 200
    with pytest.raises(Unsent):
        await link.send(request, deadline=deadline)
    assert (await link.send(request, deadline=deadline)).status == 200


async def test_redirects_are_not_followed(world: World) -> None:
    world.answer = Answer(302, (("location", "https://127.0.0.1/"),), b"")
    assert (await ask(world)).status == 302
    assert len(world.seen) == 1


async def test_a_name_that_nobody_knows_is_unavailable(world: World) -> None:
    world.said = [[]]
    with pytest.raises(Unsent):
        await ask(world)


async def test_a_name_has_to_be_known_in_time(world: World) -> None:
    request = HttpRequest("GET", world.url(), {})
    with pytest.raises(PeerTimeout):
        await world.make().send(request, deadline=world.clock.monotonic() - 1)


# --- keys of consumers --------------------------------------------------------------------------


def jwks(*signers: EcSigner | SharedSigner) -> bytes:
    return json.dumps({"keys": [each.jwk for each in signers]}).encode()


def consumer(**members: str) -> Consumer:
    return Consumer(client_id="bank", name="Bank", **members)  # type: ignore[arg-type]


@pytest.fixture
async def keys(world: World) -> AsyncIterator[ConsumerKeys]:
    made = ConsumerKeys(WebKeys(world.make(), world.clock, FetchRules(gap_s=5)))
    yield made
    await made.close()


async def test_keys_are_asked_for_once_and_again_where_one_is_not_known(
    world: World, keys: ConsumerKeys
) -> None:
    old, new = EcSigner("old"), EcSigner("new")
    world.answer = Answer(200, (), jwks(old))
    bank = consumer(jwks_url=world.url())

    async def kids() -> list[str | None]:
        found = await keys.of(bank, deadline=world.clock.monotonic() + 5)
        return [key.kid for key in found.keys]

    assert [await kids(), await kids()] == [["old"], ["old"]]
    world.answer = Answer(200, (), jwks(old, new))
    for _ in range(10):
        assert not await keys.look_again(bank, deadline=world.clock.monotonic() + 5)
    world.clock.ahead += 6
    assert await keys.look_again(bank, deadline=world.clock.monotonic() + 5)
    assert await kids() == ["old", "new"]
    assert len(world.seen) == 2


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"keys": []}',
        b'{"keys": 1}',
        b'{"keys": [1]}',
        jwks(SharedSigner("shared", bytes(32))),
        json.dumps({"keys": [EcSigner("x").jwk | {"d": "AA"}]}).encode(),
        json.dumps({"keys": [EcSigner("x").jwk | {"use": "enc"}]}).encode(),
        json.dumps({"keys": [EcSigner("x").jwk] * 65}).encode(),
    ],
)
async def test_what_is_no_set_of_public_keys_lets_nobody_in(
    world: World, keys: ConsumerKeys, body: bytes
) -> None:
    world.answer = Answer(200, (), body)
    with pytest.raises(PeerMisbehaved):
        await keys.of(consumer(jwks_url=world.url()), deadline=world.clock.monotonic() + 5)
    with pytest.raises(Unauthenticated):
        await keys.of(consumer(jwks=body.decode()), deadline=0)


async def test_a_long_answer_is_not_read_to_its_end(world: World, keys: ConsumerKeys) -> None:
    world.answer = Answer(200, (), b" " * 1_000_000)
    with pytest.raises(PeerMisbehaved):
        await keys.of(consumer(jwks_url=world.url()), deadline=world.clock.monotonic() + 5)


async def test_a_consumers_own_keys_are_read_once_and_asked_of_nobody(
    world: World, keys: ConsumerKeys
) -> None:
    bank = consumer(jwks=jwks(EcSigner("k")).decode(), jwks_url=world.url())
    assert await keys.of(bank, deadline=0) is await keys.of(bank, deadline=0)
    assert not await keys.look_again(bank, deadline=0)
    with pytest.raises(Unauthenticated):
        await keys.of(consumer(), deadline=0)
    assert not world.seen


async def test_an_address_in_our_network_gives_no_keys(world: World) -> None:
    keys = ConsumerKeys(WebKeys(world.make(allowed=()), world.clock))
    with pytest.raises(PeerUnavailable):
        await keys.of(consumer(jwks_url=world.url()), deadline=world.clock.monotonic() + 5)
    assert not world.seen
