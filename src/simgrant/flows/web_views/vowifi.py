"""The page of Wi-Fi calling: terms, then the address for emergency calls (TS.43 §3.4).

Phones open it again for who wants to change the address (AOSP ImsServiceEntitlement).
"""

from __future__ import annotations

from collections.abc import Mapping

from simgrant.domain.address import MOST_LETTERS, AddressField, CivicAddress
from simgrant.domain.holdings import HeldAddress
from simgrant.domain.subscription import Consent, ConsentKind, ConsentStatus
from simgrant.domain.visit import Settlement, Step
from simgrant.flows.web_views.web_view import (
    DO,
    AddressForm,
    Agree,
    Case,
    Done,
    Form,
    Means,
    NotOffered,
    Screen,
    Subject,
    Suggestions,
    Turn,
    WebView,
    fingerprint,
)
from simgrant.ports.address_validator import AddressProblem, AddressState, Checked
from simgrant.services import vowifi

_MOST_SUGGESTIONS = 5
_MOST_IDENTIFIER = 128
EDIT = "edit"
"""The button that leads back from suggestions to what was written."""


def at(case: Case) -> Step | NotOffered:
    """Return what is missing; the address, to be changed, where nothing is."""
    match vowifi.mode_of(case.facts, case.decision):
        case vowifi.Incompatible():
            return NotOffered(case.decision.texts)
        case vowifi.TermsMissing():
            return Step.TERMS
        case vowifi.AddressMissing():
            return Step.ADDRESS
        case vowifi.Activatable(_, ConsentStatus.GIVEN):
            return Step.ADDRESS
        case _:
            return Step.DONE


def screen(case: Case, step: Step, means: Means) -> Screen:
    """Return what is shown at a step."""
    held = case.profile.held.address
    match step:
        case Step.TERMS:
            return Agree(case.terms)
        case Step.ADDRESS:
            return AddressForm(
                held.address if held else None, means.countries, replaces=held is not None
            )
        case _:
            return Done(case.facts.address.value is ConsentStatus.IN_PROGRESS)


async def act(case: Case, step: Step, form: Form, means: Means) -> Turn:
    """Return what becomes of the terms' or the address's form."""
    if step is Step.TERMS:
        version = fingerprint(Agree(case.terms))
        agreed = Consent(ConsentKind.TERMS, ConsentStatus.GIVEN, version, case.now)
        owes_address = case.facts.address.value is ConsentStatus.MISSING
        to = Step.ADDRESS if owes_address else Step.DONE
        pending = case.facts.address.value is ConsentStatus.IN_PROGRESS
        switches = not (owes_address or pending)
        return Settlement(step, to, case.now, consents=(agreed,), switches=switches)
    address, problems = pull_address(form)
    if address.country and address.country not in dict(means.countries):
        problems |= {AddressField.COUNTRY: AddressProblem.UNKNOWN}
    if problems or form.get(DO) == EDIT:
        return _again(case, means, address, problems)
    checked = await means.validator.check(address, deadline=means.deadline)
    match checked.state:
        case AddressState.INVALID:
            return _again(case, means, checked.address, checked.problems)
        case AddressState.SUGGESTED:
            return Suggestions(address, tuple(checked.suggestions)[:_MOST_SUGGESTIONS])
    return _settled(case, step, checked)


def pull_address(form: Form) -> tuple[CivicAddress, dict[AddressField, AddressProblem]]:
    """Return the address in a form, spaces folded, and what no address of any country may have."""
    parts = {part.value: " ".join(form.get(part, "").split()) for part in AddressField}
    problems = {
        AddressField(name): AddressProblem.MALFORMED
        for name, text in parts.items()
        if len(text) > MOST_LETTERS or not text.isprintable()
    }
    return CivicAddress(**parts), problems


def _again(
    case: Case,
    means: Means,
    address: CivicAddress,
    problems: Mapping[AddressField, AddressProblem],
) -> AddressForm:
    replaces = case.profile.held.address is not None
    return AddressForm(address, means.countries, problems, replaces=replaces)


def _settled(case: Case, step: Step, checked: Checked) -> Settlement:
    pending = checked.state is AddressState.PENDING
    identifier = checked.identifier[:_MOST_IDENTIFIER]
    consent = Consent(
        ConsentKind.ADDRESS,
        ConsentStatus.IN_PROGRESS if pending else ConsentStatus.GIVEN,
        identifier,
        case.now,
        checked.expires_at,
    )
    before = case.profile.held.address
    return Settlement(
        step,
        Step.DONE,
        case.now,
        consents=(consent,),
        switches=not pending and case.facts.terms.value is not ConsentStatus.IN_PROGRESS,
        holding=HeldAddress(checked.address, identifier, case.now),
        replaces_at=None if before is None else before.at,
    )


WEB_VIEW = WebView("ap2004", Subject.VOWIFI, at, screen, act)
