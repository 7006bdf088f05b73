"""What comes from a connection and what goes back on it: one request, one reply.

Between the socket and the flows there is nothing but these two: a request holds the few
headers that matter, as text, and a reply is made of finished header lines.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from simgrant.errors import EcsError
from simgrant.nouns import noun

FIELDS = {
    b"host": "host",
    b"accept": "accept",
    b"accept-encoding": "accept_encoding",
    b"accept-language": "accept_language",
    b"user-agent": "user_agent",
    b"content-length": "content_length",
    b"expect": "expect",
}
FIELDS |= {b"-".join(map(bytes.capitalize, name.split(b"-"))): at for name, at in FIELDS.items()}
"""Where the value of a header goes, by its name as it stands on the wire: most of them are spelled
in one of two ways, which spares folding their case."""
_CHAINED = {b"forwarded": "forwarded", b"x-forwarded-for": "x_forwarded_for"}

_OF_PARTNERS = {
    b"authorization": "authorization",
    b"content-type": "content_type",
    b"x-correlator": "x_correlator",
    b"dpop": "dpop",
}


@dataclass(slots=True)
class Request:
    """A request of a device; the connection fills it as its bytes come in."""

    peer: str
    """Address of the other end of the connection; a proxy's, where there is one."""
    target: bytes = field(default=b"", repr=False)
    method: bytes = b"GET"
    keep_alive: bool = True
    """Whether the client will use the connection again."""
    host: str = ""
    accept: str = ""
    accept_encoding: str = ""
    accept_language: str = ""
    user_agent: str = ""
    forwarded: str = ""
    x_forwarded_for: str = ""
    content_length: str = ""
    expect: str = ""
    cookies: list[bytes] = field(default_factory=list, repr=False)
    """The Cookie lines, as they came."""
    body: bytes = field(default=b"", repr=False)
    fault: EcsError | None = None
    """Why it never became whole: no HTTP, too long, too slow, or the client is gone."""

    def put(self, name: bytes, value: bytes) -> None:
        """Take one header line that is not spelled as in `FIELDS`."""
        name = name.lower()
        if name in FIELDS:
            setattr(self, FIELDS[name], value.decode("latin-1"))
        elif name == b"cookie":
            self.cookies.append(value)
        elif name in _CHAINED:
            at, text = _CHAINED[name], value.decode("latin-1")
            before = getattr(self, at)
            setattr(self, at, f"{before},{text}" if before else text)

    @property
    def path(self) -> bytes:
        """What precedes the question mark of the target."""
        return self.target.partition(b"?")[0]

    @property
    def query(self) -> bytes:
        """What follows the question mark of the target."""
        query = self.target.partition(b"?")[2]
        return query.partition(b"#")[0] if b"#" in query else query


@dataclass(slots=True)
class PartnerRequest(Request):
    """A request of a partner, which has headers that no device sends."""

    certificate: bytes = b""
    """SHA-256 of the client's certificate; empty = it showed none."""
    authorization: str = field(default="", repr=False)
    content_type: str = ""
    x_correlator: str = ""
    dpop: str = field(default="", repr=False)

    def put(self, name: bytes, value: bytes) -> None:
        """Take one header line; one that comes twice is kept as both, with a comma between."""
        at = _OF_PARTNERS.get(name.lower())
        if at is None:
            # Not super(): the class that slots make is not the one that it would mean.
            Request.put(self, name, value)
            return
        before, text = getattr(self, at), value.decode("latin-1")
        setattr(self, at, f"{before},{text}" if before else text)


@noun
class Reply:
    """Status, header lines (each with its CRLF) and body."""

    status: int
    lines: bytes = field(repr=False)
    body: bytes = field(repr=False)


Send: TypeAlias = Callable[[Reply, bytes], None]
"""Sends a reply, with the header lines that every reply has."""
