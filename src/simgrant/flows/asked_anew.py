"""What a BSS says of a subscription before and after an event: an event is a hint, and he is asked.

What was told last is what devices were told by. It is made doubtful first, so that every worker
asks anew whatever becomes of this question. Where the BSS does not answer at once, nobody knows
whether anything changed: then whoever registered is told to ask again, and the documents that are
made meanwhile hold for a short time.
"""

from __future__ import annotations

from typing import Final, Protocol

from simgrant.domain.subscription import Profile
from simgrant.domain.told import Told
from simgrant.domain.trail import Trail
from simgrant.errors import PeerMisbehaved, PeerUnavailable, UnknownIdentity
from simgrant.flows.eligibility import Eligibilities
from simgrant.identities import Imsi
from simgrant.nouns import named_noun
from simgrant.ports.clock import Clock
from simgrant.ports.store import Store

_WAITS_S: Final = 0.5
"""Seconds: a swapped SIM's tokens are not to be good while a BSS thinks."""
_EVERY_TIME: Final = ("",)
"""Of no application that the settings name, so that it is asked whatever was known."""


@named_noun
class Anew:
    """What was told before, and now."""

    before: Told | None
    after: Told | None
    gone: bool = False
    """The BSS has no such subscription, or does not serve it."""
    unknown: bool = False
    """It does not answer."""


class AsksAnew(Protocol):
    """Asks a BSS about a subscription that an event is about."""

    async def of(self, tenant: str, imsi: Imsi) -> Anew | None:
        """Return what it says; None where nobody is asked. What the store raises is raised."""

    async def known(self, tenant: str, imsi: Imsi) -> Anew | None:
        """Return what it said last, as before and after; ask nobody. As in `of`."""


class AskedAnew:
    """Asks each tenant's BSS."""

    def __init__(self, store: Store, eligibilities: Eligibilities, *, clock: Clock) -> None:
        self._store = store
        self._eligibilities = eligibilities
        self._clock = clock

    async def known(self, tenant: str, imsi: Imsi) -> Anew | None:
        """Return what the BSS said last, as before and after; None where nobody is asked."""
        if not self._eligibilities.asks(tenant):
            return None
        told = await self._store.told.told(tenant, imsi)
        return Anew(before=told, after=told)

    async def of(self, tenant: str, imsi: Imsi) -> Anew | None:
        """Return what the BSS says; None where nobody is asked, or there is no subscription."""
        if not self._eligibilities.asks(tenant):
            return None
        subscription = await self._store.find(tenant, imsi=imsi)
        if subscription is None:
            return None
        before = await self._store.told.told(tenant, imsi)
        await self._eligibilities.forget(tenant, imsi)
        profile = Profile(subscription, None, None, None)
        deadline = self._clock.monotonic() + _WAITS_S
        try:
            found = await self._eligibilities.of(
                profile, _EVERY_TIME, deadline=deadline, trail=Trail(""), tells=False
            )
        except UnknownIdentity:
            return Anew(before=before, after=None, gone=True)
        except (PeerUnavailable, PeerMisbehaved):
            return Anew(before=before, after=before, unknown=True)
        told = found.told
        # With a bound, it is what was known, since the BSS does not answer.
        return Anew(before=before, after=told, unknown=told is not None and told.good_s is not None)
