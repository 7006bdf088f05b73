"""WNS on the wire: the raw notification, its bearer token, and where neither may go."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from simgrant.errors import PeerUnavailable
from simgrant.ports.notifier import Dead, Delivered, Later, Notice
from simgrant.sim.push.microsoft import Microsoft
from tests.conformance.push_worlds import World, wns_world


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with wns_world(tmp_path) as made:
        yield made


@pytest.mark.conforms("push.wns", "push.payload")
async def test_a_notification_is_raw_json_with_microsofts_headers(world: World) -> None:
    now = int(world.clock.now())
    notice = Notice(("ap2003", "ap2004"), 1_795_424_400, now + 7200, "c-1")
    deadline = world.clock.monotonic() + 10
    assert isinstance(
        await world.notifier.notify(world.target(), notice, deadline=deadline), Delivered
    )
    headers = world.switch.taken[0].extra
    assert headers["host"] == Microsoft.host
    assert headers["x-wns-type"] == "wns/raw"
    assert headers["x-wns-requestforstatus"] == "true"
    assert 7190 <= int(headers["x-wns-ttl"]) <= 7200
    assert headers["content-type"] == "application/octet-stream"
    assert headers["content-length"] == str(len(headers["body"]))
    assert json.loads(headers["body"]) == {
        "data": {"app": ["ap2003", "ap2004"], "timestamp": "2026-11-23T09:00:00Z"}
    }


async def test_one_access_token_serves_many_notifications(world: World) -> None:
    for _ in range(5):
        await world.notify()
    assert world.service.grants == 1
    world.clock.ahead += 86_400
    assert isinstance(await world.notify(), Delivered)
    assert world.service.grants == 2


async def test_a_revoked_access_token_is_replaced_within_the_call(world: World) -> None:
    await world.notify()
    world.clock.ahead += 60
    world.service.revoke()
    assert isinstance(await world.notify(), Delivered)


async def test_a_wrong_secret_is_the_operators_to_mend(world: World) -> None:
    world.service.client_secret = "changed"
    with pytest.raises(PeerUnavailable) as raised:
        await world.notify()
    assert raised.value.reason == "credentials_refused"
    new = world.config.client_secret.with_name("new")
    new.write_text("changed\n")
    new.rename(world.config.client_secret)
    assert isinstance(await world.notify(), Delivered)


async def test_a_device_that_is_off_gets_the_notice_later(world: World) -> None:
    world.service.offline.add(world.token)
    assert await world.notify() == Later("device_offline")
    world.service.offline.clear()
    assert isinstance(await world.notify(), Delivered)


@pytest.mark.parametrize(
    "token",
    [
        "https://example.org/?token=a",
        "https://127.0.0.1/?token=a",
        "https://db5.notify.windows.com:8443/?token=a",
        "https://db5.notify.windows.com@127.0.0.1/?token=a",
        "http://db5.notify.windows.com/?token=a",
    ],
)
async def test_nothing_is_sent_where_no_channel_is(world: World, token: str) -> None:
    assert await world.notify(world.target(token)) == Dead("invalid_token")
    assert world.service.web.connections == 0
