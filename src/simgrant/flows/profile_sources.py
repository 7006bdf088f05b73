"""Where new orders get their profiles, by each tenant's rules (``domain.profile_source``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from simgrant.domain.order import Order, OrderMode, Source
from simgrant.domain.profile_source import SourceRule, choose
from simgrant.ports.keys import Keys

Rules: TypeAlias = Mapping[str, Mapping[str, Sequence[SourceRule]]]
"""By tenant and AppID."""


class ProfileSources:
    """Chooses by the rules; the key ring makes each device's number, which nobody can guess."""

    def __init__(self, rules: Rules, keys: Keys) -> None:
        self._rules = rules
        self._keys = keys

    def of(self, tenant: str, order: Order) -> tuple[Source, ...]:
        """Return where a new order gets its profile, best first (see `choose`)."""
        rules = self._rules.get(tenant, {}).get(order.app_id, ())
        if not rules or order.source.mode is not OrderMode.ECS or order.reuses:
            # A profile that is used again is where it was.
            return (order.source,)
        device = order.device
        name = device.eid.digits if device.eid else device.terminal_id
        drawn = self._keys.ring.derive(tenant, "profile source", name, 6)
        return choose(rules, order, int.from_bytes(drawn) / (1 << 48))
