"""Carrier billing: whatever is known and decided, the device is in one of its four modes."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgrant.domain.facts import Area, Facts, Purchases, Question, StoreState
from simgrant.domain.plans import ANY_STORE, Billing, BillingTerms, Plan
from simgrant.domain.policy import OF_SERVICES, Result
from simgrant.domain.subscription import ConsentStatus
from simgrant.services import SERVICES, ServiceFlow
from simgrant.spec.ids import ProvStatus, TcOperation
from tests.android_reader import Ts43XmlDoc
from tests.unit.domain.samples import all_facts, facts
from tests.unit.services.samples import FLOW, V12, as_json, as_xml, enquiry, ruled

BILLING = SERVICES["ap2012"]
YES, NO, SOON = Result.ALLOWED, Result.DENIED, Result.PENDING
MISSING, GIVEN = ConsentStatus.MISSING, ConsentStatus.GIVEN
NOT_REQUIRED, IN_PROGRESS = ConsentStatus.NOT_REQUIRED, ConsentStatus.IN_PROGRESS
BOTH = (TcOperation.MSG, TcOperation.WEBSHEET)


def at_store(
    terms: ConsentStatus,
    provisioning: ProvStatus = ProvStatus.NOT_REQUIRED,
    ways: tuple[TcOperation, ...] = BOTH,
) -> Facts:
    title, message = {"en": "Pay with your bill"}, {"en": "Do you agree, up to {limit}?"}
    billing = Billing({ANY_STORE: None}, BillingTerms(True, ways, title, message))
    state = StoreState(terms, provisioning, Purchases.BELOW_LIMIT, "50.00 EUR")
    return facts(offer=Plan(billing=billing), store=state)


def told(given: Facts, result: Result = YES, flow: ServiceFlow | None = FLOW) -> dict[str, Any]:
    application = BILLING.answer(given, ruled("ap2012", given, result), enquiry(flow=flow))
    members: dict[str, Any] = json.loads(as_json(application))["ap2012"]
    return members


def mode(found: dict[str, Any]) -> str:
    """The mode of TS.43 §11.3 for these numbers, written down independently."""
    match found["EntitlementStatus"], found["TC_Status"]:
        case "2", _:
            return "cannot purchase"
        case "0", "0":
            return "data missing"
        case ("0", "1" | "2") | ("3", _):
            return "being provisioned"
        case "1", "1" | "2":
            return "can purchase"
    return "undefined"


@pytest.mark.spec("TS.43 §11.3")
@pytest.mark.conforms(
    "billing.defined-modes-only",
    "divergence.billing-terms-before-purchases",
    "divergence.billing-both-texts-always",
)
@given(given=all_facts, result=st.sampled_from(OF_SERVICES), flow=st.sampled_from([None, FLOW]))
def test_every_answer_is_a_defined_mode(
    given: Facts, result: Result, flow: ServiceFlow | None
) -> None:
    found = told(given, result, flow)
    reached = mode(found)
    assert reached != "undefined"
    assert (reached == "cannot purchase") >= (result is NO)
    if reached == "can purchase":
        assert given.store.value.terms in (GIVEN, NOT_REQUIRED)
        assert given.store.value.purchases not in ("not_offered", "limit_reached")
        assert result is YES
    assert bool(found["MessageForIncompatible"]) == (reached == "cannot purchase")
    missing = reached == "data missing"
    assert ("TC_Operation" in found) == missing
    assert ("MSG" in found) <= missing
    page = [name for name in found if name.startswith("ServiceFlow_")]
    assert len(page) in (0, 3)
    if missing:
        # What is preferred is there, and there is a way at all.
        assert page if found["TC_Operation"] == "1" else "MSG" in found
    elif found["EntitlementStatus"] != "0":
        assert not page
    application = BILLING.answer(given, ruled("ap2012", given, result), enquiry(flow=flow))
    xml = Ts43XmlDoc(as_xml(application))
    for name, value in found.items():
        if name == "MSG":
            assert xml.get("APPLICATION|MSG", "Message") == value["Message"]
        else:
            assert xml.get("APPLICATION", name) == value


@pytest.mark.spec("TS.43 §11.3.4")
@pytest.mark.conforms("billing.can-purchase", "divergence.billing-both-texts-always")
@pytest.mark.parametrize(("terms", "number"), [(GIVEN, "1"), (NOT_REQUIRED, "2")])
def test_can_purchase(terms: ConsentStatus, number: str) -> None:
    assert told(at_store(terms)) == {
        "EntitlementStatus": "1",
        "TC_Status": number,
        "MessageForIncompatible": "",
    }


@pytest.mark.spec("TS.43 §11.3.3")
@pytest.mark.conforms("billing.data-missing", "billing.both-ways", "billing.answered")
def test_missing_terms_are_asked_for_in_both_ways() -> None:
    assert told(at_store(MISSING)) == {
        "EntitlementStatus": "0",
        "TC_Status": "0",
        "TC_Operation": "2",
        "ServiceFlow_URL": FLOW.url,
        "ServiceFlow_UserData": FLOW.user_data,
        "ServiceFlow_ContentsType": "json",
        "MSG": {
            "Title": "Pay with your bill",
            "Message": "Do you agree, up to 50.00 EUR?",
            "Accept_btn": "1",
            "Reject_btn": "1",
        },
        "MessageForIncompatible": "",
    }


@pytest.mark.parametrize(
    ("ways", "flow", "operation", "page", "dialogue"),
    [
        ((TcOperation.WEBSHEET, TcOperation.MSG), FLOW, "1", True, True),
        ((TcOperation.WEBSHEET, TcOperation.MSG), None, "2", False, True),
        ((TcOperation.WEBSHEET,), FLOW, "1", True, False),
        ((TcOperation.MSG,), FLOW, "2", False, True),
    ],
)
def test_the_ways_that_the_policy_wants_and_that_are_open(
    ways: tuple[TcOperation, ...],
    flow: ServiceFlow | None,
    operation: str,
    page: bool,
    dialogue: bool,
) -> None:
    found = told(at_store(MISSING, ways=ways), flow=flow)
    assert found["TC_Operation"] == operation
    assert ("ServiceFlow_URL" in found, "MSG" in found) == (page, dialogue)


@pytest.mark.parametrize("purchases", [Purchases.NOT_OFFERED, Purchases.LIMIT_REACHED])
def test_what_the_plan_does_not_have_is_not_sold_whatever_a_rule_says(
    purchases: Purchases,
) -> None:
    state = StoreState(GIVEN, ProvStatus.NOT_REQUIRED, purchases)
    found = told(replace(at_store(GIVEN), store=facts(store=state).store))
    assert (found["EntitlementStatus"], found["TC_Status"]) == ("2", "1")
    assert "customer care" in found["MessageForIncompatible"]


@pytest.mark.conforms("divergence.billing-nobody-to-ask")
def test_terms_that_nobody_can_be_asked_for() -> None:
    found = told(at_store(MISSING, ways=(TcOperation.WEBSHEET,)), flow=None)
    assert (found["EntitlementStatus"], found["TC_Status"]) == ("2", "0")
    assert "customer care" in found["MessageForIncompatible"]


@pytest.mark.spec("TS.43 §11.3.2")
@pytest.mark.conforms("billing.being-provisioned")
@pytest.mark.parametrize(
    ("terms", "provisioning", "result", "flow", "numbers", "page"),
    [
        (GIVEN, ProvStatus.NOT_PROVISIONED, YES, FLOW, "01", True),
        (NOT_REQUIRED, ProvStatus.NOT_PROVISIONED, YES, FLOW, "02", True),
        (GIVEN, ProvStatus.NOT_PROVISIONED, YES, None, "31", False),
        (GIVEN, ProvStatus.NOT_PROVISIONED, SOON, FLOW, "31", False),
        (GIVEN, ProvStatus.IN_PROGRESS, YES, FLOW, "31", False),
        (IN_PROGRESS, ProvStatus.PROVISIONED, YES, FLOW, "33", False),
        (GIVEN, ProvStatus.PROVISIONED, SOON, FLOW, "31", False),
        (MISSING, ProvStatus.PROVISIONED, SOON, FLOW, "00", True),
    ],
)
def test_being_provisioned(
    terms: ConsentStatus,
    provisioning: ProvStatus,
    result: Result,
    flow: ServiceFlow | None,
    numbers: str,
    page: bool,
) -> None:
    found = told(at_store(terms, provisioning), result, flow)
    assert found["EntitlementStatus"] + found["TC_Status"] == numbers
    assert ("ServiceFlow_URL" in found) == page


@pytest.mark.spec("TS.43 §11.3.1")
@pytest.mark.conforms("billing.cannot-purchase", "billing.answered")
@pytest.mark.parametrize(("terms", "number"), [(GIVEN, "1"), (IN_PROGRESS, "3"), (MISSING, "0")])
def test_a_refusal_tells_the_terms_as_they_are_and_says_why(
    terms: ConsentStatus, number: str
) -> None:
    assert told(at_store(terms), NO) == {
        "EntitlementStatus": "2",
        "TC_Status": number,
        "MessageForIncompatible": "Sorry",
    }


@pytest.mark.parametrize("area", list(Area))
def test_the_question_is_about_where_the_device_was_last_seen(area: Area) -> None:
    asked = BILLING.questions(V12, facts(area=area))
    assert asked == (Question("carrier_billing", area),)
