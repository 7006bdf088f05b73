"""Whether a line is abroad, and where (CAMARA device-roaming-status 1.1)."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Final

import msgspec

from simgrant.flows.camara.api import Answer, Body, Content, Handler, Task, read_api
from simgrant.flows.camara.bodies import PhoneNumber
from simgrant.flows.camara.problem import Code, Problem
from simgrant.identities import Msisdn
from simgrant.spec.countries import countries_of
from simgrant.wire.instant import utc

_Port = Annotated[int, msgspec.Meta(ge=0, le=65_535)]


class Ipv4(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, rename="camel"):
    """An address of IPv4, as the device or everybody else has it."""

    public_address: str = ""
    private_address: str = ""
    public_port: _Port | None = None

    def __post_init__(self) -> None:
        """Raise ValueError where it is none."""
        for text in filter(None, (self.public_address, self.private_address)):
            ipaddress.IPv4Address(text)
        if not self.public_address or not (self.private_address or self.public_port is not None):
            raise ValueError("publicAddress goes with privateAddress or publicPort")


class Device(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, rename="camel"):
    """Names of one device, one at least."""

    phone_number: PhoneNumber = ""
    network_access_identifier: str | None = None
    ipv4_address: Ipv4 | None = None
    ipv6_address: str | None = None

    def __post_init__(self) -> None:
        """Raise ValueError where there is no name."""
        if self.ipv6_address is not None:
            ipaddress.IPv6Address(self.ipv6_address)
        others = (self.network_access_identifier, self.ipv4_address, self.ipv6_address)
        if not self.phone_number and all(each is None for each in others):
            raise ValueError("device has no identifier")


class RoamingStatusRequest(Body, kw_only=True):
    """Whom it is about."""

    device: Device | msgspec.UnsetType = msgspec.UNSET

    def named(self) -> Msisdn | None:
        """Return the number; raise `Problem` where a device is named in other ways alone."""
        if self.device is msgspec.UNSET:
            return None
        if not self.device.phone_number:
            raise Problem(Code.UNSUPPORTED_IDENTIFIER)
        return Msisdn(self.device.phone_number)


class DeviceResponse(Content, frozen=True, kw_only=True):
    """By what the line was found."""

    phone_number: str


class RoamingStatus(Content, frozen=True, kw_only=True):
    """Whether, when and where."""

    last_status_time: str
    roaming: bool
    country_code: int | msgspec.UnsetType = msgspec.UNSET
    """The MCC."""
    country_name: list[str] | msgspec.UnsetType = msgspec.UNSET
    """ISO 3166-1 alpha-2 of all that have this MCC."""
    device: DeviceResponse | msgspec.UnsetType = msgspec.UNSET


async def retrieve(task: Task) -> Answer:
    """Return where the line is, and since when that is known."""
    place = await task.facts.place(task.line, task.asking)
    if place is None:
        raise Problem(Code.UNAVAILABLE, "It is not known where the device is", reason="no_place")
    roaming = place.plmn not in task.home_plmns
    mcc = place.plmn[:3]
    return Answer(
        RoamingStatus(
            last_status_time=utc(place.at),
            roaming=roaming,
            country_code=int(mcc) if roaming else msgspec.UNSET,
            country_name=list(countries_of(mcc)) if roaming else msgspec.UNSET,
            device=_device(task),
        )
    )


def _device(task: Task) -> DeviceResponse | msgspec.UnsetType:
    """Return who was named, where somebody was."""
    named = task.body.named()
    return msgspec.UNSET if named is None else DeviceResponse(phone_number=named.e164)


API: Final = read_api(
    __package__,
    "device_roaming_status",
    {"getRoamingStatus": Handler(retrieve, RoamingStatusRequest, RoamingStatus)},
)
