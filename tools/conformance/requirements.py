"""What TS.43 asks of a server, one requirement at a time, and how each stands with us.

Most of it is written down in ``ts43/*.toml``, to be reviewed against the specification. What the
tables of the server hold already (parameters, values, statuses, versions, divergences) is made of
them, so that nothing is written twice. ``standing.toml`` says what is not required, and why;
``silent.toml`` says which sections ask nothing of a server.
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterator, Mapping
from fnmatch import fnmatchcase
from itertools import product
from pathlib import Path
from typing import Any

from simgrant.flows.operations import OPERATIONS
from simgrant.nouns import Word, noun
from simgrant.services import SERVICES
from simgrant.services.service import ParmRow
from simgrant.spec.load import tables

DATA = Path(__file__).parent


class BadData(ValueError):
    """A file of requirements is not as it must be."""


class Kind(Word):
    """What a requirement is about."""

    BEHAVIOUR = "behaviour"
    PARAMETER = "parameter"
    VALUE = "value"
    HEADER = "header"
    STATUS = "status"
    VERSION = "version"
    DIVERGENCE = "divergence"


class State(Word):
    """How a requirement stands with this server."""

    REQUIRED = "required"
    LATER = "later"
    DIVERGENT = "divergent"
    NOT_SERVED = "not_served"


@noun
class Requirement:
    """One thing that a server has to take, to send, to do or to refuse."""

    id: str
    """Group and name, joined by a dot; a value's has ``=`` and the value behind that."""
    kind: Kind
    section: str
    """Of TS.43, or RCC.14."""
    table: int | None
    """The table of TS.43 that has it, if one does."""
    says: str
    since: str
    """First version of TS.43 that has it; empty where that is not known or it always was there."""


@noun
class Standing:
    """Why a requirement is not, or not yet, required."""

    state: State
    why: str
    """What it waits for, the divergence's id, or the reason; empty where it is required."""


@noun
class Rule:
    """One entry of ``standing.toml``: an id, or a pattern of ids, and how they stand."""

    pattern: str
    standing: Standing


_REQUIRED = Standing(State.REQUIRED, "")


# --- what is written down ------------------------------------------------------------------


def written(directory: Path = DATA / "ts43") -> dict[str, Requirement]:
    """Return the requirements of every file in ``directory`` by id, or raise `BadData`."""
    found: dict[str, Requirement] = {}
    for path in sorted(directory.glob("*.toml")):
        for name, group in tomllib.loads(path.read_text("utf-8")).items():
            try:
                rows = list(_group(name, dict(group)))
            except (KeyError, TypeError, ValueError) as error:
                raise BadData(f"{path.name}, group {name}: {error!r}") from error
            for row in rows:
                if row.id in found:
                    raise BadData(f"{path.name}: {row.id} stands there twice")
                found[row.id] = row
    return found


def _group(name: str, data: dict[str, Any]) -> Iterator[Requirement]:
    common = {key: data.pop(key) for key in ("section", "table", "since") if key in data}
    for kind, entries in data.items():
        for entry, said in entries.items():
            given = {"says": said} if isinstance(said, str) else dict(said)
            yield from _rows(f"{name}.{entry}", Kind(kind), common | given)


def _rows(id_: str, kind: Kind, data: dict[str, Any]) -> Iterator[Requirement]:
    says, section = data.pop("says"), data.pop("section")
    table, since = data.pop("table", None), data.pop("since", "")
    values: Mapping[str, str] = data.pop("values", {})
    if data:
        raise ValueError(f"{id_}: unknown keys {sorted(data)}")
    yield Requirement(id_, kind, section, table, says, since)
    for value, meaning in values.items():
        yield Requirement(f"{id_}={value}", Kind.VALUE, section, table, meaning, since)


# --- what the server's tables hold ---------------------------------------------------------


def derived() -> dict[str, Requirement]:
    """Return the requirements that are made of the server's own tables, by id."""
    return {row.id: row for row in _derived()}


def _derived() -> Iterator[Requirement]:
    found = tables()
    table_in = {row.section: row.number for row in found.spec_tables.values()}
    for param in found.params.values():
        table = 4 if param.source == "2.3" else None
        yield from _valued(
            f"request.{param.name}", param.source, table, param.meaning, param.values
        )
    for parm in found.answer_parms.values():
        name, table = f"document.{parm.characteristic}/{parm.name}", table_in.get(parm.source)
        yield from _valued(name, parm.source, table, parm.meaning, parm.values)
    for service in SERVICES.values():
        for path, row in service.parms.items():
            yield from _parm(f"{service.app_id}.{path}", row, table_in.get(row.section))
    for operation in {each.name: each for each in OPERATIONS.values()}.values():
        says, table = f"for {' and '.join(operation.proofs)}", table_in.get(operation.section)
        name, since = f"operations.{operation.name}", str(operation.since)
        yield Requirement(name, Kind.VALUE, operation.section, table, says, since)
        for app_id, (path, row) in product(operation.proofs, operation.parms.items()):
            if not row.apps or app_id in row.apps:
                yield from _parm(f"{app_id}.{path}", row, table_in.get(row.section))
    for answer in found.http_answers.values():
        status = f"status.{answer.status}"
        table = table_in.get(answer.section)
        yield Requirement(status, Kind.STATUS, answer.section, table, answer.when, "")
    for version in found.versions.values():
        says = f"clients of version {version.number} are served"
        yield Requirement(f"version.{version.number}", Kind.VERSION, "2.5", None, says, "")
    for ours in found.divergences.values():
        says = f"{ours.says}: {ours.does}"
        yield Requirement(f"divergence.{ours.id}", Kind.DIVERGENCE, ours.section, None, says, "")


def _parm(id_: str, row: ParmRow, table: int | None) -> Iterator[Requirement]:
    since = "" if str(row.since) == "1.0" else str(row.since)
    yield from _valued(id_, row.section, table, row.meaning, row.values, since)
    for word in row.words:
        yield Requirement(f"{id_}={word}", Kind.VALUE, row.section, table, word, since)


def _valued(
    id_: str,
    section: str,
    table: int | None,
    meaning: str,
    values: Mapping[int, str],
    since: str = "",
) -> Iterator[Requirement]:
    yield Requirement(id_, Kind.PARAMETER, section, table, meaning, since)
    for value, word in values.items():
        said = word.replace("_", " ")
        yield Requirement(f"{id_}={value}", Kind.VALUE, section, table, said, since)


# --- how they stand ------------------------------------------------------------------------


def rules(file: Path = DATA / "standing.toml") -> list[Rule]:
    """Return what ``standing.toml`` says, in its order, or raise `BadData`."""
    data = tomllib.loads(file.read_text("utf-8"))
    found = []
    for state in (State.LATER, State.DIVERGENT, State.NOT_SERVED):
        for entry in data.pop(state.value, ()):
            if entry.keys() != {"why", "ids"}:
                raise BadData(f"{file.name}: an entry of {state} has {sorted(entry)}")
            found += [Rule(each, Standing(state, entry["why"])) for each in entry["ids"]]
    if data:
        raise BadData(f"{file.name}: unknown states {sorted(data)}")
    return found


def standing(id_: str, known: Collection[Rule]) -> Standing:
    """Return how a requirement stands; a rule that names it goes before one with a pattern."""
    if exact := [rule for rule in known if rule.pattern == id_]:
        return exact[0].standing
    matching = [rule for rule in known if fnmatchcase(id_, rule.pattern)]
    return matching[0].standing if matching else _REQUIRED


def silent(file: Path = DATA / "silent.toml") -> Mapping[str, str]:
    """Return why some sections, each with those below it, ask nothing of a server."""
    found: Mapping[str, str] = tomllib.loads(file.read_text("utf-8"))["section"]
    return found


def matching(pattern: str, ids: Collection[str]) -> list[str]:
    """Return the ids that a pattern stands for."""
    if "*" not in pattern:
        return [pattern] if pattern in ids else []
    return [each for each in ids if fnmatchcase(each, pattern)]
