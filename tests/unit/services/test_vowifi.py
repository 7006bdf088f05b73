"""VoWiFi: whatever is known and decided, the device is in one of its five modes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgrant.domain.facts import Area, Facts, Question
from simgrant.domain.policy import OF_SERVICES, Result
from simgrant.domain.subscription import ConsentStatus
from simgrant.services import SERVICES, ServiceFlow
from simgrant.services.vowifi import Activatable, AddressMissing, TermsMissing, mode_of
from simgrant.spec.ids import ProvStatus
from simgrant.wire.document import Parm
from tests.unit.domain.samples import any_facts, facts
from tests.unit.services.samples import FLOW, V2, V12, enquiry, ruled

VOWIFI = SERVICES["ap2004"]

MISSING, GIVEN = ConsentStatus.MISSING, ConsentStatus.GIVEN
NOT_REQUIRED, IN_PROGRESS = ConsentStatus.NOT_REQUIRED, ConsentStatus.IN_PROGRESS


def told(
    given: Facts, result: Result = Result.ALLOWED, flow: ServiceFlow | None = FLOW
) -> dict[str, str]:
    decisions = ruled("ap2004", given, result)
    application = VOWIFI.answer(given, decisions, enquiry(flow=flow))
    assert application.app_id == "ap2004"
    return {item.name: item.value for item in application.items if isinstance(item, Parm)}


def mode(parms: dict[str, str]) -> str:
    """The mode that TS.43 Table 20 has for these numbers, written down independently."""
    row = parms["EntitlementStatus"], parms["ProvStatus"], parms["TC_Status"], parms["AddrStatus"]
    match row:
        case "2", _, _, _:
            return "cannot be offered"
        case "0", _, "0", _:
            return "data missing"
        case "0", _, _, "0":
            return "data missing"
        case "0", _, "3", _:
            return "data being updated"
        case "0", _, _, "3":
            return "data being updated"
        case "0", "0" | "3", "1" | "2", "1" | "2":
            return "being provisioned"
        case "3", _, _, _:
            return "being provisioned"
        case "1", "1" | "2", "1" | "2", "1" | "2":
            return "can be activated"
    return "undefined"


@pytest.mark.spec("TS.43 §3.3")
@pytest.mark.conforms("vowifi.defined-modes-only")
@given(given=any_facts, result=st.sampled_from(OF_SERVICES), flow=st.sampled_from([None, FLOW]))
def test_every_answer_is_a_defined_mode(
    given: Facts, result: Result, flow: ServiceFlow | None
) -> None:
    parms = told(given, result, flow)
    found = mode(parms)
    assert found != "undefined"
    if result is Result.DENIED:
        assert found == "cannot be offered"
    elif MISSING in (given.terms.value, given.address.value):
        assert found == ("data missing" if flow else "cannot be offered")
    elif IN_PROGRESS in (given.terms.value, given.address.value):
        assert found == "data being updated"
    elif result is Result.PENDING or given.provisioning.value in (0, 3):
        assert found == "being provisioned"
    else:
        assert found == "can be activated"
    assert bool(parms["MessageForIncompatible"]) == (found == "cannot be offered")
    assert bool(parms["ServiceFlow_URL"]) == bool(parms["ServiceFlow_UserData"])
    if found == "data missing":
        assert parms["ServiceFlow_URL"]


@pytest.mark.spec("TS.43 §3.1")
@pytest.mark.conforms("vowifi.all-parameters")
@given(given=any_facts, result=st.sampled_from(OF_SERVICES))
def test_all_parameters_are_there_in_their_order(given: Facts, result: Result) -> None:
    assert list(told(given, result)) == [
        "EntitlementStatus",
        "ServiceFlow_URL",
        "ServiceFlow_UserData",
        "MessageForIncompatible",
        "AddrStatus",
        "TC_Status",
        "ProvStatus",
    ]


@given(given=any_facts, result=st.sampled_from(OF_SERVICES))
def test_a_page_is_named_where_there_is_something_to_give_or_to_change(
    given: Facts, result: Result
) -> None:
    (decision,) = ruled("ap2004", given, result)
    match mode_of(given, decision):
        case TermsMissing() | AddressMissing():
            expected = True
        case Activatable(terms, address):
            expected = ConsentStatus.GIVEN in (terms, address)
        case _:
            expected = False
    found = told(given, result)
    assert bool(found["ServiceFlow_URL"]) == bool(found["ServiceFlow_UserData"]) == expected


@pytest.mark.conforms("vowifi.can-be-activated")
@pytest.mark.spec("TS.43 §3.3.2")
def test_enabled_once_all_is_there() -> None:
    assert told(facts()) == {
        "EntitlementStatus": "1",
        "ServiceFlow_URL": FLOW.url,
        "ServiceFlow_UserData": FLOW.user_data,
        "MessageForIncompatible": "",
        "AddrStatus": "1",
        "TC_Status": "1",
        "ProvStatus": "1",
    }


@pytest.mark.spec("TS.43 §3.3.3")
@pytest.mark.conforms("vowifi.data-missing", "divergence.vowifi-two-rows")
@pytest.mark.parametrize(
    ("terms", "address", "numbers"),
    [
        (MISSING, MISSING, "000"),
        (MISSING, NOT_REQUIRED, "002"),
        (GIVEN, MISSING, "010"),
        (MISSING, IN_PROGRESS, "003"),
        (IN_PROGRESS, MISSING, "030"),
    ],
)
def test_missing_data_opens_the_page(
    terms: ConsentStatus, address: ConsentStatus, numbers: str
) -> None:
    parms = told(facts(terms=terms, address=address))
    assert parms["EntitlementStatus"] + parms["TC_Status"] + parms["AddrStatus"] == numbers
    assert parms["ServiceFlow_URL"] == FLOW.url


@pytest.mark.conforms("vowifi.data-updating")
@pytest.mark.spec("TS.43 §3.3.4")
def test_data_in_progress_leaves_the_subscriber_alone() -> None:
    parms = told(facts(address=IN_PROGRESS), flow=FLOW)
    assert (parms["EntitlementStatus"], parms["AddrStatus"]) == ("0", "3")
    assert parms["ServiceFlow_URL"] == ""


@pytest.mark.spec("TS.43 §3.3.5")
@pytest.mark.conforms("vowifi.being-provisioned")
@pytest.mark.parametrize(
    ("result", "provisioning", "told_prov"),
    [
        (Result.ALLOWED, ProvStatus.NOT_PROVISIONED, "0"),
        (Result.ALLOWED, ProvStatus.IN_PROGRESS, "3"),
        (Result.PENDING, ProvStatus.NOT_PROVISIONED, "0"),
        (Result.PENDING, ProvStatus.PROVISIONED, "3"),
        (Result.PENDING, ProvStatus.NOT_REQUIRED, "3"),
    ],
)
def test_a_network_that_is_not_ready(
    result: Result, provisioning: ProvStatus, told_prov: str
) -> None:
    parms = told(facts(provisioning=provisioning), result)
    assert (parms["EntitlementStatus"], parms["ProvStatus"]) == ("3", told_prov)


@pytest.mark.conforms("vowifi.cannot-be-offered")
@pytest.mark.spec("TS.43 §3.1.6")
def test_a_refusal_carries_its_text_and_the_facts_as_they_are() -> None:
    parms = told(facts(terms=MISSING, provisioning=ProvStatus.IN_PROGRESS), Result.DENIED)
    assert parms["EntitlementStatus"] == "2"
    assert parms["MessageForIncompatible"] == "Sorry"
    assert (parms["TC_Status"], parms["AddrStatus"], parms["ProvStatus"]) == ("0", "1", "3")
    assert parms["ServiceFlow_URL"] == ""


@pytest.mark.conforms("divergence.vowifi-no-page")
@pytest.mark.parametrize(("language", "word"), [("en", "customer care"), ("de", "Kundenservice")])
def test_missing_data_without_a_page_cannot_be_offered(language: str, word: str) -> None:
    given = facts(terms=MISSING)
    application = VOWIFI.answer(
        given, ruled("ap2004", given, Result.ALLOWED), enquiry(flow=None, language=language)
    )
    parms = {item.name: item.value for item in application.items if isinstance(item, Parm)}
    assert parms["EntitlementStatus"] == "2"
    assert word in parms["MessageForIncompatible"]


def test_without_a_page_all_else_is_as_ever() -> None:
    assert told(facts(), flow=None)["EntitlementStatus"] == "1"


@pytest.mark.parametrize("area", list(Area))
def test_the_question_is_about_where_the_device_is(area: Area) -> None:
    given = facts(area=area)
    assert VOWIFI.questions(V12, given) == (Question("vowifi", area),)
    assert VOWIFI.questions(V2, given) == (Question("vowifi", area),)


def test_where_nothing_was_asked_there_is_nothing_to_change() -> None:
    found = told(facts(terms=NOT_REQUIRED, address=NOT_REQUIRED))
    assert (found["EntitlementStatus"], found["ServiceFlow_URL"]) == ("1", "")
