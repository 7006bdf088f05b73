"""SMS over IP: a status and nothing else."""

from __future__ import annotations

import pytest

from simgrant.domain.facts import Area, Question
from simgrant.domain.policy import Result
from simgrant.services import SERVICES
from simgrant.wire.document import Parm
from tests.unit.domain.samples import facts
from tests.unit.services.samples import V12, enquiry, ruled

SMSOIP = SERVICES["ap2005"]


@pytest.mark.spec("TS.43 §5.1.1")
@pytest.mark.conforms("smsoip.status-alone")
@pytest.mark.parametrize(
    ("result", "number"), [(Result.ALLOWED, "1"), (Result.DENIED, "2"), (Result.PENDING, "3")]
)
def test_the_status_is_the_decision(result: Result, number: str) -> None:
    application = SMSOIP.answer(facts(), ruled("ap2005", facts(), result), enquiry())
    assert (application.app_id, application.items) == (
        "ap2005",
        (Parm("EntitlementStatus", number),),
    )


@pytest.mark.parametrize("area", list(Area))
def test_the_question_is_about_where_the_device_is(area: Area) -> None:
    assert SMSOIP.questions(V12, facts(area=area)) == (Question("smsoip", area),)
