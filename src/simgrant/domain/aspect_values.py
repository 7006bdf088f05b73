"""What a BSS tells of an aspect, read from text: our words, numbers, dates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final

from simgrant.domain.eligibility import Aspect
from simgrant.domain.risk import NumberType
from simgrant.domain.subscription import ConsentStatus, SubscriptionStatus
from simgrant.identities import Msisdn
from simgrant.spec.ids import ProvStatus

_LATEST: Final = 253_402_300_799
"""The end of the year 9999."""
_SHORTEST_SECONDS: Final = 9
"""Digits of Unix seconds: eight are a date."""


def meaning(aspect: Aspect, text: str) -> object:
    """Return the value of an aspect that a text stands for, as `Eligibility` has it; ValueError.

    Booleans are ``true`` and ``false``, times are Unix seconds, dates or date-times (RFC 3339, of
    UTC where they have no zone), networks have their digits with or without a hyphen. Options and
    refusals are sets, and have no text.
    """
    if (reader := _READERS.get(aspect)) is None:
        raise ValueError("it is a set of features")
    return reader(text)


def _boolean(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError("neither true nor false")
    return text == "true"


def _seconds(text: str) -> int:
    if text.isascii() and text.isdecimal() and _SHORTEST_SECONDS <= len(text) <= 12:
        found = int(text)
    else:
        try:
            at = datetime.fromisoformat(text)
            found = int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp())
        except OverflowError:
            raise ValueError("no time") from None
    if not 0 <= found <= _LATEST:
        raise ValueError("no time of ours")
    return found


def _plmn(text: str) -> str:
    digits = text.replace("-", "", 1)
    if text and not (digits.isascii() and digits.isdecimal() and len(digits) in (5, 6)):
        raise ValueError("no network")
    return digits


def _word(text: str) -> str:
    if not text:
        raise ValueError("empty")
    return text


def _provisioning(text: str) -> ProvStatus:
    try:
        return ProvStatus[text.upper()]
    except KeyError:
        raise ValueError("no status of provisioning") from None


_READERS: Final[Mapping[Aspect, Callable[[str], object]]] = {
    Aspect.STATUS: SubscriptionStatus,
    Aspect.PLAN: _word,
    Aspect.TERMS: ConsentStatus,
    Aspect.ADDRESS: ConsentStatus,
    Aspect.PROVISIONING: _provisioning,
    Aspect.VISITED_PLMN: _plmn,
    Aspect.MSISDN: Msisdn,
    Aspect.NUMBER_TYPE: NumberType,
    Aspect.PREPAID: _boolean,
    Aspect.PORT_FREEZE: _boolean,
    Aspect.CUSTOMER_SINCE: _seconds,
    Aspect.SIM_SINCE: _seconds,
}
_TRUTH: Final = ("true", "false")
WORDS: Final[Mapping[Aspect, tuple[str, ...]]] = {
    Aspect.STATUS: tuple(SubscriptionStatus),
    Aspect.TERMS: tuple(ConsentStatus),
    Aspect.ADDRESS: tuple(ConsentStatus),
    Aspect.PROVISIONING: tuple(each.name.lower() for each in ProvStatus),
    Aspect.NUMBER_TYPE: tuple(NumberType),
    Aspect.PREPAID: _TRUTH,
    Aspect.PORT_FREEZE: _TRUTH,
}
"""All words for an aspect, where they can be told."""
TEXTUAL: Final = frozenset(_READERS)
"""The aspects that a text can tell."""
