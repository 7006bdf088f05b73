"""Numbers from an HSS over SWx, by Server-Assignment of type 12 (TS 29.273 §8.1.2.2).

That type asks for a user's data and leaves his AAA server where it is; no other one is ever sent.
Some HSSs have it only for who registered before: that is no error, they just tell nothing.
"""

from __future__ import annotations

from typing import Final

from simgrant.errors import PeerMisbehaved, PeerUnavailable
from simgrant.identities import Imsi, Msisdn
from simgrant.links.diameter.node import DiameterNode, RouteConfig
from simgrant.nouns import named_noun
from simgrant.spec.diameter import IETF, TGPP, result_name
from simgrant.wire.diameter.avps import SESSION_ID, USER_NAME
from simgrant.wire.diameter.base import push_destination
from simgrant.wire.diameter.message import BadDiameter
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

    def __init__(self, config: Config, node: DiameterNode) -> None:
        self._name = config.route.name
        self._node = node
        self._route = node.route(config.route)
        self._fixed = push_destination(APPLICATION, config.realm, config.host)
        self._fixed += node.node.push_origin()

    async def number(self, imsi: Imsi, *, deadline: float) -> Msisdn | None:
        """Return the number of a SIM (see the port)."""
        avps = SESSION_ID.push(self._node.session_id()) + self._fixed + push_request(imsi.digits)
        told = await self._node.request(
            self._route, Command.SERVER_ASSIGNMENT, APPLICATION, avps, deadline=deadline
        )
        vendor, code = told.result
        if told.result in _TELLS_NOTHING:
            return None
        if not 2000 <= code < 3000:
            said = f"{self._name}: {result_name(vendor, code)}"
            raise PeerUnavailable("hss_data_refused", for_operator=said)
        try:
            whose = told.avps.get(USER_NAME)
            if whose and whose.partition("@")[0] not in (imsi.digits, f"0{imsi.digits}"):
                raise PeerMisbehaved(
                    "hss_data_malformed", for_operator=f"{self._name}: it is another user's"
                )
            text = pull_number(told.avps)
            return Msisdn(text) if text else None
        except (BadDiameter, ValueError) as error:
            # Neither text repeats a value.
            raise PeerMisbehaved(
                "hss_data_malformed", for_operator=f"{self._name}: {type(error).__name__}"
            ) from None


def open_data(config: Config, *, node: DiameterNode) -> SwxData:
    """Return the HSS as somebody who knows numbers."""
    return SwxData(config, node)
