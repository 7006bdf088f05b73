"""Whole EAP-AKA conversations in memory: the server's machine against both devices."""

from __future__ import annotations

from dataclasses import replace

import pytest

from simgrant.eap import keys
from simgrant.eap.machine import Accept, Granted, Options, Reject, RejectReason
from simgrant.eap.packet import (
    GENERAL_FAILURE_BEFORE,
    SUCCESS_NOTIFIED,
    IdentityRequest,
    Subtype,
    Variant,
    pull_packet,
)
from simgrant.eap.peer import AndroidPeer, GiveUp, Peer, PeerOptions, Usim
from simgrant.eap.tuak import Tuak
from simgrant.eap.usim import UsimAnswer, UsimReject, UsimSuccess
from tests.protocol.eap_world import ALGORITHM, IDENTITY, Auc, EapPeer, World, card

PSEUDONYM = b"2pseudo"
REAUTH_ID = b"4reauth@nai.epc.mnc001.mcc001.3gppnetwork.org"
ROUNDS = Options(identity_rounds=True, pseudonyms=True, reauthentication=True)


def android(usim: Usim | None = None) -> AndroidPeer:
    return AndroidPeer(usim or card(), IDENTITY)


def full(usim: Usim | None = None, options: PeerOptions | None = None) -> Peer:
    return Peer(usim or card(), IDENTITY, options or PeerOptions())


@pytest.fixture(params=[android, full], ids=["android", "full"])
def peer(request: pytest.FixtureRequest) -> EapPeer:
    made: EapPeer = request.param()
    return made


def flip(data: bytes, at: int) -> bytes:
    changed = bytearray(data)
    changed[at] ^= 1
    return bytes(changed)


# --- the plain conversation ---


@pytest.mark.spec("TS.43 §2.8.1")
def test_one_challenge_and_the_sim_is_accepted(peer: EapPeer) -> None:
    world = World()
    assert world.run(peer) == Accept(IDENTITY, Variant.AKA)
    assert [packet.subtype for packet in world.packets()] == [Subtype.CHALLENGE] * 2


@pytest.mark.spec("RFC 4187 §9.3")
def test_the_challenge_is_rand_autn_and_mac_in_68_bytes(peer: EapPeer) -> None:
    world = World()
    world.run(peer)
    (challenge,) = world.sent
    assert len(challenge) == 68
    assert (challenge[8], challenge[28], challenge[48]) == (1, 2, 11)


def test_android_answers_with_res_and_mac_only() -> None:
    world = World()
    world.run(android())
    (answer,) = world.received
    assert len(answer) == 40
    packet = pull_packet(answer)
    assert packet.res is not None
    assert packet.checkcode is None


def test_the_full_peer_says_that_there_was_no_identity_round() -> None:
    world = World()
    world.run(full())
    assert pull_packet(world.received[0]).checkcode == b""


def test_one_sim_after_the_other_time() -> None:
    world, peer = World(), android()
    for _ in range(3):
        assert isinstance(world.run(peer), Accept)


@pytest.mark.parametrize("res_bytes", [4, 8, 16])
@pytest.mark.parametrize("make", [AndroidPeer, Peer])
def test_tuak_with_every_size_of_res(make: type[AndroidPeer] | type[Peer], res_bytes: int) -> None:
    tuak = Tuak(bytes(32), bytes(32), res_bytes=res_bytes)
    world = World(auc=Auc(tuak))
    assert isinstance(world.run(make(card(tuak), IDENTITY)), Accept)


class OddSim:
    """A SIM whose RES is five bytes long."""

    def authenticate(self, rand: bytes, autn: bytes) -> UsimAnswer:
        answer = card().authenticate(rand, autn)
        assert isinstance(answer, UsimSuccess)
        return UsimSuccess(answer.res[:5], answer.ck, answer.ik)


class LyingSim:
    """A SIM with the right keys and a wrong RES, cut or changed."""

    def __init__(self, res: bytes) -> None:
        self._res = res

    def authenticate(self, rand: bytes, autn: bytes) -> UsimAnswer:
        answer = card().authenticate(rand, autn)
        assert isinstance(answer, UsimSuccess)
        return UsimSuccess(self._res, answer.ck, answer.ik)


@pytest.mark.spec("RFC 4187 §10.8")
@pytest.mark.parametrize("res", [bytes(8), bytes(4), bytes(16)])
@pytest.mark.parametrize("make", [AndroidPeer, Peer])
def test_a_wrong_res_is_rejected(make: type[AndroidPeer] | type[Peer], res: bytes) -> None:
    assert World().run(make(LyingSim(res), IDENTITY)) == Reject(RejectReason.BAD_RES)


@pytest.mark.parametrize("make", [AndroidPeer, Peer])
def test_the_head_of_the_right_res_is_a_wrong_res(
    make: type[AndroidPeer] | type[Peer],
) -> None:
    assert World().run(make(OddSim(), IDENTITY)) == Reject(RejectReason.BAD_RES)


def test_another_identity_in_the_keys_is_a_bad_mac() -> None:
    class Confused(AndroidPeer):
        def begin(self) -> bytes:
            return super().begin().lower() + b"."

    assert World().run(Confused(card(), IDENTITY)) == Reject(RejectReason.BAD_MAC)


@pytest.mark.spec("RFC 4187 §6.3.1")
@pytest.mark.parametrize("at", range(12, 40))
def test_any_changed_byte_of_the_answer_is_rejected(at: int) -> None:
    world = World(to_server=lambda data: flip(data, at))
    assert isinstance(world.run(android()), Reject)


@pytest.mark.parametrize("at", [*range(12, 28), *range(32, 48), *range(52, 68)])
def test_any_changed_byte_of_the_challenge_stops_the_full_peer(at: int) -> None:
    world = World(to_peer=lambda data: flip(data, at))
    outcome = world.run(full())
    assert isinstance(outcome, Reject)
    assert outcome.reason in {RejectReason.AUTN_REFUSED, RejectReason.CLIENT_ERROR}


def test_android_does_not_look_at_the_mac_of_the_challenge() -> None:
    world = World(to_peer=lambda data: flip(data, 60))
    assert isinstance(world.run(android()), Accept)


class Refusing:
    """A SIM that believes no network."""

    def authenticate(self, rand: bytes, autn: bytes) -> UsimAnswer:  # noqa: ARG002
        return UsimReject()


@pytest.mark.spec("RFC 4187 §6.3.1")
def test_an_autn_the_sim_refuses() -> None:
    outcome = World().run(full(Refusing()))
    assert isinstance(outcome, Reject)
    assert outcome.reason is RejectReason.AUTN_REFUSED
    assert World().run(android(Refusing())) == GiveUp("the SIM refuses AUTN")


# --- resynchronisation ---


@pytest.mark.spec("TS 33.102 §6.3.5")
@pytest.mark.parametrize("make", [AndroidPeer, Peer])
def test_a_sim_that_is_ahead_resynchronises_the_auc(
    make: type[AndroidPeer] | type[Peer],
) -> None:
    auc = Auc()
    world = World(auc=auc)
    assert world.run(make(card(sqn=0x41E0), IDENTITY)) == Accept(IDENTITY, Variant.AKA)
    assert [packet.subtype for packet in world.packets()] == [
        Subtype.CHALLENGE,
        Subtype.SYNCHRONIZATION_FAILURE,
        Subtype.CHALLENGE,
        Subtype.CHALLENGE,
    ]
    assert [data[1] for data in world.sent] == [1, 2]
    assert auc.sqn == 0x41E0 + 32
    assert auc.fetched == 2


@pytest.mark.spec("RFC 4187 §6.3.1")
@pytest.mark.parametrize("make", [AndroidPeer, Peer])
def test_second_sync_failure_ends_in_failure(make: type[AndroidPeer] | type[Peer]) -> None:
    world = World(auc=Auc(broken=True))
    outcome = world.run(make(card(sqn=0x41E0), IDENTITY))
    assert isinstance(outcome, Reject)
    assert outcome.reason is RejectReason.RESYNC_TWICE
    assert world.auc.fetched == 2


def test_android_gives_up_after_four_answers() -> None:
    peer = android(card(sqn=0x41E0))
    challenge = World(auc=Auc(broken=True))
    challenge.run(peer)
    for _ in range(2):
        peer.answer(challenge.sent[0])
    assert peer.answer(challenge.sent[0]) == GiveUp("too many challenges")


# --- what Android does not understand ---


@pytest.mark.spec("AOSP service_entitlement")
@pytest.mark.parametrize(
    "options",
    [
        Options(identity_rounds=True, ask_identity=True),
        Options(notify_failure=True),
    ],
)
def test_android_stops_at_any_other_message(options: Options) -> None:
    usim = LyingSim(bytes(8)) if options.notify_failure else card()
    assert isinstance(World(options).run(android(usim)), GiveUp)


@pytest.mark.spec("AOSP service_entitlement")
def test_android_ignores_what_a_challenge_holds_besides() -> None:
    world = World(
        Options(result_indication=True, bidding=True),
        next_pseudonym=PSEUDONYM,
        next_reauth_id=REAUTH_ID,
    )
    assert isinstance(world.run(android()), Accept)


def test_android_does_not_take_rubbish() -> None:
    assert isinstance(android().answer(b"rubbish"), GiveUp)
    assert isinstance(full().answer(b"rubbish"), GiveUp)


# --- identity rounds ---


@pytest.mark.spec("RFC 4187 §4.1")
def test_asks_for_any_identity_first_if_told_to() -> None:
    world = World(Options(identity_rounds=True, ask_identity=True))
    assert world.run(full()) == Accept(IDENTITY, Variant.AKA)
    asked, _, challenge, answer = world.packets()
    assert asked.identity_request is IdentityRequest.ANY
    expected = keys.checkcode_of(Variant.AKA, world.sent[0] + world.received[0])
    assert challenge.checkcode == answer.checkcode == expected


class Roaming(Peer):
    """A device that comes with an identity nobody can use."""

    first = b"anonymous@example"

    def begin(self, identity: bytes | None = None) -> bytes:
        return super().begin(self.first if identity is None else identity)


def test_an_identity_of_no_use_is_followed_by_a_question() -> None:
    world = World(ROUNDS)
    assert world.run(Roaming(card(), IDENTITY)) == Accept(IDENTITY, Variant.AKA)
    assert world.packets()[0].identity_request is IdentityRequest.ANY


def test_without_identity_rounds_such_an_identity_is_rejected() -> None:
    outcome = World().run(Roaming(card(), IDENTITY))
    assert isinstance(outcome, Reject)
    assert outcome.reason is RejectReason.UNKNOWN_IDENTITY


@pytest.mark.spec("RFC 4187 §4.1.4")
def test_three_rounds_from_any_to_permanent() -> None:
    """The server has lost its tables; the device still has both temporary identities."""
    world = World(ROUNDS, next_pseudonym=PSEUDONYM, next_reauth_id=REAUTH_ID)
    peer = full()
    assert isinstance(world.run(peer), Accept)
    world.reauths.clear()
    world.pseudonyms.clear()
    world.options = Options(
        identity_rounds=True, ask_identity=True, pseudonyms=True, reauthentication=True
    )
    assert world.run(peer) == Accept(
        IDENTITY, Variant.AKA, None, world_granted(world), reauthenticated=False
    )
    requests = [pull_packet(data).identity_request for data in world.sent]
    assert requests == [
        IdentityRequest.ANY,
        IdentityRequest.FULLAUTH,
        IdentityRequest.PERMANENT,
        IdentityRequest.NONE,
    ]
    assert world.auc.fetched == 2


def world_granted(world: World) -> Granted:
    """Return what the last conversation must have given out."""
    return Granted(PSEUDONYM, REAUTH_ID, world.reauths[REAUTH_ID])


def test_a_fourth_round_does_not_happen() -> None:
    class Stubborn(Roaming):
        def answer(self, request: bytes) -> object:  # type: ignore[override]
            self._permanent = b"anonymous@example"
            return super().answer(request)

    world = World(ROUNDS)
    outcome = world.run(Stubborn(card(), IDENTITY))  # type: ignore[arg-type]
    assert isinstance(outcome, Reject)
    assert outcome.reason is RejectReason.UNKNOWN_IDENTITY
    assert len(world.sent) == 3


@pytest.mark.spec("RFC 4187 §10.13")
def test_a_changed_identity_round_is_seen_by_the_device() -> None:
    """Someone turns the request for any identity into one for the permanent one."""

    def more(data: bytes) -> bytes:
        return data.replace(b"\x0d\x01\0\0", b"\x0a\x01\0\0") if data[5] == 5 else data

    world = World(Options(identity_rounds=True, ask_identity=True), to_peer=more)
    outcome = world.run(full())
    assert isinstance(outcome, Reject)
    assert outcome.reason is RejectReason.CLIENT_ERROR


def test_a_changed_identity_round_is_seen_by_the_server() -> None:
    """The same, with a device that does not look at the checkcode it is sent."""

    class Blind(Peer):
        def _check(self, packet: object, request: bytes, k_aut: bytes) -> None:
            del packet, request, k_aut

    def more(data: bytes) -> bytes:
        return data.replace(b"\x0d\x01\0\0", b"\x0a\x01\0\0") if data[5] == 5 else data

    world = World(Options(identity_rounds=True, ask_identity=True), to_peer=more)
    assert world.run(Blind(card(), IDENTITY)) == Reject(RejectReason.BAD_CHECKCODE)


@pytest.mark.spec("RFC 4187 §4.1.5")
def test_a_device_is_not_asked_for_less_after_more() -> None:
    peer = full()
    peer.begin()
    permanent = bytes.fromhex("0101000c170500000a010000")
    any_identity = bytes.fromhex("0102000c170500000d010000")
    first, second = peer.answer(permanent), peer.answer(any_identity)
    assert pull_packet(first.data).identity == IDENTITY  # type: ignore[union-attr]
    assert pull_packet(second.data).subtype is Subtype.CLIENT_ERROR  # type: ignore[union-attr]


# --- pseudonyms and fast re-authentication ---


@pytest.mark.spec("RFC 4187 §4.1.7")
def test_a_pseudonym_given_out_is_taken_the_next_time() -> None:
    world = World(Options(pseudonyms=True), next_pseudonym=PSEUDONYM)
    peer = full()
    first = world.run(peer)
    assert isinstance(first, Accept)
    assert first.granted is not None
    assert first.granted.pseudonym == PSEUDONYM
    assert PSEUDONYM not in world.sent[0]
    assert peer.begin() == PSEUDONYM + b"@nai.epc.mnc001.mcc001.3gppnetwork.org"
    second = world.run(peer)
    assert isinstance(second, Accept)
    assert second.identity == IDENTITY


@pytest.mark.spec("RFC 4187 §5")
def test_fast_reauthentication_needs_no_vector() -> None:
    options = Options(reauthentication=True, session_keys=True)
    world = World(options, next_reauth_id=REAUTH_ID)
    peer = full()
    first = world.run(peer)
    assert isinstance(first, Accept)
    assert first.keys == peer.session_keys
    seen = [first.keys]
    for counter in (1, 2, 3):
        assert world.reauths[REAUTH_ID].counter == counter
        outcome = world.run(peer)
        assert isinstance(outcome, Accept)
        assert outcome.reauthenticated
        assert outcome.identity == IDENTITY
        assert outcome.keys == peer.session_keys
        assert outcome.keys not in seen
        seen.append(outcome.keys)
        assert {packet.subtype for packet in world.packets()} == {Subtype.REAUTHENTICATION}
    assert world.auc.fetched == 1


def test_the_last_reauthentication_identity_is_followed_by_a_full_one() -> None:
    world = World(Options(reauthentication=True), next_reauth_id=REAUTH_ID)
    peer = full()
    world.run(peer)
    world.next_reauth_id = b""
    fast = world.run(peer)
    assert isinstance(fast, Accept)
    assert fast.granted is None
    full_again = world.run(peer)
    assert isinstance(full_again, Accept)
    assert not full_again.reauthenticated
    assert world.auc.fetched == 2


@pytest.mark.spec("RFC 4187 §5.5")
def test_a_counter_too_small_leads_to_a_full_authentication() -> None:
    world = World(Options(reauthentication=True), next_reauth_id=REAUTH_ID)
    peer = full()
    world.run(peer)
    stale = world.reauths[REAUTH_ID]
    world.run(peer)
    world.reauths[REAUTH_ID] = stale
    outcome = world.run(peer)
    assert isinstance(outcome, Accept)
    assert not outcome.reauthenticated
    assert outcome.identity == IDENTITY
    assert [packet.subtype for packet in world.packets()] == [
        Subtype.REAUTHENTICATION,
        Subtype.REAUTHENTICATION,
        Subtype.CHALLENGE,
        Subtype.CHALLENGE,
    ]


@pytest.mark.parametrize("counter", [0, 65536])
def test_a_counter_that_cannot_be_sent_leads_to_a_full_authentication(counter: int) -> None:
    world = World(Options(reauthentication=True), next_reauth_id=REAUTH_ID)
    peer = full()
    world.run(peer)
    world.reauths[REAUTH_ID] = replace(world.reauths[REAUTH_ID], counter=counter)
    outcome = world.run(peer)
    assert isinstance(outcome, Accept)
    assert not outcome.reauthenticated


@pytest.mark.parametrize("at", range(8, 100, 4))
def test_any_changed_byte_of_a_reauthentication_answer_is_rejected(at: int) -> None:
    world = World(Options(reauthentication=True), next_reauth_id=REAUTH_ID)
    peer = full()
    world.run(peer)
    world.to_server = lambda data: flip(data, at % len(data))
    assert isinstance(world.run(peer), Reject)


def test_a_changed_reauthentication_request_stops_the_device() -> None:
    world = World(Options(reauthentication=True), next_reauth_id=REAUTH_ID)
    peer = full()
    world.run(peer)
    world.to_peer = lambda data: flip(data, 40)
    outcome = world.run(peer)
    assert isinstance(outcome, Reject)
    assert outcome.reason is RejectReason.CLIENT_ERROR


def test_an_unknown_reauthentication_identity_is_asked_on() -> None:
    world = World(ROUNDS, next_reauth_id=REAUTH_ID)
    peer = full()
    world.run(peer)
    world.reauths.clear()
    outcome = world.run(peer)
    assert isinstance(outcome, Accept)
    assert not outcome.reauthenticated
    assert world.packets()[0].identity_request is IdentityRequest.FULLAUTH


def test_reauthentication_after_an_identity_round_has_a_checkcode() -> None:
    options = Options(identity_rounds=True, ask_identity=True, reauthentication=True)
    world = World(options, next_reauth_id=REAUTH_ID)
    peer = full()
    world.run(peer)
    outcome = world.run(peer)
    assert isinstance(outcome, Accept)
    assert outcome.reauthenticated
    assert len(pull_packet(world.sent[1]).checkcode or b"") == 20


# --- notifications ---


@pytest.mark.spec("RFC 4187 §6.2")
def test_protected_success_indication_if_both_want_it() -> None:
    world = World(Options(result_indication=True))
    peer = full(options=PeerOptions(result_indication=True))
    assert isinstance(world.run(peer), Accept)
    assert peer.notified == SUCCESS_NOTIFIED
    assert world.packets()[-1].subtype is Subtype.NOTIFICATION


def test_no_success_indication_if_the_device_does_not_want_it() -> None:
    world = World(Options(result_indication=True))
    peer = full()
    assert isinstance(world.run(peer), Accept)
    assert peer.notified is None


@pytest.mark.spec("RFC 4187 §9.10")
def test_success_indication_after_a_reauthentication_carries_the_counter() -> None:
    options = Options(result_indication=True, reauthentication=True)
    world = World(options, next_reauth_id=REAUTH_ID)
    peer = full(options=PeerOptions(result_indication=True))
    world.run(peer)
    outcome = world.run(peer)
    assert isinstance(outcome, Accept)
    assert outcome.reauthenticated
    request, response = world.packets()[-2:]
    assert request.encrypted is not None
    assert response.encrypted is not None


@pytest.mark.parametrize("at", [5, 8, 12, 27])
def test_a_changed_acknowledgement_is_rejected(at: int) -> None:
    def change(data: bytes) -> bytes:
        return flip(data, at) if data[5] == Subtype.NOTIFICATION else data

    world = World(Options(result_indication=True), to_server=change)
    peer = full(options=PeerOptions(result_indication=True))
    assert isinstance(world.run(peer), Reject)


@pytest.mark.spec("RFC 4187 §6.3.3")
def test_failure_notification_comes_before_the_rejection() -> None:
    world = World(Options(notify_failure=True))
    peer = full(LyingSim(bytes(8)))
    outcome = world.run(peer)
    assert isinstance(outcome, Reject)
    assert outcome.reason is RejectReason.BAD_RES
    assert peer.notified == GENERAL_FAILURE_BEFORE
    assert world.packets()[-2].mac is None


def test_whatever_the_device_says_to_a_failure_it_stays_one() -> None:
    """Even the right answer to the challenge, kept back, comes too late."""
    good: list[bytes] = []

    def swap(data: bytes) -> bytes:
        if data[5] == Subtype.CHALLENGE:
            good.append(data)
            return flip(data, len(data) - 1)
        return good[0]

    world = World(Options(notify_failure=True), to_server=swap)
    outcome = world.run(full())
    assert isinstance(outcome, Reject)
    assert outcome.reason is RejectReason.BAD_MAC


def test_session_keys_are_the_same_on_both_sides() -> None:
    world, peer = World(Options(session_keys=True)), full()
    outcome = world.run(peer)
    assert isinstance(outcome, Accept)
    assert outcome.keys is not None
    assert outcome.keys == peer.session_keys
    assert len(outcome.keys.msk) == 64


def test_the_algorithm_of_the_tests_is_milenage_set_1() -> None:
    assert ALGORITHM.f2345(bytes.fromhex("23553cbe9637a89d218ae64dae47bf35")).res.hex() == (
        "a54211d5e3ba50bf"
    )
