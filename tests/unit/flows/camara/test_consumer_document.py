"""Consumers as they are written: nothing is lost on the way, and nonsense is refused."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simgrant.domain.camara.consumer import (
    Application,
    Bound,
    Consumer,
    GrantType,
    Permission,
    Proving,
    Rates,
)
from simgrant.domain.camara.tariff import Price, Tariff
from simgrant.domain.camara.usage import Outcome
from simgrant.errors import BadRequest
from simgrant.flows.camara.consumer_desk import pull_tariff, push_tariff
from simgrant.flows.camara.consumer_document import ConsumerDocument, pull_document, push_document
from simgrant.wire.jwt import pull_public_keys
from tests.examples import examples
from tests.jwts import EcSigner

JWKS = msgspec.json.encode({"keys": [EcSigner("k1").jwk]}).decode()
WORD = st.text("abcdefghij0123456789", min_size=1, max_size=8)
WORDS = st.frozensets(WORD, max_size=3)
HOSTS = st.frozensets(WORD.map("{}.example".format), max_size=2)
APPLICATIONS = st.builds(Application, id=WORD, name=WORD, sink_hosts=HOSTS)
PERMISSIONS = st.builds(
    Permission,
    api=WORD.map("a{}".format),
    scopes=st.just(frozenset()),
    purposes=st.frozensets(WORD.map("P{}".format), max_size=3),
    tariff=st.sampled_from(("", "gold")),
    rates=st.builds(
        Rates,
        per_second=st.floats(0.5, 1000),
        burst=st.integers(0, 1000),
        per_month=st.integers(0, 2**40),
    ),
)
CONSUMERS = st.builds(
    Consumer,
    client_id=WORD,
    name=WORD,
    active=st.booleans(),
    sandbox=st.booleans(),
    proving=st.sampled_from(Proving),
    jwks=st.just(JWKS),
    algorithms=st.frozensets(st.sampled_from(("ES256", "PS256", "RS256")), min_size=1),
    certificate=st.just(b"") | st.binary(min_size=32, max_size=32),
    grants=st.frozensets(st.sampled_from(GrantType)).map(lambda some: some | {GrantType.CIBA}),
    subjects=st.frozensets(st.sampled_from(("operatortoken", "temptoken", "tel", "ipport"))),
    requestor_ids=WORDS,
    redirect_uris=st.just(frozenset({"https://bank.example/cb", "com.bank.app:/cb"})),
    bound=st.sampled_from(Bound),
    assertion_life_s=st.integers(30, 3600),
    sector=WORD,
    applications=st.lists(APPLICATIONS, max_size=3, unique_by=lambda each: each.id).map(tuple),
    permissions=st.lists(PERMISSIONS, max_size=3, unique_by=lambda each: each.api).map(tuple),
    sink_hosts=HOSTS,
)


def with_scopes(found: Consumer) -> Consumer:
    """Return a consumer whose permissions have a scope each: none is in two of them."""
    return replace(
        found,
        permissions=tuple(
            replace(each, scopes=frozenset({f"{each.api}:read"})) for each in found.permissions
        ),
    )


@settings(max_examples=examples(60), deadline=None)
@given(found=CONSUMERS.map(with_scopes))
def test_nothing_of_a_consumer_is_lost_on_the_way(found: Consumer) -> None:
    text = msgspec.json.encode(push_document(found))
    document = msgspec.json.decode(text, type=ConsumerDocument)
    assert pull_document(document, {"gold"}) == found
    assert msgspec.json.decode(msgspec.json.encode(found), type=Consumer) == found


def test_every_member_can_be_written_but_for_what_is_kept_for_ourselves() -> None:
    ours = {field.name for field in fields(Consumer)}
    written = set(ConsumerDocument.__struct_fields__)
    assert ours - written == {"secret_hash", "certificate", "revision"}
    assert written - ours == {"certificate_sha256"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
JWK = st.fixed_dictionaries(
    {},
    optional={
        "kty": st.sampled_from(("EC", "RSA", "OKP", "oct", "x")) | JSON,
        "crv": st.sampled_from(("P-256", "Ed25519", "secp256k1")) | JSON,
        "x": st.text("AB_-", max_size=50) | JSON,
        "y": st.text("AB_-", max_size=50) | JSON,
        "n": st.text("AB_-", max_size=50) | JSON,
        "e": st.just("AQAB") | JSON,
        "d": JSON,
        "use": st.sampled_from(("sig", "enc")) | JSON,
        "kid": JSON,
        "key_ops": JSON,
        "alg": JSON,
    },
)


@settings(max_examples=examples(200), deadline=None)
@given(data=JSON | st.fixed_dictionaries({"keys": st.lists(JWK | JSON, max_size=3) | JSON}) | JWK)
def test_whatever_comes_is_public_keys_or_refused(data: Any) -> None:
    try:
        keys = pull_public_keys(json.dumps(data))
    except ValueError:
        return
    assert keys.keys
    assert not any(key.is_private for key in keys.keys)


@settings(max_examples=examples(100), deadline=None)
@given(jwks=st.dictionaries(st.text(max_size=4), JSON, max_size=3), url=st.text(max_size=20))
def test_whatever_keys_are_named_they_are_taken_or_refused(jwks: dict[str, Any], url: str) -> None:
    document = ConsumerDocument(client_id="a", name="a", jwks=jwks, jwks_url=url)
    with pytest.raises(BadRequest):
        pull_document(document, ())


@given(
    tariff=st.builds(
        Tariff,
        name=WORD,
        valid_from=st.integers(0, 4_000_000_000),
        currency=st.just("EUR"),
        prices=st.lists(
            st.builds(
                Price,
                outcome=st.sampled_from(Outcome),
                micros=st.integers(0, 10**14),
                operation=st.just("") | WORD,
            ),
            max_size=3,
        ).map(tuple),
        share_ppm=st.integers(0, 1_000_000),
    )
)
def test_nothing_of_a_tariff_is_lost_on_the_way(tariff: Tariff) -> None:
    text = msgspec.json.encode(push_tariff(tariff))
    document = msgspec.json.decode(text, type=type(push_tariff(tariff)))
    assert pull_tariff(document) == tariff
