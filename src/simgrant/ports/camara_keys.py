"""Public keys that consumers publish at an address of theirs (JWK Sets, RFC 7517 §5)."""

from __future__ import annotations

from typing import Protocol

from simgrant.wire.jwt import Keys


class PublishedKeys(Protocol):
    """Knows what is at such addresses.

    Nobody else's word is trusted about where that is: an address is asked by https alone, never
    one in our own network, and no redirect is followed.
    """

    async def current(self, url: str, *, deadline: float) -> Keys:
        """Return the keys, as of a day ago at most; ``deadline`` is of the monotonic clock.

        Errors, where there are none to go by: PeerTimeout, PeerUnavailable, PeerMisbehaved.
        """

    async def look_again(self, url: str, *, deadline: float) -> bool:
        """Look for newer ones, if nobody did just now; say whether there are others by now."""

    async def close(self) -> None:
        """Ask no more."""
