"""What a subscriber has, looked up in inventories when a device asks (TMF637, TMF638, TMF639).

Those that tell what is wanted are asked at the same time. An item that is not the subscriber's, a
list that does not end, a state that nobody has given a meaning: the whole answer is no use then,
since half of it would switch off what somebody paid for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from simgrant.adapters.bss.tmf.answers import failed, misbehaved
from simgrant.adapters.bss.tmf.rules import Rules, SomebodyElse, Useless, joined, only
from simgrant.domain.eligibility import Aspects, Eligibility
from simgrant.errors import PeerMisbehaved, PeerUnavailable
from simgrant.links.api import ApiLink
from simgrant.links.http import Repeat
from simgrant.ports.clock import Clock
from simgrant.ports.network_data import Subscriber
from simgrant.wire.tmf.inventory import Item, pull_items, push_query
from simgrant.wire.tmf.parts import BadMessage

_LISTED: Final = frozenset({200, 206})
_NOT_FOUND: Final = 404
_TOTAL: Final = "x-total-count"


class TmfLookups:
    """Inventories (the ``EligibilitySource`` port)."""

    def __init__(self, link: ApiLink, rules: Sequence[Rules], clock: Clock) -> None:
        self._link = link
        self._rules = tuple(rules)
        self._clock = clock
        self.tells: Aspects = frozenset().union(*(each.tells for each in rules))

    async def look_up(
        self, who: Subscriber, wants: Aspects, *, deadline: float
    ) -> Eligibility | None:
        """Return what is told of these aspects (see the port)."""
        asked = [rules for rules in self._rules if rules.tells & wants]
        tasks = [asyncio.ensure_future(self._one(rules, who, deadline)) for rules in asked]
        try:
            found = await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
        told = [each for each in found if each is not None]
        if len(told) < len(found):
            return None
        return only(joined(told), wants)

    async def close(self) -> None:
        """Let go of every connection."""
        await self._link.close()

    async def _one(self, rules: Rules, who: Subscriber, deadline: float) -> Eligibility | None:
        """Return what one inventory says."""
        peer = f"{self._link.peer}: {rules.inventory} inventory"
        try:
            filters = rules.query_for(who)
        except Useless as error:
            raise PeerUnavailable("bss_unavailable", for_operator=f"{peer}: {error}") from None
        try:
            items = await self._listed(rules, filters, peer, deadline)
            return rules.understood(rules.own(items, who))
        except SomebodyElse:
            raise PeerMisbehaved(
                "bss_other_subscriber",
                for_operator=f"{peer}: it tells of another subscriber than the one asked about",
            ) from None
        except (BadMessage, Useless) as error:
            raise misbehaved(peer, str(error)) from None

    async def _listed(
        self, rules: Rules, filters: list[tuple[str, str]], peer: str, deadline: float
    ) -> list[Item]:
        """Return all items of a list, page by page."""
        found: list[Item] = []
        for _ in range(rules.pages):
            query = push_query(filters, rules.fields, offset=len(found), limit=rules.page)
            reply = await self._link.send(
                "GET",
                f"{rules.path}/{rules.inventory}?{query}",
                repeat=Repeat.STRUGGLING,
                deadline=deadline,
            )
            if reply.status == _NOT_FOUND:
                return found
            if reply.status not in _LISTED:
                raise failed(reply, peer, now=self._clock.now())
            items = pull_items(reply.body, rules.inventory)
            found += items
            total = reply.header(_TOTAL)
            if total.isascii() and total.isdecimal() and len(total) < 10:
                if len(found) >= int(total) or not items:
                    return found
            elif len(items) != rules.page:
                # Fewer than a page are the last of them; more, and it has no pages.
                return found
        raise misbehaved(peer, f"it lists more than {rules.pages} pages")
