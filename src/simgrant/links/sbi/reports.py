"""What producers said of their load and overload, and whom that leaves to be asked.

It is told the time and the chance. An instance that wants half of the requests no more gets every
second one, by chance; the others go to another instance, or nowhere (TS 29.500 §6.4.3).
"""

from __future__ import annotations

from collections.abc import Container

from simgrant.wire.sbi.headers import Load, Overload


class Reports:
    """What is known of the instances of one service, by API root."""

    def __init__(self) -> None:
        self._overloads: dict[str, tuple[Overload, float]] = {}
        self._loads: dict[str, Load] = {}
        self._paused: dict[str, float] = {}

    def overload(self, root: str, report: Overload, now: float) -> None:
        """Take what an instance said, unless something newer is known.

        ``now`` is of the monotonic clock. The same said once more changes nothing: nobody stays
        overloaded by one old header.
        """
        known = self._overloads.get(root)
        if known is not None and report.at <= known[0].at:
            return
        if report.reduction and report.validity_s:
            self._overloads[root] = report, now + report.validity_s
        else:
            self._overloads.pop(root, None)

    def load(self, root: str, report: Load) -> None:
        """Take how busy an instance is, unless something newer is known."""
        known = self._loads.get(root)
        if known is None or report.at >= known.at:
            self._loads[root] = report

    def pause(self, root: str, until: float) -> None:
        """Leave an instance alone until then, as it asked (Retry-After)."""
        self._paused[root] = until

    def load_of(self, root: str, told: int) -> int:
        """Return percent of an instance's capacity that is used; ``told`` where it says nothing."""
        known = self._loads.get(root)
        return told if known is None else known.percent

    def wait(self, root: str, now: float, chance: float) -> float:
        """Return seconds for which an instance is left alone; 0 = it is asked.

        Chance (0 to below 1) decides where it wants a part of the requests only.
        """
        paused = self._paused.get(root, 0.0) - now
        if paused > 0:
            return paused
        found = self._overloads.get(root)
        if found is None:
            return 0.0
        report, until = found
        if now >= until:
            return 0.0
        return until - now if chance * 100 < report.reduction else 0.0

    def forget(self, kept: Container[str]) -> None:
        """Keep nothing but what is about the instances at these API roots."""
        for known in (self._overloads, self._loads, self._paused):
            for root in [each for each in known if each not in kept]:
                del known[root]


def left_to_give(capacity: int, load: int) -> int:
    """Return the weight of an instance among others: what it has left of its capacity."""
    return capacity * (100 - min(load, 99))
