"""`simgrant audit`, and what the commands have written down."""

from __future__ import annotations

import json
import os
import pwd
import shutil
from contextlib import closing
from pathlib import Path

import apsw
import pytest
from typer.testing import CliRunner

from simgrant.cli.app import app
from tests.management.world import IMSI


@pytest.fixture
def site(template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(template, tmp_path / "site"))


def command(site: Path, *arguments: str, code: int = 0) -> str:
    done = CliRunner().invoke(app, ["--config", str(site / "simgrant.toml"), *arguments])
    assert done.exit_code == code, done.output
    return done.output


def test_what_commands_change_is_written_down(site: Path) -> None:
    command(site, "subscription", "add", IMSI, "--plan", "standard", "--no-key")
    command(site, "subscription", "set", IMSI, "--plan", "premium", "--prepaid", "yes")
    command(site, "subscription", "boost", IMSI, "166")
    command(site, "token", "revoke", IMSI)
    command(site, "subscription", "notify", IMSI, code=1)
    command(site, "subscription", "erase", IMSI, "--yes")
    found = json.loads(command(site, "audit", "list", "--subscription", IMSI, "--json"))
    assert [(each["call"], each["detail"]) for each in found] == [
        ("subscription add", ""),
        ("subscription set", "plan,prepaid"),
        ("subscription boost", "boost 166"),
        ("token revoke", ""),
        ("subscription erase", ""),
    ]
    assert {each["client"] for each in found} == {"cli"}
    assert {each["actor"] for each in found} == {pwd.getpwuid(os.getuid()).pw_name}
    assert IMSI not in command(site, "audit", "list")
    assert "5 entries" in command(site, "audit", "check")
    with closing(apsw.Connection(str(site / "state/simgrant.db"))) as db, db:
        db.execute("DELETE FROM audit_entry WHERE number = 4")
    assert "entry 4: it is missing" in command(site, "audit", "check", code=1)


def test_an_import_is_one_entry(site: Path) -> None:
    file = site / "rows.csv"
    file.write_text(f"imsi,plan\n{IMSI},standard\n001010000000002,standard\n")
    command(site, "subscription", "import", str(file))
    command(site, "subscription", "import", str(file), "--yes")
    (entry,) = json.loads(command(site, "audit", "list", "--json"))
    assert (entry["call"], entry["detail"], entry["subject"]) == (
        "subscription import",
        "2 rows",
        "import",
    )


def test_check_config_looks_at_who_may_call(site: Path) -> None:
    said = command(site, "check-config", "--offline", "--json")
    found = [each for each in json.loads(said)["findings"] if each["topic"] == "api"]
    assert [each["level"] for each in found if "for root, care" in each["text"]] == ["ok"]
    (site / "care").unlink()
    output = CliRunner().invoke(
        app, ["--config", str(site / "simgrant.toml"), "check-config", "--offline", "--json"]
    )
    (problem,) = [each for each in json.loads(output.stdout)["findings"] if each["topic"] == "api"]
    assert problem["level"] == "problem"
    assert "care" in problem["text"]


def test_what_is_done_to_orders_and_stock_is_written_down(site: Path) -> None:
    with (site / "simgrant.toml").open("a") as file:
        file.write(
            '[smdp.main]\nurl = "https://smdp.example.com"\naddress = "smdp.example.com"\n'
            'requester = "1.2.3"\ncertificate = "c.pem"\nkey = "k.pem"\n'
        )
    iccids = site / "iccids"
    iccids.write_text("8944500000000000017\n8944500000000000025\n")
    stock = ("order", "stock", "--add", str(iccids), "--smdp", "main", "--type", "watch")
    command(site, *stock)
    command(site, *stock)  # all of them are known: nothing is changed
    command(site, "subscription", "add", IMSI, "--plan", "standard", "--no-key")
    profile = ("--iccid", "8944500000000000041", "--smdp-address", "smdp.example.com")
    eid = ("--eid", "89049032123451234512345678901235")
    command(site, "order", "add", IMSI, "--app", "companion", *eid, *profile)
    listed = json.loads(command(site, "order", "list", "--json"))
    order = listed[0]["order"]
    command(site, "order", "end", order[:8])
    found = json.loads(command(site, "audit", "list", "--json"))
    assert sorted((each["call"], each["detail"]) for each in found) == [
        ("order add", "order,companion"),
        ("order end", f"order {order}"),
        ("order stock", "watch, 2 profiles"),
        ("subscription add", ""),
    ]
    (shelf,) = [each for each in found if each["call"] == "order stock"]
    assert shelf["subject"] == "stock main"
    about = json.loads(command(site, "audit", "list", "--subscription", IMSI, "--json"))
    assert {each["call"] for each in about} == {"subscription add", "order add", "order end"}
    assert "4 entries" in command(site, "audit", "check")
