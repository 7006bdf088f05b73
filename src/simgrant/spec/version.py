"""entitlement_version as (major, minor) integers (TS.43 §2.5, Table 4).

Never a float: 11.10 is later than 11.9. ``12`` means 12.0, and nothing at all
means 2.0, which is what Android's library sends when nobody set it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple


class SpecVersion(NamedTuple):
    """A version of TS.43; compares as two integers."""

    major: int
    minor: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


FIRST = SpecVersion(1, 0)
NEWEST = SpecVersion(13, 0)
"""The last row of ``tables/versions.toml``."""
DEFAULT = SpecVersion(2, 0)
PER_RAT_VOICE = SpecVersion(7, 0)
"""From here on ap2003 answers per radio access (TS.43 §4)."""

BOOST_TYPES = SpecVersion(12, 0)
"""From here on a boost has a type; before there was one, 0 (TS.43 §9.1.2)."""


@lru_cache(maxsize=64)
def parse(text: str) -> SpecVersion | None:
    """Return the version that a client names, or None when the text is none.

    An empty text or Android's literal ``null`` is the default version.
    """
    if not text or text == "null":
        return DEFAULT
    major, _, minor = text.partition(".")
    if not _is_number(major) or (minor and not _is_number(minor)):
        return None
    return SpecVersion(int(major), int(minor or 0))


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 4
