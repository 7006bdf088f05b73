"""The main request end to end: who is asked for a proof, what is understood, what is answered."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from simgrant.domain.subscription import ConsentKind, SubscriptionStatus
from simgrant.identities import Imsi
from simgrant.ports.store import Change
from simgrant.spec.ids import ProvStatus
from tests.device.harness import (
    ALLOWED,
    BARRED,
    EITHER,
    HOME_ONLY,
    JSON,
    NO_CONSENT,
    NO_VOWIFI,
    RELAY,
    START,
    SUSPENDED,
    XML,
    Answer,
    Phone,
    Request,
    Server,
    Workbench,
    given,
    new_card,
    new_subscription,
    query,
    relay_body,
    service,
)

ALL = ("ap2003", "ap2004", "ap2005")
SUSPENDED_TEXT = {
    "en-US": "Your subscription is suspended. Please contact customer care.",
    "de-AT": "Ihr Anschluss ist gesperrt. Bitte wenden Sie sich an den Kundenservice.",
    "fr": "Votre ligne est suspendue. Veuillez contacter le service client.",
    "es-419": "Su línea está suspendida. Póngase en contacto con atención al cliente.",
    "xx": "Your subscription is suspended. Please contact customer care.",
}


# --- the order of decisions (TS.43 §2.8) ---------------------------------------------------


@pytest.mark.conforms("auth.packet-first")
@pytest.mark.spec("TS.43 §2.8.1")
async def test_a_packet_comes_before_everything_else(phone: Phone) -> None:
    """Even beside a token that is good: the packet says that an EAP session goes on."""
    token = await phone.token()
    body = json.dumps({"eap-relay-packet": "AgEACBcOAAA=", "token": token, "app": "ap2004"})
    assert (await phone.server.post(body)).status == 511


@pytest.mark.conforms("status.401")
@pytest.mark.spec("TS.43 §2.8.6")
async def test_a_temporary_token_is_401_before_the_other_proofs_are_looked_at(
    phone: Phone,
) -> None:
    token = await phone.token()
    pairs = [("temporary_token", "abc"), ("token", token), ("app", "ap2004")]
    before = list(phone.server.store.calls)
    assert (await phone.server.get(query(pairs))).status == 401
    assert phone.server.store.calls == before


@pytest.mark.conforms("auth.token-before-identity", "token.fast")
@pytest.mark.spec("TS.43 §2.8.5")
async def test_a_good_token_beside_an_identity_is_fast_authentication(phone: Phone) -> None:
    token = await phone.token()
    pairs = (("EAP_ID", phone.eap_id), ("token", token))
    answer = await phone.server.get(phone.query(*pairs), ("accept", XML))
    assert answer.header("content-type") == XML
    assert answer.token == token


@pytest.mark.conforms("auth.bad-token", "divergence.token-invalid-511-not-302")
@pytest.mark.spec("TS.43 §2.10")
async def test_a_bad_token_is_511_with_or_without_an_identity(phone: Phone) -> None:
    """A challenge would be allowed with an identity, but Android takes any 200 for a document."""
    for pairs in ((("token", "bad"),), (("EAP_ID", phone.eap_id), ("token", "bad"))):
        assert (await phone.server.get(phone.query(*pairs))).status == 511


@pytest.mark.conforms("auth.identity-alone", "request.EAP_ID")
@pytest.mark.spec("TS.43 §2.8.1")
async def test_an_identity_alone_is_challenged(phone: Phone) -> None:
    assert (await phone.begin()).header("content-type") == RELAY


@pytest.mark.conforms("auth.nothing", "answers.no-proof-511")
@pytest.mark.spec("TS.43 §2.10")
async def test_nothing_at_all_is_511(phone: Phone) -> None:
    assert (await phone.server.get(phone.query())).status == 511


@pytest.mark.conforms("versions.asked-first")
@pytest.mark.spec("TS.43 §2.5")
async def test_the_version_is_looked_at_before_the_proof(phone: Phone) -> None:
    old = phone.but(entitlement_version="0.9")
    assert (await old.begin()).status == 406
    assert (await phone.server.get(old.query(("token", "bad")))).status == 406


# --- GET and POST --------------------------------------------------------------------------


async def ask_by_post(phone: Phone, **members: object) -> Answer:
    """Start by POST as Android does, with all values as strings; return the document."""
    body = {
        "app": phone.apps[0],
        "EAP_ID": phone.eap_id,
        "terminal_id": phone.terminal_id,
        "terminal_vendor": "Goog",
        "terminal_model": "Pixel 9 Pr",
        "terminal_sw_version": "15",
        "vers": "0",
        "entitlement_version": phone.entitlement_version,
    } | members
    headers = phone.headers(RELAY, content_type=JSON)
    text = json.dumps(body).encode()
    challenge = await phone.server.send(Request("POST", b"", headers, text))
    return challenge if challenge.status != 200 else await phone.end(challenge)


@pytest.mark.conforms(
    "post.supported",
    "post.flat-object",
    "eap.starts",
    "divergence.post-not-supported",
    "status.200",
)
@pytest.mark.spec("TS.43 §2.3")
@pytest.mark.spec("TS.43 §2.4")
async def test_get_and_post_get_the_same_document(server: Server) -> None:
    by_get = await Phone(server, apps=ALL, entitlement_version="8.0").full()
    by_post = await ask_by_post(Phone(server, entitlement_version="8.0"), app=list(ALL))
    for app in ("ap2004", "ap2005"):
        assert service(by_get, app) | {"ServiceFlow_UserData": ""} == service(by_post, app) | {
            "ServiceFlow_UserData": ""
        }
    assert by_get.phone.get("1/1", "EntitlementStatus") == "1"
    assert by_post.phone.get("1/1", "EntitlementStatus") == "1"


@pytest.mark.conforms("post.supported", "request.token")
@pytest.mark.spec("TS.43 §2.4")
async def test_a_token_works_in_a_post_too(phone: Phone) -> None:
    token = await phone.token()
    body = {"token": token, "IMSI": ALLOWED.digits, "app": "ap2004", "vers": 0}
    assert (await phone.server.post(json.dumps(body))).status == 200


async def test_a_post_without_a_body_is_read_by_its_query(phone: Phone) -> None:
    request = Request("POST", phone.query(("EAP_ID", phone.eap_id)))
    assert (await phone.server.send(request)).header("content-type") == RELAY


@pytest.mark.conforms("server.any-path")
@pytest.mark.parametrize("path", ["/", "/ts43", "/a/b/c", "/x.php"])
async def test_any_path_is_the_endpoint(phone: Phone, path: str) -> None:
    request = Request("GET", phone.query(("EAP_ID", phone.eap_id)), path=path)
    assert (await phone.server.send(request)).status == 200


@pytest.mark.conforms("types.words-fold", "divergence.parameter-names-folded")
@pytest.mark.parametrize("fold", [str.upper, str.lower, str.title])
async def test_names_in_any_letter_case(phone: Phone, fold: object) -> None:
    assert callable(fold)
    pairs = [
        (fold("EAP_ID"), phone.eap_id),
        (fold("terminal_id"), phone.terminal_id),
        (fold("app"), "AP2004"),
        (fold("entitlement_version"), "8.0"),
    ]
    challenge = await phone.server.get(query(pairs))
    answer = await phone.end(challenge)
    assert service(answer, "ap2004")["EntitlementStatus"] == "1"
    body = {name: value for name, value in pairs if name.lower() != "eap_id"}
    body[fold("token")] = answer.token
    body[fold("imsi")] = ALLOWED.digits
    assert (await phone.server.post(json.dumps(body))).status == 200


# --- several apps --------------------------------------------------------------------------


@pytest.mark.spec("TS.43 §2.3")
@pytest.mark.conforms(
    "request.app", "get.app-repeated", "get.app-comma-list", "divergence.apps-in-one-string"
)
@pytest.mark.parametrize(
    "apps",
    [
        "app=ap2003&app=ap2004&app=ap2005",
        "app=ap2003,ap2004,ap2005",
        "app=ap2003%2Cap2004%2Cap2005",
        "app=[ap2003,ap2004,ap2005]",
        "app=%5Bap2003%2C%20ap2004%2C%20ap2005%5D",
        "app=%5B%22ap2003%22%2C%22ap2004%22%2C%22ap2005%22%5D",
        "app=ap2003,ap2004&app=ap2005&app=AP2004",
    ],
)
async def test_spellings_of_several_apps_in_a_query(phone: Phone, apps: str) -> None:
    start = f"EAP_ID={phone.eap_id}&terminal_id={phone.terminal_id}&{apps}"
    answer = await phone.but(wanted=JSON).end(await phone.server.get(start))
    assert list(answer.object) == ["Vers", "Token", *ALL]


@pytest.mark.spec("TS.43 §2.4")
@pytest.mark.conforms("post.app-array", "post.app-bracketed", "divergence.apps-in-one-string")
@pytest.mark.parametrize(
    "apps", [list(ALL), "[ap2003,ap2004,ap2005]", "ap2003,ap2004,ap2005", "[ap2003, ap2004,ap2005]"]
)
async def test_spellings_of_several_apps_in_a_body(phone: Phone, apps: str | Sequence[str]) -> None:
    answer = await ask_by_post(phone.but(wanted=JSON), app=apps)
    assert list(answer.object) == ["Vers", "Token", *ALL]


@pytest.mark.conforms("answer.only-asked")
@pytest.mark.spec("TS.43 §2.9")
async def test_only_what_was_asked_for_is_answered(phone: Phone) -> None:
    for apps in (("ap2005",), ("ap2005", "ap2003")):
        answer = await phone.but(wanted=JSON, apps=apps).full()
        assert list(answer.object) == ["Vers", "Token", *apps]


@pytest.mark.conforms("divergence.unknown-appid-left-out")
@pytest.mark.spec("TS.43 §2.9.2")
async def test_an_unknown_app_beside_a_known_one_is_left_out(phone: Phone) -> None:
    answer = await phone.but(wanted=JSON, apps=("ap2099", "ap2004", "rcs")).full()
    assert list(answer.object) == ["Vers", "Token", "ap2004"]
    records = await phone.server.records()
    assert records[-1]["unknown_apps"] == ["ap2099", "rcs"]
    assert records[-1]["apps"] == ["ap2004"]


@pytest.mark.spec("TS.43 §2.10")
@pytest.mark.conforms(
    "answers.no-app-400",
    "status.400",
    "divergence.unknown-appid-left-out",
    "divergence.missing-required-parameters",
)
@pytest.mark.parametrize("apps", [("ap2099",), ("ap2001", "x"), ()])
async def test_no_known_app_is_400(phone: Phone, apps: tuple[str, ...]) -> None:
    before = list(phone.server.store.calls)
    assert (await phone.but(apps=apps).begin()).status == 400
    assert phone.server.store.calls == before


@pytest.mark.conforms("annex.vowifi", "annex.voice", "annex.smsoip")
async def test_without_an_app_a_token_gets_all_that_it_is_good_for(phone: Phone) -> None:
    token = await phone.but(apps=ALL).token()
    answer = await phone.fast(token, apps=(), wanted=JSON)
    assert list(answer.object) == ["Vers", "Token", *ALL]


async def test_a_token_and_only_unknown_apps_is_400(phone: Phone) -> None:
    token = await phone.token()
    assert (await phone.fast(token, apps=("ap2099",))).status == 400


async def test_a_token_serves_the_known_app_beside_an_unknown_one(phone: Phone) -> None:
    token = await phone.token()
    answer = await phone.fast(token, apps=("ap2004", "ap2099"), wanted=JSON)
    assert list(answer.object) == ["Vers", "Token", "ap2004"]


# --- versions (TS.43 §2.5) -----------------------------------------------------------------


@pytest.mark.spec("TS.43 §2.5")
@pytest.mark.conforms(
    "request.entitlement_version",
    "versions.unsupported-406",
    "versions.minor-may-lack",
    "versions.malformed-400",
    "versions.unknown-newer",
    "volte.flat-before-7",
    "status.406",
    "divergence.version-missing-is-2",
    "divergence.version-unknown-newer-served",
)
@pytest.mark.parametrize(
    ("text", "status", "nested"),
    [
        ("1.0", 200, False),
        ("2.0", 200, False),
        ("", 200, False),
        ("null", 200, False),
        ("6.1", 200, False),
        ("6.10", 200, False),
        ("7.0", 200, True),
        ("7", 200, True),
        ("8.0", 200, True),
        ("11.9", 200, True),
        ("11.10", 200, True),
        ("12", 200, True),
        ("12.0", 200, True),
        ("13.0", 200, True),
        ("99.7", 200, True),
        ("0.9", 406, None),
        ("0", 406, None),
        ("nonsense", 400, None),
        ("2.0.1", 400, None),
        ("2,0", 400, None),
        ("-2.0", 400, None),
        ("2.x", 400, None),
        (".", 400, None),
        ("2e1", 400, None),
        ("\u0662.\u0660", 400, None),
        ("99999999999999999999", 400, None),
    ],
)
async def test_versions(phone: Phone, text: str, status: int, nested: bool | None) -> None:
    phone = phone.but(entitlement_version=text, apps=("ap2003",), wanted=JSON)
    answer = await phone.full()
    assert answer.status == status
    if status == 200:
        voice = answer.object["ap2003"]
        assert ("VoiceOverCellularEntitleInfo" in voice) is nested
        assert ("EntitlementStatus" in voice) is not nested
    elif status == 406:
        assert answer.body == b"protocol not supported"


# --- content negotiation (TS.43 §2.2, §2.9) ------------------------------------------------

NEGOTIATION = [
    (XML, XML),
    (JSON, JSON),
    (EITHER, XML),
    (f"{RELAY}, {XML}", XML),
    (f"{RELAY}, {JSON}", JSON),
    (f"{RELAY}, {EITHER}", XML),
    (RELAY, JSON),
    ("", XML),
    ("*/*", XML),
    ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", XML),
    ("image/png", XML),
    (";;;,,,q=;", XML),
    ("APPLICATION/JSON", JSON),
    (f"{JSON};q=1.0, {XML};q=0", JSON),
    (f"{JSON};q=0.1, {XML};q=0.9", XML),
]


@pytest.mark.spec("TS.43 §2.9")
@pytest.mark.conforms(
    "headers.Accept",
    "answer.format-by-accept",
    "divergence.xml-when-both",
    "divergence.accept-never-406",
)
@pytest.mark.parametrize(("accept", "kind"), NEGOTIATION)
async def test_the_format_follows_accept(phone: Phone, accept: str, kind: str) -> None:
    answer = await phone.fast(await phone.token(), wanted=accept)
    assert (answer.status, answer.header("content-type")) == (200, kind)
    assert answer.content[:1] == (b"<" if kind == XML else b"{")


@pytest.mark.spec("TS.43 §2.9")
@pytest.mark.conforms("answer.format-by-accept", "divergence.xml-when-both")
@pytest.mark.parametrize(("accept", "kind"), NEGOTIATION)
async def test_the_format_follows_accept_of_the_last_leg(
    phone: Phone, accept: str, kind: str
) -> None:
    challenge = await phone.begin()
    headers = [("accept", accept)] if accept else []
    headers.append(("cookie", challenge.cookie))
    answer = await phone.server.send(
        Request("POST", b"", headers, relay_body(phone.reply(challenge)))
    )
    assert (answer.status, answer.header("content-type")) == (200, kind)


@pytest.mark.spec("TS.43 §2.2")
@pytest.mark.conforms("headers.Accept-Language", "headers.languages-fall-back")
@pytest.mark.parametrize("language", SUSPENDED_TEXT)
async def test_texts_are_in_the_phone_s_language(server: Server, language: str) -> None:
    phone = Phone(server, imsi=SUSPENDED, language=language)
    answer = await phone.full()
    assert service(answer, "ap2004")["MessageForIncompatible"] == SUSPENDED_TEXT[language]


@pytest.mark.spec("TS.43 §2.2")
async def test_several_languages_are_weighed(server: Server) -> None:
    phone = Phone(server, imsi=SUSPENDED, language="nl, fr;q=0.5, de;q=0.9, en;q=0.1")
    found = service(await phone.full(), "ap2004")["MessageForIncompatible"]
    assert found == SUSPENDED_TEXT["de-AT"]


@pytest.mark.conforms("headers.Accept-Encoding")
@pytest.mark.spec("TS.43 §2.2")
async def test_gzip_for_those_who_can_and_only_where_it_pays(bench: Workbench) -> None:
    async with bench.opened("[documents]\ngzip_from = 200") as server:
        phone = Phone(server)
        token = await phone.token()
        packed = await phone.fast(token)
        assert packed.header("content-encoding") == "gzip"
        query = phone.query(("IMSI", ALLOWED.digits), ("token", token))
        plain = await server.get(query, ("accept", XML))
        assert plain.header("content-encoding") == ""
        refused = await server.get(query, ("accept", XML), ("accept-encoding", "gzip;q=0"))
        assert refused.header("content-encoding") == ""
        read = Answer(200, [], gzip.decompress(packed.body)).phone
        assert read.get("TOKEN", "token") == plain.token == token
    async with bench.opened("[documents]\ngzip_from = 0") as server:
        assert (await Phone(server).full()).header("content-encoding") == ""


async def test_challenges_are_never_packed(bench: Workbench) -> None:
    async with bench.opened("[documents]\ngzip_from = 1") as server:
        assert (await Phone(server).begin()).header("content-encoding") == ""


async def test_no_answer_is_cached(phone: Phone) -> None:
    answers = [
        await phone.begin(),
        await phone.full(),
        await phone.fast("bad"),
        await phone.server.get(""),
        await phone.server.send(Request("PUT")),
    ]
    assert {answer.header("cache-control") for answer in answers} == {"no-store"}
    identifiers = [answer.header("x-request-id") for answer in answers]
    assert len(set(identifiers)) == len(answers)


# --- what is answered ----------------------------------------------------------------------


@pytest.mark.spec("TS.43 §3.1")
async def test_an_allowed_subscription(server: Server) -> None:
    answer = await Phone(server, apps=ALL, entitlement_version="8.0").full()
    vowifi = service(answer, "ap2004")
    assert vowifi["EntitlementStatus"] == "1"
    assert (vowifi["AddrStatus"], vowifi["TC_Status"], vowifi["ProvStatus"]) == ("1", "1", "2")
    assert "MessageForIncompatible" not in vowifi
    assert service(answer, "ap2005") == {"EntitlementStatus": "1"}
    for place in ("1/1", "2/1"):
        assert answer.phone.get(place, "EntitlementStatus") == "1"


@pytest.mark.conforms("vowifi.cannot-be-offered", "answer.not-offered")
@pytest.mark.spec("TS.43 §3.3.1")
async def test_no_vowifi_in_the_plan(server: Server) -> None:
    answer = await Phone(server, imsi=NO_VOWIFI, apps=ALL).full()
    vowifi = service(answer, "ap2004")
    assert vowifi["EntitlementStatus"] == "2"
    assert vowifi["MessageForIncompatible"] == "Wi-Fi calling is not part of your plan."
    assert "ServiceFlow_URL" not in vowifi
    assert answer.phone.get("ap2003", "EntitlementStatus") == "1"
    assert service(answer, "ap2005") == {"EntitlementStatus": "1"}


@pytest.mark.conforms("vowifi.data-missing", "annex.vowifi")
@pytest.mark.spec("TS.43 §3.3.3")
async def test_terms_and_address_missing_send_the_subscriber_to_the_page(
    server: Server,
) -> None:
    vowifi = service(await Phone(server, imsi=NO_CONSENT).full(), "ap2004")
    assert vowifi["EntitlementStatus"] == "0"
    assert (vowifi["AddrStatus"], vowifi["TC_Status"]) == ("0", "0")
    assert vowifi["ServiceFlow_URL"] == "http://127.0.0.1:8082/vowifi"
    name, _, sealed = vowifi["ServiceFlow_UserData"].partition("=")
    assert (name, len(sealed) > 80) == ("flow", True)
    assert NO_CONSENT.digits not in vowifi["ServiceFlow_UserData"]


@pytest.mark.spec("TS.43 §3.3.3")
@pytest.mark.parametrize("kind", list(ConsentKind))
async def test_one_consent_alone_is_not_enough(server: Server, kind: ConsentKind) -> None:
    await server.store.real.set_consent("default", NO_CONSENT, given(kind))
    vowifi = service(await Phone(server, imsi=NO_CONSENT).full(), "ap2004")
    assert vowifi["EntitlementStatus"] == "0"
    expected = ("0", "1") if kind is ConsentKind.TERMS else ("1", "0")
    assert (vowifi["AddrStatus"], vowifi["TC_Status"]) == expected


@pytest.mark.conforms("vowifi.address-expires")
async def test_a_consent_that_ran_out_counts_as_missing(server: Server) -> None:
    await server.store.real.set_consent(
        "default", ALLOWED, given(ConsentKind.ADDRESS, expires_at=START + 100)
    )
    phone = Phone(server)
    first = await phone.full()
    assert service(first, "ap2004")["EntitlementStatus"] == "1"
    server.clock.advance(100)
    again = service(await phone.fast(first.token), "ap2004")
    assert (again["EntitlementStatus"], again["AddrStatus"]) == ("0", "0")


@pytest.mark.conforms("divergence.vowifi-no-page")
@pytest.mark.spec("TS.43 §3.3.1")
async def test_without_a_portal_missing_data_cannot_be_offered(bench: Workbench) -> None:
    async with bench.opened('[portal]\nbase_url = ""') as server:
        vowifi = service(await Phone(server, imsi=NO_CONSENT).full(), "ap2004")
    assert vowifi["EntitlementStatus"] == "2"
    assert vowifi["MessageForIncompatible"]
    assert "ServiceFlow_URL" not in vowifi


@pytest.mark.conforms("divergence.suspended-gets-a-document")
@pytest.mark.spec("TS.43 §3.3.1")
async def test_a_suspended_subscription_is_told_so_for_every_app(server: Server) -> None:
    answer = await Phone(
        server, imsi=SUSPENDED, apps=ALL, entitlement_version="8.0", wanted=JSON
    ).full()
    text = SUSPENDED_TEXT["en-US"]
    vowifi, sms = answer.object["ap2004"], answer.object["ap2005"]
    assert (vowifi["EntitlementStatus"], vowifi["MessageForIncompatible"]) == ("2", text)
    assert sms == {"EntitlementStatus": "2"}
    entries = answer.object["ap2003"]["VoiceOverCellularEntitleInfo"]
    details = [entry["RATVoiceEntitleInfoDetails"] for entry in entries]
    assert {entry["AccessType"] for entry in details} == {"1", "2"}
    assert {entry["EntitlementStatus"] for entry in details} == {"2"}
    assert {entry["MessageForIncompatible"] for entry in details} == {text}


@pytest.mark.conforms("vowifi.being-provisioned")
@pytest.mark.spec("TS.43 §3.3.5")
async def test_a_line_being_provisioned(server: Server) -> None:
    change = Change(provisioning=ProvStatus.IN_PROGRESS)
    await server.store.real.change("default", ALLOWED, change, now=START)
    vowifi = service(await Phone(server).full(), "ap2004")
    assert (vowifi["EntitlementStatus"], vowifi["ProvStatus"]) == ("3", "3")


async def seen_in(server: Server, plmn: str) -> Answer:
    change = Change(visited_plmn=plmn)
    now = int(server.clock.now())
    await server.store.real.change("default", HOME_ONLY, change, now=now)
    return await Phone(server, imsi=HOME_ONLY, apps=ALL).full()


@pytest.mark.conforms("server.any-access")
async def test_home_only_is_denied_abroad(server: Server) -> None:
    answer = await seen_in(server, "26201")
    vowifi = service(answer, "ap2004")
    assert vowifi["EntitlementStatus"] == "2"
    assert vowifi["MessageForIncompatible"] == (
        "With your plan this service is not available abroad."
    )
    assert service(answer, "ap2005") == {"EntitlementStatus": "2"}
    record = (await server.records())[-1]
    assert record["facts"]["area"][0] == "roaming"
    assert {each["reason"] for each in record["decisions"] if each["feature"] == "vowifi"} == {
        "not_abroad"
    }


async def test_home_only_is_allowed_at_home(server: Server) -> None:
    answer = await seen_in(server, "00101")
    assert service(answer, "ap2004")["EntitlementStatus"] == "1"
    assert (await server.records())[-1]["facts"]["area"][0] == "home"


async def test_a_visited_network_that_is_too_old_is_unknown(server: Server) -> None:
    assert service(await seen_in(server, "26201"), "ap2004")["EntitlementStatus"] == "2"
    server.clock.advance(86_400 + 1)
    later = await Phone(server, imsi=HOME_ONLY).full()
    assert service(later, "ap2004")["EntitlementStatus"] == "1"
    record = (await server.records())[-1]
    assert record["facts"]["area"][0] == "unknown"


@pytest.mark.conforms("voice.home-and-roaming")
async def test_voice_tells_home_from_abroad(server: Server) -> None:
    answer = await Phone(server, imsi=HOME_ONLY, apps=("ap2003",), entitlement_version="8.0").full()
    found = {
        place: answer.phone.get(place, "EntitlementStatus")
        for place in ("1/1", "1/2", "1/3", "2/1", "2/2", "2/3")
    }
    assert found == {"1/1": None, "1/2": "1", "1/3": "2", "2/1": None, "2/2": "1", "2/3": "2"}


# --- who is not served ---------------------------------------------------------------------


@pytest.mark.conforms("status.403", "divergence.removed-and-barred-403")
@pytest.mark.spec("TS.43 §2.10")
async def test_a_barred_subscription_is_403_after_its_sim_is_proved(server: Server) -> None:
    answer = await Phone(server, imsi=BARRED).full()
    assert (answer.status, answer.body) == (403, b"")


@pytest.mark.conforms("divergence.removed-and-barred-403", "token.revoked-on-change")
@pytest.mark.spec("TS.43 §2.10")
async def test_a_removed_subscription_is_403(server: Server) -> None:
    phone = Phone(server)
    token = await phone.token()
    await server.store.real.remove("default", ALLOWED, now=START)
    assert (await phone.full()).status == 403
    assert (await phone.fast(token)).status == 511


@pytest.mark.conforms("divergence.removed-and-barred-403", "token.revoked-on-change")
@pytest.mark.spec("TS.43 §2.10")
async def test_tokens_of_a_subscription_that_was_barred_are_511(server: Server) -> None:
    phone = Phone(server)
    token = await phone.token()
    change = Change(status=SubscriptionStatus.BARRED)
    await server.store.real.change("default", ALLOWED, change, now=START)
    assert (await phone.fast(token)).status == 511
    assert (await phone.full()).status == 403


async def test_a_suspended_subscription_keeps_its_token(server: Server) -> None:
    phone = Phone(server)
    token = await phone.token()
    change = Change(status=SubscriptionStatus.SUSPENDED)
    await server.store.real.change("default", ALLOWED, change, now=START)
    vowifi = service(await phone.fast(token), "ap2004")
    assert vowifi["EntitlementStatus"] == "2"
    assert vowifi["MessageForIncompatible"] == SUSPENDED_TEXT["en-US"]


async def test_barred_between_the_legs_is_403(server: Server) -> None:
    phone = Phone(server)
    challenge = await phone.begin()
    change = Change(status=SubscriptionStatus.BARRED)
    await server.store.real.change("default", ALLOWED, change, now=START)
    assert (await phone.end(challenge)).status == 403


# --- push registration (TS.43 §2.6) --------------------------------------------------------


async def registrations(server: Server) -> dict[tuple[str, str], tuple[int, str]]:
    held = await server.store.real.export("default", ALLOWED)
    assert held is not None
    return {(push.app_id, push.app_name): (push.action, push.token) for push in held.push}


def notif(action: str, token: str) -> tuple[tuple[str, str], ...]:
    return (("notif_action", action), ("notif_token", token))


@pytest.mark.conforms(
    "notify.registered",
    "request.notif_token",
    "answer.registration-told",
    "document.APPLICATION/RegisterNotifStatus",
    "document.APPLICATION/RegisterNotifStatus=1",
)
@pytest.mark.spec("TS.43 §2.6.2")
async def test_a_push_token_is_kept_for_every_app(server: Server) -> None:
    phone = Phone(server, apps=("ap2004", "ap2005"), extra=notif("2", "FCMTOK"))
    answer = await phone.full()
    for app in phone.apps:
        # No channel is set up: INVALID TOKEN makes the client poll.
        assert service(answer, app)["RegisterNotifStatus"] == "1"
    expected = (2, "FCMTOK")
    assert await registrations(server) == {("ap2004", ""): expected, ("ap2005", ""): expected}


@pytest.mark.spec("TS.43 §2.9.5")
async def test_a_channel_that_is_set_up_takes_its_tokens(bench: Workbench, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3cret")
    channel = f'[wns.lab]\nclient_id = "us"\nclient_secret_file = "{tmp_path / "secret"}"\n'
    async with bench.opened(channel) as server:
        address = "https://db5.notify.windows.com/?token=x"
        answer = await Phone(server, extra=notif("3", address)).full()
        assert service(answer, "ap2004")["RegisterNotifStatus"] == "0"
        assert await registrations(server) == {("ap2004", ""): (3, address)}
        answer = await Phone(server, extra=notif("2", "FCMTOK")).full()
        assert service(answer, "ap2004")["RegisterNotifStatus"] == "1"


@pytest.mark.spec("TS.43 §2.9.5")
@pytest.mark.conforms("answer.registration-told", "document.APPLICATION/RegisterNotifStatus=1")
async def test_an_application_without_notices_takes_no_token(bench: Workbench) -> None:
    (bench.directory / "secret").write_text("s3cret")
    async with bench.opened(
        '[wns.lab]\nclient_id = "us"\nclient_secret_file = "secret"\n'
    ) as server:
        push = notif("3", "https://db5.notify.windows.com/?token=x")

        async def told(apps: tuple[str, ...], extra: tuple[tuple[str, str], ...]) -> list[str]:
            phone = Phone(server, apps=apps)
            answer = await phone.fast(await phone.token(), extra=extra)
            return [service(answer, app)["RegisterNotifStatus"] for app in apps]

        assert await told(("ap2014",), push) == ["1"]
        assert await told(("ap2015",), push) == ["1"]
        assert await registrations(server) == {}
        assert await told(("ap2014", "ap2004"), push) == ["1", "0"]
        assert [app for app, _ in await registrations(server)] == ["ap2004"]
        assert await told(("ap2014", "ap2004"), notif("0", push[1][1])) == ["0", "0"]
        get_number = (("operation", "GetPhoneNumber"), *push)
        assert await told(("ap2014",), get_number) == ["1"]


@pytest.mark.spec("TS.43 §2.6.2")
@pytest.mark.parametrize(
    ("action", "token"),
    [
        ("2", "not a token of FCM"),
        ("2", "x" * 4_097),
        ("3", "https://notify.windows.com.evil.example/x"),
        ("3", "http://db5.notify.windows.com/x"),
        ("4", "not hexadecimal"),
    ],
)
async def test_what_is_no_token_of_its_channel_is_invalid_and_not_kept(
    server: Server, action: str, token: str
) -> None:
    phone = Phone(server)
    answer = await phone.fast(await phone.token(), extra=notif(action, token))
    if len(token) > 4_096:
        assert answer.status == 400
    else:
        assert service(answer, "ap2004")["RegisterNotifStatus"] == "1"
    assert await registrations(server) == {}


@pytest.mark.conforms(
    "notify.registered-anew",
    "notify.removed",
    "request.notif_action=0",
    "document.APPLICATION/RegisterNotifStatus=0",
)
@pytest.mark.spec("TS.43 §2.6.2")
async def test_a_push_token_is_renewed_and_removed_by_token_requests(server: Server) -> None:
    phone = Phone(server, extra=notif("2", "FCMTOK"))
    token = await phone.token()
    await phone.fast(token, extra=notif("2", "NEWTOK"))
    assert await registrations(server) == {("ap2004", ""): (2, "NEWTOK")}
    answer = await phone.fast(token, extra=notif("0", "NEWTOK"))
    assert service(answer, "ap2004")["RegisterNotifStatus"] == "0"
    assert await registrations(server) == {}


@pytest.mark.spec("TS.43 §2.6.2")
@pytest.mark.conforms("notify.both-needed")
@pytest.mark.parametrize(
    "half",
    [
        (("notif_action", "2"),),
        (("notif_token", "FCMTOK"),),
        notif("9", "FCMTOK"),
        notif("x", "FCMTOK"),
    ],
)
async def test_half_a_registration_is_invalid_and_not_kept(
    server: Server, half: tuple[tuple[str, str], ...]
) -> None:
    answer = await Phone(server, extra=half).full()
    assert service(answer, "ap2004")["RegisterNotifStatus"] == "1"
    assert service(answer, "ap2004")["EntitlementStatus"] == "1"
    assert await registrations(server) == {}


@pytest.mark.conforms("answer.registration-told")
async def test_without_a_push_token_nothing_is_said_of_it(phone: Phone) -> None:
    assert "RegisterNotifStatus" not in service(await phone.full(), "ap2004")


# --- a request that is longer than a cookie ------------------------------------------------


LONG = tuple((f"companion_terminal_x{number}", "x" * 900) for number in range(6))


@pytest.mark.conforms("get.unknown-ignored", "eap.request-kept")
async def test_a_long_request_is_kept_in_the_store(server: Server) -> None:
    phone = Phone(server, apps=("ap2004", "ap2005"), extra=(*LONG, *notif("2", "FCMTOK")))
    challenge = await phone.begin()
    assert server.store.writes == ["decide_session"]
    assert len(challenge.header("set-cookie")) < 1000
    answer = await phone.end(challenge)
    assert service(answer, "ap2004")["EntitlementStatus"] == "1"
    assert service(answer, "ap2005")["RegisterNotifStatus"] == "1"
    assert len(await registrations(server)) == 2


async def test_a_long_request_survives_resynchronisation_and_repetition(server: Server) -> None:
    phone = Phone(server, card=new_card(ahead=True), extra=LONG)
    first = await phone.begin()
    second = await phone.post(phone.reply(first), first.cookie)
    packet = phone.reply(second)
    third = await phone.post(packet, first.cookie)
    assert service(third, "ap2004")["EntitlementStatus"] == "1"
    again = await phone.post(packet, first.cookie)
    assert again.token == third.token
    assert service(again, "ap2004")["EntitlementStatus"] == "1"


@pytest.mark.parametrize("size", [0, 500, 1500, 2000, 2300, 2400, 2500, 2600, 2700, 3000, 4000])
async def test_the_set_cookie_line_is_short_enough_for_every_client(
    phone: Phone, size: int
) -> None:
    challenge = await phone.but(extra=(("app_version", "x" * size),)).begin()
    line = challenge.header("set-cookie")
    assert len(line) < 3800
    assert "max-age" not in line.lower()
    assert "expires" not in line.lower()
    assert "secure" not in line.lower(), "this listener has no TLS of its own"
    assert (await phone.end(challenge)).status == 200


async def test_a_subscription_added_while_running_is_served(server: Server) -> None:
    imsi = Imsi("001010000007777")
    assert (await Phone(server, imsi=imsi).full()).status == 403
    await server.add(new_subscription(imsi, server.ring))
    assert (await Phone(server, imsi=imsi).full()).status == 200


async def test_a_database_is_found_relative_to_the_configuration(bench: Workbench) -> None:
    async with bench.opened('[store]\nurl = "sqlite:///state/simgrant.db"\n') as server:
        assert (await Phone(server).full()).status == 200
