"""Being told when a line goes abroad, or comes back (CAMARA
device-roaming-status-subscriptions 0.8): one type of event each.
"""

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
from simgrant.flows.camara.apis.device_roaming_status import Device, DeviceResponse
from simgrant.flows.camara.problem import Code, Problem
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
    list[
        Literal[
            "org.camaraproject.device-roaming-status-subscriptions.v0.roaming-status",
            "org.camaraproject.device-roaming-status-subscriptions.v0.roaming-on",
            "org.camaraproject.device-roaming-status-subscriptions.v0.roaming-off",
            "org.camaraproject.device-roaming-status-subscriptions.v0.roaming-change-country",
        ]
    ],
    msgspec.Meta(min_length=1, max_length=4),
]


class Detail(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, rename="camel"):
    """About which device."""

    device: Device | UnsetType = UNSET


class Config(Limits, kw_only=True):
    """About which device, how long, and whether to be told at once how things are."""

    subscription_detail: Detail
    initial_event: bool | UnsetType = UNSET


class RoamingSubscriptionRequest(SubscriptionRequest, kw_only=True):
    """What is subscribed to."""

    types: _Types
    config: Config

    def named(self) -> Msisdn | None:
        """Return the number; raise `Problem` for what cannot be had here."""
        self.check()
        if len(self.types) > 1:
            raise Problem(Code.MULTIEVENT_SUBSCRIPTION_NOT_SUPPORTED)
        device = self.config.subscription_detail.device
        if not isinstance(device, Device):
            return None
        if not device.phone_number:
            raise Problem(Code.UNSUPPORTED_IDENTIFIER)
        return Msisdn(device.phone_number)


class DetailTold(Content, frozen=True, kw_only=True):
    """By what the line was found, where the consumer named it."""

    device: DeviceResponse | UnsetType = UNSET


class ConfigTold(LimitsTold, frozen=True, kw_only=True):
    """What was asked for."""

    subscription_detail: DetailTold
    initial_event: bool | UnsetType = UNSET


class RoamingSubscription(SubscriptionTold, frozen=True, kw_only=True):
    """A subscription."""

    config: ConfigTold


async def create(task: Task) -> Answer:
    """Subscribe."""
    config = task.body.config
    initial = config.initial_event if isinstance(config.initial_event, bool) else None
    kind = EventType(task.body.types[0])
    made = await subscribe(task, kept(task), kind, config, initial_event=initial)
    return Answer(_told(made.subscription), status=201, made=made)


def _told(one: EventSubscription) -> RoamingSubscription:
    device = DeviceResponse(phone_number=one.msisdn.e164) if one.two_legs else UNSET
    return RoamingSubscription(
        config=ConfigTold(
            subscription_detail=DetailTold(device=device),
            initial_event=UNSET if one.initial_event is None else one.initial_event,
            **limits_told(one),
        ),
        **subscription_told(one),
    )


API: Final = read_api(
    __package__,
    "device_roaming_status_subscriptions",
    {
        "createDeviceRoamingStatusSubscription": Handler(
            create, RoamingSubscriptionRequest, RoamingSubscription
        ),
        "retrieveDeviceRoamingStatusSubscriptionList": ResourceHandler(
            partial(listed, told=_told), RoamingSubscription
        ),
        "retrieveDeviceRoamingStatusSubscription": ResourceHandler(
            partial(looked_up, told=_told), RoamingSubscription
        ),
        "deleteDeviceRoamingStatusSubscription": ResourceHandler(ended, None),
    },
)
