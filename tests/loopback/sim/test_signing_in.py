"""A handset without a SIM to prove: a page, or a one-time password; and the provider's page."""

from __future__ import annotations

import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from typer.testing import CliRunner

from simgrant.sim.browser import follow
from simgrant.sim.cli import app
from simgrant.sim.exchange import Leg, Result
from simgrant.sim.handset import Handset
from simgrant.sim.http import HttpError, Limits, Url
from simgrant.sim.idp import OpenIdProvider
from simgrant.sim.lies import Lie
from simgrant.sim.profiles import PROFILES, ProfileName
from simgrant.sim.sims import demo_sims
from tests.loopback.sim.scripted import XML, ScriptedServer, answer, serving
from tests.loopback.sim.small_ecs import document

GOOD = answer("200 OK", document("ap2004"), XML)
LIMITS = Limits(connect_s=5, read_s=5)
BACK = "https://ecs.example.net/ts43"


def handset(url: Url) -> Handset:
    return Handset(demo_sims()[0], url, PROFILES[ProfileName.ANDROID_IMS], limits=LIMITS)


async def test_a_page_is_opened_and_its_call_back_fetched_with_nothing_added() -> None:
    page = "https://idp.example.net/authorize?state=s"
    opened: list[str] = []

    async def browse(url: str) -> str:
        opened.append(url)
        return f"{BACK}?code=c%2B&state=s"

    redirect = answer("302 Found", b"", XML, ("Location", page))
    async with ScriptedServer(redirect, GOOD) as server, handset(server.url()) as phone:
        outcome = await phone.sign_in(browse)
        assert phone.token is not None
    first, second = server.seen
    assert opened == [page]
    assert "EAP_ID" not in first.target
    assert second.target == "/ts43?code=c%2B&state=s"
    assert second.all("cookie") == []
    assert outcome.result is Result.DOCUMENT
    assert [seen.leg for seen in outcome.exchanges] == [Leg.SIGN_IN, Leg.CALL_BACK]


async def test_a_second_page_is_gone_through_too_and_no_end_of_them_is() -> None:
    pages: list[str] = []

    async def browse(url: str) -> str:
        pages.append(url)
        return f"{BACK}?state=s{len(pages)}"

    first, second = (
        answer("302 Found", b"", XML, ("Location", f"https://idp.example.net/{page}"))
        for page in "12"
    )
    async with ScriptedServer(first, second, GOOD) as server, handset(server.url()) as phone:
        outcome = await phone.sign_in(browse)
    assert outcome.result is Result.DOCUMENT
    assert pages == ["https://idp.example.net/1", "https://idp.example.net/2"]
    assert [seen.target for seen in server.seen[1:]] == ["/ts43?state=s1", "/ts43?state=s2"]
    async with ScriptedServer(always=first) as server, handset(server.url()) as phone:
        assert (await phone.sign_in(browse)).result is Result.REDIRECTED
    assert len(server.seen) == 4


@pytest.mark.parametrize(
    ("first", "result"),
    [
        (answer("511 Network Authentication Required"), Result.REFUSED),
        (GOOD, Result.NOT_UNDERSTOOD),
    ],
)
async def test_without_a_page_there_is_no_sign_in(first: bytes, result: Result) -> None:
    async def browse(url: str) -> str:
        raise AssertionError(url)

    async with ScriptedServer(first) as server, handset(server.url()) as phone:
        assert (await phone.sign_in(browse)).result is result


async def test_a_password_travels_with_its_cookie_and_nothing_else() -> None:
    async def read() -> str:
        return "123456"

    sent = answer("200 OK", b"", XML, ("Set-Cookie", "ECSSID=abc; Path=/"))
    async with ScriptedServer(sent, GOOD) as server, handset(server.url()) as phone:
        outcome = await phone.with_password("+15550100", read)
    first, second = server.seen
    assert "msisdn=%2B15550100&" in first.target
    assert second.target == "/ts43?OTP=123456"
    assert second.first("cookie") == "ECSSID=abc"
    assert outcome.result is Result.DOCUMENT
    assert outcome.last.leg is Leg.PASSWORD


def provider() -> OpenIdProvider:
    return OpenIdProvider(redirect_uri=BACK, phone_number="+15550100", now=time.time)


def authorize(idp: OpenIdProvider, **changes: str) -> str:
    query = {
        "response_type": "code",
        "scope": "openid",
        "client_id": "simgrant",
        "redirect_uri": BACK,
        "state": "s",
        "nonce": "n",
        "code_challenge": "c",
        "code_challenge_method": "S256",
    } | changes
    return f"{idp.issuer}/authorize?" + "&".join(f"{key}={query[key]}" for key in query)


async def test_the_providers_page_leads_back() -> None:
    idp = provider()
    await idp.up()
    back = await follow(authorize(idp), tls=None, limits=LIMITS)
    assert back.startswith(f"{BACK}?")
    found = parse_qs(urlsplit(back).query)
    assert (found["state"], found["iss"]) == (["s"], [idp.issuer])
    assert found["code"]
    for wrong in ({"nonce": ""}, {"code_challenge_method": "plain"}, {"scope": "phone"}):
        back = await follow(authorize(idp, **wrong), tls=None, limits=LIMITS)
        assert "error=invalid_request" in back
    with pytest.raises(ValueError, match="it answers 400"):
        await follow(authorize(idp, redirect_uri="https://evil.example"), tls=None, limits=LIMITS)
    idp.lie = Lie.DENIED
    assert "error=access_denied" in await follow(authorize(idp), tls=None, limits=LIMITS)
    await idp.down()


async def test_pages_that_lead_to_each_other_end() -> None:
    again = answer("302 Found", b"", "", ("Location", "/again"))
    async with ScriptedServer(always=again) as server:
        with pytest.raises(HttpError, match="page to page"):
            await follow(str(server.url()), tls=None, limits=LIMITS)
    assert len(server.seen) == 5


def test_who_says_no_password_gets_no_document() -> None:
    with serving(always=answer("200 OK", b"", XML, ("Set-Cookie", "a=b"))) as server:
        arguments = ["handset", str(server.url()), "--auth", "otp", "--msisdn", "+15550100"]
        found = CliRunner().invoke(app, arguments, input="", env={"NO_COLOR": "1"})
    assert found.exit_code == 1
    assert "nobody said the one-time password" in found.output


def test_options_that_do_not_go_together_are_said() -> None:
    for arguments in (
        ["--auth", "otp"],
        ["--msisdn", "+15550100"],
        ["--auth", "oidc", "--count", "2"],
    ):
        found = CliRunner().invoke(app, ["handset", "http://127.0.0.1:1/", *arguments])
        assert found.exit_code == 2


def test_a_secret_that_cannot_be_kept_is_said(tmp_path: Path) -> None:
    file = tmp_path / "missing" / "secret"
    options = ["--redirect-uri", BACK, "--phone-number", "+15550100", "--secret-file", str(file)]
    found = CliRunner().invoke(app, ["idp", *options])
    assert found.exit_code == 2
