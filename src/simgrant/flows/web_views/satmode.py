"""The page of satellite access, on which the subscriber switches it on (TS.43 §15.4)."""

from __future__ import annotations

from simgrant.domain.holdings import HeldSatellite
from simgrant.domain.subscription import ConsentStatus
from simgrant.domain.visit import Settlement, Step
from simgrant.flows.web_views.web_view import (
    Agree,
    Case,
    Done,
    Form,
    Means,
    NotOffered,
    Screen,
    Subject,
    Turn,
    WebView,
)
from simgrant.services import satmode
from simgrant.spec.ids import EntitlementStatus


def at(case: Case) -> Step | NotOffered:
    """Return whether it has to be switched on."""
    if case.plan.satellite is None:
        return NotOffered({})
    match satmode.status_of(case.facts, case.decision):
        case EntitlementStatus.INCOMPATIBLE:
            return NotOffered(case.decision.texts)
        case EntitlementStatus.DISABLED:
            return Step.ACTIVATION
        case _:
            return Step.DONE


def screen(case: Case, step: Step, means: Means) -> Screen:
    """Return what is shown at a step."""
    del means
    return Done() if step is Step.DONE else Agree(case.terms, activates=True)


async def act(case: Case, step: Step, form: Form, means: Means) -> Turn:
    """Return that it was switched on."""
    del form, means
    before = case.profile.held.satellite
    return Settlement(
        step,
        Step.DONE,
        case.now,
        holding=HeldSatellite(ConsentStatus.GIVEN, case.now),
        replaces_at=None if before is None else before.at,
    )


WEB_VIEW = WebView("ap2016", Subject.SATELLITE, at, screen, act)
