"""The port ``Issuer``: the same suite for keys in a file, keys at an address, and an issuer that is
asked. Whoever plays the issuer is the simulator's, with tokens that PyJWT makes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from simgrant.adapters.issuers import introspection, jwks
from simgrant.errors import (
    BadLentToken,
    EcsError,
    PeerMisbehaved,
    PeerTimeout,
    PeerUnavailable,
    StartRefused,
)
from simgrant.links.client_auth import ClientAuth, Credentials
from simgrant.links.fetched import FetchRules
from simgrant.links.http import HttpConfig
from simgrant.links.retry import RetryRules
from simgrant.ports.issuers import Caller, Issuer
from simgrant.sim.issuer import INTROSPECTION, KEYS, AuthorizationServer
from simgrant.sim.lies import TokenLie
from simgrant.sim.oauth import Client, new_key
from tests.device.harness import SetClock

AUDIENCE, SCOPE = "https://ecs.example.net", "numbers.read"
HTTP = HttpConfig(peer="issuers.login", plain=True, retry=RetryRules(tries=1, failures=1000))
RULES = FetchRules(keep_s=300, gap_s=5, fetch_s=1, good_s=3600)
SAID = frozenset({"numbers.read", "other"})
"""What its tokens are good for."""


@dataclass
class World:
    """An issuer, and our side of it."""

    clock: SetClock
    theirs: AuthorizationServer
    ours: Issuer
    published: Callable[[], object]
    """To be called when keys have changed, where they travel by hand."""

    async def caller(self, token: str | None = None, *, wait: float = 5) -> Caller:
        token = self.theirs.issue("bank") if token is None else token
        return await self.ours.caller(token, deadline=self.clock.monotonic() + wait)

    def asked(self) -> int:
        return len(self.theirs.asked)


@asynccontextmanager
async def playing(**changes: Any) -> AsyncIterator[tuple[SetClock, AuthorizationServer]]:
    clock = SetClock()
    usual: dict[str, Any] = {
        "audience": AUDIENCE,
        "scope": f"other {SCOPE}",
        "life_s": 900,
        "now": clock.now,
    }
    theirs = AuthorizationServer(**(usual | changes))
    await theirs.up()
    try:
        yield clock, theirs
    finally:
        await theirs.down()


@asynccontextmanager
async def with_file(place: Path, **changes: Any) -> AsyncIterator[World]:
    async with playing(**changes) as (clock, theirs):
        path = place / "jwks.json"

        def publish() -> None:
            path.write_text(json.dumps(theirs.key_set))

        publish()
        config = jwks.Config(
            issuer=theirs.issuer,
            audience=AUDIENCE,
            scopes=frozenset({SCOPE}),
            jwks=path,
            rules=RULES,
        )
        yield World(clock, theirs, jwks.open_issuer(config, clock=clock), publish)


@asynccontextmanager
async def with_address(
    place: Path, rules: FetchRules = RULES, **changes: Any
) -> AsyncIterator[World]:
    del place
    async with playing(**changes) as (clock, theirs):
        config = jwks.Config(
            issuer=theirs.issuer,
            audience=AUDIENCE,
            scopes=frozenset({SCOPE}),
            jwks=theirs.issuer + KEYS,
            http=HTTP,
            rules=rules,
        )
        ours = jwks.open_issuer(config, clock=clock)
        try:
            yield World(clock, theirs, ours, lambda: None)
        finally:
            await ours.close()


@asynccontextmanager
async def asking(
    place: Path,
    *,
    cache_s: float = 30,
    audience: str = AUDIENCE,
    client_auth: ClientAuth = ClientAuth.SECRET_BASIC,
    assertion_audience: str = "",
    retry: RetryRules = HTTP.retry,
    timeout_s: float = 1,
    **changes: Any,
) -> AsyncIterator[World]:
    key, secret = new_key().private, "s3cret/with=signs"
    server = Client("simgrant", secret)
    (place / "secret").write_text(secret)
    if client_auth is ClientAuth.PRIVATE_KEY_JWT:
        public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        server = Client("simgrant", "", public.decode())
        (place / "secret").write_bytes(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        )
    async with playing(servers=[server], **({"opaque": True} | changes)) as (clock, theirs):
        config = introspection.Config(
            issuer=theirs.issuer,
            audience=audience,
            scopes=frozenset({SCOPE}),
            url=theirs.issuer + INTROSPECTION,
            credentials=Credentials(
                client_id="simgrant", client_auth=client_auth, secret_file=place / "secret"
            ),
            assertion_audience=assertion_audience,
            cache_s=cache_s,
            timeout_s=timeout_s,
            http=replace(HTTP, retry=retry),
        )
        ours = introspection.open_issuer(config, clock=clock)
        try:
            yield World(clock, theirs, ours, lambda: None)
        finally:
            await ours.close()


WORLDS = {"file": with_file, "address": with_address, "asked": asking}


@pytest.fixture(params=WORLDS)
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    async with WORLDS[request.param](tmp_path) as opened:
        yield opened


# --- all of them ---------------------------------------------------------------------------------


@pytest.mark.conforms("access.checked")
async def test_a_good_token_proves_its_client(world: World) -> None:
    assert world.ours.name == world.theirs.issuer
    assert await world.caller() == Caller("bank", SAID)
    assert await world.caller(world.theirs.issue("shop")) == Caller("shop", SAID)


@pytest.mark.parametrize(
    "lie",
    [
        TokenLie.ISSUER,
        TokenLie.AUDIENCE,
        TokenLie.NO_AUDIENCE,
        TokenLie.SCOPE,
        TokenLie.EXPIRED,
        TokenLie.FUTURE,
        TokenLie.NO_CLIENT,
    ],
)
async def test_a_bad_token_raises(world: World, lie: TokenLie) -> None:
    world.theirs.lie = lie
    with pytest.raises(BadLentToken, match=world.theirs.issuer) as raised:
        await world.caller()
    assert raised.value.reason == "access_token_bad"
    world.theirs.lie = TokenLie.NONE
    assert await world.caller() == Caller("bank", SAID)


async def test_a_token_ends(world: World) -> None:
    token = world.theirs.issue("bank")
    world.clock.advance(899)
    assert await world.caller(token) == Caller("bank", SAID)
    world.clock.advance(60)
    with pytest.raises(BadLentToken):
        await world.caller(token)


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "a b", "\n", "ä", "a" * 4097, "%", "&token=x"])
async def test_what_nobody_made_is_no_token(world: World, token: str) -> None:
    with pytest.raises(BadLentToken) as raised:
        await world.caller(token)
    assert not token or token not in f"{raised.value} {raised.value.for_operator}".split()


async def test_it_shows_no_token_and_no_secret(world: World) -> None:
    token = world.theirs.issue("bank")
    world.theirs.revoke(token)
    world.theirs.rotate()
    world.published()
    world.clock.advance(6)
    with pytest.raises(BadLentToken) as raised:
        await world.caller(token)
    shown = repr(raised.value) + raised.value.for_operator + repr(vars(world.ours))
    assert token not in shown
    assert "s3cret" not in shown


# --- by keys -------------------------------------------------------------------------------------


@pytest.fixture(params=["file", "address"])
async def by_keys(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    async with WORLDS[request.param](tmp_path) as opened:
        yield opened


async def test_a_rotation_is_followed_as_soon_as_a_token_shows_it(by_keys: World) -> None:
    old = by_keys.theirs.issue("bank")
    assert await by_keys.caller(old) == Caller("bank", SAID)
    by_keys.theirs.rotate()
    by_keys.published()
    by_keys.clock.advance(6)
    assert await by_keys.caller() == Caller("bank", SAID)
    with pytest.raises(BadLentToken):
        await by_keys.caller(old)


@pytest.mark.parametrize("lie", [TokenLie.KEY, TokenLie.UNKNOWN_KEY])
async def test_who_signs_with_another_key_is_nobody(by_keys: World, lie: TokenLie) -> None:
    by_keys.theirs.lie = lie
    with pytest.raises(BadLentToken, match="not signed by a key that is known"):
        await by_keys.caller()


@pytest.mark.parametrize("text", [b"{", b"\xff", b'{"keys":[]}', b" " * (1 << 20) + b"{}"])
async def test_a_broken_file_leaves_the_keys_as_they_are(tmp_path: Path, text: bytes) -> None:
    async with with_file(tmp_path) as world:
        assert await world.caller() == Caller("bank", SAID)
        (tmp_path / "jwks.json").write_bytes(text)
        world.clock.advance(10_000)
        assert await world.caller() == Caller("bank", SAID)
        world.theirs.rotate()
        with pytest.raises(BadLentToken):
            await world.caller()


@pytest.mark.parametrize("name", ["bad", "absent"])
async def test_a_file_that_cannot_be_read_does_not_start(tmp_path: Path, name: str) -> None:
    (tmp_path / "bad").write_text("{}")
    config = jwks.Config(issuer="https://i.example", audience="a", jwks=tmp_path / name)
    with pytest.raises(StartRefused, match=r"https://i\.example"):
        jwks.open_issuer(config, clock=SetClock())


async def test_of_many_who_come_at_once_one_asks(tmp_path: Path) -> None:
    async with with_address(tmp_path) as world:
        tokens = [world.theirs.issue("bank") for _ in range(50)]
        assert set(await asyncio.gather(*map(world.caller, tokens))) == {Caller("bank", SAID)}
        assert world.theirs.asked == [KEYS]


async def test_rubbish_does_not_decide_how_often_is_asked(tmp_path: Path) -> None:
    async with with_address(tmp_path) as world:
        world.theirs.lie = TokenLie.UNKNOWN_KEY
        for _ in range(50):
            with pytest.raises(BadLentToken):
                await world.caller()
        assert world.asked() == 1
        world.clock.advance(5)
        with pytest.raises(BadLentToken):
            await world.caller()
        assert world.asked() == 2


async def test_what_is_wrong_but_well_signed_asks_nobody(tmp_path: Path) -> None:
    async with with_address(tmp_path) as world:
        assert await world.caller() == Caller("bank", SAID)
        world.clock.advance(6)
        world.theirs.lie = TokenLie.AUDIENCE
        with pytest.raises(BadLentToken):
            await world.caller()
        assert world.asked() == 1


async def test_old_keys_serve_while_the_issuer_is_away_but_not_for_ever(tmp_path: Path) -> None:
    async with with_address(tmp_path, life_s=10_000) as world:
        assert await world.caller() == Caller("bank", SAID)
        port = world.theirs.web.port
        await world.theirs.down()
        world.clock.advance(3599)
        token = world.theirs.issue("bank")
        assert await world.caller(token) == Caller("bank", SAID)
        world.clock.advance(6)
        with pytest.raises(PeerUnavailable, match=r"issuers\.login") as raised:
            await world.caller(token)
        assert token not in raised.value.for_operator
        assert world.theirs.web.port == port
        await world.theirs.up()
        world.clock.advance(5)
        assert await world.caller(token) == Caller("bank", SAID)


LATER: dict[TokenLie, type[EcsError]] = {
    TokenLie.BROKEN: PeerUnavailable,
    TokenLie.BUSY: PeerUnavailable,
    TokenLie.REFUSED: PeerUnavailable,
    TokenLie.REDIRECT: PeerUnavailable,
    TokenLie.RESET: PeerUnavailable,
    TokenLie.NONSENSE: PeerMisbehaved,
    TokenLie.LIST: PeerMisbehaved,
    TokenLie.LONG: PeerMisbehaved,
}


@pytest.mark.parametrize("lie", LATER)
async def test_without_any_keys_it_is_later_and_not_no(tmp_path: Path, lie: TokenLie) -> None:
    async with with_address(tmp_path) as world:
        world.theirs.lie = lie
        token = world.theirs.issue("bank")
        for _ in range(2):
            with pytest.raises(LATER[lie]):
                await world.caller(token)
        world.theirs.lie = TokenLie.NONE
        world.clock.advance(5)
        assert await world.caller(token) == Caller("bank", SAID)
        assert world.theirs.asked == [KEYS, KEYS], "nothing else is asked for"


@pytest.mark.parametrize("opened", [with_address, asking])
async def test_a_callers_deadline_is_kept(tmp_path: Path, opened: Callable[[Path], Any]) -> None:
    async with opened(tmp_path) as world:
        world.theirs.lie = TokenLie.SLOW
        with pytest.raises(PeerTimeout):
            await world.caller(wait=0.05)


async def test_an_address_that_hangs_is_given_up(tmp_path: Path) -> None:
    async with with_address(tmp_path, replace(RULES, fetch_s=0.05)) as world:
        world.theirs.lie = TokenLie.SLOW
        with pytest.raises(PeerTimeout):
            await world.caller()


# --- asked ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("client_auth", list(ClientAuth))
async def test_we_prove_who_asks(tmp_path: Path, client_auth: ClientAuth) -> None:
    async with asking(tmp_path, client_auth=client_auth, cache_s=0) as world:
        for _ in range(3):
            assert await world.caller() == Caller("bank", SAID)
        (tmp_path / "secret").write_text("another")
        with pytest.raises(PeerUnavailable) as raised:
            await world.caller()
        assert raised.value.reason in ("credentials_refused", "secret_unreadable")


async def test_what_we_sign_is_for_whom_the_settings_say(tmp_path: Path) -> None:
    signs = ClientAuth.PRIVATE_KEY_JWT
    async with asking(tmp_path, assertion_audience="https://them", client_auth=signs) as world:
        with pytest.raises(PeerUnavailable) as raised:
            await world.caller()
        assert raised.value.reason == "credentials_refused"


@pytest.mark.parametrize("opaque", [True, False])
async def test_an_answer_is_kept_for_a_while(tmp_path: Path, opaque: bool) -> None:
    async with asking(tmp_path, opaque=opaque) as world:
        one, other = world.theirs.issue("bank"), world.theirs.issue("shop")
        for _ in range(3):
            assert await world.caller(one) == Caller("bank", SAID)
            assert await world.caller(other) == Caller("shop", SAID)
        assert world.asked() == 2
        world.theirs.revoke(one)
        world.clock.advance(29.9)
        assert await world.caller(one) == Caller("bank", SAID)
        world.clock.advance(0.1)
        with pytest.raises(BadLentToken) as raised:
            await world.caller(one)
        assert raised.value.reason == "access_token_inactive"


async def test_an_answer_is_never_kept_past_the_tokens_end(tmp_path: Path) -> None:
    async with asking(tmp_path, cache_s=3600, life_s=60) as world:
        token = world.theirs.issue("bank")
        assert await world.caller(token) == Caller("bank", SAID)
        world.clock.advance(59)
        assert await world.caller(token) == Caller("bank", SAID)
        assert world.asked() == 1
        world.clock.advance(1)
        with pytest.raises(BadLentToken):
            await world.caller(token)
        assert world.asked() == 2


async def test_without_a_cache_it_is_asked_each_time(tmp_path: Path) -> None:
    async with asking(tmp_path, cache_s=0) as world:
        token = world.theirs.issue("bank")
        assert await world.caller(token) == Caller("bank", SAID)
        world.theirs.revoke(token)
        with pytest.raises(BadLentToken):
            await world.caller(token)


async def test_a_refusal_is_not_kept(tmp_path: Path) -> None:
    async with asking(tmp_path) as world:
        token = world.theirs.issue("bank")
        world.theirs.lie = TokenLie.INACTIVE
        with pytest.raises(BadLentToken):
            await world.caller(token)
        world.theirs.lie = TokenLie.NONE
        assert await world.caller(token) == Caller("bank", SAID)


async def test_who_comes_with_the_same_token_waits_for_the_same_answer(tmp_path: Path) -> None:
    async with asking(tmp_path, cache_s=0) as world:
        token = world.theirs.issue("bank")
        found = await asyncio.gather(*(world.caller(token) for _ in range(20)))
        assert set(found) == {Caller("bank", SAID)}
        assert world.asked() == 1


async def test_what_is_kept_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(introspection, "_MOST_KEPT", 2)
    async with asking(tmp_path) as world:
        tokens = [world.theirs.issue("bank") for _ in range(3)]
        for token in tokens:
            await world.caller(token)
        assert world.asked() == 3
        await world.caller(tokens[2])
        assert world.asked() == 3
        await world.caller(tokens[0])
        assert world.asked() == 4


async def test_a_text_is_not_true(tmp_path: Path) -> None:
    async with asking(tmp_path) as world:
        world.theirs.lie = TokenLie.ACTIVE_TEXT
        with pytest.raises(BadLentToken, match="inactive"):
            await world.caller()


async def test_an_audience_that_is_not_wanted_is_not_looked_at(tmp_path: Path) -> None:
    async with asking(tmp_path, audience="") as world:
        world.theirs.lie = TokenLie.NO_AUDIENCE
        assert await world.caller() == Caller("bank", SAID)


ANSWERED = LATER | {TokenLie.REDIRECT: PeerMisbehaved}


@pytest.mark.parametrize("lie", ANSWERED)
async def test_while_it_cannot_be_asked_nobody_is_let_in(tmp_path: Path, lie: TokenLie) -> None:
    async with asking(tmp_path, cache_s=0) as world:
        token = world.theirs.issue("bank")
        assert await world.caller(token) == Caller("bank", SAID)
        world.theirs.lie = lie
        with pytest.raises(ANSWERED[lie], match=r"issuers\.login") as raised:
            await world.caller(token)
        if lie is TokenLie.BUSY:
            assert raised.value.retry_after == 7
        world.theirs.lie = TokenLie.NONE
        assert await world.caller(token) == Caller("bank", SAID)


async def test_who_fails_time_and_again_is_left_alone(tmp_path: Path) -> None:
    retry = RetryRules(tries=1, failures=3, pause_s=60)
    async with asking(tmp_path, retry=retry) as world:
        world.theirs.lie = TokenLie.RESET
        reasons = []
        for _ in range(5):
            with pytest.raises(PeerUnavailable) as raised:
                await world.caller()
            reasons.append(raised.value.reason)
        assert reasons == ["peer_unavailable"] * 3 + ["circuit_open"] * 2
        assert world.asked() == 3


async def test_one_that_hangs_is_given_up(tmp_path: Path) -> None:
    async with asking(tmp_path, timeout_s=0.05) as world:
        world.theirs.lie = TokenLie.SLOW
        with pytest.raises(PeerTimeout):
            await world.caller()


async def test_whoever_waits_no_longer_leaves_nothing_behind(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with AsyncExitStack() as stack:
        world = await stack.enter_async_context(asking(tmp_path, timeout_s=0.1))
        world.theirs.lie = TokenLie.SLOW
        with pytest.raises(PeerTimeout):
            await world.caller(wait=0)
        waiting: Awaitable[Any] = asyncio.gather(
            *(each for each in asyncio.all_tasks() if each is not asyncio.current_task()),
            return_exceptions=True,
        )
        await waiting
    assert not caplog.records
