"""What a BSS whose API the operator describes is asked for, as its settings say."""

from __future__ import annotations

from simgrant.adapters.bss.mapped.lookups import MappedLookups
from simgrant.adapters.bss.mapped.requests import Wanted
from simgrant.config.bss_tables import Bss
from simgrant.config.rest import PLACES, reading_of
from simgrant.config.rest_tables import RestRequest
from simgrant.links.api import ApiLink
from simgrant.ports.clock import Clock
from simgrant.wire.template import Body, Template


def source(table: Bss, tenant: str, link: ApiLink, clock: Clock) -> MappedLookups:
    """Return who tells of a tenant's subscribers."""
    requests = [wanted(name, each) for name, each in table.requests.items()]
    return MappedLookups(link, requests, clock, tenant=tenant)


def wanted(name: str, table: RestRequest) -> Wanted:
    """Return a request of checked settings."""
    return Wanted(
        name=name,
        method=table.method,
        path=Template(table.path, PLACES, encoded=True),
        headers={header: Template(text, PLACES) for header, text in table.headers.items()},
        body=Body(table.body, PLACES) if table.body else None,
        not_found=frozenset(table.not_found),
        reading=reading_of(table),
    )
