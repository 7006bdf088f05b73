"""Deciding and explaining: the first rule whose conditions all hold."""

from __future__ import annotations

from typing import Any

import pytest

from simgrant.domain.facts import Area, Device, Facts, Purchases, Question, StoreState, Wish
from simgrant.domain.network_facts import Kind as NetworkKind
from simgrant.domain.network_facts import Registration
from simgrant.domain.policy import NO_RULE, Decision, Policy, Result, compile_policy, parse_policy
from simgrant.domain.subscription import ConsentKind, ConsentStatus, SubscriptionStatus
from simgrant.spec.ids import ProvStatus
from tests.unit.domain.samples import PHONE, facts

VOWIFI = Question("vowifi", Area.HOME)
PLANS = {"standard": {"features": ["vowifi"]}, "basic": {"features": []}}


def rule(rule_id: str, when: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {"id": rule_id, "when": when or {}, "result": "denied", **more}


def policy(*rules: dict[str, Any], **top: Any) -> Policy:
    return compile_policy({"plans": PLANS, "rule": list(rules), **top}, version="1")


def test_the_first_rule_that_holds_decides() -> None:
    made = policy(
        rule("a", {"status": "suspended"}),
        rule("b", {"plan": "standard"}, result="allowed", reason="fine"),
        rule("c"),
    )
    assert made.decide(VOWIFI, facts()) == Decision(VOWIFI, Result.ALLOWED, "fine", "b", "1", {})
    assert made.decide(VOWIFI, facts(status=SubscriptionStatus.SUSPENDED)).rule == "a"
    assert made.decide(VOWIFI, facts(plan="basic")).rule == "c"


def test_what_no_rule_allows_is_denied() -> None:
    decision = policy(rule("a", {"plan": "basic"})).decide(VOWIFI, facts())
    assert (decision.result, decision.reason, decision.rule) == (Result.DENIED, NO_RULE, "")


def test_a_reason_not_given_is_the_id() -> None:
    assert policy(rule("not-in-plan")).decide(VOWIFI, facts()).reason == "not_in_plan"


def test_a_rule_may_be_about_some_features_only() -> None:
    made = policy(rule("a", features=["volte", "vonr"]), rule("b"))
    assert made.decide(Question("vonr", Area.HOME), facts()).rule == "a"
    assert made.decide(VOWIFI, facts()).rule == "b"


def test_a_feature_the_policy_never_heard_of_meets_the_general_rules() -> None:
    made = policy(rule("a", features=["volte"]), rule("b", {"in_plan": True}), rule("c"))
    decision = made.decide(Question("made_up", Area.ROAMING), facts())
    assert (decision.rule, decision.question) == ("c", Question("made_up", Area.ROAMING))


def test_a_declared_feature_is_like_a_built_in_one() -> None:
    made = policy(
        rule("a", {"features": {"has": "vip"}}, result="allowed"),
        features={"vip": "whoever pays more"},
        plans={"gold": {"features": ["vip"]}},
    )
    assert made.features_of("gold") == {"vip"}
    assert made.decide(VOWIFI, facts(features=frozenset({"vip"}))).rule == "a"


ACME = Device(tac="35000000", vendor="aCmE", model="P1 Pro", sw_version="1")


@pytest.mark.parametrize(
    ("when", "yes", "no"),
    [
        ({"status": "active"}, facts(), facts(status=SubscriptionStatus.SUSPENDED)),
        ({"status": {"is": "active"}}, facts(), facts(status=SubscriptionStatus.BARRED)),
        ({"plan": {"not": "basic"}}, facts(), facts(plan="basic")),
        ({"plan": {"in": ["basic", "standard"]}}, facts(), facts(plan="gone")),
        ({"plan": {"not_in": ["basic"]}}, facts(plan="gone"), facts(plan="basic")),
        ({"features": {"has": "vowifi"}}, facts(), facts(features=frozenset({"volte"}))),
        ({"features": {"lacks": "vowifi"}}, facts(features=frozenset()), facts()),
        ({"in_plan": False}, facts(features=frozenset()), facts()),
        ({"provisioning": "in_progress"}, facts(provisioning=ProvStatus.IN_PROGRESS), facts()),
        ({"visited_plmn": ""}, facts(visited_plmn=""), facts()),
        ({"visited_plmn": {"starts_with": ["262", "001"]}}, facts(), facts(visited_plmn="99970")),
        ({"visited_mcc": "001"}, facts(), facts(visited_plmn="00270")),
        ({"visited_mcc": {"not": "001"}}, facts(visited_plmn=""), facts()),
        ({"registration": "registered"}, facts(registration=Registration.REGISTERED), facts()),
        ({"tac": "35000000"}, facts(), facts(device=Device("", "", "", ""))),
        ({"vendor": "ACME"}, facts(device=ACME), facts(device=Device("", "ACM", "", ""))),
        (
            {"model": {"starts_with": "p1"}},
            facts(device=ACME),
            facts(device=Device("", "", "", "")),
        ),
        ({"feature": "vowifi"}, facts(), None),
        ({"feature": {"not_in": ["vowifi"]}}, None, facts()),
        ({"plan": "standard", "status": "active"}, facts(), facts(plan="basic")),
        ({"plan": {"not": "basic", "in": ["basic", "standard"]}}, facts(), facts(plan="basic")),
        (
            {"any": [{"plan": "basic"}, {"tac": {"starts_with": "35"}, "area": "home"}]},
            facts(),
            facts(device=Device("", "", "", "")),
        ),
        ({"all": [{"plan": "standard"}, {"status": "active"}]}, facts(), facts(plan="basic")),
    ],
    ids=lambda each: str(each) if isinstance(each, dict) else "",
)
def test_each_condition(when: dict[str, Any], yes: Any, no: Any) -> None:
    made = policy(rule("asked", when), rule("else"))
    if yes is not None:
        assert made.decide(VOWIFI, yes).rule == "asked"
    if no is not None:
        assert made.decide(VOWIFI, no).rule == "else"


def test_area_is_that_of_the_question() -> None:
    made = policy(rule("abroad", {"area": "roaming"}), rule("else"))
    at_home = facts(area=Area.HOME)
    assert made.decide(Question("volte", Area.ROAMING), at_home).rule == "abroad"
    assert made.decide(Question("volte", Area.HOME), facts(area=Area.ROAMING)).rule == "else"


def test_the_visited_network_says_nothing_about_another_area() -> None:
    made = policy(rule("barred-abroad", {"visited_mcc": "262"}), rule("else"))
    abroad = facts(area=Area.ROAMING, visited_plmn="26201")
    assert made.decide(Question("volte", Area.ROAMING), abroad).rule == "barred-abroad"
    assert made.decide(Question("volte", Area.HOME), abroad).rule == "else"


ROAMING = {"countries": {"near": ["262", "208"]}, "networks": {"partners": ["26201", "20801"]}}


def seen_in(plmn: str) -> Facts:
    return facts(area=Area.ROAMING, visited_plmn=plmn)


@pytest.mark.parametrize(
    ("when", "yes", "no"),
    [
        ({"visited_mcc": "near"}, "26299", "310260"),
        ({"visited_mcc": {"not": "near"}}, "310260", "20801"),
        ({"visited_mcc": {"in": ["near", "310"]}}, "310260", "311480"),
        ({"visited_mcc": {"not_in": ["near", "310"]}}, "311480", "26299"),
        ({"visited_plmn": "partners"}, "26201", "26202"),
        ({"visited_plmn": {"not": "partners"}}, "26202", "20801"),
        ({"visited_plmn": {"in": ["partners", "26202"]}}, "26202", "26203"),
    ],
)
def test_a_list_of_countries_or_networks_stands_for_all_in_it(
    when: dict[str, Any], yes: str, no: str
) -> None:
    made = policy(rule("a", when), rule("b"), **ROAMING)
    question = Question("volte", Area.ROAMING)
    assert made.decide(question, seen_in(yes)).rule == "a"
    assert made.decide(question, seen_in(no)).rule == "b"


def test_explain_names_the_list_and_not_what_is_in_it() -> None:
    made = policy(rule("a", {"visited_mcc": {"in": ["near"]}}), rule("b"), **ROAMING)
    first, _ = made.explain(Question("volte", Area.ROAMING), seen_in("310260"))
    assert first.failed is not None
    assert first.failed.condition == 'visited_mcc in "near"'
    assert first.failed.values == (("visited_mcc", '"310"', "hss", 200),)


def test_rules_may_ask_about_the_store_and_what_is_spent_there() -> None:
    made = policy(
        rule("a", {"store": "GOOGLE", "purchases": "limit_reached"}),
        rule("b", {"store": ""}),
        rule("c"),
    )
    question = Question("carrier_billing", Area.HOME)
    spent = StoreState(
        ConsentStatus.GIVEN, ProvStatus.NOT_REQUIRED, Purchases.LIMIT_REACHED, "5 EUR"
    )
    assert made.decide(question, facts(wish=Wish(None, "google"), store=spent)).rule == "a"
    assert made.decide(question, facts(wish=Wish(None, "google"))).rule == "c"
    assert made.decide(question, facts()).rule == "b"


def test_plans() -> None:
    made = policy(rule("a"))
    assert made.features_of("standard") == {"vowifi"}
    assert made.features_of("basic") == frozenset()
    assert made.features_of("unheard of") == frozenset()
    assert set(made.plans) == {"standard", "basic"}


def test_consents_are_asked_for_only_where_the_policy_says_so() -> None:
    made = policy(rule("a"), vowifi={"terms": "required", "address": "not_required"})
    assert made.requires(ConsentKind.TERMS)
    assert not made.requires(ConsentKind.ADDRESS)
    assert not policy(rule("a")).requires(ConsentKind.TERMS)


def test_texts_are_shared_by_name_or_written_in_the_rule() -> None:
    made = policy(
        rule("a", {"plan": "basic"}, text="sorry"),
        rule("b", text={"pt-BR": "Não"}),
        texts={"sorry": {"en": "Sorry", "de": "Leider"}},
    )
    assert made.decide(VOWIFI, facts(plan="basic")).texts == {"en": "Sorry", "de": "Leider"}
    assert made.decide(VOWIFI, facts()).texts == {"pt-BR": "Não"}


def test_explain_shows_every_rule_tried_and_why_it_failed() -> None:
    made = policy(
        rule("volte-only", features=["volte"]),
        rule("a", {"status": "active", "plan": {"in": ["basic"]}}),
        rule("b", {"any": [{"area": "roaming"}, {"vendor": "other"}]}),
        rule("c"),
    )
    a, b, c = made.explain(VOWIFI, facts())
    assert (a.rule, a.when) == ("a", 'status = "active" and plan in "basic"')
    assert a.failed is not None
    assert a.failed.condition == 'plan in "basic"'
    assert a.failed.values == (("plan", '"standard"', "store", 100),)
    assert b.failed is not None
    assert b.failed.condition == '(area = "roaming" or vendor = "other")'
    assert b.failed.values == (
        ("area", "home", "hss", 200),
        ("vendor", '"acme"', "request", None),
    )
    assert c.held
    assert (c.rule, c.when, c.result) == ("c", "always", Result.DENIED)


def test_explain_says_that_a_supposed_area_is_no_fact() -> None:
    made = policy(rule("a", {"area": "home"}))
    first, end = made.explain(Question("volte", Area.ROAMING), facts(area=Area.HOME))
    assert first.failed is not None
    assert first.failed.values == (("area", "roaming", "question", None),)
    assert (end.rule, end.reason, end.held) == ("", NO_RULE, True)


def test_explain_looks_into_groups() -> None:
    made = policy(rule("a", {"all": [{"plan": "standard"}, {"in_plan": False}]}))
    first, _ = made.explain(VOWIFI, facts(device=PHONE))
    assert first.failed is not None
    assert first.failed.condition == "in_plan = false"
    assert first.failed.values == (("in_plan", "true", "policy 1", None),)


def test_explain_names_what_is_unknown() -> None:
    made = policy(rule("a", {"tac": "35000000"}), rule("b", {"features": {"has": "vonr"}}))
    first, second, _ = made.explain(
        VOWIFI, facts(device=Device("", "", "", ""), features=frozenset())
    )
    assert first.failed is not None
    assert first.failed.values == (("tac", "unknown", "request", None),)
    assert second.failed is not None
    assert second.failed.values == (("features", "none", "policy 1", None),)


def test_long_lists_are_shown_short() -> None:
    tacs = [f"{number:08}" for number in range(1000)]
    (trace,) = policy(rule("a", {"tac": {"not_in": tacs}})).explain(VOWIFI, facts())
    assert trace.when == (
        'tac not in "00000000", "00000001", "00000002", "00000003" … (1000 in all)'
    )


def test_the_version_is_a_hash_of_the_text() -> None:
    text = '[[rule]]\nid = "a"\nresult = "allowed"\n'
    made = parse_policy(text)
    assert made.version.startswith("policy-")
    assert len(made.version) == len("policy-") + 12
    assert parse_policy(text + "# more\n").version != made.version
    assert parse_policy(text, version="7").version == "7"
    assert made.decide(VOWIFI, facts()).policy_version == made.version


@pytest.mark.parametrize(
    ("when", "kinds"),
    [
        ({"area": "roaming"}, {NetworkKind.LOCATION}),
        ({"any": [{"visited_mcc": "262"}, {"plan": "basic"}]}, {NetworkKind.LOCATION}),
        ({"registration": "registered"}, {NetworkKind.REGISTRATION}),
        (
            {"visited_plmn": "", "registration": "unknown"},
            {NetworkKind.LOCATION, NetworkKind.REGISTRATION},
        ),
        ({"plan": "standard", "tac": "35000000"}, set()),
    ],
)
def test_a_policy_says_what_of_networks_it_looks_at(
    when: dict[str, Any], kinds: set[NetworkKind]
) -> None:
    assert policy(rule("a", when), rule("b")).looks_at_network == kinds
