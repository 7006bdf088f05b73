"""A line that moves once its owner has agreed and the old profile is deleted, with processes.

The server is killed in between, and the SM-DP+, over mutual TLS, tells what eUICCs do.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from simgrant.sim.companion import parms
from simgrant.sim.dialogue import Dialogue
from simgrant.sim.exchange import Outcome
from simgrant.sim.handset import Handset
from simgrant.sim.http import Limits, Url
from simgrant.sim.profiles import PROFILES, ProfileName
from simgrant.sim.sims import Sim
from simgrant.sim.smdp.control import DELETION
from tests.e2e.nodes import Node, Site
from tests.e2e.test_esim import T, World, listening, opened, sims_of_watches

pytestmark = pytest.mark.e2e

OLD_IMEI, NEW_IMEI = "350000000000033", "350000000000041"
OLD_EID, NEW_EID = "89049032123451234512345678901235", "89049032123451234512345678901243"
PIN = "271828"
NEW = {"target_terminal_id": NEW_IMEI, "target_terminal_eid": NEW_EID}
PHONE = replace(PROFILES[ProfileName.ANDROID_NUMBER], apps=("ap2009",), app_name="odsa")
SETTINGS: dict[str, object] = {
    "esim.watch.app": "primary",
    "esim.watch.old_profile": "reused",
    "esim.watch.ask_transfer": "pin",
    "smdp.sim.deletion_point": DELETION,
    "es2plus.listen": "127.0.0.1:0",
    "orders.immediate_s": 10,
    "orders.call_timeout_s": 5,
}


@asynccontextmanager
async def phone(sim: Sim, node: Node, imei: str) -> AsyncIterator[Handset]:
    limits = Limits(connect_s=20, read_s=25)
    where = Url.parse(node.url)
    async with Handset(sim, where, PHONE, terminal_id=imei, limits=limits) as handset:
        yield handset


async def manage(handset: Handset, kind: str, **parameters: str) -> Outcome:
    extra = (("operation_type", kind), *parameters.items())
    return await handset.operate("ManageSubscription", extra=extra)


async def has_profile(world: World, handset: Handset) -> str:
    """Give the old phone a profile of the line, and return its ICCID."""
    old = {"target_terminal_id": OLD_IMEI, "target_terminal_eid": OLD_EID}
    iccid = parms(await manage(handset, "0", **old))["DownloadInfo/ProfileIccid"]
    assert await world.smdp.ask("POST", "/install", iccid=iccid) == [204, 204]
    return iccid


async def test_the_same_profile_goes_to_the_new_phone_whoever_is_killed(
    sqlite_site: Site,
) -> None:
    (sim,) = sims = sims_of_watches(1)
    async with opened(sqlite_site, sims, "pool", more=SETTINGS) as world:
        node = world.site.node(settings=listening(world))
        pin = world.folder / "pin"
        pin.write_text(PIN)
        pin.chmod(0o600)
        world.site.command("subscription", "set", sim.imsi.digits, "--pin-file", str(pin))
        async with phone(sim, node, OLD_IMEI) as old, phone(sim, node, NEW_IMEI) as new:
            iccid = await has_profile(world, old)
            wanted = {"old_terminal_iccid": iccid, "redownloadable_profile": "1", **NEW}
            dialogue = Dialogue.pull(await manage(new, "3", **wanted))
            assert dialogue is not None
            wrong = await manage(new, "3", **wanted, **dialogue.accepted("0000"))
            assert parms(wrong)["OperationResult"] == "104"
            told = parms(await manage(new, "3", **wanted, **dialogue.accepted(PIN)))
            assert told["SubscriptionResult"] == "4"
            node.kill()
            node.start()
            # Its owner deletes it, and the SM-DP+, when it was given back, has it for another.
            assert await world.smdp.ask("POST", "/delete", iccid=iccid) == [204]
            (_, moved) = sorted(await world.settled(sims), key=lambda order: order.created_at)
            assert moved.iccid is not None
            assert (moved.state.value, moved.iccid.digits) == ("released", iccid)
            told = parms(await manage(new, "3", **wanted))
            assert (told["SubscriptionResult"], told["DownloadInfo/ProfileIccid"]) == ("2", iccid)
            profile = await world.smdp.ask("GET", f"/profiles/{iccid}")
            assert (profile["state"], profile["eid"]) == ("Released", NEW_EID)
            assert await world.smdp.ask("POST", "/install", iccid=iccid) == [204, 204]
            await world.agree(sims)
        text = node.out.read_text()
        for secret in (iccid, PIN, NEW_EID, NEW_IMEI, sim.imsi.digits):
            assert secret not in text
        async with world.site.store() as store:
            kept = await store.pins.find(T, sim.imsi)
        assert kept is not None
        assert kept.tries == 0
