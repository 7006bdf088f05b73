"""Whether a device may have an eSIM, asked of a BSS by requests that are described."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field

from simgrant.adapters.bss.mapped.lookups import MappedLookups
from simgrant.adapters.bss.mapped.requests import Wanted, misbehaved, values_of
from simgrant.domain.answer_rules import Find, Useless, text_of
from simgrant.domain.order import Kind
from simgrant.links.api import ApiLink
from simgrant.nouns import named_noun
from simgrant.ports.clock import Clock
from simgrant.ports.eligibility import Prospect, Qualification
from simgrant.ports.network_data import Subscriber

_LONGEST_REASON = 256


@named_noun
class Verdict:
    """How an answer says whether, and why not."""

    qualified: Callable[[object], bool | None] = field(compare=False)
    reason: Find | None = field(default=None, compare=False)


class MappedJudge(MappedLookups):
    """Look-ups, and a BSS that judges prospects too (the ``ChecksEligibility`` port)."""

    def __init__(
        self,
        link: ApiLink,
        requests: Sequence[Wanted],
        checks: Mapping[Kind, Wanted],
        verdict: Verdict,
        clock: Clock,
        *,
        tenant: str,
    ) -> None:
        super().__init__(link, requests, clock, tenant=tenant)
        self._checks = checks
        self._verdict = verdict

    async def qualify(
        self, who: Subscriber, prospect: Prospect, *, deadline: float
    ) -> Qualification | None:
        """Return what the BSS says (see the port)."""
        wanted, device = self._checks[prospect.kind], prospect.device
        # What is not known is not sent.
        values = {"msisdn": "", "e164": "", "eid": "", "imei": "", "vendor": ""}
        values |= values_of(who, tenant=self._tenant, correlation_id=str(uuid.uuid4()))
        if device is not None:
            values |= {
                "eid": device.eid.digits if device.eid else "",
                "imei": device.terminal_id if device.terminal_id.isdecimal() else "",
                "vendor": device.vendor,
            }
        document = await self._asker.ask(wanted, who, values, deadline=deadline)
        if document is None:
            return None
        try:
            qualified = self._verdict.qualified(document)
        except Useless as error:
            raise misbehaved(f"{self._link.peer}: {wanted.name}", str(error)) from None
        why = "" if qualified else self._why(document)
        return Qualification(qualified=bool(qualified), reason=why)

    def _why(self, document: object) -> str:
        find = self._verdict.reason
        told = [text_of(node) or "" for node in find(document) or []] if find else []
        found = "".join(letter for letter in " ".join(told) if letter.isprintable())
        return found[:_LONGEST_REASON]
