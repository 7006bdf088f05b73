"""What the settings of AAA servers mean, and what would keep one from being asked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from simgrant.config.diameter import way_problems
from simgrant.config.model import Settings
from simgrant.config.section import claimed_twice, unknown_tenants


def aaa_of(settings: Settings, tenants: Iterable[str]) -> dict[str, str]:
    """Return the name of each tenant's AAA server; tenants without one are left out."""
    named = {tenant: name for name, aaa in settings.aaa.items() for tenant in aaa.tenants}
    rest = next((name for name, aaa in settings.aaa.items() if not aaa.tenants), "")
    found = {tenant: named.get(tenant, rest) for tenant in tenants}
    return {tenant: name for tenant, name in found.items() if name}


def aaa_problems(settings: Settings, tenants: Iterable[str]) -> Iterator[str]:
    """Name what is missing, malformed or claimed twice."""
    known = tuple(tenants)
    claimed: dict[str, str] = {}
    for name, aaa in settings.aaa.items():
        where = f"aaa.{name}"
        yield from way_problems(where, aaa, settings.diameter_peers)
        yield from unknown_tenants(where, aaa.tenants, known)
        yield from claimed_twice(where, aaa.tenants, claimed)
