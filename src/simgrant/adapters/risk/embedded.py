"""Risk as our own store knows it: what was noted about the line, and what we saw of its devices."""

from __future__ import annotations

from collections.abc import Sequence

from simgrant.domain.facts import NOBODY, Fact
from simgrant.domain.line_marks import YES, LineMark, MarkName, mark_of
from simgrant.domain.risk import NumberType
from simgrant.domain.subscription import Subscription
from simgrant.ports.risk import Risk
from simgrant.ports.store import Store


class EmbeddedRisk:
    """The facts that nobody else keeps (the ``RiskSource`` port)."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def of(self, subscription: Subscription, terminal_id: str) -> Risk:
        """Return what is known; a flag that nobody told is off."""
        tenant, imsi = subscription.tenant, subscription.imsi
        marks = await self._store.marks(tenant, imsi)
        since = None
        if terminal_id:
            since = await self._store.terminal_since(tenant, imsi, terminal_id)
        kind = mark_of(marks, MarkName.NUMBER_TYPE)
        return Risk(
            _sim_since(subscription, marks),
            Fact(since, "terminal", since),
            _flag(marks, MarkName.PORT_FREEZE),
            _flag(marks, MarkName.PREPAID),
            Fact(NumberType.UNKNOWN, NOBODY)
            if kind is None
            else Fact(NumberType(kind.value), "number type", kind.at),
        )


def _sim_since(subscription: Subscription, marks: Sequence[LineMark]) -> Fact[int | None]:
    """Return since when the SIM is the line's: as it was told, unless another came after that.

    Where nobody told anything, the line has it since the subscription is known.
    """
    told, iccid = mark_of(marks, MarkName.SIM_SINCE), mark_of(marks, MarkName.ICCID)
    if told is not None and (iccid is None or iccid.at <= told.at):
        return Fact(int(told.value), "SIM swap", int(told.value))
    if iccid is not None and iccid.at:
        return Fact(iccid.at, "ICCID", iccid.at)
    return Fact(subscription.created_at, "subscription", subscription.created_at)


def _flag(marks: Sequence[LineMark], name: MarkName) -> Fact[bool]:
    mark = mark_of(marks, name)
    if mark is None:
        return Fact(value=False, source=NOBODY)
    return Fact(mark.value == YES, name.replace("_", " "), mark.at)
