"""Whether a consumer may process something, by legal basis and what was said."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgrant.domain.camara.consent import (
    Basis,
    ConsentEntry,
    Purposes,
    Said,
    Standing,
    last_said,
    standing,
)

GIVEN = ConsentEntry(
    client_id="bank", purpose="Fraud", api="sim-swap", number=1, said=Said.GIVEN, at=100
)
entries = st.lists(
    st.builds(
        ConsentEntry,
        client_id=st.sampled_from(["bank", "shop"]),
        application=st.sampled_from(["", "a", "b"]),
        purpose=st.sampled_from(["Fraud", "Service"]),
        api=st.sampled_from(["sim-swap", "number-verification"]),
        number=st.integers(1, 5),
        said=st.sampled_from(Said),
        at=st.integers(1, 50),
        expires_at=st.none() | st.integers(1, 100),
    ),
    max_size=12,
)


@pytest.mark.parametrize(
    ("basis", "said", "stands"),
    [
        (Basis.CONSENT, None, Standing.PENDING),
        (Basis.CONSENT, Said.REQUESTED, Standing.REQUESTED),
        (Basis.CONSENT, Said.GIVEN, Standing.VALID),
        (Basis.CONSENT, Said.DENIED, Standing.DENIED),
        (Basis.CONSENT, Said.WITHDRAWN, Standing.DENIED),
        (Basis.LEGITIMATE_INTEREST, None, Standing.VALID),
        (Basis.LEGITIMATE_INTEREST, Said.REQUESTED, Standing.VALID),
        (Basis.LEGITIMATE_INTEREST, Said.GIVEN, Standing.VALID),
        (Basis.LEGITIMATE_INTEREST, Said.DENIED, Standing.OBJECTED),
        (Basis.LEGITIMATE_INTEREST, Said.WITHDRAWN, Standing.OBJECTED),
        (Basis.CONTRACT, Said.WITHDRAWN, Standing.VALID),
        (Basis.LEGAL_OBLIGATION, None, Standing.VALID),
    ],
)
def test_what_stands_by_basis_and_word(basis: Basis, said: Said | None, stands: Standing) -> None:
    last = None if said is None else replace(GIVEN, said=said)
    assert standing(basis, last, now=200) is stands


def test_what_was_given_ends_on_the_second() -> None:
    last = replace(GIVEN, expires_at=200)
    assert standing(Basis.CONSENT, last, now=199) is Standing.VALID
    assert standing(Basis.CONSENT, last, now=200) is Standing.EXPIRED


def test_what_is_not_named_needs_consent() -> None:
    purposes = Purposes(
        bases={("fraud", ""): Basis.CONTRACT, ("fraud", "sim-swap"): Basis.LEGITIMATE_INTEREST}
    )
    assert purposes.basis("Fraud", "sim-swap") is Basis.LEGITIMATE_INTEREST
    assert purposes.basis("Fraud", "kyc-tenure") is Basis.CONTRACT
    assert purposes.basis("Service", "sim-swap") is Basis.CONSENT
    assert Purposes().basis("Fraud", "sim-swap") is Basis.CONSENT


@given(entries, st.sampled_from(["", "a"]))
def test_only_words_about_the_same_count_and_the_last_of_them_does(
    said: list[ConsentEntry], application: str
) -> None:
    last = last_said(
        said, client_id="bank", application=application, purpose="Fraud", api="sim-swap"
    )
    same = [
        each
        for each in said
        if (each.client_id, each.purpose, each.api) == ("bank", "Fraud", "sim-swap")
        and each.application in {"", application}
    ]
    if last is None:
        assert not same
        return
    assert last in same
    for other in same:
        if other.application == last.application:
            assert other.number <= last.number
        elif all(
            each.number <= other.number for each in same if each.application == other.application
        ):
            assert other.at <= last.at


def test_a_clock_that_is_behind_takes_nothing_back() -> None:
    about = {"client_id": "bank", "application": "", "purpose": "Fraud", "api": "sim-swap"}
    withdrawn = replace(GIVEN, number=2, said=Said.WITHDRAWN, at=GIVEN.at - 3)
    assert last_said([GIVEN, withdrawn], **about) is withdrawn
    assert last_said([withdrawn, GIVEN], **about) is withdrawn


def test_within_one_second_a_no_is_the_later_one() -> None:
    about = {"client_id": "bank", "application": "a", "purpose": "Fraud", "api": "sim-swap"}
    for one, other in (("", "a"), ("a", "")):
        given = replace(GIVEN, number=5, application=one)
        denied = replace(GIVEN, said=Said.DENIED, application=other)
        assert last_said([given, denied], **about) is denied
        assert last_said([denied, given], **about) is denied
