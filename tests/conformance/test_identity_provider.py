"""The port ``IdentityProvider``, apart from what a whole server shows (`tests/device`)."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from simgrant.adapters.idp.oidc import Config, OidcProvider, open_provider
from simgrant.errors import PeerUnavailable, StartRefused, Unauthenticated
from simgrant.links.client_auth import ClientAuth, Credentials
from simgrant.links.fetched import FetchRules
from simgrant.links.http import HttpConfig
from simgrant.ports.identity_provider import Attempt, Person
from simgrant.sim.browser import follow
from simgrant.sim.http import Limits
from simgrant.sim.idp import OpenIdProvider
from simgrant.sim.lies import Lie
from tests.clocks import MachineClock

BACK = "https://ecs.example.net/ts43"
ATTEMPT = Attempt("state", "nonce", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
"""With the verifier of RFC 7636 §B."""


@dataclass
class World:
    """A provider, and our side of it."""

    theirs: OpenIdProvider
    ours: OidcProvider

    async def page(self, attempt: Attempt = ATTEMPT, *languages: str) -> str:
        deadline = time.monotonic() + 5
        return await self.ours.authorization_url(attempt, languages=languages, deadline=deadline)

    async def back(self, attempt: Attempt = ATTEMPT) -> dict[str, str]:
        limits = Limits(connect_s=5, read_s=5)
        address = await follow(await self.page(attempt), tls=None, limits=limits)
        return {name: found for name, (found,) in parse_qs(urlsplit(address).query).items()}

    async def identify(
        self, code: str, attempt: Attempt = ATTEMPT, *, issuer: str | None = None
    ) -> Person:
        return await self.ours.identify(
            code,
            attempt,
            issuer=self.theirs.issuer if issuer is None else issuer,
            wanted=frozenset({"phone_number"}),
            deadline=time.monotonic() + 5,
        )


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    theirs = OpenIdProvider(redirect_uri=BACK, phone_number="+15550100")
    await theirs.up()
    secret = tmp_path / "secret"
    secret.write_text(theirs.client_secret)
    config = Config(
        issuer=theirs.issuer,
        credentials=Credentials(client_id="simgrant", secret_file=secret),
        redirect_uri=BACK,
        http=HttpConfig(peer="them", plain=True),
        rules=FetchRules(gap_s=0.0),
    )
    ours = open_provider(config, clock=MachineClock())
    yield World(theirs, ours)
    await ours.close()
    await theirs.down()


async def test_the_challenge_is_the_published_one(world: World) -> None:
    query = parse_qs(urlsplit(await world.page(ATTEMPT, "de-at", "en")).query)
    assert query["code_challenge"] == ["E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"]
    assert query["ui_locales"] == ["de-at en"]
    assert (query["state"], query["nonce"]) == (["state"], ["nonce"])


async def test_who_signed_in_is_told(world: World) -> None:
    person = await world.identify((await world.back())["code"])
    assert person.claims["phone_number"] == "+15550100"
    assert "+15550100" not in repr(person)
    assert "dBjft" not in repr(ATTEMPT)


async def test_a_code_is_sent_once_whatever_becomes_of_it(world: World) -> None:
    for lie in (Lie.BROKEN, Lie.NONSENSE, Lie.CODE, Lie.KEY):
        code = (await world.back())["code"]
        world.theirs.asked.clear()
        world.theirs.lie = lie
        with pytest.raises(Exception, match=r".") as raised:
            await world.identify(code)
        assert code not in f"{raised.value!r} {raised.value}"
        assert world.theirs.asked.count("/token") == 1
        world.theirs.lie = Lie.NONE


async def test_a_code_needs_the_verifier_that_its_page_was_asked_with(world: World) -> None:
    code = (await world.back())["code"]
    other = Attempt("state", "nonce", "x" * 43)
    with pytest.raises(Unauthenticated, match="code_refused"):
        await world.identify(code, other)


async def test_the_call_back_is_of_this_issuer_and_no_other(world: World) -> None:
    for issuer in ("", "https://idp.example.org"):
        with pytest.raises(Unauthenticated, match="callback_of_another_issuer"):
            await world.identify("code", issuer=issuer)
    assert "/token" not in world.theirs.asked


async def test_a_provider_that_is_away_is_no_persons_fault(world: World) -> None:
    code = (await world.back())["code"]
    await world.theirs.down()
    with pytest.raises(PeerUnavailable) as raised:
        await world.identify(code)
    assert code not in f"{raised.value!r} {raised.value}"
    await world.theirs.up()


@pytest.mark.parametrize("kind", list(ClientAuth))
def test_a_secret_that_is_none_lets_nothing_start(tmp_path: Path, kind: ClientAuth) -> None:
    (tmp_path / "secret").write_text("")
    with pytest.raises(StartRefused):
        open_provider(
            Config(
                issuer="https://idp.example.net",
                credentials=Credentials(
                    client_id="us", client_auth=kind, secret_file=tmp_path / "secret"
                ),
                redirect_uri=BACK,
            ),
            clock=MachineClock(),
        )
