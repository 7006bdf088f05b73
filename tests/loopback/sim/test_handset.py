"""The handset behaves as Android's client does, also where a tidier client would not."""

import json
from dataclasses import replace

import pytest

from simgrant.eap.machine import RejectReason
from simgrant.eap.milenage import Milenage
from simgrant.eap.packet import Variant
from simgrant.identities import Imsi
from simgrant.sim.card import Card
from simgrant.sim.exchange import ClientError, Leg, Outcome, Result
from simgrant.sim.faults import Fault
from simgrant.sim.handset import Handset, Parameters
from simgrant.sim.http import Limits, Url
from simgrant.sim.profiles import PROFILES, Accept, CookieRule, Method, Profile, ProfileName
from simgrant.sim.sims import demo_sims
from tests.loopback.sim.scripted import RELAY, XML, Says, ScriptedServer, Seen, answer
from tests.loopback.sim.small_ecs import AMF, RAND, SmallEcs, challenge, document

SIM = demo_sims()[0]
IMS = PROFILES[ProfileName.ANDROID_IMS]
EAP_ID = "0001010000000001%40nai.epc.mnc001.mcc001.3gppnetwork.org"
GOOD = answer("200 OK", document("ap2004"), XML)
DENIED = answer("511 Network Authentication Required")


class Clock:
    """A clock that tests wind."""

    def __init__(self) -> None:
        self.seconds = 1_700_000_000.0

    def __call__(self) -> float:
        return self.seconds


def _handset(
    url: Url,
    profile: Profile = IMS,
    *,
    fault: Fault | None = None,
    clock: Clock | None = None,
    notif_token: str = "",
    extra: Parameters = (),
    card: Card | None = None,
) -> Handset:
    return Handset(
        SIM,
        url,
        profile,
        card=card,
        fault=fault,
        notif_token=notif_token,
        extra=extra,
        limits=Limits(connect_s=5, read_s=5),
        wall=clock or Clock(),
    )


async def _ask(
    *script: Says, profile: Profile = IMS, rest: str = "/ts43", always: Says | None = None
) -> tuple[Outcome, list[Seen]]:
    async with ScriptedServer(*script, always=always) as server:
        async with _handset(server.url(rest), profile) as phone:
            outcome = await phone.ask()
        return outcome, server.seen


async def _against_ecs(
    fault: Fault | None = None, profile: Profile = IMS
) -> tuple[Outcome, list[Seen], SmallEcs]:
    ecs = SmallEcs(SIM)
    async with ScriptedServer(always=ecs) as server:
        async with _handset(server.url(), profile, fault=fault) as phone:
            outcome = await phone.ask()
        return outcome, server.seen, ecs


def _fresh_challenge(sqn: int = 64) -> bytes:
    """A challenge as a server sends it; the MAC is none, which Android does not mind."""
    vector = Milenage(SIM.k, SIM.opc).generate(RAND, sqn=sqn, amf=AMF)
    return (
        b"\x01\x01\0\x44\x17\x01\0\0\x01\x05\0\0" + vector.rand
        + b"\x02\x05\0\0" + vector.autn + b"\x0b\x05\0\0" + bytes(16)
    )  # fmt: skip


# --- the requests, line by line ---


async def test_first_request_of_the_ims_app() -> None:
    _, (seen,) = await _ask(answer("403 Forbidden"))
    assert seen.method == "GET"
    assert seen.target == (
        f"/ts43?EAP_ID={EAP_ID}&terminal_id=490154203237518&app=ap2004&terminal_vendor=Goog"
        "&terminal_model=Pixel%209%20Pr&terminal_sw_version=15&vers=0&entitlement_version=2.0"
    )
    assert seen.lines[:3] == (
        "Accept-Language: en-US",
        f"Accept: {RELAY}",
        "User-Agent: PRD-TS43 term-Goog/Pixel 9 Pr client-IMS-Entitlement/1.0 OS-Android/15",
    )


async def test_answer_goes_to_the_bare_address_with_packet_and_cookie_only() -> None:
    outcome, (_, seen), _ = await _against_ecs()
    assert outcome.result is Result.DOCUMENT
    assert (seen.method, seen.target) == ("POST", "/ts43")
    assert list(json.loads(seen.body)) == ["eap-relay-packet"]
    assert seen.lines[:5] == (
        "Accept-Language: en-US",
        f"Accept: {RELAY}, {XML}",
        f"Content-Type: {RELAY}",
        f"Cookie: S={SmallEcs.cookie}",
        "User-Agent: PRD-TS43 term-Goog/Pixel 9 Pr client-IMS-Entitlement/1.0 OS-Android/15",
    )


async def test_auts_asks_for_the_relay_type_alone() -> None:
    outcome, (_, resync, _), _ = await _against_ecs(Fault.SQN_AHEAD)
    assert outcome.result is Result.DOCUMENT
    assert resync.first("Accept") == RELAY


async def test_a_configured_query_stays_with_the_get_and_not_with_the_post() -> None:
    ecs = SmallEcs(SIM)
    _, (first, second) = await _ask(rest="/ts43?carrier=7", always=ecs)
    assert first.target.startswith(f"/ts43?carrier=7&EAP_ID={EAP_ID}&")
    assert second.target == "/ts43"


async def test_provisioning_asks_for_three_applications_with_the_stored_version() -> None:
    profile = PROFILES[ProfileName.ANDROID_IMS_PROVISIONING]
    doc = document("ap2004", "ap2003", "ap2005")
    async with ScriptedServer(always=SmallEcs(SIM, doc=doc)) as server:
        async with _handset(server.url(), profile, notif_token="FCMTOK") as phone:
            assert (await phone.ask()).missing == ()
            await phone.authenticate()
        first, _, again, _ = server.seen
    assert first.target == (
        f"/ts43?EAP_ID={EAP_ID}&notif_action=2&notif_token=FCMTOK&terminal_id=490154203237518"
        "&app=ap2004&app=ap2003&app=ap2005&terminal_vendor=vend&terminal_model=modelY"
        "&terminal_sw_version=versionZ&vers=0&entitlement_version=8.0"
    )
    assert again.target.endswith("&vers=7&entitlement_version=8.0")


async def test_what_is_asked_for_once_alone_is_forgotten() -> None:
    profile = PROFILES[ProfileName.ANDROID_IMS_PROVISIONING]
    doc = document("ap2003")
    async with ScriptedServer(always=SmallEcs(SIM, doc=doc)) as server:
        async with _handset(server.url(), profile) as phone:
            assert (await phone.ask(apps=("ap2003",))).missing == ()
            assert (await phone.ask()).missing == ("ap2004", "ap2005")
        alone, _, again = server.seen
    assert "&app=ap2003&terminal_vendor" in alone.target
    assert "&app=ap2004&app=ap2003&app=ap2005&terminal_vendor" in again.target


async def test_post_puts_several_apps_into_one_string() -> None:
    _, (seen,) = await _ask(answer("403 Forbidden"), profile=PROFILES[ProfileName.POST])
    assert (seen.method, seen.target) == ("POST", "/ts43")
    assert seen.first("Content-Type") == "application/json"
    assert json.loads(seen.body)["app"] == "[ap2004,ap2003,ap2005]"
    assert json.loads(seen.body)["vers"] == "0"


async def test_post_with_one_app_and_a_slash_that_is_not_escaped() -> None:
    profile = replace(IMS, method=Method.POST, app_name="a/b")
    _, (seen,) = await _ask(answer("403 Forbidden"), profile=profile)
    assert json.loads(seen.body)["app"] == "ap2004"
    assert b'"app_name":"a/b"' in seen.body


async def test_microg_sends_its_identity_or_its_token_and_nothing_else() -> None:
    profile = PROFILES[ProfileName.MICROG]
    body = b'{"Vers":{"version":"1","validity":"60"},"Token":{"token":"abc","validity":"60"}}'
    ecs = SmallEcs(SIM)
    said = answer("200 OK", body, "application/json")
    async with ScriptedServer(ecs, said, said) as server, _handset(server.url(), profile) as phone:
        assert (await phone.ask()).result is Result.DOCUMENT
        assert (await phone.ask()).result is Result.DOCUMENT
    assert server.seen[0].target == f"/ts43?EAP_ID={EAP_ID}"
    assert server.seen[2].target == "/ts43?token=abc"


@pytest.mark.parametrize(
    ("version", "gid1", "sent"),
    [("11.10", None, None), ("12.0", None, ""), ("12.0", "0A", "0A"), ("2.0", "0A", "0A")],
)
async def test_gid1_is_always_sent_from_version_12(
    version: str, gid1: str | None, sent: str | None
) -> None:
    profile = replace(IMS, entitlement_version=version, gid1=gid1)
    outcome, _ = await _ask(answer("403 Forbidden"), profile=profile)
    assert dict(outcome.exchanges[0].parameters).get("gid1") == sent


async def test_further_parameters_come_last_and_are_encoded_as_android_does() -> None:
    async with ScriptedServer(answer("403 Forbidden")) as server:
        extra = (
            ("operation", "CheckEligibility"),
            ("companion_terminal_friendly_name", "Ann's & +"),
        )
        async with _handset(server.url(), extra=extra) as phone:
            await phone.ask()
    assert server.seen[0].target.endswith(
        "&operation=CheckEligibility&companion_terminal_friendly_name=Ann's%20%26%20%2B"
    )


def test_user_agent_is_cut_to_androids_limits_and_may_lack_a_client() -> None:
    profile = replace(
        PROFILES[ProfileName.ANDROID_SATELLITE], vendor="Google", model="Pixel 9 Pro XL"
    )
    assert profile.user_agent == "PRD-TS43 term-Goog/Pixel 9 Pr /1.0 OS-Android/15"


# --- cookies ---


async def _two_rounds(rule: CookieRule, *first: str) -> tuple[list[str], list[str]]:
    """Return the Cookie lines after the first challenge, and after one that sets others."""
    later = challenge(_fresh_challenge(128), "A=later; Path=/", "C=3")
    profile = replace(IMS, cookies=rule)
    _, seen = await _ask(challenge(_fresh_challenge(), *first), later, GOOD, profile=profile)
    return seen[1].all("Cookie"), seen[2].all("Cookie")


async def test_android_keeps_the_first_cookies_each_in_a_line_of_its_own() -> None:
    first, second = await _two_rounds(CookieRule.ANDROID, "A=1; Path=/; HttpOnly", "B=2")
    assert first == second == ["A=1", "B=2"]


async def test_android_quotes_a_cookie_with_max_age() -> None:
    first, _ = await _two_rounds(
        CookieRule.ANDROID,
        "A=1; Max-Age=60",
        "B=2; Version=1",
        "C=3; Expires=x",
        'D="4"; max-age=1',
    )
    assert first == ['A="1"', 'B="2"', "C=3", 'D="4"']


async def test_rfc_6265_takes_the_newest_cookies_and_writes_one_line() -> None:
    first, second = await _two_rounds(CookieRule.RFC, "A=1; Max-Age=60", "B=2")
    assert first == ["A=1; B=2"]
    assert second == ["A=later; B=2; C=3"]


async def test_rfc_6265_drops_a_cookie_that_has_expired() -> None:
    later = challenge(_fresh_challenge(128), "A=; Max-Age=0")
    profile = replace(IMS, cookies=CookieRule.RFC)
    _, seen = await _ask(challenge(_fresh_challenge(), "A=1"), later, GOOD, profile=profile)
    assert seen[2].all("Cookie") == []


async def test_nonsense_in_set_cookie_is_no_cookie() -> None:
    first, _ = await _two_rounds(CookieRule.ANDROID, "no equals sign", "=x", "A=")
    assert first == ["A="]


# --- Samsung and Huawei ---

SAMSUNG = PROFILES[ProfileName.SAMSUNG]
HUAWEI = PROFILES[ProfileName.HUAWEI]


async def test_samsung_asks_in_its_own_way() -> None:
    _, (seen,) = await _ask(answer("403 Forbidden"), profile=SAMSUNG)
    assert seen.target == (
        f"/ts43?EAP_ID={EAP_ID}&terminal_id=490154203237518&app=ap2003%2Cap2004%2Cap2005"
        "&terminal_vendor=SEC&terminal_model=SM-S921B&terminal_sw_version=S921BXXS4AXK1&vers=0"
        "&entitlement_version=1.0"
    )
    assert seen.lines[:4] == (
        "Accept-Language: en-US",
        f"Accept: {RELAY}, {XML}",
        "User-Agent: PRD-TS43/1.0 SEC/S921BXXS4AXK1 IMS-Entitlement/6 OS-Android/14",
        "Cache-Control: max-age=0",
    )


async def test_samsung_sends_cookies_back_with_their_attributes_and_takes_newer_ones() -> None:
    first = challenge(_fresh_challenge(), "A=1; Path=/; HttpOnly", "B=2")
    later = challenge(_fresh_challenge(128), "A=later; Path=/")
    _, seen = await _ask(first, later, GOOD, profile=SAMSUNG)
    assert seen[1].all("Cookie") == ["A=1; Path=/; HttpOnly; B=2"]
    assert seen[2].all("Cookie") == ["A=later; Path=/"]


async def test_samsung_gives_up_on_a_challenge_without_a_cookie() -> None:
    for script in (
        [challenge(_fresh_challenge())],
        [challenge(_fresh_challenge(), "A=1"), challenge(_fresh_challenge(128))],
    ):
        outcome, seen = await _ask(*script, profile=SAMSUNG)
        assert outcome.result is Result.NOT_UNDERSTOOD
        assert outcome.why == "a challenge without Set-Cookie"
        assert len(seen) == len(script)
    android, _ = await _ask(challenge(_fresh_challenge()), GOOD)
    assert android.result is Result.DOCUMENT


async def test_samsung_reads_no_json() -> None:
    said = answer("200 OK", b'{"Vers":{"version":"1","validity":"1"}}', "application/json")
    outcome, _ = await _ask(challenge(_fresh_challenge(), "A=1"), said, profile=SAMSUNG)
    assert outcome.result is Result.NOT_UNDERSTOOD


async def test_a_flipped_bit_in_samsungs_cookie_is_in_the_value() -> None:
    ecs = challenge(_fresh_challenge(), "A=abcdefgh; Path=/")
    async with ScriptedServer(ecs, answer("511 x")) as server:
        async with _handset(server.url(), SAMSUNG, fault=Fault.COOKIE_BIT) as phone:
            await phone.ask()
        (line,) = server.seen[1].all("Cookie")
    assert line.endswith("; Path=/")
    assert line != "A=abcdefgh; Path=/"


async def test_huawei_encodes_nothing() -> None:
    _, (seen,) = await _ask(answer("403 Forbidden"), profile=HUAWEI)
    assert seen.target == (
        "/ts43?EAP_ID=0001010000000001@nai.epc.mnc001.mcc001.3gppnetwork.org"
        "&terminal_id=490154203237518&app_version=11.0.6.002&app_name=Health&app=ap2006"
        "&terminal_vendor=HUAWEI&terminal_model=LIO-L29&terminal_sw_version=10.1.0.150&vers=0"
        "&entitlement_version=1.0&provisioning_version=4.0"
    )


# --- tokens ---


async def test_the_token_and_the_imsi_go_together() -> None:
    async with ScriptedServer(always=SmallEcs(SIM)) as server:
        async with _handset(server.url()) as phone:
            await phone.ask()
            await phone.ask()
        seen = server.seen[2]
    assert seen.target.startswith(
        "/ts43?IMSI=001010000000001&token=T0ken-of-24-characters-x&terminal_id="
    )
    assert seen.first("Accept") == XML


async def test_a_token_past_its_validity_is_not_sent() -> None:
    clock = Clock()
    async with (
        ScriptedServer(always=SmallEcs(SIM)) as server,
        _handset(server.url(), clock=clock) as phone,
    ):
        await phone.ask()
        clock.seconds += 600
        outcome = await phone.ask()
    assert [seen.leg for seen in outcome.exchanges] == [Leg.START, Leg.ANSWER]


@pytest.mark.parametrize("validity", [0, -1])
async def test_a_token_without_validity_never_expires(validity: int) -> None:
    clock = Clock()
    ecs = SmallEcs(SIM, doc=document("ap2004", validity=validity))
    async with (
        ScriptedServer(ecs, ecs, GOOD) as server,
        _handset(server.url(), clock=clock) as phone,
    ):
        await phone.ask()
        clock.seconds += 1e9
        outcome = await phone.ask()
    assert outcome.last.leg is Leg.TOKEN


async def test_511_forgets_the_token_and_authenticates_in_full_once() -> None:
    ecs = SmallEcs(SIM)
    async with (
        ScriptedServer(ecs, ecs, DENIED, always=ecs) as server,
        _handset(server.url()) as phone,
    ):
        await phone.ask()
        outcome = await phone.ask()
    assert outcome.result is Result.DOCUMENT
    assert [(seen.leg, seen.status) for seen in outcome.exchanges] == [
        (Leg.TOKEN, 511),
        (Leg.START, 200),
        (Leg.ANSWER, 200),
    ]


async def test_a_second_511_ends_it() -> None:
    ecs = SmallEcs(SIM)
    async with ScriptedServer(ecs, ecs, always=DENIED) as server, _handset(server.url()) as phone:
        await phone.ask()
        outcome = await phone.ask()
        assert phone.token is None
        assert phone.document is None
    assert (outcome.result, outcome.code) == (Result.REFUSED, ClientError.HTTP_FAILURE)
    assert len(outcome.exchanges) == 2


@pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden", "500 Oops"])
async def test_other_refusals_leave_token_and_document(status: str) -> None:
    ecs = SmallEcs(SIM)
    async with ScriptedServer(ecs, ecs, answer(status)) as server, _handset(server.url()) as phone:
        await phone.ask()
        outcome = await phone.ask()
        assert phone.token is not None
        assert phone.document is not None
    assert (outcome.result, outcome.why) == (Result.REFUSED, status)


async def test_a_document_without_token_takes_the_token_away() -> None:
    ecs = SmallEcs(SIM)
    bare = answer("200 OK", document("ap2004", token=""), XML)
    async with ScriptedServer(ecs, ecs, bare) as server, _handset(server.url()) as phone:
        await phone.ask()
        assert phone.token is not None
        await phone.ask()
        assert phone.token is None


async def test_a_redirect_of_a_token_request_costs_document_and_token() -> None:
    ecs = SmallEcs(SIM)
    moved = answer("302 Found", b"", "", ("Location", "https://idp.example/authorize?state=s"))
    async with ScriptedServer(ecs, ecs, moved) as server, _handset(server.url()) as phone:
        await phone.ask()
        outcome = await phone.ask()
        assert phone.token is None
    assert outcome.result is Result.REDIRECTED
    assert outcome.location == "https://idp.example/authorize?state=s"


async def test_a_challenge_in_answer_to_a_token_is_not_understood() -> None:
    ecs = SmallEcs(SIM)
    async with (
        ScriptedServer(ecs, ecs, challenge(_fresh_challenge())) as server,
        _handset(server.url()) as phone,
    ):
        await phone.ask()
        outcome = await phone.ask()
    assert (outcome.result, outcome.code) == (Result.NOT_UNDERSTOOD, ClientError.MALFORMED)


async def test_the_satellite_client_keeps_no_token() -> None:
    profile = PROFILES[ProfileName.ANDROID_SATELLITE]
    said = answer(
        "200 OK",
        b'{"Vers":{"version":"1","validity":"9"},"Token":{"token":"abcd","validity":"9"},'
        b'"ap2016":{"EntitlementStatus":"1"}}',
        "application/json",
    )
    ecs = SmallEcs(SIM)
    async with (
        ScriptedServer(ecs, said, ecs, said) as server,
        _handset(server.url(), profile) as phone,
    ):
        await phone.ask()
        outcome = await phone.ask()
    assert [seen.leg for seen in outcome.exchanges] == [Leg.START, Leg.ANSWER]
    assert server.seen[1].first("Accept") == f"{RELAY}, application/json"


# --- when the server cannot ---


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120.0),
        ("Tue, 14 Nov 2023 22:14:20 GMT", 60.0),
        ("Mon, 13 Nov 2023 00:00:00 GMT", 0.0),
    ],
)
async def test_503_says_when_to_come_back(text: str, seconds: float) -> None:
    outcome, _ = await _ask(answer("503 Busy", b"", "", ("Retry-After", text)))
    assert (outcome.result, outcome.retry_after) == (Result.LATER, seconds)


async def test_503_without_a_time_is_a_refusal() -> None:
    outcome, _ = await _ask(answer("503 Busy", b"", "", ("Retry-After", "soon")))
    assert (outcome.result, outcome.retry_after) == (Result.REFUSED, None)


async def test_no_answer_is_recorded_as_an_exchange_without_status() -> None:
    outcome, _ = await _ask(b"")
    assert outcome.result is Result.UNREACHABLE
    assert outcome.last.status is None
    assert "without an answer" in outcome.last.failure


# --- rounds ---


async def test_four_answers_are_the_most() -> None:
    script = [challenge(_fresh_challenge(sqn)) for sqn in range(64, 64 + 32 * 9, 32)]
    outcome, seen = await _ask(*script)
    assert (outcome.result, outcome.code) == (
        Result.TOO_MANY_ROUNDS,
        ClientError.TOO_MANY_CHALLENGES,
    )
    assert len(seen) == 5


async def test_a_sim_that_is_never_in_step_has_its_own_error() -> None:
    async with (
        ScriptedServer(always=challenge(_fresh_challenge())) as server,
        _handset(server.url(), fault=Fault.ALWAYS_RESYNC) as phone,
    ):
        outcome = await phone.ask()
    assert outcome.code is ClientError.SYNC_NOT_RECOVERED
    assert [seen.leg for seen in outcome.exchanges] == [Leg.START] + 4 * [Leg.RESYNC]


async def test_only_a_challenge_may_follow_auts() -> None:
    async with (
        ScriptedServer(challenge(_fresh_challenge()), GOOD) as server,
        _handset(server.url(), fault=Fault.SQN_AHEAD) as phone,
    ):
        outcome = await phone.ask()
    assert (outcome.result, outcome.code) == (Result.NOT_UNDERSTOOD, ClientError.MALFORMED)


# --- what is understood ---


@pytest.mark.parametrize(
    "packet",
    [
        bytes.fromhex("0101000c1705000011010000"),  # AKA-Identity
        _fresh_challenge().replace(b"\x17\x01", b"\x32\x01", 1),  # EAP-AKA'
        bytes.fromhex("0101000c170c00000c014000"),  # AKA-Notification
    ],
)
async def test_androids_client_knows_one_packet(packet: bytes) -> None:
    outcome, seen = await _ask(challenge(packet))
    assert (outcome.result, outcome.code) == (Result.SIM_FAILED, ClientError.SIM_OR_CHALLENGE)
    assert len(seen) == 1  # it tells the server nothing


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (answer("200 OK", document("ap2004"), XML), "no challenge"),
        (answer("200 OK", b"", ""), "Content-Type"),
        (answer("200 OK", b"{}", "Application/JSON"), "Content-Type"),
        (answer("200 OK", b"{", RELAY), "cannot be read"),
        (answer("200 OK", b'{"eap-relay-packet":"AQ==="}', RELAY), "cannot be read"),
        (answer("200 OK", b'{"eap-relay-packet":"BAEABA=="}', RELAY), "EAP-Success or -Failure"),
        (challenge(b"\x01\x01\0\x0c\x17\x01\0\0\x01\0\0\0"), "length zero"),
    ],
)
async def test_a_first_answer_must_be_a_challenge(said: bytes, why: str) -> None:
    outcome, _ = await _ask(said)
    assert (outcome.result, outcome.code) == (Result.NOT_UNDERSTOOD, ClientError.MALFORMED)
    assert why in outcome.why


async def test_json_relay_type_is_not_needed_on_a_challenge() -> None:
    said = challenge(_fresh_challenge()).replace(RELAY.encode(), b"application/json", 1)
    outcome, _ = await _ask(said, GOOD)
    assert outcome.result is Result.DOCUMENT


@pytest.mark.parametrize(
    ("accept", "content_type", "body", "understood"),
    [
        (Accept.XML, "text/vnd.wap.connectivity-xml; charset=utf-8", document("ap2004"), True),
        (Accept.XML, "text/vnd.wap.connectivity", document("ap2004"), True),
        (Accept.XML, "Text/XML", document("ap2004"), False),
        (Accept.XML, "text/xml", b"", False),
        (Accept.XML, "text/xml", b"<wap-provisioningdoc/>", False),
        (Accept.BOTH, "text/xml", document("ap2004"), True),
        (Accept.BOTH, "application/json", b'{"Vers":{"version":"1"},"ap2004":{}}', False),
        (Accept.JSON, "application/json", b'{"Vers":{"version":"1"},"ap2004":{}}', True),
        (Accept.RELAY, "application/json", b'{"Vers":{"version":"1"},"ap2004":{}}', True),
        (Accept.JSON, "text/xml", document("ap2004"), False),
    ],
)
async def test_which_documents_are_read(
    accept: Accept, content_type: str, body: bytes, understood: bool
) -> None:
    said = answer("200 OK", body, content_type)
    outcome, _ = await _ask(
        challenge(_fresh_challenge()), said, profile=replace(IMS, accept=accept)
    )
    assert (outcome.result is Result.DOCUMENT) == understood
    assert (outcome.result is Result.NOT_UNDERSTOOD) != understood


async def test_a_document_without_the_application_is_told_apart() -> None:
    said = answer("200 OK", document("ap2003"), XML)
    outcome, _ = await _ask(challenge(_fresh_challenge()), said)
    assert outcome.missing == ("ap2004",)


# --- faults, against the machine of the server ---


@pytest.mark.parametrize(
    ("fault", "status", "reason"),
    [
        (Fault.WRONG_RES, 403, RejectReason.BAD_RES),
        (Fault.WRONG_MAC, 403, RejectReason.BAD_MAC),
        (Fault.TRUNCATED, 403, RejectReason.MALFORMED),
        (Fault.ALWAYS_RESYNC, 403, RejectReason.RESYNC_TWICE),
        (Fault.WRONG_AUTS, 403, None),
        (Fault.BROKEN_BASE64, 400, None),
        (Fault.COOKIE_BIT, 511, None),
        (Fault.NO_COOKIE, 511, None),
    ],
)
async def test_a_fault_is_what_its_name_says(
    fault: Fault, status: int, reason: RejectReason | None
) -> None:
    outcome, _, ecs = await _against_ecs(fault)
    assert outcome.result is Result.REFUSED
    assert outcome.last.status == status
    assert ecs.rejected == ([reason] if reason else [])


async def test_a_sim_that_is_ahead_resynchronises_once_and_succeeds() -> None:
    outcome, _, ecs = await _against_ecs(Fault.SQN_AHEAD)
    assert [seen.leg for seen in outcome.exchanges] == [Leg.START, Leg.RESYNC, Leg.ANSWER]
    assert outcome.result is Result.DOCUMENT
    assert ecs.rejected == []


async def test_a_silent_sim_sends_nothing_after_the_challenge() -> None:
    outcome, seen, _ = await _against_ecs(Fault.SILENT)
    assert outcome.result is Result.SIM_FAILED
    assert len(seen) == 1


async def test_a_repeated_answer_is_the_very_same_request() -> None:
    outcome, (_, last, again), _ = await _against_ecs(Fault.REPEAT_ANSWER)
    assert outcome.result is Result.DOCUMENT
    assert outcome.last.leg is Leg.REPEAT
    assert (again.lines, again.body) == (last.lines, last.body)


async def test_a_cookie_bit_is_one_bit() -> None:
    _, (_, seen), _ = await _against_ecs(Fault.COOKIE_BIT)
    sent = seen.first("Cookie").removeprefix("S=")
    changed = int.from_bytes(sent.encode(), "big") ^ int.from_bytes(SmallEcs.cookie.encode(), "big")
    assert changed.bit_count() == 1


async def test_a_sim_with_another_key_gives_up_without_a_word() -> None:
    stranger = Card(replace(SIM, k=bytes(16)))
    async with (
        ScriptedServer(always=SmallEcs(SIM)) as server,
        _handset(server.url(), card=stranger) as phone,
    ):
        outcome = await phone.ask()
    assert outcome.result is Result.SIM_FAILED
    assert len(server.seen) == 1


async def test_no_repr_of_the_records_shows_a_secret() -> None:
    outcome, _, _ = await _against_ecs()
    shown = repr(outcome)
    for secret in (SmallEcs.cookie, "T0ken-of-24", SIM.imsi.digits, "eap-relay", EAP_ID):
        assert secret not in shown


def test_a_2_digit_mnc_gets_a_zero_and_a_3_digit_one_stays() -> None:
    sim = replace(SIM, imsi=Imsi("310410123456789"), mnc_digits=3)
    assert sim.nai() == "0310410123456789@nai.epc.mnc410.mcc310.3gppnetwork.org"
    assert SIM.nai(prefix="wlan", variant=Variant.AKA_PRIME) == (
        "6001010000000001@wlan.mnc001.mcc001.3gppnetwork.org"
    )


# --- operations --------------------------------------------------------------------------------


async def test_an_operation_is_asked_for_with_a_token() -> None:
    async with (
        ScriptedServer(always=SmallEcs(SIM)) as server,
        _handset(server.url()) as phone,
    ):
        outcome = await phone.operate("GetPhoneNumber", extra=(("msisdn", "1"),))
        assert [seen.leg for seen in outcome.exchanges] == [Leg.START, Leg.ANSWER, Leg.TOKEN]
        first, *_, last = server.seen
        assert "operation" not in first.target
        assert "&operation=GetPhoneNumber&msisdn=1" in last.target
        outcome = await phone.operate("GetPhoneNumber")
        assert [seen.leg for seen in outcome.exchanges] == [Leg.TOKEN]


async def test_an_operation_after_511_is_asked_for_with_a_new_token() -> None:
    ecs = SmallEcs(SIM)
    async with (
        ScriptedServer(ecs, ecs, DENIED, always=ecs) as server,
        _handset(server.url()) as phone,
    ):
        await phone.ask()
        outcome = await phone.operate("GetPhoneNumber")
    assert outcome.result is Result.DOCUMENT
    assert [(seen.leg, seen.status) for seen in outcome.exchanges] == [
        (Leg.TOKEN, 511),
        (Leg.START, 200),
        (Leg.ANSWER, 200),
        (Leg.TOKEN, 200),
    ]


async def test_a_new_token_that_is_refused_ends_it() -> None:
    ecs = SmallEcs(SIM)
    async with (
        ScriptedServer(ecs, ecs, always=DENIED) as server,
        _handset(server.url()) as phone,
    ):
        outcome = await phone.operate("GetPhoneNumber")
    assert outcome.result is Result.REFUSED
    assert len(outcome.exchanges) == 3
