"""The management API over a real store, made of settings as `serve` does; only TCP is left out."""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from prometheus_client import CollectorRegistry

from simgrant.adapters.keyring.file import FileKeys
from simgrant.cli.serve import make_state
from simgrant.compose.api import opened_api
from simgrant.compose.clock import CLOCK
from simgrant.compose.policies import open_policies
from simgrant.compose.store import open_keys, open_store
from simgrant.config.load import Loaded, load
from simgrant.flows.bss_inbox import BssInbox
from simgrant.fronts.management.api import ApiFront
from simgrant.links.certified import CERTIFICATE
from simgrant.ports.store import Store
from simgrant.telemetry.metrics import Metrics
from tests.folders import in_memory

SETTINGS = """
[api]
listen = "127.0.0.1:0"

[tenants.default]
plmns = ["001-01"]

[tenants.blue]
plmns = ["999-99"]
hosts = ["blue.example.net"]

[api_clients.root]
role = "admin"
token_file = "root"

[api_clients.care]
role = "care"
token_file = "care"

[api_clients.viewer]
role = "viewer"
token_file = "viewer"

[api_clients.teller]
scopes = ["events:write"]
token_file = "teller"

[api_clients.blue]
role = "operator"
tenants = ["blue"]
token_file = "blue"
"""
CLIENTS = ("root", "care", "viewer", "teller", "blue")
IMSI = "001010000000001"
NUMBER = "+447700900001"
ONE = {"imsi": IMSI, "plan": "standard", "msisdn": NUMBER}
V1 = "/v1/subscriptions"
AT = f"{V1}/{IMSI}"


def token_of(client: str) -> str:
    """Return a client's token."""
    return f"token-of-{client}-".ljust(40, "x")


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The code of a problem; empty where it is none."""
        if self.headers.get("content-type") != "application/problem+json":
            return ""
        said = self.json
        assert said["status"] == self.status
        assert said["type"] == f"urn:simgrant:problem:{said['code']}"
        assert said["request_id"] == self.headers["x-request-id"]
        return str(said["code"])


@dataclass
class World:
    """A server's management API, and whoever calls it."""

    loaded: Loaded
    store: Store
    keys: FileKeys
    front: ApiFront
    client: str = "root"

    async def call(
        self,
        method: str,
        target: str,
        content: Any = None,
        *,
        client: str | None = None,
        certificate: bytes = b"",
        said: Mapping[str, str] | None = None,
        **headers: str,
    ) -> Answer:
        """Call, as ``client`` or as nobody where that is empty; headers have _ for -."""
        body = content if isinstance(content, bytes) else b""
        given: dict[str, str] = {}
        if content is not None:
            given["content-type"] = "application/json"
            if not isinstance(content, bytes):
                body = json.dumps(content).encode()
        client = self.client if client is None else client
        if client:
            given["authorization"] = f"Bearer {token_of(client)}"
        own = {**(said or {}), **headers}
        given |= {name.replace("_", "-"): value for name, value in own.items()}
        path, _, query = target.partition("?")
        parts = [body[:10], body[10:]]
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            part = parts.pop(0)
            return {"type": "http.request", "body": part, "more_body": bool(parts)}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        raw = quote(path, safe="/+%").encode()
        await self.front(
            {
                "type": "http",
                "method": method,
                "path": path,
                "raw_path": raw,
                "query_string": query.encode(),
                "headers": [(k.encode(), v.encode("latin-1")) for k, v in given.items() if v],
                "state": {CERTIFICATE: certificate},
            },
            receive,
            send,
        )
        start, ended = sent
        found = {k.decode(): v.decode("latin-1") for k, v in start["headers"]}
        assert found["cache-control"] == "no-store"
        assert len(found) == len(start["headers"])
        return Answer(start["status"], found, ended["body"])

    async def made(self, **fields: Any) -> Answer:
        """Make the usual subscription."""
        answer = await self.call("POST", V1, {**ONE, **fields})
        assert answer.status == 201, answer.body
        return answer


def make_template(folder: Path, settings: str = SETTINGS) -> Path:
    """Write what a server needs into a folder: settings, tokens, key ring and database."""
    (folder / "simgrant.toml").write_text(settings)
    for name in CLIENTS:
        (folder / name).write_text(token_of(name))
    make_state(load(folder / "simgrant.toml", {}))
    return folder


@asynccontextmanager
async def opened(template: Path) -> AsyncIterator[World]:
    """Open a copy of a template."""
    with in_memory() as place:
        folder = Path(shutil.copytree(template, place / "site"))
        loaded = load(folder / "simgrant.toml", {})
        keys = open_keys(loaded)
        store = await open_store(loaded)
        try:
            metrics = Metrics(CollectorRegistry())
            policies = await open_policies(loaded, store, keys, metrics, CLOCK)
            events = BssInbox(store.life, clock=CLOCK, keys=keys)
            async with opened_api(loaded, store, keys, policies, events) as front:
                yield World(loaded, store, keys, front)
        finally:
            await store.close()
