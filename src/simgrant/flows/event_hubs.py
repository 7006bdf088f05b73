"""Our registrations at hubs: made once for all nodes, looked at now and then, and made again.

Each hub has a row. Whoever claims it asks the hub, and writes down each step before the next one,
so that a process that dies in between leaves nothing that the next one does not find.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from hashlib import sha256
from typing import Final

import structlog

from simgrant.errors import EcsError
from simgrant.nouns import named_noun, replace
from simgrant.ports.clock import Clock
from simgrant.ports.event_hubs import Hub, HubRow, HubRows, HubState, Hurry, Registration, Seen
from simgrant.telemetry.log import say_fault

_CALLS: Final = 7
"""That one visit makes at most."""
_GRACE_S: Final = 10
_FIRST_PAUSE_S: Final = 5.0
_LONGEST_WAIT_S: Final = 86_400
_NOTHING: Final = Registration("", "", "")


@named_noun
class Wanted:
    """What is to be registered at one hub, and how it is looked after."""

    tenant: str
    name: str
    registration: Registration
    every_s: float = 300.0
    """Between two looks, more or less by a fifth; also the longest pause after a failure."""
    renew_s: float = 86_400.0
    """After which one that the hub does not show is registered anew; 0 = never."""
    looks: bool = True
    """Whether the hub may be asked for a registration."""
    timeout_s: float = 10.0
    """That one answer may take."""

    @property
    def digest(self) -> str:
        """A hash of what is to be registered."""
        one = self.registration
        return sha256("\n".join((one.url, one.callback, one.query)).encode()).hexdigest()


class HubVisitor:
    """Sees to one hub's registration. One visit at a time."""

    def __init__(
        self,
        wanted: Wanted,
        hub: Hub,
        rows: HubRows,
        *,
        clock: Clock,
        chance: Callable[[], float],
    ) -> None:
        self._wanted = wanted
        self._hub = hub
        self._rows = rows
        self._clock = clock
        self._chance = chance
        self._row = HubRow(tenant=wanted.tenant, name=wanted.name)
        """The row of this visit, as far as it has come."""

    @property
    def wanted(self) -> Wanted:
        """What is to be registered."""
        return self._wanted

    async def see_to(self, hurry: Hurry) -> HubRow | None:
        """Have the listener registered; return how it is then, None where it is not our turn.

        The hub's troubles are in the row; PeerUnavailable where the store is away.
        """
        return await self._visit(hurry, self._registered)

    async def unhook(self) -> HubRow | None:
        """Take the registration away for good; return how it is then, None as `see_to` does."""
        return await self._visit(Hurry.NOW, self._unhooked)

    async def close(self) -> None:
        """Let go of every connection."""
        await self._hub.close()

    async def _visit(self, hurry: Hurry, work: Callable[[], Awaitable[None]]) -> HubRow | None:
        wanted = self._wanted
        claimed = await self._rows.claim(
            wanted.tenant,
            wanted.name,
            wanted.digest,
            hurry=hurry,
            now=self._now,
            lease_s=int(_CALLS * wanted.timeout_s) + _GRACE_S,
        )
        if claimed is None:
            return None
        self._row = claimed
        try:
            await work()
        except EcsError as error:
            self._failed(error)
        await self._rows.keep(self._row)
        return self._row

    # --- registering ---------------------------------------------------------------------------

    async def _registered(self) -> None:
        row, wanted = self._row, self._wanted
        if row.registered != wanted.registration or not await self._is_there():
            await self._register()
        await self._tidy()
        pause_s = wanted.every_s * (0.8 + 0.4 * self._chance())
        self._row = replace(
            self._row,
            state=HubState.REGISTERED,
            due_at=self._now + max(1, round(pause_s)),
            failures=0,
            reason="",
        )

    async def _is_there(self) -> bool:
        """Say whether what is registered needs nothing."""
        row, wanted = self._row, self._wanted
        seen = Seen.NOT_SHOWN
        if row.hub_id and wanted.looks:
            seen = await self._hub.look(row.hub_id, deadline=self._deadline)
        if seen is Seen.THERE:
            self._row = replace(row, looked_at=self._now)
        if seen is Seen.GONE:
            structlog.get_logger().warning("event_hub_forgot", hub=wanted.name, id=row.hub_id)
        if seen is not Seen.NOT_SHOWN:
            return seen is Seen.THERE
        return not wanted.renew_s or self._now - row.registered_at < wanted.renew_s

    async def _register(self) -> None:
        row, one = self._row, self._wanted.registration
        hub_id = await self._hub.register(one.callback, one.query, deadline=self._deadline)
        old = self._address(row)
        if hub_id is None:
            # It has one with this callback: ours of now, of before, or of a visit that was cut off.
            hub_id = row.hub_id
            if row.registered != one:
                hub_id, old = await self._replaced(old), ""
        now = self._now
        address = self._hub.address(hub_id) if hub_id else ""
        if row.stale not in ("", old):
            # There is room for one; it could not be taken away for as long as that.
            self._left(row.stale)
        self._row = replace(
            row,
            hub_id=hub_id,
            registered=one,
            stale="" if old == address else old,
            registered_at=now,
            looked_at=now,
        )
        await self._rows.keep(self._row, release=False)
        structlog.get_logger().info("event_hub_registered", hub=self._wanted.name, id=hub_id)

    async def _replaced(self, old: str) -> str:
        """Register in place of what the hub has with this callback; return the new one's id."""
        one = self._wanted.registration
        found = await self._hub.find(one.callback, deadline=self._deadline)
        victim = self._hub.address(found) if found else old
        if not victim or not await self._hub.remove(victim, deadline=self._deadline):
            return found
        # In between nothing is told: there is no other way at a hub that takes a callback once.
        again = await self._hub.register(one.callback, one.query, deadline=self._deadline)
        return again or ""

    async def _tidy(self) -> None:
        """Take away what was registered before."""
        if self._row.stale:
            await self._take_away(self._row.stale)
            self._row = replace(self._row, stale="")

    async def _take_away(self, address: str) -> None:
        if not await self._hub.remove(address, deadline=self._deadline):
            self._left(address)

    def _left(self, address: str) -> None:
        structlog.get_logger().warning("event_hub_left", hub=self._wanted.name, address=address)

    async def _unhooked(self) -> None:
        row = self._row
        address = self._address(row)
        if not address:
            callback = row.registered.callback or self._wanted.registration.callback
            found = await self._hub.find(callback, deadline=self._deadline)
            address = self._hub.address(found) if found else ""
        for each in filter(None, (address, row.stale)):
            await self._take_away(each)
        self._row = replace(
            row,
            state=HubState.UNHOOKED,
            hub_id="",
            registered=_NOTHING,
            stale="",
            failures=0,
            reason="",
        )
        structlog.get_logger().info("event_hub_unhooked", hub=self._wanted.name)

    def _failed(self, error: EcsError) -> None:
        failures = self._row.failures + 1
        most = self._wanted.every_s
        pause_s = min(most, _FIRST_PAUSE_S * 2 ** min(failures - 1, 20)) * (
            0.5 + 0.5 * self._chance()
        )
        pause_s = max(pause_s, min(error.retry_after or 0, _LONGEST_WAIT_S))
        self._row = replace(
            self._row,
            state=HubState.FAILING,
            due_at=self._now + max(1, round(pause_s)),
            failures=failures,
            reason=error.reason,
        )
        structlog.get_logger().warning(
            "event_hub_failed",
            hub=self._wanted.name,
            reason=error.reason,
            detail=error.for_operator,
            failures=failures,
        )

    def _address(self, row: HubRow) -> str:
        """Return the address of what is registered, by whichever settings; empty = none is."""
        if not row.hub_id:
            return ""
        path = self._hub.address(row.hub_id).rpartition("/")[2]
        return f"{row.registered.url.rstrip('/')}/{path}"

    @property
    def _now(self) -> int:
        return int(self._clock.now())

    @property
    def _deadline(self) -> float:
        return self._clock.monotonic() + self._wanted.timeout_s


class HubKeeper:
    """Keeps all registrations. To be run by one worker of each node."""

    def __init__(
        self,
        visitors: Sequence[HubVisitor],
        rows: HubRows,
        *,
        clock: Clock,
        chance: Callable[[], float],
        watch: Callable[[str, HubState], None],
    ) -> None:
        """``watch`` is told how each is, whoever sees to it."""
        self._visitors = visitors
        self._rows = rows
        self._clock = clock
        self._chance = chance
        self._watch = watch

    async def run(self) -> None:
        """Keep them until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                for each in self._visitors:
                    group.create_task(self._keep(each))
        finally:
            for each in self._visitors:
                await each.close()

    async def _keep(self, visitor: HubVisitor) -> None:
        wanted = visitor.wanted
        # Who started last has the newest settings; who started before leaves them alone.
        hurry, row = Hurry.CHANGED, HubRow(tenant=wanted.tenant, name=wanted.name)
        while True:
            try:
                found = await visitor.see_to(hurry)
                row = found or await self._rows.find(wanted.tenant, wanted.name) or row
                if row.wanted == wanted.digest:
                    hurry = Hurry.DUE
                self._watch(wanted.name, row.state)
            except EcsError as error:
                structlog.get_logger().warning(
                    "event_hub_waits", hub=wanted.name, reason=error.reason
                )
            except Exception as error:
                say_fault(error, hub=wanted.name)
            await asyncio.sleep(self._pause_s(wanted, row, hurry))

    def _pause_s(self, wanted: Wanted, row: HubRow, hurry: Hurry) -> float:
        """Return seconds until there may be something to do; nodes do not come all at once."""
        until = row.held_until if hurry is Hurry.CHANGED else max(row.due_at, row.held_until)
        if row.state is HubState.UNHOOKED or row.wanted not in ("", wanted.digest):
            until = int(self._clock.now() + wanted.every_s) if hurry is Hurry.DUE else until
        left = min(max(until - self._clock.now(), 1.0), max(wanted.every_s, 1.0))
        return left * (1 + 0.1 * self._chance()) + self._chance()
