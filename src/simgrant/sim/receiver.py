"""The handset's end of a push service: gets it a token, and listens for notices (TS.43 §2.6).

The services are those of ``simgrant sim push``; what is said to them is in `push.air`.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import field
from typing import Any, Final
from urllib.parse import urlencode

from simgrant.nouns import named_noun, noun, replace
from simgrant.sim.http import Answer, BadAnswer, HttpClient, Limits, Unreachable, Url
from simgrant.wire.push_token import Channel

DEFAULT_AIR: Final = "http://127.0.0.1:9085"
"""Where ``simgrant sim push`` has the phones' port unless it is told otherwise."""


@noun
class Address:
    """What a client registers with the server."""

    action: int
    """``notif_action``; 0 = this channel needs no registration."""
    token: str = field(repr=False)


@named_noun
class Notice:
    """What came."""

    channel: Channel
    apps: tuple[str, ...]
    """None in a message that is for a person."""
    timestamp: str
    """Empty on a channel that carries none."""
    text: str = field(repr=False)
    """A message for a person, else empty."""


class Receiver:
    """One phone of one push service; close it after use."""

    def __init__(self, air: Url, channel: Channel, *, limits: Limits | None = None) -> None:
        self.channel = channel
        self._air = air
        self._limits = limits or Limits()
        self._token = ""
        self._number = 0

    async def register(self, number: str = "") -> Address:
        """Return this phone's address; ``number`` is its own, for SMS.

        Raises HttpError where the service does not do as it should, also below.
        """
        said = await self._ask("POST", "phones", body=number.encode(), limits=self._limits)
        try:
            found = Address(int(said["notif_action"]), str(said["notif_token"]))
            self._number = int(said["after"])
        except (KeyError, TypeError, ValueError):
            raise BadAnswer("the push service gave no token") from None
        self._token = found.token
        return found

    async def listen(self, *, within: float) -> Notice | None:
        """Return the next notice, or None where none has come after ``within`` seconds."""
        query = urlencode({"token": self._token, "after": self._number})
        # The answer comes with the notice: the deadline is ours, not the connection's.
        limits = replace(self._limits, read_s=within + 1)
        try:
            async with asyncio.timeout(within):
                said = await self._ask("GET", f"notices?{query}", limits=limits)
        except TimeoutError:
            return None
        try:
            self._number = int(said["number"])
            return Notice(
                channel=self.channel,
                apps=tuple(map(str, said["apps"])),
                timestamp=str(said["timestamp"]),
                text=str(said["text"]),
            )
        except (KeyError, TypeError, ValueError):
            raise BadAnswer("the push service sent what is no notice") from None

    async def _ask(
        self, method: str, what: str, *, limits: Limits, body: bytes | None = None
    ) -> dict[str, Any]:
        http = HttpClient(self._air, limits=limits, keep_alive=False)
        path = f"{self._air.path.rstrip('/')}/{self.channel}/{what}"
        try:
            answer = await http.exchange(method, path, (), body=body)
        except Unreachable as error:
            raise Unreachable(f"the push service: {error}") from None
        finally:
            await http.aclose()
        return _members(answer)


def _members(answer: Answer) -> dict[str, Any]:
    if answer.status != 200:
        said = answer.body[:80].decode("ascii", "replace").strip()
        raise BadAnswer(f"the push service says {answer.status} {said}".rstrip())
    try:
        found = json.loads(answer.body)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise BadAnswer("the push service answers what is no JSON object")
    return found
