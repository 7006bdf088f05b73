"""What a simulated SM-DP+ does wrong on purpose, one thing at a time."""

from __future__ import annotations

from enum import StrEnum

from simgrant.nouns import named_noun
from simgrant.wire.es2plus import Function


class Fault(StrEnum):
    """A way to misbehave; the text under it says what is done."""

    SLOW = "slow"
    """The call is executed at once and answered after ``delay_s``."""
    SILENT = "silent"
    """The call is executed and never answered."""
    LOST = "lost"
    """The call is executed, and the connection broken in place of the answer."""
    UNREAD = "unread"
    """The connection is broken, and nothing was done."""
    FAILING = "failing"
    """The call is refused with ``subject`` and ``reason``."""
    OUT_OF_STOCK = "out-of-stock"
    """An order of a profile is refused, as if there was none of its type."""
    DUPLICATE = "duplicate"
    """An order of a profile is given one that is somebody's already."""
    WRONG_ICCID = "wrong-iccid"
    """The call is executed, and answered about another profile."""
    EXPIRED = "expired"
    """The call is executed, and its answer says that it expired."""
    WARNING = "warning"
    """The call is executed, and its answer says: with a warning."""
    BROKEN = "broken"
    """HTTP status 500 and a page of HTML; nothing was done."""
    NONSENSE = "nonsense"
    """The call is executed, and answered with what is no answer."""


@named_noun
class Plan:
    """What is done wrong, to which calls, and how often."""

    fault: Fault
    function: Function | None = None
    """None: to calls of every function."""
    times: int = -1
    """-1: until told otherwise."""
    share: float = 1.0
    """Of the calls in question, evenly: 0.2 is every fifth."""
    delay_s: float = 1.0
    subject: str = "8.2.5"
    reason: str = "3.7"
