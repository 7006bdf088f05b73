"""Calls that look at what happened: a subscriber's requests, an explanation, the audit."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec

from simgrant.domain.access import Scope
from simgrant.flows.explain import Inquiry, record_data
from simgrant.flows.management import audit
from simgrant.flows.management.call import Asked, Call, Done, PageQuery, Query, pull_cursor
from simgrant.flows.management.call import push_cursor as push
from simgrant.flows.management.problem import Code, Problem
from simgrant.flows.management.shapes import NumberText
from simgrant.flows.management.subscriptions import ONE
from simgrant.flows.subscriptions import visited_plmn
from simgrant.ports.deeds import Entry
from simgrant.ports.store import LAST_RECORD
from simgrant.services import SERVICES
from simgrant.spec import version
from simgrant.wire.negotiate import languages

_MOST_DIGITS: Final = 18


class _ExplainQuery(Query, kw_only=True):
    app: Annotated[str, msgspec.Meta(pattern="^ap20[0-9]{2}$")]
    """AppID of the service, such as `ap2004`."""
    entitlement_version: Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,2}\.[0-9]$")] | (
        msgspec.UnsetType
    ) = msgspec.UNSET
    """TS.43 version of the client."""
    terminal_id: Annotated[str, msgspec.Meta(max_length=64)] = ""
    """IMEI or UUID of the device."""
    language: Annotated[str, msgspec.Meta(pattern="^[A-Za-z-]{2,35}$")] = "en"
    """Of the texts, such as `de`."""
    roaming: Annotated[str, msgspec.Meta(pattern="^([0-9]{3}-?[0-9]{2,3}|unknown)$")] | (
        msgspec.UnsetType
    ) = msgspec.UNSET
    """What if it were in that network; or: unknown."""
    like: Annotated[str, msgspec.Meta(pattern="^[a-z0-9_-]{1,32}$")] | msgspec.UnsetType = (
        msgspec.UNSET
    )
    """A client of this profile, such as `samsung`."""
    records: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 5
    """So many of the newest requests and notices come along."""


class _AuditQuery(PageQuery, kw_only=True):
    subscription: NumberText | msgspec.UnsetType = msgspec.UNSET
    """Only what was done to this one: IMSI, or the number with its +."""
    newest: bool = False
    """The newest first, and no further pages; else in the order of their numbers."""


class History(msgspec.Struct):
    """Records of requests, notices and what networks told, the newest first."""

    items: list[dict[str, Any]]
    next: str | None
    """`after` of the next page, which has older ones; null = there is none."""


class AuditEntry(msgspec.Struct):
    """Who changed what."""

    number: int
    """Counted from 1, in each tenant, without a gap."""
    at: str | None
    client: str
    """The system that called, or `cli`."""
    actor: str
    """The person behind it, as that system says, or who used the command line."""
    call: str
    """The name of the call."""
    request_id: str
    detail: str
    """What of it was changed."""
    subject: str
    """Keyed reference of the subscription, or what else was changed."""
    before: str
    """Digest of the subscription's state before, empty where there was none."""
    after: str
    chain: str
    """Keyed hash over this entry and the chain of the one before."""


class AuditPage(msgspec.Struct):
    """Some entries."""

    items: list[AuditEntry]
    next: str | None
    """`after` of the next page; null = there is none now."""


async def _history(asked: Asked[PageQuery, None]) -> Done:
    desk, query = asked.desk, asked.query
    at_us, request_id = pull_cursor(query.after, 2)
    before = LAST_RECORD
    if query.after:
        if not at_us.isdigit() or len(at_us) > _MOST_DIGITS:
            raise Problem(Code.INVALID, "after: not the next of a page")
        before = int(at_us), request_id
    found = await desk.any(asked.path["subscription"])
    references = desk.office.keys.ring.references(desk.tenant, "imsi", found.imsi.digits)
    records = await desk.store.records(desk.tenant, references, limit=query.limit, before=before)
    following = None
    if len(records) == query.limit:
        following = push(str(records[-1].at_us), records[-1].request_id)
    return Done(content=History(list(map(dict, record_data(records))), following))


async def _explain(asked: Asked[_ExplainQuery, None]) -> Done:
    desk, query = asked.desk, asked.query
    if query.app not in SERVICES:
        raise Problem(Code.INVALID, f"no service answers it; there are {', '.join(SERVICES)}")
    said = "" if query.entitlement_version is msgspec.UNSET else query.entitlement_version
    spec_version = version.parse(said)
    if spec_version is None:
        raise Problem(Code.INVALID, "entitlement_version: there is no such version")
    roaming = None
    if query.roaming is not msgspec.UNSET:
        roaming = visited_plmn("" if query.roaming == "unknown" else query.roaming)
    inquiry = Inquiry(
        query.app,
        spec_version,
        query.terminal_id,
        languages(query.language),
        roaming,
        query.records,
        like="" if query.like is msgspec.UNSET else query.like,
    )
    found = await desk.any(asked.path["subscription"])
    return Done(
        content=await desk.office.explain(inquiry, found, policy=desk.office.policy(), now=desk.now)
    )


async def _audit(asked: Asked[_AuditQuery, None]) -> Done:
    desk, query = asked.desk, asked.query
    (after,) = pull_cursor(query.after, 1)
    if after and not after.isdigit():
        raise Problem(Code.INVALID, "after: not the next of a page")
    subjects: tuple[str, ...] = ()
    if query.subscription is not msgspec.UNSET:
        subjects = await audit.subjects(desk.store, desk.tenant, query.subscription, desk.ring)
    found = await desk.store.deeds.entries(
        desk.tenant,
        after=-1 if query.newest else int(after[:18] or 0),
        subjects=subjects,
        limit=query.limit,
    )
    more = len(found) == query.limit and not query.newest
    return Done(
        content=AuditPage(
            list(map(_entry, found)), push(str(found[-1].number)) if found and more else None
        )
    )


def _entry(entry: Entry) -> AuditEntry:
    return msgspec.convert(audit.entry_data(entry), AuditEntry)


CALLS: Final = (
    Call(
        name="get_history",
        group="history",
        method="GET",
        path=f"{ONE}/history",
        scope=Scope.HISTORY_READ,
        about="List what a subscriber's devices asked, were told, and were notified of",
        run=_history,
        query=PageQuery,
        answer=History,
    ),
    Call(
        name="explain",
        group="explain",
        method="GET",
        path=f"{ONE}/explain",
        scope=Scope.EXPLAIN_READ,
        about="Explain what a phone with this SIM gets for a service, rule by rule",
        run=_explain,
        query=_ExplainQuery,
        answer=dict[str, Any],
    ),
    Call(
        name="list_audit",
        group="audit",
        method="GET",
        path="/v1/audit",
        scope=Scope.AUDIT_READ,
        about="List who changed what",
        run=_audit,
        query=_AuditQuery,
        answer=AuditPage,
    ),
)
