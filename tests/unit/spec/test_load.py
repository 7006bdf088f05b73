"""The tables are read strictly: a mistake in one is found at once, with its place."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from simgrant.spec import load
from simgrant.spec.load import BadSpecTable, DivergenceRow, HttpAnswerRow, VersionRow, tables
from simgrant.spec.version import SpecVersion

ANSWER = {"status": 200, "sent": True, "when": "a", "device": "b", "section": "2.10"}


def read(entries: list[dict[str, Any]]) -> dict[Any, HttpAnswerRow]:
    return load._by_key("mine", entries, HttpAnswerRow, lambda row: row.status)


def test_rows_are_read() -> None:
    assert read([ANSWER]) == {200: HttpAnswerRow(200, True, "a", "b", "2.10")}


@pytest.mark.parametrize(
    ("entries", "problem"),
    [
        ([ANSWER, ANSWER], r"mine\.toml, row 2: 200 stands there twice"),
        ([ANSWER | {"wehn": "a"}], r"mine\.toml, row 1: unknown keys \['wehn'\]"),
        ([{"status": 200}], r"mine\.toml, row 1: sent is missing"),
        ([ANSWER | {"status": "200"}], r"row 1, status: must be int, not '200'"),
        ([ANSWER | {"status": True}], r"row 1, status: must be int, not True"),
        ([ANSWER | {"sent": 1}], r"row 1, sent: must be bool, not 1"),
        ([ANSWER | {"when": 1}], r"row 1, when: must be str, not 1"),
    ],
)
def test_mistakes(entries: list[dict[str, Any]], problem: str) -> None:
    with pytest.raises(BadSpecTable, match=problem):
        read(entries)


def test_a_version_must_be_one() -> None:
    row = {"number": "x", "published": "", "served": True, "brings": "", "ours": ""}
    with pytest.raises(BadSpecTable, match="number: must be SpecVersion"):
        load._by_key("mine", [row], VersionRow, lambda each: each.number)


def test_sections_must_exist() -> None:
    row = DivergenceRow("mine", "99.9", "", "", "", "on")
    with pytest.raises(BadSpecTable, match=r"divergence mine: there is no section 99\.9"):
        load._check_sections(replace(tables(), divergences={"mine": row}))


def test_the_tables_are_read_once() -> None:
    assert tables() is tables()
    assert tables().versions[SpecVersion(7, 0)].ours
