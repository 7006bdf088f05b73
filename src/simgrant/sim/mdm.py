"""A company's device management, which gets profiles for a whole fleet (TS.43 §10.2).

It proves itself once, and goes on with the TOKEN it got for that. Each device's story is its own:
subscribe, poll until the profile is there, say that it is installed. Requests may be repeated, so
it repeats what was not answered, for as long as its patience lasts.
"""

from __future__ import annotations

import asyncio
import base64
import random
import ssl
import time
from dataclasses import field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from simgrant.nouns import named_noun, replace
from simgrant.sim.companion import parms
from simgrant.sim.exchange import Exchange, Outcome, Result
from simgrant.sim.http import Limits, Url
from simgrant.sim.partner import Errand, PartnerServer

if TYPE_CHECKING:
    from simgrant.sim.applicant import Applicant

APP: Final = "ap2011"
_TAC: Final = "35000000"
_EID: Final = "89049032"
_MOST_REFUSED: Final = 3
"""How often it gets a new TOKEN for one device."""
_SHORTEST_WAIT_S: Final = 0.2


class Step(StrEnum):
    """What it may be told to do with each device, in the order of a whole life."""

    SUBSCRIBE = "subscribe"
    INSTALLED = "installed"
    CHANGE = "change"
    OFF = "off"
    ON = "on"
    UNSUBSCRIBE = "unsubscribe"


_TYPES: Final = {
    Step.SUBSCRIBE: "0",
    Step.UNSUBSCRIBE: "1",
    Step.CHANGE: "2",
    Step.INSTALLED: "4",
    Step.ON: "5",
    Step.OFF: "6",
}


class End(StrEnum):
    """How it went with a device."""

    DONE = "done"
    """Every step was taken."""
    DISMISSED = "dismissed"
    """It gets no profile: there are too many, or none is left."""
    REFUSED = "refused"
    LATE = "late"
    """Its patience was at its end."""
    UNREACHABLE = "unreachable"


@named_noun
class Device:
    """One of the fleet."""

    terminal_id: str = field(repr=False)
    eid: str = field(repr=False)


@named_noun
class Told:
    """What became of a device."""

    device: Device
    end: End
    iccid: str = field(default="", repr=False)
    code: str = field(default="", repr=False)
    """The activation code."""
    why: str = ""
    requests: int = 0
    seconds: float = 0.0


@named_noun
class Contract:
    """Who asks, in whose name, and what proves it."""

    requestor_id: str
    enterprise_id: str
    applicant: Applicant | None = None
    """Gets access tokens."""
    access_token: str = field(default="", repr=False)
    """The one it has, where it cannot get any."""


def fleet(count: int, *, first: int = 1) -> tuple[Device, ...]:
    """Return devices with consecutive numbers, and check digits as IMEI and EID have them."""
    return tuple(
        Device(terminal_id=_imei(number), eid=_eid(number))
        for number in range(first, first + count)
    )


def _imei(number: int) -> str:
    digits = f"{_TAC}{number:06d}"
    doubled = (int(each) * (2 if at % 2 else 1) for at, each in enumerate(digits))
    return f"{digits}{-sum(each // 10 + each % 10 for each in doubled) % 10}"


def _eid(number: int) -> str:
    digits = f"{_EID}{number:022d}"
    return f"{digits}{98 - int(digits) * 100 % 97:02d}"


class _Ended(Exception):
    """A device's story is over before its last step."""

    def __init__(self, end: End, why: str) -> None:
        super().__init__(why)
        self.end = end


class DeviceManagement:
    """One system that manages the devices of one enterprise, at one entitlement server."""

    def __init__(
        self,
        url: Url,
        contract: Contract,
        *,
        tls: ssl.SSLContext | None = None,
        limits: Limits | None = None,
        patience_s: float = 120,
        longest_wait_s: float = 60,
    ) -> None:
        """Give up on a device after ``patience_s``; wait ``longest_wait_s`` at most for a poll."""
        self._url = url
        self._contract = contract
        self._tls = tls
        self._limits = limits
        self._patience_s = patience_s
        self._longest_wait_s = longest_wait_s
        self._token = ""
        self._renewing = asyncio.Lock()

    def connection(self) -> PartnerServer:
        """Return a connection to the server, for one device at a time."""
        return PartnerServer(self._url, tls=self._tls, limits=self._limits)

    async def authenticate(self, operation: str = "CheckEligibility") -> Outcome:
        """Prove itself anew, and ask whether it may manage devices; the TOKEN is kept."""
        contract, access_token = self._contract, self._contract.access_token
        before: tuple[Exchange, ...] = ()
        if contract.applicant is not None:
            from simgrant.sim.applicant import Grant, apply

            granted = await apply(contract.applicant, tls=self._tls, limits=self._limits)
            if not isinstance(granted, Grant):
                return granted
            access_token, before = granted.access_token, (granted.exchange,)
        proof = (("access_token", access_token), ("enterprise_id", contract.enterprise_id))
        async with self.connection() as server:
            outcome = await server.run(self._errand(operation, proof))
        if outcome.document is not None and outcome.document.token is not None:
            self._token = outcome.document.token.token
        return replace(outcome, exchanges=(*before, *outcome.exchanges))

    async def serve(
        self, server: PartnerServer, device: Device, steps: tuple[Step, ...], *, plan: str = ""
    ) -> Told:
        """Take the steps for a device, and return what became of it."""
        story = _Story(self, server, device, plan, time.monotonic() + self._patience_s)
        began, end, why = time.monotonic(), End.DONE, ""
        try:
            for step in steps:
                await story.take(step)
        except _Ended as ended:
            end, why = ended.end, str(ended)
        return Told(
            device=device,
            end=end,
            iccid=story.iccid,
            code=story.code,
            why=why,
            requests=story.requests,
            seconds=round(time.monotonic() - began, 3),
        )

    def _errand(
        self,
        operation: str,
        proof: tuple[tuple[str, str], ...],
        extra: tuple[tuple[str, str], ...] = (),
    ) -> Errand:
        return Errand(
            operation=operation,
            app=APP,
            requestor_id=self._contract.requestor_id,
            proof=proof,
            extra=extra,
        )

    async def ask(
        self, server: PartnerServer, operation: str, extra: tuple[tuple[str, str], ...]
    ) -> Outcome:
        """Ask with the TOKEN; one that is refused is replaced, for all who ask."""
        token = self._token
        outcome = await server.run(self._errand(operation, (("token", token),), extra))
        if outcome.last.status == 511:
            async with self._renewing:
                if self._token == token:
                    await self.authenticate("")
        return outcome

    def interval(self, text: str) -> float:
        """Return the seconds of an interval that the server named, within bounds."""
        named = float(text) if text.isascii() and text.isdigit() else 1.0
        return max(_SHORTEST_WAIT_S, min(named, self._longest_wait_s))


class _Story:
    """What happens with one device."""

    def __init__(
        self,
        management: DeviceManagement,
        server: PartnerServer,
        device: Device,
        plan: str,
        until: float,
    ) -> None:
        self._management = management
        self._server = server
        self._device = device
        self._plan = plan
        self._until = until
        self.iccid = self.code = ""
        self.requests = 0

    async def take(self, step: Step) -> None:
        """Take a step; raise `_Ended` where it leads no further."""
        told = await self._ask("ManageSubscription", _TYPES[step])
        match told.get("SubscriptionResult"):
            case "2":
                self._keep(told)
            case "3":
                pass
            case "4":
                await self._poll()
            case "5":
                raise _Ended(End.DISMISSED, "it gets no profile")
            case other:
                raise _Ended(End.REFUSED, f"SubscriptionResult {other} is nothing for a system")

    async def _poll(self) -> None:
        """Ask until the profile is there."""
        while True:
            told = await self._ask("AcquireConfiguration")
            told = {path.removeprefix("EnterpriseConfiguration/"): v for path, v in told.items()}
            self._keep(told)
            if told.get("ServiceStatus") == "4":
                raise _Ended(End.DISMISSED, "its order has ended")
            if told.get("ServiceStatus") != "2":
                return
            await self._wait(told.get("PollingInterval", ""))

    def _keep(self, told: dict[str, str]) -> None:
        self.iccid = told.get("DownloadInfo/ProfileIccid") or told.get("ICCID", self.iccid)
        if code := told.get("DownloadInfo/ProfileActivationCode"):
            self.code = base64.b64decode(code, validate=True).decode()

    async def _ask(self, operation: str, operation_type: str = "") -> dict[str, str]:
        """Return what is told; what is not answered, or too early, is asked again."""
        parameters = {
            "operation_type": operation_type,
            "enterprise_terminal_id": self._device.terminal_id,
            "enterprise_terminal_eid": self._device.eid,
            "plan_id": self._plan
            if operation_type in (_TYPES[Step.SUBSCRIBE], _TYPES[Step.CHANGE])
            else "",
        }
        extra = tuple((name, value) for name, value in parameters.items() if value)
        pause, refused = _SHORTEST_WAIT_S, 0
        while True:
            self.requests += 1
            outcome = await self._management.ask(self._server, operation, extra)
            match outcome.result:
                case Result.DOCUMENT:
                    break
                case Result.LATER:
                    await self._wait(outcome.last.header("retry-after"))
                case Result.UNREACHABLE:
                    pause *= 2
                    await self._pause(pause, End.UNREACHABLE, outcome.why)
                case _:
                    refused += 1
                    if outcome.last.status != 511 or refused > _MOST_REFUSED:
                        raise _Ended(End.REFUSED, outcome.why)
        told = parms(outcome)
        if told.get("OperationResult") != "1":
            raise _Ended(End.REFUSED, f"OperationResult {told.get('OperationResult')}")
        return told

    async def _wait(self, named: str) -> None:
        await self._pause(self._management.interval(named), End.LATE, "it took too long")

    async def _pause(self, seconds: float, end: End, why: str) -> None:
        """Wait, with some jitter; raise `_Ended` where that is longer than patience lasts."""
        if time.monotonic() + seconds > self._until:
            raise _Ended(end, why)
        await asyncio.sleep(seconds * random.uniform(1, 1.2))  # noqa: S311
