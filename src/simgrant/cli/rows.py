"""Rows of an import file, CSV or JSON, as mappings of texts with their line numbers."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePath
from types import MappingProxyType
from typing import Any, Final

from simgrant.flows.subscriptions import BadRow, check_columns

Row = tuple[int, Mapping[str, str] | BadRow]

_BY_SUFFIX: Final = MappingProxyType(
    {".csv": "csv", ".json": "json", ".jsonl": "jsonl", ".ndjson": "jsonl"}
)


class BadFile(ValueError):
    """The file as a whole cannot be read; the message never repeats what is in it."""


def form_of(name: str, text: str) -> str:
    """Return ``csv``, ``json`` or ``jsonl``, by the name's ending or by how the text begins."""
    known = _BY_SUFFIX.get(PurePath(name).suffix.lower())
    if known:
        return known
    first = text.lstrip()[:1]
    return {"[": "json", "{": "jsonl"}.get(first, "csv")


def read_rows(text: str, form: str) -> Iterator[Row]:
    """Yield every row; raise BadFile where there is no telling what the rows are."""
    return _READERS[form](text)


def _csv(text: str) -> Iterator[Row]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        head = [name.strip().lower() for name in next(reader, [])]
        if not any(head):
            raise BadFile("is empty: the first line must name the columns")
        try:
            check_columns(head)
        except BadRow as problem:
            raise BadFile(str(problem)) from None
        if len(set(head)) != len(head):
            raise BadFile("names a column twice")
        for cells in reader:
            if not cells:
                continue
            if len(cells) != len(head):
                yield reader.line_num, BadRow(f"{len(cells)} values for {len(head)} columns")
            else:
                values = (cell.strip() for cell in cells)
                yield reader.line_num, dict(zip(head, values, strict=True))
    except csv.Error as error:
        raise BadFile(f"line {reader.line_num}: {error}") from None


def _json(text: str) -> Iterator[Row]:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadFile(f"is no JSON: {_place(error)}") from None
    if not isinstance(data, list):
        raise BadFile("must be a list of objects")
    for number, entry in enumerate(data, start=1):
        yield number, _texts(entry)


def _jsonl(text: str) -> Iterator[Row]:
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield number, BadRow(f"is no JSON: {_place(error)}")
        else:
            yield number, _texts(entry)


def _texts(entry: Any) -> Mapping[str, str] | BadRow:
    """Return an object's values as texts; null is a missing value."""
    if not isinstance(entry, dict):
        return BadRow("must be an object")
    found = {}
    for name, value in entry.items():
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, str | int):
            return BadRow(f"{name[:32]} must be a text")
        if isinstance(value, int) and name not in ("res_length", "mnc_digits"):
            # 001010000000001 has no leading zeros as a number, and would be another IMSI.
            return BadRow(f"{name[:32]} must be a text, in quotes")
        found[name.strip().lower()] = str(value).strip()
    return found


def _place(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at line {error.lineno} column {error.colno}"
    return "too deep or too large"


_READERS: Final[Mapping[str, Callable[[str], Iterator[Row]]]] = MappingProxyType(
    {"csv": _csv, "json": _json, "jsonl": _jsonl}
)
