"""The consumers and tariffs that a worker goes by: those of the store, taken over while it runs.

Every worker looks at a number some times a second, and reads what changed (ADR 0056). While the
store is away it goes on with what it has. A consumer that is not active, or that this release
cannot read, is nobody.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import field
from operator import attrgetter
from typing import Final

import structlog

from simgrant.domain.camara.consumer import Consumer
from simgrant.domain.camara.tariff import Tariff
from simgrant.errors import EcsError, StartRefused
from simgrant.flows.for_ever import Pace, keep_looking
from simgrant.nouns import named_noun
from simgrant.ports.camara_consumers import Changed, ConsumerRow, ConsumerRows

_BEGIN: Final = attrgetter("valid_from")


@named_noun
class _Tenant:
    """What is known of one tenant."""

    number: int = 0
    consumers: Mapping[str, Consumer] = field(default_factory=dict)
    tariffs: Mapping[str, tuple[Tariff, ...]] = field(default_factory=dict)
    """By name, each with its versions, the oldest first."""


class Consumers:
    """Each tenant's consumers of this moment; `load` before use, then ``run`` keeps it up."""

    def __init__(
        self, rows: ConsumerRows, tenants: Iterable[str], *, pace: Pace | None = None
    ) -> None:
        self._rows = rows
        self._pace = pace or Pace()
        self._tenants = {name: _Tenant() for name in tenants}

    def of(self, tenant: str, client_id: str) -> Consumer | None:
        """Return a consumer as it is now; None where there is none, or it is not active."""
        known = self._tenants.get(tenant)
        consumer = known.consumers.get(client_id) if known is not None else None
        return consumer if consumer is not None and consumer.active else None

    def tariff(self, tenant: str, name: str, *, at: int) -> Tariff | None:
        """Return the version of a tariff that is in force at a time (Unix seconds)."""
        versions = self._tenants[tenant].tariffs.get(name, ())
        place = bisect_right(versions, at, key=_BEGIN)
        return versions[place - 1] if place else None

    async def load(self) -> None:
        """Read all there is; StartRefused where that cannot be."""
        try:
            await self.look()
        except EcsError as error:
            raise StartRefused(f"consumers: {error.for_operator or error.reason}") from None

    async def run(self) -> None:
        """Take over what changes, for ever."""
        await keep_looking(
            self.look, self._pace, failed="consumers_not_read", again="consumers_read_again"
        )

    async def look(self) -> None:
        """Take over what changed since the last look."""
        numbers = await self._rows.numbers()
        for tenant, known in self._tenants.items():
            newest = numbers.get(tenant, 0)
            if newest == known.number:
                continue
            if newest < known.number:
                # A backup was restored, say: what we know besides is no more.
                structlog.get_logger().warning("consumers_went_back", tenant=tenant)
                known = _Tenant()
            changed = await self._rows.changed(tenant, known.number)
            self._tenants[tenant] = _taken(tenant, known, changed)


def _taken(tenant: str, known: _Tenant, changed: Changed) -> _Tenant:
    """Return what is known after a change; requests under way go on with what was before."""
    consumers = dict(known.consumers)
    for row in changed.consumers:
        consumers.pop(row.client_id, None)
        if row.consumer is not None:
            consumers[row.client_id] = row.consumer
        _say(tenant, row)
    tariffs: dict[str, list[Tariff]] = {}
    for tariff in sorted(changed.tariffs, key=_BEGIN):
        tariffs.setdefault(tariff.name, []).append(tariff)
    return _Tenant(
        number=changed.number,
        consumers=consumers,
        tariffs={name: tuple(versions) for name, versions in tariffs.items()},
    )


def _say(tenant: str, row: ConsumerRow) -> None:
    log = structlog.get_logger()
    if row.unreadable:
        log.error("consumer_not_readable", tenant=tenant, consumer=row.client_id)
        return
    active = row.consumer is not None and row.consumer.active
    log.info(
        "consumer_taken",
        tenant=tenant,
        consumer=row.client_id,
        revision=row.revision,
        active=active,
    )
