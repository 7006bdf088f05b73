"""Where a subscriber may be sent back to from a page of ours: to whom the consumer named before."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from simgrant.domain.camara.consumer import Consumer

_HERE: Final = frozenset({"127.0.0.1", "::1", "localhost"})


def is_callback(url: str, consumer: Consumer) -> bool:
    """Say whether an address is under an origin, or a scheme of an app, of the consumer's.

    It has to be `https`, but on the subscriber's own device.
    """
    origin = _origin(url)
    return origin is not None and origin in {_origin(each) for each in consumer.redirect_uris}


def _origin(url: str) -> tuple[str, str, int | None] | None:
    """Return scheme, host and port; None where nobody may be sent there."""
    try:
        parts = urlsplit(url)
        scheme, host, port = parts.scheme.lower(), parts.hostname or "", parts.port
    except ValueError:
        return None
    if not url.isascii() or not url.isprintable() or "\\" in url or parts.username is not None:
        return None
    if scheme == "https" and host:
        return scheme, host, port or 443
    if scheme == "http" and host in _HERE:
        return scheme, host, None  # An app listens where it can (RFC 8252 §7.3).
    if scheme in ("", "http", "https", "javascript", "data", "file", "blob", "about", "vbscript"):
        return None
    return scheme, "", None
