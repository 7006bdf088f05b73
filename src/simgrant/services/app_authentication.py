"""App authentication, ap2015, for a request that only authenticates (TS.43 §14.1.5).

What it tells is told by operations (``flows/operations``); a request without one wants a token.
"""

from __future__ import annotations

from simgrant.domain.facts import Facts, Question
from simgrant.domain.policy import Decision
from simgrant.services.service import Enquiry, from_table
from simgrant.spec.ids import OperationResult
from simgrant.spec.version import SpecVersion
from simgrant.wire.document import Application, Parm

_SUCCESS = Parm("OperationResult", str(int(OperationResult.SUCCESS)))


def questions(_version: SpecVersion, _facts: Facts) -> tuple[Question, ...]:
    """Ask nothing: nothing is told."""
    return ()


def answer(_facts: Facts, _decisions: tuple[Decision, ...], _enquiry: Enquiry) -> Application:
    """Say that it is done; the token is beside it."""
    return Application("ap2015", (_SUCCESS,))


SERVICE = from_table(__name__).service(questions=questions, answer=answer)
