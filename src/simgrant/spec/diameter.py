"""Names and numbers of Diameter as frozen values, from their table (RFC 6733, 3GPP TS 29.xxx)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Final

from simgrant.nouns import noun
from simgrant.spec.load import BadSpecTable, rows

IETF: Final = 0
TGPP: Final = 10415
"""3GPP as a vendor."""

_TYPES: Final = frozenset(
    {
        "Address",
        "DiameterIdentity",
        "DiameterURI",
        "Enumerated",
        "Grouped",
        "OctetString",
        "Time",
        "UTF8String",
        "Unsigned32",
        "Unsigned64",
    }
)


@noun
class AvpRow:
    """One AVP."""

    name: str
    code: int
    vendor: int
    type: str
    """A format of RFC 6733 §4.2 or §4.3."""
    mandatory: bool
    """The M flag as it is sent."""


@noun
class CommandRow:
    """A command; request and answer share its code."""

    name: str
    code: int
    application: str


@noun
class ApplicationRow:
    """A Diameter application."""

    name: str
    id: int


@noun
class ResultRow:
    """What an answer may say."""

    name: str
    vendor: int
    code: int


@noun
class Dictionary:
    """All of it."""

    avps: Mapping[str, AvpRow]
    commands: Mapping[str, CommandRow]
    applications: Mapping[str, ApplicationRow]
    results: Mapping[tuple[int, int], ResultRow]
    """By vendor and code."""


@cache
def dictionary() -> Dictionary:
    """Return the dictionary; the file is read at the first call."""
    found = Dictionary(
        avps=rows("diameter", "avp", AvpRow, lambda row: row.name),
        commands=rows("diameter", "command", CommandRow, lambda row: row.name),
        applications=rows("diameter", "application", ApplicationRow, lambda row: row.name),
        results=rows("diameter", "result", ResultRow, lambda row: (row.vendor, row.code)),
    )
    numbers = {(row.vendor, row.code) for row in found.avps.values()}
    if len(numbers) != len(found.avps):
        raise BadSpecTable("diameter.toml: two AVPs have one number")
    for row in found.avps.values():
        if row.type not in _TYPES:
            raise BadSpecTable(f"diameter.toml, {row.name}: there is no type {row.type}")
    for command in found.commands.values():
        if command.application not in found.applications:
            raise BadSpecTable(f"diameter.toml, {command.name}: no such application")
    return found


def result_name(vendor: int, code: int) -> str:
    """Return what a result is called, with its number; never empty."""
    row = dictionary().results.get((vendor, code))
    whose = "" if vendor == IETF else "3GPP " if vendor == TGPP else f"vendor {vendor} "
    return f"{whose}{code} {row.name}" if row else f"{whose}{code}"
