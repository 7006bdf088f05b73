"""What every table of the configuration file is made from."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any, get_args, get_origin

import msgspec

from simgrant.domain.problems import did_you_mean


class Section(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A table of the configuration file."""


def table_in(kind: Any) -> type[Section] | None:
    """Return what a key holds a table of, or tables by name; None = it holds a value."""
    if get_origin(kind) is dict:
        kind = get_args(kind)[1]
    return kind if isinstance(kind, type) and issubclass(kind, Section) else None


def unknown_tenants(where: str, names: Iterable[str], tenants: Collection[str]) -> Iterator[str]:
    """Name those that are no tenants, each with the one that was probably meant."""
    for name in names:
        if name not in tenants:
            yield f"{where}: there is no tenant {name}{did_you_mean(name, tenants)}"
