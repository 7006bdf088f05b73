"""The call by which many subscriptions come at once: all of them, or none."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Final

import msgspec

from simgrant.domain.access import Scope
from simgrant.flows import subscriptions
from simgrant.flows.management.call import (
    JSON,
    NDJSON,
    Asked,
    Call,
    Done,
    Query,
    pull_member,
)
from simgrant.flows.management.problem import Code, LineError, Problem, problem_of
from simgrant.flows.management.shapes import NewSubscription, row_of
from simgrant.flows.subscriptions import BadRow
from simgrant.nouns import noun
from simgrant.ports.store import RowConflict

MOST_ROWS: Final = 10_000
_MOST_BYTES: Final = 16 * 1024 * 1024


class _ImportQuery(Query, kw_only=True):
    replace: bool = False
    """Overwrite those that exist, keeping their tokens, and keys that are not named."""
    check: bool = False
    """Only look whether it could be done."""


class Imported(msgspec.Struct):
    """What became of an import."""

    rows: int
    """How many there are."""
    written: int
    """How many subscriptions were made or overwritten."""
    existing: int
    """How many of them there were before."""


@noun
class Rows:
    """Rows as they came, each with its line."""

    lines: list[tuple[int, NewSubscription | BadRow]]

    def texts(self) -> Iterator[tuple[int, dict[str, str] | BadRow]]:
        """Yield them as rows of texts."""
        for line, row in self.lines:
            yield line, row if isinstance(row, BadRow) else row_of(row)


def pull_rows(kind: str, said: bytes) -> Rows:
    """Return the rows of a body; raise what msgspec does, and `Problem`."""
    if kind == NDJSON:
        parts = [(n, line) for n, line in enumerate(said.split(b"\n"), start=1) if line.strip()]
    else:
        found = msgspec.json.decode(said, type=list[msgspec.Raw])
        parts = [(n, bytes(raw)) for n, raw in enumerate(found, start=1)]
    if len(parts) > MOST_ROWS:
        raise Problem(Code.TOO_LARGE, f"more than {MOST_ROWS} rows: import them in parts")
    return Rows([(line, _row(raw)) for line, raw in parts])


def _row(raw: bytes) -> NewSubscription | BadRow:
    try:
        return pull_member(_decode, raw)
    except ValueError as error:
        return BadRow(str(error))


_decode: Final = msgspec.json.Decoder(NewSubscription).decode


async def _import(asked: Asked[_ImportQuery, Rows]) -> Done:
    desk, query = asked.desk, asked.query
    # Ten thousand rows take a moment: nobody else is to wait for that.
    checked = await asyncio.to_thread(subscriptions.check, asked.body.texts(), desk.context())
    count = len(asked.body.lines)
    if checked.problems:
        raise Problem(
            Code.INVALID,
            f"{len(checked.problems)} of {count} rows cannot be taken; nothing was written",
            errors=[LineError(line, reason) for line, reason in checked.problems],
        )
    there = await subscriptions.existing(desk.store, desk.tenant, checked.drafts)
    if query.check:
        return Done(content=Imported(count, 0, len(there)))
    try:
        written = await subscriptions.add_all(
            desk.doing(None, f"{count} rows", subject="import"),
            checked.drafts,
            desk.office.wrap(desk.now),
            replace=query.replace,
        )
    except RowConflict as conflict:
        problem = problem_of(conflict)
        line = checked.lines[conflict.index]
        raise Problem(
            problem.code,
            "nothing was written",
            errors=[LineError(line, conflict.for_operator)],
        ) from None
    return Done(content=Imported(count, written, len(there)))


CALLS: Final = (
    Call(
        name="import_subscriptions",
        group="subscriptions",
        method="POST",
        path="/v1/imports",
        scope=Scope.SUBSCRIPTIONS_WRITE,
        about=f"Import up to {MOST_ROWS} subscriptions, all of them or none",
        run=_import,
        query=_ImportQuery,
        body=list[NewSubscription],
        pull=pull_rows,
        kinds=(JSON, NDJSON),
        most_bytes=_MOST_BYTES,
        answer=Imported,
        problems=(Code.EXISTS, Code.NUMBER_TAKEN),
        slow=True,
    ),
)
