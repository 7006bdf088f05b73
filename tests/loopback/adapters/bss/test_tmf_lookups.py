"""What inventories tell of a subscriber, each way to say it, and each way not to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import fields

import pytest

from simgrant.adapters.bss.tmf.lookups import TmfLookups
from simgrant.adapters.bss.tmf.rules import Rules, ValueRule
from simgrant.domain.eligibility import Aspect, Eligibility
from simgrant.domain.risk import NumberType
from simgrant.domain.subscription import ConsentStatus, SubscriptionStatus
from simgrant.errors import EcsError, PeerMisbehaved, PeerTimeout, PeerUnavailable
from simgrant.identities import Imsi, Msisdn
from simgrant.ports.network_data import Subscriber
from simgrant.sim.bss.faults import Fault, Plan
from simgrant.sim.bss.lines import Line
from simgrant.sim.bss.server import Bss
from simgrant.spec.ids import ProvStatus
from simgrant.wire.tmf.inventory import ProductStatus, ServiceState
from tests.clocks import MachineClock
from tests.tmf import (
    ALL,
    PRODUCTS,
    RESOURCES,
    SERVICES,
    SIMS,
    WHO,
    WRONG,
    link_to,
    more,
    running,
    soon,
)

EVERYTHING = frozenset(Aspect)
STANDING = frozenset({Aspect.STATUS, Aspect.PLAN})


@pytest.fixture
async def bss() -> AsyncIterator[Bss]:
    async with running() as found:
        yield found


@pytest.fixture
def line(bss: Bss) -> Line:
    found = bss.lines.find(imsi=WHO.imsi.digits)
    assert found is not None
    return found


async def told(
    bss: Bss,
    wants: frozenset[Aspect] = EVERYTHING,
    *,
    rules: tuple[Rules, ...] = ALL,
    who: Subscriber = WHO,
    seconds: float = 5.0,
) -> Eligibility | None:
    lookups = TmfLookups(link_to(bss.web.url), rules, MachineClock())
    try:
        return await lookups.look_up(who, wants, deadline=soon(seconds))
    finally:
        await lookups.close()


async def test_everything_that_is_told(bss: Bss, line: Line) -> None:
    line.options |= {"vowifi"}
    line.network = "26201"
    assert await told(bss) == Eligibility(
        status=SubscriptionStatus.ACTIVE,
        plan="standard",
        options=frozenset({"vowifi"}),
        terms=ConsentStatus.GIVEN,
        address=ConsentStatus.GIVEN,
        provisioning=ProvStatus.PROVISIONED,
        visited_plmn="26201",
        msisdn=WHO.msisdn,
        number_type=NumberType.MOBILE,
        prepaid=False,
        port_freeze=False,
        customer_since=line.since,
        sim_since=line.sim_since,
    )


async def test_what_is_said_to_be_told_is_told(bss: Bss) -> None:
    lookups = TmfLookups(link_to(bss.web.url), ALL, MachineClock())
    found = await lookups.look_up(WHO, lookups.tells, deadline=soon())
    assert found is not None
    has = {each.name for each in fields(found) if getattr(found, each.name) is not None}
    assert lookups.tells - {Aspect.VISITED_PLMN} == has
    await lookups.close()


@pytest.mark.parametrize(
    ("wants", "asked"),
    [
        (STANDING, {"product"}),
        ({Aspect.PROVISIONING}, {"service"}),
        ({Aspect.SIM_SINCE}, {"resource"}),
        ({Aspect.PLAN, Aspect.PROVISIONING}, {"product", "service"}),
        ({Aspect.REFUSALS}, set()),
    ],
)
async def test_only_those_are_asked_who_tell_what_is_wanted(
    bss: Bss, wants: set[Aspect], asked: set[str]
) -> None:
    found = await told(bss, frozenset(wants))
    assert {each.resource for each in bss.seen} == asked
    assert found is not None
    has = {each.name for each in fields(found) if getattr(found, each.name) is not None}
    assert has <= wants


async def test_they_are_asked_at_the_same_time(bss: Bss) -> None:
    bss.plan = Plan(fault=Fault.SLOW, delay_s=0.4)
    async with asyncio.timeout(1.1):
        assert await told(bss) is not None


async def test_one_that_fails_is_enough_and_nobody_waits_for_the_others(bss: Bss) -> None:
    bss.plan = Plan(fault=Fault.SILENT, resource="service")
    bad = more(PRODUCTS, states={})
    async with asyncio.timeout(2):
        with pytest.raises(PeerMisbehaved):
            await told(bss, rules=(bad, SERVICES))


@pytest.mark.parametrize(
    ("state", "status"),
    [
        (ProductStatus.ACTIVE, SubscriptionStatus.ACTIVE),
        (ProductStatus.SUSPENDED, SubscriptionStatus.SUSPENDED),
        (ProductStatus.TERMINATED, SubscriptionStatus.REMOVED),
    ],
)
async def test_the_state_of_the_plan_is_that_of_the_line(
    bss: Bss, line: Line, state: ProductStatus, status: SubscriptionStatus
) -> None:
    line.state, line.options = state, {"vowifi"}
    found = await told(bss, STANDING | {Aspect.OPTIONS})
    assert found is not None
    assert (found.status, found.plan) == (status, "standard")
    is_on = status is SubscriptionStatus.ACTIVE
    assert found.options == (frozenset({"vowifi"}) if is_on else frozenset())


async def test_a_line_that_is_not_there_yet_is_none(bss: Bss, line: Line) -> None:
    line.state = ProductStatus.PENDING_ACTIVE
    assert await told(bss) is None


async def test_somebody_that_the_bss_does_not_know_is_none(bss: Bss) -> None:
    stranger = Subscriber(Imsi("001010999999999"), Msisdn("447700999999"))
    assert await told(bss, who=stranger) is None
    bss.plan = Plan(fault=Fault.STATUS, status=404)
    assert await told(bss, STANDING) is None


@pytest.mark.parametrize(
    ("state", "status"),
    [
        (ServiceState.ACTIVE, ProvStatus.PROVISIONED),
        (ServiceState.DESIGNED, ProvStatus.IN_PROGRESS),
        (ServiceState.RESERVED, ProvStatus.IN_PROGRESS),
        (ServiceState.INACTIVE, ProvStatus.NOT_PROVISIONED),
        (ServiceState.TERMINATED, ProvStatus.NOT_PROVISIONED),
    ],
)
async def test_provisioning_is_the_state_of_a_service(
    bss: Bss, line: Line, state: ServiceState, status: ProvStatus
) -> None:
    line.vowifi = state
    assert await told(bss, frozenset({Aspect.PROVISIONING})) == Eligibility(provisioning=status)


async def test_without_such_a_service_nothing_is_provisioned(bss: Bss) -> None:
    bss.plan = Plan(fault=Fault.NOBODY)
    found = await told(bss, frozenset({Aspect.PROVISIONING}))
    assert found == Eligibility(provisioning=ProvStatus.NOT_PROVISIONED)


async def test_of_two_plans_the_better_counts_and_then_the_first(bss: Bss, line: Line) -> None:
    line.options = {"premium", "basic"}
    found = await told(bss, STANDING)
    assert found is not None
    assert found.plan == "premium"


async def test_values_have_meanings(bss: Bss, line: Line) -> None:
    line.terms, line.address = "Y", "asked"
    rules = more(
        PRODUCTS,
        values={
            Aspect.TERMS: ValueRule(name="terms", meanings={"Y": "given"}),
            Aspect.ADDRESS: ValueRule(name="address", meanings={"asked": "in_progress"}),
            Aspect.PORT_FREEZE: ValueRule(name="nowhere"),
        },
    )
    found = await told(bss, rules=(rules,))
    assert found is not None
    assert (found.terms, found.address) == (ConsentStatus.GIVEN, ConsentStatus.IN_PROGRESS)
    assert found.port_freeze is None, "what is not there is not told"


async def test_what_a_value_means_has_to_be_known(bss: Bss, line: Line) -> None:
    line.terms = "perhaps"
    with pytest.raises(PeerMisbehaved) as caught:
        await told(bss)
    assert caught.value.for_operator.endswith("what it says of terms means nothing")


async def test_a_filter_without_the_number_asks_nobody(bss: Bss) -> None:
    with pytest.raises(PeerUnavailable, match="not known here"):
        await told(bss, who=Subscriber(WHO.imsi))
    assert not bss.seen


async def test_a_plan_has_to_be_known(bss: Bss, line: Line) -> None:
    line.plan = "legacy-77"
    with pytest.raises(PeerMisbehaved, match="none of its items is a plan"):
        await told(bss)


# --- pages -----------------------------------------------------------------------------


async def test_pages_are_put_together(bss: Bss, line: Line) -> None:
    line.options = {"vowifi", "companion"}
    found = await told(bss, rules=(more(PRODUCTS, page=1, pages=3),))
    assert found is not None
    assert found.options == frozenset(line.options)
    assert [each.target.rpartition("&")[0][-8:] for each in bss.seen][1:] == [
        "offset=1",
        "offset=2",
    ]


async def test_a_list_without_an_end_is_refused(bss: Bss) -> None:
    bss.plan = Plan(fault=Fault.ENDLESS)
    with pytest.raises(PeerMisbehaved, match="more than 3 pages"):
        await told(bss, STANDING)
    assert len(bss.seen) == 3


# --- whose it is -------------------------------------------------------------------------


@pytest.mark.parametrize("rules", ALL, ids=lambda rules: rules.inventory)
async def test_nothing_of_another_subscriber_is_believed(bss: Bss, rules: Rules) -> None:
    bss.plan = Plan(fault=Fault.OTHER_SUBSCRIBER)
    with pytest.raises(PeerMisbehaved) as caught:
        await told(bss, rules=(rules,))
    assert caught.value.reason == "bss_other_subscriber"


async def test_an_item_says_whose_it_is_or_is_refused(bss: Bss) -> None:
    rules = more(PRODUCTS, owner=frozenset({"subscriberId"}))
    with pytest.raises(PeerMisbehaved):
        await told(bss, rules=(rules,))


async def test_a_loose_filter_passes_over_what_is_not_his(bss: Bss) -> None:
    loose = more(PRODUCTS, filters=[("status", "active")], loose=True, page=50)
    found = await told(bss, STANDING, rules=(loose,))
    assert found is not None
    assert found.plan == "standard"
    strict = more(loose, loose=False)
    with pytest.raises(PeerMisbehaved):
        await told(bss, STANDING, rules=(strict,))


# --- what a BSS does wrong ---------------------------------------------------------------


@pytest.mark.parametrize("fault", WRONG)
async def test_what_is_wrong_has_a_defined_outcome(bss: Bss, fault: Fault) -> None:
    bss.plan = Plan(fault=fault)
    with pytest.raises(EcsError) as caught:
        await told(bss, STANDING)
    assert type(caught.value).__mro__[:3].count(WRONG[fault])
    said = f"{caught.value.reason} {caught.value.for_operator} {caught.value!r}"
    assert WHO.imsi.digits not in said
    assert WHO.msisdn is not None
    assert WHO.msisdn.digits not in said


@pytest.mark.parametrize("status", [400, 500, 501])
async def test_a_status_of_trouble(bss: Bss, status: int) -> None:
    bss.plan = Plan(fault=Fault.STATUS, status=status)
    with pytest.raises(PeerUnavailable if status >= 500 else PeerMisbehaved):
        await told(bss, STANDING)


async def test_retry_after_is_handed_on(bss: Bss) -> None:
    bss.plan = Plan(fault=Fault.BUSY, retry_after_s=17)
    with pytest.raises(PeerUnavailable) as caught:
        await told(bss, STANDING)
    assert caught.value.retry_after == 17


@pytest.mark.parametrize("fault", [Fault.SILENT, Fault.SLOW])
async def test_who_does_not_answer_in_time_is_too_slow(bss: Bss, fault: Fault) -> None:
    bss.plan = Plan(fault=fault, delay_s=30)
    with pytest.raises(PeerTimeout):
        await told(bss, STANDING, seconds=0.2)


async def test_who_is_down_is_unavailable(bss: Bss) -> None:
    await bss.web.down()
    with pytest.raises(PeerUnavailable):
        await told(bss, STANDING)


async def test_who_flaps_is_asked_again_within_the_budget(bss: Bss) -> None:
    bss.plan = Plan(fault=Fault.FLAPPING, retry_after_s=None)
    lookups = TmfLookups(link_to(bss.web.url, tries=3), ALL, MachineClock())
    for _ in range(3):
        assert await lookups.look_up(WHO, STANDING, deadline=soon()) is not None
    assert [each.status for each in bss.seen] == [503, 200] * 3
    await lookups.close()


async def test_every_fault_is_tried_here() -> None:
    elsewhere = {Fault.STATUS, Fault.SILENT, Fault.SLOW, Fault.FLAPPING, Fault.NOBODY}
    assert set(Fault) == set(WRONG) | elsewhere


def test_all_lines_have_items_of_their_own(bss: Bss) -> None:
    assert len({document["id"] for each in bss.lines for document in each.products("")}) == len(
        SIMS
    )
    assert RESOURCES.tells == {Aspect.SIM_SINCE}
