"""Which addresses the settings may name."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import SplitResult, urlsplit

_HOST_PORT: Final = re.compile(r"(\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+):[0-9]{1,5}", re.ASCII)


def is_host_port(text: str) -> bool:
    """Say whether it looks like ``host:port``, the host being a name or an IP address."""
    return _HOST_PORT.fullmatch(text) is not None


def is_page_address(url: str) -> bool:
    """Say whether an address is one of a page."""
    parts = _parts(url)
    if parts is None:
        return False
    return parts.scheme in ("http", "https") and {" ", ";", ",", "@"}.isdisjoint(url)


def is_safe_address(url: str) -> bool:
    """Say whether an address is one that secrets and people may be sent to: of this machine too."""
    parts = _parts(url)
    if parts is None or " " in url:
        return False
    is_here = parts.hostname in ("127.0.0.1", "localhost", "::1")
    return parts.scheme == "https" or (parts.scheme == "http" and is_here)


def _parts(url: str) -> SplitResult | None:
    """Return what an address is made of; None for one without a host, or that none may have."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return None
    if not host or parts.fragment or not url.isascii() or not url.isprintable():
        return None
    return parts
