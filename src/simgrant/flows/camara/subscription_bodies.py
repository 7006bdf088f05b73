"""What requests and answers of the subscription APIs have in common (CAMARA Commonalities 0.6)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, UnsetType

from simgrant.domain.camara.event_subscription import (
    Befell,
    EventSubscription,
    EventType,
    Happening,
)
from simgrant.flows.camara.api import Answer, Body, Content, ResourceTask, Task
from simgrant.flows.camara.problem import Code, Problem
from simgrant.flows.camara.subscribing import Made, Subscriptions, new_id
from simgrant.wire.instant import pull_utc, utc

Told = Callable[[EventSubscription], Any]
"""Returns the answer about a subscription, of the API's own type."""
_BEARER: Final = "bearer"
_LAST_MOMENT: Final = 253_402_300_799
_MOST_EVENTS: Final = 2**31 - 1
_Text = Annotated[str, msgspec.Meta(max_length=4096)]
_ZONE: Final = ("Z", "z")


class SinkCredential(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, rename="camel"):
    """What a sink lets events in for."""

    credential_type: Literal["PLAIN", "ACCESSTOKEN", "REFRESHTOKEN"]
    identifier: _Text | UnsetType = UNSET
    secret: _Text | UnsetType = UNSET
    access_token: _Text | UnsetType = UNSET
    access_token_expires_utc: _Text | UnsetType = UNSET
    access_token_type: str | UnsetType = UNSET
    refresh_token: _Text | UnsetType = UNSET
    refresh_token_endpoint: _Text | UnsetType = UNSET

    def __repr__(self) -> str:
        """Return nothing of what it says."""
        return "SinkCredential()"

    def check(self) -> None:
        """Raise `Problem` for whatever is no access token, or not a whole one."""
        if self.credential_type != "ACCESSTOKEN":
            raise Problem(Code.INVALID_CREDENTIAL)
        if isinstance(self.access_token_type, str) and self.access_token_type != _BEARER:
            raise Problem(Code.INVALID_TOKEN)
        token = self.access_token
        if not isinstance(token, str) or not isinstance(self.access_token_type, str):
            raise Problem(Code.INVALID_ARGUMENT, "The access token is not whole", reason="bad_body")
        if not token or not token.isascii() or not token.isprintable() or " " in token:
            raise Problem(Code.INVALID_TOKEN, reason="token_not_printable")

    @property
    def expires_at(self) -> int:
        """Unix seconds; raise `Problem` where nothing says so."""
        return instant(self.access_token_expires_utc, "accessTokenExpiresUtc")


class SubscriptionRequest(Body, kw_only=True):
    """What is subscribed to; APIs add their ``config`` and what may be in ``types``."""

    protocol: Literal["HTTP", "MQTT3", "MQTT5", "AMQP", "NATS", "KAFKA"]
    sink: _Text
    sink_credential: SinkCredential | UnsetType = UNSET

    def check(self) -> None:
        """Raise `Problem` for what is a subscription, but cannot be had here."""
        if self.protocol != "HTTP":
            raise Problem(Code.INVALID_PROTOCOL)
        if not self.sink.startswith("https://") or len(self.sink) > 2048:
            raise Problem(Code.INVALID_SINK, reason="sink_no_address")
        if isinstance(self.sink_credential, SinkCredential):
            self.sink_credential.check()


class Limits(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, rename="camel"):
    """How long a subscription lasts: what is in every ``config``."""

    subscription_expire_time: _Text | UnsetType = UNSET
    subscription_max_events: int | UnsetType = UNSET


class LimitsTold(Content, frozen=True, kw_only=True):
    """The same, as it is told."""

    subscription_expire_time: str | UnsetType = UNSET
    subscription_max_events: int | UnsetType = UNSET


def instant(text: str | UnsetType, name: str) -> int:
    """Return Unix seconds of a date-time with its zone (RFC 3339); raise `Problem`."""
    try:
        if not isinstance(text, str):
            raise ValueError
        at = pull_utc(text)
        has_zone = text.endswith(_ZONE) or text[-6:-5] in ("+", "-")
        if not has_zone or at > _LAST_MOMENT:
            raise ValueError
    except ValueError:
        raise Problem(
            Code.INVALID_ARGUMENT, f"{name} is no date-time with a zone", reason="bad_body"
        ) from None
    return at


async def subscribe(
    task: Task,
    subscriptions: Subscriptions,
    kind: EventType,
    limits: Limits,
    *,
    initial_event: bool | None = None,
) -> Made:
    """Return the subscription that a call asks for; raise `Problem`."""
    body: SubscriptionRequest = task.body
    token, consumer, now = task.token, task.consumer, task.now
    api = kind.split(".")[2]
    scope = f"{api}:{kind}:create"
    permission = consumer.permission(scope)
    if scope not in token.scopes or permission is None or permission.api != api:
        raise Problem(Code.SUBSCRIPTION_MISMATCH)
    subscriptions.check_sink(body.sink, consumer, token.application)
    expires_at, most = 0, 0
    if isinstance(limits.subscription_expire_time, str):
        expires_at = instant(limits.subscription_expire_time, "subscriptionExpireTime")
        if expires_at <= now:
            raise Problem(Code.OUT_OF_RANGE, "subscriptionExpireTime is over")
    if isinstance(limits.subscription_max_events, int):
        most = limits.subscription_max_events
        if not 1 <= most <= _MOST_EVENTS:
            raise Problem(Code.OUT_OF_RANGE, "subscriptionMaxEvents is 1 or more")
    line = task.line
    number = line.msisdn
    if number is None:
        raise Problem(Code.SERVICE_NOT_APPLICABLE, reason="line_without_number")
    subscription_id = new_id()
    sealed, token_expires_at = b"", 0
    if isinstance(body.sink_credential, SinkCredential):
        token_expires_at = body.sink_credential.expires_at
        if token_expires_at <= now:
            raise Problem(Code.INVALID_TOKEN, reason="sink_token_expired")
        sealed = subscriptions.sealed(
            line.subscription.tenant,
            subscription_id,
            str(body.sink_credential.access_token),
            now=now,
        )
    place = None
    if kind is not EventType.SWAPPED:
        place = await task.facts.place(line, task.asking)
    made = EventSubscription(
        subscription_id=subscription_id,
        client_id=consumer.client_id,
        application=token.application,
        purpose=token.purpose,
        api=api,
        type=kind,
        msisdn=number,
        two_legs=token.subject is None,
        sink=body.sink,
        access_token=sealed,
        token_expires_at=token_expires_at,
        created_at=now,
        expires_at=expires_at,
        max_events=most,
        initial_event=initial_event,
        sandbox=consumer.sandbox,
        sim_since=line.sim_changed_at,
        plmn="" if place is None else place.plmn,
        plmn_at=0 if place is None else place.at,
    )
    begun = None
    if initial_event and place is not None:
        begun = Happening(Befell.BEGUN, now, place.plmn)
    return Made(made, begun)


class SubscriptionTold(Content, frozen=True, kw_only=True):
    """A subscription, without what its sink has to be shown; each API adds the ``config``."""

    protocol: str
    sink: str
    types: list[str]
    id: str
    starts_at: str | UnsetType = UNSET
    expires_at: str | UnsetType = UNSET
    status: str | UnsetType = UNSET


def subscription_told(one: EventSubscription) -> dict[str, Any]:
    """Return the members of `SubscriptionTold`."""
    return {
        "protocol": "HTTP",
        "sink": one.sink,
        "types": [one.type],
        "id": one.subscription_id,
        "starts_at": utc(one.created_at),
        "expires_at": utc(one.expires_at) if one.expires_at else UNSET,
        "status": "ACTIVE",
    }


def limits_told(one: EventSubscription) -> dict[str, Any]:
    """Return the members of `LimitsTold`."""
    return {
        "subscription_expire_time": utc(one.expires_at) if one.expires_at else UNSET,
        "subscription_max_events": one.max_events or UNSET,
    }


async def listed(task: ResourceTask, told: Told) -> Answer:
    """Answer with all subscriptions that a token may see."""
    found = await task.subscriptions.all(task.tenant, task.token, task.api)
    return Answer(tuple(map(told, found)))


async def looked_up(task: ResourceTask, told: Told) -> Answer:
    """Answer with one."""
    return Answer(told(await _of(task)))


async def ended(task: ResourceTask) -> Answer:
    """End one."""
    await task.subscriptions.end(task.tenant, await _of(task), now=task.asking.now)
    return Answer(None, status=204)


async def _of(task: ResourceTask) -> EventSubscription:
    return await task.subscriptions.of(task.tenant, task.resource, task.token, task.api)


def kept(task: Task) -> Subscriptions:
    """Return where subscriptions are kept; raise `Problem` where nobody does."""
    if task.subscriptions is None:
        raise Problem(Code.SERVICE_NOT_APPLICABLE, reason="no_subscriptions_kept")
    return task.subscriptions
