"""Overload control as bytes: what we announce, and the report of who has too much (RFC 7683 §7)."""

from __future__ import annotations

from typing import Final

from simgrant.nouns import Number, noun
from simgrant.wire.diameter.avps import (
    OC_FEATURE_VECTOR,
    OC_OLR,
    OC_REDUCTION_PERCENTAGE,
    OC_REPORT_TYPE,
    OC_SEQUENCE_NUMBER,
    OC_SUPPORTED_FEATURES,
    OC_VALIDITY_DURATION,
)
from simgrant.wire.diameter.message import Avps, BadDiameter, Fault

_LOSS: Final = 1
"""The algorithm that everybody has: a share of the requests is not sent."""
FEATURES: Final = OC_SUPPORTED_FEATURES.wrap(OC_FEATURE_VECTOR.push(_LOSS))
"""What each request says of us, and each answer of who reports."""

_USUAL_S: Final = 30
_MOST_S: Final = 86_400
_ALL: Final = 100


class Scope(Number):
    """What a report is about (OC-Report-Type)."""

    HOST = 0
    """Requests that go to the host that answered."""
    REALM = 1
    """Requests to its realm that name no host."""


@noun
class Report:
    """A report (OC-OLR)."""

    sequence: int
    scope: Scope
    percent: int
    """Of the requests, not to be sent."""
    seconds: int
    """For which it is good; 0 = the overload is over."""


def pull_report(group: Avps) -> Report | None:
    """Return a report, None where it is of a kind that we know nothing of; BadDiameter."""
    sequence, kind = group.need(OC_SEQUENCE_NUMBER), group.need(OC_REPORT_TYPE)
    if kind not in tuple(Scope):
        return None
    percent, seconds = group.need(OC_REDUCTION_PERCENTAGE), group.get(OC_VALIDITY_DURATION)
    if percent > _ALL:
        raise BadDiameter(Fault.INVALID_AVP_VALUE, "OC-Reduction-Percentage is more than 100")
    if seconds is None or seconds > _MOST_S:
        seconds = _USUAL_S
    return Report(sequence, Scope(kind), percent, seconds)


def push_report(report: Report) -> bytes:
    """Return the AVPs by which an answer reports."""
    parts = (
        OC_SEQUENCE_NUMBER.push(report.sequence),
        OC_REPORT_TYPE.push(report.scope),
        OC_REDUCTION_PERCENTAGE.push(report.percent),
        OC_VALIDITY_DURATION.push(report.seconds),
    )
    return FEATURES + OC_OLR.wrap(b"".join(parts))
