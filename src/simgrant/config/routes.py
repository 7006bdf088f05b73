"""What the settings of routes mean, and what would leave SIMs without a source of vectors."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Final

from simgrant.config import model
from simgrant.config.aaa import aaa_of
from simgrant.config.model import Settings, SourceLimits
from simgrant.config.section import unknown_tenants
from simgrant.domain.route import ANY_TENANT, LOCAL_AUC, Route, Stretch

KINDS: Final = ("hss", "hlr", "udm", "hss_sbi")
"""The sections whose tables are sources of vectors; ``compose`` says how each is opened."""
_LONGEST: Final = 15
_PLMN: Final = re.compile(r"\d{3}-\d{2,3}", re.ASCII)
_IMSIS: Final = re.compile(r"(\d{5,15})(?:-(\d{5,15}))?", re.ASCII)


def source_names(settings: Settings) -> tuple[str, ...]:
    """Return the names of all sources but our own AuC."""
    return tuple(f"{kind}.{name}" for kind in KINDS for name in getattr(settings, kind))


def limits_of(settings: Settings, source: str) -> SourceLimits:
    """Return how a source is treated. Our own AuC is as well as the store, which has its guard."""
    usual = SourceLimits(failures=0) if source == LOCAL_AUC else SourceLimits()
    return settings.source_limits.get(source, usual)


def routes(settings: Settings) -> tuple[Route, ...]:
    """Return the routes; without any, everything goes to the only source there is."""
    if settings.routes:
        return tuple(_route(name, table) for name, table in settings.routes.items())
    return (Route(name="", sources=(source_names(settings) or (LOCAL_AUC,))[:1]),)


def asked_for(settings: Settings, source: str) -> str:
    """Return for whom a source is asked, for people; empty = for nobody."""
    found = []
    for route in routes(settings):
        if source in route.sources:
            place = route.sources.index(source)
            whom = f"route {route.name}" if route.name else "everybody"
            if place:
                besides = ", or besides if that takes long" if route.hedge else ""
                whom += f", after {', '.join(route.sources[:place])}{besides}"
            found.append(whom)
    return "; ".join(found)


def route_problems(settings: Settings, tenants: Mapping[str, model.Tenant]) -> Iterator[str]:
    """Name what is malformed, unknown, said twice or not at all."""
    known = (*source_names(settings), LOCAL_AUC)
    others = settings.identity_providers or any(each.otp_apps for each in tenants.values())
    if settings.auth.fallback_on_core_failure and not others:
        yield (
            "auth.fallback_on_core_failure: there is no other way: neither identity_providers nor "
            "otp_apps of a tenant"
        )
    yield from _limit_problems(settings.source_limits, known)
    if not settings.routes:
        if len(known) > 2:
            yield f"routes: {', '.join(known[:-1])}: a [routes.NAME] has to say which is asked"
        return
    found = tuple(
        problem
        for name, table in settings.routes.items()
        for problem in _problems(f"routes.{name}", table, tenants, known)
    )
    yield from found
    if found:
        return
    stretches = sorted(
        (each for route in routes(settings) for each in route.stretches()),
        key=lambda each: each.place,
    )
    yield from _claimed_twice(stretches)
    with_aaa = aaa_of(settings, tenants)
    for name, tenant in tenants.items():
        for text in () if name in with_aaa else _unrouted(name, tenant, stretches):
            yield f"tenants.{name}: there is no route for {text}"


def _route(name: str, table: model.Route) -> Route:
    return Route(
        name=name,
        sources=table.sources,
        tenants=table.tenants,
        imsis=(*map(_of_plmn, table.plmns), *map(_ends, table.imsis)),
        hedge=int(table.hedge.removeprefix("p") or 0) / 100,
    )


def _of_plmn(text: str) -> tuple[str, str]:
    digits = text.replace("-", "")
    return digits, digits


def _ends(text: str) -> tuple[str, str]:
    first, _, last = text.partition("-")
    return first, last or first


def _problems(
    where: str, table: model.Route, tenants: Collection[str], known: Sequence[str]
) -> Iterator[str]:
    if not table.sources:
        yield f"{where}.sources: must be set"
    for source in table.sources:
        if source not in known:
            yield f"{where}.sources: there is no {source!r}; there are {', '.join(known)}"
    if len(set(table.sources)) < len(table.sources):
        yield f"{where}.sources: one is named twice"
    if table.hedge and len(table.sources) < 2:
        yield f"{where}.hedge: there is no other source that might be asked"
    yield from unknown_tenants(where, table.tenants, tenants)
    for text in table.plmns:
        if not _PLMN.fullmatch(text):
            yield f"{where}.plmns: {text!r} must look like 001-01"
    for text in table.imsis:
        match = _IMSIS.fullmatch(text)
        first, last = _ends(text)
        if not match or len(first) != len(last) or first > last:
            yield (
                f"{where}.imsis: {text!r} is neither 5 to 15 digits that IMSIs start with, nor "
                "first-last of them, of one length"
            )


def _limit_problems(limits: Iterable[str], known: Sequence[str]) -> Iterator[str]:
    for name in limits:
        if name not in known:
            there = ", ".join(known)
            yield f'source_limits."{name}": there is no such source; there are {there}'


def _claimed_twice(stretches: Sequence[Stretch]) -> Iterator[str]:
    """Name neighbours of one kind that overlap: nobody could say which of them is meant."""
    for one, other in pairwise(stretches):
        if one.place[:2] == other.place[:2] and other.first <= one.last:
            whom = "every tenant" if one.tenant == ANY_TENANT else f"tenant {one.tenant}"
            what = f"IMSIs {other.first}…" if other.first else "every IMSI"
            yield f"routes.{other.route}: routes.{one.route} has {what} of {whom} already"


def _unrouted(name: str, tenant: model.Tenant, stretches: Iterable[Stretch]) -> Iterator[str]:
    """Yield the networks, or else ranges, of a tenant that no route covers as a whole."""
    spans = sorted(
        _span(each.first, each.last) for each in stretches if each.tenant in (name, ANY_TENANT)
    )
    needed = [(text, _ends(text)) for text in tenant.imsi_ranges]
    needed = needed or [(text, _of_plmn(text)) for text in tenant.plmns]
    for text, ends in needed:
        reached, end = _span(*ends)
        for first, last in spans:
            if first <= reached:
                reached = max(reached, last + 1)
        if reached <= end:
            yield text


def _span(first: str, last: str) -> tuple[int, int]:
    """Return the first and last IMSI of full length that start so."""
    return int(first.ljust(_LONGEST, "0")), int(last.ljust(_LONGEST, "9"))
