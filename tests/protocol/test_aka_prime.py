"""Whole EAP-AKA' conversations in memory (RFC 9048)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from simgrant.eap import keys
from simgrant.eap.machine import (
    Accept,
    Aka,
    FetchVector,
    IdentityGiven,
    Options,
    PacketReceived,
    Reject,
    RejectReason,
    SendPacket,
    VectorFetched,
    step,
)
from simgrant.eap.packet import (
    EMPTY_MAC,
    IdentityRequest,
    Subtype,
    Variant,
    pull_packet,
    push_packet,
)
from simgrant.eap.peer import GiveUp, Peer, PeerOptions
from simgrant.eap.usim import UsimAnswer, UsimSuccess
from simgrant.eap.vector import AuthVector
from tests.protocol.eap_world import ALGORITHM, IDENTITY, PRIME_IDENTITY, Auc, World, card
from tests.vectors import Case, each

PRIME = Options(prime=True)
SPEAKS = PeerOptions(prime=True)
REAUTH_ID = b"8reauth@nai.epc.mnc001.mcc001.3gppnetwork.org"


def device(options: PeerOptions = SPEAKS, identity: bytes = PRIME_IDENTITY) -> Peer:
    return Peer(card(), identity, options)


def reason(outcome: Accept | Reject | GiveUp) -> RejectReason:
    assert isinstance(outcome, Reject)
    return outcome.reason


class Canned:
    """A SIM that gives the answer of a published vector."""

    def __init__(self, case: Case) -> None:
        self._case = case

    def authenticate(self, rand: bytes, autn: bytes) -> UsimAnswer:
        assert (rand, autn) == (self._case.raw("rand"), self._case.raw("autn"))
        return UsimSuccess(self._case.raw("res"), self._case.raw("ck"), self._case.raw("ik"))


@pytest.mark.spec("RFC 9048 §3.3")
@each("aka_prime")
@pytest.mark.parametrize("derived", [False, True])
def test_published_case_as_a_conversation(case: Case, derived: bool) -> None:
    """The RFC's vectors, with CK and IK made into CK' and IK' by us or by the HSS."""
    options = Options(prime=True, session_keys=True, network_name=case["network_name"].encode())
    identity = case["identity"].encode()
    ck, ik = ("ck_prime", "ik_prime") if derived else ("ck", "ik")
    vector = AuthVector(
        case.raw("rand"),
        case.raw("autn"),
        case.raw("res"),
        case.raw(ck),
        case.raw(ik),
        derived=derived,
    )
    # The RFC's identity begins with 0, so the method is set by hand.
    asked, _ = step(Aka.new(), IdentityGiven(identity), options)
    aka, sent = step(replace(asked, variant=Variant.AKA_PRIME), VectorFetched(vector), options)
    assert isinstance(sent, SendPacket)
    assert keys.is_signed(
        Variant.AKA_PRIME, case.raw("k_aut"), sent.data, mac_at=len(sent.data) - 16
    )
    peer = Peer(Canned(case), identity, SPEAKS)
    answer = peer.answer(sent.data)
    assert not isinstance(answer, GiveUp)
    _, outcome = step(aka, PacketReceived(answer.data), options)
    assert isinstance(outcome, Accept)
    assert outcome.keys == keys.SessionKeys(case.raw("msk"), case.raw("emsk"))
    assert peer.session_keys == outcome.keys


def test_one_challenge_and_the_sim_is_accepted() -> None:
    world = World(PRIME)
    assert world.run(device()) == Accept(PRIME_IDENTITY, Variant.AKA_PRIME)
    challenge, answer = world.packets()
    assert challenge.variant is answer.variant is Variant.AKA_PRIME
    assert challenge.network_name == b"WLAN"
    assert challenge.kdfs == (1,)


def test_the_auc_is_asked_for_the_right_method() -> None:
    _, action = step(Aka.new(), IdentityGiven(PRIME_IDENTITY), PRIME)
    assert action == FetchVector(PRIME_IDENTITY, Variant.AKA_PRIME)
    _, action = step(Aka.new(), IdentityGiven(IDENTITY), PRIME)
    assert action == FetchVector(IDENTITY, Variant.AKA)


def test_off_by_default() -> None:
    assert reason(World().run(device())) is RejectReason.UNKNOWN_IDENTITY


def test_resynchronisation() -> None:
    world = World(PRIME)
    peer = Peer(card(sqn=0x41E0), PRIME_IDENTITY, SPEAKS)
    assert isinstance(world.run(peer), Accept)
    assert world.packets()[1].subtype is Subtype.SYNCHRONIZATION_FAILURE


@pytest.mark.spec("TS 33.402 §6.2")
def test_a_vector_without_the_separation_bit_is_the_aucs_fault() -> None:
    world = World(PRIME, auc=Auc(amf=b"\0\0"))
    assert reason(world.run(device())) is RejectReason.BAD_VECTOR


@pytest.mark.spec("RFC 9048 §3.3")
def test_the_device_refuses_an_autn_without_the_separation_bit() -> None:
    plain = Auc(amf=b"\0\0").vector(FetchVector(PRIME_IDENTITY, Variant.AKA_PRIME))

    def without(data: bytes) -> bytes:
        return push_packet(replace(pull_packet(data), rand=plain.rand, autn=plain.autn))

    assert reason(World(PRIME, to_peer=without).run(device())) is RejectReason.AUTN_REFUSED


def test_an_eap_aka_device_is_not_served_a_derived_vector() -> None:
    vector = AuthVector(bytes(16), bytes(16), bytes(8), bytes(16), bytes(16), derived=True)
    aka, _ = step(Aka.new(), IdentityGiven(IDENTITY))
    _, action = step(aka, VectorFetched(vector))
    assert isinstance(action, Reject)
    assert action.reason is RejectReason.BAD_VECTOR


def test_a_device_that_does_not_speak_it_gives_up() -> None:
    assert isinstance(World(PRIME).run(device(PeerOptions())), GiveUp)


@pytest.mark.spec("RFC 9048 §3.1")
def test_the_device_refuses_another_network_name() -> None:
    world = World(Options(prime=True, network_name=b"HRPD"))
    outcome = world.run(device(replace(SPEAKS, network_name=b"WLAN")))
    assert reason(outcome) is RejectReason.AUTN_REFUSED
    assert isinstance(World(PRIME).run(device(replace(SPEAKS, network_name=b"WLAN"))), Accept)


def test_a_changed_network_name_is_a_wrong_key() -> None:
    world = World(PRIME, to_peer=lambda data: data.replace(b"WLAN", b"HRPD"))
    assert reason(world.run(device())) is RejectReason.CLIENT_ERROR


# --- negotiation of the key derivation (RFC 9048 §3.2) ---

TWO = Options(prime=True, kdfs=(7, 1))
"""A server that prefers a function only others know."""


@pytest.mark.spec("RFC 9048 §3.2")
def test_the_device_chooses_the_function_it_knows() -> None:
    world = World(TWO)
    assert isinstance(world.run(device()), Accept)
    offer, choice, again, answer = world.packets()
    assert offer.kdfs == (7, 1)
    assert choice.kdfs == (1,)
    assert choice.mac is None
    assert again.kdfs == (1, 7, 1)
    assert again.rand == offer.rand
    assert again.identifier == offer.identifier + 1
    assert answer.res is not None
    assert world.auc.fetched == 1


def test_resynchronisation_keeps_what_was_negotiated() -> None:
    world = World(TWO)
    peer = Peer(card(sqn=0x41E0), PRIME_IDENTITY, SPEAKS)
    assert isinstance(world.run(peer), Accept)
    assert [pull_packet(data).kdfs for data in world.sent] == [(7, 1), (1, 7, 1), (1, 7, 1)]


def test_negotiation_together_with_identities_given_out() -> None:
    world = World(replace(TWO, reauthentication=True), next_reauth_id=REAUTH_ID)
    peer = device()
    assert isinstance(world.run(peer), Accept)
    outcome = world.run(peer)
    assert isinstance(outcome, Accept)
    assert outcome.reauthenticated


def test_a_device_that_knows_none_of_them_refuses() -> None:
    world = World(PRIME)
    outcome = world.run(device(PeerOptions(prime=True, kdfs=(9,))))
    assert reason(outcome) is RejectReason.AUTN_REFUSED


@pytest.mark.parametrize("kdf", [7, 9])
def test_a_function_that_may_not_be_chosen(kdf: int) -> None:
    """The first offered needs no choice, and one never offered cannot be one."""

    def choose(data: bytes) -> bytes:
        packet = pull_packet(data)
        return push_packet(replace(packet, kdfs=(kdf,))) if packet.mac is None else data

    outcome = World(TWO, to_server=choose).run(device())
    assert reason(outcome) is RejectReason.KDF_NOT_OFFERED


def test_the_first_function_offered_cannot_be_chosen_again() -> None:
    def choose(data: bytes) -> bytes:
        return push_packet(replace(pull_packet(data), res=None, mac=None, kdfs=(1,)))

    world = World(replace(TWO, kdfs=(1, 7)), to_server=choose)
    assert reason(world.run(device())) is RejectReason.KDF_NOT_OFFERED
    assert len(world.sent) == 1


def test_a_choice_after_the_options_have_changed_is_refused() -> None:
    """The challenge was sent by a worker with one function, the answer met one with two."""
    world = World(PRIME)

    def choose(data: bytes) -> bytes:
        world.options = TWO
        return push_packet(replace(pull_packet(data), res=None, mac=None, kdfs=(1,)))

    world.to_server = choose
    assert reason(world.run(device())) is RejectReason.KDF_NOT_OFFERED


def test_only_one_choice_is_granted() -> None:
    def insist(data: bytes) -> bytes:
        return push_packet(replace(pull_packet(data), res=None, mac=None, kdfs=(1,)))

    world = World(TWO, to_server=insist)
    assert reason(world.run(device())) is RejectReason.KDF_NOT_OFFERED
    assert len(world.sent) == 2


def test_a_server_with_one_function_negotiates_nothing() -> None:
    def choose(data: bytes) -> bytes:
        return push_packet(replace(pull_packet(data), res=None, mac=None, kdfs=(1,)))

    world = World(PRIME, to_server=choose)
    assert reason(world.run(device())) is RejectReason.KDF_NOT_OFFERED
    assert len(world.sent) == 1


def offered(data: bytes, kdfs: tuple[int, ...]) -> bytes:
    """Return the challenge with another list, signed as only the home network can."""
    packet = replace(pull_packet(data), kdfs=kdfs, mac=EMPTY_MAC)
    assert packet.rand is not None
    assert packet.autn is not None
    made = ALGORITHM.f2345(packet.rand)
    ck, ik = keys.bind_to_network(made.ck, made.ik, autn=packet.autn, network_name=b"WLAN")
    k_aut = keys.derive_prime(PRIME_IDENTITY, ik=ik, ck=ck).k_aut
    return keys.sign(Variant.AKA_PRIME, k_aut, push_packet(packet))


def test_a_challenge_signed_anew_is_believed() -> None:
    world = World(PRIME, to_peer=lambda data: offered(data, (1,)))
    assert isinstance(world.run(device()), Accept)


@pytest.mark.parametrize("kdfs", [(1, 9, 1), (7, 1), (1, 7), (1, 7, 1, 1), (1,)])
def test_the_device_sees_a_list_that_changed_otherwise(kdfs: tuple[int, ...]) -> None:
    seen: list[bytes] = []

    def change(data: bytes) -> bytes:
        seen.append(data)
        return offered(data, kdfs) if len(seen) == 2 else data

    outcome = World(TWO, to_peer=change).run(device())
    assert reason(outcome) is RejectReason.CLIENT_ERROR


@pytest.mark.parametrize("kdfs", [(), (1, 1), (7, 1, 7)])
def test_the_device_refuses_a_first_list_that_is_none(kdfs: tuple[int, ...]) -> None:
    outcome = World(PRIME, to_peer=lambda data: offered(data, kdfs)).run(device())
    assert reason(outcome) is RejectReason.CLIENT_ERROR


# --- bidding down (RFC 9048 §4) ---


@pytest.mark.spec("RFC 9048 §4")
def test_a_device_is_not_talked_out_of_the_better_method() -> None:
    world = World(Options(prime=True, bidding=True))
    outcome = world.run(device(identity=IDENTITY))
    assert pull_packet(world.sent[0]).bidding is True
    assert reason(outcome) is RejectReason.AUTN_REFUSED


def test_a_device_without_the_better_method_is_served() -> None:
    world = World(Options(prime=True, bidding=True))
    assert isinstance(world.run(device(PeerOptions(), IDENTITY)), Accept)


def test_taking_the_bid_away_is_seen_by_the_mac() -> None:
    def strip(data: bytes) -> bytes:
        return push_packet(replace(pull_packet(data), bidding=None))

    world = World(Options(prime=True, bidding=True), to_peer=strip)
    assert reason(world.run(device(identity=IDENTITY))) is RejectReason.CLIENT_ERROR


# --- the rest of the method under the second name ---


def test_identity_rounds_use_sha_256() -> None:
    world = World(Options(prime=True, identity_rounds=True, ask_identity=True))
    assert isinstance(world.run(device()), Accept)
    assert world.packets()[0].identity_request is IdentityRequest.ANY
    assert len(pull_packet(world.sent[1]).checkcode or b"") == 32


def test_fast_reauthentication() -> None:
    options = Options(prime=True, reauthentication=True, session_keys=True, result_indication=True)
    world = World(options, next_reauth_id=REAUTH_ID)
    peer = device(replace(SPEAKS, result_indication=True))
    first = world.run(peer)
    second = world.run(peer)
    assert isinstance(first, Accept)
    assert isinstance(second, Accept)
    assert second.reauthenticated
    assert second.keys == peer.session_keys
    assert second.keys != first.keys
    assert world.auc.fetched == 1


def test_a_context_of_the_other_method_leads_to_a_full_authentication() -> None:
    world = World(Options(prime=True, reauthentication=True), next_reauth_id=REAUTH_ID)
    peer = device()
    world.run(peer)
    context = world.reauths[REAUTH_ID]
    world.reauths[REAUTH_ID] = replace(context, variant=Variant.AKA, k_aut=bytes(16))
    outcome = world.run(peer)
    assert isinstance(outcome, Accept)
    assert not outcome.reauthenticated
