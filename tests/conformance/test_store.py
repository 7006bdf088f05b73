"""The port ``Store``, held against every adapter."""

from __future__ import annotations

import asyncio
import inspect
import os
import sys
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from simgrant.adapters.store.sql.statements import TABLES
from simgrant.adapters.store.sql.store import SqlStore
from simgrant.domain.holdings import NOTHING, HeldUsage
from simgrant.domain.line_marks import LineMark, MarkName
from simgrant.domain.subscription import (
    Consent,
    ConsentKind,
    ConsentStatus,
    PushRegistration,
    Subscription,
    SubscriptionStatus,
    Terminal,
)
from simgrant.domain.visit import Settlement, Step, Visit
from simgrant.errors import BadRequest, Conflict, PeerUnavailable
from simgrant.identities import Imsi, Msisdn
from simgrant.ports.store import (
    LAST_RECORD,
    Change,
    DueNotice,
    Erased,
    NewSubscription,
    Outcome,
    RequestRecord,
    RowConflict,
    SessionRow,
    Settled,
    SimKey,
    Store,
    TokenState,
    TokenUse,
)
from simgrant.spec.ids import ProvStatus
from tests.conformance.conftest import Place

T = "red"
IMSI = Imsi("001010000000001")
OTHER = Imsi("001010000000002")
NUMBER = Msisdn("491710000001")
SESSION = bytes(range(16))
IMEI = "350000000000017"
CLIENT = "client-1"

TERMS = Consent(ConsentKind.TERMS, ConsentStatus.GIVEN, "2026-01", 5, 99)
ADDRESS = Consent(ConsentKind.ADDRESS, ConsentStatus.IN_PROGRESS, "", 6)
SIM = SimKey("milenage", b"wrapped-k", b"wrapped-op", b"\x80\x00", 7, 8)
TERMINAL = Terminal(IMEI, "Vendor", "Model", "1.0", 30, 30)
PUSH = PushRegistration(IMEI, "ap2004", "app", 2, "push-token", 40)
STARTED = SessionRow(Outcome.STARTED, 10, b"first")
RESYNC = SessionRow(Outcome.RESYNC, 11, b"second")
ACCEPTED = SessionRow(Outcome.ACCEPTED, 12, b"third", b"h" * 32)
TOKEN = bytes(range(16, 32))
USAGE = HeldUsage("month", 1, at=61)
VISIT_ID, VISIT = bytes(range(32, 48)), Visit(Step.TERMS, 62, 3662)
FROZEN = LineMark(MarkName.PORT_FREEZE, "yes", 63)
NOTICE = DueNotice(T, IMSI, IMEI, "app", "ap2004", 99, 0, 1, PUSH, NUMBER)
REDEEMED = TokenUse(TokenState.REDEEMED, 50, 300, b"h" * 32)
CONSUMED = replace(REDEEMED, state=TokenState.CONSUMED, at=51)


def imsi_of(number: int) -> Imsi:
    return Imsi(f"00101{number:010d}")


def subscription(
    imsi: Imsi = IMSI, msisdn: Msisdn | None = NUMBER, tenant: str = T, **changes: Any
) -> Subscription:
    made = Subscription(tenant, imsi, msisdn, SubscriptionStatus.ACTIVE, "gold")
    return replace(made, **({"created_at": 1, "changed_at": 2} | changes))


def new(imsi: Imsi = IMSI, msisdn: Msisdn | None = NUMBER, **changes: Any) -> NewSubscription:
    return NewSubscription(subscription(imsi, msisdn, **changes), SIM, (TERMS, ADDRESS))


def record(at_us: int, ref: str = "ref-1", tenant: str = T, name: str = "req") -> RequestRecord:
    return RequestRecord(tenant, ref, at_us, f"{name}-{at_us}", b'{"a": 1}')


async def accept(
    store: SqlStore,
    *,
    tenant: str = T,
    session: bytes = SESSION,
    at: int = 12,
    terminal: Terminal = TERMINAL,
    client: str = CLIENT,
) -> bool:
    row = replace(ACCEPTED, at=at)
    return await store.decide_session(
        tenant, IMSI, session, row, expected=None, terminal=terminal, client=client
    )


async def fill(store: SqlStore, tenant: str = T) -> None:
    """Put one row, at least, of IMSI into every table."""
    await store.add(new(tenant=tenant))
    assert await accept(store, tenant=tenant)
    await store.register_push(tenant, IMSI, [PUSH])
    await store.append_records([record(1_000_000, tenant=tenant)])
    assert await store.use_token(tenant, IMSI, TOKEN, REDEEMED, expected=None)
    assert await store.tell(tenant, IMSI, at=60) == 1
    await store.set_holding(tenant, IMSI, USAGE)
    await store.set_marks(tenant, IMSI, [FROZEN])
    assert await store.begin_visit(tenant, IMSI, VISIT_ID, VISIT)
    await store.pins.set(tenant, IMSI, b"digest", at=60)


async def held(place: Place, tenant: str = "") -> dict[str, list[tuple[Any, ...]]]:
    """Return all rows, or a tenant's, of all tables and all records, in no order that matters."""
    where = f"WHERE tenant = '{tenant}'" if tenant else ""
    found = {
        table: await place.rows(f"SELECT * FROM {table} {where}")  # noqa: S608
        for table in TABLES
    }
    found["record"] = [row for row in await place.records() if not tenant or row[0] == tenant]
    return {name: sorted(rows, key=repr) for name, rows in found.items()}


# --- one request -----------------------------------------------------------------------------


async def test_what_is_not_there_is_none(store: SqlStore) -> None:
    assert await store.profile(T, IMSI, IMEI, CLIENT) is None
    assert await store.session(T, IMSI, SESSION) is None
    assert await store.token_use(T, IMSI, TOKEN) is None
    assert await store.sim_key(T, IMSI) is None
    assert await store.find(T, imsi=IMSI) is None
    assert await store.find(T, msisdn=NUMBER) is None
    assert await store.export(T, IMSI) is None
    assert await store.consents(T, IMSI) == {}
    assert await store.records(T, ["ref-1"]) == []
    assert await store.sim_keys() == []
    assert [one async for one in store.list(T)] == []
    assert await store.count(T) == 0


async def test_one_read_gives_all_that_a_request_needs(store: SqlStore) -> None:
    full = subscription(
        status=SubscriptionStatus.SUSPENDED,
        gid1="ab",
        provisioning=ProvStatus.IN_PROGRESS,
        visited_plmn="26201",
        visited_at=2**40,
    )
    await store.add(NewSubscription(full, SIM, (TERMS, ADDRESS)))
    profile = await store.profile(T, IMSI, IMEI, CLIENT)
    assert profile is not None
    assert profile.subscription == full
    assert (profile.terms, profile.address) == (TERMS, ADDRESS)
    assert profile.terminal_epoch is None
    assert profile.granted_at is None

    await accept(store)
    profile = await store.profile(T, IMSI, IMEI, CLIENT)
    assert profile is not None
    assert (profile.terminal_epoch, profile.granted_at) == (0, ACCEPTED.at)
    profile = await store.profile(T, IMSI, IMEI, "another")
    assert profile is not None
    assert (profile.terminal_epoch, profile.granted_at) == (None, None)
    profile = await store.profile(T, IMSI, "another", CLIENT)
    assert profile is not None
    assert (profile.terminal_epoch, profile.granted_at) == (None, None)


async def test_a_profile_needs_neither_number_nor_consents(store: SqlStore) -> None:
    await store.add(NewSubscription(subscription(msisdn=None)))
    profile = await store.profile(T, IMSI, IMEI, CLIENT)
    assert profile is not None
    assert profile.subscription == subscription(msisdn=None)
    assert (profile.terms, profile.address) == (None, None)
    assert await store.sim_key(T, IMSI) is None


async def test_a_session_goes_from_row_to_row(store: SqlStore) -> None:
    async def decide(row: SessionRow, expected: Outcome | None) -> bool:
        return await store.decide_session(T, IMSI, SESSION, row, expected=expected)

    assert not await decide(RESYNC, Outcome.STARTED)
    assert await store.session(T, IMSI, SESSION) is None
    assert await decide(STARTED, None)
    assert await store.session(T, IMSI, SESSION) == STARTED
    assert not await decide(RESYNC, None)
    assert not await decide(RESYNC, Outcome.RESYNC)
    assert await store.session(T, IMSI, SESSION) == STARTED
    assert await decide(RESYNC, Outcome.STARTED)
    assert await decide(ACCEPTED, Outcome.RESYNC)
    assert await store.session(T, IMSI, SESSION) == ACCEPTED
    assert await store.session(T, OTHER, SESSION) is None
    assert await store.session(T, IMSI, SESSION[::-1]) is None


@pytest.mark.parametrize("before", [None, RESYNC])
async def test_a_terminal_and_its_grant_are_written_with_the_session_or_not_at_all(
    store: SqlStore, place: Place, before: SessionRow | None
) -> None:
    await store.add(new())
    if before is not None:
        await store.decide_session(T, IMSI, SESSION, before, expected=None)
    expected = None if before is None else before.outcome
    decide: dict[str, Any] = {"terminal": TERMINAL, "client": CLIENT}
    wrong = Outcome.STARTED if before is None else None
    assert not await store.decide_session(T, IMSI, SESSION, ACCEPTED, expected=wrong, **decide)
    rows = await held(place)
    assert (rows["terminal"], rows["token_grant"]) == ([], [])
    assert await store.decide_session(T, IMSI, SESSION, ACCEPTED, expected=expected, **decide)
    export = await store.export(T, IMSI)
    assert export is not None
    assert export.terminals == (TERMINAL,)

    assert await store.revoke_tokens(T, IMSI, IMEI) == 1
    later = replace(TERMINAL, vendor="V", model="M", sw_version="2", seen_at=70)
    assert await store.decide_session(
        T, IMSI, b"2" * 16, replace(ACCEPTED, at=70), expected=None, terminal=later, client=CLIENT
    )
    export = await store.export(T, IMSI)
    assert export is not None
    assert export.terminals == (later,)
    profile = await store.profile(T, IMSI, IMEI, CLIENT)
    assert profile is not None
    assert (profile.terminal_epoch, profile.granted_at) == (1, 70)


@pytest.mark.parametrize("before", [None, RESYNC])
@pytest.mark.parametrize("terminal", [None, TERMINAL])
async def test_of_fifty_answers_to_one_session_one_decides_it(
    store: SqlStore, before: SessionRow | None, terminal: Terminal | None
) -> None:
    if before is not None:
        await store.decide_session(T, IMSI, SESSION, before, expected=None)
    answers = [replace(ACCEPTED, state=b"%d" % number) for number in range(50)]
    won = await asyncio.gather(
        *(
            store.decide_session(
                T,
                IMSI,
                SESSION,
                answer,
                expected=None if before is None else before.outcome,
                terminal=terminal,
            )
            for answer in answers
        )
    )
    assert sum(won) == 1
    assert await store.session(T, IMSI, SESSION) == answers[won.index(True)]


async def test_of_many_who_renew_a_grant_or_set_an_offset_one_wins(store: SqlStore) -> None:
    await fill(store)
    renewed = await asyncio.gather(
        *(
            store.renew_grant(T, IMSI, IMEI, CLIENT, issued_at=100 + n, expected=ACCEPTED.at)
            for n in range(20)
        )
    )
    assert sum(renewed) == 1
    profile = await store.profile(T, IMSI, IMEI, CLIENT)
    assert profile is not None
    assert profile.granted_at == 100 + renewed.index(True)
    assert not await store.renew_grant(T, IMSI, IMEI, "x", issued_at=1, expected=0)

    offsets = await asyncio.gather(
        *(store.set_sqn_offset(T, IMSI, -n, expected=SIM.sqn_offset) for n in range(20))
    )
    assert sum(offsets) == 1
    assert await store.sim_key(T, IMSI) == replace(SIM, sqn_offset=-offsets.index(True))
    assert not await store.set_sqn_offset(T, OTHER, 1, expected=0)


async def test_push_registrations_are_kept_renewed_and_removed(store: SqlStore) -> None:
    await store.add(new())
    other = replace(PUSH, app_name="other")
    await store.register_push(T, IMSI, [])
    await store.register_push(T, IMSI, [PUSH, other])
    renewed = replace(PUSH, token="newer", at=50)
    await store.register_push(T, IMSI, [renewed])
    export = await store.export(T, IMSI)
    assert export is not None
    assert export.push == (renewed, other)
    await store.register_push(T, IMSI, [replace(renewed, action=0), replace(other, action=0)])
    export = await store.export(T, IMSI)
    assert export is not None
    assert export.push == ()


async def test_records_come_newest_first_and_are_written_once(store: SqlStore) -> None:
    some = [record(at) for at in (3, 1, 2)]
    await store.append_records([])
    await store.append_records(some)
    await store.append_records([*some, record(4, ref="ref-2"), record(9, ref="ref-3")])
    found = await store.records(T, ["ref-1", "ref-2", "ref-2"])
    assert [one.at_us for one in found] == [4, 3, 2, 1]
    assert found[1] == some[0]
    assert [one.at_us for one in await store.records(T, ["ref-2", "ref-1"], limit=2)] == [4, 3]


async def test_records_are_read_page_by_page(store: SqlStore) -> None:
    some = [replace(record(at), request_id=f"r{name}") for at in (1, 2, 3) for name in "abc"]
    for each in some:  # batches of one and of several
        await store.append_records([each])
    await store.append_records([record(2, ref="ref-9")])
    seen: list[RequestRecord] = []
    for _ in range(6):
        before = (seen[-1].at_us, seen[-1].request_id) if seen else LAST_RECORD
        page = await store.records(T, ["ref-1"], limit=2, before=before)
        seen += page
    assert seen == some[::-1]
    assert page == []


async def test_it_answers(store: SqlStore) -> None:
    await store.ping()


async def test_a_closed_store_is_unavailable(place: Place) -> None:
    store = await place.open()
    await store.add(new())
    await store.close()
    await store.close()
    with pytest.raises(PeerUnavailable):
        await store.ping()
    with pytest.raises(PeerUnavailable):
        await store.count(T)
    with pytest.raises(PeerUnavailable):
        await store.set_sqn_offset(T, IMSI, 1, expected=7)
    with pytest.raises(PeerUnavailable):
        await store.remove(T, IMSI, now=1)


@pytest.mark.parametrize("text", ["\ud800", pytest.param("\0", id="nul")])
async def test_text_that_is_no_text_is_refused_and_breaks_nothing(
    store: SqlStore, place: Place, text: str
) -> None:
    await store.add(new())
    if text == "\0" and place.url.startswith("sqlite"):
        assert await store.profile(T, IMSI, text, CLIENT) is not None
        return
    with pytest.raises(BadRequest):
        await store.profile(T, IMSI, text, CLIENT)
    with pytest.raises(BadRequest):
        await store.register_push(T, IMSI, [replace(PUSH, token=text)])
    with pytest.raises(BadRequest):
        await store.append_records([record(1), replace(record(2), request_id=text)])
    assert await store.records(T, ["ref-1"]) == []
    await store.ping()


async def test_one_who_does_not_wait_leaves_the_store_in_order(store: SqlStore) -> None:
    await store.add(new())
    for turns in range(12):
        tasks: list[asyncio.Task[Any]] = [
            asyncio.create_task(accept(store, session=bytes([turns, n] * 8))) for n in range(8)
        ]
        tasks.append(asyncio.create_task(store.remove(T, OTHER, now=1)))
        for _ in range(turns):
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert await store.profile(T, IMSI, IMEI, CLIENT) is not None
    assert await accept(store, session=b"l" * 16)


# --- the management plane --------------------------------------------------------------------


async def test_a_subscription_is_added_once(store: SqlStore) -> None:
    await store.add(new())
    with pytest.raises(RowConflict) as caught:
        await store.add(replace(new(), sim=None))
    assert (caught.value.index, caught.value.reason) == (0, "exists")
    assert await store.find(T, imsi=IMSI) == subscription()
    assert await store.find(T, msisdn=NUMBER) == subscription()
    assert await store.sim_key(T, IMSI) == SIM
    assert await store.consents(T, IMSI) == {ConsentKind.TERMS: TERMS, ConsentKind.ADDRESS: ADDRESS}
    export = await store.export(T, IMSI)
    assert export is not None
    assert (export.subscription, export.has_sim_key) == (subscription(), True)
    assert export.consents == (ADDRESS, TERMS)


async def test_of_many_who_add_the_same_one_wins(store: SqlStore) -> None:
    done = await asyncio.gather(*(store.add(new()) for _ in range(10)), return_exceptions=True)
    assert sum(isinstance(one, Conflict) for one in done) == 9
    assert done.count(None) == 1


async def compared(store: SqlStore) -> list[tuple[Imsi, int]]:
    """Return of whom answers are to be compared, and since when (Unix seconds)."""
    claims = await store.life.claim(now_ms=2**50, again_ms=2**50, limit=50)
    waiting = await store.life.peek(claims) if claims else []
    return sorted(((imsi, each.event.at) for imsi, each in waiting), key=str)


async def test_a_number_is_one_subscriptions_only(store: SqlStore) -> None:
    await store.add(new())
    with pytest.raises(RowConflict) as caught:
        await store.add(new(OTHER))
    assert caught.value.reason == "msisdn_taken"
    assert await store.find(T, imsi=OTHER) is None
    await store.add(new(OTHER, Msisdn("491710000002")))
    with pytest.raises(Conflict) as refused:
        await store.change(T, OTHER, Change(msisdn=NUMBER, plan="silver"), now=9)
    assert refused.value.reason == "msisdn_taken"
    assert await store.find(T, imsi=OTHER) == subscription(OTHER, Msisdn("491710000002"))

    changed = await store.change(T, IMSI, Change(msisdn=Msisdn("491710000003")), now=9)
    assert changed == subscription(IMSI, Msisdn("491710000003"))
    assert await store.find(T, msisdn=NUMBER) is None
    assert await store.find(T, msisdn=Msisdn("491710000003")) == changed
    await store.change(T, OTHER, Change(msisdn=NUMBER), now=9)
    assert await store.find(T, msisdn=NUMBER) == await store.find(T, imsi=OTHER)


async def test_all_are_added_or_none(store: SqlStore, place: Place) -> None:
    await store.add(new(imsi_of(1207), None))
    before = await held(place)

    def rows(*, broken: bool = False) -> Iterator[NewSubscription]:
        for number in range(1300):
            if broken and number == 1250:
                raise LookupError("the file ends here")
            yield new(imsi_of(number), Msisdn(f"4917{number:08d}"))

    with pytest.raises(RowConflict) as caught:
        await store.add_many(rows())
    assert (caught.value.index, caught.value.reason) == (1207, "exists")
    with pytest.raises(LookupError):
        await store.add_many(rows(broken=True), replace=True)
    assert await held(place) == before
    assert await store.add_many(rows(), replace=True) == 1300
    assert await store.count(T) == 1300
    assert await store.add_many([]) == 0


@pytest.mark.parametrize("replacing", [False, True])
@pytest.mark.parametrize("apart", [0, 600])
async def test_what_is_named_twice_is_refused_wherever_it_stands(
    store: SqlStore, place: Place, replacing: bool, apart: int
) -> None:
    between = [new(imsi_of(100 + n), None) for n in range(apart)]
    with pytest.raises(RowConflict) as caught:
        await store.add_many([new(), *between, new(msisdn=None)], replace=replacing)
    assert (caught.value.index, caught.value.reason) == (apart + 1, "named_twice")
    with pytest.raises(RowConflict) as caught:
        await store.add_many([new(), *between, new(OTHER)], replace=replacing)
    assert (caught.value.index, caught.value.reason) == (apart + 1, "msisdn_taken")
    assert not any((await held(place)).values())


async def test_rows_of_several_tenants_may_be_added_at_once(store: SqlStore) -> None:
    several = [new(tenant=tenant) for tenant in (T, "blue", "green")]
    assert await store.add_many(several) == 3
    with pytest.raises(RowConflict) as caught:
        await store.add_many([new(OTHER, None), new(tenant="blue")])
    assert caught.value.index == 1


async def test_replacing_keeps_what_the_new_row_has_not(store: SqlStore) -> None:
    await fill(store)
    await store.revoke_tokens(T, IMSI, None)
    bare = subscription(plan="silver", created_at=50, changed_at=51)
    assert await store.add_many([NewSubscription(bare)], replace=True) == 1
    profile = await store.profile(T, IMSI, IMEI, CLIENT)
    assert profile is not None
    assert profile.subscription == replace(bare, token_epoch=1, created_at=1, changed_at=2)
    assert (profile.terms, profile.address) == (TERMS, ADDRESS)
    assert (profile.terminal_epoch, profile.granted_at) == (0, ACCEPTED.at)
    assert await store.sim_key(T, IMSI) == SIM

    other, missing = replace(SIM, wrapped_k=b"2"), replace(TERMS, status=ConsentStatus.MISSING)
    await store.add_many([NewSubscription(bare, other, (TERMS, missing))], replace=True)
    assert await store.sim_key(T, IMSI) == other
    assert await store.consents(T, IMSI) == {
        ConsentKind.TERMS: missing,
        ConsentKind.ADDRESS: ADDRESS,
    }
    endless = replace(TERMS, expires_at=None)
    await store.add_many([NewSubscription(bare, None, (endless,))], replace=True)
    assert await store.consents(T, IMSI) == {
        ConsentKind.TERMS: endless,
        ConsentKind.ADDRESS: ADDRESS,
    }


@pytest.mark.parametrize("apart", [0, 600])
async def test_two_that_are_replaced_may_change_their_numbers_over(
    store: SqlStore, apart: int
) -> None:
    second = Msisdn("491710000002")
    await store.add_many([new(), new(OTHER, second)])
    between = [new(imsi_of(100 + n), None) for n in range(apart)]
    await store.add_many([new(msisdn=second), *between, new(OTHER, NUMBER)], replace=True)
    assert await store.find(T, msisdn=NUMBER) == await store.find(T, imsi=OTHER)
    assert await store.find(T, msisdn=second) == await store.find(T, imsi=IMSI)
    await store.add_many([new(msisdn=None)], replace=True)
    assert await store.find(T, msisdn=second) is None


async def test_a_change_sets_what_it_names(store: SqlStore) -> None:
    await store.add(new())
    state = subscription()
    steps: list[tuple[Change, dict[str, Any]]] = [
        (Change(), {}),
        (Change(status=SubscriptionStatus.BARRED), {"status": SubscriptionStatus.BARRED}),
        (Change(plan="silver"), {"plan": "silver"}),
        (Change(gid1="ff"), {"gid1": "ff"}),
        (Change(gid1=""), {"gid1": ""}),
        (
            Change(provisioning=ProvStatus.NOT_PROVISIONED),
            {"provisioning": ProvStatus.NOT_PROVISIONED},
        ),
        (Change(msisdn=NUMBER), {}),
        (Change(visited_plmn="20801"), {"visited_plmn": "20801", "visited_at": 16}),
        (Change(visited_plmn=""), {"visited_plmn": "", "visited_at": 17}),
    ]
    for now, (change, changes) in enumerate(steps, start=9):
        state = replace(state, **changes)
        assert await store.change(T, IMSI, change, now=now) == state
        assert await store.find(T, imsi=IMSI) == state
    with pytest.raises(Conflict, match="remov"):
        await store.change(T, IMSI, Change(status=SubscriptionStatus.REMOVED), now=9)


async def test_a_number_is_given_to_one_who_had_none(store: SqlStore) -> None:
    await store.add(new(msisdn=None))
    await store.change(T, IMSI, Change(msisdn=NUMBER), now=9)
    assert await store.find(T, msisdn=NUMBER) == subscription()


async def test_a_consent_is_written_over(store: SqlStore) -> None:
    await store.add(NewSubscription(subscription()))
    await store.set_consent(T, IMSI, replace(TERMS, status=ConsentStatus.MISSING))
    assert (await store.consents(T, IMSI)).keys() == {ConsentKind.TERMS}
    await store.set_consent(T, IMSI, TERMS)
    await store.set_consent(T, IMSI, ADDRESS)
    assert await store.consents(T, IMSI) == {ConsentKind.TERMS: TERMS, ConsentKind.ADDRESS: ADDRESS}


async def test_what_is_not_there_cannot_be_changed(store: SqlStore) -> None:
    gone = imsi_of(3)
    await store.add(new(gone))
    await store.remove(T, gone, now=5)
    for imsi in (IMSI, gone):
        for call in (
            store.change(T, imsi, Change(plan="x"), now=1),
            store.set_consent(T, imsi, TERMS),
            store.revoke_tokens(T, imsi, IMEI),
        ):
            with pytest.raises(Conflict):
                await call
    for call in (store.remove(T, IMSI, now=1), store.revoke_tokens(T, IMSI, None)):
        with pytest.raises(Conflict):
            await call
    assert await store.find(T, imsi=IMSI) is None


async def test_a_removed_one_is_a_tombstone(store: SqlStore) -> None:
    await fill(store)
    await store.remove(T, IMSI, now=60)
    export = await store.export(T, IMSI)
    assert export is not None
    assert export.subscription == subscription(
        status=SubscriptionStatus.REMOVED, token_epoch=1, changed_at=60
    )
    assert (export.has_sim_key, export.consents, export.push) == (False, (), ())
    assert await store.sim_key(T, IMSI) is None
    assert await store.find(T, msisdn=NUMBER) is None
    assert await store.count(T) == 0
    await store.add(new(OTHER))
    assert await store.find(T, msisdn=NUMBER) == subscription(OTHER)
    await store.remove(T, IMSI, now=61)
    assert await store.find(T, msisdn=NUMBER) == subscription(OTHER)
    assert await store.revoke_tokens(T, IMSI, None) == 3


@pytest.mark.parametrize("replacing", [False, True])
async def test_a_removed_one_comes_back_with_nothing_but_its_epoch(
    store: SqlStore, replacing: bool
) -> None:
    await fill(store)
    await store.remove(T, IMSI, now=60)
    again = subscription(created_at=70, changed_at=70)
    await store.add_many([NewSubscription(again)], replace=replacing)
    profile = await store.profile(T, IMSI, IMEI, CLIENT)
    assert profile is not None
    assert profile.subscription == replace(again, token_epoch=1)
    assert (profile.terms, profile.terminal_epoch, profile.granted_at) == (None, None, None)
    assert await store.session(T, IMSI, SESSION) is None
    assert await store.sim_key(T, IMSI) is None
    assert await store.find(T, msisdn=NUMBER) == profile.subscription


async def test_every_revocation_counts_once(store: SqlStore) -> None:
    await fill(store)
    epochs = await asyncio.gather(*(store.revoke_tokens(T, IMSI, None) for _ in range(30)))
    assert sorted(epochs) == list(range(1, 31))
    assert await store.revoke_tokens(T, IMSI, IMEI) == 1
    profile = await store.profile(T, IMSI, IMEI, CLIENT)
    assert profile is not None
    assert (profile.subscription.token_epoch, profile.terminal_epoch) == (30, 1)


async def test_revoking_a_terminal_counts_for_each_of_its_clients(store: SqlStore) -> None:
    async def epochs(*clients: tuple[str, str]) -> list[int | None]:
        found = [await store.profile(T, IMSI, *client) for client in clients]
        return [None if profile is None else profile.terminal_epoch for profile in found]

    mine, second, other = (IMEI, CLIENT), (IMEI, "client-2"), ("another", CLIENT)
    await store.add(new())
    await accept(store)
    assert await store.revoke_tokens(T, IMSI, IMEI) == 1
    await accept(store, session=b"2" * 16, client="client-2")
    await accept(store, session=b"3" * 16, terminal=replace(TERMINAL, terminal_id="another"))
    assert await epochs(mine, second, other) == [1, 0, 0]
    assert await store.revoke_tokens(T, IMSI, IMEI) == 2
    assert await epochs(mine, second, other) == [2, 1, 0]

    # Nothing but a revocation changes an epoch.
    await accept(store, session=b"4" * 16, at=70)
    await accept(store, session=b"5" * 16, at=71, client="client-2")
    assert await store.renew_grant(T, IMSI, *mine, issued_at=80, expected=70)
    await store.add_many([NewSubscription(subscription())], replace=True)
    assert await epochs(mine, second, other) == [2, 1, 0]
    revoked = await asyncio.gather(*(store.revoke_tokens(T, IMSI, IMEI) for _ in range(10)))
    assert sorted(revoked) == list(range(3, 13))
    assert await epochs(mine, second, other) == [12, 11, 0]


async def test_subscriptions_are_listed_in_order_and_in_pages(store: SqlStore) -> None:
    numbers = [*range(999, -1, -1), 1000, 1001]
    await store.add_many(new(imsi_of(number), None) for number in numbers)
    await store.remove(T, imsi_of(3), now=1)
    await store.change(T, imsi_of(900), Change(status=SubscriptionStatus.BARRED), now=1)
    every = [imsi_of(number).digits for number in range(1002)]
    assert [one.imsi.digits async for one in store.list(T)] == every
    assert [one.imsi.digits async for one in store.list(T, after=every[500])] == every[501:]
    for status, where in (
        (SubscriptionStatus.REMOVED, [3]),
        (SubscriptionStatus.BARRED, [900]),
        (SubscriptionStatus.SUSPENDED, []),
    ):
        found = [one.imsi async for one in store.list(T, status=status)]
        assert found == [imsi_of(number) for number in where]
    assert await store.count(T) == 1001


async def test_erasing_leaves_nothing(store: SqlStore, place: Place) -> None:
    await store.add(new(OTHER, Msisdn("491710000002")))
    await store.append_records([record(5, ref=""), record(6, ref="ref-2")])
    before = await held(place)
    await fill(store)
    await store.append_records([record(2_000_000, ref="ref-old")])
    erased = await store.erase(T, IMSI, ["ref-1", "", "ref-old", "ref-none"], now=90)
    assert erased == Erased(subscriptions=1, terminals=1, sessions=1, records=2)
    assert await held(place) == before
    everything = repr(before)
    assert IMSI.digits not in everything
    assert NUMBER.digits not in everything
    assert await store.erase(T, IMSI, ["ref-1"], now=90) == Erased(0, 0, 0, 0)


async def test_erasing_a_tombstone_leaves_its_number_to_the_next(store: SqlStore) -> None:
    await fill(store)
    await store.remove(T, IMSI, now=1)
    await store.add(new(OTHER))
    assert (await store.erase(T, IMSI, [], now=90)).subscriptions == 1
    assert await store.find(T, msisdn=NUMBER) == subscription(OTHER)


async def test_sim_keys_come_in_order_and_are_wrapped_anew(store: SqlStore) -> None:
    many = [new(imsi_of(number), None, tenant=t) for t in ("red", "blue") for number in range(400)]
    await store.add_many(many)
    found: list[tuple[str, Imsi, SimKey]] = []
    after = ("", "")
    while page := await store.sim_keys(after=after):
        assert len(page) <= 500
        found.extend(page)
        after = (page[-1][0], page[-1][1].digits)
    assert found == [(t, imsi_of(number), SIM) for t in ("blue", "red") for number in range(400)]

    fresh = replace(SIM, wrapped_k=b"k2", wrapped_op=b"op2", sqn_offset=1234)
    assert await store.rewrap("red", imsi_of(1), SIM, fresh)
    assert not await store.rewrap("red", imsi_of(1), SIM, replace(fresh, wrapped_k=b"k3"))
    # A resynchronisation in between is not undone.
    assert await store.sim_key("red", imsi_of(1)) == replace(fresh, sqn_offset=SIM.sqn_offset)
    assert await store.sim_key("blue", imsi_of(1)) == SIM


async def test_old_rows_are_purged_in_bounded_batches(store: SqlStore) -> None:
    for number in range(40):
        row = replace(STARTED, at=number)
        await store.decide_session(T, imsi_of(number), SESSION, row, expected=None)
    await store.append_records([record(n * 1_000_000, ref=f"ref-{n}") for n in range(40)])
    counts = []
    while done := await store.purge(sessions_before=20, records_before=30, limit=8):
        counts.append(done)
    assert sum(counts) == 50
    assert max(counts) == 8
    for number in range(40):
        kept = await store.session(T, imsi_of(number), SESSION) is not None
        assert kept == (number >= 20)
        assert len(await store.records(T, [f"ref-{number}"])) == (number >= 30)
    assert await store.purge(sessions_before=20, records_before=30) == 0


# --- tokens that are good once -----------------------------------------------------------------


async def test_of_many_who_use_a_token_one_wins(store: SqlStore) -> None:
    uses = [replace(CONSUMED, at=number, holder=b"") for number in range(20)]
    won = await asyncio.gather(
        *(store.use_token(T, IMSI, TOKEN, use, expected=None) for use in uses)
    )
    assert won.count(True) == 1
    assert await store.token_use(T, IMSI, TOKEN) == uses[won.index(True)]
    assert not await store.use_token(T, IMSI, TOKEN, REDEEMED, expected=None)


async def test_a_redeemed_token_is_consumed_once_and_by_its_holder(store: SqlStore) -> None:
    use = store.use_token
    assert not await use(T, IMSI, TOKEN, CONSUMED, expected=TokenState.REDEEMED)
    assert await use(T, IMSI, TOKEN, REDEEMED, expected=None)
    assert await store.token_use(T, IMSI, TOKEN) == REDEEMED
    for stranger in (b"", b"i" * 32):
        other = replace(CONSUMED, holder=stranger)
        assert not await use(T, IMSI, TOKEN, other, expected=TokenState.REDEEMED)
        assert not await use(T, IMSI, TOKEN, other, expected=None)
    won = await asyncio.gather(
        *(use(T, IMSI, TOKEN, CONSUMED, expected=TokenState.REDEEMED) for _ in range(10))
    )
    assert won.count(True) == 1
    assert await store.token_use(T, IMSI, TOKEN) == CONSUMED


async def test_uses_are_told_apart_by_subscription_and_token(store: SqlStore) -> None:
    for imsi in (IMSI, OTHER, None):
        for token_id in (TOKEN, TOKEN[::-1]):
            assert await store.use_token(T, imsi, token_id, CONSUMED, expected=None)
            assert not await store.use_token(T, imsi, token_id, CONSUMED, expected=None)


async def test_a_use_is_kept_while_its_token_could_come_again(store: SqlStore) -> None:
    for number in range(40):
        use = TokenUse(TokenState.CONSUMED, 1, number)
        await store.use_token(T, imsi_of(number), TOKEN, use, expected=None)
    counts = []
    while done := await store.purge(sessions_before=20, records_before=0, limit=8):
        counts.append(done)
    assert sum(counts) == 20
    assert max(counts) == 8
    for number in range(40):
        assert (await store.token_use(T, imsi_of(number), TOKEN) is not None) == (number >= 20)


async def test_the_next_owner_of_an_imsi_has_none_of_the_former_ones_uses(store: SqlStore) -> None:
    await fill(store)
    await store.remove(T, IMSI, now=1)
    await store.add(new())
    assert await store.token_use(T, IMSI, TOKEN) is None


# --- tenants, identities, loss ----------------------------------------------------------------

# Every method, called for one tenant. They must not see nor touch another's rows of the same IMSI.
CALLS: dict[str, Callable[[SqlStore], Awaitable[Any]]] = {
    "profile": lambda s: s.profile(T, IMSI, IMEI, CLIENT),
    "session": lambda s: s.session(T, IMSI, SESSION),
    "decide_session": lambda s: s.decide_session(
        T, IMSI, SESSION, STARTED, expected=Outcome.ACCEPTED, terminal=replace(TERMINAL, seen_at=99)
    ),
    "renew_grant": lambda s: s.renew_grant(T, IMSI, IMEI, CLIENT, issued_at=99, expected=12),
    "register_push": lambda s: s.register_push(T, IMSI, [replace(PUSH, action=0)]),
    "sim_key": lambda s: s.sim_key(T, IMSI),
    "set_sqn_offset": lambda s: s.set_sqn_offset(T, IMSI, 99, expected=SIM.sqn_offset),
    "append_records": lambda s: s.append_records([record(99)]),
    "ping": lambda s: s.ping(),
    "token_use": lambda s: s.token_use(T, IMSI, TOKEN),
    "use_token": lambda s: s.use_token(T, IMSI, TOKEN, CONSUMED, expected=TokenState.REDEEMED),
    "visit": lambda s: s.visit(T, IMSI, VISIT_ID),
    "begin_visit": lambda s: s.begin_visit(T, IMSI, VISIT_ID[::-1], VISIT),
    "settle_visit": lambda s: s.settle_visit(
        T, IMSI, VISIT_ID, Settlement(Step.TERMS, Step.DONE, 63)
    ),
    "purchases": lambda s: _bought(s),
    "marks": lambda s: s.marks(T, IMSI),
    "set_marks": lambda s: s.set_marks(T, IMSI, [replace(FROZEN, value="no")]),
    "terminal_since": lambda s: s.terminal_since(T, IMSI, IMEI),
    "holdings": lambda s: s.holdings(T, IMSI),
    "set_holding": lambda s: s.set_holding(T, IMSI, replace(USAGE, used=2)),
    "tell": lambda s: s.tell(T, IMSI, at=99, sms_apps=["ap2003"]),
    "settle_notices": lambda s: s.settle_notices([Settled(NOTICE, dead=True)]),
    "add": lambda s: s.add(new(OTHER, Msisdn("491719999999"))),
    "add_many": lambda s: s.add_many([new(msisdn=None, plan="x")], replace=True),
    "change": lambda s: s.change(T, IMSI, Change(msisdn=Msisdn("4917100009"), plan="y"), now=99),
    "set_consent": lambda s: s.set_consent(T, IMSI, replace(TERMS, version="x")),
    "remove": lambda s: s.remove(T, IMSI, now=99),
    "revoke_tokens": lambda s: asyncio.gather(
        s.revoke_tokens(T, IMSI, None), s.revoke_tokens(T, IMSI, IMEI)
    ),
    "find": lambda s: asyncio.gather(s.find(T, imsi=IMSI), s.find(T, msisdn=NUMBER)),
    "list": lambda s: _all(s),
    "count": lambda s: s.count(T),
    "export": lambda s: s.export(T, IMSI),
    "erase": lambda s: s.erase(T, IMSI, ["ref-1"], now=90),
    "records": lambda s: s.records(T, ["ref-1"]),
    "consents": lambda s: s.consents(T, IMSI),
    "rewrap": lambda s: s.rewrap(T, IMSI, SIM, replace(SIM, wrapped_k=b"x")),
}
OF_ALL_TENANTS = {"claim_notices", "sim_keys", "purge", "close", "doing", "recorded"}
"""``doing`` reads and writes nothing; the records of a tenant that is named are another's suite."""
READS = {
    "profile",
    "session",
    "token_use",
    "visit",
    "purchases",
    "holdings",
    "marks",
    "terminal_since",
    "sim_key",
    "ping",
    "find",
    "list",
    "count",
    "export",
    "records",
    "consents",
}


async def _bought(store: SqlStore) -> list[Any]:
    return [one async for one in store.purchases(T)]


async def _all(store: SqlStore) -> list[Subscription]:
    return [one async for one in store.list(T)]


def test_the_calls_are_all_of_the_port() -> None:
    methods = {name for name, _ in inspect.getmembers(Store, inspect.isfunction)}
    assert {name for name in methods if not name.startswith("_")} == set(CALLS) | OF_ALL_TENANTS


@pytest.mark.parametrize("name", CALLS)
async def test_a_tenant_never_meets_anothers_rows(store: SqlStore, place: Place, name: str) -> None:
    await fill(store, "blue")
    before = await held(place)
    seen = await asyncio.gather(CALLS[name](store), return_exceptions=True)
    # Nothing of blue's is seen by a red who has nothing.
    nothing: list[Any] = [NOTHING, None, False, 0, [], {}, [None, None], Erased(0, 0, 0, 0), 1]
    assert isinstance(seen[0], Conflict) or seen[0] in nothing
    await store.erase(T, IMSI, ["ref-1"], now=90)
    await store.erase(T, OTHER, [], now=90)
    assert await held(place) == before

    # And nothing of blue's is touched by a red who has the same.
    await fill(store, T)
    whole = await held(place)
    await CALLS[name](store)
    assert await held(place, "blue") == before
    assert (await held(place) != whole) == (name not in READS)


async def test_no_error_tells_an_identity(store: SqlStore) -> None:
    await store.add(new())
    gone = imsi_of(7)
    for call in (
        store.add(new()),
        store.add(new(OTHER)),
        store.change(T, gone, Change(plan="x"), now=1),
        store.change(T, gone, Change(msisdn=NUMBER), now=1),
        store.remove(T, gone, now=1),
        store.revoke_tokens(T, gone, None),
        store.revoke_tokens(T, IMSI, IMEI),
        store.set_consent(T, gone, TERMS),
        # Behind the checks, what the database itself says.
        store._engine.write(
            "INSERT INTO msisdn (tenant, msisdn, imsi) VALUES (?1, ?2, ?3)",
            (T, NUMBER.digits, OTHER.digits),
        ),
    ):
        with pytest.raises(Conflict) as caught:
            await call
        error: BaseException | None = caught.value
        assert error is not None
        # What is chained to it would be shown, too.
        assert error.__cause__ is None
        assert error.__suppress_context__ or error.__context__ is None
        for secret in (IMSI, OTHER, gone, NUMBER):
            assert secret.digits not in f"{error!r} {error} {caught.value.for_operator}"


CHILD = """
import asyncio, sys
from pathlib import Path
from tests.conformance import conftest, test_store as suite

async def write(place):
    store = await place.open()
    await suite.fill(store)
    await store.revoke_tokens(suite.T, suite.IMSI, None)
    print("written", flush=True)
    await asyncio.sleep(60)

async def main(url):
    if url.startswith("sqlite"):
        await write(conftest.sqlite_place(Path(url.removeprefix("sqlite:///"))))
    else:
        async with conftest.postgres_place(url) as place:
            await write(place)

asyncio.run(main(sys.argv[1]))
"""


async def test_what_was_answered_survives_a_kill(place: Place) -> None:
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        CHILD,
        place.url,
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert child.stdout is not None
    assert await child.stdout.readline() == b"written\n"
    child.kill()
    await child.communicate()
    store = await place.open()
    profile = await store.profile(T, IMSI, IMEI, CLIENT)
    assert profile is not None
    assert profile.subscription == subscription(token_epoch=1)
    assert (profile.terminal_epoch, profile.granted_at) == (0, ACCEPTED.at)
    assert await store.session(T, IMSI, SESSION) == ACCEPTED
    assert len(await store.records(T, ["ref-1"])) == 1
    await store.close()
