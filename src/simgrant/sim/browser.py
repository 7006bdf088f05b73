"""Follows a page that leads back by itself, as a browser does in which somebody is signed in."""

from __future__ import annotations

import ssl
from typing import Final

from simgrant.sim.http import HttpClient, HttpError, Limits, Url

_MOST_PAGES: Final = 5


async def follow(page: str, *, tls: ssl.SSLContext | None, limits: Limits) -> str:
    """Return the address that a page leads to outside of its own site.

    Raises HttpError where it does not answer, ValueError where it wants a person.
    """
    at = Url.parse(page)
    for _ in range(_MOST_PAGES):
        http = HttpClient(at, tls=tls if at.scheme == "https" else None, limits=limits)
        try:
            answer = await http.exchange("GET", at.target(), (("Accept", "text/html"),))
        finally:
            await http.aclose()
        where = next((value for name, value in answer.headers if name.lower() == "location"), "")
        if answer.status not in (302, 303) or not where:
            raise ValueError(f"it answers {answer.status}; open it, sign in, and say where it led")
        if where.startswith("/"):
            where = at.origin + where
        elif not where.startswith(at.origin + "/"):
            return where
        at = Url.parse(where)
    raise HttpError("it leads from page to page")
