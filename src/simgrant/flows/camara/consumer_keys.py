"""Which keys a consumer signs with: those of its row, else those at its address."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from simgrant.domain.camara.consumer import Consumer
from simgrant.errors import Unauthenticated
from simgrant.ports.camara_keys import PublishedKeys
from simgrant.wire.jwt import Keys, pull_public_keys

_MOST_KEPT: Final = 10_000


class ConsumerKeys:
    """Knows the public keys of consumers, each set parsed once."""

    def __init__(self, published: PublishedKeys) -> None:
        self._published = published
        self._parsed: OrderedDict[str, Keys] = OrderedDict()

    async def of(self, consumer: Consumer, *, deadline: float) -> Keys:
        """Return the keys; ``deadline`` is of the monotonic clock.

        Errors: Unauthenticated for a consumer without any; those of `PublishedKeys` where its
        address gives none.
        """
        if consumer.jwks:
            return self._own(consumer.jwks)
        if not consumer.jwks_url:
            raise Unauthenticated("consumer_without_keys")
        return await self._published.current(consumer.jwks_url, deadline=deadline)

    async def look_again(self, consumer: Consumer, *, deadline: float) -> bool:
        """Say whether there are other keys by now, for who found that none has signed.

        It is asked for every few seconds at most, or strangers would decide how often.
        """
        if consumer.jwks or not consumer.jwks_url:
            return False
        return await self._published.look_again(consumer.jwks_url, deadline=deadline)

    async def close(self) -> None:
        """Ask no more."""
        await self._published.close()

    def _own(self, jwks: str) -> Keys:
        keys = self._parsed.get(jwks)
        if keys is None:
            try:
                keys = pull_public_keys(jwks)
            except ValueError:
                raise Unauthenticated("consumer_without_keys") from None
            self._parsed[jwks] = keys
            while len(self._parsed) > _MOST_KEPT:
                self._parsed.popitem(last=False)
        return keys
