"""Activation codes (SGP.22 §4.1)."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgrant.wire.activation_code import (
    ActivationCode,
    BadActivationCode,
    pull_activation_code,
    push_activation_code,
    push_parameter,
)

HOST, ID = "smdp.example.com", "QR-G-5C-1LS-1W1Z9P7"
CASES = [
    (f"1${HOST}${ID}", ActivationCode(HOST, ID)),
    (f"1${HOST}$", ActivationCode(HOST)),
    (f"1${HOST}${ID}$1.3.6.1.4.1.31746", ActivationCode(HOST, ID, "1.3.6.1.4.1.31746")),
    (f"1${HOST}${ID}$1.3.6.1.4.1.31746$1", ActivationCode(HOST, ID, "1.3.6.1.4.1.31746", True)),
    (f"1${HOST}${ID}$$1", ActivationCode(HOST, ID, needs_confirmation=True)),
]


@pytest.mark.spec("SGP.22 §4.1")
@pytest.mark.parametrize(("text", "code"), CASES)
def test_a_code_is_written_and_read_with_its_prefix_and_without(
    text: str, code: ActivationCode
) -> None:
    assert push_activation_code(code, prefix=False) == text
    assert push_activation_code(code) == f"LPA:{text}"
    assert pull_activation_code(text) == code
    assert pull_activation_code(f"LPA:{text}") == code
    assert pull_activation_code(f"lpa:{text}") == code


@pytest.mark.spec("TS.43 §6.5.3")
def test_the_parameter_is_base64_of_the_text_with_its_prefix() -> None:
    assert base64.b64decode(push_parameter(ActivationCode(HOST, ID))) == (
        f"LPA:1${HOST}${ID}".encode()
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "LPA:",
        "1",
        f"1${HOST}",
        f"2${HOST}${ID}",
        f"1$${ID}",
        f"1${HOST}${ID.lower()}",
        f"1${HOST}${ID}$$0",
        f"1${HOST}${ID}$$1$1",
        f"1${HOST}${ID}$oid",
        f"1$https://{HOST}/${ID}",
        f"1${HOST}${ID}\n",
        f"1${HOST}${'A' * 2000}",
    ],
)
def test_what_is_no_code_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(BadActivationCode) as raised:
        pull_activation_code(text)
    assert ID not in str(raised.value)


def test_the_matching_id_is_not_shown() -> None:
    assert ID not in repr(ActivationCode(HOST, ID))


@pytest.mark.parametrize(
    "made", [("a$b", ID), ("", ID), (HOST, "a$b"), (HOST, ID, "1.2$3"), (HOST, ID, "1.2.")]
)
def test_one_that_could_not_be_read_back_cannot_be_made(made: tuple[str, ...]) -> None:
    address, matching_id, oid = (*made, "")[:3]
    with pytest.raises(BadActivationCode):
        ActivationCode(address, matching_id, oid)


@given(
    st.from_regex(r"[a-z0-9]{1,20}(\.[a-z0-9]{1,20}){0,3}", fullmatch=True),
    st.from_regex(r"[-0-9A-Z]{0,60}", fullmatch=True),
    st.just("") | st.from_regex(r"[0-2](\.[0-9]{1,5}){1,9}", fullmatch=True),
    st.booleans(),
)
def test_every_code_is_read_back(host: str, matching_id: str, oid: str, confirmed: bool) -> None:
    code = ActivationCode(host, matching_id, oid, confirmed)
    assert pull_activation_code(push_activation_code(code)) == code


@given(st.text(max_size=80) | st.lists(st.text(max_size=8), max_size=6).map("$".join))
def test_any_text_is_a_code_or_none(text: str) -> None:
    try:
        code = pull_activation_code(text)
    except BadActivationCode:
        return
    assert pull_activation_code(push_activation_code(code)) == code
