"""What is said of an access token, by itself or by who issued it (RFC 9068 §2.2, RFC 7662 §2.2)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from simgrant.wire.jwt import BadJwt, Wanted, check_claims


class Inactive(BadJwt):
    """Its issuer, who was asked, says that it is not good."""


def client_of(claims: Mapping[str, Any], scopes: frozenset[str]) -> str:
    """Return the OAuth client that a token was issued to; raise `BadJwt`.

    ``sub`` is no substitute: a user might be called as a client is (RFC 9700 §4.15).
    """
    if not scopes <= scopes_of(claims):
        raise BadJwt("without a scope that it needs")
    for name in ("client_id", "azp"):
        value = claims.get(name)
        if isinstance(value, str) and value:
            return value
    raise BadJwt("of no client")


def pull_introspection(
    answer: Mapping[str, Any],
    *,
    issuer: str,
    audience: str,
    scopes: frozenset[str],
    now: float,
    life_s: float,
) -> tuple[str, float]:
    """Return (client, Unix seconds of the end) of the token that an issuer was asked about.

    What an answer may leave out is vouched for by whoever gives it (RFC 7662 §2.2): the issuer, and
    an end, which is then ``life_s`` from ``now``. Raise `Inactive`, or `BadJwt` for what is not for
    us.
    """
    if answer.get("active") is not True:
        raise Inactive("not active")
    told = {name: value for name, value in answer.items() if value is not None}
    told = {"iss": issuer, "exp": now + life_s} | told
    expires = check_claims(told, Wanted(frozenset((issuer,)), audience, math.inf), now=now)
    return client_of(told, scopes), expires


def scopes_of(claims: Mapping[str, Any]) -> frozenset[str]:
    """Return the scopes of a text with spaces, or of a list, which some servers make of it."""
    value = claims.get("scope")
    if isinstance(value, str):
        return frozenset(value.split())
    if isinstance(value, list):
        return frozenset(each for each in value if isinstance(each, str))
    return frozenset()
