"""The web view of a handset: opens the page that an answer names, as its family does.

TS.43 §3.4, §6.7, §9.6, §11.6, §15.4, 6.5.9. No script is run here: what is said of a page's
call-backs is which of them it, or a script of its own site, has the names of.
"""

from __future__ import annotations

import base64
import binascii
import re
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import field
from html.parser import HTMLParser
from types import MappingProxyType
from typing import Final
from urllib.parse import urljoin

from simgrant.nouns import named_noun, noun, replace
from simgrant.sim.cookies import CookieJar
from simgrant.sim.forms import read
from simgrant.sim.http import Answer, BadAnswer, Headers, HttpClient, HttpError, Limits, Url
from simgrant.sim.profiles import CookieRule, Profile, WebRule
from simgrant.spec.ids import AppId
from simgrant.wire.document import Document, Parm

BRIDGES: Final = MappingProxyType(
    {
        AppId.VOWIFI: "VoWiFiWebServiceFlow",
        AppId.DATA_PLAN: "DataBoostWebServiceFlow",
        AppId.CARRIER_BILLING: "DCBWebServiceFlow",
        AppId.SATMODE: "SatModeWebServiceFlow",
        AppId.ODSA_COMPANION: "ODSAServiceFlow",
        AppId.ODSA_PRIMARY: "ODSAServiceFlow",
    }
)
"""The object by which a page of each application talks to the handset."""
_CALL_BACKS: Final = ("entitlementChanged", "dismissFlow")
_BOOST_CALL_BACKS: Final = ("notifyPurchaseSuccessful", "notifyPurchaseFailed", "dismissFlow")
_ESIM_CALL_BACKS: Final = (
    "finishFlow",
    "profileReadyWithActivationCode",
    "profileReadyWithDefaultSmdp",
    "SelectionCompleted",
    "deleteProfileInUse",
    "dismissFlow",
)
_ESIMS: Final = frozenset({AppId.ODSA_COMPANION, AppId.ODSA_PRIMARY})
_NAMES_OF_PAGES: Final = ("ServiceFlow_", "SubscriptionService", "NotEnabled", "GeneralError")
"""What parameters that name a page begin with."""
_SAYS_WHY: Final = frozenset({"NotEnabled", "GeneralError"})
_ENCODED: Final = "encodedValue="
_FORM: Final = "application/x-www-form-urlencoded"
_CONTENT_TYPES: Final[Mapping[WebRule, Mapping[str, str]]] = {
    WebRule.SPEC: {"json": "application/json", "xml": "text/xml,application/xml"},
    WebRule.ANDROID: {"json": _FORM, "xml": _FORM},
    WebRule.HUAWEI: {"json": "application/json; charset=utf-8", "xml": "text/xml; charset=utf-8"},
}
_MOST_HOPS: Final = 10
_MOST_SCRIPTS: Final = 8
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})


@noun
class Page:
    """What an answer says of a page."""

    app: str
    url: str
    user_data: str = field(repr=False)
    contents_type: str
    only_says_why: bool = False
    """Whether it may do nothing but be closed (TS.43 §6.5.9)."""

    @property
    def call_backs(self) -> tuple[str, ...]:
        """What a page of this application can call; first what ends it well, last a dismissal."""
        if self.app in _ESIMS:
            return ("dismissFlow",) if self.only_says_why else _ESIM_CALL_BACKS
        return _BOOST_CALL_BACKS if self.app == AppId.DATA_PLAN else _CALL_BACKS

    @property
    def bridge(self) -> str:
        """The object that has them; empty where TS.43 has none."""
        return BRIDGES.get(self.app, "")  # type: ignore[call-overload, no-any-return]


@noun
class Opening:
    """The request that opens a page."""

    method: str
    url: str = field(repr=False)
    headers: Headers = ()
    body: bytes | None = field(default=None, repr=False)


@noun
class Hop:
    """One request of a web view, and its answer."""

    method: str
    url: str
    """Without the query."""
    content_type: str
    """Of what was sent; empty = nothing was."""
    status: int


@named_noun
class Visit:
    """What a web view came to see."""

    hops: tuple[Hop, ...]
    url: str = field(repr=False)
    """The address at the end, with its query."""
    content_type: str
    body: str = field(repr=False)
    title: str
    named: frozenset[str]
    """Names of objects and call-backs that are in the page, or in a script of its own site."""

    @property
    def status(self) -> int:
        """Status of the last answer."""
        return self.hops[-1].status

    @property
    def is_html(self) -> bool:
        """Whether the last answer says that it is a page."""
        return self.content_type.partition(";")[0].strip().lower() in (
            "text/html",
            "application/xhtml+xml",
        )

    def calls(self, page: Page) -> tuple[str, ...]:
        """Return the call-backs of the page's bridge that it names."""
        if page.bridge not in self.named:
            return ()
        return tuple(name for name in page.call_backs if name in self.named)


def pages_of(document: Document) -> tuple[Page, ...]:
    """Return the pages that a document names, in its order."""
    found = []
    for application in document.applications:
        parms = {item.name: item.value for item in application.items if isinstance(item, Parm)}
        for name in _NAMES_OF_PAGES:
            if url := parms.get(f"{name}URL"):
                user_data = parms.get(f"{name}UserData", "")
                kind = parms.get(f"{name}ContentsType", "")
                found.append(Page(application.app_id, url, user_data, kind, name in _SAYS_WHY))
    return tuple(found)


def opening(page: Page, profile: Profile) -> Opening:
    """Return how a family opens a page; ValueError, for people, where it would not."""
    rule, kind = profile.web, page.contents_type.lower()
    if rule is WebRule.ANDROID and page.app == AppId.VOWIFI:
        # Its IMS app knows no ContentsType.
        kind = "json" if page.user_data else ""
        data = page.user_data.encode()
    else:
        data = _decoded(page.user_data)
    content_type = _CONTENT_TYPES[rule].get(kind, "")
    if not content_type:
        joint = "" if not page.user_data else "&" if "?" in page.url else "?"
        return Opening("GET", f"{page.url}{joint}{page.user_data}", _headers(profile))
    if not data:
        raise ValueError("a ContentsType, and no user data to post")
    more: Headers = (("Content-Type", content_type),)
    if rule is WebRule.HUAWEI:
        more = (*more, ("METHOD", "POST"))
    return Opening("POST", page.url, (*_headers(profile), *more), data)


def _decoded(user_data: str) -> bytes:
    if not user_data.startswith(_ENCODED):
        return user_data.encode()
    try:
        return base64.b64decode(user_data.removeprefix(_ENCODED), validate=True)
    except binascii.Error:
        raise ValueError("user data that say they are base64 and are not") from None


def _headers(profile: Profile) -> Headers:
    _, model, sw_version = profile.terminal
    return (
        ("User-Agent", f"Mozilla/5.0 (Linux; Android {sw_version}; {model}; wv)"),
        ("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
        ("Accept-Language", profile.language),
    )


class WebView:
    """One web view: follows redirects, keeps cookies, loads the scripts of the page's own site."""

    def __init__(
        self, profile: Profile, *, tls: ssl.SSLContext | None = None, limits: Limits | None = None
    ) -> None:
        self._headers = _headers(profile)
        self._tls = tls
        self._limits = limits or Limits()
        self._jars: dict[str, CookieJar] = {}

    async def go(self, first: Opening) -> Visit:
        """Return what there is at the end of all redirects.

        Raises HttpError where nobody answers, ValueError where an address is none.
        """
        hops: list[Hop] = []
        method, at, headers, body = first.method, Url.parse(first.url), first.headers, first.body
        while len(hops) < _MOST_HOPS:
            answer = await self._fetch(method, at, headers, body)
            sent = next((value for name, value in headers if name == "Content-Type"), "")
            hops.append(Hop(method, str(at), sent, answer.status))
            where = answer.first("location")
            if answer.status not in _REDIRECTS or not where:
                return await self._seen(hops, at, answer)
            at = Url.parse(urljoin(_whole(at), where).partition("#")[0])
            if answer.status < 307:
                method, headers, body = "GET", self._headers, None
        raise BadAnswer("the page leads from page to page")

    async def _fetch(self, method: str, at: Url, headers: Headers, body: bytes | None) -> Answer:
        jar = self._jars.setdefault(at.origin, CookieJar(CookieRule.RFC))
        tls = self._tls if at.scheme == "https" else None
        http = HttpClient(at, tls=tls, limits=self._limits, keep_alive=False)
        try:
            answer = await http.exchange(method, at.target(), (*headers, *jar.lines()), body=body)
        finally:
            await http.aclose()
        jar.absorb(answer.headers)
        return answer

    async def _seen(self, hops: list[Hop], at: Url, answer: Answer) -> Visit:
        visit = Visit(
            hops=tuple(hops),
            url=_whole(at),
            content_type=answer.first("content-type"),
            body=answer.body.decode("utf-8", "replace"),
            title="",
            named=frozenset(),
        )
        if not visit.is_html:
            return visit
        head = _Head()
        read(head, visit.body)
        texts = [visit.body]
        for source in head.scripts[:_MOST_SCRIPTS]:
            try:
                script = Url.parse(urljoin(visit.url, source).partition("#")[0])
                if script.origin == at.origin:
                    found = await self._fetch("GET", script, self._headers, None)
                    texts.append(found.body.decode("utf-8", "replace"))
            except (HttpError, ValueError):
                # A page without its script is still a page.
                continue
        return replace(visit, title=" ".join(head.title.split()), named=_named(texts))


class _Head(HTMLParser):
    """Reads the title and where scripts are."""

    def __init__(self) -> None:
        super().__init__()
        self.title = ""
        self.scripts: list[str] = []
        self._in_title = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a script, or the begin of the title."""
        self._in_title = tag == "title" and not self.title
        if tag == "script" and (source := dict(attrs).get("src")):
            self.scripts.append(source)

    def handle_endtag(self, tag: str) -> None:
        """Note the end of the title."""
        self._in_title = self._in_title and tag != "title"

    def handle_data(self, data: str) -> None:
        """Take the title."""
        if self._in_title:
            self.title += data


_NAMES: Final = re.compile(
    r"\b(?:"
    + "|".join(
        sorted(
            {*BRIDGES.values(), *_CALL_BACKS, *_BOOST_CALL_BACKS, *_ESIM_CALL_BACKS}, reverse=True
        )
    )
    + r")\b"
)


def _named(texts: Iterable[str]) -> frozenset[str]:
    return frozenset(name for text in texts for name in _NAMES.findall(text))


def _whole(at: Url) -> str:
    return at.origin + at.target()
