"""Who comes by himself sees all that he said, and takes back what holds."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from simgrant.domain.camara.consent import ConsentEntry, Said, last_words
from simgrant.domain.subscription import Subscription
from simgrant.errors import Unauthenticated
from simgrant.flows.consent_pages.desk import SOURCE, Desk, Sent, Teller, api_name, called, day
from simgrant.flows.consent_pages.screens import SaidList, SaidSo
from simgrant.flows.consent_pages.tokens import Form, Step
from simgrant.flows.visits import Page
from simgrant.flows.web_views.web_view import DO
from simgrant.nouns import replace

WHICH: Final = "which"
"""A field of the form: what is withdrawn."""
WITHDRAW: Final = "withdraw"
"""A button."""
_MOST_SHOWN: Final = 100


class OwnList:
    """The page with what somebody said."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def answered(self, sent: Sent, holder: Subscription, form: Form) -> Page:
        """Write that something is withdrawn, and return all that he said."""
        if form.step is not Step.LIST:
            raise Unauthenticated("consent_page_format")
        now = self._desk.now()
        groups = _groups(await self._desk.entries(sent, holder))
        wanted = sent.fields.get(DO) == WITHDRAW
        chosen = groups.get(sent.fields.get(WHICH, "")) if wanted else None
        if chosen is None or not _holds(chosen[0], now):
            return await self.shown(sent, holder, form)
        withdrawn = [
            replace(
                each,
                number=each.number + 1,
                said=Said.WITHDRAWN,
                at=max(now, each.at),
                expires_at=None,
                source=SOURCE,
                evidence="",
            )
            for each in chosen
        ]
        saved = await self._desk.add(sent, holder, withdrawn)
        first = chosen[0]
        sent.trail.detail = f"withdrawn: {first.purpose} {' '.join(each.api for each in chosen)}"
        return await self.shown(sent, holder, form, saved=saved)

    async def shown(
        self, sent: Sent, holder: Subscription, form: Form, *, saved: bool = False
    ) -> Page:
        """Return all that he said, what can be withdrawn first."""
        t, now = self._desk.teller(sent), self._desk.now()
        groups = _groups(await self._desk.entries(sent, holder))
        items = [
            SaidSo(
                name,
                self._name_of(sent, last[0]),
                self._desk.purpose(sent, last[0].purpose),
                tuple(api_name(t, each.api) for each in last),
                _said_when(t, last[0]),
                _holds(last[0], now),
            )
            for name, last in groups.items()
        ]
        items.sort(key=lambda item: not item.holds)
        return self._desk.page(sent, SaidList(items[:_MOST_SHOWN], saved), form)

    def _name_of(self, sent: Sent, entry: ConsentEntry) -> str:
        consumer = self._desk.consumer(sent, entry.client_id)
        return entry.client_id if consumer is None else called(consumer, entry.application)


def _groups(entries: Sequence[ConsentEntry]) -> dict[str, list[ConsentEntry]]:
    """Return the last word about each thing, those together that were said together, the newest
    first; each group by what a form calls it.
    """
    found: dict[str, list[ConsentEntry]] = {}
    for each in sorted(last_words(entries).values(), key=lambda entry: -entry.at):
        key = (each.client_id, each.application, each.purpose, each.said, each.at, each.expires_at)
        found.setdefault(sha256(repr(key).encode()).hexdigest()[:16], []).append(each)
    return found


def _holds(entry: ConsentEntry, now: int) -> bool:
    """Say whether it is a consent that holds."""
    over = entry.expires_at is not None and now >= entry.expires_at
    return entry.said is Said.GIVEN and not over


def _said_when(t: Teller, entry: ConsentEntry) -> str:
    said = t(f"consent_{entry.said.value}", date=day(entry.at))
    if entry.expires_at is None:
        return said
    return f"{said} {t('consent_until', date=day(entry.expires_at))}"
