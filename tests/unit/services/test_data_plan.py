"""Data plan and boosts: the lists, and the states of a boost as Android reads them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, Unpack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgrant.domain.facts import Area, BoostState, Facts, Question, UsageShape, Wish
from simgrant.domain.holdings import Purchase
from simgrant.domain.plans import Plan, PlanBoost, Sale
from simgrant.domain.policy import OF_SERVICES, Result
from simgrant.services import SERVICES, ServiceFlow
from simgrant.spec.ids import DataAccessType, DataPlanType
from simgrant.spec.version import SpecVersion
from tests.android_reader import (
    ERROR,
    FAILED,
    IN_PROGRESS,
    PURCHASED,
    WEB_VIEW,
    Ts43XmlDoc,
    purchase,
)
from tests.unit.domain.samples import COUNTERS, Changes, all_facts, facts
from tests.unit.services.samples import FLOW, V2, V12, as_json, as_xml, enquiry, ruled

DATA = SERVICES["ap2010"]
YES, NO, SOON = Result.ALLOWED, Result.DENIED, Result.PENDING
V11 = SpecVersion(11, 0)

PLAN = Plan(
    data=(
        (DataAccessType.LTE, DataPlanType.UNMETERED),
        (DataAccessType.NG_RAN, DataPlanType.METERED),
    ),
    boosts=(
        PlanBoost(161, Sale.INCLUDED, ()),
        PlanBoost(166, Sale.FOR_SALE, (("PDB", 20), ("MinDownlinkDataRate", 25), ("PER", 3))),
    ),
    standalone_5g=True,
    counters=COUNTERS,
)
USAGE = (UsageShape("data", limited=False, cyclic=False), UsageShape("tethering", True, True))


def told(
    given: Facts,
    *results: Result,
    version: SpecVersion = V12,
    flow: ServiceFlow | None = FLOW,
) -> dict[str, Any]:
    decisions = ruled("ap2010", given, *results, version=version)
    application = DATA.answer(given, decisions, enquiry(version, flow))
    members: dict[str, Any] = json.loads(as_json(application))["ap2010"]
    return members


def offered(sale: Sale | None, purchase: Purchase | None, **changes: Unpack[Changes]) -> Facts:
    boosts = () if sale is None else (PlanBoost(166, sale, ()),)
    changes["offer"] = Plan(boosts=boosts)
    changes["wish"] = Wish(166)
    changes["boosts"] = () if purchase is None else (BoostState(166, purchase),)
    return facts(**changes)


# --- the lists -----------------------------------------------------------------------------


@pytest.mark.spec("TS.43 §9.1")
@pytest.mark.conforms("data-plan.lists")
def test_everything_the_plan_has() -> None:
    assert told(facts(offer=PLAN, usage=USAGE), YES) == {
        "DataPlanInfo": [
            {"DataPlanInfoDetails": {"AccessType": "4", "DataPlanType": "Unmetered"}},
            {"DataPlanInfoDetails": {"AccessType": "5", "DataPlanType": "Metered"}},
        ],
        "DataBoostInfo": [
            {"DataBoostInfoDetails": {"BoostType": "161", "BoostTypeStatus": "1"}},
            {
                "DataBoostInfoDetails": {
                    "BoostType": "166",
                    "BoostTypeStatus": "1",
                    "TargetCharacteristicsInfo": {
                        "PDB": "20",
                        "MinDownlinkDataRate": "25",
                        "PER": "3",
                    },
                }
            },
        ],
        "DataUsageInfo": [
            {
                "DataUsageInfoDetails": {
                    "DataUsageType": "0",
                    "DataUsageName": "Data",
                    "DataUsageDescription": "All the data of your plan",
                    "DataUsedInBytes": "\ue000usage/data/used\ue000",
                }
            },
            {
                "DataUsageInfoDetails": {
                    "DataUsageType": "1",
                    "EndOfBillingCycle": "\ue000usage/tethering/cycle_end\ue000",
                    "DataAllowanceInBytes": "\ue000usage/tethering/allowance\ue000",
                    "DataUsedInBytes": "\ue000usage/tethering/used\ue000",
                }
            },
        ],
        "5GSAInfo": [{"5GSAInfoDetails": {"5GSAStatus": "1"}}],
    }


@pytest.mark.conforms("data-plan.any-subset")
def test_a_list_with_nothing_in_it_is_left_out() -> None:
    assert told(facts(offer=Plan()), YES) == {}


@pytest.mark.parametrize("result", [NO, SOON])
def test_what_is_not_granted_tells_nothing_of_the_plan(result: Result) -> None:
    found = told(facts(offer=PLAN, usage=USAGE), result)
    assert "DataPlanInfo" not in found
    assert "DataUsageInfo" not in found
    assert found["5GSAInfo"] == [{"5GSAInfoDetails": {"5GSAStatus": "0"}}]


@pytest.mark.spec("TS.43 §9.1.4")
@pytest.mark.conforms("data-plan.any-subset")
@pytest.mark.parametrize(
    ("said", "result", "status"), [(True, YES, "1"), (True, NO, "0"), (False, NO, "0")]
)
def test_5g_standalone_is_told_where_the_plan_speaks_of_it(
    said: bool, result: Result, status: str
) -> None:
    found = told(facts(offer=Plan(standalone_5g=said)), YES, result)
    assert found == {"5GSAInfo": [{"5GSAInfoDetails": {"5GSAStatus": status}}]}
    assert told(facts(offer=Plan(standalone_5g=None)), YES) == {}


@pytest.mark.spec("TS.43 §9.1.2")
@pytest.mark.conforms("data-plan.boost-types-by-version", "divergence.boost-types-before-12")
@pytest.mark.parametrize("version", [V2, V11, SpecVersion(11, 9)])
def test_before_12_there_is_one_boost_and_it_is_called_0(version: SpecVersion) -> None:
    given = facts(offer=PLAN)
    asked = [question.feature for question in DATA.questions(version, given)]
    assert asked == ["data_plan", "boost_166", "standalone_5g"]
    boosts = told(given, YES, version=version)["DataBoostInfo"]
    assert [each["DataBoostInfoDetails"]["BoostType"] for each in boosts] == ["0"]


@pytest.mark.conforms("divergence.boost-no-page")
@pytest.mark.parametrize(
    ("result", "flow", "status"),
    [(YES, FLOW, "1"), (YES, None, "0"), (SOON, FLOW, "0"), (NO, FLOW, "2")],
)
def test_a_boost_for_sale_may_be_offered_where_it_can_be_bought(
    result: Result, flow: ServiceFlow | None, status: str
) -> None:
    given = facts(offer=Plan(boosts=(PlanBoost(166, Sale.FOR_SALE, ()),)))
    (boost,) = told(given, YES, result, flow=flow)["DataBoostInfo"]
    assert boost["DataBoostInfoDetails"]["BoostTypeStatus"] == status


@pytest.mark.parametrize("area", list(Area))
@pytest.mark.parametrize("wish", [Wish(), Wish(166)])
def test_the_questions_are_about_where_the_device_was_last_seen(area: Area, wish: Wish) -> None:
    asked = DATA.questions(V12, facts(offer=PLAN, area=area, wish=wish))
    assert {question.area for question in asked} == {area}


# --- one boost, now ------------------------------------------------------------------------


@pytest.mark.conforms("data-plan.real-time")
def test_who_wants_a_boost_is_asked_about_that_boost_alone() -> None:
    given = facts(offer=PLAN, wish=Wish(77))
    for version in (V2, V12):
        assert DATA.questions(version, given) == (Question("boost_77", Area.HOME),)


STATES = [
    # plan, held, decision: status, provisioning, what Android does
    (Sale.FOR_SALE, None, YES, "1", "0", WEB_VIEW),
    (Sale.FOR_SALE, Purchase.EXPIRED, YES, "1", "0", WEB_VIEW),
    (None, None, YES, "1", "0", WEB_VIEW),
    (Sale.FOR_SALE, Purchase.IN_PROGRESS, YES, "3", "3", IN_PROGRESS),
    (Sale.FOR_SALE, Purchase.ACTIVE, YES, "1", "1", PURCHASED),
    (Sale.FOR_SALE, Purchase.UNTRACKED, YES, "1", "2", PURCHASED),
    (Sale.INCLUDED, None, YES, "4", "2", PURCHASED),
    (Sale.INCLUDED, Purchase.EXPIRED, YES, "4", "2", PURCHASED),
    (Sale.INCLUDED, Purchase.ACTIVE, YES, "4", "1", PURCHASED),
    (Sale.INCLUDED, Purchase.UNTRACKED, YES, "4", "2", PURCHASED),
    (Sale.INCLUDED, Purchase.IN_PROGRESS, YES, "3", "3", IN_PROGRESS),
    (Sale.FOR_SALE, None, SOON, "0", "0", FAILED),
    (Sale.FOR_SALE, Purchase.EXPIRED, SOON, "0", "0", FAILED),
    (Sale.FOR_SALE, Purchase.ACTIVE, SOON, "3", "3", IN_PROGRESS),
    (Sale.INCLUDED, None, SOON, "3", "3", IN_PROGRESS),
    (Sale.FOR_SALE, Purchase.ACTIVE, NO, "2", "0", FAILED),
    (Sale.INCLUDED, None, NO, "2", "0", FAILED),
]


@pytest.mark.spec("TS.43 §9.9")
@pytest.mark.parametrize(("sale", "held", "result", "status", "network", "does"), STATES)
def test_states_of_a_boost(
    sale: Sale | None,
    held: Purchase | None,
    result: Result,
    status: str,
    network: str,
    does: str,
) -> None:
    given = offered(sale, held)
    found = told(given, result)
    assert (found["EntitlementStatus"], found["ProvStatus"]) == (status, network)
    decisions = ruled("ap2010", given, result)
    assert purchase(as_json(DATA.answer(given, decisions, enquiry()))) == does


def test_a_boost_that_was_bought_again_counts() -> None:
    again = (BoostState(166, Purchase.EXPIRED), BoostState(166, Purchase.IN_PROGRESS))
    given = replace(offered(Sale.FOR_SALE, None), boosts=facts(boosts=again).boosts)
    assert told(given, YES)["EntitlementStatus"] == "3"


@pytest.mark.conforms("data-plan.real-time-alone", "divergence.boost-offer-not-provisioned")
def test_an_offer_names_its_page() -> None:
    assert told(offered(Sale.FOR_SALE, None), YES) == {
        "EntitlementStatus": "1",
        "ProvStatus": "0",
        "ServiceFlow_URL": FLOW.url,
        "ServiceFlow_UserData": FLOW.user_data,
        "ServiceFlow_ContentsType": "json",
    }


@pytest.mark.conforms("divergence.boost-no-page")
def test_without_a_page_nothing_is_offered() -> None:
    found = told(offered(Sale.FOR_SALE, None), YES, flow=None)
    assert found == {"EntitlementStatus": "0", "ProvStatus": "0"}


DEFINED = {"00", "20", "10", "11", "12", "33", "41", "42"}
"""Pairs that mean something; Android takes 40, 43, 30 and 31 for an error of the operator's."""


@pytest.mark.spec("TS.43 §9.9")
@pytest.mark.conforms("data-plan.never-carrier-error")
@given(
    given=all_facts,
    boost_type=st.sampled_from([1, 77, 161, 166, 255]),
    result=st.sampled_from(OF_SERVICES),
    flow=st.sampled_from([None, FLOW]),
    version=st.sampled_from([V2, V11, V12]),
)
def test_every_answer_about_a_boost_means_something(
    given: Facts,
    boost_type: int,
    result: Result,
    flow: ServiceFlow | None,
    version: SpecVersion,
) -> None:
    given = replace(given, wish=facts(wish=Wish(boost_type)).wish)
    decisions = ruled("ap2010", given, result, version=version)
    application = DATA.answer(given, decisions, enquiry(version, flow))
    document = as_json(application)
    found = json.loads(document)["ap2010"]
    assert found["EntitlementStatus"] + found["ProvStatus"] in DEFINED
    does = purchase(document)
    assert does != ERROR
    assert (does == FAILED) >= (result is NO)
    # A web view without an address, or without what it posts, is an error of its own.
    page = [name for name in found if name.startswith("ServiceFlow_")]
    assert len(page) == (3 if does == WEB_VIEW else 0)
    assert all(found[name] for name in page)
    xml = Ts43XmlDoc(as_xml(application))
    for name, value in found.items():
        assert xml.get("APPLICATION", name) == value
