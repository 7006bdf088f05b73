"""Taking over what operators' systems tell; what people do with what was set aside (ADR 0045)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import structlog

from simgrant.domain.bss_events import MOST_ID, BssEvent, ToldConsent
from simgrant.domain.eligibility import Aspect
from simgrant.errors import Conflict
from simgrant.flows.camara.told_consents import scribe
from simgrant.flows.moments import moment
from simgrant.flows.shared_takes import SharedTakes
from simgrant.nouns import named_noun
from simgrant.ports.bss_events import Taken
from simgrant.ports.clock import Clock
from simgrant.ports.keys import Keys
from simgrant.ports.life import Aside, LifeRows
from simgrant.telemetry.metrics import Metrics

_HEX: Final = frozenset("0123456789abcdef")
_MOST_REASON: Final = 64

Read = Callable[[str, bytes], Sequence[BssEvent]]
"""Reads what a source brought, once more; raises ValueError where it still cannot be read."""


@named_noun
class Rules:
    """How events are taken over."""

    future_s: int = 300
    """How far ahead of ours a sender's clock may be."""
    remembered_s: int = 7 * 86_400
    """How long the ids of events are known."""
    aside_s: int = 90 * 86_400
    """How long what was set aside is kept."""


class BssInbox:
    """Takes over events (the ``EventIntake`` port), and shows what was set aside."""

    def __init__(
        self,
        rows: LifeRows,
        *,
        clock: Clock,
        keys: Keys,
        metrics: Metrics | None = None,
        wake: Callable[[], None] = lambda: None,
        rules: Rules | None = None,
    ) -> None:
        """``wake`` is told that there are events to act upon; ``keys`` sign what is told of
        consents."""
        self._rows = rows
        self._keys = keys
        self._clock = clock
        self._metrics = metrics
        self._wake = wake
        self._rules = rules or Rules()
        self._shared = SharedTakes(self._keep)

    async def take(self, tenant: str, source: str, events: Sequence[BssEvent]) -> Sequence[Taken]:
        """Keep events in one transaction, all or none; return what became of each, in order."""
        for event in events:
            if not 0 < len(event.event_id) <= MOST_ID:
                raise ValueError("an event has an id")
        taken = await self._shared.take(tenant, source, events)
        for event, each in zip(events, taken, strict=True):
            if self._metrics is not None:
                self._metrics.count_life_event(tenant, event.change.value, each.value)
            if each is Taken.SET_ASIDE:
                structlog.get_logger().warning(
                    "event_set_aside", tenant=tenant, source=source, reason="not_taken"
                )
        if Taken.KEPT in taken:
            self._wake()
        return taken

    async def _keep(self, tenant: str, source: str, events: Sequence[BssEvent]) -> Sequence[Taken]:
        now, future_s = self._clock.now(), self._rules.future_s
        return await self._rows.take(
            tenant,
            source,
            events,
            now=now,
            future_s=future_s,
            scribe=scribe(self._keys.ring, now=now),
        )

    async def set_aside(self, tenant: str, source: str, raw: bytes, *, reason: str) -> None:
        """Keep what could not be read, with a word for why."""
        await self._rows.set_aside(
            tenant, source, raw, reason=reason[:_MOST_REASON], now=self._clock.now()
        )
        if self._metrics is not None:
            self._metrics.count_life_event(tenant, "unreadable", Taken.SET_ASIDE.value)
        structlog.get_logger().warning(
            "event_set_aside", tenant=tenant, source=source, reason=reason[:_MOST_REASON]
        )

    # --- what people do ------------------------------------------------------------------------

    async def listed(self, tenant: str, *, limit: int = 100) -> Sequence[Aside]:
        """Return what was set aside, the newest first."""
        return await self._rows.aside(tenant, limit=limit)

    async def find(self, tenant: str, start: str) -> Aside:
        """Return what was set aside under an id that begins so; Conflict where it is not one."""
        start = start.lower()
        found = await self._rows.find_aside(tenant, start) if start and set(start) <= _HEX else ()
        if len(found) != 1:
            raise Conflict(
                "no_such_event",
                for_operator="several begin so" if found else "no event of that id was set aside",
            )
        return found[0]

    async def replay(self, aside: Aside, read: Read | None = None) -> Sequence[Taken]:
        """Have an event done once more; return what became of it, or of each that was read.

        What nobody could read is read with ``read``, which says ValueError where it still cannot
        be; it is forgotten once its events are kept.
        """
        if aside.event is not None:
            now = self._clock.now()
            writes = scribe(self._keys.ring, now=now)
            taken: Sequence[Taken] = (await self._rows.replay(aside, now=now, scribe=writes),)
        else:
            if read is None:
                raise ValueError("nobody can read it")
            events = read(aside.source, aside.body)
            taken = await self.take(aside.tenant, aside.source, events)
            await self._rows.drop(aside.tenant, aside.aside_id)
        if Taken.KEPT in taken:
            self._wake()
        return taken

    async def drop(self, aside: Aside) -> bool:
        """Forget what was set aside; False where somebody did already."""
        return await self._rows.drop(aside.tenant, aside.aside_id)

    async def purge(self) -> int:
        """Forget old ids, and what was set aside long ago; return how many."""
        now = int(self._clock.now())
        return await self._rows.purge(
            seen_before=now - self._rules.remembered_s, aside_before=now - self._rules.aside_s
        )


def aside_data(aside: Aside, *, whole: bool = False) -> dict[str, Any]:
    """Return what was set aside as plain data; with ``whole`` also whom it is about."""
    data: dict[str, Any] = {
        "id": aside.aside_id,
        "source": aside.source,
        "event_id": aside.event_id or None,
        "change": None if aside.event is None else aside.event.change.value,
        "reason": aside.reason,
        "set_aside_at": moment(aside.at),
        "happened_at": None if aside.event is None else moment(aside.event.at),
    }
    if not whole:
        return data
    event = aside.event
    if event is None:
        return data | {"body": aside.body.decode(errors="replace")}
    named = {
        name: None if identity is None else identity.digits
        for name, identity in (
            ("imsi", event.imsi),
            ("msisdn", event.msisdn),
            ("new_imsi", event.new_imsi),
            ("iccid", event.iccid),
        )
    }
    told = {
        aspect.value: value
        for aspect in Aspect
        if (value := getattr(event.told, aspect.value)) is not None
    }
    plain = {
        name: sorted(value)
        if isinstance(value, frozenset)
        else str(getattr(value, "digits", value))
        for name, value in told.items()
    }
    consent = None if event.api_consent is None else _consent_data(event.api_consent)
    return (
        data
        | named
        | {
            "terminal_id": event.terminal_id or None,
            "told": plain,
            "api_consent": consent,
        }
    )


def _consent_data(told: ToldConsent) -> dict[str, Any]:
    return {
        "client_id": told.client_id,
        "application": told.application or None,
        "purpose": f"dpv:{told.purpose}",
        "apis": list(told.apis),
        "expires_at": None if told.expires_at is None else moment(told.expires_at),
        "evidence": told.evidence or None,
    }
