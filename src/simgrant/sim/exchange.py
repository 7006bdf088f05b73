"""What a handset saw: one record per request, and how the whole conversation ended.

The records hold what went over the wire in clear, because a laboratory may have
to look at it, but none of it is in a repr; `transcript` masks what it prints.
"""

from __future__ import annotations

from dataclasses import field
from enum import IntEnum, StrEnum

from simgrant.eap.packet import Packet
from simgrant.nouns import named_noun
from simgrant.sim.http import Headers
from simgrant.wire.document import Document


class Leg(StrEnum):
    """What a request is for."""

    START = "start"
    """The request with EAP_ID, which is answered with a challenge."""
    ANSWER = "answer"
    """The SIM's answer to a challenge."""
    RESYNC = "resync"
    """The SIM's AUTS."""
    TOKEN = "token"  # noqa: S105 - the name of a leg
    """Fast authentication (TS.43 §2.8.5)."""
    LENT = "lent"
    """A server that asks with a token that a handset lent it (TS.43 §2.8.6, §14.1.6)."""
    GRANT = "grant"
    """A server that is granted an access token (TS.43 §2.8.3)."""
    API = "api"
    """An application's server that asks a partner API (CAMARA)."""
    SIGN_IN = "sign-in"
    """The request without any proof, which is answered with a page or a cookie (TS.43 §2.8.2)."""
    CALL_BACK = "callback"
    """What the page led back to."""
    PASSWORD = "password"  # noqa: S105 - the name of a leg
    """A one-time password (TS.43 §8.3)."""
    REPEAT = "repeat"
    """The last answer once more, as after a lost document."""


class Result(StrEnum):
    """How the conversation ended for the handset."""

    DOCUMENT = "document"
    """It has the document."""
    REFUSED = "refused"
    """The server said no."""
    LATER = "later"
    """The server said when to come back (503)."""
    REDIRECTED = "redirected"
    """The server sent it to a web page (302)."""
    NOT_UNDERSTOOD = "not-understood"
    """The answer is nothing that a handset understands."""
    SIM_FAILED = "sim-failed"
    """The SIM did not accept the challenge, and the handset gave up."""
    TOO_MANY_ROUNDS = "too-many-rounds"
    """Challenge followed challenge."""
    UNREACHABLE = "unreachable"
    """There was no answer at all."""


class ClientError(IntEnum):
    """The codes in which Android's library reports a failure."""

    NONE = 0
    SIM_OR_CHALLENGE = 20
    SYNC_NOT_RECOVERED = 21
    TOO_MANY_CHALLENGES = 22
    HTTP_FAILURE = 31
    MALFORMED = 32
    TOKEN_NOT_AVAILABLE = 60


@named_noun
class Exchange:
    """One request and what came of it."""

    leg: Leg
    method: str
    url: str
    """Address without the query."""
    parameters: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """The parameters, whether they went in the query or in the body."""
    sent: Headers = field(default=(), repr=False)
    """The headers that the handset chose itself."""
    packet: Packet | None = None
    """The EAP packet in the body; None also where a fault made it unreadable."""
    status: int | None = None
    """None = no answer came."""
    reason: str = ""
    got: Headers = field(default=(), repr=False)
    """The answer's headers."""
    body: bytes = field(default=b"", repr=False)
    """The answer's body, decompressed."""
    wire_bytes: int = 0
    """Its size as it travelled."""
    milliseconds: float = 0.0
    challenge: Packet | None = None
    """The EAP packet in the answer."""
    challenge_bytes: bytes = field(default=b"", repr=False)
    """The same as it came."""
    document: Document | None = None
    """The document in the answer."""
    failure: str = ""
    """Why the handset could not use the answer, or why there is none."""

    def header(self, name: str) -> str:
        """Return the answer's first header of that name, or nothing."""
        wanted = name.lower()
        return next((value for key, value in self.got if key.lower() == wanted), "")

    @property
    def content_type(self) -> str:
        """Content-Type of the answer."""
        return self.header("content-type")


@named_noun
class Outcome:
    """A whole conversation: from wanting the document to having it, or not."""

    result: Result
    exchanges: tuple[Exchange, ...]
    document: Document | None = field(default=None, repr=False)
    code: ClientError = ClientError.NONE
    """What Android's library would report; NONE where it is not what asked."""
    why: str = ""
    """The failure in words."""
    retry_after: float | None = None
    """Seconds that the server asked to wait (503)."""
    location: str = field(default="", repr=False)
    """Where the server sent the handset (302)."""
    missing: tuple[str, ...] = ()
    """AppIDs that were asked for and are not in the document."""

    @property
    def last(self) -> Exchange:
        """The last exchange."""
        return self.exchanges[-1]
