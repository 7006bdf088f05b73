"""What tables of eSIMs say of where profiles come from, and what is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from simgrant.config.model import Esim, ProfileSource, Settings

_RANGE: Final = re.compile(r"(\d{32})-(\d{32})", re.ASCII)
_PREFIX: Final = re.compile(r"\d{1,32}", re.ASCII)


def eid_range(text: str) -> tuple[str, str]:
    """Return the first and the last EID of a range; raise ValueError."""
    found = _RANGE.fullmatch(text)
    if found is None or found[1] > found[2]:
        raise ValueError(f"{text!r} is no range first-last of EIDs with 32 digits")
    return found[1], found[2]


def source_problems(
    where: str, esim: Esim, settings: Settings, tenants: Sequence[str]
) -> Iterator[str]:
    """Name what is wrong with where an eSIM's profiles come from."""
    if esim.order_mode == "bss":
        for key, usual in (
            ("smdp", ""),
            ("sources", ()),
            ("release", "at_once"),
            ("old_profile", "kept"),
        ):
            if getattr(esim, key) != usual:
                yield f"{where}.{key}: this is the BSS's to decide, where that orders the profiles"
        return
    yield from _deletion_problems(where, esim, settings)
    offers = map(settings.plan_offers.get, esim.plans)
    types = {esim.profile_type, *(offer.profile_type for offer in offers if offer)} - {""}
    yield from _smdp_problems(where, esim.smdp, settings, types, tenants)
    for name in esim.sources:
        rule = settings.profile_sources.get(name)
        if rule is None:
            yield f"{where}.sources: there is no [profile_sources.{name}]"
            continue
        asked = {kind for kind in types if not rule.profile_types or kind in rule.profile_types}
        if not asked:
            yield f"{where}.sources: nothing of it is of a type that profile_sources.{name} is for"
        of_rule = {rule.profile_type} if rule.profile_type else asked
        yield from _smdp_problems(f"profile_sources.{name}", rule.smdp, settings, of_rule, tenants)


def _deletion_problems(where: str, esim: Esim, settings: Settings) -> Iterator[str]:
    if esim.old_profile == "kept":
        return
    rules = map(settings.profile_sources.get, esim.sources)
    for name in dict.fromkeys((esim.smdp, *(rule.smdp for rule in rules if rule))):
        smdp = settings.smdp.get(name)
        if smdp is not None and not (smdp.deletion_point and settings.es2plus.listen):
            yield (
                f"{where}.old_profile: nobody tells us of deletions without es2plus.listen and "
                f"smdp.{name}.deletion_point"
            )


def rule_problems(settings: Settings) -> Iterator[str]:
    """Name what is wrong with the conditions of profile sources."""
    for name, rule in settings.profile_sources.items():
        where = f"profile_sources.{name}"
        yield from _condition_problems(where, rule)
        if not any(name in esim.sources for esim in settings.esim.values()):
            yield f"{where}: no [esim.NAME] names it in sources"


def _condition_problems(where: str, rule: ProfileSource) -> Iterator[str]:
    for text in rule.eid_ranges:
        try:
            eid_range(text)
        except ValueError as error:
            yield f"{where}.eid_ranges: {error}"
    for text in rule.eid_prefixes:
        if not _PREFIX.fullmatch(text):
            yield f"{where}.eid_prefixes: {text!r} is not made of 1 to 32 digits"
    if not 0 < rule.share <= 1:
        yield f"{where}.share: {rule.share} is not within 0 to 1, and above 0"


def _smdp_problems(
    where: str, name: str, settings: Settings, types: set[str], tenants: Sequence[str]
) -> Iterator[str]:
    smdp = settings.smdp.get(name)
    if smdp is None:
        yield f"{where}.smdp: there is no [smdp.{name}]"
        return
    for kind in sorted(types):
        if smdp.profile_types and kind not in smdp.profile_types:
            yield f"{where}: smdp.{name} has no profile type {kind}"
    for tenant in tenants:
        if smdp.tenants and tenant not in smdp.tenants:
            yield f"{where}: smdp.{name} is not for tenant {tenant}"
