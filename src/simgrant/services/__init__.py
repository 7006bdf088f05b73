"""One TS.43 service per module, next to its table of the same name.

Above: the flows, which find the services by discovery. Below: `domain` for facts and rules, `wire`
for documents. A service maps facts to a document and asks nobody anything.

Putting ``<name>.py`` with a ``SERVICE`` and ``<name>.toml`` into this folder is all it takes to add
one; a package of somebody else's names its service under the entry-point group
``simgrant.services``. Two claims on one AppID stop the start.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import import_module, metadata
from pkgutil import iter_modules
from types import MappingProxyType

from simgrant.services.service import (
    BadTable,
    Enquiry,
    ParmRow,
    PrivateIdentity,
    Service,
    ServiceFlow,
    Table,
    from_table,
    number_parms,
    read_table,
    status_parm,
)

__all__ = [
    "ENTRY_POINTS",
    "SERVICES",
    "BadTable",
    "Enquiry",
    "NotAService",
    "ParmRow",
    "PrivateIdentity",
    "Service",
    "ServiceFlow",
    "Table",
    "collect",
    "from_table",
    "number_parms",
    "read_table",
    "status_parm",
]

ENTRY_POINTS = "simgrant.services"
"""Entry-point group for services of other packages."""

_NO_SERVICES = frozenset({"own", "service"})
"""Modules of this package that hold no service."""


class NotAService(TypeError):
    """Something that was offered as a service is none, or claims an AppID that is taken."""


def collect(offered: Iterable[tuple[str, object]]) -> Mapping[str, Service]:
    """Return services by AppID; each comes with the name of the place that offers it."""
    found: dict[str, Service] = {}
    places: dict[str, str] = {}
    for place, service in offered:
        if not isinstance(service, Service):
            raise NotAService(f"{place} has no SERVICE that is a Service")
        app_id = service.app_id
        if app_id in found:
            raise NotAService(f"{place} claims {app_id}, which {places[app_id]} has already")
        found[app_id] = service
        places[app_id] = place
    return MappingProxyType(dict(sorted(found.items())))


def _ours() -> Iterable[tuple[str, object]]:
    for module in iter_modules(__path__, f"{__name__}."):
        if module.name.rpartition(".")[2] not in _NO_SERVICES:
            yield module.name, getattr(import_module(module.name), "SERVICE", None)


def _foreign() -> Iterable[tuple[str, object]]:
    for point in metadata.entry_points(group=ENTRY_POINTS):
        yield f"entry point {point.name} = {point.value}", point.load()


SERVICES: Mapping[str, Service] = collect([*_ours(), *_foreign()])
"""Every service of this server, by AppID."""
