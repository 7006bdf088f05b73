"""The story of a watch: it gets an eSIM, and its service goes off, on, and back (TS.43 §7.4)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from simgrant.cli.esim_play import House, Scene, house, perform
from simgrant.nouns import noun

if TYPE_CHECKING:
    from simgrant.sim.companion import CompanionClient
    from simgrant.sim.exchange import Outcome

_STOCK: Final = 3
_EIDS: Final = ("89049032123451234512345678901235", "89049032123451234512345678901243")
_LIST: Final = "CompanionConfigurations/CompanionConfiguration"


@noun
class Stage:
    """Who plays."""

    house: House
    watch: CompanionClient
    second: CompanionClient


async def _install(stage: Stage) -> None:
    await stage.house.install(stage.watch.iccid)


async def _order_in_bad_weather(stage: Stage) -> Outcome:
    """Order a second watch's profile while the SM-DP+ loses an answer."""
    from simgrant.sim.smdp.faults import Fault, Plan

    stage.house.smdp.play(Plan(fault=Fault.LOST, times=1))
    return await stage.second.subscribe()


async def _wait_and_ask(stage: Stage) -> Outcome:
    """Ask again once there is something new."""
    await stage.house.until("released")
    return await stage.second.configuration()


async def _give_both_up(stage: Stage) -> Outcome:
    await stage.watch.give_up()
    outcome = await stage.second.give_up()
    await stage.house.until()
    return outcome


SCENES: Final[tuple[Scene[Stage], ...]] = (
    Scene(
        "Somebody buys a watch. The phone proves its SIM, and asks whether the line may have one",
        lambda stage: stage.watch.check(),
        {"CompanionAppEligibility": "1", "CompanionDeviceServices": "SharedNumber"},
    ),
    Scene(
        "It may. The phone orders a profile for the watch's eSIM; the server reserves an ICCID of\n"
        "   its stock, writes the order down, and orders of the SM-DP+",
        lambda stage: stage.watch.subscribe(),
        {"SubscriptionResult": "2", "DownloadInfo/ProfileActivationCode": "*"},
        ("downloadOrder", "confirmOrder"),
        ("released",),
    ),
    Scene(
        "The phone lost the answer, and asks once more: the same profile, and nothing is ordered",
        lambda stage: stage.watch.subscribe(),
        {"SubscriptionResult": "2"},
        (),
        ("released",),
    ),
    Scene(
        "The watch downloads and installs it; the SM-DP+ tells the server, which knows its\n"
        "   certificate",
        _install,
        {},
        (),
        ("active",),
    ),
    Scene(
        "The phone says so too, which is no news",
        lambda stage: stage.watch.installed(),
        {"SubscriptionResult": "3"},
        (),
        ("active",),
    ),
    Scene(
        "The watch stays in a drawer for a while: its service goes off …",
        lambda stage: stage.watch.service(on=False),
        {"ServiceStatus": "3"},
        (),
        ("inactive",),
    ),
    Scene(
        "… and on again",
        lambda stage: stage.watch.service(on=True),
        {"ServiceStatus": "1"},
        (),
        ("active",),
    ),
    Scene(
        "A second watch, while the SM-DP+ executes what it is asked and its answer is lost: the\n"
        "   phone is told to come again",
        _order_in_bad_weather,
        {"SubscriptionResult": "4"},
        ("downloadOrder",),
    ),
    Scene(
        "The server makes the same call again, for the same ICCID, and the profile is ready",
        _wait_and_ask,
        {f"{_LIST}/ServiceStatus": "1", f"{_LIST}/DownloadInfo/ProfileActivationCode": "*"},
        (),
        ("active", "released"),
    ),
    Scene(
        "Both are given up. The second was never downloaded: the SM-DP+ has it back",
        _give_both_up,
        {"SubscriptionResult": "3"},
        ("cancelOrder",),
        ("ended", "ended"),
    ),
)
"""What the story tells, in order."""


async def play() -> list[str]:
    """Play every scene; return what was not as expected."""
    with TemporaryDirectory(prefix="simgrant-demo-") as state:
        async with _stage(Path(state)) as stage:
            # The installed one is used up on both sides, though its order has ended.
            return await perform(stage, SCENES, used=1)


@asynccontextmanager
async def _stage(state: Path) -> AsyncIterator[Stage]:
    """Open the house, and a phone with two watches."""
    from simgrant.nouns import replace
    from simgrant.sim.companion import APP, Companion, CompanionClient
    from simgrant.sim.handset import Handset
    from simgrant.sim.http import Url
    from simgrant.sim.profiles import PROFILES, ProfileName
    from simgrant.sim.sims import demo_sims

    phone = replace(PROFILES[ProfileName.ANDROID_NUMBER], apps=(APP,), app_name="Watch")
    esim = {"esim.watch": {"smdp": "sim", "profile_type": "watch"}}
    async with (
        house(state, profile_type="watch", stock=_STOCK, more=esim) as opened,
        Handset(demo_sims()[0], Url.parse(opened.server.device_url), phone) as handset,
    ):
        watches = (
            CompanionClient(handset, Companion(terminal_id=imei, eid=eid, name=name))
            for imei, eid, name in (
                ("350000000000017", _EIDS[0], "My watch"),
                ("350000000000025", _EIDS[1], "My other watch"),
            )
        )
        yield Stage(opened, *watches)
