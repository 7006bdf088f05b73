"""What is done together: of two with one key the later one comes later. The rest is shown by
`flows/test_shared_takes.py`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from simgrant.together import Together


async def test_of_two_with_the_same_key_the_second_is_in_a_later_batch() -> None:
    batches: list[list[str]] = []

    async def do(some: Sequence[str]) -> Sequence[str]:
        batches.append(list(some))
        return [each.upper() for each in some]

    together = Together(do, most=3, most_waiting=9, key=lambda word: word[0])
    words = ["a1", "b1", "a2", "c1", "a3", "d1", "e1", "f1"]
    done = await asyncio.gather(*map(together.one, words))
    assert done == [word.upper() for word in words]
    assert batches == [["a1", "b1"], ["a2", "c1"], ["a3", "d1", "e1"], ["f1"]]


async def test_when_its_task_is_cancelled_nobody_waits_for_ever() -> None:
    begun = asyncio.Event()

    async def do(_: Sequence[int]) -> Sequence[int]:
        begun.set()
        await asyncio.Event().wait()
        return ()

    together = Together(do, most=1, most_waiting=9)
    calls = [asyncio.create_task(together.one(number)) for number in range(2)]
    await begun.wait()
    assert together._task is not None
    together._task.cancel()
    for call in calls:
        with pytest.raises(asyncio.CancelledError):
            await call
