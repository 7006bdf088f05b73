"""FCM on the wire: the message, the access token, and what becomes of either."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from simgrant.adapters.notify import fcm
from simgrant.errors import PeerUnavailable, StartRefused
from simgrant.ports.notifier import Dead, Delivered, Notice, Refused
from simgrant.sim.push.google import Google
from simgrant.sim.web import Answer, Request
from tests.conformance.push_worlds import World, fcm_world


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with fcm_world(tmp_path) as made:
        yield made


def listen(google: Google) -> list[Request]:
    """Return the list that every request from now on is added to."""
    seen: list[Request] = []
    answer = google.web.answer

    def note(request: Request) -> Answer | Awaitable[Answer]:
        seen.append(request)
        return answer(request)

    google.web.answer = note  # type: ignore[method-assign]
    return seen


@pytest.mark.conforms("push.fcm", "push.payload")
async def test_a_message_is_as_the_api_has_it(world: World) -> None:
    seen = listen(world.service)
    now = int(world.clock.now())
    notice = Notice(("ap2003", "ap2004"), 1_795_424_400, now + 7200, "c-1")
    deadline = world.clock.monotonic() + 10
    receipt = await world.notifier.notify(world.target(), notice, deadline=deadline)
    assert isinstance(receipt, Delivered)
    assert receipt.reference.startswith(f"projects/{Google.project}/messages/")
    exchange, message = seen
    assert exchange.target == "/token"
    assert exchange.headers["content-type"] == "application/x-www-form-urlencoded"
    assert (message.method, message.version) == ("POST", "h2")
    assert message.target == f"/v1/projects/{Google.project}/messages:send"
    assert message.headers["content-type"] == "application/json"
    assert message.headers["authorization"].startswith("Bearer ya29.")
    body = json.loads(message.body)
    ttl = body["message"]["android"].pop("ttl")
    assert 7190 <= int(ttl.removesuffix("s")) <= 7200
    assert body == {
        "message": {
            "token": world.token,
            "data": {"app": '["ap2003","ap2004"]', "timestamp": "2026-11-23T09:00:00Z"},
            "android": {"collapse_key": "c-1", "priority": "high"},
        }
    }


@pytest.mark.parametrize(("left", "ttl"), [(-5, "0s"), (10**8, "2419200s")])
async def test_a_ttl_is_never_negative_nor_longer_than_four_weeks(
    world: World, left: int, ttl: str
) -> None:
    now = int(world.clock.now())
    notice = Notice(("ap2004",), now, now + left, "c")
    await world.notifier.notify(world.target(), notice, deadline=world.clock.monotonic() + 10)
    assert world.switch.taken[0].extra["ttl"] == ttl


async def test_one_access_token_serves_many_messages_until_it_ends(world: World) -> None:
    for _ in range(5):
        await world.notify()
    assert world.service.exchanges == 1
    world.clock.ahead += 3600
    assert isinstance(await world.notify(), Delivered)
    assert world.service.exchanges == 2


async def test_a_revoked_access_token_is_replaced_within_the_call(world: World) -> None:
    await world.notify()
    world.clock.ahead += 60
    world.service.revoke()
    assert isinstance(await world.notify(), Delivered)
    assert world.service.exchanges == 2


async def test_a_new_account_file_is_used_without_a_restart(world: World) -> None:
    await world.notify()
    world.service.renew_key()
    with pytest.raises(PeerUnavailable) as raised:
        await world.notify()
    assert raised.value.reason == "credentials_refused"
    new = world.config.service_account.with_name("new")
    new.write_text(world.service.service_account())
    new.rename(world.config.service_account)
    assert isinstance(await world.notify(), Delivered)


async def test_an_assertion_that_is_refused_is_not_repeated_for_each_message(
    world: World,
) -> None:
    world.service.renew_key()
    seen = listen(world.service)
    for _ in range(5):
        with pytest.raises(PeerUnavailable) as raised:
            await world.notify()
        assert raised.value.reason == "credentials_refused"
    assert len(seen) == 1


async def test_a_token_of_another_sender_is_not_dead(world: World) -> None:
    world.service.belongs_elsewhere("other-sender")
    assert await world.notify(world.target("other-sender")) == Refused("sender_id_mismatch")
    assert await world.notify(world.target("bad-token")) == Dead("invalid_token")


async def test_another_project_than_the_accounts_is_the_operators_to_mend(
    tmp_path: Path,
) -> None:
    async with fcm_world(tmp_path, project="elsewhere") as world:
        with pytest.raises(PeerUnavailable) as raised:
            await world.notify()
        assert raised.value.reason == "credentials_refused"


async def test_the_priority_can_be_normal(tmp_path: Path) -> None:
    async with fcm_world(tmp_path, priority="normal") as world:
        await world.notify()
        assert world.switch.taken[0].extra["priority"] == "normal"


async def test_a_key_that_cannot_sign_refuses_the_start(world: World) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    account = json.loads(world.service.service_account())
    pems = [
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        world.service._key.public_key().public_bytes(
            Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
        ),
        b"",
    ]
    path = world.config.service_account
    for pem in pems:
        path.write_text(json.dumps(account | {"private_key": pem.decode()}))
        with pytest.raises(StartRefused, match="service account"):
            fcm.open_notifier(replace(world.config), clock=world.clock)
