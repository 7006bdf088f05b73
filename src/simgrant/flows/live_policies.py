"""The policies that a worker decides by: those of the store, taken over while it runs (ADR 0042).

A tenant's policy is that of its file until one was published; from then on the store says which.
Every worker looks at the newest change of each tenant some times a second, and takes over what is
new once it was read, found genuine and compiled. What cannot be taken over changes nothing but what
is said about it: the policy that is in force here goes on, and so it does while the store is away.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from typing import Final

import structlog

from simgrant.domain.policy import Policy, PolicyError, digest_of
from simgrant.errors import EcsError, StartRefused
from simgrant.flows.for_ever import Pace, keep_looking
from simgrant.flows.policies import Compile, is_genuine, name_of
from simgrant.nouns import Word, named_noun
from simgrant.ports.clock import Clock
from simgrant.ports.keys import Keys
from simgrant.ports.policies import PolicyRows
from simgrant.telemetry.metrics import Metrics

_LOOKED_BACK: Final = 20
"""Changes that a server that starts looks back for one that it can decide by."""


@named_noun
class Rules:
    """How often the store is asked."""

    pace: Pace = Pace()
    again_s: float = 10.0
    """Until what could not be taken over is tried again."""


class Reason(Word):
    """Why the newest policy of a tenant is not taken over."""

    GONE = "gone"
    """A row of it is missing."""
    NOT_GENUINE = "not_genuine"
    """It is not what was signed, or the ring has not the key."""
    NOT_READABLE = "not_readable"
    """This release cannot read it."""
    WENT_BACK = "went_back"
    """The store knows an older change than this worker: of a backup, say."""


class _NotTaken(Exception):
    def __init__(self, reason: Reason, said: str = "") -> None:
        self.reason = reason
        self.said = said
        super().__init__(reason)


class LivePolicies(Mapping[str, Policy]):
    """Each tenant's policy of this moment; `load` before use, then ``run`` keeps it up."""

    def __init__(
        self,
        rows: PolicyRows,
        *,
        keys: Keys,
        of_file: Mapping[str, Callable[[], Policy]],
        compile_: Compile,
        clock: Clock,
        metrics: Metrics,
        rules: Rules | None = None,
    ) -> None:
        """``of_file`` gives each tenant's own policy, where it never published one."""
        self._rows = rows
        self._keys = keys
        self._of_file = of_file
        self._compile = compile_
        self._clock = clock
        self._metrics = metrics
        self._rules = rules or Rules()
        self._live: dict[str, Policy] = {}
        self._changes: dict[str, int] = {}
        """The change by which each tenant's policy is in force here; without one, a file's is."""
        self._refused: dict[str, tuple[int, Reason, float]] = {}
        """What was not taken over, why, and when it is tried again (monotonic)."""

    def __getitem__(self, tenant: str) -> Policy:
        return self._live[tenant]

    def __iter__(self) -> Iterator[str]:
        return iter(self._live)

    def __len__(self) -> int:
        return len(self._live)

    async def load(self) -> None:
        """Take what is in force for every tenant; StartRefused where nothing can be decided by.

        Where the newest change cannot be taken over, the newest that can is what other workers
        go on with, too.
        """
        try:
            for tenant in self._of_file:
                await self._load(tenant)
        except EcsError as error:
            raise StartRefused(f"policies: {error.for_operator or error.reason}") from None

    async def _load(self, tenant: str) -> None:
        history = await self._rows.history(tenant, limit=_LOOKED_BACK)
        if not history:
            self._live[tenant] = self._of_file[tenant]()
            return
        for published in history:
            if await self._take(tenant, published.change.change):
                return
        _, reason, _ = self._refused[tenant]
        raise StartRefused(
            f"policy of tenant {tenant}: none of the last {len(history)} that were published can "
            f"be decided by ({reason.replace('_', ' ')}); see `simgrant policy list`"
        )

    async def at(self, tenant: str, change: int) -> Policy | None:
        """Return the policy by which a tenant decides after a change; 0 = its file's.

        None where nothing could be decided by it.
        """
        if change == 0:
            return self._of_file[tenant]()
        try:
            policy, _ = await self._read(tenant, change)
        except _NotTaken:
            return None
        return policy

    async def run(self) -> None:
        """Take over what is published, for ever."""
        await keep_looking(
            self.look, self._rules.pace, failed="policies_not_read", again="policies_read_again"
        )

    async def look(self) -> None:
        """Take over what was published since the last look."""
        current = await self._rows.current()
        for tenant in self._live:
            newest, ours = current.get(tenant, 0), self._changes.get(tenant, 0)
            if newest == ours:
                if tenant in self._refused:
                    self._settle(tenant)
            elif newest < ours:
                self._refuse(tenant, newest, _NotTaken(Reason.WENT_BACK))
            elif self._is_due(tenant, newest):
                await self._take(tenant, newest)

    def _is_due(self, tenant: str, change: int) -> bool:
        refused = self._refused.get(tenant)
        return refused is None or refused[0] != change or self._clock.monotonic() >= refused[2]

    async def _take(self, tenant: str, change: int) -> bool:
        """Take a change over; say whether it was."""
        try:
            policy, author = await self._read(tenant, change)
        except _NotTaken as why:
            self._refuse(tenant, change, why)
            return False
        before = self._live.get(tenant)
        self._live[tenant] = policy
        if tenant in self._refused and self._refused[tenant][0] <= change:
            self._settle(tenant)
        if before is not None:
            if tenant in self._changes:
                self._metrics.show_policy(tenant, before.version, decides=False)
            structlog.get_logger().info(
                "policy_taken",
                tenant=tenant,
                version=policy.version,
                before=before.version,
                change=change,
                by=author,
            )
        self._metrics.show_policy(tenant, policy.version, decides=True)
        self._changes[tenant] = change
        return True

    async def _read(self, tenant: str, change: int) -> tuple[Policy, str]:
        published = await self._rows.published(tenant, change)
        if published is None:
            raise _NotTaken(Reason.GONE)
        if not is_genuine(tenant, published, self._keys.ring):
            # Another node may have signed it with a key that was made a moment ago.
            self._keys.refresh()
            if not is_genuine(tenant, published, self._keys.ring):
                raise _NotTaken(Reason.NOT_GENUINE)
        text = await self._rows.text(tenant, published.version.number)
        if text is None or digest_of(text) != published.version.sha256:
            raise _NotTaken(Reason.NOT_GENUINE if text is not None else Reason.GONE)
        name = name_of(published.version)
        try:
            # One of many rules takes long enough for phones to notice.
            policy = await asyncio.to_thread(self._compile, tenant, text, name)
        except PolicyError as error:
            raise _NotTaken(Reason.NOT_READABLE, str(error.problems[0])) from None
        return policy, published.change.author

    def _refuse(self, tenant: str, change: int, why: _NotTaken) -> None:
        """Note that a change is not taken over, and say so once."""
        known = self._refused.get(tenant)
        again_at = self._clock.monotonic() + self._rules.again_s
        self._refused[tenant] = (change, why.reason, again_at)
        if known is not None:
            if known[:2] == (change, why.reason):
                return
            self._metrics.show_policy_refused(tenant, known[1], refused=False)
        self._metrics.show_policy_refused(tenant, why.reason, refused=True)
        live = self._live.get(tenant)
        structlog.get_logger().error(
            "policy_not_taken",
            tenant=tenant,
            change=change,
            reason=why.reason.value,
            said=why.said,
            in_force=live.version if live is not None else "",
        )

    def _settle(self, tenant: str) -> None:
        refused = self._refused.pop(tenant, None)
        if refused is not None:
            self._metrics.show_policy_refused(tenant, refused[1], refused=False)
