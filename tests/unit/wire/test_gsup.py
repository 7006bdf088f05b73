"""The GSUP codec: what OsmoHLR wrote, round trips, and bytes of nobody."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgrant.wire.gsup import (
    CCM,
    MOST_BYTES,
    MOST_VECTORS,
    AuthInfoAnswer,
    AuthInfoRequest,
    BadGsup,
    Ccm,
    Frame,
    Quintuple,
    Splitter,
    is_answer,
    is_name,
    pull_answer,
    pull_identity,
    pull_request,
    push_answer,
    push_ccm,
    push_frame,
    push_gsup,
    push_identity,
    push_request,
)
from tests.vectors import load

FOREIGN = {case["name"]: bytes.fromhex(case["frame"]) for case in load("gsup")}
IMSI = "001010000000001"
IMSIS = st.text("0123456789", min_size=1, max_size=15)
SESSIONS = st.none() | st.integers(0, (1 << 32) - 1)
PARTS = st.binary(max_size=30)
ANSWERS = st.builds(
    AuthInfoAnswer,
    IMSIS,
    SESSIONS,
    st.lists(st.builds(Quintuple, PARTS, PARTS, PARTS, PARTS, PARTS), max_size=MOST_VECTORS).map(
        tuple
    ),
)
ERRORS = st.builds(AuthInfoAnswer, IMSIS, SESSIONS, cause=st.integers(0, 255))


def message(name: str) -> bytes:
    """Return the GSUP in a frame that OsmoHLR sent."""
    (frame,) = Splitter().feed(FOREIGN[name])
    assert frame.gsup is not None
    return frame.gsup


# --- what OsmoHLR wrote ------------------------------------------------------------------------


def test_osmohlr_asks_who_we_are() -> None:
    assert Splitter().feed(FOREIGN["identity-request"]) == [
        Frame(CCM, bytes.fromhex("0401080107010201030104010501010100"))
    ]


def test_a_vector_of_osmohlr_has_all_five_parts() -> None:
    told = pull_answer(message("result"))
    assert (told.imsi, told.session, told.cause) == (IMSI, 0x01020304, None)
    assert len(told.vectors) == 5
    first = told.vectors[0]
    assert first.rand.hex() == "be363ba882f54948a7c1e1237d63e9ac"
    assert first.autn.hex() == "961163436fdc0000032989e0add84505"
    assert first.res.hex() == "e5c734c9bb0c538c"
    assert first.ck.hex() == "970333f7a333df07fc452ff973813da2"
    assert first.ik.hex() == "993bde06d60cac4c34750edf5df95624"


def test_osmohlr_sets_the_separation_bit_for_who_is_on_e_utran() -> None:
    for vector in pull_answer(message("result-separated")).vectors:
        assert vector.autn[6:8] == b"\x80\x00"


def test_a_triplet_of_osmohlr_has_no_autn() -> None:
    told = pull_answer(message("result-gsm"))
    assert [(v.autn, v.res, v.ck, v.ik) for v in told.vectors] == [(b"", b"", b"", b"")] * 5


def test_an_error_of_osmohlr_has_its_cause() -> None:
    told = pull_answer(message("error"))
    assert told == AuthInfoAnswer("001010000000002", 0x01020304, (), 2)


def test_our_requests_are_those_that_osmohlr_took() -> None:
    resync = AuthInfoRequest(IMSI, 0x01020304, rand=bytes(16), auts=bytes(14))
    assert push_gsup(push_request(resync)) == FOREIGN["request-resync"]
    separated = AuthInfoRequest(IMSI, 0x01020304, separated=True)
    assert push_gsup(push_request(separated)) == FOREIGN["request-separated"]


# --- round trips -------------------------------------------------------------------------------


@given(ANSWERS | ERRORS)
def test_answers_survive(told: AuthInfoAnswer) -> None:
    data = push_answer(told)
    assert is_answer(data)
    assert pull_answer(data) == told


@given(
    st.builds(
        AuthInfoRequest,
        IMSIS,
        SESSIONS,
        st.booleans(),
        st.binary(min_size=16, max_size=16),
        st.binary(min_size=14, max_size=14),
    )
    | st.builds(AuthInfoRequest, IMSIS, SESSIONS, st.booleans())
)
def test_requests_survive(asked: AuthInfoRequest) -> None:
    assert pull_request(push_request(asked)) == asked


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=64))
def test_names_survive(name: str) -> None:
    assert is_name(name)
    (frame,) = Splitter().feed(push_identity(name))
    assert frame.data[0] == Ccm.IDENTITY_RESPONSE
    assert pull_identity(frame.data[1:]) == name


@given(
    st.lists(st.builds(Frame, st.integers(0, 255), st.binary(max_size=300)), max_size=6),
    st.integers(1, 50),
)
def test_frames_come_out_however_they_are_cut(frames: list[Frame], size: int) -> None:
    data = b"".join(push_frame(each.stream, each.data) for each in frames)
    splitter = Splitter()
    found = []
    for at in range(0, len(data), size):
        found += splitter.feed(data[at : at + size])
    assert found == frames


# --- bytes of nobody ---------------------------------------------------------------------------


@given(st.binary(max_size=600) | st.binary(max_size=600).map(lambda data: b"\x0a" + data))
def test_any_bytes_are_an_answer_or_one_error(data: bytes) -> None:
    with contextlib.suppress(BadGsup):
        pull_answer(data)
    with contextlib.suppress(BadGsup):
        pull_request(b"\x08" + data)
    with contextlib.suppress(BadGsup):
        pull_identity(data)


@given(ANSWERS | ERRORS, st.data())
def test_a_damaged_answer_is_an_answer_or_one_error(
    told: AuthInfoAnswer, data: st.DataObject
) -> None:
    whole = bytearray(push_answer(told))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(BadGsup):
        pull_answer(bytes(whole[: data.draw(st.integers(0, len(whole)))]))


@given(st.lists(st.binary(max_size=50)))
def test_any_stream_is_frames_or_one_error(pieces: list[bytes]) -> None:
    splitter = Splitter()
    with contextlib.suppress(BadGsup):
        for piece in pieces:
            splitter.feed(piece)


def test_a_frame_that_is_too_long_is_refused_by_its_head() -> None:
    assert Splitter().feed(push_frame(0, bytes(MOST_BYTES)))
    with pytest.raises(BadGsup, match="too long"):
        Splitter().feed((MOST_BYTES + 1).to_bytes(2, "big") + b"\0")


def test_what_is_in_no_frame_of_gsup_is_no_gsup() -> None:
    for frame in (push_ccm(Ccm.PING), push_frame(0xEE, b""), push_frame(0xEE, b"\x04\x0a")):
        assert Splitter().feed(frame)[0].gsup is None


WHOLE = push_answer(AuthInfoAnswer(IMSI, 7, (Quintuple(b"r", b"a", b"x", b"c", b"i"),)))


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "no answer"),
        (b"\x08" + WHOLE[1:], "no answer"),
        (b"\x0a", "no IMSI"),
        (b"\x09" + WHOLE[1:], "without a cause"),
        (b"\x0a\x01\x08" + b"\x99" * 8, "no IMSI"),
        (b"\x0a\x01\x02\x1a\xf0", "no IMSI"),
        (b"\x0a\x01\x01\xff", "no IMSI"),
        (WHOLE[:-1], "beyond its end"),
        (WHOLE + b"\x02", "beyond its end"),
        (WHOLE + b"\x31\x01\x03", "comes twice"),
        (WHOLE + b"\x30\x04\0\0\0\x07", "comes twice"),
        (b"\x0a\x01\x01\x10\x30\x03\0\0\0", "four bytes"),
        (WHOLE + b"\x03\x00" * MOST_VECTORS, "too many vectors"),
        (WHOLE + b"\x03\x02\x20\x01", "beyond its end"),
    ],
)
def test_what_is_wrong_is_said_without_a_value(data: bytes, text: str) -> None:
    with pytest.raises(BadGsup, match=text) as raised:
        pull_answer(data)
    assert IMSI not in str(raised.value)


def test_elements_that_nobody_knows_are_passed_over() -> None:
    assert pull_answer(WHOLE + b"\x77\x02ab").session == 7


@pytest.mark.parametrize(
    "data", [b"", b"\0", b"\0\0\0", b"\0\x02\x00\0", b"\0\x03\x01a\0", b"\0\x09\0a"]
)
def test_an_identity_needs_a_serial_number(data: bytes) -> None:
    with pytest.raises(BadGsup):
        pull_identity(data)


@pytest.mark.parametrize("name", ["", "a b", "a\nb", "é", "x" * 65])
def test_what_is_no_name(name: str) -> None:
    assert not is_name(name)


def test_nothing_secret_is_shown() -> None:
    told = AuthInfoAnswer(IMSI, 7, (Quintuple(b"rand", b"autn", b"res", b"ck", b"ik"),))
    asked = AuthInfoRequest(IMSI, 7, rand=b"rand", auts=b"auts")
    shown = f"{told!r} {told.vectors[0]!r} {asked!r} {Frame(0, b'rand')!r}"
    assert IMSI not in shown
    for secret in ("rand'", "autn'", "res'", "ck'", "ik'", "auts'"):
        assert secret not in shown
