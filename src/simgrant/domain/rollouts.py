"""Roll-outs: a rule that holds for some of the subscribers first.

Each subscription draws a number once and for all, by a keyed hash of its own for each roll-out; it
is in where the number is below the share. So raising the share keeps whoever is in, and nobody is
in every roll-out first.
"""

from __future__ import annotations

from collections.abc import Mapping

from simgrant.domain.problems import shown
from simgrant.domain.reading import Reader

MOST_ROLLOUTS = 100
DRAWN_BYTES = 6
_NUMBERS = 1 << 8 * DRAWN_BYTES


def read_rollouts(given: object, reader: Reader) -> dict[str, float]:
    """Return the roll-outs of a policy: the share (0 to 1) that is in, by name."""
    found: dict[str, float] = {}
    for name, entry in reader.named(given, "rollouts", most=MOST_ROLLOUTS):
        where = f"rollouts.{name}"
        body = reader.table(entry, where, "", known=("percent",))
        percent = body.get("percent")
        if (
            isinstance(percent, bool)
            or not isinstance(percent, int | float)
            or not 0 <= percent <= 100
        ):
            reader.say(where, "percent", f"must be a number from 0 to 100, not {shown(percent)}")
            percent = 0
        found[name] = percent / 100
    return found


def is_in(share: float, drawn: bytes) -> bool:
    """Say whether a subscription is in, by the `DRAWN_BYTES` that it drew."""
    return int.from_bytes(drawn) < share * _NUMBERS


def shares_of(rollouts: Mapping[str, float], named: frozenset[str]) -> dict[str, float]:
    """Return the roll-outs that rules name; others are drawn for nobody."""
    return {name: share for name, share in rollouts.items() if name in named}
