"""Where facts come from, and since when."""

from __future__ import annotations

from dataclasses import replace

import pytest

from simgrant.domain.policy import default_policy
from simgrant.domain.subscription import (
    Consent,
    ConsentKind,
    ConsentStatus,
    Profile,
    Subscription,
    SubscriptionStatus,
)
from simgrant.domain.tenant import Tenant
from simgrant.flows.gather import gather, look, times_of
from simgrant.flows.verdicts import NO_DEVICE
from simgrant.identities import Imsi

SUBSCRIPTION = Subscription(
    "default", Imsi("001010000000001"), None, SubscriptionStatus.ACTIVE, "standard", changed_at=10
)
TERMS = Consent(ConsentKind.TERMS, ConsentStatus.GIVEN, "1", at=20, expires_at=100)
PROFILE = Profile(SUBSCRIPTION, TERMS, None, None)


@pytest.mark.parametrize(
    ("now", "value", "source", "at"),
    [
        (99, ConsentStatus.GIVEN, "terms consent", 20),
        (100, ConsentStatus.MISSING, "terms consent, expired", 100),
    ],
)
def test_an_expired_consent_is_missing_since_its_end(
    now: int, value: ConsentStatus, source: str, at: int
) -> None:
    view = look(PROFILE, tenant=Tenant("default"), now=now, roaming_max_age=60)
    facts = gather(view, NO_DEVICE, policy=default_policy(), times=times_of(PROFILE, now=now))
    assert (facts.terms.value, facts.terms.source, facts.terms.at) == (value, source, at)
    assert (facts.address.value, facts.address.at) == (ConsentStatus.MISSING, None)
    assert facts.plan.at == 10


def test_a_place_too_old_is_unknown_and_keeps_its_age() -> None:
    seen = replace(PROFILE, subscription=replace(SUBSCRIPTION, visited_plmn="26201", visited_at=30))
    for now, plmn in ((90, "26201"), (91, "")):
        view = look(seen, tenant=Tenant("default"), now=now, roaming_max_age=60)
        facts = gather(view, NO_DEVICE, policy=default_policy(), times=times_of(seen, now=now))
        assert (facts.visited_plmn.value, facts.visited_plmn.at) == (plmn, 30)
