"""Families of clients, each in its own words, and the switches that treat them (ADR 0019)."""

from __future__ import annotations

import gzip
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import AsyncIterator
from typing import Any

import pytest

from simgrant.compose import core_network
from simgrant.compose.clients import profiles
from simgrant.domain.policy import default_policy_text
from simgrant.flows.clients import Clients, Told
from simgrant.flows.explain import Inquiry, Rules, explain
from simgrant.sim.lies import Lie
from simgrant.spec.version import parse
from simgrant.wire.negotiate import Format
from simgrant.wire.writers import WRITERS
from tests.android_reader import XmlDoc
from tests.device.harness import (
    IMEI,
    JSON,
    RELAY,
    XML,
    Answer,
    Phone,
    Request,
    Server,
    Workbench,
    new_card,
    query,
)
from tests.device.partner import NUMBER
from tests.device.signing_in import signing_in
from tests.device.test_otp import ENABLED, passwords
from tests.device.transcripts import play

FLAT = '<parm name="AppID" value="ap2003"/><parm name="EntitlementStatus" value="1"/>'


async def profiles_of(server: Server) -> list[str]:
    """Return the profile in each record, in the order of the requests."""
    return [record.get("profile", "") for record in await server.records()]


# --- Samsung -------------------------------------------------------------------------------

SAMSUNG_START = """
    > GET /ts43?terminal_vendor=SEC&terminal_model=SM-S921B&terminal_sw_version=S921BXXS4AXK1
    >> &entitlement_version=1.0&terminal_id=490154203237518&vers=0&app=ap2003,ap2004,ap2005
    >> &EAP_ID={eap_id}
    > Host: aes.mnc001.mcc001.pub.3gppnetwork.org
    > User-Agent: PRD-TS43/1.0 SEC/S921BXXS4AXK1 IMS-Entitlement/6 OS-Android/14
    > Accept: application/vnd.gsma.eap-relay.v1.0+json, text/vnd.wap.connectivity-xml
    > Accept-Language: en-US
    > Cache-Control: max-age=0
    > Connection: Keep-Alive
    < 200
    < content-type: application/vnd.gsma.eap-relay.v1.0+json
    < set-cookie: ECSSID=*; Path=/; HttpOnly
"""
SAMSUNG_ANSWER = """
    > POST /ts43
    > User-Agent: PRD-TS43/1.0 SEC/S921BXXS4AXK1 IMS-Entitlement/6 OS-Android/14
    > Accept: application/vnd.gsma.eap-relay.v1.0+json, text/vnd.wap.connectivity-xml
    > Content-Type: application/vnd.gsma.eap-relay.v1.0+json
    > Cookie: {cookie}; Path=/; HttpOnly
    >
    > {reply}
"""
SAMSUNG_DOCUMENT = """
    < 200
    < content-type: text/vnd.wap.connectivity-xml
    <
    < <parm name="AppID" value="ap2003"/><parm name="EntitlementStatus" value="1"/>
    < <parm name="AppID" value="ap2004"/>
    < <parm name="AppID" value="ap2005"/>
"""
SAMSUNG_LATER = """
    > GET /ts43?terminal_vendor=SEC&terminal_model=SM-S921B&terminal_sw_version=S921BXXS4AXK1
    >> &entitlement_version=1.0&terminal_id=490154203237518&vers=1&app=ap2003,ap2004,ap2005
    >> &IMSI={imsi}&token={token}
    > User-Agent: PRD-TS43/1.0 SEC/S921BXXS4AXK1 IMS-Entitlement/6 OS-Android/14
    > Accept: application/vnd.gsma.eap-relay.v1.0+json, text/vnd.wap.connectivity-xml
    > Accept-Language: en-US
"""
SAMSUNG = SAMSUNG_START + SAMSUNG_ANSWER + SAMSUNG_DOCUMENT + SAMSUNG_LATER + SAMSUNG_DOCUMENT


def samsungs_paths(answer: Answer) -> dict[str, str]:
    """Read a document as Samsung's client does: a tree of lower-cased paths under ``root``."""
    names = {"ap2003": "volte", "ap2004": "vowifi", "ap2005": "smsoip"}
    found: dict[str, str] = {}

    def walk(node: ET.Element, path: str) -> None:
        parms = {parm.get("name", ""): parm.get("value", "") for parm in node.findall("parm")}
        if "AppID" in parms:
            path += f"/{names[parms['AppID']]}"
        found.update({f"{path}/{name}".lower(): value for name, value in parms.items()})
        for inner in node.findall("characteristic"):
            walk(inner, f"{path}/{inner.get('type')}")

    walk(ET.fromstring(answer.content), "root")  # noqa: S314 - our own document
    return found


async def test_samsung(server: Server) -> None:
    played = await play(Phone(server), SAMSUNG)
    for answer in played.answers[1:]:
        read = samsungs_paths(answer)
        assert read["root/application/volte/entitlementstatus"] == "1"
        assert read["root/application/vowifi/entitlementstatus"] == "1"
        assert read["root/application/vowifi/tc_status"] == "1"
        assert int(read["root/token/validity"]) > 0
        assert int(read["root/vers/validity"]) > 0
    assert await profiles_of(server) == ["samsung"] * 3


@pytest.mark.conforms("divergence.volte-flat-beside-entries")
async def test_samsung_reads_its_flat_status_whatever_it_speaks(server: Server) -> None:
    played = await play(Phone(server), SAMSUNG.replace("version=1.0", "version=8.0"))
    read = samsungs_paths(played.last)
    assert read["root/application/volte/entitlementstatus"] == "1"
    assert any("ratvoiceentitleinfodetails" in path for path in read), "the new form is there too"


async def test_samsung_never_gets_json(server: Server) -> None:
    await play(
        Phone(server), SAMSUNG.replace(XML, JSON, 3).replace(f"type: {JSON}", f"type: {XML}")
    )


async def test_samsung_gets_the_cookie_with_a_second_challenge_too(server: Server) -> None:
    challenge = "    < 200" + SAMSUNG_START.partition("    < 200")[2]
    resync = SAMSUNG_START + SAMSUNG_ANSWER + challenge + SAMSUNG_ANSWER + SAMSUNG_DOCUMENT
    played = await play(Phone(server, card=new_card(ahead=True)), resync)
    assert played.answers[0].cookie == played.answers[1].cookie != ""


# --- Huawei --------------------------------------------------------------------------------

HUAWEI = """
    > GET /ts43?EAP_ID={eap_id}&terminal_id=490154203237518&app=ap2006&app=ap2004&app_name=Health
    >> &app_version=11.0.6.002&terminal_vendor=HUAWEI&terminal_model=LIO-L29
    >> &terminal_sw_version=10.1.0.150&provisioning_version=4.0&entitlement_version=1.0&vers=1
    > Accept: application/vnd.gsma.eap-relay.v1.0+json
    < 200
    < set-cookie: ECSSID=*
    > POST /ts43
    > Accept: application/vnd.gsma.eap-relay.v1.0+json, text/vnd.wap.connectivity-xml
    > Cookie: {cookie}
    >
    > {reply}
    < 200
    < content-type: text/vnd.wap.connectivity-xml
    <
    < <parm name="AppID" value="ap2004"/>
    > POST /ts43
    > Accept: application/json, text/vnd.wap.connectivity-xml
    > Content-Type: application/json
    >
    > {"IMSI":"{imsi}","token":"{token}","terminal_id":"490154203237518","app":"ap2004",
    >> "app_name":"Health","provisioning_version":"4.0","entitlement_version":"1.0","vers":1,
    >> "operation_type":0}
    < 200
    < content-type: text/vnd.wap.connectivity-xml
    <
    < <parm name="AppID" value="ap2004"/>
"""
"""The companion service that it asks for first is left out as long as it is not served."""


async def test_huawei(server: Server) -> None:
    await play(Phone(server), HUAWEI)
    assert await profiles_of(server) == ["huawei"] * 3


# --- Android -------------------------------------------------------------------------------

PIXEL = """
    > GET /ts43?EAP_ID={eap_id}&terminal_id=490154203237518&app=ap2004&app=ap2003&app=ap2005
    >> &terminal_vendor=vend&terminal_model=modelY&terminal_sw_version=versionZ&vers=0
    >> &entitlement_version=8.0
    > Accept-Language: en-US
    > Accept: application/vnd.gsma.eap-relay.v1.0+json
    > User-Agent: PRD-TS43 term-vend/modelY client-IMS-Entitlement/1.0 OS-Android/versionZ
    < 200
    < set-cookie: ECSSID=*; Path=/; HttpOnly
    > POST /ts43
    > Accept: application/vnd.gsma.eap-relay.v1.0+json, text/vnd.wap.connectivity-xml
    > Content-Type: application/vnd.gsma.eap-relay.v1.0+json
    > Cookie: {cookie}
    > User-Agent: PRD-TS43 term-vend/modelY client-IMS-Entitlement/1.0 OS-Android/versionZ
    >
    > {reply}
    < 200
    < content-type: text/vnd.wap.connectivity-xml
    <
    < <parm name="AppID" value="ap2003"/><characteristic type="VoiceOverCellularEntitleInfo">
    > POST /ts43
    > Accept: application/json, text/vnd.wap.connectivity-xml
    > Content-Type: application/json
    > User-Agent: PRD-TS43 term-vend/modelY client-IMS-Entitlement/1.0 OS-Android/versionZ
    >
    > {"app":"[ap2004,ap2003,ap2005]","entitlement_version":"8.0","terminal_model":"modelY",
    >> "terminal_sw_version":"versionZ","vers":"0","terminal_vendor":"vend","IMSI":"{imsi}",
    >> "token":"{token}","terminal_id":"490154203237518"}
    < 200
    < content-type: text/vnd.wap.connectivity-xml
"""


async def test_android_and_pixel(server: Server) -> None:
    played = await play(Phone(server), PIXEL)
    assert XmlDoc(played.last.content).get("ap2004", "EntitlementStatus") == "1"
    assert await profiles_of(server) == ["android"] * 3


# --- microG --------------------------------------------------------------------------------

MICROG = """
    > GET /ts43?EAP_ID={eap_id}
    > Accept: application/vnd.gsma.eap-relay.v1.0+json
    < 200
    < set-cookie: ECSSID=*
    > POST /ts43
    > Accept: application/vnd.gsma.eap-relay.v1.0+json, application/json
    > Cookie: {cookie}
    >
    > {reply}
    < 200
    < content-type: application/json
    <
    < "ap2004":{
    > GET /ts43?token={token}
    > Accept: application/json
    < 200
    < content-type: application/json
    <
    < "ap2004":{
"""


async def test_microg(server: Server) -> None:
    played = await play(Phone(server), MICROG)
    assert played.last.object["Token"]["token"] == played.known["token"]
    assert await profiles_of(server) == ["microg"] * 3


# --- everybody else ------------------------------------------------------------------------

GENERIC = """
    > POST /ts43
    > User-Agent: Acme/1.0
    > Content-Type: application/json
    >
    > {"EAP_ID":"{eap_id}","terminal_id":"490154203237518","app":["ap2004","ap2005"],
    >> "entitlement_version":"14.0","terminal_vendor":"Acme","terminal_model":"A1"}
    < 200
    < set-cookie: ECSSID=*
    > POST /ts43
    > User-Agent: Acme/1.0
    > Accept: text/html,*/*;q=0.8
    > Cookie: other=1; {cookie}
    >
    > {reply}
    < 200
    < content-type: text/vnd.wap.connectivity-xml
"""


async def test_generic(server: Server) -> None:
    await play(Phone(server), GENERIC)
    assert await profiles_of(server) == ["generic"] * 2


@pytest.mark.spec("TS.43 §2.2.1")
@pytest.mark.conforms("headers.User-Agent", "headers.user-agent-never-refused")
@pytest.mark.parametrize(
    "text",
    [
        "PRD-TS43 term-Goog/Pixel 9 Pr client-IMS-Entitlement/1.0 OS-Android/15",
        "PRD-TS43 TVENDOR/TMODEL IMS-Entitlement/TSWVERS OS-Android/8.0",
        "PRD-TS43 term-" + "a" * 2000,
        "Dalvik/2.1.0 (Linux; U; Android 15)",
        'OS-/ ;"\\{}\xe9',
        "",
    ],
)
async def test_no_user_agent_is_refused(server: Server, text: str) -> None:
    begun = await server.get(
        Phone(server).query(("EAP_ID", Phone(server).eap_id)), ("user-agent", text)
    )
    assert (begun.status, begun.header("content-type")) == (200, RELAY)
    assert (await server.records())[-1].get("user_agent", "") == text[:160]


# --- the operator's own, switch by switch --------------------------------------------------

AGENT = ("user-agent", "Acme/2.1 (Linux)")
APPS = ("ap2004", "ap2003")


@pytest.fixture
async def acme(
    bench: Workbench, request: pytest.FixtureRequest
) -> AsyncIterator[tuple[Server, Phone, str]]:
    """A server with a profile for Acme's clients, one of them, and its token."""
    settings = '[profiles.acme]\nmatch.user_agent = ["acme/2.*"]\n'
    async with bench.opened(settings + getattr(request, "param", "")) as server:
        phone = Phone(server, apps=APPS, entitlement_version="8.0")
        yield server, phone, await phone.token()


def switched(text: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("acme", [text], indirect=True, ids=[text.partition("\n")[0]])


async def asked(
    acme: tuple[Server, Phone, str], *headers: tuple[str, str], **parameters: Any
) -> Answer:
    """Return what Acme's client gets for its token."""
    server, phone, token = acme
    text = phone.but(**parameters).query(("token", token))
    return await server.get(text, AGENT, *headers)


async def test_a_pattern_fits_the_whole_text_in_any_letter_case(
    acme: tuple[Server, Phone, str],
) -> None:
    server, phone, token = acme
    await asked(acme)
    await server.get(phone.query(("token", token)), ("user-agent", "My acme/2.1"))
    assert (await profiles_of(server))[-2:] == ["acme", "generic"]


@switched('document_format = "json"')
async def test_document_format(acme: tuple[Server, Phone, str]) -> None:
    answer = await asked(acme, ("accept", XML))
    assert answer.header("content-type") == JSON
    assert answer.object["ap2004"]["EntitlementStatus"] == "1"


@switched('xml_content_type = "application/xml"')
async def test_xml_content_type(acme: tuple[Server, Phone, str]) -> None:
    assert (await asked(acme, ("accept", XML))).header("content-type") == "application/xml"
    assert (await asked(acme, ("accept", JSON))).header("content-type") == JSON


@switched('version_max = "2.0"')
async def test_a_newer_version_is_served_as_the_newest_allowed(
    acme: tuple[Server, Phone, str],
) -> None:
    answer = await asked(acme)
    assert FLAT.encode() in answer.content
    assert b"VoiceOverCellularEntitleInfo" not in answer.content


@switched('version_min = "8.0"')
async def test_an_older_version_is_served_as_the_oldest_allowed(
    acme: tuple[Server, Phone, str],
) -> None:
    answer = await asked(acme, entitlement_version="2.0")
    assert b"VoiceOverCellularEntitleInfo" in answer.content


@pytest.mark.spec("TS.43 §2.5")
@pytest.mark.conforms("versions.unsupported-406", "versions.asked-first")
@switched('version_min = "4.0"\nversion_max = "8.0"\nversion_outside = "refuse"')
async def test_what_the_operator_switched_off_is_406(acme: tuple[Server, Phone, str]) -> None:
    server, phone, _ = acme
    server.store.calls.clear()
    for version in ("3.9", "8.1", "99.0"):
        answer = await asked(acme, entitlement_version=version)
        assert (answer.status, answer.body) == (406, b"protocol not supported")
        start = phone.but(entitlement_version=version).query(("EAP_ID", phone.eap_id))
        assert (await server.get(start, AGENT)).status == 406
    assert server.store.asked == []
    for version in ("4.0", "8.0"):
        assert (await asked(acme, entitlement_version=version)).status == 200
    others = phone.but(entitlement_version="9.0").query(("token", acme[2]))
    assert (await server.get(others)).status == 200


@switched("voice_flat_status = true")
async def test_voice_flat_status(acme: tuple[Server, Phone, str]) -> None:
    answer = await asked(acme)
    assert FLAT.encode() in answer.content
    assert b"VoiceOverCellularEntitleInfo" in answer.content
    as_json = (await asked(acme, ("accept", JSON))).object["ap2003"]
    assert as_json["EntitlementStatus"] == "1"


@switched('parm_names = { TC_Status = "tc_status", AccessType = "Access" }')
async def test_parm_names(acme: tuple[Server, Phone, str]) -> None:
    content = (await asked(acme)).content
    assert b'<parm name="tc_status" value="1"/>' in content
    assert b'<parm name="Access" value="1"/>' in content
    assert b"TC_Status" not in content
    assert b"AccessType" not in content
    as_json = (await asked(acme, ("accept", JSON))).object
    assert as_json["ap2004"]["tc_status"] == "1"
    _, phone, token = acme
    others = (await phone.fast(token)).content
    assert b"TC_Status" in others, "equal circumstances, but another family"


@switched("token_validity_s = 3600\nvers_validity_s = 600")
async def test_validities(acme: tuple[Server, Phone, str]) -> None:
    server, phone, token = acme
    read = (await asked(acme, ("accept", JSON))).object
    assert read["Token"]["validity"] == "3600"
    assert 600 * 0.85 <= int(read["Vers"]["validity"]) <= 600 * 1.15
    server.clock.advance(7200)
    assert (await asked(acme)).status == 200, "the token lives on"
    others = (await phone.fast(token, wanted=JSON)).object
    assert int(others["Token"]["validity"]) > 3600


@switched("gzip = false\n[documents]\ngzip_from = 10")
async def test_gzip(acme: tuple[Server, Phone, str]) -> None:
    server, phone, token = acme
    packed = ("accept-encoding", "gzip")
    assert (await asked(acme, packed)).header("content-encoding") == ""
    other = await server.get(phone.query(("token", token)), packed)
    assert gzip.decompress(other.body)


async def test_own_parameters(bench: Workbench) -> None:
    own = '[own.ap2004]\nAcme_Flag = "1"\n'
    (bench.directory / "policy.toml").write_text(default_policy_text() + own)
    settings = (
        '[profiles.acme]\nmatch.user_agent = ["acme/*"]\nown_parameters = false\n'
        '[tenants.default]\npolicy = "policy.toml"\n'
    )
    async with bench.opened(settings) as server:
        phone = Phone(server, apps=("ap2004",), wanted=JSON)
        token = await phone.token()
        acme = (await asked((server, phone, token), ("accept", JSON))).object["ap2004"]
        others = (await phone.fast(token)).object["ap2004"]
        assert others.pop("Acme_Flag") == "1"
        assert acme.keys() == others.keys()


# --- the same switches for documents about operations ----------------------------------------


async def operated(
    acme: tuple[Server, Phone, str], *headers: tuple[str, str], **parameters: str
) -> Answer:
    """Return what Acme's client gets when it asks for an operation of ap2014."""
    server, phone, _ = acme
    phone = phone.but(apps=("ap2014",), extra=tuple(parameters.items()))
    token = await phone.but(extra=()).token()
    return await server.get(phone.query(("token", token)), AGENT, *headers)


def partners_query(token: str) -> bytes:
    """Return what a partner asks that names neither terminal nor version."""
    pairs = {"app": "ap2014", "operation": "GetPhoneNumber", "requestor_id": "p"}
    return query([*pairs.items(), ("temporary_token", token)])


@switched(
    'document_format = "json"\nparm_names = { OperationResult = "result", MSISDN = "number" }'
)
async def test_format_and_names_of_operations(acme: tuple[Server, Phone, str]) -> None:
    server, _, _ = acme
    answer = await operated(acme, ("accept", XML), operation="GetPhoneNumber")
    assert answer.header("content-type") == JSON
    assert answer.object["ap2014"] == {"result": "1", "number": NUMBER}
    given = (
        await operated(acme, operation="AcquireTemporaryToken", operation_targets="GetPhoneNumber")
    ).object["ap2014"]
    token = given["TemporaryToken"]
    told = await server.get(partners_query(token), AGENT, ("accept", XML))
    assert told.header("content-type") == JSON
    assert told.object["ap2014"] == {"result": "1", "number": NUMBER}
    assert (await profiles_of(server))[-1] == "acme"


@switched(
    'xml_content_type = "a/xml"\ntoken_validity_s = 60\nvers_validity_s = 600\ngzip = false\n'
    "[documents]\ngzip_from = 10"
)
async def test_type_validities_and_gzip_of_operations(acme: tuple[Server, Phone, str]) -> None:
    server, _, _ = acme
    packed = ("accept-encoding", "gzip")
    given = await operated(
        acme,
        packed,
        ("accept", XML),
        operation="AcquireTemporaryToken",
        operation_targets="GetPhoneNumber",
    )
    assert given.odsa.get("TOKEN", "validity") == "60"
    token = given.odsa.get("APPLICATION", "TemporaryToken")
    assert token
    told = await server.get(partners_query(token), AGENT, packed, ("accept", XML))
    for answer in (given, told):
        assert answer.header("content-type") == "a/xml"
        assert answer.header("content-encoding") == ""
        assert 600 * 0.85 <= int(answer.odsa.get("VERS", "validity") or 0) <= 600 * 1.15
    assert told.odsa.get("APPLICATION", "MSISDN") == NUMBER


@switched('version_min = "9.0"\nversion_outside = "refuse"')
async def test_versions_of_third_parties(acme: tuple[Server, Phone, str]) -> None:
    server, _, _ = acme
    answer = await server.get(partners_query("x"), AGENT)
    assert answer.status == 406
    assert (await server.get(partners_query("x"))).status == 401
    assert (await profiles_of(server))[-2:] == ["acme", "generic"]


# --- and for those that sign in without a SIM -------------------------------------------------

PROVIDERS_PHONE = """
[profiles.acme]
match.terminal_model = ["Pixel*"]
document_format = "json"
vers_validity_s = 600
parm_names = { OperationResult = "result" }
[tenants.default]
language = "it"
"""


@pytest.mark.parametrize("lie", [Lie.NONE, Lie.DENIED])
async def test_who_comes_back_is_of_the_family_of_who_began(bench: Workbench, lie: Lie) -> None:
    async with signing_in(bench, PROVIDERS_PHONE) as ins:
        ins.provider.lie = lie
        answer = await ins.sign_in()
        assert answer.header("content-type") == JSON
        told = answer.object["ap2014"]
        assert told["result"] == ("1" if lie is Lie.NONE else "100")
        assert told.get("GeneralErrorText", "").endswith("Riprovi.") is (lie is Lie.DENIED)
        assert 600 * 0.85 <= int(answer.object["Vers"]["validity"]) <= 600 * 1.15
        assert await profiles_of(ins.server) == ["acme"] * 2


async def test_who_comes_back_need_not_say_the_version_again(bench: Workbench) -> None:
    """What it would be by default is switched off here."""
    old = (
        '\n[profiles.old]\nmatch.version_to = "4.99"\nversion_min = "5.0"\n'
        'version_outside = "refuse"\n'
    )
    async with passwords(bench, ENABLED + old) as otp:
        begun = await otp.begin(entitlement_version="8.0")
        assert (await otp.answer(begun, await otp.code())).token
        assert (await otp.begin(entitlement_version="2.0")).status == 406
    async with signing_in(bench, old) as ins:
        assert (await ins.sign_in(ins.phone(entitlement_version="8.0"))).token
        assert (await ins.begin(ins.phone(entitlement_version="2.0"))).status == 406


# --- what is meant, and which one counts ------------------------------------------------------


@switched('apps = ["ap2005"]')
async def test_apps_that_are_meant(acme: tuple[Server, Phone, str]) -> None:
    server, phone, _ = acme
    start = phone.but(apps=()).query(("EAP_ID", phone.eap_id))
    assert (await server.get(start)).status == 400
    begun = await server.get(start, AGENT)
    answer = await phone.post(phone.reply(begun), begun.cookie)
    assert b'value="ap2005"' in answer.content
    assert b'value="ap2004"' not in answer.content


async def test_a_shipped_profile_is_changed_by_its_name(bench: Workbench) -> None:
    settings = '[profiles.samsung]\ndocument_format = "json"\n'
    async with bench.opened(settings) as server:
        text = SAMSUNG_START + SAMSUNG_ANSWER + f"    < 200\n    < content-type: {JSON}\n"
        played = await play(Phone(server, entitlement_version="8.0"), text)
        assert "ap2003" in json.loads(played.last.content)
        assert await profiles_of(server) == ["samsung"] * 2


async def test_own_profiles_are_tried_in_their_order_and_before_the_shipped_ones(
    bench: Workbench,
) -> None:
    settings = """
[profiles.first]
match.terminal_vendor = ["SEC"]
match.tac = ["49015420-49015429"]
[profiles.second]
match.terminal_vendor = ["SEC"]
"""
    async with bench.opened(settings) as server:
        await play(Phone(server), SAMSUNG_START)
        await play(Phone(server), SAMSUNG_START.replace("490154203237518", "350154203237518"))
        assert await profiles_of(server) == ["first", "second"]


async def test_the_second_leg_is_of_the_family_of_the_first(bench: Workbench) -> None:
    """What it knows of the terminal is in the cookie."""
    settings = '[profiles.acme]\nmatch.terminal_model = ["Pixel*"]\nxml_content_type = "a/xml"\n'
    async with bench.opened(settings) as server:
        answer = await Phone(server).full()
        assert answer.header("content-type") == "a/xml"
        assert await profiles_of(server) == ["acme"] * 2


async def test_an_empty_agent_is_anybody(server: Server) -> None:
    answer = await server.send(Request("GET", Phone(server).query(("EAP_ID", "x"))))
    assert answer.status == 400
    assert await profiles_of(server) == ["generic"]
    assert RELAY not in answer.header("content-type")


# --- profiles that change while the server runs --------------------------------------------

LAB = '[profiles.lab]\nmatch.app_name = ["lab.*"]\ndocument_format = "json"\n'


def take(server: Server, settings: str) -> list[dict[str, Any]]:
    """Write other settings and have them looked at; return what the server says of it."""
    server.loaded.path("simgrant.toml").write_text(settings)
    before = len(server.events)
    for _ in range(4):
        for each in server.parts.watched:
            each.look()
    return [dict(event) for event in server.events[before:]]


async def test_a_profile_is_taken_over_changed_and_taken_back(server: Server) -> None:
    phone = Phone(server, app_name="lab.client")
    token = await phone.token()

    async def asked() -> tuple[str, str]:
        answer = await phone.fast(token)
        return answer.header("content-type"), (await profiles_of(server))[-1]

    assert await asked() == (XML, "android")
    assert [said["event"] for said in take(server, LAB)] == ["profiles_renewed"]
    assert await asked() == (JSON, "lab")
    assert [said["event"] for said in take(server, LAB.replace('"json"', '"xml"'))] == [
        "profiles_renewed"
    ]
    assert await asked() == (XML, "lab")
    take(server, "")
    assert await asked() == (XML, "android")


async def test_profiles_are_tried_in_their_new_order(server: Server) -> None:
    other = '[profiles.other]\nmatch.app_name = ["lab.*"]\n'
    phone = Phone(server, app_name="lab.client")
    token = await phone.token()
    for settings, name in ((LAB + other, "lab"), (other + LAB, "other")):
        take(server, settings)
        await phone.fast(token)
        assert (await profiles_of(server))[-1] == name


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ("[profiles.lab\n", "simgrant.toml"),
        ("[profiles.lab]\nxml = 1\n", "unknown key profiles.lab.xml"),
        ('[profiles.lab]\ndocument_format = "xml"\n', "needs a condition"),
        (LAB + "parm_names = { Nonsense = 'x' }\n", "no answer has this parameter"),
        (LAB + "[server]\nworkers = 0\n", "server.workers"),
    ],
)
async def test_profiles_that_are_no_use_leave_the_old_ones(
    bench: Workbench, bad: str, why: str
) -> None:
    async with bench.opened(LAB) as server:
        (said,) = take(server, bad)
        assert said["event"] == "profiles_not_renewed"
        assert why in said["error"]
        answer = await Phone(server, app_name="lab.client").full()
        assert answer.object["ap2004"]
        assert (await profiles_of(server))[-1] == "lab"


async def test_other_settings_wait_for_a_restart_and_it_is_said(server: Server) -> None:
    said = take(server, "[tokens]\nlife_s = 60\n" + LAB)
    assert [(each["event"], each.get("sections")) for each in said] == [
        ("settings_wait_for_restart", ["tokens"]),
        ("profiles_renewed", None),
    ]
    answer = await Phone(server, app_name="lab.client").full()
    assert int(answer.object["Token"]["validity"]) > 60


# --- what support is told of it --------------------------------------------------------------


@pytest.mark.parametrize("version", ["2.0", "8.0", "12.0"])
@pytest.mark.parametrize("app", ["ap2003", "ap2004"])
async def test_explain_says_what_a_client_of_the_family_is_told(
    bench: Workbench, app: str, version: str
) -> None:
    settings = (
        '[profiles.lab]\nmatch.app_name = ["lab.*"]\nvoice_flat_status = true\n'
        'parm_names = { AddrStatus = "addr" }\nversion_max = "11.0"\n'
    )
    async with bench.opened(settings) as server:
        phone = Phone(server, app_name="lab.x", apps=(app,), entitlement_version=version)
        answer = await phone.fast(await phone.token())
        profile = await server.store.profile("default", phone.imsi, "", "")
        spoken = parse(version)
        assert spoken is not None
        explained = await explain(
            Inquiry(
                app,
                spoken,
                IMEI,
                languages=("en",),
                client=Told("", "lab.x", spoken, False, apps=(app,)),
            ),
            profile.subscription,
            tenant=server.parts.tenancy.by_name["default"],
            policy=server.parts.policies["default"],
            portal=server.parts.portals["default"],
            store=server.store.real,
            ring=server.ring,
            rules=Rules(86_400, core_network.tellers(server.loaded)),
            now=server.clock.now(),
            clients=Clients(profiles(server.loaded)),
        )
    assert explained.fitted is not None
    assert explained.fitted.client.profile.name == "lab"
    supposed = WRITERS[Format.XML].push_applications((explained.application,))
    assert re.sub(r"flow=[^\"]*", "flow=…", supposed) in re.sub(
        r"flow=[^\"]*", "flow=…", answer.content.decode()
    )
