"""The transcript shows what happened and nothing that must not be pasted into a ticket."""

import io
import json
from dataclasses import replace

import pytest
from rich.console import Console

from simgrant.eap.packet import pull_packet
from simgrant.identities import Imsi
from simgrant.sim.exchange import ClientError, Exchange, Leg, Outcome, Result
from simgrant.sim.transcript import Mask, as_json, console, render, render_line, value_name, write
from simgrant.wire import xml_reader

TOKEN = "Wge7A-5qWTh4ZPJl4mxCt173"
COOKIE = "c8c454a90f60f0172654629e"
IMSI = "001010000000001"
SECRETS = (
    TOKEN,
    COOKIE,
    IMSI,
    "490154203237518",
    "FCMTOK-0123456789",
    "+15550100001",
    "token=secret",
)

DOCUMENT = (
    '<?xml version="1.0"?><wap-provisioningdoc version="1.1"><characteristic type="VERS">'
    '<parm name="version" value="1"/><parm name="validity" value="172800"/></characteristic>'
    f'<characteristic type="TOKEN"><parm name="token" value="{TOKEN}"/>'
    '<parm name="validity" value="86400"/></characteristic><characteristic type="APPLICATION">'
    '<parm name="AppID" value="ap2004"/><parm name="EntitlementStatus" value="1"/>'
    '<parm name="AddrStatus" value="3"/><parm name="TC_Status" value="9"/>'
    '<parm name="MSISDN" value="+15550100001"/>'
    '<parm name="ServiceFlow_UserData" value="token=secret"/></characteristic>'
    '<characteristic type="APPLICATION"><parm name="AppID" value="ap2003"/>'
    '<characteristic type="VoiceOverCellularEntitleInfo">'
    '<characteristic type="RATVoiceEntitleInfoDetails"><parm name="AccessType" value="1"/>'
    '<parm name="EntitlementStatus" value="2"/></characteristic></characteristic>'
    "</characteristic></wap-provisioningdoc>"
).encode()

CHALLENGE = bytes.fromhex(
    "01010044170100000105000023553cbe9637a89d218ae64dae47bf350205000055f328b43577b9b94a9ffac354dfafb3"
    "0b0500007545b30207848f6930d89d728fc1f54c"
)
START = Exchange(
    leg=Leg.START,
    method="GET",
    url="http://127.0.0.1:8080/ts43",
    parameters=(
        ("EAP_ID", f"0{IMSI}@nai.epc.mnc001.mcc001.3gppnetwork.org"),
        ("notif_token", "FCMTOK-0123456789"),
        ("terminal_id", "490154203237518"),
        ("app", "ap2004"),
    ),
    sent=(("Accept", "relay"), ("User-Agent", "PRD-TS43 x")),
    status=200,
    reason="OK",
    got=(("content-type", "application/json"), ("set-cookie", f"ECSSID={COOKIE}; Path=/")),
    body=b"x" * 120,
    wire_bytes=120,
    milliseconds=3.14,
    challenge=pull_packet(CHALLENGE),
    challenge_bytes=CHALLENGE,
)
ANSWER = Exchange(
    leg=Leg.ANSWER,
    method="POST",
    url="http://127.0.0.1:8080/ts43",
    sent=(("Accept", "relay, xml"), ("Cookie", f"ECSSID={COOKIE}"), ("User-Agent", "PRD-TS43 x")),
    status=200,
    reason="OK",
    got=(("Content-Type", "text/vnd.wap.connectivity-xml"),),
    body=DOCUMENT,
    wire_bytes=300,
    milliseconds=5.0,
    document=xml_reader.pull_document(DOCUMENT),
)
GOOD = Outcome(
    result=Result.DOCUMENT,
    exchanges=(START, ANSWER),
    document=ANSWER.document,
    missing=("ap2005",),
)
REFUSED = Outcome(
    result=Result.LATER,
    exchanges=(replace(START, status=503, reason="Busy", challenge=None),),
    code=ClientError.HTTP_FAILURE,
    why="503 Busy",
    retry_after=120.0,
)


def _plain(outcome: Outcome, *, reveal: bool = False, width: int = 100) -> str:
    out = io.StringIO()
    write(
        Console(file=out, width=width, highlight=False), render(outcome, mask=Mask(reveal=reveal))
    )
    return out.getvalue()


def test_the_whole_transcript_of_a_good_conversation() -> None:
    assert _plain(GOOD) == (
        "start    → GET http://127.0.0.1:8080/ts43"
        " ?EAP_ID=000101…(16)@nai.epc.mnc001.mcc001.3gppnetwork.org\n"
        "           &notif_token=FCMT…(17) &terminal_id=49015…(15) &app=ap2004\n"
        "           Accept: relay\n"
        "           User-Agent: PRD-TS43 x\n"
        "         ← 200 OK  application/json  120 bytes  3.1 ms\n"
        "           68-byte EAP-AKA Challenge request, id 1 (AT_RAND AT_AUTN AT_MAC)\n"
        "           Set-Cookie: ECSSID=c8c4…(24); Path=/\n"
        "\n"
        "answer   → POST http://127.0.0.1:8080/ts43\n"
        "           Accept: relay, xml\n"
        "           Cookie: ECSSID=c8c4…(24)\n"
        f"         ← 200 OK  text/vnd.wap.connectivity-xml  {len(DOCUMENT)} bytes (300 compressed)"
        "  5.0 ms\n"
        "           VERS 1, validity 2 d   TOKEN Wge7…(24), validity 24 h\n"
        "           ap2004 VoWiFi\n"
        "           ├── EntitlementStatus 1 ENABLED\n"
        "           ├── AddrStatus 3 IN PROGRESS\n"
        "           ├── TC_Status 9\n"
        "           ├── MSISDN …(12)\n"
        "           └── ServiceFlow_UserData toke…(12)\n"
        "           ap2003 Voice-over-Cellular\n"
        "           └── VoiceOverCellularEntitleInfo\n"
        "               └── RATVoiceEntitleInfoDetails\n"
        "                   ├── AccessType 1 LTE\n"
        "                   └── EntitlementStatus 2 INCOMPATIBLE\n"
        "\n"
        "✓ the handset has its document after 2 requests, 8.1 ms\n"
        "! not in it: ap2005\n"
        "\n"
    )


def test_no_secret_is_shown_unless_it_is_asked_for() -> None:
    shown = _plain(GOOD)
    assert not [secret for secret in SECRETS if secret in shown]
    revealed = _plain(GOOD, reveal=True, width=500)
    assert not [secret for secret in SECRETS if secret not in revealed]


@pytest.mark.parametrize("width", [40, 80, 120])
def test_no_line_is_wider_than_it_may_be(width: int) -> None:
    assert max(map(len, _plain(GOOD, width=width).splitlines())) <= width


def test_a_refusal_says_when_to_come_back_and_what_android_would_say() -> None:
    shown = _plain(REFUSED)
    assert "✗ the server cannot answer now: 503 Busy after 1 request" in shown
    assert "come back in 120 s" in shown
    assert "report error 31" in shown


def test_where_a_redirect_leads_is_shown_without_its_query() -> None:
    outcome = Outcome(
        result=Result.REDIRECTED,
        exchanges=(replace(START, status=302),),
        why="302 Found",
        location="https://idp.example/authorize?state=abc",
    )
    assert "go to https://idp.example/authorize?…(9)" in _plain(outcome)


def test_no_answer_is_shown_as_such() -> None:
    seen = replace(START, status=None, failure="no connection")
    outcome = Outcome(result=Result.UNREACHABLE, exchanges=(seen,), why="no connection")
    shown = _plain(outcome)
    assert "← no connection\n" in shown
    assert shown.count("no connection") == 2
    assert "error" not in shown
    assert "android_error" not in as_json(outcome, mask=Mask(), sim=None)[-1]


def test_colours_are_for_terminals() -> None:
    out = io.StringIO()
    coloured = Console(file=out, width=100, force_terminal=True, color_system="standard")
    write(coloured, render(GOOD, mask=Mask()))
    assert "\x1b[" in out.getvalue()
    assert "\x1b[" not in _plain(GOOD)


def test_no_color_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert console().no_color


def test_many_conversations_take_a_line_each() -> None:
    good, bad = (render_line(outcome, name="…0001").plain for outcome in (GOOD, REFUSED))
    words = "…0001 200 200 8.1 ms ap2004 1 ENABLED ap2003 2 INCOMPATIBLE"
    assert " ".join(good.split()) == words
    assert " ".join(bad.split()) == "…0001 503 3.1 ms later: 503 Busy"


def test_json_has_an_object_an_exchange_and_says_the_result_in_the_last() -> None:
    first, last = as_json(GOOD, mask=Mask(), sim=Imsi(IMSI))
    assert first["leg"] == "start"
    assert "result" not in first
    assert first["eap_received"] == "EAP-AKA Challenge request, id 1 (AT_RAND AT_AUTN AT_MAC)"
    assert (last["result"], last["missing"]) == ("document", ["ap2005"])
    assert last["document"]["applications"]["ap2003"] == {
        "VoiceOverCellularEntitleInfo": [
            {"RATVoiceEntitleInfoDetails": {"AccessType": "1", "EntitlementStatus": "2"}}
        ]
    }
    text = json.dumps([first, last], ensure_ascii=False)
    assert not [secret for secret in SECRETS if secret in text]


def test_json_of_a_failure_says_why() -> None:
    (line,) = as_json(REFUSED, mask=Mask(), sim=Imsi(IMSI))
    assert (line["result"], line["why"], line["android_error"]) == ("later", "503 Busy", 31)
    assert line["retry_after"] == 120.0


@pytest.mark.parametrize(
    ("parm", "value", "app", "name"),
    [
        ("EntitlementStatus", "3", "ap2004", "PROVISIONING"),
        ("ProvStatus", "2", "ap2004", "NOT_REQUIRED"),
        ("ProvStatus", "2", "ap2010", "NOT_AVAILABLE"),
        ("EntitlementStatus", "4", "ap2010", "INCLUDED"),
        ("EntitlementStatus", "4", "ap2004", ""),
        ("AccessType", "1", "ap2010", "WIFI"),
        ("AccessType", "1", "ap2003", "LTE"),
        ("TC_Operation", "2", "ap2012", "MSG"),
        ("RegisterNotifStatus", "0", "ap2010", "SUCCESS"),
        ("EntitlementStatus", "x", "ap2004", ""),
        ("RegisterNotifStatus", "0", "ap2004", "SUCCESS"),
        ("Name", "1", "ap2004", ""),
    ],
)
def test_values_have_the_names_of_the_specification(
    parm: str, value: str, app: str, name: str
) -> None:
    assert value_name(parm, value, app_id=app) == name
