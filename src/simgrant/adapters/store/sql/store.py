"""The port ``Store`` over any ``Engine``: what each method reads and changes, and in which order.

Both adapters are this class with another engine under it, so they cannot come to differ in what
they do, only in how. Who keeps the request records is told apart from the engine (``records.py``):
they come a hundred times as often as anything else is written, and may be lost.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from operator import itemgetter
from typing import Final

from simgrant.adapters.store.sql import life_statements, orders, rows, statements, timers
from simgrant.adapters.store.sql.bss_events import SqlLife, changing, due, leaving
from simgrant.adapters.store.sql.camara_consents import CONSENTS_FORGOTTEN, SqlConsents
from simgrant.adapters.store.sql.camara_consumers import SqlConsumers
from simgrant.adapters.store.sql.camara_events import (
    ANY_SUBSCRIPTION,
    SWAP_NOTED,
    SWAPS,
    SqlCamaraEvents,
    all_happened,
    happened,
    number_forgotten,
    swap_noted,
)
from simgrant.adapters.store.sql.camara_lines import SqlCamaraLines
from simgrant.adapters.store.sql.camara_tokens import SqlCamaraTokens
from simgrant.adapters.store.sql.camara_usage import SqlUsage
from simgrant.adapters.store.sql.deeds import ANSWERS_ABOUT_FORGOTTEN, DeedEngine, SqlDeeds
from simgrant.adapters.store.sql.engine import Body, Engine, Params, Row, Rows, Run, RunMany
from simgrant.adapters.store.sql.hubs import SqlHubs
from simgrant.adapters.store.sql.inbox import SqlInbox
from simgrant.adapters.store.sql.learned import SqlLearned
from simgrant.adapters.store.sql.left import left_behind, services_left
from simgrant.adapters.store.sql.orders import SqlOrders
from simgrant.adapters.store.sql.pins import SqlPins
from simgrant.adapters.store.sql.policies import SqlPolicies
from simgrant.adapters.store.sql.records import Records
from simgrant.adapters.store.sql.sweeps import SqlSweeps
from simgrant.adapters.store.sql.switching import SqlSwitches, begun, kept_of
from simgrant.adapters.store.sql.told import SqlTold
from simgrant.adapters.store.sql.told_rows import TOLD_FORGOTTEN, to_told
from simgrant.domain.camara.event_subscription import Befell, Happening
from simgrant.domain.eligibility import Aspect
from simgrant.domain.holdings import Holding, Holdings
from simgrant.domain.line_marks import LineMark, MarkName
from simgrant.domain.subscription import (
    Consent,
    ConsentKind,
    Profile,
    PushRegistration,
    Subscription,
    SubscriptionStatus,
    Terminal,
)
from simgrant.domain.told import NEVER_TOLD
from simgrant.domain.visit import Receipt, Settlement, Visit
from simgrant.errors import Conflict
from simgrant.identities import Imsi, Msisdn
from simgrant.nouns import noun, replace
from simgrant.ports.deeds import Deed
from simgrant.ports.life import BY_HAND
from simgrant.ports.store import (
    LAST_RECORD,
    Change,
    DueNotice,
    Erased,
    Export,
    NewSubscription,
    Outcome,
    RequestRecord,
    RowConflict,
    SessionRow,
    Settled,
    SimKey,
    TokenState,
    TokenUse,
)
from simgrant.ports.switching import NO_SERVICES

_PAGE = 500
"""Rows that are read, looked up or prepared at a time, so that nobody else waits long."""

_CONSENT_SET = {
    ConsentKind.TERMS: statements.TERMS_SET,
    ConsentKind.ADDRESS: statements.ADDRESS_SET,
}


@noun
class _Prepared:
    """Some rows of ``add_many`` of one tenant, as parameters: what a transaction can repeat."""

    tenant: str
    first: int
    """Position of the first row among all."""
    subscriptions: list[Params]
    """Parameters of ``NEW_SUBSCRIPTION``."""
    sim_keys: list[Params]
    marks: list[Params]
    """Parameters of ``MARK_KEPT``."""

    def numbers(self) -> list[Params]:
        """Return the rows of the table ``msisdn``; a removed subscription has none."""
        return [
            (self.tenant, row[2], row[1])
            for row in self.subscriptions
            if row[2] is not None and row[3] != SubscriptionStatus.REMOVED
        ]


_OF_THE_LIVING: Final = (
    statements.SIM_KEY_FORGOTTEN,
    statements.PUSHES_FORGOTTEN,
    statements.NOTICES_FORGOTTEN,
    statements.HOLDINGS_FORGOTTEN,
    statements.MARKS_FORGOTTEN,
    statements.PIN_FORGOTTEN,
    statements.EVENTS_FORGOTTEN,
    statements.LEARNED_FORGOTTEN,
    life_statements.ASPECTS_FORGOTTEN,
    TOLD_FORGOTTEN,
)
"""What a subscription has that even the tombstone of one that was removed has not."""


class SqlStore:
    """A store in tables (the ``Store`` port)."""

    def __init__(
        self, engine: Engine, records: Records, *, devices: frozenset[str] = frozenset()
    ) -> None:
        """``devices`` are the tenants whose networks switch the services of devices."""
        self._engine = engine
        self._records = records
        self._devices = devices
        self.orders = SqlOrders(engine, devices)
        self.pins = SqlPins(engine)
        self.inbox = SqlInbox(engine)
        self.learned = SqlLearned(engine)
        self.life = SqlLife(engine)
        self.switches = SqlSwitches(engine)
        self.policies = SqlPolicies(engine)
        self.sweeps = SqlSweeps(engine)
        self.deeds = SqlDeeds(engine)
        self.told = SqlTold(engine)
        self.hubs = SqlHubs(engine)
        self.camara_tokens = SqlCamaraTokens(engine)
        self.consumers = SqlConsumers(engine)
        self.usage = SqlUsage(engine)
        self.api_consents = SqlConsents(engine)
        self.camara_lines = SqlCamaraLines(engine)
        self.camara_events = SqlCamaraEvents(engine)

    def doing(self, deed: Deed) -> SqlStore:
        """Return this store for one deed: each of its changes is written down beside it."""
        return SqlStore(DeedEngine(self._engine, deed), self._records, devices=self._devices)

    # --- the device path -------------------------------------------------

    async def profile(
        self, tenant: str, imsi: Imsi, terminal_id: str, client: str, *, told: bool = False
    ) -> Profile | None:
        """Return all that one request needs to know, from one read."""
        key = (tenant, imsi.digits, terminal_id, client)
        if not told:
            found = await self._engine.read(statements.PROFILE, key)
            return rows.to_profile(tenant, imsi, found[0]) if found else None
        found = await self._engine.read(statements.PROFILE_TOLD, key)
        if not found:
            return None
        *own, body, source, since, asked_at, doubted_at = found[0]
        kept = to_told((body, source, since, asked_at, doubted_at)) if body else NEVER_TOLD
        return rows.to_profile(tenant, imsi, own, kept)

    async def session(self, tenant: str, imsi: Imsi, session_id: bytes) -> SessionRow | None:
        """Return the row of an EAP session, if it has one yet."""
        found = await self._engine.read(statements.SESSION, (tenant, imsi.digits, session_id))
        return rows.to_session(found[0]) if found else None

    async def decide_session(
        self,
        tenant: str,
        imsi: Imsi,
        session_id: bytes,
        row: SessionRow,
        *,
        expected: Outcome | None,
        terminal: Terminal | None = None,
        client: str = "",
    ) -> bool:
        """Write a session's row if it still has the expected outcome."""
        params = rows.from_session(tenant, imsi, session_id, row)
        if terminal is None:
            if expected is None:
                return bool(await self._engine.write(statements.SESSION_BEGINS, params))
            goes_on = (*params, expected.value)
            return bool(await self._engine.write(statements.SESSION_GOES_ON, goes_on))
        params = (*params, *rows.from_terminal(terminal), client)
        if expected is None:
            return await self._engine.write_guarded(statements.ACCEPTED_AT_ONCE, params)
        return await self._engine.write_guarded(statements.ACCEPTED, (*params, expected.value))

    async def renew_grant(
        self,
        tenant: str,
        imsi: Imsi,
        terminal_id: str,
        client: str,
        *,
        issued_at: int,
        expected: int,
    ) -> bool:
        """Set when a client's newest token was issued, if it still is ``expected``."""
        params = (tenant, imsi.digits, terminal_id, client, issued_at, expected)
        return bool(await self._engine.write(statements.GRANT_RENEWED, params))

    async def register_push(
        self, tenant: str, imsi: Imsi, push: Sequence[PushRegistration]
    ) -> None:
        """Keep, renew or remove registrations."""

        def body() -> Body[None]:
            for one in push:
                yield _push_step(tenant, imsi, one)

        if len(push) == 1:
            step = _push_step(tenant, imsi, push[0])
            await self._engine.write(step.sql, step.params)
        elif push:
            await self._engine.transact(body)

    async def sim_key(self, tenant: str, imsi: Imsi) -> SimKey | None:
        """Return the local AuC's row of a SIM."""
        found = await self._engine.read(statements.SIM_KEY, (tenant, imsi.digits))
        return rows.to_sim_key(found[0]) if found else None

    async def set_sqn_offset(self, tenant: str, imsi: Imsi, offset: int, *, expected: int) -> bool:
        """Set DIF if it still is ``expected``; say whether it was."""
        params = (tenant, imsi.digits, offset, expected)
        return bool(await self._engine.write(statements.SQN_OFFSET_SET, params))

    async def append_records(self, records: Sequence[RequestRecord]) -> None:
        """Write request records; one that is there already stays as it is."""
        if records:
            await self._records.append(records)

    async def ping(self) -> None:
        """Return when the store answers."""
        await self._engine.read(statements.PING, ())

    async def token_use(self, tenant: str, imsi: Imsi | None, token_id: bytes) -> TokenUse | None:
        """Return what became of a token, None where nothing did."""
        key = (tenant, imsi.digits if imsi else "", token_id)
        found = await self._engine.read(statements.USE, key)
        return rows.to_token_use(found[0]) if found else None

    async def use_token(
        self,
        tenant: str,
        imsi: Imsi | None,
        token_id: bytes,
        use: TokenUse,
        *,
        expected: TokenState | None,
    ) -> bool:
        """Write what becomes of a token if nothing else did meanwhile; say whether so."""
        params = rows.from_token_use(tenant, imsi, token_id, use)
        if expected is None:
            return bool(await self._engine.write(statements.USE_BEGINS, params))
        goes_on = (*params, expected.value)
        return bool(await self._engine.write(statements.USE_GOES_ON, goes_on))

    # --- what a subscription holds -----------------------------------------

    async def holdings(
        self, tenant: str, imsi: Imsi, kinds: Collection[type[Holding]] | None = None
    ) -> Holdings:
        """Return what a subscription holds besides its plan, or only what is of these kinds."""
        found = await self._engine.read(statements.HOLDINGS, (tenant, imsi.digits))
        return rows.to_holdings(found, kinds)

    async def set_holding(
        self,
        tenant: str,
        imsi: Imsi,
        holding: Holding,
        *,
        ended: bool = False,
        instead_of: Holding | None = None,
    ) -> None:
        """Write what a subscription holds from now on, or no more."""
        key = (tenant, imsi.digits)
        kind, name, body, at = rows.from_holding(holding)

        # Counters change all day, and nobody switches anything on or off by them.
        counts = kind == "usage"

        def written() -> Body[None]:
            before: Rows = ()
            if not counts:
                yield from changing(tenant, [imsi.digits], now=at)
                before = yield Run(statements.HOLDING_AT, (*key, kind, name))
            if instead_of is not None:
                _, _, expected, since = rows.from_holding(instead_of)
                if [(at, body) for at, body in before] != [(since, expected)]:
                    raise _held_meanwhile(imsi)
            if ended:
                found = yield Run(statements.HOLDING_ENDED, (*key, kind, name))
            else:
                found = yield Run(statements.HOLDING_KEPT, (*key, kind, name, body, at))
            if not found:
                raise _no_holding(imsi) if ended else _no_subscription(imsi)
            ends = timers.of_holding(tenant, imsi, holding, name, ended=ended)
            if ends is not None:
                yield ends
            if not counts and (ended or [each[1] for each in before] != [body]):
                yield Run(statements.TOUCHED, (*key, at))

        await self._engine.transact(written)

    # --- what is noted about a line --------------------------------------------

    async def marks(self, tenant: str, imsi: Imsi) -> Sequence[LineMark]:
        """Return what is noted about a line, by name."""
        found = await self._engine.read(statements.MARKS, (tenant, imsi.digits))
        return list(map(rows.to_mark, found))

    async def set_marks(self, tenant: str, imsi: Imsi, marks: Sequence[LineMark]) -> None:
        """Note something about a line; what is as it was keeps its time."""

        def body() -> Body[None]:
            for mark in marks:
                params = rows.from_mark(tenant, imsi.digits, mark)
                if not (yield Run(statements.MARK_KEPT, params)):
                    raise _no_subscription(imsi)
            if any(mark.name in SWAPS for mark in marks):
                yield Run(SWAP_NOTED, swap_noted(tenant, imsi.digits))

        if marks:
            await self._engine.transact(body)

    async def terminal_since(self, tenant: str, imsi: Imsi, terminal_id: str) -> int | None:
        """Return when a terminal was first seen with this SIM."""
        params = (tenant, imsi.digits, terminal_id)
        found = await self._engine.read(statements.TERMINAL_SINCE, params)
        return found[0][0] if found else None

    # --- web views -----------------------------------------------------------

    async def visit(self, tenant: str, imsi: Imsi, visit_id: bytes) -> Visit | None:
        """Return how far a web view is, None where nobody opened it."""
        found = await self._engine.read(statements.VISIT, (tenant, imsi.digits, visit_id))
        return rows.to_visit(found[0]) if found else None

    async def begin_visit(self, tenant: str, imsi: Imsi, visit_id: bytes, visit: Visit) -> bool:
        """Note that a web view was opened; say whether it was the first time."""
        params = rows.from_visit(tenant, imsi, visit_id, visit)
        return bool(await self._engine.write(statements.VISIT_BEGINS, params))

    async def settle_visit(
        self, tenant: str, imsi: Imsi, visit_id: bytes, settled: Settlement
    ) -> bool:
        """Write what a step ended in, if the visit is still at it."""
        key = (tenant, imsi.digits)

        def body() -> Body[bool]:
            params = (
                *key,
                visit_id,
                settled.to.value,
                settled.of.value,
                rows.from_receipt(settled.receipt),
                settled.keep_until,
            )
            if not (yield Run(statements.VISIT_GOES_ON, params)):
                return False
            if settled.order is not None:
                if not (yield from orders.decided(tenant, imsi, settled.order)):
                    raise Conflict("order_meanwhile", for_operator=f"{imsi}: its order went on")
                return True
            if not settled.consents and settled.holding is None:
                return True
            # First the subscription's own rows: whoever settles something else of it waits here,
            # and then finds what this one wrote. A phone asks at once when its page ends.
            yield from changing(tenant, [imsi.digits], now=settled.at)
            yield Run(statements.TOUCHED, (*key, settled.at))
            for consent in settled.consents:
                changed = (*key, *rows.from_consent(consent))
                if not (yield Run(_CONSENT_SET[consent.kind], changed)):
                    raise _no_subscription(imsi)
                yield timers.of_consent(tenant, imsi, consent)
            if settled.holding is not None:
                yield from _held(tenant, imsi, settled.holding, settled.replaces_at)
            if settled.switches:
                yield from begun(tenant, imsi, at=settled.at)
            return True

        return await self._engine.transact(body)

    async def purchases(self, tenant: str) -> AsyncIterator[tuple[Imsi, Receipt]]:
        """Yield what was bought on pages and is still kept, in order of IMSI."""
        after: tuple[str, bytes] = ("", b"")
        while True:
            params = (tenant, *after, rows.NO_RECEIPT, _PAGE)
            page = await self._engine.read(statements.RECEIPTS, params, slow=True)
            for imsi, _, receipt in page:
                yield Imsi(imsi), rows.to_receipt(receipt)
            if len(page) < _PAGE:
                return
            after = (page[-1][0], page[-1][1])

    # --- the outbox of notices ---------------------------------------------

    async def tell(
        self,
        tenant: str,
        imsi: Imsi,
        *,
        at: int,
        apps: Sequence[str] | None = None,
        sms_apps: Sequence[str] = (),
    ) -> int:
        """Note that the registered clients are to be told of a change."""
        return await self._engine.transact(
            lambda: _told(tenant, imsi, at=at, apps=apps, sms_apps=sms_apps)
        )

    async def claim_notices(self, *, now: int, again_at: int, limit: int) -> Sequence[DueNotice]:
        """Return notices that are due, which nobody else is given until ``again_at``."""
        shards = [shard for (shard,) in await self._engine.read(statements.SHARDS_DUE, (now,))]
        # In no order: of several who look at once, each is to find something of its own.
        for shard in random.sample(shards, len(shards)):
            params = (shard, now, again_at, limit)
            if found := await self._engine.write(statements.NOTICES_CLAIMED, params):
                return [rows.to_notice(row) for row in found]
        return ()

    async def settle_notices(self, settled: Sequence[Settled]) -> None:
        """Write what became of claimed notices, in one transaction."""
        # In the order of the keys: of two transactions none waits for one that waits for it.
        keyed = [(rows.notice_key(each.notice), each) for each in settled]
        ordered = sorted(keyed, key=itemgetter(0))
        done = [(*key, each.notice.mark) for key, each in ordered if each.again_at is None]
        later = [
            (*key, each.notice.mark, each.again_at, each.reason)
            for key, each in ordered
            if each.again_at is not None
        ]
        dead = [
            (*key, push.token, push.at if each.dead_since is None else each.dead_since)
            for key, each in ordered
            if each.dead and (push := each.notice.registration) is not None
        ]

        def body() -> Body[None]:
            for sql, params in (
                (statements.NOTICE_DONE, done),
                (statements.NOTICE_LATER, later),
                (statements.PUSH_DEAD, dead),
            ):
                if params:
                    yield RunMany(sql, params)

        if settled:
            await self._engine.transact(body)

    # --- the management plane --------------------------------------------

    async def add(self, new: NewSubscription) -> None:
        """Write one new subscription."""
        await self.add_many([new])

    async def add_many(self, new: Iterable[NewSubscription], *, replace: bool = False) -> int:
        """Write all or none; RowConflict says which row is in the way."""
        prepared: list[_Prepared] = []
        count = 0
        source = iter(new)
        while some := list(islice(source, _PAGE)):
            prepared.extend(_prepare(some, count))
            count += len(some)
            await asyncio.sleep(0)
        if prepared:
            await self._engine.transact(lambda: _add(prepared, replace=replace), slow=count > _PAGE)
        return count

    async def change(
        self,
        tenant: str,
        imsi: Imsi,
        change: Change,
        *,
        now: int,
        consents: Sequence[Consent] = (),
        marks: Sequence[LineMark] = (),
    ) -> Subscription:
        """Set the given fields and return the new state."""
        if change.status is SubscriptionStatus.REMOVED:
            raise Conflict("remove_instead", for_operator="a subscription ends by removing it")
        params = (
            tenant,
            imsi.digits,
            now,
            None if change.status is None else change.status.value,
            change.plan,
            change.gid1,
            None if change.provisioning is None else int(change.provisioning),
            change.visited_plmn,
        )

        def body() -> Body[Subscription]:
            yield from changing(tenant, [imsi.digits], now=now)
            found = yield Run(statements.CHANGED, params)
            if not found:
                raise _no_subscription(imsi)
            state = rows.to_subscription(found[0])
            for aspect, value in (
                (Aspect.STATUS, change.status),
                (Aspect.PLAN, change.plan),
                (Aspect.PROVISIONING, change.provisioning),
                (Aspect.MSISDN, change.msisdn),
            ):
                if value is not None:
                    # News of it that is older is late from now on.
                    since = (tenant, imsi.digits, aspect.value, now)
                    yield Run(life_statements.ASPECT_KEPT, since)
            for consent in consents:
                changed = (tenant, imsi.digits, *rows.from_consent(consent))
                yield Run(_CONSENT_SET[consent.kind], changed)
                yield timers.of_consent(tenant, imsi, consent)
            state = yield from moved(state)
            for mark in marks:
                yield Run(statements.MARK_KEPT, rows.from_mark(tenant, imsi.digits, mark))
            if any(mark.name in SWAPS for mark in marks):
                yield Run(SWAP_NOTED, swap_noted(tenant, imsi.digits))
            if change.visited_plmn is not None:
                place = Happening(Befell.PLACE, now, change.visited_plmn)
                yield from all_happened([happened(tenant, state.msisdn, place)])
            return state

        def moved(state: Subscription) -> Body[Subscription]:
            if change.msisdn is None or change.msisdn == state.msisdn:
                return state
            number = change.msisdn.digits
            free = yield Run(statements.MSISDN_TAKEN, (tenant, number, imsi.digits))
            if not free:
                raise _msisdn_taken(imsi)
            if state.msisdn is not None:
                old = (tenant, state.msisdn.digits, imsi.digits)
                yield Run(statements.MSISDN_FREED, old)
            yield Run(statements.MSISDN_MOVED, (tenant, imsi.digits, number))
            for mark in _number_changed(tenant, imsi.digits, now):
                yield Run(statements.MARK_KEPT, mark)
            yield from all_happened(_renumbered(tenant, state.msisdn, change.msisdn, now))
            return replace(state, msisdn=change.msisdn)

        return await self._engine.transact(body)

    async def set_consent(self, tenant: str, imsi: Imsi, consent: Consent) -> None:
        """Write one consent of a subscription that was not removed."""
        params = (tenant, imsi.digits, *rows.from_consent(consent))

        def body() -> Body[None]:
            yield from changing(tenant, [imsi.digits], now=consent.at)
            if not (yield Run(_CONSENT_SET[consent.kind], params)):
                raise _no_subscription(imsi)
            yield timers.of_consent(tenant, imsi, consent)

        await self._engine.transact(body)

    async def remove(
        self, tenant: str, imsi: Imsi, *, now: int, switched: Collection[str] = NO_SERVICES
    ) -> None:
        """Leave a tombstone that keeps the tokens refused, and free the number."""
        key = (tenant, imsi.digits)

        def body() -> Body[None]:
            # What follows for its orders, and for its devices, follows as from an event.
            yield from leaving(tenant, imsi, now=now)
            # This does not wait: its IMSI may be another's by then.
            yield from services_left(tenant, imsi, switched, at=now)
            found = yield Run(statements.REMOVED, (*key, now))
            if not found:
                raise _no_subscription(imsi)
            if (number := found[0][0]) is not None:
                yield Run(statements.MSISDN_FREED, (tenant, number, imsi.digits))
                yield from all_happened([happened(tenant, number, Happening(Befell.GONE, now))])
            for sql in _OF_THE_LIVING:
                yield Run(sql, key)
            yield timers.ends_forgotten(tenant, imsi)
            yield Run(life_statements.EVENTS_OF_OTHERS_FORGOTTEN, (*key, BY_HAND))

        await self._engine.transact(body)

    async def revoke_tokens(self, tenant: str, imsi: Imsi, terminal_id: str | None) -> int:
        """Raise a token epoch and return it."""
        if terminal_id is None:
            found = await self._engine.write(statements.TOKENS_REVOKED, (tenant, imsi.digits))
        else:
            params = (tenant, imsi.digits, terminal_id)
            found = await self._engine.write(statements.TERMINAL_REVOKED, params)
        if not found:
            raise _no_subscription(imsi) if terminal_id is None else _no_terminal(imsi)
        # The clients of a terminal count each for itself.
        return max(int(epoch) for (epoch,) in found)

    async def find(
        self, tenant: str, *, imsi: Imsi | None = None, msisdn: Msisdn | None = None
    ) -> Subscription | None:
        """Return one subscription by IMSI or by MSISDN."""
        if imsi is not None:
            found = await self._engine.read(statements.BY_IMSI, (tenant, imsi.digits))
        elif msisdn is not None:
            found = await self._engine.read(statements.BY_MSISDN, (tenant, msisdn.digits))
        else:
            raise TypeError("find needs an IMSI or an MSISDN")
        return rows.to_subscription(found[0]) if found else None

    async def list(
        self, tenant: str, *, after: str = "", status: SubscriptionStatus | None = None
    ) -> AsyncIterator[Subscription]:
        """Yield subscriptions in order of IMSI digits, the removed ones among them."""
        while True:
            if status is None:
                page = await self._engine.read(statements.PAGE, (tenant, after, _PAGE), slow=True)
            else:
                params = (tenant, after, _PAGE, status.value)
                page = await self._engine.read(statements.PAGE_OF_STATUS, params, slow=True)
            for row in page:
                yield rows.to_subscription(row)
            if len(page) < _PAGE:
                return
            after = page[-1][1]

    async def count(self, tenant: str) -> int:
        """Return how many subscriptions the tenant has, REMOVED ones left out."""
        found = await self._engine.read(statements.COUNT, (tenant,), slow=True)
        return int(found[0][0])

    async def export(self, tenant: str, imsi: Imsi) -> Export | None:
        """Return all that is held about one subscription."""
        subscription = await self.find(tenant, imsi=imsi)
        if subscription is None:
            return None
        key = (tenant, imsi.digits)
        consents = await self.consents(tenant, imsi)
        terminals = await self._engine.read(statements.TERMINALS, key)
        push = await self._engine.read(statements.PUSHES, key)
        notices = await self._engine.read(statements.NOTICES, key)
        sim_key = await self._engine.read(statements.SIM_KEY, key)
        bought = await self._engine.read(statements.RECEIPTS_OF, (*key, rows.NO_RECEIPT))
        return Export(
            subscription,
            tuple(consents[kind] for kind in sorted(consents)),
            tuple(map(rows.to_terminal, terminals)),
            tuple(map(rows.to_push, push)),
            bool(sim_key),
            await self.holdings(tenant, imsi),
            tuple(map(rows.to_pending, notices)),
            tuple(rows.to_receipt(receipt) for (receipt,) in bought),
            tuple(await self.marks(tenant, imsi)),
        )

    async def erase(
        self,
        tenant: str,
        imsi: Imsi,
        subscriber_refs: Sequence[str],
        *,
        now: int,
        switched: Collection[str] = NO_SERVICES,
    ) -> Erased:
        """Delete every row of one subscription and its request records.

        The records go first, in a transaction of their own: if it ends in between, the
        subscription is still there to be erased.
        """
        key = (tenant, imsi.digits)
        # Those of the empty reference are of requests that named nobody.
        named = [reference for reference in subscriber_refs if reference]
        records = await self._records.forget(tenant, named)

        def body() -> Body[Erased]:
            yield due(tenant, [imsi.digits], now=now)
            yield from services_left(tenant, imsi, switched, at=now)
            orders = yield from left_behind(tenant, imsi, at=now, devices=self._devices)
            services = yield from kept_of(tenant, imsi, switched)
            found = yield Run(statements.SUBSCRIPTION_FORGOTTEN, key)
            for (number,) in found:
                if number is not None:
                    yield Run(statements.MSISDN_FREED, (tenant, number, imsi.digits))
                    # Of one that was removed, the number may be another's by now.
                    if not (yield Run(statements.select_holders(1), (tenant, number))):
                        yield from number_forgotten(tenant, number)
            for sql in _OF_THE_LIVING:
                yield Run(sql, key)
            yield Run(life_statements.EVENTS_FORGOTTEN, key)
            yield Run(life_statements.DUE_NO_MORE, key)
            yield timers.ends_forgotten(tenant, imsi)
            yield Run(life_statements.ASIDE_FORGOTTEN, key)
            yield Run(CONSENTS_FORGOTTEN, key)
            for reference in named:
                yield Run(ANSWERS_ABOUT_FORGOTTEN, (tenant, reference))
            yield Run(statements.VISITS_FORGOTTEN, key)
            yield Run(statements.GRANTS_FORGOTTEN, key)
            yield Run(statements.USES_FORGOTTEN, key)
            terminals = yield Run(statements.TERMINALS_FORGOTTEN, key)
            sessions = yield Run(statements.SESSIONS_FORGOTTEN, key)
            left = orders + len(services)
            return Erased(len(found), len(terminals), len(sessions), records, left)

        return await self._engine.transact(body)

    async def records(
        self,
        tenant: str,
        subscriber_refs: Sequence[str],
        *,
        limit: int = 100,
        before: tuple[int, str] = LAST_RECORD,
    ) -> Sequence[RequestRecord]:
        """Return the newest request records of a subscription, newest first."""
        return await self._records.find(tenant, subscriber_refs, limit, before)

    def recorded(
        self, tenant: str, *, since_us: int, limit: int
    ) -> AsyncIterator[Sequence[RequestRecord]]:
        """Yield the newest records of all subscriptions in batches, none older than that."""
        return self._records.scan(tenant, since_us, limit)

    async def consents(self, tenant: str, imsi: Imsi) -> dict[ConsentKind, Consent]:
        """Return a subscription's consents."""
        found = await self._engine.read(statements.CONSENTS, (tenant, imsi.digits))
        return rows.to_consents(found[0]) if found else {}

    async def sim_keys(
        self, *, after: tuple[str, str] = ("", "")
    ) -> Sequence[tuple[str, Imsi, SimKey]]:
        """Return the next batch of SIM keys in order of (tenant, IMSI)."""
        found = await self._engine.read(statements.SIM_KEYS, (*after, _PAGE), slow=True)
        return [(tenant, Imsi(imsi), rows.to_sim_key(row)) for tenant, imsi, *row in found]

    async def rewrap(self, tenant: str, imsi: Imsi, old: SimKey, new: SimKey) -> bool:
        """Replace the wrapped keys of a SIM if they still are ``old``'s."""
        params = (tenant, imsi.digits, new.wrapped_k, new.wrapped_op, old.wrapped_k, old.wrapped_op)
        return bool(await self._engine.write(statements.REWRAPPED, params))

    # --- upkeep ------------------------------------------------------------

    async def purge(self, *, sessions_before: int, records_before: int, limit: int = 5000) -> int:
        """Delete a batch of old rows, a transaction for each shard; return how many."""
        left = limit
        for shard in range(statements.SHARDS):
            if left > 0:
                params = (shard, sessions_before, left)
                left -= len(await self._engine.write(statements.SESSIONS_PURGED, params))
            if left > 0:
                params = (shard, sessions_before, left)
                left -= len(await self._engine.write(statements.USES_PURGED, params))
            if left > 0:
                params = (shard, sessions_before, left)
                left -= len(await self._engine.write(statements.VISITS_PURGED, params))
        if left > 0:
            left -= await self._records.purge(records_before * 1_000_000, left)
        return limit - left

    async def close(self) -> None:
        """Finish what is queued and let go of every connection."""
        await self._records.close()
        await self._engine.close()


def _held(tenant: str, imsi: Imsi, holding: Holding, replaces_at: int | None) -> Body[None]:
    """Write a holding that takes the place of the one of that time, or of none."""
    kind, name, body, at = rows.from_holding(holding)
    there = yield Run(statements.HOLDING_AT, (tenant, imsi.digits, kind, name))
    if (there[0][0] if there else None) != replaces_at:
        raise _held_meanwhile(imsi)
    if not (yield Run(statements.HOLDING_KEPT, (tenant, imsi.digits, kind, name, body, at))):
        raise _no_subscription(imsi)
    if (ends := timers.of_holding(tenant, imsi, holding, name)) is not None:
        yield ends


def _push_step(tenant: str, imsi: Imsi, one: PushRegistration) -> Run:
    key = (tenant, imsi.digits, one.terminal_id, one.app_id, one.app_name)
    if one.action == 0:
        return Run(statements.PUSH_ENDED, key)
    return Run(statements.PUSH_KEPT, (*key, one.action, one.token, one.at))


def _told(
    tenant: str,
    imsi: Imsi,
    *,
    at: int,
    apps: Sequence[str] | None = None,
    sms_apps: Sequence[str] = (),
) -> Body[int]:
    change = rows.change_params(tenant, imsi.digits, at)
    count = 0
    if apps is None:
        count += len((yield Run(statements.NOTICES_OF_ALL, change)))
    for app in apps or ():
        count += len((yield Run(statements.NOTICES_OF_APP, (*change, app))))
    if not count:
        for app in sms_apps:
            count += len((yield Run(statements.NOTICE_BY_SMS, (*change, app, ""))))
    return count


def _no_subscription(imsi: Imsi) -> Conflict:
    return Conflict("no_subscription", for_operator=f"there is no subscription of {imsi}")


def _no_holding(imsi: Imsi) -> Conflict:
    return Conflict("no_holding", for_operator=f"{imsi} holds no such thing")


def _held_meanwhile(imsi: Imsi) -> Conflict:
    return Conflict("held_meanwhile", for_operator=f"{imsi} came to hold something else")


def _no_terminal(imsi: Imsi) -> Conflict:
    return Conflict("no_terminal", for_operator=f"{imsi} has no such terminal")


def _msisdn_taken(imsi: Imsi) -> Conflict:
    return Conflict("msisdn_taken", for_operator=f"the MSISDN for {imsi} is another's already")


# --- add_many ------------------------------------------------------------------------------


def _prepare(some: Sequence[NewSubscription], first: int) -> list[_Prepared]:
    """Return rows as parameters, a piece for each run of one tenant's rows."""
    pieces: list[_Prepared] = []
    for number, new in enumerate(some, start=first):
        tenant, imsi = new.subscription.tenant, new.subscription.imsi.digits
        if not pieces or pieces[-1].tenant != tenant:
            pieces.append(_Prepared(tenant, number, [], [], []))
        pieces[-1].subscriptions.append(
            (*rows.from_subscription(new.subscription), *rows.from_consents(new.consents))
        )
        if new.sim is not None:
            pieces[-1].sim_keys.append((tenant, imsi, *rows.from_sim_key(new.sim)))
        pieces[-1].marks.extend(rows.from_mark(tenant, imsi, mark) for mark in new.marks)
    return pieces


def _add(prepared: Sequence[_Prepared], *, replace: bool) -> Body[None]:
    # First every number of those that are replaced is freed, so that two may change theirs over.
    there: dict[tuple[str, str], str | None] = {}
    seen: set[tuple[str, str]] = set()
    for piece in prepared:
        yield from _check_imsis(piece, seen, there, replace=replace)
    for piece in prepared:
        yield from _check_msisdns(piece)
        known = [row for row in piece.subscriptions if row[:2] in there]
        fresh = [row for row in piece.subscriptions if row[:2] not in there]
        moved = [
            mark
            for row in known
            if row[2] not in (None, there[row[:2]])
            for mark in _number_changed(row[0], row[1], row[11])
        ]
        for sql, params in (
            (statements.SUBSCRIPTION_REPLACED, known),
            (statements.NEW_SUBSCRIPTION, fresh),
            (statements.NEW_MSISDN, piece.numbers()),
            (statements.SIM_KEY_SET, piece.sim_keys),
            (statements.MARK_KEPT, moved),
            (statements.MARK_KEPT, piece.marks),
        ):
            if params:
                yield RunMany(sql, params)
        if known and (yield Run(ANY_SUBSCRIPTION, (piece.tenant,))):
            yield from all_happened(_befell(known, there))
            noted = {row[:2] for row in piece.marks if row[2] in SWAPS} & there.keys()
            if noted:
                yield RunMany(SWAP_NOTED, [swap_noted(*key) for key in sorted(noted)])


def _befell(
    known: Sequence[Params], there: Mapping[tuple[str, str], str | None]
) -> Iterator[Params | None]:
    """Yield as parameters of ``HAPPENED`` what befell lines that were there already."""
    for row in known:
        old, gone = there[row[:2]], row[3] == SubscriptionStatus.REMOVED
        if row[2] != old or gone:
            yield from _renumbered(row[0], old, None if gone else row[2], row[11])


def _check_imsis(
    piece: _Prepared,
    seen: set[tuple[str, str]],
    there: dict[tuple[str, str], str | None],
    *,
    replace: bool,
) -> Body[None]:
    """Raise for the first IMSI in the way; note the numbers of the known ones, and free them."""
    found = yield Run(
        statements.select_existing(len(piece.subscriptions)),
        (piece.tenant, *(row[1] for row in piece.subscriptions)),
    )
    status = {row[0]: row[1] for row in found}
    before = {row[0]: row for row in found}
    changed = [
        row
        for row in piece.subscriptions
        if status.get(row[1], "removed") != SubscriptionStatus.REMOVED
        and _changes(row, before[row[1]])
    ]
    if changed:
        yield from changing(piece.tenant, [row[1] for row in changed], now=changed[0][11])
    for number, row in enumerate(piece.subscriptions, start=piece.first):
        tenant, imsi = key = row[:2]
        if key in seen:
            raise RowConflict(number, "named_twice", f"{Imsi(imsi)} is named twice")
        seen.add(key)
        if not replace and status.get(imsi, "removed") != SubscriptionStatus.REMOVED:
            raise RowConflict(number, "exists", f"{Imsi(imsi)} exists already")
        if imsi in before:
            there[key] = before[imsi][2]
        if status.get(imsi) == SubscriptionStatus.REMOVED:
            # Another's SIM perhaps: what was the former one's is not to be found by it.
            yield from left_behind(tenant, Imsi(imsi), at=row[11])
            for sql in (
                statements.GRANTS_FORGOTTEN,
                statements.TERMINALS_FORGOTTEN,
                statements.SESSIONS_FORGOTTEN,
                statements.USES_FORGOTTEN,
                statements.PUSHES_FORGOTTEN,
                statements.NOTICES_FORGOTTEN,
                life_statements.EVENTS_FORGOTTEN,
                life_statements.DUE_NO_MORE,
                life_statements.ASPECTS_FORGOTTEN,
                statements.HOLDINGS_FORGOTTEN,
                statements.VISITS_FORGOTTEN,
                statements.MARKS_FORGOTTEN,
            ):
                yield Run(sql, (tenant, imsi))
            yield timers.ends_forgotten(tenant, Imsi(imsi))
    numbers = [(piece.tenant, row[2], row[0]) for row in found if row[2] is not None]
    if numbers:
        yield RunMany(statements.MSISDN_FREED, numbers)


def _renumbered(
    tenant: str, old: Msisdn | str | None, new: Msisdn | str | None, at: int
) -> Iterator[Params | None]:
    """Yield as parameters of ``HAPPENED`` that a line got another number."""
    yield happened(tenant, old, Happening(Befell.GONE, at))
    yield happened(tenant, new, Happening(Befell.SIM, at))


def _number_changed(tenant: str, imsi: str, at: int) -> tuple[Params, ...]:
    """Return as parameters of ``MARK_KEPT`` that a number came to this SIM."""
    return tuple(
        rows.from_mark(tenant, imsi, LineMark(name, str(at), at))
        for name in (MarkName.SIM_SINCE, MarkName.NUMBER_SINCE)
    )


def _changes(row: Params, before: Row) -> bool:
    """Say whether a subscription's parameters say something else than a row of `select_existing`.

    Where they have no consent, it stays as it is.
    """
    _, status, _, plan, provisioning, gid1, visited_plmn, *consents = before
    return (row[3], row[4], row[5], row[6], row[7]) != (
        status,
        plan,
        gid1,
        provisioning,
        visited_plmn,
    ) or any(new not in (None, old) for new, old in zip((row[12], row[16]), consents, strict=True))


def _check_msisdns(piece: _Prepared) -> Body[None]:
    """Raise for the first MSISDN that another subscription has."""
    wanted = [row[1] for row in piece.numbers()]
    if not wanted:
        return
    found = yield Run(statements.select_holders(len(wanted)), (piece.tenant, *wanted))
    taken = {number for number, _ in found}
    for position, row in enumerate(piece.subscriptions, start=piece.first):
        if row[2] is None or row[3] == SubscriptionStatus.REMOVED:
            continue
        if row[2] in taken:
            raise RowConflict(
                position, "msisdn_taken", f"the MSISDN for {Imsi(row[1])} is another's already"
            )
        taken.add(row[2])
