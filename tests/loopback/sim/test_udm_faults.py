"""The simulated 5G core: what it does wrong, its levers, and its command."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pyreqwest.exceptions import RequestError
from typer.testing import CliRunner

from simgrant.cli.app import app
from simgrant.config.load import load
from simgrant.config.sbi import operation_of, producers_of
from simgrant.eap.milenage import Milenage
from simgrant.eap.usim import SoftUsim, UsimReject
from simgrant.sim.http import HttpClient, Url
from simgrant.sim.places import Place
from simgrant.sim.sims import demo_sims
from simgrant.sim.udm.command import settings_for
from simgrant.sim.udm.control import Control
from simgrant.sim.udm.faults import Fault, Plan
from simgrant.wire.sbi.headers import pull_overloads
from simgrant.wire.sbi.ueau import Operation
from tests.loopback.sim.core_world import (
    IMSI,
    NETWORK,
    OPC,
    SIM,
    SUPI,
    US,
    CoreWorld,
    K,
    Told,
    core_world,
)

AV = f"/nudm-ueau/v1/{SUPI}/hss-security-information/eap-aka/generate-av"
GBA = f"/nhss-gba-ueau/v1/{SUPI}/security-information/generate-auth-data"
EAP_AKA = {"hssAuthType": "EAP_AKA", "numOfRequestedVectors": 1}
AUTH_DATA = f"/nudm-ueau/v1/{SUPI}/security-information/generate-auth-data"
AUSF = {"servingNetworkName": NETWORK, "ausfInstanceId": US}
AMF = f"/nudm-uecm/v1/{SUPI}/registrations/amf-3gpp-access"


@pytest.fixture
async def world() -> AsyncIterator[CoreWorld]:
    async with core_world(instances=2) as made:
        yield made


async def vector(world: CoreWorld, **options: Any) -> Told:
    return await world.ask(AV, EAP_AKA, **options)


@pytest.mark.parametrize("fault", [Fault.RESET, Fault.RESET_STREAM, Fault.HALF])
async def test_connections_break(world: CoreWorld, fault: Fault) -> None:
    world.core.plan = Plan(fault=fault, times=1)
    with pytest.raises(RequestError):
        await vector(world)
    assert (await vector(world)).status == 200
    assert [each.status for each in world.core.seen] == [0, 200]


@pytest.mark.parametrize("fault", [Fault.GOAWAY, Fault.REFUSE_STREAM])
async def test_what_was_not_looked_at_is_sent_again(world: CoreWorld, fault: Fault) -> None:
    world.core.plan = Plan(fault=fault, times=1)
    told = await vector(world)
    assert [each.status for each in world.core.seen] == [0, 200]
    # It is the first one: none was made for the question that was not looked at.
    (first,) = told.content["hssAuthenticationVectors"]
    concealed = int(first["autn"][:12], 16)
    ak = Milenage(K, OPC).f2345(bytes.fromhex(first["rand"])).ak
    assert concealed ^ int.from_bytes(ak, "big") == SIM.sqn + 32


async def test_it_restarts_in_order(world: CoreWorld) -> None:
    world.core.plan = Plan(fault=Fault.DRAIN, times=1)
    assert [(await vector(world)).status for _ in range(2)] == [200, 200]
    assert [each.status for each in world.core.seen] == [200, 200]
    assert world.core.instances[0].web.connections == 2


@pytest.mark.parametrize(
    ("plan", "status", "cause", "wait"),
    [
        (Plan(fault=Fault.BUSY), 503, "NF_CONGESTION", "1"),
        (Plan(fault=Fault.BUSY, retry_after_s=None), 503, "NF_CONGESTION", ""),
        (Plan(fault=Fault.THROTTLED, retry_after_s=7), 429, "NF_CONGESTION_RISK", "7"),
        (Plan(fault=Fault.STATUS), 500, "", ""),
        (Plan(fault=Fault.STATUS, status=404, cause="DATA_NOT_FOUND"), 404, "DATA_NOT_FOUND", ""),
        (Plan(fault=Fault.UNKNOWN_USER), 404, "USER_NOT_FOUND", ""),
        (Plan(fault=Fault.UNAUTHORIZED), 401, "", ""),
    ],
)
async def test_it_answers_no(
    world: CoreWorld, plan: Plan, status: int, cause: str, wait: str
) -> None:
    world.core.plan = plan
    told = await vector(world)
    assert (told.status, told.cause, told.headers.get("retry-after", "")) == (status, cause, wait)


@pytest.mark.parametrize(("fault", "status"), [(Fault.REDIRECT, 307), (Fault.MOVED, 308)])
async def test_it_leads_to_the_next_instance(world: CoreWorld, fault: Fault, status: int) -> None:
    first, second = world.core.instances
    world.core.plan = Plan(fault=fault, instance=0)
    told = await vector(world)
    assert (told.status, told.headers["location"]) == (status, second.web.url + AV)
    assert told.headers["3gpp-sbi-target-nf-id"] == f"nfinst={second.ids['UDM']}"
    assert (await vector(world, instance=1)).status == 200
    world.core.plan = Plan(fault=fault)
    assert (await vector(world, instance=1)).headers["location"] == first.web.url + AV


async def test_it_asks_for_less(world: CoreWorld) -> None:
    world.core.plan = Plan(fault=Fault.OVERLOADED, times=1, reduction=30, validity_s=9)
    told = await vector(world)
    assert told.status == 200
    (report,) = pull_overloads(told.headers["3gpp-sbi-oci"])
    assert report.instance == world.core.instances[0].ids["UDM"]
    assert (report.reduction, report.validity_s) == (30, 9)
    assert report.at == pytest.approx(time.time(), abs=60)
    assert "3gpp-sbi-oci" not in (await vector(world)).headers


@pytest.mark.parametrize(
    ("fault", "kind", "start"),
    [
        (Fault.GARBAGE, "application/json", b"{"),
        (Fault.EMPTY, "application/json", b""),
        (Fault.WRONG_TYPE, "text/html", b"<!doctype"),
    ],
)
async def test_it_answers_nonsense(world: CoreWorld, fault: Fault, kind: str, start: bytes) -> None:
    world.core.plan = Plan(fault=fault)
    told = await vector(world, described=False)
    assert (told.status, told.headers["content-type"]) == (200, kind)
    assert told.body.startswith(start)
    with pytest.raises(json.JSONDecodeError):
        json.loads(told.body)


async def spoilt(world: CoreWorld, fault: Fault) -> tuple[dict[str, str], dict[str, Any]]:
    world.core.plan = Plan(fault=fault)
    first = await world.ask(AV, EAP_AKA, described=False)
    second = await world.ask(AUTH_DATA, AUSF, described=False)
    return first.content["hssAuthenticationVectors"][0], second.content


async def test_its_vectors_are_spoilt(world: CoreWorld) -> None:
    one, told = await spoilt(world, Fault.NO_KEYS)
    assert set(one) == {"rand", "autn", "xres", "avType"}
    assert set(told["authenticationVector"]) == {"rand", "autn", "xres", "avType"}
    one, told = await spoilt(world, Fault.SHORT_AUTN)
    assert len(one["autn"]) == len(told["authenticationVector"]["autn"]) == 30
    one, told = await spoilt(world, Fault.OTHER_KIND)
    assert (one["avType"], told["authType"]) == ("EPS_AKA", "EAP_TLS")
    one, told = await spoilt(world, Fault.OTHER_USER)
    assert told["supi"] != SUPI
    assert (await world.ask(GBA, {})).content["impi"] != IMSI
    one, told = await spoilt(world, Fault.NO_SEPARATION)
    assert bytes.fromhex(told["authenticationVector"]["autn"])[6] & 0x80 == 0
    one, told = await spoilt(world, Fault.WRONG_VECTOR)
    usim = SoftUsim(Milenage(K, OPC))
    for each in (one, told["authenticationVector"]):
        answer = usim.authenticate(bytes.fromhex(each["rand"]), bytes.fromhex(each["autn"]))
        assert isinstance(answer, UsimReject)


async def test_what_it_tells_of_subscribers_is_spoilt(world: CoreWorld) -> None:
    world.core.plan = Plan(fault=Fault.OTHER_USER)
    told = await world.ask(f"/nudm-sdm/v2/{SUPI}/id-translation-result")
    assert told.content["supi"] != SUPI
    assert (await world.ask(AMF)).content["supi"] != SUPI
    world.core.plan = Plan(fault=Fault.OTHER_KIND)
    told = await world.ask(f"/nudm-sdm/v2/{SUPI}/id-translation-result")
    assert told.content["gpsi"].startswith("extid-")
    world.core.plan = Plan(fault=Fault.NO_KEYS)
    assert "guami" not in (await world.ask(AMF, described=False)).content


async def test_a_fault_may_be_of_one_sim_and_of_one_instance(world: CoreWorld) -> None:
    other = AV.replace(IMSI, demo_sims()[1].imsi.digits)
    world.core.plan = Plan(fault=Fault.BUSY, imsi=IMSI, times=2, instance=1)
    assert (await vector(world)).status == 200
    assert (await world.ask(other, EAP_AKA, instance=1)).status == 200
    statuses = [(await vector(world, instance=1)).status for _ in range(3)]
    assert statuses == [503, 503, 200]
    assert IMSI not in repr(Plan(fault=Fault.BUSY, imsi=IMSI))


async def test_it_is_slow_with_one_request_and_not_with_the_next(world: CoreWorld) -> None:
    world.core.plan = Plan(fault=Fault.SLOW, delay_s=3600, times=1)
    slow = asyncio.create_task(vector(world))
    await world.core.changed.wait()
    assert (await vector(world)).status == 200
    slow.cancel()
    world.core.plan = Plan(fault=Fault.SLOW, delay_s=0.01, times=1)
    assert (await vector(world)).status == 200


async def test_what_cannot_be_reached_comes_back_where_it_was(world: CoreWorld) -> None:
    web = world.core.instances[0].web
    port = web.port
    await web.down()
    with pytest.raises(RequestError):
        await vector(world)
    assert (await vector(world, instance=1)).status == 200
    await web.up()
    assert web.port == port
    assert (await vector(world)).status == 200


# --- levers -------------------------------------------------------------------------------


class Levers:
    """A client of a core's management interface."""

    def __init__(self, world: CoreWorld, control: Control) -> None:
        self.world = world
        self.client = HttpClient(Url.parse(control.web.url))

    async def pull(self, method: str, path: str, content: Any = None) -> Any:
        body = None if content is None else json.dumps(content).encode()
        told = await self.client.exchange(
            method, path, (("Content-Type", "application/json"),), body=body
        )
        return json.loads(told.body) if told.status == 200 else told.status


@pytest.fixture
async def levers(world: CoreWorld) -> AsyncIterator[Levers]:
    control = Control(world.core)
    await control.web.up()
    made = Levers(world, control)
    yield made
    await made.client.aclose()
    await control.web.down()


async def test_faults_are_switched_on_and_off(levers: Levers) -> None:
    told = await levers.pull("PUT", "/fault", {"fault": "busy", "times": 1})
    assert (told["fault"], told["times"]) == ("busy", 1)
    assert (await vector(levers.world)).status == 503
    assert await levers.pull("GET", "/fault") is None
    await levers.pull("PUT", "/fault", {"fault": "status", "status": 501, "imsi": IMSI})
    assert (await vector(levers.world)).status == 501
    assert await levers.pull("DELETE", "/fault") is None
    await levers.pull("PUT", "/nrf/fault", {"fault": "nobody"})
    assert (await levers.pull("GET", "/nrf/fault"))["fault"] == "nobody"
    assert (await levers.world.search()).content["nfInstances"] == []
    assert await levers.pull("DELETE", "/nrf/fault") is None
    seen = await levers.pull("GET", "/requests")
    assert [each["status"] for each in seen] == [503, 501, 200]
    assert IMSI not in json.dumps(seen)


async def test_instances_change(levers: Levers) -> None:
    told = await levers.pull("PUT", "/instances/1", {"priority": 3, "load": 9, "up": False})
    assert (told["priority"], told["capacity"], told["load"], told["up"]) == (3, 100, 9, False)
    with pytest.raises(RequestError):
        await vector(levers.world, instance=1)
    await levers.pull("PUT", "/instances/1", {"up": True})
    assert (await vector(levers.world, instance=1)).status == 200
    told = await levers.pull("PUT", "/instances/1", {"deaf": True})
    assert (told["up"], told["deaf"]) == (True, True)
    asking = asyncio.create_task(vector(levers.world, instance=1))
    assert (await vector(levers.world)).status == 200
    assert not asking.done()
    asking.cancel()
    assert [each["up"] for each in await levers.pull("GET", "/instances")] == [True, True]


async def test_places_and_keys_change(levers: Levers) -> None:
    places = levers.world.core.subscribers.places
    assert await levers.pull("PUT", f"/places/{IMSI}", {"network": "208-01"}) is None
    assert places == {IMSI: Place(mcc="208", mnc="01")}
    content = {"network": "208-01", "since": 1.5, "purged": True}
    assert await levers.pull("PUT", f"/places/{IMSI}", content) is None
    assert places == {IMSI: Place(mcc="208", mnc="01", since=1.5, purged=True)}
    assert await levers.pull("PUT", f"/places/{IMSI}", {"network": ""}) is None
    assert places == {IMSI: None}
    assert await levers.pull("POST", "/nrf/new-key", {}) is None


@pytest.mark.parametrize(
    ("method", "path", "content", "status"),
    [
        ("PUT", "/fault", {"fault": "tired"}, 400),
        ("PUT", "/fault", {"fault": "busy", "tims": 1}, 400),
        ("PUT", "/instances/2", {}, 404),
        ("PUT", "/instances/0", {"load": 101}, 400),
        ("PUT", f"/places/{IMSI}", {"network": "home"}, 400),
        ("GET", "/nothing", None, 404),
    ],
)
async def test_what_cannot_be_done_is_said(
    levers: Levers, method: str, path: str, content: Any, status: int
) -> None:
    assert await levers.pull(method, path, content) == status
    assert levers.world.core.plan is None


async def test_a_page_in_a_browser_can_pull_no_lever(levers: Levers) -> None:
    body = b'{"fault": "busy"}'
    told = await levers.client.exchange("PUT", "/fault", (), body=body)
    assert told.status == 415


# --- its command --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("--certificate", "nothing.pem", "--key", "nothing.pem"), "No such file"),
        (("--sim", "nothing.toml"), "nothing.toml: No such file"),
        (("--at", "joe"), "--at joe: must be IMSI=NETWORK"),
        (("--at", f"{IMSI}=home"), "'home' is no network"),
    ],
)
def test_what_makes_no_sense_is_refused(options: tuple[str, ...], problem: str) -> None:
    ran = CliRunner().invoke(app, ["sim", "udm", "--port", "0", *options])
    assert ran.exit_code == 2
    assert problem in " ".join(ran.output.split())


@pytest.mark.parametrize("oauth2", [False, True])
@pytest.mark.parametrize("ask", list(Operation))
def test_the_settings_that_it_prints_are_those_of_a_server(
    ask: Operation, oauth2: bool, tmp_path: Path
) -> None:
    file = tmp_path / "simgrant.toml"
    file.write_text(settings_for(ask, nrf="http://127.0.0.1:7777", oauth2=oauth2))
    ((_, table),) = producers_of(load(file, {}).settings)
    assert operation_of(table) is ask
    assert table.oauth2 is oauth2
