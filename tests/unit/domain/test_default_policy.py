"""The policy that simgrant starts with: what each rule is for, said by an example."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Unpack

import pytest

from simgrant.domain.device_lists import Listing
from simgrant.domain.facts import Area, Fact, Facts, Purchases, Question, StoreState
from simgrant.domain.order import Kind
from simgrant.domain.policy import Policy, Result, default_policy, default_policy_text
from simgrant.domain.subscription import ConsentKind, ConsentStatus, SubscriptionStatus
from simgrant.domain.words import LANGUAGES
from simgrant.services import SERVICES
from simgrant.spec.ids import ProvStatus
from tests.unit.domain.samples import Changes, facts

POLICY = default_policy()


def of_plan(plan: str, /, **changes: Unpack[Changes]) -> Facts:
    changes["plan"], changes["features"] = plan, POLICY.features_of(plan)
    changes["offer"] = POLICY.plan(plan)
    return facts(**changes)


def at_store(purchases: Purchases) -> StoreState:
    return StoreState(ConsentStatus.GIVEN, ProvStatus.NOT_REQUIRED, purchases)


def for_esim(**told: object) -> Facts:
    """Return the facts of who asks for an eSIM, of a plan that has everything."""
    named = {name: Fact(value, "a test") for name, value in told.items()}
    return replace(of_plan("premium"), **named)  # type: ignore[arg-type]


def refused(*features: str) -> Facts:
    """Return the facts of a subscription whose BSS refuses these."""
    return replace(of_plan("standard"), refusals=Fact(frozenset(features), "a test"))


EXAMPLES = [
    ("suspended", "denied", "vowifi", of_plan("standard", status=SubscriptionStatus.SUSPENDED)),
    ("no-volte", "denied", "volte", of_plan("data")),
    ("no-vonr", "denied", "vonr", of_plan("basic")),
    ("no-vowifi", "denied", "vowifi", of_plan("basic")),
    ("no-smsoip", "denied", "smsoip", of_plan("data")),
    ("home-only", "denied", "volte", of_plan("home", area=Area.ROAMING)),
    (
        "provisioning",
        "pending",
        "vowifi",
        of_plan("standard", provisioning=ProvStatus.IN_PROGRESS),
    ),
    ("in-plan", "allowed", "vowifi", of_plan("standard")),
    ("in-plan", "allowed", "volte", of_plan("standard", provisioning=ProvStatus.IN_PROGRESS)),
    ("in-plan", "allowed", "vonr", of_plan("standard", area=Area.ROAMING)),
    ("in-plan", "allowed", "volte", of_plan("home", area=Area.UNKNOWN)),
    ("no-vowifi", "denied", "vowifi", of_plan("no such plan")),
    ("no-satellite", "denied", "satellite", of_plan("standard")),
    ("in-plan", "allowed", "satellite", of_plan("premium")),
    ("bss-refuses", "denied", "volte", refused("volte")),
    ("in-plan", "allowed", "vowifi", refused("volte")),
    ("no-billing", "denied", "carrier_billing", of_plan("standard")),
    (
        "other-store",
        "denied",
        "carrier_billing",
        of_plan("premium", store=at_store(Purchases.NOT_OFFERED)),
    ),
    (
        "limit-reached",
        "denied",
        "carrier_billing",
        of_plan("premium", store=at_store(Purchases.LIMIT_REACHED)),
    ),
    (
        "in-plan",
        "allowed",
        "carrier_billing",
        of_plan("premium", store=at_store(Purchases.UNKNOWN)),
    ),
    ("not-in-plan", "denied", "data_plan", of_plan("standard")),
    ("not-in-plan", "denied", "boost_166", of_plan("data")),
    ("not-in-plan", "denied", "boost_99", of_plan("premium")),
    ("in-plan", "allowed", "data_plan", of_plan("data")),
    ("in-plan", "allowed", "boost_166", of_plan("premium")),
    ("in-plan", "allowed", "boost_167", of_plan("premium")),
    ("in-plan", "allowed", "standalone_5g", of_plan("premium")),
    ("device-denied", "denied", "companion", for_esim(tac_list=Listing.DENIED)),
    ("euicc-denied", "denied", "esim", for_esim(eid_list=Listing.DENIED)),
    ("port-freeze", "denied", "esim", for_esim(port_freeze=True, kind=Kind.TRANSFER)),
    ("in-plan", "allowed", "esim", for_esim(port_freeze=True, kind=Kind.SUBSCRIBE)),
    ("in-plan", "allowed", "companion", for_esim(tac_list=Listing.ALLOWED)),
]

WITHOUT_TEXT = {"not-in-plan", "device-denied", "euicc-denied", "port-freeze"}
"""Rules about features whose services have no field for a text, and those that tell whoever tries
with a stranger's line no more than that it is not possible."""


@pytest.mark.parametrize(("rule", "result", "feature", "given"), EXAMPLES)
def test_examples(rule: str, result: str, feature: str, given: Facts) -> None:
    decision = POLICY.decide(Question(feature, given.area.value), given)
    assert (decision.rule, decision.result) == (rule, Result(result))


def test_every_rule_has_an_example() -> None:
    assert {rule.id for rule in POLICY.rules} == {example[0] for example in EXAMPLES}


def test_every_refusal_says_why_in_every_language() -> None:
    for rule in POLICY.rules:
        if rule.result is Result.DENIED and rule.id not in WITHOUT_TEXT:
            assert set(rule.texts) == set(LANGUAGES), rule.id


def test_every_text_of_the_catalogue_is_there_in_every_language() -> None:
    billing = POLICY.plan("premium").billing
    assert billing is not None
    told = [billing.terms.title, billing.terms.message]
    told += [counter.name for counter in POLICY.plan("premium").counters.values()]
    told += [text for service in SERVICES.values() for text in service.texts.values()]
    assert len(told) >= 7
    for texts in told:
        assert set(texts) == set(LANGUAGES)
        assert len(set(texts.values())) > 1


def test_plans() -> None:
    voice = {"volte", "vonr", "vowifi", "smsoip"}
    more = {
        "data_plan",
        "boost_166",
        "boost_167",
        "standalone_5g",
        "satellite",
        "carrier_billing",
    }
    assert {name: plan.features for name, plan in POLICY.plans.items()} == {
        "standard": voice | {"private_identity", "companion", "esim"},
        "basic": {"volte", "smsoip"},
        "home": voice | {"home_only"},
        "data": {"data_plan"},
        "premium": voice | more | {"companion", "esim"},
    }


def test_vowifi_asks_for_both_consents() -> None:
    assert all(POLICY.requires(kind) for kind in ConsentKind)


def test_its_version_names_its_text() -> None:
    assert re.fullmatch(r"default-[0-9a-f]{12}", POLICY.version)
    assert isinstance(default_policy(), Policy)
    assert default_policy_text().startswith("# The policy simgrant starts with.")
