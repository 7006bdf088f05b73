"""Whether a device may have an eSIM, which a BSS judges before one is ordered (TMF679)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Final

from simgrant.adapters.bss.tmf.answers import failed, misbehaved, read_answer
from simgrant.adapters.bss.tmf.lookups import TmfLookups
from simgrant.adapters.bss.tmf.rules import Rules
from simgrant.errors import PeerMisbehaved
from simgrant.links.api import ApiLink
from simgrant.links.http import Repeat
from simgrant.nouns import named_noun
from simgrant.ports.clock import Clock
from simgrant.ports.eligibility import Prospect, Qualification
from simgrant.ports.network_data import Subscriber
from simgrant.wire.tmf import qualification as wire
from simgrant.wire.tmf.qualification import Result

_JUDGED: Final = frozenset({200, 201})
_NOT_FOUND: Final = 404
_LONGEST_REASON: Final = 256


@named_noun
class Names:
    """Characteristics, as the operator calls them; one with an empty name is not sent."""

    imsi: str = "imsi"
    msisdn: str = "msisdn"
    eid: str = "eid"
    imei: str = "imei"
    vendor: str = "deviceVendor"
    model: str = "deviceModel"
    kind: str = "orderKind"
    """``subscribe``, ``transfer`` or ``recover``."""


@named_noun
class Config:
    """What is asked."""

    path: str
    """What addresses of the API begin with."""
    resource: str = wire.RESOURCE
    """The task's name; ``productOfferingQualification`` in older releases of version 4."""
    offerings: Mapping[str, str] = field(default_factory=dict, hash=False)
    """The offering that is asked about, by application (AppID)."""
    offering: str = "esim"
    """That of an application that is not named."""
    names: Names = Names()


class TmfJudge(TmfLookups):
    """Inventories, and a BSS that judges prospects too (the ``ChecksEligibility`` port)."""

    def __init__(self, link: ApiLink, rules: Sequence[Rules], config: Config, clock: Clock) -> None:
        super().__init__(link, rules, clock)
        self._config = config

    async def qualify(
        self, who: Subscriber, prospect: Prospect, *, deadline: float
    ) -> Qualification | None:
        """Return what the BSS says (see the port)."""
        config, peer = self._config, f"{self._link.peer}: qualification"
        body = wire.push_qualification(
            config.resource,
            offering=config.offerings.get(prospect.app_id, config.offering),
            values=self._values(who, prospect),
        )
        # It changes nothing, so it may be asked again.
        reply = await self._link.send(
            "POST",
            f"{config.path}/{config.resource}",
            body,
            repeat=Repeat.STRUGGLING,
            deadline=deadline,
        )
        if reply.status == _NOT_FOUND:
            return None
        if reply.status not in _JUDGED:
            raise failed(reply, peer, now=self._clock.now())
        told = read_answer(reply, wire.Qualification, peer)
        if len(told.items) > 1:
            raise misbehaved(peer, "it judges more than it was asked about")
        for item in told.items:
            self._check_owner(item, who, peer)
        match told.result:
            case Result.QUALIFIED:
                return Qualification(qualified=True)
            case Result.UNQUALIFIED | Result.ALTERNATE:
                why = "".join(letter for letter in told.why if letter.isprintable())
                return Qualification(qualified=False, reason=why[:_LONGEST_REASON])
        raise misbehaved(peer, "it gives no result")

    def _values(self, who: Subscriber, prospect: Prospect) -> dict[str, str]:
        names, device = self._config.names, prospect.device
        values = {
            names.imsi: who.imsi.digits,
            names.msisdn: who.msisdn.digits if who.msisdn else "",
            names.kind: prospect.kind,
        }
        if device is not None:
            values |= {
                names.eid: device.eid.digits if device.eid else "",
                names.imei: device.terminal_id,
                names.vendor: device.vendor,
                names.model: device.model,
            }
        return {name: value for name, value in values.items() if name and value}

    def _check_owner(self, item: wire.Item, who: Subscriber, peer: str) -> None:
        """Refuse what is said about somebody else; an answer need not say about whom."""
        names, values = self._config.names, item.values
        mine = {names.imsi: who.imsi.digits}
        if who.msisdn is not None:
            mine[names.msisdn] = who.msisdn.digits
        for name, digits in mine.items():
            if name and values.get(name, digits).removeprefix("+") != digits:
                raise PeerMisbehaved(
                    "bss_other_subscriber",
                    for_operator=f"{peer}: it judges another subscriber than the one asked about",
                )
