"""Every parameter and value that a service's table has is one that the service sends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

import pytest

from simgrant.domain.facts import BoostState, Facts, Purchases, StoreState, UsageShape, Wish
from simgrant.domain.holdings import Purchase
from simgrant.domain.plans import (
    ANY_STORE,
    TARGETS,
    Billing,
    BillingTerms,
    Plan,
    PlanBoost,
    Sale,
    Satellite,
    SatelliteNetwork,
)
from simgrant.domain.policy import OF_SERVICES
from simgrant.domain.subscription import ConsentStatus
from simgrant.services import SERVICES, PrivateIdentity
from simgrant.spec.ids import (
    DataAccessType,
    DataPlanType,
    PrivateUserIdType,
    ProvStatus,
    ServicePolicy,
    ServiceType,
    TcOperation,
)
from tests.unit.domain.samples import ALL_VOICE, COUNTERS, facts
from tests.unit.services.samples import FLOW, IDENTITY, V2, V12, enquiry, leaves, ruled
from tools.conformance import requirements
from tools.conformance.requirements import State


def of_voice() -> Iterator[Facts]:
    yield facts()
    for way in ("eps_fallback", "srvcc_5g", "srvcc_4g"):
        yield facts(features=ALL_VOICE | {way})


def of_vowifi() -> Iterator[Facts]:
    for each in ConsentStatus:
        yield from (facts(terms=each), facts(address=each))
    yield from (facts(provisioning=each) for each in ProvStatus)


def of_data_plans() -> Iterator[Facts]:
    plan = Plan(
        data=tuple(product(DataAccessType, DataPlanType)),
        boosts=(PlanBoost(166, Sale.FOR_SALE, tuple(TARGETS.items())),),
        standalone_5g=True,
        counters=COUNTERS,
    )
    usage = tuple(UsageShape(counter, limited=True, cyclic=True) for counter in COUNTERS)
    yield facts(offer=plan, usage=usage)
    for sale, purchase in product(Sale, Purchase):
        boosts = (BoostState(166, purchase),)
        yield facts(offer=Plan(boosts=(PlanBoost(166, sale, ()),)), wish=Wish(166), boosts=boosts)


def of_billing() -> Iterator[Facts]:
    for way, terms in product(TcOperation, ConsentStatus):
        billing = Billing({ANY_STORE: None}, BillingTerms(True, (way,), {"en": "t"}, {"en": "m"}))
        state = StoreState(terms, ProvStatus.PROVISIONED, Purchases.BELOW_LIMIT, "")
        yield facts(offer=Plan(billing=billing), store=state)


def of_satellites() -> Iterator[Facts]:
    services = tuple(product(ServiceType, ServicePolicy))
    networks = tuple(SatelliteNetwork("99940", each, services) for each in DataPlanType)
    for each in ConsentStatus:
        yield facts(offer=Plan(satellite=Satellite(True, networks, ("99949",))), satellite=each)


CIRCUMSTANCES: dict[str, list[Facts]] = {
    "ap2003": list(of_voice()),
    "ap2004": list(of_vowifi()),
    "ap2005": [facts()],
    "ap2010": list(of_data_plans()),
    "ap2012": list(of_billing()),
    "ap2013": [facts()],
    "ap2016": list(of_satellites()),
}
IDENTITIES = (None, IDENTITY, PrivateIdentity(PrivateUserIdType.PSEUDONYM, "2a", "2026-12-01"))


def sent(app_id: str) -> Iterator[tuple[str, str]]:
    """Yield path and value of all that a service says in these circumstances, if not void."""
    service, circumstances = SERVICES[app_id], CIRCUMSTANCES[app_id]
    identities = IDENTITIES if app_id == "ap2013" else IDENTITIES[:1]
    for version, given, flow in product((V2, V12), circumstances, (FLOW, None)):
        questions = service.questions(version, given)
        for results, identity in product(product(OF_SERVICES, repeat=len(questions)), identities):
            decisions = ruled(app_id, given, *results, version=version)
            asked = replace(enquiry(version, flow), identity=identity)
            application = service.answer(given, decisions, asked)
            yield from (leaf for leaf in leaves(application.items) if leaf[1])


@pytest.mark.parametrize(
    "app_id",
    [
        pytest.param("ap2003", marks=pytest.mark.conforms("ap2003.*")),
        pytest.param("ap2004", marks=pytest.mark.conforms("ap2004.*")),
        pytest.param("ap2005", marks=pytest.mark.conforms("ap2005.*")),
        pytest.param("ap2010", marks=pytest.mark.conforms("ap2010.*")),
        pytest.param("ap2012", marks=pytest.mark.conforms("ap2012.*")),
        pytest.param("ap2013", marks=pytest.mark.conforms("ap2013.*")),
        pytest.param("ap2016", marks=pytest.mark.conforms("ap2016.*")),
    ],
)
def test_what_is_required_is_sent_and_nothing_else(app_id: str) -> None:
    every = requirements.written() | requirements.derived()
    known = [each for each in every if each.startswith(f"{app_id}.")]
    rules = requirements.rules()
    required = {
        each for each in known if requirements.standing(each, rules).state is State.REQUIRED
    }
    found = {
        each
        for path, value in set(sent(app_id))
        for each in (f"{app_id}.{path}", f"{app_id}.{path}={value}")
    }
    assert found & set(known) == required
