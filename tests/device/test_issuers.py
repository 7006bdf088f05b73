"""A whole server and the issuers of its partners' tokens, over HTTPS: rotations, outages, faults.

What an issuer may answer in detail is in ``tests/conformance/test_issuers.py``.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from simgrant.sim.applicant import Applicant, Grant, apply
from simgrant.sim.http import Url, tls_context
from simgrant.sim.issuer import INTROSPECTION, KEYS, TOKEN, AuthorizationServer
from simgrant.sim.lies import TokenLie
from simgrant.sim.oauth import Client, new_key
from simgrant.sim.push.certificates import Authority
from tests.device.harness import Answer, Server, Workbench
from tests.device.partner import Partner, number_phone, temporary

AUDIENCE = "https://ecs.example.net"
SECRET = "s3cret"
PARTNER = """
[partners.bank]
requestor_ids = ["bank-1"]
client_ids = ["bank"]
"""
WAYS = {
    "keys": """
[issuers.login]
issuer = "{issuer}"
audience = "https://ecs.example.net"
jwks = "{issuer}/jwks"
keys_max_age_s = 3600
ca_file = "ca.pem"
"""
    + PARTNER,
    "asked": """
[issuers.login]
issuer = "{issuer}"
audience = "https://ecs.example.net"
introspection = "{issuer}/introspect"
client_id = "simgrant"
secret_file = "secret"
cache_s = 20
ca_file = "ca.pem"
"""
    + PARTNER,
}


@dataclass
class World:
    """A server, the issuer that it believes, and a partner's server that is a client there."""

    server: Server
    bench: Workbench
    issuer: AuthorizationServer
    applicant: Applicant
    token: str
    """TOKEN of a phone."""

    async def access(self) -> str:
        """Return a new access token, as the partner's server gets one."""
        tls = tls_context(ca=str(self.bench.directory / "ca.pem"))
        granted = await apply(self.applicant, tls=tls, now=self.bench.clock.now)
        assert isinstance(granted, Grant), granted
        return granted.access_token

    async def lent(self) -> str:
        """Return a temporary token for the partner."""
        return await temporary(number_phone(self.server), self.token, "GetPhoneNumber")

    async def ask(self, access: str, lent: str | None = None) -> Answer:
        """Ask for a number with a temporary token and the proof of who asks."""
        partner = Partner(self.server, requestor_id="bank-1")
        token = lent or await self.lent()
        return await partner.ask("GetPhoneNumber", temporary_token=token, access_token=access)

    async def outcome(self) -> tuple[str, str]:
        """Return reason and detail of the last request's record."""
        record = (await self.server.records())[-1]
        return record["outcome"], record.get("detail", "")


@asynccontextmanager
async def opened(bench: Workbench, way: str, **changes: Any) -> AsyncIterator[World]:
    authority, key = Authority(now=time.time()), new_key().private
    (bench.directory / "ca.pem").write_bytes(authority.pem)
    (bench.directory / "secret").write_text(SECRET)
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    issuer = AuthorizationServer(
        audience=AUDIENCE,
        clients=[Client("bank", "", public.decode())],
        servers=[Client("simgrant", SECRET)],
        tls=authority.server(["127.0.0.1"]),
        now=bench.clock.now,
        **({"opaque": way == "asked", "life_s": 10_000} | changes),
    )
    await issuer.up()
    try:
        applicant = Applicant(
            token_url=Url.parse(issuer.issuer + TOKEN),
            client_id="bank",
            key=key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        )
        async with bench.opened(WAYS[way].format(issuer=issuer.issuer)) as server:
            token = await number_phone(server).token()
            yield World(server, bench, issuer, applicant, token)
    finally:
        await issuer.down()


@pytest.mark.spec("TS.43 §2.8.3")
@pytest.mark.conforms("access.checked")
@pytest.mark.parametrize("way", WAYS)
async def test_a_partners_server_proves_itself(bench: Workbench, way: str) -> None:
    """Assertion, access token, request: RFC 7523 as TS.43 has it."""
    async with opened(bench, way) as world:
        access = await world.access()
        assert (await world.ask(access)).status == 200
        assert (await world.ask("")).status == 401
        assert await world.outcome() == ("no_access_token", "")
        assert (await world.ask(access + "x")).status == 401
        world.issuer.lie = TokenLie.AUDIENCE
        assert (await world.ask(await world.access())).status == 401
        reason, detail = await world.outcome()
        assert (reason, access not in detail) == ("access_token_bad", True)


async def test_new_keys_are_found_and_the_old_ones_forgotten(bench: Workbench) -> None:
    async with opened(bench, "keys") as world:
        old = await world.access()
        assert (await world.ask(old)).status == 200
        world.issuer.rotate()
        new = await world.access()
        # A token that names a key which is not there makes it look, in measure.
        assert (await world.ask(new)).status == 401
        bench.clock.advance(5)
        lent = await world.lent()
        assert (await world.ask(new, lent)).status == 200
        assert (await world.ask(old)).status == 401
        assert world.issuer.asked.count(KEYS) == 2


async def test_while_its_keys_cannot_be_had_the_old_ones_serve_for_a_time(
    bench: Workbench,
) -> None:
    async with opened(bench, "keys") as world:
        access = await world.access()
        assert (await world.ask(access)).status == 200
        await world.issuer.down()
        bench.clock.advance(3599)
        assert (await world.ask(access)).status == 200
        bench.clock.advance(6)
        lent = await world.lent()
        answer = await world.ask(access, lent)
        assert (answer.status, answer.content) == (503, b"try again later")
        assert answer.header("retry-after")
        reason, detail = await world.outcome()
        assert (reason, "issuers.login" in detail) == ("issuer_unavailable", True)
        await world.issuer.up()
        bench.clock.advance(10)
        assert (await world.ask(access, lent)).status == 200, "nothing was burnt"


LATER = {
    TokenLie.BROKEN: "issuer_unavailable",
    TokenLie.BUSY: "issuer_unavailable",
    TokenLie.RESET: "issuer_unavailable",
    TokenLie.NONSENSE: "issuer_misbehaved",
    TokenLie.REDIRECT: "issuer_misbehaved",
    TokenLie.REFUSED: "credentials_refused",
}


@pytest.mark.parametrize("lie", LATER)
async def test_whom_nobody_can_vouch_for_now_has_to_come_back(
    bench: Workbench, lie: TokenLie
) -> None:
    async with opened(bench, "asked") as world:
        access, lent = await world.access(), await world.lent()
        world.issuer.lie = lie
        answer = await world.ask(access, lent)
        assert (answer.status, answer.content) == (503, b"try again later")
        reason, detail = await world.outcome()
        assert (reason, "issuers.login" in detail) == (LATER[lie], True)
        world.issuer.lie = TokenLie.NONE
        assert (await world.ask(access, lent)).status == 200, "nothing was burnt"


async def test_a_revoked_token_is_good_no_longer_than_an_answer_is_kept(bench: Workbench) -> None:
    async with opened(bench, "asked") as world:
        access = await world.access()
        assert (await world.ask(access)).status == 200
        world.issuer.revoke(access)
        bench.clock.advance(19)
        assert (await world.ask(access)).status == 200
        bench.clock.advance(1)
        assert (await world.ask(access)).status == 401
        assert (await world.outcome())[0] == "access_token_inactive"
        assert world.issuer.asked.count(INTROSPECTION) == 2


async def test_a_token_is_shown_to_nobody_but_its_issuer(bench: Workbench) -> None:
    async with opened(bench, "asked", opaque=False) as world:
        foreign = AuthorizationServer(audience=AUDIENCE, now=bench.clock.now)
        await foreign.up()
        try:
            assert (await world.ask(foreign.issue("bank"))).status == 401
        finally:
            await foreign.down()
        assert await world.outcome() == ("access_token_foreign", "")
        assert INTROSPECTION not in world.issuer.asked


async def test_who_shows_bad_tokens_before_the_sim_has_to_wait(bench: Workbench) -> None:
    """Nothing was proved yet, and each of them costs a question."""
    more = "\n[limits]\nrefusals_burst = 3\nrefusals_per_minute = 1\n"
    async with opened(bench, "asked") as world:
        settings = WAYS["asked"].format(issuer=world.issuer.issuer)
    await world.issuer.up()
    try:
        async with bench.opened(settings + more) as server:
            statuses = [
                (await number_phone(server, extra=(("access_token", f"guess-{number}"),)).begin())
                for number in range(6)
            ]
            assert [answer.status for answer in statuses] == [401, 401, 401, 503, 503, 503]
            assert world.issuer.asked.count(INTROSPECTION) == 3
            assert (await number_phone(server).begin()).status == 200, "who shows none may begin"
    finally:
        await world.issuer.down()


async def test_metrics_and_logs_hold_no_token(
    bench: Workbench, capsys: pytest.CaptureFixture[str]
) -> None:
    async with opened(bench, "asked") as world:
        access = await world.access()
        for lie in (TokenLie.NONE, TokenLie.BROKEN, TokenLie.INACTIVE):
            bench.clock.advance(60)
            world.issuer.lie = lie
            await world.ask(access)
        records = await world.server.records()
        await asyncio.sleep(0)
    said = capsys.readouterr()
    for text in (str(records), said.out, said.err):
        assert access not in text
        assert SECRET not in text
