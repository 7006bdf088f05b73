"""Pages as HTML: a screen, a tenant's brand and words, and a template of the screen's kind.

Everything that a template is given is escaped there. Addresses are absolute: some makers load
a page from a text, and what is relative leads nowhere then.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from functools import partial
from hashlib import sha256
from importlib import resources
from typing import Any, Final
from urllib.parse import urlsplit

from jinja2 import Environment, FunctionLoader, StrictUndefined

from simgrant.domain.address import AddressField, CivicAddress
from simgrant.flows.consent_pages.screens import (
    AskConsent,
    ConsentScreen,
    EnterCode,
    Prove,
    SaidList,
)
from simgrant.flows.consent_pages.tokens import PAGE as CONSENTS
from simgrant.flows.visits import Page
from simgrant.flows.web_views.web_view import (
    AddressForm,
    Agree,
    Choose,
    Closed,
    Confirm,
    DeleteFirst,
    Done,
    Later,
    NotOffered,
    Offers,
    Ready,
    Screen,
    Selected,
    Suggestions,
    Texts,
)
from simgrant.fronts.portal.brand import Brand
from simgrant.nouns import noun
from simgrant.wire.negotiate import best_text

PAGE: Final = "page"
"""Last part of the address that forms are posted to."""
STATIC: Final = "static"
BRAND: Final = "brand"
ASSETS: Final = {
    "portal.css": "text/css; charset=utf-8",
    "bridge.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}

_TEMPLATES: Final[dict[type[Screen | ConsentScreen], str]] = {
    Agree: "agree",
    AddressForm: "address",
    Suggestions: "suggestions",
    Offers: "offers",
    Choose: "choose",
    Confirm: "confirm",
    Ready: "ready",
    Selected: "selected",
    DeleteFirst: "delete_first",
    Later: "later",
    Done: "done",
    NotOffered: "not_offered",
    Closed: "closed",
    Prove: "consent_prove",
    EnterCode: "consent_code",
    AskConsent: "consent_ask",
    SaidList: "consent_list",
}
"""Which template makes a page of a screen; records have the same words."""
_ERROR: Final = "error"
_FIELDS: Final = (
    (AddressField.STREET, "address-line1"),
    (AddressField.NUMBER, "off"),
    (AddressField.UNIT, "address-line2"),
    (AddressField.POSTCODE, "postal-code"),
    (AddressField.CITY, "address-level2"),
    (AddressField.REGION, "address-level1"),
)
"""In the order of the form, with what a browser fills in."""
_DAY, _HOUR, _MINUTE = 86_400, 3600, 60


@noun
class Site:
    """What one tenant's pages are made with."""

    base: str
    """Address of its pages, without a slash at the end."""
    brand: Brand
    texts: Mapping[str, Texts] = field(repr=False)
    language: str
    """For who wants none that there is."""

    def policy(self, screen: Screen | ConsentScreen | None = None) -> str:
        """Return the Content-Security-Policy: nothing but what comes from the portal itself.

        A form may lead to where its screen says, since browsers look at redirections too.
        """
        parts = urlsplit(self.base)
        here = f"{parts.scheme}://{parts.netloc}"
        to = here
        if isinstance(screen, (Prove, EnterCode, AskConsent)):
            to = f"{here} {screen.leads_to}".strip()
        return (
            f"default-src 'none'; script-src {here}; style-src {here}; img-src {here}; "
            f"form-action {to}; base-uri 'none'; frame-ancestors 'none'"
        )


def read(name: str) -> bytes:
    """Return a static file."""
    return resources.files(__package__).joinpath("static", name).read_bytes()


def kind_of(screen: Screen | ConsentScreen) -> str:
    """Return what a screen is called."""
    return _TEMPLATES[type(screen)]


class Pages:
    """Makes the pages of all tenants."""

    def __init__(self, assets: Mapping[str, bytes]) -> None:
        self._versions = {
            name: sha256(data).hexdigest()[:12] for name, data in sorted(assets.items())
        }
        self._templates = Environment(
            loader=FunctionLoader(_source),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        # Compiled now: it takes a while, in which no phone would be answered.
        for kind in (*_TEMPLATES.values(), _ERROR):
            self._templates.get_template(f"{kind}.html")

    def page(self, page: Page, name: str, site: Site) -> str:
        """Return a page of a tenant."""
        more: dict[str, Any] = {
            "page": page,
            "screen": page.screen,
            "action": f"{site.base}/{PAGE}",
            "consents": f"{site.base}/{CONSENTS}",
            "said": partial(best_text, languages=page.languages),
            "lasting": partial(self._lasting, site, page.languages),
        }
        if isinstance(page.screen, AddressForm | Suggestions):
            address = page.screen.address if isinstance(page.screen, AddressForm) else None
            more |= {
                "fields": _FIELDS,
                "address_parts": tuple(AddressField),
                "value": lambda part: address.part(part) if address else "",
                "written": written,
            }
        kind = kind_of(page.screen)
        return self._made(kind, name, site, page.languages, subject=page.subject or "", **more)

    def error(
        self, message: str, name: str, site: Site, languages: tuple[str, ...], *, request_id: str
    ) -> str:
        """Return the page that says that something went wrong."""
        return self._made(
            _ERROR, name, site, languages, subject="", message=message, request_id=request_id
        )

    def language(self, site: Site, languages: tuple[str, ...]) -> str:
        """Return the language that a page is in."""
        return self._text(site, languages, "language")

    def _made(
        self, kind: str, name: str, site: Site, languages: tuple[str, ...], **more: Any
    ) -> str:
        return self._templates.get_template(f"{kind}.html").render(
            t=partial(self._text, site, languages),
            brand=site.brand,
            asset=lambda file: f"{site.base}/{STATIC}/{file}?{self._versions[file]}",
            brand_asset=lambda file: f"{site.base}/{BRAND}/{name}/{file}",
            **more,
        )

    @staticmethod
    def _text(site: Site, languages: tuple[str, ...], name: str, **fields: object) -> str:
        text = best_text(site.texts[name], languages)
        for key, value in fields.items():
            text = text.replace(f"{{{key}}}", str(value))
        return text

    def _lasting(self, site: Site, languages: tuple[str, ...], seconds: int | None) -> str:
        """Return a time in words."""
        said = partial(self._text, site, languages)
        if seconds is None:
            return said("endless")
        for unit, one, many in ((_DAY, "one_day", "days"), (_HOUR, "one_hour", "hours")):
            if seconds >= unit and seconds % unit == 0:
                count = seconds // unit
                return said(one) if count == 1 else said(many, count=count)
        return said("minutes", count=max(1, round(seconds / _MINUTE)))


def written(address: CivicAddress) -> str:
    """Return an address in a line, for who knows where that is."""
    street = " ".join(filter(None, (address.street, address.number)))
    town = " ".join(filter(None, (address.postcode, address.city)))
    return ", ".join(filter(None, (street, address.unit, town, address.region, address.country)))


def _source(name: str) -> str:
    return resources.files(__package__).joinpath("templates", name).read_text("utf-8")
