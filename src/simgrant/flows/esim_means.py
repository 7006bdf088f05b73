"""What a tenant decides about eSIMs, and what operations on them are done with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from simgrant.domain.order import CompanionService, Inquiry, Kind, Order, OrderMode, Source
from simgrant.domain.pace import Pace
from simgrant.domain.plan_offer import PlanOffer
from simgrant.domain.policy import Policy
from simgrant.domain.subscription import Subscription
from simgrant.flows.answer import Portal
from simgrant.flows.bss_judges import Judges
from simgrant.flows.device_lists import DeviceLists
from simgrant.flows.limits import Throttle
from simgrant.flows.message import Speech
from simgrant.flows.network_data import NetworkFacts
from simgrant.flows.ordering import Ordering
from simgrant.nouns import Word, noun, replace
from simgrant.ports.account_pins import AccountPins
from simgrant.ports.keys import Keys
from simgrant.ports.risk import RiskSource
from simgrant.spec.ids import AppId
from simgrant.telemetry.metrics import Metrics

FEATURES = {AppId.ODSA_COMPANION: "companion", AppId.ODSA_PRIMARY: "esim"}
"""What the policy calls each application."""


class OldProfile(Word):
    """What becomes of the profile on the old phone when a line moves (TS.43 §8.11)."""

    KEPT = "kept"
    """Until the new one is installed."""
    DELETED = "deleted"
    """Before the new one is ordered."""
    REUSED = "reused"
    """Deleted, and then ordered again for the new phone."""


class Asking(Word):
    """Whether subscribers are asked on a page before a profile is ordered."""

    NEVER = "never"
    CHOICE = "choice"
    """Where there is something to choose."""
    ALWAYS = "always"


@noun
class Conditions:
    """What a line asks of devices, beside the policy."""

    tac_list: str = ""
    """Names of lists; empty = none."""
    eid_list: str = ""
    strict: bool = False
    """Whether requests are refused in which check digits are wrong, or parameters missing."""
    pace: Pace = Pace()
    sign_in_life_s: int = 3600
    """Seconds for which a sign-in counts where the policy asks for one."""


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
    conditions: Conditions = Conditions()
    not_eligible_url: str = ""
    """Where companions are sent that a list denies, before anybody signs in; empty = nowhere."""
    plans: tuple[PlanOffer, ...] = ()
    """What may be chosen from, in this order; empty = nothing is chosen."""
    old_profile: OldProfile = OldProfile.KEPT
    inquiries: Mapping[Kind, Inquiry] = field(default_factory=dict)
    """What the subscriber is asked on the device before an order of each kind."""
    asking: Asking = Asking.NEVER
    further: tuple[str, ...] = ()
    """SM-DP+s that rules lead some of its devices to, by their names."""

    def deletes(self, old: Order) -> bool:
        """Say whether an old profile has to be deleted before a line moves away from it."""
        ours = (self.source.smdp, *self.further)
        return self.old_profile is not OldProfile.KEPT and old.source.smdp in ours

    def asks(self, kind: Kind, *, plan: bool, service: bool, line: bool) -> bool:
        """Say whether the subscriber is asked on a page.

        ``plan``, ``service`` and ``line`` say what the device left open: its plan, whose number it
        gets, which of several lines is to move.
        """
        if self.asking is not Asking.CHOICE:
            return self.asking is Asking.ALWAYS
        if kind is Kind.SUBSCRIBE:
            return (plan and len(self.plans) > 1) or (service and len(self.services) > 1)
        return kind is Kind.TRANSFER and line

    def offer(self, plan_id: str) -> PlanOffer | None:
        """Return a plan that may be chosen."""
        return next((offer for offer in self.plans if offer.plan_id == plan_id), None)

    def plans_instead(self, order: Order) -> tuple[PlanOffer, ...]:
        """Return the plans that an order may change to, its own with them: the profile stays."""
        ours = order.source.profile_type
        fit = tuple(
            offer for offer in self.plans if self.source_of(offer.plan_id).profile_type == ours
        )
        return fit if any(offer.plan_id != order.plan for offer in fit) else ()

    def source_of(self, plan_id: str) -> Source:
        """Return where the profiles of a plan come from."""
        offer = self.offer(plan_id)
        if offer is None or not offer.profile_type:
            return self.source
        return replace(self.source, profile_type=offer.profile_type)


def is_told_by_address(line: Line | None, order: Order) -> bool:
    """Return whether a device is told the SM-DP+ and the ICCID, and no activation code.

    What was handed in is told as it came.
    """
    if order.source.mode is OrderMode.BSS:
        return not order.matching_id
    return line is not None and line.by_address


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
class StepUps:
    """The AppIDs for which people of a tenant can sign in, where a SIM is not enough."""

    oidc: frozenset[str] = frozenset()
    otp: frozenset[str] = frozenset()

    def offered(self, app_id: str, subscription: Subscription) -> bool:
        """Say whether the holder of a subscription can sign in at all."""
        by_number = app_id in self.otp and subscription.msisdn is not None
        return app_id in self.oidc or by_number


@noun
class EsimMeans:
    """What operations on eSIMs are done with."""

    keys: Keys
    ordering: Ordering
    esims: Mapping[str, Esim]
    """By tenant."""
    policies: Mapping[str, Policy]
    """By tenant, of this moment."""
    roaming_max_age_s: int
    portals: Mapping[str, Portal]
    polls: Throttle
    """How often a device may ask whether it is eligible by now (MaxRefreshRequest)."""
    pins: AccountPins
    speech: Mapping[str, Speech]
    """By tenant."""

    risk: RiskSource
    lists: DeviceLists
    step_ups: Mapping[str, StepUps]
    """By tenant."""
    metrics: Metrics
    network: NetworkFacts
    """Who is asked where subscribers are."""
    judges: Judges
    """BSSs that judge who may have an eSIM."""

    def address(self, tenant: str, order: Order) -> str:
        """Return where a profile is downloaded, though the answer that told it may be lost."""
        smdp = self.ordering.smdp(tenant, order.source.smdp)
        return order.smdp_address or (smdp.terms.address if smdp is not None else "")
