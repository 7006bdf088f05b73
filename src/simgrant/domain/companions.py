"""How many companions a line has: watches and the like with an eSIM of their own (TS.43 §6)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from simgrant.domain.order import LIVE, Order, OrderState
from simgrant.nouns import noun
from simgrant.spec.ids import AppId


class Companions(NamedTuple):
    """How many there are."""

    live: int = 0
    """That have an eSIM, or will: what the limit of devices counts."""
    active: int = 0
    """Those of them whose service is on."""

    def __str__(self) -> str:
        return f"{self.live}, {self.active} of them active" if self.live else "none"


@noun
class Counted:
    """How many there were when somebody looked."""

    companions: Companions
    at: int = 0
    """Unix seconds at which one of them changed last; 0 = there never was one."""


NOT_COUNTED: Final = Counted(Companions())
"""Nobody looked: no rule and no service asks for it."""


def share(order: Order | None) -> Companions:
    """Return how many companions there are by one order alone; by none there are none."""
    return Companions() if order is None else count([order]).companions


def count(orders: Iterable[Order]) -> Counted:
    """Return how many companions a line has by its orders, of whatever application they are."""
    theirs = [each for each in orders if each.app_id == AppId.ODSA_COMPANION and not each.forget_at]
    live = [each.state for each in theirs if each.state in LIVE and not each.is_aside]
    changed = max((each.changed_at for each in theirs), default=0)
    return Counted(Companions(len(live), live.count(OrderState.ACTIVE)), changed)
