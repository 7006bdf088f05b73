"""Short messages that a person reads.

Promised by every adapter: PeerUnavailable or PeerTimeout where nothing is known of the message,
PeerMisbehaved where it was refused. Neither text nor number is in any error or log line.
"""

from __future__ import annotations

from typing import Protocol

from simgrant.identities import Msisdn


class Texts(Protocol):
    """A way to a person's phone."""

    async def send(self, to: Msisdn, text: str, *, expires_at: int, deadline: float) -> None:
        """Hand over one message that is worth nothing after ``expires_at`` (Unix seconds).

        ``deadline`` is in seconds of the monotonic clock. ValueError for a text that does not fit
        into one message (``wire.sms_text.fits``).
        """

    async def close(self) -> None:
        """Let go of every connection."""
