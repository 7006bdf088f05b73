"""A companion (a watch, say) and the phone that gets it a line (TS.43 §7.4 to 7.6).

The phone's client asks by operations; what the companion does itself, downloading and installing,
is not here: who plays it tells the SM-DP+.
"""

from __future__ import annotations

import base64
from dataclasses import field
from enum import StrEnum
from typing import Final

from simgrant.nouns import named_noun
from simgrant.sim.exchange import Outcome
from simgrant.sim.handset import Handset
from simgrant.wire.activation_code import ActivationCode, pull_activation_code
from simgrant.wire.document import Characteristic, CharacteristicList, Item, Parm

APP: Final = "ap2006"


class Step(StrEnum):
    """What the client may be told to do, in the order of a whole life."""

    CHECK = "check"
    SUBSCRIBE = "subscribe"
    TRANSFER = "transfer"
    CONFIGURATION = "configuration"
    INSTALLED = "installed"
    OFF = "off"
    ON = "on"
    UNSUBSCRIBE = "unsubscribe"


_SUBSCRIBE, _UNSUBSCRIBE, _TRANSFER, _UPDATE, _ON, _OFF = "0", "1", "3", "4", "10", "11"


@named_noun
class Companion:
    """What the phone tells of it."""

    terminal_id: str = field(repr=False)
    """IMEI or UUID."""
    eid: str = field(repr=False)
    name: str = "My watch"
    vendor: str = "ACME"
    model: str = "W1"
    sw_version: str = "1.0"
    service: str = "SharedNumber"
    old_iccid: str = field(default="", repr=False)
    """Of the companion whose place it takes."""


class CompanionClient:
    """The application on a phone that manages one companion."""

    def __init__(self, handset: Handset, companion: Companion) -> None:
        """Take a handset whose profile asks for ap2006."""
        self.handset = handset
        self.companion = companion
        self.iccid = ""
        """Of the profile that was told last."""
        self.code: ActivationCode | None = None
        """What it is downloaded by."""

    async def take(self, step: Step) -> Outcome:
        """Take a step."""
        match step:
            case Step.CHECK:
                return await self.check()
            case Step.SUBSCRIBE:
                return await self.subscribe()
            case Step.TRANSFER:
                return await self.transfer()
            case Step.CONFIGURATION:
                return await self.configuration()
            case Step.INSTALLED:
                return await self.installed()
            case Step.OFF | Step.ON:
                return await self.service(on=step is Step.ON)
            case Step.UNSUBSCRIBE:
                return await self.give_up()

    async def check(self) -> Outcome:
        """Ask whether the companion may be offered."""
        return await self._ask("CheckEligibility")

    async def subscribe(self) -> Outcome:
        """Order its profile, or ask for the one that was ordered."""
        return self._kept(await self._ask("ManageSubscription", _SUBSCRIBE))

    async def transfer(self) -> Outcome:
        """Order its profile in the place of another companion's (TS.43 §7.6)."""
        return self._kept(await self._ask("ManageSubscription", _TRANSFER))

    async def configuration(self) -> Outcome:
        """Ask how far it is; a profile that is ready comes with where it is."""
        return self._kept(await self._ask("AcquireConfiguration"))

    async def installed(self) -> Outcome:
        """Say that the companion has installed its profile."""
        return await self._ask("ManageSubscription", _UPDATE)

    async def service(self, *, on: bool) -> Outcome:
        """Switch the companion's service."""
        return await self._ask("ManageService", _ON if on else _OFF)

    async def give_up(self) -> Outcome:
        """End its subscription."""
        return await self._ask("ManageSubscription", _UNSUBSCRIBE)

    async def _ask(self, operation: str, operation_type: str = "") -> Outcome:
        companion = self.companion
        parameters = {
            "operation_type": operation_type,
            "companion_terminal_id": companion.terminal_id,
            "companion_terminal_vendor": companion.vendor,
            "companion_terminal_model": companion.model,
            "companion_terminal_sw_version": companion.sw_version,
            "companion_terminal_friendly_name": companion.name,
            "companion_terminal_service": companion.service,
            "companion_terminal_eid": companion.eid,
            "old_companion_terminal_iccid": companion.old_iccid
            if operation_type == _TRANSFER
            else "",
            "companion_terminal_iccid": self.iccid if operation_type in (_ON, _OFF) else "",
        }
        extra = tuple((name, value) for name, value in parameters.items() if value)
        return await self.handset.operate(operation, extra=extra)

    def _kept(self, outcome: Outcome) -> Outcome:
        iccid, code = profile_told(outcome)
        self.iccid, self.code = iccid or self.iccid, code or self.code
        return outcome


def profile_told(outcome: Outcome) -> tuple[str, ActivationCode | None]:
    """Return the ICCID and the activation code in an answer; empty and None where it has none."""
    iccid, code = "", None
    for path, value in parms(outcome).items():
        name = path.rpartition("/")[2]
        if name in ("ProfileIccid", "ICCID"):
            iccid = value
        elif name == "ProfileActivationCode":
            code = pull_activation_code(base64.b64decode(value, validate=True).decode())
    return iccid, code


def parms(outcome: Outcome) -> dict[str, str]:
    """Return the parameters of the answer, with the characteristics they are in before them.

    Of a list's entries those of the first are returned; none where there is no document.
    """
    found: dict[str, str] = {}
    if outcome.document is not None:
        for application in outcome.document.applications:
            _walk(application.items, "", found)
    return found


def _walk(items: tuple[Item, ...], above: str, found: dict[str, str]) -> None:
    for item in items:
        match item:
            case Parm(name, value):
                found.setdefault(above + name, value)
            case Characteristic(kind, inner):
                _walk(inner, f"{above}{kind}/", found)
            case CharacteristicList(kind, entries):
                _walk(entries, f"{above}{kind}/", found)
