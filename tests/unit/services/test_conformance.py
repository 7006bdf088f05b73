"""Every parameter and value that a service's table has is one that the service sends."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import pytest

from simgrant.domain.facts import Facts
from simgrant.domain.policy import Result
from simgrant.domain.subscription import ConsentStatus
from simgrant.services import SERVICES
from simgrant.spec.ids import ProvStatus
from tests.unit.domain.samples import ALL_VOICE, facts
from tests.unit.services.samples import FLOW, V2, V12, enquiry, leaves, ruled
from tools.conformance import requirements
from tools.conformance.requirements import State

CIRCUMSTANCES: list[Facts] = [
    *(facts(terms=each) for each in ConsentStatus),
    *(facts(address=each) for each in ConsentStatus),
    *(facts(provisioning=each) for each in ProvStatus),
    facts(features=ALL_VOICE | {"eps_fallback"}),
]


def sent(app_id: str) -> Iterator[tuple[str, str]]:
    """Yield path and value of all that a service says in these circumstances, if not void."""
    service = SERVICES[app_id]
    for version, given, flow in product((V2, V12), CIRCUMSTANCES, (FLOW, None)):
        questions = service.questions(version, given)
        for results in product(Result, repeat=len(questions)):
            decisions = ruled(app_id, given, *results, version=version)
            application = service.answer(given, decisions, enquiry(version, flow))
            yield from (leaf for leaf in leaves(application.items) if leaf[1])


@pytest.mark.parametrize(
    "app_id",
    [
        pytest.param("ap2003", marks=pytest.mark.conforms("ap2003.*")),
        pytest.param("ap2004", marks=pytest.mark.conforms("ap2004.*")),
        pytest.param("ap2005", marks=pytest.mark.conforms("ap2005.*")),
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
