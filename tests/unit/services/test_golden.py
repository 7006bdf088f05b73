"""Whole documents, byte for byte, with the packaged policy: review them when they change.

``make golden`` writes them anew.
"""

from __future__ import annotations

from dataclasses import replace
from json import loads
from pathlib import Path

import pytest

from simgrant.domain.facts import (
    Area,
    BoostState,
    Facts,
    Purchases,
    StoreState,
    UsageShape,
    Wish,
)
from simgrant.domain.holdings import HeldUsage, Purchase
from simgrant.domain.policy import default_policy
from simgrant.domain.subscription import ConsentStatus, SubscriptionStatus
from simgrant.flows.answer import filled, usage_value
from simgrant.flows.operations import OPERATED
from simgrant.services import SERVICES, Enquiry, PrivateIdentity, ServiceFlow
from simgrant.services.service import JSON_PAGE
from simgrant.spec.ids import PrivateUserIdType, ProvStatus
from simgrant.spec.version import SpecVersion
from simgrant.wire import json, xml
from simgrant.wire.document import Document, Token, Vers
from tests import android_reader
from tests.conftest import Golden
from tests.unit.domain.samples import Changes, facts
from tests.unit.services.samples import V2, V12, answered, enquiry

ROOT = Path(__file__).parents[3]
TOKEN = "a-token-of-the-golden-documents"
POLICY = default_policy()
PSEUDONYM = PrivateIdentity(PrivateUserIdType.PSEUDONYM, "2a-pseudonym", "2026-12-01T00:00:00Z")
MISSING, IN_PROGRESS = ConsentStatus.MISSING, ConsentStatus.IN_PROGRESS
GIVEN, NOT_REQUIRED = ConsentStatus.GIVEN, ConsentStatus.NOT_REQUIRED


def of_plan(plan: str, changes: Changes) -> Facts:
    whole: Changes = {
        "plan": plan,
        "features": POLICY.features_of(plan),
        "offer": POLICY.plan(plan),
    }
    whole.update(changes)
    return facts(**whole)


JSON_FLOW = ServiceFlow(
    "https://portal.example.net/page", "encodedValue=eyJmbG93IjoiYzJWaGJHVmsifQ=="
)
SUSPENDED: Changes = {"status": SubscriptionStatus.SUSPENDED}
USAGE = (UsageShape("data", limited=True, cyclic=True), UsageShape("tethering", False, False))


def boost(boost_type: int, purchase: Purchase | None = None) -> Changes:
    held = () if purchase is None else (BoostState(boost_type, purchase),)
    return {"wish": Wish(boost_type), "boosts": held}


def at_store(
    terms: ConsentStatus,
    provisioning: ProvStatus = ProvStatus.NOT_REQUIRED,
    purchases: Purchases = Purchases.BELOW_LIMIT,
) -> StoreState:
    return StoreState(terms, provisioning, purchases, "50.00 EUR")


def own(name: str) -> str:
    """Return a value of the subscription's own, for the golden documents."""
    return usage_value(
        [
            HeldUsage("data", 314_572_800, 5_368_709_120, 1_796_083_199),
            HeldUsage("tethering", 0),
        ],
        name,
    )


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
    (
        "ap2003",
        "handovers",
        "home",
        {"features": POLICY.features_of("home") | {"srvcc_5g", "srvcc_4g"}},
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
    ("ap2010", "lists", "premium", {"usage": USAGE}, enquiry()),
    ("ap2010", "lists-it", "premium", {"usage": USAGE}, enquiry(language="it")),
    ("ap2010", "lists-before-12", "premium", {}, enquiry(SpecVersion(11, 0))),
    ("ap2010", "lists-no-page", "premium", {}, enquiry(V12, None)),
    ("ap2010", "metered-only", "data", {}, enquiry()),
    ("ap2010", "nothing-in-plan", "standard", {}, enquiry()),
    ("ap2010", "suspended", "premium", SUSPENDED, enquiry()),
    ("ap2010", "boost-offered", "premium", boost(166), enquiry()),
    ("ap2010", "boost-no-page", "premium", boost(166), enquiry(V12, None)),
    ("ap2010", "boost-being-set-up", "premium", boost(166, Purchase.IN_PROGRESS), enquiry()),
    ("ap2010", "boost-bought", "premium", boost(166, Purchase.ACTIVE), enquiry()),
    ("ap2010", "boost-bought-untracked", "premium", boost(166, Purchase.UNTRACKED), enquiry()),
    ("ap2010", "boost-expired", "premium", boost(166, Purchase.EXPIRED), enquiry()),
    ("ap2010", "boost-included", "premium", boost(167, Purchase.ACTIVE), enquiry()),
    ("ap2010", "boost-included-untracked", "premium", boost(167), enquiry()),
    ("ap2010", "boost-not-in-plan", "standard", boost(166), enquiry()),
    ("ap2012", "can-purchase", "premium", {"store": at_store(GIVEN)}, enquiry()),
    ("ap2012", "terms-not-required", "premium", {"store": at_store(NOT_REQUIRED)}, enquiry()),
    ("ap2012", "terms-missing", "premium", {"store": at_store(MISSING)}, enquiry()),
    ("ap2012", "terms-missing-fr", "premium", {"store": at_store(MISSING)}, enquiry(language="fr")),
    (
        "ap2012",
        "terms-missing-no-page",
        "premium",
        {"store": at_store(MISSING)},
        enquiry(V12, None),
    ),
    ("ap2012", "terms-in-progress", "premium", {"store": at_store(IN_PROGRESS)}, enquiry()),
    (
        "ap2012",
        "to-be-enabled",
        "premium",
        {"store": at_store(GIVEN, ProvStatus.NOT_PROVISIONED)},
        enquiry(),
    ),
    (
        "ap2012",
        "provisioning",
        "premium",
        {"store": at_store(GIVEN, ProvStatus.IN_PROGRESS)},
        enquiry(),
    ),
    (
        "ap2012",
        "limit-reached",
        "premium",
        {"store": at_store(GIVEN, purchases=Purchases.LIMIT_REACHED)},
        enquiry(),
    ),
    (
        "ap2012",
        "store-not-offered",
        "premium",
        {"store": at_store(MISSING, purchases=Purchases.NOT_OFFERED)},
        enquiry(),
    ),
    ("ap2012", "not-in-plan", "standard", {}, enquiry()),
    ("ap2012", "suspended", "premium", SUSPENDED | {"store": at_store(GIVEN)}, enquiry()),
    ("ap2016", "enabled", "premium", {"satellite": GIVEN}, enquiry()),
    ("ap2016", "to-be-switched-on", "premium", {"satellite": MISSING}, enquiry()),
    ("ap2016", "no-page", "premium", {"satellite": MISSING}, enquiry(V12, None)),
    ("ap2016", "provisioning", "premium", {"satellite": IN_PROGRESS}, enquiry()),
    ("ap2016", "not-in-plan", "standard", {}, enquiry()),
    ("ap2016", "not-in-plan-it", "standard", {}, enquiry(language="it")),
    ("ap2016", "suspended", "premium", SUSPENDED | {"satellite": GIVEN}, enquiry()),
]


OF_SERVICES = {f"{app_id}/{case}" for app_id, case, *_ in CASES}
DOCUMENTS = sorted((ROOT / "tests/golden").glob("ap*/*"))


@pytest.mark.spec("AOSP service_entitlement")
@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_android_reads_every_golden_document(path: Path) -> None:
    """As `tests.android_reader` says, which is written from what Android's readers do."""
    app_id, document = path.parent.name, path.read_bytes()
    # Who redeems a lent token is given none, and of operations the flow's tests make documents.
    lent = path.stem.startswith("partner-") or f"{app_id}/{path.stem}" not in OF_SERVICES
    if path.suffix == ".json":
        assert set(loads(document)) - {"Token"} == {"Vers", app_id}
        assert lent or "Token" in loads(document)
        if app_id == "ap2016":
            enabled = path.stem == "enabled"
            satellite = android_reader.Satellite(document)
            assert (satellite.enabled, bool(satellite.metered)) == (enabled, enabled)
        if app_id == "ap2010" and path.stem.startswith("boost-"):
            assert android_reader.purchase(document) != android_reader.ERROR
        return
    library = android_reader.Ts43XmlDoc(document)
    assert library.get("APPLICATION", "AppID") == app_id
    token = library.get("TOKEN", "token")
    assert lent or token == TOKEN
    phone = android_reader.XmlDoc(document)
    assert phone.get("VERS", "validity")
    assert phone.get("TOKEN", "token") == token
    voice = phone.get("1/1", "EntitlementStatus") or phone.get("1/2", "EntitlementStatus")
    if app_id in ("ap2004", "ap2005", "ap2012", "ap2016") or "boost-" in path.stem:
        assert library.get("APPLICATION", "EntitlementStatus") in ("0", "1", "2", "3", "4")
    elif app_id == "ap2003":
        assert (phone.get("ap2003", "EntitlementStatus") or voice) in ("1", "2", "3")


def test_every_document_is_of_a_case() -> None:
    found = {f"{path.parent.name}/{path.stem}" for path in DOCUMENTS}
    assert found >= OF_SERVICES
    assert {name.partition("/")[0] for name in found - OF_SERVICES} == OPERATED


@pytest.mark.conforms(
    "data-plan.lists",
    "billing.answered",
    "identity.answered",
    "satmode.answered",
    "satmode.configuration-answered",
)
@pytest.mark.parametrize(
    ("app_id", "case", "plan", "changes", "asked"),
    CASES,
    ids=[f"{app_id}-{case}" for app_id, case, *_ in CASES],
)
def test_golden(
    app_id: str, case: str, plan: str, changes: Changes, asked: Enquiry, golden: Golden
) -> None:
    if asked.flow is not None and JSON_PAGE in SERVICES[app_id].parms:
        asked = replace(asked, flow=JSON_FLOW)
    application = filled(answered(app_id, of_plan(plan, changes), POLICY, asked), own)
    document = Document(Vers(1, 172_800), Token(TOKEN, 3600), (application,))
    golden(f"{app_id}/{case}.xml", xml.push_document(document))
    golden(f"{app_id}/{case}.json", json.push_document(document))
