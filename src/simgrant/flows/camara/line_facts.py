"""What partner APIs tell of lines, from the store, the BSS and the core network."""

from __future__ import annotations

from typing import Final, Protocol

from simgrant.domain.camara.line import Line, device_changed_at
from simgrant.domain.eligibility import NOTHING_TOLD, Aspect, Aspects, Eligibility
from simgrant.domain.holdings import HeldUsage
from simgrant.domain.line_marks import YES, MarkName, mark_of
from simgrant.domain.network_facts import Kind, Kinds
from simgrant.domain.told import REALTIME, Freshness, Told
from simgrant.domain.trail import Trail
from simgrant.errors import PeerMisbehaved, PeerUnavailable
from simgrant.flows.camara.problem import Code, Problem
from simgrant.flows.eligibility import Eligibilities
from simgrant.flows.network_data import NetworkFacts
from simgrant.nouns import named_noun, noun
from simgrant.ports.camara_lines import CamaraLines
from simgrant.ports.store import Store

_LOCATION: Final = Kinds({Kind.LOCATION})
_LEISURELY: Final = Freshness(fresh_s=3600, known_s=24 * 3600)
"""Of what changes in days."""
_PLACES: Final = Freshness(fresh_s=60, known_s=24 * 3600)
"""Of where a line is; the answer says how old it is."""


@noun
class Place:
    """Where a line is."""

    plmn: str
    """Digits of MCC and MNC."""
    at: int
    """Unix seconds at which it was so."""


@noun
class Since:
    """Since when something is so."""

    at: int
    """Unix seconds."""
    known: bool
    """Whether that is when it began; else it began then or earlier."""


@named_noun
class Asking:
    """What goes with a question."""

    trail: Trail
    now: int
    """Unix seconds."""
    deadline: float
    """Seconds of the monotonic clock."""


class LineFacts(Protocol):
    """What there is to be told.

    Methods raise PeerUnavailable where it is not known right now, and `Problem` where the BSS has
    no such subscription.
    """

    async def sim_changed_at(self, line: Line, asking: Asking, /) -> int:
        """Return the Unix seconds of the last SIM swap, or of the activation."""

    async def device_changed_at(self, line: Line, asking: Asking, /) -> int:
        """Return the Unix seconds of the last device swap; 0 = no device is known."""

    async def place(self, line: Line, asking: Asking, /) -> Place | None:
        """Return where the line is, as far as anybody knows."""

    async def customer_since(self, line: Line, asking: Asking, /) -> Since:
        """Return since when the line's owner is the operator's customer."""

    async def number_since(self, line: Line, asking: Asking, /) -> Since:
        """Return since when the number is its owner's."""

    async def told(self, line: Line, asking: Asking, /) -> Eligibility:
        """Return status and kind of the line; None = the kind is not known."""

    async def is_throttled(self, line: Line, /) -> bool:
        """Say whether the line's data is used up."""


class OwnFacts:
    """Those of lines that there are (`LineFacts`)."""

    def __init__(
        self,
        lines: CamaraLines,
        store: Store,
        eligibilities: Eligibilities,
        network: NetworkFacts,
    ) -> None:
        self._lines = lines
        self._store = store
        self._eligibilities = eligibilities
        self._network = network

    async def sim_changed_at(self, line: Line, asking: Asking, /) -> int:
        """Return what was told of the SIM last, by whomever."""
        wants = Aspects({Aspect.SIM_SINCE})
        told = await self._told(line, wants, REALTIME, asking)
        # Whoever tells of a later one knows more.
        return max(line.sim_changed_at, told.sim_since or 0)

    async def device_changed_at(self, line: Line, _asking: Asking, /) -> int:
        """Return it from the devices that were seen with the line's SIM."""
        subscription = line.subscription
        terminals = await self._lines.terminals(subscription.tenant, subscription.imsi)
        return device_changed_at(terminals)

    async def place(self, line: Line, asking: Asking, /) -> Place | None:
        """Return the newest of what network, BSS and events said; whoever is away is left out."""
        subscription = line.subscription
        found = []
        if subscription.visited_plmn:
            found.append(Place(subscription.visited_plmn, subscription.visited_at))
        try:
            told = await self._row(line, Aspects({Aspect.VISITED_PLMN}), _PLACES, asking)
        except (PeerUnavailable, PeerMisbehaved):
            told = None
        if told is not None and told.eligibility is not None and told.eligibility.visited_plmn:
            found.append(Place(told.eligibility.visited_plmn, told.asked_at))
        if self._network.asks:
            location = (await self._network.heard(subscription, _LOCATION)).location
            if location is not None:
                found.append(Place(location.value, location.at))
        return max(found, key=lambda each: each.at, default=None)

    async def customer_since(self, line: Line, asking: Asking, /) -> Since:
        """Return what the BSS tells, else since when the store knows the line."""
        wants = Aspects({Aspect.CUSTOMER_SINCE})
        told = await self._told(line, wants, _LEISURELY, asking)
        if told.customer_since is not None:
            return Since(told.customer_since, known=True)
        return Since(line.subscription.created_at, known=False)

    async def number_since(self, line: Line, asking: Asking, /) -> Since:
        """Return the same, or when the line got this number in place of another."""
        since = await self.customer_since(line, asking)
        if line.number_since >= since.at:
            return Since(line.number_since, known=True)
        return since

    async def told(self, line: Line, asking: Asking, /) -> Eligibility:
        """Return what the BSS tells; of what it does not, the store's own."""
        subscription, wants = line.subscription, Aspects({Aspect.STATUS, Aspect.PREPAID})
        told = await self._told(line, wants, REALTIME, asking)
        prepaid = told.prepaid
        if prepaid is None:
            marks = await self._store.marks(subscription.tenant, subscription.imsi)
            if (mark := mark_of(marks, MarkName.PREPAID)) is not None:
                prepaid = mark.value == YES
        return Eligibility(status=told.status or subscription.status, prepaid=prepaid)

    async def is_throttled(self, line: Line, /) -> bool:
        """Say whether a counter of the line has reached its end."""
        subscription = line.subscription
        held = await self._store.holdings(subscription.tenant, subscription.imsi, (HeldUsage,))
        return any(
            each.allowance is not None and each.used >= each.allowance for each in held.usage
        )

    async def _told(
        self, line: Line, wants: Aspects, wanted: Freshness, asking: Asking
    ) -> Eligibility:
        told = await self._row(line, wants, wanted, asking)
        if told is None:
            return NOTHING_TOLD
        if told.eligibility is None:
            raise Problem(Code.IDENTIFIER_NOT_FOUND, reason="bss_no_subscription")
        return told.eligibility

    async def _row(
        self, line: Line, wants: Aspects, wanted: Freshness, asking: Asking
    ) -> Told | None:
        return await self._eligibilities.told(
            line.subscription, wants, wanted, deadline=asking.deadline, trail=asking.trail
        )
