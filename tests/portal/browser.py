"""A phone's web view, as far as HTTP goes: it opens what a document names, and sends forms."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

from lxml import html
from uvicorn.server import ServerState

from simgrant.config.load import DEFAULT_TENANT
from simgrant.domain.holdings import Holdings
from simgrant.fronts.device.protocol import Connection, Listener
from simgrant.identities import Imsi
from tests.device.harness import (
    IMEI,
    JSON,
    NO_CONSENT,
    Answer,
    Line,
    Phone,
    Request,
    Server,
    pull_answer,
    push_request,
)

FORM = ("content-type", "application/x-www-form-urlencoded")
BERLIN = {
    "street": "Unter den Linden",
    "number": "77",
    "postcode": "10117",
    "city": "Berlin",
    "country": "DE",
}


@dataclass(frozen=True)
class Shown:
    """A page, as a person sees it."""

    answer: Answer

    @property
    def tree(self) -> html.HtmlElement:
        return html.document_fromstring(self.answer.body.decode())

    @property
    def text(self) -> str:
        return " ".join(self.tree.find("body").text_content().split())

    @property
    def title(self) -> str:
        return " ".join(self.tree.findtext(".//h1").split())

    @property
    def language(self) -> str:
        return self.tree.get("lang") or ""

    @property
    def call(self) -> str:
        """What the script is to tell the device."""
        return self.tree.find("body").get("data-call") or ""

    @property
    def subject(self) -> str:
        return self.tree.find("body").get("data-subject") or ""

    @property
    def duration(self) -> int | None:
        found = self.tree.find("body").get("data-duration")
        return None if found is None else int(found)

    @property
    def forms(self) -> list[html.FormElement]:
        return list(self.tree.forms)

    def fields(self, form: int = 0) -> dict[str, str]:
        """Return what a form would send as it stands, without a button."""
        return dict(self.forms[form].form_values())

    @property
    def token(self) -> str:
        return self.fields()["page"]


@dataclass(repr=False)
class Browser:
    """A web view on one server; it keeps no cookie and sends no Referer."""

    server: Server
    language: str = "en-GB,en;q=0.8"
    source: str = "192.0.2.44"
    more: tuple[tuple[str, str], ...] = field(default=())

    async def send(
        self,
        method: str,
        path: str,
        *,
        query: bytes = b"",
        body: bytes = b"",
        headers: tuple[tuple[str, str], ...] = (),
        host: str = "127.0.0.1:8082",
    ) -> Answer:
        """Send a request to the portal."""
        parts = self.server.parts
        assert parts.portal is not None
        connection = Connection(Listener(parts.portal, parts.portal_bounds, ServerState()))
        line = Line(self.source)
        connection.connection_made(line)
        pieces = push_request(
            Request(
                method,
                query,
                (("host", host), ("accept-language", self.language), *headers, *self.more),
                body,
                path,
            )
        )
        for piece in pieces:
            connection.data_received(piece)
        await line.answered.wait()
        connection.connection_lost(None)
        return pull_answer(line.sent, bodiless=method == "HEAD")

    async def page(self, *arguments: object, status: int = 200, **named: object) -> Shown:
        """Send a request and return the page that comes."""
        answer = await self.send(*arguments, **named)  # type: ignore[arg-type]
        assert answer.status == status, answer.body.decode()
        return Shown(answer)

    async def open(self, link: Link, *, status: int = 200) -> Shown:
        """Open a page as Android does: the user data posted, labelled as a form."""
        return await self.page(
            "POST", link.path, body=link.user_data.encode(), headers=(FORM,), status=status
        )

    async def press(
        self,
        shown: Shown,
        changes: Mapping[str, str] | None = None,
        *,
        button: str = "go",
        form: int = 0,
        status: int = 200,
    ) -> Shown:
        """Send a form of a page, with these fields filled in otherwise."""
        fields = {**shown.fields(form), "do": button, **(changes or {})}
        path = urlsplit(shown.forms[form].action).path
        return await self.post(fields, path=path, status=status)

    async def post(
        self, fields: Mapping[str, str], *, path: str = "/page", status: int = 200
    ) -> Shown:
        return await self.page(
            "POST", path, body=urlencode(fields).encode(), headers=(FORM,), status=status
        )


@dataclass(frozen=True)
class Link:
    """What a document says of a page."""

    url: str
    user_data: str
    """Decoded, as a client sends it."""

    @property
    def path(self) -> str:
        return urlsplit(self.url).path

    @property
    def handle(self) -> str:
        if self.user_data.startswith("{"):
            return str(json.loads(self.user_data)["flow"])
        return self.user_data.removeprefix("flow=")


async def told(
    server: Server,
    app: str = "ap2004",
    imsi: Imsi = NO_CONSENT,
    *,
    terminal_id: str = IMEI,
    host: str = "127.0.0.1:8080",
    **extra: str,
) -> dict[str, Any]:
    """Ask as a phone does, and return what its document says of an application."""
    phone = Phone(
        server,
        imsi=imsi,
        apps=(app,),
        wanted=JSON,
        entitlement_version="12.0",
        terminal_id=terminal_id,
        extra=tuple(extra.items()),
        host=host,
    )
    found: dict[str, Any] = (await phone.full()).object[app]
    return found


async def link(server: Server, app: str = "ap2004", imsi: Imsi = NO_CONSENT, **more: str) -> Link:
    """Ask as a phone does, and return the page that its document names."""
    found = await told(server, app, imsi, **more)
    data = found["ServiceFlow_UserData"]
    encoded = data.removeprefix("encodedValue=")
    return Link(found["ServiceFlow_URL"], data if encoded == data else b64decode(encoded).decode())


async def consents(server: Server, imsi: Imsi = NO_CONSENT) -> dict[str, str]:
    """Return what the store says is settled, past the watch: as another node reads it."""
    found = await server.store.real.consents(DEFAULT_TENANT, imsi)
    return {str(kind): str(consent.status) for kind, consent in found.items()}


async def held(server: Server, imsi: Imsi = NO_CONSENT) -> Holdings:
    """Return what a subscription holds, likewise."""
    return await server.store.real.holdings(DEFAULT_TENANT, imsi)
