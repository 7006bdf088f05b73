"""Being told when a number gets another SIM (CAMARA sim-swap-subscriptions 0.3)."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Final, Literal

import msgspec
from msgspec import UNSET, UnsetType

from simgrant.domain.camara.event_subscription import EventSubscription, EventType
from simgrant.flows.camara.api import (
    Answer,
    Content,
    Handler,
    ResourceHandler,
    Task,
    read_api,
)
from simgrant.flows.camara.bodies import PhoneNumber
from simgrant.flows.camara.subscription_bodies import (
    Limits,
    LimitsTold,
    SubscriptionRequest,
    SubscriptionTold,
    ended,
    kept,
    limits_told,
    listed,
    looked_up,
    subscribe,
    subscription_told,
)
from simgrant.identities import Msisdn

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


class SwapSubscription(SubscriptionTold, frozen=True, kw_only=True):
    """A subscription."""

    config: ConfigTold


async def create(task: Task) -> Answer:
    """Subscribe."""
    made = await subscribe(task, kept(task), EventType.SWAPPED, task.body.config)
    return Answer(_told(made.subscription), status=201, made=made)


def _told(one: EventSubscription) -> SwapSubscription:
    detail = DetailTold(phone_number=one.msisdn.e164 if one.two_legs else UNSET)
    return SwapSubscription(
        config=ConfigTold(subscription_detail=detail, **limits_told(one)), **subscription_told(one)
    )


API: Final = read_api(
    __package__,
    "sim_swap_subscriptions",
    {
        "createSimSwapSubscription": Handler(create, SwapSubscriptionRequest, SwapSubscription),
        "retrieveSubscriptionList": ResourceHandler(partial(listed, told=_told), SwapSubscription),
        "retrieveSubscription": ResourceHandler(partial(looked_up, told=_told), SwapSubscription),
        "deleteSubscription": ResourceHandler(ended, None),
    },
)
