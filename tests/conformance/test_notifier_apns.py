"""APNs on the wire: headers, body, and the life of a provider token."""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from simgrant.adapters.notify import apns
from simgrant.errors import PeerUnavailable, StartRefused
from simgrant.ports.notifier import Dead, Delivered, Notice, Refused
from simgrant.sim.push.apple import Apple
from simgrant.sim.push.signed import pull_jwt
from tests.conformance.push_worlds import World, apns_world


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with apns_world(tmp_path) as made:
        yield made


@pytest.mark.conforms("push.apns", "push.payload")
async def test_a_push_is_as_apple_wants_one_that_shows_nothing(world: World) -> None:
    expires = int(world.clock.now()) + 7200
    notice = Notice(("ap2003", "ap2004"), 1_795_424_400, expires, "c-1")
    deadline = world.clock.monotonic() + 10
    receipt = await world.notifier.notify(world.target(), notice, deadline=deadline)
    assert isinstance(receipt, Delivered)
    headers = dict(world.switch.taken[0].extra)
    assert headers[":path"] == f"/3/device/{world.token}"
    assert headers[":method"] == "POST"
    named = {name: value for name, value in headers.items() if name.startswith("apns-")}
    assert named == {
        "apns-topic": Apple.topic,
        "apns-push-type": "background",
        "apns-priority": "5",
        "apns-expiration": str(expires),
        "apns-collapse-id": "c-1",
    }
    assert json.loads(headers["body"]) == {
        "aps": {"content-available": 1},
        "data": {"app": ["ap2003", "ap2004"], "timestamp": "2026-11-23T09:00:00Z"},
    }


async def test_the_provider_token_says_who_signed_it_and_when(world: World) -> None:
    await world.notify()
    scheme, _, token = world.switch.taken[0].extra["authorization"].partition(" ")
    header, claims = pull_jwt(token, world.service._key.public_key())
    assert scheme == "bearer"
    assert (header["alg"], header["kid"]) == ("ES256", Apple.key_id)
    assert claims["iss"] == Apple.team_id
    assert abs(claims["iat"] - world.clock.now()) < 60


async def test_a_provider_token_lives_between_twenty_and_sixty_minutes(world: World) -> None:
    # Apple, as played, refuses one that is older, and one that comes sooner.
    tokens = []
    for _ in range(30):
        assert isinstance(await world.notify(), Delivered)
        tokens.append((world.clock.ahead, world.switch.taken[-1].extra["authorization"]))
        world.clock.ahead += 5 * 60
    changes = [at for (at, new), (_, old) in zip(tokens[1:], tokens, strict=False) if new != old]
    assert len(changes) >= 3
    gaps = [later - sooner for sooner, later in itertools.pairwise(changes)]
    assert all(20 * 60 <= gap <= 60 * 60 for gap in gaps)


async def test_a_token_that_got_too_old_meanwhile_is_not_sent(world: World) -> None:
    await world.notify()
    world.clock.ahead += 61 * 60
    assert isinstance(await world.notify(), Delivered)
    assert world.switch.asked == 2


async def test_a_key_that_was_replaced_signs_at_once(world: World) -> None:
    await world.notify()
    world.service.renew_key()
    with pytest.raises(PeerUnavailable) as raised:
        await world.notify()
    assert raised.value.reason == "credentials_refused"
    new = world.config.key_file.with_name("new")
    new.write_bytes(world.service.signing_key())
    new.rename(world.config.key_file)
    assert isinstance(await world.notify(), Delivered)


async def test_a_device_that_went_away_is_dead_since_apple_says_so(world: World) -> None:
    receipt = await world.notify(world.target(world.dead_token))
    assert isinstance(receipt, Dead)
    assert receipt.since is not None
    assert abs(receipt.since - world.clock.now()) < 60


async def test_each_client_has_its_topic(tmp_path: Path) -> None:
    async with apns_world(tmp_path, topic="org.example.other", topics={"ims": Apple.topic}) as it:
        assert isinstance(await it.notify(it.target(app_name="ims")), Delivered)
        assert await it.notify(it.target(app_name="watch")) == Refused("topic_mismatch")


async def test_one_connection_carries_all_pushes(world: World) -> None:
    for _ in range(20):
        await world.notify()
    assert world.service.web.connections == 1


async def test_a_key_that_cannot_sign_refuses_the_start(world: World) -> None:
    other = ec.generate_private_key(ec.SECP384R1())
    rsa_key = rsa.generate_private_key(65537, 2048)
    public = world.service._key.public_key()
    for pem in (
        other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        rsa_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        b"no key",
    ):
        world.config.key_file.write_bytes(pem)
        with pytest.raises(StartRefused, match="key"):
            apns.open_notifier(world.config, clock=world.clock)
