"""The story of a new phone: a token that the old one acquired brings it the line (TS.43 §8.9)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from simgrant.cli.esim_play import House, Scene, house, perform
from simgrant.nouns import noun

if TYPE_CHECKING:
    from simgrant.sim.exchange import Outcome
    from simgrant.sim.phones import PhoneClient
    from simgrant.sim.receiver import Receiver

_STOCK: Final = 3
_TYPE: Final = "phone"
_NEW: Final = ("350000000000033", "89049032123451234512345678901235")
_THIRD: Final = ("350000000000041", "89049032123451234512345678901243")
_WITHIN_S: Final = 20


@noun
class Stage:
    """Who plays."""

    house: House
    old: PhoneClient
    new: PhoneClient
    third: PhoneClient
    receiver: Receiver
    """The old phone's end of its push service."""


async def _acquire(stage: Stage) -> Outcome:
    """Let the old phone acquire a token; the others get it, one of them honestly."""
    from simgrant.sim.companion import parms

    outcome = await stage.old.acquire_token()
    stage.new.lent = stage.third.lent = parms(outcome).get("TemporaryToken", "")
    return outcome


async def _install(stage: Stage) -> None:
    await stage.house.install(stage.new.iccid)


async def _hear(stage: Stage) -> Outcome:
    """Wait for the notice, and ask as a phone does that gets one."""
    notice = await stage.receiver.listen(within=_WITHIN_S)
    if notice is None or notice.apps != ("ap2009",):
        raise RuntimeError("the old phone was not told")
    record = await stage.house.notice()
    if record["cause"] != "line_moved":
        raise RuntimeError(f"the record says {record}")
    return await stage.old.configuration()


SCENES: Final[tuple[Scene[Stage], ...]] = (
    Scene(
        "Somebody buys a new phone. The old one proves its SIM, says where it hears of changes,\n"
        "   and asks whether the line may move",
        lambda stage: stage.old.check(),
        {"PrimaryAppEligibility": "1", "RegisterNotifStatus": "0"},
    ),
    Scene(
        "It may. The old phone acquires a token for the new one, and gives it over by Bluetooth",
        _acquire,
        {"TemporaryToken": "*", "OperationTargets": "ManageSubscription,AcquireConfiguration"},
    ),
    Scene(
        "The new phone has no SIM. It orders the line's profile with the token: its own eSIM is\n"
        "   named, and the token belongs to it from now on",
        lambda stage: stage.new.transfer(),
        {"SubscriptionResult": "2", "DownloadInfo/ProfileActivationCode": "*"},
        ("downloadOrder", "confirmOrder"),
        ("released",),
    ),
    Scene(
        "A third phone has overheard the token, and wants the line too: it is refused",
        lambda stage: stage.third.transfer(),
        states=("released",),
        status=403,
    ),
    Scene(
        "The new phone lost the answer, and asks once more: the same profile, nothing is ordered",
        lambda stage: stage.new.transfer(),
        {"SubscriptionResult": "2"},
        states=("released",),
    ),
    Scene(
        "It downloads and installs the profile; the SM-DP+ tells the server, which knows its\n"
        "   certificate. Now, and not before, the line has left the old phone",
        _install,
        states=("active",),
    ),
    Scene(
        "The new phone says so too, which is no news",
        lambda stage: stage.new.installed(),
        {"SubscriptionResult": "3"},
        states=("active",),
    ),
    Scene(
        "The old phone is told by push, of which the record says: line_moved. It asks. Its token\n"
        "   is over (511); with its SIM it learns that the line is in another eSIM",
        _hear,
        {"PrimaryConfiguration/ServiceStatus": "1", "PrimaryConfiguration/ICCID": "*"},
    ),
    Scene(
        "The new phone may still look, with the token that brought the line",
        lambda stage: stage.new.configuration(),
        {"PrimaryConfiguration/ServiceStatus": "1"},
        states=("active",),
    ),
)
"""What the story tells, in order."""


async def play() -> list[str]:
    """Play every scene; return what was not as expected."""
    with TemporaryDirectory(prefix="simgrant-demo-") as state:
        async with _stage(Path(state)) as stage:
            return await perform(stage, SCENES, used=1)


@asynccontextmanager
async def _stage(state: Path) -> AsyncIterator[Stage]:
    """Open the house, a push service, and three phones."""
    from simgrant.nouns import replace
    from simgrant.sim.handset import Handset
    from simgrant.sim.http import Url
    from simgrant.sim.phones import APP, PhoneClient, Target
    from simgrant.sim.profiles import DEMO_IMEI, PROFILES, ProfileName
    from simgrant.sim.push.air import Air
    from simgrant.sim.push.services import Services
    from simgrant.sim.receiver import Receiver
    from simgrant.sim.sims import demo_sims
    from simgrant.wire.push_token import Channel

    services = Services(state / "push")
    air = Air(services, port=0)
    async with AsyncExitStack() as stack:
        await services.up()
        stack.push_async_callback(services.down)
        await air.up()
        stack.push_async_callback(air.down)
        more = {
            "esim.phone": {"app": "primary", "smdp": "sim", "profile_type": _TYPE},
            "fcm.lab": services.tables("lab")["fcm.lab"],
            "push": {"poll_s": 0.1},
        }
        opened = await stack.enter_async_context(
            house(state, profile_type=_TYPE, stock=_STOCK, more=more)
        )
        receiver = Receiver(Url.parse(air.web.url), Channel.FCM)
        address = await receiver.register()
        kind = replace(PROFILES[ProfileName.ANDROID_NUMBER], apps=(APP,), app_name="Transfer")

        async def phone(target: tuple[str, str], imei: str, token: str = "") -> PhoneClient:
            handset = Handset(
                demo_sims()[0],
                Url.parse(opened.server.device_url),
                kind,
                terminal_id=imei,
                notif_token=token,
                notif_action=address.action,
            )
            await stack.enter_async_context(handset)
            return PhoneClient(handset, Target(imei=target[0], eid=target[1]))

        yield Stage(
            opened,
            old=await phone(_NEW, DEMO_IMEI, address.token),
            new=await phone(_NEW, _NEW[0]),
            third=await phone(_THIRD, _THIRD[0]),
            receiver=receiver,
        )
