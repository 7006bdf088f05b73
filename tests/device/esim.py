"""A server that orders eSIMs of an SM-DP+ without a wire, and a phone that asks for them."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from simgrant.compose import server as compose
from simgrant.identities import Iccid
from simgrant.wire.activation_code import pull_activation_code
from tests.books import Books
from tests.device.harness import Phone, Server, Workbench
from tests.device.partner import app_of, number_phone, operate

EID = "89049032123451234512345678901235"
OTHER_EID = "89049032123451234512345678901243"
WATCH = {
    "companion_terminal_id": "350000000000017",
    "companion_terminal_vendor": "ACME",
    "companion_terminal_model": "W1",
    "companion_terminal_sw_version": "1.0",
    "companion_terminal_friendly_name": 'My <b>"watch"</b> & \u231a',
    "companion_terminal_eid": EID,
}
SECOND = WATCH | {
    "companion_terminal_id": "350000000000025",
    "companion_terminal_eid": OTHER_EID,
}
SETTINGS = """
[documents]
validity_spread = 0
[smdp.main]
url = "https://smdp.example.net"
requester = "ECS1"
address = "smdp.example.net"
certificate = "client.crt"
key = "client.key"

[esim.watch]
app = "companion"
smdp = "main"
profile_type = "watch"
services = ["SharedNumber", "DiffNumber"]
most = 2

[esim.phone]
app = "primary"
smdp = "main"
profile_type = "phone"
{more}
"""


@dataclass
class World:
    """A server, its SM-DP+, and a phone that asks."""

    server: Server
    books: Books
    phone: Phone
    token: str

    async def ask(self, operation: str, **parameters: str) -> dict[str, Any]:
        answer = await operate(self.phone, self.token, operation, **parameters)
        return app_of(answer, self.phone.apps[0])

    async def subscribe(self, device: dict[str, str] = WATCH, **more: str) -> dict[str, Any]:
        return await self.ask("ManageSubscription", operation_type="0", **(device | more))

    async def configurations(self, **parameters: str) -> list[dict[str, Any]]:
        found = await self.ask("AcquireConfiguration", **parameters)
        assert found["OperationResult"] == "1"
        return [
            entry["CompanionConfiguration"] for entry in found.get("CompanionConfigurations", [])
        ]


@asynccontextmanager
async def opened(
    bench: Workbench,
    monkeypatch: pytest.MonkeyPatch,
    app: str = "ap2006",
    more: str = "",
    *,
    watch: str = "",
) -> AsyncIterator[World]:
    """Open a server with an SM-DP+ and stock for both; ``more`` goes to the end of the settings.

    ``watch`` goes to the end of the companions' table.
    """
    books = Books(stock=9)
    settings = SETTINGS.replace("{more}", more).replace("most = 2\n", f"most = 2\n{watch}\n")
    monkeypatch.setattr(
        compose, "open_smdps", lambda loaded: {name: {"main": books} for name in loaded.tenants}
    )
    async with bench.opened(settings) as server:
        for kind, first in (("watch", 0), ("phone", 50)):
            await server.store.real.orders.add_stock(
                "default",
                "main",
                kind,
                [Iccid(f"89445{number:014d}") for number in range(first, first + 4)],
            )
        phone = number_phone(server, apps=(app,), app_name="odsa")
        yield World(server, books, phone, await phone.token())


def code_of(info: dict[str, str]) -> Any:
    text = base64.b64decode(info["ProfileActivationCode"], validate=True).decode()
    assert text.startswith("LPA:1$")
    return pull_activation_code(text)
