"""Signing in with an OpenID provider, every lie of which is refused (TS.43 §2.8.2, §2.8.4)."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from simgrant.errors import StartRefused
from simgrant.sim.lies import Lie
from tests.conftest import Golden
from tests.device.harness import ALLOWED, BARRED, JSON, XML, Request, Workbench
from tests.device.signing_in import (
    NUMBER,
    REDIRECT_URI,
    SETTINGS,
    SignIns,
    signing_in,
    values,
)


@pytest.fixture
async def ins(bench: Workbench) -> AsyncIterator[SignIns]:
    async with signing_in(bench) as opened:
        yield opened


async def last_record(ins: SignIns) -> dict[str, object]:
    return (await ins.server.records())[-1]


# --- the good path -----------------------------------------------------------------------------


@pytest.mark.conforms("oidc.redirect", "status.302")
@pytest.mark.spec("TS.43 §2.8.2")
async def test_a_request_without_token_and_sim_is_sent_to_the_provider(ins: SignIns) -> None:
    begun = await ins.begin()
    assert begun.status == 302
    assert begun.body == b""
    assert begun.header("content-type") == XML
    assert begun.header("location").startswith(f"{ins.provider.issuer}/authorize?")
    asked = values(begun.header("location"))
    assert asked.pop("state")
    assert len(asked.pop("nonce")) == 43
    assert len(asked.pop("code_challenge")) == 43
    assert asked == {
        "response_type": "code",
        "scope": "openid phone",
        "client_id": "simgrant",
        "redirect_uri": REDIRECT_URI,
        "code_challenge_method": "S256",
        "ui_locales": "en-us",
    }
    # Whoever has proved nothing leaves nothing behind.
    assert ins.server.store.writes == []


@pytest.mark.conforms("oidc.request-kept", "oidc.call-back", "oidc.document")
@pytest.mark.spec("TS.43 §2.8.2")
async def test_who_comes_back_gets_the_document_of_the_first_request(ins: SignIns) -> None:
    answer = await ins.sign_in(ins.phone(apps=("ap2004",), terminal_id="490154203237518"))
    assert answer.phone.get("ap2004", "EntitlementStatus") == "1"
    token = answer.token
    assert token
    again = ins.phone(apps=("ap2004",), terminal_id="490154203237518")
    found = await ins.server.get(again.query(("token", token)), *again.headers(XML))
    assert found.phone.get("ap2004", "EntitlementStatus") == "1"
    record = (await ins.server.records())[-2]
    assert (record["leg"], record["outcome"], record["tenant"]) == ("oidc", "document", "default")


async def test_a_sign_in_is_as_good_for_an_operation(ins: SignIns) -> None:
    phone = ins.phone(extra=(("operation", "GetPhoneNumber"),))
    answer = await ins.sign_in(phone)
    assert answer.phone.get("ap2014", "MSISDN") == NUMBER


async def test_the_document_is_in_the_format_that_the_call_back_asks_for(ins: SignIns) -> None:
    query = await ins.visit((await ins.begin()).header("location"))
    assert "ap2014" in (await ins.come_back(query, accept=JSON)).object


async def test_no_two_sign_ins_share_a_secret(ins: SignIns) -> None:
    one, two = [values((await ins.begin()).header("location")) for _ in range(2)]
    for name in ("state", "nonce", "code_challenge"):
        assert one[name] != two[name]


async def test_keys_and_discovery_are_asked_for_once(ins: SignIns) -> None:
    for _ in range(3):
        assert (await ins.sign_in()).status == 200
    assert ins.provider.asked.count("/.well-known/openid-configuration") == 1
    assert ins.provider.asked.count("/jwks") == 1


async def test_a_new_key_of_the_provider_is_found(ins: SignIns, bench: Workbench) -> None:
    assert (await ins.sign_in()).status == 200
    ins.provider.rotate()
    bench.clock.advance(6)
    assert (await ins.sign_in()).status == 200
    assert ins.provider.asked.count("/jwks") == 2


async def test_a_claim_that_the_id_token_lacks_is_asked_of_userinfo(bench: Workbench) -> None:
    async with signing_in(bench, in_userinfo=True) as ins:
        assert (await ins.sign_in()).status == 200
        assert "/userinfo" in ins.provider.asked


async def test_the_claim_may_be_an_imsi(bench: Workbench) -> None:
    more = 'claim = "phone_number"\nclaim_is = "imsi"'
    async with signing_in(bench, more) as ins:
        ins.provider.phone_number = ALLOWED.digits
        assert (await ins.sign_in()).status == 200


async def test_the_secret_may_travel_in_the_form(bench: Workbench) -> None:
    async with signing_in(bench, 'client_auth = "client_secret_post"') as ins:
        assert (await ins.sign_in()).status == 200


@pytest.mark.parametrize("kind", ["P-256", "RSA"])
async def test_the_client_may_sign_in_place_of_a_secret(bench: Workbench, kind: str) -> None:
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey = (
        ec.generate_private_key(ec.SECP256R1())
        if kind == "P-256"
        else rsa.generate_private_key(public_exponent=65537, key_size=2048)
    )
    pem = serialization.Encoding.PEM
    (bench.directory / "secret").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    public = key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
    more = 'client_auth = "private_key_jwt"\nkey_id = "us"'
    async with signing_in(bench, more, client_key=public.decode()) as ins:
        assert (await ins.sign_in()).status == 200
        assert (await ins.sign_in()).status == 200


# --- what the provider may say wrongly ---------------------------------------------------------

REFUSED = {
    Lie.ISSUER: "id_token_issuer",
    Lie.AUDIENCE: "id_token_audience",
    Lie.TWO_AUDIENCES: "id_token_azp",
    Lie.AZP: "id_token_azp",
    Lie.NONCE: "id_token_nonce",
    Lie.NO_NONCE: "id_token_nonce",
    Lie.KEY: "id_token_signature",
    Lie.UNKNOWN_KEY: "id_token_signature",
    Lie.ALG_NONE: "id_token_signature",
    Lie.ALG_SHARED: "id_token_signature",
    Lie.CHANGED: "id_token_signature",
    Lie.EXPIRED: "id_token_expired",
    Lie.FUTURE: "id_token_from_the_future",
    Lie.OLD: "id_token_old",
    Lie.NO_TIMES: "id_token_times",
    Lie.NO_SUBJECT: "id_token_subject",
    Lie.AT_HASH: "id_token_at_hash",
    Lie.CODE: "code_refused",
    Lie.CALLBACK_ISSUER: "callback_of_another_issuer",
    Lie.NO_CALLBACK_ISSUER: "callback_of_another_issuer",
}


@pytest.mark.conforms("oidc.id-token")
@pytest.mark.parametrize(("lie", "reason"), REFUSED.items(), ids=REFUSED)
async def test_a_lie_of_the_provider_is_refused(ins: SignIns, lie: Lie, reason: str) -> None:
    ins.provider.lie = lie
    answer = await ins.sign_in()
    assert (answer.status, answer.body) == (511, b"authentication required")
    assert (await last_record(ins))["outcome"] == reason
    # What is written is that the state was used, and nothing else.
    assert ins.server.store.writes == ["use_token"]


async def test_userinfo_about_somebody_else_is_refused(bench: Workbench) -> None:
    async with signing_in(bench, in_userinfo=True) as ins:
        ins.provider.lie = Lie.USERINFO_SUBJECT
        assert (await ins.sign_in()).status == 511
        assert (await last_record(ins))["outcome"] == "userinfo_of_another_subject"


@pytest.mark.parametrize(
    ("lie", "reason"),
    [(Lie.UNVERIFIED, "claim_not_verified"), (Lie.NO_NUMBER, "claim_missing")],
)
async def test_a_person_without_a_number_is_nobody(ins: SignIns, lie: Lie, reason: str) -> None:
    ins.provider.lie = lie
    assert (await ins.sign_in()).status == 403
    assert (await last_record(ins))["outcome"] == reason


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        ("+15550199", "subscription_none"),
        (f"+4477009{BARRED.digits[-5:]}", "subscription_none"),
        ("nobody", "claim_malformed"),
    ],
)
async def test_a_person_without_a_subscription_is_nobody(
    ins: SignIns, number: str, reason: str
) -> None:
    ins.provider.phone_number = number
    assert (await ins.sign_in()).status == 403
    outcome = (await last_record(ins))["outcome"]
    assert outcome == ("subscription_barred" if "77009" in number else reason)


@pytest.mark.parametrize(
    ("lie", "reason"),
    [
        (Lie.BROKEN, "peer_unavailable"),
        (Lie.NONSENSE, "provider_misbehaved"),
        (Lie.NO_ID_TOKEN, "provider_misbehaved"),
    ],
)
async def test_a_provider_in_trouble_is_no_fault_of_the_person(
    ins: SignIns, lie: Lie, reason: str
) -> None:
    ins.provider.lie = lie
    answer = await ins.sign_in()
    assert answer.status == 503
    assert answer.header("retry-after")
    assert (await last_record(ins))["outcome"] == reason


@pytest.mark.parametrize("lie", [Lie.DISCOVERY_ISSUER, Lie.DISCOVERY_ADDRESS])
async def test_nobody_is_sent_where_a_bad_discovery_document_says(ins: SignIns, lie: Lie) -> None:
    ins.provider.lie = lie
    answer = await ins.begin()
    assert answer.status == 503
    assert answer.all("location") == []


async def test_without_the_provider_nobody_is_told_wrongly(ins: SignIns) -> None:
    await ins.provider.down()
    assert (await ins.begin()).status == 503
    await ins.provider.up()


async def test_a_refused_client_is_the_operators_business(ins: SignIns, bench: Workbench) -> None:
    (bench.directory / "secret").write_text("another one")
    answer = await ins.sign_in()
    assert answer.status == 503
    record = await last_record(ins)
    assert record["outcome"] == "credentials_refused"
    assert "another one" not in str(record)


# --- what whoever comes back may say wrongly ---------------------------------------------------


@pytest.mark.conforms("divergence.call-back-once")
async def test_a_state_is_good_once(ins: SignIns) -> None:
    query = await ins.visit((await ins.begin()).header("location"))
    assert (await ins.come_back(query)).status == 200
    asked = len(ins.provider.asked)
    assert (await ins.come_back(query)).status == 511
    assert (await last_record(ins))["outcome"] == "state_used"
    assert len(ins.provider.asked) == asked, "a code is sent once"


async def test_a_code_is_good_for_its_own_state_only(ins: SignIns) -> None:
    """The provider holds code and verifier together (RFC 7636), whoever joins what is not."""
    one = values("?" + await ins.visit((await ins.begin()).header("location")))
    two = values("?" + await ins.visit((await ins.begin()).header("location")))
    mixed = f"code={one['code']}&state={two['state']}&iss={two['iss']}"
    assert (await ins.come_back(mixed)).status == 511
    assert (await last_record(ins))["outcome"] == "code_refused"


async def test_a_code_that_was_used_is_refused(ins: SignIns) -> None:
    one = values("?" + await ins.visit((await ins.begin()).header("location")))
    assert (await ins.come_back(f"code={one['code']}&state={one['state']}&iss={one['iss']}")).token
    two = values("?" + await ins.visit((await ins.begin()).header("location")))
    again = f"code={one['code']}&state={two['state']}&iss={two['iss']}"
    assert (await ins.come_back(again)).status == 511


async def test_a_state_is_good_for_ten_minutes(ins: SignIns, bench: Workbench) -> None:
    query = await ins.visit((await ins.begin()).header("location"))
    bench.clock.advance(600)
    assert (await ins.come_back(query)).status == 511
    assert (await last_record(ins))["outcome"] == "sign_in_expired"


@pytest.mark.parametrize("how", ["changed", "made up", "short", "a token", "empty code"])
async def test_a_state_that_is_none_is_refused(ins: SignIns, how: str) -> None:
    good = values("?" + await ins.visit((await ins.begin()).header("location")))
    state, code = good["state"], good["code"]
    match how:
        case "changed":
            state = state[:-8] + ("A" * 8 if state[-8:] != "A" * 8 else "B" * 8)
        case "made up":
            state = "A" * len(state)
        case "short":
            state = "x"
        case "a token":
            state = (await ins.sign_in()).token
        case "empty code":
            state, code = "x", ""
    answer = await ins.come_back(f"code={code}&state={state}")
    assert answer.status == 511
    assert answer.all("location") == []


async def test_a_state_of_one_tenant_is_nothing_to_another(bench: Workbench) -> None:
    more = """
[tenants.red]
hosts = ["red.example.net"]
plmns = ["999-70"]
[tenants.blue]
hosts = ["blue.example.net"]
plmns = ["999-71"]
"""
    async with signing_in(bench, more) as ins:
        begun = await ins.begin(ins.phone(host="red.example.net"))
        query = await ins.visit(begun.header("location"))
        assert (await ins.come_back(query, host="blue.example.net")).status == 511
        assert (await last_record(ins))["outcome"] == "of_another_tenant"


@pytest.mark.conforms(
    "oidc.error", "oidc.GeneralErrorURL", "oidc.GeneralErrorUserData", "oidc.GeneralErrorText"
)
@pytest.mark.spec("TS.43 §2.8.4")
@pytest.mark.parametrize(
    ("lie", "word"),
    [
        (Lie.DENIED, "access_denied"),
        (Lie.LONE_STATE, "unknown"),
        (Lie.STRANGE_ERROR, "other"),
    ],
)
async def test_an_error_call_back_gets_a_document_that_says_so(
    ins: SignIns, lie: Lie, word: str
) -> None:
    ins.provider.lie = lie
    answer = await ins.sign_in()
    assert answer.phone.get("ap2014", "OperationResult") == "100"
    assert answer.phone.get("ap2014", "GeneralErrorURL") == "https://portal.example.net/error"
    assert answer.phone.get("ap2014", "GeneralErrorUserData") == f"error={word}"
    assert "try again" in (answer.phone.get("ap2014", "GeneralErrorText") or "")
    assert answer.token == ""
    assert b"script" not in answer.content
    assert "/token" not in ins.provider.asked
    # It is of one call-back, too.
    record = await last_record(ins)
    assert record["detail"] == f"sign_in_failed: {word}"


@pytest.mark.spec("TS.43 §2.8.4")
@pytest.mark.conforms("oidc.error-without-code")
async def test_a_known_state_without_a_code_is_an_error(ins: SignIns) -> None:
    state = values("?" + await ins.visit((await ins.begin()).header("location")))["state"]
    answer = await ins.come_back(f"state={state}")
    assert answer.phone.get("ap2014", "GeneralErrorURL") == "https://portal.example.net/error"
    assert answer.token == ""


@pytest.mark.parametrize("kind", [XML, JSON])
async def test_the_document_of_who_did_not_sign_in(ins: SignIns, golden: Golden, kind: str) -> None:
    ins.provider.lie = Lie.DENIED
    query = await ins.visit((await ins.begin()).header("location"))
    answer = await ins.come_back(query, accept=kind)
    golden(f"ap2014/sign-in-failed.{'xml' if kind == XML else 'json'}", answer.content)


async def test_the_error_text_is_in_the_persons_language(ins: SignIns) -> None:
    ins.provider.lie = Lie.DENIED
    query = await ins.visit((await ins.begin()).header("location"))
    answer = await ins.server.get(query, ("accept", XML), ("accept-language", "de-AT,en;q=0.5"))
    assert "Anmeldung" in (answer.phone.get("ap2014", "GeneralErrorText") or "")


async def test_an_error_call_back_uses_the_state_up(ins: SignIns) -> None:
    query = await ins.visit((await ins.begin()).header("location"))
    state = values("?" + query)["state"]
    assert (await ins.come_back(f"error=access_denied&state={state}")).status == 200
    assert (await ins.come_back(query)).status == 511


# --- who is sent nowhere -----------------------------------------------------------------------


@pytest.mark.parametrize("apps", [("ap2003",), ("ap2014", "ap2003"), ("ap9999",), ()])
async def test_other_applications_are_not_sent_to_the_provider(
    ins: SignIns, apps: tuple[str, ...]
) -> None:
    answer = await ins.begin(ins.phone(apps=apps))
    assert answer.status == 511
    assert answer.all("location") == []
    assert ins.provider.asked == []


async def test_applications_that_nobody_serves_are_left_out(ins: SignIns) -> None:
    answer = await ins.sign_in(ins.phone(apps=("ap2014", "ap9999")))
    assert answer.phone.get("ap2014", "OperationResult") == "1"
    record = await last_record(ins)
    assert (record["apps"], record["unknown_apps"]) == (["ap2014"], ["ap9999"])


async def test_an_application_that_is_not_served_lets_the_server_not_start(
    bench: Workbench,
) -> None:
    (bench.directory / "secret").write_text("x")
    settings = SETTINGS.format(issuer="https://x.example", redirect_uri=REDIRECT_URI, more="")
    with pytest.raises(StartRefused, match="apps: ap9999 is not served"):
        async with bench.opened(settings.replace("ap2004", "ap9999")):
            pass
    (bench.directory / "secret").unlink()
    with pytest.raises(StartRefused, match="secret"):
        async with bench.opened(settings):
            pass


async def test_other_tenants_are_not_sent_to_the_provider(bench: Workbench) -> None:
    more = """tenants = ["default"]
[tenants.red]
hosts = ["red.example.net"]
plmns = ["999-70"]
"""
    async with signing_in(bench, more) as ins:
        assert (await ins.begin(ins.phone(host="red.example.net"))).status == 511
        assert (await ins.begin()).status == 302


@pytest.mark.parametrize("name", ["redirect_uri", "Location", "client_id", "scope", "nonce"])
async def test_no_parameter_says_where_a_person_is_sent(ins: SignIns, name: str) -> None:
    evil = "https://evil.example.org/"
    begun = await ins.begin(ins.phone(extra=((name, evil),)))
    assert "evil" not in begun.header("location")
    assert values(begun.header("location"))["redirect_uri"] == REDIRECT_URI


async def test_a_request_too_long_for_an_address_is_refused(ins: SignIns) -> None:
    answer = await ins.begin(ins.phone(extra=(("notif_token", "x" * 3000),)))
    assert answer.status == 400
    assert (await last_record(ins))["outcome"] == "too_long_to_keep"


async def test_call_backs_from_one_source_are_bounded(bench: Workbench) -> None:
    more = "[limits]\ncall_back_source_burst = 2\ncall_back_source_per_minute = 1"
    async with signing_in(bench, more) as ins:
        answers = [(await ins.sign_in()).status for _ in range(3)]
    assert answers == [200, 200, 503]


async def test_nothing_of_a_sign_in_is_logged(ins: SignIns) -> None:
    begun = await ins.begin()
    query = await ins.visit(begun.header("location"))
    token = (await ins.come_back(query)).token
    said = str(await ins.server.records()) + str(ins.server.log_lines) + str(ins.server.events)
    secrets = [*values("?" + query).values(), token, ins.provider.client_secret, NUMBER]
    for secret in secrets:
        if secret != ins.provider.issuer:
            assert secret not in said


async def test_a_post_is_answered_alike(ins: SignIns) -> None:
    body = b'{"app":"ap2014","terminal_id":"x","entitlement_version":"12.0","vers":"0"}'
    answer = await ins.server.send(Request("POST", b"", [("accept", JSON)], body))
    assert answer.status == 302
    assert answer.header("content-type") == JSON
