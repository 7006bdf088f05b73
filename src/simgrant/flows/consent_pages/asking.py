"""What a link asks: the question in the words of who reads it, and what he answers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import field
from functools import partial
from typing import Final
from urllib.parse import urlencode, urlsplit, urlunsplit

from msgspec.structs import replace as with_changes

from simgrant.domain.camara.consent import ConsentEntry, Said, last_words, numbered
from simgrant.domain.subscription import Subscription
from simgrant.errors import (
    BadRequest,
    EcsError,
    PeerMisbehaved,
    PeerUnavailable,
    Unauthenticated,
)
from simgrant.flows.camara.callbacks import is_callback
from simgrant.flows.camara.consents import apis_of
from simgrant.flows.consent_pages.desk import SOURCE, TENANT, Desk, Sent, api_name, called, day
from simgrant.flows.consent_pages.own_list import OwnList
from simgrant.flows.consent_pages.screens import AskConsent, Carried
from simgrant.flows.consent_pages.tokens import LINK, PAGE, Asked, Form, Step
from simgrant.flows.visits import Page
from simgrant.flows.web_views.web_view import DO
from simgrant.nouns import Word, noun
from simgrant.ports.camara_consents import CAPTURABLE, CamaraConsents

STATE: Final = "state"
"""A field of the forms: the consumer's, which comes back to it."""
GIVE: Final = "give"
REFUSE: Final = "refuse"
"""Buttons."""
_SAID: Final = {GIVE: Said.GIVEN, REFUSE: Said.DENIED}
_MOST_STATE: Final = 512
_DAY_S: Final = 86_400
_NETLOC: Final = re.compile(r"[A-Za-z0-9.:\[\]-]+")


class CaptureResult(Word):
    """What the consumer is told came of it (CAMARA consent-info, ``capture_result``)."""

    GRANTED = "granted"
    PARTIAL_GRANT = "partial_grant"
    DENIED = "denied"
    ERROR = "error"
    TIMEOUT = "timeout"


_ENDS: Final = {
    "consent_link_expired": CaptureResult.TIMEOUT,
    "consent_page_expired": CaptureResult.TIMEOUT,
    "consent_link_revoked": CaptureResult.ERROR,
    "subscription_not_served": CaptureResult.ERROR,
    "number_missing": CaptureResult.ERROR,
}
"""By the reasons after which nobody can go on by the same link."""


@noun
class SentBack:
    """He is done, and goes back to the consumer."""

    url: str = field(repr=False)


class Asking:
    """The page that asks."""

    def __init__(
        self, desk: Desk, consents: CamaraConsents, own_list: OwnList, *, lasts_d: int
    ) -> None:
        """``lasts_d`` are the days for which a consent is asked; 0 = until it is withdrawn."""
        self._desk = desk
        self._consents = consents
        self._own_list = own_list
        self._lasts_d = lasts_d

    async def asker(self, sent: Sent, asked: Asked, holder: Subscription) -> str:
        """Return who asks, as people know him.

        Unauthenticated where he may not ask any more, or nothing is left to be asked.
        """
        name = self._name_of(sent, asked)
        if not await self._is_open(sent, holder, asked):
            raise Unauthenticated("consent_link_used")
        return name

    async def ask(self, sent: Sent, asked: Asked, holder: Subscription, proved: Form) -> Page:
        """Return the page that asks who has proved that he is asked; Unauthenticated."""
        asker = await self.asker(sent, asked, holder)
        return self._page(sent, self._question(sent, asked, asker), proved)

    async def answered(
        self, sent: Sent, asked: Asked, holder: Subscription, form: Form
    ) -> Page | SentBack:
        """Write what he says; of a form that is sent twice, the first one counts."""
        if holder.imsi.digits != asked.imsi:
            raise Unauthenticated("consent_page_of_another_link")
        screen = self._question(sent, asked, self._name_of(sent, asked))
        said = _SAID.get(sent.fields.get(DO, ""))
        # Read before it is looked whether it is open: whatever is said since is told by its number.
        entries = await self._desk.entries(sent, holder)
        settled = _settled(entries, asked)
        if settled is None and not await self._is_open(sent, holder, asked):
            settled = await self._settled_since(sent, holder, asked)
        if settled is None:
            if said is None or form.step is not Step.ANSWER or form.shown != screen.fingerprint:
                return self._page(sent, screen, form)
            shown = f"text {screen.fingerprint} {self._desk.teller(sent)('language')}"
            settled = await self._write(sent, holder, asked, said, entries, shown)
        sent.trail.detail = f"{settled.value}: {asked.purpose} {' '.join(asked.apis)}"
        if asked.callback:
            result = CaptureResult.DENIED
            if settled is Said.GIVEN:
                result = CaptureResult.PARTIAL_GRANT if asked.partly else CaptureResult.GRANTED
            return _sent_back(sent, asked, result)
        listed = Form(Step.LIST, form.began, form.id, form.holder, "", b"", form.epoch)
        return await self._own_list.shown(sent, holder, listed, saved=True)

    def ended(self, sent: Sent, asked: Asked, error: EcsError) -> SentBack:
        """Return where he goes whom an error keeps from answering; raise it where he stays.

        He stays where he can try again, and where the matter is settled: the consumer asks then.
        """
        away = isinstance(error, (PeerUnavailable, PeerMisbehaved))
        result = _ENDS.get(error.reason, CaptureResult.ERROR if away else None)
        if result is None or not asked.callback:
            raise error
        self._name_of(sent, asked)
        sent.trail.detail = f"{result.value}: {error.reason}"
        return _sent_back(sent, asked, result)

    async def _write(
        self,
        sent: Sent,
        holder: Subscription,
        asked: Asked,
        said: Said,
        entries: Sequence[ConsentEntry],
        shown: str,
    ) -> Said:
        """Write an answer behind ``entries``, unless others were faster; return which counts."""
        now = self._desk.now()
        answer = [
            ConsentEntry(
                client_id=asked.client_id,
                application=asked.application,
                purpose=asked.purpose,
                api=api,
                said=said,
                at=now,
                expires_at=self._until(now) if said is Said.GIVEN else None,
                source=SOURCE,
                evidence=f"{_evidence(asked)} {shown}",
            )
            for api in asked.apis
        ]
        last = last_words(entries)
        if await self._desk.add(sent, holder, [numbered(each, last) for each in answer]):
            return said
        return await self._settled_since(sent, holder, asked)

    async def _settled_since(self, sent: Sent, holder: Subscription, asked: Asked) -> Said:
        """Return what a faster answer by this link said; Unauthenticated where there was none."""
        settled = _settled(await self._desk.entries(sent, holder), asked)
        if settled is None:
            raise Unauthenticated("consent_link_used")
        return settled

    def _question(self, sent: Sent, asked: Asked, asker: str) -> AskConsent:
        """Return the question in the words of who reads it."""
        t, house = self._desk.teller(sent), self._desk.house(sent)
        until = self._until(self._desk.now())
        ends = t("consent_endless") if until is None else t("consent_until", date=day(until))
        where = f"{house.base}/{PAGE}"
        if not house.hosts and sent.tenant is not self._desk.reception.tenancy.default:
            where += f"?{urlencode({TENANT: sent.tenant.name})}"
        return AskConsent(
            title=t("consent_title", consumer=asker),
            facts=(
                (t("consent_what"), tuple(map(partial(api_name, t), asked.apis))),
                (t("consent_why"), (self._desk.purpose(sent, asked.purpose),)),
                (t("consent_how_long"), (ends,)),
                (t("consent_withdraw_how"), (t("consent_withdraw_where", address=where),)),
            ),
            note=t("consent_free", consumer=asker),
            give=t("consent_give"),
            refuse=t("consent_refuse"),
            carried=carried(sent.fields),
            leads_to=origin_of(asked.callback),
        )

    def _page(self, sent: Sent, screen: AskConsent, proved: Form) -> Page:
        form = with_changes(proved, step=Step.ANSWER, shown=screen.fingerprint)
        return self._desk.page(sent, screen, form)

    def _name_of(self, sent: Sent, asked: Asked) -> str:
        """Return who asks; Unauthenticated where he may not ask any more."""
        sent.trail.requestor = asked.client_id
        consumer = self._desk.consumer(sent, asked.client_id)
        if consumer is None or (asked.callback and not is_callback(asked.callback, consumer)):
            raise Unauthenticated("consent_not_asked")
        if not apis_of(consumer, asked.purpose, asked.application).issuperset(asked.apis):
            raise Unauthenticated("consent_not_asked")
        return called(consumer, asked.application)

    async def _is_open(self, sent: Sent, holder: Subscription, asked: Asked) -> bool:
        """Say whether there is something to be asked, which nobody has answered yet."""
        asking = self._consents.of(holder, asked.wanted, now=self._desk.now())
        found = await self._desk.reception.timed("store", asking, sent.trail)
        return all(each.standing in CAPTURABLE for each in found)

    def _until(self, now: int) -> int | None:
        return (now // _DAY_S + self._lasts_d) * _DAY_S if self._lasts_d else None


def carried(fields: Mapping[str, str]) -> Carried:
    """Return what has to come back with a form about a link."""
    state = fields.get(STATE, "")
    if len(state) > _MOST_STATE:
        raise BadRequest("state_too_long")
    return ((LINK, fields.get(LINK, "")), *(((STATE, state),) if state else ()))


def _evidence(asked: Asked) -> str:
    """Return what names a link in the entries that came of it."""
    return f"link {asked.id.hex()}"


def _settled(entries: Sequence[ConsentEntry], asked: Asked) -> Said | None:
    """Return what was answered by this very link; None = nothing."""
    evidence = _evidence(asked) + " "
    found = (
        each.said
        for each in entries
        if each.source == SOURCE and each.evidence.startswith(evidence)
    )
    return next(found, None)


def _sent_back(sent: Sent, asked: Asked, result: CaptureResult) -> SentBack:
    """Return where he goes, with what came of it (CAMARA consent-info, ``callbackUrl``)."""
    parts, state = urlsplit(asked.callback), dict(carried(sent.fields)).get(STATE)
    told = urlencode({"capture_result": result.value, **({"state": state} if state else {})})
    url = urlunsplit(parts._replace(query="&".join(filter(None, (parts.query, told)))))
    return SentBack(url)


def origin_of(callback: str) -> str:
    """Return what a browser has to let a form lead to; empty = nothing but the portal."""
    parts = urlsplit(callback)
    if parts.scheme not in ("http", "https"):
        return f"{parts.scheme}:" if parts.scheme else ""
    return f"{parts.scheme}://{parts.netloc}" if _NETLOC.fullmatch(parts.netloc) else ""
