"""Signing in for an eSIM, where the rules say that the SIM is not proof enough (TS.43 §2.8.2)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pyreqwest.client
import pytest
from pyreqwest.client import ClientBuilder

from simgrant.domain.line_marks import LineMark, MarkName
from simgrant.identities import Imsi
from simgrant.sim.idp import OpenIdProvider
from simgrant.sim.push.smsc import MessageCentre
from tests.device.esim import EID, OTHER_EID, SECOND, WATCH, World
from tests.device.harness import ALLOWED, JSON, NO_CONSENT, START, Answer, Workbench
from tests.device.partner import app_of, operate
from tests.device.signing_in import NUMBER, REDIRECT_URI
from tests.device.signing_in import SETTINGS as PROVIDER
from tests.device.test_esim_rules import REFUSED, last, rule, ruled
from tests.device.test_otp import TEXTS
from tests.device.test_transfers import NEW, asked, new_phone

YOUNG = rule("sim_age_h = { under = 72 }", "step_up", name="sign-in")
PHONES = "ap2009"
LEND = {"operation_targets": "ManageSubscription,AcquireConfiguration"}
MOVE = {"operation_type": "3", **NEW}
ORDER = {"operation": "ManageSubscription", "operation_type": "0", **WATCH}


@dataclass
class StepUps:
    """A world whose rules want a sign-in, and whoever a person signs in with."""

    world: World
    provider: OpenIdProvider | None
    centre: MessageCentre | None
    browser: pyreqwest.client.Client

    async def order(self, device: dict[str, str] = WATCH) -> Answer:
        phone, token = self.world.phone, self.world.token
        return await operate(phone, token, "ManageSubscription", operation_type="0", **device)

    async def visit(self, page: str) -> str:
        """Sign in at the provider; return the query that it leads back with."""
        async with self.browser.get(page).build_streamed() as reply:
            assert reply.status == 302, reply.status
            back: str = reply.headers["location"]
        return back.partition("?")[2]

    async def come_back(self, query: str, *more: tuple[str, str]) -> Answer:
        return await self.world.server.get(query, ("accept", JSON), *more)

    async def orders(self, imsi: Imsi = ALLOWED) -> list[Any]:
        return list(await self.world.server.store.real.orders.of("default", imsi))


@asynccontextmanager
async def stepping_up(
    bench: Workbench,
    monkeypatch: pytest.MonkeyPatch,
    rules: str = YOUNG,
    *,
    oidc: bool = False,
    otp: bool = False,
    app: str = "ap2006",
    provider_more: str = "",
) -> AsyncIterator[StepUps]:
    """Open a world in which people can sign in by these ways."""
    async with AsyncExitStack() as stack:
        provider, centre, more = None, None, ""
        if otp:
            centre = MessageCentre()
            await centre.up()
            stack.push_async_callback(centre.down)
            (bench.directory / "smsc-password").write_text(centre.password)
            more = (f'otp_apps = ["{app}"]\n' if not provider_more else "") + TEXTS.format(
                port=centre.port
            )
        if oidc:
            provider = OpenIdProvider(
                redirect_uri=REDIRECT_URI, phone_number=NUMBER, now=bench.clock.now
            )
            await provider.up()
            stack.push_async_callback(provider.down)
            (bench.directory / "secret").write_text(provider.client_secret)
            text = PROVIDER.format(
                issuer=provider.issuer, redirect_uri=REDIRECT_URI, more=provider_more
            )
            more += text.replace('["ap2014", "ap2004"]', f'["{app}"]')
        browser = ClientBuilder().follow_redirects(False).no_proxy().build()
        await stack.enter_async_context(browser)
        opened = ruled(bench, monkeypatch, rules, app, more=more)
        world = await stack.enter_async_context(opened)
        yield StepUps(world, provider, centre, browser)


async def code_of(centre: MessageCentre | None, nth: int = 1) -> str:
    assert centre is not None
    await centre.switch.until_taken(nth)
    return centre.switch.taken[nth - 1].extra["text"].split(" ")[0]


# --- by an OpenID provider ---------------------------------------------------------------------


@pytest.mark.spec("TS.43 §2.8.2")
async def test_who_is_sent_to_sign_in_gets_what_he_asked_for_when_he_is_back(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with stepping_up(bench, monkeypatch, oidc=True) as ups:
        # It may be offered: nothing refuses it, though it takes a sign-in.
        told = await ups.world.ask("CheckEligibility", **WATCH)
        assert told["CompanionAppEligibility"] == "1"
        away = await ups.order()
        assert (away.status, away.body) == (302, b"")
        record = await last(ups.world)
        assert (record["leg"], record["outcome"], record["detail"]) == (
            "token",
            "redirect",
            "sign_in",
        )
        assert record["decisions"][0]["result"] == "step_up"
        assert await ups.orders() == []
        # Neither the SIM's token nor anything of the watch stands in the address.
        for secret in (ups.world.token, EID, WATCH["companion_terminal_id"]):
            assert secret not in away.header("location")
        answer = await ups.come_back(await ups.visit(away.header("location")))
        found = app_of(answer, "ap2006")
        assert (found["OperationResult"], found["SubscriptionResult"]) == ("1", "2")
        assert (await last(ups.world))["facts"]["proof"] == ["oidc", "request"]
        # The token that came with it needs no second sign-in, for a while.
        token = answer.object["Token"]["token"]
        again = await operate(
            ups.world.phone, token, "ManageSubscription", operation_type="0", **SECOND
        )
        assert app_of(again, "ap2006")["SubscriptionResult"] == "2"
        # The order is there, so whoever asks for it once more is told of it, with any token.
        assert app_of(await ups.order(), "ap2006")["DownloadInfo"] == found["DownloadInfo"]


async def test_a_sign_in_is_good_for_a_while_and_not_renewed_with_its_token(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = rule('kind = "subscribe"', "step_up", name="sign-in")
    async with stepping_up(bench, monkeypatch, rules, oidc=True) as ups:
        away = await ups.order()
        answer = await ups.come_back(await ups.visit(away.header("location")))
        token = answer.object["Token"]["token"]
        world = World(ups.world.server, ups.world.books, ups.world.phone, token)
        ups.world.server.clock.advance(3600 + 1)
        late = await operate(world.phone, token, "ManageSubscription", operation_type="0", **SECOND)
        assert late.status == 302
        # Near its end a token is renewed, and the sign-in is not.
        ups.world.server.clock.advance(int(answer.object["Token"]["validity"]) - 3600 - 60)
        told = await operate(world.phone, token, "CheckEligibility", **SECOND)
        newer = told.object["Token"]["token"]
        assert newer != token
        late = await operate(world.phone, newer, "ManageSubscription", operation_type="0", **SECOND)
        assert late.status == 302


async def test_repeating_is_no_way_round_and_a_sign_in_is_good_once(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with stepping_up(bench, monkeypatch, oidc=True) as ups:
        aways = [await ups.order() for _ in range(3)]
        assert {away.status for away in aways} == {302}
        assert await ups.orders() == []
        # Nor is coming back without having signed in.
        state = (await ups.visit(aways[0].header("location"))).partition("state=")[2].split("&")[0]
        answer = await ups.come_back(f"state={state}&error=access_denied")
        assert answer.object["ap2006"]["OperationResult"] == "100"
        assert "Token" not in answer.object
        assert await ups.orders() == []
        query = await ups.visit(aways[1].header("location"))
        assert (await ups.come_back(query)).status == 200
        assert (await ups.come_back(query)).status == 511


async def test_nobody_else_can_sign_in_for_a_sim(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with stepping_up(bench, monkeypatch, oidc=True) as ups:
        assert ups.provider is not None
        away = await ups.order()
        ups.provider.phone_number = f"+4477009{NO_CONSENT.digits[-5:]}"
        answer = await ups.come_back(await ups.visit(away.header("location")))
        assert answer.status == 403
        assert (await last(ups.world))["outcome"] == "signed_in_as_another"
        assert await ups.orders() == await ups.orders(NO_CONSENT) == []


async def test_the_rules_after_it_hold_for_who_signed_in(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = YOUNG + rule("prepaid = true", name="prepaid")
    async with stepping_up(bench, monkeypatch, rules, oidc=True) as ups:
        mark = LineMark(MarkName.PREPAID, "yes", START)
        await ups.world.server.store.real.set_marks("default", ALLOWED, [mark])
        away = await ups.order()
        answer = await ups.come_back(await ups.visit(away.header("location")))
        assert app_of(answer, "ap2006") == REFUSED
        assert (await last(ups.world))["detail"] == "prepaid"


async def test_a_full_authentication_that_orders_at_once_is_sent_to_sign_in_too(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with stepping_up(bench, monkeypatch, oidc=True) as ups:
        phone = ups.world.phone.but(extra=tuple(ORDER.items()))
        away = await phone.full()
        assert away.status == 302
        assert (await last(ups.world))["leg"] == "answer"
        answer = await ups.come_back(await ups.visit(away.header("location")))
        assert app_of(answer, "ap2006")["SubscriptionResult"] == "2"


async def test_who_signed_in_to_begin_with_is_not_asked_again(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with stepping_up(bench, monkeypatch, oidc=True) as ups:
        phone = ups.world.phone.but(extra=tuple(ORDER.items()), terminal_id="8f2a6a3e-5a0e")
        begun = await ups.world.server.get(phone.query(), ("accept", JSON))
        answer = await ups.come_back(await ups.visit(begun.header("location")))
        assert app_of(answer, "ap2006")["SubscriptionResult"] == "2"


# --- by a one-time password --------------------------------------------------------------------


@pytest.mark.spec("TS.43 §8.3")
async def test_where_there_is_no_provider_a_password_is_sent(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with stepping_up(bench, monkeypatch, otp=True) as ups:
        begun = await ups.order()
        assert (begun.status, begun.body) == (200, b"")
        assert (await last(ups.world))["outcome"] == "code_sent"
        assert await ups.orders() == []
        cookie = ("cookie", begun.cookie)
        code = await code_of(ups.centre)
        wrong = await ups.come_back(f"OTP={(int(code) + 1) % 10**6:06}", cookie)
        assert wrong.status == 511
        answer = await ups.come_back(f"OTP={code}", cookie)
        assert app_of(answer, "ap2006")["SubscriptionResult"] == "2"
        assert (await last(ups.world))["facts"]["proof"] == ["otp", "request"]


async def test_rules_may_want_more_than_a_password(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Who has swapped the SIM reads what is sent to it.
    rules = rule('proof = "otp", sim_age_h = { under = 72 }', name="otp") + YOUNG
    async with stepping_up(bench, monkeypatch, rules, otp=True) as ups:
        begun = await ups.order()
        answer = await ups.come_back(f"OTP={await code_of(ups.centre)}", ("cookie", begun.cookie))
        assert app_of(answer, "ap2006") == REFUSED
        assert (await last(ups.world))["detail"] == "otp"


# --- by whoever lends a token ------------------------------------------------------------------


@pytest.mark.spec("TS.43 §8.9", "TS.43 §2.8.2")
async def test_who_lends_a_token_has_signed_in_for_the_phone_that_asks_with_it(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = rule('kind = "transfer"', "step_up", name="sign-in")
    async with stepping_up(bench, monkeypatch, rules, oidc=True, app=PHONES) as ups:
        world = ups.world
        away = await operate(world.phone, world.token, "AcquireTemporaryToken", **LEND)
        assert away.status == 302
        record = await last(world)
        assert (record["outcome"], record["detail"]) == ("redirect", "sign_in")
        answer = await ups.come_back(await ups.visit(away.header("location")))
        lent = app_of(answer, PHONES)["TemporaryToken"]
        moved = await asked(new_phone(world), lent, "ManageSubscription", **MOVE)
        assert moved["SubscriptionResult"] == "2"
        facts = (await last(world))["facts"]
        assert facts["proof"] == ["temporary_token", "request"]
        assert facts["holder_proof"] == ["oidc", "request"]


async def test_a_sign_in_counts_no_longer_with_a_token_than_without(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = rule('kind = "transfer"', "step_up", name="sign-in")
    async with stepping_up(bench, monkeypatch, rules, oidc=True, app=PHONES) as ups:
        world = ups.world
        away = await operate(world.phone, world.token, "AcquireTemporaryToken", **LEND)
        answer = await ups.come_back(await ups.visit(away.header("location")))
        lent, token = app_of(answer, PHONES)["TemporaryToken"], answer.object["Token"]["token"]
        world.server.clock.advance(3600)
        late = app_of(await operate(world.phone, token, "AcquireTemporaryToken", **LEND), PHONES)
        world.server.clock.advance(1)
        # To lend it anew does not make the sign-in younger.
        for old in (lent, late["TemporaryToken"]):
            assert await asked(new_phone(world), old, "ManageSubscription", **MOVE) == REFUSED
            assert (await last(world))["detail"] == "step_up_not_possible"
        assert await ups.orders() == []


async def test_a_token_that_the_sim_alone_has_lent_is_not_enough_where_more_is_wanted(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The rule looks at the new phone, which nobody knows yet where the token is lent.
    rules = rule('kind = "transfer", tac = "35000000"', "step_up", name="sign-in")
    async with stepping_up(bench, monkeypatch, rules, oidc=True, app=PHONES) as ups:
        world = ups.world
        answer = await operate(world.phone, world.token, "AcquireTemporaryToken", **LEND)
        lent = app_of(answer, PHONES)["TemporaryToken"]
        assert await asked(new_phone(world), lent, "ManageSubscription", **MOVE) == REFUSED
        assert (await last(world))["detail"] == "step_up_not_possible"


async def test_rules_look_at_how_a_token_s_lender_was_proved(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = rule('holder_proof = "otp"', name="otp") + rule(
        'kind = "transfer"', "step_up", name="sign-in"
    )
    async with stepping_up(bench, monkeypatch, rules, otp=True, app=PHONES) as ups:
        world = ups.world
        begun = await operate(world.phone, world.token, "AcquireTemporaryToken", **LEND)
        cookie = ("cookie", begun.cookie)
        answer = await ups.come_back(f"OTP={await code_of(ups.centre)}", cookie)
        lent = app_of(answer, PHONES)["TemporaryToken"]
        assert await asked(new_phone(world), lent, "ManageSubscription", **MOVE) == REFUSED
        assert (await last(world))["detail"] == "otp"


# --- by nothing --------------------------------------------------------------------------------


async def test_where_nobody_can_sign_in_it_is_refused_and_was_not_offered(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with stepping_up(bench, monkeypatch) as ups:
        told = await ups.world.ask("CheckEligibility", **WATCH)
        assert told["CompanionAppEligibility"] == "2"
        assert await ups.world.subscribe() == REFUSED
        assert (await last(ups.world))["detail"] == "step_up_not_offered"


async def test_a_provider_that_knows_other_applications_does_not_count(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with stepping_up(bench, monkeypatch, oidc=True, app="ap2009") as ups:
        companion = ups.world.phone.but(apps=("ap2006",))
        world = World(ups.world.server, ups.world.books, companion, await companion.token())
        assert await world.subscribe(SECOND | {"companion_terminal_eid": OTHER_EID}) == REFUSED
