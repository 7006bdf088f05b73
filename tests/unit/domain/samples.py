"""Facts for tests: a sound subscriber at home, and any subscriber at all."""

from __future__ import annotations

from typing import TypedDict, Unpack

from hypothesis import strategies as st

from simgrant.domain.facts import Area, Device, Fact, Facts, Question
from simgrant.domain.policy import Decision, Result
from simgrant.domain.subscription import ConsentStatus, SubscriptionStatus
from simgrant.spec.ids import ProvStatus


class Changes(TypedDict, total=False):
    """What a test may want otherwise."""

    status: SubscriptionStatus
    plan: str
    features: frozenset[str]
    terms: ConsentStatus
    address: ConsentStatus
    provisioning: ProvStatus
    area: Area
    visited_plmn: str
    device: Device


ALL_VOICE = frozenset({"volte", "vonr", "vowifi", "smsoip"})
PHONE = Device(tac="35000000", vendor="ACME", model="P1", sw_version="14")


def facts(**changes: Unpack[Changes]) -> Facts:
    """Return the facts of a sound subscriber at home, but for the changes."""
    return Facts(
        status=Fact(changes.get("status", SubscriptionStatus.ACTIVE), "store", 100),
        plan=Fact(changes.get("plan", "standard"), "store", 100),
        features=Fact(changes.get("features", ALL_VOICE), "policy 1"),
        terms=Fact(changes.get("terms", ConsentStatus.GIVEN), "store", 100),
        address=Fact(changes.get("address", ConsentStatus.GIVEN), "store", 100),
        provisioning=Fact(changes.get("provisioning", ProvStatus.PROVISIONED), "store", 100),
        area=Fact(changes.get("area", Area.HOME), "hss", 200),
        visited_plmn=Fact(changes.get("visited_plmn", "00101"), "hss", 200),
        device=Fact(changes.get("device", PHONE), "request"),
    )


def decided(
    question: Question, result: Result = Result.ALLOWED, texts: dict[str, str] | None = None
) -> Decision:
    """Return a decision as a rule of a test would make it."""
    return Decision(question, result, "because", "rule", "1", texts or {})


FEATURES = ("volte", "vonr", "vowifi", "smsoip", "home_only", "eps_fallback")

questions = st.builds(Question, st.sampled_from(FEATURES), st.sampled_from(Area))

any_facts = st.builds(
    lambda **changes: facts(**changes),
    status=st.sampled_from(SubscriptionStatus),
    plan=st.sampled_from(["standard", "basic", "gone"]),
    features=st.frozensets(st.sampled_from(FEATURES)),
    terms=st.sampled_from(ConsentStatus),
    address=st.sampled_from(ConsentStatus),
    provisioning=st.sampled_from(ProvStatus),
    area=st.sampled_from(Area),
    visited_plmn=st.sampled_from(["", "00101", "001001", "26201", "99970"]),
    device=st.builds(
        Device,
        tac=st.sampled_from(["", "35000000", "35000001"]),
        vendor=st.sampled_from(["", "ACME", "acme", "Straße"]),
        model=st.sampled_from(["P1", "p1", "P2"]),
        sw_version=st.just("14"),
    ),
)
