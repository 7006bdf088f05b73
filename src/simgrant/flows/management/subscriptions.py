"""Calls on subscriptions: the twins of `simgrant subscription`."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, UnsetType

from simgrant.domain import subscription as domain
from simgrant.domain.access import Scope
from simgrant.domain.line_marks import YES
from simgrant.domain.subscription import SubscriptionStatus
from simgrant.flows import subscriptions
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
from simgrant.flows.management.shapes import (
    AnyStatus,
    ListedSubscription,
    NewSubscription,
    Subscription,
    SubscriptionChange,
    SubscriptionPage,
    Whole,
    row_of,
)
from simgrant.services import SERVICES

PATH: Final = "/v1/subscriptions"
ONE: Final = PATH + "/{subscription}"
GROUP: Final = "subscriptions"


class _ListQuery(PageQuery, kw_only=True):
    status: AnyStatus | UnsetType = UNSET
    """Only these; removed ones on demand."""


class _PutQuery(Query, kw_only=True):
    only: Literal["create", "replace"] | UnsetType = UNSET
    """What it may do, if not both."""


class Tell(msgspec.Struct, forbid_unknown_fields=True):
    """Of what the devices are to be told."""

    apps: Annotated[list[str], msgspec.Meta(max_length=32)] = []
    """AppIDs; empty = every one that they registered for."""


class Told(msgspec.Struct):
    """How many notices will be sent."""

    notices: int


class Erased(msgspec.Struct):
    """How many rows of each kind are gone."""

    subscriptions: int
    terminals: int
    sessions: int
    records: int
    left: int
    """Services and eSIM orders that have still to end in the network."""


async def shown(desk: Desk, found: domain.Subscription, *, status: int = 200) -> Done:
    """Return a subscription as an answer, with the tag of its state."""
    # First the tag: one that is too old is refused later, one that is too new would not be.
    state = await desk.office.store.deeds.state(desk.tenant, found.imsi)
    if status == 200:
        found = await desk.any(found.imsi.digits)
    marks = await desk.office.store.marks(desk.tenant, found.imsi)
    etag = "" if state is None else desk.tag(state)
    return Done(
        content=_data(found, subscriptions.marks_data(marks), etag),
        status=status,
        etag=etag,
        location=f"{PATH}/{found.imsi.digits}" if status == 201 else "",
    )


def _data(found: domain.Subscription, marks: list[dict[str, Any]], etag: str) -> Subscription:
    line = {each["mark"]: each["value"] for each in marks}
    for name in ("port_freeze", "prepaid"):
        if name in line:
            line[name] = line[name] == YES
    return msgspec.convert({**subscriptions.as_data(found), **line, "etag": etag}, Subscription)


async def _list(asked: Asked[_ListQuery, None]) -> Done:
    desk, query = asked.desk, asked.query
    (after,) = pull_cursor(query.after, 1)
    found = [
        each
        async for each in subscriptions.listed(
            desk.store,
            desk.tenant,
            status=None if query.status is UNSET else SubscriptionStatus(query.status),
            after=after,
            limit=query.limit + 1,
        )
    ]
    items = [
        msgspec.convert(subscriptions.as_data(each), ListedSubscription)
        for each in found[: query.limit]
    ]
    more = push_cursor(items[-1].imsi) if len(found) > query.limit else None
    return Done(content=SubscriptionPage(items, more))


async def _create(asked: Asked[Query, NewSubscription]) -> Done:
    desk = asked.desk
    draft = subscriptions.draft(row_of(asked.body), desk.context())
    imsi = draft.subscription.imsi
    store = desk.doing(imsi, names(asked.body))
    made = await subscriptions.add(store, draft, desk.office.wrap(desk.now))
    return await shown(desk, made, status=201)


async def _get(asked: Asked[Query, None]) -> Done:
    desk = asked.desk
    return await shown(desk, await desk.one(asked.path["subscription"]))


async def _put(asked: Asked[_PutQuery, Whole]) -> Done:
    desk, only = asked.desk, asked.query.only
    name = asked.path["subscription"]
    if name.startswith("+"):
        name = (await desk.one(name)).imsi.digits
    draft = subscriptions.draft({**row_of(asked.body), "imsi": name}, desk.context())
    imsi = draft.subscription.imsi
    before = await desk.store.find(desk.tenant, imsi=imsi)
    is_new = before is None or before.status is SubscriptionStatus.REMOVED
    if only == "replace" and is_new:
        raise Problem(Code.NOT_FOUND)
    store = desk.doing(imsi, names(asked.body))
    await subscriptions.add_all(
        store, [draft], desk.office.wrap(desk.now), replace=only != "create"
    )
    return await shown(desk, draft.subscription, status=201 if is_new else 200)


async def _patch(asked: Asked[Query, SubscriptionChange]) -> Done:
    return await _edit(asked.desk, asked.path["subscription"], asked.body)


async def _edit(desk: Desk, name: str, changes: SubscriptionChange) -> Done:
    edit = subscriptions.edit(row_of(changes), desk.context())
    found = await desk.one(name)
    store = desk.doing(found.imsi, names(changes))
    await subscriptions.apply(store, found, edit, now=desk.now)
    return await shown(desk, found)


async def _suspend(asked: Asked[Query, None]) -> Done:
    return await _edit(
        asked.desk, asked.path["subscription"], SubscriptionChange(status="suspended")
    )


async def _resume(asked: Asked[Query, None]) -> Done:
    return await _edit(asked.desk, asked.path["subscription"], SubscriptionChange(status="active"))


async def _bar(asked: Asked[Query, None]) -> Done:
    return await _edit(asked.desk, asked.path["subscription"], SubscriptionChange(status="barred"))


async def _remove(asked: Asked[Query, None]) -> Done:
    desk = asked.desk
    found = await desk.one(asked.path["subscription"])
    await desk.doing(found.imsi).remove(
        desk.tenant, found.imsi, now=desk.now, switched=desk.office.switched
    )
    return Done(status=204)


async def _export(asked: Asked[Query, None]) -> Done:
    desk = asked.desk
    found = await desk.any(asked.path["subscription"])
    return Done(content=await subscriptions.export(desk.store, found, desk.office.keys.ring))


async def _erase(asked: Asked[Query, None]) -> Done:
    desk = asked.desk
    found = await desk.any(asked.path["subscription"])
    gone = await subscriptions.erase(
        desk.doing(found.imsi),
        found,
        desk.office.keys.ring,
        now=desk.now,
        switched=desk.office.switched,
    )
    return Done(
        content=Erased(
            gone.subscriptions, gone.terminals, gone.sessions, gone.records, left=gone.left
        )
    )


async def _notify(asked: Asked[Query, Tell]) -> Done:
    desk, apps = asked.desk, asked.body.apps
    for app_id in apps:
        if app_id not in SERVICES:
            raise Problem(Code.INVALID, f"no service answers it; there are {', '.join(SERVICES)}")
    found = await desk.one(asked.path["subscription"])
    count = await desk.doing(found.imsi).tell(
        desk.tenant, found.imsi, at=desk.now, apps=apps or None, sms_apps=desk.office.sms_apps
    )
    return Done(content=Told(count))


def names(body: msgspec.Struct) -> str:
    """Return what of a subscription is written: names alone, which say nothing of a person."""
    return ",".join(name for name in row_of(body) if name != "imsi")


CALLS: Final = (
    Call(
        name="list_subscriptions",
        group=GROUP,
        method="GET",
        path=PATH,
        scope=Scope.SUBSCRIPTIONS_READ,
        about="List subscriptions in order of IMSI",
        run=_list,
        query=_ListQuery,
        answer=SubscriptionPage,
    ),
    Call(
        name="create_subscription",
        group=GROUP,
        method="POST",
        path=PATH,
        scope=Scope.SUBSCRIPTIONS_WRITE,
        about="Make a subscription",
        run=_create,
        body=NewSubscription,
        answer=Subscription,
        status=201,
        problems=(Code.EXISTS, Code.NUMBER_TAKEN),
        makes={"subscription": "$response.body#/imsi"},
    ),
    Call(
        name="get_subscription",
        group=GROUP,
        method="GET",
        path=ONE,
        scope=Scope.SUBSCRIPTIONS_READ,
        about="Get a subscription by its IMSI, or by its number with +",
        run=_get,
        answer=Subscription,
        problems=(Code.NOT_FOUND, Code.REMOVED),
    ),
    Call(
        name="put_subscription",
        group=GROUP,
        method="PUT",
        path=ONE,
        scope=Scope.SUBSCRIPTIONS_WRITE,
        about="Make or replace a subscription; its tokens, and keys that are not named, stay",
        run=_put,
        query=_PutQuery,
        body=Whole,
        answer=Subscription,
        statuses={201: "It was made"},
        problems=(Code.NOT_FOUND, Code.REMOVED, Code.EXISTS, Code.NUMBER_TAKEN),
        seen=True,
    ),
    Call(
        name="change_subscription",
        group=GROUP,
        method="PATCH",
        path=ONE,
        scope=Scope.SUBSCRIPTIONS_WRITE,
        about="Change what is named of a subscription, at once; its devices are told",
        run=_patch,
        body=SubscriptionChange,
        answer=Subscription,
        problems=(Code.NOT_FOUND, Code.REMOVED, Code.NUMBER_TAKEN),
        seen=True,
    ),
    Call(
        name="remove_subscription",
        group=GROUP,
        method="DELETE",
        path=ONE,
        scope=Scope.SUBSCRIPTIONS_WRITE,
        about="Remove a subscription: its tokens end and its SIM key is forgotten; records stay",
        run=_remove,
        status=204,
        problems=(Code.NOT_FOUND, Code.REMOVED),
        seen=True,
    ),
    *(
        Call(
            name=f"{verb}_subscription",
            group=GROUP,
            method="POST",
            path=f"{ONE}/{verb}",
            scope=Scope.SUBSCRIPTIONS_WRITE,
            about=about,
            run=run,
            answer=Subscription,
            problems=(Code.NOT_FOUND, Code.REMOVED),
            seen=True,
        )
        for verb, run, about in (
            (
                "suspend",
                _suspend,
                "Suspend: the SIM authenticates, and is told of no service",
            ),
            ("resume", _resume, "Make it active again after suspend or bar"),
            ("bar", _bar, "Bar: every request is refused with 403, every token with 511"),
        )
    ),
    Call(
        name="notify_subscription",
        group=GROUP,
        method="POST",
        path=f"{ONE}/notify",
        scope=Scope.DEVICES_WRITE,
        about="Tell its devices to ask again, though nothing changed",
        run=_notify,
        body=Tell,
        optional=True,
        answer=Told,
        problems=(Code.NOT_FOUND, Code.REMOVED),
    ),
    Call(
        name="export_subscription",
        group=GROUP,
        method="GET",
        path=f"{ONE}/export",
        scope=Scope.SUBSCRIPTIONS_EXPORT,
        about="Get everything that is held about a subscriber, less the SIM's keys",
        run=_export,
        answer=dict[str, Any],
        problems=(Code.NOT_FOUND,),
    ),
    Call(
        name="erase_subscription",
        group=GROUP,
        method="POST",
        path=f"{ONE}/erase",
        scope=Scope.SUBSCRIPTIONS_ERASE,
        about="Delete everything that is held about a subscriber, records too, for good",
        run=_erase,
        answer=Erased,
        problems=(Code.NOT_FOUND,),
        seen=True,
    ),
)
