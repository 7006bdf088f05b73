"""Which tenant a request belongs to."""

from __future__ import annotations

import pytest

from simgrant.domain.tenant import Plmn, Tenancy, Tenant
from simgrant.identities import Imsi

HOME = Imsi("001010000000001")
RANGED = Imsi("001015000000001")

DEFAULT = Tenant("default", plmns=(Plmn("001", "01"),))
HOSTED = Tenant("hosted", hosts=frozenset({"aes.example.net"}), plmns=(Plmn("001", "01"),))
GROUP = Tenant("group", plmns=(Plmn("001", "01"),), gid1=frozenset({"AB12"}))
RANGE = Tenant(
    "range",
    plmns=(Plmn("001", "01"),),
    imsi_ranges=(("001015000000000", "001015999999999"),),
)
NETWORK = Tenant("network", plmns=(Plmn("310", "410"),))
ALL = Tenancy((DEFAULT, HOSTED, GROUP, RANGE, NETWORK), default="default")


@pytest.mark.parametrize(
    ("host", "imsi", "gid1", "expected"),
    [
        ("aes.example.net", HOME, "", "hosted"),
        ("AES.Example.NET:8443", RANGED, "ab12", "hosted"),
        ("aes.example.net.", None, "", "hosted"),
        ("elsewhere", HOME, "ab12", "group"),
        ("elsewhere", RANGED, "AB12", "group"),
        ("elsewhere", RANGED, "FF", "range"),
        ("elsewhere", HOME, "FF", "default"),
        ("", None, "", "default"),
        ("[::1]:8080", HOME, "", "default"),
    ],
)
def test_host_then_group_then_range_then_default(
    host: str, imsi: Imsi | None, gid1: str, expected: str
) -> None:
    assert ALL.resolve(host, imsi, gid1).name == expected


def test_a_group_counts_only_in_its_own_network() -> None:
    assert ALL.by_sim(Imsi("310420000000001"), "AB12").name == "default"


def test_a_tenant_with_nothing_but_networks_is_known_by_them() -> None:
    assert ALL.by_sim(Imsi("310410000000001"), "").name == "network"
    assert ALL.by_sim(Imsi("310411000000001"), "").name == "default"


def test_ranges_compare_imsis_of_equal_length_only() -> None:
    assert not RANGE.covers(Imsi("00101500000000"))
    assert RANGE.covers(Imsi("001015000000000"))
    assert RANGE.covers(Imsi("001015999999999"))
    assert not RANGE.covers(Imsi("001016000000000"))


def test_a_tenant_serves_its_networks_or_its_ranges() -> None:
    assert DEFAULT.serves(HOME)
    assert not DEFAULT.serves(Imsi("001020000000001"))
    assert RANGE.serves(RANGED)
    assert not RANGE.serves(HOME)
