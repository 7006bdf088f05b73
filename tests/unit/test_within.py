"""A deadline, as `asyncio.timeout` has one."""

from __future__ import annotations

import asyncio

import pytest

from simgrant.within import Within


async def never() -> None:
    await asyncio.Event().wait()


async def never_or_else() -> None:
    try:
        await never()
    except asyncio.CancelledError:
        raise LookupError from None


async def test_what_is_done_in_time_is_left_alone() -> None:
    task = asyncio.current_task()
    assert task is not None
    with Within(0.01):
        await asyncio.sleep(0)
    await asyncio.sleep(0.02)
    assert not task.cancelling()


async def test_what_takes_longer_is_given_up() -> None:
    task = asyncio.current_task()
    assert task is not None
    with pytest.raises(TimeoutError), Within(0.001):
        await never()
    assert not task.cancelling()
    with pytest.raises(TimeoutError), Within(-1):
        await never()
    with pytest.raises(LookupError), Within(0.001):
        await never_or_else()
    assert not task.cancelling()


async def test_of_two_the_shorter_one_raises() -> None:
    task = asyncio.current_task()
    assert task is not None
    with pytest.raises(TimeoutError), Within(0.001), Within(60):
        await never()
    with pytest.raises(TimeoutError), Within(60), Within(0.001):
        await never()
    assert not task.cancelling()


async def test_who_is_cancelled_by_another_stays_cancelled() -> None:
    async def waits(seconds: float) -> None:
        with Within(seconds):
            await never()

    task = asyncio.create_task(waits(60))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    async def both() -> None:
        # Cancelled by two at once: it is not the deadline's alone.
        with Within(0):
            own = asyncio.current_task()
            assert own is not None
            asyncio.get_running_loop().call_soon(own.cancel)
            await never()

    task = asyncio.create_task(both())
    with pytest.raises(asyncio.CancelledError):
        await task
