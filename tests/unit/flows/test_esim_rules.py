"""Who may have an eSIM: what is told beforehand is what is done, whatever the rules are."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from simgrant.domain.device_lists import read_eids, read_tacs
from simgrant.domain.facts import Fact
from simgrant.domain.network_facts import Heard
from simgrant.domain.order import Device, Kind, Source
from simgrant.domain.pace import Pace, Used
from simgrant.domain.policy import Policy, Result, parse_policy
from simgrant.domain.risk import NumberType, Way
from simgrant.domain.subscription import Subscription, SubscriptionStatus
from simgrant.domain.tenant import Plmn, Tenant
from simgrant.flows.device_lists import DeviceLists
from simgrant.flows.esim_means import Conditions, EsimMeans, Line, StepUps
from simgrant.flows.esim_rules import Known, Target, weigh
from simgrant.flows.limits import Rate, Throttle
from simgrant.flows.operations.operation import Holder, Proof, Task
from simgrant.identities import Eid, Imsi, Msisdn
from simgrant.ports.risk import Risk
from simgrant.telemetry.metrics import Metrics
from simgrant.wire.request import ask

NOW = 1_795_000_000
DEVICE = Device("350000000000014", Eid("89049032123451234512345678901235"), "ACME", "W1")
RULES = """
[plans.standard]
features = ["companion", "esim"]
{rules}
[[rule]]
id = "in-plan"
when = {{ in_plan = true }}
result = "allowed"
"""


def policy_of(*rules: tuple[str, str]) -> Policy:
    text = "".join(
        f'[[rule]]\nid = "rule-{number}"\nfeatures = ["companion", "esim"]\n'
        f'when = {{ {when} }}\nresult = "{result}"\n'
        for number, (when, result) in enumerate(rules)
    )
    return parse_policy(RULES.format(rules=text))


def means_of(policy: Policy, *, step_up: bool) -> EsimMeans:
    apps = frozenset({"ap2006", "ap2009"}) if step_up else frozenset[str]()
    return EsimMeans(
        cast("Any", SimpleNamespace(ring=None)),  # nothing is rolled out here
        cast("Any", None),  # nothing is ordered here
        {},
        {"red": policy},
        60,
        {},
        Throttle("too_many_polls", Rate(1, 1.0), remembered=1),
        cast("Any", None),
        {},
        risk=cast("Any", None),  # what it would say is given
        lists=DeviceLists(
            {"t": read_tacs("tac,vendor,model,allow\n35000000,,,no\n")},
            {"e": read_eids("eid,vendor,allow\n8904,,no\n")},
        ),
        step_ups={"red": StepUps(oidc=apps)},
        metrics=Metrics(CollectorRegistry()),
        network=cast("Any", None),
        judges=cast("Any", None),
    )


def task_of(app: str = "ap2006", way: Way = Way.SIM, at: int = NOW, **more: Any) -> Task:
    imsi = Imsi("001010000000001")
    return Task(
        **{  # type: ignore[arg-type]
            "tenant": Tenant("red", frozenset(), (Plmn("001", "01"),), frozenset(), ()),
            "subscription": Subscription(
                "red", imsi, Msisdn("447700900001"), SubscriptionStatus.ACTIVE, "standard"
            ),
            "app_id": app,
            "ask": ask((("app", app),)),
            "at": at,
            "proof": Proof.SIM,
            "holder": Holder("350000000000014", "", 0),
            "lent": None,
            "client_id": "",
            "signed_in": way,
            "signed_in_at": NOW,
        }
        | more
    )


def known(
    *,
    age_h: int | None = 100,
    flags: bool = False,
    used: Used | None = None,
    heard: Heard | None = None,
) -> Known:
    since = None if age_h is None else NOW - age_h * 3600
    return Known(
        Risk(
            Fact(since, "x", since),
            Fact(since, "x", since),
            Fact(flags, "x"),
            Fact(flags, "x"),
            Fact(NumberType.MOBILE, "x"),
        ),
        used or Used(),
        is_another_s=False,
        heard=heard or Heard(),
    )


LINE = Line(Source("main", "watch"), conditions=Conditions("t", "e", pace=Pace(per_line=3)))

_WHENS = st.sampled_from(
    [
        'kind = "subscribe"',
        'kind = { in = ["transfer", "recover"] }',
        "sim_age_h = { under = 5 }",
        "sim_age_h = { at_least = 5 }",
        "imei_age_h = { under = 1 }",
        "prepaid = true",
        "port_freeze = true",
        'proof = { in = ["sim", "otp"] }',
        'tac_list = "denied"',
        'eid_list = { not = "allowed" }',
        'tac = "35000000"',
        'vendor = "acme"',
    ]
)
_OF_THE_DEVICE = ("tac", "eid", "vendor")
_RULES = st.lists(
    st.tuples(_WHENS, st.sampled_from(list(Result))), max_size=5, unique_by=lambda each: each[0]
)


@given(
    _RULES,
    st.sampled_from([None, 0, 4, 5, 100]),
    st.booleans(),
    st.integers(0, 4),
    st.sampled_from(list(Way)[:3]),
    st.booleans(),
    st.sampled_from(["ap2006", "ap2009"]),
    st.sampled_from(list(Kind)),
)
def test_what_is_offered_is_done_unless_something_new_is_known(
    rules: list[tuple[str, str]],
    age_h: int | None,
    flags: bool,
    orders: int,
    way: Way,
    step_up: bool,
    app: str,
    kind: Kind,
) -> None:
    ours, task = means_of(policy_of(*rules), step_up=step_up), task_of(app, way)
    facts = known(age_h=age_h, flags=flags, used=Used(line=orders))

    def found(device: Device | None, *, beforehand: bool) -> tuple[Result, str, bool]:
        target = Target(device, kind, beforehand=beforehand)
        weighed = weigh(task, ours, LINE, target, {}, facts)
        return weighed.result, weighed.reason, weighed.limited

    after = found(DEVICE, beforehand=False)
    assert found(DEVICE, beforehand=True) == after
    if found(None, beforehand=True) != after:
        assert any(when.startswith(_OF_THE_DEVICE) for when, _ in rules)


@given(_RULES, st.sampled_from([Way.OIDC, Way.OTP]))
@example([("prepaid = true", "step_up"), ("prepaid = true", "denied")], Way.OIDC)
def test_who_signed_in_is_never_sent_to_sign_in_and_gets_no_more_than_the_rules_after_it_say(
    rules: list[tuple[str, str]], way: Way
) -> None:
    target, facts = Target(DEVICE, Kind.SUBSCRIBE), known(age_h=1, flags=True)
    ours = means_of(policy_of(*rules), step_up=True)
    by_sim = weigh(task_of(), ours, LINE, target, {}, facts)
    signed_in = weigh(task_of(way=way), ours, LINE, target, {}, facts)
    assert signed_in.result is not Result.STEP_UP
    if by_sim.result is Result.STEP_UP:
        others = means_of(
            policy_of(*(each for each in rules if each[1] != "step_up")), step_up=True
        )
        without = weigh(task_of(way=way), others, LINE, target, {}, facts)
        assert signed_in.result is without.result


ASKING = policy_of(("prepaid = false", "step_up"))


@pytest.mark.parametrize(
    ("task", "reason"),
    [
        (task_of(), "step_up_not_offered"),
        (task_of(proof=Proof.TEMPORARY_TOKEN), "step_up_not_possible"),
        # A sign-in of long ago is as good as none.
        (task_of(way=Way.OIDC, at=NOW + 3601), "step_up_not_offered"),
    ],
)
def test_who_cannot_sign_in_is_refused(task: Task, reason: str) -> None:
    ours = means_of(ASKING, step_up=False)
    weighed = weigh(task, ours, LINE, Target(DEVICE, Kind.SUBSCRIBE), {}, known())
    assert (weighed.result, weighed.reason) == (Result.DENIED, reason)


def test_a_sign_in_counts_for_a_while() -> None:
    ours = means_of(ASKING, step_up=True)
    for at, result in ((NOW + 3600, Result.ALLOWED), (NOW + 3601, Result.STEP_UP)):
        task = task_of(way=Way.OTP, at=at)
        weighed = weigh(task, ours, LINE, Target(DEVICE, Kind.SUBSCRIBE), {}, known())
        assert weighed.result is result


def test_a_line_without_a_number_gets_no_password() -> None:
    otp = StepUps(otp=frozenset({"ap2006"}))
    subscription = task_of().subscription
    assert otp.offered("ap2006", subscription)
    assert not otp.offered("ap2009", subscription)
    nameless = Subscription("red", subscription.imsi, None, subscription.status, "standard")
    assert not otp.offered("ap2006", nameless)
    assert StepUps(oidc=frozenset({"ap2006"})).offered("ap2006", nameless)
