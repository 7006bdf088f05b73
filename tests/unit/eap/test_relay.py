"""What passes between a phone and an EAP server that is not ours."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgrant.eap import machine
from simgrant.eap.packet import (
    Code,
    IdentityRequest,
    Packet,
    Res,
    Subtype,
    Variant,
    pull_packet,
    push_packet,
    push_plain_challenge,
)
from simgrant.eap.relay import (
    Answered,
    NoWay,
    Shown,
    from_phone,
    from_server,
    is_success,
    push_identity,
)

WHO = b"0001010000000001@nai.epc.mnc001.mcc001.3gppnetwork.org"
CHALLENGE = push_plain_challenge(7, rand=bytes(16), autn=bytes(16))


def packet(code: Code, subtype: Subtype, **more: object) -> bytes:
    fixed = {"code": code, "identifier": 7, "variant": Variant.AKA, "subtype": subtype}
    return push_packet(Packet(**{**fixed, **more}))  # type: ignore[arg-type]


def test_a_conversation_begins_as_rfc_3748_has_it() -> None:
    assert push_identity(3, b"0me") == b"\x02\x03\x00\x08\x010me"


def test_a_challenge_is_shown() -> None:
    assert from_server(CHALLENGE, WHO, Variant.AKA) == Shown(7)


def test_who_it_is_is_answered_and_a_server_understands_it() -> None:
    asked = from_server(b"\x01\x09\x00\x05\x01", WHO, Variant.AKA)
    assert asked == Answered(push_identity(9, WHO))
    # The machine of ours in the place of the server: it goes on after the answer.
    options = machine.Options(identity_rounds=True, ask_identity=True)
    aka, action = machine.step(machine.Aka.new(), machine.IdentityGiven(WHO), options)
    assert isinstance(action, machine.SendPacket)
    said = from_server(action.data, WHO, Variant.AKA)
    assert isinstance(said, Answered)
    assert pull_packet(said.packet).identity == WHO
    _, action = machine.step(aka, machine.PacketReceived(said.packet), options)
    assert isinstance(action, machine.FetchVector)


REQUEST = Code.REQUEST
NOT_SHOWN = [
    (b"", NoWay.NO_REQUEST),
    (b"\x03\x01\x00\x04", NoWay.NO_REQUEST),
    (CHALLENGE + b"\0", NoWay.NO_REQUEST),
    (b"\x02" + CHALLENGE[1:], NoWay.NO_REQUEST),
    (b"\x01\x07\x00\x06\x0d\x20", NoWay.OTHER_METHOD),
    (CHALLENGE[:4] + b"\x32" + CHALLENGE[5:], NoWay.OTHER_METHOD),
    (b"\x01\x07\x00\x08\x17\x01\x00\x00", NoWay.NO_RAND),
    (b"\x01\x07\x00\x07\x17\x01\x00", NoWay.MALFORMED),
    (packet(REQUEST, Subtype.NOTIFICATION, notification=16384), NoWay.NOTIFICATION),
    (packet(REQUEST, Subtype.REAUTHENTICATION, mac=bytes(16)), NoWay.REAUTHENTICATION),
    (packet(REQUEST, Subtype.IDENTITY), NoWay.OTHER_MESSAGE),
    (packet(REQUEST, Subtype.CLIENT_ERROR, client_error=0), NoWay.OTHER_MESSAGE),
]


@pytest.mark.parametrize(("data", "fault"), NOT_SHOWN)
def test_anything_else_is_no_way(data: bytes, fault: NoWay) -> None:
    assert from_server(data, WHO, Variant.AKA) is fault


RESPONSE = Code.RESPONSE
RIGHT = packet(RESPONSE, Subtype.CHALLENGE, res=Res(bytes(8), 64), mac=bytes(16))
OF_PHONES = [
    (RIGHT, Subtype.CHALLENGE),
    (
        packet(RESPONSE, Subtype.SYNCHRONIZATION_FAILURE, auts=bytes(14)),
        Subtype.SYNCHRONIZATION_FAILURE,
    ),
    (packet(RESPONSE, Subtype.AUTHENTICATION_REJECT), Subtype.AUTHENTICATION_REJECT),
    (packet(RESPONSE, Subtype.CLIENT_ERROR, client_error=0), Subtype.CLIENT_ERROR),
    (packet(RESPONSE, Subtype.CHALLENGE), NoWay.MALFORMED),
    (packet(RESPONSE, Subtype.SYNCHRONIZATION_FAILURE), NoWay.MALFORMED),
    (packet(RESPONSE, Subtype.IDENTITY, identity=WHO), NoWay.UNEXPECTED),
    (RIGHT[:-1], NoWay.MALFORMED),
    (RIGHT[:1] + b"\x08" + RIGHT[2:], NoWay.WRONG_HEADER),
    (b"\x01" + RIGHT[1:], NoWay.WRONG_HEADER),
    (RIGHT[:4] + b"\x32" + RIGHT[5:], NoWay.WRONG_HEADER),
]


@pytest.mark.parametrize(("data", "found"), OF_PHONES)
def test_only_answers_to_the_challenge_pass(data: bytes, found: Subtype | NoWay) -> None:
    assert from_phone(data, 7, Variant.AKA) is found


@given(st.one_of(st.binary(max_size=80), st.binary(max_size=60).map(lambda b: b"\x01\x07" + b)))
def test_no_bytes_raise(data: bytes) -> None:
    told = from_server(data, WHO, Variant.AKA)
    assert isinstance(told, Shown | Answered | NoWay)
    assert from_phone(data, 7, Variant.AKA) is not None
    assert is_success(data) is (data[:1] == b"\x03" and data[2:] == b"\0\x04")


@given(st.integers(0, 67), st.integers(1, 255))
def test_a_changed_challenge_is_judged_and_not_raised_at(at: int, change: int) -> None:
    data = bytearray(CHALLENGE)
    data[at] ^= change
    told = from_server(bytes(data), WHO, Variant.AKA)
    assert told == Shown(data[1]) or isinstance(told, NoWay | Answered)


def test_identity_requests_have_a_bound_in_the_packet_itself() -> None:
    for request in (IdentityRequest.ANY, IdentityRequest.FULLAUTH, IdentityRequest.PERMANENT):
        asked = packet(REQUEST, Subtype.IDENTITY, identity_request=request)
        assert isinstance(from_server(asked, WHO, Variant.AKA), Answered)
