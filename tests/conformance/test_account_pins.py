"""PINs of accounts: judged in bounded tries, whatever comes at once, and never to be had back."""

from __future__ import annotations

import asyncio

import pytest

from simgrant.adapters.account_pins import embedded
from simgrant.adapters.account_pins.embedded import Config, EmbeddedPins, NoPin
from simgrant.adapters.store.sql.store import SqlStore
from simgrant.errors import Conflict
from simgrant.keyring.ring import Key, KeyRing, Use
from simgrant.ports.account_pins import PinState
from tests.conformance.test_store import IMSI, OTHER, T, new

PIN, AT = "271828", 1_000_000
CONFIG = Config(tries=3, lock_s=600, cost=2**4)
"""What digests cost is no matter of these tests, but for the last one's."""


class Ring:
    """A key ring that stays as it is."""

    def __init__(self, secret: bytes = bytes(range(32))) -> None:
        keys = [Key(f"{n:08x}", use, 0, 0, secret) for n, use in enumerate(Use, start=1)]
        self.ring = KeyRing({T: keys}, accept_for=60)

    def refresh(self) -> bool:
        return False


@pytest.fixture
async def pins(store: SqlStore) -> EmbeddedPins:
    await store.add(new())
    return embedded.open_pins(CONFIG, rows=store.pins, keys=Ring())


async def test_the_right_pin_is_right_and_every_other_is_wrong(pins: EmbeddedPins) -> None:
    await pins.set(T, IMSI, PIN, at=AT)
    assert await pins.state(T, IMSI, at=AT) is PinState.OPEN
    assert await pins.judge(T, IMSI, PIN, at=AT) is PinState.RIGHT
    assert await pins.judge(T, IMSI, "271829", at=AT) is PinState.WRONG
    assert await pins.judge(T, IMSI, PIN, at=AT) is PinState.RIGHT


async def test_without_a_pin_nothing_is_right(pins: EmbeddedPins, store: SqlStore) -> None:
    assert await pins.state(T, IMSI, at=AT) is PinState.NOT_SET
    assert await pins.judge(T, IMSI, PIN, at=AT) is PinState.NOT_SET
    await pins.set(T, IMSI, PIN, at=AT)
    await pins.set(T, IMSI, None, at=AT)
    assert await pins.judge(T, IMSI, PIN, at=AT) is PinState.NOT_SET
    await pins.set(T, IMSI, PIN, at=AT)
    await store.remove(T, IMSI, now=AT)
    assert await store.pins.find(T, IMSI) is None
    for whose in (IMSI, OTHER):
        with pytest.raises(Conflict):
            await pins.set(T, whose, PIN, at=AT)


async def test_tries_are_counted_however_many_come_at_once(pins: EmbeddedPins) -> None:
    await pins.set(T, IMSI, PIN, at=AT)
    states = await asyncio.gather(*(pins.judge(T, IMSI, f"{n:04}", at=AT) for n in range(9)))
    assert sorted(states) == [PinState.LOCKED] * 6 + [PinState.WRONG] * 3
    assert await pins.state(T, IMSI, at=AT) is PinState.LOCKED
    # The right one is not looked at either, and to try does not make it longer.
    assert await pins.judge(T, IMSI, PIN, at=AT + 599) is PinState.LOCKED
    assert await pins.state(T, IMSI, at=AT + 600) is PinState.OPEN
    assert await pins.judge(T, IMSI, "0000", at=AT + 600) is PinState.WRONG
    assert await pins.judge(T, IMSI, PIN, at=AT + 600) is PinState.RIGHT


async def test_a_pin_that_is_set_anew_may_be_tried_again(pins: EmbeddedPins) -> None:
    await pins.set(T, IMSI, PIN, at=AT)
    for _ in range(3):
        await pins.judge(T, IMSI, "0000", at=AT)
    await pins.set(T, IMSI, "1414", at=AT)
    assert await pins.judge(T, IMSI, PIN, at=AT) is PinState.WRONG
    assert await pins.judge(T, IMSI, "1414", at=AT) is PinState.RIGHT


async def test_a_try_that_is_interrupted_has_counted(pins: EmbeddedPins, store: SqlStore) -> None:
    await pins.set(T, IMSI, PIN, at=AT)
    for count in range(1, 4):
        # As if the process ended before it knew what came of it.
        assert await store.pins.take_try(T, IMSI, at=AT, most=3, since=AT - 600)
        kept = await store.pins.find(T, IMSI)
        assert kept is not None
        assert kept.tries == count
    assert await pins.judge(T, IMSI, PIN, at=AT) is PinState.LOCKED


async def test_what_is_no_pin_is_wrong_and_costs_no_try(
    pins: EmbeddedPins, store: SqlStore
) -> None:
    await pins.set(T, IMSI, PIN, at=AT)
    for text in ("", "123", "1" * 13, "12a4", "\u0663" * 4, "1234\n", "1" * 100_000):
        assert await pins.judge(T, IMSI, text, at=AT) is PinState.WRONG
        with pytest.raises(NoPin):
            await pins.set(T, IMSI, text, at=AT)
    kept = await store.pins.find(T, IMSI)
    assert kept is not None
    assert kept.tries == 0


async def test_the_table_alone_is_of_no_use(pins: EmbeddedPins, store: SqlStore) -> None:
    await pins.set(T, IMSI, PIN, at=AT)
    kept = await store.pins.find(T, IMSI)
    assert kept is not None
    assert kept.digest.hex() not in repr(kept)
    thief = embedded.open_pins(CONFIG, rows=store.pins, keys=Ring(bytes(32)))
    assert await thief.judge(T, IMSI, PIN, at=AT) is PinState.WRONG
    # Nor is one that was written to another subscription.
    await store.add(new(imsi=OTHER, msisdn=None))
    await store.pins.set(T, OTHER, kept.digest, at=AT)
    assert await pins.judge(T, OTHER, PIN, at=AT) is PinState.WRONG
    await pins.set(T, OTHER, PIN, at=AT)
    other = await store.pins.find(T, OTHER)
    assert other is not None
    assert other.digest != kept.digest


def test_a_digest_costs_what_it_has_to() -> None:
    assert Config().cost == 2**14
