"""Where flows get the key ring: always the newest that this process knows."""

from __future__ import annotations

from typing import Protocol

from simgrant.keyring.ring import KeyRing


class Keys(Protocol):
    """A live key ring."""

    @property
    def ring(self) -> KeyRing:
        """Return the ring as of the last refresh."""

    def refresh(self) -> bool:
        """Look for a newer ring now; return whether there was one. Cheap while there is none.

        Called when a sealed value has an unknown key id, so that a process that has
        not polled since a rotation does not refuse a token made by one that has.
        """
