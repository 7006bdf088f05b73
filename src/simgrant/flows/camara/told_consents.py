"""What a subscriber said about consumers of partner APIs, as an operator's systems tell it.

It is written in the transaction in which the event is taken over: once a sender is answered, it
holds. What somebody said later is left as it is (ADR 0064).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from simgrant.domain.bss_events import MOST_APIS, BssEvent, Change, ToldConsent
from simgrant.domain.camara.consent import ConsentEntry, Said, holds_after, last_words, numbered
from simgrant.domain.life import NotPossible
from simgrant.flows.camara.consents import (
    MOST_EVIDENCE,
    UnknownProcessing,
    check_known,
    checked,
    signed,
)
from simgrant.keyring.ring import KeyRing
from simgrant.nouns import replace
from simgrant.ports.camara_consents import Scribe, Speaker, room_for

SAYS: Final[Mapping[Change, Said]] = {
    Change.CONSENT_GIVEN: Said.GIVEN,
    Change.CONSENT_WITHDRAWN: Said.WITHDRAWN,
}
"""What a change says about a consumer."""
_SOURCE: Final = "bss"
_CLIENT_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~-]{0,63}")


def told_consent(change: Change, told: ToldConsent, *, at: int) -> ToldConsent:
    """Return what an event tells, spelled as we do; ValueError for what nobody could write down.

    ``at`` is when it was said (Unix seconds).
    """
    apis = tuple(dict.fromkeys(told.apis))
    told = replace(told, purpose=told.purpose.removeprefix("dpv:"), apis=apis)
    if change not in SAYS:
        raise ValueError("only a consent that is given or withdrawn is about a consumer")
    if not 0 < len(told.apis) <= MOST_APIS:
        raise ValueError(f"a consent is about 1 to {MOST_APIS} APIs")
    if not _CLIENT_ID.fullmatch(told.client_id):
        raise ValueError("the consumer is not as one is spelled")
    if not (told.application.isprintable() and told.evidence.isprintable()):
        raise ValueError("application or evidence has something that cannot be printed")
    for entry in _entries(SAYS[change], told, at=at, evidence=told.evidence):
        checked(entry)
    return told


def scribe(ring: KeyRing, *, now: float) -> Scribe:
    """Return who writes down what events tell, as of ``now``."""

    def written(speaker: Speaker, source: str, event: BssEvent) -> Sequence[ConsentEntry]:
        told, said = event.api_consent, SAYS.get(event.change)
        if told is None or said is None:
            raise NotPossible("bad_consent")
        last = last_words(speaker.said)
        evidence = told.evidence or f"{source} {event.event_id}"[:MOST_EVIDENCE]
        # Nobody says anything later than now: it would outdo what he says in a minute.
        at = min(event.at, int(now))
        found: list[ConsentEntry] = []
        for entry in _entries(said, told, at=at, evidence=evidence):
            try:
                check_known(entry, speaker.consumer, last)
            except UnknownProcessing as unknown:
                raise NotPossible(unknown.reason) from None
            if holds_after(entry, last.get(entry.about)):
                found.append(numbered(signed(entry, speaker.subscription, ring, now=now), last))
        if found and len(speaker.said) + len(found) > room_for(found[0]):
            raise NotPossible("too_many_entries")
        return found

    return written


def _entries(said: Said, told: ToldConsent, *, at: int, evidence: str) -> Iterator[ConsentEntry]:
    for api in told.apis:
        yield ConsentEntry(
            client_id=told.client_id,
            application=told.application,
            purpose=told.purpose,
            api=api,
            said=said,
            at=at,
            expires_at=told.expires_at,
            source=_SOURCE,
            evidence=evidence,
        )
