"""What a tenant decides about eSIMs, and what operations on them are done with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace

from simgrant.domain.order import CompanionService, Source
from simgrant.domain.plan_offer import PlanOffer
from simgrant.domain.policy import Policy
from simgrant.flows.ordering import Ordering
from simgrant.nouns import noun
from simgrant.spec.ids import AppId

FEATURES = {AppId.ODSA_COMPANION: "companion", AppId.ODSA_PRIMARY: "esim"}
"""What the policy calls each application."""


@noun
class Line:
    """What a tenant offers to devices of one application."""

    source: Source
    services: tuple[CompanionService, ...] = ()
    """Whose numbers companions may have."""
    most: int = 5
    """Devices that one subscription, or one enterprise, may have at a time."""
    most_an_hour: int = 1_000
    """Orders that one enterprise may make in an hour."""
    by_address: bool = False
    """Whether devices are told the SM-DP+ and the ICCID, in the place of an activation code."""
    plans: tuple[PlanOffer, ...] = ()
    """What may be chosen from, in this order; empty = nothing is chosen."""

    def offer(self, plan_id: str) -> PlanOffer | None:
        """Return a plan that may be chosen."""
        return next((offer for offer in self.plans if offer.plan_id == plan_id), None)

    def source_of(self, plan_id: str) -> Source:
        """Return where the profiles of a plan come from."""
        offer = self.offer(plan_id)
        if offer is None or not offer.profile_type:
            return self.source
        return replace(self.source, profile_type=offer.profile_type)


@noun
class Esim:
    """What a tenant decides about eSIMs."""

    lines: Mapping[str, Line] = field(default_factory=dict)
    """By AppID; an application without a line is not offered."""
    polling_s: int = 30
    """Seconds between the first polls of a device that waits."""
    longest_polling_s: int = 900
    most_polls: int = 60
    """MaxRefreshRequest (TS.43 §7.3)."""


@noun
class EsimMeans:
    """What operations on eSIMs are done with."""

    ordering: Ordering
    esims: Mapping[str, Esim]
    """By tenant."""
    policies: Mapping[str, Policy]
    roaming_max_age_s: int
