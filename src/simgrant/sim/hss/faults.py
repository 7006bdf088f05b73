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
    REDIRECT = "redirect"
    """Result 3006, as a redirect agent (SLF) says: ``to`` is to be asked, see ``usage``."""
    OVERLOAD = "overload"
    """The answer is right, and reports an overload (RFC 7683) of ``percent``."""
    RESULT = "result"
    """The result that ``vendor`` and ``code`` say."""
    CLOSE = "close"
    """The connection is broken in place of the answer."""
    HALF_CLOSED = "half-closed"
    """No answer comes any more, and what is sent to it is still read (a FIN and nothing else)."""
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
    to: tuple[str, ...] = ()
    """Diameter URIs."""
    usage: int = 0
    """What else a redirect is for: a number of Redirect-Host-Usage."""
    percent: int = 50
    """Of the requests, not to be sent."""
    realm: bool = False
    """Whether the report is about the realm, and not the host."""
    seconds: int = 30
    """For which the redirect may be kept, or the report is good."""
