"""Limits against fraud with partner APIs: how often a number is asked about, how new its SIM is.

They are each worker's own, like all limits of rates, and forget in a restart. Somebody who tries
numbers, or sits on a swapped SIM, is slowed down and leaves a mark in the books.
"""

from __future__ import annotations

from simgrant.errors import NotAllowed
from simgrant.flows.limits import Rate, Throttle
from simgrant.nouns import Word, named_noun

_HOUR_S = 3_600


class Reaction(Word):
    """What is done about a SIM that was swapped a short while ago."""

    NOTHING = "nothing"
    MARK = "mark"
    """The usage says so (``suspicion``); the consumer learns it by sim-swap, if at all."""
    REFUSE = "refuse"
    """Nothing is proved with it."""


SIM_SWAPPED = "sim_swapped"
"""The mark."""


@named_noun
class FraudRules:
    """Each worker's limits; a burst of 0 = no limit."""

    number: Rate = Rate(30, 30 / _HOUR_S)
    """Tokens and questions about one number, by whomever."""
    number_consumer: Rate = Rate(15, 15 / _HOUR_S)
    """Those of one consumer."""
    device: Rate = Rate(30, 30 / _HOUR_S)
    """Tokens by one device, about whatever number."""
    sim_age_h: int = 0
    """Hours for which a SIM is a new one; 0 = none is."""
    reaction: Reaction = Reaction.MARK
    remembered: int = 100_000
    """Numbers and devices."""


class Fraud:
    """Slows down and marks."""

    def __init__(self, rules: FraudRules) -> None:
        self._rules = rules
        self._numbers = Throttle(
            "number_asked_too_often",
            rules.number,
            rules.number_consumer,
            remembered=rules.remembered,
        )
        self._devices = Throttle("device_asks_too_often", rules.device, remembered=rules.remembered)

    def ask(
        self, tenant: str, client_id: str, *, number: str, device: str = "", now: float
    ) -> None:
        """Count what a consumer wants about a number; raise Overloaded where it is too much.

        It is called once for each access token with a subscriber in it, and for each question
        that names a number. ``device`` is what got the temporary token; ``now`` is in seconds of
        the monotonic clock.
        """
        if device:
            self._devices.take((tenant, device), now=now)
        self._numbers.take((tenant, number), (tenant, client_id, number), now=now)

    def judge(self, sim_since: int, *, at: float, may_refuse: bool = True) -> str:
        """Return the mark that an answer about a line gets, empty for none.

        Raise NotAllowed where it is to prove nothing, and the answer would (``may_refuse``).
        ``sim_since`` is when the line got its SIM (Unix seconds; 0 = nobody knows).
        """
        rules = self._rules
        if not (sim_since and rules.sim_age_h) or rules.reaction is Reaction.NOTHING:
            return ""
        if at - sim_since >= rules.sim_age_h * _HOUR_S:
            return ""
        if rules.reaction is Reaction.REFUSE and may_refuse:
            raise NotAllowed("sim_swapped_lately")
        return SIM_SWAPPED
