"""EAP relayed to AAA servers over sockets on loopback, and where a conversation stands as bytes."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from simgrant.adapters.authn.aaa_relay import (
    Config,
    Held,
    handlers,
    open_eap_server,
    pull_held,
    push_held,
)
from simgrant.eap.milenage import Milenage
from simgrant.eap.packet import Variant
from simgrant.eap.peer import AndroidPeer, Reply
from simgrant.eap.usim import SoftUsim
from simgrant.errors import AuthenticationRejected, PeerMisbehaved, PeerUnavailable, Unauthenticated
from simgrant.ports.eap_servers import EapServer, Relayed
from simgrant.sim.aaa.faults import Fault, Plan
from simgrant.sim.aaa.server import AaaServer
from simgrant.sim.hss.auc import Auc
from simgrant.sim.sims import demo_sims
from simgrant.wire.diameter.eap import APPLICATIONS, Command
from simgrant.wire.diameter.overload import Report, Scope
from tests.loopback.links.diameter.world import REALM, World, world

SIM = demo_sims()[0]


def server(number: int = 0) -> AaaServer:
    return AaaServer(Auc([SIM]), host=f"hss{number}.{REALM}", realm=REALM)


def relay(made: World) -> EapServer:
    return open_eap_server(Config(route=made.route.config, realm=REALM), node=made.node)


def phone(*, ahead: bool = False) -> AndroidPeer:
    taken = [1 << 40 | ind for ind in range(32)] if ahead else []
    return AndroidPeer(SoftUsim(Milenage(SIM.k, SIM.opc), taken=taken), SIM.nai().encode())


def reply(to: Relayed, by: AndroidPeer) -> bytes:
    said = by.answer(to.packet)
    assert isinstance(said, Reply)
    return said.data


async def _authenticated(made: World, aaa: EapServer, *, ahead: bool = False) -> int:
    """Authenticate; return how many challenges there were."""
    deadline, peer, times = made.clock.monotonic() + 10, phone(ahead=ahead), 0
    said: Relayed | None = await aaa.begin(SIM.nai(), deadline=deadline)
    while said is not None:
        times += 1
        said = await aaa.answer(said.held, SIM.imsi, reply(said, peer), deadline=deadline)
    return times


async def test_a_conversation_stays_with_the_server_that_it_began_with() -> None:
    both = server(0), server(1)
    async with world(*both) as made:
        aaa = relay(made)
        for _ in range(40):
            assert await _authenticated(made, aaa) == 1
        assert await _authenticated(made, aaa, ahead=True) == 2
    of_each: list[set[str]] = [{seen.session_id for seen in each.heard} for each in both]
    assert all(of_each)
    assert not of_each[0] & of_each[1]
    assert sum(len(each.heard) for each in both) == 83


async def test_what_an_aaa_server_asks_has_an_answer() -> None:
    for name, application in APPLICATIONS.items():
        told = handlers(name)
        assert set(told) == {
            (application, Command.RE_AUTH),
            (application, Command.ABORT_SESSION),
        }


async def test_a_sim_that_is_never_in_step_is_refused_without_another_question() -> None:
    aaa = server()
    async with world(aaa) as made:
        deadline = made.clock.monotonic() + 10
        first = await relay(made).begin(SIM.nai(), deadline=deadline)
        again = await relay(made).answer(
            first.held, SIM.imsi, reply(first, phone(ahead=True)), deadline=deadline
        )
        assert again is not None
        farther = AndroidPeer(
            SoftUsim(Milenage(SIM.k, SIM.opc), taken=[1 << 42 | ind for ind in range(32)]),
            SIM.nai().encode(),
        )
        heard = len(aaa.heard)
        with pytest.raises(AuthenticationRejected, match="resync_twice"):
            await relay(made).answer(again.held, SIM.imsi, reply(again, farther), deadline=deadline)
        assert len(aaa.heard) == heard


async def test_a_server_with_too_much_is_spared_who_begins_and_not_who_goes_on() -> None:
    async with world(server()) as made:
        deadline, aaa = made.clock.monotonic() + 10, relay(made)
        first = await aaa.begin(SIM.nai(), deadline=deadline)
        key = (APPLICATIONS["swm"], Scope.HOST, f"hss0.{REALM}")
        made.route.overloads.take(key, Report(1, Scope.HOST, 100, 60), made.clock.monotonic())
        with pytest.raises(PeerUnavailable) as raised:
            await aaa.begin(SIM.nai(), deadline=deadline)
        assert raised.value.reason == "diameter_overloaded"
        said = await aaa.answer(first.held, SIM.imsi, reply(first, phone()), deadline=deadline)
        assert said is None


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault.SUCCESS, "aaa_success_unearned"),
        (Fault.GARBAGE, "aaa_malformed"),
        (Fault.LONG_STATE, "aaa_state_too_long"),
    ],
)
async def test_no_success_is_believed_that_no_sim_has_earned(fault: Fault, reason: str) -> None:
    aaa = server()
    async with world(aaa) as made:
        deadline = made.clock.monotonic() + 10
        first = await relay(made).begin(SIM.nai(), deadline=deadline)
        aaa.wrong = Plan(fault=fault)
        with pytest.raises(PeerMisbehaved) as raised:
            await relay(made).answer(
                first.held, SIM.imsi, reply(first, phone(ahead=True)), deadline=deadline
            )
        assert raised.value.reason == reason


helds = st.builds(
    Held,
    identifier=st.integers(0, 255),
    variant=st.sampled_from(Variant),
    resynced=st.booleans(),
    identity=st.binary(max_size=253),
    session_id=st.text(st.characters(codec="ascii"), max_size=255),
    host=st.text(st.characters(codec="ascii"), max_size=255),
    state=st.binary(max_size=512),
)


@given(helds)
def test_where_a_conversation_stands_comes_back(held: Held) -> None:
    assert pull_held(push_held(held)) == held


@given(st.binary(max_size=60))
def test_no_other_bytes_are_taken_for_it(data: bytes) -> None:
    assume(data[:1] != b"\x01")
    with pytest.raises(Unauthenticated, match="session_format"):
        pull_held(data)
    with pytest.raises(Unauthenticated, match="session_format"):
        pull_held(b"\x01" + data[1:6])
