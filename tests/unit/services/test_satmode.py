"""Satellite access: the status, the page and the networks, as Android reads them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgrant.domain.facts import Area, Facts, Question
from simgrant.domain.plans import Plan, Satellite, SatelliteNetwork
from simgrant.domain.policy import OF_SERVICES, Result
from simgrant.domain.subscription import ConsentStatus
from simgrant.services import SERVICES, ServiceFlow
from simgrant.spec.ids import DataPlanType, ServicePolicy, ServiceType
from tests import android_reader
from tests.android_reader import Ts43XmlDoc
from tests.unit.domain.samples import all_facts, facts
from tests.unit.services.samples import FLOW, V12, as_json, as_xml, enquiry, ruled

SATMODE = SERVICES["ap2016"]
YES, NO, SOON = Result.ALLOWED, Result.DENIED, Result.PENDING
MISSING, GIVEN = ConsentStatus.MISSING, ConsentStatus.GIVEN
PLAN = Plan(
    satellite=Satellite(
        activation=True,
        allowed=(
            SatelliteNetwork("99940", DataPlanType.UNMETERED, ()),
            SatelliteNetwork("999041", None, ()),
            SatelliteNetwork(
                "99942",
                DataPlanType.METERED,
                (
                    (ServiceType.DATA, ServicePolicy.CONSTRAINED),
                    (ServiceType.VOICE, ServicePolicy.UNCONSTRAINED),
                ),
            ),
        ),
        barred=("99949",),
    )
)


def document(
    given: Facts, result: Result = YES, flow: ServiceFlow | None = FLOW, language: str = "en"
) -> bytes:
    asked = enquiry(flow=flow, language=language)
    return as_json(SATMODE.answer(given, ruled("ap2016", given, result), asked))


def told(given: Facts, result: Result = YES, flow: ServiceFlow | None = FLOW) -> dict[str, Any]:
    members: dict[str, Any] = json.loads(document(given, result, flow))["ap2016"]
    return members


@pytest.mark.spec("TS.43 §15.2")
@pytest.mark.conforms(
    "satmode.configuration-answered", "satmode.messages-only", "divergence.satellite-status-in-json"
)
def test_enabled_with_its_networks() -> None:
    found = told(facts(offer=PLAN, satellite=GIVEN))
    assert found == {
        "EntitlementStatus": "1",
        "MessageForIncompatible": "",
        "PLMNAllowed": [
            {"PLMN": "99940", "DataPlanType": "Unmetered"},
            {"PLMN": "999041"},
            {
                "PLMN": "99942",
                "DataPlanType": "Metered",
                "AllowedServicesInfo": [
                    {"AllowedServices": {"ServiceType": "data", "ServicePolicy": "Constrained"}},
                    {"AllowedServices": {"ServiceType": "voice", "ServicePolicy": "Unconstrained"}},
                ],
            },
        ],
        "PLMNBarred": [{"PLMN": "99949"}],
    }


@pytest.mark.spec("AOSP services/Telephony")
@pytest.mark.conforms("divergence.satellite-status-in-json")
def test_android_finds_what_may_be_used_where() -> None:
    phone = android_reader.Satellite(document(facts(offer=PLAN, satellite=GIVEN)))
    assert phone.enabled
    assert phone.metered == {"99940": False, "999041": True, "99942": True}
    assert phone.services == {"99942": {"sms": "", "data": "constrained", "voice": "unconstrained"}}
    assert phone.barred == ["99949"]


@pytest.mark.spec("TS.43 §15.1.1")
@pytest.mark.parametrize(
    ("activation", "result", "status"),
    [
        (GIVEN, YES, "1"),
        (ConsentStatus.NOT_REQUIRED, YES, "1"),
        (MISSING, YES, "0"),
        (MISSING, SOON, "0"),
        (ConsentStatus.IN_PROGRESS, YES, "3"),
        (GIVEN, SOON, "3"),
        (GIVEN, NO, "2"),
        (MISSING, NO, "2"),
    ],
)
def test_states(activation: ConsentStatus, result: Result, status: str) -> None:
    assert told(facts(offer=PLAN, satellite=activation), result)["EntitlementStatus"] == status


@pytest.mark.spec("TS.43 §15.1.4")
@pytest.mark.conforms("satmode.answered")
def test_what_is_not_switched_on_opens_the_page() -> None:
    assert told(facts(offer=PLAN, satellite=MISSING)) == {
        "EntitlementStatus": "0",
        "ServiceFlow_URL": FLOW.url,
        "ServiceFlow_UserData": FLOW.user_data,
        "ServiceFlow_ContentsType": "json",
        "MessageForIncompatible": "",
        "PLMNBarred": [{"PLMN": "99949"}],
    }


@pytest.mark.spec("TS.43 §15.1.5")
def test_a_refusal_says_why() -> None:
    found = told(facts(offer=PLAN), NO)
    assert (found["EntitlementStatus"], found["MessageForIncompatible"]) == ("2", "Sorry")


@pytest.mark.conforms("divergence.satellite-no-page")
@pytest.mark.parametrize(("language", "word"), [("en", "customer care"), ("it", "clienti")])
def test_without_a_page_it_cannot_be_offered(language: str, word: str) -> None:
    given = facts(offer=PLAN, satellite=MISSING)
    found = json.loads(document(given, flow=None, language=language))["ap2016"]
    assert found["EntitlementStatus"] == "2"
    assert word in found["MessageForIncompatible"]


def test_a_plan_without_networks_has_nothing_to_enable() -> None:
    for result in (YES, SOON):
        found = told(facts(offer=Plan()), result)
        assert found["EntitlementStatus"] == "2"
        assert "customer care" in found["MessageForIncompatible"]


@pytest.mark.conforms("satmode.allowed-when-enabled")
@given(given=all_facts, result=st.sampled_from(OF_SERVICES), flow=st.sampled_from([None, FLOW]))
def test_every_answer_is_whole(given: Facts, result: Result, flow: ServiceFlow | None) -> None:
    found = told(given, result, flow)
    status = found["EntitlementStatus"]
    assert (status == "2") >= (result is NO)
    assert ("PLMNAllowed" in found) <= (status == "1")
    assert bool(found["MessageForIncompatible"]) == (status == "2")
    page = [name for name in found if name.startswith("ServiceFlow_")]
    assert len(page) == (3 if status == "0" else 0)
    satellite = given.offer.value.satellite
    phone = android_reader.Satellite(document(given, result, flow))
    assert phone.enabled == (status == "1")
    if phone.enabled:
        assert satellite is not None
        assert set(phone.metered) == {network.plmn for network in satellite.allowed}
    assert phone.barred == list(satellite.barred if satellite else ())
    asked = enquiry(flow=flow)
    application = SATMODE.answer(given, ruled("ap2016", given, result), asked)
    assert Ts43XmlDoc(as_xml(application)).get("APPLICATION", "EntitlementStatus") == status


@pytest.mark.parametrize("area", list(Area))
def test_the_question_is_about_where_the_device_was_last_seen(area: Area) -> None:
    assert SATMODE.questions(V12, facts(area=area)) == (Question("satellite", area),)
