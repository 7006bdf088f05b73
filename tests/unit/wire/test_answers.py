"""What people answer, and in which dialogue: whatever comes is an answer, or it is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgrant.wire.answer_text import MOST_BYTES, Answer, pull_answer, pull_text
from simgrant.wire.ussd import (
    SERVICE_OP,
    SESSION_INFO,
    BadDialogue,
    Dialogue,
    UssdOp,
    pull_dialogue,
    push_dialogue,
)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("YES 1234", Answer(True, "1234")),
        (" yes, 1234.\r\n", Answer(True, "1234")),
        ('"Ja: 0001"', Answer(True, "0001")),
        ("oui1234", Answer(True, "1234")),
        ("SÍ 1234", Answer(True, "1234")),
        ("yes", Answer(True, "")),
        ("1", Answer(True, "")),
        ("1 2345", Answer(True, "2345")),
        ("No!", Answer(False, "")),
        ("NEIN 1234", Answer(False, "1234")),
        ("2#", Answer(False, "")),
        ("stop", Answer(False, "")),
    ],
)
def test_answers(text: str, answer: Answer) -> None:
    assert pull_answer(text) == answer
    assert "1" not in repr(answer)


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "1234", "2345", "3", "12", "yesterday", "yes no", "no yes", "yes 123456789"),
        *("ye s", "yes 12 34", "yes 1234 please", "\u0662", "yes \uff11\uff12", "n\u043e", "me"),
    ],
)
def test_what_is_no_answer(text: str) -> None:
    assert pull_answer(text) is None


WORDS = st.sampled_from(
    ["yes", "No", "1", "2", "12", "0001", "\u0661", " ", ".", "\n", "Si\u0301", "x"]
)


@given(st.lists(WORDS, max_size=12).map("".join))
def test_any_text_is_an_answer_or_none(text: str) -> None:
    answer = pull_answer(text)
    assert answer is None or answer.code == "" or answer.code.isascii()


BYTES = st.binary(max_size=MOST_BYTES + 20)


@given(BYTES, st.integers(min_value=0, max_value=255), st.integers(min_value=0, max_value=255))
def test_any_bytes_are_a_text_or_none(data: bytes, coding: int, esm_class: int) -> None:
    text = pull_text(data, coding=coding, esm_class=esm_class)
    if len(data) > MOST_BYTES or esm_class & 0x3C or coding not in (0, 1, 3, 8):
        assert text is None
    elif text is not None:
        pull_answer(text)


@pytest.mark.parametrize(
    ("coding", "data"),
    [(0, b"SI 1234"), (1, b"si 1234"), (3, b"s\xed 1234"), (8, "sí 1234".encode("utf-16-be"))],
)
def test_alphabets(coding: int, data: bytes) -> None:
    text = pull_text(data, coding=coding, esm_class=0)
    assert text is not None
    assert pull_answer(text) == Answer(True, "1234")


def test_a_header_is_no_text() -> None:
    header = b"\x05\x00\x03\x01\x02\x01"
    assert pull_text(header + b"NO", coding=0, esm_class=0x40) == "NO"
    assert pull_text(b"\xff", coding=0, esm_class=0x40) == ""
    assert pull_text(b"", coding=0, esm_class=0x40) == ""


DIALOGUES = st.builds(
    Dialogue,
    st.integers(min_value=0, max_value=255),
    st.integers(min_value=0, max_value=255),
    st.integers(min_value=0, max_value=127),
    st.booleans(),
)


@given(DIALOGUES)
def test_a_dialogue_is_read_as_it_was_written(dialogue: Dialogue) -> None:
    assert pull_dialogue(push_dialogue(dialogue)) == dialogue


def test_bits_of_a_dialogue() -> None:
    # SMPP 3.4 §5.3.2.43: NNNNNNNN SSSSSSSE; §5.3.2.44: 2 = USSR request.
    asked = push_dialogue(Dialogue(UssdOp.USSR_REQUEST, 0xA5, 1, True))
    assert asked == ((0x0501, b"\x02"), (0x1383, b"\xa5\x03"))
    for session, sequence in ((256, 0), (0, 128), (-1, 0)):
        with pytest.raises(ValueError, match="of such a number"):
            push_dialogue(Dialogue(UssdOp.USSR_REQUEST, session, sequence))


TLVS = st.lists(
    st.tuples(st.sampled_from([SERVICE_OP, SESSION_INFO, 0x0424, 0x1400]), st.binary(max_size=4)),
    max_size=5,
)


@given(TLVS)
def test_any_parameters_are_a_dialogue_or_none(tlvs: list[tuple[int, bytes]]) -> None:
    try:
        dialogue = pull_dialogue(tlvs)
    except BadDialogue:
        assert any(tag == SERVICE_OP for tag, _ in tlvs)
        return
    assert (dialogue is None) == all(tag != SERVICE_OP for tag, _ in tlvs)
