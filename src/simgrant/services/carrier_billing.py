"""Direct carrier billing, ap2012: purchases at an app store on the phone bill (TS.43 §11).

A device knows four modes (TS.43 §11.3), told by two numbers. As with VoWiFi, a mode is a type of
its own with room for the values its rows allow: purchases without the terms cannot be said
(divergence "billing-terms-before-purchases").
"""

from __future__ import annotations

from typing import Literal, TypeAlias, assert_never

from simgrant.domain.facts import Facts, Purchases, Question
from simgrant.domain.plans import LIMIT, BillingTerms
from simgrant.domain.policy import Decision, Result
from simgrant.domain.subscription import ConsentStatus
from simgrant.nouns import noun
from simgrant.services.service import Enquiry, ServiceFlow, from_table, number_parms, page_parms
from simgrant.spec.ids import EntitlementStatus, ProvStatus, TcOperation, TcStatus
from simgrant.spec.version import SpecVersion
from simgrant.wire.document import Application, Characteristic, Item, Parm

Settled: TypeAlias = Literal[ConsentStatus.GIVEN, ConsentStatus.NOT_REQUIRED]
"""Terms that hold nothing up."""


@noun
class CannotPurchase:
    """TS.43 §11.3.1; the terms are told as they are."""

    terms: ConsentStatus


@noun
class TermsMissing:
    """TS.43 §11.3.3: the subscriber has to be asked, in one way or both."""

    ways: tuple[TcOperation, ...]


@noun
class ToBeEnabled:
    """TS.43 §11.3.2, the part where the subscriber still has something to do on the page."""

    terms: Settled
    flow: ServiceFlow


@noun
class BeingProvisioned:
    """TS.43 §11.3.2, the part where the subscriber waits."""

    terms: Settled | Literal[ConsentStatus.IN_PROGRESS]


@noun
class CanPurchase:
    """TS.43 §11.3.4."""

    terms: Settled


Mode: TypeAlias = CannotPurchase | TermsMissing | ToBeEnabled | BeingProvisioned | CanPurchase


_IMPOSSIBLE = frozenset({Purchases.NOT_OFFERED, Purchases.LIMIT_REACHED})


def questions(_version: SpecVersion, facts: Facts) -> tuple[Question, ...]:
    """Ask for the area the device was last seen in; which store it is, rules see themselves."""
    return (Question("carrier_billing", facts.area.value),)


def mode_of(
    facts: Facts, decision: Decision, ways: tuple[TcOperation, ...], flow: ServiceFlow | None
) -> Mode:
    """Return the mode; ``ways`` are those in which the subscriber can be asked here and now.

    Stores and limits of the plan hold even where no rule speaks of them.
    """
    terms = facts.store.value.terms
    provisioning = facts.store.value.provisioning
    if decision.result is Result.DENIED or facts.store.value.purchases in _IMPOSSIBLE:
        return CannotPurchase(terms)
    if terms is ConsentStatus.MISSING:
        return TermsMissing(ways) if ways else CannotPurchase(terms)
    if (
        terms is ConsentStatus.IN_PROGRESS
        or decision.result is Result.PENDING
        or provisioning is ProvStatus.IN_PROGRESS
    ):
        return BeingProvisioned(terms)
    if provisioning is ProvStatus.NOT_PROVISIONED:
        return BeingProvisioned(terms) if flow is None else ToBeEnabled(terms, flow)
    return CanPurchase(terms)


def answer(facts: Facts, decisions: tuple[Decision, ...], enquiry: Enquiry) -> Application:
    """Return status and terms, and what the device needs to ask for what is missing.

    Where the subscriber owes the terms and there is no way to ask for them, nothing can be
    purchased (divergence "billing-nobody-to-ask"). Both the terms and the text are always there,
    the text perhaps void (divergence "billing-both-texts-always").
    """
    (decision,) = decisions
    billing = facts.offer.value.billing
    terms = None if billing is None else billing.terms
    ways = _ways(terms, enquiry.flow)
    mode = mode_of(facts, decision, ways, enquiry.flow)
    texts = decision.texts
    if isinstance(mode, CannotPurchase) and decision.result is not Result.DENIED:
        texts = SERVICE.texts["unavailable"]
    message = enquiry.text(texts) if isinstance(mode, CannotPurchase) else ""
    return Application(
        "ap2012",
        (*_items(mode, facts, terms, enquiry), Parm("MessageForIncompatible", message)),
    )


def _ways(terms: BillingTerms | None, flow: ServiceFlow | None) -> tuple[TcOperation, ...]:
    """Return the ways that the policy wants and that are open, the preferred one first."""
    if terms is None:
        return ()
    return tuple(way for way in terms.ways if way is TcOperation.MSG or flow is not None)


def _items(
    mode: Mode, facts: Facts, terms: BillingTerms | None, enquiry: Enquiry
) -> tuple[Item, ...]:
    match mode:
        case CannotPurchase(given):
            return _STATUS[EntitlementStatus.INCOMPATIBLE], _TERMS[given]
        case TermsMissing(ways):
            items: list[Item] = [
                _STATUS[EntitlementStatus.DISABLED],
                _TERMS[ConsentStatus.MISSING],
                _OPERATION[ways[0]],
            ]
            if TcOperation.WEBSHEET in ways:
                items += page_parms(enquiry.flow)
            if TcOperation.MSG in ways and terms is not None:
                items.append(_dialogue(terms, facts.store.value.limit, enquiry))
            return tuple(items)
        case ToBeEnabled(given, flow):
            return _STATUS[EntitlementStatus.DISABLED], _TERMS[given], *page_parms(flow)
        case BeingProvisioned(given):
            return _STATUS[EntitlementStatus.PROVISIONING], _TERMS[given]
        case CanPurchase(given):
            return _STATUS[EntitlementStatus.ENABLED], _TERMS[given]
        case _:
            assert_never(mode)


def _dialogue(terms: BillingTerms, limit: str, enquiry: Enquiry) -> Characteristic:
    """Return the dialogue that the device shows by itself (TS.43 §11.1.3)."""
    message = enquiry.text(terms.message).replace(LIMIT, limit)
    return Characteristic(
        "MSG",
        (
            Parm("Title", enquiry.text(terms.title)),
            Parm("Message", message),
            *_BUTTONS,
        ),
    )


_BUTTONS = Parm("Accept_btn", "1"), Parm("Reject_btn", "1")
"""Both are there: without them the subscriber could not answer."""
_STATUS = number_parms("EntitlementStatus", EntitlementStatus)
_OPERATION = number_parms("TC_Operation", TcOperation)
_TERMS = {
    ConsentStatus.MISSING: Parm("TC_Status", str(int(TcStatus.NOT_AVAILABLE))),
    ConsentStatus.GIVEN: Parm("TC_Status", str(int(TcStatus.AVAILABLE))),
    ConsentStatus.NOT_REQUIRED: Parm("TC_Status", str(int(TcStatus.NOT_REQUIRED))),
    ConsentStatus.IN_PROGRESS: Parm("TC_Status", str(int(TcStatus.IN_PROGRESS))),
}

SERVICE = from_table(__name__).service(questions=questions, answer=answer)
