"""What a simulated HLR does wrong on purpose, one thing at a time."""

from __future__ import annotations

from enum import StrEnum

from simgrant.nouns import named_noun


class Fault(StrEnum):
    """A way to misbehave; the text under it says what is done."""

    SLOW = "slow"
    """The answer comes after ``delay_s``."""
    SILENT = "silent"
    """Requests are not answered; pings are."""
    DEAF = "deaf"
    """Nothing is answered any more, pings included."""
    CAUSE = "cause"
    """An error with ``cause`` is answered."""
    CLOSE = "close"
    """The connection is broken in place of the answer."""
    WRONG_VECTOR = "wrong-vector"
    """The vector is of another key: a SIM refuses it."""
    GSM_ONLY = "gsm-only"
    """The vectors have neither AUTN nor CK and IK."""
    SHORT_AUTN = "short-autn"
    """AUTN has 15 bytes."""
    NO_VECTORS = "no-vectors"
    """The answer has no vector."""
    NO_SEPARATION = "no-separation"
    """The AMF has no separation bit, whatever was asked for."""
    OTHER_USER = "other-user"
    """The answer is about another user."""
    OTHER_SESSION = "other-session"
    """The answer has a session identifier that nobody sent."""
    NO_SESSION = "no-session"
    """The answer does not repeat the session identifier."""
    MALFORMED = "malformed"
    """An element of the answer says that it is longer than the message."""
    TOO_LONG = "too-long"
    """The answer's frame says that it has 65535 bytes."""


@named_noun
class Plan:
    """What is done wrong, and how often."""

    fault: Fault
    times: int = -1
    """-1: until told otherwise."""
    delay_s: float = 1.0
    cause: int = 17
