"""`simgrant explain --ask`: what the BSS says now, and nothing of it stays."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from simgrant.cli.app import app
from simgrant.sim.bss.faults import Fault, Plan
from simgrant.sim.bss.server import Bss
from simgrant.sim.sims import demo_sims
from tests.bss_examples import settings_of

SIM = demo_sims()[0]


@dataclass
class Site:
    folder: Path
    bss: Bss

    async def command(self, *arguments: str, code: int = 0) -> str:
        file = str(self.folder / "simgrant.toml")
        done = await asyncio.to_thread(
            CliRunner().invoke, app, ["--config", file, *arguments], catch_exceptions=False
        )
        assert done.exit_code == code, done.output
        return done.output

    async def ask(self) -> dict[str, Any]:
        said = await self.command("explain", SIM.imsi.digits, "vowifi", "--ask", "--json")
        found: dict[str, Any] = json.loads(said)["bss"]
        return found


@pytest.fixture
async def site(template: Path, tmp_path: Path) -> AsyncIterator[Site]:
    folder = Path(shutil.copytree(template, tmp_path / "site"))
    bss = Bss([SIM])
    await bss.up()
    (folder / "bss.password").write_text("s3cret\n")
    file = folder / "simgrant.toml"
    before = file.read_text()
    examples = settings_of("bss-rest", bss.web.url)
    file.write_text(before + examples[examples.index("[bss.crm]") :])
    found = Site(folder, bss)
    number = SIM.msisdn.e164 if SIM.msisdn else ""
    command = ("subscription", "add", SIM.imsi.digits, "--plan", "basic", "--no-key")
    await found.command(*command, "--msisdn", number)
    try:
        yield found
    finally:
        await bss.down()


async def test_what_it_says_now_stands_beside_what_is_known(site: Site) -> None:
    asked = await site.ask()
    assert (asked["bss"], asked["outcome"], asked["before_at"]) == ("bss.crm", "told", None)
    said = {each["aspect"]: (each["now"], each["before"]) for each in asked["said"]}
    assert said["plan"] == ("standard", None)
    assert said["status"] == ("active", None)
    assert said["terms"] == ("given", None)
    assert "sim_since" not in said, "no rule looks at it"
    assert asked["ms"] > 0
    # Nothing of it stays: it decides nothing, and it is not known the next time.
    assert (await site.ask())["before_at"] is None
    output = await site.command("explain", SIM.imsi.digits, "vowifi", "--ask")
    assert "bss.crm says now" in output
    assert "KNOWN (never before)" in output
    facts = json.loads(await site.command("explain", SIM.imsi.digits, "vowifi", "--json"))
    assert facts["facts"]["plan"]["value"] == "basic"
    assert "bss" not in facts


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [(Fault.NOBODY, "unknown"), (Fault.OTHER_SUBSCRIBER, "bss_other_subscriber")],
)
async def test_trouble_is_said_and_no_error(site: Site, fault: Fault, outcome: str) -> None:
    site.bss.plan = Plan(fault=fault)
    asked = await site.ask()
    assert asked["outcome"] == outcome
    assert {each["now"] for each in asked["said"]} == {None}
    assert bool(asked["detail"]) is (outcome != "unknown")
    output = await site.command("explain", SIM.imsi.digits, "vowifi", "--ask")
    assert ("get 503" in output) is (outcome != "unknown"), "and not what its own rows say"


async def test_where_there_is_no_bss_nobody_is_asked(template: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(template, tmp_path / "site"))
    site = Site(folder, Bss([SIM]))
    await site.command("subscription", "add", SIM.imsi.digits, "--plan", "basic", "--no-key")
    said = await site.command("explain", SIM.imsi.digits, "vowifi", "--ask", code=2)
    assert "no BSS is asked" in said
