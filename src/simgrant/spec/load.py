"""The tables of this package as frozen values, read and checked once.

Whoever edits a table and forgets a key, or invents one, learns it at the next start and in the
tests, with the file and the row: a table that is read leniently is a table that lies.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, field, fields
from functools import cache
from importlib import resources
from typing import Any, TypeVar

from simgrant.nouns import noun
from simgrant.spec.version import SpecVersion, parse

R = TypeVar("R")


class BadSpecTable(ValueError):
    """A table is not as it must be; a mistake of ours."""


@noun
class ApplicationRow:
    """An application of TS.43, served or not."""

    id: str
    name: str
    section: str
    about: str


@noun
class ParamRow:
    """A request parameter that belongs to no single service."""

    name: str
    source: str
    """A section of TS.43, or RCC.14."""
    type: str
    needed: str
    """``always``, ``sometimes`` or ``never``: what TS.43 asks of the client."""
    missing: str
    """``refuse``, ``authenticate`` or ``accept``: what we do without it."""
    compared: str
    """``exact``, ``folded`` or ``number``."""
    meaning: str
    values: Mapping[int, str] = field(default_factory=dict)


@noun
class AnswerParmRow:
    """A parameter of answers that belongs to no single service."""

    name: str
    characteristic: str
    source: str
    """A section of TS.43, or RCC.14."""
    presence: str
    meaning: str
    values: Mapping[int, str] = field(default_factory=dict)


@noun
class HttpAnswerRow:
    """An HTTP status of the device front."""

    status: int
    sent: bool
    """Whether this server sends it to a device today."""
    when: str
    device: str
    """What a device does then."""
    section: str


@noun
class VersionRow:
    """A version of TS.43."""

    number: SpecVersion
    published: str
    """Year and month; empty when it never was."""
    served: bool
    brings: str
    ours: str
    """What we do otherwise for clients from this version on; empty = nothing."""


@noun
class DivergenceRow:
    """A place where we do other than the letter, or more than it says."""

    id: str
    section: str
    says: str
    does: str
    why: str
    default: str
    """``on`` or ``off``."""


@noun
class TableRow:
    """A numbered table of TS.43 that we cite."""

    number: int
    section: str
    title: str


@noun
class Tables:
    """All tables, each by what its rows are called by."""

    applications: Mapping[str, ApplicationRow]
    params: Mapping[str, ParamRow]
    answer_parms: Mapping[tuple[str, str], AnswerParmRow]
    """By characteristic and name."""
    http_answers: Mapping[int, HttpAnswerRow]
    versions: Mapping[SpecVersion, VersionRow]
    divergences: Mapping[str, DivergenceRow]
    sections: Mapping[str, str]
    """Our title of each section of TS.43, by its number."""
    spec_tables: Mapping[int, TableRow]


@cache
def tables() -> Tables:
    """Return all tables; the files are read at the first call."""
    sections_file = _read("sections")
    sections: Mapping[str, str] = sections_file["title"]
    found = Tables(
        applications=rows("applications", "application", ApplicationRow, lambda row: row.id),
        params=rows("request_params", "param", ParamRow, lambda row: row.name),
        answer_parms=rows(
            "answer_parms", "parm", AnswerParmRow, lambda row: (row.characteristic, row.name)
        ),
        http_answers=rows("http_answers", "answer", HttpAnswerRow, lambda row: row.status),
        versions=rows("versions", "version", VersionRow, lambda row: row.number),
        divergences=rows("divergences", "divergence", DivergenceRow, lambda row: row.id),
        sections=sections,
        spec_tables=_by_key("sections", sections_file["table"], TableRow, lambda row: row.number),
    )
    _check_sections(found)
    return found


def _read(name: str) -> dict[str, Any]:
    file = resources.files(__package__).joinpath("tables", f"{name}.toml")
    return tomllib.loads(file.read_text("utf-8"))


def rows(name: str, array: str, kind: type[R], key: Callable[[R], Any]) -> dict[Any, R]:
    """Return the rows of a table's array by their key; raise BadSpecTable."""
    return _by_key(name, _read(name)[array], kind, key)


def _by_key(
    name: str, data: Iterable[dict[str, Any]], kind: type[R], key: Callable[[R], Any]
) -> dict[Any, R]:
    found: dict[Any, R] = {}
    for number, entry in enumerate(data, 1):
        row = _row(f"{name}.toml, row {number}", entry, kind)
        if key(row) in found:
            raise BadSpecTable(f"{name}.toml, row {number}: {key(row)!r} stands there twice")
        found[key(row)] = row
    return found


def _row(place: str, entry: dict[str, Any], kind: type[R]) -> R:
    known = {each.name: each for each in fields(kind)}  # type: ignore[arg-type]
    if unknown := entry.keys() - known.keys():
        raise BadSpecTable(f"{place}: unknown keys {sorted(unknown)}")
    values: dict[str, Any] = {}
    for name, each in known.items():
        if name in entry:
            values[name] = _value(f"{place}, {name}", entry[name], str(each.type))
        elif each.default_factory is MISSING:
            raise BadSpecTable(f"{place}: {name} is missing")
    return kind(**values)


def _value(place: str, given: object, wanted: str) -> object:
    match wanted, given:
        case "SpecVersion", str() if (version := parse(given)) is not None:
            return version
        case "Mapping[int, str]", dict():
            return {int(number): word for number, word in given.items()}
        case ("str", str()) | ("bool", bool()):
            return given
        case "int", int() if not isinstance(given, bool):
            return given
    raise BadSpecTable(f"{place}: must be {wanted}, not {given!r}")


def _check_sections(found: Tables) -> None:
    cited = [
        *((f"application {row.id}", row.section) for row in found.applications.values()),
        *((f"param {row.name}", row.source) for row in found.params.values()),
        *((f"parm {row.name}", row.source) for row in found.answer_parms.values()),
        *((f"status {row.status}", row.section) for row in found.http_answers.values()),
        *((f"divergence {row.id}", row.section) for row in found.divergences.values()),
        *((f"table {row.number}", row.section) for row in found.spec_tables.values()),
    ]
    for place, section in cited:
        if section != "RCC.14" and section not in found.sections:
            raise BadSpecTable(f"{place}: there is no section {section}")
