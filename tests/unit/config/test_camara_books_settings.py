"""What is wrong with the settings of what partners use."""

from __future__ import annotations

from pathlib import Path

import pytest

from simgrant.compose.consumers import open_fraud, open_outside
from simgrant.config.load import load
from simgrant.errors import Overloaded, StartRefused


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[camara_usage]\nkeep_months = 1", "camara_usage.keep_months: 1 is not within 2 to 240"),
        ("[camara_usage]\ncount_s = 0", "camara_usage.count_s"),
        ("[camara_limits]\nper_number_and_hour = -1", "camara_limits.per_number_and_hour"),
        ('[camara_limits]\nnew_sim = "ignore"', "camara_limits.new_sim"),
        ('[camara_outside]\nnetworks = ["10.0.0.1/8"]', "camara_outside.networks"),
        ('[camara_outside]\nnetworks = ["home"]', "camara_outside.networks"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "simgrant.toml"
    path.write_text(text)
    with pytest.raises(StartRefused, match=said.replace(".", r"\.")):
        load(path, {})


def test_settings_are_what_limits_are_made_of(tmp_path: Path) -> None:
    path = tmp_path / "simgrant.toml"
    path.write_text(
        '[camara_limits]\nper_device_and_hour = 1\n[camara_outside]\nnetworks = ["10.0.0.0/8"]'
    )
    fraud = open_fraud(load(path, {}))
    fraud.ask("default", "bank", number="1", device="d", now=0)
    with pytest.raises(Overloaded, match="device_asks_too_often"):
        fraud.ask("default", "bank", number="2", device="d", now=0)
    fraud.ask("default", "bank", number="2", device="d", now=3_600)
    assert open_outside(load(path, {}), "them", 100).peer == "them"
