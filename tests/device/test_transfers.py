"""A line that moves from phone to phone, in every way that TS.43 §8.3 to 8.9 has for it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from pyreqwest.client import ClientBuilder

from simgrant.compose.store import open_account_pins
from simgrant.domain.line_marks import LineMark, MarkName
from simgrant.domain.order import Order, OrderState
from simgrant.errors import PeerUnavailable
from simgrant.flows.order_desk import OrderDesk, device_of, make_up, profile_of
from simgrant.identities import Iccid
from simgrant.sim.idp import OpenIdProvider
from simgrant.sim.push.smsc import MessageCentre
from simgrant.wire.transfer_code import pull_transfer_code
from tests.device.esim import EID, OTHER_EID, SETTINGS, World, code_of, opened
from tests.device.harness import (
    ALLOWED,
    IMEI,
    JSON,
    NO_VOWIFI,
    START,
    Answer,
    Phone,
    Request,
    Workbench,
)
from tests.device.partner import app_of, number_phone, operate, temporary
from tests.device.signing_in import NUMBER, REDIRECT_URI, SignIns
from tests.device.signing_in import SETTINGS as PROVIDER
from tests.device.test_otp import TEXTS, Passwords
from tests.portal.browser import Browser
from tests.portal.esim import page_of

APP = "ap2009"
NEW_IMEI, THIRD_IMEI = "350000000000033", "350000000000041"
NEW = {"target_terminal_id": NEW_IMEI, "target_terminal_eid": EID}
THIRD = {"target_terminal_id": THIRD_IMEI, "target_terminal_eid": OTHER_EID}
SIM, FOREIGN = "8944500000000000991", "8944500000000000777"
"""ICCIDs: of the old phone's SIM, and of nobody that we know."""
TARGETS = "ManageSubscription,AcquireConfiguration"
TRANSFER = {"operation_type": "3", "old_terminal_iccid": SIM}
PUSH = (("notif_action", "2"), ("notif_token", "fcm-token-of-the-old-phone"))


@pytest.fixture
async def world(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    async with opened(bench, monkeypatch, APP) as made:
        await knows_sim(made)
        yield made


async def knows_sim(world: World) -> None:
    """Let the operator tell the ICCID of the old phone's SIM."""
    mark = LineMark(MarkName.ICCID, SIM, START)
    await world.server.store.real.set_marks("default", ALLOWED, [mark])


async def acquired(world: World, **parameters: str) -> str:
    return await temporary(world.phone, world.token, TARGETS, **parameters)


def new_phone(world: World, imei: str = NEW_IMEI) -> Phone:
    return world.phone.but(terminal_id=imei, app_name="setup", source="192.0.2.99")


async def ask(phone: Phone, token: str, operation: str, **parameters: str) -> Answer:
    """Let a phone ask with a temporary token: it says nothing of the SIM."""
    phone = phone.but(extra=(("operation", operation), *parameters.items()))
    query = phone.query(("temporary_token", token))
    return await phone.server.send(
        Request("GET", query, phone.headers(phone.wanted), source=phone.source)
    )


async def asked(phone: Phone, token: str, operation: str, **parameters: str) -> dict[str, Any]:
    """Ask with a temporary token, and return the application; a TOKEN never comes with it."""
    answer = await ask(phone, token, operation, **parameters)
    assert "Token" not in answer.object
    return app_of(answer, APP)


async def orders(world: World) -> list[Order]:
    return list(await world.server.store.real.orders.of("default", ALLOWED))


async def last(world: World) -> dict[str, Any]:
    return (await world.server.records())[-1]


async def given_back(world: World) -> None:
    """Return once a worker has given back what an ended order had."""
    ordering = world.server.parts.ordering
    assert await ordering._take_some()
    await asyncio.wait(ordering._taking.under_way)


async def is_signed_out(phone: Phone, token: str) -> bool:
    return (await phone.fast(token)).status == 511


async def told(world: World) -> list[tuple[str, str]]:
    """Return whom notices wait for, and why."""
    held = await world.server.store.real.export("default", ALLOWED)
    assert held is not None
    return [(notice.terminal_id, notice.cause) for notice in held.notices]


# --- by temporary token --------------------------------------------------------------------


@pytest.mark.spec("TS.43 §8.9", "TS.43 §6.4.6")
@pytest.mark.conforms(
    "primary.transfer-temporary-token",
    "eligibility.by-temporary-token",
    "ap2009.TemporaryToken",
    "ap2009.TemporaryTokenExpiry",
    "ap2009.OperationTargets",
)
async def test_a_line_moves_by_a_temporary_token(world: World) -> None:
    # The old phone.
    assert (await world.ask("CheckEligibility"))["PrimaryAppEligibility"] == "1"
    answer = await world.ask("AcquireTemporaryToken", operation_targets=TARGETS, terminal_iccid=SIM)
    assert answer["OperationResult"] == "1"
    assert answer["OperationTargets"] == TARGETS
    assert answer["TemporaryTokenExpiry"] == "2026-11-19T11:06:40Z"
    token = answer["TemporaryToken"]
    await world.phone.fast(world.token, extra=PUSH)
    assert world.server.store.writes.count("use_token") == 0
    # The new one, which has the token by Bluetooth, say, and asks whether the line may come.
    new = new_phone(world)
    assert (await asked(new, token, "CheckEligibility"))["PrimaryAppEligibility"] == "1"
    answer = await asked(new, token, "ManageSubscription", **TRANSFER, **NEW)
    assert (answer["OperationResult"], answer["SubscriptionResult"]) == ("1", "2")
    info = answer["DownloadInfo"]
    assert code_of(info).smdp_address == "smdp.example.net"
    assert set(world.books.ordered) == {info["ProfileIccid"]}
    # Nothing has moved yet: the old phone goes on.
    assert not await is_signed_out(world.phone, world.token)
    assert await told(world) == []
    # It lost the answer, and asks for the same again; then it has installed the profile.
    again = await asked(new, token, "ManageSubscription", **TRANSFER, **NEW)
    assert again["DownloadInfo"] == info
    done = await asked(new, token, "ManageSubscription", operation_type="4", **NEW)
    assert done == {"OperationResult": "1", "SubscriptionResult": "3"}
    found = await asked(new, token, "AcquireConfiguration", **NEW)
    assert found["PrimaryConfiguration"] == {"ICCID": info["ProfileIccid"], "ServiceStatus": "1"}
    assert len(world.books.ordered) == 1
    # What the old phone has is over; it is told, and the record of that says why.
    assert await is_signed_out(world.phone, world.token)
    assert await told(world) == [(IMEI, "line_moved")]
    (order,) = await orders(world)
    assert (order.old_terminal_id, order.asked_by, order.state) == (IMEI, "", "active")


@pytest.mark.spec("TS.43 §8.9")
async def test_it_is_said_who_asked_and_what_was_compared(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(bench, monkeypatch, APP) as world:
        token = await acquired(world)
        await asked(new_phone(world), token, "ManageSubscription", **TRANSFER, **NEW)
        detail = (await last(world))["detail"]
        assert detail.endswith("transfer_by_new_phone, old_iccid_not_compared")
        await knows_sim(world)
        await asked(new_phone(world), token, "ManageSubscription", **TRANSFER, **NEW)
        assert (await last(world))["detail"].endswith("transfer_by_new_phone")


@pytest.mark.spec("TS.43 §8.9", "TS.43 §8.8")
async def test_a_line_moves_by_a_temporary_token_after_a_while(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(bench, monkeypatch, APP, "[orders]\nimmediate_s = 0.01\n") as world:
        token, new = await acquired(world), new_phone(world)
        world.books.gate = asyncio.Event()
        answer = await asked(new, token, "ManageSubscription", **TRANSFER, **NEW)
        assert answer == {"OperationResult": "1", "SubscriptionResult": "4"}
        for parameters in (NEW, {"target_terminal_id": NEW_IMEI}, {}):
            found = await asked(new, token, "AcquireConfiguration", **parameters)
            assert found["PrimaryConfiguration"]["ServiceStatus"] == "2"
            assert "PollingInterval" in found["PrimaryConfiguration"]
        world.books.gate.set()
        await asyncio.wait(world.server.parts.ordering._taking.under_way)
        found = await asked(new, token, "AcquireConfiguration", **NEW)
        assert found["PrimaryConfiguration"]["ServiceStatus"] == "1"
        assert code_of(found["PrimaryConfiguration"]["DownloadInfo"])
        assert len(world.books.ordered) == 1


@pytest.mark.spec("TS.43 §8.9")
@pytest.mark.conforms("divergence.transfer-token-one-device")
async def test_a_token_is_the_first_phones_that_is_shown_with_it(world: World) -> None:
    token = await acquired(world)
    first = await asked(new_phone(world), token, "ManageSubscription", **TRANSFER, **NEW)
    others = (
        THIRD,
        NEW | {"target_terminal_id": THIRD_IMEI},
        NEW | {"target_terminal_eid": OTHER_EID},
    )
    for device in others:
        for operation, kind in (
            ("ManageSubscription", TRANSFER),
            ("ManageSubscription", {"operation_type": "4"}),
            ("AcquireConfiguration", {}),
            ("CheckEligibility", {}),
        ):
            answer = await ask(new_phone(world), token, operation, **kind, **device)
            assert answer.status == 403
            assert (await last(world))["outcome"] == "lent_token_of_another_device"
    assert (await ask(new_phone(world), token, "AcquireConfiguration", **NEW)).status == 200
    for device in ({"target_terminal_id": THIRD_IMEI}, {"target_terminal_eid": OTHER_EID}):
        answer = await ask(new_phone(world), token, "AcquireConfiguration", **device)
        assert answer.status == 403
    # Not a word of it reached the order.
    assert await asked(new_phone(world), token, "ManageSubscription", **TRANSFER, **NEW) == first
    assert len(world.books.ordered) == 1


@pytest.mark.spec("TS.43 §8.9")
async def test_a_token_is_the_first_phones_even_where_that_got_nothing(world: World) -> None:
    token = await acquired(world)
    await asked(new_phone(world), token, "CheckEligibility", **NEW)
    answer = await ask(new_phone(world), token, "ManageSubscription", **TRANSFER, **THIRD)
    assert answer.status == 403
    assert await orders(world) == []


async def test_of_two_new_phones_with_one_token_one_gets_the_line(world: World) -> None:
    token = await acquired(world)
    answers = await asyncio.gather(
        *(
            ask(new_phone(world, imei), token, "ManageSubscription", **TRANSFER, **device)
            for imei, device in ((NEW_IMEI, NEW), (THIRD_IMEI, THIRD))
        )
    )
    assert sorted(answer.status for answer in answers) == [200, 403]
    assert len(world.books.ordered) == 1
    (order,) = await orders(world)
    (got,) = (
        device["target_terminal_id"]
        for answer, device in zip(answers, (NEW, THIRD), strict=True)
        if answer.status == 200
    )
    assert order.device.terminal_id == got


async def test_of_two_phones_with_a_token_each_one_gets_the_line(world: World) -> None:
    tokens = [await acquired(world), await acquired(world)]
    answers = await asyncio.gather(
        *(
            asked(new_phone(world), token, "ManageSubscription", **TRANSFER, **device)
            for token, device in zip(tokens, (NEW, THIRD), strict=True)
        )
    )
    assert sorted(answer["SubscriptionResult"] for answer in answers) == ["2", "5"]
    assert len(world.books.ordered) == 1


@pytest.mark.spec("TS.43 §8.9")
async def test_a_token_is_over_when_its_order_is(world: World) -> None:
    token, new = await acquired(world), new_phone(world)
    await asked(new, token, "ManageSubscription", **TRANSFER, **NEW)
    ended = await world.ask("ManageSubscription", operation_type="1", **NEW)
    assert ended["SubscriptionResult"] == "3"
    for _ in range(2):
        late = await ask(new, token, "ManageSubscription", **TRANSFER, **NEW)
        assert late.status == 401
        assert (await last(world))["outcome"] == "lent_token_spent"
    assert (await ask(new, token, "AcquireConfiguration", **NEW)).status == 401
    await given_back(world)
    # A new one begins anew, even for the same phone; the old one stays over.
    second = await acquired(world)
    answer = await asked(new, second, "ManageSubscription", **TRANSFER, **NEW)
    assert answer["SubscriptionResult"] == "2"
    assert (await ask(new, token, "ManageSubscription", **TRANSFER, **NEW)).status == 401


async def test_whoever_came_before_the_end_orders_nothing_after_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two requests with a token: one makes the order, which ends while the other is on its way."""
    token, new = await acquired(world), new_phone(world)
    made = world.server.parts.ordering._orders.make

    async def late(*arguments: Any, **more: Any) -> Any:
        monkeypatch.setattr(world.server.parts.ordering._orders, "make", made)
        await asked(new, token, "ManageSubscription", **TRANSFER, **NEW)
        await world.ask("ManageSubscription", operation_type="1", **NEW)
        (there,) = await orders(world)
        return await made(*arguments, **(more | {"instead_of": there}))

    monkeypatch.setattr(world.server.parts.ordering._orders, "make", late)
    answer = await ask(new, token, "ManageSubscription", **TRANSFER, **NEW)
    assert answer.status == 401
    (order,) = await orders(world)
    assert order.state == "ended"


@pytest.mark.parametrize("written", [False, True])
async def test_whatever_is_cut_off_there_is_one_order(
    world: World, monkeypatch: pytest.MonkeyPatch, written: bool
) -> None:
    token, new = await acquired(world), new_phone(world)
    made = world.server.parts.ordering._orders.make

    async def cut(*arguments: Any, **more: Any) -> Any:
        monkeypatch.setattr(world.server.parts.ordering._orders, "make", made)
        if written:
            await made(*arguments, **(more | {"due_at": 0}))
        raise PeerUnavailable("store_down")

    monkeypatch.setattr(world.server.parts.ordering._orders, "make", cut)
    assert (await ask(new, token, "ManageSubscription", **TRANSFER, **NEW)).status == 503
    # The token is this phone's by now, and its order is made, or goes on, when it asks again.
    assert (await ask(new, token, "ManageSubscription", **TRANSFER, **THIRD)).status == 403
    answer = await asked(new, token, "ManageSubscription", **TRANSFER, **NEW)
    assert answer["SubscriptionResult"] == ("4" if written else "2")
    assert len(await orders(world)) == 1


@pytest.mark.spec("TS.43 §8.9")
@pytest.mark.conforms("needed.by-temporary-token")
@pytest.mark.parametrize(
    "left_out", ["target_terminal_id", "target_terminal_eid", "operation_type"]
)
async def test_with_a_token_all_of_the_new_phone_is_named(world: World, left_out: str) -> None:
    token = await acquired(world)
    parameters = TRANSFER | NEW
    del parameters[left_out]
    answer = await ask(new_phone(world), token, "ManageSubscription", **parameters)
    assert answer.status == 400
    assert await orders(world) == []


@pytest.mark.spec("TS.43 §2.8.6")
@pytest.mark.parametrize(
    ("operation", "parameters"),
    [
        ("ManageSubscription", {"operation_type": "0"} | NEW),
        ("ManageSubscription", {"operation_type": "1"} | NEW),
        ("ManageSubscription", {"operation_type": "6"} | NEW),
        ("ManageSubscription", {"operation_type": "7", "terminal_iccid": SIM} | NEW),
        ("ManageService", {"operation_type": "11", "target_terminal_iccid": SIM}),
        ("AcquireTemporaryToken", {"operation_targets": TARGETS}),
    ],
)
async def test_a_token_moves_the_line_and_does_nothing_else(
    world: World, operation: str, parameters: dict[str, str]
) -> None:
    token = await acquired(world)
    assert (await ask(new_phone(world), token, operation, **parameters)).status == 403
    assert await orders(world) == []


async def test_a_token_shows_its_own_order_and_no_other(world: World) -> None:
    """Somebody who has a token does not learn what else the line has, nor how it is got."""
    await world.ask("ManageSubscription", operation_type="0", **THIRD)
    token, new = await acquired(world), new_phone(world)
    assert await asked(new, token, "AcquireConfiguration") == {"OperationResult": "1"}
    for parameters in (NEW, {}, {"target_terminal_id": NEW_IMEI}):
        found = await asked(new, token, "AcquireConfiguration", **parameters)
        assert found == {"OperationResult": "1"}
    (other,) = await orders(world)
    assert other.iccid is not None
    found = await asked(
        new, token, "AcquireConfiguration", target_terminal_iccid=other.iccid.digits
    )
    assert found == {"OperationResult": "1"}
    answer = await ask(
        new,
        token,
        "ManageSubscription",
        operation_type="4",
        target_terminal_iccid=other.iccid.digits,
        **NEW,
    )
    assert answer.status == 400
    assert (await orders(world))[0].state == "released"


@pytest.mark.parametrize("targets", ["AcquireConfiguration", "CheckEligibility"])
async def test_a_token_without_the_target_checks_no_eligibility_and_moves_nothing(
    world: World, targets: str
) -> None:
    token = await temporary(world.phone, world.token, targets)
    answer = await ask(new_phone(world), token, "ManageSubscription", **TRANSFER, **NEW)
    assert answer.status == 403
    answer = await ask(new_phone(world), token, "CheckEligibility")
    assert answer.status == (200 if targets == "CheckEligibility" else 403)


async def test_a_token_is_of_one_application_and_one_line(world: World) -> None:
    token = await acquired(world)
    other = new_phone(world).but(apps=("ap2006",))
    assert (await ask(other, token, "CheckEligibility")).status == 403
    lent = await temporary(
        number_phone(world.server),
        await number_phone(world.server).token(),
        "GetPhoneNumber",
    )
    answer = await ask(new_phone(world), lent, "ManageSubscription", **TRANSFER, **NEW)
    assert answer.status == 403


async def test_a_token_ends_with_what_it_was_acquired_with(world: World) -> None:
    token, new = await acquired(world), new_phone(world)
    await asked(new, token, "CheckEligibility")
    await world.server.store.real.revoke_tokens("default", ALLOWED, IMEI)
    assert (await ask(new, token, "CheckEligibility")).status == 401
    assert (await last(world))["outcome"] == "lent_token_revoked"


async def test_a_token_that_moved_the_line_ends_with_the_line(world: World) -> None:
    token, new = await acquired(world), new_phone(world)
    await asked(new, token, "ManageSubscription", **TRANSFER, **NEW)
    await asked(new, token, "ManageSubscription", operation_type="4", **NEW)
    await asked(new, token, "AcquireConfiguration")
    await world.server.store.real.revoke_tokens("default", ALLOWED, None)
    assert (await ask(new, token, "AcquireConfiguration")).status == 401


async def test_a_token_ends_after_a_day(world: World) -> None:
    token, new = await acquired(world), new_phone(world)
    world.server.clock.advance(86_399)
    assert (await ask(new, token, "CheckEligibility")).status == 200
    world.server.clock.advance(1)
    assert (await ask(new, token, "CheckEligibility")).status == 401


async def test_a_line_that_has_no_esim_to_offer_lends_no_token(world: World) -> None:
    other = world.phone.but(apps=("ap2009",), imsi=NO_VOWIFI)
    answer = await operate(
        other, await other.token(), "AcquireTemporaryToken", operation_targets=TARGETS
    )
    assert app_of(answer, APP)["OperationResult"] == "1"  # The plan is looked at with the phone.
    for targets in ("GetPhoneNumber", "Nonsense", ""):
        answer = await operate(
            world.phone, world.token, "AcquireTemporaryToken", operation_targets=targets
        )
        refused = app_of(answer, APP)
        assert refused["OperationResult"] in ("100", "102")
        assert "TemporaryToken" not in refused


async def test_where_nothing_is_offered_no_token_is_lent(bench: Workbench) -> None:
    async with bench.opened("[documents]\nvalidity_spread = 0\n") as server:
        phone = number_phone(server, apps=(APP,))
        answer = await operate(
            phone, await phone.token(), "AcquireTemporaryToken", operation_targets=TARGETS
        )
        told = app_of(answer, APP)
        assert (told["OperationResult"], told["TemporaryTokenExpiry"]) == (
            "100",
            "2026-11-18T11:06:40Z",
        )
        assert "TemporaryToken" not in told


async def test_a_token_for_another_sim_is_not_lent(world: World) -> None:
    answer = await world.ask(
        "AcquireTemporaryToken", operation_targets=TARGETS, terminal_iccid=FOREIGN
    )
    assert answer["OperationResult"] == "102"
    assert "TemporaryTokenExpiry" in answer


async def test_partners_are_no_matter_of_a_transfer(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = '[partners.one]\nrequestor_ids = ["p-1"]\naccess_token = false\n'
    async with opened(bench, monkeypatch, APP, more) as world:
        token = await acquired(world)
        answer = await asked(new_phone(world), token, "ManageSubscription", **TRANSFER, **NEW)
        assert answer["SubscriptionResult"] == "2"


# --- questions, and pages ------------------------------------------------------------------


@pytest.mark.spec("TS.43 §8.9", "TS.43 §8.12.2")
async def test_the_new_phone_is_asked_and_its_token_is_good_for_the_answer(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(bench, monkeypatch, APP, 'ask_transfer = "pin"') as world:
        await knows_sim(world)
        server = world.server
        pins = open_account_pins(server.loaded, server.store.real, server.parts.keys)
        await pins.set("default", ALLOWED, "271828", at=START)
        token, new = await acquired(world), new_phone(world)

        async def order(**said: str) -> dict[str, Any]:
            return await asked(new, token, "ManageSubscription", **TRANSFER, **NEW, **said)

        question = await order()
        assert question["SubscriptionResult"] == "8"
        assert question["MSG"]["Accept_freetext"] == "1"
        # He is asked again, and by the configuration too, whatever he has said wrongly.
        assert await order(msg_btn="1", msg_response="0000") == {"OperationResult": "104"}
        found = await asked(new, token, "AcquireConfiguration", **NEW)
        assert found["PrimaryConfiguration"]["ServiceStatus"] == "3"
        assert found["PrimaryConfiguration"]["MSG"] == question["MSG"]
        wrong = await ask(new, token, "ManageSubscription", **TRANSFER, **NEW, msg_btn="2")
        assert wrong.status == 400
        assert await order() == question
        assert world.books.calls == []
        # Nobody else answers for him, not even with his PIN.
        other = await ask(
            new_phone(world, THIRD_IMEI),
            token,
            "ManageSubscription",
            **TRANSFER,
            **THIRD,
            msg_btn="1",
            msg_response="271828",
        )
        assert other.status == 403
        answer = await order(msg_btn="1", msg_response="271828")
        assert answer["SubscriptionResult"] == "2"
        assert await order() == answer
        assert len(world.books.ordered) == 1
        done = await asked(new, token, "ManageSubscription", operation_type="4", **NEW)
        assert done["SubscriptionResult"] == "3"
        assert await is_signed_out(world.phone, world.token)


@pytest.mark.spec("TS.43 §8.9", "TS.43 §8.12.2")
async def test_who_says_no_on_the_new_phone_has_ended_his_token(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(bench, monkeypatch, APP, 'ask_transfer = "confirmation"') as world:
        token, new = await acquired(world), new_phone(world)
        await asked(new, token, "ManageSubscription", **TRANSFER, **NEW)
        answer = await asked(new, token, "ManageSubscription", **TRANSFER, **NEW, msg_btn="0")
        assert answer == {"OperationResult": "1", "SubscriptionResult": "5"}
        assert world.books.calls == []
        assert (await ask(new, token, "ManageSubscription", **TRANSFER, **NEW)).status == 401
        assert not await is_signed_out(world.phone, world.token)


@pytest.mark.spec("TS.43 §6.5.1")
async def test_a_general_error_has_a_page_for_the_new_phone_too(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(bench, monkeypatch, APP, 'portal = "always"') as world:
        token = await acquired(world)
        mark = LineMark(MarkName.PORT_FREEZE, "yes", START)
        await world.server.store.real.set_marks("default", ALLOWED, [mark])
        answer = await asked(new_phone(world), token, "ManageSubscription", **TRANSFER, **NEW)
        assert answer["OperationResult"] == "100"
        link = page_of(answer, "GeneralError")
        shown = await Browser(world.server).page("GET", link.path, query=link.user_data.encode())
        assert "did not work with your eSIM" in shown.text
        assert shown.tree.xpath("//button/@data-bridge") == ["dismiss"]


# --- from the old phone, and on one phone --------------------------------------------------


@pytest.mark.spec("TS.43 §8.7", "TS.43 §6.8")
@pytest.mark.conforms("primary.transfer-eap", "request.old_terminal_id")
async def test_a_line_moves_from_the_old_phone_that_scans_the_new_one(world: World) -> None:
    shown = pull_transfer_code(f"esim:transfer?eid={EID}&imei={NEW_IMEI}")
    assert shown.eid is not None
    assert shown.imei is not None
    device = {
        "target_terminal_id": shown.imei.digits,
        "target_terminal_eid": shown.eid.digits,
        "old_terminal_id": IMEI,
    }
    await world.phone.fast(world.token, extra=PUSH)
    answer = await world.ask("ManageSubscription", **TRANSFER, **device)
    assert answer["SubscriptionResult"] == "2"
    assert (await last(world))["detail"].endswith("transfer_by_old_phone")
    # The old phone shows the code to the new one, and goes on until that has installed it.
    assert code_of(answer["DownloadInfo"])
    assert not await is_signed_out(world.phone, world.token)
    await world.ask("ManageSubscription", operation_type="4", **NEW)
    assert await is_signed_out(world.phone, world.token)
    assert await told(world) == [(IMEI, "line_moved")]


@pytest.mark.spec("TS.43 §8.7")
async def test_the_phone_with_the_old_sim_is_the_old_phone(world: World) -> None:
    answer = await world.ask("ManageSubscription", **TRANSFER, **NEW)
    assert answer["SubscriptionResult"] == "2"
    assert (await last(world))["detail"].endswith("transfer_by_old_phone")
    (order,) = await orders(world)
    assert (order.old_terminal_id, order.asked_by) == (IMEI, "")


@pytest.mark.spec("TS.43 §6.2", "TS.43 §6.3")
@pytest.mark.conforms("identities.sim-there")
async def test_a_sims_line_moves_into_the_esim_of_the_same_phone(world: World) -> None:
    own = {"target_terminal_id": IMEI, "target_terminal_eid": EID, "terminal_iccid": SIM}
    answer = await world.ask("ManageSubscription", old_terminal_id=IMEI, **TRANSFER, **own)
    assert answer["SubscriptionResult"] == "2"
    iccid = answer["DownloadInfo"]["ProfileIccid"]
    done = await world.ask(
        "ManageSubscription",
        operation_type="4",
        target_terminal_id=IMEI,
        target_terminal_iccid=iccid,
    )
    assert done["SubscriptionResult"] == "3"
    # It is the same phone: what it has, it keeps.
    found = await world.ask("AcquireConfiguration")
    assert found["PrimaryConfiguration"] == {"ICCID": iccid, "ServiceStatus": "1"}
    assert await told(world) == []


@pytest.mark.spec("TS.43 §8.5")
@pytest.mark.parametrize("named", ["profile", "first SIM", "nothing"])
async def test_a_line_moves_on_from_phone_to_phone(world: World, named: str) -> None:
    """What moved once can move again; the profile that it leaves is over, and no other."""
    previous, token, phone = SIM, world.token, world.phone
    for imei, eid in ((NEW_IMEI, EID), (THIRD_IMEI, OTHER_EID), (IMEI, EID[:-2] + "99")):
        device = {"target_terminal_id": imei, "target_terminal_eid": eid}
        answer = app_of(
            await operate(
                phone,
                token,
                "ManageSubscription",
                operation_type="3",
                old_terminal_iccid={"profile": previous, "first SIM": SIM}.get(named, ""),
                old_terminal_id=phone.terminal_id,
                **device,
            ),
            APP,
        )
        assert answer["SubscriptionResult"] == "2"
        active = [order for order in await orders(world) if order.state == "active"]
        assert len(active) == (previous != SIM)
        await operate(phone, token, "ManageSubscription", operation_type="4", **device)
        previous = answer["DownloadInfo"]["ProfileIccid"]
        (active_one,) = (order for order in await orders(world) if order.state == "active")
        assert active_one.iccid == Iccid(previous)
        assert await is_signed_out(phone, token)
        phone = world.phone.but(terminal_id=imei)
        token = await phone.token()


async def test_of_two_phones_that_a_moved_line_is_to_move_to_one_gets_it(world: World) -> None:
    await world.ask("ManageSubscription", **TRANSFER, **NEW)
    await world.ask("ManageSubscription", operation_type="4", **NEW)
    phone = world.phone.but(terminal_id=NEW_IMEI)
    token = await phone.token()
    devices = [
        THIRD,
        {"target_terminal_id": IMEI, "target_terminal_eid": EID[:-2] + "99"},
    ]
    answers = await asyncio.gather(
        *(
            operate(phone, token, "ManageSubscription", operation_type="3", **device)
            for device in devices
        )
    )
    results = sorted(app_of(answer, APP)["SubscriptionResult"] for answer in answers)
    assert results == ["2", "5"]
    assert len(world.books.ordered) == 2
    # The one that has it asks, and finds what it has.
    again = await operate(phone, token, "ManageSubscription", operation_type="3", **NEW)
    assert app_of(again, APP)["SubscriptionResult"] == "2"
    assert len(world.books.ordered) == 2


async def test_the_smdp_says_that_it_is_installed_and_the_old_phone_is_told(world: World) -> None:
    """§8.7: the new phone has nothing to say it with."""
    from simgrant.flows.profile_events import Events, Teller
    from simgrant.ports.profile_events import INSTALLATION
    from simgrant.wire.es2plus import Outcome, Status

    await world.phone.fast(world.token, extra=PUSH)
    answer = await world.ask("ManageSubscription", **TRANSFER, **NEW)
    ordering = world.server.parts.ordering
    events = Events(ordering._orders, ordering=ordering, tellers={"main": Teller(("default",))})
    iccid = Iccid(answer["DownloadInfo"]["ProfileIccid"])
    for _ in range(2):
        await events.progress(
            "main", iccid, point=INSTALLATION, status=Status(Outcome.SUCCESS), at=START
        )
    assert await is_signed_out(world.phone, world.token)
    assert await told(world) == [(IMEI, "line_moved")]


@pytest.mark.spec("TS.43 §8.13")
async def test_a_moved_lines_profile_is_recovered(world: World) -> None:
    await world.ask("ManageSubscription", **TRANSFER, **NEW)
    await world.ask("ManageSubscription", operation_type="4", **NEW)
    phone = world.phone.but(terminal_id=NEW_IMEI)
    token = await phone.token()
    (removed,) = world.books.ordered
    answer = app_of(
        await operate(
            phone,
            token,
            "ManageSubscription",
            operation_type="7",
            terminal_iccid=removed,
            **NEW,
        ),
        APP,
    )
    assert answer["SubscriptionResult"] == "2"
    assert answer["DownloadInfo"]["ProfileIccid"] != removed
    await operate(phone, token, "ManageSubscription", operation_type="4", **NEW)
    # The phone is the same: it stays signed in.
    found = await operate(phone, token, "AcquireConfiguration")
    assert app_of(found, APP)["PrimaryConfiguration"]["ServiceStatus"] == "1"


@pytest.mark.spec("TS.43 §8.13")
async def test_each_line_of_a_phone_is_recovered_by_itself(world: World) -> None:
    """A further line has its own place, whatever the first one does."""
    await world.ask("ManageSubscription", **TRANSFER, **NEW)
    further = await world.ask("ManageSubscription", operation_type="0", **THIRD)
    removed = further["DownloadInfo"]["ProfileIccid"]
    for _ in range(2):
        answer = await world.ask(
            "ManageSubscription", operation_type="7", terminal_iccid=removed, **THIRD
        )
        assert answer["SubscriptionResult"] == "2"
    places = {order.place: order.kind for order in await orders(world)}
    assert sorted(places.values()) == ["recover", "transfer"]
    foreign = await world.ask(
        "ManageSubscription", operation_type="7", terminal_iccid=FOREIGN, **NEW
    )
    assert foreign == {"OperationResult": "102"}


# --- from the new phone, by a sign-in ------------------------------------------------------


@pytest.mark.spec("TS.43 §8.3", "TS.43 §8.5")
@pytest.mark.conforms("primary.transfer-otp")
async def test_a_line_moves_by_a_one_time_password(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    centre = MessageCentre()
    await centre.up()
    (bench.directory / "smsc-password").write_text(centre.password)
    more = TEXTS.format(port=centre.port) + '[tenants.default]\notp_apps = ["ap2009"]\n'
    try:
        async with opened(bench, monkeypatch, APP, more) as world:
            await knows_sim(world)
            new = world.phone.but(terminal_id=NEW_IMEI, app_name="setup")
            otp = Passwords(centre, world.server)
            begun = await otp.begin(apps=(APP,), terminal_id=NEW_IMEI, app_name="setup")
            answer = await otp.answer(begun, await otp.code())
            assert answer.token
            await _moves(world, new, answer.token)
    finally:
        await centre.down()


@pytest.mark.spec("TS.43 §8.4", "TS.43 §8.5")
@pytest.mark.conforms("primary.transfer-oidc")
async def test_a_line_moves_by_a_sign_in(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    provider = OpenIdProvider(redirect_uri=REDIRECT_URI, phone_number=NUMBER, now=bench.clock.now)
    await provider.up()
    (bench.directory / "secret").write_text(provider.client_secret)
    more = PROVIDER.format(issuer=provider.issuer, redirect_uri=REDIRECT_URI, more="")
    more = more.replace('"ap2014", "ap2004"', f'"{APP}"')
    try:
        async with (
            ClientBuilder().follow_redirects(False).no_proxy().build() as browser,
            opened(bench, monkeypatch, APP, more) as world,
        ):
            await knows_sim(world)
            ins = SignIns(provider, world.server, browser)
            # An application that has no IMEI says a UUID; the eSIM's is in target_terminal_id.
            new = world.phone.but(terminal_id="8f2a6a3e-5a0e-4d0c-9d55-0a3a1a9d7a10")
            begun = await ins.begin(new)
            answer = await ins.come_back(await ins.visit(begun.header("location")), accept=JSON)
            await _moves(world, new, json.loads(answer.content)["Token"]["token"])
    finally:
        await provider.down()


async def _moves(world: World, new: Phone, token: str) -> None:
    """Move the line to a new phone that has signed in."""
    await world.phone.fast(world.token, extra=PUSH)

    async def moving(**parameters: str) -> dict[str, Any]:
        return app_of(await operate(new, token, "ManageSubscription", **parameters), APP)

    answer = await moving(**TRANSFER, **NEW)
    assert answer["SubscriptionResult"] == "2"
    assert (await last(world))["detail"].endswith("transfer_by_new_phone")
    assert not await is_signed_out(world.phone, world.token)
    assert (await moving(operation_type="4", **NEW))["SubscriptionResult"] == "3"
    # The new phone stays signed in, the old one does not.
    found = await operate(new, token, "AcquireConfiguration", **NEW)
    assert app_of(found, APP)["PrimaryConfiguration"]["ServiceStatus"] == "1"
    assert await is_signed_out(world.phone, world.token)
    assert await told(world) == [(IMEI, "line_moved")]


# --- what is wrong, and somebody else's ----------------------------------------------------


async def _by_token(world: World, **parameters: str) -> str:
    answer = await ask(new_phone(world), await acquired(world), "ManageSubscription", **parameters)
    return str(answer.status)


async def _by_sim(world: World, **parameters: str) -> str:
    return str((await world.ask("ManageSubscription", **parameters))["OperationResult"])


@pytest.mark.spec("TS.43 §8.5", "TS.43 §8.8")
@pytest.mark.parametrize(("way", "result"), [(_by_token, "400"), (_by_sim, "102")])
@pytest.mark.parametrize(
    "wrong",
    [
        {"old_terminal_iccid": FOREIGN},
        {"old_terminal_iccid": "894450000000000099X"},
        {"old_terminal_iccid": "89445"},
        {"target_terminal_eid": EID[:-1]},
        {"target_terminal_eid": "x" * 32},
        {"target_terminal_id": " "},
    ],
)
async def test_what_is_malformed_or_another_lines_orders_nothing(
    world: World,
    way: Callable[..., Awaitable[str]],
    result: str,
    wrong: dict[str, str],
) -> None:
    assert await way(world, **(TRANSFER | NEW | wrong)) == result
    assert await orders(world) == []
    assert world.books.calls == []
    record = await last(world)
    assert record["operation"] == "ManageSubscription"
    assert record.get("operation_result", 400) in (102, 400)
    assert FOREIGN not in json.dumps(record)


async def test_a_profile_of_another_line_is_not_moved(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even where nobody told us the SIM's ICCID, what we ordered for somebody is his."""
    async with opened(bench, monkeypatch, APP) as world:
        await world.ask("ManageSubscription", **TRANSFER, **NEW)
        await world.ask("ManageSubscription", operation_type="4", **NEW)
        (theirs,) = world.books.ordered
        other = world.phone.but(imsi=NO_VOWIFI, terminal_id=THIRD_IMEI)
        answer = await operate(
            other,
            await other.token(),
            "ManageSubscription",
            operation_type="3",
            old_terminal_iccid=theirs,
            **THIRD,
        )
        assert app_of(answer, APP) == {"OperationResult": "102"}
        (order,) = await orders(world)
        assert order.state == "active"


async def test_what_another_phone_brings_leaves_an_order_as_it_was(world: World) -> None:
    token = await acquired(world)
    await asked(new_phone(world), token, "ManageSubscription", **TRANSFER, **NEW)
    (before,) = await orders(world)
    for wrong in (THIRD, {"old_terminal_iccid": FOREIGN}, {"operation_type": "1"}):
        await ask(new_phone(world), token, "ManageSubscription", **(TRANSFER | NEW | wrong))
        await world.ask("ManageSubscription", **(TRANSFER | NEW | THIRD))
    (after,) = await orders(world)
    assert after == before
    assert replace(after, lent="") != after


# --- profiles that others ordered ------------------------------------------------------------

ELSEWHERE = Iccid("8944600000000000099")
PROFILE = profile_of(ELSEWHERE.digits, activation_code="LPA:1$bss.example.net$CODE-1")


def desk(world: World) -> OrderDesk:
    return OrderDesk(world.server.store.real.orders, "default", START)


@pytest.mark.spec("TS.43 §8.9", "TS.43 §8.7")
async def test_a_line_whose_profile_the_bss_orders_moves_when_that_is_installed(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = 'smdp = "main"\nprofile_type = "phone"'
    assert table in SETTINGS
    monkeypatch.setattr("tests.device.esim.SETTINGS", SETTINGS.replace(table, 'order_mode = "bss"'))
    async with opened(bench, monkeypatch, APP) as world:
        await knows_sim(world)
        await world.phone.fast(world.token, extra=PUSH)
        token, new = await acquired(world, terminal_iccid=SIM), new_phone(world)
        answer = await asked(new, token, "ManageSubscription", **TRANSFER, **NEW)
        assert answer["SubscriptionResult"] == "4"
        (order,) = await orders(world)
        await desk(world).deliver(await desk(world).find(order.order_id), PROFILE)
        answer = await asked(new, token, "ManageSubscription", **TRANSFER, **NEW)
        assert answer["DownloadInfo"]["ProfileIccid"] == ELSEWHERE.digits
        assert not await is_signed_out(world.phone, world.token), "it is there, and not installed"
        done = await asked(new, token, "ManageSubscription", operation_type="4", **NEW)
        assert done["SubscriptionResult"] == "3"
        assert await is_signed_out(world.phone, world.token)
        assert (IMEI, "line_moved") in await told(world)
        assert world.books.calls == []


@pytest.mark.spec("TS.43 §7.5", "TS.43 §8.7", "TS.43 §8.9")
async def test_a_profile_that_was_activated_elsewhere_moves_no_line_until_it_moves_itself(
    world: World,
) -> None:
    """Another system's order is one more profile: it takes nothing from the phone of the SIM."""
    store = world.server.store.real
    line = await store.find("default", imsi=ALLOWED)
    assert line is not None
    device = device_of(terminal_id=NEW_IMEI, eid=EID)
    await make_up(desk(world), line, app="primary", device=device, profile=PROFILE)
    await world.phone.fast(world.token, extra=PUSH)
    for kind in ("4", "6", "5", "4"):
        done = await world.ask("ManageSubscription", operation_type=kind, **NEW)
        assert done["SubscriptionResult"] == "3"
        assert not await is_signed_out(world.phone, world.token)
    assert await told(world) == []
    # Its own phone hands it on.
    token = await acquired(world, terminal_iccid=ELSEWHERE.digits)
    wanted = TRANSFER | {"old_terminal_iccid": ELSEWHERE.digits}
    third = new_phone(world, THIRD_IMEI)
    answer = await asked(third, token, "ManageSubscription", **wanted, **THIRD)
    assert answer["SubscriptionResult"] == "2"
    done = await asked(third, token, "ManageSubscription", operation_type="4", **THIRD)
    assert done["SubscriptionResult"] == "3"
    assert await is_signed_out(world.phone, world.token)
    assert (IMEI, "line_moved") in await told(world)
    states = {order.device.terminal_id: order.state for order in await orders(world)}
    assert states == {NEW_IMEI: OrderState.ENDED, THIRD_IMEI: OrderState.ACTIVE}
