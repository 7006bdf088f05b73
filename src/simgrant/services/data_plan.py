"""Data plan, boosts, usage and 5G standalone, ap2010 (TS.43 §9).

Two answers under one AppID: lists of everything there is, and, where the request names a boost
(TS.43 §9.7), whether this one can be had now. Phones take most pairs of status and provisioning
of the latter for an error of the operator's; so the state of a boost is a type of its own, with
room for the pairs that mean something, and the numbers are derived from it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias, assert_never

from simgrant.domain.facts import Facts, Question
from simgrant.domain.holdings import Purchase
from simgrant.domain.plans import REAL_TIME, PlanBoost, Sale, boost_feature
from simgrant.domain.policy import Decision, Result
from simgrant.nouns import noun
from simgrant.services.service import (
    Enquiry,
    ServiceFlow,
    from_table,
    number_parms,
    own_value,
    page_parms,
)
from simgrant.spec.ids import (
    BoostEntitlementStatus,
    BoostProvStatus,
    BoostTypeStatus,
    DataUsageType,
    SaStatus,
)
from simgrant.spec.version import BOOST_TYPES, SpecVersion
from simgrant.wire.document import Application, Characteristic, CharacteristicList, Item, Parm


@noun
class Refused:
    """Cannot be had."""


@noun
class NotNow:
    """Could be had, but not at present: the device asks again another time."""


@noun
class Offered:
    """Can be bought, on this page."""

    flow: ServiceFlow


@noun
class BeingSetUp:
    """Bought or included, and the network is not ready."""


@noun
class Bought:
    """Bought; ``tracked`` says whether the network confirmed it."""

    tracked: bool


@noun
class Included:
    """Part of the plan; ``tracked`` as above."""

    tracked: bool


Boost: TypeAlias = Refused | NotNow | Offered | BeingSetUp | Bought | Included


def boost_of(facts: Facts, boost_type: int, decision: Decision, flow: ServiceFlow | None) -> Boost:
    """Return how far a boost is.

    One that could only be bought on a page is not offered where there is none (divergence
    "boost-no-page").
    """
    if decision.result is Result.DENIED:
        return Refused()
    planned = facts.offer.value.boost(boost_type)
    included = planned is not None and planned.sale is Sale.INCLUDED
    # Bought again after it had expired: there may be several of a type.
    purchase = next(
        (
            each.purchase
            for each in facts.boosts.value
            if each.boost_type == boost_type and each.purchase is not Purchase.EXPIRED
        ),
        None,
    )
    if decision.result is Result.PENDING:
        return BeingSetUp() if included or purchase else NotNow()
    match purchase:
        case Purchase.IN_PROGRESS:
            return BeingSetUp()
        case Purchase.ACTIVE | Purchase.UNTRACKED:
            tracked = purchase is Purchase.ACTIVE
            return Included(tracked) if included else Bought(tracked)
    if included:
        return Included(tracked=False)
    return NotNow() if flow is None else Offered(flow)


def questions(version: SpecVersion, facts: Facts) -> tuple[Question, ...]:
    """Ask for the boost that is wanted, else for all that the plan may tell."""
    area = facts.area.value
    wanted = facts.wish.value.boost_type
    if wanted is not None:
        return (Question(boost_feature(wanted), area),)
    offer = facts.offer.value
    features = ["data_plan"]
    features += [boost_feature(boost.boost_type) for boost in _told(offer.boosts, version)]
    if offer.standalone_5g is not None:
        features.append("standalone_5g")
    return tuple(Question(feature, area) for feature in features)


def answer(facts: Facts, decisions: tuple[Decision, ...], enquiry: Enquiry) -> Application:
    """Return the state of one boost, or the lists; a list with nothing in it is left out."""
    wanted = facts.wish.value.boost_type
    if wanted is not None:
        (decision,) = decisions
        return Application("ap2010", _real_time(boost_of(facts, wanted, decision, enquiry.flow)))
    by_feature = {decision.question.feature: decision for decision in decisions}
    lists: list[Item] = []
    if by_feature["data_plan"].result is Result.ALLOWED:
        lists += _listed("DataPlanInfo", _plan(facts))
    lists += _listed("DataBoostInfo", _boosts(facts, by_feature, enquiry))
    if by_feature["data_plan"].result is Result.ALLOWED:
        lists += _listed("DataUsageInfo", _usage(facts, enquiry))
    standalone = by_feature.get("standalone_5g")
    if standalone is not None:
        allowed = standalone.result is Result.ALLOWED
        status = _STANDALONE[SaStatus.ENABLED if allowed else SaStatus.DISABLED]
        lists += _listed("5GSAInfo", [Characteristic("5GSAInfoDetails", (status,))])
    return Application("ap2010", tuple(lists))


def _told(boosts: Iterable[PlanBoost], version: SpecVersion) -> Iterable[PlanBoost]:
    """Return the boosts that a client has a name for (divergence "boost-types-before-12")."""
    if version >= BOOST_TYPES:
        return boosts
    return (boost for boost in boosts if boost.boost_type == REAL_TIME)


def _listed(kind: str, entries: Iterable[Characteristic]) -> list[Item]:
    found = tuple(entries)
    return [CharacteristicList(kind, found)] if found else []


def _plan(facts: Facts) -> Iterable[Characteristic]:
    for access, metering in facts.offer.value.data:
        parms = Parm("AccessType", str(int(access))), Parm("DataPlanType", metering)
        yield Characteristic("DataPlanInfoDetails", parms)


def _boosts(
    facts: Facts, by_feature: dict[str, Decision], enquiry: Enquiry
) -> Iterable[Characteristic]:
    version = enquiry.spec_version
    for boost in _told(facts.offer.value.boosts, version):
        decision = by_feature[boost_feature(boost.boost_type)]
        match boost_of(facts, boost.boost_type, decision, enquiry.flow):
            case Refused():
                status = BoostTypeStatus.INCOMPATIBLE
            case NotNow():
                status = BoostTypeStatus.DISABLED
            case _:
                status = BoostTypeStatus.ENABLED
        # Its old name, which is the only one that older clients know (TS.43 §9.1.2).
        number = boost.boost_type if version >= BOOST_TYPES else 0
        items: tuple[Item, ...] = (Parm("BoostType", str(number)), _BOOST_TYPE[status])
        if boost.target:
            aims = tuple(Parm(name, str(value)) for name, value in boost.target)
            items = (*items, Characteristic("TargetCharacteristicsInfo", aims))
        yield Characteristic("DataBoostInfoDetails", items)


def _usage(facts: Facts, enquiry: Enquiry) -> Iterable[Characteristic]:
    counters = facts.offer.value.counters
    for shape in facts.usage.value:
        counter = counters[shape.counter]
        parms = [_USAGE[counter.usage_type]]
        for name, texts in (
            ("DataUsageName", counter.name),
            ("DataUsageDescription", counter.description),
        ):
            if text := enquiry.text(texts):
                parms.append(Parm(name, text))
        own = f"usage/{shape.counter}"
        if shape.cyclic:
            parms.append(Parm("EndOfBillingCycle", own_value(f"{own}/cycle_end")))
        if shape.limited:
            parms.append(Parm("DataAllowanceInBytes", own_value(f"{own}/allowance")))
        parms.append(Parm("DataUsedInBytes", own_value(f"{own}/used")))
        yield Characteristic("DataUsageInfoDetails", tuple(parms))


def _real_time(boost: Boost) -> tuple[Parm, ...]:
    """Return the numbers of a state (TS.43 §9.9), in the reading of phones.

    An offer is ENABLED with NOT PROVISIONED: the example in TS.43 §9.10 has PROVISIONED, which
    Android takes for a purchase that is done (divergence "boost-offer-not-provisioned").
    """
    match boost:
        case Refused():
            status, provisioning = _INCOMPATIBLE, BoostProvStatus.NOT_PROVISIONED
        case NotNow():
            status, provisioning = _DISABLED, BoostProvStatus.NOT_PROVISIONED
        case Offered(flow):
            numbers = _STATUS[_ENABLED], _PROVISIONING[BoostProvStatus.NOT_PROVISIONED]
            return (*numbers, *page_parms(flow))
        case BeingSetUp():
            status, provisioning = _BEING_SET_UP, BoostProvStatus.IN_PROGRESS
        case Bought(tracked):
            status, provisioning = _ENABLED, _network(tracked=tracked)
        case Included(tracked):
            status, provisioning = _INCLUDED, _network(tracked=tracked)
        case _:
            assert_never(boost)
    return _STATUS[status], _PROVISIONING[provisioning]


def _network(*, tracked: bool) -> BoostProvStatus:
    return BoostProvStatus.PROVISIONED if tracked else BoostProvStatus.NOT_AVAILABLE


_DISABLED = BoostEntitlementStatus.DISABLED
_ENABLED = BoostEntitlementStatus.ENABLED
_INCOMPATIBLE = BoostEntitlementStatus.INCOMPATIBLE
_BEING_SET_UP = BoostEntitlementStatus.PROVISIONING
_INCLUDED = BoostEntitlementStatus.INCLUDED

_STATUS = number_parms("EntitlementStatus", BoostEntitlementStatus)
_PROVISIONING = number_parms("ProvStatus", BoostProvStatus)
_BOOST_TYPE = number_parms("BoostTypeStatus", BoostTypeStatus)
_USAGE = number_parms("DataUsageType", DataUsageType)
_STANDALONE = number_parms("5GSAStatus", SaStatus)

SERVICE = from_table(__name__).service(questions=questions, answer=answer)
