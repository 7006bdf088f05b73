"""What is wrong with tables of eSIMs, and what they say of where profiles come from."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from simgrant.config.addresses import is_page_address
from simgrant.config.model import Esim, ProfileSource, Settings, Tenant
from simgrant.config.section import claimed_twice, unknown_tenants
from simgrant.domain.plan_offer import MOST_PLAN_ID

_RANGE: Final = re.compile(r"(\d{32})-(\d{32})", re.ASCII)
_PREFIX: Final = re.compile(r"\d{1,32}", re.ASCII)


def eid_range(text: str) -> tuple[str, str]:
    """Return the first and the last EID of a range; raise ValueError."""
    found = _RANGE.fullmatch(text)
    if found is None or found[1] > found[2]:
        raise ValueError(f"{text!r} is no range first-last of EIDs with 32 digits")
    return found[1], found[2]


def esim_problems(
    settings: Settings, tenants: Mapping[str, Tenant], *, portal_url: str
) -> list[str]:
    """Name what tables of eSIMs lack, and every tenant that has two for one application."""
    found: list[str] = []
    claimed: dict[str, dict[str, str]] = {}
    for name, esim in settings.esim.items():
        where = f"esim.{name}"
        found += unknown_tenants(where, esim.tenants, tenants)
        if not esim.profile_type and esim.order_mode == "ecs":
            found.append(f"{where}.profile_type: must be set")
        if esim.app == "companion" and not esim.services:
            found.append(f"{where}.services: a companion needs one")
        highest = 1_000_000 if esim.app == "enterprise" else 1_000
        if not 1 <= esim.most <= highest:
            found.append(f"{where}.most: {esim.most} is not within 1 to {highest}")
        found += _asked_problems(where, esim, settings)
        found += [
            f'{where}.{key}: is for app = "primary" alone'
            for key, unset in (
                ("old_profile", "kept"),
                ("ask_new", "nothing"),
                ("ask_transfer", "nothing"),
            )
            if esim.app != "primary" and getattr(esim, key) != unset
        ]
        found += [
            f"{where}.plans: there is no [plan_offers.{plan}]"
            for plan in esim.plans
            if plan not in settings.plan_offers
        ]
        named = esim.tenants or tuple(tenants)
        found += _source_problems(where, esim, settings, named)
        if esim.app == "enterprise" and esim.portal != "never":
            found.append(f"{where}.portal: a system is shown no page")
        found += [
            f"{where}.portal: tenant {tenant} has no pages"
            for tenant in named
            if esim.portal != "never" and tenant in tenants
            if not (tenants[tenant].portal_url or portal_url)
        ]
        found += claimed_twice(f"{where} ({esim.app})", named, claimed.setdefault(esim.app, {}))
    found += _rule_problems(settings)
    for key, lists in (
        ("tac_lists", settings.tac_lists),
        ("eid_lists", settings.eid_lists),
    ):
        found += [
            f"{key}.{name}.file: must be set" for name, each in lists.items() if not each.file
        ]
    for name, offer in settings.plan_offers.items():
        if not offer.name:
            found.append(f"plan_offers.{name}.name: must be set")
        if len(name) > MOST_PLAN_ID:
            found.append(f"plan_offers.{name}: more than {MOST_PLAN_ID} letters")
    return found


def _asked_problems(where: str, esim: Esim, settings: Settings) -> Iterator[str]:
    """Name what is wrong with what a table of eSIMs asks of devices."""
    for key, name, lists in (
        ("tac_list", esim.tac_list, settings.tac_lists),
        ("eid_list", esim.eid_list, settings.eid_lists),
    ):
        if name and name not in lists:
            yield f"{where}.{key}: there is no [{key}s.{name}]"
    if esim.not_eligible_url:
        if esim.app != "companion" or not esim.tac_list:
            yield f"{where}.not_eligible_url: is for companions with a tac_list alone"
        if not is_page_address(esim.not_eligible_url):
            yield f"{where}.not_eligible_url: {esim.not_eligible_url!r} is no address of a page"


def _source_problems(
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


def _rule_problems(settings: Settings) -> Iterator[str]:
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
