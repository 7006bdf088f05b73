"""What a simulated BSS does wrong on purpose, one thing at a time."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from simgrant.nouns import named_noun, replace
from simgrant.sim.web import Break


class Fault(StrEnum):
    """A way to misbehave; the text under it says what is done."""

    SLOW = "slow"
    """The answer comes after ``delay_s``."""
    SILENT = "silent"
    """Requests are read and not answered."""
    RESET = "reset"
    """The connection is broken in place of the answer."""
    LOST = "lost"
    """What was asked is done, and then the connection is broken in place of the answer."""
    HALF = "half"
    """Half of the answer's body comes, and then the connection ends."""
    STATUS = "status"
    """The answer is ``status``."""
    BUSY = "busy"
    """503 with Retry-After."""
    THROTTLED = "throttled"
    """429 with Retry-After."""
    FLAPPING = "flapping"
    """503 to ``run`` requests, right answers to the next ``run``, and so on."""
    UNAUTHORIZED = "unauthorized"
    """401, however good the token is."""
    GARBAGE = "garbage"
    """200 with the beginning of some JSON."""
    NONSENSE = "nonsense"
    """200 with JSON that is something else."""
    EMPTY = "empty"
    """200 without a body."""
    WRONG_TYPE = "wrong-type"
    """200 with a page of HTML, as a proxy's."""
    HUGE = "huge"
    """200 with a list of 50 MB."""
    ENDLESS = "endless"
    """Every page of a list is full, and there is always another."""
    OTHER_SUBSCRIBER = "other-subscriber"
    """The answer is about another subscriber than the one asked about."""
    ODD_STATE = "odd-state"
    """What is listed is in a state that the definitions do not have."""
    NOBODY = "nobody"
    """Nothing is found, whoever is asked about."""


BREAKS: Final = {
    Fault.SILENT: Break.SILENT,
    Fault.RESET: Break.RESET,
    Fault.LOST: Break.RESET,
    Fault.HALF: Break.HALF,
}
"""What faults do to a connection."""
AFTER: Final = frozenset({Fault.LOST, Fault.HALF})
"""Those after the request was looked at."""


@named_noun
class Plan:
    """What is done wrong, to what, and how often."""

    fault: Fault
    times: int = -1
    """-1: until told otherwise."""
    resource: str = ""
    """To requests for this resource alone, such as ``productOrder``; empty = to all."""
    method: str = ""
    """To this method alone; empty = to all."""
    delay_s: float = 1.0
    status: int = 500
    retry_after_s: int | None = 1
    """What Retry-After says; None = nothing."""
    run: int = 1
    """How often in a row, for ``flapping``."""
    done: int = 0
    """How many requests it has befallen."""

    @property
    def counted(self) -> Plan | None:
        """What is left of it after one more request."""
        if 0 <= self.times <= self.done + 1:
            return None
        return replace(self, done=self.done + 1)

    @property
    def is_off(self) -> bool:
        """Whether this request is answered rightly all the same."""
        return self.fault is Fault.FLAPPING and bool(self.done // max(1, self.run) % 2)
