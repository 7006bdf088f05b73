"""A BSS asked for people, and not for a device: what it says now beside what is known of before.

Nothing is stored, and no phone notices: this is for whoever sets a BSS up, or doubts it.
"""

from __future__ import annotations

from dataclasses import field, fields
from enum import Enum
from typing import Any, Final

from simgrant.domain.eligibility import Aspect, Aspects, Eligibility
from simgrant.domain.subscription import Subscription
from simgrant.domain.told import Told
from simgrant.errors import PeerMisbehaved, PeerUnavailable
from simgrant.flows.moments import moment
from simgrant.nouns import named_noun
from simgrant.ports.clock import Clock
from simgrant.ports.eligibility import EligibilitySource
from simgrant.ports.network_data import Subscriber

_TIMES: Final = frozenset({Aspect.CUSTOMER_SINCE, Aspect.SIM_SINCE})


@named_noun
class Said:
    """What a BSS says of one aspect, in the policy's words, as its settings map it."""

    aspect: Aspect
    now: str | None = field(repr=False)
    """None = nothing."""
    before: str | None = field(repr=False)


@named_noun
class Asked:
    """What came of asking."""

    bss: str
    """As the settings name it: ``bss.main``."""
    ms: float
    outcome: str
    """``told``, ``unknown`` (it has no such subscription), or the reason of an error."""
    detail: str = field(repr=False)
    """Of an error, for the operator."""
    said: tuple[Said, ...]
    """Of each aspect that it is asked for by this policy."""
    before_at: int
    """Unix seconds at which it was asked for a device last; 0 = never."""
    doubtful: bool
    """Whether an event came since then."""


async def ask(
    source: EligibilitySource,
    subscription: Subscription,
    wants: Aspects,
    *,
    bss: str,
    known: Told | None,
    timeout_s: float,
    clock: Clock,
) -> Asked:
    """Ask a BSS of a subscription; what it does not do in time is an outcome, and no error."""
    who = Subscriber(subscription.imsi, subscription.msisdn)
    began, outcome, detail = clock.monotonic(), "told", ""
    found: Eligibility | None = None
    try:
        found = await source.look_up(who, wants, deadline=began + timeout_s)
        outcome = "unknown" if found is None else "told"
    except (PeerUnavailable, PeerMisbehaved) as error:
        outcome, detail = error.reason, error.for_operator
    ms = (clock.monotonic() - began) * 1000
    before = None if known is None else known.eligibility
    return Asked(
        bss=bss,
        ms=round(ms, 1),
        outcome=outcome,
        detail=detail,
        said=tuple(
            Said(aspect=aspect, now=_text(found, aspect), before=_text(before, aspect))
            for aspect in Aspect
            if aspect in wants
        ),
        before_at=0 if known is None else known.asked_at,
        doubtful=known is not None and known.is_doubtful,
    )


def asked_data(asked: Asked) -> dict[str, Any]:
    """Return it as plain data."""
    found = {each.name: getattr(asked, each.name) for each in fields(asked)}
    return found | {
        "said": [
            {"aspect": each.aspect.value, "now": each.now, "before": each.before}
            for each in asked.said
        ],
        "before_at": moment(asked.before_at),
    }


def _text(found: Eligibility | None, aspect: Aspect) -> str | None:
    value = None if found is None else getattr(found, aspect)
    if value is None:
        return None
    if aspect in _TIMES:
        return moment(value) or "1970-01-01T00:00:00Z"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, frozenset):
        return ", ".join(sorted(value)) or "none"
    if isinstance(value, Enum):
        return value.value if isinstance(value.value, str) else value.name.lower()
    return value.digits if aspect is Aspect.MSISDN else str(value)
