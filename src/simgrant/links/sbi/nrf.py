"""An NRF: who offers a service, and tokens to ask for it with (TS 29.510 §5.3, §5.4)."""

from __future__ import annotations

import asyncio
from urllib.parse import urlencode

from simgrant.errors import PeerMisbehaved, PeerUnavailable
from simgrant.links.bearer import Token
from simgrant.links.oauth import FORM, granted
from simgrant.links.sbi.producers import Producers, SbiRequest
from simgrant.nouns import named_noun
from simgrant.wire.sbi import nrf
from simgrant.wire.sbi.body import BadMessage
from simgrant.wire.sbi.nrf import Instance


@named_noun
class Consumer:
    """Who we are to producers and NRFs."""

    instance: str
    """Our NF instance id, a UUID."""
    type: str
    """Our NF type, such as AUSF."""


class Nrf:
    """The instances of one NRF, asked for the same consumer again and again."""

    def __init__(self, producers: Producers, consumer: Consumer) -> None:
        self._producers = producers
        self._consumer = consumer

    async def run(self) -> None:
        """Wait until cancelled; then let go of every connection."""
        try:
            await asyncio.Event().wait()
        finally:
            await self._producers.close()

    async def discover(
        self, service: str, target: str, *, version: str, deadline: float
    ) -> tuple[int, tuple[Instance, ...]]:
        """Return for how many seconds the answer is good, and who offers ``service``.

        ``target`` is the type of who offers it, ``version`` such as ``v1``. Errors are those of
        every peer.
        """
        query = nrf.discovery_query(target=target, requester=self._consumer.type, service=service)
        request = SbiRequest(
            method="GET",
            path=f"{nrf.DISCOVERY_PATH}?{query}",
            headers={"accept": "application/json", "user-agent": self._consumer.type},
        )
        reply = await self._producers.send(request, deadline=deadline)
        if reply.status != 200:
            raise PeerUnavailable(
                "nrf_refused", for_operator=f"the NRF answers {reply.status} to a discovery"
            )
        try:
            return nrf.pull_instances(reply.body, service, version)
        except BadMessage as error:
            raise PeerMisbehaved("nrf_malformed", for_operator=f"the NRF: {error}") from None

    async def token(self, scope: str, target: str, *, deadline: float) -> Token:
        """Return a token for ``scope`` at any instance of type ``target``."""
        consumer = self._consumer
        form = nrf.token_form(
            instance=consumer.instance, own=consumer.type, target=target, scope=scope
        )
        request = SbiRequest(
            method="POST",
            path=nrf.TOKEN_PATH,
            headers={**FORM, "user-agent": consumer.type},
            body=urlencode(form).encode(),
        )
        return granted(await self._producers.send(request, deadline=deadline), "the NRF")
