"""A server registers at a hub, is told by it, and commands take the registration away and back."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from simgrant.config.load import load
from simgrant.ports.event_hubs import HubState
from simgrant.serving import running
from simgrant.sim.bss.server import Bss
from simgrant.sim.http import HttpClient, Url
from simgrant.wire.tmf.apis import Api
from tests.e2e.test_event_commands import Here, here
from tests.servers.process import free_port
from tests.tmf import SIMS

__all__ = ["here"]

TOKEN, KEY = "t" * 40, "k3y-of-the-hub"


async def test_a_server_is_told_by_the_hub_that_it_registered_at(here: Here) -> None:
    bss = Bss(SIMS, callback_token=TOKEN)
    await bss.up()
    callback = f"http://127.0.0.1:{(port := free_port())}/tmf"
    settings = f"""
server.state_dir = "state"
device.listen = "127.0.0.1:0"
management.listen = "127.0.0.1:0"
portal.listen = ""
[events]
listen = "127.0.0.1:{port}"
[event_senders.crm]
token_file = "crm.token"
[event_hubs.products]
url = "{bss.web.url}{Api.PRODUCT}/hub"
callback = "{callback}"
sender = "crm"
api_key_file = "hub.key"
"""
    (here.folder / "simgrant.toml").write_text(settings)
    for name, text in (("crm.token", TOKEN), ("hub.key", KEY)):
        (here.folder / name).write_text(text)
        (here.folder / name).chmod(0o600)
    try:
        async with running(load(Path("simgrant.toml"), {})) as server, asyncio.timeout(60):
            while True:
                row = await server.parts.store.hubs.find("default", "products")
                if row is not None and row.state is HubState.REGISTERED and not row.held_until:
                    break
                await asyncio.sleep(0.02)
            assert all(seen.headers["x-api-key"] == KEY for seen in bss.seen)
            (hub,) = bss.hubs.hubs.values()
            bss.announce_line(Api.PRODUCT, "ProductStateChangeEvent", next(iter(bss.lines)))
            await bss.hubs.told()
            assert (str(hub.callback), hub.told, hub.left) == (callback, 1, 0)
            client = HttpClient(Url.parse(server.management_url))
            while True:
                ready = await client.exchange("GET", "/readyz", ())
                if "hub products: registered 1\n" in ready.body.decode():
                    break
                await asyncio.sleep(0.02)
            await client.aclose()
            (shown,) = json.loads((await asyncio.to_thread(here, "event", "hubs", "--json")).stdout)
            assert (shown["state"], shown["id"], shown["reason"]) == ("registered", hub.id, None)
            assert (
                "taken away"
                in (await asyncio.to_thread(here, "event", "unhook", "products")).stderr
            )
            assert not bss.hubs.hubs
            assert "unhooked" in (await asyncio.to_thread(here, "event", "hubs")).stdout
            hooked = await asyncio.to_thread(here, "event", "hook", "products")
            assert next(iter(bss.hubs.hubs)) in hooked.stderr
            assert KEY not in hooked.output
    finally:
        await bss.down()
    failed = await asyncio.to_thread(here, "event", "unhook", "products", code=1)
    assert "could not be done" in failed.stderr
    assert (
        "forgotten"
        in (await asyncio.to_thread(here, "event", "unhook", "products", "--forget")).stderr
    )
    checked = (await asyncio.to_thread(here, "check-config", "--offline")).stdout
    assert f"brings them to {callback}" in checked


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"callback": ""}, "callback: must be set"),
        ({"callback": "http://elsewhere/tmf"}, "is not https"),
        ({"sender": "erp"}, "there is no [event_senders.erp]"),
        ({"url": ""}, "url: must be set"),
        ({"user": "me"}, "user and password_file go together"),
        ({"every_s": 1.0}, "every_s: 1.0 is not within"),
        ({"query": "a\nb"}, "is no query"),
    ],
)
def test_what_would_leave_us_untold_is_said(
    here: Here, changes: dict[str, str | float], problem: str
) -> None:
    hub = {
        "url": "https://bss.example.com/hub",
        "callback": "https://us.example.com/tmf",
        "sender": "crm",
    } | changes
    (here.folder / "simgrant.toml").write_text(
        'server.state_dir = "state"\nevents.listen = "127.0.0.1:0"\n'
        '[event_senders.crm]\ntoken_file = "crm.token"\n[event_hubs.one]\n'
        + "".join(f"{key} = {json.dumps(value)}\n" for key, value in hub.items())
    )
    told = here("check-config", "--offline", code=2)
    assert problem in told.output
