"""Systems that ask by themselves: by access_token, then by TOKEN (TS.43 §2.8.3, §10).

An operation of the test's own stands for those of ap2011, which have tests of their own.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from simgrant.compose import partners
from simgrant.compose import server as compose
from simgrant.flows.operations import OPERATIONS, collect
from simgrant.flows.operations.operation import (
    Done,
    Means,
    Refused,
    RequestorTask,
    read_table,
)
from simgrant.wire.document import Parm
from tests.device.harness import JSON, Answer, Phone, Request, Server, Workbench
from tests.jwts import EcSigner

ISSUER, AUDIENCE = "https://login.example.net", "https://ecs.example.net"
APP = "ap2011"
SETTINGS = f"""
[tokens]
requestor_life_s = 600
[issuers.login]
issuer = "{ISSUER}"
audience = "{AUDIENCE}"
jwks = "login.json"
[partners.fleet]
requestor_ids = ["Fleet-1", "fleet-2"]
client_ids = ["fleet"]
operations = ["CountDevices"]
enterprises = ["ACME"]
[partners.bank]
requestor_ids = ["bank-1"]
client_ids = ["bank"]
[tenants.default]
hosts = ["red.example.net"]
plmns = ["001-01"]
[tenants.blue]
hosts = ["blue.example.net"]
plmns = ["999-99"]
"""
TABLE = """
name = "CountDevices"
section = "10.1"
since = "9.0"
required = ["plan_id"]
[proofs]
ap2011 = ["requestor"]
[parm.Whose]
section = "10.1"
presence = "mandatory"
meaning = "who asks, and for whom"
"""


async def count(task: RequestorTask, _means: Means) -> Done | Refused:
    who = task.requestor
    said = (who.partner.name, who.client_id, who.requestor_id, who.enterprise_id)
    return Done((Parm("Whose", " ".join(said)),))


@dataclass
class World:
    """A server, and a system that has an access token."""

    server: Server
    bench: Workbench
    login: EcSigner

    def access(self, client: str = "fleet", **claims: Any) -> str:
        now = int(self.bench.clock.now())
        usual = {"iss": ISSUER, "aud": AUDIENCE, "client_id": client, "exp": now + 60}
        return self.login.sign(usual | claims)

    async def ask(self, **parameters: str) -> Answer:
        usual = {
            "app": APP,
            "requestor_id": "fleet-1",
            "entitlement_version": "12.0",
            "terminal_vendor": "v",
            "terminal_model": "m",
            "terminal_sw_version": "s",
        }
        members = {name: text for name, text in (usual | parameters).items() if text}
        host = members.pop("host", "red.example.net")
        headers = [("content-type", JSON), ("accept", JSON), ("host", host)]
        return await self.server.send(Request("POST", b"", headers, json.dumps(members).encode()))

    async def token(self, **parameters: str) -> str:
        answer = await self.ask(access_token=self.access(), **parameters)
        return str(answer.object["Token"]["token"])

    async def outcome(self) -> str:
        return str((await self.server.records())[-1]["outcome"])


@asynccontextmanager
async def opened(bench: Workbench, settings: str = SETTINGS) -> AsyncIterator[World]:
    login = EcSigner("k1")
    (bench.directory / "login.json").write_text(json.dumps({"keys": [login.jwk]}))
    async with bench.opened(settings) as server:
        yield World(server, bench, login)


@pytest.fixture
async def world(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    operation = read_table(TABLE, None, name="count_devices.toml", for_requestor=count)
    found = [("ours", each) for each in OPERATIONS.values()]
    operations = collect([*found, ("the test's", operation)])
    for each in (compose, partners):
        monkeypatch.setattr(each, "OPERATIONS", operations)
    async with opened(bench) as made:
        yield made


@pytest.mark.spec("TS.43 §2.8.3")
@pytest.mark.conforms("access.token-bound", "access.later-requests")
async def test_a_system_gets_a_token_and_goes_on_with_that(world: World) -> None:
    answer = await world.ask(
        access_token=world.access(), enterprise_id="ACME", operation="CountDevices", plan_id="p"
    )
    assert answer.object[APP] == {"OperationResult": "1", "Whose": "fleet fleet fleet-1 acme"}
    token = answer.object["Token"]
    assert token["validity"] == "600"
    world.bench.clock.advance(500)
    later = await world.ask(token=token["token"], operation="countdevices", plan_id="p")
    assert later.object[APP] == {"OperationResult": "1", "Whose": "fleet fleet fleet-1 acme"}
    assert later.object["Token"] == {"token": token["token"], "validity": "100"}
    record = (await world.server.records())[-1]
    assert (record["leg"], record["operation"]) == ("requestor_token", "CountDevices")
    assert record["requestor"] == "fleet/acme"
    assert world.server.store.asked == [], "nobody's subscription was looked at"


@pytest.mark.conforms("access.expired-511")
async def test_a_token_that_is_over_is_511(world: World) -> None:
    token = await world.token()
    world.bench.clock.advance(599)
    assert (await world.ask(token=token)).status == 200
    world.bench.clock.advance(1)
    assert (await world.ask(token=token)).status == 511
    assert await world.outcome() == "requestor_token_expired"
    assert (await world.ask(access_token=world.access())).status == 200


@pytest.mark.conforms("access.token-bound")
async def test_a_token_is_bound(world: World) -> None:
    token = await world.token(enterprise_id="acme")
    for parameters, status, reason in (
        ({"enterprise_id": "ACME", "requestor_id": "FLEET-1"}, 200, "document"),
        ({"enterprise_id": "other"}, 511, "token_of_another_enterprise"),
        ({"requestor_id": "fleet-2"}, 511, "token_of_another_requestor"),
        ({"requestor_id": ""}, 400, "no_requestor"),
        ({"host": "blue.example.net"}, 511, "of_another_tenant"),
        ({"app": "ap2014"}, 511, "token_broken"),
        ({"app": "ap2004"}, 511, "token_broken"),
        ({"app": "ap2006"}, 511, "token_broken"),
        ({"token": token[:-8] + "AAAAAAAA"}, 511, "requestor_token_broken"),
        ({"token": "A" * 100}, 511, "requestor_token_foreign"),
        ({"token": "x"}, 511, "not_sealed"),
    ):
        answer = await world.ask(**({"token": token} | parameters))
        assert (answer.status, await world.outcome()) == (status, reason), parameters


async def test_a_phones_token_is_no_systems_and_the_other_way_round(world: World) -> None:
    host = "red.example.net"
    phone = Phone(world.server, apps=("ap2014",), host=host)
    assert (await world.ask(token=await phone.token())).status == 511
    assert await world.outcome() == "requestor_token_broken"
    assert (await phone.fast(await world.token())).status == 511
    assert (await world.ask(temporary_token=await world.token(), operation="x")).status == 401


@pytest.mark.spec("TS.43 §2.8.3")
@pytest.mark.parametrize(
    ("client", "claims", "parameters", "status", "reason"),
    [
        ("fleet", {"aud": "x"}, {}, 511, "access_token_bad"),
        ("fleet", {"exp": 1}, {}, 511, "access_token_bad"),
        ("fleet", {"iss": "https://other.example.net"}, {}, 511, "access_token_foreign"),
        ("fleet", {}, {"requestor_id": "bank-1"}, 403, "requestor_unknown"),
        ("fleet", {}, {"requestor_id": "nobody"}, 403, "requestor_unknown"),
        ("bank", {}, {}, 403, "requestor_unknown"),
        ("nobody", {}, {}, 403, "requestor_unknown"),
        ("fleet", {}, {"enterprise_id": "globex"}, 403, "enterprise_not_of_requestor"),
        (
            "bank",
            {},
            {"requestor_id": "bank-1", "enterprise_id": "acme"},
            403,
            "enterprise_not_of_requestor",
        ),
        ("fleet", {}, {"requestor_id": ""}, 400, "no_requestor"),
        ("fleet", {}, {"requestor_id": "x" * 129}, 400, "parameter_too_long"),
        ("fleet", {}, {"enterprise_id": "x" * 129}, 400, "parameter_too_long"),
        ("bank", {}, {"requestor_id": "bank-1"}, 403, "operation_not_of_requestor"),
    ],
)
async def test_who_proves_himself_badly_gets_nothing(
    world: World,
    client: str,
    claims: dict[str, Any],
    parameters: dict[str, str],
    status: int,
    reason: str,
) -> None:
    operation = {"operation": "CountDevices", "plan_id": "p"}
    answer = await world.ask(
        access_token=world.access(client, **claims), **(operation | parameters)
    )
    assert (answer.status, await world.outcome()) == (status, reason)
    known = {"enterprise_not_of_requestor", "operation_not_of_requestor"} & {reason}
    record = (await world.server.records())[-1]
    assert record.get("requestor", "") == (client if known else "")
    assert b"token" not in answer.content.lower()


async def test_what_a_system_asks_for_is_checked_against_the_table(world: World) -> None:
    for parameters, result in (
        ({"operation": "CountDevices"}, "102"),
        ({"operation": "GetPhoneNumber"}, "101"),
        ({"operation": "NoSuchThing"}, "101"),
        ({}, "1"),
    ):
        answer = await world.ask(access_token=world.access(), **parameters)
        assert answer.object[APP] == {"OperationResult": result}
        assert answer.object["Token"]["token"]


async def test_an_operation_for_systems_is_for_nobody_else(world: World) -> None:
    """Neither for a SIM, nor beside another application, nor without a proof."""
    phone = Phone(world.server, apps=(APP,), host="red.example.net")
    assert (await phone.begin()).status == 400
    for parameters, status in (
        ({"app": "ap2014,ap2011", "access_token": world.access()}, 511),
        ({"app": APP}, 511),
        ({"app": "ap2014", "access_token": world.access()}, 511),
    ):
        answer = await world.ask(operation="CountDevices", plan_id="p", **parameters)
        assert answer.status == status, parameters


async def test_whoever_is_taken_out_of_the_settings_is_out(bench: Workbench) -> None:
    async with opened(bench, SETTINGS.replace("CountDevices", "AcquirePlan")) as world:
        token = await world.token()
        assert (await world.ask(token=token)).status == 200
        of_acme = await world.token(enterprise_id="acme")
    without = SETTINGS.replace("CountDevices", "AcquirePlan").replace("Fleet-1", "fleet-3")
    async with opened(bench, without) as world:
        assert (await world.ask(token=token)).status == 403
    without = SETTINGS.replace("CountDevices", "AcquirePlan").replace("ACME", "globex")
    async with opened(bench, without) as world:
        assert (await world.ask(token=token)).status == 200
        assert (await world.ask(token=of_acme)).status == 403


async def test_without_an_issuer_nobody_is_believed(bench: Workbench) -> None:
    login = EcSigner("k1")
    async with bench.opened("") as server:
        world = World(server, bench, login)
        assert (await world.ask(access_token=world.access())).status == 511


async def test_who_is_refused_time_and_again_has_to_wait(bench: Workbench) -> None:
    more = "[limits]\nrefusals_burst = 2\nrefusals_per_minute = 1\n"
    settings = SETTINGS.replace("CountDevices", "AcquirePlan") + more
    async with opened(bench, settings) as world:
        bad = world.access(aud="x")
        statuses = [(await world.ask(access_token=bad)).status for _ in range(4)]
        assert statuses == [511, 511, 503, 503]
