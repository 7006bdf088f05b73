"""What a handset does after its answer: it hears of changes, opens pages, and asks again."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from simgrant.sim.cli import app
from simgrant.sim.events import event_json, render_event
from simgrant.sim.exchange import Outcome
from simgrant.sim.follow_up import (
    Called,
    Changed,
    Event,
    Failed,
    Heard,
    Opened,
    Sent,
    Trouble,
    Waiting,
    WebEnd,
    await_notice,
    open_pages,
)
from simgrant.sim.handset import Handset, HeldToken
from simgrant.sim.http import Limits, Url
from simgrant.sim.profiles import PROFILES, Profile, ProfileName
from simgrant.sim.push.switch import Taken
from simgrant.sim.receiver import Receiver
from simgrant.sim.sims import demo_sims
from simgrant.sim.transcript import Mask
from simgrant.sim.web_view import WebView
from simgrant.spec.ids import AppId
from simgrant.wire import xml_reader
from simgrant.wire.push_token import Channel
from tests.loopback.sim.airing import aired
from tests.loopback.sim.scripted import XML, ScriptedServer, Seen, answer

SIM = demo_sims()[0]
IMS = PROFILES[ProfileName.ANDROID_IMS]
LIMITS = Limits(connect_s=5, read_s=5)
TOKEN = HeldToken("T0ken", None)


def document(app_id: str, **parms: str) -> bytes:
    found = "".join(f'<parm name="{name}" value="{value}"/>' for name, value in parms.items())
    return (
        '<?xml version="1.0"?><wap-provisioningdoc version="1.1">'
        '<characteristic type="VERS"><parm name="version" value="7"/>'
        '<parm name="validity" value="172800"/></characteristic>'
        '<characteristic type="TOKEN"><parm name="token" value="T0ken"/></characteristic>'
        f'<characteristic type="APPLICATION"><parm name="AppID" value="{app_id}"/>{found}'
        "</characteristic></wap-provisioningdoc>"
    ).encode()


def says(app_id: str = "ap2004", **parms: str) -> bytes:
    return answer("200 OK", document(app_id, **parms), XML)


def handset(url: Url, profile: Profile = IMS, first: bytes = b"") -> Handset:
    """Return a handset that has its first document, and a token."""
    phone = Handset(SIM, url, profile, limits=LIMITS)
    phone.token = TOKEN
    phone.document = xml_reader.pull_document(first) if first else None
    return phone


async def collect(events: AsyncIterator[Event]) -> list[Event]:
    return [event async for event in events]


def shown(events: list[Event]) -> str:
    """Return all that people and programs are shown of the events."""
    out = Console(width=100, no_color=True)
    with out.capture() as captured:
        for event in events:
            if not isinstance(event, Outcome):
                out.print(render_event(event, mask=Mask()))
                json.dumps(event_json(event, mask=Mask()))
    return captured.get()


# --- notices -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "apps", "asked"),
    [
        (ProfileName.ANDROID_IMS, ("ap2004",), ("ap2004",)),
        (ProfileName.ANDROID_IMS, ("ap2003", "ap2005"), ()),
        (ProfileName.ANDROID_IMS_PROVISIONING, ("ap2004",), ("ap2004", "ap2003", "ap2005")),
        (ProfileName.ANDROID_IMS_PROVISIONING, ("ap2003",), ()),
        (ProfileName.SAMSUNG, ("ap2005", "ap2003"), ("ap2003", "ap2005")),
        (ProfileName.SAMSUNG, ("ap2012",), ()),
        (ProfileName.ANDROID_SATELLITE, ("ap2016",), ("ap2016",)),
        (ProfileName.RFC, (), ()),
    ],
)
def test_a_family_asks_again_for_what_it_has_to(
    name: ProfileName, apps: tuple[str, ...], asked: tuple[str, ...]
) -> None:
    assert PROFILES[name].heeds(apps) == asked


async def heard(
    folder: Path, profile: Profile, *notices: tuple[str, ...], first: bytes, wait_s: float = 10
) -> tuple[list[Event], list[Seen]]:
    """Let these notices come, and return what happens."""
    async with (
        aired(folder) as (services, _, air),
        ScriptedServer(says(EntitlementStatus="2", RegisterNotifStatus="0")) as ecs,
        handset(ecs.url(), profile, first) as phone,
    ):
        receiver = Receiver(air, Channel.FCM, limits=LIMITS)
        token = (await receiver.register()).token
        for apps in notices:
            services.fcm.switch.take(Taken(token, apps, "2026-11-23T09:00:00Z", "c"))
        return await collect(await_notice(phone, receiver, wait_s=wait_s)), ecs.seen


FIRST = document("ap2004", EntitlementStatus="1", RegisterNotifStatus="0")


async def test_at_its_notice_it_asks_again_with_its_token_and_compares(tmp_path: Path) -> None:
    events, (seen,) = await heard(tmp_path, IMS, ("ap2003",), ("ap2004",), first=FIRST)
    waiting, ignored, notice, outcome, changed = events
    assert isinstance(waiting, Waiting)
    assert isinstance(ignored, Heard)
    assert ignored.apps == ()
    assert isinstance(notice, Heard)
    assert notice.apps == ("ap2004",)
    assert isinstance(outcome, Outcome)
    assert "token=T0ken" in seen.target
    assert isinstance(changed, Changed)
    (change,) = changed.changes
    assert (change.path, change.old, change.new) == ("EntitlementStatus", "1", "2")
    text = shown(events)
    assert "1 ENABLED → 2 INCOMPATIBLE" in text
    assert "this family does not heed it" in text


async def test_what_is_not_named_is_not_asked_for(tmp_path: Path) -> None:
    profile = PROFILES[ProfileName.SAMSUNG]
    _, (seen,) = await heard(tmp_path, profile, ("ap2004",), first=FIRST)
    assert "app=ap2004&" in seen.target


async def test_without_a_notice_it_says_so(tmp_path: Path) -> None:
    events, seen = await heard(tmp_path, IMS, ("ap2003",), first=FIRST, wait_s=0.2)
    assert events[-1] == Failed("no notice has come within 0.2 s", Trouble.UNHEARD)
    assert seen == []


@pytest.mark.parametrize(
    ("first", "why"),
    [
        (document("ap2004", RegisterNotifStatus="1"), "INVALID TOKEN"),
        (document("ap2004", EntitlementStatus="1"), "it says nothing of one"),
    ],
)
async def test_it_does_not_wait_for_what_cannot_come(
    tmp_path: Path, first: bytes, why: str
) -> None:
    (event,), _ = await heard(tmp_path, IMS, first=first)
    assert isinstance(event, Failed)
    assert event.why == f"the server keeps no registration for push: {why}"


async def test_a_service_that_goes_away_is_said(tmp_path: Path) -> None:
    async with ScriptedServer() as ecs, handset(ecs.url(), first=FIRST) as phone:
        async with aired(tmp_path) as (_, _, air):
            receiver = Receiver(air, Channel.FCM, limits=LIMITS)
            await receiver.register()
        events = await collect(await_notice(phone, receiver, wait_s=5))
    assert isinstance(events[-1], Failed)
    assert events[-1].kind is Trouble.UNREACHABLE


# --- pages ---------------------------------------------------------------------------------

DONE = answer("200 OK", b"<title>Done</title>VoWiFiWebServiceFlow.entitlementChanged", "text/html")
ASKING = answer(
    "200 OK",
    b"<title>Terms</title><form method=post action=/save><input type=checkbox name=terms>"
    b"<input name=street required></form>VoWiFiWebServiceFlow entitlementChanged dismissFlow",
    "text/html",
)
MISSING = {"EntitlementStatus": "0", "TC_Status": "0", "AddrStatus": "0"}
GIVEN = {"EntitlementStatus": "1", "TC_Status": "1", "AddrStatus": "1"}


async def opened(
    *pages: bytes,
    end: WebEnd,
    after: tuple[bytes, ...] = (),
    fill: dict[str, str] | None = None,
    profile: Profile = IMS,
    app_id: str = AppId.VOWIFI,
    kind: str = "",
) -> tuple[list[Event], list[Seen], list[Seen]]:
    """Return what happens, what the portal saw, and what the server did."""
    async with ScriptedServer(*pages) as portal, ScriptedServer(*after) as ecs:
        parms = MISSING | {
            "ServiceFlow_URL": str(portal.url("/flow")),
            "ServiceFlow_UserData": "flow=abc",
            "ServiceFlow_ContentsType": kind,
        }
        first = document(app_id, **parms)
        async with handset(ecs.url(), profile, first) as phone:
            found = xml_reader.pull_document(first)
            view = WebView(profile, limits=LIMITS)
            events = open_pages(phone, found, view, end=end, fill=fill or {}, recheck_s=0)
            return await collect(events), portal.seen, ecs.seen


async def test_looking_at_a_page_does_nothing_else() -> None:
    events, (seen,), asked = await opened(ASKING, end=WebEnd.LOOK)
    (event,) = events
    assert isinstance(event, Opened)
    assert (seen.method, seen.body) == ("POST", b"flow=abc")
    assert asked == []
    text = shown(events)
    assert "“Terms”" in text
    assert "can call VoWiFiWebServiceFlow: entitlementChanged, dismissFlow" in text
    assert "flow=abc" not in text


async def test_a_page_that_is_dismissed_changes_nothing() -> None:
    events, _, asked = await opened(ASKING, end=WebEnd.DISMISS)
    assert isinstance(events[-1], Called)
    assert (events[-1].call, events[-1].is_named) == ("dismissFlow", True)
    assert asked == []


async def test_forms_are_sent_until_there_is_none_and_then_it_asks_again() -> None:
    events, (_, sent), asked = await opened(
        ASKING, DONE, end=WebEnd.FINISH, fill={"street": "Main"}, after=(says(**GIVEN),)
    )
    assert (sent.method, sent.target, sent.body) == ("POST", "/save", b"terms=on&street=Main")
    _, form, called, outcome, changed = events
    assert isinstance(form, Sent)
    assert isinstance(called, Called)
    assert called.is_named
    assert isinstance(outcome, Outcome)
    assert len(asked) == 1
    assert isinstance(changed, Changed)
    assert ("EntitlementStatus", "0", "1") in [(c.path, c.old, c.new) for c in changed.changes]
    assert "ap2004 sends terms, street" in shown(events)


async def test_a_field_that_nobody_can_fill_in_is_said() -> None:
    events, _, asked = await opened(ASKING, end=WebEnd.FINISH)
    assert events[-1] == Failed("the page asks for street: --fill NAME=VALUE")
    assert asked == []


async def test_a_page_that_is_not_content_is_said() -> None:
    fill = {"street": "Main"}
    events, seen, _ = await opened(ASKING, ASKING, end=WebEnd.FINISH, fill=fill)
    assert events[-1] == Failed("the page asks once more for street")
    assert len(seen) == 2
    ticks = ASKING.replace(b"<input name=street required>", b" " * 28)
    events, seen, asked = await opened(*(ticks,) * 11, end=WebEnd.FINISH)
    assert events[-1] == Failed("the page asks for ever")
    assert len(seen) == 11
    assert asked == []


async def test_androids_ims_app_looks_again_while_data_are_missing() -> None:
    late = (says(**MISSING),) * 3
    events, _, asked = await opened(DONE, end=WebEnd.FINISH, after=(*late, says(**GIVEN)))
    assert len(asked) == 4
    assert isinstance(events[-1], Changed)
    events, _, asked = await opened(DONE, end=WebEnd.FINISH, after=(says(**MISSING),) * 7)
    assert len(asked) == 7
    assert events[-1] == Failed("the data are still missing: the phone shows an error")


async def test_others_ask_once_and_for_that_application_only() -> None:
    profile = replace(PROFILES[ProfileName.SAMSUNG], apps=(AppId.CARRIER_BILLING, AppId.VOWIFI))
    page = DONE.replace(b"VoWiFi", b"DCB\0\0\0").replace(b"\0", b" ")
    events, (opening,), (seen,) = await opened(
        page,
        end=WebEnd.FINISH,
        profile=profile,
        app_id=AppId.CARRIER_BILLING,
        kind="json",
        after=(says("ap2012", **MISSING),),
    )
    assert opening.first("Content-Type") == "application/json"
    assert "app=ap2012&" in seen.target
    assert isinstance(events[-1], Changed)


async def test_a_boost_is_finished_by_its_own_call() -> None:
    profile = replace(PROFILES[ProfileName.ANDROID_SLICE], accept=IMS.accept, keeps_token=True)
    events, _, _ = await opened(
        DONE, end=WebEnd.FINISH, profile=profile, app_id="ap2010", after=(says("ap2010"),)
    )
    called = next(event for event in events if isinstance(event, Called))
    assert (called.call, called.is_named) == ("notifyPurchaseSuccessful", False)
    assert "which this page has no words for" in shown(events)


@pytest.mark.parametrize(
    ("page", "why"),
    [
        (answer("404 Not Found", b"x", "text/html"), "no page where one is due: 404 text/html"),
        (answer("200 OK", b"{}", "application/json"), "no page where one is due: 200 appl"),
    ],
)
async def test_what_is_no_page_is_said(page: bytes, why: str) -> None:
    events, _, asked = await opened(page, end=WebEnd.FINISH)
    assert isinstance(events[-1], Failed)
    assert why in events[-1].why
    assert asked == []


async def test_an_answer_without_a_page_and_a_page_without_a_server() -> None:
    async with handset(Url.parse("http://127.0.0.1:1/")) as phone:
        for parms, why in (
            ({"EntitlementStatus": "1"}, "no page to open"),
            ({"ServiceFlow_URL": "http://127.0.0.1:1/"}, "no connection"),
            ({"ServiceFlow_URL": "intent:x"}, "does not open the page"),
        ):
            found = xml_reader.pull_document(document("ap2004", **parms))
            view = WebView(IMS, limits=LIMITS)
            events = await collect(open_pages(phone, found, view, end=WebEnd.LOOK, fill={}))
            assert isinstance(events[0], Failed)
            assert why in events[0].why


# --- the command line ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--push", "--like", "microg"], "microg registers for no push"),
        (["--push", "--notif-token", "x"], "brings its own token"),
        (["--push", "--push-service", "x"], "no http:// or https:// address"),
        (["--web-view", "finish", "--count", "2"], "one handset at a time"),
        (["--fill", "street"], "--fill NAME=VALUE"),
    ],
)
def test_wrong_use_is_2(arguments: list[str], why: str) -> None:
    found = CliRunner().invoke(app, ["handset", "http://127.0.0.1:1/", *arguments])
    assert found.exit_code == 2
    assert why in " ".join(found.output.split())


def test_without_a_push_service_it_is_3() -> None:
    arguments = ["http://127.0.0.1:1/", "--push", "--push-service", "http://127.0.0.1:1/"]
    found = CliRunner().invoke(app, ["handset", *arguments, "--json"])
    assert found.exit_code == 3
    (line,) = [json.loads(line) for line in found.stdout.splitlines()]
    assert line["event"] == "failed"
    assert line["why"].startswith("the push service: no connection")
