"""The instances of one service: who is asked, and who after that (TS 29.500 §6.4, §6.5).

Every request says how long it is waited for. An instance that is silent, gone, overloaded or
refers to another one is passed over for the next, within the deadline and a budget; whatever else
it answers is the answer.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Protocol

from simgrant.errors import EcsError, PeerMisbehaved, PeerTimeout, PeerUnavailable
from simgrant.links.http import HttpConfig, HttpLink, HttpRequest, Repeat, Reply, Unsent
from simgrant.links.retry import RetryBudget, RetryRules, lot
from simgrant.links.sbi.reports import Reports, left_to_give
from simgrant.nouns import named_noun, replace
from simgrant.ports.clock import Clock
from simgrant.wire.sbi import headers
from simgrant.wire.sbi.nrf import Instance

_EARLY_S: Final = 0.02
"""So long before its deadline a request is given up, so that who asked hears from us why."""
_ELSEWHERE: Final = frozenset({429, 500, 502, 503, 504})
"""Answers after which another instance may do better."""
_REFERRALS: Final = frozenset({307, 308})
_MOST_REFERRALS: Final = 2
_LONGEST_REQUEST_S: Final = 30.0
_LONGEST_PAUSE_S: Final = 60.0
_USUAL_PAUSE_S: Final = 1.0


class Watcher(Protocol):
    """Is told what becomes of requests."""

    def answered(self, service: str, result: str, seconds: float) -> None:
        """Count a request: its status, or what else became of it."""


@named_noun
class ProducersConfig:
    """How the instances of a service are asked."""

    name: str
    """What the operator calls it, for errors and metrics."""
    http: HttpConfig
    """Without what is an instance's own."""
    patience_s: float = 1.0
    """Seconds without an answer after which another instance is asked, if there is one."""
    retry: RetryRules = RetryRules(reserve=100)
    """How many requests may be sent to another instance."""


@named_noun
class SbiRequest:
    """What is asked of whichever instance."""

    method: str
    path: str
    """Below the API root, with its first slash; it may hold an IMSI, so it is in no repr."""
    body: bytes = b""
    headers: Mapping[str, str]

    def __repr__(self) -> str:
        return f"SbiRequest(method={self.method!r})"


class Producers:
    """The instances that are known. To be made and used within one event loop."""

    def __init__(
        self,
        config: ProducersConfig,
        instances: Iterable[Instance],
        *,
        watcher: Watcher,
        clock: Clock,
    ) -> None:
        self._config = config
        self._watcher = watcher
        self._clock = clock
        self._budget = RetryBudget(config.retry)
        self._reports = Reports()
        self._links: dict[str, tuple[Instance, HttpLink]] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self.become(instances)

    def become(self, instances: Iterable[Instance]) -> None:
        """Take others in place of those that were known; who stays keeps connections."""
        told = {each.root: each for each in instances}
        gone = [link for root, (_, link) in self._links.items() if root not in told]
        self._links = {
            root: (each, self._links[root][1] if root in self._links else self._link(each))
            for root, each in told.items()
        }
        self._reports.forget(self._links)
        for link in gone:
            task = asyncio.create_task(_left(link))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    @property
    def roots(self) -> frozenset[str]:
        """Return the API roots of all."""
        return frozenset(self._links)

    async def send(self, request: SbiRequest, *, imsi: str = "", deadline: float) -> Reply:
        """Return an answer by ``deadline`` (of the monotonic clock), of whoever serves the IMSI.

        Errors: PeerUnavailable (``retry_after`` where it is known), PeerTimeout, PeerMisbehaved
        (an answer that is too long). An answer by which all say that they cannot is an answer.
        """
        deadline -= _EARLY_S
        self._budget.earn()
        # Those that are known now: others may be while somebody is waited for.
        links = self._links
        left = self._in_order(imsi)
        if not left:
            raise self._nobody(imsi)
        told: Reply | None = None
        failed: EcsError | None = None
        referrals = 0
        while left:
            root = left.pop(0)
            try:
                reply = await self._ask(root, links[root], request, deadline, alone=not left)
            except (PeerUnavailable, PeerMisbehaved) as error:
                failed = error
            else:
                if reply.status in _REFERRALS:
                    other = _referred(reply, links)
                    referrals += 1
                    if other is None or other == root or referrals > _MOST_REFERRALS:
                        failed = PeerUnavailable(
                            "sbi_referred_elsewhere",
                            for_operator=f"{self._at(root)}: it refers to an instance that is none "
                            "of those that are known",
                        )
                    else:
                        left = [other, *(each for each in left if each != other)]
                        continue
                elif reply.status in _ELSEWHERE:
                    told = reply
                    self._pause(root, reply)
                else:
                    return reply
            if not left or not self._budget.spend():
                break
        if told is not None:
            return told
        assert failed is not None  # noqa: S101 - one of the two was set
        raise failed

    async def close(self) -> None:
        """Let go of every connection."""
        for task in self._closing:
            task.cancel()
        closing = (link.close() for _, link in self._links.values())
        await asyncio.gather(*closing, *self._closing, return_exceptions=True)

    # --- whom to ask -----------------------------------------------------------------

    def _in_order(self, imsi: str) -> list[str]:
        """Return the API roots of those who are to be asked: by priority, then by chance."""
        now = self._clock.monotonic()
        found = []
        for root, (each, _) in self._links.items():
            if imsi and not each.serves(imsi):
                continue
            if self._reports.wait(root, now, _chance()) > 0:
                continue
            load = self._reports.load_of(root, each.load)
            found.append(
                (each.priority, lot(left_to_give(each.capacity, load), chance=_chance()), root)
            )
        return [root for _, _, root in sorted(found)]

    def _nobody(self, imsi: str) -> PeerUnavailable:
        name, now = self._config.name, self._clock.monotonic()
        waits = [
            self._reports.wait(root, now, 0.0)
            for root, (each, _) in self._links.items()
            if not imsi or each.serves(imsi)
        ]
        if waits:
            return PeerUnavailable(
                "sbi_overloaded",
                for_operator=f"{name}: every instance asked to be left alone for a while",
                retry_after=max(1, math.ceil(min(waits))),
            )
        if self._links:
            return PeerUnavailable(
                "sbi_no_instance", for_operator=f"{name}: no instance serves this IMSI"
            )
        return PeerUnavailable("sbi_no_instance", for_operator=f"{name}: no instance is known")

    # --- asking -------------------------------------------------------------------------

    async def _ask(
        self,
        root: str,
        asked: tuple[Instance, HttpLink],
        request: SbiRequest,
        deadline: float,
        *,
        alone: bool,
    ) -> Reply:
        instance, link = asked
        began = self._clock.monotonic()
        until = deadline
        if not alone and self._budget.holds:
            until = min(deadline, began + self._config.patience_s)
        result = "lost"
        try:
            sent = self._request(root, request, until - began, alone=alone)
            reply = await link.send(sent, deadline=until)
            result = str(reply.status)
        except PeerTimeout:
            result = "timeout"
            raise PeerTimeout(
                "sbi_timeout", for_operator=f"{self._at(root)}: no answer in time"
            ) from None
        except Unsent as error:
            result = "unreachable"
            raise PeerUnavailable(
                "sbi_unreachable",
                for_operator=error.for_operator,
                retry_after=error.retry_after,
            ) from None
        except PeerUnavailable as error:
            raise PeerUnavailable("sbi_lost", for_operator=error.for_operator) from None
        except PeerMisbehaved:
            result = "malformed"
            raise
        finally:
            self._watcher.answered(self._config.name, result, self._clock.monotonic() - began)
        self._hear(root, instance, reply)
        return reply

    def _request(
        self, root: str, request: SbiRequest, seconds: float, *, alone: bool
    ) -> HttpRequest:
        told = {
            headers.SENDER_TIMESTAMP: headers.push_timestamp(self._clock.now()),
            headers.MAX_RSP_TIME: headers.push_max_rsp_time(seconds),
        }
        return HttpRequest(
            request.method,
            root + request.path,
            {**request.headers, **told},
            request.body,
            # What a connection took along is asked of the next instance, or else of the same one.
            Repeat.UNANSWERED if alone else Repeat.NEVER_SENT,
        )

    def _hear(self, root: str, instance: Instance, reply: Reply) -> None:
        """Take what the answer's headers say of load and overload: of its own instance only."""
        now = self._clock.monotonic()
        if text := reply.header(headers.OVERLOAD):
            for overload in headers.pull_overloads(text):
                if overload.instance and instance.id in ("", overload.instance):
                    self._reports.overload(root, overload, now)
        if text := reply.header(headers.LOAD):
            for load in headers.pull_loads(text):
                if instance.id in ("", load.instance):
                    self._reports.load(root, load)

    def _pause(self, root: str, reply: Reply) -> None:
        """Leave an instance alone that said that it has too much to do."""
        asked = reply.retry_after(self._clock.now())
        if asked is None:
            asked = _USUAL_PAUSE_S if reply.status == 429 else 0.0
        if asked:
            now = self._clock.monotonic()
            self._reports.pause(root, now + min(asked, _LONGEST_PAUSE_S))

    # --- connections ----------------------------------------------------------------------

    def _link(self, instance: Instance) -> HttpLink:
        plain = instance.root.startswith("http://")
        hosts: tuple[tuple[str, str, int], ...] = ()
        if instance.address:
            hosts = ((_host(instance.root), instance.address, instance.port),)
        config = replace(
            self._config.http,
            peer=self._at(instance.root),
            plain=plain,
            prior_knowledge=plain,
            hosts=hosts,
        )
        return HttpLink(config, self._clock)

    def _at(self, root: str) -> str:
        return f"{self._config.name} at {root}"


async def _left(link: HttpLink) -> None:
    """Let go of an instance that is no longer known, once nobody can wait for it any more."""
    try:
        await asyncio.sleep(_LONGEST_REQUEST_S)
    finally:
        await link.close()


def _referred(reply: Reply, roots: Iterable[str]) -> str | None:
    """Return the API root that an answer refers to, if it is known."""
    location = reply.header("location")
    return next((root for root in roots if location.startswith(f"{root}/")), None)


def _host(root: str) -> str:
    return root.split("://", 1)[1].split("/", 1)[0].rsplit(":", 1)[0]


def _chance() -> float:
    return random.random()  # noqa: S311 - it spreads load


def by_root(roots: Sequence[str]) -> tuple[Instance, ...]:
    """Return instances that the settings name, the first before the others."""
    return tuple(
        Instance(id="", root=root.rstrip("/"), priority=place) for place, root in enumerate(roots)
    )
