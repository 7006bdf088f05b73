"""What becomes of each parameter of a request that no other test is about, and of each version."""

from __future__ import annotations

import pytest

from simgrant.spec.load import tables
from simgrant.spec.version import SpecVersion
from tests.device.harness import ALLOWED, IMEI, JSON, Phone, Server, query, service

ALL = ("ap2003", "ap2004", "ap2005")
PUSH_TOKENS = {
    3: "https://db5.notify.windows.com/?token=AwYAAAD",
    4: "740f4707bebcf74f9b7c25d48e3358945f6aa01da5ddb387462c7eaf61bb78ad",
}
"""What a token looks like, where the channel tells its own from others."""


@pytest.mark.spec("TS.43 §2.5")
@pytest.mark.conforms("version.*")
@pytest.mark.parametrize("version", sorted(tables().versions), ids=str)
async def test_every_version_is_served(phone: Phone, version: SpecVersion) -> None:
    asking = phone.but(entitlement_version=str(version), apps=ALL, wanted=JSON)
    answer = await asking.full()
    assert list(answer.object) == ["Vers", "Token", *ALL]
    nested = "VoiceOverCellularEntitleInfo" in answer.object["ap2003"]
    assert nested is (version >= SpecVersion(7, 0))


@pytest.mark.spec("TS.43 §2.3")
@pytest.mark.conforms(
    "request.terminal_vendor",
    "request.terminal_model",
    "request.terminal_sw_version",
    "get.terminal-any-length",
)
@pytest.mark.parametrize("said", [("Goog", "Pixel 9 Pr", "15"), ("v" * 60, "m" * 60, "s" * 60)])
async def test_what_a_phone_says_of_itself_is_kept(phone: Phone, said: tuple[str, ...]) -> None:
    names = ("terminal_vendor", "terminal_model", "terminal_sw_version")
    pairs = [("EAP_ID", phone.eap_id), ("terminal_id", IMEI), ("app", "ap2004")]
    challenge = await phone.server.get(query([*pairs, *zip(names, said, strict=True)]))
    assert (await phone.end(challenge)).status == 200
    held = await phone.server.store.real.export("default", ALLOWED)
    assert held is not None
    (kept,) = held.terminals
    assert (kept.vendor, kept.model, kept.sw_version) == said


@pytest.mark.conforms("request.app_version", "request.GID2")
@pytest.mark.parametrize("extra", [("app_version", "4.2"), ("GID2", "01")])
async def test_what_decides_nothing_changes_nothing(phone: Phone, extra: tuple[str, str]) -> None:
    token = await phone.token()
    without, beside = await phone.fast(token), await phone.fast(token, extra=(extra,))
    assert beside.status == 200
    assert beside.unsealed == without.unsealed


@pytest.mark.spec("TS.43 §2.6.2")
@pytest.mark.conforms("request.notif_action")
@pytest.mark.parametrize(
    "action",
    [
        pytest.param(1, marks=pytest.mark.conforms("request.notif_action=1")),
        pytest.param(2, marks=pytest.mark.conforms("request.notif_action=2")),
        pytest.param(3, marks=pytest.mark.conforms("request.notif_action=3")),
        pytest.param(4, marks=pytest.mark.conforms("request.notif_action=4")),
        pytest.param(5, marks=pytest.mark.conforms("request.notif_action=5")),
    ],
)
async def test_every_way_to_be_notified_is_kept(phone: Phone, action: int) -> None:
    push = PUSH_TOKENS.get(action, "TOKEN")
    asking = phone.but(extra=(("notif_action", str(action)), ("notif_token", push)))
    assert "RegisterNotifStatus" in service(await asking.full(), "ap2004")
    held = await phone.server.store.real.export("default", ALLOWED)
    assert held is not None
    assert [(each.action, each.token) for each in held.push] == [(action, push)]


@pytest.mark.spec("TS.43 §2.10")
@pytest.mark.conforms("status.500")
async def test_a_fault_of_ours_is_500_and_tells_nothing(server: Server) -> None:
    phone = Phone(server)
    token = await phone.token()
    store = server.store.real
    server.store.real = None  # type: ignore[assignment]
    answer = await phone.fast(token)
    assert (answer.status, answer.all("retry-after")) == (500, [])
    assert b"Traceback" not in answer.body
    assert b"None" not in answer.body
    server.store.real = store
    assert (await phone.fast(token)).status == 200
