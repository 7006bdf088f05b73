"""A device management of the simulator: what it sends, and what it makes of answers."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from simgrant.sim.mdm import Contract, DeviceManagement, End, Step, Told, fleet
from tests.loopback.sim.scripted import CLOSE, Says, ScriptedServer, Seen, answer

JSON = "application/json"
CODE = "LPA:1$smdp.example.net$AB-12"
INFO = {
    "ProfileIccid": "8944500000000000017",
    "ProfileActivationCode": base64.b64encode(CODE.encode()).decode(),
}
WAITING = {"ServiceStatus": "2", "PollingInterval": "1", "PollingIntervalUnit": "1"}


def told(**members: Any) -> bytes:
    document = {
        "Vers": {"version": "1", "validity": "60"},
        "Token": {"token": "secret-token", "validity": "60"},
        "ap2011": {"OperationResult": "1"} | members,
    }
    return answer("200 OK", json.dumps(document).encode(), JSON)


ELIGIBLE = told(EnterpriseAppEligibility="1")
READY = told(SubscriptionResult="2", DownloadInfo=INFO)
DELAYED = told(SubscriptionResult="4")
DONE = told(SubscriptionResult="3")
LATER = answer("503 Service Unavailable", b"", "", ("Retry-After", "0"))
STALE = answer("511 Network Authentication Required")


async def _run(
    *script: Says, patience_s: float = 30, plan: str = "", steps: tuple[Step, ...] = ()
) -> tuple[Told, list[dict[str, str]]]:
    async with ScriptedServer(ELIGIBLE, *script) as server:
        management = DeviceManagement(
            server.url(),
            Contract(requestor_id="mdm-1", enterprise_id="acme", access_token="secret-access"),
            patience_s=patience_s,
            longest_wait_s=0.01,
        )
        await management.authenticate()
        (device,) = fleet(1)
        async with management.connection() as connection:
            found = await management.serve(
                connection, device, steps or (Step.SUBSCRIBE, Step.INSTALLED), plan=plan
            )
        return found, [_asked(seen) for seen in server.seen]


def _asked(seen: Seen) -> dict[str, str]:
    members = json.loads(seen.body)
    assert isinstance(members, dict)
    return members


def _operations(asked: list[dict[str, str]]) -> list[str]:
    return [f"{each.get('operation', '')} {each.get('operation_type', '')}" for each in asked]


def test_devices_have_the_check_digits_of_imei_and_eid() -> None:
    devices = fleet(300, first=7)
    assert len({device.terminal_id for device in devices}) == 300
    for device in devices:
        assert (len(device.terminal_id), len(device.eid)) == (15, 32)
        assert int(device.eid) % 97 == 1
        doubled = [int(digit) * (2 if at % 2 else 1) for at, digit in enumerate(device.terminal_id)]
        assert sum(each // 10 + each % 10 for each in doubled) % 10 == 0


async def test_it_proves_itself_once_and_subscribes_with_its_token() -> None:
    found, asked = await _run(READY, DONE, plan="office")
    assert (found.end, found.iccid, found.code) == (End.DONE, INFO["ProfileIccid"], CODE)
    assert _operations(asked) == [
        "CheckEligibility ",
        "ManageSubscription 0",
        "ManageSubscription 4",
    ]
    first, second, third = asked
    assert (first["access_token"], first["enterprise_id"]) == ("secret-access", "acme")
    assert {each["app"] for each in asked} == {"ap2011"}
    for later in (second, third):
        assert later["token"] == "secret-token"
        assert "access_token" not in later
    assert second["plan_id"] == "office"
    assert "plan_id" not in third
    shown = repr(found)
    for secret in (CODE, INFO["ProfileIccid"], second["enterprise_terminal_eid"]):
        assert secret not in shown


async def test_it_polls_for_what_takes_longer() -> None:
    waiting = told(EnterpriseConfiguration=WAITING)
    ready = told(EnterpriseConfiguration={"ServiceStatus": "1", "DownloadInfo": INFO})
    found, asked = await _run(DELAYED, waiting, ready, DONE)
    assert (found.end, found.code, found.requests) == (End.DONE, CODE, 4)
    assert _operations(asked)[2:4] == ["AcquireConfiguration "] * 2


async def test_it_repeats_what_was_not_answered_and_gets_a_new_token() -> None:
    found, asked = await _run(LATER, CLOSE, STALE, ELIGIBLE, READY, DONE)
    assert (found.end, found.iccid) == (End.DONE, INFO["ProfileIccid"])
    assert _operations(asked)[1:] == [
        *["ManageSubscription 0"] * 3,
        " ",
        "ManageSubscription 0",
        "ManageSubscription 4",
    ]


@pytest.mark.parametrize(
    ("script", "end"),
    [
        ((told(SubscriptionResult="5"),), End.DISMISSED),
        ((DELAYED, told(EnterpriseConfiguration={"ServiceStatus": "4"})), End.DISMISSED),
        ((told(SubscriptionResult="1"),), End.REFUSED),
        ((told(OperationResult="102"),), End.REFUSED),
        ((answer("403 Forbidden"),), End.REFUSED),
        ((answer("200 OK", b"{", JSON),), End.REFUSED),
        ((STALE, ELIGIBLE) * 4, End.REFUSED),
        ((LATER,), End.LATE),
        ((CLOSE,), End.UNREACHABLE),
        ((READY, told(OperationResult="101")), End.REFUSED),
    ],
)
async def test_every_story_has_an_end(script: tuple[bytes, ...], end: End) -> None:
    patience_s = 0.1 if end in (End.LATE, End.UNREACHABLE) else 30
    found, _ = await _run(*script, patience_s=patience_s)
    assert found.end is end
    assert found.why
