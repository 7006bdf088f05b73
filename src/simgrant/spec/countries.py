"""Which countries a mobile country code is of (ITU-T E.212)."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources


@cache
def _countries() -> Mapping[str, tuple[str, ...]]:
    table = resources.files(__package__).joinpath("tables", "countries.toml")
    return {mcc: tuple(names) for mcc, names in tomllib.loads(table.read_text("utf-8")).items()}


def countries_of(mcc: str) -> tuple[str, ...]:
    """Return them as ISO 3166-1 alpha-2, the first one first; empty for a code of none."""
    return _countries().get(mcc, ())
