"""The port ``LifeRows`` over any ``Engine``: events, what follows from them, and timers."""

from __future__ import annotations

import os
import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any, Final

from simgrant.adapters.store.sql import life_statements as sql
from simgrant.adapters.store.sql import rows, statements
from simgrant.adapters.store.sql.camara_consents import heard, written_down
from simgrant.adapters.store.sql.camara_events import all_happened, happened, swaps_of
from simgrant.adapters.store.sql.engine import Body, Engine, Params, Row, Rows, Run, RunMany
from simgrant.adapters.store.sql.event_rows import (
    counted_too,
    from_event,
    held_too,
    life_of,
    to_event,
    to_waiting,
)
from simgrant.adapters.store.sql.left import left_behind
from simgrant.adapters.store.sql.order_rows import to_kept
from simgrant.adapters.store.sql.statements import shard_of
from simgrant.adapters.store.sql.switching import look_at
from simgrant.adapters.store.sql.timers import ends_forgotten, ends_move, of_consent, timer
from simgrant.adapters.store.sql.told_rows import TOLD_FORGOTTEN
from simgrant.domain.bss_events import BssEvent, Change
from simgrant.domain.camara.consent import ConsentEntry
from simgrant.domain.camara.event_subscription import Befell, Happening
from simgrant.domain.companions import NOT_COUNTED, Counted, count
from simgrant.domain.eligibility import Aspect
from simgrant.domain.life import Marks
from simgrant.domain.line_marks import LineMark, MarkName
from simgrant.domain.order import Order
from simgrant.domain.subscription import SubscriptionStatus
from simgrant.identities import Imsi
from simgrant.nouns import replace
from simgrant.ports.bss_events import MOST_RAW, Taken
from simgrant.ports.camara_consents import Scribe
from simgrant.ports.life import (
    BY_HAND,
    COMPANIONS,
    FOUND,
    TIMER,
    Aside,
    Claim,
    Judge,
    Judged,
    Present,
    Refused,
    TimerKind,
    Waiting,
)

_SWEEP_MS: Final = 1000
"""Milliseconds from one look for rows of which nothing waits to the next."""
_MOST_SWEPT: Final = 2000
_FAREWELL_S: Final = 3 * 86_400
"""Seconds for which the devices of one that is gone may still be told so."""
_FAREWELL: Final = (
    statements.PUSHES_FORGOTTEN,
    statements.NOTICES_FORGOTTEN,
)
_GONE: Final = (
    statements.SIM_KEY_FORGOTTEN,
    statements.HOLDINGS_FORGOTTEN,
    statements.MARKS_FORGOTTEN,
    statements.PIN_FORGOTTEN,
    statements.EVENTS_FORGOTTEN,
    statements.LEARNED_FORGOTTEN,
    sql.ASPECTS_FORGOTTEN,
    TOLD_FORGOTTEN,
)
"""What one that is gone has no more; where its devices are told so, is forgotten after that."""


class SqlLife:
    """Events and what follows from them, in tables (the ``LifeRows`` port)."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._swept_ms = 0

    # --- taking ------------------------------------------------------------------------------

    async def take(
        self,
        tenant: str,
        source: str,
        events: Sequence[BssEvent],
        *,
        now: float,
        future_s: int,
        scribe: Scribe,
    ) -> Sequence[Taken]:
        """Keep events in one transaction, or set them aside; return what became of each."""
        if not events:
            return []

        def body() -> Body[list[Taken]]:
            fresh = yield from _unseen(tenant, source, events, at=int(now))
            taken = [Taken.KNOWN] * len(events)
            new = [place for place, event in enumerate(events) if event.event_id in fresh]
            # Of an event that came twice at once, the first one counts.
            new = [place for place in new if _first(events, place)]
            found = yield from _subscriptions(tenant, [events[place] for place in new])
            kept: list[tuple[Imsi, BssEvent]] = []
            spoken: dict[Imsi, list[int]] = defaultdict(list)
            aside: list[tuple[BssEvent, str]] = []
            for place in new:
                event, imsi = events[place], found[events[place].event_id]
                if imsi is None:
                    aside.append((event, "unknown_subscriber"))
                elif event.at > now + future_s:
                    aside.append((event, "from_the_future"))
                else:
                    if event.api_consent is None:
                        kept.append((imsi, event))
                    else:
                        spoken[imsi].append(place)
                    taken[place] = Taken.KEPT
                    continue
                taken[place] = Taken.SET_ASIDE
            yield from keep(tenant, source, kept, now=now)
            # In order: whoever holds one row waits for none that comes before it.
            for imsi in sorted(spoken, key=lambda imsi: imsi.digits):
                places = sorted(spoken[imsi], key=lambda place: events[place].at)
                words = [events[place] for place in places]
                became = yield from heard(tenant, source, imsi, words, scribe)
                yield from _spoken(tenant, source, imsi, words, became, at=int(now))
                for place, each in zip(places, became, strict=True):
                    if isinstance(each, str):
                        taken[place] = Taken.SET_ASIDE
            yield from _put_aside(tenant, source, aside, at=int(now))
            # Nothing, where nothing was done.
            return taken if new else []

        return await self._engine.transact(body) or [Taken.KNOWN] * len(events)

    async def set_aside(
        self, tenant: str, source: str, raw: bytes, *, reason: str, now: float
    ) -> str:
        """Keep what nobody could read; return its id, which the same bytes always have."""
        aside_id = sha256(source.encode() + b"\0" + raw).digest()[:8].hex()
        row = (tenant, aside_id, source, "", "", reason, int(now), raw[:MOST_RAW])
        await self._engine.write(sql.ASIDE_KEPT, (*row, shard_of(aside_id)))
        return aside_id

    # --- acting ------------------------------------------------------------------------------

    async def claim(self, *, now_ms: int, again_ms: int, limit: int) -> Sequence[Claim]:
        """Return subscriptions with events that are due; nobody else is given them meanwhile."""
        found = await self._engine.read(sql.DUE_SHARDS, (now_ms, limit))
        idle = [shard for shard, _, has_idle in found if has_idle]
        if idle and now_ms >= self._swept_ms + _SWEEP_MS:
            self._swept_ms = now_ms
            await self._forget_idle(idle, now_ms)
        waiting = [(shard, many) for shard, many, _ in found if many]
        # In no order: of several who look at once, each is to find something of its own. Of little
        # there is in each, enough is claimed to be acted upon together.
        shards, left = list[int](), limit
        for shard, many in random.sample(waiting, len(waiting)):
            if left > 0:
                shards.append(shard)
                left -= many
        if not shards:
            return []
        found = await self._engine.read(*_of_shards(sql.DUE_ROWS, shards, now_ms, limit))
        wanted = [
            (tenant, imsi, again_ms, mark + 1, tries + 1, shard)
            for tenant, imsi, mark, tries, shard in sorted(map(tuple, found))
        ]
        claimed = await self._engine.write_rows(sql.CLAIMED, wanted) if wanted else ()
        return [Claim(tenant, Imsi(imsi), mark, tries) for tenant, imsi, mark, tries in claimed]

    async def _forget_idle(self, shards: Sequence[int], now_ms: int) -> None:
        """Forget rows for which nothing came."""
        found = await self._engine.read(*_of_shards(sql.IDLE_ROWS, shards, now_ms, _MOST_SWEPT))
        gone = [(tenant, imsi, now_ms) for tenant, imsi in sorted(map(tuple, found))]

        def body() -> Body[None]:
            yield RunMany(sql.IDLE_FORGOTTEN, gone)

        if gone:
            await self._engine.transact(body)

    async def peek(self, claims: Sequence[Claim]) -> Sequence[tuple[Imsi, Waiting]]:
        """Return the events that wait for these; nothing is done for them."""
        found: list[tuple[Imsi, Waiting]] = []
        for start in range(0, len(claims), sql.SOME[-1]):
            few = [claim.imsi.digits for claim in claims[start : start + sql.SOME[-1]]]
            size = sql.size_for(len(few))
            params = (claims[0].tenant, *sql.some(few, size))
            rows_ = await self._engine.read(sql.of(sql.EVENTS_OF, size), params)
            found += ((Imsi(imsi), to_waiting(*row)) for imsi, *row in rows_)
        return found

    async def settle(
        self,
        claims: Sequence[Claim],
        judge: Judge,
        *,
        now: float,
        again_ms: int,
        counts: bool = False,
    ) -> Sequence[Judged]:
        """Act upon all that waits for these, in one transaction."""
        tenant = claims[0].tenant

        def body() -> Body[list[Judged]]:
            ours = [imsi for (imsi,) in (yield _due_again(claims, again_ms))]
            events: dict[str, list[Waiting]] = defaultdict(list)
            for imsi, *row in (yield from all_of(sql.EVENTS_TAKEN, ours, tenant)):
                events[imsi].append(to_waiting(*row))
            idle = [(tenant, imsi) for imsi in sorted(ours) if imsi not in events]
            if idle:
                yield RunMany(sql.DUE_NO_MORE, idle)
            if not events:
                return []
            there = yield from present(tenant, events, counts=counts)
            judged = [judge(each) for each in there]
            yield from written(tenant, judged, now=now)
            return judged

        return await self._engine.transact(body)

    async def give_up(self, claim: Claim, *, reason: str, now: float) -> int:
        """Set all events of a subscription aside; return how many."""
        tenant, imsi = claim.tenant, claim.imsi.digits

        def body() -> Body[int]:
            if not (yield _due_again([claim], int(now * 1000))):
                return 0
            found = yield Run(sql.of(sql.EVENTS_TAKEN, 1), (tenant, imsi))
            for _, source, _, raw in found:
                yield from _put_aside(
                    tenant, source, [(to_event(raw), reason)], at=int(now), subject=imsi
                )
            yield Run(sql.DUE_NO_MORE, (tenant, imsi))
            return len(found)

        return await self._engine.transact(body)

    async def fire(self, *, now: float, limit: int) -> int:
        """Make events of timers that are due, in one transaction; return of how many."""
        kept = TimerKind.SWITCH.value  # whoever switches takes those
        shards = [shard for (shard,) in await self._engine.read(sql.TIMER_SHARDS, (int(now), kept))]
        if not shards:
            return 0
        shard = random.choice(shards)  # noqa: S311 - it spreads load

        def body() -> Body[int]:
            fired = yield Run(sql.TIMERS_FIRED, (shard, int(now), limit, kept))
            of_tenant: dict[str, list[tuple[Imsi, BssEvent]]] = defaultdict(list)
            for tenant, imsi, kind, name, due_at in fired:
                event = BssEvent(
                    event_id=f"{kind}:{name}:{due_at}", change=Change.CHANGED, at=due_at
                )
                of_tenant[tenant].append((Imsi(imsi), event))
            for tenant in sorted(of_tenant):
                yield from keep(tenant, TIMER, of_tenant[tenant], now=now)
            return len(fired)

        return await self._engine.transact(body)

    async def waits(self) -> int:
        """Return for how many subscriptions something waits, or was done a moment ago."""
        found = await self._engine.read(sql.DUE_COUNT, (), slow=True)
        return int(found[0][0])

    # --- what was set aside --------------------------------------------------------------------

    async def aside(self, tenant: str, *, limit: int) -> Sequence[Aside]:
        """Return what was set aside, the newest first."""
        return list(map(_aside, await self._engine.read(sql.ASIDE, (tenant, limit), slow=True)))

    async def find_aside(self, tenant: str, start: str) -> Sequence[Aside]:
        """Return what was set aside under ids that begin so, at most two."""
        found = await self._engine.read(sql.ASIDE_FOUND, (tenant, start, start + "g"))
        return list(map(_aside, found))

    async def drop(self, tenant: str, aside_id: str) -> bool:
        """Forget what was set aside; False where it is not there any more."""
        return bool(await self._engine.write(sql.ASIDE_DROPPED, (tenant, aside_id)))

    async def replay(self, aside: Aside, *, now: float, scribe: Scribe) -> Taken:
        """Take an event that was set aside once more, in one transaction."""
        event, tenant = aside.event, aside.tenant
        if event is None:
            raise ValueError("who replays has read it")

        became = Taken.SET_ASIDE

        def body() -> Body[bool]:
            """Say whether anything was done."""
            nonlocal became
            imsi = (yield from _subscriptions(tenant, [event]))[event.event_id]
            if imsi is None:
                became = Taken.SET_ASIDE
                return False
            entries: Sequence[ConsentEntry] = ()
            if event.api_consent is not None:
                (said,) = yield from heard(tenant, aside.source, imsi, [event], scribe)
                if isinstance(said, str):
                    became = Taken.SET_ASIDE
                    return False
                entries = said
            if not (yield Run(sql.ASIDE_DROPPED, (tenant, aside.aside_id))):
                became = Taken.KNOWN
                return False
            if event.api_consent is None:
                yield from keep(tenant, aside.source, [(imsi, event)], now=now)
            elif entries:
                yield written_down(tenant, imsi, entries)
            became = Taken.KEPT
            return True

        await self._engine.transact(body)
        return became

    async def purge(self, *, seen_before: int, aside_before: int, limit: int = 5000) -> int:
        """Forget old ids and what was set aside long ago; return how many."""
        left = limit
        for text, before in ((sql.SEEN_PURGED, seen_before), (sql.ASIDE_PURGED, aside_before)):
            for shard in range(statements.SHARDS):
                if left > 0:
                    left -= len(await self._engine.write(text, (shard, before, left)))
        return limit - left


# --- taking ----------------------------------------------------------------------------------


def _first(events: Sequence[BssEvent], place: int) -> bool:
    event_id = events[place].event_id
    return all(event.event_id != event_id for event in events[:place])


def _unseen(tenant: str, source: str, events: Sequence[BssEvent], *, at: int) -> Body[set[str]]:
    """Note the ids of events; return those that nobody knew."""
    # In order: of two who bring the same events at once, none waits for one that waits for it.
    ids = sorted({event.event_id for event in events})
    rows_ = [(tenant, source, each, at, shard_of(each)) for each in ids]
    return {each for (each,) in (yield RunMany(sql.SEEN, rows_))}


def _subscriptions(tenant: str, events: Sequence[BssEvent]) -> Body[dict[str, Imsi | None]]:
    """Return whose each event is, by its id; None where there is no such subscription."""
    numbers = sorted(
        {event.msisdn.digits for event in events if event.imsi is None and event.msisdn is not None}
    )
    holders = dict(map(tuple, (yield from all_of(sql.HOLDERS_OF, numbers, tenant))))
    named: dict[str, str] = {}
    for event in events:
        if event.imsi is not None:
            named[event.event_id] = event.imsi.digits
        elif event.msisdn is not None and event.msisdn.digits in holders:
            named[event.event_id] = holders[event.msisdn.digits]
    wanted = sorted(set(named.values()))
    there = {imsi for (imsi,) in (yield from all_of(sql.THERE, wanted, tenant))}
    return {
        event.event_id: Imsi(named[event.event_id]) if named.get(event.event_id) in there else None
        for event in events
    }


def _spoken(
    tenant: str,
    source: str,
    imsi: Imsi,
    events: Sequence[BssEvent],
    became: Sequence[Sequence[ConsentEntry] | str],
    *,
    at: int,
) -> Body[None]:
    """Write what a subscriber said by these events, and set the others aside."""
    entries = [entry for each in became if not isinstance(each, str) for entry in each]
    if entries:
        yield written_down(tenant, imsi, entries)
    aside = [
        (event, each) for event, each in zip(events, became, strict=True) if isinstance(each, str)
    ]
    yield from _put_aside(tenant, source, aside, at=at, subject=imsi.digits)


def keep(
    tenant: str, source: str, kept: Sequence[tuple[Imsi, BssEvent]], *, now: float
) -> Body[None]:
    """Keep events, and have their subscriptions looked at: at once, or when they are anyway.

    A part of others' transactions, to come before any lock on a subscription's own row.
    """
    if not kept:
        return
    events = [
        (tenant, imsi.digits, source, event.event_id, int(now * 1e6) + place, from_event(event))
        for place, (imsi, event) in enumerate(kept)
    ]
    yield RunMany(sql.EVENT_KEPT, events)
    yield due(tenant, {imsi.digits for imsi, _ in kept}, now=now)


def changing(
    tenant: str, imsis: Iterable[str], *, now: int, change: Change = Change.CHANGED
) -> Body[None]:
    """Have what devices are told from now on compared with what they are told by until now.

    A part of others' transactions, to come before they change any of these subscriptions (their
    digits). Of several changes that nobody acted upon yet, the first one knows what devices were
    told by, and what held after each of the others.
    """
    digits = sorted(imsis)
    # Whoever acts upon one of them is waited for here, and not with a lock that he wants.
    yield due(tenant, digits, now=now)
    held: dict[str, list[Row]] = defaultdict(list)
    for imsi, *row in (yield from all_of(sql.HOLDINGS_OF, digits, tenant)):
        held[imsi].append(row)
    event = BssEvent(event_id=change, change=change, at=now)
    states = {
        state[1]: (state, *held[state[1]])
        for state in (yield from all_of(sql.STATES_OF, digits, tenant))
    }
    if not states:
        return
    name = (BY_HAND, event.event_id)
    kept = yield RunMany(
        sql.EVENT_KEPT,
        [
            (tenant, imsi, *name, now * 1_000_000, from_event(event, before))
            for imsi, before in states.items()
        ],
    )
    again = sorted(states.keys() - {imsi for (imsi,) in kept})
    known = yield from all_of(sql.EVENT_KNOWN, again, tenant, *name)
    more = [
        (tenant, imsi, *name, says)
        for imsi, body in sorted(map(tuple, known))
        if (says := held_too(body, states[imsi])) is not None
    ]
    if more:
        yield RunMany(sql.EVENT_SAYS, more)


def leaving(tenant: str, imsi: Imsi, *, now: int) -> Body[None]:
    """Have all follow that follows where a subscription is removed.

    A part of another's transaction, as `changing` is.
    """
    return changing(tenant, [imsi.digits], now=now, change=Change.PORTED_OUT)


def found_another(tenant: str, imsi: Imsi, told: Row, *, now: int) -> Body[None]:
    """Have what devices are told compared, since a BSS tells something else than this row.

    A part of another's transaction, as `changing` is.
    """
    yield due(tenant, [imsi.digits], now=now)
    yield _found(tenant, imsi, now=now, told=told)


def found_too_soon(tenant: str, imsi: Imsi, *, now: int) -> Run:
    """Return the step that notes that a BSS says something else, and that nobody is told of it yet.

    Which device was told what is not known any more, so that the next event tells everybody.
    """
    return _found(tenant, imsi, now=now)


def companions_changed(tenant: str, imsi: Imsi, had: Counted, *, now: int) -> Body[None]:
    """Have what devices are told compared: there are other companions.

    A part of another's transaction, to come after `due`. ``had`` is how many there were. Of several
    changes that nobody acted upon yet, the first one knows how many there were before it, and in
    between.
    """
    event = BssEvent(event_id=Change.CHANGED, change=Change.CHANGED, at=now)
    key = (tenant, imsi.digits, COMPANIONS, event.event_id)
    if (yield Run(sql.EVENT_KEPT, (*key, now * 1_000_000, from_event(event, counted=had)))):
        return
    known = yield Run(sql.of(sql.EVENT_KNOWN, 1), (tenant, *key[2:], imsi.digits))
    for _, body in known:
        if (says := counted_too(body, had)) is not None:
            yield Run(sql.EVENT_SAYS, (*key, says))


def _found(tenant: str, imsi: Imsi, *, now: int, told: Row = ()) -> Run:
    event = BssEvent(event_id=Change.CHANGED, change=Change.CHANGED, at=now)
    body = from_event(event, told=told)
    return Run(sql.EVENT_KEPT, (tenant, imsi.digits, FOUND, event.event_id, now * 1_000_000, body))


def due(tenant: str, digits: Iterable[str], *, now: float) -> RunMany:
    """Return the step that has subscriptions looked at: at once, or when they are anyway.

    It locks what comes before a subscription's own row.
    """
    at_ms, mark = int(now * 1000), _new_mark()
    return RunMany(
        sql.DUE, [(tenant, imsi, at_ms, mark, 0, shard_of(imsi)) for imsi in sorted(digits)]
    )


def _new_mark() -> int:
    """Return the mark of new rows: no claim of one that is gone is good for another."""
    return int.from_bytes(os.urandom(7))


def _due_again(claims: Iterable[Claim], at_ms: int) -> RunMany:
    """Lock rows until the transaction ends, and have what comes later wait; return whose they are.

    A claim that is somebody else's by now is left to him.
    """
    of = {claim.imsi.digits: claim for claim in claims}
    return RunMany(
        sql.DUE_AGAIN,
        [(of[imsi].tenant, imsi, at_ms, of[imsi].mark, -1, shard_of(imsi)) for imsi in sorted(of)],
    )


def _put_aside(
    tenant: str,
    source: str,
    events: Iterable[tuple[BssEvent, str]],
    *,
    at: int,
    subject: str = "",
) -> Body[None]:
    asides: list[Params] = []
    for event, reason in events:
        aside_id = os.urandom(8).hex()
        named = event.imsi or event.msisdn
        about = subject or (named.digits if named is not None else "")
        body = from_event(event)
        row = (tenant, aside_id, source, event.event_id, about, reason, at, body)
        asides.append((*row, shard_of(aside_id)))
    if asides:
        yield RunMany(sql.ASIDE_KEPT, asides)


def _aside(row: Row) -> Aside:
    tenant, aside_id, source, event_id, reason, at, body = row
    if not event_id:
        return Aside(tenant, aside_id, source, event_id, reason, at, bytes(body))
    return Aside(tenant, aside_id, source, event_id, reason, at, b"", to_event(body))


# --- acting ----------------------------------------------------------------------------------


def all_of(text: str, digits: Sequence[str], *before: Any) -> Body[Rows]:
    """Run a statement about some IMSIs, a handful at a time, and return all its rows."""
    found: list[Row] = []
    for start in range(0, len(digits), sql.SOME[-1]):
        few = list(digits[start : start + sql.SOME[-1]])
        size = sql.size_for(len(few))
        found += yield Run(sql.of(text, size), (*before, *sql.some(few, size)))
    return found


def _of_shards(text: str, shards: Sequence[int], *before: int) -> tuple[str, Params]:
    """Return a statement about some shards, and its parameters."""
    size = sql.size_for(len(shards))
    return sql.of(text, size), (*before, *sql.some(shards, size))


def present(
    tenant: str,
    events: Mapping[str, Sequence[Waiting]],
    states: str = sql.LOCKED,
    *,
    counts: bool = False,
) -> Body[list[Present]]:
    """Return all that is looked at of subscriptions with their events; lock them by ``states``.

    With ``counts`` their companions are counted.
    """
    digits = sorted(events)
    locked = yield from all_of(states, digits, tenant)
    by: dict[str, dict[str, list[Row]]] = {}
    for name, text in (
        ("held", sql.HOLDINGS_OF),
        ("marks", sql.MARKS_OF),
        ("terminals", sql.TERMINALS_OF),
        ("pushes", sql.PUSHES_OF),
        ("aspects", sql.ASPECTS_OF),
    ):
        of: dict[str, list[Row]] = defaultdict(list)
        for found in (yield from all_of(text, digits, tenant)):
            of[found[0]].append(found[1:])
        by[name] = of
    orders: dict[str, list[Order]] = defaultdict(list)
    if counts:
        for row in (yield from all_of(sql.ORDERS_OF, digits, tenant)):
            orders[row[1]].append(to_kept(row).order)
    there: list[Present] = []
    for row in sorted(locked, key=lambda row: str(row[1])):
        imsi = row[1]
        marks = map(rows.to_mark, by["marks"][imsi])
        life = replace(
            life_of(row, by["held"][imsi]),
            marks={mark.name: mark for mark in marks},
            since={Aspect(aspect): at for aspect, at in by["aspects"][imsi]},
        )
        waiting = sorted(
            events[imsi], key=lambda each: (each.event.at, each.arrived_us, each.event.event_id)
        )
        there.append(
            Present(
                life,
                tuple(map(rows.to_terminal, by["terminals"][imsi])),
                tuple((terminal, app) for terminal, app in by["pushes"][imsi]),
                tuple(waiting),
                counted=count(orders[imsi]) if counts else NOT_COUNTED,
            )
        )
    return there


def written(tenant: str, judged: Sequence[Judged], *, now: float) -> Body[None]:
    """Write what follows for each of some subscriptions of a tenant."""
    settled: list[Params] = []
    aspects: list[Params] = []
    marks: list[Params] = []
    lost: list[Params] = []
    tells: list[Params] = []
    at = int(now)
    for each in judged:
        before, after = each.before, each.after
        imsi = before.subscription.imsi.digits
        if (before, each.revokes, each.changed) != (after, False, False):
            settled.append(_settled(tenant, each, at))
        aspects += (
            (tenant, imsi, aspect.value, since)
            for aspect, since in after.since.items()
            if before.since.get(aspect) != since
        )
        marks += (
            rows.from_mark(tenant, imsi, mark)
            for name, mark in after.marks.items()
            if before.marks.get(name) != mark
        )
        lost += ((tenant, imsi, terminal) for terminal in each.lost)
        for terminal, app in each.tells:
            tells.append((*rows.change_params(tenant, imsi, at), app, terminal))
        for waiting, reason in each.aside:
            yield from _put_aside(
                tenant, waiting.source, [(waiting.event, reason)], at=at, subject=imsi
            )
    befell = [each for one in judged for each in _befell(tenant, one, at)]
    for text, params in (
        (sql.SETTLED, settled),
        (sql.ASPECT_KEPT, aspects),
        (statements.MARK_KEPT, marks),
        (statements.TERMINAL_REVOKED, lost),
        (statements.NOTICES_OF_DEVICE, tells),
    ):
        if params:
            yield RunMany(text, params)
    yield from all_happened(befell)
    for each in judged:
        yield from _rest(tenant, each, now=now)


def _befell(tenant: str, each: Judged, at: int) -> Iterator[Params | None]:
    """Yield as parameters of ``HAPPENED`` what subscriptions to a line may have to be told."""
    before, after = each.before.subscription, each.after.subscription
    number = before.msisdn
    if after.status is SubscriptionStatus.REMOVED:
        if before.status is not SubscriptionStatus.REMOVED:
            yield happened(tenant, number, Happening(Befell.GONE, at))
        return
    if after.msisdn != number:
        yield happened(tenant, number, Happening(Befell.GONE, at))
        yield happened(tenant, after.msisdn, Happening(Befell.SIM, at))
    changed = [
        mark for name, mark in each.after.marks.items() if each.before.marks.get(name) != mark
    ]
    yield from swaps_of(tenant, after.msisdn, _renewed(each.before.marks, changed))
    if after.visited_plmn != before.visited_plmn:
        place = Happening(Befell.PLACE, after.visited_at, after.visited_plmn)
        yield happened(tenant, after.msisdn, place)


def _renewed(before: Marks, changed: Iterable[LineMark]) -> Iterator[LineMark]:
    """Yield marks without the ICCID that is the first to be known: it is no swap."""
    return (mark for mark in changed if mark.name is not MarkName.ICCID or MarkName.ICCID in before)


def _settled(tenant: str, each: Judged, now: int) -> Params:
    after = each.after.subscription
    # A version is told apart from every one before it, however closely they follow.
    changed_at = max(now, after.changed_at + 1) if each.changed else after.changed_at
    return (
        tenant,
        after.imsi.digits,
        after.status.value,
        after.plan,
        int(after.provisioning),
        after.visited_plmn,
        after.visited_at,
        *rows.from_consent(each.after.terms),
        *rows.from_consent(each.after.address),
        1 if each.revokes else 0,
        changed_at,
    )


def _rest(tenant: str, each: Judged, *, now: float) -> Body[None]:
    """Write what follows for few subscriptions only."""
    before, after, at = each.before.subscription, each.after.subscription, int(now)
    imsi = before.imsi
    for app in each.sms:
        params = rows.change_params(tenant, imsi.digits, at)
        yield Run(statements.NOTICE_BY_SMS, (*params, app, ""))
    for old, new in (
        (each.before.terms, each.after.terms),
        (each.before.address, each.after.address),
    ):
        if new is not None and old != new:
            yield of_consent(tenant, imsi, new)
    # It is the IMSI's: with another one, both are looked at.
    for whose in (imsi,) if each.moves_to is None else (imsi, each.moves_to):
        for service in each.switches:
            yield look_at(tenant, whose, service, at=at)
    if after.msisdn is not None and after.msisdn != before.msisdn:
        number = after.msisdn.digits
        if not (yield Run(statements.MSISDN_TAKEN, (tenant, number, imsi.digits))):
            raise Refused("number_taken", for_operator=f"{imsi}: its new number is another's")
        if before.msisdn is not None:
            yield Run(statements.MSISDN_FREED, (tenant, before.msisdn.digits, imsi.digits))
        yield Run(statements.MSISDN_MOVED, (tenant, imsi.digits, number))
    key = (tenant, imsi.digits)
    if after.status is SubscriptionStatus.REMOVED:
        if before.status is SubscriptionStatus.REMOVED:
            if any(waiting.source == TIMER for waiting, _ in each.done):
                # Its devices were told, or cannot be.
                for text in _FAREWELL:
                    yield Run(text, key)
            return
        yield Run(statements.REMOVED, (*key, after.changed_at))
        if after.msisdn is not None:
            yield Run(statements.MSISDN_FREED, (tenant, after.msisdn.digits, imsi.digits))
        for text in _GONE:
            yield Run(text, key)
        yield ends_forgotten(tenant, imsi)
        yield timer(tenant, imsi, TimerKind.FAREWELL, "", at + _FAREWELL_S)
    elif each.moves_to is not None:
        yield from _moved(tenant, each, each.moves_to, at=at)


def _moved(tenant: str, each: Judged, to: Imsi, *, at: int) -> Body[None]:
    """Give a subscription another IMSI; the old one's tombstone keeps its tokens refused."""
    old, number = each.before.subscription.imsi.digits, each.after.subscription.msisdn
    former = (tenant, to.digits)
    found = yield Run(statements.BY_IMSI, former)
    if found:
        if found[0][3] != SubscriptionStatus.REMOVED:
            raise Refused("imsi_taken", for_operator=f"{to}: there is a subscription of it")
        # What is left of whoever had that IMSI before is not its.
        yield from left_behind(tenant, to, at=at)
        for text in (
            sql.EVENTS_FORGOTTEN,
            statements.GRANTS_FORGOTTEN,
            statements.TERMINALS_FORGOTTEN,
            statements.SESSIONS_FORGOTTEN,
            statements.USES_FORGOTTEN,
            statements.VISITS_FORGOTTEN,
            *_FAREWELL,
        ):
            yield Run(text, former)
        yield ends_forgotten(tenant, to)
    if not (yield Run(sql.MOVED, (tenant, old, to.digits, at))):
        raise Refused("imsi_taken", for_operator=f"{to}: there is a subscription of it")
    if number is not None:
        yield Run(sql.NUMBER_FOLLOWS, (tenant, old, to.digits, number.digits))
    for text in sql.MOVES:
        yield Run(text, (tenant, old, to.digits))
    for text in sql.MOVES_WITH_SHARD:
        yield Run(text, (tenant, old, to.digits, shard_of(to.digits)))
    yield ends_move(tenant, each.before.subscription.imsi, to)
    yield Run(statements.REMOVED, (tenant, old, at))
    for text in (
        *_GONE,
        sql.DUE_NO_MORE,
        statements.VISITS_FORGOTTEN,
    ):
        yield Run(text, (tenant, old))
    # What came meanwhile for the old one came along, and is looked at as the new one's.
    yield due(tenant, [to.digits], now=at)
