"""One service of the core network: its instances, however they are found, and the token for it.

What an NRF said is asked for anew before it is too old, in the background. An NRF that is away
changes nothing: the instances that were known are asked, for as long as they answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

from simgrant.errors import EcsError, PeerUnavailable
from simgrant.links.bearer import Bearer
from simgrant.links.http import Reply
from simgrant.links.retry import RetryRules, backoff
from simgrant.links.sbi.nrf import Nrf
from simgrant.links.sbi.producers import Producers, SbiRequest
from simgrant.nouns import named_noun
from simgrant.ports.clock import Clock
from simgrant.wire.sbi import headers

_DISCOVERY_S: Final = 5.0
_SHORTEST_S: Final = 10.0
_LONGEST_S: Final = 86_400.0
_PAUSES: Final = RetryRules(first_wait_s=1.0, longest_wait_s=30.0)
_UNAUTHORIZED: Final = 401


class ServiceWatcher(Protocol):
    """Is told what an NRF says."""

    def found(self, service: str, instances: int, problem: str) -> None:
        """Take note of how many instances are known, and of why it asks in vain; empty = it
        does not."""


@named_noun
class ServiceConfig:
    """Which service."""

    name: str
    """What the operator calls it, for errors."""
    service: str
    """Such as ``nudm-ueau``; also its scope."""
    target: str
    """The type of who offers it, such as UDM."""
    consumer: str
    """Our own type."""
    version: str = "v1"
    """Of the interface, as its addresses have it."""
    discovers: bool = False
    """Its instances are those that the NRF tells."""
    authorized: bool = False
    """Every request has a token of the NRF's."""


class SbiService:
    """A service that may be asked. To be made and used within one event loop."""

    def __init__(
        self,
        config: ServiceConfig,
        producers: Producers,
        nrf: Nrf | None,
        *,
        watcher: ServiceWatcher,
        clock: Clock,
        chance: Callable[[], float],
    ) -> None:
        self._config = config
        self._producers = producers
        self._nrf = nrf
        self._watcher = watcher
        self._clock = clock
        self._chance = chance
        self._asked = asyncio.Event()
        """The NRF was asked once, with whatever result."""
        self._bearer: Bearer | None = None
        if config.authorized and nrf is not None:
            service, target = config.service, config.target
            self._bearer = Bearer(
                lambda deadline: nrf.token(service, target, deadline=deadline), clock
            )

    @property
    def name(self) -> str:
        """Return what the operator calls it."""
        return self._config.name

    async def run(self) -> None:
        """Keep what the NRF says fresh until cancelled; then let go of everything."""
        try:
            if self._nrf is None or not self._config.discovers:
                await asyncio.Event().wait()
            else:
                await self._keep(self._nrf)
        finally:
            if self._bearer is not None:
                await self._bearer.close()
            await self._producers.close()

    async def request(
        self, method: str, path: str, body: bytes, *, imsi: str, deadline: float
    ) -> Reply:
        """Return what the service answers by ``deadline`` (of the monotonic clock).

        Errors: PeerUnavailable, PeerTimeout, PeerMisbehaved, as those of the instances and of the
        NRF. An answer that says no is an answer.
        """
        if self._config.discovers and not self._producers.roots:
            await self._settled(deadline)
        if self._bearer is None:
            return await self._send(method, path, body, "", imsi, deadline)
        for _ in range(2):
            token = await self._bearer.get(deadline=deadline)
            reply = await self._send(method, path, body, token, imsi, deadline)
            if reply.status != _UNAUTHORIZED:
                return reply
            self._bearer.refused(token)
        raise PeerUnavailable(
            "sbi_token_refused",
            for_operator=f"{self.name}: it takes no token of the NRF's",
        )

    async def _send(
        self, method: str, path: str, body: bytes, token: str, imsi: str, deadline: float
    ) -> Reply:
        told = {
            "accept": f"application/json, {headers.PROBLEM_TYPE}",
            "user-agent": self._config.consumer,
            headers.CORRELATION_INFO: f"imsi-{imsi}",
        }
        if body:
            told["content-type"] = "application/json"
        if token:
            told["authorization"] = f"Bearer {token}"
        request = SbiRequest(method=method, path=path, headers=told, body=body)
        return await self._producers.send(request, imsi=imsi, deadline=deadline)

    async def _settled(self, deadline: float) -> None:
        """Wait, at the start, until the NRF has said who there is, or could not."""
        left = deadline - self._clock.monotonic()
        try:
            async with asyncio.timeout(max(0.0, left)):
                await self._asked.wait()
        except TimeoutError:
            raise PeerUnavailable(
                "sbi_no_instance", for_operator=f"{self.name}: the NRF has not answered yet"
            ) from None

    async def _keep(self, nrf: Nrf) -> None:
        config, failures = self._config, 0
        while True:
            try:
                validity_s, found = await nrf.discover(
                    config.service,
                    config.target,
                    version=config.version,
                    deadline=self._clock.monotonic() + _DISCOVERY_S,
                )
            except EcsError as error:
                failures += 1
                pause = backoff(failures, _PAUSES, chance=self._chance())
                problem = error.for_operator or error.reason
                self._watcher.found(config.name, len(self._producers.roots), problem)
            else:
                failures = 0
                # What is empty may be a mistake of the NRF's; those that were known still answer,
                # or else are passed over.
                if found:
                    self._producers.become(found)
                pause = min(max(validity_s, _SHORTEST_S), _LONGEST_S) * 0.9
                problem = "" if found else "it knows no instance of this service"
                self._watcher.found(config.name, len(self._producers.roots), problem)
            self._asked.set()
            await asyncio.sleep(pause)
