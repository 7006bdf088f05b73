"""The port ``CamaraSinks`` by HTTPS, to public addresses and nowhere else."""

from __future__ import annotations

from typing import Final

from simgrant.links.http import HttpRequest, Repeat
from simgrant.links.outside import OutsideLink
from simgrant.ports.camara_sinks import Answered, Letter

MOST_BYTES: Final = 4_096
"""Bytes of a sink's answer; nothing in it is of use."""
_LONGEST_WAIT_S: Final = 3_600.0


class WebSinks:
    """Whoever consumers name."""

    def __init__(self, link: OutsideLink) -> None:
        self._link = link

    async def deliver(self, letter: Letter, *, deadline: float) -> Answered:
        """Return what the sink says."""
        headers = {
            "content-type": "application/cloudevents+json",
            "x-correlator": letter.correlator,
        }
        if letter.access_token:
            headers["authorization"] = f"Bearer {letter.access_token}"
        request = HttpRequest("POST", letter.url, headers, letter.body, repeat=Repeat.NEVER_SENT)
        reply = await self._link.send(request, deadline=deadline)
        wait = reply.header("retry-after")
        asked = float(wait) if wait.isascii() and wait.isdigit() and len(wait) < 7 else None
        return Answered(reply.status, None if asked is None else min(asked, _LONGEST_WAIT_S))

    async def close(self) -> None:
        """Let go of every connection."""
        await self._link.close()
