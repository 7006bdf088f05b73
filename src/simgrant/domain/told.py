"""What a BSS told of a subscription: how long it is good, and in what it replaces the store's own.

It does so aspect by aspect: of what a BSS does not tell, the store speaks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from operator import attrgetter
from typing import Any, Final

from simgrant.domain.eligibility import Aspect, Aspects, Eligibility
from simgrant.domain.subscription import (
    SERVED,
    Consent,
    ConsentKind,
    ConsentStatus,
    Profile,
    Subscription,
    SubscriptionStatus,
)
from simgrant.nouns import named_noun, replace
from simgrant.spec.ids import AppId

SETTLES_S: Final = 5
"""Seconds after an event in which an answer may still be one of before it: a BSS that tells of a
change may need a while until it says so when asked, and clocks of nodes differ."""


_ASPECTS: Final = tuple(Aspect)
_values: Final = attrgetter(*_ASPECTS)


@named_noun
class Freshness:
    """How old what a BSS told may be for a service."""

    fresh_s: int
    """Seconds for which nobody is asked again unless an event says so; 0 = asked every time."""
    known_s: int
    """Seconds for which it is decided upon where the BSS does not answer; 0 = not at all."""


REALTIME: Final = Freshness(fresh_s=0, known_s=0)
EVENTS: Final = Freshness(fresh_s=6 * 3600, known_s=24 * 3600)
USUAL: Final = {
    app.value: EVENTS
    for app in (
        AppId.VOICE_OVER_CELLULAR,
        AppId.VOWIFI,
        AppId.SMSOIP,
        AppId.DATA_PLAN,
        AppId.PRIVATE_IDENTITY,
        AppId.SATMODE,
    )
}
"""By AppID; for all that are not here (eSIMs, purchases, numbers) the BSS is asked every time."""


def strictest(wanted: Iterable[Freshness]) -> Freshness:
    """Return what does for all of some services."""
    each = tuple(wanted)
    return Freshness(
        fresh_s=min(one.fresh_s for one in each), known_s=min(one.known_s for one in each)
    )


@named_noun
class Told:
    """What a BSS told of a subscription."""

    eligibility: Eligibility | None
    """None = that it has no such subscription."""
    asked: Aspects
    """What it was asked for."""
    source: str
    """Who told it, as the settings name it: ``bss.main``."""
    changed_at: int
    """Unix seconds since when it tells this."""
    asked_at: int
    """Unix seconds at which it was asked last."""
    doubted_at: int = 0
    """Unix seconds of the newest event that makes it doubtful; 0 = there was none."""
    good_s: int | None = None
    """Seconds for which it may still be decided upon, where the BSS does not answer; None = it is
    as fresh as it has to be."""

    @property
    def is_doubtful(self) -> bool:
        """Whether an event came after it was told, or shortly before."""
        return self.doubted_at > 0 and self.asked_at < self.doubted_at + SETTLES_S

    @property
    def serves(self) -> bool:
        """Whether there is such a subscription, and its line is to be served."""
        found = self.eligibility
        return found is not None and (found.status is None or found.status in SERVED)

    def is_fresh(self, wanted: Freshness, wants: Aspects, *, now: float) -> bool:
        """Say whether nobody needs to be asked for these aspects."""
        age = now - self.asked_at
        return wants <= self.asked and not self.is_doubtful and 0 <= age < wanted.fresh_s

    def says_otherwise(self, other: Told) -> bool:
        """Say whether another one says something else of what both were asked for."""
        mine, others = self.eligibility, other.eligibility
        if mine is None or others is None:
            return mine is not others
        return only(mine, other.asked) != only(others, self.asked)

    def says_the_same(self, other: Told) -> bool:
        """Say whether another one says the same of the same, whenever that was."""
        return (
            self.eligibility == other.eligibility
            and self.asked == other.asked
            and self.source == other.source
        )


NEVER_TOLD: Final = Told(eligibility=None, asked=frozenset(), source="", changed_at=0, asked_at=0)
"""Stands for what the store has where nobody was ever told anything."""


def effective(profile: Profile, told: Told) -> Profile:
    """Return a profile as it is by what a BSS told.

    What was told before an event, and could not be asked for since, makes no line active that the
    store has as suspended.
    """
    found, subscription = told.eligibility, profile.subscription
    if found is None:
        gone = replace(subscription, status=SubscriptionStatus.REMOVED)
        return replace(profile, subscription=gone, told=told)
    if (
        told.good_s is not None
        and told.is_doubtful
        and subscription.status is not SubscriptionStatus.ACTIVE
    ):
        found = replace(found, status=None)
        told = replace(told, eligibility=found)
    visited, visited_at = subscription.visited_plmn, subscription.visited_at
    if found.visited_plmn:
        visited, visited_at = found.visited_plmn, told.asked_at
    return Profile(
        Subscription(
            subscription.tenant,
            subscription.imsi,
            found.msisdn or subscription.msisdn,
            found.status or subscription.status,
            subscription.plan if found.plan is None else found.plan,
            subscription.gid1,
            subscription.provisioning if found.provisioning is None else found.provisioning,
            visited,
            visited_at,
            subscription.token_epoch,
            subscription.created_at,
            subscription.changed_at,
        ),
        _consent(ConsentKind.TERMS, found.terms, profile.terms, told.asked_at),
        _consent(ConsentKind.ADDRESS, found.address, profile.address, told.asked_at),
        profile.terminal_epoch,
        profile.granted_at,
        profile.held,
        profile.heard,
        told,
        counted=profile.counted,
    )


def aspects_told(found: Eligibility) -> Aspects:
    """Return the aspects that something is told of."""
    told = zip(_ASPECTS, _values(found), strict=True)
    return frozenset([aspect for aspect, value in told if value is not None])


def only(found: Eligibility, wants: Aspects) -> Eligibility:
    """Return what is told of these aspects."""
    others, nothing = _others(wants)
    return found if others(found) == nothing else replace(found, **dict.fromkeys(_rest(wants)))


def _rest(wants: Aspects) -> list[Aspect]:
    return [aspect for aspect in _ASPECTS if aspect not in wants]


@lru_cache(maxsize=64)
def _others(wants: Aspects) -> tuple[Callable[[Eligibility], Any], Any]:
    """Return what reads all other aspects, and what that is where nothing is told of them."""
    rest = _rest(wants)
    # Of a single one it would be no tuple, and of none there is nothing to read.
    if not rest:
        return lambda _: (), ()
    return attrgetter(*rest, rest[0]), (None,) * (len(rest) + 1)


def _consent(
    kind: ConsentKind, told: ConsentStatus | None, ours: Consent | None, at: int
) -> Consent | None:
    return ours if told is None else Consent(kind, told, at=at)
