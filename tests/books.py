"""An SM-DP+ without a wire, for tests of what is done with one (the port ``Smdp``)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from simgrant.identities import Eid, Iccid
from simgrant.ports.smdp import Cause, Confirmed, FinalStatus, Refused, Terms

R = TypeVar("R")


@dataclass(eq=False)
class Books:
    """An SM-DP+ without a wire: what it gave away, and what befalls the next calls."""

    stock: int = 5
    delay_s: float = 0.0
    fates: list[Exception | None] = field(default_factory=list)
    forgets: bool = False
    """Whether a call that comes again is one more call."""
    lost: bool = False
    """Whether a fate befalls a call after it was executed."""
    ordered: dict[str, str] = field(default_factory=dict)
    """State of each profile that is not in stock."""
    calls: list[tuple[str, str]] = field(default_factory=list)
    heard: dict[str, Iccid] = field(default_factory=dict)
    gate: asyncio.Event | None = None
    came: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def terms(self) -> Terms:
        return Terms(
            name="main",
            address="smdp.example.net",
            remembers_calls=not self.forgets,
            post_confirm_delay_s=self.delay_s,
        )

    async def download_order(
        self,
        call_id: str,
        *,
        iccid: Iccid | None = None,
        profile_type: str = "",
        eid: Eid | None = None,
        deadline: float,
    ) -> Iccid:
        del profile_type, eid, deadline
        return await self._fated("download", call_id, lambda: self._download(call_id, iccid))

    def _download(self, call_id: str, iccid: Iccid | None) -> Iccid:
        if call_id in self.heard and not self.forgets:
            return self.heard[call_id]
        if iccid is not None and iccid.digits in self.ordered:
            raise Refused(Cause.IN_USE, subject="8.2.1", reason_code="3.3", for_operator="")
        if len(self.ordered) >= self.stock:
            raise Refused(Cause.OUT_OF_STOCK, subject="8.2.5", reason_code="3.7", for_operator="")
        given = iccid or Iccid(f"89449{len(self.ordered):014d}")
        if iccid is None:
            self.heard[call_id] = given
        self.ordered[given.digits] = "allocated"
        return given

    async def confirm_order(
        self,
        call_id: str,
        *,
        iccid: Iccid,
        release: bool,
        eid: Eid | None = None,
        matching_id: str | None = None,
        confirmation_code: str = "",
        smds_address: str = "",
        deadline: float,
    ) -> Confirmed:
        del eid, confirmation_code, smds_address, deadline
        return await self._fated(
            "confirm", call_id, lambda: self._confirm(iccid, matching_id or "chosen", release)
        )

    def _confirm(self, iccid: Iccid, matching_id: str, release: bool) -> Confirmed:
        if self.ordered[iccid.digits] != "allocated":
            raise Refused(Cause.WRONG_STATE, subject="8.2.1", reason_code="3.5", for_operator="")
        self.ordered[iccid.digits] = "released" if release else "confirmed"
        return Confirmed(matching_id=matching_id, smdp_address="smdp.example.net")

    async def cancel_order(
        self,
        call_id: str,
        *,
        iccid: Iccid,
        final: FinalStatus = FinalStatus.AVAILABLE,
        eid: Eid | None = None,
        matching_id: str | None = None,
        deadline: float,
    ) -> None:
        del final, eid, matching_id, deadline
        await self._fated("cancel", call_id, lambda: self._cancel(iccid))

    def _cancel(self, iccid: Iccid) -> None:
        if self.ordered.get(iccid.digits) not in ("allocated", "confirmed", "released", "deleted"):
            raise Refused(Cause.WRONG_STATE, subject="8.2.1", reason_code="3.5", for_operator="")
        del self.ordered[iccid.digits]

    def on_euicc(self, iccid: Iccid, state: str) -> None:
        """Let a profile be ``installed`` or ``deleted``, as an eUICC does."""
        assert self.ordered[iccid.digits] in ("released", "installed")
        self.ordered[iccid.digits] = state

    async def release_profile(self, call_id: str, *, iccid: Iccid, deadline: float) -> None:
        del deadline
        await self._fated("release", call_id, lambda: self._release(iccid))

    def _release(self, iccid: Iccid) -> None:
        if self.ordered.get(iccid.digits) != "confirmed":
            cause = Cause.ALREADY_RELEASED
            raise Refused(cause, subject="8.2.1", reason_code="3.5", for_operator="")
        self.ordered[iccid.digits] = "released"

    async def close(self) -> None:
        pass

    async def _fated(self, name: str, call_id: str, do: Callable[[], R]) -> R:
        self.calls.append((name, call_id))
        self.came.set()
        if self.gate is not None:
            await self.gate.wait()
        fate = self.fates.pop(0) if self.fates else None
        if fate is not None and not self.lost:
            raise fate
        done = do()
        if fate is not None:
            raise fate
        return done
