"""`simgrant audit`, and what the commands have written down."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

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
    with closing(sqlite3.connect(site / "state/simgrant.db")) as db, db:
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
