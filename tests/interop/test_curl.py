"""curl, whose HTTP/2 is nghttp2's, against the simulated 5G core: in the clear, and with TLS."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from simgrant.sim.playing import server_tls
from simgrant.sim.sims import demo_sims
from simgrant.sim.smdp.certificates import Certificates
from simgrant.sim.udm.faults import Fault, Plan
from simgrant.sim.udm.server import Core

pytestmark = pytest.mark.interop

SUPI = f"imsi-{demo_sims()[0].imsi.digits}"
AV = f"/nudm-ueau/v1/{SUPI}/hss-security-information/eap-aka/generate-av"
SEARCH = "/nnrf-disc/v1/nf-instances?target-nf-type=UDM&requester-nf-type=AUSF"
JSON = ("--header", "content-type: application/json")
EAP_AKA = ("--data", '{"hssAuthType": "EAP_AKA", "numOfRequestedVectors": 5}')
TOKEN = (
    "grant_type=client_credentials&nfInstanceId=5b0f6a35-6a4f-4c4e-8a57-0d3f8a1d9c11"
    "&nfType=AUSF&targetNfType=UDM&scope=nudm-ueau"
)


@asynccontextmanager
async def core(**options: Any) -> AsyncIterator[Core]:
    made = Core(demo_sims(), **options)
    await made.up()
    try:
        yield made
    finally:
        await made.down()


async def curl(*arguments: str) -> tuple[int, Any]:
    """Return the exit code, and the JSON that came if there is any."""
    if not shutil.which("curl"):
        pytest.skip("curl is not installed")
    process = await asyncio.create_subprocess_exec(
        "curl", "--silent", "--show-error", "--max-time", "30", *arguments, stdout=PIPE, stderr=PIPE
    )
    out, _ = await process.communicate()
    return process.returncode or 0, json.loads(out) if out.startswith(b"{") else None


async def test_it_finds_a_udm_gets_a_token_and_vectors() -> None:
    async with core(oauth2=True) as made:
        clear = "--http2-prior-knowledge"
        _, found = await curl(clear, made.nrf_web.url + SEARCH)
        (profile,) = found["nfInstances"]
        place = profile["nfServices"][0]["ipEndPoints"][0]
        root = f"http://{place['ipv4Address']}:{place['port']}"
        _, refused = await curl(clear, *JSON, *EAP_AKA, root + AV)
        assert refused["status"] == 401
        _, token = await curl(clear, "--data", TOKEN, f"{made.nrf_web.url}/oauth2/token")
        bearer = f"authorization: Bearer {token['access_token']}"
        _, told = await curl(clear, *JSON, "--header", bearer, *EAP_AKA, root + AV)
        assert len(told["hssAuthenticationVectors"]) == 5


async def test_it_follows_to_another_instance() -> None:
    async with core(instances=2) as made:
        made.plan = Plan(fault=Fault.REDIRECT, instance=0)
        url = made.instances[0].web.url + AV
        _, told = await curl("--http2-prior-knowledge", "--location", *JSON, *EAP_AKA, url)
        assert len(told["hssAuthenticationVectors"]) == 5
        assert [each.instance for each in made.seen] == [0, 1]


async def test_with_tls_it_needs_a_certificate(tmp_path: Path) -> None:
    files = Certificates(tmp_path, now=time.time())
    tls = server_tls(files.smdp, files.smdp_key, files.ca, protocols=("h2",))
    own = ("--cert", str(files.operator), "--key", str(files.operator_key))
    trust = ("--cacert", str(files.ca), "--http2")
    async with core(tls=tls) as made:
        url = made.instances[0].web.url + AV
        assert url.startswith("https://")
        code, told = await curl(*trust, *own, *JSON, *EAP_AKA, url)
        assert code == 0
        assert len(told["hssAuthenticationVectors"]) == 5
        code, told = await curl(*trust, *JSON, *EAP_AKA, url)
        assert code != 0
        assert told is None
        assert len(made.seen) == 1
