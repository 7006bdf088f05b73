"""Questions to the subscriber before an eSIM is ordered, on the device (TS.43 §8.12, MSG)."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from simgrant.compose.store import open_account_pins
from simgrant.domain.order import Inquiry, OrderState
from simgrant.errors import StartRefused
from simgrant.flows import esim, subscriptions
from simgrant.flows.before_order import prepared
from simgrant.flows.message import Limits
from simgrant.ports.orders import Shelf
from tests.android_reader import Ts43XmlDoc
from tests.device.esim import EID, OTHER_EID, SETTINGS, WATCH, World, code_of, opened
from tests.device.harness import ALLOWED, XML, Workbench
from tests.device.partner import operate

PHONE = {"target_terminal_id": "350000000000033", "target_terminal_eid": EID}
SECOND = {"target_terminal_id": "350000000000041", "target_terminal_eid": OTHER_EID}
OLD = {"old_terminal_iccid": "8944500000000000991"}
PIN = "271828"
YES, NO = {"msg_btn": "1"}, {"msg_btn": "0"}
RIGHT, WRONG = YES | {"msg_response": PIN}, YES | {"msg_response": "0000"}


class Asked(World):
    """A line whose owner is asked."""

    async def order(self, kind: str = "0", **more: str) -> dict[str, Any]:
        parameters = PHONE | (OLD if kind == "3" else {}) | more
        return await self.ask("ManageSubscription", operation_type=kind, **parameters)

    async def states(self) -> list[OrderState]:
        found = await self.server.store.real.orders.of("default", ALLOWED)
        return [order.state for order in found]

    async def set_pin(self, pin: str | None = PIN) -> None:
        server = self.server
        pins = open_account_pins(server.loaded, server.store.real, server.parts.keys)
        await pins.set("default", ALLOWED, pin, at=int(self.server.clock.at))


@asynccontextmanager
async def asking(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch, settings: str, more: str = ""
) -> AsyncIterator[Asked]:
    async with opened(bench, monkeypatch, "ap2009", f"{settings}\n{more}") as world:
        yield Asked(world.server, world.books, world.phone, world.token)


@pytest.mark.spec("TS.43 §8.12.2", "TS.43 §6.5.3")
@pytest.mark.conforms(
    "primary.asked-first-message",
    "subscription.message-with-8-only",
    "request.MSG_response",
    "needed.response-with-accept",
)
@pytest.mark.parametrize("kind", ["0", "3"])
async def test_the_subscriber_says_yes_and_gets_the_profile(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    settings = 'ask_new = "confirmation"\nask_transfer = "confirmation"'
    async with asking(bench, monkeypatch, settings) as world:
        answer = await world.order(kind)
        assert (answer["OperationResult"], answer["SubscriptionResult"]) == ("1", "8")
        assert set(answer["MSG"]) == {
            "Title",
            "Message",
            "Accept_btn",
            "Accept_btn_label",
            "Reject_btn",
            "Reject_btn_label",
            "Accept_freetext",
        }
        # Whoever asks again is asked again; nothing is ordered meanwhile.
        assert await world.order(kind) == answer
        assert world.books.calls == []
        answer = await world.order(kind, **YES)
        assert answer["SubscriptionResult"] == "2"
        assert code_of(answer["DownloadInfo"])
        # The same answer again leads to the same.
        assert await world.order(kind, **YES) == answer
        assert "MSG" not in await world.order(kind)
        assert len(world.books.ordered) == 1


@pytest.mark.spec("TS.43 §8.12.2")
async def test_one_who_says_no_is_dismissed_and_costs_nothing(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with asking(bench, monkeypatch, 'ask_new = "confirmation"') as world:
        stock = await world.server.store.real.orders.stock("default")
        await world.order()
        for _ in range(2):
            answer = await world.order(**NO)
            assert answer == {"OperationResult": "1", "SubscriptionResult": "5"}
            assert await world.states() == [OrderState.ENDED]
        assert world.books.calls == []
        assert await world.server.store.real.orders.stock("default") == stock
        assert (await world.order())["SubscriptionResult"] == "8"


@pytest.mark.spec("TS.43 §8.12.2")
@pytest.mark.conforms("subscription.response-checked", "document.APPLICATION/OperationResult=104")
async def test_a_wrong_pin_ends_the_flow_and_leaves_the_order(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with asking(bench, monkeypatch, 'ask_transfer = "pin"') as world:
        await world.set_pin()
        answer = await world.order("3")
        assert answer["SubscriptionResult"] == "8"
        message = answer["MSG"]
        assert message["Accept_freetext"] == "1"
        encoded = message["Accept_freetext_validation"].removeprefix("encodedValue=")
        expression = base64.b64decode(encoded, validate=True).decode()
        assert re.search(expression, PIN)
        assert not re.search(expression, "12a4")
        for wrong in (
            WRONG,
            YES,
            YES | {"msg_response": "no digits"},
            YES | {"msg_response": "٣" * 6},
        ):
            assert await world.order("3", **wrong) == {"OperationResult": "104"}
            assert await world.states() == [OrderState.ASKED]
        assert world.books.calls == []
        assert (await world.order("3"))["SubscriptionResult"] == "8"
        assert (await world.order("3", **RIGHT))["SubscriptionResult"] == "2"
        told = world.server.out.getvalue().decode() + json.dumps(await world.server.records())
        assert PIN not in told
        assert "account_pin_wrong" in told


async def test_a_pin_is_locked_after_some_wrong_tries_for_a_time(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = "[account_pins]\ntries = 3\nlock_s = 600\n"
    async with asking(bench, monkeypatch, 'ask_new = "pin"', more) as world:
        await world.set_pin()
        await world.order()
        answers = await asyncio.gather(*(world.order(**WRONG) for _ in range(5)))
        assert answers == [{"OperationResult": "104"}] * 5
        # The right one is not even looked at now, and whoever asks anew is not asked.
        assert await world.order(**RIGHT) == {"OperationResult": "104"}
        locked = await world.order(**SECOND)
        assert locked["OperationResult"] == "100"
        assert (await world.server.records())[-1]["detail"] == "account_pin_locked"
        world.server.clock.at += 601
        assert (await world.order(**WRONG)) == {"OperationResult": "104"}
        assert (await world.order(**RIGHT))["SubscriptionResult"] == "2"
        # A right one sets the count back.
        assert (await world.order(**SECOND))["SubscriptionResult"] == "8"


async def test_one_without_a_pin_cannot_be_asked_for_it(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with asking(bench, monkeypatch, 'ask_new = "pin"') as world:
        answer = await world.order()
        assert answer["OperationResult"] == "100"
        assert await world.states() == []
        assert (await world.server.records())[-1]["detail"] == "account_pin_not_set"
        await world.set_pin()
        assert (await world.order())["SubscriptionResult"] == "8"
        await world.set_pin(None)
        assert await world.order(**RIGHT) == {"OperationResult": "104"}


@pytest.mark.conforms("needed.response-with-accept")
@pytest.mark.parametrize(
    "says",
    [
        {"msg_btn": "2"},
        {"msg_btn": "yes"},
        {"msg_response": PIN},
        NO | {"msg_response": PIN},
    ],
)
async def test_an_answer_that_makes_no_sense_is_a_bad_parameter(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch, says: dict[str, str]
) -> None:
    async with asking(bench, monkeypatch, 'ask_new = "confirmation"') as world:
        assert await world.order(**says) == {"OperationResult": "102"}
        assert await world.states() == []
        await world.order()
        assert await world.order(**says) == {"OperationResult": "102"}
        assert await world.states() == [OrderState.ASKED]


async def test_two_answers_at_once_order_once(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with asking(bench, monkeypatch, 'ask_new = "confirmation"') as world:
        await world.order()
        answers = await asyncio.gather(*(world.order(**YES) for _ in range(4)))
        assert {each["SubscriptionResult"] for each in answers} <= {"2", "4"}
        assert len(world.books.ordered) == 1


@pytest.mark.spec("TS.43 §8.12.2", "TS.43 §6.5.5")
@pytest.mark.conforms("configuration.MSG", "needed.primary-again")
async def test_the_user_is_checked_before_a_download_from_the_default_smdp(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = 'download = "smdp_address"\nask_new = "pin"'
    async with asking(bench, monkeypatch, settings) as world:
        await world.set_pin()
        # Somebody ordered it: the phone finds it, switched off until its owner is known.
        await world.order()
        found = await world.ask("AcquireConfiguration")
        configuration = found["PrimaryConfiguration"]
        assert configuration["ServiceStatus"] == "3"
        assert "PollingInterval" not in configuration
        assert configuration["MSG"]["Accept_freetext"] == "1"
        # It is meant by its profile, as one that is recovered is.
        for kind in ("0", "7"):
            answer = await world.ask("ManageSubscription", operation_type=kind, **RIGHT)
            assert answer == {"OperationResult": "102"}
        again = {"operation_type": "0", "terminal_iccid": configuration["ICCID"]}
        assert await world.ask("ManageSubscription", **again, **WRONG) == {"OperationResult": "104"}
        assert (await world.ask("ManageSubscription", **again))["SubscriptionResult"] == "8"
        answer = await world.ask("ManageSubscription", **again, **RIGHT)
        assert answer["SubscriptionResult"] == "2"
        assert answer["DownloadInfo"] == {
            "ProfileIccid": configuration["ICCID"],
            "ProfileSmdpAddress": "smdp.example.net",
        }
        found = await world.ask("AcquireConfiguration")
        assert found["PrimaryConfiguration"]["ServiceStatus"] == "1"
        assert "MSG" not in found["PrimaryConfiguration"]


@pytest.mark.spec("TS.43 §8.13.2")
@pytest.mark.conforms("primary.recovery-second", "divergence.recovery-has-a-result")
async def test_who_lost_his_profile_is_asked_before_he_has_it_anew(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with asking(bench, monkeypatch, 'ask_new = "confirmation"') as world:
        await world.order(**YES)
        await world.order(**YES)
        await world.order("4")
        found = (await world.ask("AcquireConfiguration"))["PrimaryConfiguration"]
        lost = {"terminal_iccid": found["ICCID"]}
        told = await world.order("7", **lost)
        assert (told["SubscriptionResult"], "DownloadInfo" in told) == ("8", False)
        assert len(world.books.ordered) == 1, "and nothing is ordered meanwhile"
        told = await world.order("7", **lost, **YES)
        # The figure has a PrimaryConfiguration here, the table wants the result.
        assert told["SubscriptionResult"] == "2"
        assert told["DownloadInfo"]["ProfileIccid"] != found["ICCID"]
        assert await world.order("7", **lost, **YES) == told
        assert len(world.books.ordered) == 2


@pytest.mark.spec("TS.43 §8.8")
@pytest.mark.conforms("annex.primary")
async def test_what_takes_longer_after_the_answer_is_polled_for(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = "[orders]\nimmediate_s = 0.01\n"
    async with asking(bench, monkeypatch, 'ask_new = "confirmation"', more) as world:
        await world.order()
        world.books.gate = asyncio.Event()
        assert (await world.order(**YES))["SubscriptionResult"] == "4"
        found = await world.ask("AcquireConfiguration")
        assert found["PrimaryConfiguration"]["ServiceStatus"] == "2"
        assert "PollingInterval" in found["PrimaryConfiguration"]
        world.books.gate.set()
        await asyncio.wait(world.server.parts.ordering._taking.under_way)
        found = (await world.ask("AcquireConfiguration"))["PrimaryConfiguration"]
        assert found["ServiceStatus"] == "1"
        assert code_of(found["DownloadInfo"])


async def test_one_who_never_answers_is_given_up_in_time(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with asking(bench, monkeypatch, 'ask_new = "confirmation"') as world:
        await world.order()
        world.server.clock.at += 86_400
        orders = world.server.store.real.orders
        now = int(world.server.clock.at)
        for kept in await orders.claim(now=now, again_at=now + 60, limit=9):
            await world.server.parts.ordering.wait(kept)
        assert await world.states() == [OrderState.ENDED]
        assert await orders.stock("default") == [
            Shelf("main", "phone", 4, 0),
            Shelf("main", "watch", 4, 0),
        ]


@pytest.mark.parametrize(
    ("language", "title"), [("de-AT", "Nummer mitnehmen"), ("nl", "Verhuis uw nummer")]
)
async def test_the_subscriber_reads_it_in_his_language(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, language: str, title: str
) -> None:
    words = tmp_path / "words.toml"
    words.write_text('[esim.transfer_title]\nnl = "Verhuis uw nummer"\n')
    more = f'[tenants.default]\ntexts = "{words}"\n'
    async with asking(bench, monkeypatch, 'ask_transfer = "confirmation"', more) as world:
        world.phone = world.phone.but(language=language)
        assert (await world.order("3"))["MSG"]["Title"] == title


@pytest.mark.spec("TS.43 §6.5.1")
@pytest.mark.conforms("ap2009.GeneralErrorText")
async def test_an_error_is_told_in_the_subscribers_language(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with asking(bench, monkeypatch, 'ask_new = "pin"') as world:
        world.phone = world.phone.but(language="de-DE, en;q=0.5")
        answer = await world.order()
        assert answer == {
            "OperationResult": "100",
            "GeneralErrorText": "Das ist zurzeit nicht möglich. Bitte wenden Sie sich an den"
            " Kundenservice.",
        }
        # Of what the phone did wrong, the subscriber need not know.
        assert await world.order("9") == {"OperationResult": "101"}


@pytest.mark.conforms("request.MSG_character_display_limits")
async def test_texts_are_as_long_as_the_device_shows_them(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with asking(bench, monkeypatch, 'ask_new = "confirmation"') as world:
        whole = (await world.order())["MSG"]
        limits = {"MSG_character_display_limits": "4,-1, 3,20,-1,-1"}
        short = (await world.order(**limits))["MSG"]
        assert (short["Title"], short["Accept_btn_label"]) == ("New…", "Co…")
        assert short["Message"] == whole["Message"]
        assert short["Reject_btn_label"] == whole["Reject_btn_label"]


@pytest.mark.parametrize(
    "text",
    ["", "1,2,3,4,5", "1,2,3,4,5,6,7", "a,b,c,d,e,f", "-2,1,1,1,1,1", "٣,1,1,1,1,1", "9" * 99],
)
def test_limits_that_make_no_sense_are_none(text: str) -> None:
    assert Limits.pull(text) == Limits()


@pytest.mark.spec("TS.43 §6.5.3")
async def test_android_reads_the_question(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with asking(bench, monkeypatch, 'ask_new = "pin"') as world:
        await world.set_pin()
        phone = world.phone.but(wanted=XML)
        answer = await operate(
            phone, world.token, "ManageSubscription", operation_type="0", **PHONE
        )
        read = Ts43XmlDoc(answer.content).get
        assert read("APPLICATION", "SubscriptionResult") == "8"
        for name in ("Message", "Accept_btn", "Reject_btn", "Accept_freetext"):
            assert read("APPLICATION|MSG", name)
        # Android reads no line breaks in an attribute; JSON has them.
        assert read("APPLICATION|MSG", "Message") == (
            "An eSIM will be added to your contract. Enter the PIN of your account."
        )
        assert (await world.order())["MSG"]["Message"] == (
            "An eSIM will be added to your contract.\r\nEnter the PIN of your account."
        )
        answer = await operate(phone, world.token, "AcquireConfiguration")
        read = Ts43XmlDoc(answer.content).get
        assert read("APPLICATION|PrimaryConfiguration", "ServiceStatus") == "3"
        assert read("APPLICATION|PrimaryConfiguration|MSG", "Accept_freetext") == "1"


async def test_whoever_decides_may_demand_a_question(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def demanded(*args: Any, **more: Any) -> Any:
        return await prepared(*args, **(more | {"inquiry": Inquiry.PIN}))

    monkeypatch.setattr(esim, "prepared", demanded)
    async with asking(bench, monkeypatch, 'ask_new = "confirmation"') as world:
        await world.set_pin()
        # The stricter of two counts.
        assert (await world.order())["MSG"]["Accept_freetext"] == "1"
    async with opened(bench, monkeypatch) as companion:
        # Nobody can be asked on the phone of a companion: then there is no order.
        answer = await companion.subscribe(WATCH)
        assert answer["OperationResult"] == "100"
        assert companion.books.calls == []


async def test_a_page_confirms_and_a_pin_goes_before_it(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = 'portal = "always"\n'
    async with asking(bench, monkeypatch, page + 'ask_new = "confirmation"') as world:
        assert (await world.order())["SubscriptionResult"] == "1"
    async with asking(bench, monkeypatch, page + 'ask_new = "pin"') as world:
        await world.set_pin()
        await world.order(**SECOND)
        assert (await world.order(**SECOND))["SubscriptionResult"] == "8"
        assert (await world.order(**SECOND, **RIGHT))["SubscriptionResult"] == "2"


async def test_an_export_says_that_there_is_a_pin_and_not_which(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with asking(bench, monkeypatch, 'ask_new = "pin"') as world:
        await world.set_pin()
        store, ring = world.server.store.real, world.server.ring
        subscription = await subscriptions.find(store, "default", ALLOWED.digits)
        told = await subscriptions.export(store, subscription, ring)
        assert told["account_pin"] == {"set_at": told["account_pin"]["set_at"], "tries": 0}
        kept = await store.pins.find("default", ALLOWED)
        assert kept is not None
        assert PIN not in json.dumps(told)
        assert kept.digest.hex() not in json.dumps(told)
        assert kept.digest.hex() not in repr(kept)
        await subscriptions.erase(store, subscription, ring, now=90, switched=())
        assert await store.pins.find("default", ALLOWED) is None


@pytest.mark.parametrize("key", ["ask_new", "ask_transfer"])
def test_companions_are_asked_nothing(bench: Workbench, key: str) -> None:
    settings = SETTINGS.replace("most = 2", f'most = 2\n{key} = "pin"').replace("{more}", "")
    with pytest.raises(StartRefused, match=f'esim.watch.{key}: is for app = "primary" alone'):
        bench.loaded(settings)
