"""A decision alone: a policy of 200 rules, and questions that its middle and its end decide.

The policy is made up of what operators write: what each tariff has, countries where it is not to be
had, old phones, a sale at the weekend, a roll-out. Half of the rules are about every feature, half
about one or two; 150 of the 200 are about the feature in question.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import cache
from itertools import cycle
from typing import Any

import uvloop

from bench.diameter import repeated
from bench.load import Job, Result, work
from bench.profile import quiet
from simgrant.domain.facts import Area, Device, Fact, Facts, Question
from simgrant.domain.network_facts import Registration
from simgrant.domain.policy import Decision, Policy, compile_policy
from simgrant.domain.subscription import ConsentStatus, SubscriptionStatus
from simgrant.spec.ids import ProvStatus

RULES = 200
_LAST, _MIDDLE = "in-plan", "rule-105"
_TARIFFS = 40
"""The last of them is named by no rule."""
_ASKED = Question("volte", Area.ROAMING)
_FEATURES = (["volte"], ["vowifi"], ["vonr", "smsoip"], ["volte", "vonr"])


def policy() -> Policy:
    """Return the policy of 200 rules."""
    rules = [_rule("suspended", {"status": "suspended"}, "denied")]
    shapes = cycle(range(8))
    while len(rules) < RULES - 1:
        number = len(rules)
        rule = _rule(f"rule-{number}", _when(next(shapes), number), "denied")
        if number % 2:
            rule["features"] = _FEATURES[number // 2 % len(_FEATURES)]
        if number % 25 == 0:
            rule["during"] = "weekend"
        rules.append(rule)
    rules.append(_rule(_LAST, {"in_plan": True}, "allowed"))
    tables = {
        "plans": {f"tariff_{n}": {"features": ["volte", "vowifi"]} for n in range(_TARIFFS)},
        "countries": {f"zone_{n}": [f"{200 + 10 * n + m}" for m in range(10)] for n in range(8)},
        "networks": {"partners": [f"{mcc}{mnc:02}" for mcc in range(200, 260) for mnc in range(5)]},
        "schedules": {"weekend": {"days": ["sat", "sun"]}},
        "rollouts": {"first": {"percent": 10}},
    }
    return compile_policy({**tables, "rule": rules}, version="bench")


def _rule(rule_id: str, when: dict[str, Any], result: str) -> dict[str, Any]:
    return {"id": rule_id, "when": when, "result": result}


def _when(shape: int, number: int) -> dict[str, Any]:
    """Return conditions of a shape, none of which hold for the last tariff."""
    plan, other, zone = f"tariff_{number // 8}", f"tariff_{number // 8 + 13}", f"zone_{number % 7}"
    tacs = [f"{number:03}{each:05}" for each in range(200)]
    shapes: tuple[dict[str, Any], ...] = (
        {"plan": plan, "area": "roaming"},
        {"visited_mcc": zone, "plan": {"in": [plan, other]}},
        {"tac": {"in": tacs}},
        {"any": [{"plan": plan, "terms": "missing"}, {"vendor": f"maker {number}"}]},
        {"plan": {"in": [plan, other]}, "visited_plmn": {"not": "partners"}, "terms": "missing"},
        {"features": {"lacks": "volte"}, "model": {"starts_with": [f"old {number:03}", "older"]}},
        {"rollout": "first", "plan": plan},
        {"registration": "not_registered", "tac": {"starts_with": f"9{number:03}"}},
    )
    return shapes[shape]


def _facts(plan: str) -> Facts:
    """Return the facts of somebody abroad."""
    return Facts(
        status=Fact(SubscriptionStatus.ACTIVE, "subscription"),
        plan=Fact(plan, "subscription"),
        features=Fact(frozenset({"volte", "vowifi"}), "policy bench"),
        terms=Fact(ConsentStatus.GIVEN, "terms consent"),
        address=Fact(ConsentStatus.GIVEN, "address consent"),
        provisioning=Fact(ProvStatus.PROVISIONED, "subscription"),
        area=Fact(Area.ROAMING, "location"),
        visited_plmn=Fact("27801", "location"),
        device=Fact(Device("35000000", "ACME", "P1", "14"), "request"),
        registration=Fact(Registration.REGISTERED, "registration"),
    )


@cache
def _decider(plan: str, rule: str) -> Callable[[], Decision]:
    """Return what decides about somebody on a plan; it must be by that rule."""
    made, facts = policy(), _facts(plan)
    found = made.decide(_ASKED, facts).rule
    if found != rule:
        raise AssertionError(f"rule {found} decides, not {rule}")
    return lambda: made.decide(_ASKED, facts)


def at_the_end() -> Callable[[], Decision]:
    """Return what decides by the last of the rules."""
    return _decider("tariff_39", _LAST)


def in_the_middle() -> Callable[[], Decision]:
    """Return what decides by a rule with as many before it as behind."""
    return _decider("tariff_13", _MIDDLE)


_DECIDERS: Mapping[str, Callable[[], Callable[[], Decision]]] = {
    "decide_last": at_the_end,
    "decide_middle": in_the_middle,
}


async def _do(job: Job) -> Result:
    return repeated(_DECIDERS[job.kind](), job.seconds)


def main() -> None:
    """Do jobs until standard input ends."""
    with os.fdopen(os.dup(1), "wb") as results, quiet():
        uvloop.run(work(_do, results))


if __name__ == "__main__":
    main()
