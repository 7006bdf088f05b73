"""Cookie and Set-Cookie, as far as the relay of EAP needs them (TS.43 §2.2, RFC 6265).

Tolerant: Android writes a header line for each cookie, quotes the value if it ever saw a Max-Age,
and some clients send the attributes of Set-Cookie back. Therefore ours has neither Max-Age nor
Expires: how long the cookie holds is sealed inside it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from simgrant.errors import TooLarge

MAX_COOKIES: Final = 4
"""How many cookies of one name are looked at."""
MAX_LINE: Final = 3800
"""Below the 4096 bytes that a client must hold for name, value and attributes (RFC 6265 §6.1)."""

_MAX_BYTES: Final = 16 * 1024
_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE: Final = re.compile(r"[!#-+\--:<-\[\]-~]*")


def cookie_values(headers: Iterable[bytes], name: str) -> tuple[str, ...]:
    """Return the values of the cookies called ``name`` in all Cookie lines, each once.

    More than one may come, for instance from two attempts at the same time: the caller tries
    them in turn. What is no cookie is passed over.
    """
    found: dict[str, None] = {}
    left = _MAX_BYTES
    for header in headers:
        left -= len(header)
        if left < 0:
            raise TooLarge("cookies_too_large")
        for part in header.decode("latin-1").split(";"):
            key, equals, value = part.partition("=")
            if not equals or key.strip() != name:
                continue
            value = value.strip()
            if len(value) >= 2 and value[0] == value[-1] == '"':
                value = value[1:-1]
            if value and _VALUE.fullmatch(value):
                found[value] = None
    return tuple(found)[:MAX_COOKIES]


def set_cookie(name: str, value: str, *, secure: bool) -> bytes:
    """Return the value of a Set-Cookie header; ValueError if it is too long or not a cookie."""
    if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
        raise ValueError("not the name or value of a cookie")
    line = f"{name}={value}; Path=/; HttpOnly{'; Secure' if secure else ''}".encode("ascii")
    if len(line) >= MAX_LINE:
        raise ValueError(f"the cookie has {len(line)} bytes")
    return line
