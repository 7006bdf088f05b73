"""All calls of the management API, in the order of its document."""

from __future__ import annotations

from typing import Final

from simgrant.flows.management import (
    api_consents,
    consents,
    consumers,
    devices,
    events,
    imports,
    looking,
    orders,
    policies,
    subscriptions,
)
from simgrant.flows.management.call import Call
from simgrant.nouns import noun

CALLS: Final[tuple[Call, ...]] = (
    *subscriptions.CALLS,
    *imports.CALLS,
    *devices.CALLS,
    *consents.CALLS,
    *api_consents.CALLS,
    *orders.CALLS,
    *policies.CALLS,
    *consumers.CALLS,
    *events.CALLS,
    *looking.CALLS,
)

GROUPS: Final = {
    "subscriptions": "Subscriptions, as the BSS makes and changes them.",
    "devices": "Devices that authenticated with a subscription's SIM.",
    "tokens": "Tokens by which devices authenticate fast.",
    "consents": "What a subscriber has agreed to.",
    "holdings": "What a subscription holds besides its plan.",
    "orders": "eSIM orders, for a BSS that orders profiles or is to do something.",
    "policies": "The rules by which is decided.",
    "consumers": "Who may use partner APIs, what for, and what it costs.",
    "usage": "What consumers of partner APIs used.",
    "events": "What happened to subscriptions.",
    "history": "What was asked and told.",
    "explain": "Why a phone gets what it gets.",
    "audit": "Who changed what.",
}
"""What each group is about."""


@noun
class Found:
    """Where a path leads."""

    calls: dict[str, Call]
    """By method."""
    parts: dict[str, str]
    """The variable parts of the path."""


class Routes:
    """Finds calls by path and method."""

    def __init__(self, calls: tuple[Call, ...] = CALLS) -> None:
        by_path: dict[str, dict[str, Call]] = {}
        for call in calls:
            by_path.setdefault(call.path, {})[call.method] = call
        self._routes = [(path.split("/"), methods) for path, methods in by_path.items()]

    def find(self, path: str) -> Found | None:
        """Return where a path leads, None where it leads nowhere."""
        given = path.split("/")
        for parts, methods in self._routes:
            if (variables := _fitted(parts, given)) is not None:
                return Found(methods, variables)
        return None


def _fitted(parts: list[str], given: list[str]) -> dict[str, str] | None:
    """Return the variable parts of a path by name, None where it does not fit."""
    if len(parts) != len(given):
        return None
    variables = {}
    for part, value in zip(parts, given, strict=True):
        if part.startswith("{"):
            variables[part[1:-1]] = value
        elif part != value:
            return None
    return variables
