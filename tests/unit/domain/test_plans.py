"""What a policy may say of plans in detail, and every mistake in it."""

from __future__ import annotations

import tomllib
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from simgrant.domain.holdings import Money
from simgrant.domain.own import MOST_ITEMS, OwnGroup, OwnParm
from simgrant.domain.plans import (
    TARGETS,
    BoostOffer,
    Counter,
    PlanBoost,
    Sale,
    SatelliteNetwork,
    Showcase,
    boost_meant,
)
from simgrant.domain.policy import Policy, PolicyError, compile_policy
from simgrant.domain.problems import Problem
from simgrant.spec.ids import (
    DataAccessType,
    DataPlanType,
    DataUsageType,
    ServicePolicy,
    ServiceType,
    TcOperation,
)

RULES = {"rule": [{"id": "a", "when": {}, "result": "allowed"}]}


def policy(text: str) -> Policy:
    return compile_policy(tomllib.loads(text) | RULES, version="1")


def problems(text: str) -> list[str]:
    return problems_of(tomllib.loads(text))


def problems_of(data: dict[str, Any]) -> list[str]:
    with pytest.raises(PolicyError) as caught:
        compile_policy(data | RULES, version="1")
    return [str(problem) for problem in caught.value.problems]


WHOLE = """
[boosts.gaming]
type = 166
target = { PER = 3, PDB = 20, Jitter = 5000000, MaxUplinkBurstRate = 0 }
[boosts.own]
type = 130
[usage.hotspot]
type = "tethering"
name = { en = "Hotspot" }
description = "about"
[texts.about]
en = "What other devices use"
[satellite.all]
activation = "required"
allowed = [
    { plmn = "99940" },
    { plmn = "999041", data_plan = "metered", services = { voice = "unconstrained" } },
]
barred = ["99949"]
[carrier_billing]
terms = "required"
ask_by = ["web_view", "message"]
title = { en = "Pay" }
message = { en = "Up to {limit}" }
[plans.a]
features = ["volte"]
data = { nr = "metered", wifi = "unmetered" }
boosts = { own = "included", gaming = "for_sale" }
standalone_5g = false
satellite = "all"
carrier_billing = { Google = "50.00 EUR", "*" = "5 EUR" }
[plans.b]
features = []
satellite = { allowed = [{ plmn = "99940" }] }
standalone_5g = true
"""


def test_everything_that_a_plan_may_say() -> None:
    read = policy(WHOLE)
    plan = read.plan("a")
    assert plan.features == {
        "volte",
        "data_plan",
        "boost_130",
        "boost_166",
        "satellite",
        "carrier_billing",
    }
    assert plan.data == (
        (DataAccessType.WIFI, DataPlanType.UNMETERED),
        (DataAccessType.NG_RAN, DataPlanType.METERED),
    )
    assert plan.boosts == (
        PlanBoost(130, Sale.INCLUDED, ()),
        PlanBoost(
            166,
            Sale.FOR_SALE,
            (("PDB", 20), ("Jitter", 5_000_000), ("MaxUplinkBurstRate", 0), ("PER", 3)),
        ),
    )
    assert plan.standalone_5g is False
    assert plan.satellite is not None
    assert plan.satellite.activation
    assert plan.satellite.allowed == (
        SatelliteNetwork("99940", None, ()),
        SatelliteNetwork(
            "999041",
            DataPlanType.METERED,
            ((ServiceType.VOICE, ServicePolicy.UNCONSTRAINED),),
        ),
    )
    assert plan.satellite.barred == ("99949",)
    assert plan.billing is not None
    assert plan.billing.limit("google") == Money(Decimal("50.00"), "EUR")
    assert str(plan.billing.limit("other")) == "5 EUR"
    assert plan.billing.terms.required
    assert plan.billing.terms.ways == (TcOperation.WEBSHEET, TcOperation.MSG)
    assert plan.counters == {
        "hotspot": Counter(
            DataUsageType.TETHERING, {"en": "Hotspot"}, {"en": "What other devices use"}
        )
    }
    assert read.features["boost_130"] == "data boost 130"


def test_how_the_portal_sells_a_boost() -> None:
    text = """
        [boosts.x]
        type = 1
        title = { en = "Fast" }
        text = { en = "Very" }
        offers = [{ lasts_s = 60, price = "0.99 EUR" }, { price = "5 EUR" }, { lasts_s = 3600 }, {}]
        [boosts.y]
        type = 2
        [plans.a]
        features = []
        boosts = { x = "for_sale", y = "for_sale" }
        """
    x, y = (boost.showcase for boost in policy(text).plan("a").boosts)
    assert (x.title, x.text) == ({"en": "Fast"}, {"en": "Very"})
    assert x.offers == (
        BoostOffer(60, Money(Decimal("0.99"), "EUR")),
        BoostOffer(None, Money(Decimal(5), "EUR")),
        BoostOffer(3600, None),
        BoostOffer(None, None),
    )
    assert y == Showcase(offers=(BoostOffer(),)), "one offer, without a price and without an end"


def test_a_plan_of_its_own_satellites_and_5g() -> None:
    plan = policy(WHOLE).plan("b")
    assert plan.features == {"satellite", "standalone_5g"}
    assert plan.satellite is not None
    assert not plan.satellite.activation
    assert plan.billing is None
    assert str(plan) == "5G standalone yes, 1 satellite networks, 0 barred"


def test_a_plan_tells_its_details_in_a_line() -> None:
    assert str(policy(WHOLE).plan("a")) == (
        "wifi unmetered, ng ran metered, boost 130 included, boost 166 for sale, "
        "5G standalone no, 2 satellite networks, 1 barred, store google 50.00 EUR, store * 5 EUR"
    )


def test_a_plan_that_nobody_knows_contains_nothing() -> None:
    unknown = policy(WHOLE).plan("c")
    assert (unknown.features, str(unknown)) == (frozenset(), "nothing")


def test_stores_that_are_not_named_are_not_sold_to() -> None:
    billing = (
        policy('[plans.a]\nfeatures = []\ncarrier_billing = { google = "unlimited" }')
        .plan("a")
        .billing
    )
    assert billing is not None
    assert billing.sells("google")
    assert not billing.sells("other")
    assert not billing.sells("")
    assert billing.limit("google") is None


@pytest.mark.parametrize("feature", ["boost_130", "boost_166"])
def test_rules_know_the_boosts_of_the_catalogue(feature: str) -> None:
    rule = {"id": "b", "features": [feature], "result": "denied"}
    data = {"boosts": {"mine": {"type": 130}}, "rule": [rule]}
    assert feature in compile_policy(data, version="1").features


def test_rules_know_no_other_boosts() -> None:
    rule = {"id": "b", "features": ["boost_131"], "result": "denied"}
    with pytest.raises(PolicyError, match='unknown name "boost_131"; did you mean "boost_13'):
        compile_policy({"boosts": {"mine": {"type": 130}}, "rule": [rule]}, version="1")


@pytest.mark.parametrize(("said", "meant"), [(0, 166), (166, 166), (7, 7), (None, None)])
def test_zero_is_the_old_name_of_166(said: int | None, meant: int | None) -> None:
    assert boost_meant(said) == meant


PLAN = "[plans.a]\nfeatures = []\n"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[boosts.x]", "boosts.x, type: must be a whole number from 1 to 255, not None"),
        ("[boosts.x]\ntype = 0", "boosts.x, type: must be a whole number from 1 to 255, not 0"),
        ("[boosts.x]\ntype = 256", "type: must be a whole number from 1 to 255, not 256"),
        ("[boosts.x]\ntype = true", "type: must be a whole number from 1 to 255, not true"),
        (
            "[boosts.x]\ntype = 1\ntarget = { PDB = 0 }",
            "boosts.x, target.PDB: must be a whole number from 1 to 2147483647, not 0",
        ),
        (
            "[boosts.x]\ntype = 1\ntarget = { pdb = 1 }",
            'boosts.x, target: unknown key "pdb"',
        ),
        ("[boosts.x]\ntype = 1\noffers = []", "boosts.x, offers: is empty"),
        (
            "[boosts.x]\ntype = 1\noffers = [{ lasts_s = 59 }]",
            "boosts.x, offers[1].lasts_s: must be a whole number from 60 to 31622400, not 59",
        ),
        (
            '[boosts.x]\ntype = 1\noffers = [{}, { price = "0,99 EUR" }]',
            'boosts.x, offers[2].price: must be an amount such as "50.00 EUR", not "0,99 EUR"',
        ),
        ("[boosts.x]\ntype = 1\noffers = [{ hours = 1 }]", 'offers[1]: unknown key "hours"'),
        ('[boosts.x]\ntype = 1\ntitle = "nobody"', 'boosts.x, title: unknown name "nobody"'),
        ("[boosts.X]\ntype = 1", 'boosts, "X": must be letters, digits and _ in lower case'),
        ('[usage.x]\ntype = "celular"', 'usage.x, type: unknown value "celular"; did you mean'),
        ('[usage.x]\nname = "nobody"', 'usage.x, name: unknown name "nobody"'),
        ("[satellite.x]", "satellite.x, allowed: is missing"),
        (
            '[satellite.x]\nallowed = [{ plmn = "1" }]',
            'satellite.x, allowed[1].plmn: a network has 5 or 6 digits, in quotes; "1" is none',
        ),
        (
            "[satellite.x]\nallowed = [{ plmn = 99940 }]",
            "allowed[1].plmn: a network has 5 or 6 digits, in quotes; 99940 is none",
        ),
        (
            '[satellite.x]\nallowed = [{ plmn = "99940", services = {} }]',
            "satellite.x, allowed[1].services: is empty",
        ),
        (
            '[satellite.x]\nallowed = [{ plmn = "99940", services = { data = "some" } }]',
            'allowed[1].services.data: unknown value "some"',
        ),
        (
            '[satellite.x]\nallowed = [{ plmn = "99940" }]\nbarred = ["99940"]',
            "satellite.x: network 99940 is listed twice",
        ),
        (
            '[satellite.x]\nactivation = "yes"\nallowed = [{ plmn = "99940" }]',
            'satellite.x, activation: unknown value "yes"; known: not_required, required',
        ),
        ('[carrier_billing]\nask_by = ["sms"]', 'carrier_billing, ask_by[1]: unknown value "sms"'),
        ("[carrier_billing]\nask_by = []", "carrier_billing, ask_by: must hold each way once"),
        (
            '[carrier_billing]\nask_by = ["web_view", "web_view"]',
            "carrier_billing, ask_by: must hold each way once",
        ),
        (
            '[carrier_billing]\nask_by = ["message"]\ntitle = { en = "Pay" }',
            'carrier_billing, message: is missing: ask_by has "message"',
        ),
        (PLAN + 'data = { 4g = "metered" }', 'plans.a, data: unknown key "4g"'),
        (PLAN + "data = {}", "plans.a, data: must name an access: all, wifi, 2g, 3g, lte, nr"),
        (
            PLAN + 'data = { all = "metered", lte = "unmetered" }',
            'plans.a, data: "all" stands for every access',
        ),
        (PLAN + "standalone_5g = 1", "plans.a, standalone_5g: must be true or false, not 1"),
        (PLAN + 'boosts = { x = "included" }', 'plans.a, boosts: unknown name "x"'),
        (
            PLAN + 'boosts = { x = "sold" }\n[boosts.x]\ntype = 1',
            'plans.a, boosts.x: unknown value "sold"; known: for_sale, included',
        ),
        (
            PLAN
            + 'boosts = { x = "included", y = "for_sale" }\n[boosts.x]\ntype = 1\n'
            + "[boosts.y]\ntype = 1",
            "plans.a, boosts.y: is the second boost of type 1",
        ),
        (PLAN + 'satellite = "x"', 'plans.a, satellite: unknown name "x"'),
        (
            PLAN + "satellite = { allowed = [] }",
            "plans.a, satellite.allowed: is missing",
        ),
        (
            PLAN + "carrier_billing = {}",
            'plans.a, carrier_billing: must name a store_vendor, or "*"',
        ),
        (
            PLAN + "carrier_billing = { google = 50 }",
            'plans.a, carrier_billing.google: must be an amount such as "50.00 EUR", '
            'or "unlimited", not 50',
        ),
        (
            PLAN + 'carrier_billing = { google = "1 EUR", Google = "2 EUR" }',
            "plans.a, carrier_billing.Google: is there twice, in another case of letters",
        ),
        (
            PLAN
            + 'carrier_billing = { x = "unlimited" }\n[carrier_billing]\n'
            + 'message = { en = "Up to {limit}" }',
            "plans.a, carrier_billing.x: needs an amount: carrier_billing.message tells {limit}",
        ),
        (
            '[plans.a]\nfeatures = ["satellite"]',
            'plans.a, features: "satellite" follows from satellite = …; leave it out',
        ),
        (
            '[plans.a]\nfeatures = ["boost_166"]',
            'plans.a, features: "boost_166" follows from boosts = …; leave it out',
        ),
        ('[features]\nboost_9 = "mine"', "features, boost_9: is built in"),
        ('[networks]\neu = ["262"]', "networks, eu[1]: a network has 5 or 6 digits"),
        ('[countries]\neu = ["26201"]', "countries, eu[1]: a country code has 3 digits"),
        ("[countries]\neu = []", "countries, eu: is empty"),
        ('[countries]\neu = "262"', 'countries, eu: must be a list, not "262"'),
    ],
)
def test_mistakes(text: str, problem: str) -> None:
    found = problems(text)
    assert any(problem in each for each in found), found


def test_lists_are_bounded() -> None:
    network = {"plmn": "99940"}
    data = {"satellite": {"x": {"allowed": [network] * 501, "barred": ["99949"] * 501}}}
    found = problems_of(data)
    assert "satellite.x, allowed: has more than 500 entries" in found
    assert "satellite.x, barred: has more than 500 entries" in found
    stores = {f"store{number}": "1 EUR" for number in range(51)}
    plans = {"a": {"features": [], "carrier_billing": stores}}
    (problem, *_) = problems_of({"plans": plans})
    assert problem == "plans.a, carrier_billing: has more than 50 entries"
    boosts = {f"b{number}": {"type": number + 1} for number in range(51)}
    (problem,) = problems_of({"boosts": boosts})
    assert problem == "boosts: has more than 50 entries"
    (problem, *_) = problems_of({"boosts": {"x": {"type": 1, "offers": [{}] * 11}}})
    assert problem == "boosts.x, offers: has more than 10 entries"
    (problem,) = problems_of({"networks": {"x": ["99940"] * 1001}})
    assert problem == "networks, x: has more than 1000 entries"


# --- own parameters ------------------------------------------------------------------------


def test_own_parameters() -> None:
    read = policy(
        """
        [own.ap2003]
        IMS_Domain = "ims.example.net"
        Retry = 5
        [own.ap2003.Apn]
        Name = "ims"
        [[own.ap2003.Servers.Server]]
        Host = "a.example.net"
        [[own.ap2003.Servers.Server]]
        Host = "b.example.net"
        """
    )
    hosts = (
        OwnGroup("Server", (OwnParm("Host", "a.example.net"),), listed=False),
        OwnGroup("Server", (OwnParm("Host", "b.example.net"),), listed=False),
    )
    assert read.own == {
        "ap2003": (
            OwnParm("IMS_Domain", "ims.example.net"),
            OwnParm("Retry", "5"),
            OwnGroup("Apn", (OwnParm("Name", "ims"),), listed=False),
            OwnGroup("Servers", hosts, listed=True),
        )
    }


def test_there_are_none_unless_the_policy_says_so() -> None:
    assert policy("").own == {}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[own.vowifi]\na = 1", 'own, "vowifi": must be an AppID such as ap2003'),
        ("[own.ap2003]\na = 1\nA = 2", "own.ap2003, A: is there twice"),
        ('[own.ap2003]\n"a b" = 1', 'own.ap2003: "a b" is no name'),
        ("[own.ap2003]\n'a\"><b' = 1", "is no name: letters, digits, _ - and . only"),
        ("[own.ap2003]\na = true", "own.ap2003, a: must be a text of 1 to 500 characters"),
        ('[own.ap2003]\na = "<"', 'own.ap2003, a: must not hold <, " or a line break'),
        ('[own.ap2003]\na = "x\ue000y"', 'own.ap2003, a: must not hold <, " or a line break'),
        ("[own.ap2003]\na = {}", "own.ap2003, a: is empty"),
        ("[own.ap2003]\na = [1]", "own.ap2003, a: must be a text"),
        ("[own.ap2003]\na = { b = [1] }", "own.ap2003, a.b[1]: must be a table, not 1"),
        ("[own.ap2003]\na = { b = [] }", "own.ap2003, a: must have 1 to 100 entries"),
        (
            "[own.ap2003]\na = { b = { c = { d = { e = 1 } } } }",
            "own.ap2003, a.b.c.d: is nested deeper than 3 characteristics",
        ),
    ],
)
def test_mistakes_in_own_parameters(text: str, problem: str) -> None:
    found = problems(text)
    assert any(problem in each for each in found), found


def test_own_parameters_are_bounded() -> None:
    many = {f"a{number}": {f"b{inner}": 1 for inner in range(9)} for number in range(11)}
    (problem,) = problems_of({"own": {"ap2003": many}})
    assert problem == f"own.ap2003: has more than {MOST_ITEMS} parameters and characteristics"


# --- anything at all -----------------------------------------------------------------------

WORDS = st.sampled_from(
    [
        "166",
        "99940",
        "required",
        "metered",
        "included",
        "1 EUR",
        "unlimited",
        "x",
        "web_view",
        "ap2003",
        "a" * 600,
    ]
)
LEAVES = WORDS | st.integers(-1, 300) | st.booleans() | st.none() | st.floats()
KEYS = st.sampled_from(
    [
        "x",
        "type",
        "target",
        "name",
        "allowed",
        "barred",
        "plmn",
        "services",
        "features",
        "data",
        "boosts",
        "satellite",
        "carrier_billing",
        "ask_by",
        "message",
        "ap2003",
        "*",
        "PDB",
        *TARGETS,
    ]
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
TABLES = st.sampled_from(
    ["boosts", "usage", "satellite", "carrier_billing", "plans", "own", "networks", "countries"]
)


@given(data=st.dictionaries(TABLES, VALUES, max_size=4))
def test_whatever_is_written_is_a_policy_or_its_mistakes(data: dict[str, Any]) -> None:
    found: tuple[Problem, ...] = ()
    try:
        compile_policy(data | RULES, version="1")
    except PolicyError as error:
        found = error.problems
        event("has mistakes")
    assert len(found) <= 100
    assert all(str(problem).isprintable() and len(str(problem)) < 600 for problem in found)
