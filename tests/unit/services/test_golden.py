"""Whole documents, byte for byte, with the packaged policy: review them when they change.

``make golden`` writes them anew.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from simgrant.domain.facts import Area, Facts
from simgrant.domain.policy import default_policy
from simgrant.domain.subscription import ConsentStatus, SubscriptionStatus
from simgrant.services import Enquiry, PrivateIdentity
from simgrant.spec.ids import PrivateUserIdType, ProvStatus
from simgrant.wire import json, xml
from simgrant.wire.document import Document, Token, Vers
from tests.conftest import Golden
from tests.unit.domain.samples import Changes, facts
from tests.unit.services.samples import V2, V12, answered, enquiry

POLICY = default_policy()
PSEUDONYM = PrivateIdentity(PrivateUserIdType.PSEUDONYM, "2a-pseudonym", "2026-12-01T00:00:00Z")
MISSING, IN_PROGRESS = ConsentStatus.MISSING, ConsentStatus.IN_PROGRESS


def of_plan(plan: str, changes: Changes) -> Facts:
    whole: Changes = {"plan": plan, "features": POLICY.features_of(plan)}
    whole.update(changes)
    return facts(**whole)


CASES: list[tuple[str, str, str, Changes, Enquiry]] = [
    ("ap2003", "all-allowed", "standard", {}, enquiry()),
    ("ap2003", "home-only", "home", {}, enquiry()),
    ("ap2003", "no-vonr", "basic", {}, enquiry()),
    ("ap2003", "suspended", "standard", {"status": SubscriptionStatus.SUSPENDED}, enquiry()),
    (
        "ap2003",
        "eps-fallback",
        "standard",
        {"features": POLICY.features_of("standard") | {"eps_fallback"}},
        enquiry(),
    ),
    ("ap2003", "flat-allowed", "standard", {}, enquiry(V2)),
    ("ap2003", "flat-not-in-plan", "data", {}, enquiry(V2)),
    ("ap2004", "activatable", "standard", {}, enquiry()),
    (
        "ap2004",
        "nothing-required",
        "standard",
        {
            "terms": ConsentStatus.NOT_REQUIRED,
            "address": ConsentStatus.NOT_REQUIRED,
            "provisioning": ProvStatus.NOT_REQUIRED,
        },
        enquiry(),
    ),
    ("ap2004", "data-missing", "standard", {"terms": MISSING, "address": MISSING}, enquiry()),
    ("ap2004", "no-page", "standard", {"terms": MISSING}, enquiry(V12, None)),
    ("ap2004", "updating", "standard", {"address": IN_PROGRESS}, enquiry()),
    (
        "ap2004",
        "provisioning",
        "standard",
        {"provisioning": ProvStatus.IN_PROGRESS},
        enquiry(),
    ),
    ("ap2004", "not-in-plan", "basic", {}, enquiry()),
    ("ap2004", "not-in-plan-de", "basic", {}, enquiry(language="de")),
    ("ap2004", "not-abroad", "home", {"area": Area.ROAMING}, enquiry()),
    ("ap2004", "suspended", "standard", {"status": SubscriptionStatus.SUSPENDED}, enquiry()),
    ("ap2005", "allowed", "standard", {}, enquiry()),
    ("ap2005", "not-in-plan", "data", {}, enquiry()),
    ("ap2013", "encrypted", "standard", {}, enquiry()),
    ("ap2013", "pseudonym", "standard", {}, replace(enquiry(), identity=PSEUDONYM)),
    ("ap2013", "not-in-plan", "data", {}, enquiry()),
    ("ap2014", "authenticated", "standard", {}, enquiry()),
    ("ap2015", "authenticated", "standard", {}, enquiry()),
]


@pytest.mark.parametrize(
    ("app_id", "case", "plan", "changes", "asked"),
    CASES,
    ids=[f"{app_id}-{case}" for app_id, case, *_ in CASES],
)
def test_golden(
    app_id: str, case: str, plan: str, changes: Changes, asked: Enquiry, golden: Golden
) -> None:
    application = answered(app_id, of_plan(plan, changes), POLICY, asked)
    document = Document(
        Vers(1, 172_800), Token("a-token-of-the-golden-documents", 3600), (application,)
    )
    golden(f"{app_id}/{case}.xml", xml.push_document(document))
    golden(f"{app_id}/{case}.json", json.push_document(document))
