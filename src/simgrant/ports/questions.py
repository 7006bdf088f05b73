"""Questions out of band: what a person is asked on his phone, without data and without an app.

Asking says nothing of the answer, which comes to whichever worker the gateway chooses, soon, late
or never. Promised by every adapter: PeerUnavailable or PeerTimeout where nothing is known of the
question, PeerMisbehaved where it was refused. Neither text nor number is in any error or log line.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import field
from typing import Protocol, TypeAlias

from simgrant.identities import Msisdn
from simgrant.nouns import Word, named_noun


class AskedBy(Word):
    """How somebody is asked."""

    USSD = "ussd"
    """A dialogue that the network begins; the answer is of the same session."""
    SMS = "sms"
    """A short message; the answer has to bring a code along."""


@named_noun
class Asked:
    """A question to a person."""

    to: Msisdn = field(repr=False)
    text: str = field(repr=False)
    """It fits into one message (``wire.sms_text.fits``)."""
    code: str = field(repr=False)
    """What the right answer brings along: of SMS it is in the text, of USSD the session's number,
    in decimal."""
    expires_at: int
    """Unix seconds."""


@named_noun
class Heard:
    """What somebody answered, or somebody else who says that he is he."""

    number: Msisdn = field(repr=False)
    agrees: bool
    code: str = field(repr=False)
    """Empty = he brought none."""


Hear: TypeAlias = Callable[[Heard], Awaitable[bool]]
"""Is told what comes, and says whether a question is over by it. It raises nothing."""


class AsksPeople(Protocol):
    """A way to ask."""

    by: AskedBy

    async def ask(self, asked: Asked, *, deadline: float) -> None:
        """Hand over one question; ``deadline`` is in seconds of the monotonic clock."""

    async def run(self, hear: Hear) -> None:
        """Listen for answers until cancelled, whatever becomes of the connection."""

    async def close(self) -> None:
        """Let go of every connection."""
