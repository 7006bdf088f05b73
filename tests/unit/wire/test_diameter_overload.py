"""Overload reports as bytes (RFC 7683 §7)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgrant.wire.diameter.avps import (
    OC_FEATURE_VECTOR,
    OC_OLR,
    OC_REDUCTION_PERCENTAGE,
    OC_REPORT_TYPE,
    OC_SEQUENCE_NUMBER,
    OC_SUPPORTED_FEATURES,
    OC_VALIDITY_DURATION,
)
from simgrant.wire.diameter.message import AvpKind, Avps, BadDiameter, pull_avps
from simgrant.wire.diameter.overload import (
    FEATURES,
    Report,
    Scope,
    pull_report,
    push_report,
)

U64 = st.integers(0, (1 << 64) - 1)
REPORTS = st.builds(
    Report, U64, st.sampled_from(Scope), st.integers(0, 100), st.integers(0, 86_400)
)


def said(
    sequence: int = 1, kind: int = 0, percent: int | None = 10, seconds: int | None = 60
) -> Avps:
    parts: tuple[tuple[AvpKind[int], int | None], ...] = (
        (OC_SEQUENCE_NUMBER, sequence),
        (OC_REPORT_TYPE, kind),
        (OC_REDUCTION_PERCENTAGE, percent),
        (OC_VALIDITY_DURATION, seconds),
    )
    return pull_avps(b"".join(kind.push(each) for kind, each in parts if each is not None))


@given(REPORTS)
def test_a_report_is_the_one_that_was_written(report: Report) -> None:
    avps = pull_avps(push_report(report))
    assert pull_report(avps.need(OC_OLR)) == report
    assert avps.need(OC_SUPPORTED_FEATURES).need(OC_FEATURE_VECTOR) == 1


def test_we_say_that_we_have_the_algorithm_that_everybody_has() -> None:
    assert FEATURES.hex() == "0000026d00000018" + "0000026e00000010" + "0000000000000001"


@pytest.mark.spec("RFC 7683 §7.5")
@pytest.mark.parametrize("seconds", [None, 86_401, 4_294_967_295])
def test_a_time_that_is_missing_or_too_long_is_the_usual_one(seconds: int | None) -> None:
    found = pull_report(said(seconds=seconds))
    assert found is not None
    assert found.seconds == 30


@pytest.mark.spec("RFC 7683 §7.7")
@pytest.mark.parametrize("percent", [101, 4_294_967_295, None])
def test_more_than_everything_is_no_report(percent: int | None) -> None:
    with pytest.raises(BadDiameter):
        pull_report(said(percent=percent))


@pytest.mark.parametrize("kind", [2, 7])
def test_a_report_of_another_kind_is_none_of_ours(kind: int) -> None:
    assert pull_report(said(kind=kind, percent=None)) is None


@given(st.binary(max_size=100))
def test_any_bytes_are_a_report_or_none_or_bad_diameter(data: bytes) -> None:
    try:
        found = pull_report(pull_avps(data))
    except BadDiameter:
        return
    assert found is None or 0 <= found.percent <= 100
