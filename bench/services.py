"""What a token request for each service asks, on what plan, and what its answer must say.

Every service that there is has a case. A subscription of these cases has a plan with everything in
it and holds what a plan does not say (a boost, counters, an opt-in, a store's terms), so that each
service answers all that it has: one that refused would be cheap for nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from simgrant.domain.holdings import (
    HeldBilling,
    HeldBoost,
    HeldSatellite,
    HeldUsage,
    Holding,
    Money,
    Purchase,
)
from simgrant.domain.policy import default_policy_text
from simgrant.domain.subscription import ConsentStatus
from simgrant.services import SERVICES

BASE = "ap2004"
"""The service that the others are compared with."""
PLAN = "premium"
_ENABLED = 'name="EntitlementStatus" value="1"'
_DAYS = 86_400


@dataclass(frozen=True, slots=True)
class Enquiry:
    """A request for one service."""

    query: str = ""
    """What it has beside the usual; ``{msisdn}`` stands for the subscription's number."""
    sees: str = _ENABLED
    """What is in the document if the service answered in full."""
    most: float = 1.3
    """Target: at most so many times the processor time of ``BASE``."""


_ENQUIRIES = {
    "ap2006": Enquiry(sees='name="OperationResult" value="1"'),
    "ap2009": Enquiry(sees='name="OperationResult" value="1"'),
    "ap2010": Enquiry(sees='name="DataUsedInBytes" value="314572800"', most=1.6),
    "ap2012": Enquiry("&store_vendor=Google&store_user_id=user-17"),
    "ap2013": Enquiry(sees='name="PrivateUserID"'),
    "ap2014": Enquiry("&operation=GetPhoneNumber", 'name="MSISDN"'),
    "ap2015": Enquiry(
        "&operation=VerifyPhoneNumber&msisdn=%2B{msisdn}",
        'name="PhoneNumberVerification" value="1"',
    ),
    "ap2016": Enquiry(sees='type="PLMNBarred"', most=1.6),
}


def enquiry_of(app: str) -> Enquiry:
    """Return the request for a service."""
    return _ENQUIRIES.get(app, Enquiry())


def apps() -> list[str]:
    """Return the AppIDs that are measured, what they are compared with first."""
    return [BASE, *(app for app in SERVICES if app != BASE)]


def policy() -> str:
    """Return the default policy, with a plan that lacks nothing."""
    text = default_policy_text()
    before = '[plans.premium]\nfeatures = ["volte", '
    after = f'{before}"private_identity", '
    assert before in text
    return text.replace(before, after)


def holdings(now: int) -> Iterable[Holding]:
    """Return what every subscription holds."""
    later = now + 30 * _DAYS
    return (
        HeldBoost(166, Purchase.ACTIVE, until=later, at=now),
        HeldUsage("data", 314_572_800, 5_368_709_120, later, at=now),
        HeldUsage("tethering", 1_048_576, None, later, at=now),
        HeldSatellite(ConsentStatus.GIVEN, at=now),
        HeldBilling(
            "google",
            "user-17",
            ConsentStatus.GIVEN,
            spent=Money(Decimal("12.50"), "EUR"),
            resets_at=later,
            at=now,
        ),
    )
