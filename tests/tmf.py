"""A simulated BSS under test, and the rules by which what it tells is understood."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final

from simgrant.adapters.bss.tmf.rules import Rules, ValueRule
from simgrant.domain.eligibility import Aspect
from simgrant.domain.subscription import SubscriptionStatus
from simgrant.errors import PeerMisbehaved, PeerUnavailable
from simgrant.links.api import ApiConfig, ApiLink
from simgrant.links.http import HttpConfig
from simgrant.links.retry import RetryRules
from simgrant.ports.network_data import Subscriber
from simgrant.sim.bss.faults import Fault
from simgrant.sim.bss.server import Bss
from simgrant.sim.sims import demo_sims
from simgrant.spec.ids import ProvStatus
from simgrant.wire.tmf.apis import Api
from simgrant.wire.tmf.inventory import FIELDS, Inventory
from tests.clocks import MachineClock

SIMS: Final = demo_sims()
WHO: Final = Subscriber(SIMS[0].imsi, SIMS[0].msisdn)
WRONG: Final = {
    Fault.RESET: PeerUnavailable,
    Fault.LOST: PeerUnavailable,
    Fault.HALF: PeerUnavailable,
    Fault.BUSY: PeerUnavailable,
    Fault.THROTTLED: PeerUnavailable,
    Fault.UNAUTHORIZED: PeerUnavailable,
    Fault.GARBAGE: PeerMisbehaved,
    Fault.NONSENSE: PeerMisbehaved,
    Fault.EMPTY: PeerMisbehaved,
    Fault.WRONG_TYPE: PeerMisbehaved,
    Fault.HUGE: PeerMisbehaved,
    Fault.ENDLESS: PeerMisbehaved,
    Fault.OTHER_SUBSCRIBER: PeerMisbehaved,
    Fault.ODD_STATE: PeerMisbehaved,
}
"""What a BSS may do wrong, and how a lookup ends then."""
_ACTIVE, _SUSPENDED = SubscriptionStatus.ACTIVE, SubscriptionStatus.SUSPENDED
PRODUCTS: Final = Rules(
    inventory=Inventory.PRODUCT,
    path=Api.PRODUCT,
    filters=[("productCharacteristic.value", "{msisdn}")],
    fields=FIELDS[Inventory.PRODUCT],
    owner=frozenset({"msisdn", "imsi"}),
    states={
        "active": _ACTIVE,
        "suspended": _SUSPENDED,
        "terminated": SubscriptionStatus.REMOVED,
        "pendingActive": None,
    },
    plans={"premium": "premium", "standard": "standard", "basic": "basic"},
    options={"vowifi": "vowifi", "companion": "companion"},
    values={
        Aspect.TERMS: ValueRule(name="terms"),
        Aspect.ADDRESS: ValueRule(name="address"),
        Aspect.VISITED_PLMN: ValueRule(name="visitedPlmn"),
        Aspect.PREPAID: ValueRule(name="prepaid"),
        Aspect.PORT_FREEZE: ValueRule(name="portFreeze"),
        Aspect.NUMBER_TYPE: ValueRule(name="numberType"),
        Aspect.CUSTOMER_SINCE: ValueRule(name="startDate"),
        Aspect.MSISDN: ValueRule(name="msisdn"),
    },
)
SERVICES: Final = Rules(
    inventory=Inventory.SERVICE,
    path=Api.SERVICE,
    filters=[("serviceCharacteristic.value", "{imsi}")],
    fields=FIELDS[Inventory.SERVICE],
    owner=frozenset({"imsi"}),
    states={
        "active": _ACTIVE,
        "inactive": _SUSPENDED,
        "designed": None,
        "reserved": None,
        "terminated": None,
    },
    vowifi=frozenset({"vowifi"}),
    provisioning={
        "active": ProvStatus.PROVISIONED,
        "reserved": ProvStatus.IN_PROGRESS,
        "designed": ProvStatus.IN_PROGRESS,
        "inactive": ProvStatus.NOT_PROVISIONED,
        "terminated": ProvStatus.NOT_PROVISIONED,
    },
)
RESOURCES: Final = Rules(
    inventory=Inventory.RESOURCE,
    path=Api.RESOURCE,
    filters=[("resourceCharacteristic.value", "{imsi}")],
    fields=FIELDS[Inventory.RESOURCE],
    owner=frozenset({"imsi"}),
    states={"available": _ACTIVE, "suspended": _SUSPENDED},
    values={Aspect.SIM_SINCE: ValueRule(name="startDate")},
)
ALL: Final = (PRODUCTS, SERVICES, RESOURCES)


@asynccontextmanager
async def running() -> AsyncIterator[Bss]:
    """Run a BSS that knows the demonstration SIMs."""
    bss = Bss(SIMS)
    await bss.up()
    try:
        yield bss
    finally:
        await bss.down()


def link_to(url: str, *, tries: int = 1) -> ApiLink:
    """Return a link to a BSS; a breaker that opens would hide what is tested."""
    http = HttpConfig(
        peer="bss.crm",
        plain=True,
        http2=False,
        most_bytes=256 * 1024,
        retry=RetryRules(tries=tries, failures=1000),
    )
    return ApiLink(ApiConfig(root=url, http=http), MachineClock())


def soon(seconds: float = 5.0) -> float:
    """Return a deadline."""
    return time.monotonic() + seconds


def more(rules: Rules, **changes: object) -> Rules:
    """Return rules with something else in them."""
    return replace(rules, **changes)  # type: ignore[arg-type]
