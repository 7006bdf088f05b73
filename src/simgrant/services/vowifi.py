"""VoWiFi entitlement, ap2004 (TS.43 §3).

A device knows five modes (TS.43 Table 20), and four numbers choose among them. Most combinations
of the four choose none, and phones do as they like with those; so the mode is a type of its own,
with room for the values its row allows and no others, and the numbers are derived from it.
"""

from __future__ import annotations

from typing import Literal, TypeAlias, assert_never

from simgrant.domain.facts import Facts, Question
from simgrant.domain.policy import Decision, Result
from simgrant.domain.subscription import ConsentStatus
from simgrant.nouns import noun
from simgrant.services.service import Enquiry, from_table, number_parms
from simgrant.spec.ids import AddrStatus, EntitlementStatus, ProvStatus, TcStatus
from simgrant.spec.version import SpecVersion
from simgrant.wire.document import Application, Parm

Settled: TypeAlias = Literal[ConsentStatus.GIVEN, ConsentStatus.NOT_REQUIRED]
"""A consent that holds nothing up."""
Present: TypeAlias = Literal[
    ConsentStatus.GIVEN, ConsentStatus.NOT_REQUIRED, ConsentStatus.IN_PROGRESS
]
"""A consent that the subscriber has not to be asked for."""


@noun
class Incompatible:
    """Cannot be offered (TS.43 §3.3.1); the other numbers are told as they are."""

    terms: ConsentStatus
    address: ConsentStatus
    provisioning: ProvStatus


@noun
class TermsMissing:
    """Service data missing (TS.43 §3.3.3): the terms, and perhaps the address too."""

    address: ConsentStatus
    provisioning: ProvStatus


@noun
class AddressMissing:
    """Service data missing (TS.43 §3.3.3): the address alone."""

    terms: Present
    provisioning: ProvStatus


@noun
class TermsUpdating:
    """Service data being updated (TS.43 §3.3.4): the terms, and perhaps the address too."""

    address: Present
    provisioning: ProvStatus


@noun
class AddressUpdating:
    """Service data being updated (TS.43 §3.3.4): the address alone."""

    terms: Settled
    provisioning: ProvStatus


@noun
class Provisioning:
    """Service being provisioned (TS.43 §3.3.5): the subscriber is done, the network is not."""

    terms: Settled
    address: Settled
    provisioning: Literal[ProvStatus.NOT_PROVISIONED, ProvStatus.IN_PROGRESS]


@noun
class Activatable:
    """Can be activated (TS.43 §3.3.2)."""

    terms: Settled
    address: Settled
    provisioning: Literal[ProvStatus.PROVISIONED, ProvStatus.NOT_REQUIRED]


DataMissing: TypeAlias = TermsMissing | AddressMissing
Updating: TypeAlias = TermsUpdating | AddressUpdating
Mode: TypeAlias = Incompatible | DataMissing | Updating | Provisioning | Activatable


def mode_of(facts: Facts, decision: Decision) -> Mode:
    """Return the mode these facts put the device in, by the rows of TS.43 Table 20 in order.

    What the subscriber owes comes before what the network does: while a decision is pending, the
    device can already ask for it. Where one consent is missing and the other in progress, two rows
    fit, and the first one is taken.
    """
    terms, address = facts.terms.value, facts.address.value
    provisioning = facts.provisioning.value
    if decision.result is Result.DENIED:
        return Incompatible(terms, address, provisioning)
    if terms is ConsentStatus.MISSING:
        return TermsMissing(address, provisioning)
    if address is ConsentStatus.MISSING:
        return AddressMissing(terms, provisioning)
    if terms is ConsentStatus.IN_PROGRESS:
        return TermsUpdating(address, provisioning)
    if address is ConsentStatus.IN_PROGRESS:
        return AddressUpdating(terms, provisioning)
    if provisioning is ProvStatus.NOT_PROVISIONED or provisioning is ProvStatus.IN_PROGRESS:
        return Provisioning(terms, address, provisioning)
    if decision.result is Result.PENDING:
        # A rule says that the network is not ready: so says ProvStatus then, whatever the store.
        return Provisioning(terms, address, ProvStatus.IN_PROGRESS)
    return Activatable(terms, address, provisioning)


def questions(_version: SpecVersion, facts: Facts) -> tuple[Question, ...]:
    """Ask for the area the device is in: Wi-Fi has no home or roaming of its own."""
    return (Question("vowifi", facts.area.value),)


def answer(facts: Facts, decisions: tuple[Decision, ...], enquiry: Enquiry) -> Application:
    """Return all seven parameters, void where there is nothing to say (TS.43 §3.1).

    A device that is told of missing data opens the page at once. Without a page it would open
    nothing and report an error of its own, so then the service cannot be offered.
    """
    (decision,) = decisions
    mode = mode_of(facts, decision)
    texts = decision.texts
    if isinstance(mode, TermsMissing | AddressMissing) and enquiry.flow is None:
        mode = Incompatible(facts.terms.value, facts.address.value, facts.provisioning.value)
        texts = SERVICE.texts["no_page"]
    message = enquiry.text(texts) if isinstance(mode, Incompatible) else ""
    flow = enquiry.flow if _has_page(mode) else None
    status, terms, address, provisioning = _numbers(mode)
    return Application(
        "ap2004",
        (
            _STATUS[status],
            Parm("ServiceFlow_URL", flow.url) if flow else _NO_URL,
            Parm("ServiceFlow_UserData", flow.user_data) if flow else _NO_USER_DATA,
            Parm("MessageForIncompatible", message) if message else _NO_MESSAGE,
            _ADDRESS[address],
            _TERMS[terms],
            _PROVISIONING[provisioning],
        ),
    )


def _has_page(mode: Mode) -> bool:
    """Say whether the subscriber has something to give, or to change of what was given.

    Phones open the same page again when the subscriber wants to update the address (AOSP
    ImsServiceEntitlement); where nothing was ever asked there is nothing to change.
    """
    match mode:
        case TermsMissing() | AddressMissing():
            return True
        case Activatable(terms, address):
            return terms is ConsentStatus.GIVEN or address is ConsentStatus.GIVEN
        case _:
            return False


def _numbers(mode: Mode) -> tuple[EntitlementStatus, ConsentStatus, ConsentStatus, ProvStatus]:
    """Return a row of TS.43 Table 20: the status, then terms, address and provisioning.

    The row "being provisioned" can be said in two ways; PROVISIONING is the one that nobody can
    take for missing data.
    """
    match mode:
        case Incompatible(terms, address, provisioning):
            return EntitlementStatus.INCOMPATIBLE, terms, address, provisioning
        case TermsMissing(address, provisioning):
            return EntitlementStatus.DISABLED, ConsentStatus.MISSING, address, provisioning
        case AddressMissing(terms, provisioning):
            return EntitlementStatus.DISABLED, terms, ConsentStatus.MISSING, provisioning
        case TermsUpdating(address, provisioning):
            return EntitlementStatus.DISABLED, ConsentStatus.IN_PROGRESS, address, provisioning
        case AddressUpdating(terms, provisioning):
            return EntitlementStatus.DISABLED, terms, ConsentStatus.IN_PROGRESS, provisioning
        case Provisioning(terms, address, provisioning):
            return EntitlementStatus.PROVISIONING, terms, address, provisioning
        case Activatable(terms, address, provisioning):
            return EntitlementStatus.ENABLED, terms, address, provisioning
        case _:
            assert_never(mode)


_ADDRESS = {
    ConsentStatus.MISSING: Parm("AddrStatus", str(int(AddrStatus.NOT_AVAILABLE))),
    ConsentStatus.GIVEN: Parm("AddrStatus", str(int(AddrStatus.AVAILABLE))),
    ConsentStatus.NOT_REQUIRED: Parm("AddrStatus", str(int(AddrStatus.NOT_REQUIRED))),
    ConsentStatus.IN_PROGRESS: Parm("AddrStatus", str(int(AddrStatus.IN_PROGRESS))),
}
_TERMS = {
    ConsentStatus.MISSING: Parm("TC_Status", str(int(TcStatus.NOT_AVAILABLE))),
    ConsentStatus.GIVEN: Parm("TC_Status", str(int(TcStatus.AVAILABLE))),
    ConsentStatus.NOT_REQUIRED: Parm("TC_Status", str(int(TcStatus.NOT_REQUIRED))),
    ConsentStatus.IN_PROGRESS: Parm("TC_Status", str(int(TcStatus.IN_PROGRESS))),
}
_STATUS = number_parms("EntitlementStatus", EntitlementStatus)
_PROVISIONING = number_parms("ProvStatus", ProvStatus)
_NO_URL = Parm("ServiceFlow_URL", "")
_NO_USER_DATA = Parm("ServiceFlow_UserData", "")
_NO_MESSAGE = Parm("MessageForIncompatible", "")

SERVICE = from_table(__name__).service(questions=questions, answer=answer)
