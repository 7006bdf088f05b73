"""Plans that may be chosen, from a product catalogue (TMF620)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Final

from simgrant.adapters.bss.tmf.answers import failed, misbehaved, read_answer
from simgrant.domain.plan_offer import MOST_PLAN_ID, PlanOffer
from simgrant.links.api import ApiLink
from simgrant.links.http import Repeat
from simgrant.nouns import named_noun
from simgrant.ports.clock import Clock
from simgrant.wire.tmf import offering as wire
from simgrant.wire.tmf.inventory import push_query
from simgrant.wire.tmf.offering import Offering

_LISTED: Final = frozenset({200, 206})
_PAGE: Final = 50
_MOST_OFFERS: Final = 50
_LONGEST_NAME: Final = 128
_LONGEST_TEXT: Final = 512


@named_noun
class Config:
    """What is asked for, and what it means."""

    path: str
    """What addresses of the API begin with."""
    filters: Sequence[tuple[str, str]] = ()
    """Names and values of the query."""
    sold: frozenset[str] = frozenset({"active", "launched"})
    """States of what is sold, in lower case; an offering without a state is."""
    plans: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Plans by the id of an offering; one that is not named has the offering's id."""


class TmfOffers:
    """A catalogue (the ``PlanOffers`` port)."""

    def __init__(self, link: ApiLink, config: Config, clock: Clock) -> None:
        self._link = link
        self._config = config
        self._clock = clock

    async def offers(self, *, deadline: float) -> Sequence[PlanOffer]:
        """Return what is sold now (see the port); of two offerings of one plan the first."""
        peer = f"{self._link.peer}: catalogue"
        query = push_query([*self._config.filters], wire.FIELDS, offset=0, limit=_PAGE)
        reply = await self._link.send(
            "GET",
            f"{self._config.path}/productOffering?{query}",
            repeat=Repeat.STRUGGLING,
            deadline=deadline,
        )
        if reply.status not in _LISTED:
            raise failed(reply, peer, now=self._clock.now())
        found: dict[str, PlanOffer] = {}
        for each in read_answer(reply, tuple[Offering, ...], peer):
            if self._is_sold(each):
                offer = self._offer(each)
                if not 0 < len(offer.plan_id) <= MOST_PLAN_ID or not offer.name:
                    raise misbehaved(peer, "an offering has no id or name that can be told")
                found.setdefault(offer.plan_id, offer)
        if len(found) > _MOST_OFFERS:
            raise misbehaved(peer, f"it sells more than {_MOST_OFFERS} plans: filter them")
        return tuple(found.values())

    async def close(self) -> None:
        """Let go of every connection."""
        await self._link.close()

    def _is_sold(self, each: Offering) -> bool:
        state = each.lifecycle_status.lower()
        is_on = not state or state in self._config.sold
        return each.is_sellable and is_on and each.valid_for.holds(self._clock.now())

    def _offer(self, each: Offering) -> PlanOffer:
        return PlanOffer(
            self._config.plans.get(each.id, each.id),
            _line(each.name)[:_LONGEST_NAME],
            _line(each.description)[:_LONGEST_TEXT],
        )


def _line(text: str) -> str:
    """Return a text of somebody else's as one line of letters that can be shown."""
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())
