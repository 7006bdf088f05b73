"""Write the page of conformance; with ``--check``, compare it, and fail where a test is missing."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path

from simgrant.spec.load import tables
from tools.conformance import requirements
from tools.conformance.judgement import Conformance, Entry, collected
from tools.conformance.requirements import Kind, State
from tools.markdown import head, table

ROOT = Path(__file__).parents[2]
PAGE = "docs/reference/conformance.md"


def rendered(found: Conformance) -> str:
    """Return the page."""
    parts = [
        head("Conformance", "tools/conformance, the tables of the server and the tests"),
        "What TS.43 v12.0 asks of a server, section by section, and the tests that show it.\n"
        "*Required* is what this release does: `make check` fails when one of these has no test.\n"
        "*Later* is planned and not there yet, *divergent* is done otherwise on purpose, *not\n"
        "served* is left out for the reason given. What we do in place of the letter has to be\n"
        "shown as well: `divergence.…`, with the ids of [Divergences](../divergences.md).\n"
        "The words are ours: [these files](../../tools/conformance/ts43/README.md) have them for\n"
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
    ours = sum(entry.requirement.kind is Kind.DIVERGENCE for entry in entries)
    totals = [
        ("requirements", str(len(entries))),
        ("required", str(states[State.REQUIRED])),
        ("… of these, shown by a test", str(shown)),
        ("… of these, what we do where we diverge", str(ours)),
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
    said = f"*{_word(state)}*: " + (f"`{why}`" if state is State.DIVERGENT else why)
    return f"{said}; {tests}" if tests and state is not State.LATER else said


def _word(state: State) -> str:
    return state.value.replace("_", " ")


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
                f"{count} {_word(state)}"
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
