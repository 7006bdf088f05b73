"""The device's side: known answers, and what it does not put up with."""

from __future__ import annotations

from dataclasses import replace

import pytest

from simgrant.eap import keys
from simgrant.eap.milenage import Milenage
from simgrant.eap.packet import (
    EMPTY_MAC,
    SUCCESS_NOTIFIED,
    Code,
    Encrypted,
    Packet,
    Subtype,
    Variant,
    pull_encrypted,
    pull_packet,
    push_encrypted,
    push_packet,
)
from simgrant.eap.peer import AndroidPeer, GiveUp, Peer, PeerOptions, Reply
from simgrant.eap.usim import SoftUsim, UsimAnswer, UsimSuccess
from tests.vectors import load

IDENTITY = b"0001010000000001@nai.epc.mnc001.mcc001.3gppnetwork.org"
KNOWN = {case["name"]: case for case in load("aka_packets")}
SET = load("milenage")[0]
ALGORITHM = Milenage(SET.raw("k"), SET.raw("opc"))
VECTOR = ALGORITHM.generate(SET.raw("rand"), sqn=0x20, amf=b"\x80\0")
KEYS = keys.derive(IDENTITY, ik=VECTOR.ik, ck=VECTOR.ck)
NONCE = b"n" * 16
REAUTH_ID = b"4reauth"
CHALLENGE = KNOWN["set 1 challenge, sqn 32"].raw("data")


def peer(options: PeerOptions | None = None) -> Peer:
    return Peer(SoftUsim(ALGORITHM), IDENTITY, options or PeerOptions(checkcode=False))


def request(**fields: object) -> Packet:
    base = Packet(code=Code.REQUEST, identifier=1, variant=Variant.AKA, subtype=Subtype.CHALLENGE)
    return replace(base, **fields)  # type: ignore[arg-type]


def signed(packet: Packet) -> bytes:
    return keys.sign(Variant.AKA, KEYS.k_aut, push_packet(replace(packet, mac=EMPTY_MAC)))


def challenge(**fields: object) -> bytes:
    return signed(request(**{"rand": VECTOR.rand, "autn": VECTOR.autn, **fields}))


def encrypted(inner: bytes) -> dict[str, bytes]:
    return {"iv": bytes(16), "encrypted": keys.encrypt(KEYS.k_encr, bytes(16), inner)}


def reauthentication(inner: Encrypted) -> bytes:
    fields = encrypted(push_encrypted(inner))
    return signed(request(subtype=Subtype.REAUTHENTICATION, **fields))


def answered(device: Peer, data: bytes) -> Packet:
    answer = device.answer(data)
    assert isinstance(answer, Reply)
    return pull_packet(answer.data)


def with_reauth_id(options: PeerOptions | None = None) -> Peer:
    """Return a device that was given an identity for fast re-authentication."""
    device = peer(options)
    given = encrypted(push_encrypted(Encrypted(next_reauth_id=REAUTH_ID)))
    assert answered(device, challenge(**given)).res is not None
    assert device.begin() == REAUTH_ID
    return device


@pytest.mark.parametrize("make", [AndroidPeer, Peer])
def test_known_synchronisation_failure(make: type[AndroidPeer] | type[Peer]) -> None:
    usim = SoftUsim(ALGORITHM, taken=range(0x400, 0x420))
    answer = make(usim, IDENTITY).answer(CHALLENGE)
    assert answer == Reply(KNOWN["set 1 sync failure, sqn_ms 41f"].raw("data"))


def test_known_answer() -> None:
    expected = Reply(KNOWN["set 1 response"].raw("data"))
    assert AndroidPeer(SoftUsim(ALGORITHM), IDENTITY).answer(CHALLENGE) == expected
    assert peer().answer(CHALLENGE) == expected


class OddSim:
    """A SIM with a RES of any size."""

    def __init__(self, size: int) -> None:
        self._size = size

    def authenticate(self, rand: bytes, autn: bytes) -> UsimAnswer:  # noqa: ARG002
        return UsimSuccess(bytes(range(self._size)), bytes(16), bytes(16))


@pytest.mark.spec("AOSP service_entitlement")
@pytest.mark.parametrize("size", range(4, 17))
def test_android_does_not_pad_res(size: int) -> None:
    answer = AndroidPeer(OddSim(size), IDENTITY).answer(CHALLENGE)
    assert isinstance(answer, Reply)
    assert len(answer.data) == 32 + size
    assert answer.data[9] == (4 + size) // 4
    packet = pull_packet(answer.data)
    assert packet.res is not None
    assert packet.res.value == bytes(range(size))
    made = keys.derive(IDENTITY, ik=bytes(16), ck=bytes(16))
    assert keys.is_signed(Variant.AKA, made.k_aut, answer.data, mac_at=packet.mac_at)


@pytest.mark.parametrize(
    "data",
    [
        challenge(rand=None),
        challenge(autn=None),
        push_packet(request(rand=VECTOR.rand, autn=VECTOR.autn)),
        push_packet(request(subtype=Subtype.CLIENT_ERROR)),
        push_packet(request(subtype=Subtype.IDENTITY)),
        push_packet(request(subtype=Subtype.NOTIFICATION)),
        push_packet(request(subtype=Subtype.NOTIFICATION, notification=SUCCESS_NOTIFIED)),
        push_packet(request(subtype=Subtype.REAUTHENTICATION)),
        challenge(checkcode=bytes(20)),
        challenge(encrypted=bytes(16)),
        challenge(**encrypted(b"\x01" * 16)),
        challenge(bidding=False)[:-4] + bytes(4),
    ],
    ids=range(12),
)
def test_the_full_peer_says_client_error(data: bytes) -> None:
    device = peer()
    packet = answered(device, data)
    assert packet.subtype is Subtype.CLIENT_ERROR
    assert packet.client_error == 0
    assert device.session_keys is None


def test_a_response_is_no_request() -> None:
    assert isinstance(peer().answer(KNOWN["set 1 response"].raw("data")), GiveUp)


@pytest.mark.parametrize(
    "inner", [Encrypted(counter=1), Encrypted(nonce_s=NONCE)], ids=["counter", "nonce"]
)
def test_a_reauthentication_needs_counter_and_nonce(inner: Encrypted) -> None:
    packet = answered(with_reauth_id(), reauthentication(inner))
    assert packet.subtype is Subtype.CLIENT_ERROR


@pytest.mark.spec("RFC 4187 §5.2")
def test_a_reauthentication_identity_serves_once() -> None:
    device = with_reauth_id()
    data = reauthentication(Encrypted(counter=1, nonce_s=NONCE))
    assert answered(device, data).subtype is Subtype.REAUTHENTICATION
    assert answered(device, data).subtype is Subtype.CLIENT_ERROR
    assert device.begin() == IDENTITY


@pytest.mark.parametrize(("counter", "too_small"), [(0, True), (1, False), (9, False)])
def test_the_counter_must_grow(counter: int, too_small: bool) -> None:
    device = with_reauth_id()
    data = reauthentication(Encrypted(counter=counter, nonce_s=NONCE))
    packet = answered(device, data)
    assert packet.iv is not None
    assert packet.encrypted is not None
    inner = pull_encrypted(keys.decrypt(KEYS.k_encr, packet.iv, packet.encrypted))
    assert inner == Encrypted(counter=counter, counter_too_small=too_small)
    assert (device.session_keys is None) is too_small


def test_a_notification_after_a_reauthentication_must_repeat_the_counter() -> None:
    device = with_reauth_id()
    device.answer(reauthentication(Encrypted(counter=1, nonce_s=NONCE)))
    fields = encrypted(push_encrypted(Encrypted(counter=2)))
    data = signed(request(subtype=Subtype.NOTIFICATION, notification=SUCCESS_NOTIFIED, **fields))
    assert answered(device, data).subtype is Subtype.CLIENT_ERROR
    assert device.notified is None


def test_a_device_may_leave_the_empty_checkcode_out() -> None:
    assert answered(peer(), CHALLENGE).checkcode is None
    assert answered(peer(PeerOptions()), CHALLENGE).checkcode == b""


def test_the_identity_that_was_begun_with_can_be_chosen() -> None:
    device = peer()
    assert device.begin(b"0other") == b"0other"
    assert answered(device, CHALLENGE).subtype is Subtype.CLIENT_ERROR
