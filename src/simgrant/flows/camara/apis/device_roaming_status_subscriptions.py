"""Being told when a line goes abroad, or comes back (CAMARA
device-roaming-status-subscriptions 0.8): one type of event each.
"""

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
from simgrant.flows.camara.apis.device_roaming_status import Device, DeviceResponse
from simgrant.flows.camara.problem import Code, Problem
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


class RoamingSubscription(Content, frozen=True, kw_only=True):
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
    config = task.body.config
    initial = config.initial_event if isinstance(config.initial_event, bool) else None
    kind = EventType(task.body.types[0])
    made = await subscribe(task, kept(task), kind, config, initial_event=initial)
    return Answer(_told(made), status=201)


async def list_all(task: ResourceTask) -> Answer:
    """Return all there are."""
    return await listed(task, _told)


async def get(task: ResourceTask) -> Answer:
    """Return one."""
    return await looked_up(task, _told)


def _told(one: EventSubscription) -> RoamingSubscription:
    device = DeviceResponse(phone_number=one.msisdn.e164) if one.two_legs else UNSET
    return RoamingSubscription(
        protocol="HTTP",
        sink=one.sink,
        types=[one.type],
        config=ConfigTold(
            subscription_detail=DetailTold(device=device),
            initial_event=UNSET if one.initial_event is None else one.initial_event,
            **limits_told(one),
        ),
        id=one.subscription_id,
        starts_at=utc(one.created_at),
        expires_at=utc(one.expires_at) if one.expires_at else UNSET,
        status="ACTIVE",
    )


API: Final = read_api(
    __package__,
    "device_roaming_status_subscriptions",
    {
        "createDeviceRoamingStatusSubscription": Handler(
            create, RoamingSubscriptionRequest, RoamingSubscription
        ),
        "retrieveDeviceRoamingStatusSubscriptionList": ResourceHandler(
            list_all, RoamingSubscription
        ),
        "retrieveDeviceRoamingStatusSubscription": ResourceHandler(get, RoamingSubscription),
        "deleteDeviceRoamingStatusSubscription": ResourceHandler(ended, None),
    },
)
