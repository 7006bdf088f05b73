"""What phones get of each service while the operator's BSS is gone, slow, wrong or flapping.

Over sockets, with the simulator as the BSS. A phone asks for each service when nothing is known of
its subscription, when what is known may still be told, and when that is too old; and all of them
once the BSS is well again. docs/bss-faults.md has the same table and is held against it.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

import pytest

from simgrant.domain.told import REALTIME, USUAL
from simgrant.services import SERVICES
from simgrant.sim.bss import faults
from simgrant.sim.bss.server import Bss
from simgrant.sim.sims import demo_sims
from tests.clocks import set_clock
from tests.device.harness import ALLOWED, Answer, Phone, Server, Workbench, service
from tests.device.test_network_data import Clock

PAGE: Final = Path(__file__).parents[2] / "docs/bss-faults.md"
HOUR_S: Final = 3600
SHORT_S: Final = 0.3
"""``timeout_s`` of a BSS that lets it pass."""
VALIDITY_S: Final = 172_800
"""``documents.validity_s``, and more than what is told while the BSS is away ever holds."""
SIMS: Final = [sim for sim in demo_sims() if sim.imsi == ALLOWED]
EXTRA: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {
    "ap2012": (("store_vendor", "google"), ("store_user_id", "u1")),
}
"""What a request for a service must have."""


class Fault(StrEnum):
    """What is wrong with the BSS."""

    DOWN = "down"
    SLOW = "slow"
    WRONG = "wrong"
    FLAPPING = "flapping"


class Known(StrEnum):
    """What is known of the subscription."""

    NOTHING = "nothing"
    SINCE_HOURS = "seven hours old"
    TOO_OLD = "25 hours old"


MEANS: Final = {
    Fault.DOWN: "nobody listens",
    Fault.SLOW: "the answer comes after a minute",
    Fault.WRONG: "it tells of another subscriber",
    Fault.FLAPPING: "every other request is answered by 503",
}
PLANS: Final = {
    Fault.SLOW: faults.Plan(fault=faults.Fault.SLOW, delay_s=60),
    Fault.WRONG: faults.Plan(fault=faults.Fault.OTHER_SUBSCRIBER),
    Fault.FLAPPING: faults.Plan(fault=faults.Fault.FLAPPING, retry_after_s=None),
}


def told(fault: Fault, app: str, known: Known) -> str:
    """Return what a phone gets: ``asked`` (the BSS after all), ``known``, or ``503``."""
    if fault is Fault.FLAPPING:
        return "asked"
    keeps = USUAL.get(app, REALTIME).known_s > 0
    return "known" if keeps and known is Known.SINCE_HOURS else "503"


@dataclass
class World:
    """A server, its BSS, and a phone that has a token for every service."""

    server: Server
    bss: Bss
    clock: Clock
    phone: Phone
    token: str

    async def ask(self, app: str) -> Answer:
        return await self.phone.fast(self.token, apps=(app,), extra=EXTRA.get(app, ()))

    async def begin(self, fault: Fault) -> None:
        self.bss.plan = PLANS.get(fault)
        if fault is Fault.DOWN:
            await self.bss.down()

    async def end(self, fault: Fault) -> None:
        self.bss.plan = None
        if fault is Fault.DOWN:
            await self.bss.up()
        self.clock.ahead += 60  # Nobody tries for a while what has failed time and again.

    async def age(self) -> int:
        """Return how old the last request's record has what the BSS told."""
        record = (await self.server.records())[-1]
        ages = {age for source, age in record["ages"].items() if "bss.crm" in source}
        assert len(ages) == 1
        return int(ages.pop())


@asynccontextmanager
async def world(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch, timeout_s: float
) -> AsyncIterator[World]:
    clock = Clock()
    set_clock(monkeypatch, clock)
    async with bench.opened() as server:
        phone = Phone(server, ALLOWED)
        asking = phone.but(apps=tuple(SERVICES), extra=EXTRA["ap2012"])
        token = await asking.token()
    bss = Bss(SIMS, clock=clock.now)
    await bss.up()
    for line in bss.lines:
        line.msisdn = f"4477009{ALLOWED.digits[-5:]}"
    settings = (
        f'[bss.crm]\nurl = "{bss.web.url}"\ntimeout_s = {timeout_s}\n'
        '[bss.crm.products]\nplans = { standard = "standard", premium = "premium" }\n'
        f"[documents]\nvalidity_s = {VALIDITY_S}\n"
    )
    try:
        async with bench.opened(settings) as server:
            yield World(server, bss, clock, Phone(server, ALLOWED), token)
    finally:
        await bss.down()


def validity_of(answer: Answer) -> int:
    return int(answer.phone.get("VERS", "validity") or "")


@pytest.mark.parametrize("fault", Fault)
async def test_what_a_phone_gets_while_the_bss_fails(
    fault: Fault, bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    timeout_s = SHORT_S if fault is Fault.SLOW else 5
    async with world(bench, monkeypatch, timeout_s) as here:
        for known in Known:
            await here.begin(fault)
            for app in SERVICES:
                answer = await here.ask(app)
                match told(fault, app, known):
                    case "503":
                        assert answer.status == 503, (app, known)
                        assert int(answer.header("retry-after")) > 0
                    case "known":
                        assert answer.status == 200, (app, known)
                        assert 7 * HOUR_S <= await here.age() < 7 * HOUR_S + 120
                        assert validity_of(answer) <= HOUR_S * 1.25
                    case _:
                        assert answer.status == 200, (app, known)
                        assert validity_of(answer) > HOUR_S * 2
                if answer.status == 200 and app == "ap2004":
                    # It is never switched off by that.
                    assert service(answer, app)["EntitlementStatus"] == "1"
            await here.end(fault)
            for app in SERVICES:
                assert (await here.ask(app)).status == 200, (app, known)
            here.clock.ahead += 7 * HOUR_S if known is Known.NOTHING else 25 * HOUR_S


async def test_several_services_get_what_does_for_the_strictest(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A document without one of them would switch that one off."""
    async with world(bench, monkeypatch, 5) as here:
        assert (await here.ask("ap2004")).status == 200
        here.clock.ahead += 7 * HOUR_S
        await here.begin(Fault.DOWN)
        assert (await here.phone.fast(here.token, apps=("ap2003", "ap2004"))).status == 200
        assert (await here.phone.fast(here.token, apps=("ap2004", "ap2006"))).status == 503


async def test_what_the_bss_says_is_what_a_phone_gets(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(bench, monkeypatch, 5) as here:
        (line,) = here.bss.lines
        assert service(await here.ask("ap2004"), "ap2004")["EntitlementStatus"] == "1"
        record = (await here.server.records())[-1]
        assert record["facts"]["plan"] == ["standard", "subscription, bss.crm"]
        assert record["peers_us"]["bss"] > 0
        line.plan = "basic"
        # The plan is none that is known here: that is a mistake, and not a refusal.
        assert (await here.ask("ap2009")).status == 503
        line.plan = "premium"
        assert (await here.ask("ap2009")).status == 200
        # It is good for those that do not ask themselves, and another document.
        before = len(here.bss.seen)
        assert (await here.ask("ap2004")).status == 200
        assert len(here.bss.seen) == before
        here.bss.plan = faults.Plan(fault=faults.Fault.NOBODY)
        assert (await here.ask("ap2009")).status == 403
        record = (await here.server.records())[-1]
        assert record["outcome"] == "bss_no_subscription"


# --- the page ----------------------------------------------------------------------------------

_CELLS: Final = {"503": "503", "known": "what is known, an hour", "asked": "as ever"}


def _table() -> list[list[str]]:
    rows = [["service", "what is known", *Fault]]
    rows.append(["", "", *(MEANS[fault] for fault in Fault)])
    for app, each in SERVICES.items():
        for known in Known:
            cells = (_CELLS[told(fault, app, known)] for fault in Fault)
            rows.append([f"{each.name} ({app})", known.value, *cells])
    return rows


def test_the_page_has_what_is_tested() -> None:
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("|")]
    found = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert [row for row in found if not re.fullmatch(r"[-: ]+", row[0])] == _table()
