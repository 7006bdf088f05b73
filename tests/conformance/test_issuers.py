"""The port ``Issuers``: the same suite for keys in a file and at an address."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from simgrant.adapters.issuers.jwks import Config, JwksIssuers, open_issuers
from simgrant.errors import BadLentToken, PeerTimeout, PeerUnavailable, StartRefused
from simgrant.ports.issuers import Caller
from tests.device.harness import START, SetClock
from tests.jwts import EcSigner

ISSUER, AUDIENCE = "https://login.example.net", "https://ecs.example.net"
ADDRESS = f"{ISSUER}/jwks"
CONFIG = Config(ISSUER, AUDIENCE, ADDRESS, frozenset({"red"}), fetch_s=0.2)
OLD, NEW = EcSigner("k1"), EcSigner("k2")


def access(signer: EcSigner = OLD, **claims: Any) -> str:
    usual = {"iss": ISSUER, "aud": AUDIENCE, "client_id": "bank", "exp": START + 900}
    return signer.sign(usual | claims)


def key_set(*signers: EcSigner) -> bytes:
    return json.dumps({"keys": [signer.jwk for signer in signers]}).encode()


@dataclass
class Site:
    """What is at an address: a text, or trouble; it counts who comes."""

    text: bytes
    asked: int = 0
    down: bool = False
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.gate.set()

    async def fetch(self, address: str, deadline: float) -> bytes:
        assert address == ADDRESS
        assert deadline > 0
        self.asked += 1
        await self.gate.wait()
        if self.down:
            raise PeerUnavailable("down")
        return self.text


@dataclass
class World:
    """An issuer whose keys can be changed."""

    clock: SetClock
    issuers: JwksIssuers
    publish: Callable[[bytes], object]

    async def caller(self, token: str, tenant: str = "red") -> Caller | None:
        deadline = self.clock.monotonic() + 5
        return await self.issuers.caller(tenant, token, deadline=deadline)


@pytest.fixture(params=["file", "address"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    clock = SetClock()
    if request.param == "file":
        path = tmp_path / "jwks.json"
        path.write_bytes(key_set(OLD))
        issuers = open_issuers([replace(CONFIG, jwks=path)], clock=clock)
        return World(clock, issuers, path.write_bytes)
    site = Site(key_set(OLD))
    issuers = open_issuers([CONFIG], clock=clock, fetch=site.fetch)
    return World(clock, issuers, lambda text: setattr(site, "text", text))


async def test_a_good_token_proves_its_client(world: World) -> None:
    assert await world.caller(access()) == Caller("bank")
    assert await world.caller(access(client_id=None, azp="azp")) == Caller("azp")
    assert await world.caller(access(client_id="", sub="sub")) == Caller("sub")


async def test_of_whom_nobody_trusts_nothing_is_known(world: World) -> None:
    assert (world.issuers.trusted("red"), world.issuers.trusted("blue")) == (True, False)
    assert await world.caller(access(), tenant="blue") is None
    assert await world.caller(access(iss="https://other.example.net")) is None
    for text in ("", "x", "a.b.c", access().replace(".", "!")):
        assert await world.caller(text) is None


@pytest.mark.parametrize(
    "claims", [{"aud": "x"}, {"exp": START - 100}, {"exp": None}, {"client_id": 7}]
)
async def test_a_bad_token_raises(world: World, claims: dict[str, Any]) -> None:
    with pytest.raises(BadLentToken):
        await world.caller(access(**claims))
    assert await world.caller(access()) == Caller("bank")


async def test_a_rotation_is_followed_as_soon_as_a_token_shows_it(world: World) -> None:
    assert await world.caller(access()) == Caller("bank")
    world.publish(key_set(NEW))
    world.clock.advance(6)
    assert await world.caller(access(NEW)) == Caller("bank")
    with pytest.raises(BadLentToken):
        await world.caller(access(OLD))


async def test_a_broken_set_leaves_the_keys_as_they_are(world: World) -> None:
    assert await world.caller(access()) == Caller("bank")
    for text in (b"{", b"\xff", b'{"keys":[]}', b" " * (1 << 20) + key_set(NEW)):
        world.publish(text)
        world.clock.advance(1000)
        expires = int(world.clock.now()) + 60
        assert await world.caller(access(exp=expires)) == Caller("bank")
        with pytest.raises(BadLentToken):
            await world.caller(access(NEW, exp=expires))


# --- at an address only --------------------------------------------------------------------------


def remote(site: Site, **changes: Any) -> World:
    clock = SetClock()
    issuers = open_issuers([replace(CONFIG, **changes)], clock=clock, fetch=site.fetch)
    return World(clock, issuers, lambda text: setattr(site, "text", text))


async def test_of_many_who_come_at_once_one_asks() -> None:
    site = Site(key_set(OLD))
    found = remote(site)
    callers = await asyncio.gather(*(found.caller(access()) for _ in range(50)))
    assert set(callers) == {Caller("bank")}
    assert site.asked == 1


async def test_rubbish_does_not_decide_how_often_is_asked() -> None:
    site = Site(key_set(OLD))
    found = remote(site)
    for _ in range(50):
        with pytest.raises(BadLentToken):
            await found.caller(access(NEW))
    assert site.asked == 1
    found.clock.advance(5)
    with pytest.raises(BadLentToken):
        await found.caller(access(NEW))
    assert site.asked == 2


async def test_old_keys_serve_while_new_ones_are_asked_for() -> None:
    site = Site(key_set(OLD))
    found = remote(site)
    await found.caller(access())
    found.clock.advance(301)
    site.gate.clear()
    assert await found.caller(access()) == Caller("bank")
    await asyncio.sleep(0)
    assert site.asked == 2
    site.down = True
    site.gate.set()
    assert await found.caller(access()) == Caller("bank")


async def test_without_any_keys_it_is_later_and_not_no() -> None:
    site = Site(key_set(OLD), down=True)
    found = remote(site)
    with pytest.raises(PeerUnavailable):
        await found.caller(access())
    site.down = False
    with pytest.raises(PeerUnavailable):
        await found.caller(access())
    found.clock.advance(5)
    assert await found.caller(access()) == Caller("bank")


async def test_a_callers_deadline_is_kept_and_the_answer_serves_the_next() -> None:
    site = Site(key_set(OLD))
    site.gate.clear()
    found = remote(site, fetch_s=30)
    with pytest.raises(PeerTimeout):
        await found.issuers.caller("red", access(), deadline=found.clock.monotonic())
    site.gate.set()
    assert await found.caller(access()) == Caller("bank")
    assert site.asked == 1


async def test_an_address_that_hangs_is_given_up() -> None:
    site = Site(key_set(OLD))
    site.gate.clear()
    found = remote(site, fetch_s=0.01)
    with pytest.raises(PeerUnavailable):
        await found.caller(access())


def test_what_cannot_be_read_does_not_start(tmp_path: Path) -> None:
    bad = tmp_path / "bad.json"
    bad.write_text("{}")
    for jwks in (bad, tmp_path / "absent.json", ADDRESS):
        with pytest.raises(StartRefused, match=ISSUER):
            open_issuers([replace(CONFIG, jwks=jwks)], clock=SetClock())
