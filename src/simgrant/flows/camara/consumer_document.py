"""A consumer as people and the operator's systems write it: TOML or JSON, with every mistake named.

The words of grants are short (``jwt_bearer``), since the wire's are URNs. Keys are a JWK Set, or
the address of one. What is kept of a secret is never in it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec

from simgrant.domain.camara.consumer import (
    Application,
    Bound,
    Consumer,
    GrantType,
    Permission,
    Proving,
    Rates,
)
from simgrant.errors import BadRequest
from simgrant.wire.jwt import SIGNED, pull_public_keys
from simgrant.wire.web_address import pull_web_address

Meta = msgspec.Meta
_MOST: Final = 200

Id: TypeAlias = Annotated[str, Meta(pattern="^[A-Za-z0-9][A-Za-z0-9._~-]{0,63}$")]
Title: TypeAlias = Annotated[
    str, Meta(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]*$")
]
Host: TypeAlias = Annotated[
    str, Meta(pattern="^[a-z0-9_]([a-z0-9_-]*[a-z0-9])?(\\.[a-z0-9_-]+)*$", max_length=253)
]
Scope: TypeAlias = Annotated[str, Meta(pattern="^[a-z0-9][A-Za-z0-9:._-]{0,127}$")]
Purpose: TypeAlias = Annotated[str, Meta(pattern="^[A-Za-z][A-Za-z0-9]{0,63}$")]
TariffName: TypeAlias = Annotated[str, Meta(pattern="^([a-z0-9][a-z0-9_-]{0,31})?$")]
ApiName: TypeAlias = Annotated[str, Meta(pattern="^[a-z][a-z0-9-]{0,63}$")]
Url: TypeAlias = Annotated[str, Meta(pattern="^[!-~]*$", max_length=2048)]
GrantWord = Literal["client_credentials", "jwt_bearer", "ciba", "authorization_code"]
_GRANTS: Final[Mapping[GrantWord, GrantType]] = MappingProxyType(
    {
        "client_credentials": GrantType.CLIENT_CREDENTIALS,
        "jwt_bearer": GrantType.JWT_BEARER,
        "ciba": GrantType.CIBA,
        "authorization_code": GrantType.AUTHORIZATION_CODE,
    }
)


class RatesDocument(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """How much of one API a consumer may ask for; 0 = no limit."""

    per_second: Annotated[float, Meta(ge=0, le=1_000_000)] = 0.0
    """Of each worker."""
    burst: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    """0 = as many as a second's."""
    per_month: Annotated[int, Meta(ge=0, le=2**53 - 1)] = 0
    """Answers in a calendar month (UTC)."""


class PermissionDocument(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What a consumer may use of one API, and what for."""

    api: ApiName
    """As it is in addresses: `number-verification`."""
    scopes: Annotated[list[Scope], Meta(min_length=1, max_length=_MOST)]
    purposes: Annotated[list[Purpose], Meta(max_length=_MOST)] = []
    """W3C DPV purposes without their prefix; none = only without a subscriber in the token."""
    tariff: TariffName = ""
    """Empty = it costs nothing."""
    rates: RatesDocument = msgspec.field(default_factory=RatesDocument)


class ApplicationDocument(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What a consumer acts for: an app of its own, or that of one of its customers."""

    id: Id
    name: Title
    """As a subscriber would know it."""
    sink_hosts: Annotated[list[Host], Meta(max_length=_MOST)] = []
    """Where its notifications may go; none = wherever its consumer's may."""


class ConsumerDocument(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A consumer of partner APIs."""

    client_id: Id
    name: Title
    active: bool = True
    sandbox: bool = False
    """It gets test numbers only, and pays nothing."""
    proving: Literal["private_key_jwt", "client_secret_basic"] = "private_key_jwt"
    """How it proves itself; `client_secret_basic` only for Google's plain flavour of TS.43."""
    jwks: dict[str, Any] | None = None
    """Its public keys (JWK Set)."""
    jwks_url: Url = ""
    """Or where they are, by https."""
    algorithms: Annotated[list[str], Meta(min_length=1, max_length=8)] = msgspec.field(
        default_factory=lambda: ["ES256"]
    )
    """It may sign by these."""
    certificate_sha256: Annotated[str, Meta(pattern="^([0-9a-fA-F]{64})?$")] = ""
    """Of the certificate that it has to connect with; empty = any or none."""
    grants: Annotated[list[GrantWord], Meta(min_length=1, max_length=5)] = msgspec.field(
        default_factory=lambda: ["jwt_bearer", "ciba"]
    )
    """How it may get access tokens."""
    subjects: Annotated[
        list[Literal["operatortoken", "temptoken", "tel", "ipport"]], Meta(max_length=4)
    ] = msgspec.field(default_factory=lambda: ["operatortoken"])
    """How it may name a subscriber; `tel` is for whom you trust by contract."""
    asks: bool = False
    """Its backchannel requests may name any number, whose owner is asked by USSD or SMS."""
    requestor_ids: Annotated[
        list[Annotated[str, Meta(pattern="^[!-~]{1,128}$")]], Meta(max_length=_MOST)
    ] = []
    """Temporary tokens that were acquired for one of these are its (TS.43)."""
    redirect_uris: Annotated[list[Url], Meta(max_length=_MOST)] = []
    bound: Literal["nothing", "certificate", "dpop"] = "nothing"
    """To what its access tokens are bound."""
    assertion_life_s: Annotated[int, Meta(ge=30, le=3600)] = 300
    """The most that its assertions may live."""
    sector: Annotated[str, Meta(pattern="^[!-~]{0,255}$")] = ""
    """Consumers of one sector get the same pairwise subjects."""
    application_claim: Annotated[str, Meta(pattern="^[A-Za-z0-9_:/.-]{0,128}$")] = ""
    """The claim of its assertions that names the application."""
    applications: Annotated[list[ApplicationDocument], Meta(max_length=10_000)] = []
    permissions: Annotated[list[PermissionDocument], Meta(max_length=_MOST)] = []
    sink_hosts: Annotated[list[Host], Meta(max_length=_MOST)] = []
    """Where its notifications may go; none = to any public address."""


def push_document(consumer: Consumer) -> ConsumerDocument:
    """Return a consumer as it is written."""
    return ConsumerDocument(
        client_id=consumer.client_id,
        name=consumer.name,
        active=consumer.active,
        sandbox=consumer.sandbox,
        proving=consumer.proving.value,
        jwks=msgspec.json.decode(consumer.jwks) if consumer.jwks else None,
        jwks_url=consumer.jwks_url,
        algorithms=sorted(consumer.algorithms),
        certificate_sha256=consumer.certificate.hex(),
        grants=[word for word, grant in _GRANTS.items() if grant in consumer.grants],
        subjects=sorted(consumer.subjects),  # type: ignore[arg-type]
        asks=consumer.asks,
        requestor_ids=sorted(consumer.requestor_ids),
        redirect_uris=sorted(consumer.redirect_uris),
        bound=consumer.bound.value,
        assertion_life_s=consumer.assertion_life_s,
        sector=consumer.sector,
        application_claim=consumer.application_claim,
        applications=[
            ApplicationDocument(id=each.id, name=each.name, sink_hosts=sorted(each.sink_hosts))
            for each in consumer.applications
        ],
        permissions=[
            PermissionDocument(
                api=each.api,
                scopes=sorted(each.scopes),
                purposes=sorted(each.purposes),
                tariff=each.tariff,
                rates=RatesDocument(
                    per_second=each.rates.per_second,
                    burst=each.rates.burst,
                    per_month=each.rates.per_month,
                ),
            )
            for each in consumer.permissions
        ],
        sink_hosts=sorted(consumer.sink_hosts),
    )


def pull_document(
    document: ConsumerDocument, tariffs: Iterable[str], *, secret_hash: bytes = b""
) -> Consumer:
    """Return what a document says; BadRequest with every mistake that its types do not show.

    ``tariffs`` are the names that there are; ``secret_hash`` is of the secret that stays its own.
    """
    problems = list(_problems(document, frozenset(tariffs)))
    if problems:
        raise BadRequest("bad_consumer", for_operator="\n".join(problems))
    return Consumer(
        client_id=document.client_id,
        name=document.name,
        active=document.active,
        sandbox=document.sandbox,
        proving=Proving(document.proving),
        secret_hash=secret_hash if document.proving == "client_secret_basic" else b"",
        jwks=msgspec.json.encode(document.jwks).decode() if document.jwks else "",
        jwks_url=document.jwks_url,
        algorithms=frozenset(document.algorithms),
        certificate=bytes.fromhex(document.certificate_sha256),
        grants=frozenset(_GRANTS[each] for each in document.grants),
        subjects=frozenset(document.subjects),
        asks=document.asks,
        requestor_ids=frozenset(each.lower() for each in document.requestor_ids),
        redirect_uris=frozenset(document.redirect_uris),
        bound=Bound(document.bound),
        assertion_life_s=document.assertion_life_s,
        sector=document.sector,
        application_claim=document.application_claim,
        applications=tuple(
            Application(id=each.id, name=each.name, sink_hosts=frozenset(each.sink_hosts))
            for each in document.applications
        ),
        permissions=tuple(
            Permission(
                api=each.api,
                scopes=frozenset(each.scopes),
                purposes=frozenset(each.purposes),
                tariff=each.tariff,
                rates=Rates(
                    per_second=each.rates.per_second,
                    burst=each.rates.burst,
                    per_month=each.rates.per_month,
                ),
            )
            for each in document.permissions
        ),
        sink_hosts=frozenset(document.sink_hosts),
    )


def _problems(document: ConsumerDocument, tariffs: frozenset[str]) -> Iterator[str]:
    """Name what would keep the consumer out, or let somebody else in."""
    yield from _key_problems(document)
    grants = frozenset(document.grants)
    if "authorization_code" in grants and not document.redirect_uris:
        yield "redirect_uris: authorization_code needs one"
    for uri in document.redirect_uris:
        if not _is_redirect(uri):
            yield f"redirect_uris: {uri!r} is neither https, nor this device, nor an app's scheme"
    if document.asks and "ciba" not in grants:
        yield "asks: it is by ciba that subscribers are asked"
    if document.application_claim and not document.applications:
        yield "application_claim: there are no applications that it could name"
    yield from _twice("applications", (each.id for each in document.applications))
    yield from _twice("permissions", (each.api for each in document.permissions))
    scopes = (scope for each in document.permissions for scope in sorted(set(each.scopes)))
    yield from _twice("permissions.scopes", scopes)
    for each in document.permissions:
        if each.tariff and each.tariff not in tariffs:
            there = f"there are {', '.join(sorted(tariffs))}" if tariffs else "there are none"
            yield f"permissions.{each.api}.tariff: no tariff {each.tariff!r} ({there})"
        if each.rates.burst and not each.rates.per_second:
            yield f"permissions.{each.api}.rates.burst: it goes with per_second"


def _key_problems(document: ConsumerDocument) -> Iterator[str]:
    for name in document.algorithms:
        if name not in SIGNED:
            yield f"algorithms: {name!r} is none of {', '.join(SIGNED)}"
    if document.jwks and document.jwks_url:
        yield "jwks_url: jwks is there as well"
    if document.jwks is not None:
        try:
            pull_public_keys(msgspec.json.encode(document.jwks))
        except ValueError as error:
            yield f"jwks: {error}"
    if document.jwks_url:
        try:
            pull_web_address(document.jwks_url)
        except ValueError as error:
            yield f"jwks_url: {error}"
    if document.proving == "private_key_jwt":
        if not document.jwks and not document.jwks_url:
            yield "jwks: a consumer that proves itself by its key needs jwks or jwks_url"
    elif "jwt_bearer" in document.grants and not document.jwks and not document.jwks_url:
        yield "jwks: assertions of jwt_bearer are signed, so they need jwks or jwks_url"


_SCHEME: Final = re.compile(r"([a-z][a-z0-9+.-]*):.*")
_OWN_DEVICE: Final = re.compile(r"http://(127\.0\.0\.1|\[::1\]|localhost)(:[0-9]{1,5})?(/[^#]*)?")


def _is_redirect(uri: str) -> bool:
    """Say whether somebody may be sent there with a code (RFC 8252 §7, RFC 9700 §2.1)."""
    scheme = _SCHEME.fullmatch(uri)
    if scheme is None or "#" in uri or "\\" in uri:
        return False
    if scheme[1] == "https":
        return _is_good(pull_web_address, uri)
    if scheme[1] == "http":
        return _OWN_DEVICE.fullmatch(uri) is not None
    return "." in scheme[1]


def _is_good(pull: Callable[[str], object], text: str) -> bool:
    try:
        pull(text)
    except ValueError:
        return False
    return True


def _twice(where: str, names: Iterable[str]) -> Iterator[str]:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            yield f"{where}: {name} is there twice"
        seen.add(name)


# --- tariffs ------------------------------------------------------------------------------------


class PriceDocument(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What one kind of answer costs."""

    outcome: Literal["match", "no_match", "delivered", "refused", "asked"]
    price: Annotated[str, Meta(pattern=r"^[0-9]{1,9}(\.[0-9]{1,6})?$")]
    """In the currency, with at most six decimals."""
    operation: Annotated[str, Meta(pattern="^[A-Za-z0-9_-]{0,64}$")] = ""
    """The operationId it is for; empty = any that has no price of its own."""
    method: Literal["", "sim", "nba", "oob", "claimed", "none"] = ""
    """How the subscriber was proved; empty = in any way that has no price of its own."""


class TariffDocument(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """One version of a tariff."""

    name: Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9_-]{0,31}$")]
    valid_from: Annotated[
        str, Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9:]{5,8}Z)?$", max_length=20)
    ]
    """From when on it is in force (UTC)."""
    currency: Annotated[str, Meta(pattern="^[A-Z]{3}$")]
    """ISO 4217."""
    prices: Annotated[list[PriceDocument], Meta(max_length=_MOST)] = []
    """Answers that none is for cost nothing."""
    aggregator_share: Annotated[str, Meta(pattern=r"^(100|[0-9]{1,2}(\.[0-9]{1,4})?)$")] = "0"
    """The aggregator's part of the price, in percent; the rest is yours."""
