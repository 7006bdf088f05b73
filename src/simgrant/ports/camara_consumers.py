"""Consumers of partner APIs and their tariffs, as rows; workers look at a number for changes.

Every change of a tenant's consumers and tariffs has the next number, so whoever has seen one
number asks for what came after it. A consumer that was removed leaves its name behind: nobody else
gets it, and what it used stays its own.

Errors promised by every adapter: PeerUnavailable (the store cannot be reached; nothing was
changed).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from simgrant.domain.camara.consumer import Consumer
from simgrant.domain.camara.tariff import Tariff
from simgrant.nouns import noun


@noun
class ConsumerRow:
    """A consumer, or that there was one."""

    client_id: str
    revision: int
    consumer: Consumer | None
    """None = it was removed."""
    unreadable: bool = False
    """It is there, and this release cannot read it: a newer one wrote it."""


@noun
class Changed:
    """What changed after a number."""

    number: int
    """The newest change that is in it."""
    consumers: Sequence[ConsumerRow]
    tariffs: Sequence[Tariff]
    """Every version of all, whether it changed or not: there are few."""


class ConsumerRows(Protocol):
    """Where they are kept."""

    async def numbers(self) -> Mapping[str, int]:
        """Return the number of every tenant's newest change; cheap."""

    async def changed(self, tenant: str, after: int = 0) -> Changed:
        """Return what changed after a number; 0 = all there is."""

    async def find(self, tenant: str, client_id: str) -> ConsumerRow | None:
        """Return one consumer; None where there never was one of that name."""

    async def put(self, tenant: str, consumer: Consumer, *, seen: int) -> bool:
        """Write a consumer with the next revision.

        ``seen`` is the revision that whoever writes has seen, 0 = there was none. False, and
        nothing changed, where there is another one by now.
        """

    async def remove(self, tenant: str, client_id: str, *, seen: int) -> bool:
        """Remove a consumer; False, and nothing changed, where it is of another revision."""

    async def put_tariff(self, tenant: str, tariff: Tariff) -> bool:
        """Add a version of a tariff; False where there is one of that moment."""

    async def remove_tariff(self, tenant: str, name: str, valid_from: int) -> bool:
        """Remove a version of a tariff; False where there is none."""
