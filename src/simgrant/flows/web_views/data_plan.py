"""The page of a data boost: what it costs and how long it lasts (TS.43 §9.6).

What is bought is in our books as bought and not tracked; where the network reports how far it is,
the operator's systems say so (`simgrant subscription boost`).
"""

from __future__ import annotations

from simgrant.domain.holdings import HeldBoost, Purchase
from simgrant.domain.plans import PLAIN_SHOWCASE, Showcase
from simgrant.domain.visit import Receipt, Settlement, Step
from simgrant.flows.web_views.web_view import (
    Case,
    Done,
    Form,
    Means,
    NotOffered,
    Offers,
    Screen,
    Subject,
    Turn,
    WebView,
)
from simgrant.services import ServiceFlow, data_plan

_HERE = ServiceFlow("", "")
"""The page, as far as the service wants to know of it."""


def at(case: Case) -> Step | NotOffered:
    """Return whether the boost can be bought, or was."""
    if case.boost_type is None:
        return NotOffered({})
    match data_plan.boost_of(case.facts, case.boost_type, case.decision, _HERE):
        case data_plan.Refused() | data_plan.NotNow():
            return NotOffered(case.decision.texts)
        case data_plan.Offered():
            return Step.OFFER
        case _:
            return Step.DONE


def screen(case: Case, step: Step, means: Means) -> Screen:
    """Return what is shown at a step."""
    del means
    if step is Step.OFFER:
        showcase = _showcase(case)
        return Offers(showcase.title, showcase.text, showcase.offers)
    held = _held(case)
    ends = None if held is None else held.until
    return Done(lasts_s=None if ends is None else max(0, ends - case.now))


async def act(case: Case, step: Step, form: Form, means: Means) -> Turn:
    """Return the purchase of the offer that was chosen."""
    offers = _showcase(case).offers
    chosen = form.get("offer", "0")
    if not (chosen.isascii() and chosen.isdigit() and int(chosen[:3]) < len(offers)):
        return screen(case, step, means)
    lasts_s, price = offers[int(chosen[:3])]
    before = _held(case)
    bought = HeldBoost(
        case.boost_type or 0,
        Purchase.UNTRACKED,
        None if lasts_s is None else case.now + lasts_s,
        case.now,
    )
    return Settlement(
        step,
        Step.DONE,
        case.now,
        holding=bought,
        receipt=Receipt(f"boost {case.boost_type}", price, lasts_s, case.now),
        replaces_at=None if before is None else before.at,
    )


def _showcase(case: Case) -> Showcase:
    boost = None if case.boost_type is None else case.plan.boost(case.boost_type)
    return PLAIN_SHOWCASE if boost is None else boost.showcase


def _held(case: Case) -> HeldBoost | None:
    boosts = case.profile.held.boosts
    return next((each for each in boosts if each.boost_type == case.boost_type), None)


WEB_VIEW = WebView("ap2010", Subject.BOOST, at, screen, act)
