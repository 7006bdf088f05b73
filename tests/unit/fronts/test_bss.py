"""The listener for events: who may bring them, what is taken over, and what is answered."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgrant.errors import BadLentToken, PeerUnavailable, StartRefused
from simgrant.flows.event_reading import EventReader
from simgrant.flows.issuers import Issuers
from simgrant.fronts.bss.app import Call, EventsFront, Limits
from simgrant.fronts.bss.senders import Sender, Senders
from simgrant.links.certified import CERTIFICATE
from simgrant.ports.issuers import Caller
from simgrant.wire.tmf_events import Happening, Kind, Made, plain_event, tmf_event
from tests.clocks import MachineClock
from tests.event_intake import MemoryIntake

AT = 1_795_000_000
TOKEN, OTHER = "t" * 32, "o" * 32
CERT = b"a certificate"
PLAIN = plain_event("e-1", "plan_changed", at=AT, imsi="001010000000001")
LINE = Made(Kind.PRODUCT, "1", characteristics={"msisdn": "15550100"})
TMF = tmf_event("t-1", LINE, Happening.STATE_CHANGE, at=AT)


class Issuer:
    """Knows tokens that are called as their clients."""

    name, knows_opaque = "https://as", True

    async def caller(self, access_token: str, *, deadline: float) -> Caller:
        del deadline
        if access_token == "away":
            raise PeerUnavailable
        if not access_token.startswith("client-"):
            raise BadLentToken("access_token_bad")
        return Caller(access_token)

    async def close(self) -> None:
        pass


SENDERS = (
    Sender(name="crm", tenant="default", token=lambda: TOKEN),
    Sender(name="esb", tenant="other", token=lambda: OTHER, client_ids=frozenset({"client-esb"})),
    Sender(name="oss", tenant="other", sha256=frozenset({sha256(CERT).hexdigest()})),
)


@dataclass
class World:
    limits: Limits | None = None
    intake: MemoryIntake = field(default_factory=MemoryIntake)
    calls: list[Call] = field(default_factory=list)
    hurried: list[tuple[str, ...]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.front = EventsFront(
            self.intake,
            Senders(SENDERS, issuers=Issuers({"other": [Issuer()]})),
            EventReader(),
            clock=MachineClock(),
            record=self.calls.append,
            limits=self.limits,
            hurry=lambda tenant, orders: self.hurried.append((tenant, *orders)),
        )

    async def post(
        self,
        body: Any,
        *,
        path: str = "/events",
        method: str = "POST",
        authorization: str = f"Bearer {TOKEN}",
        certificate: bytes = b"",
        chunks: int = 1,
        headers: Sequence[tuple[bytes, bytes]] = (),
    ) -> tuple[int, dict[bytes, bytes], bytes]:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        step = max(1, -(-len(data) // chunks))
        parts = [data[at : at + step] for at in range(0, len(data), step)] or [b""]
        proof = [(b"authorization", authorization.encode("latin-1"))] if authorization else []
        scope = {
            "path": path,
            "method": method,
            "headers": [*proof, *headers],
            "state": {CERTIFICATE: certificate},
        }
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        await self.front(scope, receive, send)
        start, rest = sent
        return start["status"], dict(start["headers"]), rest["body"]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/events", PLAIN, 204),
        ("/events", [PLAIN, TMF], 204),
        ("/events", TMF, 204),
        ("/listener/productStateChangeEvent", TMF, 204),
        ("/any/where/v4/listener/productStateChangeEvent", TMF, 204),
        ("/tmf-api/event/v4/event", TMF, 201),
    ],
)
async def test_events_are_taken_over(path: str, body: Any, status: int) -> None:
    world = World()
    answer, _, content = await world.post(body, path=path, chunks=3)
    assert answer == status
    ids = [
        each.get("id", each.get("eventId")) for each in (body if isinstance(body, list) else [body])
    ]
    assert list(world.intake.kept) == [("default", "crm", each) for each in ids]
    assert (content != b"") is (status == 201)
    (call,) = world.calls
    assert (call.sender, call.answer, call.taken, call.aside) == ("crm", status, len(ids), 0)


async def test_the_place_names_the_type_of_an_event_that_does_not() -> None:
    world = World()
    event = {name: value for name, value in TMF.items() if name != "eventType"}
    assert (await world.post(event, path="/listener/productStateChangeEvent"))[0] == 204
    assert (await world.post(event))[0] == 400
    assert [each[3] for each in world.intake.aside] == ["bad_type"]


async def test_the_same_event_may_come_again() -> None:
    world = World()
    for _ in range(3):
        assert (await world.post(PLAIN))[0] == 204
    assert len(world.intake.kept) == 1


@pytest.mark.parametrize(
    ("proof", "name", "tenant"),
    [
        ({"authorization": f"Bearer {TOKEN}"}, "crm", "default"),
        ({"authorization": f"bearer {OTHER}"}, "esb", "other"),
        ({"authorization": "Bearer client-esb"}, "esb", "other"),
        ({"authorization": "", "certificate": CERT}, "oss", "other"),
        ({"authorization": "Bearer wrong", "certificate": CERT}, "oss", "other"),
    ],
)
async def test_each_sender_proves_who_it_is(proof: Any, name: str, tenant: str) -> None:
    world = World()
    assert (await world.post(PLAIN, **proof))[0] == 204
    assert list(world.intake.kept) == [(tenant, name, "e-1")]


@pytest.mark.parametrize(
    "proof",
    [
        {"authorization": ""},
        {"authorization": "Bearer"},
        {"authorization": f"Basic {TOKEN}"},
        {"authorization": f"Bearer {TOKEN}x"},
        {"authorization": "Bearer client-of-nobody"},
        {"authorization": "Bearer \xe9\xff"},
        {"authorization": "", "certificate": b"another"},
    ],
)
async def test_nobody_else_is_told_anything(proof: Any) -> None:
    world = World()
    answer, headers, body = await world.post(PLAIN, path="/no/such/place", **proof)
    assert (answer, body) == (401, b"")
    assert headers[b"www-authenticate"] == b"Bearer"
    assert world.intake.kept == {}
    assert world.intake.aside == []


async def test_who_cannot_be_asked_about_is_told_to_come_again() -> None:
    answer, headers, _ = await World().post(PLAIN, authorization="Bearer away")
    assert (answer, headers[b"retry-after"]) == (503, b"5")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"{", "not_json"),
        (b"", "not_json"),
        (b'{"a":' * 100_000, "not_json"),
        (PLAIN | {"change": "nothing"}, "unknown_change"),
        ([PLAIN] * 1001, "too_many"),
    ],
    ids=["cut", "empty", "deep", "change", "many"],
)
async def test_what_cannot_be_read_is_set_aside_and_not_to_be_repeated(
    body: Any, reason: str
) -> None:
    world = World()
    answer, _, content = await world.post(body)
    assert answer == 400
    assert json.loads(content)["code"] == reason
    assert world.intake.kept == {}
    assert [each[3] for each in world.intake.aside] == [reason]


async def test_of_a_list_the_rest_is_kept() -> None:
    world = World()
    answer, _, content = await world.post([PLAIN, {"id": 1}, TMF])
    assert answer == 400
    assert json.loads(content)["message"].startswith("1 ")
    assert len(world.intake.kept) == 2
    assert [each[2] for each in world.intake.aside] == [b'{"id": 1}']
    assert world.calls[0].taken == 2


async def test_each_of_a_list_that_cannot_be_read_is_named() -> None:
    world = World()
    wrong = PLAIN | {"change": "nothing"}
    _, _, content = await world.post([PLAIN, {"id": 1}, TMF, wrong])
    said = json.loads(content)
    assert said["code"] == "no_envelope"
    assert said["errors"] == [
        {"line": 2, "reason": "no_envelope"},
        {"line": 4, "reason": "unknown_change"},
    ]
    assert "more" not in said["message"]
    _, _, content = await world.post([wrong] * 50)
    said = json.loads(content)
    assert [each["line"] for each in said["errors"]] == list(range(1, 21))
    assert said["message"].endswith("30 more than are named here")


async def test_of_nobody_it_is_set_aside_and_done() -> None:
    world = World(intake=MemoryIntake(nobody={"001010000000001"}))
    assert (await world.post(PLAIN))[0] == 204
    assert (world.calls[0].taken, world.calls[0].aside) == (0, 1)


async def test_too_much_is_refused_before_it_is_read() -> None:
    world = World(Limits(most_bytes=1000))
    answer, headers, _ = await world.post(b"x" * 1001, chunks=4)
    assert (answer, headers[b"connection"]) == (413, b"close")
    assert world.intake.aside == []


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("/", "POST", 404),
        ("/listener", "POST", 404),
        ("/listener/", "POST", 404),
        (f"/listener/{'x' * 129}", "POST", 404),
        ("/event", "GET", 405),
        ("/events", "DELETE", 405),
    ],
)
async def test_other_places_are_not_there(path: str, method: str, status: int) -> None:
    assert (await World().post(b"", path=path, method=method))[0] == status


async def test_while_the_store_is_away_senders_come_again() -> None:
    world = World(intake=MemoryIntake(away=True))
    answer, headers, _ = await world.post(PLAIN)
    assert (answer, headers[b"retry-after"]) == (503, b"5")
    assert (await world.post(b"{"))[0] == 503
    world.intake.away = False
    assert (await world.post(PLAIN))[0] == 204


async def test_one_sender_leaves_room_for_the_others() -> None:
    gate = asyncio.Event()
    world = World(Limits(in_flight=4, of_sender=2), MemoryIntake(gate=gate))
    held = [asyncio.create_task(world.post(PLAIN)) for _ in range(2)]
    await asyncio.sleep(0)
    assert (await world.post(PLAIN))[0] == 429
    other = asyncio.create_task(world.post(PLAIN, authorization=f"Bearer {OTHER}"))
    await asyncio.sleep(0)
    held.append(asyncio.create_task(world.post(PLAIN, authorization="", certificate=CERT)))
    await asyncio.sleep(0)
    assert (await world.post(PLAIN))[0] == 503
    gate.set()
    assert [each[0] for each in await asyncio.gather(other, *held)] == [204] * 4


async def test_a_call_has_its_time() -> None:
    world = World(Limits(timeout_s=0.01), MemoryIntake(gate=asyncio.Event()))
    assert (await world.post(PLAIN))[0] == 503
    assert world.calls[0].reason == "timeout"


def test_two_senders_have_two_certificates() -> None:
    twice = [Sender(name=name, tenant="default", sha256=frozenset({"a" * 64})) for name in "ab"]
    with pytest.raises(StartRefused, match=r"event_senders\.b"):
        Senders(twice, issuers=Issuers({}))


@given(st.binary(max_size=300))
def test_whatever_comes_has_an_answer(body: bytes) -> None:
    world = World()
    answer, _, _ = asyncio.run(world.post(body))
    assert answer in (204, 400)
    assert len(world.intake.kept) + len(world.intake.aside) <= 1 or answer == 400


def test_nothing_shows_a_token() -> None:
    shown: Callable[[Any], str] = repr
    assert TOKEN not in shown(SENDERS[0])


async def test_news_of_a_product_order_of_ours_hurry_its_look() -> None:
    world, ours = World(), "0123456789abcdef" * 2
    order = {"id": "7", "externalId": ours, "state": "completed"}
    event = {"eventType": "ProductOrderStateChangeEvent", "event": {"productOrder": order}}
    status, _, _ = await world.post(event, authorization=f"Bearer {TOKEN}")
    assert status == 204
    assert world.hurried[-1] == ("default", ours)
    assert world.intake.aside == []


@pytest.mark.parametrize(
    ("content_type", "binary"),
    [("application/json", True), ("application/cloudevents+json", False)],
)
async def test_in_binary_mode_headers_say_what_the_body_does_not(
    content_type: str, binary: bool
) -> None:
    world = World()
    headers = [
        (b"content-type", content_type.encode()),
        (b"ce-specversion", b"1.0"),
        (b"ce-id", b"c%2D1"),
        (b"ce-type", b"com.example.changed"),
        (b"ce-time", b"2026-11-23T02:40:00Z"),
    ]
    plain = {"change": "plan_changed", "imsi": "001010000000001"}
    status, _, _ = await world.post(plain, headers=headers)
    if not binary:
        # There its body would have to say it.
        assert status == 400
        return
    assert status == 204
    assert [event_id for _, _, event_id in world.intake.kept] == ["c-1"]


async def test_a_consent_is_taken_over_and_half_a_one_set_aside() -> None:
    world = World()
    about = {"client_id": "bank", "purpose": "Fraud", "apis": ["sim-swap"]}
    imsi = "001010000000001"
    word = plain_event("c-1", "consent_withdrawn", at=AT, imsi=imsi, api_consent=about)
    half = plain_event("c-2", "consent_given", at=AT, imsi=imsi, api_consent=about | {"apis": []})
    status, _, content = await world.post([word, half])
    assert (status, json.loads(content)["code"]) == (400, "bad_value")
    ((_, _, event_id),) = world.intake.kept
    ((_, source, raw, reason),) = world.intake.aside
    assert (event_id, source, reason) == ("c-1", "crm", "bad_value")
    assert json.loads(raw) == half
