"""Temporary and operator tokens as texts: what went in comes out, of the right kind only."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgrant.domain.risk import Way
from simgrant.errors import BadLentToken
from simgrant.flows.lent_tokens import Lent, pull_lent, push_lent
from simgrant.identities import Imsi
from simgrant.keyring.ring import Key, KeyRing, Purpose, Use

NONCE = bytes(range(12))
LENT = Purpose.TEMPORARY_TOKEN, Purpose.OPERATOR_TOKEN
texts = st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=40)
words = st.text("abcdefghijklmnopqrstuvwxyzABC", min_size=1, max_size=20)
times = st.integers(0, 2**32 - 1)


def ring(number: int = 1) -> KeyRing:
    keys = [Key(f"{n:08x}", use, 0, 0, bytes([number + n]) * 32) for n, use in enumerate(Use)]
    return KeyRing({"red": keys, "blue": keys}, accept_for=10**12)


class Keys:
    """A ring, and perhaps a newer one on file."""

    def __init__(self, now: KeyRing, newer: KeyRing | None = None) -> None:
        self.ring, self._newer = now, newer
        self.looked = 0

    def refresh(self) -> bool:
        self.looked += 1
        found, self._newer = self._newer, None
        self.ring = found or self.ring
        return found is not None


lents = st.builds(
    Lent,
    token_id=st.binary(min_size=16, max_size=16),
    imsi=st.from_regex("[0-9]{6,15}", fullmatch=True).map(Imsi),
    terminal_id=texts,
    client=texts,
    app_id=words,
    operations=st.lists(words, max_size=4).map(tuple),
    requestor=texts,
    client_id=texts,
    scope=texts,
    single_use=st.booleans(),
    issued=times,
    expires=times,
    epoch=st.integers(0, 2**63),
    terminal_epoch=st.integers(0, 2**63),
)
signed_in = st.tuples(st.sampled_from([Way.OIDC, Way.OTP]), times) | st.just((Way.SIM, 0))
ONE = Lent(
    bytes(16), Imsi("001010000000001"), "t", "c", "ap2014", ("A",), "", "", "", True, 0, 9, 0, 0
)


@given(lents, signed_in, st.sampled_from(LENT), st.sampled_from(["red", "blue"]))
def test_what_went_in_comes_out(
    lent: Lent, by: tuple[Way, int], purpose: Purpose, tenant: str
) -> None:
    lent = replace(lent, expires=max(lent.expires, 1), signed_in=by[0], signed_in_at=by[1])
    text = push_lent(purpose, lent, ring(), tenant, nonce=NONCE, now=0)
    assert pull_lent(purpose, text, Keys(ring()), now=0) == (tenant, lent)
    with pytest.raises(BadLentToken) as caught:
        pull_lent(purpose, text, Keys(ring()), now=lent.expires)
    assert caught.value.reason == "lent_token_expired"


@pytest.mark.parametrize("made", Purpose)
@pytest.mark.parametrize("taken", LENT)
def test_no_kind_opens_as_another(made: Purpose, taken: Purpose) -> None:
    text = push_lent(made, ONE, ring(), "red", nonce=NONCE, now=0)
    if made is taken:
        assert pull_lent(taken, text, Keys(ring()), now=0) == ("red", ONE)
        return
    with pytest.raises(BadLentToken):
        pull_lent(taken, text, Keys(ring()), now=0)


def test_another_installations_is_not_ours_and_a_newer_rings_is_looked_for() -> None:
    text = push_lent(LENT[0], ONE, ring(50), "red", nonce=NONCE, now=0)
    strange = Keys(ring())
    assert pull_lent(LENT[0], text, strange, now=0) is None
    assert strange.looked == 1
    assert pull_lent(LENT[0], text, Keys(ring(), ring(50)), now=0) == ("red", ONE)
    assert pull_lent(LENT[0], text, Keys(ring(), ring(90)), now=0) is None


@given(st.text() | st.text("abcDEF123-_", min_size=40, max_size=200))
def test_rubbish_is_not_ours_and_nothing_else(text: str) -> None:
    assert pull_lent(LENT[0], text, Keys(ring()), now=0) is None


@given(st.integers(min_value=6), st.integers(1, 63))
def test_a_changed_one_is_bad_or_not_ours(at: int, by: int) -> None:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    text = push_lent(LENT[0], ONE, ring(), "red", nonce=NONCE, now=0)
    at %= len(text)
    other = alphabet[(alphabet.index(text[at]) + by) % 64]
    changed = text[:at] + other + text[at + 1 :]
    with contextlib.suppress(BadLentToken):
        assert pull_lent(LENT[0], changed, Keys(ring()), now=0) is None


def test_it_is_masked() -> None:
    assert "001010000000001" not in repr(ONE)
