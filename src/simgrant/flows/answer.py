"""From facts to a document: questions, decisions, answers (TS.43 §2.9).

The same function answers phones and ``simgrant explain``, so what support reads
is what the phone was told.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from simgrant.domain.facts import Facts
from simgrant.domain.policy import Decision, Policy
from simgrant.domain.subscription import Subscription
from simgrant.flows.tokens import encode
from simgrant.keyring.ring import NONCE_BYTES, KeyRing, Purpose
from simgrant.nouns import noun
from simgrant.services import SERVICES
from simgrant.services.service import Enquiry, PrivateIdentity, ServiceFlow
from simgrant.spec.version import SpecVersion
from simgrant.wire.document import Application, Vers
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
) -> Answered:
    """Return one APPLICATION per asked-for service, all of which must be known.

    ``flow`` gives a service's web view by AppID, None where there is none.
    """
    applications: list[Application] = []
    decided: list[Decision] = []
    for app_id in apps:
        service = SERVICES[app_id]
        questions = service.questions(version, facts)
        decisions = tuple(policy.decide(question, facts) for question in questions)
        enquiry = Enquiry(
            spec_version=version,
            flow=flow(app_id),
            text=lambda texts: best_text(texts, languages),
            identity=identity,
        )
        applications.append(service.answer(facts, decisions, enquiry))
        decided.extend(decisions)
    return Answered(tuple(applications), tuple(decided))


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
) -> str:
    """Return the sealed, short-lived user data that is posted to a service's web view.

    The page is opened without any cookie of ours, so the data alone says who it is.
    """
    plain = f"{app_id}\0{subscription.imsi.digits}\0{terminal_id}\0{int(now) + portal.life_s}"
    # A nonce made from the text: a repeated answer is the same to the byte, and no two
    # different texts share one.
    nonce = ring.derive(subscription.tenant, "web_view", plain, NONCE_BYTES)
    sealed = ring.seal(Purpose.WEB_VIEW, subscription.tenant, plain.encode(), nonce=nonce, now=now)
    return f"flow={encode(sealed)}"


def vers(
    subscription: Subscription, subscriber_ref: str, *, validity_s: int, spread: float
) -> Vers:
    """Return the document's version and how long it holds.

    The version is the time of the subscription's last change. The validity is spread
    by ``subscriber_ref``, a keyed hash of the subscription: phones enrolled in one
    hour do not come back in one hour, and each keeps its own rhythm.
    """
    share = int(subscriber_ref[-4:], 16) / 0xFFFF * 2 - 1
    return Vers(
        version=max(1, subscription.changed_at - _EPOCH),
        validity=max(1, round(validity_s * (1 + spread * share))),
    )
