"""When a number came into another device (CAMARA device-swap 1.0).

What is known of devices is what they said of themselves when they authenticated.
"""

from __future__ import annotations

from typing import Final

import msgspec

from simgrant.domain.camara.line import NO_CHANGE
from simgrant.flows.camara.api import Answer, Content, Handler, Task, read_api
from simgrant.flows.camara.bodies import OfAge, OfNumber, checked_age, told_change
from simgrant.flows.camara.problem import Code, Problem


class DeviceSwapInfo(Content, frozen=True, kw_only=True):
    """When."""

    latest_device_change: str | None
    """None = not within the days that are told of."""
    monitored_period: int | msgspec.UnsetType = msgspec.UNSET
    """Days."""


class CheckDeviceSwapInfo(Content, frozen=True, kw_only=True):
    """Whether."""

    swapped: bool


async def retrieve_date(task: Task) -> Answer:
    """Return when the number came into the device that it is in."""
    changed = await _changed(task)
    date, days = told_change(changed, monitored_d=task.rules.monitored_device_d, now=task.now)
    return Answer(DeviceSwapInfo(latest_device_change=date, monitored_period=days))


async def check(task: Task) -> Answer:
    """Say whether that was within the hours that are asked about."""
    age_s = checked_age(task.body, monitored_d=task.rules.monitored_device_d)
    changed = await _changed(task)
    return Answer(CheckDeviceSwapInfo(swapped=changed > task.now - age_s))


async def _changed(task: Task) -> int:
    changed = await task.facts.device_changed_at(task.line, task.asking)
    if changed == NO_CHANGE:
        raise Problem(Code.SERVICE_NOT_APPLICABLE, "No device is known", reason="no_device_known")
    return changed


API: Final = read_api(
    __package__,
    "device_swap",
    {
        "retrieveDeviceSwapDate": Handler(retrieve_date, OfNumber, DeviceSwapInfo),
        "checkDeviceSwap": Handler(check, OfAge, CheckDeviceSwapInfo),
    },
)
