"""Two phones, and a line that comes into the eSIM of one of them (TS.43 §8.1 to 8.13).

Both ask by operations of ap2009. What eUICCs do, and people on web pages, is not here: who plays
them is handed in.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import field
from enum import StrEnum
from typing import Final

from simgrant.identities import Eid, Imei
from simgrant.nouns import named_noun
from simgrant.sim.companion import parms, profile_told
from simgrant.sim.dialogue import Dialogue, NotTyped
from simgrant.sim.exchange import Outcome, Result
from simgrant.sim.handset import Handset
from simgrant.spec.ids import OperationResult, SubscriptionResult
from simgrant.wire.activation_code import ActivationCode
from simgrant.wire.transfer_code import TransferCode, pull_transfer_code, push_transfer_code

APP: Final = "ap2009"
TARGETS: Final = "ManageSubscription,AcquireConfiguration"
_SUBSCRIBE, _TRANSFER, _UPDATE, _RECOVER = "0", "3", "4", "7"
_CONFIGURATION: Final = "PrimaryConfiguration"
NO: Final = "no"
"""What a subscriber says who does not want to."""


class Way(StrEnum):
    """How a line comes into an eSIM."""

    NEW = "new"
    """A phone gets one more line, and proves itself by the SIM that it has (§8.2)."""
    SIGN_UP = "sign-up"
    """A phone without a SIM gets a line, after a sign-in (§8.1)."""
    READY = "ready"
    """A profile lies ready, and the phone's user is asked before it is downloaded (§8.12)."""
    TEMPORARY_TOKEN = "temporary-token"  # noqa: S105 - a name
    """The old phone acquires a token, and the new one asks with it (§8.9)."""
    SCAN = "scan"
    """The old phone scans a code that the new one shows, and asks for it (§8.7, §6.8)."""
    OTP = "otp"
    """The new phone asks, once it has read the password that was sent to the number (§8.3)."""
    OIDC = "oidc"
    """The new phone asks, after a sign-in (§8.4)."""
    SAME_PHONE = "same-phone"
    """A SIM's line moves into the eSIM of the phone that it is in."""
    RECOVER = "recover"
    """A phone has removed a profile, and gets another for it (§8.13)."""


@named_noun
class Target:
    """The eSIM that the line is to be in."""

    imei: str = field(repr=False)
    eid: str = field(repr=False)

    @property
    def code(self) -> str:
        """What its phone shows to be scanned."""
        return push_transfer_code(TransferCode(Eid(self.eid), Imei(self.imei)))

    @classmethod
    def scanned(cls, text: str) -> Target:
        """Return what another phone shows; raise ValueError where it is not all there."""
        code = pull_transfer_code(text)
        if code.eid is None or code.imei is None:
            raise ValueError("the code does not name both the eSIM and the phone")
        return cls(imei=code.imei.digits, eid=code.eid.digits)


class PhoneClient:
    """The application on a phone that gets a line into an eSIM, its own or another's."""

    def __init__(
        self, handset: Handset, target: Target, *, old_imei: str = "", old_iccid: str = ""
    ) -> None:
        """Take a handset whose profile asks for ap2009.

        ``old_imei`` is said by the old phone, or by one that was told; so is ``old_iccid``.
        """
        self.handset = handset
        self.target = target
        self.old_imei = old_imei
        self.old_iccid = old_iccid
        self.redownloadable = False
        """Whether it says that it deletes the old profile, and can load the same again."""
        self.lent = ""
        """The temporary token that it asks with; empty = with its own."""
        self.iccid = ""
        """Of the profile that was told last."""
        self.code: ActivationCode | None = None
        """What it is downloaded by."""
        self._last: dict[str, str] = {}
        """What was ordered last, to be asked for once more with an answer."""

    async def check(self) -> Outcome:
        """Ask whether the line may be in an eSIM."""
        return await self._ask("CheckEligibility")

    async def acquire_token(self) -> Outcome:
        """Acquire what the new phone is to ask with."""
        return await self._ask("AcquireTemporaryToken", operation_targets=TARGETS)

    async def subscribe(self) -> Outcome:
        """Order a profile for the target, or ask for the one that was ordered."""
        return await self._order(_SUBSCRIBE)

    async def claim(self) -> Outcome:
        """Ask for the profile that the configuration has, and that nobody may load yet."""
        return await self._order(_SUBSCRIBE, terminal_iccid=self.iccid)

    async def transfer(self) -> Outcome:
        """Order the line's profile for the target, or ask for the one that was ordered."""
        return await self._order(
            _TRANSFER,
            old_terminal_id=self.old_imei,
            old_terminal_iccid=self.old_iccid,
            redownloadable_profile="1" if self.redownloadable else "",
        )

    async def recover(self) -> Outcome:
        """Order a profile for the one that was removed."""
        return await self._order(_RECOVER, terminal_iccid=self.iccid or self.old_iccid)

    async def answer(self, question: Dialogue, reply: str) -> Outcome:
        """Ask for the same again, with what the subscriber says; raise `NotTyped`.

        That is ``no``, or else yes, with what is typed where something has to be.
        """
        said = question.rejected() if reply == NO else question.accepted(reply)
        return self._kept(await self._ask("ManageSubscription", **self._last, **said))

    async def again(self) -> Outcome:
        """Ask for the same again, once it was decided on a page."""
        return self._kept(await self._ask("ManageSubscription", **self._last))

    async def configuration(self) -> Outcome:
        """Ask how far it is; a profile that is ready comes with where it is."""
        return self._kept(await self._ask("AcquireConfiguration", **self._named()))

    async def installed(self) -> Outcome:
        """Say that the profile is installed."""
        return await self._ask("ManageSubscription", operation_type=_UPDATE, **self._named())

    async def _order(self, kind: str, **more: str) -> Outcome:
        self._last = {"operation_type": kind, **self._named(), **more}
        return self._kept(await self._ask("ManageSubscription", **self._last))

    def _named(self) -> dict[str, str]:
        return {
            "target_terminal_id": self.target.imei,
            "target_terminal_eid": self.target.eid,
        }

    async def _ask(self, operation: str, **parameters: str) -> Outcome:
        extra = tuple((name, value) for name, value in parameters.items() if value)
        if self.lent:
            return await self.handset.borrow(self.lent, operation, extra=extra)
        return await self.handset.operate(operation, extra=extra)

    def _kept(self, outcome: Outcome) -> Outcome:
        iccid, code = profile_told(outcome)
        self.iccid, self.code = iccid or self.iccid, code or self.code
        return outcome


SignIn = Callable[[Handset], Awaitable[Outcome]]
"""Proves the line on a phone that has no SIM of it."""
Profile = Callable[[str], Awaitable[None]]
"""Does what an eUICC does with the profile of this ICCID."""
Page = Callable[[PhoneClient, Outcome], Awaitable[None]]
"""Does what a person does on the page that an answer names."""


@named_noun
class Cast:
    """Who plays."""

    old: PhoneClient
    new: PhoneClient
    sign_in: SignIn
    install: Profile
    delete: Profile | None = None
    """What the old phone does where its profile is to be deleted first; None = nothing."""
    page: Page | None = None
    """None = nobody looks at pages, and the play ends there."""
    wait_s: float = 60.0
    """How long the phone that waits for the profile asks again."""
    reply: str = field(default="yes", repr=False)
    """What is said where somebody is asked: as for `PhoneClient.answer`."""


async def moves(way: Way, cast: Cast) -> AsyncIterator[Outcome]:
    """Play a whole move, answer by answer, as far as it goes."""
    async with aclosing(_steps(way, cast)) as steps:
        async for outcome in steps:
            yield outcome
            if not _is_good(outcome, with_pages=cast.page is not None):
                return


async def _steps(way: Way, cast: Cast) -> AsyncGenerator[Outcome]:
    old, new = cast.old, cast.new
    asks = new
    match way:
        case Way.TEMPORARY_TOKEN:
            yield await old.check()
            lent = await old.acquire_token()
            yield lent
            # By Bluetooth, say, or a code on the screen: TS.43 leaves it open.
            new.lent = parms(lent).get("TemporaryToken", "")
        case Way.SCAN:
            old.target = Target.scanned(new.target.code)
            asks = old
        case Way.OTP | Way.OIDC | Way.SIGN_UP:
            yield await cast.sign_in(new.handset)
        case Way.SAME_PHONE | Way.RECOVER | Way.NEW | Way.READY:
            asks = old
    yield await (asks.configuration() if way in (Way.RECOVER, Way.READY) else asks.check())
    match way:
        case Way.RECOVER:
            outcome = await asks.recover()
        case Way.READY:
            outcome = await asks.claim()
        case Way.NEW | Way.SIGN_UP:
            outcome = await asks.subscribe()
        case _:
            asks.redownloadable = cast.delete is not None
            outcome = await asks.transfer()
    yield outcome
    if cast.page is not None and _result(outcome) is SubscriptionResult.CONTINUE_TO_WEBSHEET:
        await cast.page(asks, outcome)
        outcome = await asks.again()
        yield outcome
    if (question := Dialogue.pull(outcome)) is not None:
        try:
            outcome = await asks.answer(question, cast.reply)
        except NotTyped:
            return
        yield outcome
    if cast.delete is not None and _result(outcome) in _LATER:
        await cast.delete(asks.old_iccid)
    async for later in _until_ready(asks, outcome, cast.wait_s):
        outcome = later
        yield outcome
    if not any("DownloadInfo/" in path for path in parms(outcome)):
        return
    await cast.install(asks.iccid)
    if way is not Way.SCAN:  # There the SM-DP+ says so: the new phone has nothing to say it with.
        yield await asks.installed()
    yield await asks.configuration()


async def _until_ready(
    asks: PhoneClient, outcome: Outcome, wait_s: float
) -> AsyncIterator[Outcome]:
    """Ask again as long as the server says that it takes a while."""
    until = time.monotonic() + wait_s
    waiting = _result(outcome) in _LATER
    while waiting and time.monotonic() < until:
        outcome = await asks.configuration()
        yield outcome
        told = parms(outcome)
        interval = told.get(f"{_CONFIGURATION}/PollingInterval", "")
        waiting = interval.isdecimal()
        if waiting:
            await asyncio.sleep(min(float(interval), max(0.0, until - time.monotonic())))


def has_line(outcome: Outcome) -> bool:
    """Say whether the last answer of a move is that the line is where it was to be."""
    return parms(outcome).get(f"{_CONFIGURATION}/ServiceStatus") == "1"


def _result(outcome: Outcome) -> SubscriptionResult | None:
    """Return what an answer of ManageSubscription says; None where it says nothing known."""
    return _RESULTS.get(parms(outcome).get("SubscriptionResult", ""))


def _is_good(outcome: Outcome, *, with_pages: bool) -> bool:
    """Say whether a client goes on after this answer."""
    if outcome.result is not Result.DOCUMENT:
        return False
    told = parms(outcome)
    success, result = str(int(OperationResult.SUCCESS)), _result(outcome)
    return (
        told.get("OperationResult", success) == success
        and ("SubscriptionResult" not in told or result in _GOES_ON)
        and (with_pages or result is not SubscriptionResult.CONTINUE_TO_WEBSHEET)
        and told.get(f"{_CONFIGURATION}/ServiceStatus", "") != "4"
    )


_RESULTS: Final = {str(int(result)): result for result in SubscriptionResult}
_LATER: Final = (SubscriptionResult.DELAYED_DOWNLOAD, SubscriptionResult.DELETE_PROFILE_IN_USE)
"""What may mean that the old profile has to go first: the phone asks again."""
_GOES_ON: Final = (
    SubscriptionResult.CONTINUE_TO_WEBSHEET,
    SubscriptionResult.DOWNLOAD_PROFILE,
    SubscriptionResult.DONE,
    SubscriptionResult.REQUIRES_USER_INPUT,
    *_LATER,
)
