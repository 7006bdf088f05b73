"""Recorded requests decided anew say what the live path would have said, or that nobody knows."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import fields, replace
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simgrant.domain.companions import NOT_COUNTED, Companions, Counted
from simgrant.domain.eligibility import Aspect, Eligibility
from simgrant.domain.facts import Device, Fact, Facts, Question, Wish
from simgrant.domain.holdings import (
    HeldBilling,
    HeldBoost,
    HeldSatellite,
    HeldUsage,
    Holdings,
    Money,
    Purchase,
)
from simgrant.domain.network_facts import Heard, Learned, Registration
from simgrant.domain.order import Kind as OrderKind
from simgrant.domain.policy import Decision, Policy, default_policy_text, parse_policy
from simgrant.domain.subscription import (
    Consent,
    ConsentKind,
    ConsentStatus,
    Profile,
    Subscription,
    SubscriptionStatus,
)
from simgrant.domain.tenant import Plmn, Tenant
from simgrant.domain.told import Told
from simgrant.domain.trail import Trail, Verdict
from simgrant.flows.gather import gather, held, look, times_of
from simgrant.flows.replay import (
    NOT_ASKED,
    Change,
    Comparison,
    Kind,
    Missing,
    Report,
    Said,
    change_of,
)
from simgrant.identities import Imsi
from simgrant.ports.store import RequestRecord
from simgrant.services import SERVICES
from simgrant.spec.ids import ProvStatus
from simgrant.spec.version import SpecVersion
from simgrant.telemetry.record import push_trail, push_verdict
from simgrant.telemetry.recorded import Unreadable, pull_decisions, pull_facts, pull_recorded
from simgrant.wire.request import StoreClaim
from tests.examples import examples
from tests.unit.flows.published import key_ring

NOW = 1_795_000_000
TENANT = Tenant("red", frozenset(), (Plmn("001", "01"),), frozenset(), ())
V12 = SpecVersion(12, 0)
RING = key_ring(3)
DEFAULT = default_policy_text()
RULE = '[[rule]]\nid = "new"\nwhen = {{ {when} }}\nresult = "{result}"\n'


def policy(text: str, name: str) -> Policy:
    return parse_policy(text, version=name)


def with_rule(when: str, result: str = "denied") -> str:
    return RULE.format(when=when, result=result) + DEFAULT


def during(schedule: str) -> str:
    named = schedule if schedule.startswith("{") else f'"{schedule}"'
    return with_rule('plan = "standard"').replace("\nwhen", f"\nduring = {named}\nwhen", 1)


HOUR = f"{NOW // 3600 % 24:02}"
TEXTS = {
    "default": DEFAULT,
    "abroad": with_rule('area = "roaming"'),
    "model": with_rule('model = "P1"'),
    "boost": with_rule('model = "P1"').replace(
        'id = "new"\n', 'id = "new"\nfeatures = ["boost_167"]\n'
    ),
    "voice by model": with_rule('model = "P1"').replace(
        'id = "new"\n', 'id = "new"\nfeatures = ["volte"]\n'
    ),
    "companions": with_rule("active_companions = { at_least = 1 }"),
    "tenure": with_rule("tenure_d = { under = 30 }"),
    "registered": with_rule('registration = "registered"'),
    "no terms": DEFAULT.replace('[vowifi]\nterms = "required"', '[vowifi]\nterms = "not_required"'),
    "no consents": DEFAULT.replace(
        '[vowifi]\nterms = "required"\naddress = "required"',
        '[vowifi]\nterms = "not_required"\naddress = "not_required"',
    ),
    "no limit": DEFAULT.replace('"50.00 EUR"', '"unlimited"')
    .replace('ask_by = ["message", "web_view"]', 'ask_by = ["web_view"]')
    .replace('message = "billing_terms"\n', ""),
    "less": DEFAULT.replace('"50.00 EUR"', '"20.00 EUR"'),
    "one store": DEFAULT.replace('{ "*" = "50.00 EUR" }', '{ google = "50.00 EUR" }'),
    "no terms at stores": DEFAULT.replace(
        '[carrier_billing]\nterms = "required"', '[carrier_billing]\nterms = "not_required"'
    ),
    "no satellite": DEFAULT.replace('satellite = "europe"\n', ""),
    "renamed": DEFAULT.replace('id = "in-plan"', 'id = "in-plan-too"'),
    "sale": f'[schedules.sale]\nhours = ["{HOUR}:00-{HOUR}:59"]\n' + during("sale"),
    "no sale": f'[schedules.sale]\nhours = ["{HOUR}:00-{HOUR}:59"]\n' + during('{ not = "sale" }'),
    **{
        f"{percent} percent": f"[rollouts.first]\npercent = {percent}\n"
        + with_rule('rollout = "first"')
        for percent in (0, 30, 70, 100)
    },
    "no vowifi": DEFAULT.replace('"vowifi", ', ""),
}
POLICIES = {name: policy(text, name) for name, text in TEXTS.items()}


def test_the_policies_differ() -> None:
    assert len(set(TEXTS.values())) == len(TEXTS)


def told_by_bss(**told: Any) -> Told:
    return Told(
        eligibility=Eligibility(**told),
        asked=frozenset(Aspect),
        source="bss.main",
        changed_at=NOW,
        asked_at=NOW,
    )


statuses = st.sampled_from([ConsentStatus.MISSING, ConsentStatus.GIVEN])
consents = st.none() | st.builds(
    lambda status, over: Consent(ConsentKind.TERMS, status, at=5, expires_at=over),
    statuses,
    st.sampled_from([None, NOW - 1, NOW + 1]),
)
amounts = st.sampled_from([None, Money(Decimal("10.00"), "EUR"), Money(Decimal("50.00"), "EUR")])
holdings = st.builds(
    Holdings,
    boosts=st.sampled_from(
        [(), (HeldBoost(166, Purchase.ACTIVE),), (HeldBoost(1, Purchase.ACTIVE),)]
    ),
    usage=st.sampled_from([(), (HeldUsage("data", 5, 10),), (HeldUsage("gone", 5),)]),
    satellite=st.none() | statuses.map(HeldSatellite),
    billing=st.lists(
        st.tuples(statuses, st.sampled_from(ProvStatus), amounts, amounts).map(
            lambda said: HeldBilling("google", "u", *said)
        ),
        max_size=1,
    ).map(tuple),
)
subscriptions = st.builds(
    Subscription,
    st.just("red"),
    st.just(Imsi("001010000000001")),
    st.none(),
    st.sampled_from([SubscriptionStatus.ACTIVE, SubscriptionStatus.SUSPENDED]),
    st.sampled_from(["standard", "basic", "home", "data", "premium", "gone"]),
    provisioning=st.sampled_from(ProvStatus),
    visited_plmn=st.sampled_from(["", "00101", "26201"]),
    visited_at=st.just(NOW),
)
profiles = st.builds(
    lambda subscription, terms, address, **more: Profile(
        subscription, terms, address, None, **more
    ),
    subscriptions,
    consents,
    consents,
    held=holdings,
    heard=st.sampled_from(
        [Heard(), Heard(registration=Learned(Registration.REGISTERED.value, "hss.a", 1, 1))]
    ),
    counted=st.sampled_from([Counted(Companions()), Counted(Companions(2, 1), NOW - 5)]),
    told=st.sampled_from(
        [
            None,
            told_by_bss(options=frozenset({"vowifi", "vonr"})),
            told_by_bss(refusals=frozenset({"volte"}), customer_since=NOW - 86_400),
        ]
    ),
)
apps = st.permutations(list(SERVICES)).flatmap(
    lambda each: st.integers(1, 4).map(lambda many: tuple(each[:many]))
)
devices = st.builds(
    Device,
    st.sampled_from(["", "35000000"]),
    st.sampled_from(["ACME", ""]),
    st.sampled_from(["P1", "P2"]),
    st.just("14"),
)
wishes = st.builds(
    Wish, st.sampled_from([None, 167, 166]), st.sampled_from(["", "google", "other"])
)


class Asked:
    """One request, as the live path decides it."""

    def __init__(
        self,
        profile: Profile,
        apps: Sequence[str],
        device: Device,
        wish: Wish,
        version: SpecVersion,
    ) -> None:
        self.profile, self.apps, self.device = profile, tuple(apps), device
        self.wish, self.version = wish, version

    def facts(self, by: Policy) -> Facts:
        profile = self.profile
        if not by.looks_at_network:
            profile = replace(profile, heard=Heard())
        if not by.looks_at_companions:
            profile = replace(profile, counted=NOT_COUNTED)
        told = profile.told
        if told is not None and told.eligibility and Aspect.CUSTOMER_SINCE not in by.looks_at_bss:
            bare = replace(told.eligibility, customer_since=None)
            profile = replace(profile, told=replace(told, eligibility=bare))
        claim = StoreClaim(self.wish.store, "u")
        view = look(
            profile,
            tenant=TENANT,
            now=NOW,
            roaming_max_age=60,
            policy=by,
            ring=RING,
            held=held(profile, self.apps, claim, policy=by, now=NOW),
        )
        return gather(
            view, self.device, policy=by, wish=self.wish, times=times_of(profile, now=NOW)
        )

    def decisions(self, by: Policy) -> tuple[Decision, ...]:
        facts = self.facts(by)
        return tuple(
            by.decide(question, facts)
            for app in self.apps
            for question in SERVICES[app].questions(self.version, facts)
        )

    def said(self, by: Policy) -> dict[tuple[str, str], Said]:
        return {
            (each.question.feature, each.question.area.value): Said(
                each.result.value, each.reason, each.rule
            )
            for each in self.decisions(by)
        }

    def record(self, by: Policy, ref: str = "ref") -> RequestRecord:
        facts, decisions = self.facts(by), self.decisions(by)
        return recorded(
            facts, decisions, ref=ref, apps=self.apps, device=self.device, version=self.version
        )


def recorded(
    facts: Facts,
    decisions: tuple[Decision, ...],
    *,
    apps: tuple[str, ...],
    ref: str = "ref",
    device: Device | None = None,
    version: SpecVersion = V12,
    operation: str = "",
) -> RequestRecord:
    trail = Trail("id", "red", ref, apps=apps, spec_version=str(version), leg="token")
    trail.device, trail.operation = device, operation
    trail.verdict = Verdict(decisions, push_verdict(facts, decisions))
    body = push_trail(trail, now=NOW, seconds=0.1)
    return RequestRecord("red", ref, NOW * 1_000_000, "id", body)


asked = st.builds(Asked, profiles, apps, devices, wishes, st.sampled_from([SpecVersion(2, 0), V12]))


def compared(before: Policy | None, after: Policy, *records: RequestRecord) -> Report:
    comparison = Comparison(
        before,
        after,
        origin_of=POLICIES.get,
        version_of=lambda _profile, said: V12 if said == "12.0" else SpecVersion(2, 0),
    )
    comparison.take(records)
    return comparison.report()


names = st.sampled_from(sorted(POLICIES))


@given(asked=asked, then=names)
def test_a_record_is_decided_as_it_was(asked: Asked, then: str) -> None:
    by = POLICIES[then]
    report = compared(None, by, asked.record(by))
    assert not report.changes
    assert not report.missing
    assert report.unchanged == report.decided == len(asked.decisions(by)[:1])


@settings(max_examples=examples(400))
@given(asked=asked, then=names, before=names, after=names)
def test_what_differs_is_what_the_live_path_would_say(
    asked: Asked, then: str, before: str, after: str
) -> None:
    record = asked.record(POLICIES[then])
    report = compared(POLICIES[before], POLICIES[after], record)
    if not asked.decisions(POLICIES[then]):
        assert report.decided == 0
        return
    if report.missing:
        # It is not known where one of the two looks at what nobody looked at then.
        assert before != then or after != then
        assert not report.changes
        return
    was, will_be = asked.said(POLICIES[before]), asked.said(POLICIES[after])
    plan = asked.profile.subscription.plan
    wanted = {
        change_of(question, plan, was.get(question, NOT_ASKED), will_be.get(question, NOT_ASKED))
        for question in was.keys() | will_be.keys()
    } - {None}
    assert set(report.changes) == wanted
    assert all(each.requests == 1 for each in report.changes.values())


MISSING = [
    ("no terms", "default", "ap2004", Wish(), Missing.CONSENT),
    ("default", "registered", "ap2004", Wish(), Missing.NETWORK),
    ("default", "tenure", "ap2004", Wish(), Missing.BSS),
    ("no satellite", "default", "ap2016", Wish(), Missing.SATELLITE),
    ("one store", "default", "ap2012", Wish(store="other"), Missing.STORE),
    ("default", "less", "ap2012", Wish(store="google"), Missing.STORE),
    ("no terms at stores", "default", "ap2012", Wish(store="google"), Missing.STORE),
]


NO_WISH = Wish()


def premium(app: str, wish: Wish = NO_WISH) -> Asked:
    subscription = Subscription(
        "red", Imsi("001010000000001"), None, SubscriptionStatus.ACTIVE, "premium"
    )
    terms = Consent(ConsentKind.TERMS, ConsentStatus.GIVEN, at=5)
    return Asked(
        Profile(subscription, terms, terms, None), (app,), Device("", "", "P2", ""), wish, V12
    )


@pytest.mark.parametrize(("then", "tried", "app", "wish", "missing"), MISSING)
def test_what_is_not_on_record_is_said_and_not_guessed(
    then: str, tried: str, app: str, wish: Wish, missing: Missing
) -> None:
    record = premium(app, wish).record(POLICIES[then])
    report = compared(None, POLICIES[tried], record)
    assert (dict(report.missing), dict(report.changes)) == ({missing: 1}, {})
    assert report.unchanged == 0


def test_a_change_of_plans_is_compared_like_one_of_rules() -> None:
    records = [premium("ap2004").record(POLICIES["default"])]
    (change,) = compared(None, POLICIES["no vowifi"], *records).changes
    assert (change.kind, change.feature, change.plan) == (Kind.LOSES, "vowifi", "premium")
    assert change.after == Said("denied", "not_in_plan", "no-vowifi")


def test_who_gains_and_who_loses_is_counted_by_subscriber() -> None:
    who = premium("ap2003")
    records = [who.record(POLICIES["model"], ref) for ref in ("b", "a", "b", "c", "d")]
    losing = policy(with_rule('feature = "volte"'), "losing")
    report = compared(None, losing, *records)
    loses = {change: each for change, each in report.changes.items() if change.kind is Kind.LOSES}
    (volte, *_), (affected, *_) = list(loses), list(loses.values())
    assert (volte.feature, volte.plan, volte.after.rule) == ("volte", "premium", "new")
    assert (affected.requests, len(affected.refs)) == (5, 4)
    assert affected.samples == ["a", "b", "c"]
    assert report.affected(Kind.LOSES).refs == {"a", "b", "c", "d"}
    assert report.affected(Kind.GAINS).requests == 0
    assert (report.read, report.decided, report.circumstances) == (5, 5, 1)
    back = Comparison(losing, POLICIES["model"], origin_of=POLICIES.get)
    back.take(records)
    gains = back.report().affected(Kind.GAINS)
    assert gains.refs == {"a", "b", "c", "d"}


def test_another_reason_is_neither_gain_nor_loss() -> None:
    report = compared(
        POLICIES["default"], POLICIES["renamed"], premium("ap2004").record(POLICIES["default"])
    )
    assert {change.kind for change in report.changes} == {Kind.OTHERWISE}


def test_those_who_lose_come_before_those_who_find_another_reason_and_after_those_who_gain() -> (
    None
):
    assert list(Kind) == [Kind.GAINS, Kind.LOSES, Kind.OTHERWISE]
    said = Said("denied", "x", "y")
    assert change_of(("f", "home"), "p", said, Said("allowed", "x", "y")) == Change(
        Kind.GAINS, "f", "home", "p", said, Said("allowed", "x", "y")
    )
    assert change_of(("f", "home"), "p", said, said) is None


FACT_NAMES = sorted(each.name for each in fields(Facts))
ESIM = parse_policy(
    '[plans.standard]\nfeatures = ["companion", "esim"]\n'
    '[[rule]]\nid = "move"\nfeatures = ["companion", "esim"]\nwhen = { kind = "transfer" }\n'
    'result = "denied"\n[[rule]]\nid = "all"\nresult = "allowed"\n',
    version="esim",
)


def esim_record(kind: OrderKind) -> RequestRecord:
    asked = premium("ap2006")
    facts = asked.facts(ESIM)
    facts = Facts(
        **{name: getattr(facts, name) for name in FACT_NAMES}
        | {"kind": Fact(kind, "request"), "sim_age_h": Fact(7, "store", 5)}
    )
    decision = ESIM.decide(Question("companion", facts.area.value), facts)
    return recorded(facts, (decision,), apps=("ap2006",), operation="ManageSubscription")


@pytest.mark.parametrize("kind", OrderKind)
def test_orders_of_esims_are_decided_anew(kind: OrderKind) -> None:
    record = esim_record(kind)
    assert compared(None, ESIM, record).unchanged == 1
    stricter = parse_policy(
        '[plans.standard]\nfeatures = ["companion", "esim"]\n[[rule]]\nid = "young"\n'
        'features = ["companion", "esim"]\nwhen = { sim_age_h = { under = 8 } }\n'
        'result = "step_up"\n[[rule]]\nid = "all"\nresult = "allowed"\n'
    )
    (change,) = compared(None, stricter, record).changes
    assert (change.feature, change.after) == ("companion", Said("step_up", "young", "young"))
    assert change.kind is (Kind.GAINS if kind is OrderKind.TRANSFER else Kind.LOSES)
    by_device = parse_policy(
        '[[rule]]\nid = "tac"\nfeatures = ["companion", "esim"]\nwhen = { tac = "35000000" }\n'
        'result = "denied"\n[[rule]]\nid = "all"\nresult = "allowed"\n'
    )
    assert dict(compared(None, by_device, record).missing) == {Missing.DEVICE: 1}


def test_what_is_no_record_of_a_decision_is_read_and_no_more() -> None:
    bare = push_trail(Trail("id", "red", "ref", leg="start", apps=("ap2004",)), now=1, seconds=1)
    notice = b'{"tenant":"red","event":"notice","policy":"x"}'
    records = [RequestRecord("red", "ref", 1, "id", body) for body in (bare, notice)]
    report = compared(None, POLICIES["default"], *records)
    assert (report.read, report.decided, report.unchanged) == (2, 0, 0)


def whole(**changed: str) -> bytes:
    record = premium("ap2004").record(POLICIES["default"]).body.decode()
    for was, is_ in changed.items():
        assert was in record
        record = record.replace(f'"{was}"', f'"{is_}"')
    return record.encode()


@pytest.mark.parametrize(
    ("body", "missing"),
    [
        (b"", Missing.UNREADABLE),
        (b"[1]", Missing.UNREADABLE),
        (b"\xff", Missing.UNREADABLE),
        (whole(active="asleep"), Missing.UNREADABLE),
        (whole(status="stature"), Missing.UNREADABLE),
        (whole(ap2004="ap9999"), Missing.UNKNOWN_APP),
        (b'{"tenant":"red","policy":"x","facts":{}}', Missing.UNREADABLE),
        (b'{"tenant":"red","policy":"x","facts":{"status":["active"]}}', Missing.UNREADABLE),
    ],
)
def test_what_another_release_wrote_is_counted(body: bytes, missing: Missing) -> None:
    report = compared(None, POLICIES["default"], RequestRecord("red", "ref", 1, "id", body))
    assert dict(report.missing) == {missing: 1}
    assert report.unchanged == 0


@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_rubbish_is_unreadable_and_nothing_else(data: bytes) -> None:
    for pull in (pull_recorded, pull_facts, pull_decisions):
        with suppress(Unreadable):
            pull(data)


@given(
    st.dictionaries(
        st.sampled_from(FACT_NAMES), st.lists(st.text() | st.integers() | st.none(), max_size=3)
    )
)
def test_facts_of_another_kind_are_unreadable_and_nothing_else(data: dict[str, Any]) -> None:
    raw = msgspec.json.encode(data)
    record = b'{"tenant":"red","policy":"x","apps":["ap2004"],"facts":%b}' % raw
    compared(None, POLICIES["default"], RequestRecord("red", "r", 1, "i", record))
