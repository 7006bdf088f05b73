"""From facts to a document: questions, decisions, answers (TS.43 §2.9).

The same function answers phones and ``simgrant explain``, so what support reads
is what the phone was told.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache, partial

from simgrant.domain.allowance import NOTHING_MORE, Allowance, own_values
from simgrant.domain.facts import Facts
from simgrant.domain.holdings import HeldUsage
from simgrant.domain.policy import Decision, Policy
from simgrant.domain.subscription import Subscription
from simgrant.domain.words import Words
from simgrant.flows.handles import Handle, push_handle
from simgrant.keyring.ring import KeyRing
from simgrant.nouns import noun, replace
from simgrant.services import SERVICES
from simgrant.services.own import own_items
from simgrant.services.service import (
    JSON_PAGE,
    OWN_VALUE,
    Enquiry,
    PrivateIdentity,
    Service,
    ServiceFlow,
)
from simgrant.spec.version import SpecVersion
from simgrant.wire.document import (
    Application,
    Characteristic,
    CharacteristicList,
    Item,
    Parm,
    Vers,
)
from simgrant.wire.instant import utc
from simgrant.wire.negotiate import best_text

_EPOCH = 1_577_836_800
"""2020-01-01: document versions count seconds from here, so that they fit 32 bits signed."""


@noun
class Portal:
    """Where a phone is sent for what its subscriber still has to do."""

    url: str
    """Base URL; empty = there is no portal."""
    life_s: int
    """Seconds for which the user data is good."""


@noun
class Answered:
    """The answers to the asked-for services and the decisions behind them."""

    applications: tuple[Application, ...]
    decisions: tuple[Decision, ...]


def answer(
    apps: Sequence[str],
    facts: Facts,
    *,
    policy: Policy,
    version: SpecVersion,
    languages: tuple[str, ...],
    flow: Callable[[str], ServiceFlow | None],
    identity: PrivateIdentity | None = None,
    own_parameters: bool = True,
) -> Answered:
    """Return one APPLICATION per asked-for service, all of which must be known.

    ``flow`` gives a service's web view by AppID, None where there is none; ``own_parameters`` says
    whether those of the operator are added.
    """
    words, wanted = policy.words, (*languages, policy.words.language)
    applications: list[Application] = []
    decided: list[Decision] = []
    for app_id in apps:
        service = SERVICES[app_id]
        questions = service.questions(version, facts)
        decisions = tuple(policy.decide(question, facts) for question in questions)
        enquiry = Enquiry(
            spec_version=version,
            flow=flow(app_id),
            text=partial(_said, service=service, words=words, wanted=wanted),
            identity=identity,
        )
        given = [each.allowance for each in decisions if each.allowance is not NOTHING_MORE]
        application = service.answer(_allowed(facts, given), decisions, enquiry)
        if own_parameters and (own := own_items(policy, service, version, own_values(given))):
            application = replace(application, items=(*application.items, *own))
        applications.append(application)
        decided.extend(decisions)
    return Answered(tuple(applications), tuple(decided))


def _allowed(facts: Facts, given: Iterable[Allowance]) -> Facts:
    """Return the facts with what rules allowed otherwise than the plan has it."""
    for allowance in given:
        offer = facts.offer
        facts = replace(facts, offer=replace(offer, value=allowance.on(offer.value)))
    return facts


def _said(
    texts: Mapping[str, str], *, service: Service, words: Words, wanted: tuple[str, ...]
) -> str:
    """Return a text in the language wanted, in the tenant's words.

    Those of the policy are in its rules already; a service's own is known by being that very one.
    """
    for name, own in service.texts.items():
        if own is texts:
            texts = words.of(service.app_id, name, own)
            break
    return best_text(texts, wanted)


def page_of(portal: Portal, app_id: str) -> str:
    """Return the address of a service's web view; empty where there is no portal."""
    if not portal.url:
        return ""
    path = SERVICES[app_id].name.lower().replace(" ", "-")
    return f"{portal.url.rstrip('/')}/{path}"


def user_data(
    portal: Portal,
    app_id: str,
    subscription: Subscription,
    terminal_id: str,
    *,
    ring: KeyRing,
    now: float,
    about: tuple[str, ...] = (),
) -> str:
    """Return the sealed, short-lived user data that is posted to a service's web view.

    The page is opened without any cookie of ours, so the data alone says who it is, and, in
    ``about``, which boost or store it is about. They are a form, or JSON in base64 for services
    that say so (TS.43 §6.5.9).
    """
    text = handle_of(portal, app_id, subscription, terminal_id, ring=ring, now=now, about=about)
    if JSON_PAGE in SERVICES[app_id].parms:
        return "encodedValue=" + b64encode(b'{"flow":"%b"}' % text.encode()).decode()
    return f"flow={text}"


def handle_of(
    portal: Portal,
    app_id: str,
    subscription: Subscription,
    terminal_id: str,
    *,
    ring: KeyRing,
    now: float,
    about: tuple[str, ...] = (),
) -> str:
    """Return the handle that opens a service's web view (ADR 0025)."""
    until = int(now) + portal.life_s
    epoch = subscription.token_epoch
    handle = Handle(app_id, subscription.imsi, terminal_id, until, epoch, about)
    return push_handle(handle, ring, subscription.tenant, now=now)


def usage_value(usage: Iterable[HeldUsage], name: str) -> str:
    """Return a number of a counter, by the name that `own_value` was given for it.

    Times are in UTC and say so (divergence "usage-end-in-utc").
    """
    counter, what = _counted(name)
    for row in usage:
        if row.counter == counter:
            if what == "used":
                return str(row.used)
            return str(row.allowance) if what == "allowance" else utc(row.cycle_end or 0)
    raise KeyError(name)


@lru_cache(maxsize=1024)
def _counted(name: str) -> tuple[str, str]:
    """Return which counter is meant, and what of it."""
    _, counter, what = name.split("/")
    return counter, what


def filled(application: Application, own: Callable[[str], str]) -> Application:
    """Return an application with the values that are each subscription's own in their places."""
    return replace(application, items=tuple(_filled(item, own) for item in application.items))


def _filled(item: Item, own: Callable[[str], str]) -> Item:
    match item:
        case Parm(name, value):
            return Parm(name, OWN_VALUE.sub(lambda found: own(found[1]), value))
        case Characteristic(kind, items):
            return Characteristic(kind, tuple(_filled(each, own) for each in items))
        case CharacteristicList(kind, entries):
            return CharacteristicList(
                kind,
                tuple(
                    Characteristic(entry.type, tuple(_filled(each, own) for each in entry.items))
                    for entry in entries
                ),
            )


def vers(
    subscription: Subscription,
    subscriber_ref: str,
    *,
    validity_s: int,
    spread: float,
    told_since: int = 0,
) -> Vers:
    """Return the document's version and how long it holds.

    The version is the time of the subscription's last change, here or at the BSS (``told_since``,
    Unix seconds). The validity is spread
    by ``subscriber_ref``, a keyed hash of the subscription: phones enrolled in one
    hour do not come back in one hour, and each keeps its own rhythm.
    """
    share = int(subscriber_ref[-4:], 16) / 0xFFFF * 2 - 1
    return Vers(
        version=max(1, max(subscription.changed_at, told_since) - _EPOCH),
        validity=max(1, round(validity_s * (1 + spread * share))),
    )
