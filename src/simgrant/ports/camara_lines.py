"""The lines that partner APIs are about, looked up with all that every call has to know of one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from simgrant.domain.camara.line import Line
from simgrant.domain.subscription import Terminal
from simgrant.identities import Imsi, Msisdn
from simgrant.nouns import noun


@noun
class LineFound:
    """What one read finds."""

    line: Line | None
    """A removed one too; None = there is none."""
    revoked: bool
    """Whether the access token that is asked with is."""


class CamaraLines(Protocol):
    """The port; every method raises PeerUnavailable where the store is away."""

    async def by_imsi(self, tenant: str, imsi: Imsi, *, token_id: bytes) -> LineFound:
        """Return the line of a SIM, and whether a token is revoked."""

    async def by_msisdn(self, tenant: str, msisdn: Msisdn, *, token_id: bytes) -> LineFound:
        """Return the line that has a number, likewise."""

    async def is_revoked(self, tenant: str, token_id: bytes) -> bool:
        """Say whether an access token is revoked that is about no line."""

    async def terminals(self, tenant: str, imsi: Imsi) -> Sequence[Terminal]:
        """Return the devices that were ever seen with a line's SIM."""
