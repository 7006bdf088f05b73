"""What is asked of a BSS and what the simulated one answers, held against TM Forum's definitions.

Both as they went over the wire. Of TMF640, TMF673 and TMF679 there are no files: what is asked
there is held against what is known of them.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator

import pytest

from simgrant.adapters.address import tmf as address
from simgrant.adapters.bss.tmf import activation, offers, qualification
from simgrant.adapters.bss.tmf.lookups import TmfLookups
from simgrant.adapters.bss.tmf.orders import Config, TmfOrders
from simgrant.domain.address import CivicAddress
from simgrant.domain.eligibility import Aspect
from simgrant.domain.order import Kind, OrderState
from simgrant.errors import EcsError
from simgrant.ports.eligibility import Prospect
from simgrant.sim.bss.faults import Fault, Plan
from simgrant.sim.bss.server import Bss, Seen
from simgrant.sim.http import HttpClient, Url
from simgrant.wire.tmf.apis import Api
from simgrant.wire.tmf.inventory import ServiceState
from tests.clocks import MachineClock
from tests.conformance.test_bss_orders import wanted
from tests.swagger import Swagger
from tests.tmf import ALL, PRODUCTS, WHO, link_to, more, running, soon

NUMBERS = {
    Api.OFFERING: "620",
    Api.ORDER: "622",
    Api.PRODUCT: "637",
    Api.SERVICE: "638",
    Api.RESOURCE: "639",
}
EVERYTHING = frozenset(Aspect)


@pytest.fixture
async def bss() -> AsyncIterator[Bss]:
    async with running() as found:
        yield found


def hold(seen: Seen) -> None:
    """Hold a request and its answer against the file of their API."""
    assert seen.api is not None
    api = Swagger(NUMBERS[seen.api])
    api.request(seen.method, seen.target, seen.headers, seen.body)
    headers = dict(seen.answer.headers)
    api.response(seen.method, seen.target, seen.answer.status, headers, seen.answer.body)


def held(bss: Bss) -> set[tuple[str, str]]:
    """Hold all that came and was answered; return what of it there was."""
    for seen in bss.seen:
        hold(seen)
    return {(seen.method, seen.resource) for seen in bss.seen}


async def test_look_ups(bss: Bss) -> None:
    for line in bss.lines:
        line.options |= {"vowifi"}
        line.network = "26201"
    lookups = TmfLookups(link_to(bss.web.url), (more(PRODUCTS, page=1), *ALL[1:]), MachineClock())
    assert await lookups.look_up(WHO, EVERYTHING, deadline=soon()) is not None
    await lookups.close()
    assert held(bss) == {("GET", "product"), ("GET", "service"), ("GET", "resource")}
    assert len(bss.seen) == 4, "the products were on two pages"


async def test_orders(bss: Bss) -> None:
    config = Config(path=Api.ORDER, patience_s=0.2, poll_s=0.01)
    orders = TmfOrders(link_to(bss.web.url), config, MachineClock())
    bss.orders.left = 2
    found = await orders.order("1", wanted(WHO.imsi, plan="gold"), deadline=soon())
    assert found is not None
    about = wanted(WHO.imsi, iccid=found.iccid, state=OrderState.ACTIVE, version=4)
    await orders.changed("2", about, deadline=soon())
    await orders.cancel("3", about, deadline=soon())
    bss.orders.left = -1
    other = wanted(WHO.imsi, 2)
    assert await orders.order("4", other, deadline=soon()) is None
    assert await orders.cancel("5", other, deadline=soon())
    await orders.close()
    assert held(bss) == {
        ("GET", "productOrder"),
        ("POST", "productOrder"),
        ("POST", "cancelProductOrder"),
    }
    assert {json.loads(each.body)["productOrderItem"][0]["action"] for each in bss.seen
            if (each.method, each.resource) == ("POST", "productOrder")} == {
        "add", "modify", "delete",
    }  # fmt: skip


async def test_offers(bss: Bss) -> None:
    config = offers.Config(path=Api.OFFERING, filters=[("category.id", "plans")])
    catalogue = offers.TmfOffers(link_to(bss.web.url), config, MachineClock())
    assert await catalogue.offers(deadline=soon())
    await catalogue.close()
    assert held(bss) == {("GET", "productOffering")}


async def test_what_there_are_no_definitions_of_is_as_it_is_known(bss: Bss) -> None:
    """TMF640, TMF673 and TMF679: paths, verbs and the members that are mandatory."""
    link = link_to(bss.web.url)
    bss.network.left = 1
    network = activation.TmfActivation(
        link, activation.Config(path=Api.ACTIVATION, poll_s=0.01), MachineClock()
    )
    line = bss.lines.find(imsi=WHO.imsi.digits)
    assert line is not None
    line.vowifi = ServiceState.TERMINATED
    await network.switch(WHO, on=True, deadline=soon())
    await network.switch(WHO, on=False, deadline=soon())
    judge = qualification.TmfJudge(
        link, (), qualification.Config(path=Api.QUALIFICATION), MachineClock()
    )
    await judge.qualify(WHO, Prospect(app_id="ap2006", kind=Kind.SUBSCRIBE), deadline=soon())
    validator = address.open_validator(
        link, address.Config(path=Api.ADDRESS, countries={"DE": "Deutschland"})
    )
    await validator.check(CivicAddress(country="DE", street="a", city="b"), deadline=soon())
    await link.close()
    base = "/tmf-api/ServiceActivationAndConfiguration/v4"
    changed = {"POST": f"{base}/service", "PATCH": f"{base}/service/vowifi-{WHO.imsi.digits}"}
    seen = {(each.method, each.target.partition("?")[0]): each for each in bss.seen}
    created = json.loads(seen["POST", changed["POST"]].body)
    assert {"state", "serviceSpecification"} <= created.keys()
    assert json.loads(seen["PATCH", changed["PATCH"]].body) == {"state": "inactive"}
    answers = [each.answer for each in bss.seen if each.method in changed and each.api in
               (Api.ACTIVATION,)]  # fmt: skip
    assert {each.status for each in answers} == {202}
    monitors = [dict(each.headers)["location"] for each in answers]
    assert [each for each in monitors if f"{base}/monitor/" not in each] == []
    assert {target.rpartition("/")[0] for method, target in seen if "monitor" in target} == {
        f"{base}/monitor"
    }
    asked = seen[
        "POST", "/tmf-api/productOfferingQualification/v4/checkProductOfferingQualification"
    ]
    assert "checkProductOfferingQualificationItem" in json.loads(asked.body)
    asked = seen["POST", "/tmf-api/geographicAddressManagement/v4/geographicAddressValidation"]
    assert json.loads(asked.body).keys() == {"provideAlternative", "submittedGeographicAddress"}


@pytest.mark.parametrize("status", [400, 401, 404, 405, 409, 500])
async def test_refusals(bss: Bss, status: int) -> None:
    bss.plan = Plan(fault=Fault.STATUS, status=status)
    lookups = TmfLookups(link_to(bss.web.url), ALL, MachineClock())
    with contextlib.suppress(EcsError):
        await lookups.look_up(WHO, EVERYTHING, deadline=soon())
    await lookups.close()
    for seen in bss.seen:
        hold(seen)


@pytest.mark.parametrize("api", [Api.PRODUCT, Api.SERVICE, Api.RESOURCE, Api.ORDER, Api.OFFERING])
async def test_hubs(bss: Bss, api: Api) -> None:
    client = HttpClient(Url.parse(bss.web.url))
    headers = (("Content-Type", "application/json"),)
    callback = json.dumps({"callback": "http://127.0.0.1:9/tmf", "query": "eventType=X"}).encode()
    made = await client.exchange("POST", f"{api}/hub", headers, body=callback)
    again = await client.exchange("POST", f"{api}/hub", headers, body=callback)
    gone = await client.exchange("DELETE", f"{api}/hub/{json.loads(made.body)['id']}", headers)
    nobody = await client.exchange("DELETE", f"{api}/hub/nobody", headers)
    await client.aclose()
    assert [each.status for each in (made, again, gone, nobody)] == [201, 409, 204, 404]
    held(bss)


async def test_one_of_a_list(bss: Bss) -> None:
    client, line = HttpClient(Url.parse(bss.web.url)), next(iter(bss.lines))
    found = {
        Api.PRODUCT: line.products(""),
        Api.SERVICE: line.services(""),
        Api.RESOURCE: line.resources(""),
    }
    for api, (document, *_) in found.items():
        target = f"{api}/{api.name.lower()}/{document['id']}?fields=id,name"
        assert (await client.exchange("GET", target, ())).status == 200
    await client.exchange("GET", f"{Api.OFFERING}/productOffering?category.id=plans", ())
    await client.exchange("GET", f"{Api.OFFERING}/productOffering/premium", ())
    await client.aclose()
    assert len(held(bss)) == 4


@pytest.mark.parametrize(
    ("api", "event_type"),
    [
        (Api.PRODUCT, "ProductCreateEvent"),
        (Api.PRODUCT, "ProductAttributeValueChangeEvent"),
        (Api.PRODUCT, "ProductStateChangeEvent"),
        (Api.SERVICE, "ServiceStateChangeEvent"),
        (Api.RESOURCE, "ResourceAttributeValueChangeEvent"),
    ],
)
async def test_events(bss: Bss, api: Api, event_type: str) -> None:
    bss.announce_line(api, event_type, next(iter(bss.lines)))
    Swagger(NUMBERS[api]).event(bss.hubs.events[-1], event_type)


async def test_events_of_orders(bss: Bss) -> None:
    orders = TmfOrders(link_to(bss.web.url), Config(path=Api.ORDER), MachineClock())
    await orders.order("1", wanted(WHO.imsi), deadline=soon())
    await orders.close()
    assert [each["eventType"] for each in bss.hubs.events] == [
        "ProductOrderCreateEvent",
        "ProductOrderStateChangeEvent",
    ]
    for each in bss.hubs.events:
        Swagger("622").event(each, each["eventType"])
