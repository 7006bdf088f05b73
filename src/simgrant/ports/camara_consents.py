"""Whether a consumer may process what is a subscriber's (CAMARA consent-info)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol, TypeAlias

from simgrant.domain.bss_events import BssEvent
from simgrant.domain.camara.consent import NOES, ConsentEntry, Standing
from simgrant.domain.camara.consumer import Consumer
from simgrant.domain.subscription import Subscription
from simgrant.identities import Imsi
from simgrant.nouns import named_noun

__all__ = [
    "CAPTURABLE",
    "CamaraConsents",
    "ConsentRows",
    "Permits",
    "Processing",
    "Purposeful",
    "Scribe",
    "Speaker",
    "Standing",
]


CAPTURABLE = frozenset({Standing.PENDING, Standing.REQUESTED, Standing.EXPIRED})
"""Where it helps to ask the subscriber."""


@named_noun
class Processing:
    """How some scopes stand for one purpose."""

    scopes: tuple[str, ...]
    standing: Standing
    expires_at: int | None = None
    """Unix seconds at which it ends or ended; None = it does not."""


@named_noun
class Purposeful:
    """Who wants to process what, and what for."""

    client_id: str
    application: str = ""
    purpose: str
    """W3C DPV, without the prefix."""
    scopes: tuple[str, ...]


class CamaraConsents(Protocol):
    """The port; every method raises PeerUnavailable where nobody can be asked."""

    async def of(
        self, subscription: Subscription, wanted: Purposeful, /, *, now: int
    ) -> Sequence[Processing]:
        """Return how every wanted scope stands, those that stand alike together."""

    async def capture_url(
        self,
        subscription: Subscription,
        wanted: Purposeful,
        callback: str,
        /,
        *,
        partly: bool,
        now: int,
    ) -> str:
        """Return where the subscriber can be asked about every wanted scope; empty = nowhere.

        ``callback`` is where he is to go from there; empty = nowhere. ``partly`` says that the
        consumer wants more, about which it does not help to ask.
        """


class Permits(Protocol):
    """Whether a processing may go on."""

    async def permits(
        self, tenant: str, imsi: Imsi, wanted: Purposeful, /, *, now: int, silent: bool = False
    ) -> bool:
        """Say whether every wanted scope is valid; PeerUnavailable where nobody can be asked.

        ``silent`` says that the subscriber is known to have said nothing, so that nobody looks.
        """


class ConsentRows(Protocol):
    """What subscribers said, as rows that are only ever added (ADR 0059).

    Every method raises PeerUnavailable where the store is away; nothing was changed then.
    """

    async def of(self, tenant: str, imsi: Imsi) -> Sequence[ConsentEntry]:
        """Return all that a subscriber said, in the order of what it is about, then of its number.

        Bounded: `MOST_KEPT`.
        """

    async def add(self, tenant: str, imsi: Imsi, entries: Sequence[ConsentEntry]) -> Sequence[int]:
        """Write entries, all or none, each with the next number of what it is about; return those.

        Conflict where there is no such subscription (``no_subscription``), where too much was said
        already (``too_many_entries``, see `room_for`), and where an entry has a number already, and
        it is not the next any more (``said_meanwhile``).
        """


MOST_ENTRIES: Final = 1000
"""Of one subscription, beyond which only a no is written."""
MOST_KEPT: Final = 2 * MOST_ENTRIES
"""Of one subscription altogether."""


def room_for(entry: ConsentEntry) -> int:
    """Return up to how many entries a subscription may have with this one.

    Whatever was said before, there is room to withdraw it.
    """
    return MOST_KEPT if entry.said in NOES else MOST_ENTRIES


@named_noun
class Speaker:
    """Who said something by an event, and what is known when it is written down."""

    subscription: Subscription
    consumer: Consumer | None
    """About whom; None = there is none of that name."""
    said: Sequence[ConsentEntry]
    """All that he said before, what is about the same in the order of its numbers."""


Scribe: TypeAlias = Callable[[Speaker, str, BssEvent], Sequence[ConsentEntry]]
"""Returns the entries, with their numbers, that an event of a source makes of what it tells.

None of them where somebody said something later. Raises NotPossible with a word for why where a
person has to look. Pure; called in a transaction in which nobody else writes for that subscription.
"""
