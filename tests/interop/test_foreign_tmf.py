"""Look-ups and service orders, of a server of TM Forum's APIs that is not ours."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from simgrant.adapters.bss.tmf.activation import Config, TmfActivation
from simgrant.adapters.bss.tmf.lookups import TmfLookups
from simgrant.adapters.bss.tmf.service_orders import TmfServiceOrders
from simgrant.domain.eligibility import Aspect, Eligibility
from simgrant.errors import PeerMisbehaved
from simgrant.ports.activation import Switched
from simgrant.spec.ids import ProvStatus
from tests.clocks import MachineClock
from tests.interop.foreign_tmf import ORDERS, RESOURCES, SERVICES, ForeignTmf, tmf_mock
from tests.servers.process import Unavailable
from tests.tmf import RESOURCES as SIM_RULES
from tests.tmf import SERVICES as VOWIFI_RULES
from tests.tmf import WHO, link_to, more, soon

pytestmark = pytest.mark.interop

IMSI = WHO.imsi.digits
OURS = [{"name": "imsi", "value": IMSI, "valueType": "string"}]
STRANGERS = [{"name": "imsi", "value": "001010999999999", "valueType": "string"}]
CONFIG = Config(path=SERVICES, msisdn="", patience_s=0.5, poll_s=0.01)
WANTS = frozenset({Aspect.PROVISIONING, Aspect.SIM_SINCE})
# It knows a few filters of its own only, and passes over the others.
RULES = (
    more(VOWIFI_RULES, path=SERVICES, filters=[("category", "{imsi}")]),
    more(
        SIM_RULES,
        path=RESOURCES,
        filters=[("category", "{imsi}")],
    ),
)


@contextmanager
def _running(folder: Path, *, seed: bool = False) -> Iterator[ForeignTmf]:
    try:
        with tmf_mock(folder, seed=seed) as found:
            yield found
    except Unavailable as error:
        pytest.skip(str(error))


@pytest.fixture(params=[False, True], ids=["empty", "seeded"])
def peer(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ForeignTmf]:
    with _running(tmp_path, seed=request.param) as found:
        yield found


def service(peer: ForeignTmf, **more: Any) -> Any:
    content = {
        "name": "Wi-Fi calling",
        "category": IMSI,
        "state": "active",
        "serviceSpecification": {"id": "vowifi"},
        "serviceCharacteristic": OURS,
    }
    return peer.ask("POST", f"{SERVICES}/service", content | more)


def sim(peer: ForeignTmf, **more: Any) -> Any:
    content = {
        "name": "SIM",
        "category": IMSI,
        "startOperatingDate": "2026-01-02T03:04:05Z",
        "resourceCharacteristic": OURS,
    }
    return peer.ask("POST", f"{RESOURCES}/resource", content | more)


async def told(peer: ForeignTmf) -> Eligibility | None:
    lookups = TmfLookups(link_to(peer.url), RULES, MachineClock())
    try:
        return await lookups.look_up(WHO, WANTS, deadline=soon())
    finally:
        await lookups.close()


async def test_look_ups(peer: ForeignTmf) -> None:
    await asyncio.to_thread(sim, peer)
    made = await asyncio.to_thread(service, peer)
    found = await told(peer)
    assert found == Eligibility(provisioning=ProvStatus.PROVISIONED, sim_since=1_767_323_045)
    path = f"{SERVICES}/service/{made['id']}"
    await asyncio.to_thread(peer.ask, "PATCH", path, {"state": "inactive"})
    found = await told(peer)
    assert found is not None
    assert found.provisioning is ProvStatus.NOT_PROVISIONED


async def test_who_has_nothing_there(peer: ForeignTmf) -> None:
    assert await told(peer) == Eligibility(provisioning=ProvStatus.NOT_PROVISIONED)


async def test_what_is_anothers_is_not_believed(peer: ForeignTmf) -> None:
    await asyncio.to_thread(lambda: service(peer, serviceCharacteristic=STRANGERS))
    with pytest.raises(PeerMisbehaved) as caught:
        await told(peer)
    assert caught.value.reason == "bss_other_subscriber"


async def test_a_service_is_made_and_switched(tmp_path: Path) -> None:
    # What it does not filter it tells of, and others' services are none of ours: an empty one.
    with _running(tmp_path) as peer:
        network = TmfActivation(link_to(peer.url), CONFIG, MachineClock())
        for on in (False, True, True, False, True):
            status = ProvStatus.PROVISIONED if on else ProvStatus.NOT_PROVISIONED
            found = await network.switch(WHO, on=on, deadline=soon())
            assert found == Switched(status=status)
        await network.close()
        (made,) = await asyncio.to_thread(peer.ask, "GET", f"{SERVICES}/service")
        assert made["state"] == "active"


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        (("inProgress", "completed"), Switched(status=ProvStatus.PROVISIONED)),
        (("inProgress", "failed"), Switched(status=ProvStatus.NOT_PROVISIONED, failed=True)),
        (("rejected",), Switched(status=ProvStatus.NOT_PROVISIONED, failed=True)),
    ],
)
@pytest.mark.parametrize("there", [False, True])
async def test_service_orders(
    tmp_path: Path, states: tuple[str, ...], expected: Switched, *, there: bool
) -> None:
    with _running(tmp_path) as peer:
        if there:
            await asyncio.to_thread(lambda: service(peer, state="inactive"))
        orders = TmfServiceOrders(link_to(peer.url), CONFIG, ORDERS, MachineClock())
        begun = await orders.switch(WHO, on=True, deadline=soon())
        assert begun.status is ProvStatus.IN_PROGRESS
        path = f"{ORDERS}/serviceOrder/{begun.watch}"
        order = await asyncio.to_thread(peer.ask, "GET", path)
        (item,) = order["orderItem"]
        assert item["action"] == ("modify" if there else "add")
        assert item["service"]["state"] == "active"
        for state in states:
            await asyncio.to_thread(peer.ask, "PATCH", path, {"state": state})
        assert await orders.progress(begun.watch, on=True, deadline=soon()) == expected
        await orders.close()
