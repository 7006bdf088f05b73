"""The settings of eSIMs, and what tenants offer by them."""

from __future__ import annotations

from pathlib import Path

import pytest

from simgrant.compose.esims import esims
from simgrant.config.load import load
from simgrant.errors import StartRefused
from simgrant.spec.ids import AppId

SMDP = """[smdp.north]
url = "http://127.0.0.1:1"
requester = "ECS1"
address = "smdp.example.net"
profile_types = ["office", "data"]
"""
ESIM = """[esim.fleet]
app = "enterprise"
smdp = "north"
profile_type = "office"
plans = ["p-200", "p-100"]
"""
OFFERS = """[plan_offers.p-100]
name = "Office 20 GB"
description = "20 GB, national calls"
[plan_offers.p-200]
name = "Data"
profile_type = "data"
"""


def test_an_enterprise_may_have_many_devices(tmp_path: Path) -> None:
    (tmp_path / "simgrant.toml").write_text(SMDP + ESIM + "most = 50000\n" + OFFERS)
    line = esims(load(tmp_path / "simgrant.toml", {}))["default"].lines[AppId.ODSA_SERVER_INITIATED]
    assert (line.most, line.most_an_hour) == (50_000, 1_000)


def test_a_plan_says_what_profiles_it_needs(tmp_path: Path) -> None:
    (tmp_path / "simgrant.toml").write_text(SMDP + ESIM + OFFERS)
    line = esims(load(tmp_path / "simgrant.toml", {}))["default"].lines[AppId.ODSA_SERVER_INITIATED]
    assert [(offer.plan_id, offer.name) for offer in line.plans] == [
        ("p-200", "Data"),
        ("p-100", "Office 20 GB"),
    ]
    types = [line.source_of(plan).profile_type for plan in ("p-100", "p-200", "")]
    assert types == ["office", "data", "office"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (SMDP + ESIM, "esim.fleet.plans: there is no [plan_offers.p-100]"),
        (
            SMDP.replace(', "data"', "") + ESIM + OFFERS,
            "esim.fleet: smdp.north has no profile type data",
        ),
        (SMDP + ESIM + OFFERS.replace('name = "Data"', ""), "plan_offers.p-200.name: must be set"),
        (SMDP + ESIM + "most = 1000001\n" + OFFERS, "most: 1000001 is not within 1 to 1000000"),
        (
            SMDP + ESIM + OFFERS + '[esim.w]\nnot_eligible_url = "x"',
            "esim.w.not_eligible_url: 'x' is no address of a page",
        ),
        (
            SMDP + ESIM + OFFERS + '[esim.w]\nnot_eligible_url = "https://example.net/no"',
            "esim.w.not_eligible_url: is for companions with a tac_list alone",
        ),
        (SMDP + ESIM + "most_an_hour = 0\n" + OFFERS, "most_an_hour: 0 is not within"),
        (
            SMDP + ESIM.replace("enterprise", "primary") + "most = 1001\n" + OFFERS,
            "most: 1001 is not within 1 to 1000",
        ),
        (SMDP + ESIM + OFFERS + f'[plan_offers.{"p" * 65}]\nname = "P"', "more than 64 letters"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "simgrant.toml").write_text(content)
    with pytest.raises(StartRefused) as refused:
        load(tmp_path / "simgrant.toml", {})
    assert said in str(refused.value)
