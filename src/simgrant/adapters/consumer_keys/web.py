"""Consumers' keys at addresses of theirs (the ``PublishedKeys`` port)."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Final

from simgrant.links.fetched import Fetched, FetchRules
from simgrant.links.outside import OutsideLink
from simgrant.ports.clock import Clock
from simgrant.wire.jwt import Keys, pull_public_keys

MOST_BYTES: Final = 64 * 1024
DAILY: Final = FetchRules(keep_s=86_400.0, gap_s=5.0, fetch_s=5.0, good_s=7 * 86_400.0)
"""Consumers change their keys about monthly; a new one shows by its first signature."""
_MOST_ADDRESSES: Final = 1_000


class WebKeys:
    """What is at such addresses, each asked once a day, or where a key is not known."""

    def __init__(self, link: OutsideLink, clock: Clock, rules: FetchRules = DAILY) -> None:
        self._link = link
        self._clock = clock
        self._rules = rules
        self._sets: OrderedDict[str, Fetched[Keys]] = OrderedDict()
        self._closing: set[asyncio.Task[None]] = set()

    async def current(self, url: str, *, deadline: float) -> Keys:
        """Return the keys, as of a day ago at most."""
        return await self._at(url).current(url, deadline=deadline)

    async def look_again(self, url: str, *, deadline: float) -> bool:
        """Look for newer ones, if nobody did just now; say whether there are others by now."""
        keys = self._at(url)
        await keys.current(url, deadline=deadline)
        return await keys.look_again(deadline=deadline)

    async def close(self) -> None:
        """Ask no more."""
        await asyncio.gather(*(each.close() for each in self._sets.values()), *self._closing)
        await self._link.close()

    def _at(self, url: str) -> Fetched[Keys]:
        found = self._sets.get(url)
        if found is None:
            found = Fetched(self._link, pull_public_keys, self._clock, self._rules)
            self._sets[url] = found
            if len(self._sets) > _MOST_ADDRESSES:
                _, oldest = self._sets.popitem(last=False)
                task = asyncio.create_task(oldest.close())
                self._closing.add(task)
                task.add_done_callback(self._closing.discard)
        self._sets.move_to_end(url)
        return found
