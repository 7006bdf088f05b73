"""What goes on whatever happens: looking at the store, and acting upon what waits."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

from structlog.testing import capture_logs

from simgrant.errors import PeerUnavailable
from simgrant.flows.for_ever import KeepsActing, KeepsTaking, Pace, keep_looking
from tests.virtual_time import LoopClock, run

AWAY = PeerUnavailable("store_away")


class Played:
    """Does what it is told to, one after the other, and keeps when it did."""

    def __init__(self, *steps: Exception | bool) -> None:
        self._steps = list(steps)
        self._over = asyncio.Event()
        self.at: list[float] = []
        self.logs: Sequence[MutableMapping[str, Any]] = ()

    async def __call__(self) -> bool:
        self.at.append(LoopClock().monotonic())
        if not self._steps:
            self._over.set()
            return False
        step = self._steps.pop(0)
        if isinstance(step, Exception):
            raise step
        return step

    async def look(self) -> None:
        await self()

    async def over(self, going: Callable[[], Awaitable[None]]) -> list[tuple[str, str]]:
        """Let it go on until nothing is left to play; return what was logged."""
        with capture_logs() as logs:
            task = asyncio.ensure_future(going())
            await self._over.wait()
            task.cancel()
            await asyncio.wait({task})
        self.logs = logs
        return [(each["log_level"], each["event"]) for each in logs]

    def pauses(self) -> list[float]:
        """Return seconds between one and the next, without the jitter."""
        return [round(later - sooner) for sooner, later in zip(self.at, self.at[1:], strict=False)]


def test_it_looks_on_and_says_once_that_it_cannot_and_once_that_it_can_again() -> None:
    async def main() -> None:
        looks = Played(False, AWAY, AWAY, ZeroDivisionError(), False, False)
        said = await looks.over(
            lambda: keep_looking(
                looks.look, Pace(every_s=1, away_s=1000), failed="lost", again="found"
            )
        )
        assert said == [("warning", "lost"), ("error", "internal_error"), ("info", "found")]
        short, *long, again, last = looks.pauses()
        assert short == again == last == 1
        assert len(long) == 3
        assert all(800 <= each <= 1200 for each in long)
        assert len(set(long)) > 1, "workers come all at once"

    run(main())


def test_it_says_whose_it_is_and_looks_at_once_where_it_is_wanted_to() -> None:
    async def main() -> None:
        looks = Played(PeerUnavailable("bss_away", for_operator="crm: 503"), False)
        began = LoopClock().monotonic()
        await looks.over(
            lambda: keep_looking(
                looks.look,
                Pace(every_s=1000, away_s=1),
                failed="lost",
                again="found",
                tenant="blue",
                at_once=True,
            )
        )
        assert looks.at[0] == began
        lost, found = looks.logs
        assert (lost["tenant"], lost["reason"], lost["detail"]) == (
            "blue",
            "bss_away",
            "crm: 503",
        )
        assert (found["event"], found["tenant"]) == ("found", "blue")

    run(main())


def test_what_waits_is_acted_upon_until_nothing_does_and_whatever_goes_wrong() -> None:
    async def main() -> None:
        acts = Played(True, True, False, AWAY, AWAY, ZeroDivisionError(), False)
        acting = KeepsActing(acts, poll_s=1000, failed="not_now")
        said = await acts.over(acting.run)
        assert said == [("warning", "not_now")] * 2 + [("error", "internal_error")]
        assert acts.pauses()[:2] == [0, 0]
        assert all(800 <= each <= 1200 for each in acts.pauses()[2:])

    run(main())


def test_who_is_woken_acts_at_once_though_he_is_woken_while_he_acts() -> None:
    async def main() -> None:
        acts = 0

        async def act() -> bool:
            nonlocal acts
            acts += 1
            if acts == 1:
                acting.wake()
            return False

        acting = KeepsActing(act, poll_s=1000, failed="not_now")
        going = asyncio.create_task(acting.run())
        began = LoopClock().monotonic()
        await asyncio.sleep(1)
        assert acts == 2
        acting.wake()
        await asyncio.sleep(1)
        assert acts == 3
        assert LoopClock().monotonic() - began == 2
        going.cancel()
        await asyncio.wait({going})

    run(main())


def test_what_is_under_way_at_the_end_is_finished_unless_it_takes_too_long() -> None:
    async def main() -> None:
        ended: list[str] = []

        async def work(name: str, seconds: float) -> None:
            try:
                await asyncio.sleep(seconds)
                ended.append(name)
            except asyncio.CancelledError:
                ended.append(f"{name} cancelled")
                raise

        async def take() -> bool:
            if taking.under_way:
                return False
            for name, seconds in (("short", 5), ("long", 5000)):
                taking.go(work(name, seconds))
            return True

        taking = KeepsTaking[None](take, poll_s=100, last_s=10)
        going = asyncio.create_task(taking.run())
        await asyncio.sleep(1)
        begun = set(taking.under_way)
        going.cancel()
        await asyncio.wait({going, *begun})
        assert ended == ["short", "long cancelled"]
        assert going.cancelled()
        assert LoopClock().monotonic() == 1024 + 1 + 10

    run(main())
