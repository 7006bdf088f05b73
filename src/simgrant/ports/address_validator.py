"""Whether an address is one that emergency services find, and how they write it.

Promised by every adapter: PeerUnavailable or PeerTimeout where it cannot be asked. Nothing of an
address is in any error or log line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Protocol

from simgrant.domain.address import AddressField, CivicAddress
from simgrant.nouns import Word, named_noun


class AddressState(Word):
    """What became of a check."""

    VALID = "valid"
    """Good as it is in ``Checked.address``."""
    SUGGESTED = "suggested"
    """Not good, but one of ``Checked.suggestions`` probably is what was meant."""
    INVALID = "invalid"
    """``Checked.problems`` says which parts are wrong."""
    PENDING = "pending"
    """Taken, and being looked at: somebody sets the consent when it is known."""


class AddressProblem(Word):
    """What is wrong with a part."""

    MISSING = "missing"
    MALFORMED = "malformed"
    UNKNOWN = "unknown"
    """There is no such place."""


@named_noun
class Checked:
    """The outcome of a check."""

    state: AddressState
    address: CivicAddress
    """As the emergency services write it where it is valid, else as it was given."""
    suggestions: Sequence[CivicAddress] = ()
    """Each of which is valid; at most five are shown."""
    problems: Mapping[AddressField, AddressProblem] = field(default_factory=dict)
    identifier: str = ""
    """The emergency system's name for the place (AddrIdentifier), at most 128 letters."""
    expires_at: int | None = None
    """Unix seconds until which it is good; None = for ever."""


class AddressValidator(Protocol):
    """Checks addresses."""

    @property
    def countries(self) -> Mapping[str, str]:
        """Return the countries whose addresses can be checked.

        By their code (ISO 3166-1), what their people call them.
        """

    async def check(self, address: CivicAddress, *, deadline: float) -> Checked:
        """Return what is to be said of an address.

        ``deadline`` is in seconds of the monotonic clock.
        """

    async def close(self) -> None:
        """Let go of every connection."""
