"""What a tenant's BSS says of a device that may get an eSIM, where the BSS judges that itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from simgrant.domain.subscription import Subscription
from simgrant.nouns import noun
from simgrant.ports.clock import Clock
from simgrant.ports.eligibility import ChecksEligibility, Prospect, Qualification
from simgrant.ports.network_data import Subscriber

_UNKNOWN: Final = Qualification(qualified=False, reason="no such subscription")


@noun
class Judge:
    """One BSS, and the seconds that it has for an answer."""

    bss: ChecksEligibility
    timeout_s: float


class Judges:
    """The BSSs that judge, by tenant; the others have nothing to say."""

    def __init__(self, judges: Mapping[str, Judge], clock: Clock) -> None:
        self._judges = judges
        self._clock = clock

    async def of(self, subscription: Subscription, prospect: Prospect) -> Qualification | None:
        """Return what the BSS says; None where nobody judges for this tenant.

        PeerUnavailable, PeerTimeout, PeerMisbehaved: it may not be guessed who may have a line.
        """
        judge = self._judges.get(subscription.tenant)
        if judge is None:
            return None
        who = Subscriber(subscription.imsi, subscription.msisdn)
        deadline = self._clock.monotonic() + judge.timeout_s
        return await judge.bss.qualify(who, prospect, deadline=deadline) or _UNKNOWN
