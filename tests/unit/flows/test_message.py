"""Questions in words: whatever a device shows, they are ones that it understands."""

from __future__ import annotations

import re
from base64 import b64decode
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgrant.config import texts
from simgrant.domain.order import Inquiry, Kind
from simgrant.domain.words import LANGUAGES
from simgrant.flows.message import Limits, Speech, message
from simgrant.wire.document import Parm

SPEECH = Speech(texts.esim(), "en")
numbers = st.integers(-1, 99_999)
NEEDED = ("Message", "Accept_btn", "Reject_btn", "Accept_freetext")
"""Without one of these, Android shows nothing."""


@given(
    languages=st.lists(st.sampled_from([*LANGUAGES, "nl", "de-at"]), max_size=3),
    inquiry=st.sampled_from(Inquiry),
    kind=st.sampled_from(Kind),
    limits=st.builds(Limits, numbers, numbers, numbers, numbers, numbers, numbers),
)
def test_a_question_is_whole_and_fits(
    languages: list[str], inquiry: Inquiry, kind: Kind, limits: Limits
) -> None:
    made = message(SPEECH, languages, inquiry, kind, limits)
    found = {item.name: item.value for item in cast("tuple[Parm, ...]", made.items)}
    assert all(found[name] for name in NEEDED)
    assert all(found.values())
    assert found["Accept_freetext"] == ("1" if inquiry is Inquiry.PIN else "0")
    for name, most in (
        ("Title", limits.title),
        ("Message", limits.message),
        ("Accept_btn_label", limits.accept),
        ("Reject_btn_label", limits.reject),
        ("Accept_freetext_hint", limits.hint),
        ("Accept_freetext_validation_failed_error_text", limits.error),
    ):
        assert most < 1 or len(found.get(name, "")) <= most
    if inquiry is Inquiry.PIN:
        encoded = found["Accept_freetext_validation"].removeprefix("encodedValue=")
        assert re.search(b64decode(encoded, validate=True).decode(), "1234")


@given(st.text() | st.from_regex(r"(-?[0-9]{1,6} ?,){4,6}-?[0-9]{1,6}", fullmatch=True))
def test_every_text_is_six_limits_or_none(text: str) -> None:
    found = Limits.pull(text)
    each = (found.title, found.message, found.accept, found.reject, found.hint, found.error)
    assert all(-1 <= number <= 99_999 for number in each)
    if each != (-1,) * 6:
        assert tuple(map(int, text.split(","))) == each


@pytest.mark.parametrize("name", texts.esim())
def test_each_text_is_there_in_each_language_and_none_has_what_phones_cannot_show(
    name: str,
) -> None:
    said = texts.esim()[name]
    assert set(said) == set(LANGUAGES)
    assert not any(re.search(r'[<"\r\n\t]', text) for text in said.values())
