"""Subscriptions to events of lines, and what consumers are told (CAMARA, CloudEvents).

A happening is what befell a line, or the subscription itself. Judging it says whether there is an
event for the subscription in it, and whether that was its last one. Judging is the only thing that
counts events, so whoever judges writes all of it in one transaction.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import field
from typing import Final

from simgrant.identities import Msisdn
from simgrant.nouns import Word, named_noun, noun, replace

_SIM: Final = "org.camaraproject.sim-swap-subscriptions.v0."
_ROAMING: Final = "org.camaraproject.device-roaming-status-subscriptions.v0."


class EventType(Word):
    """What can be subscribed to, by the wire's names."""

    SWAPPED = f"{_SIM}swapped"
    ROAMING_STATUS = f"{_ROAMING}roaming-status"
    ROAMING_ON = f"{_ROAMING}roaming-on"
    ROAMING_OFF = f"{_ROAMING}roaming-off"
    ROAMING_CHANGE_COUNTRY = f"{_ROAMING}roaming-change-country"

    @property
    def ended(self) -> str:
        """The type of the event that says that such a subscription has ended."""
        return f"{self.rpartition('.')[0]}.subscription-ended"


class EndReason(Word):
    """Why a subscription ended, by the wire's names."""

    NETWORK_TERMINATED = "NETWORK_TERMINATED"
    """The line has another number, or is gone: it would be about somebody else."""
    SUBSCRIPTION_EXPIRED = "SUBSCRIPTION_EXPIRED"
    MAX_EVENTS_REACHED = "MAX_EVENTS_REACHED"
    ACCESS_TOKEN_EXPIRED = "ACCESS_TOKEN_EXPIRED"  # noqa: S105 - a name
    """The sink's access token is about to expire."""
    SUBSCRIPTION_DELETED = "SUBSCRIPTION_DELETED"


class Befell(Word):
    """What may happen."""

    SIM = "sim"
    """The number's SIM became another."""
    PLACE = "place"
    """The line is in another network."""
    GONE = "gone"
    """The line no longer has the number."""
    BEGUN = "begun"
    """The subscription was made, and wants to be told how things are (``initialEvent``)."""
    EXPIRED = "expired"
    TOKEN_ENDS = "token_ends"  # noqa: S105 - a name


@noun
class Happening:
    """What happened."""

    befell: Befell
    at: int
    """Unix seconds."""
    plmn: str = ""
    """Digits of MCC and MNC that the line is in, where that is what happened; empty = at home, or
    nobody knows."""


@noun
class Event:
    """What a consumer is told, once."""

    type: str
    at: int
    """Unix seconds."""
    roaming: bool | None = None
    """None = it is not told."""
    mcc: str = ""
    """Of the country; empty = it is not told."""
    ended: EndReason | None = None
    """Why the subscription ended, where that is what is told."""


@named_noun
class EventSubscription:
    """One."""

    subscription_id: str
    client_id: str
    application: str = ""
    purpose: str = ""
    """W3C DPV, without the prefix, of the access token that it was made with."""
    api: str
    type: EventType
    msisdn: Msisdn
    two_legs: bool
    """Whether the consumer named the number, and so is told it."""
    sink: str = field(repr=False)
    access_token: bytes = field(default=b"", repr=False)
    """For the sink, wrapped; empty = it wants none."""
    token_expires_at: int = 0
    """Unix seconds; 0 where there is no access token."""
    created_at: int
    """Unix seconds."""
    expires_at: int = 0
    """Unix seconds; 0 = never."""
    max_events: int = 0
    """0 = any number."""
    initial_event: bool | None = None
    """As the consumer said; None = it said nothing."""
    sandbox: bool = False
    """Nothing ever happens to test numbers."""
    counted: int = 0
    """Events that count against ``max_events``."""
    sim_since: int = 0
    """Unix seconds of the last SIM swap that it knows of."""
    plmn: str = ""
    """Where it last knew the line to be, as in `Happening`."""
    plmn_at: int = 0
    """Unix seconds at which it was there; what is older is no news."""


@noun
class Step:
    """What follows from a happening."""

    subscription: EventSubscription
    event: Event | None = None
    ended: EndReason | None = None


_ENDS: Final = {
    Befell.GONE: EndReason.NETWORK_TERMINATED,
    Befell.EXPIRED: EndReason.SUBSCRIPTION_EXPIRED,
    Befell.TOKEN_ENDS: EndReason.ACCESS_TOKEN_EXPIRED,
}


def judged(subscription: EventSubscription, happened: Happening, home: Collection[str]) -> Step:
    """Return what follows; ``home`` are the digits of the operator's own networks.

    A swap that it knows of already, and the place that it last knew, are no events: whoever writes
    a line may say so more than once.
    """
    if (reason := _ENDS.get(happened.befell)) is not None:
        return Step(subscription, ended=reason)
    after, event = subscription, None
    is_swaps = subscription.type is EventType.SWAPPED
    match happened.befell:
        case Befell.SIM if is_swaps and happened.at > subscription.sim_since:
            after = replace(subscription, sim_since=happened.at)
            event = Event(subscription.type, happened.at)
        case Befell.PLACE if not is_swaps and happened.at >= subscription.plmn_at:
            after = replace(subscription, plmn=happened.plmn, plmn_at=happened.at)
            event = _moved(subscription, happened, home)
        case Befell.BEGUN:
            event = _initial(subscription, happened, home)
    if event is None:
        return Step(after)
    after = replace(after, counted=after.counted + 1)
    spent = 0 < after.max_events <= after.counted
    return Step(after, event, EndReason.MAX_EVENTS_REACHED if spent else None)


def ended_event(subscription: EventSubscription, reason: EndReason, *, at: int) -> Event:
    """Return what is told when a subscription ends."""
    return Event(subscription.type.ended, at, ended=reason)


def _moved(
    subscription: EventSubscription, happened: Happening, home: Collection[str]
) -> Event | None:
    """Return the event of a change of network; most such changes are none."""
    before = _is_roaming(subscription.plmn, home)
    after = _is_roaming(happened.plmn, home)
    match subscription.type:
        case EventType.ROAMING_STATUS if before != after:
            return _status(happened, roaming=after)
        case EventType.ROAMING_ON if after and not before:
            return Event(EventType.ROAMING_ON, happened.at)
        case EventType.ROAMING_OFF if before and not after:
            return Event(EventType.ROAMING_OFF, happened.at)
        case EventType.ROAMING_CHANGE_COUNTRY if (
            before and after and subscription.plmn[:3] != happened.plmn[:3]
        ):
            return Event(EventType.ROAMING_CHANGE_COUNTRY, happened.at, mcc=happened.plmn[:3])
    return None


def _initial(
    subscription: EventSubscription, happened: Happening, home: Collection[str]
) -> Event | None:
    """Return how things are at the beginning, where the type says that at all."""
    roaming = _is_roaming(happened.plmn, home)
    match subscription.type:
        case EventType.ROAMING_STATUS:
            return _status(happened, roaming=roaming)
        case EventType.ROAMING_ON if roaming:
            return Event(EventType.ROAMING_ON, happened.at)
        case EventType.ROAMING_OFF if not roaming:
            return Event(EventType.ROAMING_OFF, happened.at)
    return None


def _status(happened: Happening, *, roaming: bool) -> Event:
    mcc = happened.plmn[:3] if roaming else ""
    return Event(EventType.ROAMING_STATUS, happened.at, roaming=roaming, mcc=mcc)


def _is_roaming(plmn: str, home: Collection[str]) -> bool:
    return bool(plmn) and plmn not in home
