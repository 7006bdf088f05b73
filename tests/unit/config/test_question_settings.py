"""What is wrong with the settings of questions out of band."""

from __future__ import annotations

from pathlib import Path

import pytest

from simgrant.compose.questions import asked_tenants, believed
from simgrant.config import texts
from simgrant.config.load import Loaded, load
from simgrant.config.questions import Questions
from simgrant.domain.camara.access_token import Method
from simgrant.errors import StartRefused
from simgrant.wire.sms_text import fits

CAMARA = '[camara]\nlisten = "127.0.0.1:0"\n'
WHOLE = """
gateway = "[::1]:2775"
system_id = "me"
password_file = "password"
source = "8095"
"""
HOME = f"{CAMARA}[questions.home]{WHOLE}"


def loaded(place: Path, text: str) -> Loaded:
    path = place / "simgrant.toml"
    path.write_text(text)
    return load(path, {})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"{CAMARA}[questions.home]", "questions.home: gateway must be set"),
        (f"[questions.home]{WHOLE}", "questions.home: nobody asks without camara.listen"),
        (HOME.replace(":2775", ""), "questions.home.gateway: '[::1]' is not host:port"),
        (HOME + 'by = "mail"', "there are sms, ussd"),
        (HOME + "digits = 3", "questions.home.digits: 3 is not within 4 to 8"),
        (HOME + "per_hour = 0", "questions.home.per_hour: 0 is not within 1 to 60"),
        (HOME + 'tenants = ["no"]', "questions.home: there is no tenant no"),
        (f"{HOME}[questions.roam]{WHOLE}", "questions.home has the tenants that no table names"),
        (HOME + 'text = { en = "{consumer} {purpose}?" }', "text.en: has no {code}"),
        (HOME + 'text = { en = "{purpose} {code}?" }', "text.en: has no {consumer}"),
        (
            HOME + f'text = {{ en = "{"x" * 120} {{consumer}} {{purpose}} {{code}}" }}',
            "text.en: leaves no room for names in one short message",
        ),
        (HOME + f'purposes = {{ A = "{"x" * 60}" }}', "purposes.A: does not fit into one"),
        (HOME + 'purposes = { A = "" }', "purposes.A: does not fit into one"),
        (HOME + f'end_text = {{ en = "{"x" * 161}" }}', "end_text.en: does not fit"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(StartRefused) as raised:
        loaded(tmp_path, text)
    assert said in str(raised.value)


def test_whom_a_table_is_for(tmp_path: Path) -> None:
    tenants = '[tenants.blue]\nplmns = ["001-02"]\n[tenants.default]\nplmns = ["001-01"]\n'
    found = loaded(
        tmp_path,
        f'{HOME}{tenants}[questions.blue]{WHOLE}tenants = ["blue"]\nproves_numbers = true\n',
    )
    assert asked_tenants(found, "blue") == ("blue",)
    assert asked_tenants(found, "home") == ("default",)
    assert believed(found, "blue") == {Method.CHALLENGE}
    assert believed(found, "default") == set()


def test_texts_that_come_with_it_are_cheap() -> None:
    for by in ("sms", "ussd"):
        for text in Questions(by=by).texts.values():
            assert "{consumer}" in text
            assert text.isascii()
    assert all(map(fits, texts.QUESTION_END.values()))
