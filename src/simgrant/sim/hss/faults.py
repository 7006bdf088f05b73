"""What a simulated HSS does wrong on purpose, one thing at a time."""

from __future__ import annotations

from enum import StrEnum

from simgrant.nouns import named_noun


class Fault(StrEnum):
    """A way to misbehave; the text under it says what is done."""

    SLOW = "slow"
    """The answer comes after ``delay_s``."""
    SILENT = "silent"
    """Requests are not answered; the watchdog is."""
    DEAF = "deaf"
    """Nothing is answered any more, the watchdog included."""
    UNKNOWN_USER = "unknown-user"
    """Experimental result 5001."""
    BUSY = "busy"
    """Result 3004, TOO_BUSY."""
    UNDELIVERABLE = "undeliverable"
    """Result 3002, as a relay says that has lost the HSS."""
    RESULT = "result"
    """The result that ``vendor`` and ``code`` say."""
    CLOSE = "close"
    """The connection is broken in place of the answer."""
    GOOD_BYE = "good-bye"
    """The request is answered, and then the peer is told to disconnect (DPR)."""
    WRONG_VECTOR = "wrong-vector"
    """The vector is of another key: a SIM refuses it."""
    NO_KEYS = "no-keys"
    """The answer has no CK and IK."""
    SHORT_AUTN = "short-autn"
    """RAND and AUTN together have 31 bytes."""
    OTHER_SCHEME = "other-scheme"
    """The answer is of another authentication scheme."""
    OTHER_USER = "other-user"
    """The answer is about another user."""
    OTHER_ID = "other-id"
    """The answer has a Hop-by-Hop identifier that nobody sent."""
    OTHER_END = "other-end"
    """The answer has another End-to-End identifier."""
    MALFORMED = "malformed"
    """The answer's last AVP says that it is longer than the message."""
    NONSENSE = "nonsense"
    """What comes is no Diameter."""


@named_noun
class Plan:
    """What is done wrong, and how often."""

    fault: Fault
    times: int = -1
    """-1: until told otherwise."""
    delay_s: float = 1.0
    vendor: int = 0
    code: int = 5012
