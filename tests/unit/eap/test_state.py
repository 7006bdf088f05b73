"""The state as bytes: there and back, small, and nothing else gets in."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgrant.eap.machine import (
    NO_EXTRA,
    Aka,
    Extra,
    IdentityGiven,
    RejectReason,
    State,
    VectorFetched,
    Waiting,
    step,
)
from simgrant.eap.packet import IdentityRequest, Variant
from simgrant.eap.state import VERSION, MalformedState, pull_state, push_state
from simgrant.eap.vector import AuthVector

IDENTITY = b"0001010000000001@nai.epc.mnc001.mcc001.3gppnetwork.org"
VECTOR = AuthVector(b"r" * 16, b"a" * 16, b"x" * 8, b"c" * 16, b"i" * 16)
FULL = Extra(
    permanent=IDENTITY,
    messages=b"m" * 300,
    asked=IdentityRequest.PERMANENT,
    autn=b"a" * 16,
    kdf=1,
    k_encr=b"k" * 16,
    master=b"m" * 32,
    msk=b"1" * 64,
    emsk=b"2" * 64,
    next_pseudonym=b"2" * 253,
    next_reauth_id=b"4" * 253,
    counter=65535,
    nonce_s=b"n" * 16,
    failure=RejectReason.BAD_RES,
)


def challenged() -> Aka:
    aka, _ = step(Aka.new(), IdentityGiven(IDENTITY))
    aka, _ = step(aka, VectorFetched(VECTOR))
    return aka


@pytest.mark.parametrize(
    "aka",
    [
        Aka.new(),
        step(Aka.new(), IdentityGiven(IDENTITY))[0],
        challenged(),
        replace(challenged(), resynced=True, eap_id=255),
        replace(challenged(), extra=FULL),
        replace(challenged(), variant=Variant.AKA_PRIME, k_aut=b"k" * 32, extra=FULL),
        Aka(state=State.REAUTH, waiting=Waiting.PEER, k_aut=b"k" * 16, extra=FULL),
        Aka(state=State.FAILURE, waiting=Waiting.NOTHING),
    ],
    ids=range(8),
)
def test_there_and_back(aka: Aka) -> None:
    data = push_state(aka)
    assert pull_state(data) == aka
    for size in range(len(data)):
        with pytest.raises(MalformedState):
            pull_state(data[:size])
    with pytest.raises(MalformedState):
        pull_state(data + b"\0")


@pytest.mark.parametrize("reason", [None, *RejectReason])
def test_every_failure_there_and_back(reason: RejectReason | None) -> None:
    aka = replace(challenged(), extra=replace(FULL, failure=reason))
    assert pull_state(push_state(aka)).extra.failure is reason


def test_a_plain_challenge_holds_what_is_needed_and_no_more() -> None:
    aka = challenged()
    data = push_state(aka)
    assert len(data) == 10 + len(IDENTITY) + 16 + 8 + 16
    assert VECTOR.rand in data
    assert VECTOR.xres in data
    assert aka.k_aut in data
    for gone in (VECTOR.ck, VECTOR.ik, VECTOR.autn):
        assert gone not in data


def test_the_extra_of_a_plain_challenge_stays_the_shared_one() -> None:
    assert pull_state(push_state(challenged())).extra is NO_EXTRA
    assert pull_state(push_state(replace(challenged(), extra=Extra()))).extra is NO_EXTRA


@pytest.mark.parametrize("version", [0, VERSION + 1, 255])
def test_refuses_another_version(version: int) -> None:
    data = push_state(challenged())
    with pytest.raises(MalformedState, match="release"):
        pull_state(bytes((version,)) + data[1:])


@pytest.mark.parametrize(
    "wrong",
    [
        {"rand": b""},
        {"xres": b""},
        {"xres": b"123"},
        {"xres": b"x" * 17},
        {"k_aut": b""},
        {"k_aut": b"k" * 32},
        {"variant": Variant.AKA_PRIME},
        {"identity": b"0" * 254},
        {"waiting": Waiting.NOTHING},
        {"waiting": Waiting.IDENTITY},
        {"state": State.SUCCESS},
        {"state": State.REAUTH},
        {"state": State.NOTIFICATION, "k_aut": b""},
        {"extra": Extra(nonce_s=b"n" * 16)},
        {"extra": Extra(next_reauth_id=b"4x")},
        {"extra": Extra(next_pseudonym=b"2x")},
        {"extra": Extra(msk=b"m" * 64)},
        {"extra": Extra(k_encr=b"k")},
        {"extra": Extra(autn=b"a" * 15)},
        {"extra": Extra(permanent=b"0" * 254)},
    ],
    ids=str,
)
def test_refuses_parts_that_do_not_belong_together(wrong: dict[str, object]) -> None:
    aka = replace(challenged(), **wrong)  # type: ignore[arg-type]
    with pytest.raises(MalformedState):
        pull_state(push_state(aka))


@given(data=st.binary(max_size=200))
def test_any_bytes_give_a_state_or_malformed(data: bytes) -> None:
    for candidate in (data, bytes((VERSION,)) + data):
        try:
            aka = pull_state(candidate)
        except MalformedState:
            continue
        assert push_state(aka) == candidate


@given(at=st.integers(0, 2000), value=st.integers(0, 255), full=st.booleans())
def test_any_changed_byte_gives_a_state_or_malformed(at: int, value: int, full: bool) -> None:
    aka = replace(challenged(), extra=FULL if full else NO_EXTRA)
    data = bytearray(push_state(aka))
    data[at % len(data)] = value
    try:
        assert isinstance(pull_state(bytes(data)), Aka)
    except MalformedState:
        return


def test_the_error_does_not_repeat_the_bytes() -> None:
    with pytest.raises(MalformedState) as caught:
        pull_state(push_state(challenged())[:-1])
    assert "0101" not in str(caught.value)
