"""A hub of one of TM Forum's APIs, at which listeners are registered (TMF630, TMF688)."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote, urlsplit

import msgspec

from simgrant.errors import PeerMisbehaved, PeerUnavailable
from simgrant.links.api import ApiLink
from simgrant.links.http import Repeat, Reply
from simgrant.ports.event_hubs import MOST_ID, Seen

_TAKEN: Final = frozenset({200, 201, 202})
_GONE: Final = frozenset({404, 410})
_NOT_SHOWN: Final = frozenset({400, 405, 501})
_KNOWN: Final = 409


class _Listener(msgspec.Struct):
    """A registration, as far as it is read."""

    id: str | int = ""
    callback: str = ""


class TmfHub:
    """The hub (the ``Hub`` port)."""

    def __init__(self, link: ApiLink, url: str) -> None:
        """``link`` has the hub's scheme, host and port, ``url`` its path besides."""
        self._link = link
        self._url = url.rstrip("/")
        self._path = urlsplit(self._url).path

    async def register(self, callback: str, query: str, *, deadline: float) -> str | None:
        """Register a listener and return its id; None where the hub has this listener already."""
        wanted = {"callback": callback} | ({"query": query} if query else {})
        reply = await self._send("POST", self._path, msgspec.json.encode(wanted), deadline=deadline)
        if reply.status == _KNOWN:
            return None
        if reply.status not in _TAKEN:
            raise self._misbehaved(f"it answers {reply.status}")
        try:
            found = _id_of(reply.json(_Listener))
        except ValueError:
            found = ""
        # Some say it by its address alone.
        found = found or urlsplit(reply.header("location")).path.rstrip("/").rpartition("/")[2]
        if not _is_id(found):
            raise self._misbehaved("it does not say what it calls the registration")
        return found

    async def find(self, callback: str, *, deadline: float) -> str:
        """Return the id of a listener that the hub has already; empty where it does not say."""
        reply = await self._send("GET", self._path, repeat=Repeat.STRUGGLING, deadline=deadline)
        try:
            listeners = reply.json(list[_Listener]) if reply.status in _TAKEN else []
        except ValueError:
            return ""
        found = (_id_of(each) for each in listeners if each.callback == callback)
        return next(filter(_is_id, found), "")

    async def look(self, hub_id: str, *, deadline: float) -> Seen:
        """Say whether a registration is still there."""
        path = f"{self._path}/{quote(hub_id, safe='')}"
        reply = await self._send("GET", path, repeat=Repeat.STRUGGLING, deadline=deadline)
        if reply.status in _TAKEN:
            return Seen.THERE
        if reply.status in _GONE:
            return Seen.GONE
        if reply.status in _NOT_SHOWN:
            return Seen.NOT_SHOWN
        raise self._misbehaved(f"it answers {reply.status}")

    async def remove(self, address: str, *, deadline: float) -> bool:
        """Take a registration away; False where it is another peer's, who is asked nothing."""
        ours, its = urlsplit(self._url), urlsplit(address)
        # What proves who we are is for this peer alone.
        if (its.scheme, its.netloc) != (ours.scheme, ours.netloc):
            return False
        reply = await self._send("DELETE", its.path, repeat=Repeat.STRUGGLING, deadline=deadline)
        if reply.status not in _GONE and not 200 <= reply.status < 300:
            raise self._misbehaved(f"it answers {reply.status}")
        return True

    def address(self, hub_id: str) -> str:
        """Return the address of a registration."""
        return f"{self._url}/{quote(hub_id, safe='')}"

    async def close(self) -> None:
        """Let go of every connection."""
        await self._link.close()

    async def _send(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        repeat: Repeat = Repeat.NEVER_SENT,
        deadline: float,
    ) -> Reply:
        reply = await self._link.send(method, path, body, repeat=repeat, deadline=deadline)
        if reply.status >= 500 and reply.status not in _NOT_SHOWN:
            raise PeerUnavailable(
                "bss_unavailable", for_operator=f"{self._link.peer}: it answers {reply.status}"
            )
        return reply

    def _misbehaved(self, text: str) -> PeerMisbehaved:
        return PeerMisbehaved(for_operator=f"{self._link.peer}: {text}")


def _id_of(listener: _Listener) -> str:
    return str(listener.id)


def _is_id(text: str) -> bool:
    # One of dots alone would be another address.
    return 0 < len(text) <= MOST_ID and text.isprintable() and bool(text.strip("."))
