"""Who says which person is at a device: an OpenID provider of the operator's (TS.43 §2.8.2).

Promised by every adapter:

- `authorization_url` sends nobody anywhere but to the provider that is configured, and has
  ``state`` and ``nonce`` in it as they are given, with a challenge for ``verifier`` (RFC 7636).
- `identify` gives claims only of an ID token that is the provider's own, for us, for this
  ``nonce``, signed by one of its keys with an algorithm that is allowed, and in time. It asks with
  the code once, and never again.
- Unauthenticated where the code or the token is not good (``code_refused``, ``id_token_…``): the
  person signs in anew. PeerUnavailable, PeerTimeout, PeerMisbehaved where the provider cannot be
  asked, refuses *us*, or answers against its specification.
- No code, token, secret or claim is in any error or log line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any, Protocol

from simgrant.nouns import noun


@noun
class Attempt:
    """What one sign-in is told apart by. Guessing ``nonce`` or ``verifier`` must be hopeless."""

    state: str = field(repr=False)
    """What comes back with the code."""
    nonce: str = field(repr=False)
    """What comes back inside the ID token."""
    verifier: str = field(repr=False)
    """What the code is exchanged with; 43 to 128 characters (RFC 7636 §4.1)."""


@noun
class Person:
    """Who signed in: the claims about one subject of the provider."""

    claims: Mapping[str, Any] = field(repr=False)


class IdentityProvider(Protocol):
    """One provider, as one client of it. Deadlines are in seconds of the monotonic clock."""

    async def authorization_url(
        self, attempt: Attempt, *, languages: tuple[str, ...], deadline: float
    ) -> str:
        """Return where a person signs in; ``languages`` is what the device prefers."""

    async def identify(
        self, code: str, attempt: Attempt, *, issuer: str, wanted: frozenset[str], deadline: float
    ) -> Person:
        """Return who signed in, by the code that came back.

        ``issuer`` is the call-back's ``iss``, empty where it had none (RFC 9207). ``wanted`` are
        the claims that are needed: the provider is asked for those that the ID token lacks.
        """

    async def close(self) -> None:
        """Let go of every connection."""
