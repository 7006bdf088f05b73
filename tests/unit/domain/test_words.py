"""Texts that subscribers read: every shipped one in every shipped language, and a tenant's own."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgrant.domain.policy import PolicyError, default_policy, default_policy_text
from simgrant.domain.words import LANGUAGES, Words
from simgrant.domain.words_file import read_words
from simgrant.services import SERVICES

SERVICE_TEXTS = {app_id: service.texts for app_id, service in SERVICES.items()}
SHIPPED = {
    **{
        f"policy.{name}": text
        for name, text in tomllib.loads(default_policy_text())["texts"].items()
    },
    **{
        f"{app_id}.{name}": text
        for app_id, texts in SERVICE_TEXTS.items()
        for name, text in texts.items()
    },
}


def read(text: str) -> Words:
    return read_words(text, language="en", services=SERVICE_TEXTS)


def problems(text: str) -> str:
    with pytest.raises(PolicyError) as refused:
        default_policy(read(text))
    return str(refused.value)


@pytest.mark.parametrize("text", SHIPPED.values(), ids=SHIPPED)
def test_every_shipped_text_is_there_in_every_shipped_language(text: dict[str, str]) -> None:
    assert tuple(text) == LANGUAGES
    if " " in text["en"]:  # A single word may be the same in several languages.
        assert len(set(text.values())) == len(LANGUAGES), "nothing is left untranslated"


def test_every_rule_of_the_shipped_policy_takes_its_text_from_there() -> None:
    for rule in default_policy().rules:
        assert not rule.texts or rule.texts in SHIPPED.values(), rule.id


def test_words_add_languages_and_change_texts() -> None:
    words = read(
        '[policy.suspended]\nnl = "Geschorst."\nen = "Call us."\n[ap2004.no_page]\nnl = "x"'
    )
    rules = {rule.id: rule for rule in default_policy(words).rules}
    assert rules["suspended"].texts["nl"] == "Geschorst."
    assert rules["suspended"].texts["en"] == "Call us."
    assert rules["suspended"].texts["de"] == SHIPPED["policy.suspended"]["de"]
    assert "nl" not in rules["no-volte"].texts
    assert words.of("ap2004", "no_page", {"en": "y"}) == {"en": "y", "nl": "x"}
    assert words.of("ap2005", "no_page", {"en": "y"}) == {"en": "y"}


def test_words_reach_what_plans_say_too() -> None:
    plan = default_policy(read('[policy.billing_title]\nnl = "x"')).plan("premium")
    assert plan.billing is not None
    assert plan.billing.terms.title == {**SHIPPED["policy.billing_title"], "nl": "x"}


def test_words_change_no_decision() -> None:
    plain, worded = default_policy(), default_policy(read('[policy.suspended]\nnl = "x"'))
    assert plain.version == worded.version
    assert [rule.when for rule in plain.rules] == [rule.when for rule in worded.rules]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x", "is not TOML"),
        ('[polcy.suspended]\nnl = "x"', '"polcy" is neither policy nor a served AppID'),
        ('[policy.suspendid]\nnl = "x"', 'unknown name "suspendid"; did you mean "suspended"?'),
        ('[ap2004.nopage]\nnl = "x"', 'ap2004: unknown name "nopage"; did you mean "no_page"?'),
        ("policy = 1", "policy: must be a table"),
        ("[policy]\nsuspended = 1", "policy.suspended: must be a table"),
        ('[policy.suspended]\n"n l" = "x"', "is no language tag"),
        ("[ap2004.no_page]\nnl = '<b>'", "must not hold <"),
        ("[ap2004.no_page]\nnl = ''", "must be a text of 1 to 500"),
        ("[policy.suspended]\nnl = 1", "must be a text"),
        ("#" * ((1 << 20) + 1), "is larger than"),
        ("a = " + "[" * 5000, "nested too deep"),
    ],
)
def test_what_is_wrong_with_a_file(text: str, said: str) -> None:
    assert said in problems(text)


@given(st.text(max_size=200) | st.binary(max_size=100).map(lambda data: data.decode("latin-1")))
def test_any_text_is_words_or_refused(text: str) -> None:
    try:
        default_policy(read(text))
    except PolicyError:
        return
