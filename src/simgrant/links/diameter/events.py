"""What an HSS tells by itself, answered once it is kept (`ports.network_events`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from simgrant.errors import EcsError
from simgrant.identities import Imsi
from simgrant.links.diameter.connection import Handler, Handlers
from simgrant.nouns import named_noun
from simgrant.ports.network_events import Effect, NetworkEvent, NetworkEvents
from simgrant.spec.diameter import IETF, TGPP
from simgrant.wire.diameter.avps import USER_NAME
from simgrant.wire.diameter.base import Result
from simgrant.wire.diameter.message import Avps, Message
from simgrant.wire.diameter.told import Ending

DONE: Final = (IETF, Result.SUCCESS)
UNKNOWN_USER: Final = (TGPP, 5001)
_NAI_DIGITS: Final = 16
"""Of an IMSI in a network access identifier, which has a digit before it (TS 23.003 §19.3.2)."""


@named_noun
class Tell:
    """A command by which an HSS tells something."""

    name: str
    """What the event is called."""
    pull: Callable[[Avps], Ending] | None
    """Reads what it tells; BadDiameter. None = it is about no subscription."""
    unknown: tuple[int, int] = UNKNOWN_USER
    """The result where it is about no subscription of ours."""


Tells = Mapping[tuple[int, int], Tell]
"""By application and command."""


class Nobody:
    """Who has no subscriptions (the ``NetworkEvents`` port)."""

    async def tell(self, peer: str, event: NetworkEvent) -> bool:
        """Know of nobody."""
        del peer, event
        return False


def answering(tells: Tells, events: NetworkEvents, peer: str) -> Handlers:
    """Return how the requests of one peer are answered."""
    return {key: _handler(tell, events, peer) for key, tell in tells.items()}


def _handler(tell: Tell, events: NetworkEvents, peer: str) -> Handler:
    pull = tell.pull

    async def answer(asked: Message) -> tuple[int, int]:
        if pull is None:
            return tell.unknown
        name, ending = asked.avps.need(USER_NAME), pull(asked.avps)
        imsi = _imsi(name)
        if imsi is None:
            return tell.unknown
        effect = Effect.REVOKE if ending.for_good else Effect.FORGET
        try:
            kept = await events.tell(peer, NetworkEvent(imsi, tell.name, ending.cause, effect))
        except EcsError:
            # Who cannot keep it has not heard it: the HSS tells it again, or its people look.
            return IETF, Result.UNABLE_TO_COMPLY
        return DONE if kept else tell.unknown

    return answer


def _imsi(name: str) -> Imsi | None:
    """Return the IMSI that a User-Name has: alone, or in an identity before its @."""
    digits = name.partition("@")[0]
    if len(digits) == _NAI_DIGITS:
        digits = digits[1:]
    try:
        return Imsi(digits)
    except ValueError:
        return None
