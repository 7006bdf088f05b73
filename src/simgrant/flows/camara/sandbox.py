"""Lines that are none: test numbers, for consumers that try their software (sandbox).

They get fixed answers about these numbers, and learn nothing of any other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Final

from simgrant.domain.camara.line import NO_CHANGE, Line
from simgrant.domain.eligibility import Eligibility
from simgrant.domain.subscription import Subscription, SubscriptionStatus
from simgrant.flows.camara.line_facts import Asking, Place, Since
from simgrant.identities import Imsi, Msisdn
from simgrant.nouns import named_noun, noun
from simgrant.ports.camara_consents import Processing, Purposeful, Standing

_HOUR_S: Final = 3600
_DAY_S: Final = 24 * _HOUR_S
_NOBODY: Final = Imsi("000000000000000")


@named_noun
class SandboxLine:
    """What is told of one test number. Ages are counted back from the moment of the call."""

    sim_age_h: int = 0
    """Hours since it got its SIM."""
    device_age_h: int | None = None
    """Hours since it came into its device; None = no device is known."""
    customer_d: int = 0
    """Days that its owner is a customer."""
    number_d: int | None = None
    """Days that the number is his; None = as long."""
    prepaid: bool = False
    suspended: bool = False
    throttled: bool = False
    plmn: str = ""
    """Digits of the network that it is in; empty = it is not known."""
    standing: Standing = Standing.VALID
    """How every processing stands."""


@noun
class Sandbox:
    """A tenant's test numbers."""

    lines: Mapping[Msisdn, SandboxLine] = field(default_factory=dict)


class Sandboxes:
    """All tenants' test numbers."""

    def __init__(self, sandboxes: Mapping[str, Sandbox]) -> None:
        self._sandboxes = sandboxes

    def line(self, tenant: str, number: Msisdn, *, now: int) -> Line | None:
        """Return the line that a test number would have."""
        test = self._sandboxes[tenant].lines.get(number)
        if test is None:
            return None
        status = SubscriptionStatus.SUSPENDED if test.suspended else SubscriptionStatus.ACTIVE
        began = now - test.customer_d * _DAY_S
        return Line(
            subscription=Subscription(
                tenant, _NOBODY, number, status, plan="", created_at=began, changed_at=began
            ),
            sim_since=now - test.sim_age_h * _HOUR_S,
        )

    def facts(self, tenant: str, number: Msisdn) -> SandboxFacts:
        """Return what is told of a test number that there is."""
        return SandboxFacts(self._sandboxes[tenant].lines[number])


class SandboxFacts:
    """Those of one test number (`LineFacts`, `CamaraConsents`)."""

    def __init__(self, test: SandboxLine) -> None:
        self._test = test

    async def sim_changed_at(self, line: Line, _asking: Asking, /) -> int:
        """Return it as the table has it."""
        return line.sim_since

    async def device_changed_at(self, _line: Line, asking: Asking, /) -> int:
        """Return it as the table has it."""
        hours = self._test.device_age_h
        return NO_CHANGE if hours is None else asking.now - hours * _HOUR_S

    async def place(self, _line: Line, asking: Asking, /) -> Place | None:
        """Return it as the table has it: it was seen there a minute ago."""
        return Place(self._test.plmn, asking.now - 60) if self._test.plmn else None

    async def customer_since(self, line: Line, _asking: Asking, /) -> Since:
        """Return it as the table has it."""
        return Since(line.subscription.created_at, known=True)

    async def number_since(self, line: Line, _asking: Asking, /) -> Since:
        """Return it as the table has it."""
        test, began = self._test, line.subscription.created_at
        days = test.customer_d if test.number_d is None else test.number_d
        return Since(began + (test.customer_d - days) * _DAY_S, known=True)

    async def told(self, line: Line, _asking: Asking, /) -> Eligibility:
        """Return it as the table has it."""
        return Eligibility(status=line.subscription.status, prepaid=self._test.prepaid)

    async def is_throttled(self, _line: Line, /) -> bool:
        """Return it as the table has it."""
        return self._test.throttled

    async def of(
        self, _subscription: Subscription, wanted: Purposeful, /, *, now: int
    ) -> Sequence[Processing]:
        """Return it as the table has it."""
        expires = now - _HOUR_S if self._test.standing is Standing.EXPIRED else None
        return (Processing(scopes=wanted.scopes, standing=self._test.standing, expires_at=expires),)

    async def capture_url(
        self,
        _subscription: Subscription,
        _wanted: Purposeful,
        _callback: str,
        /,
        *,
        partly: bool,
        now: int,
    ) -> str:
        """Return nothing: there is nobody to ask."""
        del partly, now
        return ""
