"""The simulated BSS: its levers, whom it tells, and what it wants to know of who asks."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from simgrant.sim.bss.control import Control
from simgrant.sim.bss.server import Bss
from simgrant.sim.http import HttpClient, Url
from simgrant.sim.web import Answer, Request, WebServer
from simgrant.wire.tmf.apis import Api
from simgrant.wire.tmf_events import TmfEvent, pull_event
from tests.tmf import SIMS

IMSI = SIMS[0].imsi.digits
JSON = (("Content-Type", "application/json"),)


class Listener:
    """Somebody who is told, and takes what he is told unless he is to refuse it first."""

    def __init__(self) -> None:
        self.web = WebServer(self._answer, None)
        self.told: list[tuple[str, dict[str, Any], dict[str, str]]] = []
        self.refusals: list[int] = []

    def _answer(self, request: Request) -> Answer:
        if self.refusals:
            return Answer(self.refusals.pop(0))
        self.told.append((request.target, json.loads(request.body), request.headers))
        return Answer(204)

    @property
    def types(self) -> list[str]:
        return [event["eventType"] for _, event, _ in self.told]


@pytest.fixture
async def bss() -> AsyncIterator[Bss]:
    found = Bss(SIMS, callback_token="t0ken")
    await found.up()
    yield found
    await found.down()


@pytest.fixture
async def levers(bss: Bss) -> AsyncIterator[HttpClient]:
    control = Control(bss, clock=lambda: 1_700_000_000.0)
    await control.web.up()
    client = HttpClient(Url.parse(control.web.url))
    yield client
    await client.aclose()
    await control.web.down()


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    found = Listener()
    await found.web.up()
    yield found
    await found.web.down()


async def pull(levers: HttpClient, method: str, path: str, content: object = None) -> Any:
    body = None if content is None else json.dumps(content).encode()
    answer = await levers.exchange(method, path, JSON, body=body)
    assert answer.status == 200, answer.body
    return json.loads(answer.body)


async def ask(bss: Bss, target: str, headers: tuple[tuple[str, str], ...] = ()) -> Any:
    client = HttpClient(Url.parse(bss.web.url))
    answer = await client.exchange("GET", target, headers)
    await client.aclose()
    return answer


# --- lines and events -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "types"),
    [
        ({"plan": "premium"}, ["ProductAttributeValueChangeEvent"]),
        ({"state": "suspended"}, ["ProductStateChangeEvent"]),
        ({"options": ["vowifi"]}, ["ProductCreateEvent"]),
        ({"terms": "missing"}, ["ProductAttributeValueChangeEvent"]),
        ({"vowifi": "inactive"}, ["ServiceStateChangeEvent"]),
        ({"iccid": "8988000000000000019"}, ["ResourceAttributeValueChangeEvent"]),
        (
            {"msisdn": "447700900999"},
            ["ProductAttributeValueChangeEvent", "ResourceAttributeValueChangeEvent"],
        ),
        ({"plan": "premium", "silent": True}, []),
        ({"plan": "standard"}, []),
    ],
)
async def test_a_change_is_told(
    bss: Bss,
    levers: HttpClient,
    listener: Listener,
    changes: dict[str, Any],
    types: list[str],
) -> None:
    await pull(levers, "POST", "/hubs", {"callback": f"{listener.web.url}/tmf"})
    shown = await pull(levers, "PUT", f"/lines/{IMSI}", changes)
    assert {name: shown[name] for name in changes if name != "silent"} == {
        name: value for name, value in changes.items() if name != "silent"
    }
    await bss.hubs.told()
    assert listener.types == types
    for target, event, headers in listener.told:
        assert target == "/tmf"
        assert headers["authorization"] == "Bearer t0ken"
        assert len(event["eventId"]) == 32
    assert [each["eventType"] for each in await pull(levers, "GET", "/events")] == types


async def test_an_option_that_ends_is_a_product_that_ends(
    bss: Bss, levers: HttpClient, listener: Listener
) -> None:
    await pull(levers, "PUT", f"/lines/{IMSI}", {"options": ["vowifi"], "silent": True})
    bss.hubs.register(Api.PRODUCT, listener.web.url)
    await pull(levers, "PUT", f"/lines/{IMSI}", {"options": []})
    await bss.hubs.told()
    ((target, event, _),) = listener.told
    assert target == "/listener/productStateChangeEvent"
    assert event["event"]["product"]["status"] == "terminated"
    assert event["event"]["product"]["productOffering"]["id"] == "vowifi"


async def test_a_new_sim_is_since_now_and_a_new_imsi_another_line(
    bss: Bss, levers: HttpClient
) -> None:
    new = "001010000000077"
    shown = await pull(levers, "PUT", f"/lines/{IMSI}", {"imsi": new})
    assert shown["sim_since"] == 1_700_000_000
    assert bss.lines.find(imsi=IMSI) is None
    assert bss.lines.find(imsi=new) is not None
    taken = json.dumps({"imsi": SIMS[1].imsi.digits}).encode()
    answer = await levers.exchange("PUT", f"/lines/{new}", JSON, body=taken)
    assert answer.status == 400


async def test_hubs_are_told_what_they_want(bss: Bss, listener: Listener) -> None:
    line = next(iter(bss.lines))
    bss.hubs.register(Api.SERVICE, f"{listener.web.url}/services")
    bss.hubs.register(
        Api.PRODUCT, f"{listener.web.url}/states", query="eventType=ProductStateChangeEvent"
    )
    bss.announce_line(Api.PRODUCT, "ProductCreateEvent", line)
    bss.announce_line(Api.PRODUCT, "ProductStateChangeEvent", line)
    bss.announce_line(Api.SERVICE, "ServiceStateChangeEvent", line)
    await bss.hubs.told()
    assert sorted(target for target, _, _ in listener.told) == [
        "/services/listener/serviceStateChangeEvent",
        "/states/listener/productStateChangeEvent",
    ]


@pytest.mark.parametrize(("refusals", "told"), [([503, 500], 1), ([429], 1), ([400], 0)])
async def test_what_is_not_taken_is_brought_again(
    bss: Bss, listener: Listener, refusals: list[int], told: int
) -> None:
    listener.refusals = refusals
    hub = bss.hubs.register(Api.EVENT, listener.web.url)
    bss.announce_line(Api.PRODUCT, "ProductStateChangeEvent", next(iter(bss.lines)))
    await bss.hubs.told()
    assert (hub.told, hub.left, len(listener.told)) == (told, 1 - told, told)


async def test_everything_may_be_told_twice_and_anything(
    bss: Bss, levers: HttpClient, listener: Listener
) -> None:
    await pull(levers, "POST", "/hubs", {"callback": listener.web.url, "api": "event"})
    await pull(levers, "PUT", "/events", {"twice": True})
    await pull(levers, "POST", "/events", {"eventType": "Odd", "what": [1]})
    await bss.hubs.told()
    assert [event for _, event, _ in listener.told] == [{"eventType": "Odd", "what": [1]}] * 2
    assert (await pull(levers, "GET", "/hubs"))[0]["told"] == 2


async def test_a_topic_has_hubs_of_its_own(bss: Bss, listener: Listener) -> None:
    client = HttpClient(Url.parse(bss.web.url))
    body = json.dumps({"callback": listener.web.url}).encode()
    made = await client.exchange("POST", f"{Api.EVENT}/topic/all/hub", JSON, body=body)
    assert made.status == 201
    id_ = json.loads(made.body)["id"]
    gone = await client.exchange("DELETE", f"{Api.EVENT}/topic/all/hub/{id_}", JSON)
    await client.aclose()
    assert gone.status == 204
    assert not bss.hubs.hubs


# --- other levers -----------------------------------------------------------------------------


async def test_a_fault_is_set_shown_and_ended(bss: Bss, levers: HttpClient) -> None:
    target = f"{Api.PRODUCT}/product"
    shown = await pull(levers, "PUT", "/fault", {"fault": "status", "status": 502, "times": 1})
    assert shown["fault"] == "status"
    assert (await ask(bss, target)).status == 502
    assert (await ask(bss, target)).status == 200
    await pull(levers, "PUT", "/fault", {"fault": "flapping", "run": 2})
    assert [(await ask(bss, target)).status for _ in range(6)] == [503, 503, 200, 200, 503, 503]
    assert await pull(levers, "DELETE", "/fault") is None
    assert (await ask(bss, target)).status == 200
    shown = await pull(levers, "GET", "/requests")
    assert [each["status"] for each in shown][:2] == [502, 200]
    assert IMSI not in json.dumps(shown)


async def test_it_goes_down_and_comes_up_again(bss: Bss, levers: HttpClient) -> None:
    assert await pull(levers, "PUT", "/server", {"up": False}) == {"up": False}
    assert bss.web.is_down
    assert await pull(levers, "PUT", "/server", {"up": True}) == {"up": True}
    assert (await ask(bss, f"{Api.PRODUCT}/product")).status == 200


async def test_orders_network_and_addresses_have_levers(bss: Bss, levers: HttpClient) -> None:
    await pull(levers, "PUT", "/orders", {"after": -1, "refuses": True})
    await pull(levers, "PUT", "/network", {"after": 2, "fails": True})
    await pull(levers, "PUT", "/addresses", {"later": True})
    await pull(levers, "PUT", f"/lines/{IMSI}/qualification", {"why": "because"})
    assert (bss.orders.left, bss.orders.refuses) == (-1, True)
    assert (bss.network.left, bss.network.fails) == (2, True)
    assert bss.addresses.later
    assert bss.market.unqualified == {IMSI: "because"}
    assert await pull(levers, "GET", "/orders") == []
    unknown = await levers.exchange("PUT", "/orders/x", JSON, body=b'{"state": "completed"}')
    assert unknown.status == 400


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("PUT", "/fault", b'{"fault": "none of these"}', 400),
        ("PUT", "/fault", b"{", 400),
        ("PUT", f"/lines/{IMSI}", b'{"iccid": "12"}', 400),
        ("PUT", "/lines/1", b"{}", 404),
        ("POST", "/hubs", b'{"callback": "ftp://x"}', 400),
        ("POST", "/hubs", b'{"callback": "http://127.0.0.1:9", "api": "x"}', 400),
        ("GET", "/nothing", None, 404),
        ("PUT", "/nothing", b"{}", 404),
    ],
)
async def test_what_cannot_be_done_is_said(
    levers: HttpClient, method: str, path: str, body: bytes | None, status: int
) -> None:
    assert (await levers.exchange(method, path, JSON, body=body)).status == status


async def test_a_form_of_a_page_pulls_no_lever(levers: HttpClient) -> None:
    headers = (("Content-Type", "text/plain"),)
    answer = await levers.exchange("PUT", "/server", headers, body=b'{"up": false}')
    assert answer.status == 415


# --- tokens -----------------------------------------------------------------------------------


async def test_a_token_is_wanted_where_there_is_a_client() -> None:
    bss = Bss(SIMS, client=("ecs", "s3cret"))
    await bss.up()
    client = HttpClient(Url.parse(bss.web.url))
    form = (("Content-Type", "application/x-www-form-urlencoded"),)
    body = b"grant_type=client_credentials&client_id=ecs&client_secret="
    target = f"{Api.PRODUCT}/product?limit=1"
    assert (await client.exchange("GET", target, ())).status == 401
    assert (await client.exchange("POST", "/token", form, body=body + b"no")).status == 401
    assert (await client.exchange("POST", "/token", form, body=b"grant_type=x")).status == 400
    granted = await client.exchange("POST", "/token", form, body=body + b"s3cret")
    token = json.loads(granted.body)["access_token"]
    bearer = (("Authorization", f"Bearer {token}"),)
    assert (await client.exchange("GET", target, bearer)).status == 200
    bss.revoke()
    assert (await client.exchange("GET", target, bearer)).status == 401
    await client.aclose()
    await bss.down()


# --- lists ------------------------------------------------------------------------------------


async def test_lists_are_filtered_selected_and_paged(bss: Bss) -> None:
    line = next(iter(bss.lines))
    line.options = {"vowifi"}
    target = f"{Api.PRODUCT}/product?productCharacteristic.value={line.msisdn}&fields=status"
    answer = await ask(bss, f"{target}&limit=1&offset=1")
    (found,) = json.loads(answer.body)
    assert found.keys() == {"id", "href", "status"}
    assert found["id"].endswith("vowifi")
    assert (answer.first("x-total-count"), answer.first("x-result-count")) == ("2", "1")
    assert json.loads((await ask(bss, f"{target}&status=suspended,terminated")).body) == []
    assert (await ask(bss, f"{target}&limit=x")).status == 400
    assert (await ask(bss, f"{Api.PRODUCT}/product/nobody")).status == 404
    assert (await ask(bss, "/tmf-api/other/v4/thing")).status == 404


async def test_a_slow_answer_keeps_nobody_else_waiting(bss: Bss, levers: HttpClient) -> None:
    await pull(levers, "PUT", "/fault", {"fault": "slow", "delay_s": 30, "times": 1})
    slow = asyncio.create_task(ask(bss, f"{Api.PRODUCT}/product"))
    await bss.changed.wait()
    assert (await ask(bss, f"{Api.PRODUCT}/product")).status == 200
    slow.cancel()
    await asyncio.gather(slow, return_exceptions=True)


async def test_what_is_told_is_what_the_server_reads(bss: Bss) -> None:
    line = next(iter(bss.lines))
    for api, event_type in (
        (Api.PRODUCT, "ProductStateChangeEvent"),
        (Api.SERVICE, "ServiceStateChangeEvent"),
        (Api.RESOURCE, "ResourceAttributeValueChangeEvent"),
    ):
        bss.announce_line(api, event_type, line)
        event = bss.hubs.events[-1]
        read = pull_event(json.dumps(event).encode())
        assert isinstance(read, TmfEvent)
        assert (read.event_id, read.event_type) == (event["eventId"], event_type)
        assert read.at is not None
        (thing,) = read.things
        assert thing.value(["imsi"]) == line.imsi
        assert thing.value(["msisdn"]) == line.msisdn
        assert thing.state in ("active", "available")
