"""The calls on orders of the management listener: for who has the token, bounded, and true."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simgrant.domain.order import OrderMode, Source, begin
from simgrant.errors import PeerUnavailable
from simgrant.fronts.management.app import ManagementFront
from simgrant.fronts.management.orders import OrderCalls, read_token
from simgrant.identities import Imsi
from tests.databases import make_database
from tests.examples import examples
from tests.unit.flows.orders import IMSI, T, World, an_order, opened

TOKEN = "t" * 32
ICCID = "8944600000000000099"
CODE = "LPA:1$bss.example.net$CODE-1"
WATCH = {"subscription": IMSI.digits, "app": "companion", "eid": "8904" + "9" * 28}


@dataclass
class Client:
    """Whoever calls the listener."""

    world: World
    front: ManagementFront
    token: str = TOKEN

    async def call(
        self, method: str, target: str, content: Any = None, **headers: str
    ) -> tuple[int, Any]:
        body = content if isinstance(content, bytes) else json.dumps(content or {}).encode()
        path, _, query = target.partition("?")
        if not query:
            query = f"tenant={T}"
        given = {"authorization": f"Bearer {self.token}"} | headers
        scope = {
            "method": method,
            "path": path,
            "query_string": query.encode(),
            "headers": [(k.encode(), v.encode()) for k, v in given.items() if v],
        }
        parts = [body[:10], body[10:]]
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            part = parts.pop(0)
            return {"type": "http.request", "body": part, "more_body": bool(parts)}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        await self.front(scope, receive, send)
        assert (b"cache-control", b"no-store") in sent[0]["headers"]
        text = sent[1]["body"]
        return sent[0]["status"], json.loads(text) if text.startswith(b"{") else text

    async def waiting(self) -> list[dict[str, Any]]:
        status, answer = await self.call("GET", f"/orders?tenant={T}&waiting=1")
        assert status == 200
        return list(answer["orders"])


def front(world: World, *, orders: bool = True) -> ManagementFront:
    async def ready() -> str:
        return ""

    calls = OrderCalls(world.store, token=lambda: TOKEN, tenants=[T], clock=world.clock)
    return ManagementFront(
        not_ready=ready,
        metrics=lambda: b"",
        services={},
        version="1",
        orders=calls if orders else None,
    )


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated file to copy."""
    return make_database(tmp_path_factory.mktemp("orders") / "template.sqlite3")


@pytest.fixture
async def client(template: Path) -> AsyncIterator[Client]:
    async with opened(template) as world:
        yield Client(world, front(world))


async def ordered(client: Client, number: int = 1) -> str:
    """Let a device order of the BSS; return the order's id."""
    source = Source("", "watch", pooled=False, mode=OrderMode.BSS)
    order = replace(an_order(pooled=False, number=number), source=source, place=f"eid {number}")
    made = await client.world.ordering().make(
        T, IMSI, begin(order, call_id=f"call-{number}"), instead_of=None
    )
    assert made is not None
    return made.order_id


async def test_a_profile_is_handed_in(client: Client) -> None:
    order_id = await ordered(client)
    (waiting,) = await client.waiting()
    assert (waiting["whose"], waiting["order"], waiting["awaits"]) == (
        IMSI.digits,
        order_id,
        "profile",
    )
    handed = {"iccid": ICCID, "activation_code": CODE}
    for _ in range(2):
        status, answer = await client.call("POST", f"/orders/{order_id}/deliver", handed)
        assert (status, answer["state"], answer["iccid"]) == (200, "released", ICCID)
        assert "CODE-1" not in json.dumps(answer)
    assert await client.waiting() == []
    status, shown = await client.call("GET", f"/orders/{order_id[:31]}")
    assert (status, shown["order"], shown["state"]) == (200, order_id, "released")


async def test_an_order_fails_or_ends_and_is_taken_back(client: Client) -> None:
    first, second = await ordered(client, 1), await ordered(client, 2)
    status, answer = await client.call("POST", f"/orders/{first}/fail", {"reason": "no_credit"})
    assert (status, answer["state"], answer["reason"]) == (200, "ended", "no_credit")
    await client.call(
        "POST", f"/orders/{second}/deliver", {"iccid": ICCID, "smdp_address": "a.example.net"}
    )
    status, answer = await client.call("POST", f"/orders/{second}/returned")
    assert status == 409
    status, answer = await client.call("POST", f"/orders/{second}/end")
    assert (status, answer["todo"]) == (200, "take_back")
    await client.world.until_nothing_is_due()
    assert [each["awaits"] for each in await client.waiting()] == ["return"]
    status, answer = await client.call("POST", f"/orders/{second}/returned")
    assert (status, answer["awaits"]) == (200, None)
    for verb in ("release", "found", "end", "fail"):
        status, answer = await client.call("POST", f"/orders/{second}/{verb}")
        assert (status, list(answer)) == (409, ["error"])


async def test_an_order_of_another_system_is_written_down(client: Client) -> None:
    add = WATCH | {"iccid": ICCID, "activation_code": CODE, "name": "<b>", "service": "DiffNumber"}
    for _ in range(2):
        status, answer = await client.call("POST", "/orders", add)
        assert (status, answer["state"], answer["service"]) == (200, "released", "DiffNumber")
    assert len(await client.world.store.orders.of(T, IMSI)) == 1
    status, answer = await client.call("POST", "/orders", add | {"subscription": "+447700900001"})
    assert status == 200
    status, _ = await client.call("POST", "/orders", add | {"eid": "", "terminal_id": "1"})
    assert status == 409  # Of one profile there is one order.


async def test_pages_follow_one_another(client: Client) -> None:
    ids = [await ordered(client, number) for number in range(1, 4)]
    found, after = [], ""
    for _ in range(4):
        _, answer = await client.call("GET", f"/orders?tenant={T}&limit=1&after={after}")
        found += [each["order"] for each in answer["orders"]]
        after = answer["next"]
        if after is None:
            break
    assert found == ids


@pytest.mark.parametrize(
    ("method", "target", "content", "status"),
    [
        ("GET", "/orders/0", {}, 404),
        ("GET", "/orders/zz", {}, 404),
        ("PUT", "/orders", {}, 405),
        ("GET", "/orders/1/deliver", {}, 405),
        ("POST", "/orders/1/nothing", {}, 404),
        ("POST", "/orders", {}, 400),
        ("POST", "/orders", b"{", 400),
        ("POST", "/orders", b"\xff", 400),
        ("POST", "/orders", b" " * 20_000, 413),
        ("POST", "/orders", WATCH | {"iccid": ICCID}, 400),
        ("POST", "/orders", WATCH | {"iccid": "1", "activation_code": CODE}, 400),
        ("POST", "/orders", WATCH | {"iccid": ICCID, "activation_code": CODE, "more": 1}, 400),
        (
            "POST",
            "/orders",
            WATCH | {"iccid": ICCID, "activation_code": CODE, "eid": "8904"},
            400,
        ),
        (
            "POST",
            "/orders",
            WATCH | {"iccid": ICCID, "activation_code": CODE, "subscription": "1"},
            400,
        ),
        (
            "POST",
            "/orders",
            WATCH | {"iccid": ICCID, "activation_code": CODE, "subscription": "001019999999999"},
            409,
        ),
        ("GET", "/orders?tenant=green", {}, 404),
        ("GET", f"/orders?tenant={T}&limit=0", {}, 400),
        ("GET", f"/orders?tenant={T}&limit=1001", {}, 400),
        ("GET", f"/orders?tenant={T}&limit=x", {}, 400),
        ("GET", f"/orders?tenant={T}&after=x", {}, 400),
        ("GET", f"/orders?tenant={T}&after=WyIwMDEiLCJcdTAwMDAiXQ==", {}, 400),
        ("GET", "/orders?" + "&".join("a=1" for _ in range(9)), {}, 400),
    ],
)
async def test_what_makes_no_sense_is_refused_in_a_sentence(
    client: Client, method: str, target: str, content: Any, status: int
) -> None:
    found, answer = await client.call(method, target, content)
    assert (found, list(answer)) == (status, ["error"])
    assert "CODE-1" not in answer["error"]
    assert await client.world.store.orders.of(T, IMSI) == []


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", f"Bearer {TOKEN}x", f"Basic {TOKEN}", f"Bearer {TOKEN[:-1]}", "é"],
)
async def test_without_the_token_nobody_is_told_anything(
    client: Client, authorization: str
) -> None:
    for method, target in (("GET", "/orders"), ("POST", "/orders"), ("GET", "/orders/1")):
        status, answer = await client.call(method, target, authorization=authorization)
        assert (status, answer) == (401, {"error": "the token is missing or wrong"})


async def test_without_a_token_file_there_are_no_such_calls(client: Client) -> None:
    client.front = front(client.world, orders=False)
    for method, status in (("GET", 404), ("POST", 405)):
        assert (await client.call(method, "/orders"))[0] == status
    assert (await client.call("GET", "/healthz"))[0] == 200


async def test_a_token_that_cannot_be_read_lets_nobody_in(client: Client) -> None:
    def unreadable() -> str:
        raise PeerUnavailable("secret_unreadable")

    calls = OrderCalls(client.world.store, token=unreadable, tenants=[T], clock=client.world.clock)
    client.front._orders = calls
    assert await client.call("GET", "/orders") == (503, {"error": "secret_unreadable"})


@pytest.mark.parametrize("text", [b"", b"short", b"x" * 31, b"x" * 20 + b" " + b"x" * 20, b"\xff"])
def test_a_token_is_long_and_in_one_piece(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"characters|ascii"):
        read_token(text)
    assert read_token(f"{TOKEN}\n".encode()) == TOKEN


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=examples(60))
@given(
    body=st.binary(max_size=200)
    | st.recursive(
        st.none() | st.text(max_size=8) | st.integers(),
        lambda x: st.dictionaries(
            st.sampled_from(["iccid", "activation_code", "app", "eid", "subscription", "x"]), x
        ),
    ).map(lambda x: json.dumps(x).encode())
)
async def test_whatever_is_sent_is_done_or_refused(client: Client, body: bytes) -> None:
    status, answer = await client.call("POST", "/orders", body)
    assert status in (400, 409)
    assert list(answer) == ["error"]
    assert await client.world.store.orders.of(T, Imsi("001010000000001")) == []
