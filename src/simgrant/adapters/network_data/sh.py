"""Number, place and state of a subscriber from an HSS over Sh, by User-Data (TS 29.328 §6.1.1).

Nobody is paged: the HSS tells what it and its serving nodes know. Who has a number is asked about
by it, everybody else by the identities of IMS that are made of the IMSI.
"""

from __future__ import annotations

from typing import Final

from simgrant.domain.network_facts import Kind, Kinds, Registration
from simgrant.identities import Msisdn
from simgrant.links.diameter.data import HssData
from simgrant.links.diameter.node import DiameterNode, RouteConfig
from simgrant.nouns import named_noun
from simgrant.ports.network_data import Known, Subscriber
from simgrant.spec.diameter import IETF, TGPP
from simgrant.wire.diameter.base import push_destination
from simgrant.wire.diameter.sh import (
    APPLICATION,
    Command,
    Reference,
    pull_answer,
    push_by_identity,
    push_by_number,
)
from simgrant.wire.diameter.sh_data import State

_TELLS_NOTHING: Final = frozenset({(TGPP, 4100), (TGPP, 5001), (TGPP, 5106), (IETF, 5030)})
"""Results that mean that there is nothing to tell: not available now, no such user, no data."""
_REFERENCES: Final = {
    Kind.NUMBER: Reference.MSISDN,
    Kind.LOCATION: Reference.LOCATION_INFORMATION,
    Kind.REGISTRATION: Reference.USER_STATE,
}


@named_noun
class Config:
    """Which HSS, and how people are named to it."""

    route: RouteConfig
    realm: str
    """Destination-Realm."""
    domain: str
    """The home network domain of identities: they are IMSI@domain."""
    host: str = ""
    """Destination-Host; empty = whoever serves the realm."""


class ShData:
    """An HSS that is asked as by an application server (the ``NetworkData`` port)."""

    tells = Kinds(_REFERENCES)

    def __init__(self, config: Config, node: DiameterNode) -> None:
        fixed = push_destination(APPLICATION, config.realm, config.host)
        self._hss = HssData(config.route, APPLICATION, Command.USER_DATA, fixed, node)
        self._domain = config.domain

    async def ask(self, who: Subscriber, wants: Kinds, *, deadline: float) -> Known:
        """Return what the HSS tells of a subscriber (see the port)."""
        digits, references = who.imsi.digits, [_REFERENCES[kind] for kind in wants]
        if who.msisdn is not None:
            own = push_by_number(who.msisdn.digits, digits, references)
        else:
            own = push_by_identity(digits, self._domain, references)
        answer = await self._hss.ask(own, _TELLS_NOTHING, deadline=deadline)
        if answer is None:
            return Known()
        with self._hss.reading(answer, digits):
            told = pull_answer(answer)
            return Known(
                number=Msisdn(told.number) if told.number else None,
                visited_plmn=told.network,
                located_s=told.age_s,
                registration=_registration(told.state),
            )


def open_data(config: Config, *, node: DiameterNode) -> ShData:
    """Return the HSS as somebody who knows subscribers."""
    return ShData(config, node)


def _registration(state: State | None) -> Registration:
    if state is None or state.says_nothing:
        return Registration.UNKNOWN
    return Registration.REGISTERED if state.is_attached else Registration.NOT_REGISTERED
