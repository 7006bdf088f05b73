"""Being told when a number gets another SIM (CAMARA sim-swap-subscriptions 0.3)."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
from msgspec import UNSET, UnsetType

from simgrant.domain.camara.event_subscription import EventSubscription, EventType
from simgrant.flows.camara.api import (
    Answer,
    Content,
    Handler,
    ResourceHandler,
    ResourceTask,
    Task,
    read_api,
)
from simgrant.flows.camara.bodies import PhoneNumber
from simgrant.flows.camara.subscription_bodies import (
    Limits,
    LimitsTold,
    SubscriptionRequest,
    ended,
    kept,
    limits_told,
    listed,
    looked_up,
    subscribe,
)
from simgrant.identities import Msisdn
from simgrant.wire.instant import utc

_Types = Annotated[
    list[Literal["org.camaraproject.sim-swap-subscriptions.v0.swapped"]],
    msgspec.Meta(min_length=1, max_length=1),
]


class Detail(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, rename="camel"):
    """About which number."""

    phone_number: PhoneNumber = ""


class Config(Limits, kw_only=True):
    """About which number, and how long."""

    subscription_detail: Detail


class SwapSubscriptionRequest(SubscriptionRequest, kw_only=True):
    """What is subscribed to."""

    types: _Types
    config: Config

    def named(self) -> Msisdn | None:
        """Return the number; raise `Problem` for what cannot be had here."""
        self.check()
        number = self.config.subscription_detail.phone_number
        return Msisdn(number) if number else None


class DetailTold(Content, frozen=True, kw_only=True):
    """The number, where the consumer named it."""

    phone_number: str | UnsetType = UNSET


class ConfigTold(LimitsTold, frozen=True, kw_only=True):
    """What was asked for."""

    subscription_detail: DetailTold


class SwapSubscription(Content, frozen=True, kw_only=True):
    """A subscription, without what its sink has to be shown."""

    protocol: str
    sink: str
    types: list[str]
    config: ConfigTold
    id: str
    starts_at: str | UnsetType = UNSET
    expires_at: str | UnsetType = UNSET
    status: str | UnsetType = UNSET


async def create(task: Task) -> Answer:
    """Subscribe."""
    made = await subscribe(task, kept(task), EventType.SWAPPED, task.body.config)
    return Answer(_told(made), status=201)


async def list_all(task: ResourceTask) -> Answer:
    """Return all there are."""
    return await listed(task, _told)


async def get(task: ResourceTask) -> Answer:
    """Return one."""
    return await looked_up(task, _told)


def _told(one: EventSubscription) -> SwapSubscription:
    detail = DetailTold(phone_number=one.msisdn.e164 if one.two_legs else UNSET)
    return SwapSubscription(
        protocol="HTTP",
        sink=one.sink,
        types=[one.type],
        config=ConfigTold(subscription_detail=detail, **limits_told(one)),
        id=one.subscription_id,
        starts_at=utc(one.created_at),
        expires_at=utc(one.expires_at) if one.expires_at else UNSET,
        status="ACTIVE",
    )


API: Final = read_api(
    __package__,
    "sim_swap_subscriptions",
    {
        "createSimSwapSubscription": Handler(create, SwapSubscriptionRequest, SwapSubscription),
        "retrieveSubscriptionList": ResourceHandler(list_all, SwapSubscription),
        "retrieveSubscription": ResourceHandler(get, SwapSubscription),
        "deleteSubscription": ResourceHandler(ended, None),
    },
)
