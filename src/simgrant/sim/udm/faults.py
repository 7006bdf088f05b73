"""What a simulated 5G core does wrong on purpose, one thing at a time."""

from __future__ import annotations

from dataclasses import field
from enum import StrEnum
from typing import Final

from simgrant.nouns import named_noun, replace


class Fault(StrEnum):
    """A way to misbehave; the text under it says what is done."""

    SLOW = "slow"
    """The answer comes after ``delay_s``."""
    SILENT = "silent"
    """Requests are read and not answered."""
    RESET = "reset"
    """The connection is broken in place of the answer."""
    GOAWAY = "goaway"
    """The connection is ended in order, before the request is looked at."""
    DRAIN = "drain"
    """The answer is right, and the connection is to end after what is under way: a restart."""
    RESET_STREAM = "reset-stream"
    """The request is reset, and the connection goes on."""
    REFUSE_STREAM = "refuse-stream"
    """Likewise, and it is said that nothing was done."""
    HALF = "half"
    """Half of the answer's body comes, and then the connection ends."""
    STATUS = "status"
    """The answer is ``status`` with ``cause``."""
    BUSY = "busy"
    """503, NF_CONGESTION, with Retry-After."""
    THROTTLED = "throttled"
    """429, NF_CONGESTION_RISK, with Retry-After."""
    UNAUTHORIZED = "unauthorized"
    """401: the token is refused, however good it is."""
    UNKNOWN_USER = "unknown-user"
    """404, USER_NOT_FOUND."""
    REDIRECT = "redirect"
    """307 to the next instance; where there is one only, to itself."""
    MOVED = "moved"
    """308, likewise."""
    OVERLOADED = "overloaded"
    """The answer is right, and asks for ``reduction`` percent less (3gpp-Sbi-Oci)."""
    GARBAGE = "garbage"
    """The body is no JSON."""
    EMPTY = "empty"
    """There is no body."""
    WRONG_TYPE = "wrong-type"
    """The body is a page of HTML, as a proxy's."""
    WRONG_VECTOR = "wrong-vector"
    """The vector is of another key: a SIM refuses it."""
    NO_KEYS = "no-keys"
    """The vector has no keys."""
    SHORT_AUTN = "short-autn"
    """AUTN has 15 bytes."""
    OTHER_KIND = "other-kind"
    """It says that the vector is for another method; a number is an external identifier."""
    OTHER_USER = "other-user"
    """The answer is about another user, where it names one."""
    NO_SEPARATION = "no-separation"
    """The AMF of a vector for EAP-AKA' lacks its separation bit."""
    NOBODY = "nobody"
    """Of the NRF: it knows no instance."""
    STALE_TOKEN = "stale-token"  # noqa: S105 - the name of a fault
    """Of the NRF: the token has expired already."""
    OTHER_KEY = "other-key"
    """Of the NRF: the token is signed with a key that nobody knows."""


OF_NRF: Final = frozenset({Fault.NOBODY, Fault.STALE_TOKEN, Fault.OTHER_KEY})
"""What an NRF alone can do wrong."""


@named_noun
class Plan:
    """What is done wrong, to whom, and how often."""

    fault: Fault
    times: int = -1
    """-1: until told otherwise."""
    imsi: str = field(default="", repr=False)
    """To questions about this one alone; digits."""
    instance: int | None = None
    """At this instance alone; 0 = the first."""
    delay_s: float = 1.0
    status: int = 500
    cause: str = ""
    retry_after_s: int | None = 1
    """What Retry-After says; None = nothing."""
    reduction: int = 50
    """Percent."""
    validity_s: int = 10
    """For how long less is asked for."""

    @property
    def counted(self) -> Plan | None:
        """What is left of it after one more request."""
        if self.times < 0:
            return self
        return replace(self, times=self.times - 1) if self.times > 1 else None
