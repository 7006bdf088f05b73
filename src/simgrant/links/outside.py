"""HTTPS to addresses that others name, and never into our own network, whatever DNS says.

A name is resolved for each request and each of its addresses looked at; the connection is made to
one that was, so that nobody can answer something else in between. Redirects are not followed.
"""

from __future__ import annotations

import asyncio
import socket
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import ip_address
from typing import Final, TypeAlias

from simgrant.errors import PeerTimeout
from simgrant.links.http import HttpConfig, HttpLink, HttpRequest, Reply, Unsent
from simgrant.nouns import replace
from simgrant.ports.clock import Clock
from simgrant.wire.web_address import IpAddress, Network, WebAddress, is_public, pull_web_address

Resolve: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]
"""Returns the addresses of a host; OSError where it has none."""
_MOST_LINKS: Final = 256


class OutsideLink:
    """Whoever is named. To be made and used within one event loop."""

    def __init__(
        self,
        config: HttpConfig,
        clock: Clock,
        *,
        allowed: tuple[Network, ...] = (),
        resolve: Resolve | None = None,
    ) -> None:
        """``allowed`` are networks that may be asked although they are not public."""
        self._config = config
        self._clock = clock
        self._allowed = allowed
        self._resolve = resolve or _resolved
        self._links: OrderedDict[tuple[str, int, str], HttpLink] = OrderedDict()
        self._closing: set[asyncio.Task[None]] = set()

    @property
    def peer(self) -> str:
        """Return what they are called in errors."""
        return self._config.peer

    async def send(self, request: HttpRequest, *, deadline: float) -> Reply:
        """Return the answer by ``deadline`` (seconds of the monotonic clock).

        Errors: those of `HttpLink.send`; where nobody may be asked at that address, Unsent with
        the reason ``address_not_allowed``.
        """
        try:
            where = pull_web_address(request.url)
        except ValueError:
            raise self._refused("not an address that may be asked") from None
        address = await self._address(where, deadline)
        return await self._link(where, address).send(request, deadline=deadline)

    async def close(self) -> None:
        """Let go of every connection."""
        await asyncio.gather(*(link.close() for link in self._links.values()), *self._closing)
        self._links.clear()

    async def _address(self, where: WebAddress, deadline: float) -> IpAddress:
        if where.literal is not None:
            found: Sequence[IpAddress] = (where.literal,)
        else:
            try:
                async with asyncio.timeout(max(0.0, deadline - self._clock.monotonic())):
                    texts = await self._resolve(where.host, where.port)
            except TimeoutError:
                raise PeerTimeout(for_operator=f"{self.peer}: no name in time") from None
            except (OSError, UnicodeError):
                raise Unsent(for_operator=f"{self.peer}: the name is not known") from None
            found = [ip_address(text) for text in texts]
        if not found or not all(is_public(each, self._allowed) for each in found):
            raise self._refused("it leads to an address that is not public")
        return found[0]

    def _refused(self, why: str) -> Unsent:
        return Unsent("address_not_allowed", for_operator=f"{self.peer}: {why}")

    def _link(self, where: WebAddress, address: IpAddress) -> HttpLink:
        key = (where.host, where.port, str(address))
        link = self._links.get(key)
        if link is None:
            hosts = () if where.literal else ((where.host, str(address), where.port),)
            link = HttpLink(replace(self._config, hosts=hosts, plain=False), self._clock)
            self._links[key] = link
            if len(self._links) > _MOST_LINKS:
                _, oldest = self._links.popitem(last=False)
                task = asyncio.create_task(oldest.close())
                self._closing.add(task)
                task.add_done_callback(self._closing.discard)
        self._links.move_to_end(key)
        return link


async def _resolved(host: str, port: int) -> Sequence[str]:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]
