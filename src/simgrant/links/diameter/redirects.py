"""What redirect agents said that holds for more than one request (RFC 6733 §6.13).

It is told the time. Hosts are kept, and nothing by which somebody could be known: users are hashed
with a key that ends with the process. What is kept is a way to try first, and no authority: who
comes by it to a no asks the agent again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Final

from simgrant.nouns import noun
from simgrant.wire.diameter.avps import (
    DESTINATION_HOST,
    DESTINATION_REALM,
    SESSION_ID,
    USER_NAME,
)
from simgrant.wire.diameter.message import pull_avps
from simgrant.wire.diameter.redirect import Usage

_MOST: Final = 10_000
_LONGEST_S: Final = 86_400
_PRECEDENCE: Final = (
    Usage.ALL_SESSION,
    Usage.ALL_USER,
    Usage.REALM_AND_APPLICATION,
    Usage.ALL_REALM,
    Usage.ALL_APPLICATION,
    Usage.ALL_HOST,
)
"""Which counts where several are for a request."""

Key = tuple[Usage, object]


@noun
class Asked:
    """What decides where a request goes."""

    application: int
    realm: str
    """Destination-Realm, in lower case."""
    host: str
    """Destination-Host, in lower case; empty = any of the realm."""
    session: str
    user: str


def pull_asked(application: int, avps: bytes) -> Asked:
    """Return it, out of a request's AVPs."""
    found = pull_avps(avps)
    return Asked(
        application,
        (found.get(DESTINATION_REALM) or "").lower(),
        (found.get(DESTINATION_HOST) or "").lower(),
        found.get(SESSION_ID) or "",
        found.get(USER_NAME) or "",
    )


class Redirects:
    """What agents said to the requests of one route."""

    def __init__(self, secret: bytes, *, most: int = _MOST) -> None:
        """Take the key that users are hashed with."""
        self._secret = secret
        self._most = most
        self._kept: dict[Key, tuple[float, tuple[str, ...]]] = {}
        """Until when, and to which hosts; the oldest first."""

    def __len__(self) -> int:
        return len(self._kept)

    def keep(
        self,
        usage: Usage,
        asked: Asked,
        by: str,
        hosts: tuple[str, ...],
        *,
        seconds: int,
        now: float,
    ) -> None:
        """Keep what the host ``by`` said to a request, for so many seconds and a day at most."""
        key = self._key(usage, asked, by)
        if key is not None and seconds > 0:
            self._kept.pop(key, None)
            self._kept[key] = (now + min(seconds, _LONGEST_S), hosts)
            if len(self._kept) > self._most:
                del self._kept[next(iter(self._kept))]

    def hosts(self, asked: Asked, to: str, now: float) -> tuple[str, ...]:
        """Return where a request goes that would go to the host ``to``; nothing = there."""
        for key in self._keys(asked, to):
            found = self._kept.get(key)
            if found is not None:
                until, hosts = found
                if now < until:
                    return hosts
                del self._kept[key]
        return ()

    def forget(self, asked: Asked, to: str) -> None:
        """Forget all that is for a request."""
        for key in self._keys(asked, to):
            self._kept.pop(key, None)

    def _keys(self, asked: Asked, to: str) -> Iterator[Key]:
        for usage in _PRECEDENCE:
            key = self._key(usage, asked, to)
            if key is not None:
                yield key

    def _key(self, usage: Usage, asked: Asked, host: str) -> Key | None:
        """Return what a redirect is kept under; None where the request has no such thing."""
        named: object
        match usage:
            case Usage.ALL_SESSION:
                named = asked.session
            case Usage.ALL_USER:
                named = asked.user and self._hashed(asked.user)
            case Usage.REALM_AND_APPLICATION:
                named = (asked.realm, asked.application)
            case Usage.ALL_REALM:
                named = asked.realm
            case Usage.ALL_APPLICATION:
                named = asked.application
            case Usage.ALL_HOST:
                named = host.lower()
            case Usage.DONT_CACHE:
                named = ""
        return (usage, named) if named else None

    def _hashed(self, user: str) -> bytes:
        return hashlib.blake2b(user.encode(), key=self._secret, digest_size=16).digest()
