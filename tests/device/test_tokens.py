"""Fast-authentication tokens: bound, revocable, renewed in time, and never revived."""

from __future__ import annotations

import asyncio
import base64
from dataclasses import replace

import pytest

from simgrant.adapters.keyring import file as key_file
from simgrant.identities import Imsi
from simgrant.keyring.ring import Key, Purpose, SealBroken, Use
from simgrant.ports.store import Change, NewSubscription
from tests.device.harness import (
    ALLOWED,
    IMEI,
    JSON,
    NO_CONSENT,
    NO_VOWIFI,
    START,
    XML,
    Phone,
    Server,
    Workbench,
    flip,
    new_subscription,
)

pytestmark = pytest.mark.spec("TS.43 §2.8.5")

LIFE = 30 * 86_400
OVERLAP = 60
OTHER_IMEI = "356938035643809"


# --- what a token is bound to --------------------------------------------------------------


@pytest.mark.conforms("token.bound-subscription", "request.IMSI")
async def test_a_token_is_bound_to_its_subscription(phone: Phone) -> None:
    token = await phone.token()
    assert (await phone.fast(token)).status == 200
    assert (await phone.fast(token, imsi=NO_VOWIFI)).status == 511


@pytest.mark.conforms("request.token")
async def test_without_imsi_the_token_alone_says_whose_it_is(server: Server) -> None:
    token = await Phone(server).token()
    answer = await server.get(f"token={token}&app=ap2004&terminal_id={IMEI}", ("accept", XML))
    assert answer.status == 200


@pytest.mark.conforms("token.bound-terminal", "request.terminal_id")
async def test_a_token_is_bound_to_its_terminal(phone: Phone) -> None:
    token = await phone.token()
    assert (await phone.fast(token, terminal_id=OTHER_IMEI)).status == 511


@pytest.mark.conforms("divergence.string-case")
async def test_a_terminal_s_uuid_is_compared_without_regard_to_case(server: Server) -> None:
    uuid = "3f2504e0-4f89-11d3-9a0c-0305e82c3301"
    phone = Phone(server, terminal_id=uuid)
    token = await phone.token()
    assert (await phone.fast(token, terminal_id=uuid.upper())).status == 200


@pytest.mark.conforms("token.bound-client", "request.app_name")
async def test_a_token_is_bound_to_its_client(server: Server) -> None:
    phone = Phone(server, app_name="com.example.One")
    token = await phone.token()
    assert (await phone.fast(token, app_name="com.example.one")).status == 200
    assert (await phone.fast(token, app_name="com.example.two")).status == 511
    assert (await phone.fast(token, app_name="")).status == 511


@pytest.mark.conforms("token.bound-apps")
@pytest.mark.parametrize(
    ("apps", "status"),
    [
        (("ap2004", "ap2005"), 200),
        (("ap2005", "ap2004"), 200),
        (("ap2004",), 200),
        (("ap2005",), 200),
        (("ap2003",), 511),
        (("ap2004", "ap2003"), 511),
        (("ap2004", "ap2003", "ap2005"), 511),
    ],
)
async def test_a_token_serves_a_subset_of_its_apps(
    phone: Phone, apps: tuple[str, ...], status: int
) -> None:
    token = await phone.but(apps=("ap2004", "ap2005")).token()
    answer = await phone.fast(token, apps=apps, wanted=JSON)
    assert answer.status == status
    if status == 200:
        assert list(answer.object) == ["Vers", "Token", *apps]


@pytest.mark.conforms("token.opaque")
async def test_one_changed_bit_anywhere_in_a_token_is_511(phone: Phone) -> None:
    token = await phone.token()
    sealed = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    before = list(phone.server.store.calls)
    for bit in range(8 * len(sealed)):
        changed = base64.urlsafe_b64encode(flip(sealed, bit)).decode().rstrip("=")
        assert (await phone.fast(changed)).status == 511, f"bit {bit}"
    assert phone.server.store.calls == before, "a broken token costs no look-up"
    assert (await phone.fast(token)).status == 200


@pytest.mark.conforms("types.secrets-exact", "divergence.string-case")
@pytest.mark.parametrize("change", [str.upper, str.lower, str.swapcase])
async def test_tokens_are_compared_exactly(phone: Phone, change: object) -> None:
    assert callable(change)
    token = await phone.token()
    for text in (change(token), token + "=", token + "A", token[:-1], f" {token}"):
        assert (await phone.fast(text)).status == 511


@pytest.mark.conforms("token.own-per-client")
async def test_two_clients_of_one_terminal_keep_tokens_of_their_own(phone: Phone) -> None:
    first = await phone.token()
    second = await phone.but(app_name="com.example.watch").token()
    third = await phone.but(apps=("ap2005",)).token()
    phone.server.clock.advance(OVERLAP + 1)
    assert (await phone.fast(first)).status == 200
    assert (await phone.fast(second, app_name="com.example.watch")).status == 200
    assert (await phone.fast(third, apps=("ap2005",))).status == 200


@pytest.mark.conforms("token.any-access")
async def test_a_token_is_good_from_anywhere_and_after_a_restart(bench: Workbench) -> None:
    async with bench.opened() as server:
        token = await Phone(server).token()
    async with bench.opened() as restarted:
        assert (await Phone(restarted, source="198.51.100.9").fast(token)).status == 200


# --- the end of a token --------------------------------------------------------------------


@pytest.mark.conforms("token.expires")
async def test_a_token_ends(phone: Phone) -> None:
    token = await phone.token()
    phone.server.clock.advance(LIFE - 1)
    assert (await phone.fast(token)).status == 200
    phone.server.clock.advance(1)
    assert (await phone.fast(token)).status == 511


@pytest.mark.conforms("token.revoked-on-change")
async def test_revoking_a_subscription_s_tokens_ends_them_at_once(phone: Phone) -> None:
    token, other = await phone.token(), await phone.but(terminal_id=OTHER_IMEI).token()
    await phone.server.store.real.revoke_tokens("default", ALLOWED, None)
    assert (await phone.fast(token)).status == 511
    assert (await phone.fast(other, terminal_id=OTHER_IMEI)).status == 511
    assert (await phone.fast(await phone.token())).status == 200


async def test_revoking_a_terminal_s_tokens_leaves_the_others(phone: Phone) -> None:
    token, other = await phone.token(), await phone.but(terminal_id=OTHER_IMEI).token()
    await phone.server.store.real.revoke_tokens("default", ALLOWED, IMEI)
    assert (await phone.fast(token)).status == 511
    assert (await phone.fast(other, terminal_id=OTHER_IMEI)).status == 200
    assert (await phone.fast(await phone.token())).status == 200


async def test_a_token_of_a_revoked_terminal_never_comes_back(phone: Phone) -> None:
    """Not with the next full authentication, be it this client's, another's or a new one's."""
    watch = phone.but(app_name="com.example.watch")
    token, of_watch = await phone.token(), await watch.token()
    await phone.server.store.real.revoke_tokens("default", ALLOWED, IMEI)

    async def old() -> set[int]:
        return {(await phone.fast(token)).status, (await watch.fast(of_watch)).status}

    assert await old() == {511}
    newer = await phone.token()
    assert await old() == {511}
    assert (await phone.fast(newer)).status == 200
    await phone.but(app_name="com.example.third").token()
    assert await old() == {511}
    newer_of_watch = await watch.token()
    assert await old() == {511}
    assert (await watch.fast(newer_of_watch)).status == 200
    phone.server.clock.advance(OVERLAP + 1)
    assert await old() == {511}
    assert (await phone.fast(newer)).status == 200


async def test_a_repeated_answer_after_revoking_its_terminal_is_511(phone: Phone) -> None:
    challenge = await phone.begin()
    packet = phone.reply(challenge)
    assert (await phone.post(packet, challenge.cookie)).status == 200
    await phone.server.store.real.revoke_tokens("default", ALLOWED, IMEI)
    assert (await phone.post(packet, challenge.cookie)).status == 511
    await phone.token()
    assert (await phone.post(packet, challenge.cookie)).status == 511


async def test_revoking_leaves_other_subscriptions(server: Server) -> None:
    mine, other = Phone(server), Phone(server, imsi=NO_CONSENT)
    token = await other.token()
    await mine.token()
    await server.store.real.revoke_tokens("default", ALLOWED, None)
    assert (await other.fast(token)).status == 200


async def test_a_repeated_answer_after_revoking_is_511(phone: Phone) -> None:
    challenge = await phone.begin()
    packet = phone.reply(challenge)
    assert (await phone.post(packet, challenge.cookie)).status == 200
    await phone.server.store.real.revoke_tokens("default", ALLOWED, None)
    assert (await phone.post(packet, challenge.cookie)).status == 511


async def test_revoking_holds_on_every_node(bench: Workbench) -> None:
    async with bench.opened() as one, bench.opened(worker=1) as two:
        phone = Phone(one)
        token = await phone.token()
        assert (await phone.fast(token, server=two)).status == 200
        await one.store.real.revoke_tokens("default", ALLOWED, None)
        assert (await phone.fast(token, server=two)).status == 511


@pytest.mark.parametrize("erased", [False, True])
async def test_a_subscription_made_again_does_not_revive_old_tokens(
    server: Server, erased: bool
) -> None:
    imsi = Imsi("001010000000050")
    await server.add(new_subscription(imsi, server.ring))
    phone = Phone(server, imsi=imsi)
    token = await phone.token()
    server.clock.advance(100)
    now = int(server.clock.now())
    if erased:
        await server.store.real.erase("default", imsi, (), now=90)
    else:
        await server.store.real.remove("default", imsi, now=now)
    assert (await phone.fast(token)).status == 511
    await server.add(new_subscription(imsi, server.ring, now=now))
    assert (await phone.fast(token)).status == 511
    assert (await phone.fast(await phone.token())).status == 200


async def test_a_subscription_removed_in_the_second_of_its_making_revives_no_token(
    server: Server,
) -> None:
    imsi = Imsi("001010000000051")
    await server.add(new_subscription(imsi, server.ring, now=START))
    phone = Phone(server, imsi=imsi)
    token = await phone.token()
    await server.store.real.remove("default", imsi, now=START)
    await server.add(new_subscription(imsi, server.ring, now=START))
    assert (await phone.fast(token)).status == 511


# --- renewal -------------------------------------------------------------------------------


@pytest.mark.conforms("token.renewed")
async def test_a_token_is_renewed_in_the_last_tenth_of_its_life(phone: Phone) -> None:
    token = await phone.token()
    phone.server.clock.advance(LIFE * 9 // 10 - 1)
    early = await phone.fast(token)
    assert early.token == token
    phone.server.clock.advance(1)
    renewed = await phone.fast(token)
    assert renewed.token != token
    assert renewed.phone.get("TOKEN", "validity") == str(LIFE)
    assert phone.server.store.writes[-1] == "renew_grant"
    assert (await phone.fast(renewed.token)).token == renewed.token


@pytest.mark.conforms("token.renewed")
async def test_the_old_token_is_good_for_a_while_after_its_renewal(phone: Phone) -> None:
    token = await phone.token()
    phone.server.clock.advance(LIFE * 95 // 100)
    renewed = (await phone.fast(token)).token
    phone.server.clock.advance(OVERLAP - 1)
    assert (await phone.fast(token)).status == 200
    assert (await phone.fast(renewed)).status == 200
    phone.server.clock.advance(1)
    assert (await phone.fast(token)).status == 511
    assert (await phone.fast(renewed)).status == 200


async def test_a_lost_renewal_is_given_again_and_ends_when_the_first_does(phone: Phone) -> None:
    """The answer with the new token was lost: the next one brings a token just as good."""
    token = await phone.token()
    phone.server.clock.advance(LIFE * 95 // 100)
    await phone.fast(token)
    phone.server.clock.advance(30)
    again = await phone.fast(token)
    assert again.token != token
    assert again.phone.get("TOKEN", "validity") == str(LIFE - 30)
    phone.server.clock.advance(OVERLAP)
    assert (await phone.fast(again.token)).status == 200
    assert phone.server.store.writes.count("renew_grant") == 1


async def test_renewals_at_once_are_all_good(phone: Phone) -> None:
    token = await phone.token()
    phone.server.clock.advance(LIFE * 95 // 100)
    phone.server.store.hold()
    asks = [asyncio.create_task(phone.fast(token)) for _ in range(6)]
    await phone.server.store.called("profile", len(asks))
    phone.server.store.release()
    answers = await asyncio.gather(*asks)
    assert {answer.status for answer in answers} == {200}
    phone.server.clock.advance(OVERLAP + 1)
    for answer in answers:
        assert answer.token != token
        assert (await phone.fast(answer.token)).status == 200


async def test_the_terminal_and_apps_of_a_renewed_token_are_the_same(phone: Phone) -> None:
    token = await phone.but(apps=("ap2004", "ap2005")).token()
    phone.server.clock.advance(LIFE * 95 // 100)
    renewed = (await phone.fast(token)).token
    assert (await phone.fast(renewed, apps=("ap2005",))).status == 200
    assert (await phone.fast(renewed, terminal_id=OTHER_IMEI)).status == 511
    assert (await phone.fast(renewed, apps=("ap2003",))).status == 511


async def test_a_full_authentication_replaces_the_older_token(phone: Phone) -> None:
    older = await phone.token()
    phone.server.clock.advance(100)
    newer = await phone.token()
    assert newer != older
    phone.server.clock.advance(OVERLAP - 1)
    assert (await phone.fast(older)).status == 200
    phone.server.clock.advance(1)
    assert (await phone.fast(older)).status == 511
    assert (await phone.fast(newer)).status == 200


# --- keys ----------------------------------------------------------------------------------


def rotate(server: Server, *, active_in: int, use: Use = Use.SEALING) -> Key:
    """Put a new key on the ring on disk, as another process would."""
    now = int(server.clock.now())
    file = server.loaded.key_file
    made = key_file.new_key(use, now=now, active=now + active_in)
    key_file.write_keys(file, [*key_file.read_keys(file), made])
    return made


async def test_a_token_under_the_old_key_outlives_its_rotation(bench: Workbench) -> None:
    settings = f"[tokens]\nlife_s = {LIFE}\nrenew_last = 0"
    async with bench.opened(settings) as server:
        phone = Phone(server)
        rotate(server, active_in=3600)
        server.clock.advance(1)
        assert server.parts.keys.refresh()
        server.clock.advance(3598)
        token = await phone.token()  # the new key is not active yet
        server.clock.advance(LIFE - 1)
        assert (await phone.fast(token)).status == 200
        server.clock.advance(1)
        assert (await phone.fast(token)).status == 511


async def test_the_old_key_is_refused_after_its_time(bench: Workbench) -> None:
    """A token is accepted until its successor's activation and a life, and no longer."""
    async with bench.opened() as server:
        phone = Phone(server)
        token = await phone.token()
        rotate(server, active_in=0)
        server.clock.advance(1)
        assert server.parts.keys.refresh()
        ring = server.parts.keys.ring
        sealed = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        assert ring.open(Purpose.TOKEN, sealed, now=START + LIFE + OVERLAP - 1)
        with pytest.raises(SealBroken):
            ring.open(Purpose.TOKEN, sealed, now=START + LIFE + OVERLAP)


async def test_a_new_key_is_used_from_its_activation_on(phone: Phone) -> None:
    server = phone.server
    before = await phone.token()
    rotate(server, active_in=100)
    server.clock.advance(1)
    assert server.parts.keys.refresh()
    early = await phone.token()
    server.clock.advance(100)
    late = await phone.token()
    assert before[:5] == early[:5] != late[:5], "the key's id comes first"
    assert (await phone.fast(late)).status == 200


async def test_an_unknown_key_makes_the_server_look_at_the_ring_on_disk(
    bench: Workbench,
) -> None:
    """One process has taken the rotation over, the other has not polled yet."""
    async with bench.opened() as late, bench.opened(worker=1) as early:
        late.clock.advance(10)
        rotate(late, active_in=0)
        assert early.parts.keys.refresh()
        phone = Phone(early)
        challenge = await phone.begin()
        packet = phone.reply(challenge)
        answer = await phone.but(server=late).post(packet, challenge.cookie)
        assert answer.status == 200
        assert (await phone.fast(answer.token, server=late)).status == 200


async def test_foreign_tokens_do_not_make_it_read_the_ring_each_time(phone: Phone) -> None:
    """Only whether it was changed: else a node would refuse what it has just missed."""
    token = await phone.token()
    sealed = bytearray(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    sealed[:4] = b"\xff\xff\xff\xff"
    foreign = base64.urlsafe_b64encode(bytes(sealed)).decode().rstrip("=")
    phone.server.clock.advance(10)
    keys = phone.server.parts.keys
    ring = keys.ring
    for _ in range(20):
        assert (await phone.fast(foreign)).status == 511
    assert keys.ring is ring


async def test_a_ring_that_became_unreadable_leaves_the_old_one_in_use(phone: Phone) -> None:
    token = await phone.token()
    file = phone.server.loaded.key_file
    file.write_text("{")
    phone.server.clock.advance(1)
    assert not phone.server.parts.keys.refresh()
    assert (await phone.fast(token)).status == 200


# --- VERS ----------------------------------------------------------------------------------


async def validity(phone: Phone) -> int:
    return int((await phone.full()).phone.get("VERS", "validity") or "")


async def test_validity_is_spread_and_stable(bench: Workbench) -> None:
    async with bench.opened() as server:
        phones = []
        for number in range(100, 140):
            imsi = Imsi(f"001010000000{number}")
            await server.add(new_subscription(imsi, server.ring))
            phones.append(Phone(server, imsi=imsi))
        found = [await validity(phone) for phone in phones]
        day2 = 2 * 86_400
        assert all(0.85 * day2 <= each <= 1.15 * day2 for each in found)
        assert min(found) < 0.95 * day2
        assert max(found) > 1.05 * day2
        assert len(set(found)) > 30
        server.clock.advance(1000)
        assert await validity(phones[0]) == found[0]
    async with bench.opened() as again:
        assert await validity(phones[0].but(server=again)) == found[0]


async def test_the_version_rises_when_the_subscription_changes(phone: Phone) -> None:
    before = int((await phone.full()).phone.get("VERS", "version") or "")
    phone.server.clock.advance(10)
    now = int(phone.server.clock.now())
    await phone.server.store.real.change("default", ALLOWED, Change(plan="basic"), now=now)
    assert await phone.server.parts.lifecycle.act()
    assert int((await phone.full()).phone.get("VERS", "version") or "") > before


async def test_a_subscription_without_a_sim_key_cannot_authenticate(server: Server) -> None:
    imsi = Imsi("001010000000052")
    new = new_subscription(imsi, server.ring)
    await server.add(NewSubscription(replace(new.subscription), None, new.consents))
    assert (await Phone(server, imsi=imsi).full()).status == 403
