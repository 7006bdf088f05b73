"""What is kept says the same as what is made anew, and nothing of one request in another's."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgrant.domain.eligibility import Aspect
from simgrant.domain.facts import (
    Area,
    BoostState,
    Device,
    Purchases,
    StoreState,
    UsageShape,
    Wish,
)
from simgrant.domain.holdings import Purchase
from simgrant.domain.policy import Policy, default_policy, default_policy_text, parse_policy
from simgrant.domain.subscription import ConsentStatus, SubscriptionStatus
from simgrant.flows.answer import Portal, answer, filled, page_of
from simgrant.flows.gather import EXPIRED, HeldView, ToldView, View, gather
from simgrant.flows.shape import PLAIN, Shape, shaped
from simgrant.flows.verdicts import IDENTITY, IDENTITY_EXPIRY, NO_DEVICE, Asked, Verdicts
from simgrant.services import SERVICES, PrivateIdentity, ServiceFlow
from simgrant.spec.ids import PrivateUserIdType, ProvStatus, RegisterNotifStatus
from simgrant.spec.version import SpecVersion
from simgrant.wire.document import Token, Vers
from simgrant.wire.negotiate import Format
from simgrant.wire.writers import WRITERS
from tests.unit.domain.samples import PHONE

POLICY = default_policy()
PORTAL = Portal("https://portal.example/", 600)
BY_MODEL = parse_policy(
    '[[rule]]\nid = "old"\nwhen = { model = "P1" }\nresult = "denied"\n' + default_policy_text()
)
OWN = parse_policy(
    default_policy_text() + '[own.ap2004]\nAcme_Flag = "1"\n[own.ap2003.Acme_Apn]\nName = "ims"\n'
)
V12 = SpecVersion(12, 0)
VIEW = View(
    SubscriptionStatus.ACTIVE,
    "standard",
    ProvStatus.NOT_REQUIRED,
    ConsentStatus.GIVEN,
    ConsentStatus.GIVEN,
    Area.UNKNOWN,
    "",
)

views = st.builds(
    View,
    st.sampled_from(SubscriptionStatus),
    st.sampled_from(["standard", "basic", "premium", "gone"]),
    st.sampled_from(ProvStatus),
    st.sampled_from(["", EXPIRED, *ConsentStatus]),
    st.sampled_from(["", EXPIRED, *ConsentStatus]),
    st.sampled_from(Area),
    st.sampled_from(["", "00101", "26201"]),
    st.builds(
        HeldView,
        st.sampled_from([(), (BoostState(166, Purchase.ACTIVE),)]),
        st.sampled_from([(), (UsageShape("data", True, False),)]),
        st.sampled_from(ConsentStatus),
        st.builds(
            StoreState,
            st.sampled_from(ConsentStatus),
            st.sampled_from(ProvStatus),
            st.sampled_from(Purchases),
        ),
    ),
    told=st.builds(
        ToldView,
        st.just("bss.main"),
        st.frozensets(st.sampled_from(Aspect)),
        st.frozensets(st.sampled_from(["vowifi", "home_only", "satellite", "nonsense"])),
        st.frozensets(st.sampled_from(["vowifi", "volte", "data_plan"])),
        st.sampled_from([None, 0, 400]),
    ),
)
asks = st.builds(
    Asked,
    st.permutations(list(SERVICES)).flatmap(
        lambda apps: st.integers(1, 3).map(lambda many: tuple(apps[:many]))
    ),
    st.sampled_from([SpecVersion(2, 0), V12]),
    st.sampled_from([(), ("de",), ("xx", "fr")]),
    st.none(),
    st.builds(Wish, st.sampled_from([None, 1, 166, 167]), st.sampled_from(["", "google"])),
    st.sampled_from(
        [
            PLAIN,
            Shape(own_parameters=False),
            Shape(flat_voice=True),
            Shape(parm_names=(("TC_Status", "tc_status"),)),
        ]
    ),
)
asks_with_push = asks.flatmap(
    lambda asked: st.tuples(*(st.sampled_from(RegisterNotifStatus) for _ in asked.apps)).map(
        lambda told: asked._replace(registered=told)
    )
)
devices = st.builds(
    Device,
    st.sampled_from(["", "35000000"]),
    st.sampled_from(["ACME", ""]),
    st.sampled_from(["P1", "P2"]),
    st.just("14"),
)


def text_of(kept: Verdicts, asked: Asked, view: View = VIEW, device: Device = PHONE) -> str:
    return kept.of(asked, view, device).text(Format.XML, lambda app: f"flow={app}")


def own(name: str) -> str:
    """As a subscription's own: JSON and XML must have to write it unchanged."""
    return "4711" if name.startswith("usage/") else f"flow={name}-own"


KEPT = {id(policy): Verdicts(policy, PORTAL) for policy in (POLICY, BY_MODEL, OWN)}


@given(
    policy=st.sampled_from([POLICY, BY_MODEL, OWN]),
    asked=asks | asks_with_push,
    view=views,
    device=devices,
    format_=st.sampled_from(Format),
)
def test_what_is_kept_is_what_would_be_made(
    policy: Policy, asked: Asked, view: View, device: Device, format_: Format
) -> None:
    """The same object over all examples: a key that leaves something out would show."""
    kept = KEPT[id(policy)].of(asked, view, device)
    made = answer(
        asked.apps,
        gather(view, device, policy=policy, wish=asked.wish),
        policy=policy,
        version=asked.version,
        languages=asked.languages,
        flow=lambda app: ServiceFlow(page_of(PORTAL, app), f"flow={app}-own"),
        identity=PrivateIdentity(
            PrivateUserIdType.PSEUDONYM,
            f"flow={IDENTITY}-own",
            f"flow={IDENTITY_EXPIRY}-own",
        ),
        own_parameters=asked.shape.own_parameters,
    )
    assert kept.verdict.decisions == made.decisions
    text = kept.text(format_, own)
    applications = shaped(tuple(filled(each, own) for each in made.applications), asked.shape)
    if asked.registered is None:
        assert text == WRITERS[format_].push_applications(applications)
    else:
        said = re.findall(r'RegisterNotifStatus\W+(?:value=")?([0-2])', text)
        assert said == [str(int(each)) for each in asked.registered]
    record: dict[str, Any] = msgspec.json.decode(b"{%b}" % kept.verdict.record)
    source = ["subscription", "subscription, bss.main"][Aspect.STATUS in view.told.aspects]
    assert record["facts"]["status"] == [view.status, source]
    assert len(record["decisions"]) == len(made.decisions)


@pytest.mark.parametrize("format_", Format)
def test_own_parameters_are_left_out_for_a_family_that_breaks_on_them(format_: Format) -> None:
    shape = Shape(own_parameters=False)
    asked = Asked(("ap2003", "ap2004"), V12, (), (RegisterNotifStatus.SUCCESS,) * 2)
    verdicts, without = Verdicts(OWN, PORTAL), Verdicts(POLICY, PORTAL)
    for each in (asked, asked._replace(shape=shape), asked):
        text = verdicts.of(each, VIEW, PHONE).text(format_, own)
        plain = without.of(each, VIEW, PHONE).text(format_, own)
        assert (text == plain) is (each.shape is shape)
        assert ("Acme_Apn" in text) is ("Acme_Flag" in text) is (each.shape is not shape)
    assert len(verdicts) == 2


@pytest.mark.parametrize("format_", Format)
def test_each_request_gets_its_own_user_data(format_: Format) -> None:
    verdicts, asked = Verdicts(POLICY, PORTAL), Asked(("ap2004",), V12, (), None)
    for own in ("flow=one", "flow=two"):
        text = verdicts.of(asked, VIEW, PHONE).text(format_, lambda _: own)  # noqa: B023
        assert own in text
        assert WRITERS[format_].join(Vers(1, 1), Token("t", 1), text).count(b"flow=") == 1


def test_user_data_is_made_only_where_a_page_is_named() -> None:
    def never(_: str) -> str:
        raise AssertionError("nobody asked for it")

    verdicts = Verdicts(POLICY, PORTAL)
    verdicts.of(Asked(("ap2005",), V12, (), None), VIEW, PHONE).text(Format.XML, never)
    without = Verdicts(POLICY, Portal("", 600))
    without.of(Asked(("ap2004",), V12, (), None), VIEW, PHONE).text(Format.XML, never)


def test_equal_circumstances_are_decided_once_whatever_the_device() -> None:
    verdicts, asked = Verdicts(POLICY, PORTAL), Asked(("ap2004",), V12, (), None)
    first = verdicts.of(asked, VIEW, PHONE)
    assert verdicts.of(asked, VIEW, NO_DEVICE) is first
    assert verdicts.of(asked, VIEW._replace(plan="basic"), PHONE) is not first


def test_a_policy_about_devices_tells_them_apart() -> None:
    asked = Asked(("ap2004",), V12, (), None)
    old, new = Device("", "ACME", "P1", "14"), Device("", "ACME", "P2", "14")
    assert text_of(KEPT[id(BY_MODEL)], asked, device=old) != text_of(
        KEPT[id(BY_MODEL)], asked, device=new
    )


def test_long_words_are_answered_and_not_kept() -> None:
    verdicts, asked = Verdicts(BY_MODEL, PORTAL), Asked(("ap2004",), V12, (), None)
    long = Device("", "ACME", "x" * 4000, "14")
    assert verdicts.of(asked, VIEW, long) is not verdicts.of(asked, VIEW, long)


def test_it_is_bounded_and_what_was_forgotten_is_made_again() -> None:
    verdicts, asked = Verdicts(POLICY, PORTAL), Asked(("ap2005",), V12, (), None)
    first = text_of(verdicts, asked)
    for number in range(5000):
        verdicts.of(asked, VIEW._replace(visited_plmn=str(number)), PHONE)
        assert len(verdicts) <= Verdicts.MOST
    assert text_of(verdicts, asked) == first


def test_numbers_of_a_subscription_s_own_make_no_verdict_of_their_own() -> None:
    verdicts, asked = Verdicts(POLICY, PORTAL), Asked(("ap2010",), V12, (), None)
    usage = (UsageShape("data", True, True), UsageShape("tethering", False, False))
    view = VIEW._replace(plan="premium", held=HeldView(usage=usage))
    for used in ("1", "99999999999"):
        kept = verdicts.of(asked, view, PHONE)
        text = kept.text(Format.JSON, lambda name: f"{name}={used}")  # noqa: B023
        assert text.count(f"={used}") == 4
        assert f'"DataAllowanceInBytes":"usage/data/allowance={used}"' in text
    assert len(verdicts) == 1
