"""Whether a line can be used (CAMARA subscription-status 0.1).

A number that comes besides a token about somebody is refused whether it is his or not, as by all
other APIs: what the definition says of comparing the two would let numbers be tried.
"""

from __future__ import annotations

from typing import Final, Literal

from simgrant.domain.subscription import SubscriptionStatus
from simgrant.flows.camara.api import Answer, Content, Handler, Task, read_api
from simgrant.flows.camara.bodies import OfNumber


class SubscriptionStatusResponse(Content, frozen=True, kw_only=True):
    """What of it."""

    voice_sms_in: Literal["active", "suspended"]
    voice_sms_out: Literal["active", "suspended"]
    data_service: Literal["active", "suspended", "throttled"]


async def retrieve(task: Task) -> Answer:
    """Return it as it is now: who is suspended is so in everything."""
    facts, line = task.facts, task.line
    told = await facts.told(line, task.asking)
    if told.status is not SubscriptionStatus.ACTIVE:
        return Answer(_SUSPENDED)
    return Answer(_THROTTLED if await facts.is_throttled(line) else _ACTIVE)


_ACTIVE: Final = SubscriptionStatusResponse(
    voice_sms_in="active", voice_sms_out="active", data_service="active"
)
_THROTTLED: Final = SubscriptionStatusResponse(
    voice_sms_in="active", voice_sms_out="active", data_service="throttled"
)
_SUSPENDED: Final = SubscriptionStatusResponse(
    voice_sms_in="suspended", voice_sms_out="suspended", data_service="suspended"
)


API: Final = read_api(
    __package__,
    "subscription_status",
    {
        "retriveSubscriptionStatus": Handler(retrieve, OfNumber, SubscriptionStatusResponse),
    },
)
