"""Number and place of a subscriber from a UDM: Nudm_SDM and Nudm_UECM (TS 29.503 §5.2, §5.3).

A phone that an AMF serves is in the AMF's network and is registered. Of one that none serves
nothing is said: it may be in 4G, of which this UDM need not know.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from simgrant.domain.network_facts import Kind, Kinds, Registration
from simgrant.errors import PeerMisbehaved, PeerUnavailable
from simgrant.identities import Msisdn
from simgrant.links.sbi.service import SbiService
from simgrant.ports.network_data import Known, Subscriber
from simgrant.wire.sbi import headers
from simgrant.wire.sbi.body import BadMessage
from simgrant.wire.sbi.subscriber import number_path, place_path, pull_network, pull_number

_NUMBER: Final = Kinds({Kind.NUMBER})
_PLACE: Final = Kinds({Kind.LOCATION, Kind.REGISTRATION})
_BUSY: Final = frozenset({429, 503})


class UdmData:
    """A UDM that is asked about subscribers (the ``NetworkData`` port)."""

    tells = Kinds(Kind)

    def __init__(self, numbers: SbiService, places: SbiService) -> None:
        self._numbers = numbers
        self._places = places

    async def ask(self, who: Subscriber, wants: Kinds, *, deadline: float) -> Known:
        """Return what the UDM tells of a subscriber (see the port)."""
        number, network = await asyncio.gather(
            self._number(who, deadline) if wants & _NUMBER else _nothing(),
            self._network(who, deadline) if wants & _PLACE else _nothing(),
        )
        return Known(
            number=Msisdn(number) if number else None,
            visited_plmn=network if Kind.LOCATION in wants else "",
            registration=Registration.REGISTERED if network else Registration.UNKNOWN,
        )

    async def _number(self, who: Subscriber, deadline: float) -> str:
        digits = who.imsi.digits
        path = number_path(digits)
        return await _told(self._numbers, path, pull_number, imsi=digits, deadline=deadline)

    async def _network(self, who: Subscriber, deadline: float) -> str:
        digits = who.imsi.digits
        path = place_path(digits)
        return await _told(self._places, path, pull_network, imsi=digits, deadline=deadline)


def open_data(numbers: SbiService, places: SbiService) -> UdmData:
    """Return a UDM as somebody who knows subscribers, by its two services."""
    return UdmData(numbers, places)


async def _nothing() -> str:
    return ""


async def _told(
    service: SbiService,
    path: str,
    pull: Callable[[bytes, str], str],
    *,
    imsi: str,
    deadline: float,
) -> str:
    """Return what a service tells; empty where it has nothing of the subscriber."""
    reply = await service.request("GET", path, b"", imsi=imsi, deadline=deadline)
    problem = None
    if reply.status != 200:
        problem = headers.pull_problem(reply.header("content-type"), reply.body)
    if reply.status == 404 and problem is not None:
        # No such user, no such data, or no such registration.
        return ""
    if reply.status != 200:
        cause = "" if problem is None else problem.cause
        said = f"{service.name}: {reply.status} {cause}".rstrip()
        if reply.status in _BUSY:
            raise PeerUnavailable("udm_busy", for_operator=said)
        raise PeerUnavailable("udm_data_refused", for_operator=said)
    try:
        return pull(reply.body, imsi)
    except BadMessage as error:
        raise PeerMisbehaved(
            "udm_data_malformed", for_operator=f"{service.name}: {error}"
        ) from None
