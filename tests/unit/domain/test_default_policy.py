"""The policy that simgrant starts with: what each rule is for, said by an example."""

from __future__ import annotations

import re
from typing import Unpack

import pytest

from simgrant.domain.facts import Area, Facts, Question
from simgrant.domain.policy import Policy, Result, default_policy, default_policy_text
from simgrant.domain.subscription import ConsentKind, SubscriptionStatus
from simgrant.spec.ids import ProvStatus
from tests.unit.domain.samples import Changes, facts

POLICY = default_policy()


def of_plan(plan: str, /, **changes: Unpack[Changes]) -> Facts:
    changes["plan"], changes["features"] = plan, POLICY.features_of(plan)
    return facts(**changes)


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
]


@pytest.mark.parametrize(("rule", "result", "feature", "given"), EXAMPLES)
def test_examples(rule: str, result: str, feature: str, given: Facts) -> None:
    decision = POLICY.decide(Question(feature, given.area.value), given)
    assert (decision.rule, decision.result) == (rule, Result(result))


def test_every_rule_has_an_example() -> None:
    assert {rule.id for rule in POLICY.rules} == {example[0] for example in EXAMPLES}


def test_every_refusal_says_why_in_every_language() -> None:
    for rule in POLICY.rules:
        if rule.result is Result.DENIED:
            assert set(rule.texts) == {"en", "de", "fr", "es"}, rule.id


def test_plans() -> None:
    assert POLICY.plans == {
        "standard": {"volte", "vonr", "vowifi", "smsoip", "private_identity"},
        "basic": {"volte", "smsoip"},
        "home": {"volte", "vonr", "vowifi", "smsoip", "home_only"},
        "data": set(),
    }


def test_vowifi_asks_for_both_consents() -> None:
    assert all(POLICY.requires(kind) for kind in ConsentKind)


def test_its_version_names_its_text() -> None:
    assert re.fullmatch(r"default-[0-9a-f]{12}", POLICY.version)
    assert isinstance(default_policy(), Policy)
    assert default_policy_text().startswith("# The policy simgrant starts with.")
