"""An operator's own parameters in an answer, and which names they may not have.

They come from the policy (`simgrant.domain.own`) and are off unless it has some. A name of TS.43's
own in another meaning would break phones in ways that nobody could find, so it is refused at
start, in any case of letters; so are characteristics where phones read none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from simgrant.domain.own import OwnGroup, OwnItem, OwnParm
from simgrant.domain.policy import Policy, PolicyError
from simgrant.domain.problems import Problems
from simgrant.nouns import replace
from simgrant.services.service import Service
from simgrant.spec.load import tables
from simgrant.spec.version import SpecVersion
from simgrant.wire.document import Characteristic, CharacteristicList, Item, Parm
from simgrant.wire.relay import MEMBER

_AS_THEY_ARE: Mapping[str, str] = {}
_A_BOOST = "boost_166"
"""Stands for boosts of every type among the features of a service."""


def refuse_taken(policy: Policy, services: Mapping[str, Service]) -> None:
    """Raise `PolicyError` with all own parameters that the services cannot have."""
    problems = Problems()
    common = {row.name for row in tables().answer_parms.values()} | {MEMBER}
    for app_id, items in policy.own.items():
        service = services.get(app_id)
        if service is None:
            problems.unknown("own", app_id, app_id, services)
            continue
        taken = {path.partition("/")[0].lower() for path in service.parms}
        taken |= {name.lower() for name in common}
        for item in items:
            if item.name.lower() in taken:
                problems.add(f"own.{app_id}", item.name, "is a name of TS.43's own")
            elif isinstance(item, OwnGroup) and not _has_groups(service, None):
                reason = f"phones read no characteristics in {app_id}: write parameters"
                problems.add(f"own.{app_id}", item.name, reason)
            elif MEMBER in _names(item):
                problems.add(f"own.{app_id}", item.name, f"must not hold {MEMBER}")
    for rule in policy.rules:
        for name, _ in rule.allowance.own:
            told = {app for app, items in policy.own.items() if any(i.name == name for i in items)}
            about = {f for app in told & services.keys() for f in services[app].features}
            if not _is_asked(rule.features, about):
                reason = f"none of its features is asked for by {', '.join(sorted(told))}"
                problems.add(f'rule "{rule.id}"', f"with.{name}", reason)
    if problems.found:
        raise PolicyError(problems.found)


def _is_asked(features: frozenset[str] | None, about: set[str]) -> bool:
    """Say whether a service asks for one of a rule's features; a boost of any type is one."""
    if features is None:
        return True
    return any(
        each in about or (_A_BOOST in about and each.startswith("boost_")) for each in features
    )


def own_items(
    policy: Policy, service: Service, version: SpecVersion, values: Mapping[str, str] = _AS_THEY_ARE
) -> tuple[Item, ...]:
    """Return the own parameters for a client (divergence "own-parameters").

    Characteristics only where TS.43 has some too. ``values`` are those that rules gave otherwise.
    """
    items = policy.own.get(service.app_id, ())
    if items and not _has_groups(service, version):
        items = tuple(item for item in items if isinstance(item, OwnParm))
    if values:
        items = tuple(
            replace(item, value=values[item.name])
            if isinstance(item, OwnParm) and item.name in values
            else item
            for item in items
        )
    return tuple(map(_item, items))


def _has_groups(service: Service, version: SpecVersion | None) -> bool:
    """Say whether TS.43 has characteristics in a service, for clients of a version if given."""
    return any(
        "/" in path
        and (version is None or row.since <= version)
        and (version is None or row.before is None or version < row.before)
        for path, row in service.parms.items()
    )


def _names(item: OwnItem) -> Iterable[str]:
    yield item.name
    if isinstance(item, OwnGroup):
        for entry in item.entries:
            yield from _names(entry)


def _item(item: OwnItem) -> Item:
    if isinstance(item, OwnParm):
        return Parm(item.name, item.value)
    if item.listed:
        groups = (entry for entry in item.entries if isinstance(entry, OwnGroup))
        return CharacteristicList(item.name, tuple(map(_group, groups)))
    return _group(item)


def _group(group: OwnGroup) -> Characteristic:
    return Characteristic(group.name, tuple(map(_item, group.entries)))
