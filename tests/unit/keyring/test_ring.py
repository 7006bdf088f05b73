"""Sealing, references and wrapping by the key ring."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgrant.keyring.ring import Key, KeyRing, Purpose, SealBroken, UnknownKey, Use

NONCE = bytes(range(12))
LIFE = 1_000


def key(number: int, use: Use, *, active: int = 0) -> Key:
    return Key(f"{number:08x}", use, 0, active, bytes([number]) * 32)


def ring(*sealing: Key, tenants: tuple[str, ...] = ("default", "other")) -> KeyRing:
    keys = [
        *(sealing or (key(1, Use.SEALING),)),
        key(101, Use.HASHING),
        key(102, Use.WRAPPING),
    ]
    return KeyRing(dict.fromkeys(tenants, keys), accept_for=LIFE)


@given(st.binary(max_size=300), st.sampled_from(Purpose))
def test_what_was_sealed_opens_and_tells_its_tenant(plain: bytes, purpose: Purpose) -> None:
    sealed = ring().seal(purpose, "other", plain, nonce=NONCE, now=10)
    assert ring().open(purpose, sealed, now=10) == ("other", plain)


def test_a_value_of_one_purpose_never_opens_as_another() -> None:
    sealed = ring().seal(Purpose.TOKEN, "default", b"x", nonce=NONCE, now=10)
    with pytest.raises(SealBroken):
        ring().open(Purpose.SESSION, sealed, now=10)


@given(st.integers(min_value=0), st.integers(0, 7))
def test_one_changed_bit_breaks_the_seal(place: int, bit: int) -> None:
    sealed = bytearray(ring().seal(Purpose.TOKEN, "default", b"claims", nonce=NONCE, now=10))
    sealed[place % len(sealed)] ^= 1 << bit
    with pytest.raises(SealBroken):
        ring().open(Purpose.TOKEN, bytes(sealed), now=10)


@given(st.binary(max_size=80))
def test_rubbish_is_an_unknown_key_or_a_broken_seal_and_nothing_else(data: bytes) -> None:
    with pytest.raises(SealBroken):
        ring().open(Purpose.TOKEN, data, now=10)


def test_a_value_cut_short_at_any_byte_is_refused() -> None:
    sealed = ring().seal(Purpose.TOKEN, "default", b"claims", nonce=NONCE, now=10)
    for size in range(len(sealed)):
        with pytest.raises(SealBroken):
            ring().open(Purpose.TOKEN, sealed[:size], now=10)


def test_tenants_that_share_a_file_cannot_read_each_other() -> None:
    both = ring()
    mine = both.seal(Purpose.TOKEN, "default", b"x", nonce=NONCE, now=10)
    theirs = both.seal(Purpose.TOKEN, "other", b"x", nonce=NONCE, now=10)
    assert mine[:4] != theirs[:4]
    with pytest.raises(SealBroken):
        both.open(Purpose.TOKEN, theirs[:4] + mine[4:], now=10)
    with pytest.raises(UnknownKey):
        ring(tenants=("default",)).open(Purpose.TOKEN, theirs, now=10)


def test_a_new_key_is_accepted_before_it_is_used() -> None:
    old, new = key(1, Use.SEALING), key(2, Use.SEALING, active=100)
    both = ring(old, new)
    early = both.seal(Purpose.TOKEN, "default", b"x", nonce=NONCE, now=99)
    assert early == ring(old).seal(Purpose.TOKEN, "default", b"x", nonce=NONCE, now=99)
    late = both.seal(Purpose.TOKEN, "default", b"x", nonce=NONCE, now=100)
    assert late == ring(new).seal(Purpose.TOKEN, "default", b"x", nonce=NONCE, now=100)
    assert both.open(Purpose.TOKEN, late, now=50) == ("default", b"x")


def test_of_two_keys_made_in_one_second_the_later_one_is_used() -> None:
    first, second = key(1, Use.SEALING, active=100), key(2, Use.SEALING, active=100)
    sealed = ring(first, second).seal(Purpose.TOKEN, "default", b"x", nonce=NONCE, now=100)
    assert sealed == ring(second).seal(Purpose.TOKEN, "default", b"x", nonce=NONCE, now=100)


def test_an_old_sealing_key_is_accepted_until_the_longest_life_is_over() -> None:
    old, new = key(1, Use.SEALING), key(2, Use.SEALING, active=100)
    sealed = ring(old).seal(Purpose.TOKEN, "default", b"x", nonce=NONCE, now=99)
    assert ring(old, new).open(Purpose.TOKEN, sealed, now=100 + LIFE - 1)
    with pytest.raises(SealBroken):
        ring(old, new).open(Purpose.TOKEN, sealed, now=100 + LIFE)


def test_references_differ_by_tenant_kind_and_value_and_are_found_again_after_rotation() -> None:
    one = ring()
    found = {
        one.reference(tenant, kind, value, now=10)
        for tenant in ("default", "other")
        for kind in ("imsi", "terminal")
        for value in ("001010000000001", "001010000000002")
    }
    assert len(found) == 8
    rotated = KeyRing(
        {
            "default": [
                key(1, Use.SEALING),
                key(101, Use.HASHING),
                key(103, Use.HASHING, active=50),
                key(102, Use.WRAPPING),
            ]
        },
        accept_for=LIFE,
    )
    new = rotated.reference("default", "imsi", "001010000000001", now=60)
    old = one.reference("default", "imsi", "001010000000001", now=60)
    assert rotated.references("default", "imsi", "001010000000001") == (new, old)
    assert new != old
    assert "001010000000001" not in new


def test_a_wrapped_secret_opens_only_in_its_own_row() -> None:
    wrapped = ring().wrap("default", "row-1", b"k" * 16, nonce=NONCE, now=10)
    assert b"k" * 8 not in wrapped
    assert ring().unwrap("default", "row-1", wrapped) == b"k" * 16
    for tenant, label in (("default", "row-2"), ("other", "row-1")):
        with pytest.raises(SealBroken):
            ring().unwrap(tenant, label, wrapped)


def test_wrapping_keys_stay_good_after_a_rotation() -> None:
    wrapped = ring().wrap("default", "row", b"secret", nonce=NONCE, now=10)
    newer = KeyRing(
        {
            "default": [
                key(1, Use.SEALING),
                key(101, Use.HASHING),
                key(102, Use.WRAPPING),
                key(104, Use.WRAPPING, active=5),
            ]
        },
        accept_for=1,
    )
    assert newer.unwrap("default", "row", wrapped) == b"secret"
    assert not newer.is_wrapped_by_newest("default", wrapped, now=10)
    anew = newer.wrapped_anew("default", "row", wrapped, nonce=NONCE, now=10)
    assert newer.is_wrapped_by_newest("default", anew, now=10)
    assert newer.unwrap("default", "row", anew) == b"secret"
    assert newer.wrapped_anew("default", "row", anew, nonce=bytes(12), now=10) is anew
    with pytest.raises(SealBroken):
        newer.wrapped_anew("default", "another row", wrapped, nonce=NONCE, now=10)


def test_a_ring_without_a_key_of_some_use_is_refused() -> None:
    with pytest.raises(ValueError, match="no wrapping key"):
        KeyRing({"default": [key(1, Use.SEALING), key(2, Use.HASHING)]}, accept_for=1)


def test_no_repr_shows_a_secret() -> None:
    assert "01" * 16 not in repr(key(1, Use.SEALING))
    assert (b"\x01" * 32).hex() not in repr(vars(ring()))


@given(st.binary(max_size=80), st.integers(min_value=0), st.integers(0, 7))
def test_a_signature_is_of_one_value_one_label_and_one_tenant(
    value: bytes, place: int, bit: int
) -> None:
    ours = ring()
    signature = ours.sign("default", "policy", value, now=10)
    assert len(signature) == 32
    assert ours.is_signed("default", "policy", value, signature)
    assert not ours.is_signed("default", "audit", value, signature)
    assert not ours.is_signed("other", "policy", value, signature)
    assert not ours.is_signed("nobody", "policy", value, signature)
    assert not ours.is_signed("default", "policy", value + b"x", signature)
    assert not ours.is_signed("default", "policy", value, signature[:-1])
    changed = bytearray(signature)
    changed[place % 32] ^= 1 << bit
    assert not ours.is_signed("default", "policy", value, bytes(changed))


def test_what_an_older_hashing_key_signed_is_still_good_and_new_is_of_the_newest() -> None:
    older, newer = key(50, Use.HASHING), key(51, Use.HASHING, active=100)
    both = KeyRing(
        {"default": [key(1, Use.SEALING), key(2, Use.WRAPPING), older, newer]}, accept_for=LIFE
    )
    alone = KeyRing(
        {"default": [key(1, Use.SEALING), key(2, Use.WRAPPING), newer]}, accept_for=LIFE
    )
    old = both.sign("default", "policy", b"x", now=99)
    new = both.sign("default", "policy", b"x", now=100)
    assert both.is_signed("default", "policy", b"x", old)
    assert not alone.is_signed("default", "policy", b"x", old)
    assert alone.is_signed("default", "policy", b"x", new)
