"""Calls on consumers of partner APIs, their tariffs, and what they used (ADR 0056).

Secrets are made by the command alone: an answer that may come again is kept for a day.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

import msgspec

from simgrant.domain.access import Scope
from simgrant.domain.camara import consumer as domain
from simgrant.domain.camara.month import Month, pull_month
from simgrant.flows.camara import statements
from simgrant.flows.camara.consumer_desk import ConsumerDesk, push_tariff
from simgrant.flows.camara.consumer_document import (
    ConsumerDocument,
    TariffDocument,
    push_document,
)
from simgrant.flows.camara.consumer_doubts import doubts
from simgrant.flows.management.call import (
    Asked,
    Call,
    Desk,
    Done,
    PageQuery,
    Query,
    pull_cursor,
    push_cursor,
)
from simgrant.flows.management.problem import Code, Problem
from simgrant.ports.camara_usage import Place

PATH: Final = "/v1/consumers"
ONE: Final = PATH + "/{consumer}"
TARIFFS: Final = "/v1/tariffs"
USAGE: Final = "/v1/usage"
_MOST: Final = 1024 * 1024
_Revision = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]
_Month = Annotated[str, msgspec.Meta(pattern="^2[0-9]{3}-(0[1-9]|1[0-2])$")]
_Consumer = Annotated[str, msgspec.Meta(pattern="^([A-Za-z0-9][A-Za-z0-9._~-]{0,63})?$")]


class Consumer(msgspec.Struct, kw_only=True):
    """A consumer of partner APIs."""

    revision: int
    """Counts its changes, from 1."""
    has_secret: bool
    """Whether a secret was made for it."""
    consumer: ConsumerDocument


class WrittenConsumer(Consumer, kw_only=True):
    """A consumer as it was written."""

    warnings: list[str]
    """What can be written and was probably not meant; nothing of it kept it from being written."""


class ConsumerPage(msgspec.Struct):
    """Some consumers."""

    items: list[Consumer]
    next: str | None
    """`after` of the next page; null = there is none."""


class Tariffs(msgspec.Struct):
    """Every version of all tariffs."""

    items: list[TariffDocument]


class Seen(Query, kw_only=True):
    """The parameters of a change."""

    seen: _Revision = 0
    """The revision that was seen: another one since then is not overridden. 0 = whichever it is."""


class Begin(Query, kw_only=True):
    """The parameters of taking a version of a tariff away."""

    valid_from: Annotated[str, msgspec.Meta(pattern="^[0-9T:Z-]{10,20}$")]
    """When it begins."""


class MonthQuery(Query, kw_only=True):
    """The parameters of a statement."""

    month: _Month
    """In UTC."""
    consumer: _Consumer = ""
    """Only what this one used."""


class UsageQuery(PageQuery, kw_only=True):
    """The parameters of a page of usage."""

    month: _Month
    """In UTC."""
    consumer: _Consumer = ""
    """Only what this one used."""
    shape: Literal["plain", "tmf635"] = "plain"
    """`tmf635` = Usage as TM Forum's API 4.0.0 has it."""


class Statement(msgspec.Struct):
    """What was used in a month."""

    month: str
    items: list[statements.StatementLine]


class UsagePage(msgspec.Struct):
    """Some usage; a page may have fewer rows than `limit`, and yet not be the last one."""

    items: list[dict[str, Any]]
    """Each as the command `simgrant usage export` prints it."""
    next: str | None
    """`after` of the next page; null = there is none."""


def _desk(desk: Desk, subject: str = "", detail: str = "") -> ConsumerDesk:
    store = desk.doing(None, detail, subject=subject) if subject else desk.store
    return ConsumerDesk(store.consumers, desk.tenant)


def _shown(found: domain.Consumer) -> Consumer:
    return Consumer(
        revision=found.revision,
        has_secret=bool(found.secret_hash),
        consumer=push_document(found),
    )


def _written(desk: Desk, found: domain.Consumer) -> WrittenConsumer:
    document = push_document(found)
    return WrittenConsumer(
        revision=found.revision,
        has_secret=bool(found.secret_hash),
        consumer=document,
        warnings=list(doubts(document.permissions, desk.office.purposes)),
    )


async def _list(asked: Asked[PageQuery, None]) -> Done:
    (after,) = pull_cursor(asked.query.after, 1)
    found = [each for each in await _desk(asked.desk).listed() if each.client_id > after]
    page, more = found[: asked.query.limit], len(found) > asked.query.limit
    following = push_cursor(page[-1].client_id) if more else None
    return Done(content=ConsumerPage(list(map(_shown, page)), following))


async def _add(asked: Asked[Query, ConsumerDocument]) -> Done:
    name = asked.body.client_id
    made = await _desk(asked.desk, f"consumer {name}").add(asked.body)
    return Done(content=_written(asked.desk, made), location=f"{PATH}/{name}")


async def _get(asked: Asked[Query, None]) -> Done:
    return Done(content=_shown(await _desk(asked.desk).one(asked.path["consumer"])))


async def _change(asked: Asked[Seen, ConsumerDocument]) -> Done:
    name = asked.path["consumer"]
    if asked.body.client_id != name:
        raise Problem(Code.INVALID, "client_id: it is not that of the address")
    desk = _desk(asked.desk, f"consumer {name}")
    changed = await desk.change(asked.body, seen=asked.query.seen)
    return Done(content=_written(asked.desk, changed))


async def _remove(asked: Asked[Seen, None]) -> Done:
    name = asked.path["consumer"]
    await _desk(asked.desk, f"consumer {name}").remove(name, seen=asked.query.seen)
    return Done()


async def _list_tariffs(asked: Asked[Query, None]) -> Done:
    return Done(content=Tariffs([push_tariff(each) for each in await _desk(asked.desk).tariffs()]))


async def _add_tariff(asked: Asked[Query, TariffDocument]) -> Done:
    desk = _desk(asked.desk, f"tariff {asked.body.name}", asked.body.valid_from)
    return Done(content=push_tariff(await desk.add_tariff(asked.body, now=asked.desk.now)))


async def _remove_tariff(asked: Asked[Begin, None]) -> Done:
    name, begin = asked.path["tariff"], asked.query.valid_from
    desk = _desk(asked.desk, f"tariff {name}", begin)
    await desk.remove_tariff(name, begin, now=asked.desk.now)
    return Done()


async def _statement(asked: Asked[MonthQuery, None]) -> Done:
    query = asked.query
    found = await statements.statement(
        asked.desk.store.usage, asked.desk.tenant, pull_month(query.month), client_id=query.consumer
    )
    return Done(content=Statement(query.month, list(map(statements.line_of, found))))


async def _usage(asked: Asked[UsageQuery, None]) -> Done:
    query = asked.query
    (text,) = pull_cursor(query.after, 1)
    try:
        place = statements.pull_place(text) if text else Place()
    except ValueError:
        raise Problem(Code.INVALID, "after: not the next of a page") from None
    month: Month = pull_month(query.month)
    rows, following = await asked.desk.store.usage.page(
        asked.desk.tenant,
        statements.span_of(month),
        place,
        client_id=query.consumer,
        limit=query.limit,
    )
    shape = _SHAPES[query.shape]
    cursor = push_cursor(statements.push_place(following)) if following is not None else None
    return Done(content=UsagePage([shape(row) for row in rows], cursor))


_SHAPES: Final[Mapping[str, Any]] = {
    "plain": statements.plain,
    "tmf635": statements.tmf635,
}

CALLS: Final = (
    Call(
        name="list_consumers",
        group="consumers",
        method="GET",
        path=PATH,
        scope=Scope.CONSUMERS_READ,
        about="List consumers of partner APIs",
        run=_list,
        query=PageQuery,
        answer=ConsumerPage,
    ),
    Call(
        name="add_consumer",
        group="consumers",
        method="POST",
        path=PATH,
        scope=Scope.CONSUMERS_WRITE,
        about="Make a consumer; a name that was ever one's is never another's",
        run=_add,
        body=ConsumerDocument,
        most_bytes=_MOST,
        answer=WrittenConsumer,
        status=201,
        problems=(Code.EXISTS,),
        makes={"consumer": "$response.body#/consumer/client_id"},
    ),
    Call(
        name="get_consumer",
        group="consumers",
        method="GET",
        path=ONE,
        scope=Scope.CONSUMERS_READ,
        about="Get a consumer",
        run=_get,
        answer=Consumer,
        problems=(Code.NOT_FOUND,),
    ),
    Call(
        name="change_consumer",
        group="consumers",
        method="PUT",
        path=ONE,
        scope=Scope.CONSUMERS_WRITE,
        about="Write a consumer as a whole: every worker goes by it within a second",
        run=_change,
        query=Seen,
        body=ConsumerDocument,
        most_bytes=_MOST,
        answer=WrittenConsumer,
        problems=(Code.NOT_FOUND, Code.CHANGED_MEANWHILE),
    ),
    Call(
        name="remove_consumer",
        group="consumers",
        method="DELETE",
        path=ONE,
        scope=Scope.CONSUMERS_WRITE,
        about="Remove a consumer: its tokens are over; what it used stays in the books",
        run=_remove,
        query=Seen,
        status=204,
        problems=(Code.NOT_FOUND, Code.CHANGED_MEANWHILE),
    ),
    Call(
        name="list_tariffs",
        group="consumers",
        method="GET",
        path=TARIFFS,
        scope=Scope.CONSUMERS_READ,
        about="List every version of all tariffs",
        run=_list_tariffs,
        answer=Tariffs,
    ),
    Call(
        name="add_tariff",
        group="consumers",
        method="POST",
        path=TARIFFS,
        scope=Scope.CONSUMERS_WRITE,
        about="Add a version of a tariff, which begins in the future",
        run=_add_tariff,
        body=TariffDocument,
        answer=TariffDocument,
        status=201,
        problems=(Code.EXISTS,),
    ),
    Call(
        name="remove_tariff",
        group="consumers",
        method="DELETE",
        path=TARIFFS + "/{tariff}",
        scope=Scope.CONSUMERS_WRITE,
        about="Remove a version of a tariff that is not in force yet",
        run=_remove_tariff,
        query=Begin,
        status=204,
        problems=(Code.NOT_FOUND, Code.CONFLICT),
    ),
    Call(
        name="get_statement",
        group="usage",
        method="GET",
        path=f"{USAGE}/statement",
        scope=Scope.USAGE_READ,
        about="Get what was used in a month, and whose the money is; it reads all of the month",
        run=_statement,
        query=MonthQuery,
        answer=Statement,
        slow=True,
    ),
    Call(
        name="list_usage",
        group="usage",
        method="GET",
        path=USAGE,
        scope=Scope.USAGE_READ,
        about="List what was used in a month, a row for each answer",
        run=_usage,
        query=UsageQuery,
        answer=UsagePage,
    ),
)
