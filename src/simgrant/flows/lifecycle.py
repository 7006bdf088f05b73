"""What follows from events of operators' systems, and from time: the living entitlement (ADR 0045).

Every worker acts upon what waits: at once for what it took over itself, and soon for what others
did. Of a subscription the first event acts at once, and those that follow closely wait for each
other. What a device is told before is compared with what it is told after; only where that differs
the document's version rises and the device is told to ask again.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Final

import structlog

from simgrant.domain.bss_events import BssEvent
from simgrant.domain.companions import NOT_COUNTED, Counted
from simgrant.domain.eligibility import Aspect
from simgrant.domain.holdings import HeldBoost, Purchase
from simgrant.domain.life import Done, Life, NotPossible, follow
from simgrant.domain.plans import boost_feature
from simgrant.domain.subscription import Subscription, SubscriptionStatus, Terminal
from simgrant.errors import EcsError
from simgrant.flows.answers import Answered, Answers
from simgrant.flows.asked_anew import Anew, AsksAnew
from simgrant.flows.for_ever import KeepsActing
from simgrant.flows.heard_anew import NOBODY_ASKED, Hearing, HearsAnew
from simgrant.flows.life_orders import ORDERS_FOLLOW, LifeOrders
from simgrant.identities import Imsi
from simgrant.nouns import named_noun, replace
from simgrant.ports.clock import Clock
from simgrant.ports.keys import Keys
from simgrant.ports.life import (
    BY_HAND,
    COMPANIONS,
    FOUND,
    NETWORK,
    OUR_OWN,
    POLICY,
    SWITCH,
    TIMER,
    Claim,
    Judged,
    LifeRows,
    Present,
    Refused,
    Waiting,
)
from simgrant.ports.store import RequestRecord
from simgrant.ports.switching import NO_SERVICES, NOTHING_SWITCHED, VOWIFI, ServicesOf, services_of
from simgrant.spec.ids import AppId, ProvStatus
from simgrant.telemetry.log import say_fault
from simgrant.telemetry.metrics import Metrics
from simgrant.telemetry.record import LifeRecord, instant, push_life

_NOBODY: Final = Terminal("")
"""Stands for a device where none is known: a version rises for whoever comes next."""
_NOT_ASKED: Final = Anew(before=None, after=None)
_CALLED: Final = {
    TIMER: "time",
    NETWORK: "network",
    FOUND: "bss",
    POLICY: "policy",
    COMPANIONS: "companions",
}
"""What is said to have happened, where no operator's system told it."""
_KNOWN: Final = frozenset({BY_HAND, FOUND, COMPANIONS})
"""The sources of what is told of by rows that others have written."""
_TIMERS_EVERY_S: Final = 1.0
"""Their times are whole seconds."""
_MOST_COMPARED: Final = 32
"""Answers of before that are compared with those of now; of more, nobody knows who has which."""
_MOST_SAID: Final = 200
"""Letters of what was decided about one application, in a record."""


@named_noun
class Rules:
    """How events are acted upon."""

    coalesce_s: float = 2.0
    """Seconds for which the events after a first one wait for each other."""
    lease_s: float = 10.0
    """Seconds after which what a worker began is another's."""
    batch: int = 128
    """Subscriptions in one transaction."""
    most_tries: int = 5
    """How often the events of a subscription are acted upon before they are set aside."""
    poll_s: float = 0.25
    """Seconds between two looks for what others took over."""
    timers: int = 100
    """Timers that fire in one transaction."""


class Lifecycle:
    """Acts upon events; ``run`` goes on until it is cancelled."""

    def __init__(
        self,
        rows: LifeRows,
        *,
        answers: Mapping[str, Answers],
        sms_apps: Mapping[str, Sequence[str]],
        keys: Keys,
        clock: Clock,
        metrics: Metrics,
        keep: Callable[[RequestRecord], None],
        orders: LifeOrders | None = None,
        switched: ServicesOf = NOTHING_SWITCHED,
        asks: AsksAnew | None = None,
        hears: HearsAnew | None = None,
        rules: Rules | None = None,
    ) -> None:
        """``answers`` are each tenant's; ``keep`` takes the record of each event.

        Without ``orders`` there are none of eSIMs; without ``asks`` no BSS is asked, and what
        events tell holds; without ``hears`` no core network is. ``switched`` are the services of
        tenants' lines that are switched in the network (`ports.switching`).
        """
        self._asks = asks
        self._hears = hears
        self._switched = switched
        self._orders = orders
        self._rows = rows
        self._answers = answers
        self._sms_apps = sms_apps
        self._keys = keys
        self._clock = clock
        self._metrics = metrics
        self._keep = keep
        self._rules = rules or Rules()
        self._acting = KeepsActing(self.act, poll_s=self._rules.poll_s, failed="lifecycle")
        self._timers_at = 0.0

    def wake(self) -> None:
        """Say that there are events: they are acted upon at once."""
        self._acting.wake()

    async def run(self) -> None:
        """Act upon what waits, for ever; what is cut off in between is done by the next."""
        await self._acting.run()

    async def act(self) -> bool:
        """Act upon some of what is due; say whether there was any."""
        now = self._clock.now()
        fired = 0
        if now >= self._timers_at:
            fired = await self._rows.fire(now=now, limit=self._rules.timers)
            if not fired:
                self._timers_at = now + _TIMERS_EVERY_S
        again_ms = int((now + self._rules.lease_s) * 1000)
        claims = await self._rows.claim(
            now_ms=int(now * 1000), again_ms=again_ms, limit=self._rules.batch
        )
        tenants = sorted(claims, key=attrgetter("tenant"))
        for _, of_tenant in groupby(tenants, attrgetter("tenant")):
            await self._act_for(list(of_tenant))
        return bool(claims or fired)

    async def _act_for(self, claims: Sequence[Claim]) -> None:
        """Act for subscriptions of one tenant: together, and one by one where that fails."""
        try:
            await self._settle(claims)
        except EcsError as error:
            if not isinstance(error, Refused):
                raise
        except Exception as error:
            say_fault(error)
        else:
            return
        for claim in claims:
            await self._act_alone(claim)

    async def _act_alone(self, claim: Claim) -> None:
        try:
            await self._settle([claim])
        except Refused as refused:
            await self._settle([claim], refused=refused.reason)
        except EcsError:
            raise
        except Exception as error:
            say_fault(error)
            if claim.tries >= self._rules.most_tries:
                count = await self._rows.give_up(claim, reason="poison", now=self._clock.now())
                structlog.get_logger().error("events_set_aside", reason="poison", events=count)

    async def _settle(self, claims: Sequence[Claim], *, refused: str = "") -> None:
        now = self._clock.now()
        tenant = claims[0].tenant
        anew: dict[Imsi, Anew] = {}
        heard: dict[Imsi, Hearing] | None = None
        found: frozenset[Imsi] = frozenset()
        if (self._orders, self._asks, self._hears) != (None, None, None):
            waiting = await self._rows.peek(claims)
            told = [(imsi, each.event) for imsi, each in waiting]
            found = frozenset(imsi for imsi, each in waiting if each.told is not None)
            await self._follow_orders(tenant, told)
            anew, heard = await asyncio.gather(
                self._ask_anew(tenant, waiting),
                self._hear_anew(tenant, told),
            )
        judge = Judging(
            self._answers[tenant],
            self._sms_apps.get(tenant, ()),
            now=now,
            refused=refused,
            anew=anew,
            switched=self._switched.get(tenant, NO_SERVICES),
            heard=heard,
            found=found,
        )
        again_ms = int((now + self._rules.coalesce_s) * 1000)
        counts = self._orders is not None and self._answers[tenant].counts
        settled = await self._rows.settle(claims, judge, now=now, again_ms=again_ms, counts=counts)
        for judged in settled:
            self.note(tenant, judged)

    async def _follow_orders(self, tenant: str, waiting: Sequence[tuple[Imsi, BssEvent]]) -> None:
        if self._orders is not None:
            for imsi, event in waiting:
                if event.change in ORDERS_FOLLOW:
                    await self._orders.follow(tenant, imsi, event)

    async def _ask_anew(
        self, tenant: str, waiting: Sequence[tuple[Imsi, Waiting]]
    ) -> dict[Imsi, Anew]:
        if self._asks is None:
            return {}
        # What people do is no news of the BSS, and what it was found to say is known.
        doubtful: dict[Imsi, bool] = {}
        for imsi, each in waiting:
            doubtful[imsi] = doubtful.get(imsi, False) or each.source not in _KNOWN
        answers = await asyncio.gather(
            *(
                self._asks.of(tenant, imsi) if asks else self._asks.known(tenant, imsi)
                for imsi, asks in doubtful.items()
            )
        )
        return {
            imsi: anew for imsi, anew in zip(doubtful, answers, strict=True) if anew is not None
        }

    async def _hear_anew(
        self, tenant: str, waiting: Sequence[tuple[Imsi, BssEvent]]
    ) -> dict[Imsi, Hearing] | None:
        if self._hears is None:
            return None
        of: dict[Imsi, list[BssEvent]] = {}
        for imsi, event in waiting:
            of.setdefault(imsi, []).append(event)
        found = await asyncio.gather(
            *(self._hears.of(tenant, imsi, events) for imsi, events in of.items())
        )
        return dict(zip(of, found, strict=True))

    def note(self, tenant: str, judged: Judged) -> None:
        """Count events, and write what became of them for people."""
        outcome = "changed" if judged.changed else "unchanged"
        for waiting, done in judged.done:
            self._told(tenant, judged, waiting, "late" if done is Done.LATE else outcome)
        for waiting, reason in judged.aside:
            structlog.get_logger().warning(
                "event_set_aside", tenant=tenant, source=waiting.source, reason=reason
            )
            self._told(tenant, judged, waiting, "set_aside", reason)

    def _told(
        self, tenant: str, judged: Judged, waiting: Waiting, outcome: str, reason: str = ""
    ) -> None:
        event, now, ring = waiting.event, self._clock.now(), self._keys.ring
        change = _CALLED.get(waiting.source, event.change.value)
        self._metrics.count_life_event(tenant, change, outcome)
        digits = judged.before.subscription.imsi.digits
        changed = outcome == "changed"
        record = LifeRecord(
            at=instant(now),
            request_id=os.urandom(8).hex(),
            tenant=tenant,
            event="life",
            outcome=outcome,
            subscriber_ref=ring.reference(tenant, "imsi", digits, now=now),
            change=change,
            event_id=event.event_id,
            peer=waiting.source,
            told_at=instant(event.at),
            detail=reason,
            before=dict(judged.said_before) if changed else None,
            after=dict(judged.said_after) if changed else None,
            apps=tuple(sorted({app for _, app in judged.tells} | {*judged.sms})) if changed else (),
            revoked=judged.revokes and outcome != "set_aside",
        )
        self._keep(
            RequestRecord(
                tenant,
                record.subscriber_ref,
                int(now * 1e6),
                record.request_id,
                push_life(record),
            )
        )


class Judging:
    """Says what follows from the events of a subscription (a ``Judge``)."""

    def __init__(
        self,
        answers: Answers,
        sms_apps: Sequence[str],
        *,
        now: float,
        refused: str = "",
        anew: Mapping[Imsi, Anew],
        heard: Mapping[Imsi, Hearing] | None,
        switched: frozenset[str] = NO_SERVICES,
        found: Collection[Imsi] = (),
    ) -> None:
        """With ``refused``, events that give another number or IMSI are set aside for that.

        ``anew`` is what a BSS says of those of whom it was asked; ``heard`` is what core networks
        say, None where none is asked. ``found`` are those of whom it was known that their BSS tells
        something else. ``switched`` are the services that are switched in the network.
        """
        self._found = found
        self._anew = anew
        self._switched = switched
        self._heard = heard
        self._answers = answers
        self._sms_apps = sms_apps
        self._now = now
        self._refused = refused

    def __call__(self, present: Present) -> Judged:
        """Return what follows."""
        before = after = present.life
        done: list[tuple[Waiting, Done]] = []
        aside: list[tuple[Waiting, str]] = []
        lost: list[str] = []
        revokes, moves_to = False, None
        for waiting in present.events:
            if self._refused and _takes_an_identity(waiting):
                aside.append((waiting, self._refused))
                continue
            if waiting.source == BY_HAND:
                # All of it was written at once, and the tokens that it takes were taken.
                done.append((waiting, Done.APPLIED))
                continue
            removed = after.subscription.status is SubscriptionStatus.REMOVED
            if removed and waiting.source not in OUR_OWN:
                aside.append((waiting, "unknown_subscriber"))
                continue
            if self._takes_all(waiting.event, after.subscription):
                aside.append((waiting, "unknown_plan"))
                continue
            try:
                step = follow(after, self._hinted(waiting.event, after.subscription))
            except NotPossible as reason:
                aside.append((waiting, str(reason)))
                continue
            after = step.life
            revokes |= step.revokes
            if step.lost:
                lost.append(step.lost)
            moves_to = step.moves_to or moves_to
            done.append((waiting, step.done))
        if after.subscription.status is SubscriptionStatus.REMOVED:
            moves_to = None
        began = _told_by(present)
        begins = VOWIFI in self._switched and self._begins(began, after)
        if begins:
            after = _in_progress(after)
        looks = self._to_be_off_or_on(present, after, moves=moves_to is not None)
        if begins:
            looks.add(VOWIFI)
        judged = Judged(
            before,
            after,
            tuple(done),
            tuple(aside),
            revokes=revokes,
            lost=tuple(lost),
            moves_to=moves_to,
            switches=tuple(sorted(looks)),
        )
        return self._compared(judged, present)

    def _hinted(self, event: BssEvent, line: Subscription) -> BssEvent:
        """Return an event as it is acted upon.

        Who is barred is refused before anybody is asked. Where a BSS says who is, an event is to
        bar nobody whom it serves: it suspends him, which holds while the BSS is silent.
        """
        barred = SubscriptionStatus.BARRED
        bars = event.told.status is barred and line.status is not barred
        if not bars or not _tells(self._anew.get(line.imsi), Aspect.STATUS):
            return event
        return replace(event, told=replace(event.told, status=SubscriptionStatus.SUSPENDED))

    def _takes_all(self, event: BssEvent, line: Subscription) -> bool:
        """Say whether an event tells a plan that the policy has not, and no BSS says which it is.

        That would take every service from a line by a slip of the pen.
        """
        plan = event.told.plan
        if plan is None or plan == line.plan or self._answers.has_plan(plan):
            return False
        return not _tells(self._anew.get(line.imsi), Aspect.PLAN)

    def _begins(self, before: Life, after: Life) -> bool:
        """Say whether a line may have to be switched on that is not."""
        if after.subscription.provisioning is ProvStatus.PROVISIONED:
            return False
        return self._answers.agreed(after) and (
            after.subscription.plan != before.subscription.plan or not self._answers.agreed(before)
        )

    def _to_be_off_or_on(self, present: Present, after: Life, *, moves: bool) -> set[str]:
        """Return services that are to be on no more, or may have to be, since something changed.

        Whoever looks at one finds out what is wanted of it.
        """
        status = after.subscription.status
        # What was on when somebody took it away would perhaps have ended by itself since.
        taken = (each.event.at for each in present.events if each.before is not None)
        then = min([self._now, *_ends_of(present.events), *taken])
        looks: set[str] = {VOWIFI} if moves else set()
        held = {each.boost_type: each for each in after.held.boosts}
        for life in _lives(present):
            was = life.subscription.status
            if was is SubscriptionStatus.REMOVED:
                continue
            if status is SubscriptionStatus.REMOVED:
                looks |= services_of(life)
                continue
            # Of who was suspended, what is to be on may have been left alone.
            resumed = status is SubscriptionStatus.ACTIVE and was is not status
            had = {each.boost_type: each for each in life.held.boosts}
            looks |= {
                boost_feature(each)
                for each in had.keys() | held.keys()
                if moves
                or resumed
                or _is_on(had.get(each), then) != _is_on(held.get(each), self._now)
            }
        return looks & self._switched

    def _compared(self, judged: Judged, present: Present) -> Judged:
        """Return it with what devices are told differently from now on."""
        before = _told_by(present)
        # What ended by itself is compared with how it was a second before.
        ends = _ends_of(waiting for waiting, _ in judged.done)
        then = min([self._now, *ends])
        anew = self._anew.get(before.subscription.imsi, _NOT_ASKED)
        heard = (self._heard or {}).get(before.subscription.imsi, NOBODY_ASKED)
        has = present.counted
        counts = has is not NOT_COUNTED
        # Of what was told after it was looked at, nobody knows what came of it; nor which device
        # was told what where a BSS changed its mind again and again.
        missed = any(
            (
                self._heard is not None
                and waiting.source == NETWORK
                and waiting.event.event_id not in heard.about
            )
            or (
                waiting.source == FOUND
                and (waiting.told is None or before.subscription.imsi not in self._found)
            )
            or waiting.between is None
            or (counts and waiting.counted_between is None)
            for waiting, _ in judged.done
        )
        told = next((each.told for each in present.events if each.told is not None), anew.before)
        numbers = [has]
        if counts:
            numbers = [*dict.fromkeys((*_numbers(present.events), has))]
        between = [life for each in present.events for life in each.between or ()]
        same = before == judged.after and heard.before == heard.after
        if (
            same
            and not between
            and len(numbers) == 1
            and not ends
            and not judged.moves_to
            and not missed
            and anew is _NOT_ASKED
        ):
            return judged
        terminals = devices_of(present)
        # Whoever asked since something was written, or a BSS was found to tell something else, has
        # that, and it may be over already. What he has now needs no comparison.
        now_so = heard.before == heard.after and then == self._now and not anew.gone
        lives = [(before, told)]
        lives += [(life, tells) for life in between for tells in (told, anew.before)]
        lives.append((present.life, anew.before))
        was = [(*lives[0], numbers[0])]
        for each in ((*life, number) for number in numbers for life in lives):
            if each not in was and not (now_so and each == (judged.after, anew.after, has)):
                was.append(each)
        if len(was) > _MOST_COMPARED:
            was, missed = was[:1], True
        old = [
            self._answers.of(
                life, terminals, now=then, told=tells, heard=heard.before, counted=number
            )
            for life, tells, number in was
        ]
        new = self._answers.of(
            judged.after,
            terminals,
            now=self._now,
            told=anew.after,
            gone=anew.gone,
            heard=heard.after,
            counted=has,
        )
        return differing(
            judged,
            present,
            old,
            new,
            everybody=judged.moves_to is not None or anew.unknown or missed,
            sms_apps=self._sms_apps,
            switched=VOWIFI in self._switched,
        )


def differing(
    judged: Judged,
    present: Present,
    old: Sequence[Answered],
    new: Answered,
    *,
    everybody: bool = False,
    sms_apps: Sequence[str],
    switched: bool,
) -> Judged:
    """Return it with what devices are told differently than by any of the old answers.

    The first of those is said to be what was told before. With ``everybody`` all that registered
    are told, whatever differs; ``switched`` says whether Wi-Fi calling is switched in the network.
    """
    differ = {key for key, now in new.items() if any(now.told != was[key].told for was in old)}
    tells = {key for key in present.registered if everybody or key in differ}
    sms: tuple[str, ...] = ()
    if not present.registered:
        apps = {app for _, app in differ}
        sms = tuple(app for app in sms_apps if app in apps)
    said = sorted({app: (old[0][_, app].said, new[_, app].said) for _, app in differ}.items())
    # That it is switched now needs no other look, as little as who is told.
    news = any(waiting.source != SWITCH for waiting, _ in judged.done)
    looks = {*judged.switches}
    if switched and news and any(app == AppId.VOWIFI for _, app in differ):
        looks.add(VOWIFI)
    return replace(
        judged,
        switches=tuple(sorted(looks)),
        changed=everybody or bool(differ),
        tells=tuple(sorted(tells)),
        sms=sms,
        said_before=tuple((app, was[:_MOST_SAID]) for app, (was, _) in said),
        said_after=tuple((app, now[:_MOST_SAID]) for app, (_, now) in said),
    )


def _told_by(present: Present) -> Life:
    """Return what devices were told by: where something was written since, what it was before."""
    written = (each.before for each in present.events if each.before is not None)
    return next(written, present.life)


def _lives(present: Present) -> Iterator[Life]:
    """Yield what held until now, as far as it is known."""
    for each in present.events:
        if each.before is not None:
            yield each.before
        yield from each.between or ()
    yield present.life


def _numbers(events: Iterable[Waiting]) -> Iterator[Counted]:
    """Yield how many companions there were until now, as far as they changed."""
    for each in events:
        if each.counted is not None:
            yield each.counted
            yield from each.counted_between or ()


def _ends_of(events: Iterable[Waiting]) -> list[int]:
    """Return the Unix seconds up to which what ended by itself was as before."""
    return [waiting.event.at - 1 for waiting in events if waiting.source == TIMER]


def _is_on(boost: HeldBoost | None, at: float) -> tuple[bool, bool]:
    """Return whether a boost is held, and whether the network is to be asked for it."""
    if boost is None:
        return False, False
    purchase = boost.state(at)
    return purchase is not Purchase.EXPIRED, purchase is Purchase.IN_PROGRESS


def _in_progress(life: Life) -> Life:
    pending = replace(life.subscription, provisioning=ProvStatus.IN_PROGRESS)
    return replace(life, subscription=pending)


def _tells(anew: Anew | None, aspect: Aspect) -> bool:
    """Say whether a BSS says that of a line, now or when it was asked last."""
    if anew is None:
        return False
    told = (each.eligibility for each in (anew.before, anew.after) if each is not None)
    return anew.gone or any(each is None or getattr(each, aspect) is not None for each in told)


def _takes_an_identity(waiting: Waiting) -> bool:
    return waiting.event.new_imsi is not None or waiting.event.told.msisdn is not None


def devices_of(present: Present) -> list[Terminal]:
    """Return every device, those among them that only registered."""
    known = {terminal.terminal_id: terminal for terminal in present.terminals}
    for terminal_id, _ in present.registered:
        known.setdefault(terminal_id, Terminal(terminal_id))
    return list(known.values()) or [_NOBODY]
