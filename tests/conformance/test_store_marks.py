"""What is noted about lines, and since when SIMs and terminals are known."""

from __future__ import annotations

from dataclasses import replace

import pytest

from simgrant.adapters.store.sql.store import SqlStore
from simgrant.domain.line_marks import LineMark, MarkName
from simgrant.errors import Conflict
from simgrant.identities import Msisdn
from simgrant.ports.store import Change
from tests.conformance.conftest import Place
from tests.conformance.test_store import IMEI, IMSI, NUMBER, OTHER, TERMINAL, T, accept, new

FROZEN = LineMark(MarkName.PORT_FREEZE, "yes", 70)
PREPAID = LineMark(MarkName.PREPAID, "no", 71)
SWAPPED = LineMark(MarkName.SIM_SINCE, "60", 72)
ICCID = LineMark(MarkName.ICCID, "8944110000000000013", 73)


async def test_marks_come_back_each_with_its_own_time(store: SqlStore) -> None:
    assert await store.marks(T, IMSI) == []
    await store.add(new())
    await store.set_marks(T, IMSI, [FROZEN, PREPAID])
    await store.set_marks(T, IMSI, [SWAPPED])
    assert await store.marks(T, IMSI) == [FROZEN, PREPAID, SWAPPED]
    assert await store.marks(T, OTHER) == []
    assert await store.marks("blue", IMSI) == []


async def test_a_mark_is_as_old_as_what_it_says(store: SqlStore) -> None:
    await store.add(new())
    await store.set_marks(T, IMSI, [FROZEN])
    await store.set_marks(T, IMSI, [replace(FROZEN, at=90)])
    assert await store.marks(T, IMSI) == [FROZEN]
    thawed = LineMark(MarkName.PORT_FREEZE, "no", 91)
    await store.set_marks(T, IMSI, [thawed])
    assert await store.marks(T, IMSI) == [thawed]


async def test_the_first_iccid_is_no_swap_and_the_next_one_is(store: SqlStore) -> None:
    await store.add(new())
    await store.set_marks(T, IMSI, [ICCID])
    await store.set_marks(T, IMSI, [replace(ICCID, at=80)])
    assert await store.marks(T, IMSI) == [replace(ICCID, at=0)]
    swapped = LineMark(MarkName.ICCID, "8944110000000000021", 5_000_000_000)
    await store.set_marks(T, IMSI, [swapped])
    assert await store.marks(T, IMSI) == [swapped]


async def test_nobody_s_line_is_not_marked(store: SqlStore, place: Place) -> None:
    with pytest.raises(Conflict):
        await store.set_marks(T, IMSI, [FROZEN])
    await store.add(new())
    await store.set_marks(T, IMSI, [FROZEN])
    await store.remove(T, IMSI, now=9)
    with pytest.raises(Conflict):
        await store.set_marks(T, IMSI, [PREPAID])
    assert await place.rows("SELECT * FROM line_mark") == []


async def test_an_import_brings_marks_along(store: SqlStore) -> None:
    await store.add(replace(new(), marks=(FROZEN, ICCID)))
    assert await store.marks(T, IMSI) == [replace(ICCID, at=0), FROZEN]
    again = replace(new(changed_at=80), marks=(replace(ICCID, value="8944110000000000021", at=80),))
    await store.add_many([again], replace=True)
    # What it does not speak of stays.
    assert await store.marks(T, IMSI) == [again.marks[0], FROZEN]


async def test_a_number_that_comes_to_a_sim_is_a_new_sim_for_it(store: SqlStore) -> None:
    await store.add(new())
    await store.change(T, IMSI, Change(msisdn=NUMBER, plan="x"), now=50)
    assert await store.marks(T, IMSI) == []
    await store.change(T, IMSI, Change(msisdn=Msisdn("491710000009")), now=51)
    assert await store.marks(T, IMSI) == _number_came(51)
    # By an import likewise.
    moved = new(IMSI, Msisdn("491710000008"), changed_at=90)
    await store.add_many([moved, new(OTHER, None)], replace=True)
    assert await store.marks(T, IMSI) == _number_came(90)
    assert await store.marks(T, OTHER) == []
    await store.add_many([replace(moved, marks=(SWAPPED,))], replace=True)
    assert await store.marks(T, IMSI) == [_number_came(90)[0], SWAPPED]


def _number_came(at: int) -> list[LineMark]:
    names = (MarkName.NUMBER_SINCE, MarkName.SIM_SINCE)
    return [LineMark(name, str(at), at) for name in names]


async def test_marks_are_exported_and_erased(store: SqlStore, place: Place) -> None:
    await store.add(replace(new(), marks=(FROZEN,)))
    export = await store.export(T, IMSI)
    assert export is not None
    assert export.marks == (FROZEN,)
    await store.erase(T, IMSI, [], now=90)
    assert await place.rows("SELECT * FROM line_mark") == []


async def test_a_terminal_is_known_since_it_was_first_seen(store: SqlStore, place: Place) -> None:
    await store.add(new())
    assert await store.terminal_since(T, IMSI, IMEI) is None
    assert await accept(store)
    later = replace(TERMINAL, seen_at=70)
    assert await accept(store, session=bytes(16), at=70, terminal=later)
    assert await store.terminal_since(T, IMSI, IMEI) == TERMINAL.seen_at
    assert await store.terminal_since(T, OTHER, IMEI) is None
    export = await store.export(T, IMSI)
    assert export is not None
    assert export.terminals == (replace(later, first_at=TERMINAL.seen_at),)
    assert await place.rows("SELECT seen_at, first_at FROM terminal") == [(70, TERMINAL.seen_at)]


async def test_of_a_terminal_from_before_the_last_time_is_the_first(
    store: SqlStore, place: Place
) -> None:
    await store.add(new())
    assert await accept(store)
    await store._engine.write("UPDATE terminal SET first_at = NULL", ())
    assert await store.terminal_since(T, IMSI, IMEI) == TERMINAL.seen_at
    later = replace(TERMINAL, seen_at=70)
    assert await accept(store, session=bytes(16), at=70, terminal=later)
    assert await place.rows("SELECT first_at FROM terminal") == [(TERMINAL.seen_at,)]
