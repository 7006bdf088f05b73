"""SMS over IP entitlement, ap2005 (TS.43 §5)."""

from __future__ import annotations

from simgrant.domain.facts import Facts, Question
from simgrant.domain.policy import Decision
from simgrant.services.service import Enquiry, from_table, status_parm
from simgrant.spec.version import SpecVersion
from simgrant.wire.document import Application


def questions(_version: SpecVersion, facts: Facts) -> tuple[Question, ...]:
    """Ask for the area the device is in: this answer cannot tell home from roaming."""
    return (Question("smsoip", facts.area.value),)


def answer(_facts: Facts, decisions: tuple[Decision, ...], _enquiry: Enquiry) -> Application:
    """Say the status and nothing else; there is no field for a text (TS.43 §5.1.1)."""
    (decision,) = decisions
    return Application("ap2005", (status_parm(decision),))


SERVICE = from_table(__name__).service(questions=questions, answer=answer)
