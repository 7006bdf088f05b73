"""What a person reads: one message that says who asks and what for, of nobody else's words."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgrant.config import texts
from simgrant.flows.camara.questions import QuestionRules, _text
from simgrant.flows.camara.refusals import OAuthRefused
from simgrant.wire.sms_text import fits, plain

SMS = QuestionRules(text=texts.QUESTION_SMS["en"], purposes={"ServiceProvision": "to serve you"})
NAMES = st.text(st.characters(max_codepoint=0x4FF, exclude_categories=["Cc", "Cs"]), max_size=128)


def test_purposes_are_called_by_their_own_words() -> None:
    text = _text(SMS, "Bank", "FraudPreventionAndDetection", "0042")
    assert text.startswith("Bank wants to know that it is you (fraud prevention and detection). ")
    assert "YES 0042" in text
    assert "(to serve you)" in _text(SMS, "Bank", "ServiceProvision", "0042")


@given(NAMES, st.sampled_from(sorted(texts.QUESTION_SMS)))
def test_any_name_is_cut_to_one_message(name: str, language: str) -> None:
    rules = QuestionRules(text=texts.QUESTION_SMS[language])
    if len(plain(name)) * 2 <= len(name) and plain(name) != name:
        # Its letters take the room of two each: it fits, or it is refused.
        with suppress(OAuthRefused):
            assert fits(_text(rules, name, "FraudPreventionAndDetection", "0042"))
        return
    text = _text(rules, name, "FraudPreventionAndDetection", "0042")
    assert fits(text)
    assert "0042" in text


def test_a_name_is_no_template() -> None:
    assert "{code} {purpose}" not in texts.QUESTION_SMS["en"]
    text = _text(SMS, "{code} {purpose}", "ServiceProvision", "0042")
    assert text.startswith("code purpose wants")
    assert text.count("0042") == 1
    assert text.count("to serve you") == 1


def test_an_accent_costs_no_room() -> None:
    text = _text(SMS, "Crédit Île", "ServiceProvision", "0042")
    assert text.startswith("Credit Ile wants")


def test_a_purpose_that_does_not_fit_is_refused() -> None:
    with pytest.raises(OAuthRefused):
        _text(SMS, "Bank", "A" + "bc" * 60, "0042")


@pytest.mark.parametrize("language", sorted(texts.CONSENT_SMS))
def test_who_is_asked_for_a_consent_reads_by_whom(language: str) -> None:
    text = texts.CONSENT_SMS[language].replace("{code}", "0" * 10)
    assert text.startswith("0000000000 ")
    assert fits(text.replace("{consumer}", "x" * 20))
