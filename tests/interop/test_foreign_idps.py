"""Signing in with OpenID providers that the project did not write (TS.43 §2.8.2)."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest
from pyreqwest.client import Client, ClientBuilder

from tests.device.harness import XML, Answer, Phone, Server, Workbench
from tests.device.signing_in import NUMBER, REDIRECT_URI, SETTINGS, TERMINAL
from tests.interop import foreign_idps
from tests.interop.foreign_idps import ForeignIdp
from tests.servers.process import Unavailable

SECRET = "only-on-loopback"

pytestmark = pytest.mark.interop


@dataclass
class Meeting:
    """Our server, their provider, and a browser."""

    server: Server
    idp: ForeignIdp
    browser: Client

    async def sign_in(self) -> Answer:
        phone = Phone(self.server, terminal_id=TERMINAL, apps=("ap2014",))
        begun = await self.server.get(phone.query(), *phone.headers(XML))
        assert begun.status == 302, begun
        page = begun.header("location")
        asking = self.browser.post(page) if self.idp.form else self.browser.get(page)
        if self.idp.form:
            form = "application/x-www-form-urlencoded"
            asking = asking.header("content-type", form).body_bytes(self.idp.form)
        async with asking.build_streamed() as reply:
            assert reply.status == 302, reply.status
            back = reply.headers["location"]
        assert back.startswith(f"{REDIRECT_URI}?")
        return await self.server.get(urlsplit(back).query, ("accept", XML))


@asynccontextmanager
async def meeting(bench: Workbench, name: str, more: str = "") -> AsyncIterator[Meeting]:
    # Theirs has the machine's clock and no other.
    bench.clock.at = time.time()
    (bench.directory / "secret").write_text(SECRET)
    with ExitStack() as stack:
        try:
            idp = stack.enter_context(
                foreign_idps.oidc_provider_mock(bench.directory, NUMBER)
                if name == "oidc-provider-mock"
                else foreign_idps.idpyoidc(bench.directory, REDIRECT_URI, SECRET, NUMBER)
            )
        except Unavailable as missing:
            pytest.skip(str(missing))
        settings = SETTINGS.format(issuer=idp.issuer, redirect_uri=REDIRECT_URI, more=more)
        async with (
            ClientBuilder().follow_redirects(False).no_proxy().build() as browser,
            bench.opened(settings) as server,
        ):
            yield Meeting(server, idp, browser)


@pytest.mark.parametrize("name", ["oidc-provider-mock", "idpyoidc"])
async def test_a_person_signs_in(bench: Workbench, name: str) -> None:
    async with meeting(bench, name) as met:
        answer = await met.sign_in()
        assert answer.status == 200, await met.server.records()
        assert answer.token
        assert answer.phone.get("ap2014", "OperationResult") == "1"
        again = await met.sign_in()
        assert again.status == 200
        assert again.token != answer.token


async def test_a_new_key_is_found(bench: Workbench) -> None:
    async with meeting(bench, "idpyoidc") as met:
        assert (await met.sign_in()).status == 200
        met.idp.rotate()
        # Not sooner than the keys may be asked for again.
        assert (await met.sign_in()).status == 511
        bench.clock.advance(6)
        assert (await met.sign_in()).status == 200


async def test_a_wrong_secret_is_noticed(bench: Workbench) -> None:
    async with meeting(bench, "idpyoidc") as met:
        (bench.directory / "secret").write_text("another")
        assert (await met.sign_in()).status == 503
        record = (await met.server.records())[-1]
        assert record["outcome"] == "credentials_refused"


async def test_the_secret_may_travel_in_the_form(bench: Workbench) -> None:
    async with meeting(bench, "idpyoidc", 'client_auth = "client_secret_post"') as met:
        assert (await met.sign_in()).status == 200
