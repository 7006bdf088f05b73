"""Write the page of conformance; with ``--check``, compare it, and fail where a test is missing.

The page has every requirement with the tests that show it. It is complete by construction, so
what can be wrong is found here: a required one without a test, a claim to what is none, a
section of TS.43 that nobody has read.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from simgrant.nouns import noun
from simgrant.spec.load import tables
from tools.conformance import claims, requirements
from tools.conformance.claims import Claim
from tools.conformance.requirements import Requirement, Rule, Standing, State
from tools.markdown import head, table

ROOT = Path(__file__).parents[2]
PAGE = "docs/reference/conformance.md"


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


def collected(root: Path = ROOT) -> Conformance:
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


# --- the page ------------------------------------------------------------------------------

_STATES = {
    State.REQUIRED: "required",
    State.LATER: "later",
    State.DIVERGENT: "divergent",
    State.NOT_SERVED: "not served",
}


def rendered(found: Conformance) -> str:
    """Return the page."""
    parts = [
        head("Conformance", "tools/conformance, the tables of the server and the tests"),
        "What TS.43 v12.0 asks of a server, section by section, and the tests that show it.\n"
        "*Required* is what this release does: `make check` fails when one of these has no test.\n"
        "*Later* is planned and not there yet, *divergent* is done otherwise on purpose (see\n"
        "[Divergences](../divergences.md)), and *not served* is left out for the reason given.\n"
        "The words are ours: [tools/conformance](../../tools/conformance/ts43/README.md) has them for\n"
        "review, and the [contributor's guide](../../CONTRIBUTING.md#conformance) says how a test\n"
        "claims.\n",
        _counts(found.entries),
    ]
    by_section: dict[str, list[Entry]] = {}
    for entry in found.entries:
        by_section.setdefault(entry.requirement.section, []).append(entry)
    for section, entries in by_section.items():
        title = tables().sections.get(section)
        parts.append(f"## {section} {title}\n" if title else "## RCC.14\n")
        rows = (
            (f"`{each.requirement.id}`", each.requirement.kind, _what(each), _how(each))
            for each in entries
        )
        parts.append(table(("requirement", "kind", "what", "shown by"), rows))
    parts += ["## Tables of TS.43\n", _by_table(found.entries)]
    parts += ["## Sections that ask nothing of a server\n", _silent()]
    return "\n".join(parts)


def _counts(entries: Collection[Entry]) -> str:
    states = Counter(entry.standing.state for entry in entries)
    shown = sum(
        entry.standing.state is State.REQUIRED and bool(entry.shown_by) for entry in entries
    )
    waiting = Counter(
        entry.standing.why for entry in entries if entry.standing.state is State.LATER
    )
    totals = [
        ("requirements", str(len(entries))),
        ("required", str(states[State.REQUIRED])),
        ("of these, shown by a test", str(shown)),
        ("divergent", str(states[State.DIVERGENT])),
        ("not served", str(states[State.NOT_SERVED])),
        ("later", str(states[State.LATER])),
        *((f"… {why}", str(number)) for why, number in sorted(waiting.items())),
    ]
    return table(("", "number"), totals)


def _what(entry: Entry) -> str:
    row = entry.requirement
    notes = [f"Table {row.table}"] if row.table else []
    notes += [f"since {row.since}"] if row.since else []
    return f"{row.says} ({', '.join(notes)})" if notes else row.says


def _how(entry: Entry) -> str:
    state, why = entry.standing.state, entry.standing.why
    tests = ", ".join(
        f"[{claim.test.rpartition('::')[2]}](../../{claim.file})" for claim in entry.shown_by
    )
    if state is State.REQUIRED:
        return tests or "**no test**"
    said = f"*{_STATES[state]}*: " + (f"`{why}`" if state is State.DIVERGENT else why)
    return f"{said}; {tests}" if tests and state is not State.LATER else said


def _by_table(entries: Collection[Entry]) -> str:
    by_number: dict[int, list[Entry]] = {}
    for entry in entries:
        if entry.requirement.table is not None:
            by_number.setdefault(entry.requirement.table, []).append(entry)
    rows = (
        (
            str(number),
            ", ".join(sorted({f"§{each.requirement.section}" for each in found})),
            ", ".join(
                f"{count} {_STATES[state]}"
                for state, count in Counter(each.standing.state for each in found).items()
            ),
        )
        for number, found in sorted(by_number.items())
    )
    return table(("table", "TS.43", "requirements"), rows)


def _silent() -> str:
    titles = tables().sections
    rows = ((f"§{each}", titles[each], why) for each, why in requirements.silent().items())
    return table(("TS.43", "about", "why nothing"), rows)


def main(arguments: Sequence[str], root: Path = ROOT) -> int:
    """Write the page, or compare it; say what is wrong, and return the exit code."""
    found = collected(root)
    text, path = rendered(found), root / PAGE
    problems = list(found.problems)
    if "--check" not in arguments:
        path.write_text(text, encoding="utf-8")
    elif not path.exists() or path.read_text("utf-8") != text:
        problems.append(f"out of date, run: make docs ({PAGE})")
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
