"""What a BSS whose answers the operator describes is asked for, as its settings say."""

from __future__ import annotations

from simgrant.adapters.bss.mapped.judge import MappedJudge, Verdict
from simgrant.adapters.bss.mapped.lookups import MappedLookups
from simgrant.adapters.bss.mapped.requests import Wanted
from simgrant.config.bss_tables import Bss
from simgrant.config.rest import PLACES, find, reading_of, rule_of
from simgrant.config.rest_tables import RestRequest
from simgrant.config.ses import CHECK_PLACES, check_request, entitlements_request
from simgrant.domain.answer_rules import truth_reader
from simgrant.domain.order import Kind
from simgrant.links.api import ApiLink
from simgrant.ports.clock import Clock
from simgrant.wire.template import Body, Template


def source(table: Bss, tenant: str, link: ApiLink, clock: Clock) -> MappedLookups:
    """Return who tells of a tenant's subscribers."""
    requests = [wanted(name, each, PLACES) for name, each in table.requests.items()]
    return MappedLookups(link, requests, clock, tenant=tenant)


def ses_source(table: Bss, tenant: str, link: ApiLink, clock: Clock) -> MappedLookups:
    """Return who tells of a tenant's subscribers, and judges prospects where that is on."""
    ses = table.ses
    requests = [wanted("entitlements", entitlements_request(ses), PLACES)]
    if not ses.check.on:
        return MappedLookups(link, requests, clock, tenant=tenant)
    checks = {kind: wanted("check", check_request(ses, kind), CHECK_PLACES) for kind in Kind}
    verdict = Verdict(
        qualified=truth_reader("qualified", rule_of(ses.check.qualified)),
        reason=find(ses.check.reason) if ses.check.reason else None,
    )
    return MappedJudge(link, requests, checks, verdict, clock, tenant=tenant)


def wanted(name: str, table: RestRequest, known: frozenset[str]) -> Wanted:
    """Return a request of checked settings."""
    return Wanted(
        name=name,
        method=table.method,
        path=Template(table.path, known, encoded=True),
        headers={header: Template(text, known) for header, text in table.headers.items()},
        body=Body(table.body, known) if table.body else None,
        sparse=known is not PLACES,
        not_found=frozenset(table.not_found),
        reading=reading_of(table, table.aspects),
    )
