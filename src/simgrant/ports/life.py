"""Where events of an operator's systems wait, and where what follows from them is written.

`LifeRows.settle` removes events and writes all that follows in one transaction, in which nobody
else changes the subscription: whoever dies, an event has its effect once. What follows is a
`Judge`'s to say; the store calls it within the transaction, perhaps again, so it does nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from typing import Final, Protocol, TypeAlias

from simgrant.domain.bss_events import BssEvent
from simgrant.domain.companions import NOT_COUNTED, Counted
from simgrant.domain.life import Done, Life
from simgrant.domain.network_facts import Kind, Learned
from simgrant.domain.subscription import Terminal
from simgrant.domain.told import Told
from simgrant.errors import Conflict
from simgrant.identities import Imsi
from simgrant.nouns import Word, noun
from simgrant.ports.bss_events import Taken
from simgrant.ports.camara_consents import Scribe

TIMER: Final = "simgrant.timer"
"""The source of what comes with time and not from outside."""
SWITCH: Final = "simgrant.switch"
"""The source of how far the network is with what it was asked to switch."""
NETWORK: Final = "simgrant.network"
"""The source of what a core network told, once it was acted upon."""
BY_HAND: Final = "simgrant.hand"
"""The source of what people did, and subscribers on pages: what it writes, and the tokens that it
takes, were written and taken at once."""
FOUND: Final = "simgrant.bss"
"""The source of what a BSS said when a device asked: something else than before; without
`Waiting.told`, again something else."""
POLICY: Final = "simgrant.policy"
"""The source of what another policy says."""
COMPANIONS: Final = "simgrant.companions"
"""The source of eSIM orders by which a line has more companions than before, or fewer."""
OUR_OWN: Final = frozenset({TIMER, NETWORK, BY_HAND, FOUND, POLICY, SWITCH, COMPANIONS})
"""What no operator's system sent, and nobody sets aside."""


@noun
class Waiting:
    """An event that waits."""

    source: str
    event: BssEvent
    arrived_us: int
    """Unix microseconds at which it was kept."""
    before: Life | None = None
    """What devices were told by until then, where what it tells was written with it; nothing is
    noted of the line in it."""
    told: Told | None = None
    """What a BSS had told until then, where it was found to tell something else."""
    counted: Counted | None = None
    """How many companions there were until then, where their number changed."""
    between: Sequence[Life] | None = ()
    """What held for a while after ``before``, since more was written: who asked then, has that.
    None = there was too much of it."""
    counted_between: Sequence[Counted] | None = ()
    """Likewise, how many companions there were for a while after ``counted``."""


@noun
class Claim:
    """A subscription whose events somebody is to act upon until his lease is over."""

    tenant: str
    imsi: Imsi
    mark: int
    """Tells this claim from any other."""
    tries: int
    """How often it was claimed since it went well, this time included."""


@noun
class Present:
    """All that is looked at when events are acted upon."""

    life: Life
    terminals: tuple[Terminal, ...]
    registered: tuple[tuple[str, str], ...] = field(repr=False)
    """Terminal and application of each registration."""
    events: tuple[Waiting, ...]
    """In the order in which they happened."""
    told: Told | None = None
    """What a BSS told last, where that was read too."""
    learned: Mapping[Kind, Learned] = field(default_factory=dict, hash=False)
    """What core networks said, where that was read too."""
    counted: Counted = NOT_COUNTED
    """How many companions there are, where that was read too."""


class TimerKind(Word):
    """What ends by itself."""

    CONSENT = "consent"
    BOOST = "boost"
    USAGE = "usage"
    BILLING = "billing"
    SWITCH = "switch"
    """Nothing that ends: a line whose service in the network is to be looked at (`SwitchRows`)."""
    FAREWELL = "farewell"
    """The registrations of one that was ported out, once their devices were told."""


@noun
class Judged:
    """What follows from the events of one subscription."""

    before: Life
    after: Life
    done: tuple[tuple[Waiting, Done], ...]
    aside: tuple[tuple[Waiting, str], ...] = ()
    """Events for which nothing can be done, with a word for why."""
    changed: bool = False
    """Whether some device has another answer than before."""
    tells: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """Terminal and application of whoever is to be told."""
    sms: tuple[str, ...] = ()
    """Applications of which the SIM itself is told."""
    revokes: bool = False
    lost: tuple[str, ...] = field(default=(), repr=False)
    """Terminals whose tokens are good no more."""
    moves_to: Imsi | None = None
    switches: tuple[str, ...] = ()
    """Its services in the network that are to be looked at (`ports.switching`): with another IMSI,
    those of both."""
    said_before: tuple[tuple[str, str], ...] = ()
    """Of each application whose answer changed, what was decided before, for people."""
    said_after: tuple[tuple[str, str], ...] = ()


Judge: TypeAlias = Callable[[Present], Judged]
"""Pure; called in a transaction."""


class Refused(Conflict):
    """What a subscription was to become, another is: its number or its IMSI."""


@noun
class Aside:
    """An event that was set aside."""

    tenant: str
    aside_id: str
    source: str
    event_id: str
    """Empty where nobody could read it."""
    reason: str
    at: int
    """Unix seconds at which it was set aside."""
    body: bytes = field(repr=False)
    """What nobody could read; else empty."""
    event: BssEvent | None = None


class LifeRows(Protocol):
    """The port; every method raises PeerUnavailable where the store is away."""

    async def take(
        self,
        tenant: str,
        source: str,
        events: Sequence[BssEvent],
        *,
        now: float,
        future_s: int,
        scribe: Scribe,
    ) -> Sequence[Taken]:
        """Keep events in one transaction, or set them aside; return what became of each.

        ``future_s`` is how far ahead of ours a sender's clock may be. What ``scribe`` makes of
        consents that are told is written in that transaction, and nothing of them waits.
        """

    async def set_aside(
        self, tenant: str, source: str, raw: bytes, *, reason: str, now: float
    ) -> str:
        """Keep what nobody could read; return its id."""

    async def claim(self, *, now_ms: int, again_ms: int, limit: int) -> Sequence[Claim]:
        """Return subscriptions with events that are due; nobody else is given them meanwhile."""

    async def peek(self, claims: Sequence[Claim]) -> Sequence[tuple[Imsi, Waiting]]:
        """Return the events that wait for these, of one tenant; nothing is done for them."""

    async def settle(
        self,
        claims: Sequence[Claim],
        judge: Judge,
        *,
        now: float,
        again_ms: int,
        counts: bool = False,
    ) -> Sequence[Judged]:
        """Act upon all that waits for these, in one transaction; ``counts`` has their companions
        counted.

        `Refused`, and nothing done, where another subscription is in the way. The claims are of one
        tenant. What comes for them later is due at ``again_ms`` and not before. A claim that is
        somebody else's by now is left to him, and a subscription without events is claimed no
        more; neither is among what is returned.
        """

    async def give_up(self, claim: Claim, *, reason: str, now: float) -> int:
        """Set all events of a subscription aside; return how many."""

    async def fire(self, *, now: float, limit: int) -> int:
        """Make events of timers that are due, in one transaction; return of how many."""

    async def waits(self) -> int:
        """Return for how many subscriptions something waits, or was done a moment ago."""

    async def aside(self, tenant: str, *, limit: int) -> Sequence[Aside]:
        """Return what was set aside, the newest first."""

    async def find_aside(self, tenant: str, start: str) -> Sequence[Aside]:
        """Return what was set aside under ids that begin so, at most two."""

    async def drop(self, tenant: str, aside_id: str) -> bool:
        """Forget what was set aside; False where it is not there any more."""

    async def replay(self, aside: Aside, *, now: float, scribe: Scribe) -> Taken:
        """Take an event that was set aside once more, in one transaction, whatever its time is.

        It is SET_ASIDE, and stays as it was, where there still is no such subscription, or where
        ``scribe`` still says so.
        """

    async def purge(self, *, seen_before: int, aside_before: int, limit: int = 5000) -> int:
        """Forget old ids and what was set aside long ago (Unix seconds); return how many."""
