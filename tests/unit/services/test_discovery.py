"""How services are found, and what their tables must look like."""

from __future__ import annotations

from dataclasses import replace

import pytest

from simgrant.services import (
    SERVICES,
    BadTable,
    NotAService,
    Service,
    collect,
    from_table,
    read_table,
)
from simgrant.spec.ids import AppId
from simgrant.spec.version import SpecVersion


def test_every_service_is_found_by_its_app_id() -> None:
    assert list(SERVICES) == [
        AppId.VOICE_OVER_CELLULAR,
        AppId.VOWIFI,
        AppId.SMSOIP,
        AppId.ODSA_COMPANION,
        AppId.ODSA_PRIMARY,
        AppId.DATA_PLAN,
        AppId.CARRIER_BILLING,
        AppId.PRIVATE_IDENTITY,
        AppId.DEVICE_INFORMATION,
        AppId.APP_AUTHENTICATION,
        AppId.SATMODE,
    ]
    assert all(service.app_id == app_id for app_id, service in SERVICES.items())


@pytest.mark.spec("TS.43 §2.6")
@pytest.mark.conforms("notify.apps-of-notice")
def test_a_notice_may_be_about_these() -> None:
    told = {app_id for app_id, service in SERVICES.items() if service.notifiable}
    assert told == {
        *("ap2003", "ap2004", "ap2005", "ap2006", "ap2009"),
        *("ap2010", "ap2012", "ap2013", "ap2016"),
    }


def test_a_second_claim_on_an_app_id_is_refused() -> None:
    vowifi = SERVICES[AppId.VOWIFI]
    with pytest.raises(NotAService, match=r"mine claims ap2004, which ours has already"):
        collect([("ours", vowifi), ("mine", replace(vowifi, name="Mine"))])


@pytest.mark.parametrize("offered", [None, "ap2004", Service])
def test_what_is_no_service_is_refused(offered: object) -> None:
    with pytest.raises(NotAService, match="mine has no SERVICE"):
        collect([("mine", offered)])


def test_the_table_of_found_services_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        SERVICES["ap2004"] = SERVICES["ap2005"]  # type: ignore[index]


TABLE = """
id = "ap9999"
name = "Mine"
section = "1"
since = "9.1"
notifiable = false
needs = ["plan"]
features = ["mine"]
requires = ["mine_too"]
[parm.A]
section = "1.1"
presence = "mandatory"
meaning = "a"
values = { 0 = "no", 1 = "yes" }
[parm."L/B"]
section = "1.2"
presence = "optional"
meaning = "b"
words = ["x", "y"]
since = "10.0"
before = "11.0"
"""


def test_a_table_is_read() -> None:
    table = read_table(TABLE, name="mine.toml")
    assert (table.app_id, table.since) == ("ap9999", SpecVersion(9, 1))
    assert table.needs == {"plan"}
    assert table.features == ("mine",)
    assert table.parms["A"].values == {0: "no", 1: "yes"}
    assert table.parms["A"].since == SpecVersion(1, 0)
    assert table.parms["A"].before is None
    assert table.parms["L/B"].before == SpecVersion(11, 0)
    assert (table.requires, table.parms["L/B"].words) == (("mine_too",), ("x", "y"))


@pytest.mark.parametrize(
    "text",
    [
        TABLE.replace('id = "ap9999"', ""),
        TABLE.replace('presence = "optional"', 'presence = "maybe"'),
        TABLE.replace('meaning = "b"', 'meaning = "b"\nmeannig = "b"'),
        TABLE.replace('name = "Mine"', 'name = "Mine"\nnmae = "Mine"'),
        TABLE.replace('since = "9.1"', 'since = "nine"'),
        TABLE.replace("0 = ", "zero = "),
        TABLE.replace("[parm.A]", "[parm"),
        "",
    ],
)
def test_a_table_with_a_mistake_is_refused(text: str) -> None:
    with pytest.raises(BadTable, match=r"mine\.toml"):
        read_table(text, name="mine.toml")


def test_a_module_finds_the_table_beside_it() -> None:
    assert from_table("simgrant.services.smsoip").app_id == AppId.SMSOIP
