"""A subscriber says what a consumer may know, on a page of the portal (ADR 0063).

Whoever holds a link proves nothing by it, the consumer least of all: a one-time password goes to
the number that is asked, and only who brings it back sees the question. What he answers is written
once, all of it or nothing, with what names the very words that he saw.
"""

from __future__ import annotations

import os
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import field
from functools import partial
from typing import Final

from simgrant.domain.subscription import SERVED
from simgrant.domain.trail import Trail
from simgrant.errors import EcsError, Unauthenticated, UnknownIdentity
from simgrant.flows.authenticate import Reception
from simgrant.flows.codes import Codes
from simgrant.flows.consent_pages.asking import Asking, SentBack, carried, origin_of
from simgrant.flows.consent_pages.desk import TENANT, ConsentHouse, Consumers, Desk, Sent
from simgrant.flows.consent_pages.own_list import OwnList
from simgrant.flows.consent_pages.screens import EnterCode, Prove
from simgrant.flows.consent_pages.tokens import (
    ID_BYTES,
    LINK,
    Asked,
    Form,
    Step,
    holder_of,
    pull_form,
)
from simgrant.flows.limits import Rate, Throttle
from simgrant.flows.sign_in import Begun
from simgrant.flows.visits import TOKEN, Guest, Page
from simgrant.flows.web_views.web_view import Texts
from simgrant.identities import Imsi, InvalidIdentity, Msisdn
from simgrant.nouns import named_noun
from simgrant.ports.camara_consents import CamaraConsents, ConsentRows
from simgrant.wire.sms_text import fits, shorter

NUMBER: Final = "number"
CODE: Final = "code"
"""Fields of the forms."""
_SPACES: Final = re.compile(r"[\s()/.-]")


@named_noun
class ConsentRules:
    """The numbers of these pages, and what is sent."""

    page_life_s: int
    lasts_d: int
    """Days for which a consent is asked; 0 = until it is withdrawn."""
    sms: Texts = field(repr=False, hash=False)
    """The message with ``{code}`` and ``{consumer}`` in it."""
    own_sms: Texts = field(repr=False, hash=False)
    """The message with ``{code}`` for who came by himself."""
    by_source: Rate
    remembered: int


class ConsentPages:
    """The use case of these pages: who comes, and to which of them he gets."""

    def __init__(
        self,
        reception: Reception,
        *,
        houses: Mapping[str, ConsentHouse],
        consents: CamaraConsents,
        rows: ConsentRows,
        consumers: Consumers,
        codes: Codes,
        rules: ConsentRules,
    ) -> None:
        self._reception = reception
        self._desk = Desk(reception, houses=houses, rows=rows, consumers=consumers)
        self._own_list = OwnList(self._desk)
        self._asking = Asking(self._desk, consents, self._own_list, lasts_d=rules.lasts_d)
        self._codes = codes
        self._rules = rules
        self._by_source = Throttle("too_many_pages", rules.by_source, remembered=rules.remembered)

    async def open(self, fields: Mapping[str, str], guest: Guest, trail: Trail) -> Page | SentBack:
        """Return the page that somebody begins with, by a link or by himself.

        Raise Unauthenticated for a link that is none, or that was answered.
        """
        self._count(guest)
        if LINK not in fields:
            sent = self._desk.by_himself(fields, guest, trail)
            return self._desk.page(sent, Prove("", ((TENANT, sent.tenant.name),)))
        sent, asked = self._desk.by_link(fields, guest, trail)
        return await self._about(sent, asked, partial(self._begun, sent, asked))

    async def submit(
        self, fields: Mapping[str, str], guest: Guest, trail: Trail
    ) -> Page | SentBack:
        """Return what follows on a form.

        Raise Unauthenticated for one whose token is none, is over, or is of another link.
        """
        self._count(guest)
        if not fields.get(TOKEN):
            if LINK in fields:
                sent, asked = self._desk.by_link(fields, guest, trail)
                return await self._about(sent, asked, partial(self._send_asked, sent, asked))
            return await self._send_himself(self._desk.by_himself(fields, guest, trail))
        now = self._reception.clock.now()
        name, form = pull_form(fields[TOKEN], self._reception.keys, now=now)
        over = self._codes.life_s if form.step is Step.CODE else self._rules.page_life_s
        is_over = now >= form.began + over
        sent = self._desk.entered(name, fields, guest, trail)
        if not form.link:
            if is_over:
                raise Unauthenticated("consent_page_expired")
            return await self._filled(sent, form, None)
        of_link, asked = self._desk.by_link(fields, guest, trail)
        if (of_link.tenant.name, asked.id) != (name, form.link):
            raise Unauthenticated("consent_page_of_another_link")
        step = partial(self._filled, sent, form, asked)
        return await self._about(sent, asked, step, is_over=is_over)

    async def _about(
        self,
        sent: Sent,
        asked: Asked,
        step: Callable[[], Awaitable[Page | SentBack]],
        *,
        is_over: bool = False,
    ) -> Page | SentBack:
        """Return what a step of a link's leads to, or where he goes who can go no further.

        ``is_over`` says that the page is; the link may be, too.
        """
        ended = self._desk.now() >= asked.until
        try:
            if ended or is_over:
                # Whatever ended it before the time did is said instead.
                await self._begun(sent, asked)
            if ended:
                raise Unauthenticated("consent_link_expired")
            if is_over:
                raise Unauthenticated("consent_page_expired")
            return await step()
        except EcsError as error:
            return self._asking.ended(sent, asked, error)

    async def _begun(self, sent: Sent, asked: Asked) -> Page:
        """Return the page that a link begins with."""
        holder = await self._desk.holder(sent, Imsi(asked.imsi), epoch=asked.epoch)
        asker = await self._asking.asker(sent, asked, holder)
        leads_to = origin_of(asked.callback)
        return self._desk.page(sent, Prove(asker, carried(sent.fields), leads_to=leads_to))

    async def _filled(self, sent: Sent, form: Form, asked: Asked | None) -> Page | SentBack:
        """Return what follows on a form that is not over."""
        if form.step is Step.CODE:
            return await self._coded(sent, form, asked)
        if form.imsi is None:
            raise Unauthenticated("consent_page_format")
        holder = await self._desk.holder(sent, form.imsi, epoch=form.epoch)
        if asked is None:
            return await self._own_list.answered(sent, holder, form)
        return await self._asking.answered(sent, asked, holder, form)

    async def _send_asked(self, sent: Sent, asked: Asked) -> Page:
        """Send a one-time password to the number that a link is about."""
        holder = await self._desk.holder(sent, Imsi(asked.imsi), epoch=asked.epoch)
        asker = await self._asking.asker(sent, asked, holder)
        if holder.msisdn is None:
            raise UnknownIdentity("number_missing")
        await self._codes.spend(sent.tenant, holder.msisdn, sent.guest.source)
        code = self._codes.made()
        texts = (self._desk.said(sent, self._rules.sms), self._desk.said(sent, self._rules.own_sms))
        sms = next(filter(fits, _messages(texts, asker, code)))
        form = self._sent(holder.msisdn, sms, holder.imsi, code, link=asked.id)
        screen = EnterCode(carried(sent.fields), leads_to=origin_of(asked.callback))
        return self._desk.page(sent, screen, form)

    async def _send_himself(self, sent: Sent) -> Page:
        """Send one to the number that somebody says; an unknown one is answered alike."""
        tenant, back = sent.tenant, ((TENANT, sent.tenant.name),)
        try:
            number = Msisdn(_SPACES.sub("", sent.fields.get(NUMBER, "")))
        except InvalidIdentity:
            return self._desk.page(sent, Prove("", back, malformed=True))
        await self._codes.spend(tenant, number, sent.guest.source)
        finding = self._reception.store.find(tenant.name, msisdn=number)
        found = await self._reception.timed("store", finding, sent.trail)
        imsi = found.imsi if found is not None and found.status in SERVED else None
        if imsi is None:
            sent.trail.detail = "number_unknown"
        else:
            self._reception.name(sent.trail, tenant, imsi, "")
        code = self._codes.made()
        sms = self._desk.said(sent, self._rules.own_sms).replace("{code}", code)
        return self._desk.page(sent, EnterCode(back), self._sent(number, sms, imsi, code))

    def _sent(
        self, number: Msisdn, sms: str, imsi: Imsi | None, code: str, *, link: bytes = b""
    ) -> Form:
        """Send a one-time password to whoever is somebody, and return what comes back with it."""
        began = self._desk.now()
        if imsi is not None:
            self._codes.send(number, sms, started=began)
        return Form(Step.CODE, began, os.urandom(ID_BYTES), holder_of(imsi), code, link)

    async def _coded(self, sent: Sent, form: Form, asked: Asked | None) -> Page:
        """Return what a one-time password opens."""
        back = carried(sent.fields) if asked is not None else ()
        try:
            begun = Begun(form.id, form.began, form.imsi, form.code, b"")
            imsi = await self._codes.check(sent.tenant, begun, sent.fields.get(CODE, "").strip())
        except Unauthenticated as wrong:
            if wrong.reason != "otp_wrong":
                raise
            sent.trail.detail = wrong.reason
            leads_to = origin_of(asked.callback) if asked is not None else ""
            return self._desk.page(sent, EnterCode(back, wrong=True, leads_to=leads_to), form)
        holder = await self._desk.holder(sent, imsi, epoch=None if asked is None else asked.epoch)
        now, epoch = self._desk.now(), holder.token_epoch
        proved = Form(Step.LIST, now, form.id, form.holder, "", form.link, epoch)
        if asked is None:
            return await self._own_list.shown(sent, holder, proved)
        return await self._asking.ask(sent, asked, holder, proved)

    def _count(self, guest: Guest) -> None:
        self._by_source.take((guest.source,), now=self._reception.clock.monotonic())


def _messages(texts: tuple[str, str], name: str, code: str) -> Iterator[str]:
    """Yield messages that name who asks, ever shorter, and at last one that names nobody."""
    asked, own = (text.replace("{code}", code) for text in texts)
    yield from (asked.replace("{consumer}", each) for each in shorter(name))
    yield own
