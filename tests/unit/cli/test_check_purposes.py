"""What check-config says of the purposes for which consumers of partner APIs may process."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from simgrant.cli import app

LISTEN = '[camara]\nlisten = "127.0.0.1:0"\n'
PURPOSE = '[camara_purposes.RequestedServiceProvision]\nbasis = "contract"\n'
BARE = "there are no camara_purposes: every purpose needs the subscriber's consent"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (PURPOSE, []),
        (LISTEN, [("warning", BARE)]),
        (LISTEN + PURPOSE, [("ok", "RequestedServiceProvision (contract)")]),
    ],
)
def test_serving_partners_without_purposes_is_warned_of(
    tmp_path: Path, text: str, expected: list[tuple[str, str]]
) -> None:
    file = tmp_path / "simgrant.toml"
    file.write_text(text)
    said = CliRunner().invoke(app, ["--config", str(file), "check-config", "--offline", "--json"])
    found = json.loads(said.stdout)["findings"]
    assert not [each for each in found if each["topic"] == "settings" and each["level"] != "ok"]
    told = [(each["level"], each["text"]) for each in found if each["topic"] == "purposes"]
    assert told == expected
