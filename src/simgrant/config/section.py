"""What every table of the configuration file is made from."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from typing import Any, Final, get_args, get_origin

import msgspec

from simgrant.domain.problems import did_you_mean

SHORT_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
"""What a tenant, or an SM-DP+, may be called."""


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


def claimed_twice(where: str, names: Collection[str], claimed: dict[str, str]) -> Iterator[str]:
    """Name the tenants that another table of this kind has, and note in ``claimed`` who has which.

    A table that names none has all those that no other names.
    """
    for tenant in names or ("",):
        if other := claimed.get(tenant):
            whom = f"tenant {tenant}" if tenant else "tenants that no table names"
            yield f"{where}: {other} has the {whom} already"
        claimed[tenant] = where
