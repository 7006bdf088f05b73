"""The headers that service-based interfaces add to HTTP (TS 29.500 §5.2.3), and problem details.

What a producer says of its load and overload is a hint from a stranger: what is malformed, too long
or says nothing usable is passed over and never an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import Annotated, Final

import msgspec

from simgrant.nouns import noun

SENDER_TIMESTAMP: Final = "3gpp-sbi-sender-timestamp"
MAX_RSP_TIME: Final = "3gpp-sbi-max-rsp-time"
CORRELATION_INFO: Final = "3gpp-sbi-correlation-info"
OVERLOAD: Final = "3gpp-sbi-oci"
LOAD: Final = "3gpp-sbi-lci"

STATUSES: Final = frozenset(
    str(status)
    for status in (200, 201, 204, 307, 308, *range(400, 416), 429, 500, 501, 502, 503, 504)
)
"""The statuses of these interfaces (TS 29.500 §5.2.7)."""
PROBLEM_TYPE: Final = "application/problem+json"
_LONGEST: Final = 4096
_MOST_ELEMENTS: Final = 16
_MOST_MS: Final = 99_999
_MOST_VALIDITY_S: Final = 3_600
_PART: Final = re.compile(r'\s*([A-Za-z-]{1,40}):\s*("[^"]{0,64}"|[^;,"]{0,256})\s*([;,]|$)')
_PERCENT: Final = re.compile(r"(100|[0-9]{1,2})%", re.ASCII)
_SECONDS: Final = re.compile(r"([0-9]{1,6})s", re.ASCII)
_CAUSE: Final = re.compile(r"[A-Z][A-Z0-9_]{1,60}", re.ASCII)


@noun
class Overload:
    """What a producer asks for: to be sent less for a while (TS 29.500 §5.2.3.2.9)."""

    scope: str
    """What it is about, as ``NF-Instance: …``; only compared."""
    instance: str
    """The instance that it is about, in lower case; empty where it is about another scope."""
    at: float
    """When it was said, Unix seconds."""
    reduction: int
    """Percent of the requests that it wants no more; 0 = it is well again."""
    validity_s: int


@noun
class Load:
    """How busy a producer is (TS 29.500 §5.2.3.2.10)."""

    instance: str
    at: float
    percent: int


class Problem(msgspec.Struct, frozen=True):
    """ProblemDetails, as far as anybody looks at it (TS 29.571 §5.2.4.1)."""

    status: int = 0
    cause: Annotated[str, msgspec.Meta(max_length=200)] = ""


def pull_problem(content_type: str, body: bytes) -> Problem | None:
    """Return the problem that an answer describes; None where it describes none.

    A cause that is none of the form that TS 29.500 gives them is empty.
    """
    if content_type.partition(";")[0].strip().lower() != PROBLEM_TYPE:
        return None
    try:
        found = msgspec.json.decode(body, type=Problem)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return found if _CAUSE.fullmatch(found.cause) else Problem(found.status)


def push_timestamp(now: float) -> str:
    """Return Unix seconds in the form of Sender-Timestamp: with milliseconds."""
    # Rounded down, so that no millisecond is 1000.
    ms = int(now * 1000)
    return _instant_text(ms // 1000).replace(" GMT", f".{ms % 1000:03} GMT")


def push_max_rsp_time(seconds: float) -> str:
    """Return how long who asks will wait, in milliseconds; at least 1."""
    return str(min(max(1, int(seconds * 1000)), _MOST_MS))


def pull_overloads(text: str) -> Iterator[Overload]:
    """Yield what an Oci header says, without what makes no sense."""
    for parts in _elements(text):
        percent = _PERCENT.fullmatch(parts.get("Overload-Reduction-Metric", ""))
        validity = _SECONDS.fullmatch(parts.get("Period-of-Validity", ""))
        at = _instant(parts.get("Timestamp", ""))
        scope = _scope(parts)
        if percent and validity and at is not None and scope:
            instance = parts.get("NF-Instance", "").lower()
            seconds = min(int(validity[1]), _MOST_VALIDITY_S)
            yield Overload(scope, instance, at, int(percent[1]), seconds)


def pull_loads(text: str) -> Iterator[Load]:
    """Yield what an Lci header says of instances, without what makes no sense."""
    for parts in _elements(text):
        percent = _PERCENT.fullmatch(parts.get("Load-Metric", ""))
        at = _instant(parts.get("Timestamp", ""))
        instance = parts.get("NF-Instance", "").lower()
        if percent and at is not None and instance:
            yield Load(instance, at, int(percent[1]))


def push_overload(report: Overload) -> str:
    """Return an element of an Oci header."""
    return (
        f'Timestamp: "{_instant_text(report.at)}"; Period-of-Validity: {report.validity_s}s; '
        f"Overload-Reduction-Metric: {report.reduction}%; {report.scope}"
    )


def push_load(report: Load) -> str:
    """Return an element of an Lci header."""
    return (
        f'Timestamp: "{_instant_text(report.at)}"; Load-Metric: {report.percent}%; '
        f"NF-Instance: {report.instance}"
    )


def _elements(text: str) -> Iterator[dict[str, str]]:
    """Yield the elements of a list, each by its parameters' names; ends where it is malformed."""
    if len(text) > _LONGEST:
        return
    parts: dict[str, str] = {}
    place = elements = 0
    while elements < _MOST_ELEMENTS and (match := _PART.match(text, place)):
        name, value, end = match.groups()
        parts.setdefault(name, value.strip().strip('"'))
        place = match.end()
        if end != ";":
            yield parts
            parts, elements = {}, elements + 1
            if not end:
                return


_SCOPES: Final = ("NF-Instance", "NF-Service-Instance", "NF-Set", "NF-Service-Set", "SCP-FQDN")


def _scope(parts: dict[str, str]) -> str:
    if "S-NSSAI" in parts or "DNN" in parts:
        # It is about sessions, which nobody here has.
        return ""
    return next((f"{name}: {parts[name]}" for name in _SCOPES if parts.get(name)), "")


def _instant_text(now: float) -> str:
    return format_datetime(datetime.fromtimestamp(int(now), UTC), usegmt=True)


def _instant(text: str) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
