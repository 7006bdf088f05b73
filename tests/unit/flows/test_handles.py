"""Handles and page tokens: they come back as they were, and nothing else does (ADR 0025)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgrant.domain.visit import Step
from simgrant.errors import Unauthenticated
from simgrant.flows.handles import Handle, pull_handle, pull_page, push_handle, push_page
from simgrant.flows.tokens import decode, encode
from simgrant.identities import Imsi
from simgrant.keyring.ring import Key, KeyRing, Use

NOW = 1_795_000_000


class Ring:
    """Keys that never change."""

    def __init__(self, *tenants: str, seed: int = 1) -> None:
        keys = {
            tenant: [
                Key(f"{number:08x}", use, 0, 0, bytes([seed * 16 + number]) * 32)
                for number, use in enumerate(Use)
            ]
            for tenant in tenants
        }
        self.ring = KeyRing(keys, accept_for=1000)

    def refresh(self) -> bool:
        return False


KEYS = Ring("red", "blue")
TEXT = st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), max_size=60)
HANDLES = st.builds(
    Handle,
    st.sampled_from(["ap2004", "ap2010", "ap2012", "ap2016"]),
    st.text("0123456789", min_size=6, max_size=15).map(Imsi),
    TEXT,
    st.integers(0, 2**40),
    st.integers(0, 2**40),
    st.lists(TEXT, max_size=2).map(tuple),
)


@given(HANDLES, st.sampled_from(["red", "blue"]))
def test_a_handle_comes_back(handle: Handle, tenant: str) -> None:
    text = push_handle(handle, KEYS.ring, tenant, now=NOW)
    assert pull_handle(text, KEYS, now=NOW)[:2] == (tenant, handle)
    assert text == push_handle(handle, KEYS.ring, tenant, now=NOW), "a repeated answer is the same"
    assert handle.imsi.digits not in text


@given(HANDLES, HANDLES)
def test_each_handle_names_a_visit_of_its_own(one: Handle, other: Handle) -> None:
    visits = [
        pull_handle(push_handle(each, KEYS.ring, "red", now=NOW), KEYS, now=NOW)[2]
        for each in (one, other)
    ]
    assert (visits[0] == visits[1]) == (one == other)


@given(HANDLES, st.sampled_from(Step), TEXT)
def test_a_page_token_comes_back(handle: Handle, step: Step, shown: str) -> None:
    text = push_page(handle, b"v" * 16, step, shown=shown, ring=KEYS.ring, tenant="red", now=NOW)
    tenant, token = pull_page(text, KEYS, now=NOW + 99, life_s=100)
    assert (tenant, token.handle, token.step, token.shown) == ("red", handle, step, shown)
    assert token.visit == b"v" * 16
    assert handle.imsi.digits not in repr(token)
    with pytest.raises(Unauthenticated, match="page_expired"):
        pull_page(text, KEYS, now=NOW + 100, life_s=100)


@given(HANDLES, st.data())
def test_a_changed_one_is_none(handle: Handle, data: st.DataObject) -> None:
    page = push_page(handle, b"v" * 16, Step.TERMS, shown="", ring=KEYS.ring, tenant="red", now=NOW)
    for text in (push_handle(handle, KEYS.ring, "red", now=NOW), page):
        sealed = bytearray(decode(text))
        place = data.draw(st.integers(0, len(sealed) - 1))
        sealed[place] ^= data.draw(st.integers(1, 255))
        for pull in (
            lambda text: pull_handle(text, KEYS, now=NOW),
            lambda text: pull_page(text, KEYS, now=NOW, life_s=100),
        ):
            with pytest.raises(Unauthenticated):
                pull(encode(bytes(sealed)))


def test_one_never_opens_as_the_other_or_for_another_ring() -> None:
    handle = Handle("ap2004", Imsi("001010000000001"), "x", NOW, 0, ())
    text = push_handle(handle, KEYS.ring, "red", now=NOW)
    page = push_page(handle, b"v" * 16, Step.TERMS, shown="", ring=KEYS.ring, tenant="red", now=NOW)
    with pytest.raises(Unauthenticated):
        pull_page(text, KEYS, now=NOW, life_s=100)
    with pytest.raises(Unauthenticated):
        pull_handle(page, KEYS, now=NOW)
    for other in (Ring("blue"), Ring("red", seed=2)):
        with pytest.raises(Unauthenticated):
            pull_handle(text, other, now=NOW)
