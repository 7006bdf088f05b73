"""What a page of a service is made of: a case, screens, and what becomes of a form."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import field
from hashlib import sha256
from typing import Final, TypeAlias

from simgrant.domain.address import AddressField, CivicAddress
from simgrant.domain.facts import Facts
from simgrant.domain.order import CompanionService, Event, Order
from simgrant.domain.plan_offer import PlanOffer
from simgrant.domain.plans import BoostOffer, Plan
from simgrant.domain.policy import Decision
from simgrant.domain.subscription import Profile
from simgrant.domain.visit import OrderChange, Settlement, Step
from simgrant.flows.esim_means import Line
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
    ESIM = "esim"


@noun
class Matter:
    """What a page about an eSIM is about, as things stand."""

    about: tuple[str, ...]
    """What the handle says: see `flows.esim_pages`."""
    line: Line | None
    """What the tenant offers."""
    order: Order | None = None
    """The order that is meant; None where there is none any more, or none was meant."""
    address: str = ""
    """Where its profile is downloaded."""
    movable: tuple[Order, ...] = ()
    """Those whose lines may move to its device."""


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
    matter: Matter | None = None
    """Of pages about eSIMs."""


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
class Movable:
    """A line that may move to the device that gets the eSIM."""

    name: str
    """What a form calls it."""
    device: str = ""
    """What has it now, in words of that device: text of a stranger's; empty = the SIM in use."""
    end: str = ""
    """Of its ICCID."""


@noun
class Choices:
    """What there is to choose before an eSIM is ordered; empty = nothing of that kind."""

    plans: Sequence[PlanOffer] = ()
    services: Sequence[CompanionService] = ()
    """Whose number a companion may have."""
    lines: Sequence[Movable] = ()
    """Of which one moves."""
    named: bool = False
    """Whether the device gets a name."""
    instead: bool = False
    """Whether it is about the plan of an eSIM that there is, and nothing is ordered."""

    @property
    def any(self) -> bool:
        """Whether there is something to choose, or to name."""
        return bool(self.plans or self.services or self.lines or self.named)


@noun
class Chosen:
    """What was chosen, or is before anybody did."""

    plan: str = ""
    service: CompanionService | None = None
    line: str = ""
    name: str = ""
    """Text of a stranger's."""


@noun
class Choose:
    """An eSIM to be ordered, and what to choose for it."""

    choices: Choices
    chosen: Chosen
    unnamable: bool = False
    """Whether the name that was written cannot be one."""


@noun
class Confirm:
    """What is about to be ordered."""

    choices: Choices
    chosen: Chosen


@noun
class Ready:
    """An eSIM is ready, and the phone is to be told where it is: by a code, else by the SM-DP+."""

    code: str = field(default="", repr=False)
    """The activation code, plain."""
    address: str = ""
    iccid: str = field(default="", repr=False)


@noun
class Selected:
    """The line that moves was selected, and the phone is to be told which."""

    iccid: str = field(repr=False)
    imei: str = field(repr=False)


@noun
class DeleteFirst:
    """A profile in use has to be deleted before, and the phone is to be told which."""

    iccid: str = field(repr=False)
    msisdn: str = field(repr=False)


@noun
class Later:
    """Nothing is left to do here: the phone asks by itself, or is told."""

    installed: bool = False
    """Whether that is so because the eSIM is in use already."""
    plan: str = ""
    """The name of the plan that it has now, where it was about that."""


@noun
class NotOffered:
    """It cannot be had, with what the phone is told about that."""

    texts: Texts
    name: str = "not_offered"
    """The text in place of none."""


@noun
class Closed:
    """The subscriber does not want to, at present."""


def fingerprint(screen: Agree | Offers | Choose | Confirm) -> str:
    """Return what names a text that is agreed to, or the offers that are chosen from.

    A form counts for what was shown with it: where that is another by now, it is shown anew.
    """
    match screen:
        case Agree(text):
            told = text
        case Offers():
            told = repr(screen.offers)
        case _:
            told = repr(screen.choices)
    return sha256(told.encode()).hexdigest()[:16]


Screen: TypeAlias = (
    Agree
    | AddressForm
    | Suggestions
    | Offers
    | Choose
    | Confirm
    | Ready
    | Selected
    | DeleteFirst
    | Later
    | Done
    | NotOffered
    | Closed
)


# --- a page ------------------------------------------------------------------------------------


@noun
class Means:
    """What a form may have to be checked with."""

    validator: AddressValidator
    countries: Sequence[tuple[str, str]]
    """Of the tenant, as in `AddressForm`."""
    deadline: float
    """Seconds of the monotonic clock by which the answer must be made."""
    change: Callable[[Order, Event], OrderChange]
    """Return what an event makes of an order, to be written with the step."""


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
    leave: Callable[[Case, Step, Means], Turn] = lambda _case, _step, _means: Closed()
    """Return what becomes of a page that somebody wants no more of."""
