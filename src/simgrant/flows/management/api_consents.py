"""Calls on what a subscriber said about consumers of partner APIs (ADR 0059)."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec

from simgrant.domain.access import Scope
from simgrant.domain.camara.consent import ConsentEntry
from simgrant.domain.camara.consent import Said as Word
from simgrant.flows.camara.consents import entry_data, say
from simgrant.flows.management.call import Asked, Call, Done, Query
from simgrant.flows.management.problem import Code, Problem
from simgrant.flows.management.shapes import Moment
from simgrant.flows.management.subscriptions import ONE
from simgrant.wire.instant import pull_instant

PATH: Final = ONE + "/api-consents"
_PRINTABLE: Final = r"^[^\x00-\x1f\x7f]*$"

_Said = Literal["requested", "given", "denied", "withdrawn"]
ClientId = Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9][A-Za-z0-9._~-]{0,63}$")]
ApplicationName = Annotated[str, msgspec.Meta(max_length=64, pattern=_PRINTABLE)]
Purpose = Annotated[str, msgspec.Meta(pattern="^(dpv:)?[A-Za-z0-9]{1,64}$")]
ApiName = Annotated[str, msgspec.Meta(pattern="^[a-z0-9]+(-[a-z0-9]+)*$", max_length=64)]
Evidence = Annotated[str, msgspec.Meta(max_length=256, pattern=_PRINTABLE)]


class ApiConsent(msgspec.Struct):
    """One word of a subscriber's about one consumer, purpose and API, with what proves it."""

    client_id: str
    application: str | None
    """Which of the consumer's; null = all."""
    purpose: str
    """W3C DPV, with its prefix."""
    api: str
    number: int
    """Counts the words about the same, from 1; the last one holds."""
    said: _Said
    at: str
    expires_at: str | None
    """Until when it is given; null = until it is withdrawn."""
    phone_number: str | None
    """The number that the line had then."""
    source: str
    """By which way it was said."""
    evidence: str | None
    """What shows it to a third party."""
    proof: str
    """The server's signature over all of it, in hexadecimal."""
    genuine: bool
    """Whether it is as it was written."""


class ApiConsents(msgspec.Struct):
    """All that a subscriber said; nothing of it is ever changed."""

    items: list[ApiConsent]


class NewApiConsent(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What a subscriber said just now."""

    client_id: ClientId
    """About which consumer."""
    application: ApplicationName = ""
    """Only about this one of the consumer's; empty = about all."""
    purpose: Purpose
    """For what: a purpose of W3C's DPV."""
    api: ApiName
    """About which API."""
    said: _Said
    """`withdrawn` is an objection where the legal basis is a legitimate interest."""
    expires_at: Moment | None = None
    """Until when it is given."""
    source: Literal["api", "bss", "care"] = "api"
    """By which way it was said."""
    evidence: Evidence = ""
    """What shows it to a third party: the version of a text, the number of a call."""


async def _list(asked: Asked[Query, None]) -> Done:
    desk = asked.desk
    found = await desk.one(asked.path["subscription"])
    entries = await desk.store.api_consents.of(desk.tenant, found.imsi)
    data = [entry_data(entry, desk.tenant, desk.office.keys) for entry in entries]
    return Done(content=ApiConsents(msgspec.convert(data, list[ApiConsent])))


async def _say(asked: Asked[Query, NewApiConsent]) -> Done:
    desk, said = asked.desk, asked.body
    found = await desk.one(asked.path["subscription"])
    try:
        entry = ConsentEntry(
            client_id=said.client_id,
            application=said.application,
            purpose=said.purpose.removeprefix("dpv:"),
            api=said.api,
            said=Word(said.said),
            at=desk.now,
            expires_at=None if said.expires_at is None else pull_instant(said.expires_at),
            source=said.source,
            evidence=said.evidence,
        )
        detail = f"{entry.client_id} {entry.purpose} {entry.api} {entry.said.value}"
        rows = desk.doing(found.imsi, detail).api_consents
        consumers = desk.store.consumers
        (written,) = await say(rows, consumers, [entry], found, desk.ring, now=desk.now)
    except ValueError as problem:
        raise Problem(Code.INVALID, str(problem)) from None
    data = entry_data(written, desk.tenant, desk.office.keys)
    return Done(content=msgspec.convert(data, ApiConsent))


CALLS: Final = (
    Call(
        name="list_api_consents",
        group="consents",
        method="GET",
        path=PATH,
        scope=Scope.CONSENTS_READ,
        about="List all that a subscriber said about consumers of partner APIs, with its proof",
        run=_list,
        answer=ApiConsents,
        problems=(Code.REMOVED,),
    ),
    Call(
        name="say_api_consent",
        group="consents",
        method="POST",
        path=PATH,
        scope=Scope.CONSENTS_WRITE,
        about="Write down what a subscriber said about a consumer; it holds from the next call on",
        run=_say,
        body=NewApiConsent,
        answer=ApiConsent,
        status=201,
        problems=(Code.INVALID, Code.REMOVED, Code.CONFLICT),
    ),
)
