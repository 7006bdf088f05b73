"""What every table of the configuration file is made from."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from functools import cache
from typing import Any, Final, get_args, get_origin

import msgspec

from simgrant.domain.problems import did_you_mean
from simgrant.nouns import noun

SHORT_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
"""What a tenant, or an SM-DP+, may be called."""


@noun
class Within:
    """The bounds of a setting, or of each value of one that has values by name; both are allowed.

    It stands in the setting's type: ``Annotated[int, Within(1, 256)]``.
    """

    least: float
    most: float

    def __str__(self) -> str:
        """Return them in words."""
        return f"{self.least} to {self.most}"


class Section(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A table of the configuration file."""


def table_in(kind: Any) -> type[Section] | None:
    """Return what a key holds a table of, or tables by name; None = it holds a value."""
    if get_origin(kind) is dict:
        kind = get_args(kind)[1]
    return kind if isinstance(kind, type) and issubclass(kind, Section) else None


def bounds_of(hint: Any) -> Within | None:
    """Return the bounds in a setting's type."""
    return next((each for each in get_args(hint)[1:] if isinstance(each, Within)), None)


@cache
def _bounded(kind: type[Section]) -> tuple[tuple[str, Within], ...]:
    settings = ((each.name, bounds_of(each.type)) for each in msgspec.structs.fields(kind))
    return tuple((name, within) for name, within in settings if within is not None)


def out_of_bounds(where: str, section: Section) -> Iterator[str]:
    """Name every value in a section, and in the tables inside it, that is not within its bounds."""
    for key, within in _bounded(type(section)):
        for place, number in _values(f"{where}.{key}", getattr(section, key)):
            if number is not None and not within.least <= number <= within.most:
                yield f"{place}: {number} is not within {within}"
    for key in section.__struct_fields__:
        for place, table in _values(f"{where}.{key}".lstrip("."), getattr(section, key)):
            if isinstance(table, Section):
                yield from out_of_bounds(place, table)


def _values(where: str, value: Any) -> Iterable[tuple[str, Any]]:
    """Return what is there, or each of what is there by name."""
    if not isinstance(value, dict):
        return ((where, value),)
    return (
        (f'{where}."{name}"' if "." in name else f"{where}.{name}", each)
        for name, each in value.items()
    )


def unknown_tenants(where: str, names: Iterable[str], tenants: Collection[str]) -> Iterator[str]:
    """Name those that are no tenants, each with the one that was probably meant."""
    for name in names:
        if name not in tenants:
            yield f"{where}: there is no tenant {name}{did_you_mean(name, tenants)}"


def claimed_twice(where: str, names: Collection[str], claimed: dict[str, str]) -> Iterator[str]:
    """Name the tenants that another table of this kind has, and note in ``claimed`` who has which.

    A table that names none has all those that no other names.
    """
    for tenant in names or ("",):
        if other := claimed.get(tenant):
            whom = f"tenant {tenant}" if tenant else "tenants that no table names"
            yield f"{where}: {other} has the {whom} already"
        claimed[tenant] = where
