"""The simulated HSS: its levers, and what its command refuses. Its Diameter is tried elsewhere."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from simgrant.cli.app import app
from simgrant.config.load import load
from simgrant.eap.milenage import Milenage
from simgrant.eap.usim import SoftUsim, UsimSuccess, UsimSyncFailure
from simgrant.errors import PeerUnavailable
from simgrant.links.diameter import sctp
from simgrant.links.diameter.peer import State
from simgrant.sim.hss.auc import Auc
from simgrant.sim.hss.command import Interface, settings_for
from simgrant.sim.hss.control import Control
from simgrant.sim.hss.faults import Fault, Plan
from simgrant.sim.http import HttpClient, Url
from simgrant.sim.sims import Algorithm, demo_sims
from simgrant.wire.diameter.base import pull_result
from simgrant.wire.diameter.vectors import Scheme, Wanted
from tests.loopback.links.diameter.world import IMSI, REALM, US, World, world

JSON = (("Content-Type", "application/json"),)


class Levers:
    """An HSS with a peer, and a client of its management interface."""

    def __init__(self, made: World, control: Control) -> None:
        self.world = made
        self.client = HttpClient(Url.parse(control.web.url))

    async def pull(self, method: str, path: str, content: Any = None) -> Any:
        body = None if content is None else json.dumps(content).encode()
        answer = await self.client.exchange(method, path, JSON, body=body)
        assert answer.status == 200, answer.body
        return json.loads(answer.body)

    async def status(self, method: str, path: str, headers: Any = JSON, body: bytes = b"") -> int:
        return (await self.client.exchange(method, path, headers, body=body)).status


@pytest.fixture
async def levers() -> AsyncIterator[Levers]:
    async with world() as made:
        control = Control(made.hss)
        await control.web.up()
        found = Levers(made, control)
        try:
            yield found
        finally:
            await found.client.aclose()
            await control.web.down()


async def test_a_fault_is_switched_on_and_off(levers: Levers) -> None:
    told = await levers.pull("PUT", "/fault", {"fault": "busy", "times": 1})
    assert (told["fault"], told["times"]) == ("busy", 1)
    assert (await levers.world.ask()).result == (0, 3004)
    assert await levers.pull("GET", "/fault") is None
    await levers.pull("PUT", "/fault", {"fault": "result", "vendor": 10415, "code": 5004})
    assert levers.world.hss.plan == Plan(fault=Fault.RESULT, vendor=10415, code=5004)
    assert (await levers.world.ask()).result == (10415, 5004)
    assert await levers.pull("DELETE", "/fault") is None
    assert (await levers.world.ask()).result == (0, 2001)
    seen = await levers.pull("GET", "/requests")
    assert [each["result"].partition(" ")[0] for each in seen] == ["3004", "3GPP", "2001"]
    assert IMSI not in json.dumps(seen)


async def test_it_plays_a_redirect_agent(levers: Levers) -> None:
    where = [f"aaa://hss1.{REALM}"]
    plan = {"fault": "redirect", "to": where, "usage": 6, "seconds": 60}
    await levers.pull("PUT", "/fault", plan)
    with pytest.raises(PeerUnavailable) as raised:
        await levers.world.ask()
    assert f"hss1.{REALM}" in raised.value.for_operator
    (seen,) = await levers.pull("GET", "/requests")
    assert (seen["result"], seen["fault"]) == ("3006 REDIRECT_INDICATION", "redirect")


async def test_peers_are_told_things_and_lose_their_connections(levers: Levers) -> None:
    made = levers.world
    assert await levers.pull("GET", "/peers") == [US.host]
    await levers.pull("POST", "/profile-changed", {"user": IMSI})
    await made.until(lambda: made.hss.told)
    assert pull_result(made.hss.told[0].avps) == (10415, 5001)
    await levers.pull("POST", "/good-bye", {})
    await made.until(lambda: "it said good-bye" in made.reasons())
    await made.until_state(State.OKAY)
    await levers.pull("POST", "/drop", {})
    await made.until_state(State.DOUBTFUL)


async def test_what_cannot_be_done_is_said(levers: Levers) -> None:
    assert await levers.status("PUT", "/fault", body=b'{"fault": "tired"}') == 400
    assert await levers.status("PUT", "/fault", body=b'{"fault": "busy", "tims": 1}') == 400
    assert await levers.status("PUT", "/fault", body=b"\xff") == 400
    assert await levers.status("PUT", "/fault", headers=(), body=b'{"fault": "busy"}') == 415
    assert await levers.status("GET", "/nothing", headers=()) == 415
    assert await levers.status("GET", "/nothing") == 404
    assert levers.world.hss.plan is None


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("--result", "5012"), "--result must look like 0:5012"),
        (("--result", "a:b"), "--result must look like 0:5012"),
        (("--certificate", "nothing.pem", "--key", "nothing.pem"), "No such file"),
        (("--sim", "nothing.toml"), "nothing.toml: No such file"),
        (("--host", "a b"), "--host: 'a b' is no name of a node"),
        (("--realm", ""), "--realm: '' is no name of a node"),
    ],
)
def test_what_makes_no_sense_is_refused(options: tuple[str, ...], problem: str) -> None:
    ran = CliRunner().invoke(app, ["sim", "hss", "--port", "0", *options])
    assert ran.exit_code == 2
    assert problem in " ".join(ran.output.split())


@pytest.mark.parametrize("interface", list(Interface))
def test_the_settings_that_it_prints_are_those_of_a_server(
    interface: Interface, tmp_path: Path
) -> None:
    file = tmp_path / "simgrant.toml"
    file.write_text(
        settings_for(
            interface, host="hss.example.com", realm="example.com", address="127.0.0.1:1", tls=False
        )
    )
    (hss,) = load(file, {}).settings.hss.values()
    assert hss.interface == interface


def test_ready_vectors_come_in_turn_and_a_resynchronisation_gets_its_own() -> None:
    first, other = demo_sims()[:2]
    auc = Auc([first, other], ready=2)
    wanted = Wanted(first.imsi.digits, Scheme.AKA)
    one, two, *again = (auc.item(wanted) for _ in range(4))
    assert one != two
    assert again == [one, two]
    assert auc.item(Wanted(other.imsi.digits, Scheme.AKA)) not in (one, two)
    assert auc.item(replace(wanted, scheme=Scheme.IMS_AKA)).scheme == Scheme.IMS_AKA
    usim = SoftUsim(Milenage(first.k, first.opc), taken=[1 << 40])
    refused = usim.authenticate(one.rand, one.autn)
    assert isinstance(refused, UsimSyncFailure)
    fresh = auc.item(replace(wanted, resync=one.rand + refused.auts))
    assert isinstance(usim.authenticate(fresh.rand, fresh.autn), UsimSuccess)


@pytest.mark.parametrize("length", [4, 8, 16])
@pytest.mark.parametrize("scheme", [Scheme.AKA, Scheme.AKA_PRIME, Scheme.UTRAN])
def test_a_sim_with_tuak_believes_its_vectors_and_resynchronises(
    length: int, scheme: Scheme
) -> None:
    first = demo_sims()[0]
    sim = replace(first, opc=first.opc * 2, algorithm=Algorithm.TUAK, res_length=length)
    auc = Auc([sim])
    wanted = Wanted(sim.imsi.digits, scheme, network="WLAN")
    given = auc.item(wanted)
    answer = SoftUsim(sim.keys()).authenticate(given.rand, given.autn)
    assert isinstance(answer, UsimSuccess)
    assert (answer.res, len(given.xres)) == (given.xres, length)
    ahead = SoftUsim(sim.keys(), taken=[1 << 40 | ind for ind in range(32)])
    refused = ahead.authenticate(given.rand, given.autn)
    assert isinstance(refused, UsimSyncFailure)
    again = auc.item(replace(wanted, resync=given.rand + refused.auts))
    assert isinstance(ahead.authenticate(again.rand, again.autn), UsimSuccess)


def test_over_sctp_it_plays_where_the_kernel_has_it_and_says_where_not() -> None:
    if sctp.is_there():
        assert 'transport = "sctp"' in settings_for(
            Interface.SWX, host="hss", realm="r", address="a:1", tls=False, over_sctp=True
        )
        return
    ran = CliRunner().invoke(app, ["sim", "hss", "--port", "0", "--sctp"])
    assert ran.exit_code == 2
    assert "Protocol not supported" in ran.output
