"""The port ``ConsentRows`` over any ``Engine``, with the SQL: rows are added, and never changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from simgrant.adapters.store.sql import rows
from simgrant.adapters.store.sql.camara_consumers import CONSUMER_FOUND, to_consumer
from simgrant.adapters.store.sql.engine import Body, Engine, Row, Run, RunMany
from simgrant.adapters.store.sql.statements import BY_IMSI
from simgrant.domain.bss_events import BssEvent
from simgrant.domain.camara.consent import ConsentEntry, Said
from simgrant.domain.camara.consumer import Consumer
from simgrant.domain.life import NotPossible
from simgrant.domain.subscription import SubscriptionStatus
from simgrant.errors import Conflict
from simgrant.identities import Imsi
from simgrant.nouns import replace
from simgrant.ports.camara_consents import MOST_KEPT, Scribe, Speaker, room_for

CONSENTS_SAID: Final = """
SELECT client_id, application, purpose, api, number, said, at, expires_at, subject, source,
    evidence, proof
FROM camara_consent WHERE tenant = ?1 AND imsi = ?2
ORDER BY client_id, application, purpose, api, number LIMIT ?3
"""
CONSENT_OWNER: Final = """
UPDATE subscription SET changed_at = changed_at WHERE tenant = ?1 AND imsi = ?2 RETURNING status
"""
"""Holds the row until the entry is written, so that numbers follow one another."""
CONSENTS_COUNTED: Final = """
SELECT count(*), max(CASE WHEN client_id = ?3 AND application = ?4 AND purpose = ?5 AND api = ?6
    THEN number ELSE 0 END)
FROM camara_consent WHERE tenant = ?1 AND imsi = ?2
"""
CONSENT_SAID: Final = """
INSERT INTO camara_consent
    (tenant, imsi, client_id, application, purpose, api, number, said, at, expires_at, subject,
     source, evidence, proof)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)
"""
CONSENTS_FORGOTTEN: Final = "DELETE FROM camara_consent WHERE tenant = ?1 AND imsi = ?2"


class SqlConsents:
    """What subscribers said, in a table (the ``ConsentRows`` port)."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def of(self, tenant: str, imsi: Imsi) -> Sequence[ConsentEntry]:
        """Return all that a subscriber said."""
        rows = await self._engine.read(CONSENTS_SAID, (tenant, imsi.digits, MOST_KEPT))
        return [_entry(row) for row in rows]

    async def add(self, tenant: str, imsi: Imsi, entries: Sequence[ConsentEntry]) -> Sequence[int]:
        """Write entries, all or none, each with the next number of what it is about."""
        key = (tenant, imsi.digits)

        def body() -> Body[list[int]]:
            owner = yield Run(CONSENT_OWNER, key)
            if not owner or owner[0][0] == SubscriptionStatus.REMOVED:
                raise Conflict("no_subscription")
            numbers: list[int] = []
            for entry in entries:
                about = (entry.client_id, entry.application, entry.purpose, entry.api)
                ((count, last),) = yield Run(CONSENTS_COUNTED, (*key, *about))
                if count >= room_for(entry):
                    raise Conflict("too_many_entries")
                number = int(last or 0) + 1
                if entry.number not in (0, number):
                    raise Conflict("said_meanwhile")
                yield written_down(tenant, imsi, [replace(entry, number=number)])
                numbers.append(number)
            return numbers

        return await self._engine.transact(body)


def _entry(row: Row) -> ConsentEntry:
    client_id, application, purpose, api, number, said, at, expires_at, subject, *why = row
    source, evidence, proof = why
    return ConsentEntry(
        client_id=client_id,
        application=application,
        purpose=purpose,
        api=api,
        number=number,
        said=Said(said),
        at=at,
        expires_at=expires_at,
        subject=subject,
        source=source,
        evidence=evidence,
        proof=bytes(proof),
    )


def heard(
    tenant: str, source: str, imsi: Imsi, events: Sequence[BssEvent], scribe: Scribe
) -> Body[list[Sequence[ConsentEntry] | str]]:
    """Return of each event what is to be written of the consent that it tells; else a word for why
    not.

    A part of another's transaction, which holds the subscription's row from here on.
    """
    key = (tenant, imsi.digits)
    owner = yield Run(CONSENT_OWNER, key)
    if not owner or owner[0][0] == SubscriptionStatus.REMOVED:
        # Since whose it is was looked up.
        return ["unknown_subscriber"] * len(events)
    (row,) = yield Run(BY_IMSI, key)
    subscription = rows.to_subscription(row)
    said = [_entry(row) for row in (yield Run(CONSENTS_SAID, (*key, MOST_KEPT)))]
    consumers: dict[str, Consumer | None] = {}
    for name in sorted({each.api_consent.client_id for each in events if each.api_consent}):
        found = yield Run(CONSUMER_FOUND, (tenant, name))
        consumers[name] = to_consumer(found[0]) if found else None
    became: list[Sequence[ConsentEntry] | str] = []
    for event in events:
        about = None if event.api_consent is None else consumers[event.api_consent.client_id]
        speaker = Speaker(subscription=subscription, consumer=about, said=said)
        try:
            entries = scribe(speaker, source, event)
        except NotPossible as reason:
            became.append(str(reason))
        else:
            became.append(entries)
            said += entries
    return became


def written_down(tenant: str, imsi: Imsi, entries: Sequence[ConsentEntry]) -> RunMany:
    """Return the step that writes entries by the numbers that they have: what `heard` said."""
    return RunMany(
        CONSENT_SAID,
        [
            (
                tenant,
                imsi.digits,
                entry.client_id,
                entry.application,
                entry.purpose,
                entry.api,
                entry.number,
                entry.said.value,
                entry.at,
                entry.expires_at,
                entry.subject,
                entry.source,
                entry.evidence,
                entry.proof,
            )
            for entry in entries
        ],
    )
