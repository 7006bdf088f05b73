"""What is said of an access token, by itself or by who issued it (RFC 9068 §2.2, RFC 7662 §2.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from simgrant.wire.jwt import BadJwt


def client_of(claims: Mapping[str, Any], scopes: frozenset[str]) -> str:
    """Return the OAuth client that a token was issued to; raise `BadJwt`.

    ``sub`` is no substitute: a user might be called as a client is (RFC 9700 §4.15).
    """
    if not scopes <= _scopes(claims.get("scope")):
        raise BadJwt("without a scope that it needs")
    for name in ("client_id", "azp"):
        value = claims.get(name)
        if isinstance(value, str) and value:
            return value
    raise BadJwt("of no client")


def _scopes(value: object) -> frozenset[str]:
    """Return the scopes of a text with spaces, or of a list, which some servers make of it."""
    if isinstance(value, str):
        return frozenset(value.split())
    if isinstance(value, list):
        return frozenset(each for each in value if isinstance(each, str))
    return frozenset()
