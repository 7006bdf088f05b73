"""What events make of a subscription: its state before, its state after, and what else follows.

Each aspect has the time since when it is as it is. What an event tells of an aspect that somebody
told later is late, and changes nothing; so the order in which events come does not matter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any, Final, TypeAlias

from simgrant.domain.bss_events import BssEvent, Change
from simgrant.domain.eligibility import Aspect, Eligibility
from simgrant.domain.holdings import NOTHING, Holdings
from simgrant.domain.line_marks import NO, YES, LineMark, MarkName
from simgrant.domain.subscription import (
    Consent,
    ConsentKind,
    ConsentStatus,
    Subscription,
    SubscriptionStatus,
)
from simgrant.identities import Imsi
from simgrant.nouns import Word, noun, replace

Marks: TypeAlias = Mapping[MarkName, LineMark]
"""What is noted about a line, by name."""


@noun
class Life:
    """A subscription as events find it and leave it."""

    subscription: Subscription
    terms: Consent | None = None
    address: Consent | None = None
    held: Holdings = NOTHING
    marks: Marks = field(default_factory=dict, hash=False)
    since: Mapping[Aspect, int] = field(default_factory=dict, hash=False)
    """Unix seconds since when each aspect is as it was told last."""


class Done(Word):
    """What was done about one event."""

    APPLIED = "applied"
    LATE = "late"
    """All that it tells, somebody told later."""


@noun
class Step:
    """What follows from one event."""

    life: Life
    done: Done
    revokes: bool = False
    """No token of the subscription is good any more."""
    lost: str = field(default="", repr=False)
    """The terminal whose tokens are good no more."""
    moves_to: Imsi | None = None
    """The subscription has this IMSI from now on."""


class NotPossible(Exception):
    """Nothing can be done for an event as it is; a person has to look. The text is one word."""


_MEANS: Final[Mapping[Change, Eligibility]] = {
    Change.SUSPENDED: Eligibility(status=SubscriptionStatus.SUSPENDED),
    Change.RESUMED: Eligibility(status=SubscriptionStatus.ACTIVE),
    Change.PORTED_OUT: Eligibility(status=SubscriptionStatus.REMOVED),
    Change.CONSENT_WITHDRAWN: Eligibility(terms=ConsentStatus.MISSING),
    Change.ROAMING_LEFT: Eligibility(visited_plmn=""),
}
"""What some changes say by themselves, where nothing is told besides."""
_ALWAYS: Final = frozenset({Change.PORTED_OUT})
"""Of these, what holds whatever is told besides."""
_REVOKES: Final = frozenset({Change.SIM_SWAPPED, Change.IMSI_CHANGED, Change.MSISDN_CHANGED})


def follow(life: Life, event: BssEvent) -> Step:
    """Return what follows from an event; raise `NotPossible`."""
    told = _meant(event, life)
    after, applied, late = life, False, False
    since = dict(life.since)
    for aspect in Aspect:
        value = getattr(told, aspect.value)
        if value is None:
            continue
        if event.at < time_of(life, aspect):
            late = True
            continue
        applied = True
        since[aspect] = event.at
        if (put := _PUT.get(aspect)) is not None:
            after = put(after, value, event.at)
    if late and not applied:
        return Step(life, Done.LATE)
    if event.iccid is not None and event.change is Change.SIM_SWAPPED:
        after = _marked(after, MarkName.ICCID, event.iccid.digits, event.at)
    gone = SubscriptionStatus.REMOVED
    goes = life.subscription.status is not gone and after.subscription.status is gone
    moves_to = event.new_imsi
    if moves_to == life.subscription.imsi:
        moves_to = None
    return Step(
        replace(after, since=since),
        Done.APPLIED,
        revokes=event.change in _REVOKES or moves_to is not None or goes,
        lost=event.terminal_id if event.change is Change.DEVICE_LOST else "",
        moves_to=moves_to,
    )


def time_of(life: Life, aspect: Aspect) -> int:
    """Return the Unix seconds since when an aspect is as it is; 0 = nobody ever told."""
    known = life.since.get(aspect, 0)
    match aspect:
        case Aspect.TERMS if life.terms is not None:
            return max(known, life.terms.at)
        case Aspect.ADDRESS if life.address is not None:
            return max(known, life.address.at)
        case Aspect.VISITED_PLMN:
            return max(known, life.subscription.visited_at)
        case Aspect.SIM_SINCE if MarkName.SIM_SINCE in life.marks:
            return max(known, int(life.marks[MarkName.SIM_SINCE].value))
    return known


def _meant(event: BssEvent, life: Life) -> Eligibility:
    """Return what an event tells, what its kind says by itself among it."""
    told, change = event.told, event.change
    if change in (Change.SIM_SWAPPED, Change.IMSI_CHANGED) and told.sim_since is None:
        told = replace(told, sim_since=event.at)
    if change is Change.IMSI_CHANGED and event.new_imsi is None:
        raise NotPossible("no_new_imsi")
    if change is Change.MSISDN_CHANGED and told.msisdn is None:
        raise NotPossible("no_new_number")
    if change is Change.DEVICE_LOST and not event.terminal_id:
        raise NotPossible("no_terminal")
    means = _MEANS.get(change)
    if means is None:
        return told
    if change is Change.RESUMED and life.subscription.status is not SubscriptionStatus.SUSPENDED:
        # Who is barred was so by somebody else than who suspended him.
        means = Eligibility(status=life.subscription.status)
    for aspect in Aspect:
        said = getattr(means, aspect.value)
        if said is not None and (change in _ALWAYS or getattr(told, aspect.value) is None):
            if change is Change.CONSENT_WITHDRAWN and told.address is not None:
                continue
            told = replace(told, **{aspect.value: said})
    return told


# --- one aspect ----------------------------------------------------------------------------


def _status(life: Life, value: SubscriptionStatus, _: int) -> Life:
    return replace(life, subscription=replace(life.subscription, status=value))


def _plan(life: Life, value: str, _: int) -> Life:
    return replace(life, subscription=replace(life.subscription, plan=value))


def _provisioning(life: Life, value: Any, _: int) -> Life:
    return replace(life, subscription=replace(life.subscription, provisioning=value))


def _visited(life: Life, value: str, at: int) -> Life:
    changed = replace(life.subscription, visited_plmn=value, visited_at=at)
    return replace(life, subscription=changed)


def _msisdn(life: Life, value: Any, at: int) -> Life:
    if life.subscription.msisdn not in (None, value):
        life = _marked(life, MarkName.NUMBER_SINCE, str(at), at)
    return replace(life, subscription=replace(life.subscription, msisdn=value))


def _terms(life: Life, value: ConsentStatus, at: int) -> Life:
    return replace(life, terms=_consent(ConsentKind.TERMS, life.terms, value, at))


def _address(life: Life, value: ConsentStatus, at: int) -> Life:
    return replace(life, address=_consent(ConsentKind.ADDRESS, life.address, value, at))


def _consent(kind: ConsentKind, known: Consent | None, status: ConsentStatus, at: int) -> Consent:
    if known is not None and known.status is status:
        # Said once more: which text it was, and how long it holds, is still so.
        return replace(known, at=at)
    return Consent(kind, status, at=at)


def _yes_or_no(name: MarkName) -> Callable[[Life, bool, int], Life]:
    return lambda life, value, at: _marked(life, name, YES if value else NO, at)


def _text(name: MarkName) -> Callable[[Life, Any, int], Life]:
    return lambda life, value, at: _marked(life, name, str(value), at)


def _marked(life: Life, name: MarkName, value: str, at: int) -> Life:
    known = life.marks.get(name)
    if known is not None and known.value == value:
        return life
    return replace(life, marks={**life.marks, name: LineMark(name, value, at)})


_PUT: Final[Mapping[Aspect, Callable[[Life, Any, int], Life]]] = {
    Aspect.STATUS: _status,
    Aspect.PLAN: _plan,
    Aspect.PROVISIONING: _provisioning,
    Aspect.VISITED_PLMN: _visited,
    Aspect.MSISDN: _msisdn,
    Aspect.TERMS: _terms,
    Aspect.ADDRESS: _address,
    Aspect.NUMBER_TYPE: _text(MarkName.NUMBER_TYPE),
    Aspect.PREPAID: _yes_or_no(MarkName.PREPAID),
    Aspect.PORT_FREEZE: _yes_or_no(MarkName.PORT_FREEZE),
    Aspect.SIM_SINCE: _text(MarkName.SIM_SINCE),
}
"""How the store's own rows take what is told. Of the other aspects only the time is noted: what a
subscription has of them, whoever asks the BSS keeps."""
