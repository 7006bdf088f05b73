"""Orders that others make, with processes: the simulated watch, the commands, and the calls."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from simgrant.sim.companion import Companion, CompanionClient, parms
from simgrant.sim.handset import Handset
from simgrant.sim.http import Url
from simgrant.sim.profiles import PROFILES, ProfileName
from simgrant.sim.sims import Sim
from tests.e2e.nodes import Node, Site, until
from tests.e2e.test_esim import sims_of_watches

pytestmark = pytest.mark.e2e

TOKEN = "a-token-of-more-than-32-characters"
CODE = "LPA:1$bss.example.net$CODE-1"
ICCIDS = ("8944600000000000017", "8944600000000000025")
PHONE = replace(PROFILES[ProfileName.ANDROID_NUMBER], apps=("ap2006",), app_name="odsa")
LIST = "CompanionConfigurations/CompanionConfiguration"


@asynccontextmanager
async def phone(sim: Sim, node: Node, eid: str) -> AsyncIterator[CompanionClient]:
    handset = Handset(sim, Url.parse(node.url), PHONE)
    yield CompanionClient(handset, Companion(terminal_id="350000000000017", eid=eid))
    await handset.aclose()


def call(node: Node, method: str, path: str, token: str = TOKEN, **content: Any) -> Any:
    request = urllib.request.Request(
        f"{node.management_url}{path}",
        json.dumps(content).encode() if method == "POST" else None,
        {"Authorization": f"Bearer {token}"},
        method=method,
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)


async def test_a_node_of_one_process_answers_who_has_the_token(sqlite_site: Site) -> None:
    (sqlite_site.directory / "token").write_text(TOKEN)
    node = sqlite_site.node(settings={"management.token_file": "token"})
    assert call(node, "GET", "orders") == {"orders": [], "next": None}
    with pytest.raises(urllib.error.HTTPError, match="401"):
        call(node, "GET", "orders", token=TOKEN[:-1])


async def test_the_bss_and_a_shop_have_their_part(sqlite_site: Site) -> None:
    site = sqlite_site
    first, second = sims = sims_of_watches(2)
    await site.provision(sims, tenant="default", plan="premium")
    (site.directory / "token").write_text(TOKEN)
    site.settings = {
        **site.settings,
        "esim.watch.order_mode": "bss",
        "management.token_file": "token",
        "orders.immediate_s": 0.5,
    }
    assert "with the token in token" in site.command("check-config").stdout
    node = site.node("--workers", "2")

    def command(*arguments: str) -> str:
        return site.command("order", *arguments).stdout

    def waiting() -> list[Any]:
        return list(call(node, "GET", "orders?waiting=1")["orders"])

    with pytest.raises(urllib.error.HTTPError, match="401"):
        call(node, "GET", "orders", token="another token of 32 characters or so")
    async with phone(first, node, "89049032123451234512345678901235") as watch:
        assert parms(await watch.subscribe())["SubscriptionResult"] == "4"
        (order,) = json.loads(await asyncio.to_thread(command, "list", "--waiting", "--json"))
        assert (order["whose"], order["awaits"]) == (first.imsi.digits, "profile")
        path = f"orders/{order['order'][:12]}/deliver"
        handed = {"iccid": ICCIDS[0], "activation_code": CODE}
        answer = await asyncio.to_thread(call, node, "POST", path, **handed)
        assert answer["state"] == "released"
        told = parms(await watch.configuration())
        assert (told[f"{LIST}/ServiceStatus"], told[f"{LIST}/ICCID"]) == ("1", ICCIDS[0])
        assert watch.code is not None
        assert watch.code.matching_id == "CODE-1"
        await asyncio.to_thread(command, "end", order["order"])
        await until(lambda: bool(waiting()), what="something to be taken back")
        (order,) = await asyncio.to_thread(waiting)
        assert (order["state"], order["awaits"]) == ("ended", "return")
        await asyncio.to_thread(command, "returned", order["order"])
        assert await asyncio.to_thread(waiting) == []
    # The other watch was sold with its plan.
    eid = "89049032123451234512345678901243"
    added = ("--app", "companion", "--eid", eid, "--iccid", ICCIDS[1], "--activation-code", CODE)
    await asyncio.to_thread(command, "add", second.imsi.digits, *added)
    async with phone(second, node, eid) as watch:
        told = parms(await watch.configuration())
        assert (told[f"{LIST}/ServiceStatus"], told[f"{LIST}/ICCID"]) == ("1", ICCIDS[1])
        assert watch.code is not None
        assert parms(await watch.installed())["SubscriptionResult"] == "3"
    shown = await asyncio.to_thread(call, node, "GET", "orders?limit=10")
    assert [each["state"] for each in shown["orders"]] == ["ended", "active"]
    text = node.out.read_text()
    for secret in (*ICCIDS, "CODE-1", eid, TOKEN, first.imsi.digits):
        assert secret not in text
