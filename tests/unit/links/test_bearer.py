"""Bearer tokens: one renewal for all, in time, and no hammering."""

from __future__ import annotations

import asyncio

import pytest

from simgrant.errors import PeerTimeout, PeerUnavailable
from simgrant.links.bearer import Bearer, Token
from tests.clocks import StillClock


class Issuer:
    """Makes tokens T1, T2 …, when it is let."""

    def __init__(self) -> None:
        self.made = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.problem: PeerUnavailable | None = None
        self.stale = False

    async def renew(self, deadline: float) -> Token:
        assert deadline > 0
        await self.gate.wait()
        self.made += 1
        if self.problem is not None:
            raise self.problem
        return Token(f"T{self.made}", renew_after=100, good_for=150)


@pytest.fixture
def clock() -> StillClock:
    return StillClock()


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture
def bearer(clock: StillClock, issuer: Issuer) -> Bearer:
    return Bearer(issuer.renew, clock, gap_s=30, is_stale=lambda: issuer.stale)


async def settle() -> None:
    """Let tasks that can go on do so."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_all_who_wait_share_one_renewal(bearer: Bearer, issuer: Issuer) -> None:
    got = await asyncio.gather(*(bearer.get(deadline=1010) for _ in range(50)))
    assert set(got) == {"T1"}
    assert issuer.made == 1


async def test_an_ageing_token_is_renewed_behind_who_uses_it(
    bearer: Bearer, issuer: Issuer, clock: StillClock
) -> None:
    await bearer.get(deadline=1010)
    clock.time += 99
    assert await bearer.get(deadline=1200) == "T1"
    assert issuer.made == 1
    clock.time += 2
    issuer.gate.clear()
    assert await bearer.get(deadline=1200) == "T1"
    issuer.gate.set()
    await settle()
    assert await bearer.get(deadline=1200) == "T2"


async def test_a_token_that_ended_is_not_used(
    bearer: Bearer, issuer: Issuer, clock: StillClock
) -> None:
    await bearer.get(deadline=1010)
    clock.time += 151
    issuer.problem = PeerUnavailable("down")
    with pytest.raises(PeerUnavailable, match="down"):
        await bearer.get(deadline=2000)


async def test_an_ageing_token_outlives_a_failed_renewal(
    bearer: Bearer, issuer: Issuer, clock: StillClock
) -> None:
    await bearer.get(deadline=1010)
    issuer.problem = PeerUnavailable("down")
    clock.time += 120
    for _ in range(3):
        assert await bearer.get(deadline=2000) == "T1"
        await settle()
    assert issuer.made == 2


async def test_a_failed_renewal_is_not_repeated_at_once(
    bearer: Bearer, issuer: Issuer, clock: StillClock
) -> None:
    issuer.problem = PeerUnavailable("down")
    for _ in range(3):
        with pytest.raises(PeerUnavailable) as raised:
            await bearer.get(deadline=1010)
    assert issuer.made == 1
    assert raised.value.retry_after
    clock.time += 6
    issuer.problem = None
    assert await bearer.get(deadline=1100) == "T2"


async def test_a_refused_token_is_replaced_once_in_a_while(
    bearer: Bearer, issuer: Issuer, clock: StillClock
) -> None:
    assert await bearer.get(deadline=1010) == "T1"
    clock.time += 31
    bearer.refused("T1")
    bearer.refused("T1")
    assert await bearer.get(deadline=1100) == "T2"
    bearer.refused("T1")
    assert await bearer.get(deadline=1100) == "T2"
    bearer.refused("T2")
    with pytest.raises(PeerUnavailable, match="no token") as raised:
        await bearer.get(deadline=1100)
    assert raised.value.reason == "credentials_refused"
    assert raised.value.retry_after == 30
    assert issuer.made == 2


async def test_new_credentials_are_used_at_once(bearer: Bearer, issuer: Issuer) -> None:
    assert await bearer.get(deadline=1010) == "T1"
    bearer.refused("T1")
    issuer.stale = True
    assert await bearer.get(deadline=1010) == "T2"


async def test_a_wait_ends_at_its_deadline_and_the_renewal_goes_on(
    bearer: Bearer, issuer: Issuer
) -> None:
    issuer.gate.clear()
    with pytest.raises(PeerTimeout):
        await bearer.get(deadline=1000)
    issuer.gate.set()
    await settle()
    assert await bearer.get(deadline=1000) == "T1"
    assert issuer.made == 1


async def test_who_gives_up_does_not_stop_the_renewal(bearer: Bearer, issuer: Issuer) -> None:
    issuer.gate.clear()
    waiting = [asyncio.create_task(bearer.get(deadline=1010)) for _ in range(2)]
    await settle()
    waiting[0].cancel()
    issuer.gate.set()
    assert await waiting[1] == "T1"


async def test_closing_gives_up_a_renewal(bearer: Bearer, issuer: Issuer) -> None:
    issuer.gate.clear()
    waiting = asyncio.create_task(bearer.get(deadline=1010))
    await settle()
    await bearer.close()
    with pytest.raises(PeerTimeout):
        await waiting


def test_a_token_shows_nothing() -> None:
    assert "sEcReT" not in repr(Token("sEcReT", 1, 2))
