"""Whether a subscriber knows the PIN of the account, as the operator's care set it.

What every adapter promises:

- A try counts before it is judged, so that whoever interrupts it gains none.
- After so many wrong tries the next ones are not judged at all, for a time that the adapter keeps.
- The right one sets the count back.
- No PIN is in any error, log line or repr, and none can be had from what is kept.
- PeerUnavailable or PeerTimeout where it cannot be asked.
"""

from __future__ import annotations

from dataclasses import field
from typing import Final, Protocol

from simgrant.identities import Imsi
from simgrant.nouns import Word, noun

PIN_FORMAT: Final = "^[0-9]{4,12}$"
"""What a PIN looks like, as a regular expression of every dialect."""


class PinState(Word):
    """How it is with a subscription's PIN, or with a try."""

    NOT_SET = "not_set"
    LOCKED = "locked"
    """Too many tries were wrong."""
    OPEN = "open"
    """It may be tried."""
    RIGHT = "right"
    WRONG = "wrong"


class AccountPins(Protocol):
    """The port; see the module's docstring for what it promises."""

    async def state(self, tenant: str, imsi: Imsi, *, at: int) -> PinState:
        """Return whether a PIN may be asked for: `OPEN`, `LOCKED` or `NOT_SET`."""

    async def judge(self, tenant: str, imsi: Imsi, pin: str, *, at: int) -> PinState:
        """Return what becomes of a try: `RIGHT`, `WRONG`, `LOCKED` or `NOT_SET`."""


@noun
class KeptPin:
    """What a store keeps of a PIN."""

    digest: bytes = field(repr=False)
    """Made by whoever judges it."""
    set_at: int
    """Unix seconds."""
    tries: int
    """Wrong ones, and those under way, since the last right one."""
    tried_at: int
    """Unix seconds; 0 = never."""


class PinRows(Protocol):
    """Where the embedded adapter keeps its PINs: tables beside those of ``ports.store``."""

    async def set(self, tenant: str, imsi: Imsi, digest: bytes | None, *, at: int) -> None:
        """Keep a digest, None = there is no PIN any more; the count of tries begins anew.

        Raise Conflict where there is no such subscription.
        """

    async def find(self, tenant: str, imsi: Imsi) -> KeptPin | None:
        """Return what is kept, None where nothing is."""

    async def take_try(
        self, tenant: str, imsi: Imsi, *, at: int, most: int, since: int
    ) -> bytes | None:
        """Count a try and return the digest; None where there is none, or no try is left.

        There are ``most`` of them; those before ``since`` count no more. One step.
        """

    async def was_right(self, tenant: str, imsi: Imsi, digest: bytes) -> None:
        """Set the count back, if this still is the digest."""
