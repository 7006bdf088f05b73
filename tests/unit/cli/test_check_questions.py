"""What check-config says of questions out of band, besides mistakes in their settings."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from simgrant.cli import app
from simgrant.config.hosts import named_hosts
from simgrant.config.load import load

HOME = """
[camara]
listen = "127.0.0.1:0"
[questions.home]
gateway = "ussd.example:2775"
system_id = "me"
password_file = "password"
source = "8095"
"""
OTHER = HOME[HOME.index("[questions") :].replace("home", "other")


def findings(folder: Path, text: str) -> list[tuple[str, str]]:
    file = folder / "simgrant.toml"
    file.write_text(text)
    said = CliRunner().invoke(app, ["--config", str(file), "check-config", "--offline", "--json"])
    found = json.loads(said.stdout)["findings"]
    return [(each["level"], each["text"]) for each in found if each["topic"] == "questions"]


def test_whom_a_gateway_asks(tmp_path: Path) -> None:
    assert findings(tmp_path, "") == []
    ((level, text),) = findings(tmp_path, HOME)
    assert (level, text.startswith("home: ")) == ("problem", True)
    (tmp_path / "password").write_text("x\n")
    asked = ("ok", "home: sms by ussd.example:2775, for default")
    assert findings(tmp_path, HOME) == [asked]
    assert findings(tmp_path, HOME + "proves_numbers = true") == [
        asked,
        ("warning", "home: number verification believes it, which CAMARA does not"),
    ]
    assert findings(tmp_path, f'{HOME}tenants = ["default"]\n{OTHER}') == [
        asked,
        ("warning", "other: every tenant has another table, so nobody is asked by it"),
    ]


def test_the_gateway_is_looked_up(tmp_path: Path) -> None:
    file = tmp_path / "simgrant.toml"
    file.write_text(HOME)
    found = list(named_hosts(load(file, {}).settings))
    assert found == [("questions.home.gateway", "ussd.example")]
