"""The portal's listener: a handle opens a page, a form leads to the next, two files go along.

A page's address is a service's own (``/vowifi``) and takes a GET or a POST of whatever makers
send; all forms go to one other. The pages about consents have an address of their own. What is
before the last part of a path is not looked at, since a proxy may have put it there.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from typing import Final

from simgrant.domain.trail import Trail
from simgrant.errors import BadRequest, EcsError, Overloaded, PeerTimeout, TooLarge
from simgrant.flows.consent_pages.asking import SentBack
from simgrant.flows.consent_pages.pages import ConsentPages
from simgrant.flows.consent_pages.screens import ConsentScreen
from simgrant.flows.consent_pages.tokens import PAGE as CONSENTS
from simgrant.flows.journal import Journal
from simgrant.flows.visits import Guest, Page, Visits
from simgrant.flows.web_views.web_view import Screen
from simgrant.fronts.portal.answers import BUSY, OVER, OVER_ASKED, answer_of
from simgrant.fronts.portal.message import Asked, Told
from simgrant.fronts.portal.pages import ASSETS, BRAND, PAGE, STATIC, Pages, Site, kind_of, read
from simgrant.nouns import noun
from simgrant.ports.clock import Clock
from simgrant.telemetry.log import say_fault
from simgrant.wire.negotiate import languages
from simgrant.wire.user_data import pull_form, pull_handle

MAX_BODY: Final = 16_384
NOBODY: Final = "-"
"""In place of a tenant, where it is not known whose page it is."""
_SENT_BACK: Final = "sent_back"
_HTML: Final = "text/html; charset=utf-8"
_ALWAYS: Final = (
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
)
_OF_PAGES: Final = (
    ("cache-control", "no-store"),
    ("x-frame-options", "DENY"),
    ("cross-origin-opener-policy", "same-origin"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    *_ALWAYS,
)
# Pages that are loaded from a text are of no origin, and need these all the same.
_OF_FILES: Final = (
    ("cache-control", "public, max-age=3600"),
    ("cross-origin-resource-policy", "cross-origin"),
    # A picture that is opened by itself runs nothing.
    ("content-security-policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox"),
    *_ALWAYS,
)


@noun
class Limits:
    """How much work is taken on at a time, and for how long."""

    max_in_flight: int
    request_timeout_s: float
    retry_after_s: int


class PortalFront:
    """Answers the requests of the portal's listener."""

    def __init__(
        self,
        visits: Visits,
        *,
        sites: Mapping[str, Site],
        slugs: frozenset[str],
        journal: Journal,
        clock: Clock,
        limits: Limits,
        consents: ConsentPages | None = None,
    ) -> None:
        """Take the flows and what surrounds them.

        ``sites`` are the tenants', and one of `NOBODY`. ``slugs`` are the last parts of the
        addresses that phones are told. Without ``consents`` there are no pages about them.
        """
        self._visits = visits
        self._sites = sites
        self._slugs = slugs
        self._journal = journal
        self._clock = clock
        self._limits = limits
        self._consents = consents
        self._files = {name: (ASSETS[name], read(name)) for name in ASSETS}
        self._pages = Pages({name: data for name, (_, data) in self._files.items()})
        self._brands = _brand_files(sites)
        self._name = secrets.token_hex(4)
        self._number = 0
        self._in_flight = 0

    async def close(self) -> None:
        """Let go of every connection."""
        await self._visits.close()

    async def __call__(self, asked: Asked) -> Told:
        """Answer one request, whatever it is."""
        parts = asked.path.rsplit("/", 3)
        if asked.fault is None and asked.method in ("GET", "HEAD"):
            if parts[-2:-1] == [STATIC] and parts[-1] in self._files:
                return _file(*self._files[parts[-1]])
            if parts[-3:-2] == [BRAND] and (parts[-2], parts[-1]) in self._brands:
                return _file(*self._brands[parts[-2], parts[-1]])
        return await self._recorded(asked, parts[-1])

    async def _recorded(self, asked: Asked, slug: str) -> Told:
        """Answer with a page, and leave one record of it."""
        started = self._clock.monotonic()
        self._number += 1
        trail = Trail(request_id=f"{self._name}{self._number:08x}", leg="web_view")
        trail.user_agent = asked.user_agent[:160]
        self._in_flight += 1
        try:
            told = await self._answered(asked, slug, trail, started)
        except EcsError as error:
            trail.outcome = error.reason
            trail.detail = error.for_operator or trail.detail
            status, message = answer_of(error)
            if slug == CONSENTS and message == OVER:
                message = OVER_ASKED
            told = self._failed(asked, trail, status, message, error.retry_after)
        except Exception as error:
            trail.outcome = "internal_error"
            say_fault(error, request_id=trail.request_id)
            told = self._failed(asked, trail, 500, BUSY, None)
        finally:
            self._in_flight -= 1
        trail.status = told.status
        self._journal.finish(trail, self._clock.monotonic() - started)
        return told

    async def _answered(self, asked: Asked, slug: str, trail: Trail, started: float) -> Told:
        if asked.fault is not None:
            raise asked.fault
        if self._in_flight > self._limits.max_in_flight:
            raise Overloaded("in_flight")
        if len(asked.body) > MAX_BODY or len(asked.query) > MAX_BODY:
            raise TooLarge
        allowed = {PAGE: ("POST",)}.get(slug) or (("GET", "POST") if self._has(slug) else ())
        if not allowed:
            trail.outcome = "no_page"
            return self._failed(asked, trail, 404, "error_request", None)
        if asked.method not in allowed:
            trail.outcome = "method"
            told = self._failed(asked, trail, 405, "error_request", None)
            return Told(405, (*told.headers, ("allow", ", ".join(allowed))), told.body)
        guest = Guest(
            asked.host.partition(":")[0].lower(),
            asked.source,
            languages(asked.accept_language),
            started + self._limits.request_timeout_s,
        )
        try:
            async with asyncio.timeout(self._limits.request_timeout_s):
                page = await self._page(asked, slug, guest, trail)
        except TimeoutError:
            raise PeerTimeout("request_timeout") from None
        if isinstance(page, SentBack):
            trail.outcome = _SENT_BACK
            return Told(303, (("location", page.url), *_OF_PAGES), b"")
        trail.outcome = kind_of(page.screen)
        site = self._sites[page.tenant]
        html = self._pages.page(page, page.tenant, site)
        return self._html(200, html, site, page.languages, trail, page.screen)

    def _has(self, slug: str) -> bool:
        return slug in self._slugs or (slug == CONSENTS and self._consents is not None)

    async def _page(self, asked: Asked, slug: str, guest: Guest, trail: Trail) -> Page | SentBack:
        if slug == PAGE:
            return await self._visits.submit(pull_form(asked.body), guest, trail)
        if slug == CONSENTS and self._consents is not None:
            if asked.method == "GET":
                return await self._consents.open(pull_form(asked.query), guest, trail)
            return await self._consents.submit(pull_form(asked.body), guest, trail)
        handle = pull_handle(asked.body or asked.query)
        if not handle:
            raise BadRequest("no_handle")
        return await self._visits.open(handle, guest, trail)

    def _failed(
        self, asked: Asked, trail: Trail, status: int, message: str, retry_after: int | None
    ) -> Told:
        name = trail.tenant if trail.tenant in self._sites else NOBODY
        site = self._sites[name]
        wanted = (*languages(asked.accept_language), site.language)
        html = self._pages.error(message, name, site, wanted, request_id=trail.request_id)
        told = self._html(status, html, site, wanted, trail)
        if status in (429, 503):
            seconds = str(retry_after or self._limits.retry_after_s)
            return Told(status, (*told.headers, ("retry-after", seconds)), told.body)
        return told

    def _html(
        self,
        status: int,
        html: str,
        site: Site,
        wanted: tuple[str, ...],
        trail: Trail,
        screen: Screen | ConsentScreen | None = None,
    ) -> Told:
        headers = (
            ("content-type", _HTML),
            ("content-language", self._pages.language(site, wanted)),
            ("content-security-policy", site.policy(screen)),
            ("x-request-id", trail.request_id),
            *_OF_PAGES,
        )
        return Told(status, headers, html.encode())


def _file(content_type: str, data: bytes) -> Told:
    return Told(200, (("content-type", content_type), *_OF_FILES), data)


def _brand_files(sites: Mapping[str, Site]) -> dict[tuple[str, str], tuple[str, bytes]]:
    """Return sheet and logo of each tenant by their places under ``/brand``."""
    found = {}
    for name, site in sites.items():
        found[name, "brand.css"] = (ASSETS["portal.css"], site.brand.sheet())
        if site.brand.logo is not None:
            found[name, "logo"] = (site.brand.logo.content_type, site.brand.logo.data)
    return found
