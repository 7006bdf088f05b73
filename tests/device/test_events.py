"""Events over HTTP through the whole server: its listener takes them over, and they are done."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from simgrant.domain.subscription import SubscriptionStatus
from simgrant.errors import StartRefused
from simgrant.serving import Running, running
from simgrant.sim.http import Answer, HttpClient, Url
from simgrant.sim.smdp.certificates import Certificates
from simgrant.wire.tmf_events import Happening, Kind, Made, plain_event, tmf_event
from tests.device.harness import ALLOWED, Workbench

TOKEN = "t" * 40
AT = 1_700_000_000
SETTINGS = """
[device]
listen = "127.0.0.1:0"

[management]
listen = "127.0.0.1:0"

[portal]
listen = ""

[events]
listen = "127.0.0.1:0"
imsi_names = ["IMSI"]

[event_senders.crm]
token_file = "crm.token"

[event_rules.off]
change = "suspended"
status = "suspended"
states = ["Suspended"]
"""


LISTENING = "[events]\nlisten = '127.0.0.1:0'"


@asynccontextmanager
async def serving(bench: Workbench, more: str = "", *, events: str = "") -> AsyncIterator[Running]:
    loaded = bench.loaded(SETTINGS.replace("[events]\n", f"[events]\n{events}") + more)
    (loaded.base / "crm.token").write_text(TOKEN)
    async with running(loaded) as server:
        yield server


async def post(
    server: Running, path: str, body: Any, *, tls: Any = None, token: str = TOKEN
) -> Answer:
    client = HttpClient(Url.parse(server.events_url), tls=tls)
    headers: tuple[tuple[str, str], ...] = (("Content-Type", "application/json"),)
    if token:
        headers += (("Authorization", f"Bearer {token}"),)
    try:
        return await client.exchange("POST", path, headers, body=json.dumps(body).encode())
    finally:
        await client.aclose()


async def test_a_hub_tells_that_a_line_is_off(bench: Workbench) -> None:
    async with serving(bench) as server:
        made = Made(Kind.PRODUCT, "1", state="suspended", characteristics={"imsi": ALLOWED.digits})
        event = tmf_event("t-1", made, Happening.STATE_CHANGE, at=AT)
        answer = await post(server, "/listener/productStateChangeEvent", event)
        assert (answer.status, answer.body) == (204, b"")
        store = server.parts.store
        async with asyncio.timeout(10):
            while True:
                found = await store.find("default", imsi=ALLOWED)
                assert found is not None
                if found.status is SubscriptionStatus.SUSPENDED:
                    break
                await asyncio.sleep(0.05)
        assert (await post(server, "/events", {"x": 1})).status == 400
        nobody = plain_event("p-1", "suspended", at=AT, imsi="001019999999999")
        assert (await post(server, "/events", nobody)).status == 204
        aside = await server.parts.events.listed("default")
        assert {(each.source, each.event_id) for each in aside} == {("crm", ""), ("crm", "p-1")}
        assert (await post(server, "/events", nobody, token="x")).status == 401


async def test_a_certificate_says_who_brings_an_event(bench: Workbench, tmp_path: Path) -> None:
    certificates = Certificates(tmp_path / "certificates", now=time.time())
    der = x509.load_pem_x509_certificate(certificates.smdp.read_bytes()).public_bytes(Encoding.DER)
    settings = f"""
[event_senders.oss]
tls_sha256 = ["{sha256(der).hexdigest()}"]
"""
    tls = f"""
tls_certificate = "{certificates.operator}"
tls_key = "{certificates.operator_key}"
client_ca = "{certificates.ca}"
"""
    event = plain_event("p-1", "changed", at=AT, imsi=ALLOWED.digits)
    context = certificates.caller_context()
    anonymous = ssl.create_default_context(cafile=certificates.ca)
    async with serving(bench, settings, events=tls) as server:
        assert server.events_url.startswith("https://")
        assert (await post(server, "/events", event, tls=context, token="")).status == 204
        assert (await post(server, "/events", event, tls=anonymous)).status == 204
        assert (await post(server, "/events", event, tls=anonymous, token="")).status == 401


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("[event_senders.crm]", "needs token_file"),
        ("[event_senders.crm]\ntls_sha256 = ['x']", "client_ca"),
        ("[event_senders.crm]\nclient_ids = ['x']", "issuers"),
        (f"{LISTENING}\n[event_senders.crm]\ntoken_file = 'short'", "crm.token_file"),
        ("[event_senders.crm]\ntoken_file = 'x'\ntenant = 'nobody'", "there is no tenant nobody"),
        ("[event_rules.x]\nchange = 'chnaged'", "event_rules.x.change"),
        ("[event_rules.x]\nchange = 'changed'\nsenders = ['y']", "event_senders.y"),
        ("[event_topics.x]\ntopic = 'x'", "event_topics.x.brokers"),
        ("[event_topics.x]\ntopic = 'x'\nbrokers = ['x:1']\nsasl = 'PLAIN'", "go together"),
        (LISTENING, "nobody could bring any"),
        ("[events]\nclient_ca = 'x'", "tls_certificate"),
    ],
)
async def test_settings_that_let_nobody_in_refuse_the_start(
    bench: Workbench, settings: str, said: str
) -> None:
    (bench.directory / "short").write_text("short")
    with pytest.raises(StartRefused) as refused:
        async with bench.opened(settings):
            pass
    assert said in str(refused.value)
