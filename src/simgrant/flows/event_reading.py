"""What an operator's systems send, read as events: what changed, whose, and what holds now.

Nothing here waits for anything. An event of our own says its change itself. One of TM Forum says
that a product, a service, a resource or an order is not as it was: rules of the settings say which
change that is, the first that fits. Where none does, it is a hint (`Change.CHANGED`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field
from fnmatch import translate
from typing import Any, Final, TypeAlias, TypeVar

from simgrant.domain.bss_events import BssEvent, Change, ToldConsent
from simgrant.domain.eligibility import NOTHING_TOLD, Eligibility
from simgrant.domain.risk import NumberType
from simgrant.domain.subscription import ConsentStatus, SubscriptionStatus
from simgrant.flows.camara.told_consents import SAYS, told_consent
from simgrant.identities import Iccid, Imsi, InvalidIdentity, Msisdn
from simgrant.nouns import Word, named_noun
from simgrant.spec.ids import ProvStatus
from simgrant.wire.tmf_events import (
    BadEvent,
    Event,
    Kind,
    PlainEvent,
    Thing,
    TmfEvent,
    Told,
    Unreadable,
    pull_event,
    pull_raw,
    pull_time,
)

_PLMN: Final = re.compile(r"[0-9]{5,6}")
_OUR_ORDER: Final = re.compile(r"([0-9a-f]{32})(?:[^0-9a-f].*)?")
"""What product orders of ours are called there: the order's id, and what else is to be done."""
_BETWEEN: Final = re.compile(r"[\s,]+")
_PREFIX: Final = re.compile(r"^(?:tel:)?(?:\+|00)?")
I = TypeVar("I", Imsi, Msisdn, Iccid)  # noqa: E741
W = TypeVar("W", bound=Word)


Hurry: TypeAlias = Callable[[str, Sequence[str]], None]
"""Takes a tenant, and ids of eSIM orders of which somebody told that there is news."""


def nobody_waits(_tenant: str, _orders: Sequence[str]) -> None:
    """Look at no order out of turn: no BSS orders profiles here."""


@named_noun
class Rule:
    """A change that events of TM Forum mean. A condition that is empty always holds."""

    change: Change
    status: SubscriptionStatus | None = None
    """What the subscription's status is since then, if that follows."""
    senders: frozenset[str] = frozenset()
    event_types: tuple[str, ...] = ()
    """Patterns with ``*`` and ``?``, in any letter case."""
    states: frozenset[str] = frozenset()
    """In lower case."""
    values: tuple[str, ...] = ()
    """Names, in lower case, of values one of which has to be there."""


@named_noun
class Names:
    """By which names TM Forum's events have what is needed of them, in lower case, the first that
    is there counts."""

    imsi: tuple[str, ...] = ("imsi",)
    msisdn: tuple[str, ...] = ("msisdn",)
    new_imsi: tuple[str, ...] = ()
    iccid: tuple[str, ...] = ("iccid",)
    terminal_id: tuple[str, ...] = ("imei",)
    plan: tuple[str, ...] = ()
    plans: Mapping[str, str] = field(default_factory=dict)
    """A plan's name there, and in the policy; one that is not in it is not told."""
    client_id: tuple[str, ...] = ("clientid",)
    """Of the consumer that a consent is about. What has none is about our own terms."""
    application: tuple[str, ...] = ("applicationid",)
    purpose: tuple[str, ...] = ("purpose",)
    apis: tuple[str, ...] = ("apis",)
    """One value with all of them, with spaces or commas between."""
    expires_at: tuple[str, ...] = ("expiresat",)
    evidence: tuple[str, ...] = ("evidence",)


@named_noun
class Unread:
    """Something of a message that is no event, or no use."""

    raw: bytes = field(repr=False)
    reason: Unreadable
    place: int = 1
    """Which of the message it is, counted from 1."""


@named_noun
class Reading:
    """What was in a message."""

    events: tuple[BssEvent, ...]
    unread: tuple[Unread, ...]
    named: tuple[tuple[str, str], ...] = ()
    """(id, event type) of each event that could be read, as its sender calls them."""
    orders: tuple[str, ...] = ()
    """Ids of eSIM orders whose product orders are not as they were."""


class EventReader:
    """Reads messages of every sender."""

    def __init__(self, rules: Iterable[Rule] = (), names: Names | None = None) -> None:
        self._rules = [(rule, _patterns(rule.event_types)) for rule in rules]
        self._names = names or Names()

    def read(self, sender: str, body: bytes, *, now: int, event_type: str = "") -> Reading:
        """Return what is in a message that came ``now`` (Unix seconds).

        ``event_type`` is what the place says where it came in, for events that do not.
        """
        try:
            parts = pull_raw(body)
        except BadEvent as bad:
            return Reading(events=(), unread=(Unread(raw=body, reason=bad.reason),))
        events: list[BssEvent] = []
        unread: list[Unread] = []
        named: list[tuple[str, str]] = []
        orders: dict[str, None] = {}
        for place, raw in enumerate(parts, start=1):
            try:
                event = pull_event(raw, event_type=event_type)
                found = self._events(sender, event, raw, now)
            except BadEvent as bad:
                unread.append(Unread(raw=raw, reason=bad.reason, place=place))
            else:
                events.extend(found)
                orders |= dict.fromkeys(_orders(event))
                kind = event.event_type if isinstance(event, TmfEvent) else event.change
                own = found[0].event_id if found else ""
                named.append((event.event_id or own, kind))
        return Reading(
            events=tuple(events), unread=tuple(unread), named=tuple(named), orders=tuple(orders)
        )

    def _events(self, sender: str, event: Event, raw: bytes, now: int) -> list[BssEvent]:
        at = now if event.at is None else event.at
        if isinstance(event, PlainEvent):
            return [_plain(event, at)]
        # Without an id, the same bytes are the same event.
        event_id = event.event_id or f"sha256:{hashlib.sha256(raw).hexdigest()[:40]}"
        found = []
        for place, thing in enumerate(event.things):
            if _order_of(thing) and not self._names_a_line(thing):
                # It is looked at by its own name.
                continue
            own = event_id if len(event.things) == 1 else f"{event_id[:118]}#{place}"
            found.append(self._of_thing(sender, event.event_type, thing, own, at))
        return found

    def _names_a_line(self, thing: Thing) -> bool:
        return bool(thing.value(self._names.imsi) or thing.value(self._names.msisdn))

    def _of_thing(
        self, sender: str, event_type: str, thing: Thing, event_id: str, at: int
    ) -> BssEvent:
        names = self._names
        imsi = _identity(Imsi, thing.value(names.imsi))
        msisdn = _identity(Msisdn, _PREFIX.sub("", thing.value(names.msisdn)))
        if imsi is None and msisdn is None:
            raise BadEvent(Unreadable.NO_SUBSCRIPTION)
        rule = self._rule(sender, event_type, thing)
        if rule and rule.change in SAYS and thing.value(names.client_id):
            return BssEvent(
                event_id=event_id,
                change=rule.change,
                at=at,
                imsi=imsi,
                msisdn=msisdn,
                api_consent=self._consent(rule.change, thing, at),
            )
        plan = names.plans.get(thing.value(names.plan))
        status = rule.status if rule else None
        told = Eligibility(status=status, plan=plan) if status or plan else NOTHING_TOLD
        return BssEvent(
            event_id=event_id,
            change=rule.change if rule else Change.CHANGED,
            at=at,
            imsi=imsi,
            msisdn=msisdn,
            told=told,
            new_imsi=_identity(Imsi, thing.value(names.new_imsi)),
            iccid=_identity(Iccid, thing.value(names.iccid).rstrip("Ff")),
            terminal_id=thing.value(names.terminal_id),
        )

    def _consent(self, change: Change, thing: Thing, at: int) -> ToldConsent:
        names = self._names
        ends = thing.value(names.expires_at)
        told = ToldConsent(
            client_id=thing.value(names.client_id),
            application=thing.value(names.application),
            purpose=thing.value(names.purpose),
            apis=tuple(_BETWEEN.sub(" ", thing.value(names.apis)).split()),
            # What was withdrawn may say until when it would have been given.
            expires_at=pull_time(ends) if ends and change is Change.CONSENT_GIVEN else None,
            evidence=thing.value(names.evidence),
        )
        return _usable(change, told, at)

    def _rule(self, sender: str, event_type: str, thing: Thing) -> Rule | None:
        for rule, patterns in self._rules:
            if (
                (not rule.senders or sender in rule.senders)
                and (not patterns or any(each.fullmatch(event_type) for each in patterns))
                and (not rule.states or thing.state in rule.states)
                and (not rule.values or thing.value(rule.values))
            ):
                return rule
        return None


def _orders(event: Event) -> Iterable[str]:
    """Return the ids of our orders that an event is about."""
    things = event.things if isinstance(event, TmfEvent) else ()
    return filter(None, map(_order_of, things))


def _order_of(thing: Thing) -> str:
    """Return the id of our order that a product order is of; empty for what is none of ours."""
    if thing.kind != Kind.PRODUCT_ORDER:
        return ""
    ours = _OUR_ORDER.fullmatch(thing.value(("externalid",)))
    return ours[1] if ours else ""


def _patterns(texts: Iterable[str]) -> list[re.Pattern[str]]:
    return [re.compile(translate(text), re.IGNORECASE) for text in texts]


def _plain(event: PlainEvent, at: int) -> BssEvent:
    try:
        change = Change(event.change)
    except ValueError:
        raise BadEvent(Unreadable.UNKNOWN_CHANGE) from None
    imsi, msisdn = _identity(Imsi, event.imsi), _identity(Msisdn, event.msisdn)
    if imsi is None and msisdn is None:
        raise BadEvent(Unreadable.NO_SUBSCRIPTION)
    consent = None
    if (told := event.api_consent) is not None:
        others = (event.told, event.new_imsi, event.iccid, event.terminal_id)
        if any(others):
            # Half of it would hold at once, and half of it later, or not at all.
            raise BadEvent(Unreadable.BAD_VALUE)
        consent = _usable(
            change,
            ToldConsent(
                client_id=told.client_id,
                application=told.application,
                purpose=told.purpose,
                apis=told.apis,
                expires_at=told.expires_at,
                evidence=told.evidence,
            ),
            at,
        )
    return BssEvent(
        event_id=event.event_id,
        change=change,
        at=at,
        imsi=imsi,
        msisdn=msisdn,
        api_consent=consent,
        told=told_of(event.told),
        new_imsi=_identity(Imsi, event.new_imsi),
        iccid=_identity(Iccid, event.iccid.rstrip("Ff")),
        terminal_id=event.terminal_id,
    )


def _usable(change: Change, told: ToldConsent, at: int) -> ToldConsent:
    try:
        return told_consent(change, told, at=at)
    except ValueError:
        raise BadEvent(Unreadable.BAD_VALUE) from None


def told_of(told: Told) -> Eligibility:
    """Return what a plain event tells, its texts as the words that there are; raise `BadEvent`."""
    if not told:
        return NOTHING_TOLD
    found: dict[str, Any] = dict(told)
    for name in ("options", "refusals"):
        if name in found:
            found[name] = frozenset(found[name])
    _to_word(found, "status", SubscriptionStatus)
    _to_word(found, "terms", ConsentStatus)
    _to_word(found, "address", ConsentStatus)
    _to_word(found, "number_type", NumberType)
    if "provisioning" in found:
        by_name = {each.name.lower(): each for each in ProvStatus}
        if (status := by_name.get(found["provisioning"])) is None:
            raise BadEvent(Unreadable.BAD_VALUE)
        found["provisioning"] = status
    if found.get("visited_plmn") and not _PLMN.fullmatch(found["visited_plmn"]):
        raise BadEvent(Unreadable.BAD_VALUE)
    if "msisdn" in found:
        found["msisdn"] = _identity(Msisdn, found["msisdn"])
    return Eligibility(**found)


def _to_word(found: dict[str, Any], name: str, kind: type[W]) -> None:
    if name in found:
        try:
            found[name] = kind(found[name])
        except ValueError:
            raise BadEvent(Unreadable.BAD_VALUE) from None


def _identity(kind: type[I], text: str) -> I | None:
    if not text:
        return None
    try:
        return kind(text)
    except InvalidIdentity:
        raise BadEvent(Unreadable.BAD_IDENTITY) from None
