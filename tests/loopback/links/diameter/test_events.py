"""What an HSS tells by itself: whom it is about, what follows, and what the HSS is answered."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgrant.errors import PeerUnavailable
from simgrant.identities import Imsi
from simgrant.ports.network_events import Effect, NetworkEvent
from simgrant.sim.hss.control import tell_changed, tell_ended
from simgrant.spec.diameter import IETF, TGPP
from simgrant.wire.diameter import s6a, swx
from simgrant.wire.diameter.avps import CANCELLATION_TYPE, DEREGISTRATION_REASON
from simgrant.wire.diameter.base import pull_result
from simgrant.wire.diameter.message import Avps, BadDiameter
from simgrant.wire.diameter.told import pull_cancellation, pull_deregistration
from tests.loopback.links.diameter.world import IMSI, World, world

UNKNOWN = (TGPP, 5001)
DONE = (IETF, 2001)
STRANGER = "001019999999999"


@dataclass
class Kept:
    """Who takes events over: keeps those of one subscription, while its store is there."""

    away: bool = False
    events: list[tuple[str, NetworkEvent]] = field(default_factory=list)

    async def tell(self, peer: str, event: NetworkEvent) -> bool:
        if self.away:
            raise PeerUnavailable("store_down", for_operator="away")
        if event.imsi.digits != IMSI:
            return False
        self.events.append((peer, event))
        return True


async def answered(made: World, count: int = 1) -> list[tuple[int, int]]:
    await made.until(lambda: len(made.hss.told) >= count)
    return [pull_result(each.avps) for each in made.hss.told]


ENDINGS = [
    ("swx", None, "swx_registration_termination", "permanent_termination", Effect.REVOKE),
    ("swx", 1, "swx_registration_termination", "new_server_assigned", Effect.FORGET),
    ("swx", 99, "swx_registration_termination", "unsaid", Effect.REVOKE),
    ("cx", 2, "cx_registration_termination", "server_change", Effect.FORGET),
    ("cx", 3, "cx_registration_termination", "remove_s_cscf", Effect.FORGET),
    ("s6a", None, "s6a_cancel_location", "subscription_withdrawal", Effect.REVOKE),
    ("s6a", 0, "s6a_cancel_location", "mme_update_procedure", Effect.FORGET),
    ("s6a", 4, "s6a_cancel_location", "initial_attach_procedure", Effect.FORGET),
]


@pytest.mark.parametrize(("interface", "reason", "name", "cause", "effect"), ENDINGS)
async def test_who_has_ended_loses_his_tokens_and_who_has_moved_does_not(
    interface: str, reason: int | None, name: str, cause: str, effect: Effect
) -> None:
    kept = Kept()
    async with world(events=kept) as made:
        tell_ended(made.hss, IMSI, interface, reason)
        assert await answered(made) == [DONE]
    assert kept.events == [("hss0", NetworkEvent(Imsi(IMSI), name, cause, effect))]


@pytest.mark.parametrize(
    ("interface", "name"),
    [
        ("swx", "swx_push_profile"),
        ("cx", "cx_push_profile"),
        ("s6a", "s6a_insert_subscriber_data"),
    ],
)
async def test_a_changed_profile_is_forgotten_and_costs_no_token(interface: str, name: str) -> None:
    kept = Kept()
    async with world(events=kept) as made:
        tell_changed(made.hss, IMSI, interface)
        assert await answered(made) == [DONE]
    assert kept.events == [("hss0", NetworkEvent(Imsi(IMSI), name, "", Effect.FORGET))]


@pytest.mark.parametrize(
    "user", [IMSI, f"0{IMSI}@nai.example", f"{IMSI}@ims.example", f"6{IMSI}@nai.example"]
)
async def test_the_subscriber_is_found_however_he_is_named(user: str) -> None:
    kept = Kept()
    async with world(events=kept) as made:
        tell_changed(made.hss, user, "swx")
        assert await answered(made) == [DONE]


@pytest.mark.parametrize("user", [STRANGER, "nobody@example", "", "1" * 40])
async def test_strangers_are_unknown_and_need_not_be_cancelled(user: str) -> None:
    async with world(events=Kept()) as made:
        tell_changed(made.hss, user, "swx")
        tell_ended(made.hss, user, "s6a")
        assert set(await answered(made, 2)) == {UNKNOWN, DONE}


async def test_what_could_not_be_kept_is_not_acknowledged() -> None:
    async with world(events=Kept(away=True)) as made:
        tell_ended(made.hss, IMSI, "swx")
        tell_ended(made.hss, IMSI, "s6a")
        assert await answered(made, 2) == [(IETF, 5012)] * 2


async def test_a_reset_is_about_nobody() -> None:
    kept = Kept()
    async with world(events=kept) as made:
        made.hss.push(s6a.Command.RESET, IMSI, s6a.APPLICATION)
        assert await answered(made) == [DONE]
    assert kept.events == []


async def test_a_node_without_an_inbox_knows_nobody() -> None:
    async with world() as made:
        made.hss.push(swx.Command.PUSH_PROFILE, IMSI)
        assert await answered(made) == [UNKNOWN]


@given(st.binary(max_size=60))
def test_reasons_are_read_or_refused_whatever_they_hold(data: bytes) -> None:
    avps = Avps([(kind.key, 0, data) for kind in (DEREGISTRATION_REASON, CANCELLATION_TYPE)])
    for pull in (pull_deregistration, pull_cancellation):
        with contextlib.suppress(BadDiameter):
            assert pull(avps).cause
