"""What Android's own client demands: one test for each way in which real phones break.

The phone here sends what AOSP's library sends and reads what its two XML readers read; see
``tests.android_reader``.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
from xml.parsers import expat

import pytest

from simgrant.eap.packet import Subtype, Variant, pull_packet
from simgrant.errors import PeerUnavailable
from simgrant.fronts.device.deadlines import Deadlines
from tests.device.harness import (
    ALLOWED,
    EITHER,
    JSON,
    NO_CONSENT,
    RELAY,
    XML,
    Answer,
    Phone,
    Request,
    Server,
    Workbench,
    new_card,
    relay_body,
    service,
)

pytestmark = pytest.mark.spec("AOSP service_entitlement")

VOICE_AND_TEXT = ("ap2004", "ap2003", "ap2005")
"""What the IMS application asks for in provisioning mode, in its order."""


def attributes_of(packet: bytes) -> list[tuple[int, int]]:
    """Return (type, length byte) of every attribute, walking as Android walks."""
    found, at = [], 8
    while at < len(packet):
        kind, words = packet[at], packet[at + 1]
        found.append((kind, words))
        assert words, "Android would stay here for ever"
        at += 4 * words
    assert at == len(packet)
    return found


# --- rule 1: both types accepted means XML -------------------------------------------------


@pytest.mark.conforms("divergence.xml-when-both")
@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (XML, XML),
        (EITHER, XML),
        (f"{XML}, {JSON}", XML),
        (JSON, JSON),
        ("*/*", XML),
        ("text/html,application/xhtml+xml,*/*;q=0.8", XML),
    ],
)
async def test_rule_1_xml_wherever_xml_is_accepted(phone: Phone, accept: str, kind: str) -> None:
    full = await phone.but(wanted=accept).full()
    assert full.header("content-type") == kind
    fast = await phone.fast(await phone.token(), wanted=accept)
    assert fast.header("content-type") == kind


async def test_rule_1_the_relay_type_beside_json_is_no_document_type(phone: Phone) -> None:
    answer = await phone.but(wanted=JSON).full()
    assert set(answer.object) == {"Vers", "Token", "ap2004"}


async def test_rule_1_without_accept_the_answer_is_xml(server: Server, phone: Phone) -> None:
    token = await phone.token()
    query = phone.query(("IMSI", ALLOWED.digits), ("token", token))
    assert (await server.get(query)).header("content-type") == XML


# --- rule 2: the answer carries the packet and the cookie only -----------------------------


@pytest.mark.conforms("eap.request-kept")
async def test_rule_2_the_answer_goes_to_the_bare_url(server: Server, phone: Phone) -> None:
    phone = phone.but(apps=VOICE_AND_TEXT, entitlement_version="8.0")
    challenge = await phone.begin()
    answer = await server.send(
        Request(
            "POST",
            b"",
            [("cookie", challenge.cookie), ("accept", f"{RELAY}, {XML}")],
            relay_body(phone.reply(challenge)),
        )
    )
    for app in ("ap2004", "ap2005"):
        assert service(answer, app)["EntitlementStatus"] == "1"
    assert answer.phone.get("1/1", "EntitlementStatus") == "1"


async def test_rule_2_the_token_is_bound_to_the_first_request_s_terminal(
    phone: Phone,
) -> None:
    token = await phone.but(terminal_id="356938035643809").token()
    assert (await phone.fast(token, terminal_id="356938035643809")).status == 200
    assert (await phone.fast(token)).status == 511


# --- rule 3: the first cookie, in lines of its own -----------------------------------------


async def answered_with(phone: Phone, *cookies: str, other: Answer | None = None) -> Answer:
    """Answer a challenge with these Cookie lines, ``{}`` being the session's own cookie."""
    challenge = other or await phone.begin()
    lines = [("cookie", line.replace("{}", challenge.cookie)) for line in cookies]
    value = challenge.cookie_value
    lines = [(name, line.replace("{value}", value)) for name, line in lines]
    headers = [*phone.headers(f"{RELAY}, {XML}", content_type=RELAY), *lines]
    return await phone.server.send(
        Request("POST", b"", headers, relay_body(phone.reply(challenge)))
    )


@pytest.mark.conforms("headers.Cookie", "divergence.cookie-without-max-age")
@pytest.mark.parametrize(
    "lines",
    [
        ["lb=node7", "{}"],
        ["{}", "lb=node7"],
        ["lb=node7; {}; other=1"],
        ['ECSSID="{value}"'],
        ['lb="x"', 'ECSSID="{value}"'],
        ['{}; $Path="/"; $Domain="127.0.0.1"'],
        ['$Version="1"; ECSSID="{value}"; $Path="/"'],
        ["{}; Path=/; HttpOnly"],
        ["ECSSID=c8c454a90f60f0172654629e", "{}"],
    ],
)
async def test_rule_3_the_cookie_is_found_in_any_line(phone: Phone, lines: list[str]) -> None:
    assert (await answered_with(phone, *lines)).status == 200


async def test_rule_3_an_older_session_s_cookie_does_not_hide_the_present_one(
    phone: Phone,
) -> None:
    abandoned = await phone.begin()
    answer = await answered_with(phone, "{}", abandoned.cookie)
    assert answer.status == 200


@pytest.mark.conforms("eap.session-cookie")
async def test_rule_3_one_cookie_serves_a_session_with_resynchronisation(
    server: Server,
) -> None:
    phone = Phone(server, card=new_card(ahead=True))
    first = await phone.begin()
    second = await phone.post(phone.reply(first), first.cookie)
    assert pull_packet(second.packet).subtype is Subtype.CHALLENGE
    assert second.packet != first.packet
    last = await phone.post(phone.reply(second), first.cookie)
    assert service(last, "ap2004")["EntitlementStatus"] == "1"


@pytest.mark.conforms("headers.Set-Cookie", "divergence.cookie-without-max-age")
async def test_rule_3_the_set_cookie_line_makes_no_client_quote(phone: Phone) -> None:
    line = (await phone.begin()).header("set-cookie")
    attributes = {part.strip().partition("=")[0].lower() for part in line.split(";")[1:]}
    assert attributes == {"path", "httponly"}
    name = line.partition("=")[0]
    assert re.fullmatch(r"[A-Za-z0-9]+", name)
    assert len(line) < 3800


# --- rule 4: one packet type, and none in a document ---------------------------------------


@pytest.mark.conforms("eap.challenge", "divergence.challenge-is-first")
async def test_rule_4_only_challenges_of_eap_aka_are_ever_sent(server: Server) -> None:
    for card in (new_card(), new_card(ahead=True)):
        phone = Phone(server, card=card)
        first = await phone.begin()
        packets = [first.packet]
        answer = await phone.post(phone.reply(first), first.cookie)
        if b"eap-relay-packet" in answer.body:
            packets.append(answer.packet)
        for data in packets:
            packet = pull_packet(data)
            assert (data[0], data[4], data[5]) == (1, 23, 1)
            assert packet.variant is Variant.AKA
            assert [kind for kind, _ in attributes_of(data)] == [1, 2, 11]


@pytest.mark.conforms("json.never-a-challenge", "divergence.eap-failure-never-on-wire")
@pytest.mark.parametrize("wanted", [XML, JSON])
async def test_rule_4_no_document_holds_an_eap_packet(phone: Phone, wanted: str) -> None:
    for answer in (await phone.but(wanted=wanted).full(), await phone.fast(await phone.token())):
        assert answer.status == 200
        assert b"eap-relay" not in answer.content


@pytest.mark.conforms("divergence.eap-failure-never-on-wire")
async def test_rule_4_a_refusal_carries_no_eap_failure(server: Server) -> None:
    phone = Phone(server)
    challenge = await phone.begin()
    wrong = bytearray(phone.reply(challenge))
    wrong[-1] ^= 1
    answer = await phone.post(bytes(wrong), challenge.cookie)
    assert (answer.status, answer.body) == (403, b"")


# --- rule 5: no attribute of length zero ---------------------------------------------------


async def test_rule_5_lengths_are_right_everywhere(server: Server) -> None:
    phone = Phone(server, card=new_card(ahead=True))
    first = await phone.begin()
    second = await phone.post(phone.reply(first), first.cookie)
    for data in (first.packet, second.packet):
        assert int.from_bytes(data[2:4], "big") == len(data) == 68
        assert all(words == 5 for _, words in attributes_of(data))


# --- rule 6: token trouble is 511 and only 511 ---------------------------------------------


@pytest.mark.conforms("answers.token-trouble-511", "status.511")
async def test_rule_6_every_token_trouble_is_511(bench: Workbench) -> None:
    async with bench.opened() as server:
        phone = Phone(server)
        token = await phone.token()
        troubles = {
            "nonsense": await phone.fast("Wge7A-5qWTh4ZPJl4mxCt173"),
            "empty seal": await phone.fast("A" * len(token)),
            "another IMSI": await phone.fast(token, imsi=NO_CONSENT),
            "another terminal": await phone.fast(token, terminal_id="356938035643809"),
            "another client": await phone.fast(token, app_name="com.example.other"),
            "another app": await phone.fast(token, apps=("ap2005",)),
        }
        await server.store.real.revoke_tokens("default", ALLOWED, None)
        troubles["revoked"] = await phone.fast(token)
        server.clock.advance(31 * 86_400)
        troubles["expired"] = await phone.fast(token)
    assert {name: answer.status for name, answer in troubles.items()} == dict.fromkeys(
        troubles, 511
    )


async def test_rule_6_neither_token_nor_identity_is_511(phone: Phone) -> None:
    assert (await phone.server.get(phone.query())).status == 511


@pytest.mark.conforms("answers.after-511")
async def test_rule_6_after_511_a_full_authentication_works(phone: Phone) -> None:
    token = await phone.token()
    await phone.server.store.real.revoke_tokens("default", ALLOWED, None)
    assert (await phone.fast(token)).status == 511
    assert (await phone.fast(await phone.token())).status == 200


# --- rule 7: the token comes back, with what is left of it ---------------------------------


@pytest.mark.conforms(
    "token.after-full",
    "eap.right-answer",
    "answer.token-validity",
    "document.TOKEN/token",
    "document.TOKEN/validity",
    "divergence.token-in-every-answer",
)
async def test_rule_7_every_document_has_the_token_and_its_remaining_validity(
    phone: Phone,
) -> None:
    life = 30 * 86_400
    first = await phone.full()
    assert first.phone.get("TOKEN", "validity") == str(life)
    phone.server.clock.advance(86_400)
    second = await phone.fast(first.token)
    assert second.token == first.token
    assert second.phone.get("TOKEN", "validity") == str(life - 86_400)
    phone.server.clock.advance(10 * 86_400 + 17)
    third = await phone.fast(first.token)
    assert third.token == first.token
    assert third.phone.get("TOKEN", "validity") == str(life - 11 * 86_400 - 17)


async def test_rule_7_in_json_too(phone: Phone) -> None:
    phone = phone.but(wanted=JSON)
    first = (await phone.full()).object["Token"]
    phone.server.clock.advance(100)
    again = (await phone.fast(first["token"])).object["Token"]
    assert again == {"token": first["token"], "validity": str(int(first["validity"]) - 100)}


# --- rule 8: nothing is escaped but the ampersand ------------------------------------------


@pytest.mark.conforms("divergence.xml-escaping")
async def test_rule_8_only_amp_is_escaped(server: Server) -> None:
    documents = []
    for wanted_version in ("2.0", "8.0"):
        for number in range(1, 6):
            phone = Phone(
                server,
                imsi=type(ALLOWED)(f"00101000000000{number}"),
                apps=VOICE_AND_TEXT,
                entitlement_version=wanted_version,
            )
            documents.append((await phone.full()).content)
    for document in documents:
        assert document.startswith(b"<?xml")
        assert set(re.findall(rb"&[^;]*;?", document)) <= {b"&amp;"}


async def test_rule_8_an_ampersand_reaches_the_phone(bench: Workbench) -> None:
    settings = '[portal]\npublic_url = "https://portal.example/a?b=1&c=2"'
    async with bench.opened(settings) as server:
        answer = await Phone(server, imsi=NO_CONSENT).full()
    assert b"&amp;c=2" in answer.content
    assert answer.phone.get("ap2004", "ServiceFlow_URL") == (
        "https://portal.example/a?b=1&c=2/vowifi"
    )


# --- rule 9: characteristics have a type and IMS applications are flat ---------------------


def shape_of(document: bytes) -> list[tuple[int, str, list[str]]]:
    """Return (depth, type, attribute names) of every characteristic."""
    found: list[tuple[int, str, list[str]]] = []
    depth = 0

    def start(tag: str, attributes: list[str]) -> None:
        nonlocal depth
        if tag == "characteristic":
            depth += 1
            found.append((depth, attributes[1], attributes[::2]))

    def end(tag: str) -> None:
        nonlocal depth
        depth -= tag == "characteristic"

    parser = expat.ParserCreate()
    parser.ordered_attributes = True
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.Parse(document, True)
    return found


@pytest.mark.conforms("volte.flat-before-7")
@pytest.mark.parametrize("version", ["2.0", "6.1"])
async def test_rule_9_the_old_form_is_flat(phone: Phone, version: str) -> None:
    answer = await phone.but(apps=VOICE_AND_TEXT, entitlement_version=version).full()
    assert shape_of(answer.content) == [
        (1, kind, ["type"]) for kind in ("VERS", "TOKEN", *["APPLICATION"] * 3)
    ]
    assert answer.phone.get("ap2003", "EntitlementStatus") == "1"


@pytest.mark.conforms("voice.per-access")
async def test_rule_9_the_new_form_nests_under_voice_only(phone: Phone) -> None:
    answer = await phone.but(apps=VOICE_AND_TEXT, entitlement_version="8.0").full()
    shape = shape_of(answer.content)
    assert all(attributes == ["type"] for _, _, attributes in shape)
    nested = {kind for depth, kind, _ in shape if depth > 1}
    assert nested == {"VoiceOverCellularEntitleInfo", "RATVoiceEntitleInfoDetails"}
    # The reader of the IMS application finds VoLTE and VoNR, and the flat ones beside them.
    reader = answer.phone
    assert "1" in (reader.get("1/1", "EntitlementStatus"), reader.get("1/2", "EntitlementStatus"))
    assert "1" in (reader.get("2/1", "EntitlementStatus"), reader.get("2/2", "EntitlementStatus"))
    assert reader.get("ap2003", "EntitlementStatus") is None
    assert reader.get("ap2004", "EntitlementStatus") == "1"
    assert reader.get("ap2005", "EntitlementStatus") == "1"


async def test_rule_9_names_are_spelled_as_the_ims_application_reads_them(phone: Phone) -> None:
    found = service(await phone.full(), "ap2004")
    assert {"EntitlementStatus", "AddrStatus", "TC_Status", "ProvStatus"} <= set(found)


# --- rule 10: content types and statuses ---------------------------------------------------


@pytest.mark.conforms("eap.relay-type", "eap.no-redirect", "xml.media-type", "json.media-type")
async def test_rule_10_content_types_are_lower_case_and_say_xml_or_json(phone: Phone) -> None:
    challenge = await phone.begin()
    answers = [
        challenge,
        await phone.end(challenge),
        await phone.but(wanted=JSON).full(),
        await phone.fast(await phone.token()),
    ]
    kinds = [answer.header("content-type") for answer in answers]
    assert kinds == [RELAY, XML, JSON, XML]
    assert {answer.status for answer in answers} == {200}


async def test_rule_10_nothing_redirects(server: Server, phone: Phone) -> None:
    token = await phone.token()
    answers = [
        await server.get(""),
        await server.get(phone.query()),
        await phone.fast(token[:-1]),
        await server.send(Request("GET", b"", path="/any/where/")),
    ]
    assert not [answer for answer in answers if 300 <= answer.status < 400]


# --- rule 11: never 200 without the asked-for application ----------------------------------


@pytest.mark.conforms(
    "answers.retry-after", "answers.backend-503", "status.503", "divergence.retry-after-always"
)
async def test_rule_11_a_store_that_is_down_is_503_with_retry_after(phone: Phone) -> None:
    token = await phone.token()
    challenge = await phone.begin()
    packet = phone.reply(challenge)
    phone.server.store.down = True
    for answer in (
        await phone.begin(),
        await phone.fast(token),
        await phone.post(packet, challenge.cookie),
    ):
        assert answer.status == 503
        assert int(answer.header("retry-after")) >= 1
        assert b"characteristic" not in answer.body
    phone.server.store.down = False
    assert (await phone.fast(token)).status == 200
    assert (await phone.post(packet, challenge.cookie)).status == 200, "the session is not burnt"


async def test_rule_11_a_store_that_fails_late_is_503_as_well(phone: Phone) -> None:
    """The push registration comes last; what was decided before must not leave half done."""
    token = await phone.token()
    real = phone.server.store.real

    class Failing:
        def __getattr__(self, name: str) -> object:
            return getattr(real, name)

        async def register_push(self, *_: object) -> None:
            raise PeerUnavailable

    phone.server.store.real = Failing()  # type: ignore[assignment]
    notif = (("notif_action", "2"), ("notif_token", "FCMTOK"))
    answer = await phone.fast(token, extra=notif)
    assert answer.status in (200, 503)
    if answer.status == 200:
        assert service(answer, "ap2004")["EntitlementStatus"] == "1"
    else:
        assert answer.header("retry-after")


async def test_rule_11_a_store_that_hangs_is_503_in_time(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Deadlines, "_LOOK_S", 0.01)
    async with bench.opened() as server:
        phone = Phone(server)
        token = await phone.token()
        challenge = await phone.begin()
        packet = phone.reply(challenge)
        server.store.hold()
        asks = [phone.fast(token), phone.begin(), phone.post(packet, challenge.cookie)]
        tasks = [asyncio.create_task(ask) for ask in asks]
        await server.store.called("profile", 3)
        server.clock.advance(9.9)
        done, _ = await asyncio.wait(tasks, timeout=0.05)
        assert not done
        server.clock.advance(0.2)
        for answer in await asyncio.gather(*tasks):
            assert answer.status == 503
            assert answer.header("retry-after")
        server.store.release()
        assert (await phone.fast(token)).status == 200
        assert (await phone.post(packet, challenge.cookie)).status == 200


@pytest.mark.conforms("eap.no-vectors-503", "divergence.core-failure-503-not-511")
async def test_rule_11_a_source_of_vectors_that_hangs_is_503(bench: Workbench) -> None:
    async with bench.opened("[auth]\nvector_timeout_s = 0.05") as server:
        server.store.hold()
        answer = await Phone(server).begin()
        assert answer.status == 503
        assert answer.header("retry-after")
        assert (await server.records())[-1]["outcome"] == "vectors_timeout"


@pytest.mark.conforms("answers.no-partial-200")
async def test_rule_11_each_asked_for_application_is_in_every_200(server: Server) -> None:
    for number in range(1, 6):
        phone = Phone(server, imsi=type(ALLOWED)(f"00101000000000{number}"), apps=VOICE_AND_TEXT)
        answer = await phone.full()
        for app in VOICE_AND_TEXT:
            assert answer.phone.get(app, "EntitlementStatus") in ("0", "1", "2", "3"), (app, number)


async def test_rule_11_an_unknown_app_alone_is_400_and_no_empty_document(phone: Phone) -> None:
    assert (await phone.but(apps=("ap2099",)).begin()).status == 400


# --- the smaller traps ---------------------------------------------------------------------


@pytest.mark.conforms("answer.usable-vers", "document.VERS/version", "document.VERS/validity")
async def test_the_version_and_validity_are_positive_integers(phone: Phone) -> None:
    """Any other mix resets all services, and text that is no integer fails the whole poll."""
    answer = await phone.full()
    for name in ("version", "validity"):
        assert int(answer.phone.get("VERS", name) or "") > 0
    assert int(answer.phone.get("VERS", "version") or "") < 1 << 31


@pytest.mark.conforms("divergence.same-version-still-complete")
async def test_a_client_that_holds_the_current_version_gets_the_whole_document(
    server: Server, phone: Phone
) -> None:
    first = await phone.full()
    version = first.phone.get("VERS", "version") or ""
    query = phone.query(("IMSI", ALLOWED.digits), ("token", first.token))
    again = await server.get(query.replace(b"vers=0", b"vers=" + version.encode()))
    sealed = {"ServiceFlow_UserData": ""}
    assert service(again, "ap2004") | sealed == service(first, "ap2004") | sealed


@pytest.mark.conforms("request.vers")
@pytest.mark.parametrize("vers", ["-1", "-2", "", "null", "x", "99999999999999999999"])
async def test_any_stored_version_is_taken(server: Server, phone: Phone, vers: str) -> None:
    token = await phone.token()
    query = phone.query(("IMSI", ALLOWED.digits), ("token", token))
    answer = await server.get(query.replace(b"vers=0", b"vers=" + vers.encode()))
    assert answer.status == 200


@pytest.mark.conforms("divergence.missing-required-parameters")
async def test_a_poorer_client_asks_with_the_token_alone(server: Server, phone: Phone) -> None:
    """As microG does: neither IMSI nor app; the token says what it is for."""
    token = await phone.but(apps=("ap2004", "ap2005")).token()
    answer = await server.get(f"token={token}", ("accept", f"{RELAY}, {XML}"))
    for app in ("ap2004", "ap2005"):
        assert answer.phone.get(app, "EntitlementStatus") == "1"


async def test_texts_that_are_the_word_null_are_no_values(server: Server, phone: Phone) -> None:
    token = await phone.token()
    query = f"IMSI=null&token={token}&terminal_id={phone.terminal_id}&gid1=null&app=ap2004"
    assert (await server.get(query)).status == 200


@pytest.mark.conforms("post.content-type-loose", "divergence.relay-type-not-needed")
async def test_the_relay_body_is_read_whatever_its_content_type(phone: Phone) -> None:
    for kind in ("", JSON, "text/plain", RELAY.upper()):
        challenge = await phone.begin()
        headers = phone.headers(f"{RELAY}, {XML}", cookie=challenge.cookie, content_type=kind)
        answer = await phone.server.send(
            Request("POST", b"", headers, relay_body(phone.reply(challenge)))
        )
        assert answer.status == 200, kind


@pytest.mark.conforms("post.content-type-loose", "divergence.relay-type-not-needed")
async def test_parameters_in_a_post_with_the_relay_s_content_type(server: Server) -> None:
    """Older Android labels both kinds of body so."""
    phone = Phone(server)
    body = {"app": "ap2004", "EAP_ID": phone.eap_id, "terminal_id": phone.terminal_id}
    challenge = await server.post(json.dumps(body), ("content-type", RELAY))
    assert (await phone.end(challenge)).status == 200


@pytest.mark.conforms("eap.escaped-slashes")
async def test_base64_with_line_breaks_is_taken(phone: Phone) -> None:
    challenge = await phone.begin()
    text = base64.encodebytes(phone.reply(challenge)).decode()
    headers = phone.headers(XML, cookie=challenge.cookie)
    body = json.dumps({"eap-relay-packet": text})
    answer = await phone.server.send(Request("POST", b"", headers, body.encode()))
    assert answer.status == 200


@pytest.mark.conforms("get.percent-encoded")
async def test_the_sample_conversation_is_answered_for_a_two_digit_mnc(phone: Phone) -> None:
    """EAP_ID comes percent-encoded, and the key is made of its exact text."""
    assert b"EAP_ID=0001010000000001%40nai.epc.mnc001.mcc001" in phone.query(
        ("EAP_ID", phone.eap_id)
    )
    assert (await phone.full()).status == 200


@pytest.mark.conforms("eap.any-realm-prefix")
@pytest.mark.parametrize("prefix", ["nai.epc", "wlan"])
async def test_the_realm_s_prefix_is_the_carrier_s_choice(server: Server, prefix: str) -> None:
    class Wlan(Phone):
        @property
        def eap_id(self) -> str:
            return super().eap_id.replace("nai.epc", prefix)

    assert (await Wlan(server).full()).status == 200
