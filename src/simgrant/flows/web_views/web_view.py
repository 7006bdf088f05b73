"""What a page of a service is made of: a case, screens, and what becomes of a form."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import field
from hashlib import sha256
from typing import Final, TypeAlias

from simgrant.domain.address import AddressField, CivicAddress
from simgrant.domain.facts import Facts
from simgrant.domain.plans import BoostOffer, Plan
from simgrant.domain.policy import Decision
from simgrant.domain.subscription import Profile
from simgrant.domain.visit import Settlement, Step
from simgrant.nouns import Word, noun
from simgrant.ports.address_validator import AddressProblem, AddressValidator
from simgrant.wire.request import StoreClaim

DO: Final = "do"
"""The field of a form that says which button was pressed."""

Texts: TypeAlias = Mapping[str, str]
"""A text by language."""
Form: TypeAlias = Mapping[str, str]


class Subject(Word):
    """What a page is about; names its texts and its call-backs."""

    VOWIFI = "vowifi"
    BOOST = "boost"
    BILLING = "billing"
    SATELLITE = "satellite"


@noun
class Case:
    """One subscription and one application, as things stand."""

    profile: Profile
    """With what it holds."""
    facts: Facts
    decision: Decision
    plan: Plan
    boost_type: int | None
    store: StoreClaim
    terms: str
    """The text to agree to, in the language of who reads it."""
    now: int
    """Unix seconds."""


# --- what is shown -----------------------------------------------------------------------------


@noun
class Agree:
    """A text to agree to."""

    text: str
    title: Texts = field(default_factory=dict)
    """Empty = the front's own for the subject."""
    activates: bool = False
    """Whether this switches something on, rather than agrees to something."""


@noun
class AddressForm:
    """An address to give, or to put right."""

    address: CivicAddress | None
    """What is in the form already."""
    countries: Sequence[tuple[str, str]]
    """Codes, and names in the country's own language."""
    problems: Mapping[AddressField, AddressProblem] = field(default_factory=dict)
    replaces: bool = False
    """Whether there is one on file."""


@noun
class Suggestions:
    """Addresses of which one probably was meant."""

    given: CivicAddress
    addresses: Sequence[CivicAddress]


@noun
class Offers:
    """Ways to buy a boost."""

    title: Texts
    text: Texts
    offers: Sequence[BoostOffer]


@noun
class Done:
    """All is settled, and the phone is to be told."""

    address_pending: bool = False
    lasts_s: int | None = None
    """Seconds that what was bought still lasts; None = it does not end, or nothing was bought."""


@noun
class NotOffered:
    """It cannot be had, with what the phone is told about that."""

    texts: Texts


@noun
class Closed:
    """The subscriber does not want to, at present."""


def fingerprint(screen: Agree | Offers) -> str:
    """Return what names a text that is agreed to, or the offers that are chosen from.

    A form counts for what was shown with it: where that is another by now, it is shown anew.
    """
    told = screen.text if isinstance(screen, Agree) else repr(screen.offers)
    return sha256(told.encode()).hexdigest()[:16]


Screen: TypeAlias = Agree | AddressForm | Suggestions | Offers | Done | NotOffered | Closed


# --- a page ------------------------------------------------------------------------------------


@noun
class Means:
    """What a form may have to be checked with."""

    validator: AddressValidator
    countries: Sequence[tuple[str, str]]
    """Of the tenant, as in `AddressForm`."""
    deadline: float
    """Seconds of the monotonic clock by which the answer must be made."""


Turn: TypeAlias = Screen | Settlement
"""What becomes of a form: something else to look at, or something to write."""


@noun
class WebView:
    """The page of one service."""

    app_id: str
    subject: Subject
    at: Callable[[Case], Step | NotOffered]
    """Return the step that the subscription is at, as things stand."""
    screen: Callable[[Case, Step, Means], Screen]
    """Return what is shown at a step."""
    act: Callable[[Case, Step, Form, Means], Awaitable[Turn]]
    """Return what becomes of a form of a step; the settlement's step is filled in by the caller."""
