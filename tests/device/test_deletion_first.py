"""The profile in use is deleted before the line moves, asked for as phones do (TS.43 §8.11)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from simgrant.domain.order import OrderState
from simgrant.domain.subscription import PushRegistration
from simgrant.errors import StartRefused
from simgrant.identities import Iccid
from simgrant.links.certified import CERTIFICATE
from simgrant.sim.smdp.certificates import Certificates
from simgrant.spec.ids import NotifAction
from simgrant.wire.es2plus import Function
from tests.android_reader import Ts43XmlDoc
from tests.device.esim import EID, OTHER_EID, SETTINGS, World, code_of, opened
from tests.device.harness import ALLOWED, START, XML, Workbench
from tests.device.partner import operate

DELETION = 77
OLD_PHONE, NEW_PHONE = "350000000000033", "350000000000041"
OLD = {"target_terminal_id": OLD_PHONE, "target_terminal_eid": EID}
NEW = {"target_terminal_id": NEW_PHONE, "target_terminal_eid": OTHER_EID}
TELLS = """
[es2plus]
listen = "127.0.0.1:0"
tls_certificate = "tls.pem"
tls_key = "tls-key.pem"
client_ca = "ca.pem"
"""


@dataclass
class Moving(World):
    """A line on an old phone, and a new phone."""

    certificate: bytes
    iccid: str = ""
    """Of the profile on the old phone."""

    async def transfer(self, terminal_id: str, **more: str) -> dict[str, Any]:
        """Ask, from this phone, that the line moves to the new one."""
        self.phone = self.phone.but(terminal_id=terminal_id)
        self.token = await self.phone.token()
        return await self.again(**more)

    async def again(self, **more: str) -> dict[str, Any]:
        return await self.ask(
            "ManageSubscription",
            operation_type="3",
            old_terminal_id=OLD_PHONE,
            old_terminal_iccid=self.iccid,
            **(NEW | more),
        )

    async def configuration(self) -> dict[str, Any]:
        found = await self.ask("AcquireConfiguration", target_terminal_id=NEW_PHONE)
        told = found["PrimaryConfiguration"]
        assert isinstance(told, dict)
        return told

    async def deleted(self, iccid: str = "") -> int:
        """Let the SM-DP+ tell that a profile was deleted, and return the status it gets."""
        self.books.on_euicc(Iccid(iccid or self.iccid), "deleted")
        return await self.told(iccid or self.iccid)

    async def told(self, iccid: str) -> int:
        front, sent = self.server.parts.es2plus, list[Any]()
        assert front is not None
        body = json.dumps(
            {
                "header": {"functionRequesterIdentifier": "DP", "functionCallIdentifier": "7"},
                "iccid": iccid,
                "notificationPointId": DELETION,
                "notificationPointStatus": {"status": "Executed-Success"},
            }
        ).encode()

        async def receive() -> Any:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "method": "POST",
            "path": Function.HANDLE_NOTIFICATION.path,
            "headers": [(b"content-type", b"application/json")],
            "state": {CERTIFICATE: self.certificate},
        }
        await front(scope, receive, send)
        status = sent[0]["status"]
        assert isinstance(status, int)
        return status

    async def worker(self) -> None:
        """Let a worker do what is due."""
        ordering, orders = self.server.parts.ordering, self.server.store.real.orders
        now = int(self.server.clock.at) + 1
        for kept in await orders.claim(now=now, again_at=now + 60, limit=9):
            await ordering.wait(kept)


@asynccontextmanager
async def moving(
    bench: Workbench,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    old_profile: str,
    portal: str = "never",
) -> AsyncIterator[Moving]:
    """Open a server where the old profile has to be deleted; the old phone has one."""
    certificates = Certificates(tmp_path / "dp", now=START)
    settings = SETTINGS.replace(
        'key = "client.key"\n',
        f'key = "client.key"\ndeletion_point = {DELETION}\n'
        f'tells_sha256 = ["{certificates.fingerprint()}"]\n',
    )
    monkeypatch.setattr("tests.device.esim.SETTINGS", settings)
    more = f'old_profile = "{old_profile}"\nportal = "{portal}"\n{TELLS}'
    async with opened(bench, monkeypatch, "ap2009", more) as world:
        found = x509.load_pem_x509_certificate(certificates.smdp.read_bytes())
        made = Moving(
            world.server,
            world.books,
            world.phone,
            world.token,
            certificate=found.public_bytes(Encoding.DER),
        )
        answer = await made.ask("ManageSubscription", operation_type="0", **OLD)
        made.iccid = answer["DownloadInfo"]["ProfileIccid"]
        made.books.on_euicc(Iccid(made.iccid), "installed")
        await made.ask("ManageSubscription", operation_type="4", **OLD)
        made.books.calls.clear()
        yield made


@pytest.mark.spec("TS.43 §8.11.1")
@pytest.mark.conforms(
    "primary.delete-first-old",
    "ap2009.SubscriptionResult=6",
    "request.redownloadable_profile",
    "request.redownloadable_profile=1",
    "request.old_terminal_id",
    "request.old_terminal_iccid",
    "identities.old-phone",
)
async def test_the_old_phone_deletes_its_profile_and_hands_the_code_over(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async with moving(bench, monkeypatch, tmp_path, "reused") as world:
        answer = await world.transfer(OLD_PHONE, redownloadable_profile="1")
        assert answer == {"OperationResult": "1", "SubscriptionResult": "6"}
        assert await world.again(redownloadable_profile="1") == answer
        assert (await world.configuration())["ServiceStatus"] == "2"
        assert world.books.calls == []
        assert await world.deleted() == 204
        await world.worker()
        assert [name for name, _ in world.books.calls] == ["cancel", "download", "confirm"]
        answer = await world.again(redownloadable_profile="1")
        assert answer["SubscriptionResult"] == "2"
        # The same profile, for the other phone, by another code.
        assert answer["DownloadInfo"]["ProfileIccid"] == world.iccid
        assert code_of(answer["DownloadInfo"]).matching_id
        assert world.books.ordered == {world.iccid: "released"}
        done = await world.ask("ManageSubscription", operation_type="4", **NEW)
        assert done["SubscriptionResult"] == "3"
        # The line has left the old phone, and with it what that held.
        world.token = await world.phone.token()
        found = await world.ask("AcquireConfiguration")
        assert found["PrimaryConfiguration"] == {"ICCID": world.iccid, "ServiceStatus": "1"}


@pytest.mark.spec("TS.43 §8.11.2")
@pytest.mark.conforms("primary.delete-first-new", "annex.primary")
async def test_the_new_phone_waits_and_is_told_by_push_and_the_old_one_too(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async with moving(bench, monkeypatch, tmp_path, "deleted") as world:
        store, now = world.server.store.real, int(world.server.clock.at)
        clients = [
            PushRegistration(each, "ap2009", "odsa", int(NotifAction.FCM), f"to {each}", now)
            for each in (OLD_PHONE, NEW_PHONE)
        ]
        await store.register_push("default", ALLOWED, clients)
        answer = await world.transfer(NEW_PHONE)
        assert answer == {"OperationResult": "1", "SubscriptionResult": "4"}

        async def told() -> set[str]:
            due = await store.claim_notices(now=now + 99, again_at=now + 99, limit=9)
            return {notice.terminal_id for notice in due}

        assert OLD_PHONE in await told()
        configuration = await world.configuration()
        assert configuration["ServiceStatus"] == "2"
        assert int(configuration["PollingInterval"]) > 0
        assert await world.deleted() == 204
        await world.worker()
        assert NEW_PHONE in await told()
        configuration = await world.configuration()
        assert configuration["ServiceStatus"] == "1"
        assert configuration["ICCID"] not in ("", world.iccid)
        assert code_of(configuration["DownloadInfo"])
        assert set(world.books.ordered) == {world.iccid, configuration["ICCID"]}


@pytest.mark.spec("TS.43 §6.5.3")
@pytest.mark.conforms(
    "ap2009.SubscriptionResult=7",
    "subscription.redownload-type-3-only",
    "request.redownloadable_profile=0",
)
@pytest.mark.parametrize("says", [{}, {"redownloadable_profile": "0"}])
async def test_a_phone_that_cannot_load_it_again_is_told_so(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, says: dict[str, str]
) -> None:
    async with moving(bench, monkeypatch, tmp_path, "reused") as world:
        answer = await world.transfer(NEW_PHONE, **says)
        assert answer == {"OperationResult": "1", "SubscriptionResult": "7"}
        assert world.books.calls == []
        # A line of its own is not a transfer.
        answer = await world.ask("ManageSubscription", operation_type="0", **NEW, **says)
        assert answer["SubscriptionResult"] == "2"


@pytest.mark.conforms("identities.old-profile-checked")
async def test_what_is_none_of_ours_is_neither_waited_for_nor_ordered_again(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async with moving(bench, monkeypatch, tmp_path, "reused") as world:
        mine, world.iccid = world.iccid, "8944500000000000991"
        answer = await world.transfer(NEW_PHONE, redownloadable_profile="1")
        assert answer["SubscriptionResult"] == "2"
        assert answer["DownloadInfo"]["ProfileIccid"] not in (mine, world.iccid)


@pytest.mark.parametrize("old_profile", ["deleted", "reused"])
async def test_one_who_waits_for_nothing_goes_on(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, old_profile: str
) -> None:
    async with moving(bench, monkeypatch, tmp_path, old_profile) as world:
        # The profile was deleted before anybody asked.
        assert await world.deleted() == 204
        answer = await world.transfer(NEW_PHONE, redownloadable_profile="1")
        assert answer["SubscriptionResult"] == "2"
        same = answer["DownloadInfo"]["ProfileIccid"] == world.iccid
        assert same is (old_profile == "reused")
        found = await world.server.store.real.orders.by_iccid("default", Iccid(world.iccid))
        assert found is not None
        assert (found.order.state is OrderState.RELEASED) is same


@pytest.mark.parametrize("ended", [False, True])
async def test_an_order_whose_old_profile_is_known_to_be_gone_goes_on_when_asked_for(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ended: bool
) -> None:
    async with moving(bench, monkeypatch, tmp_path, "deleted") as world:
        assert (await world.transfer(NEW_PHONE))["SubscriptionResult"] == "4"
        orders = world.server.store.real.orders
        for order in await orders.of("default", ALLOWED):
            if order.iccid == Iccid(world.iccid):
                # As whoever took the news over, and was killed before he was done, leaves it.
                after = replace(order, version=order.version + 1, gone=True)
                if ended:
                    after = replace(after, state=OrderState.ENDED)
                assert await orders.change(
                    "default", ALLOWED, after, before=order, event="test", due_at=None
                )
        assert (await world.again())["SubscriptionResult"] == "2"


async def test_a_deletion_that_never_comes_leaves_the_old_profile_as_it_was(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async with moving(bench, monkeypatch, tmp_path, "reused") as world:
        await world.transfer(NEW_PHONE, redownloadable_profile="1")
        world.server.clock.at += 86_400
        await world.worker()
        configuration = await world.configuration()
        assert configuration == {"ServiceStatus": "4"}
        found = await world.ask("AcquireConfiguration", target_terminal_id=OLD_PHONE)
        assert found["PrimaryConfiguration"] == {"ICCID": world.iccid, "ServiceStatus": "1"}
        assert world.books.ordered == {world.iccid: "installed"}


async def test_android_reads_the_result(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async with moving(bench, monkeypatch, tmp_path, "deleted") as world:
        await world.transfer(OLD_PHONE)
        answer = await operate(
            world.phone.but(wanted=XML),
            world.token,
            "ManageSubscription",
            operation_type="3",
            old_terminal_id=OLD_PHONE,
            old_terminal_iccid=world.iccid,
            **NEW,
        )
        assert Ts43XmlDoc(answer.content).get("APPLICATION", "SubscriptionResult") == "6"


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ("", "esim.phone.old_profile: nobody tells us of deletions"),
        ('[esim.w]\nsmdp = "main"\nprofile_type = "w"\nold_profile = "deleted"\n', "is for app"),
    ],
)
def test_settings_by_which_nobody_would_hear_of_it_stop_the_start(
    bench: Workbench, settings: str, says: str
) -> None:
    with pytest.raises(StartRefused, match=says):
        bench.loaded(SETTINGS.replace("{more}", f'old_profile = "deleted"\n{settings}'))
