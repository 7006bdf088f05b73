"""Numbers from an HSS over SWx, by Server-Assignment of type 12 (TS 29.273 §8.1.2.2).

That type asks for a user's data and leaves his AAA server where it is; no other one is ever sent.
Some HSSs have it only for who registered before: that is no error, they just tell nothing.
"""

from __future__ import annotations

from typing import Final

from simgrant.domain.network_facts import Kind, Kinds
from simgrant.identities import Msisdn
from simgrant.links.diameter.data import HssData
from simgrant.links.diameter.node import DiameterNode, RouteConfig
from simgrant.nouns import named_noun
from simgrant.ports.network_data import Known, Subscriber
from simgrant.spec.diameter import IETF, TGPP
from simgrant.wire.diameter.base import push_destination
from simgrant.wire.diameter.swx import APPLICATION, Command
from simgrant.wire.diameter.user_data import pull_number, push_request

_TELLS_NOTHING: Final = frozenset(
    {(TGPP, 5001), (TGPP, 5003), (TGPP, 5007), (TGPP, 5450), (IETF, 5030), (IETF, 5003)}
)
"""Results that mean that it will not tell: no such user, no server registered, not this type."""


@named_noun
class Config:
    """Which HSS."""

    route: RouteConfig
    realm: str
    """Destination-Realm."""
    host: str = ""
    """Destination-Host; empty = whoever serves the realm."""


class SwxData:
    """An HSS that is asked for numbers (the ``NetworkData`` port)."""

    tells = Kinds({Kind.NUMBER})

    def __init__(self, config: Config, node: DiameterNode) -> None:
        fixed = push_destination(APPLICATION, config.realm, config.host)
        self._hss = HssData(config.route, APPLICATION, Command.SERVER_ASSIGNMENT, fixed, node)

    async def ask(self, who: Subscriber, wants: Kinds, *, deadline: float) -> Known:
        """Return the number of a SIM (see the port)."""
        if Kind.NUMBER not in wants:
            return Known()
        digits = who.imsi.digits
        told = await self._hss.ask(push_request(digits), _TELLS_NOTHING, deadline=deadline)
        if told is None:
            return Known()
        with self._hss.reading(told, digits):
            text = pull_number(told)
            return Known(number=Msisdn(text) if text else None)


def open_data(config: Config, *, node: DiameterNode) -> SwxData:
    """Return the HSS as somebody who knows numbers."""
    return SwxData(config, node)
