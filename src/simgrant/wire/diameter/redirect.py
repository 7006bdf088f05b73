"""Where a redirect agent sends a request, and for how long that holds (RFC 6733 §6.12 to §6.14)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from simgrant.nouns import Number, noun
from simgrant.wire.diameter.avps import (
    DESTINATION_HOST,
    REDIRECT_HOST,
    REDIRECT_HOST_USAGE,
    REDIRECT_MAX_CACHE_TIME,
    is_identity,
)
from simgrant.wire.diameter.message import Avps, BadDiameter, Fault, pull_avps

_URI: Final = re.compile(
    r"(?P<scheme>aaas?)://(?P<host>[A-Za-z0-9._-]{1,255})(?::(?P<port>[0-9]{1,5}))?"
    r"(?:;transport=(?P<transport>tcp|sctp|udp))?(?:;protocol=(?P<protocol>[a-z+]{1,16}))?",
    re.ASCII | re.IGNORECASE,
)
_PORT, _TLS_PORT = 3868, 5658


class Usage(Number):
    """What else a redirect is for (Redirect-Host-Usage)."""

    DONT_CACHE = 0
    ALL_SESSION = 1
    ALL_REALM = 2
    REALM_AND_APPLICATION = 3
    ALL_APPLICATION = 4
    ALL_HOST = 5
    ALL_USER = 6


@noun
class Place:
    """A node as a URI names it (RFC 6733 §4.3.1)."""

    host: str
    """In lower case."""
    port: int
    secure: bool
    """Whether it wants TLS."""


@noun
class Redirect:
    """What an answer with 3006 says."""

    places: tuple[Place, ...]
    usage: Usage
    seconds: int
    """For which it may be kept; 0 where it is for this request alone."""


def pull_place(text: str) -> Place:
    """Return what a DiameterURI names; ValueError where it is none, or is of another protocol."""
    match = _URI.fullmatch(text)
    if match is None or not is_identity(match["host"]):
        raise ValueError("that is no DiameterURI")
    if (match["protocol"] or "diameter").lower() != "diameter":
        raise ValueError("it is of another protocol")
    secure = match["scheme"].lower() == "aaas"
    port = int(match["port"] or (_TLS_PORT if secure else _PORT))
    if not 0 < port < 1 << 16:
        raise ValueError("that is no port")
    return Place(match["host"].lower().rstrip("."), port, secure)


def pull_redirect(avps: Avps) -> Redirect:
    """Return where to; BadDiameter where it is nowhere, or any of it is malformed."""
    try:
        places = tuple(pull_place(text) for text in avps.all(REDIRECT_HOST))
    except BadDiameter:
        raise
    except ValueError:
        raise BadDiameter(Fault.INVALID_AVP_VALUE, "Redirect-Host is malformed") from None
    if not places:
        raise BadDiameter(Fault.MISSING_AVP, "Redirect-Host is missing")
    said = avps.get(REDIRECT_HOST_USAGE)
    # One that has no name yet may be kept for nothing that we know of.
    usage = Usage(said) if said in tuple(Usage) else Usage.DONT_CACHE
    seconds = avps.get(REDIRECT_MAX_CACHE_TIME) or 0
    return Redirect(places, usage, seconds if usage is not Usage.DONT_CACHE else 0)


def push_sent_to(avps: bytes, host: str) -> bytes:
    """Return a request's AVPs with another Destination-Host."""
    return pull_avps(avps).without(DESTINATION_HOST).push() + DESTINATION_HOST.push(host)


def hosts_of(places: Sequence[Place]) -> str:
    """Return the first few hosts, for people."""
    return ", ".join(each.host for each in places[:3])
