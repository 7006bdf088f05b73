"""Events of several callers in one transaction: each is told of its own, and none is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from simgrant.domain.bss_events import BssEvent, Change
from simgrant.errors import BadRequest, PeerTimeout, PeerUnavailable
from simgrant.flows import shared_takes
from simgrant.flows.shared_takes import SharedTakes
from simgrant.ports.bss_events import Taken


def events(*ids: str) -> list[BssEvent]:
    return [BssEvent(event_id=each, change=Change.CHANGED, at=1) for each in ids]


class Rows:
    """A store that waits to be let go, and fails as it is told to."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.kept: list[str] = []
        self.go = asyncio.Event()
        self.fault: Exception | None = None
        self.bad = ""

    async def keep(self, _tenant: str, _source: str, some: Sequence[BssEvent]) -> Sequence[Taken]:
        ids = [each.event_id for each in some]
        self.batches.append(ids)
        await self.go.wait()
        if self.fault is not None:
            raise self.fault
        if self.bad in ids:
            raise BadRequest("unstorable_text")
        self.kept += ids
        return [Taken.KNOWN if each.startswith("known") else Taken.KEPT for each in ids]


@pytest.fixture
def rows() -> Rows:
    return Rows()


async def begun(
    takes: SharedTakes, *calls: Sequence[str], source: str = "crm"
) -> list[asyncio.Task[Sequence[Taken]]]:
    """Begin calls, one after the other."""
    tasks = []
    for ids in calls:
        tasks.append(asyncio.create_task(takes.take("blue", source, events(*ids))))
        for _ in range(3):
            await asyncio.sleep(0)
    return tasks


async def test_who_comes_meanwhile_shares_the_next_and_is_told_of_its_own(rows: Rows) -> None:
    takes = SharedTakes(rows.keep)
    calls = await begun(takes, ["1"], ["2", "known-3"], ["4"])
    others = await begun(takes, ["5"], source="erp")
    rows.go.set()
    assert await asyncio.gather(*calls, *others) == [
        [Taken.KEPT],
        [Taken.KEPT, Taken.KNOWN],
        [Taken.KEPT],
        [Taken.KEPT],
    ]
    assert rows.batches == [["1"], ["5"], ["2", "known-3", "4"]]
    assert await takes.take("blue", "crm", events("6")) == [Taken.KEPT], "nobody is left waiting"


async def test_one_that_cannot_be_kept_takes_no_other_with_it(rows: Rows) -> None:
    rows.bad = "3"
    calls = await begun(SharedTakes(rows.keep), ["1"], ["2"], ["3", "4"], ["5"])
    rows.go.set()
    done = await asyncio.gather(*calls, return_exceptions=True)
    assert [isinstance(each, BadRequest) for each in done] == [False, False, True, False]
    assert rows.kept == ["1", "2", "5"]


async def test_where_the_store_is_away_each_is_told_so(rows: Rows) -> None:
    rows.fault = PeerTimeout("store_timeout", for_operator="no answer in time")
    calls = await begun(SharedTakes(rows.keep), ["1"], ["2"], ["3"])
    rows.go.set()
    done = await asyncio.gather(*calls, return_exceptions=True)
    assert [(type(each), str(each)) for each in done] == [(PeerTimeout, "no answer in time")] * 3
    assert len({id(each) for each in done}) == 3
    assert rows.batches == [["1"], ["2", "3"]], "it is not asked once more for each"


async def test_who_goes_away_while_it_waits_has_nothing_kept(rows: Rows) -> None:
    first, second, third = await begun(SharedTakes(rows.keep), ["1"], ["2"], ["3"])
    first.cancel()
    second.cancel()
    rows.go.set()
    assert await third == [Taken.KEPT]
    assert rows.batches == [["1"], ["3"]]


async def test_transactions_and_those_who_wait_are_bounded(
    rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_takes, "MOST", 2)
    monkeypatch.setattr(shared_takes, "MOST_WAITING", 5)
    takes = SharedTakes(rows.keep)
    calls = await begun(takes, ["1"], ["2"], ["3", "4", "5"], ["6"])
    with pytest.raises(PeerUnavailable, match="too much"):
        await takes.take("blue", "crm", events("7"))
    rows.go.set()
    await asyncio.gather(*calls)
    assert rows.batches == [["1"], ["2"], ["3", "4", "5"], ["6"]]
