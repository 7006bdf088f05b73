"""What the settings of business support systems mean, and what would keep one from being asked."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Final
from urllib.parse import urlsplit

import msgspec

from simgrant.config.api_tables import ApiTable
from simgrant.config.bss_tables import Bss
from simgrant.config.model import Settings
from simgrant.config.rest import rest_problems
from simgrant.config.rest_tables import RestAnswer, RestAspect
from simgrant.config.section import table_in, unknown_tenants
from simgrant.config.ses import ses_problems
from simgrant.config.tmf import tmf_problems
from simgrant.domain.told import REALTIME, USUAL, Freshness
from simgrant.spec.ids import AppId

_EMPTY: Final = Bss()
_TYPES: Final = {"requests": "rest", "ses": "ses"}
"""The type that a table in it is for; all others are for TM Forum's."""
_HERE: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_HEADER: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}", re.ASCII)


def bss_of(settings: Settings, tenant: str) -> str:
    """Return the name of a tenant's BSS; empty = it has none."""
    for name, table in settings.bss.items():
        if not table.tenants or tenant in table.tenants:
            return name
    return ""


def switches_devices(settings: Settings, tenant: str) -> bool:
    """Say whether a tenant's BSS switches the services of devices in the network."""
    name = bss_of(settings, tenant)
    return bool(name and settings.bss[name].activation.devices)


def bss_problems(settings: Settings, tenants: Collection[str]) -> Iterator[str]:
    """Name what is missing or malformed."""
    for name, table in settings.bss.items():
        where = f"bss.{name}"
        yield from unknown_tenants(f"{where}.tenants", table.tenants, tenants)
        yield from api_problems(where, table)
        if not 0.05 <= table.timeout_s <= settings.server.request_timeout_s:
            yield f"{where}.timeout_s: {table.timeout_s} is not within 0.05 and a request's time"
        yield from _misplaced(where, table)
        yield from _freshness_problems(where, table)
        yield from _KINDS[table.type](where, table)
    yield from _user_problems(settings)
    for tenant in tenants:
        found = [
            name for name, each in settings.bss.items()
            if not each.tenants or tenant in each.tenants
        ]  # fmt: skip
        if len(found) > 1:
            yield f"bss: tenant {tenant} has several: {', '.join(found)}; say whose with `tenants`"


def plans_meant(table: Bss) -> frozenset[str]:
    """Return the plans of a policy that answers are taken to mean."""
    mapped = [aspects["plan"] for aspects in _aspects(table) if "plan" in aspects]
    return frozenset({*table.products.plans.values(), *_said(mapped)} - {""})


def features_meant(table: Bss) -> frozenset[str]:
    """Return the features of a policy that answers are taken to mean."""
    found: set[str] = set()
    for inventory in (table.products, table.services, table.resources):
        found |= {*inventory.options.values(), *inventory.refusals.values()}
    for aspects in _aspects(table):
        for name in aspects.keys() & {"options", "refusals"}:
            aspect = aspects[name]
            found |= set(aspect.features) or _said([aspect])
    return frozenset(found - {""})


def bss_warnings(table: Bss) -> Iterator[str]:
    """Say what may be meant so, and is worth a second look."""
    if table.type == "ses":
        yield "type ses is experimental: nobody has tried it with a BSS that SES had asked"
    if not (table.token_url or table.api_key_file or table.user or table.certificate):
        yield "nothing proves to it who asks"
    if table.url.startswith("http:") and urlsplit(table.url).hostname not in _HERE:
        yield "what subscribers have travels in clear; keep it in a network of your own"
    asked: dict[str, RestAnswer] = {"entitlements": table.ses.entitlements, **table.requests}
    for name, answer in asked.items():
        if answer.unchecked:
            yield f"{name}: it is not checked whom answers are about"


def _said(aspects: Iterable[RestAspect]) -> set[str]:
    return {word for each in aspects for word in (*each.meanings.values(), each.default or "")}


def _aspects(table: Bss) -> list[Mapping[str, RestAspect]]:
    requests = [each.aspects for each in table.requests.values()]
    return [*requests, table.ses.entitlements.aspects]


def _misplaced(where: str, table: Bss) -> Iterator[str]:
    """Name what is set for another type than the table has."""
    for each in msgspec.structs.fields(Bss):
        if table_in(each.type) is None or getattr(table, each.name) == getattr(_EMPTY, each.name):
            continue
        if (kind := _TYPES.get(each.name, "tmf")) != table.type:
            yield f'{where}.{each.name}: it is for type = "{kind}"'


_KINDS: Final[Mapping[str, Callable[[str, Bss], Iterator[str]]]] = {
    "tmf": tmf_problems,
    "rest": lambda where, table: rest_problems(where, table.requests),
    "ses": lambda where, table: ses_problems(f"{where}.ses", table.ses),
}
"""By type: what names the problems of what that type has."""


def validator_of(settings: Settings) -> str:
    """Return the name of the BSS that checks addresses; empty = none does."""
    kind, _, name = settings.portal.address_validator.partition(".")
    return name if kind == "bss" else ""


def _user_problems(settings: Settings) -> Iterator[str]:
    """Name what other tables want of a BSS that is not there, or does not do it."""
    word = settings.portal.address_validator
    if word != "embedded":
        table = settings.bss.get(validator_of(settings))
        if table is None or not table.addresses.on:
            yield (
                f"portal.address_validator: {word!r} is neither embedded nor a bss.NAME with "
                "addresses.on"
            )
    if not any(table.offers.on for table in settings.bss.values()):
        for name, esim in settings.esim.items():
            if esim.plans_of_bss:
                yield f"esim.{name}.plans_of_bss: there is no [bss.NAME.offers] that is on"


def freshness_of(table: Bss) -> dict[str, Freshness]:
    """Return how old what was told may be, by AppID."""
    found = {}
    for app in (*USUAL, *table.fresh_s, *table.last_known_s):
        usual = USUAL.get(app, REALTIME)
        found[app] = Freshness(
            fresh_s=table.fresh_s.get(app, usual.fresh_s),
            known_s=table.last_known_s.get(app, usual.known_s),
        )
    return found


def _freshness_problems(where: str, table: Bss) -> Iterator[str]:
    apps = frozenset(AppId)
    for key in ("fresh_s", "last_known_s"):
        yield from (
            f"{where}.{key}.{app}: there is no such application"
            for app in getattr(table, key)
            if app not in apps
        )
    for app, each in freshness_of(table).items():
        if 0 < each.known_s < each.fresh_s:
            yield (
                f"{where}.last_known_s.{app}: {each.known_s} is less than the {each.fresh_s} "
                "seconds for which nobody is asked (fresh_s)"
            )


def api_problems(where: str, table: ApiTable) -> Iterator[str]:
    """Name what would keep an API from being reached, or from knowing us."""
    yield from _reached(where, table)
    yield from _proved(where, table)


def _reached(where: str, table: ApiTable) -> Iterator[str]:
    if not table.url:
        yield f"{where}.url: must be set"
    for key in ("url", "token_url"):
        if (address := getattr(table, key)) and (
            text := address_problem(address, plain=table.plain)
        ):
            yield f"{where}.{key}: {address!r} {text}"
    if bool(table.certificate) != bool(table.key):
        yield f"{where}: certificate and key go together"


def _proved(where: str, table: ApiTable) -> Iterator[str]:
    if table.token_url and not (table.client_id and table.secret_file):
        yield f"{where}: client_id and secret_file must be set, for token_url"
    if table.client_id and not table.token_url:
        yield f"{where}.token_url: must be set, for client_id"
    if bool(table.user) != bool(table.password_file):
        yield f"{where}: user and password_file go together"
    if table.user and table.token_url:
        yield f"{where}: user and token_url both want the header Authorization"
    for header in (table.api_key_header, *table.headers):
        if not _HEADER.fullmatch(header):
            yield f"{where}: {header!r} is no name of a header"
    for header, value in table.headers.items():
        if not value.isascii() or not value.isprintable():
            yield f"{where}.headers.{header}: its value can be sent in no header"


def address_problem(address: str, *, plain: bool) -> str:
    """Return what is wrong with the address of an API; empty = nothing is."""
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError:
        return "is no address"
    if not host or port == 0 or parts.scheme not in ("http", "https") or "@" in parts.netloc:
        return "is no http:// or https:// address"
    if parts.query or parts.fragment or not address.isascii() or not address.isprintable():
        return "is more than scheme, host, port and a path"
    if parts.scheme == "http" and not plain and host not in _HERE:
        return "is not https; say plain = true if that is meant"
    return ""
