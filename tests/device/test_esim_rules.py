"""Who may have an eSIM: lists, facts of risk, limits, and the same answer before and after."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from simgrant.adapters.store.sql.store import SqlStore
from simgrant.domain.line_marks import LineMark, MarkName
from simgrant.domain.order import OrderState
from simgrant.errors import PeerUnavailable, StartRefused
from simgrant.identities import Imsi, Msisdn
from simgrant.ports.store import Change
from tests.device.esim import EID, OTHER_EID, SECOND, SETTINGS, WATCH, World, opened
from tests.device.harness import ALLOWED, NO_CONSENT, NO_VOWIFI, START, Answer, Workbench
from tests.device.partner import operate

GOOD = WATCH | {"companion_terminal_id": "350000000000014"}
"""A watch whose IMEI has its check digit."""
PHONE = {"target_terminal_id": "350000000000032", "target_terminal_eid": EID}
OLD_ICCID = "8944110000000000013"
RULES = """
[plans.standard]
features = ["companion", "esim", "smsoip"]
[plans.basic]
features = ["companion", "esim"]
{rules}
[[rule]]
id = "in-plan"
when = {{ in_plan = true }}
result = "allowed"
"""


def rule(when: str, result: str = "denied", *, name: str = "no", app: str = "") -> str:
    features = f'"{app}"' if app else '"companion", "esim"'
    return (
        f'[[rule]]\nid = "{name}"\nfeatures = [{features}]\nwhen = {{ {when} }}\n'
        f'result = "{result}"\n'
    )


@asynccontextmanager
async def ruled(
    bench: Workbench,
    monkeypatch: pytest.MonkeyPatch,
    rules: str = "",
    app: str = "ap2006",
    *,
    more: str = "",
    table: str = "",
) -> AsyncIterator[World]:
    """Open a world with these rules; ``table`` goes into both tables of eSIMs."""
    (bench.directory / "rules.toml").write_text(RULES.format(rules=rules))
    extended = re.sub(r"(?m)^(profile_type = .*)$", rf"\1\n{table}", SETTINGS)
    monkeypatch.setattr("tests.device.esim.SETTINGS", extended)
    tenant = '[tenants.default]\npolicy = "rules.toml"\nplmns = ["001-01"]\n'
    async with opened(bench, monkeypatch, app, more=f"{tenant}{more}") as world:
        yield world


async def eligible(world: World, **device: str) -> str:
    """Return CheckEligibility's word: 0 disabled, 1 enabled, 2 incompatible."""
    told = await world.ask("CheckEligibility", **device)
    found = [value for name, value in told.items() if name.endswith("AppEligibility")]
    assert len(found) == 1, told
    return str(found[0])


async def last(world: World) -> dict[str, Any]:
    return (await world.server.records())[-1]


async def note(world: World, *marks: tuple[MarkName, str], at: int = START) -> None:
    made = [LineMark(name, value, at) for name, value in marks]
    await world.server.store.real.set_marks("default", ALLOWED, made)


async def of_another(world: World, imsi: Imsi) -> World:
    """Return the same world seen by the phone of another subscription."""
    phone = world.phone.but(imsi=imsi)
    return World(world.server, world.books, phone, await phone.token())


def counted(world: World, name: str, **labels: str) -> float:
    return world.server.parts.metrics.registry.get_sample_value(name, labels) or 0.0


REFUSED = {
    "OperationResult": "100",
    "GeneralErrorText": "This is not possible at the moment. Please contact customer care.",
}
"""Whatever rule or limit it was."""


# --- companions ---------------------------------------------------------------------------------


async def test_rules_look_at_how_many_companions_there_are(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = rule("companions = { at_least = 1 }", name="one-is-enough", app="companion")
    alone = (
        '[[rule]]\nid = "no-watch"\nfeatures = ["smsoip"]\n'
        'when = { active_companions = { under = 1 } }\nresult = "denied"\n'
    )
    async with ruled(bench, monkeypatch, full + alone) as world:
        phone = world.phone.but(apps=("ap2005",), app_name="ims")

        async def told() -> tuple[str, list[Any], dict[str, int]]:
            await phone.full()
            record = await last(world)
            facts = record["facts"].get("companions", [])
            return record["decisions"][0]["rule"], facts, record["ages"]

        assert (await told())[:2] == ("no-watch", [])
        assert (await world.subscribe())["SubscriptionResult"] == "2"
        assert (await told())[:2] == ("no-watch", [[1, 0], "eSIM orders"])
        (order,) = await world.server.store.real.orders.of("default", ALLOWED)
        assert order.iccid is not None
        active = {"companion_terminal_iccid": order.iccid.digits, "operation_type": "10"}
        done = await world.ask("ManageService", **WATCH, **active)
        assert done["ServiceStatus"] == "1"
        world.server.clock.advance(7)
        rule_, facts, ages = await told()
        assert (rule_, facts) == ("in-plan", [[1, 1], "eSIM orders"])
        assert ages["eSIM orders"] == 7
        # A second one is refused; the first one still finds its order.
        assert await world.subscribe(SECOND) == REFUSED
        assert (await last(world))["detail"] == "one_is_enough"
        assert (await world.subscribe())["SubscriptionResult"] == "2"


# --- lists -------------------------------------------------------------------------------------


async def test_a_list_of_tacs_says_which_watches_may(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = bench.directory / "tacs.csv"
    path.write_text("tac,vendor,model,allow\n35000000,ACME,W1,no\n")
    more = '[tac_lists.watches]\nfile = "tacs.csv"\n'
    rules = rule('tac_list = "denied"', name="device-denied")
    async with ruled(bench, monkeypatch, rules, more=more, table='tac_list = "watches"') as world:
        assert await eligible(world, **WATCH) == "2"
        assert await world.subscribe() == REFUSED
        record = await last(world)
        assert record["detail"] == "device_denied"
        assert record["decisions"][0]["rule"] == "device-denied"
        assert record["facts"]["tac_list"] == ["denied", "list watches"]
        # Before the watch is named, nothing speaks against it.
        assert await eligible(world) == "1"
        # Without a restart; a bad file leaves the old one in use, and is said.
        (watched,) = (each for each in world.server.parts.watched if each._paths == (path,))
        path.write_text("tac,vendor,model,allow\n35000000,ACME,W1,perhaps\n")
        assert not watched.look(forced=True)
        (said,) = (e for e in world.server.events if e["event"] == "device_list_not_renewed")
        assert "line 2: allow must be yes or no" in said["error"]
        assert await world.subscribe() == REFUSED
        path.write_text("tac,vendor,model,allow\n35000000,ACME,W1,yes\n")
        assert watched.look(forced=True)
        assert (await world.subscribe())["SubscriptionResult"] == "2"


async def test_only_euiccs_of_a_list_may(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    (bench.directory / "eids.csv").write_text(f"eid,vendor,allow\n{EID[:30]},ACME,yes\n")
    more = '[eid_lists.ours]\nfile = "eids.csv"\n'
    rules = rule('eid_list = { not = "allowed" }', name="no-euicc")
    async with ruled(bench, monkeypatch, rules, more=more, table='eid_list = "ours"') as world:
        foreign = WATCH | {"companion_terminal_eid": "89059032123451234512345678901208"}
        assert await world.subscribe(foreign) == REFUSED
        # Who leaves it out gets no further, and who only asks may name it later.
        nameless = {name: value for name, value in WATCH.items() if not name.endswith("eid")}
        assert await world.subscribe(nameless) == REFUSED
        assert await eligible(world, **nameless) == "1"
        assert (await world.subscribe())["SubscriptionResult"] == "2"


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ('[tac_lists.a]\nfile = "none.csv"\n', "tac_lists.a.file: "),
        ('[eid_lists.a]\nfile = "bad.csv"\n', "bad.csv: line 1: the first row must be"),
        ("[tac_lists.a]\n", "tac_lists.a.file: must be set"),
        ('[esim.x]\ntac_list = "gone"\n', "esim.x.tac_list: there is no [tac_lists.gone]"),
        ("[esim.x]\nwindow_h = 745\n", "esim.x.window_h: 745 is not within 1 to 744"),
        ("[esim.x]\nsign_in_life_s = 5\n", "esim.x.sign_in_life_s"),
    ],
)
async def test_what_cannot_be_is_refused_at_start(
    bench: Workbench, settings: str, problem: str
) -> None:
    (bench.directory / "bad.csv").write_text("tac\n")
    with pytest.raises(StartRefused) as refused:
        async with bench.opened(settings):
            pass
    assert problem in str(refused.value)


# --- facts of risk -----------------------------------------------------------------------------


async def test_a_line_rests_after_its_sim_was_swapped(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with ruled(bench, monkeypatch, rule("sim_age_h = { under = 72 }", name="rest")) as world:
        # The subscription is a quarter of an hour old.
        assert await world.subscribe() == REFUSED
        record = await last(world)
        assert record["detail"] == "rest"
        assert record["facts"]["sim_age_h"] == [0, "subscription"]
        assert record["ages"]["subscription"] == 1000
        await note(world, (MarkName.SIM_SINCE, str(START - 71 * 3600 - 3599)))
        assert await world.subscribe() == REFUSED
        assert (await last(world))["facts"]["sim_age_h"] == [71, "SIM swap"]
        await note(world, (MarkName.SIM_SINCE, str(START - 72 * 3600)))
        assert await eligible(world, **WATCH) == "1"
        # Another card in the phone, and it begins anew.
        await note(world, (MarkName.ICCID, "8944110000000000013"))
        await note(world, (MarkName.ICCID, "8944110000000000021"), at=START + 1)
        assert await eligible(world, **WATCH) == "2"
        assert (await last(world))["facts"]["sim_age_h"] == [0, "ICCID"]


async def test_a_number_that_moved_makes_the_sim_new(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with ruled(bench, monkeypatch, rule("sim_age_h = { under = 2 }")) as world:
        world.server.clock.advance(3 * 3600)
        assert await eligible(world, **WATCH) == "1"
        now = int(world.server.clock.now())
        change = Change(msisdn=Msisdn("447700912345"))
        await world.server.store.real.change("default", ALLOWED, change, now=now)
        assert await eligible(world, **WATCH) == "2"


async def test_a_phone_has_to_have_been_seen_for_a_while(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = rule('imei_age_h = { under = 24 }, kind = "transfer"', app="esim")
    async with ruled(bench, monkeypatch, rules, "ap2009") as world:
        assert await world.ask("ManageSubscription", operation_type="3", **PHONE) == REFUSED
        assert (await last(world))["facts"]["imei_age_h"] == [0, "terminal"]
        # A new line may be had all the same, so it is offered; the record says what is not.
        assert await eligible(world, **PHONE) == "1"
        assert (await last(world))["detail"] == "transfer: no"
        world.server.clock.advance(24 * 3600)
        answer = await world.ask("ManageSubscription", operation_type="3", **PHONE)
        assert answer["SubscriptionResult"] == "2"


async def test_a_locked_line_is_not_moved(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(bench, monkeypatch, "ap2009") as world:
        await note(world, (MarkName.PORT_FREEZE, "yes"))
        moved = await world.ask("ManageSubscription", operation_type="3", **PHONE)
        assert moved == REFUSED
        assert (await last(world))["detail"] == "port_freeze"
        recovered = await world.ask(
            "ManageSubscription", operation_type="7", terminal_iccid=OLD_ICCID, **PHONE
        )
        assert recovered == REFUSED
        await note(world, (MarkName.PORT_FREEZE, "no"))
        moved = await world.ask("ManageSubscription", operation_type="3", **PHONE)
        assert moved["SubscriptionResult"] == "2"


@pytest.mark.parametrize(
    ("when", "mark"),
    [
        ("prepaid = true", (MarkName.PREPAID, "yes")),
        ('number_type = { in = ["voip", "fixed"] }', (MarkName.NUMBER_TYPE, "voip")),
    ],
)
async def test_kinds_of_lines_are_told_apart(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch, when: str, mark: tuple[MarkName, str]
) -> None:
    async with ruled(bench, monkeypatch, rule(when)) as world:
        assert await eligible(world, **WATCH) == "1"
        await note(world, mark)
        assert await eligible(world, **WATCH) == "2"
        assert await world.subscribe() == REFUSED


async def test_a_store_that_is_away_is_no_sign_that_all_is_well(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with ruled(bench, monkeypatch) as world:

        async def away(*_: object) -> list[LineMark]:
            raise PeerUnavailable("risk_down")

        monkeypatch.setattr(SqlStore, "marks", away)
        answer = await operate(
            world.phone, world.token, "ManageSubscription", operation_type="0", **WATCH
        )
        assert answer.status == 503
        assert await world.server.store.real.orders.of("default", ALLOWED) == []


async def test_a_refused_recovery_leaves_the_profile_that_there_is(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = rule('kind = "recover"')
    async with ruled(bench, monkeypatch, rules, "ap2009") as world:
        moved = await world.ask("ManageSubscription", operation_type="3", **PHONE)
        iccid = moved["DownloadInfo"]["ProfileIccid"]
        await world.ask("ManageSubscription", operation_type="4", **PHONE)
        answer = await world.ask(
            "ManageSubscription", operation_type="7", terminal_iccid=iccid, **PHONE
        )
        assert answer == REFUSED
        (order,) = await world.server.store.real.orders.of("default", ALLOWED)
        assert order.state is OrderState.ACTIVE


# --- limits ------------------------------------------------------------------------------------


async def test_a_line_orders_so_often_in_a_while(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with ruled(bench, monkeypatch, table="per_line = 2\nwindow_h = 2") as world:
        for _ in range(2):
            assert (await world.subscribe())["SubscriptionResult"] == "2"
            for kind in ("4", "1"):
                await world.ask("ManageSubscription", operation_type=kind, **WATCH)
        assert await eligible(world, **WATCH) == "0"
        assert (await last(world))["detail"] == "too_often_for_line"
        assert await world.subscribe() == REFUSED
        assert counted(
            world,
            "simgrant_esim_refused_total",
            tenant="default",
            app="ap2006",
            reason="too_often_for_line",
        )
        world.server.clock.advance(2 * 3600)
        assert (await world.subscribe())["SubscriptionResult"] == "2"


async def test_one_device_for_many_lines_is_noticed(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = "per_eid = 2\nper_imei = 2\nlines_per_eid = 0"
    async with ruled(bench, monkeypatch, app="ap2009", table=table) as world:
        for imsi in (ALLOWED, NO_CONSENT):
            other = await of_another(world, imsi)
            answer = await other.ask("ManageSubscription", operation_type="0", **PHONE)
            assert answer["SubscriptionResult"] == "2"
        last_one = await of_another(world, NO_VOWIFI)
        assert await eligible(last_one, **PHONE) == "0"
        assert await last_one.ask("ManageSubscription", operation_type="0", **PHONE) == REFUSED
        assert (await last(world))["detail"] == "too_often_for_eid"
        nameless = {"target_terminal_id": PHONE["target_terminal_id"] + "0"}
        answer = await last_one.ask("ManageSubscription", operation_type="0", **nameless)
        assert answer == REFUSED
        assert (await last(world))["detail"] == "too_often_for_imei"


async def test_two_who_race_for_the_last_one_do_not_both_get_it(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with ruled(bench, monkeypatch, table="per_imei = 1") as world:
        second = await of_another(world, NO_CONSENT)
        eid = {"companion_terminal_eid": OTHER_EID}
        answers = await asyncio.gather(world.subscribe(), second.subscribe(WATCH | eid))
        assert sorted(answer["OperationResult"] for answer in answers) == ["1", "100"]
        assert len(world.books.ordered) == 1


async def test_an_euicc_with_somebody_else_s_profile_is_left_alone(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with ruled(bench, monkeypatch) as world:
        await world.subscribe()
        (before,) = await world.server.store.real.orders.of("default", ALLOWED)
        other = await of_another(world, NO_CONSENT)
        assert await eligible(other, **WATCH) == "0"
        assert await other.subscribe() == REFUSED
        assert (await last(world))["detail"] == "eid_of_another"
        assert await world.server.store.real.orders.of("default", ALLOWED) == [before]
        # Handed over: the first owner gives it up, and it may be had.
        await world.ask("ManageSubscription", operation_type="1", **WATCH)
        assert (await other.subscribe())["SubscriptionResult"] == "2"


async def test_nobody_takes_the_place_of_somebody_else_s_profile(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with ruled(bench, monkeypatch, app="ap2009") as world:
        moved = await world.ask("ManageSubscription", operation_type="3", **PHONE)
        iccid = moved["DownloadInfo"]["ProfileIccid"]
        thief = await of_another(world, NO_CONSENT)
        fresh = {"target_terminal_id": "350000000000040", "target_terminal_eid": OTHER_EID}
        for kind, name in (("3", "old_terminal_iccid"), ("7", "terminal_iccid")):
            answer = await thief.ask(
                "ManageSubscription", operation_type=kind, **{name: iccid}, **fresh
            )
            assert answer == {"OperationResult": "102"}
            assert (await last(world))["detail"] == "an ICCID is of another line"
        (order,) = await world.server.store.real.orders.of("default", ALLOWED)
        assert order.state is OrderState.RELEASED


# --- check digits ------------------------------------------------------------------------------


async def test_wrong_check_digits_are_noted(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with ruled(bench, monkeypatch) as world:
        answer = await world.subscribe(GOOD | {"companion_terminal_eid": EID[:-1] + "6"})
        assert answer["SubscriptionResult"] == "2"
        assert (await last(world))["detail"] == "check digits are wrong: eid"
        labels = {"tenant": "default", "parameter": "eid"}
        assert counted(world, "simgrant_parameter_doubts_total", **labels) == 1
        await world.subscribe(GOOD | {"companion_terminal_id": "350000000000022"})
        assert "detail" not in await last(world)


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        ({"companion_terminal_id": WATCH["companion_terminal_id"]}, "imei"),
        ({"companion_terminal_eid": EID[:-1] + "6"}, "eid"),
    ],
)
async def test_wrong_check_digits_are_refused_where_that_is_wanted(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch, changed: dict[str, str], name: str
) -> None:
    async with ruled(bench, monkeypatch, table='parameters = "strict"') as world:
        assert await world.subscribe(GOOD | changed) == {"OperationResult": "102"}
        assert (await last(world))["detail"] == f"check digits are wrong: {name}"
        told = await world.ask("CheckEligibility", **(GOOD | changed))
        assert told == {"OperationResult": "102"}
        assert (await world.subscribe(GOOD))["SubscriptionResult"] == "2"


@pytest.mark.spec("TS.43 §6.2")
@pytest.mark.conforms("needed.companion-subscription")
@pytest.mark.parametrize("name", ["vendor", "eid", "friendly_name"])
async def test_what_a_watch_leaves_out_is_noted_or_refused(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    missing = f"companion_terminal_{name}"
    less = {key: value for key, value in GOOD.items() if key != missing}
    async with ruled(bench, monkeypatch) as world:
        assert (await world.subscribe(less))["SubscriptionResult"] == "2"
        assert (await last(world))["detail"] == f"missing: {missing}"
        labels = {"tenant": "default", "parameter": missing}
        assert counted(world, "simgrant_parameter_doubts_total", **labels) == 1
    async with ruled(bench, monkeypatch, table='parameters = "strict"') as world:
        assert await world.subscribe(less) == {"OperationResult": "102"}
        assert (await last(world))["detail"] == f"missing: {missing}"
        await world.subscribe(GOOD)
        deactivated = await world.ask("ManageSubscription", operation_type="6", **less)
        # Its name is wanted where it is activated.
        named = {"SubscriptionResult": "3"} if name == "friendly_name" else {}
        assert deactivated == {"OperationResult": "1" if named else "102"} | named


@pytest.mark.spec("TS.43 §6.2")
@pytest.mark.conforms("needed.companion-service")
async def test_the_service_that_is_switched_and_its_profile_have_to_be_named(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = {"companion_terminal_service": "SharedNumber", "operation_type": "11"}
    for table, without in (("", "1"), ('parameters = "strict"', "102")):
        async with ruled(bench, monkeypatch, table=table) as world:
            iccid = (await world.subscribe(GOOD))["DownloadInfo"]["ProfileIccid"]
            await world.ask("ManageSubscription", operation_type="4", **GOOD)
            own = {"companion_terminal_iccid": iccid}
            told = await world.ask("ManageService", operation_type="11", **own)
            assert told["OperationResult"] == without
            assert (await last(world))["detail"] == "missing: companion_terminal_service"
            told = await world.ask("ManageService", **service)
            assert told == {"OperationResult": "102"}
            told = await world.ask("ManageService", **service, **own)
            assert told["OperationResult"] == "1"
            assert "detail" not in await last(world)


# --- before anybody signs in --------------------------------------------------------------

PAGE = "https://www.example.net/not-supported"


@pytest.mark.spec("TS.43 §7.7")
@pytest.mark.conforms("oidc.early-no")
async def test_a_watch_that_a_list_denies_is_turned_away_before_the_sign_in(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    (bench.directory / "tacs.csv").write_text("tac,vendor,model,allow\n35000000,ACME,W1,no\n")
    table = f'tac_list = "watches"\nnot_eligible_url = "{PAGE}"'
    more = '[tac_lists.watches]\nfile = "tacs.csv"\n'
    async with opened(bench, monkeypatch, more=more, watch=table) as world:
        phone = world.phone

        async def asked(apps: tuple[str, ...] = ("ap2006",), **more: str) -> Answer:
            named = phone.but(apps=apps, extra=(("operation", "CheckEligibility"), *more.items()))
            return await world.server.get(named.query(), *named.headers(phone.wanted))

        answer = await asked(companion_terminal_id=WATCH["companion_terminal_id"])
        assert (answer.status, answer.header("location")) == (302, PAGE)
        assert (await last(world))["detail"] == "companion_not_eligible"
        # Of others, and of those who say nothing, nobody knows yet.
        assert (await asked(companion_terminal_id="990000862471854")).status == 511
        assert (await asked()).status == 511
        watch = {"companion_terminal_id": WATCH["companion_terminal_id"]}
        assert (await asked(("ap2009",), **watch)).status == 511
