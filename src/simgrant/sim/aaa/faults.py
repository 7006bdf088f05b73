"""What a simulated AAA server does wrong on purpose, one thing at a time."""

from __future__ import annotations

from enum import StrEnum

from simgrant.nouns import named_noun


class Fault(StrEnum):
    """A way to misbehave; the text under it says what is done."""

    SLOW = "slow"
    """The answer comes after ``delay_s``."""
    SILENT = "silent"
    """Requests are not answered; the watchdog is."""
    CLOSE = "close"
    """The connection is broken in place of the answer."""
    BUSY = "busy"
    """Result 3004, TOO_BUSY."""
    RESULT = "result"
    """The result that ``vendor`` and ``code`` say."""
    REJECT = "reject"
    """Result 4001 with EAP-Failure."""
    IDENTITY_ROUNDS = "identity-rounds"
    """Conversations begin with questions who it is, of EAP and of AKA; that is allowed."""
    ENDLESS_IDENTITY = "endless-identity"
    """It asks who it is, and nothing else."""
    OTHER_METHOD = "other-method"
    """It wants EAP-TLS."""
    NOTIFICATION = "notification"
    """It sends an AKA-Notification in place of a challenge."""
    WRONG_MAC = "wrong-mac"
    """The challenge's MAC is wrong."""
    WRONG_VECTOR = "wrong-vector"
    """The challenge is of another key: a SIM refuses it."""
    NO_PAYLOAD = "no-payload"
    """The answer has no EAP packet."""
    GARBAGE = "garbage"
    """The EAP packet is none."""
    NONSENSE = "nonsense"
    """What comes is no Diameter."""
    SUCCESS = "success"
    """Success at once, whatever was said."""
    OTHER_USER = "other-user"
    """The success is of another user."""
    OTHER_SESSION = "other-session"
    """The answer is of another session."""
    LONG_STATE = "long-state"
    """State has more bytes than anybody wants to carry."""


@named_noun
class Plan:
    """What is done wrong, and how often."""

    fault: Fault
    times: int = -1
    """-1: until told otherwise."""
    delay_s: float = 1.0
    vendor: int = 0
    code: int = 5012
