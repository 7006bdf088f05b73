"""The page of carrier billing: the terms of one store for one of its users (TS.43 §11.1)."""

from __future__ import annotations

from simgrant.domain.holdings import MOST_STORE_USERS, HeldBilling
from simgrant.domain.plans import LIMIT
from simgrant.domain.subscription import ConsentStatus
from simgrant.domain.visit import Settlement, Step
from simgrant.errors import BadRequest
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
from simgrant.nouns import replace
from simgrant.services import ServiceFlow, carrier_billing
from simgrant.spec.ids import ProvStatus, TcOperation

_HERE = ServiceFlow("", "")
_WAYS = (TcOperation.WEBSHEET,)


def at(case: Case) -> Step | NotOffered:
    """Return whether the terms are missing, or whether something has to be switched on."""
    match carrier_billing.mode_of(case.facts, case.decision, _WAYS, _HERE):
        case carrier_billing.CannotPurchase():
            return NotOffered(case.decision.texts)
        case carrier_billing.TermsMissing():
            return Step.TERMS
        case carrier_billing.ToBeEnabled():
            return Step.ACTIVATION
        case _:
            return Step.DONE


def screen(case: Case, step: Step, means: Means) -> Screen:
    """Return what is shown at a step."""
    del means
    if step is Step.DONE:
        return Done()
    billing = case.plan.billing
    title = {} if billing is None else billing.terms.title
    text = case.terms.replace(LIMIT, case.facts.store.value.limit)
    return Agree(text, title, activates=step is Step.ACTIVATION)


async def act(case: Case, step: Step, form: Form, means: Means) -> Turn:
    """Return that the terms were agreed to, or that the operator's systems are to switch it on."""
    del form, means
    held, store = case.profile.held, case.store
    known = held.at_store(store.vendor, store.user_id)
    if known is None and len(held.billing) >= MOST_STORE_USERS:
        raise BadRequest("too_many_store_users")
    before = known or HeldBilling(store.vendor, store.user_id, ConsentStatus.MISSING)
    if step is Step.TERMS:
        settled = replace(before, terms=ConsentStatus.GIVEN, at=case.now)
        owes = before.provisioning is ProvStatus.NOT_PROVISIONED
        to = Step.ACTIVATION if owes else Step.DONE
    else:
        settled = replace(before, provisioning=ProvStatus.IN_PROGRESS, at=case.now)
        to = Step.DONE
    return Settlement(
        step,
        to,
        case.now,
        holding=settled,
        replaces_at=None if known is None else known.at,
    )


WEB_VIEW = WebView("ap2012", Subject.BILLING, at, screen, act)
