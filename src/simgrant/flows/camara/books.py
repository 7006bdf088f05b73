"""The books of partner APIs: each answer priced by the tariff of its moment, and written once."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from simgrant.domain.camara.tariff import FREE
from simgrant.domain.camara.usage import Usage
from simgrant.flows.camara.consumers import Consumers
from simgrant.nouns import replace
from simgrant.ports.camara_usage import Record, UsageRows


class Books:
    """What was used, as rows."""

    def __init__(
        self,
        rows: UsageRows,
        consumers: Consumers,
        used: Callable[[str, Usage], None] = lambda _tenant, _usage: None,
    ) -> None:
        """``used`` is told of each row that was written, and whose it is."""
        self._rows = rows
        self._consumers = consumers
        self._used = used
        self._said: set[tuple[str, str]] = set()

    def priced(self, tenant: str, usage: Usage) -> Usage:
        """Return usage that names a tariff with its price by it; a sandbox pays nothing."""
        if not usage.tariff:
            return usage
        if usage.sandbox:
            return replace(usage, tariff="")
        tariff = self._consumers.tariff(tenant, usage.tariff, at=usage.at_ms // 1000)
        if tariff is None:
            self._say(tenant, usage.tariff)
            charge = FREE
        else:
            charge = tariff.charge(usage.operation, usage.outcome, usage.method)
        return replace(
            usage,
            price_micros=charge.price_micros,
            currency=charge.currency,
            share_micros=charge.share_micros,
        )

    async def record(
        self, tenant: str, usage: Usage, *, expires_at: int, write: Record | None = None
    ) -> bool:
        """Write a row; False, and nothing changed, where there is one of its ``usage_id``.

        ``write`` writes it together with something else.
        """
        if not await (write or self._rows.record)(tenant, usage, expires_at=expires_at):
            return False
        self._used(tenant, usage)
        return True

    async def spent(self, tenant: str, token_id: bytes) -> bool:
        """Say whether there is a row of a token for one call."""
        return await self._rows.spent(tenant, token_id)

    def _say(self, tenant: str, name: str) -> None:
        """Complain of a tariff that is not in force, once."""
        if (tenant, name) not in self._said:
            self._said.add((tenant, name))
            structlog.get_logger().error("tariff_not_in_force", tenant=tenant, tariff=name)
