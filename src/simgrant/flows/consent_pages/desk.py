"""What the pages about consents have in common: whose they are, who comes, what is written down."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from datetime import UTC, datetime
from typing import Final, Protocol

from simgrant.domain.camara.consent import ConsentEntry, in_words
from simgrant.domain.camara.consumer import Consumer
from simgrant.domain.subscription import SERVED, Subscription
from simgrant.domain.tenant import Tenant
from simgrant.domain.trail import Trail
from simgrant.errors import Conflict, Unauthenticated, UnknownIdentity
from simgrant.flows.authenticate import Reception
from simgrant.flows.camara.consents import write_down
from simgrant.flows.consent_pages.screens import ConsentScreen
from simgrant.flows.consent_pages.tokens import LINK, Asked, Form, pull_link, push_form
from simgrant.flows.visits import Guest, Page
from simgrant.flows.web_views.web_view import Texts
from simgrant.identities import Imsi
from simgrant.nouns import named_noun, noun
from simgrant.ports.camara_consents import ConsentRows
from simgrant.wire.negotiate import best_text

TENANT: Final = "tenant"
"""A field of the forms: whose pages, where neither address nor link says it."""
SOURCE: Final = "portal"
"""By which way what is said here was said."""
_PLACES: Final = re.compile(r"\{(\w+)\}")

Teller = Callable[..., str]
"""Returns a text of the tenant's, by its name and what is filled in."""


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


class Consumers(Protocol):
    """Knows the consumers of this moment."""

    def of(self, tenant: str, client_id: str) -> Consumer | None:
        """Return an active consumer."""


@noun
class Sent:
    """What somebody sends, and to whose pages."""

    tenant: Tenant
    fields: Mapping[str, str] = field(repr=False, hash=False)
    guest: Guest
    trail: Trail


class Desk:
    """Where all of them are made."""

    def __init__(
        self,
        reception: Reception,
        *,
        houses: Mapping[str, ConsentHouse],
        rows: ConsentRows,
        consumers: Consumers,
    ) -> None:
        self.reception = reception
        self._houses = houses
        self._rows = rows
        self._consumers = consumers
        self._of_host = {host: name for name, each in houses.items() for host in each.hosts}

    def now(self) -> int:
        """Return the time in Unix seconds."""
        return int(self.reception.clock.now())

    # --- who comes -------------------------------------------------------------------------

    def entered(self, name: str, fields: Mapping[str, str], guest: Guest, trail: Trail) -> Sent:
        """Return what was sent to a tenant; Unauthenticated where the address is another's."""
        tenant = self.reception.tenancy.by_name.get(name)
        elsewhere = self._of_host.get(guest.host, name) != name
        if tenant is None or name not in self._houses or elsewhere:
            raise Unauthenticated("consent_of_another_tenant")
        trail.tenant = tenant.name
        self.reception.name_source(trail, tenant, guest.source)
        return Sent(tenant, fields, guest, trail)

    def by_himself(self, fields: Mapping[str, str], guest: Guest, trail: Trail) -> Sent:
        """Return what somebody sent without a link: to the address's tenant, else the one named."""
        named = fields.get(TENANT) or self.reception.tenancy.default.name
        return self.entered(self._of_host.get(guest.host, named), fields, guest, trail)

    def by_link(self, fields: Mapping[str, str], guest: Guest, trail: Trail) -> tuple[Sent, Asked]:
        """Return it with what its link asks; Unauthenticated for one that is none."""
        now = self.reception.clock.now()
        name, asked = pull_link(fields.get(LINK, ""), self.reception.keys, now=now)
        return self.entered(name, fields, guest, trail), asked

    async def holder(self, sent: Sent, imsi: Imsi, *, epoch: int | None) -> Subscription:
        """Return a subscription that is served; ``epoch`` is its token epoch at the beginning.

        Raise UnknownIdentity where there is none, Unauthenticated where its tokens were revoked.
        """
        self.reception.name(sent.trail, sent.tenant, imsi, "")
        finding = self.reception.store.find(sent.tenant.name, imsi=imsi)
        found = await self.reception.timed("store", finding, sent.trail)
        if found is None or found.status not in SERVED:
            raise UnknownIdentity("subscription_not_served")
        if epoch is not None and found.token_epoch != epoch:
            raise Unauthenticated("consent_link_revoked")
        return found

    # --- what is written down --------------------------------------------------------------

    async def entries(self, sent: Sent, holder: Subscription) -> Sequence[ConsentEntry]:
        """Return all that was said about a subscription."""
        reading = self._rows.of(holder.tenant, holder.imsi)
        return await self.reception.timed("store", reading, sent.trail)

    async def add(self, sent: Sent, holder: Subscription, entries: Sequence[ConsentEntry]) -> bool:
        """Write entries, all or none; say whether nobody else was faster."""
        ring, now = self.reception.keys.ring, self.reception.clock.now()
        writing = write_down(self._rows, entries, holder, ring, now=now)
        try:
            await self.reception.timed("store", writing, sent.trail)
        except Conflict as conflict:
            if conflict.reason != "said_meanwhile":
                raise
            return False
        return True

    # --- what is shown ---------------------------------------------------------------------

    def house(self, sent: Sent) -> ConsentHouse:
        """Return what is the tenant's own."""
        return self._houses[sent.tenant.name]

    def consumer(self, sent: Sent, client_id: str) -> Consumer | None:
        """Return an active consumer of the tenant."""
        return self._consumers.of(sent.tenant.name, client_id)

    def said(self, sent: Sent, texts: Texts) -> str:
        """Return a text in the language of who reads it."""
        return best_text(texts, (*sent.guest.languages, self.house(sent).language))

    def teller(self, sent: Sent) -> Teller:
        """Return what tells the tenant's texts."""
        texts = self.house(sent).texts

        def told(name: str, **fields: str) -> str:
            # An API without words of its own is called what it is.
            text = self.said(sent, texts[name]) if name in texts else ""
            return _PLACES.sub(lambda found: fields[found[1]], text)

        return told

    def purpose(self, sent: Sent, purpose: str) -> str:
        """Return a purpose in plain words."""
        texts = self.house(sent).purposes.get(purpose.lower())
        return self.said(sent, texts) if texts else in_words(purpose)

    def page(self, sent: Sent, screen: ConsentScreen, form: Form | None = None) -> Page:
        """Return a page, with what its form says of itself."""
        tenant, token, now = sent.tenant.name, "", self.reception.clock.now()
        if form is not None:
            token = push_form(form, self.reception.keys.ring, tenant, now=now)
        languages = (*sent.guest.languages, self.house(sent).language)
        return Page(tenant, None, screen, languages, token)


def called(consumer: Consumer, application: str) -> str:
    """Return whom a subscriber is told of: the application, and whose it is."""
    name = consumer.name_of(application)
    return name if name == consumer.name else f"{name} ({consumer.name})"


def api_name(t: Teller, api: str) -> str:
    """Return what an API tells of somebody, in plain words."""
    return t(f"api_{api.replace('-', '_')}") or api.replace("-", " ")


def day(at: int) -> str:
    """Return the day of a time (Unix seconds), in UTC."""
    return datetime.fromtimestamp(at, UTC).date().isoformat()
