"""A server that orders eSIMs for enterprises, and the systems that manage their devices."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest

from simgrant.compose import server as compose
from simgrant.domain.order import Order
from simgrant.domain.owner import Enterprise
from simgrant.identities import Iccid
from tests.books import Books
from tests.device.harness import JSON, Answer, Request, Server, Workbench
from tests.jwts import EcSigner

ISSUER, AUDIENCE, APP = "https://login.example.net", "https://ecs.example.net", "ap2011"
EID = "89049032123451234512345678901235"
TABLET = {"enterprise_terminal_id": "350000000000058", "enterprise_terminal_eid": EID}
SECOND = {"enterprise_terminal_id": "350000000000066"}
SETTINGS = f"""
[documents]
validity_spread = 0
[issuers.login]
issuer = "{ISSUER}"
audience = "{AUDIENCE}"
jwks = "login.json"
[partners.mdm]
requestor_ids = ["mdm-1"]
client_ids = ["mdm"]
operations = ["CheckEligibility", "AcquirePlan", "AcquireConfiguration", "ManageSubscription"]
enterprises = ["acme", "globex"]
[partners.other]
requestor_ids = ["other-1"]
client_ids = ["other"]
operations = ["AcquireConfiguration", "ManageSubscription"]
enterprises = ["initech"]
[smdp.main]
url = "https://smdp.example.net"
requester = "ECS1"
address = "smdp.example.net"
certificate = "client.crt"
key = "client.key"
[plan_offers.office]
name = "Office 20 GB"
description = "20 GB, national calls"
[plan_offers.travel]
name = "Travel"
[plan_offers.meter]
name = "Meters"
profile_type = "iot"
[esim.fleet]
app = "enterprise"
smdp = "main"
profile_type = "tablet"
most = 3
per_imei = 0
plans = ["office", "travel", "meter"]
"""


@dataclass(frozen=True)
class World:
    """A server, its SM-DP+, and a device management that asks for one enterprise."""

    server: Server
    bench: Workbench
    books: Books
    login: EcSigner
    client: str = "mdm"
    requestor: str = "mdm-1"
    enterprise: str = "acme"
    token: str = ""
    wanted: str = JSON

    async def send(self, operation: str = "", **parameters: str) -> Answer:
        """Ask with the TOKEN, or with an access token where there is none yet."""
        now = int(self.bench.clock.now())
        claims = {"iss": ISSUER, "aud": AUDIENCE, "client_id": self.client, "exp": now + 60}
        usual = {
            "app": APP,
            "requestor_id": self.requestor,
            "entitlement_version": "12.0",
            "terminal_id": "0",
            "terminal_vendor": "v",
            "terminal_model": "m",
            "terminal_sw_version": "s",
            "operation": operation,
        }
        if self.token:
            usual["token"] = self.token
        else:
            usual |= {"access_token": self.login.sign(claims), "enterprise_id": self.enterprise}
        members = {name: text for name, text in (usual | parameters).items() if text}
        headers = [("content-type", JSON), ("accept", self.wanted), ("host", "127.0.0.1:8080")]
        return await self.server.send(Request("POST", b"", headers, json.dumps(members).encode()))

    async def ask(self, operation: str, **parameters: str) -> dict[str, Any]:
        """Return what is told of the application."""
        answer = await self.send(operation, **parameters)
        assert answer.status == 200, await self.server.records()
        found = answer.object[APP]
        assert isinstance(found, dict)
        return found

    async def manage(self, kind: int, device: dict[str, str] = TABLET, **more: str) -> str:
        """Return both results of ManageSubscription, with a slash between them."""
        told = await self.ask("ManageSubscription", operation_type=str(kind), **(device | more))
        return "/".join(filter(None, (told["OperationResult"], told.get("SubscriptionResult"))))

    async def subscribe(self, device: dict[str, str] = TABLET, **more: str) -> dict[str, str]:
        """Subscribe a device, and return where its profile is."""
        told = await self.ask("ManageSubscription", operation_type="0", **(device | more))
        assert told["SubscriptionResult"] == "2", told
        found = told["DownloadInfo"]
        assert isinstance(found, dict)
        return found

    async def configuration(self, **device: str) -> dict[str, Any] | None:
        told = await self.ask("AcquireConfiguration", **(device or TABLET))
        assert told["OperationResult"] == "1"
        return told.get("EnterpriseConfiguration")

    async def orders(self, enterprise: str = "acme") -> list[Order]:
        return list(await self.server.store.real.orders.of("default", Enterprise(enterprise)))

    async def detail(self) -> str:
        return str((await self.server.records())[-1].get("detail", ""))

    def of(self, enterprise: str, client: str = "mdm") -> World:
        """Return the same world, asked for another enterprise or by another partner."""
        return replace(
            self, enterprise=enterprise, client=client, requestor=f"{client}-1", token=""
        )

    async def known(self, **changes: Any) -> World:
        """Return the same world, asked with a TOKEN from now on."""
        answer = await self.send()
        return replace(self, token=answer.object["Token"]["token"], **changes)


@asynccontextmanager
async def opened(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch, more: str = "", settings: str = SETTINGS
) -> AsyncIterator[World]:
    """Open a server with an SM-DP+ and stock for tablets and meters."""
    books, login = Books(stock=9), EcSigner("k1")
    (bench.directory / "login.json").write_text(json.dumps({"keys": [login.jwk]}))
    monkeypatch.setattr(
        compose, "open_smdps", lambda loaded: {name: {"main": books} for name in loaded.tenants}
    )
    async with bench.opened(settings + more) as server:
        for kind, first in (("tablet", 0), ("iot", 50)):
            iccids = [Iccid(f"89445{number:014d}") for number in range(first, first + 6)]
            await server.store.real.orders.add_stock("default", "main", kind, iccids)
        yield World(server, bench, books, login)
