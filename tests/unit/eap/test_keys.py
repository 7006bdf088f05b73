"""Keys, MACs and encrypted attributes against published numbers."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgrant.eap import keys
from simgrant.eap.packet import Variant
from simgrant.eap.prf import prf
from tests.vectors import Case, each


@pytest.mark.spec("RFC 4187 §7")
@each("aka_keys")
def test_aka_keys(case: Case) -> None:
    identity = case["identity"].encode()
    ik, ck = case.raw("ik"), case.raw("ck")
    made = keys.derive(identity, ik=ik, ck=ck)
    assert keys.master_key(identity, ik=ik, ck=ck) == made.master == case.raw("mk")
    assert made.k_encr == case.raw("k_encr")
    assert made.k_aut == case.raw("k_aut")
    assert (made.msk, made.emsk) == (b"", b"")


@each("aka_keys")
def test_session_keys_follow_without_changing_the_others(case: Case) -> None:
    identity = case["identity"].encode()
    made = keys.derive(identity, ik=case.raw("ik"), ck=case.raw("ck"), msk=True)
    assert made.k_aut == case.raw("k_aut")
    assert (len(made.msk), len(made.emsk)) == (64, 64)
    assert made.k_encr + made.k_aut + made.msk + made.emsk == prf(case.raw("mk"), 160)


@pytest.mark.spec("RFC 9048 §3.3")
@each("aka_prime")
def test_aka_prime_keys(case: Case) -> None:
    ck, ik = keys.bind_to_network(
        case.raw("ck"),
        case.raw("ik"),
        autn=case.raw("autn"),
        network_name=case["network_name"].encode(),
    )
    assert (ck, ik) == (case.raw("ck_prime"), case.raw("ik_prime"))
    made = keys.derive_prime(case["identity"].encode(), ik=ik, ck=ck, msk=True)
    assert made.k_encr == case.raw("k_encr")
    assert made.k_aut == case.raw("k_aut")
    assert made.master == case.raw("k_re")
    assert made.msk == case.raw("msk")
    assert made.emsk == case.raw("emsk")
    short = keys.derive_prime(case["identity"].encode(), ik=ik, ck=ck)
    assert (short.k_aut, short.master, short.msk) == (made.k_aut, made.master, b"")


@pytest.mark.spec("RFC 4187 §10.15")
@each("aka_packets", having="k_aut")
def test_macs_of_known_packets(case: Case) -> None:
    data, k_aut = case.raw("data"), case.raw("k_aut")
    at = len(data) - 16
    assert keys.is_signed(Variant.AKA, k_aut, data, mac_at=at)
    assert keys.sign(Variant.AKA, k_aut, data[:at] + bytes(16)) == data
    for position in range(len(data)):
        changed = bytearray(data)
        changed[position] ^= 1
        assert not keys.is_signed(Variant.AKA, k_aut, bytes(changed), mac_at=at)


def test_a_packet_without_a_mac_is_not_signed() -> None:
    """Not even if it begins with the right one, since no packet has its MAC there."""
    rest = bytes(24)
    mac = keys.mac_of(Variant.AKA, bytes(16), bytes(16) + rest)
    assert not keys.is_signed(Variant.AKA, bytes(16), mac + rest, mac_at=0)


@pytest.mark.parametrize("variant", Variant)
def test_the_mac_covers_what_is_appended(variant: Variant) -> None:
    data = keys.sign(variant, bytes(16), bytes(40), appended=b"nonce")
    assert keys.is_signed(variant, bytes(16), data, mac_at=24, appended=b"nonce")
    assert not keys.is_signed(variant, bytes(16), data, mac_at=24)


@pytest.mark.spec("RFC 4187 §10.13")
def test_checkcodes() -> None:
    assert keys.checkcode_of(Variant.AKA, b"") == b""
    assert keys.checkcode_of(Variant.AKA, b"ab") == hashlib.sha1(b"ab").digest()  # noqa: S324
    assert keys.checkcode_of(Variant.AKA_PRIME, b"ab") == hashlib.sha256(b"ab").digest()


@pytest.mark.spec("RFC 4187 §7")
def test_keys_of_a_reauthentication_depend_on_all_they_are_made_from() -> None:
    base = {"master": bytes(20), "counter": 1, "nonce_s": bytes(16)}
    seen = {
        keys.rederive(Variant.AKA, b"4a", **base).msk,  # type: ignore[arg-type]
        keys.rederive(Variant.AKA, b"4b", **base).msk,  # type: ignore[arg-type]
        keys.rederive(Variant.AKA, b"4a", **{**base, "counter": 2}).msk,  # type: ignore[arg-type]
        keys.rederive(Variant.AKA, b"4a", **{**base, "nonce_s": b"\1" * 16}).msk,  # type: ignore[arg-type]
        keys.rederive(Variant.AKA_PRIME, b"4a", **base).msk,  # type: ignore[arg-type]
    }
    assert len(seen) == 5


def test_reauthentication_keys_by_the_formula() -> None:
    nonce = bytes(range(16))
    made = keys.rederive(Variant.AKA, b"4x", master=b"\7" * 20, counter=258, nonce_s=nonce)
    xkey = hashlib.sha1(b"4x\x01\x02" + nonce + b"\7" * 20).digest()  # noqa: S324
    assert made.msk + made.emsk == prf(xkey, 128)
    prime = keys.rederive(Variant.AKA_PRIME, b"8x", master=b"\7" * 32, counter=258, nonce_s=nonce)
    seed = b"EAP-AKA' re-auth8x\x01\x02" + nonce
    assert prime.msk + prime.emsk == keys.prf_prime(b"\7" * 32, seed, 128)


@given(key=st.binary(min_size=16, max_size=16), blocks=st.integers(1, 6))
def test_encryption_is_undone(key: bytes, blocks: int) -> None:
    plain = bytes(range(16)) * blocks
    iv = keys.iv_for(key, plain, context=b"")
    secret = keys.encrypt(key, iv, plain)
    assert secret != plain
    assert len(secret) == len(plain)
    assert keys.decrypt(key, iv, secret) == plain


def test_the_iv_differs_with_packet_and_content() -> None:
    ivs = {
        keys.iv_for(bytes(16), b"a", context=b"1"),
        keys.iv_for(bytes(16), b"b", context=b"1"),
        keys.iv_for(bytes(16), b"a", context=b"2"),
        keys.iv_for(b"\1" * 16, b"a", context=b"1"),
    }
    assert len(ivs) == 4


def test_keys_are_not_shown() -> None:
    made = keys.derive(b"0123", ik=b"k" * 16, ck=b"k" * 16, msk=True)
    assert made.k_aut.hex() not in repr(made)
    assert "SessionKeys()" in repr(keys.SessionKeys(b"m" * 64, b"e" * 64))
