"""Who may do what on the management API: scopes, the roles made of them, and clients."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from simgrant.nouns import Word, named_noun


class Scope(Word):
    """What a client may do; each call needs one."""

    SUBSCRIPTIONS_READ = "subscriptions:read"
    SUBSCRIPTIONS_WRITE = "subscriptions:write"
    SUBSCRIPTIONS_EXPORT = "subscriptions:export"
    """Everything that is held about somebody, in one piece."""
    SUBSCRIPTIONS_ERASE = "subscriptions:erase"
    DEVICES_READ = "devices:read"
    DEVICES_WRITE = "devices:write"
    TOKENS_REVOKE = "tokens:revoke"
    CONSENTS_READ = "consents:read"
    CONSENTS_WRITE = "consents:write"
    HOLDINGS_READ = "holdings:read"
    HOLDINGS_WRITE = "holdings:write"
    ORDERS_READ = "orders:read"
    ORDERS_WRITE = "orders:write"
    POLICIES_READ = "policies:read"
    POLICIES_WRITE = "policies:write"
    CONSUMERS_READ = "consumers:read"
    CONSUMERS_WRITE = "consumers:write"
    USAGE_READ = "usage:read"
    HISTORY_READ = "history:read"
    EXPLAIN_READ = "explain:read"
    EVENTS_WRITE = "events:write"
    AUDIT_READ = "audit:read"


MEANINGS: Final[Mapping[Scope, str]] = MappingProxyType(
    {
        Scope.SUBSCRIPTIONS_READ: "look at subscriptions",
        Scope.SUBSCRIPTIONS_WRITE: "make, change, suspend and remove subscriptions",
        Scope.SUBSCRIPTIONS_EXPORT: "get everything that is held about a subscriber",
        Scope.SUBSCRIPTIONS_ERASE: "delete everything that is held about a subscriber",
        Scope.DEVICES_READ: "look at the devices of a subscription",
        Scope.DEVICES_WRITE: "have devices told to ask again, or marked as lost",
        Scope.TOKENS_REVOKE: "end the tokens of a subscription or of one of its devices",
        Scope.CONSENTS_READ: "look at consents",
        Scope.CONSENTS_WRITE: "give and withdraw consents",
        Scope.HOLDINGS_READ: "look at boosts, counters and the like",
        Scope.HOLDINGS_WRITE: "write boosts, counters and the like",
        Scope.ORDERS_READ: "look at eSIM orders",
        Scope.ORDERS_WRITE: "do what has to be done for eSIM orders",
        Scope.POLICIES_READ: "look at policies",
        Scope.POLICIES_WRITE: "publish policies",
        Scope.CONSUMERS_READ: "look at consumers of partner APIs, and at tariffs",
        Scope.CONSUMERS_WRITE: "make and change consumers of partner APIs, and tariffs",
        Scope.USAGE_READ: "look at what consumers of partner APIs used, and what it costs",
        Scope.HISTORY_READ: "look at what a subscriber's devices asked and were told",
        Scope.EXPLAIN_READ: "have an answer explained",
        Scope.EVENTS_WRITE: "tell what happened to subscriptions",
        Scope.AUDIT_READ: "look at who changed what",
    }
)
"""Every scope in words."""


class Role(Word):
    """A set of scopes with a name."""

    VIEWER = "viewer"
    CARE = "care"
    OPERATOR = "operator"
    ADMIN = "admin"


_VIEWER: Final = frozenset(
    {
        Scope.SUBSCRIPTIONS_READ,
        Scope.DEVICES_READ,
        Scope.CONSENTS_READ,
        Scope.HOLDINGS_READ,
        Scope.ORDERS_READ,
        Scope.POLICIES_READ,
        Scope.CONSUMERS_READ,
        Scope.HISTORY_READ,
        Scope.EXPLAIN_READ,
    }
)
_CARE: Final = _VIEWER | {Scope.DEVICES_WRITE, Scope.TOKENS_REVOKE, Scope.CONSENTS_WRITE}
_OPERATOR: Final = _CARE | {
    Scope.SUBSCRIPTIONS_WRITE,
    Scope.HOLDINGS_WRITE,
    Scope.ORDERS_WRITE,
    Scope.EVENTS_WRITE,
}

ROLES: Final[Mapping[Role, frozenset[Scope]]] = MappingProxyType(
    {
        Role.VIEWER: _VIEWER,
        Role.CARE: _CARE,
        Role.OPERATOR: _OPERATOR,
        Role.ADMIN: frozenset(Scope),
    }
)
"""What each role may do; each of them may do what the one before may."""


@named_noun
class Client:
    """A system that calls."""

    name: str
    scopes: frozenset[Scope] = frozenset()
    tenants: frozenset[str] = frozenset()
    """Of which it may see anything."""
    token_scopes: bool = True
    """Whether an access token has to be good for a scope too, beside the client."""


def limited(client: Client, said: frozenset[str]) -> Client:
    """Return a client that may do no more than its access token is good for."""
    if not client.token_scopes:
        return client
    return Client(
        name=client.name,
        scopes=frozenset(scope for scope in client.scopes if scope.value in said),
        tenants=client.tenants,
        token_scopes=client.token_scopes,
    )
