"""A subscriber says what a consumer may know, on a page of the portal (ADR 0063).

Whoever holds a link proves nothing by it, the consumer least of all: a one-time password goes to
the number that is asked, and only who brings it back sees the question. What he answers is written
once, all of it or nothing, with what names the very words that he saw.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from typing import Final, Protocol
from urllib.parse import urlencode, urlsplit, urlunsplit

from msgspec.structs import replace as with_changes

from simgrant.domain.camara.consent import ConsentEntry, Said, in_words, last_words, numbered
from simgrant.domain.camara.consumer import Consumer
from simgrant.domain.subscription import SERVED, Subscription
from simgrant.domain.tenant import Tenant
from simgrant.domain.trail import Trail
from simgrant.errors import BadRequest, Conflict, Unauthenticated, UnknownIdentity
from simgrant.flows.authenticate import Reception
from simgrant.flows.camara.callbacks import is_callback
from simgrant.flows.camara.consents import apis_of, write_down
from simgrant.flows.codes import Codes
from simgrant.flows.consent_pages.screens import (
    AskConsent,
    Carried,
    ConsentScreen,
    EnterCode,
    Prove,
    SaidList,
    SaidSo,
)
from simgrant.flows.consent_pages.tokens import (
    ID_BYTES,
    LINK,
    PAGE,
    Asked,
    Form,
    Step,
    holder_of,
    pull_form,
    pull_link,
    push_form,
)
from simgrant.flows.limits import Rate, Throttle
from simgrant.flows.sign_in import Begun
from simgrant.flows.visits import TOKEN, Guest, Page
from simgrant.flows.web_views.web_view import DO, Texts
from simgrant.identities import Imsi, InvalidIdentity, Msisdn
from simgrant.nouns import named_noun, noun, replace
from simgrant.ports.camara_consents import CAPTURABLE, CamaraConsents, ConsentRows
from simgrant.wire.negotiate import best_text
from simgrant.wire.sms_text import fits, shorter

STATE: Final = "state"
NUMBER: Final = "number"
CODE: Final = "code"
TENANT: Final = "tenant"
WHICH: Final = "which"
"""Fields of the forms."""
GIVE: Final = "give"
REFUSE: Final = "refuse"
WITHDRAW: Final = "withdraw"
"""Buttons."""
SOURCE: Final = "portal"
"""By which way these were said."""
_SAID: Final = {GIVE: Said.GIVEN, REFUSE: Said.DENIED}
_RESULTS: Final = {Said.GIVEN: "granted", Said.DENIED: "denied"}
"""The words of ``capture_result``."""
_MOST_STATE: Final = 512
_MOST_SHOWN: Final = 100
_DAY_S: Final = 86_400
_SPACES: Final = re.compile(r"[\s()/.-]")
_PLACES: Final = re.compile(r"\{(\w+)\}")
_NETLOC: Final = re.compile(r"[A-Za-z0-9.:\[\]-]+")

Teller = Callable[..., str]
"""Returns a text of the tenant's, by its name and what is filled in."""


@noun
class SentBack:
    """He is done, and goes back to the consumer."""

    url: str = field(repr=False)


@named_noun
class ConsentHouse:
    """What is one tenant's own about these pages."""

    base: str
    """Address of its portal, without a slash at the end."""
    language: str
    """For who wants none that there is."""
    hosts: frozenset[str]
    """Host names of its pages, where they are not those of all tenants."""
    texts: Mapping[str, Texts] = field(repr=False, hash=False)
    purposes: Mapping[str, Texts] = field(repr=False, hash=False)
    """What purposes are called, by their words in lower case."""


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


class Consumers(Protocol):
    """Knows the consumers of this moment."""

    def of(self, tenant: str, client_id: str) -> Consumer | None:
        """Return an active consumer."""


class ConsentPages:
    """The use case of these pages."""

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
        self._houses = houses
        self._consents = consents
        self._rows = rows
        self._consumers = consumers
        self._codes = codes
        self._rules = rules
        self._of_host = {host: name for name, each in houses.items() for host in each.hosts}
        self._by_source = Throttle("too_many_pages", rules.by_source, remembered=rules.remembered)

    async def open(self, fields: Mapping[str, str], guest: Guest, trail: Trail) -> Page:
        """Return the page that somebody begins with, by a link or by himself.

        Raise Unauthenticated for a link that is none, that is over, or that was answered.
        """
        self._count(guest)
        if LINK not in fields:
            tenant = self._named(fields, guest, trail)
            return self._page(tenant, Prove("", ((TENANT, tenant.name),)), guest)
        tenant, asked = self._link(fields, guest, trail)
        holder = await self._holder(tenant, Imsi(asked.imsi), asked.epoch, trail)
        asker = self._asker(tenant, asked, trail)
        await self._still_open(holder, asked, trail)
        return self._page(tenant, Prove(asker, _carried(fields)), guest)

    async def submit(
        self, fields: Mapping[str, str], guest: Guest, trail: Trail
    ) -> Page | SentBack:
        """Return what follows on a form.

        Raise Unauthenticated for one whose token is none, is over, or is of another link.
        """
        self._count(guest)
        if not fields.get(TOKEN):
            if LINK in fields:
                return await self._send_asked(fields, guest, trail)
            return await self._send_himself(fields, guest, trail)
        now = self._reception.clock.now()
        name, form = pull_form(fields[TOKEN], self._reception.keys, now=now)
        over = self._codes.life_s if form.step is Step.CODE else self._rules.page_life_s
        if now >= form.began + over:
            raise Unauthenticated("consent_page_expired")
        tenant = self._enter(name, guest, trail)
        asked = None
        if form.link:
            of_link, asked = self._link(fields, guest, trail)
            if (of_link.name, asked.id) != (tenant.name, form.link):
                raise Unauthenticated("consent_page_of_another_link")
        if form.step is Step.CODE:
            return await self._coded(tenant, form, asked, fields, guest, trail)
        if form.imsi is None:
            raise Unauthenticated("consent_page_format")
        holder = await self._holder(tenant, form.imsi, form.epoch, trail)
        if asked is None:
            return await self._listed(tenant, holder, form, fields, guest, trail)
        return await self._answered(tenant, holder, form, asked, fields, guest, trail)

    # --- who it is -------------------------------------------------------------------------

    async def _send_asked(self, fields: Mapping[str, str], guest: Guest, trail: Trail) -> Page:
        """Send a one-time password to the number that a link is about."""
        tenant, asked = self._link(fields, guest, trail)
        holder = await self._holder(tenant, Imsi(asked.imsi), asked.epoch, trail)
        asker = self._asker(tenant, asked, trail)
        await self._still_open(holder, asked, trail)
        if holder.msisdn is None:
            raise UnknownIdentity("number_missing")
        await self._codes.spend(tenant, holder.msisdn, guest.source)
        code = self._codes.made()
        texts = (
            self._said(tenant, self._rules.sms, guest),
            self._said(tenant, self._rules.own_sms, guest),
        )
        sms = next(filter(fits, _messages(texts, asker, code)))
        form = self._sent(holder.msisdn, sms, holder.imsi, code, link=asked.id)
        return self._page(tenant, EnterCode(_carried(fields)), guest, form)

    async def _send_himself(self, fields: Mapping[str, str], guest: Guest, trail: Trail) -> Page:
        """Send one to the number that somebody says; an unknown one is answered alike."""
        tenant = self._named(fields, guest, trail)
        carried = ((TENANT, tenant.name),)
        try:
            number = Msisdn(_SPACES.sub("", fields.get(NUMBER, "")))
        except InvalidIdentity:
            return self._page(tenant, Prove("", carried, malformed=True), guest)
        await self._codes.spend(tenant, number, guest.source)
        finding = self._reception.store.find(tenant.name, msisdn=number)
        found = await self._reception.timed("store", finding, trail)
        imsi = found.imsi if found is not None and found.status in SERVED else None
        if imsi is None:
            trail.detail = "number_unknown"
        else:
            self._reception.name(trail, tenant, imsi, "")
        code = self._codes.made()
        sms = self._said(tenant, self._rules.own_sms, guest).replace("{code}", code)
        return self._page(tenant, EnterCode(carried), guest, self._sent(number, sms, imsi, code))

    def _sent(
        self, number: Msisdn, sms: str, imsi: Imsi | None, code: str, *, link: bytes = b""
    ) -> Form:
        """Send a one-time password to whoever is somebody, and return what comes back with it."""
        began = int(self._reception.clock.now())
        if imsi is not None:
            self._codes.send(number, sms, started=began)
        return Form(Step.CODE, began, os.urandom(ID_BYTES), holder_of(imsi), code, link)

    async def _coded(
        self,
        tenant: Tenant,
        form: Form,
        asked: Asked | None,
        fields: Mapping[str, str],
        guest: Guest,
        trail: Trail,
    ) -> Page:
        """Return what a one-time password opens."""
        carried = _carried(fields) if asked is not None else ()
        try:
            begun = Begun(form.id, form.began, form.imsi, form.code, b"")
            imsi = await self._codes.check(tenant, begun, fields.get(CODE, "").strip())
        except Unauthenticated as wrong:
            if wrong.reason != "otp_wrong":
                raise
            trail.detail = wrong.reason
            return self._page(tenant, EnterCode(carried, wrong=True), guest, form)
        holder = await self._holder(tenant, imsi, None if asked is None else asked.epoch, trail)
        now = int(self._reception.clock.now())
        proved = Form(Step.LIST, now, form.id, form.holder, "", form.link, holder.token_epoch)
        if asked is None:
            return await self._list(tenant, holder, proved, guest, trail)
        asker = self._asker(tenant, asked, trail)
        await self._still_open(holder, asked, trail)
        return self._ask(tenant, asked, asker, proved, carried, guest)

    # --- what is asked ---------------------------------------------------------------------

    def _ask(
        self,
        tenant: Tenant,
        asked: Asked,
        asker: str,
        proved: Form,
        carried: Carried,
        guest: Guest,
    ) -> Page:
        screen = self._question(tenant, asked, asker, carried, guest)
        form = with_changes(proved, step=Step.ANSWER, shown=screen.fingerprint)
        return self._page(tenant, screen, guest, form)

    async def _answered(
        self,
        tenant: Tenant,
        holder: Subscription,
        form: Form,
        asked: Asked,
        fields: Mapping[str, str],
        guest: Guest,
        trail: Trail,
    ) -> Page | SentBack:
        """Write what he says; of a form that is sent twice, the first one counts."""
        if holder.imsi.digits != asked.imsi:
            raise Unauthenticated("consent_page_of_another_link")
        asker = self._asker(tenant, asked, trail)
        screen = self._question(tenant, asked, asker, _carried(fields), guest)
        said = _SAID.get(fields.get(DO, ""))
        # Read before it is looked whether it is open: whatever is said since is told by its number.
        entries = await self._entries(holder, trail)
        settled = _settled(entries, asked)
        if settled is None:
            await self._still_open(holder, asked, trail)
            if said is None or form.step is not Step.ANSWER or form.shown != screen.fingerprint:
                return self._ask(tenant, asked, asker, form, _carried(fields), guest)
            language = self._teller(tenant, guest)("language")
            shown = f"text {screen.fingerprint} {language}"
            settled = await self._write(holder, asked, said, entries, shown, trail)
        trail.detail = f"{settled.value}: {asked.purpose} {' '.join(asked.apis)}"
        if asked.callback:
            return SentBack(_back(asked.callback, settled, fields.get(STATE, "")))
        listed = Form(Step.LIST, form.began, form.id, form.holder, "", b"", form.epoch)
        return await self._list(tenant, holder, listed, guest, trail, saved=True)

    async def _write(
        self,
        holder: Subscription,
        asked: Asked,
        said: Said,
        entries: Sequence[ConsentEntry],
        shown: str,
        trail: Trail,
    ) -> Said:
        """Write an answer behind ``entries``, unless others were faster; return which counts."""
        now = int(self._reception.clock.now())
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
        if await self._add(holder, [numbered(each, last) for each in answer], trail):
            return said
        settled = _settled(await self._entries(holder, trail), asked)
        if settled is None:
            raise Unauthenticated("consent_link_used")
        return settled

    def _question(
        self, tenant: Tenant, asked: Asked, asker: str, carried: Carried, guest: Guest
    ) -> AskConsent:
        """Return the question in the words of who reads it."""
        t, house = self._teller(tenant, guest), self._houses[tenant.name]
        until = self._until(int(self._reception.clock.now()))
        ends = t("consent_endless") if until is None else t("consent_until", date=_day(until))
        where = f"{house.base}/{PAGE}"
        if not house.hosts and tenant is not self._reception.tenancy.default:
            where += f"?{urlencode({TENANT: tenant.name})}"
        return AskConsent(
            title=t("consent_title", consumer=asker),
            facts=(
                (t("consent_what"), tuple(map(partial(_api_name, t), asked.apis))),
                (t("consent_why"), (self._purpose(tenant, asked.purpose, guest),)),
                (t("consent_how_long"), (ends,)),
                (t("consent_withdraw_how"), (t("consent_withdraw_where", address=where),)),
            ),
            note=t("consent_free", consumer=asker),
            give=t("consent_give"),
            refuse=t("consent_refuse"),
            carried=carried,
            leads_to=_origin(asked.callback),
        )

    # --- what was said ---------------------------------------------------------------------

    async def _listed(
        self,
        tenant: Tenant,
        holder: Subscription,
        form: Form,
        fields: Mapping[str, str],
        guest: Guest,
        trail: Trail,
    ) -> Page:
        """Write that something is withdrawn, and return all that he said."""
        if form.step is not Step.LIST:
            raise Unauthenticated("consent_page_format")
        now = int(self._reception.clock.now())
        groups = _groups(await self._entries(holder, trail))
        chosen = groups.get(fields.get(WHICH, "")) if fields.get(DO) == WITHDRAW else None
        if chosen is None or not _holds(chosen[0], now):
            return await self._list(tenant, holder, form, guest, trail)
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
        saved = await self._add(holder, withdrawn, trail)
        first = chosen[0]
        trail.detail = f"withdrawn: {first.purpose} {' '.join(each.api for each in chosen)}"
        return await self._list(tenant, holder, form, guest, trail, saved=saved)

    async def _list(
        self,
        tenant: Tenant,
        holder: Subscription,
        form: Form,
        guest: Guest,
        trail: Trail,
        *,
        saved: bool = False,
    ) -> Page:
        """Return all that he said, what can be withdrawn first."""
        t, now = self._teller(tenant, guest), int(self._reception.clock.now())
        groups = _groups(await self._entries(holder, trail))
        items = [
            SaidSo(
                name,
                self._name_of(tenant, last[0]),
                self._purpose(tenant, last[0].purpose, guest),
                tuple(_api_name(t, each.api) for each in last),
                _said_when(t, last[0]),
                _holds(last[0], now),
            )
            for name, last in groups.items()
        ]
        items.sort(key=lambda item: not item.holds)
        return self._page(tenant, SaidList(items[:_MOST_SHOWN], saved), guest, form)

    # --- what all have in common -----------------------------------------------------------

    def _count(self, guest: Guest) -> None:
        self._by_source.take((guest.source,), now=self._reception.clock.monotonic())

    def _enter(self, name: str, guest: Guest, trail: Trail) -> Tenant:
        """Return a tenant, unless the address is another one's."""
        tenant = self._reception.tenancy.by_name.get(name)
        elsewhere = self._of_host.get(guest.host, name) != name
        if tenant is None or name not in self._houses or elsewhere:
            raise Unauthenticated("consent_of_another_tenant")
        trail.tenant = tenant.name
        self._reception.name_source(trail, tenant, guest.source)
        return tenant

    def _named(self, fields: Mapping[str, str], guest: Guest, trail: Trail) -> Tenant:
        """Return the tenant of who came by himself: the address's, else the one that he names."""
        named = fields.get(TENANT) or self._reception.tenancy.default.name
        return self._enter(self._of_host.get(guest.host, named), guest, trail)

    def _link(self, fields: Mapping[str, str], guest: Guest, trail: Trail) -> tuple[Tenant, Asked]:
        """Return what a link asks; raise Unauthenticated for one that is none, or is over."""
        now = self._reception.clock.now()
        name, asked = pull_link(fields.get(LINK, ""), self._reception.keys, now=now)
        return self._enter(name, guest, trail), asked

    async def _holder(
        self, tenant: Tenant, imsi: Imsi, epoch: int | None, trail: Trail
    ) -> Subscription:
        """Return a subscription that is served; ``epoch`` is its token epoch at the beginning."""
        self._reception.name(trail, tenant, imsi, "")
        finding = self._reception.store.find(tenant.name, imsi=imsi)
        found = await self._reception.timed("store", finding, trail)
        if found is None or found.status not in SERVED:
            raise UnknownIdentity("subscription_not_served")
        if epoch is not None and found.token_epoch != epoch:
            raise Unauthenticated("consent_link_revoked")
        return found

    def _asker(self, tenant: Tenant, asked: Asked, trail: Trail) -> str:
        """Return who asks, as people know him; Unauthenticated where he may not ask any more."""
        trail.requestor = asked.client_id
        consumer = self._consumers.of(tenant.name, asked.client_id)
        if consumer is None or (asked.callback and not is_callback(asked.callback, consumer)):
            raise Unauthenticated("consent_not_asked")
        if not apis_of(consumer, asked.purpose, asked.application).issuperset(asked.apis):
            raise Unauthenticated("consent_not_asked")
        return _called(consumer, asked.application)

    async def _still_open(self, holder: Subscription, asked: Asked, trail: Trail) -> None:
        """Raise Unauthenticated where nothing is to be asked, or was answered already."""
        now = int(self._reception.clock.now())
        asking = self._consents.of(holder, asked.wanted, now=now)
        found = await self._reception.timed("store", asking, trail)
        if any(each.standing not in CAPTURABLE for each in found):
            raise Unauthenticated("consent_link_used")

    async def _entries(self, holder: Subscription, trail: Trail) -> Sequence[ConsentEntry]:
        reading = self._rows.of(holder.tenant, holder.imsi)
        return await self._reception.timed("store", reading, trail)

    async def _add(
        self, holder: Subscription, entries: Sequence[ConsentEntry], trail: Trail
    ) -> bool:
        """Write entries, all or none; say whether nobody else was faster."""
        ring, now = self._reception.keys.ring, self._reception.clock.now()
        writing = write_down(self._rows, entries, holder, ring, now=now)
        try:
            await self._reception.timed("store", writing, trail)
        except Conflict as conflict:
            if conflict.reason != "said_meanwhile":
                raise
            return False
        return True

    def _until(self, now: int) -> int | None:
        days = self._rules.lasts_d
        return (now // _DAY_S + days) * _DAY_S if days else None

    def _said(self, tenant: Tenant, texts: Texts, guest: Guest) -> str:
        return best_text(texts, (*guest.languages, self._houses[tenant.name].language))

    def _teller(self, tenant: Tenant, guest: Guest) -> Teller:
        texts = self._houses[tenant.name].texts

        def told(name: str, **fields: str) -> str:
            # An API without words of its own is called what it is.
            text = self._said(tenant, texts[name], guest) if name in texts else ""
            return _PLACES.sub(lambda found: fields[found[1]], text)

        return told

    def _purpose(self, tenant: Tenant, purpose: str, guest: Guest) -> str:
        texts = self._houses[tenant.name].purposes.get(purpose.lower())
        return self._said(tenant, texts, guest) if texts else in_words(purpose)

    def _name_of(self, tenant: Tenant, entry: ConsentEntry) -> str:
        consumer = self._consumers.of(tenant.name, entry.client_id)
        return entry.client_id if consumer is None else _called(consumer, entry.application)

    def _page(
        self, tenant: Tenant, screen: ConsentScreen, guest: Guest, form: Form | None = None
    ) -> Page:
        token, now = "", self._reception.clock.now()
        if form is not None:
            token = push_form(form, self._reception.keys.ring, tenant.name, now=now)
        languages = (*guest.languages, self._houses[tenant.name].language)
        return Page(tenant.name, None, screen, languages, token)


def _called(consumer: Consumer, application: str) -> str:
    """Return whom a subscriber is told of: the application, and whose it is."""
    name = consumer.name_of(application)
    return name if name == consumer.name else f"{name} ({consumer.name})"


def _api_name(t: Teller, api: str) -> str:
    """Return what an API tells of somebody, in plain words."""
    return t(f"api_{api.replace('-', '_')}") or api.replace("-", " ")


def _messages(texts: tuple[str, str], name: str, code: str) -> Iterator[str]:
    """Yield messages that name who asks, ever shorter, and at last one that names nobody."""
    asked, own = (text.replace("{code}", code) for text in texts)
    yield from (asked.replace("{consumer}", each) for each in shorter(name))
    yield own


def _carried(fields: Mapping[str, str]) -> Carried:
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


def _back(callback: str, said: Said, state: str) -> str:
    """Return where he goes, with what came of it (CAMARA consent-info, ``callbackUrl``)."""
    parts = urlsplit(callback)
    told = urlencode({"capture_result": _RESULTS[said], **({"state": state} if state else {})})
    return urlunsplit(parts._replace(query="&".join(filter(None, (parts.query, told)))))


def _origin(callback: str) -> str:
    """Return what a browser has to let a form lead to; empty = nothing but the portal."""
    parts = urlsplit(callback)
    if parts.scheme not in ("http", "https"):
        return f"{parts.scheme}:" if parts.scheme else ""
    return f"{parts.scheme}://{parts.netloc}" if _NETLOC.fullmatch(parts.netloc) else ""


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
    said = t(f"consent_{entry.said.value}", date=_day(entry.at))
    if entry.expires_at is None:
        return said
    return f"{said} {t('consent_until', date=_day(entry.expires_at))}"


def _day(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).date().isoformat()
