"""EAP sessions in two legs: nothing before the proof, one outcome, and the same one again."""

from __future__ import annotations

import asyncio
import base64
import shutil

import pytest
from hypothesis import HealthCheck
from hypothesis import given as for_all
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from simgrant.adapters.keyring import file as key_file
from simgrant.eap.algorithm import make_auts
from simgrant.eap.milenage import Milenage
from simgrant.eap.packet import Subtype, pull_packet
from simgrant.flows.sessions import pull_cookie
from simgrant.ports.store import Outcome
from tests.device.harness import (
    ALLOWED,
    NO_CONSENT,
    OPC,
    Answer,
    K,
    Phone,
    Server,
    Workbench,
    flip,
    k_aut_of,
    new_card,
    res_attribute,
    response,
    service,
    signed,
)

pytestmark = pytest.mark.spec("TS.43 §2.8.1")


def sync_failure(challenge: Answer, *, sqn: int = 50_000 << 5, spoil: int | None = None) -> bytes:
    """Return an AKA-Synchronization-Failure to a challenge, perhaps with one bit changed."""
    packet = pull_packet(challenge.packet)
    assert packet.rand is not None
    auts = make_auts(Milenage(K, OPC), packet.rand, sqn=sqn)
    if spoil is not None:
        auts = flip(auts, spoil)
    return response(packet.identifier, b"\x04\x04" + auts, subtype=4)


# --- nothing is written before a SIM answered ----------------------------------------------


async def test_a_start_writes_nothing(phone: Phone) -> None:
    for _ in range(3):
        assert (await phone.begin()).status == 200
    assert phone.server.store.writes == []


async def test_an_accepted_session_is_one_write(phone: Phone) -> None:
    assert (await phone.full()).status == 200
    assert phone.server.store.writes == ["decide_session"]


async def test_a_token_request_writes_nothing(phone: Phone) -> None:
    token = await phone.token()
    phone.server.store.calls.clear()
    assert (await phone.fast(token)).status == 200
    assert phone.server.store.asked == ["profile"]


# --- the same answer again -----------------------------------------------------------------


async def kept(phone: Phone, challenge: Answer) -> tuple[object, ...]:
    """Return all that the store holds of a session and its subscription."""
    server, imsi = phone.server, phone.imsi
    now = server.clock.now()
    _, started = pull_cookie(challenge.cookie_value, server.parts.keys, now=now, life=600)
    real = server.store.real
    client = "|" + ",".join(sorted(phone.apps))
    return (
        await real.session("default", imsi, started.session_id),
        await real.profile("default", imsi, phone.terminal_id, client),
        await real.export("default", imsi),
    )


@pytest.mark.conforms("divergence.accepted-answer-replayed")
async def test_a_repeated_answer_gets_the_same_document(phone: Phone) -> None:
    challenge = await phone.begin()
    packet = phone.reply(challenge)
    first = await phone.post(packet, challenge.cookie)
    before = await kept(phone, challenge)
    phone.server.clock.advance(59)
    second = await phone.post(packet, challenge.cookie)
    assert second.status == 200
    assert second.content == first.content
    assert second.token == first.token
    assert await kept(phone, challenge) == before


async def test_a_repeated_answer_has_the_same_token_and_statuses(server: Server) -> None:
    for imsi in (ALLOWED, NO_CONSENT):
        phone = Phone(server, imsi=imsi)
        challenge = await phone.begin()
        packet = phone.reply(challenge)
        first = await phone.post(packet, challenge.cookie)
        server.clock.advance(30)
        second = await phone.post(packet, challenge.cookie)
        assert second.status == 200
        assert second.unsealed == first.unsealed
        assert second.token == first.token


async def test_the_same_answer_many_times_at_once(phone: Phone) -> None:
    challenge = await phone.begin()
    packet = phone.reply(challenge)
    phone.server.store.hold()
    posts = [asyncio.create_task(phone.post(packet, challenge.cookie)) for _ in range(8)]
    await phone.server.store.called("profile", len(posts))
    phone.server.store.release()
    answers = await asyncio.gather(*posts)
    assert {answer.status for answer in answers} == {200}
    assert len({answer.unsealed for answer in answers}) == 1


async def test_different_answers_at_once_have_one_outcome(phone: Phone) -> None:
    """A right and a wrong answer race: either the SIM is in or the session is over."""
    challenge = await phone.begin()
    right = phone.reply(challenge)
    wrong = flip(right, 8 * len(right) - 1)
    phone.server.store.hold()
    posts = [
        asyncio.create_task(phone.post(packet, challenge.cookie))
        for packet in (wrong, right, wrong, right)
    ]
    await phone.server.store.called("session", 2)
    await phone.server.store.called("profile", 2)
    phone.server.store.release()
    statuses = [answer.status for answer in await asyncio.gather(*posts)]
    refused, accepted = statuses[::2], statuses[1::2]
    assert set(refused) <= {403, 511}
    assert accepted in ([200, 200], [511, 511])
    assert (await phone.post(right, challenge.cookie)).status == accepted[0]
    assert (await phone.post(wrong, challenge.cookie)).status == 511


@pytest.mark.conforms("eap.consumed-511")
async def test_any_other_answer_to_a_decided_session_is_511(phone: Phone) -> None:
    challenge = await phone.begin()
    packet = phone.reply(challenge)
    assert (await phone.post(packet, challenge.cookie)).status == 200
    before = await kept(phone, challenge)
    others = [
        flip(packet, 8 * len(packet) - 1),
        sync_failure(challenge),
        response(packet[1], b"\x16\x01\0\0", subtype=14),
        response(packet[1], b"", subtype=2),
        packet[:-1],
    ]
    for other in others:
        assert (await phone.post(other, challenge.cookie)).status == 511
    assert phone.server.store.writes == ["decide_session"]
    assert (await phone.post(packet, challenge.cookie)).status == 200
    assert await kept(phone, challenge) == before


# --- the life of a session -----------------------------------------------------------------


@pytest.mark.conforms("eap.unknown-session-511")
async def test_a_session_lives_a_minute(phone: Phone) -> None:
    for seconds, status in ((59, 200), (60, 511)):
        challenge = await phone.begin()
        packet = phone.reply(challenge)
        phone.server.clock.advance(seconds)
        assert (await phone.post(packet, challenge.cookie)).status == status


async def test_a_repeated_answer_after_a_minute_is_511(phone: Phone) -> None:
    challenge = await phone.begin()
    packet = phone.reply(challenge)
    assert (await phone.post(packet, challenge.cookie)).status == 200
    phone.server.clock.advance(60)
    assert (await phone.post(packet, challenge.cookie)).status == 511


async def test_a_session_from_a_clock_that_is_a_little_ahead_is_taken(phone: Phone) -> None:
    for seconds, status in ((5, 200), (6, 511)):
        phone.server.clock.advance(seconds)
        challenge = await phone.begin()
        packet = phone.reply(challenge)
        phone.server.clock.advance(-seconds)
        assert (await phone.post(packet, challenge.cookie)).status == status


async def test_its_life_counts_from_the_first_challenge(server: Server) -> None:
    phone = Phone(server, card=new_card(ahead=True))
    first = await phone.begin()
    server.clock.advance(40)
    second = await phone.post(phone.reply(first), first.cookie)
    server.clock.advance(20)
    assert (await phone.post(phone.reply(second), first.cookie)).status == 511


# --- failures of the SIM -------------------------------------------------------------------


async def assert_over(phone: Phone, challenge: Answer, packet: bytes) -> None:
    """Check that a packet is refused with a bare 403 and has ended the session."""
    right = phone.reply(challenge)
    answer = await phone.post(packet, challenge.cookie)
    assert (answer.status, answer.body) == (403, b"")
    assert (await phone.post(right, challenge.cookie)).status == 511
    assert (await phone.post(packet, challenge.cookie)).status == 511
    assert await phone.server.store.real.export("default", ALLOWED) is not None


@pytest.mark.conforms("eap.wrong-answer-403", "answers.rejected-sim-403")
async def test_a_wrong_res_is_403_then_511(phone: Phone) -> None:
    challenge = await phone.begin()
    k_aut = k_aut_of(phone, challenge)
    right = res_attribute(challenge)
    for position in (32, 63, 95):
        wrong = signed(k_aut, challenge.packet[1], flip(right, position))
        await assert_over(phone, challenge, wrong)
        challenge = await phone.begin()
        k_aut = k_aut_of(phone, challenge)
        right = res_attribute(challenge)


async def test_a_short_res_with_the_right_beginning_is_403(phone: Phone) -> None:
    challenge = await phone.begin()
    right = res_attribute(challenge)
    short = b"\x03\x02\x00\x20" + right[4:8]
    wrong = signed(k_aut_of(phone, challenge), challenge.packet[1], short)
    await assert_over(phone, challenge, wrong)


@pytest.mark.conforms("eap.wrong-answer-403")
async def test_a_wrong_mac_is_403_then_511(phone: Phone) -> None:
    challenge = await phone.begin()
    packet = phone.reply(challenge)
    await assert_over(phone, challenge, flip(packet, 8 * len(packet) - 1))


async def test_an_answer_without_res_is_403(phone: Phone) -> None:
    challenge = await phone.begin()
    packet = signed(k_aut_of(phone, challenge), challenge.packet[1], b"")
    await assert_over(phone, challenge, packet)


async def test_an_answer_without_mac_is_403(phone: Phone) -> None:
    challenge = await phone.begin()
    packet = response(challenge.packet[1], res_attribute(challenge))
    await assert_over(phone, challenge, packet)


@pytest.mark.conforms("eap.reject-403")
@pytest.mark.spec("RFC 4187 §9.5")
async def test_authentication_reject_is_403(phone: Phone) -> None:
    challenge = await phone.begin()
    await assert_over(phone, challenge, response(challenge.packet[1], b"", subtype=2))


@pytest.mark.conforms("eap.client-error-403")
@pytest.mark.spec("RFC 4187 §9.9")
async def test_client_error_is_403(phone: Phone) -> None:
    challenge = await phone.begin()
    packet = response(challenge.packet[1], b"\x16\x01\0\0", subtype=14)
    await assert_over(phone, challenge, packet)


async def test_another_identifier_is_no_answer_to_this_challenge(phone: Phone) -> None:
    challenge = await phone.begin()
    packet = signed(
        k_aut_of(phone, challenge), (challenge.packet[1] + 1) % 256, res_attribute(challenge)
    )
    answer = await phone.post(packet, challenge.cookie)
    assert answer.status in (400, 403)
    assert answer.body in (b"", b"bad request")


async def test_another_sim_s_answer_is_403(server: Server) -> None:
    mine, other = Phone(server), Phone(server, imsi=NO_CONSENT)
    my_challenge, others = await mine.begin(), await other.begin()
    answer = await mine.post(other.reply(others), my_challenge.cookie)
    assert answer.status == 403


async def test_the_answer_to_one_session_does_not_open_another(phone: Phone) -> None:
    first, second = await phone.begin(), await phone.begin()
    packet = phone.reply(first)
    assert (await phone.post(packet, second.cookie)).status == 403
    assert (await phone.post(packet, first.cookie)).status == 200


# --- resynchronisation ---------------------------------------------------------------------


@pytest.mark.conforms("eap.resynchronisation")
@pytest.mark.spec("RFC 4187 §6.3.1")
async def test_resynchronisation_takes_over_the_sim_s_number(server: Server) -> None:
    phone = Phone(server, card=new_card(ahead=True))
    assert (await phone.full()).status == 200
    assert server.store.writes == ["set_sqn_offset", "decide_session", "decide_session"]
    server.store.calls.clear()
    assert (await phone.full()).status == 200
    assert server.store.writes == ["decide_session"], "the next run needs no resynchronisation"


@pytest.mark.conforms(
    "eap.resynchronisation", "eap.session-cookie", "divergence.cookie-with-every-challenge"
)
async def test_a_second_challenge_has_the_cookie_of_the_first(server: Server) -> None:
    phone = Phone(server, card=new_card(ahead=True))
    first = await phone.begin()
    second = await phone.post(phone.reply(first), first.cookie)
    assert second.all("set-cookie") == first.all("set-cookie")
    assert second.packet[8:28] != first.packet[8:28], "a new RAND"
    assert second.packet[1] != first.packet[1], "a new identifier"


@pytest.mark.conforms("eap.second-resynchronisation-403", "divergence.sync-failure-403")
async def test_a_second_synchronisation_failure_is_403(server: Server) -> None:
    phone = Phone(server)
    first = await phone.begin()
    second = await phone.post(sync_failure(first), first.cookie)
    assert second.status == 200
    third = await phone.post(sync_failure(second, sqn=90_000 << 5), first.cookie)
    assert (third.status, third.body) == (403, b"")
    phone.card = new_card()
    assert (await phone.post(phone.reply(second), first.cookie)).status == 511


async def test_a_repeated_synchronisation_failure_starts_no_second_one(server: Server) -> None:
    """The first AUTS once more, its answer having been lost, must not bring a third challenge."""
    phone = Phone(server)
    first = await phone.begin()
    auts = sync_failure(first)
    second = await phone.post(auts, first.cookie)
    assert second.status == 200
    before = len(server.store.writes)
    again = await phone.post(auts, first.cookie)
    assert (again.status, again.packet) == (200, second.packet)
    assert len(server.store.writes) == before
    assert (await phone.post(phone.reply(second), first.cookie)).status == 200


async def test_the_old_challenge_s_answer_is_no_good_after_resynchronisation(
    server: Server,
) -> None:
    phone = Phone(server)
    first = await phone.begin()
    right = signed(k_aut_of(phone, first), first.packet[1], res_attribute(first))
    second = await phone.post(sync_failure(first), first.cookie)
    assert second.status == 200
    answer = await phone.post(right, first.cookie)
    assert answer.status in (403, 511)


async def test_resynchronisations_at_once_have_one_challenge(phone: Phone) -> None:
    challenge = await phone.begin()
    auts = sync_failure(challenge)
    phone.server.store.hold()
    posts = [asyncio.create_task(phone.post(auts, challenge.cookie)) for _ in range(4)]
    await phone.server.store.called("session", len(posts))
    phone.server.store.release()
    answers = await asyncio.gather(*posts)
    packets = {answer.packet for answer in answers if answer.status == 200}
    assert len(packets) == 1
    assert {answer.status for answer in answers} <= {200, 511}


async def test_two_sessions_of_one_sim_resynchronise_side_by_side(server: Server) -> None:
    """Two applications of one phone start at once, and the network's number is too old."""
    phone = Phone(server, card=new_card(ahead=True))
    first, second = await phone.begin(), await phone.begin()
    auts = phone.reply(first), phone.reply(second)
    first_again = await phone.post(auts[0], first.cookie)
    second_again = await phone.post(auts[1], second.cookie)
    for challenge, again in ((first, first_again), (second, second_again)):
        packet = phone.reply(again)
        assert packet[5] == Subtype.CHALLENGE, "the SIM believes that this number is new"
        assert (await phone.post(packet, challenge.cookie)).status == 200


@pytest.mark.conforms("eap.bad-auts-403", "divergence.sync-failure-403")
@pytest.mark.parametrize("bit", [48, 80, 111])
async def test_auts_with_a_wrong_mac_is_403(phone: Phone, bit: int) -> None:
    challenge = await phone.begin()
    await assert_over(phone, challenge, sync_failure(challenge, spoil=bit))
    assert "set_sqn_offset" not in phone.server.store.writes


async def test_auts_of_another_challenge_is_403(phone: Phone) -> None:
    first, second = await phone.begin(), await phone.begin()
    packet = pull_packet(first.packet)
    assert packet.rand is not None
    auts = make_auts(Milenage(K, OPC), packet.rand, sqn=50_000 << 5)
    stale = response(second.packet[1], b"\x04\x04" + auts, subtype=4)
    await assert_over(phone, second, stale)


@pytest.mark.conforms("eap.no-vectors-503")
async def test_a_store_that_fails_during_resynchronisation_is_503(server: Server) -> None:
    phone = Phone(server, card=new_card(ahead=True))
    challenge = await phone.begin()
    auts = phone.reply(challenge)
    server.store.down = True
    answer = await phone.post(auts, challenge.cookie)
    assert answer.status == 503
    assert answer.header("retry-after")
    server.store.down = False
    second = await phone.post(auts, challenge.cookie)
    assert pull_packet(second.packet).subtype is Subtype.CHALLENGE


# --- any node finishes what another began --------------------------------------------------


async def test_a_session_is_finished_on_another_node(bench: Workbench) -> None:
    async with bench.opened() as one, bench.opened(worker=1) as two:
        phone = Phone(one)
        challenge = await phone.begin()
        packet = phone.reply(challenge)
        answer = await phone.but(server=two).post(packet, challenge.cookie)
        assert service(answer, "ap2004")["EntitlementStatus"] == "1"
        again = await phone.post(packet, challenge.cookie)
        assert again.unsealed == answer.unsealed
        assert (await phone.fast(answer.token)).status == 200


async def test_resynchronisation_across_nodes(bench: Workbench) -> None:
    async with bench.opened() as one, bench.opened(worker=1) as two:
        phone = Phone(one, card=new_card(ahead=True))
        first = await phone.begin()
        second = await phone.but(server=two).post(phone.reply(first), first.cookie)
        third = await phone.post(phone.reply(second), first.cookie)
        assert service(third, "ap2004")["EntitlementStatus"] == "1"


async def test_one_answer_to_two_nodes_at_once(bench: Workbench) -> None:
    async with bench.opened() as one, bench.opened(worker=1) as two:
        phone = Phone(one)
        challenge = await phone.begin()
        packet = phone.reply(challenge)
        answers = await asyncio.gather(
            *(
                phone.but(server=server).post(packet, challenge.cookie)
                for server in (one, two, one, two)
            )
        )
        assert {answer.status for answer in answers} == {200}
        assert len({answer.unsealed for answer in answers}) == 1


async def test_a_node_that_is_gone_takes_nothing_with_it(bench: Workbench) -> None:
    async with bench.opened() as one:
        phone = Phone(one, card=new_card(ahead=True), extra=(("app_version", "x" * 3000),))
        first = await phone.begin()
        second = await phone.post(phone.reply(first), first.cookie)
    async with bench.opened() as two:
        phone = phone.but(server=two)
        packet = phone.reply(second)
        third = await phone.post(packet, first.cookie)
        assert service(third, "ap2004")["EntitlementStatus"] == "1"
    async with bench.opened() as three:
        phone = phone.but(server=three)
        assert (await phone.post(packet, first.cookie)).token == third.token
        assert (await phone.fast(third.token)).status == 200


async def test_a_crash_loses_nothing_that_was_answered(bench: Workbench) -> None:
    """What a killed process leaves on disk is enough to go on from."""

    def left_behind(name: str) -> Workbench:
        copy = bench.directory / name
        shutil.copytree(bench.directory / "state", copy / "state")
        return Workbench(copy, bench.monkeypatch, bench.clock)

    async with bench.opened() as one:
        phone = Phone(one, card=new_card(ahead=True))
        first = await phone.begin()
        second = await phone.post(phone.reply(first), first.cookie)
        packet = phone.reply(second)
        async with left_behind("after-resync").opened() as two:
            third = await phone.but(server=two).post(packet, first.cookie)
            assert service(third, "ap2004")["EntitlementStatus"] == "1"
        last = await phone.post(packet, first.cookie)
        async with left_behind("after-answer").opened() as three:
            phone = phone.but(server=three)
            assert (await phone.post(packet, first.cookie)).token == last.token
            assert (await phone.fast(last.token)).status == 200
            assert (await phone.full()).status == 200


# --- whose cookie --------------------------------------------------------------------------


async def test_a_cookie_under_other_keys_is_511(bench: Workbench) -> None:
    async with bench.opened() as one:
        phone = Phone(one)
        challenge = await phone.begin()
        packet = phone.reply(challenge)
        key_file.write_keys(one.loaded.key_file, key_file.initial_keys(now=1))
    async with bench.opened() as two:
        assert (await phone.but(server=two).post(packet, challenge.cookie)).status == 511
        assert two.store.asked == []


@pytest.mark.conforms("eap.unknown-session-511")
async def test_without_a_cookie_it_is_511(phone: Phone) -> None:
    challenge = await phone.begin()
    packet = phone.reply(challenge)
    for cookie in ("", "ECSSID=", "ECSSID=abc", "OTHER=" + challenge.cookie_value):
        assert (await phone.post(packet, cookie)).status == 511
    assert phone.server.store.writes == []


async def test_a_token_is_no_cookie_and_a_cookie_no_token(phone: Phone) -> None:
    token = await phone.token()
    challenge = await phone.begin()
    packet = phone.reply(challenge)
    assert (await phone.post(packet, f"ECSSID={token}")).status == 511
    assert (await phone.fast(challenge.cookie_value)).status == 511


async def test_one_changed_bit_anywhere_in_the_cookie_is_511(phone: Phone) -> None:
    challenge = await phone.begin()
    packet = phone.reply(challenge)
    value = challenge.cookie_value
    sealed = base64.urlsafe_b64decode(value + "=" * (-len(value) % 4))
    before = list(phone.server.store.calls)
    for bit in range(8 * len(sealed)):
        changed = base64.urlsafe_b64encode(flip(sealed, bit)).decode().rstrip("=")
        answer = await phone.post(packet, f"ECSSID={changed}")
        assert answer.status == 511, f"bit {bit}"
    assert phone.server.store.calls == before
    assert (await phone.post(packet, challenge.cookie)).status == 200


async def test_one_changed_character_anywhere_in_the_cookie_is_511(phone: Phone) -> None:
    """Also in the last one, some of whose bits base64 does not use."""
    challenge = await phone.begin()
    packet = phone.reply(challenge)
    value = challenge.cookie_value
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    last = [value[:-1] + other for other in alphabet if other != value[-1]]
    others = [
        value[:at] + alphabet[(alphabet.index(value[at]) + 1) % 64] + value[at + 1 :]
        for at in range(0, len(value), 7)
    ]
    for changed in (*last, *others, value + "A", value + "=", value[:-1], value.swapcase()):
        assert (await phone.post(packet, f"ECSSID={changed}")).status == 511
    assert phone.server.store.writes == []


@pytest.mark.spec("RFC 4187 §9.4")
@hypothesis_settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@for_all(data=st.data())
async def test_no_changed_answer_is_ever_accepted(phone: Phone, data: st.DataObject) -> None:
    challenge = await phone.begin()
    right = phone.reply(challenge)
    wrong = flip(right, data.draw(st.integers(0, 8 * len(right) - 1)))
    answer = await phone.post(wrong, challenge.cookie)
    # Bits of the reserved bytes are covered by AT_MAC as well.
    assert answer.status in (400, 403)
    assert (await phone.post(right, challenge.cookie)).status == (
        200 if answer.status == 400 else 511
    )


async def test_the_outcome_is_in_the_store_before_the_answer_leaves(phone: Phone) -> None:
    challenge = await phone.begin()
    packet = phone.reply(challenge)
    now = phone.server.clock.now()
    _, started = pull_cookie(challenge.cookie_value, phone.server.parts.keys, now=now, life=60)
    real = phone.server.store.real
    assert await real.session("default", ALLOWED, started.session_id) is None
    phone.server.store.hold()
    asked = asyncio.create_task(phone.post(packet, challenge.cookie))
    await phone.server.store.called("profile", 1)
    assert not asked.done()
    phone.server.store.release()
    assert (await asked).status == 200
    row = await real.session("default", ALLOWED, started.session_id)
    assert row is not None
    assert row.outcome is Outcome.ACCEPTED
    assert (await asked).token.encode() not in row.state, "sealed"
