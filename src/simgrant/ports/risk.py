"""What is known of a line that speaks for or against giving it to a device.

A source says of each fact who told it and when. Errors promised: PeerUnavailable, PeerTimeout and
PeerMisbehaved; who cannot be asked now has not said that there is no risk.
"""

from __future__ import annotations

from typing import Protocol

from simgrant.domain.facts import Fact
from simgrant.domain.risk import NumberType
from simgrant.domain.subscription import Subscription
from simgrant.nouns import noun


@noun
class Risk:
    """The facts of one line, and of one device with it."""

    sim_since: Fact[int | None]
    """Unix seconds since when the line has its SIM; None = nobody knows."""
    imei_since: Fact[int | None]
    """Unix seconds at which the device was first seen with this SIM; None = never."""
    port_freeze: Fact[bool]
    prepaid: Fact[bool]
    number_type: Fact[NumberType]


class RiskSource(Protocol):
    """The port; see the module's docstring for what it promises."""

    async def of(self, subscription: Subscription, terminal_id: str) -> Risk:
        """Return what is known of a line, and of the device that asks with it."""
