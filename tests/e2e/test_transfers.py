"""`simgrant sim phone`: a line moves between two phones, with a server, an SM-DP+ and push."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from simgrant.domain.order import Kind, OrderState
from simgrant.identities import Iccid
from simgrant.sim.companion import parms
from simgrant.sim.handset import Handset
from simgrant.sim.http import Url
from simgrant.sim.phones import PhoneClient, Target
from simgrant.sim.profiles import DEMO_IMEI, PROFILES, ProfileName
from simgrant.sim.smdp.control import DELETION
from tests.e2e.nodes import Site
from tests.e2e.pushing import services
from tests.e2e.story import told
from tests.e2e.test_esim import World, listening, opened, sims_of_watches
from tests.e2e.test_esim import _let_leases_end as let_leases_end
from tests.e2e.test_sign_in import BACK, provider
from tests.servers.process import free_port

pytestmark = pytest.mark.e2e

PHONE = {
    "esim.phone.app": "primary",
    "esim.phone.smdp": "sim",
    "esim.phone.profile_type": "watch",
    "orders.immediate_s": 10,
}
NEW_IMEI = "350000000000033"


async def run(
    world: World, url: str, way: str, *more: str, books: bool = True
) -> list[dict[str, Any]]:
    """Get the line into an eSIM, and return what the phones saw."""
    (sim,) = sims_of_watches(1)
    keys = ("--k", sim.k.hex(), "--opc", sim.opc.hex(), "--imsi", sim.imsi.digits)
    played = ("--smdp-books", world.smdp.up["control"]) if books else ()
    done = await asyncio.to_thread(
        world.site.command, "sim", "phone", url, way, *keys, *played, *more, "--json"
    )
    for secret in (sim.imsi.digits, NEW_IMEI, DEMO_IMEI, "89049032123451234512345678901235"):
        assert secret not in done.stdout
    return [json.loads(line) for line in done.stdout.splitlines()]


def operations(lines: list[dict[str, Any]]) -> list[str]:
    asked = (dict(line["parameters"]) for line in lines)
    return [parameters["operation"] for parameters in asked if "operation" in parameters]


@pytest.mark.parametrize("way", ["temporary-token", "scan", "same-phone"])
async def test_a_line_moves_to_another_phone(sqlite_site: Site, way: str) -> None:
    sims = sims_of_watches(1)
    async with opened(sqlite_site, sims, "pool", more=PHONE) as world:
        node = world.site.node(settings=listening(world))
        lines = await run(world, node.url, way, "--old-iccid", "8944500000000000991")
        assert operations(lines)[-1] == "AcquireConfiguration"
        (order,) = await world.orders(sims)
        assert (order.state, order.kind) == (OrderState.ACTIVE, Kind.TRANSFER)
        assert order.old_terminal_id == DEMO_IMEI
        # The phone removed it, and has another for it.
        await run(world, node.url, "recover")
        (order,) = await world.orders(sims)
        assert (order.state, order.kind) == (OrderState.ACTIVE, Kind.RECOVER)


@pytest.mark.spec("TS.43 §8.2")
async def test_a_phone_gets_one_more_line(sqlite_site: Site) -> None:
    sims = sims_of_watches(1)
    async with opened(sqlite_site, sims, "pool", more=PHONE) as world:
        node = world.site.node(settings=listening(world))
        lines = await run(world, node.url, "new")
        assert operations(lines)[0] == "CheckEligibility"
        (order,) = await world.orders(sims)
        assert (order.state, order.kind) == (OrderState.ACTIVE, Kind.SUBSCRIBE)


@pytest.mark.spec("TS.43 §8.11.1")
@pytest.mark.parametrize("way", ["scan", "temporary-token"])
async def test_the_old_phone_deletes_its_profile_first(sqlite_site: Site, way: str) -> None:
    sims = sims_of_watches(1)
    more = {
        **PHONE,
        "esim.phone.old_profile": "reused",
        "smdp.sim.deletion_point": DELETION,
        "es2plus.listen": "127.0.0.1:0",
        "orders.polling_s": 1,
    }
    async with opened(sqlite_site, sims, "pool", more=more) as world:
        node = world.site.node(settings=listening(world))
        old = ("--imei", DEMO_IMEI, "--eid", "89049032123451234512345678901243")
        await run(world, node.url, "new", *old)
        (order,) = await world.orders(sims)
        assert order.iccid is not None
        iccid = order.iccid.digits
        await run(world, node.url, way, "--old-iccid", iccid, "--delete-old")
        # The very same profile is on the other phone then.
        there = {each.device.terminal_id: each for each in await world.orders(sims)}
        assert there[DEMO_IMEI].state is OrderState.ENDED
        assert (there[NEW_IMEI].state, there[NEW_IMEI].iccid) == (OrderState.ACTIVE, order.iccid)


@pytest.mark.spec("TS.43 §8.12.2", "TS.43 §8.12.1")
@pytest.mark.parametrize("ask", ["confirmation", "page"])
async def test_the_user_is_asked_before_he_loads_what_lies_ready(
    sqlite_site: Site, ask: str
) -> None:
    (sim,) = sims = sims_of_watches(1)
    place = f"127.0.0.1:{free_port()}"
    portal = {"portal.listen": place, "portal.public_url": f"http://{place}"}
    async with opened(sqlite_site, sims, "pool", more=PHONE | portal) as world:
        node = world.site.node(settings={**listening(world), **portal})
        eid, profile = "89049032123451234512345678901235", ("--iccid", "8944600000000000017")
        device = ("--app", "primary", "--eid", eid, "--terminal-id", NEW_IMEI)
        ready = (*device, *profile, "--smdp-address", "rsp.example.org", "--ask", ask)
        await asyncio.to_thread(world.site.command, "order", "add", sim.imsi.digits, *ready)
        # Nobody here plays that SM-DP+: the phone says that it has installed it.
        lines = await run(world, node.url, "ready", "--web-view", "finish", books=False)
        operated = operations([line for line in lines if "parameters" in line])
        assert operated[:2] == ["AcquireConfiguration", "ManageSubscription"]
        events = [line["event"] for line in lines if "event" in line]
        assert events == (["page", "form", "call_back"] if ask == "page" else [])
        (order,) = await world.orders(sims)
        assert order.state is OrderState.ACTIVE


@pytest.mark.spec("TS.43 §8.6")
async def test_which_line_moves_is_chosen_on_a_page(sqlite_site: Site) -> None:
    sims = sims_of_watches(1)
    place = f"127.0.0.1:{free_port()}"
    portal = {"portal.listen": place, "portal.public_url": f"http://{place}"}
    more = PHONE | portal | {"esim.phone.portal": "choice"}
    async with opened(sqlite_site, sims, "pool", more=more) as world:
        node = world.site.node(settings={**listening(world), **portal})
        second = ("--imei", "350000000000041", "--eid", "89049032123451234512345678901243")
        await run(world, node.url, "new", *second)
        lines = await run(world, node.url, "same-phone", "--web-view", "finish")
        events = [line["event"] for line in lines if "event" in line]
        assert events == ["page", "form", "form", "call_back"]
        (order,) = (each for each in await world.orders(sims) if each.kind is Kind.TRANSFER)
        assert (order.state, order.device.terminal_id) == (OrderState.ACTIVE, NEW_IMEI)


async def test_a_line_moves_later(sqlite_site: Site) -> None:
    """The SM-DP+ is slow, so the new phone asks again, with the token that it was lent."""
    sims = sims_of_watches(1)
    more = PHONE | {"orders.immediate_s": 0.01, "orders.polling_s": 1}
    async with opened(sqlite_site, sims, "pool", more=more) as world:
        node = world.site.node(settings=listening(world))
        await world.smdp.ask("PUT", "/fault", fault="slow", delay_s=0.5)
        lines = await run(world, node.url, "temporary-token")
        assert operations(lines).count("AcquireConfiguration") > 1
        (order,) = await world.orders(sims)
        assert order.state is OrderState.ACTIVE


async def test_the_owner_is_asked_on_the_new_phone(sqlite_site: Site, tmp_path: Path) -> None:
    """He is asked with the token that was lent, and it is good for his answer (§8.9, §8.12)."""
    (sim,) = sims = sims_of_watches(1)
    (tmp_path / "pin").write_text("271828\n")
    (tmp_path / "pin").chmod(0o600)
    more = PHONE | {"esim.phone.ask_transfer": "pin"}
    async with opened(sqlite_site, sims, "pool", more=more) as world:
        pin = ("--pin-file", str(tmp_path / "pin"))
        world.site.command("subscription", "set", sim.imsi.digits, *pin)
        node = world.site.node(settings=listening(world))
        lines = await run(world, node.url, "temporary-token", "--answer", "271828")
        ordering = [line for line in lines if "msg_btn" in str(line["parameters"]).lower()]
        assert operations(ordering) == ["ManageSubscription"]
        assert "271828" not in str(lines)
        (order,) = await world.orders(sims)
        assert order.state is OrderState.ACTIVE


async def test_a_server_killed_in_a_move_goes_on_with_it(sqlite_site: Site) -> None:
    """The SM-DP+ did what it was asked, and the server ends before it hears of it."""
    (sim,) = sims = sims_of_watches(1)
    kind = replace(PROFILES[ProfileName.ANDROID_NUMBER], apps=("ap2009",), app_name="")
    target = Target(imei=NEW_IMEI, eid="89049032123451234512345678901235")
    more = PHONE | {"orders.immediate_s": 0.3}
    async with opened(sqlite_site, sims, "pool", more=more) as world, AsyncExitStack() as stack:
        node = world.site.node(settings={"orders.call_timeout_s": 10})
        handsets = [
            Handset(sim, Url.parse(node.url), kind, terminal_id=imei)
            for imei in (DEMO_IMEI, NEW_IMEI)
        ]
        for handset in handsets:
            await stack.enter_async_context(handset)
        old, new = (PhoneClient(handset, target) for handset in handsets)
        new.lent = parms(await old.acquire_token())["TemporaryToken"]
        await world.smdp.ask("PUT", "/fault", fault="silent", function="confirmOrder")
        assert parms(await new.transfer())["SubscriptionResult"] == "4"
        assert (await world.called("confirmOrder"))["result"] == "done"
        node.kill()
        await world.smdp.ask("DELETE", "/fault")
        let_leases_end(world.site)
        node.start()
        (order,) = await world.agree(sims)
        assert order.state is OrderState.RELEASED
        # The same phone gets the same profile for the same token, and nobody else anything.
        assert parms(await new.transfer())["DownloadInfo/ProfileIccid"] == new.iccid
        assert order.iccid == Iccid(new.iccid)
        new.target = Target(imei="350000000000041", eid="89049032123451234512345678901243")
        assert (await new.transfer()).last.status == 403
        assert len(await world.agree(sims)) == 1


async def test_a_line_moves_by_password_and_by_sign_in(sqlite_site: Site, tmp_path: Path) -> None:
    (sim,) = sims = sims_of_watches(1)
    assert sim.msisdn is not None
    number = sim.msisdn.e164
    with services(tmp_path) as push, provider(tmp_path, "--phone-number", number) as issuer:
        idp = "identity_providers.home"
        more = {
            **PHONE,
            **push.settings(),
            "tenants.default.otp_apps": ["ap2009"],
            f"{idp}.issuer": issuer,
            f"{idp}.client_id": "simgrant",
            f"{idp}.secret_file": str(tmp_path / "secret"),
            f"{idp}.redirect_uri": BACK,
            f"{idp}.apps": ["ap2009"],
        }
        async with opened(sqlite_site, sims, "pool", more=more) as world:
            node = world.site.node(settings=listening(world))
            texts = ("--push-service", push.phones, "--msisdn", number)
            lines = await run(world, node.url, "otp", *texts)
            assert [line["leg"] for line in lines][:2] == ["sign-in", "password"]
            (order,) = await world.orders(sims)
            assert (order.state, order.asked_by) == (OrderState.ACTIVE, NEW_IMEI)
            # And on to the next phone, which signs in at the provider.
            third = ("--imei", "350000000000041", "--eid", "89049032123451234512345678901243")
            lines = await run(world, node.url, "oidc", *third)
            assert [line["leg"] for line in lines][:2] == ["sign-in", "callback"]
            states = {order.device.terminal_id: order.state for order in await world.orders(sims)}
            assert states == {
                NEW_IMEI: OrderState.ENDED,
                "350000000000041": OrderState.ACTIVE,
            }
            # Another gets a line of its own, without any SIM.
            fourth = ("--imei", "350000000000058", "--eid", "89049032123451234512345678901251")
            lines = await run(world, node.url, "sign-up", *fourth)
            assert [line["leg"] for line in lines][:2] == ["sign-in", "callback"]
            (last,) = (order for order in await world.orders(sims) if order.kind is Kind.SUBSCRIBE)
            assert last.state is OrderState.ACTIVE


def test_the_story_of_the_new_phone_has_no_surprises(tmp_path: Path) -> None:
    story = told("new-phone", tmp_path)
    assert "9 scenes, 13 requests, 0 surprises; the books of both sides agree" in story
    for shown in (
        "ManageSubscription with a temporary_token",
        "SM-DP+: downloadOrder, confirmOrder",
        "← 403  forbidden",
        "← 511  network authentication required",
        "line_moved",
    ):
        assert shown in story
