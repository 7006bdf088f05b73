"""Texts as short messages: what a person is to read comes out again, and fits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgrant.config import texts
from simgrant.wire.sms_text import fits, pull_text, push_text


@given(st.text(st.characters(codec="utf-16"), max_size=200))
def test_what_goes_in_comes_out_or_does_not_fit(text: str) -> None:
    try:
        coding, data = push_text(text)
    except ValueError:
        assert not fits(text)
        return
    assert fits(text)
    assert pull_text(coding, data) == text
    assert len(data) <= (160 if coding == 0 else 140)


@pytest.mark.parametrize("letter", "@$_[]{}^~|\\`é€ß")
def test_letters_on_which_alphabets_differ_go_as_utf_16(letter: str) -> None:
    assert push_text(letter)[0] == 8


def test_plain_letters_go_as_they_are() -> None:
    assert push_text("123456 is your code.") == (0, b"123456 is your code.")
    assert push_text("код") == (8, "код".encode("utf-16-be"))
    assert fits("x" * 160)
    assert not fits("x" * 161)
    assert fits("é" * 70)
    assert not fits("é" * 71)
    assert not fits("")


@given(st.integers(0, 255), st.binary(max_size=200))
def test_rubbish_is_a_value_error(coding: int, data: bytes) -> None:
    try:
        text = pull_text(coding, data)
    except ValueError:
        return
    assert coding in (0, 8)
    assert isinstance(text, str)


@pytest.mark.parametrize("language", texts.OTP)
def test_every_text_that_comes_with_simgrant_fits(language: str) -> None:
    assert fits(texts.OTP[language].replace("{code}", "0" * 10))
    assert texts.SIGN_IN_FAILED.keys() == texts.OTP.keys()
