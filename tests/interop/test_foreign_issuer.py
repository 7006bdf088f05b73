"""Access tokens of an authorization server that the project did not write (TS.43 §2.8.3)."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from simgrant.sim.applicant import Applicant, Grant, apply
from simgrant.sim.exchange import Outcome
from simgrant.sim.http import Url
from simgrant.sim.oauth import Key, new_key
from tests.device.harness import Answer, Server, Workbench
from tests.device.partner import Partner, number_phone, temporary
from tests.interop import foreign_idps
from tests.servers.process import Unavailable

SECRET = "only-on-loopback-and-long-enough"
SETTINGS = """
[issuers.login]
issuer = "{issuer}"
introspection = "{issuer}/introspect"
scopes = ["{scope}"]
client_id = "simgrant"
client_auth = "{way}"
secret_file = "secret"
assertion_audience = "{issuer}/introspect"
[partners.bank]
requestor_ids = ["bank-1"]
client_ids = ["bank"]
"""
WAYS = ("client_secret_basic", "client_secret_post", "private_key_jwt")

pytestmark = pytest.mark.interop


def pem(key: Key) -> bytes:
    return key.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@dataclass
class Meeting:
    """Our server, their issuer, and the simulated partner's server that is a client there."""

    server: Server
    issuer: str
    key: Key

    async def granted(self, *, key: Key | None = None) -> Grant | Outcome:
        key = key or self.key
        url = Url.parse(f"{self.issuer}/token")
        return await apply(
            Applicant(token_url=url, client_id="bank", key=pem(key), key_id=self.key.kid)
        )

    async def ask(self, access: str) -> Answer:
        phone = number_phone(self.server)
        lent = await temporary(phone, await phone.token(), "GetPhoneNumber")
        partner = Partner(self.server, requestor_id="bank-1")
        return await partner.ask("GetPhoneNumber", temporary_token=lent, access_token=access)


@asynccontextmanager
async def meeting(
    bench: Workbench, way: str = WAYS[0], scope: str = "numbers.read"
) -> AsyncIterator[Meeting]:
    # Theirs has the machine's clock and no other.
    bench.clock.at = time.time()
    partner, ours = new_key(), new_key()
    clients = {
        "bank": {"public_key": partner.jwk},
        "simgrant": {"client_secret": SECRET, "public_key": ours.jwk},
    }
    (bench.directory / "clients.json").write_text(json.dumps(clients))
    secret = pem(ours) if way == "private_key_jwt" else SECRET.encode()
    (bench.directory / "secret").write_bytes(secret)
    with ExitStack() as stack:
        try:
            found = stack.enter_context(foreign_idps.idpyoidc_issuer(bench.directory))
        except Unavailable as missing:
            pytest.skip(str(missing))
        settings = SETTINGS.format(issuer=found.issuer, way=way, scope=scope)
        async with bench.opened(settings) as server:
            yield Meeting(server, found.issuer, partner)


@pytest.mark.parametrize("way", WAYS)
async def test_a_partner_is_known_by_what_their_issuer_says(bench: Workbench, way: str) -> None:
    async with meeting(bench, way) as met:
        granted = await met.granted()
        assert isinstance(granted, Grant), granted
        answer = await met.ask(granted.access_token)
        assert answer.status == 200, await met.server.records()
        assert (await met.ask("made-up")).status == 401
        assert (await met.server.records())[-1]["outcome"] == "access_token_inactive"


async def test_who_signs_with_another_key_is_granted_nothing(bench: Workbench) -> None:
    async with meeting(bench) as met:
        assert isinstance(await met.granted(key=new_key()), Outcome)


async def test_a_scope_that_was_not_granted_is_missed(bench: Workbench) -> None:
    async with meeting(bench, scope="numbers.write") as met:
        granted = await met.granted()
        assert isinstance(granted, Grant)
        assert (await met.ask(granted.access_token)).status == 401
        assert "scope" in (await met.server.records())[-1]["detail"]


async def test_a_wrong_secret_is_noticed(bench: Workbench) -> None:
    async with meeting(bench) as met:
        granted = await met.granted()
        assert isinstance(granted, Grant)
        (bench.directory / "secret").write_text("another")
        assert (await met.ask(granted.access_token)).status == 503
        assert (await met.server.records())[-1]["outcome"] == "credentials_refused"
