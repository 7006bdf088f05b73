"""What is sealed of a sign-in: it comes back as it was, in its time, as what it is."""

from __future__ import annotations

from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgrant.domain.tenant import Tenancy, Tenant
from simgrant.errors import BadRequest, Unauthenticated
from simgrant.flows.authenticate import Reception
from simgrant.flows.sign_in import MAX_HANDLE, Begun, begin, first_ask, row_id, seal, unseal
from simgrant.identities import Imsi
from simgrant.keyring.ring import Key, KeyRing, Purpose, Use
from simgrant.ports.store import Store
from simgrant.wire.request import ask
from tests.clocks import StillClock

RED = Tenant("red")


class Keys:
    def __init__(self) -> None:
        keys = [Key(f"{n:08x}", use, 0, 0, bytes([n + 1]) * 32) for n, use in enumerate(Use)]
        self.ring = KeyRing({"red": keys}, accept_for=10**12)

    def refresh(self) -> bool:
        return False


def reception() -> Reception:
    return Reception(
        tenancy=Tenancy([RED], default="red"),
        keys=Keys(),
        store=cast("Store", None),  # nothing here is written
        clock=StillClock(1_795_000_000.0),
        known_apps=frozenset(),
        token_life_s=60,
    )


names = st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1, max_size=8)
values = st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=40)
begunes = st.builds(
    Begun,
    id=st.binary(min_size=16, max_size=16),
    started=st.just(1_795_000_000),
    imsi=st.none() | st.from_regex("[0-9]{6,15}", fullmatch=True).map(Imsi),
    code=st.from_regex("([0-9]{6,10})?", fullmatch=True),
    parameters=st.lists(st.tuples(names, values), max_size=6).map(
        lambda pairs: "\0".join(text for pair in pairs for text in pair).encode()
    ),
)


@given(begunes, st.sampled_from([Purpose.SIGN_IN, Purpose.OTP]))
def test_it_comes_back_as_it_was_and_as_nothing_else(begun: Begun, purpose: Purpose) -> None:
    front = reception()
    text = seal(front, purpose, RED, begun)
    assert unseal(front, purpose, text, life_s=600) == ("red", begun)
    for other in Purpose:
        if other is not purpose:
            with pytest.raises(Unauthenticated):
                unseal(front, other, text, life_s=600)


@given(begunes)
def test_it_is_of_one_length_whoever_it_is_of(begun: Begun) -> None:
    front = reception()
    nobody = Begun(begun.id, begun.started, None, begun.code, begun.parameters)
    lengths = {len(seal(front, Purpose.OTP, RED, each)) for each in (begun, nobody)}
    assert len(lengths) == 1


@given(st.text(max_size=200))
def test_rubbish_is_refused(text: str) -> None:
    with pytest.raises(Unauthenticated):
        unseal(reception(), Purpose.SIGN_IN, text, life_s=600)


@pytest.mark.parametrize(("later", "good"), [(-6, False), (-5, True), (599, True), (600, False)])
def test_it_is_good_for_its_time(later: float, good: bool) -> None:
    front = reception()
    begun = begin(ask((("app", "ap2014"),)), now=front.clock.now())
    text = seal(front, Purpose.SIGN_IN, RED, begun)
    front.clock.time += later  # type: ignore[attr-defined]
    if good:
        assert unseal(front, Purpose.SIGN_IN, text, life_s=600)[1] == begun
    else:
        with pytest.raises(Unauthenticated, match="sign_in_expired"):
            unseal(front, Purpose.SIGN_IN, text, life_s=600)


def test_the_first_request_comes_back_whole() -> None:
    first = ask((("app", "ap2014"), ("terminal_id", "x"), ("vers", "0"), ("app", "ap2004")))
    assert first_ask(begin(first, now=0)) == first


def test_what_is_too_long_for_an_address_is_refused() -> None:
    long = ask((("notif_token", "x" * MAX_HANDLE),))
    with pytest.raises(BadRequest, match="too_long_to_keep"):
        seal(reception(), Purpose.SIGN_IN, RED, begin(long, now=0))


def test_every_sign_in_has_rows_of_its_own() -> None:
    one, two = begin(ask(()), now=0), begin(ask(()), now=0)
    rows = {row_id(each, what) for each in (one, two) for what in ("state", "used", "try 0")}
    assert len(rows) == 6
    assert {len(row) for row in rows} == {16}
