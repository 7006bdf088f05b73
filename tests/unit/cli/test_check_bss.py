"""What check-config says of business support systems, besides mistakes in their settings."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from simgrant.cli import app

REST = """
[bss.crm]
type = "rest"
url = "https://crm.example.com"
{more}
[bss.crm.requests.line]
path = "/{{imsi}}"
echo = ["$.imsi"]
[bss.crm.requests.line.aspects]
plan = {{ path = "$.p", meanings = {{ G = "premium", S = "" }}, default = "basc" }}
options = {{ path = "$.o", meanings = {{ W = "vowify", C = "companion" }}, default = "" }}
refusals.features = {{ volte = "$.v", wolte = "$.w" }}
"""


def findings(folder: Path, text: str) -> list[tuple[str, str]]:
    file = folder / "simgrant.toml"
    file.write_text(text)
    said = CliRunner().invoke(app, ["--config", str(file), "check-config", "--offline", "--json"])
    found = json.loads(said.stdout)["findings"]
    assert not [each for each in found if each["topic"] == "settings" and each["level"] != "ok"]
    return [(each["level"], each["text"]) for each in found if each["topic"] == "bss"]


def test_without_a_bss_nothing_is_said(tmp_path: Path) -> None:
    assert findings(tmp_path, "") == []


def test_a_bss_is_named_and_words_that_no_policy_has(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("x\n")
    found = findings(tmp_path, REST.format(more='user = "u"\npassword_file = "password"'))
    assert found == [
        (
            "ok",
            "crm: rest at https://crm.example.com, for default, tells options, plan, refusals",
        ),
        ("warning", "crm: tenant default has no plan 'basc'; did you mean \"basic\"?"),
        ("warning", "crm: tenant default has no feature 'vowify'; did you mean \"vowifi\"?"),
        ("warning", "crm: tenant default has no feature 'wolte'; did you mean \"volte\"?"),
    ]


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        (REST.format(more=""), "crm: nothing proves to it who asks"),
        (
            REST.format(more="plain = true").replace("https:", "http:"),
            "crm: what subscribers have travels in clear; keep it in a network of your own",
        ),
        (
            REST.format(more="").replace('echo = ["$.imsi"]', "unchecked = true"),
            "crm: line: it is not checked whom answers are about",
        ),
    ],
)
def test_what_is_worth_a_second_look(tmp_path: Path, text: str, warning: str) -> None:
    assert ("warning", warning) in findings(tmp_path, text)


def test_an_experiment_is_called_one(tmp_path: Path) -> None:
    text = (
        '[bss.esb]\ntype = "ses"\nurl = "https://esb.example.com"\n[bss.esb.ses]\ncontext = "CR"\n'
        '[bss.esb.ses.entitlements]\necho = ["$.i"]\naspects.status = { path = "$.s" }\n'
    )
    found = findings(tmp_path, text)
    assert any(level == "warning" and "experimental" in said for level, said in found)


def test_a_file_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    ((level, text),) = findings(tmp_path, REST.format(more='api_key_file = "absent"'))
    assert level == "problem"
    assert text.endswith("No such file or directory")
