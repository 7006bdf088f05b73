"""How each requirement stands: which tests show it, and what is wrong with that.

The list is complete by construction, so what can be wrong is found here: a required one without a
test, a claim to what is none, a section of TS.43 that nobody has read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from simgrant.nouns import noun
from simgrant.spec.load import tables
from tools.conformance import claims, requirements
from tools.conformance.claims import Claim
from tools.conformance.requirements import Requirement, Rule, Standing, State


@noun
class Entry:
    """A requirement, how it stands, and the tests that claim to show it."""

    requirement: Requirement
    standing: Standing
    shown_by: list[Claim]


@noun
class Conformance:
    """All requirements in the order of TS.43, and what is wrong with them or their claims."""

    entries: list[Entry]
    problems: list[str]


def collected(root: Path) -> Conformance:
    """Return what the files of requirements and the tests say."""
    written, derived = requirements.written(), requirements.derived()
    found = claims.find(root)
    judged = judge(written, derived, requirements.rules(), found.claims)
    sections = section_problems(written | derived, requirements.silent())
    return Conformance(judged.entries, [*found.problems, *judged.problems, *sections])


def judge(
    written: Mapping[str, Requirement],
    derived: Mapping[str, Requirement],
    rules: Collection[Rule],
    claimed: Collection[Claim],
) -> Conformance:
    """Return each requirement with its standing and its tests, and what is wrong with that."""
    known = {**written, **derived}
    shown: dict[str, list[Claim]] = {id_: [] for id_ in known}
    problems = []
    for claim in claimed:
        meant = requirements.matching(claim.pattern, known)
        if not meant:
            problems.append(f"{claim.file}::{claim.test} claims {claim.pattern}, which is none")
        for id_ in meant:
            if claim not in shown[id_]:
                shown[id_].append(claim)
    entries = [
        Entry(each, requirements.standing(each.id, rules), shown[each.id])
        for each in sorted(known.values(), key=_place)
    ]
    for entry in entries:
        id_ = entry.requirement.id
        if entry.standing.state is State.REQUIRED:
            if not entry.shown_by:
                problems.append(f"{id_} is required, and no test claims to show it")
            if id_ in written and id_ in derived:
                problems.append(f"{id_} is in a table of the server: take it out of ts43/*.toml")
    return Conformance(entries, [*problems, *_rule_problems(rules, known)])


def _rule_problems(rules: Collection[Rule], known: Collection[str]) -> Iterator[str]:
    times = Counter(rule.pattern for rule in rules)
    yield from (f"standing.toml has {pattern} twice" for pattern in times if times[pattern] > 1)
    owners: dict[str, Rule] = {}
    for rule in rules:
        meant = requirements.matching(rule.pattern, known)
        if not meant:
            yield f"standing.toml: {rule.pattern} is no requirement"
        for id_ in meant if "*" in rule.pattern else ():
            other = owners.setdefault(id_, rule)
            if other.standing != rule.standing:
                yield f"standing.toml: {id_} is meant by {other.pattern} and by {rule.pattern}"
        standing = rule.standing
        if standing.state is State.DIVERGENT and standing.why not in tables().divergences:
            yield f"standing.toml: there is no divergence {standing.why}"


def section_problems(known: Mapping[str, Requirement], silent: Mapping[str, str]) -> Iterator[str]:
    """Yield what is wrong with the sections: each has a requirement, or is silent, and exists."""
    sections = tables().sections
    asking = {each.section for each in known.values()}
    for each in known.values():
        if each.section != "RCC.14" and each.section not in sections:
            yield f"{each.id}: there is no section {each.section}"
    for section in silent:
        if section not in sections:
            yield f"silent.toml: there is no section {section}"
        if any(_within(each, section) for each in asking):
            yield f"silent.toml: section {section} asks something of a server"
    for section in sections:
        if not any(_within(each, section) for each in asking) and not any(
            _within(section, each) for each in silent
        ):
            yield f"section {section} has no requirement, nor is it in silent.toml"


def _within(section: str, other: str) -> bool:
    return section == other or section.startswith(f"{other}.")


def _place(row: Requirement) -> int:
    order = list(tables().sections)
    return order.index(row.section) if row.section in order else len(order)
