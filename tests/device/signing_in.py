"""A server whose people sign in with a simulated OpenID provider, and a person who does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

import pyreqwest.client
from pyreqwest.client import ClientBuilder

from simgrant.sim.idp import OpenIdProvider
from tests.device.harness import ALLOWED, XML, Answer, Phone, Request, Server, Workbench

REDIRECT_URI = "https://ecs.example.net/ts43"
NUMBER = f"+4477009{ALLOWED.digits[-5:]}"
TERMINAL = "8f2a6a3e-5a0e-4d0c-9d55-0a3a1a9d7a10"
"""A UUID: whoever has no SIM often has no IMEI either."""
APPS = ("ap2014", "ap2004")

SETTINGS = """
[identity_providers.home]
issuer = "{issuer}"
client_id = "simgrant"
secret_file = "secret"
redirect_uri = "{redirect_uri}"
apps = ["ap2014", "ap2004"]
error_url = "https://portal.example.net/error"
{more}
"""


@dataclass
class SignIns:
    """The provider, the server, and whoever stands between them with a browser."""

    provider: OpenIdProvider
    server: Server
    browser: pyreqwest.client.Client

    def phone(self, **changes: object) -> Phone:
        return Phone(self.server, terminal_id=TERMINAL, apps=("ap2014",)).but(**changes)

    async def begin(self, phone: Phone | None = None) -> Answer:
        """Ask without any proof."""
        phone = phone or self.phone()
        return await self.server.send(
            Request("GET", phone.query(), phone.headers(phone.wanted), source=phone.source)
        )

    async def visit(self, page: str) -> str:
        """Open the provider's page; return the query of the address that it leads back to."""
        async with self.browser.get(page).build_streamed() as reply:
            assert reply.status == 302, reply.status
            back = reply.headers["location"]
        assert back.startswith(f"{REDIRECT_URI}?")
        return urlsplit(back).query

    async def come_back(self, query: str, *, accept: str = XML, host: str = "") -> Answer:
        """Fetch what the provider led back to, as the phone does: no cookie, nothing added."""
        headers = [("accept", accept)] + ([("host", host)] if host else [])
        return await self.server.get(query, *headers)

    async def sign_in(self, phone: Phone | None = None) -> Answer:
        """Do all of it."""
        begun = await self.begin(phone)
        return await self.come_back(await self.visit(begun.header("location")))


def values(url: str) -> dict[str, str]:
    """Return the query of an address."""
    return {name: found for name, (found,) in parse_qs(urlsplit(url).query).items()}


@asynccontextmanager
async def signing_in(
    bench: Workbench, more: str = "", *, client_key: str = "", in_userinfo: bool = False
) -> AsyncIterator[SignIns]:
    """Open a server and its provider; ``more`` goes into the provider's settings, or after them."""
    provider = OpenIdProvider(
        redirect_uri=REDIRECT_URI,
        phone_number=NUMBER,
        client_key=client_key,
        in_userinfo=in_userinfo,
        now=bench.clock.now,
    )
    await provider.up()
    if not client_key:
        (bench.directory / "secret").write_text(provider.client_secret)
    settings = SETTINGS.format(issuer=provider.issuer, redirect_uri=REDIRECT_URI, more=more)
    try:
        async with (
            ClientBuilder().follow_redirects(False).no_proxy().build() as browser,
            bench.opened(settings) as server,
        ):
            yield SignIns(provider, server, browser)
    finally:
        await provider.down()
