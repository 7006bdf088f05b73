"""Encrypted identities: any JOSE library opens them, and nobody without the key does."""

from __future__ import annotations

import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwe
from joserfc.jwk import ECKey

from simgrant.identities import Imsi
from simgrant.keyring.identity import MOST_BYTES, NotAnIdentity, Opened, Sealer, pull_identity

GATEWAY = ec.generate_private_key(ec.SECP256R1())
WHO = Opened(Imsi("001010000000001"), 1_795_000_000, 1_795_600_000)
EPHEMERAL = bytes(range(48))


def sealer(key: ec.EllipticCurvePrivateKey = GATEWAY, key_id: str = "gw-1") -> Sealer:
    return Sealer(key.public_key(), ephemeral=EPHEMERAL, key_id=key_id)


@pytest.mark.spec("TS.43 §12.1.2")
def test_a_foreign_library_opens_it() -> None:
    text = sealer().push(WHO, nonce=bytes(12))
    key = ECKey.import_key(GATEWAY)
    found = jwe.decrypt_compact(text, key, algorithms=["ECDH-ES", "A256GCM"])
    assert found.protected["kid"] == "gw-1"
    assert found.plaintext is not None
    assert json.loads(found.plaintext) == {
        "imsi": WHO.imsi.digits,
        "iat": WHO.issued,
        "exp": WHO.expires,
    }


def test_we_open_what_a_foreign_library_made() -> None:
    claims = {"imsi": WHO.imsi.digits, "iat": WHO.issued, "exp": WHO.expires}
    text = jwe.encrypt_compact(
        {"alg": "ECDH-ES", "enc": "A256GCM"},
        json.dumps(claims),
        ECKey.import_key(GATEWAY.public_key()),
        algorithms=["ECDH-ES", "A256GCM"],
    )
    assert pull_identity(text, GATEWAY) == WHO


def test_it_is_short_enough_for_an_eap_identity_and_hides_the_imsi() -> None:
    text = sealer(key_id="k" * 200).push(Opened(Imsi("9" * 15), 2**40, 2**40), nonce=bytes(12))
    assert len(text) <= MOST_BYTES
    first, second = (sealer().push(WHO, nonce=bytes((n,)) * 12) for n in (1, 2))
    assert first != second
    assert WHO.imsi.digits not in first
    assert pull_identity(first, GATEWAY) == pull_identity(second, GATEWAY) == WHO


def test_another_key_does_not_open_it() -> None:
    text = sealer().push(WHO, nonce=bytes(12))
    with pytest.raises(NotAnIdentity):
        pull_identity(text, ec.generate_private_key(ec.SECP256R1()))


@given(st.integers(min_value=0), st.integers(1, 255))
def test_a_changed_one_does_not_open(at: int, by: int) -> None:
    text = sealer().push(WHO, nonce=bytes(12))
    at %= len(text)
    changed = text[:at] + chr(ord(text[at]) ^ by) + text[at + 1 :]
    try:
        opened = pull_identity(changed, GATEWAY)
    except NotAnIdentity:
        return
    assert opened == WHO  # A bit that base64 ignores.


@given(st.text() | st.from_regex(r"[\w-]*\.[\w-]*\.[\w-]*\.[\w-]*\.[\w-]*", fullmatch=True))
def test_nonsense_is_no_identity(text: str) -> None:
    with pytest.raises(NotAnIdentity):
        pull_identity(text, GATEWAY)
