"""entitlement_version: two integers, never a float."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgrant.spec.version import DEFAULT, PER_RAT_VOICE, SpecVersion, parse


@pytest.mark.spec("TS.43 §2.5")
@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("12.0", SpecVersion(12, 0)),
        ("12", SpecVersion(12, 0)),
        ("11.10", SpecVersion(11, 10)),
        ("", DEFAULT),
        ("null", DEFAULT),
        ("012.00", SpecVersion(12, 0)),
        ("12.", SpecVersion(12, 0)),
        (".1", None),
        ("12.0.1", None),
        ("-1", None),
        ("1e1", None),
        ("12,0", None),
        ("12345", None),
        ("٣.0", None),
        ("twelve", None),
    ],
)
def test_parse(text: str, version: SpecVersion | None) -> None:
    assert parse(text) == version


@pytest.mark.conforms("versions.whole-numbers")
def test_later_minor_versions_are_later() -> None:
    assert SpecVersion(11, 10) > SpecVersion(11, 9)
    assert SpecVersion(6, 1) < PER_RAT_VOICE <= SpecVersion(7, 0)


@given(major=st.integers(0, 9999), minor=st.integers(0, 9999))
def test_what_is_written_is_read(major: int, minor: int) -> None:
    assert parse(str(SpecVersion(major, minor))) == SpecVersion(major, minor)


@given(text=st.text())
def test_any_text_is_a_version_or_none(text: str) -> None:
    version = parse(text)
    assert version is None or version >= (0, 0)
