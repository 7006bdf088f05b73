"""A phone that asks for an eSIM, and the page that its answer leads to."""

from __future__ import annotations

import json
from base64 import b64decode
from typing import Any

from simgrant.domain.order import Order
from simgrant.identities import Imsi
from tests.device.esim import EID, OTHER_EID, World
from tests.device.harness import ALLOWED
from tests.portal.browser import Link

PHONE = {"target_terminal_id": "350000000000033", "target_terminal_eid": EID}
NEW_PHONE = {"target_terminal_id": "350000000000041", "target_terminal_eid": OTHER_EID}
PLANS = """
[plan_offers.small]
name = "Small <b>5 GB</b>"
description = "5 EUR a month"
[plan_offers.large]
name = "Large"
description = "50 GB, 20 EUR a month"
profile_type = "phone"
"""
ASKED = 'portal = "always"\n'
CHOICE = 'portal = "choice"\n'
BOTH = 'plans = ["small", "large"]\n'


def page_of(told: dict[str, Any], name: str = "SubscriptionService") -> Link:
    """Return the page that an answer names, as a client opens it."""
    kind = told.get(f"{name}ContentsType", "")
    data = told[f"{name}UserData"]
    if kind:
        assert kind == "json"
        assert data.startswith("encodedValue=")
        data = b64decode(data.removeprefix("encodedValue="), validate=True).decode()
        assert list(json.loads(data)) == ["flow"]
    return Link(told[f"{name}URL"], data)


async def transfer(world: World, device: dict[str, str] = PHONE, **more: str) -> dict[str, Any]:
    """Ask for the line on another device."""
    return await world.ask("ManageSubscription", operation_type="3", **(device | more))


async def orders(world: World, imsi: Imsi = ALLOWED) -> list[Order]:
    """Return the orders as another node reads them."""
    return list(await world.server.store.real.orders.of("default", imsi))
