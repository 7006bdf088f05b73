"""Published numbers as JSON, and the few lines that read them.

A file holds its source and a list of cases; every value is a string, bytes are
hexadecimal. Only numbers are here, each copied from the document it is named
after, so that no test can agree with our own mistake.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def load(name: str) -> list[Case]:
    """Return the cases of one file."""
    content = json.loads((HERE / f"{name}.json").read_text())
    return [Case(case) for case in content["cases"]]


def each(name: str, *, having: str = "name") -> pytest.MarkDecorator:
    """Run a test once for every case of one file that has a value, as its argument `case`."""
    cases = [case for case in load(name) if having in case]
    return pytest.mark.parametrize("case", cases, ids=[case["name"] for case in cases])


class Case(dict[str, str]):
    """One case: `case["k"]` is text, `case.raw("k")` and `case.number("sqn")` are not."""

    def raw(self, name: str) -> bytes:
        """Return a value as bytes."""
        return bytes.fromhex(self[name])

    def number(self, name: str) -> int:
        """Return a hexadecimal value as a number."""
        return int(self[name], 16)
