"""The simulated SM-DP+ as a process: what it prints, and how it comes back from a kill -9."""

from __future__ import annotations

import asyncio
import json
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from simgrant.compose.esims import open_smdps
from simgrant.config.load import load
from simgrant.identities import Eid
from simgrant.ports.smdp import Refused, Smdp, UnknownOutcome
from simgrant.sim.http import HttpClient, Url
from tests.servers.process import SIMGRANT, child, free_port, json_line

pytestmark = pytest.mark.e2e

EID = Eid("89049032123451234512345678901235")
_READY_S = 60


async def ask(control: str, method: str, path: str, **content: Any) -> Any:
    """Ask a running one, by the address of its management interface."""
    client = HttpClient(Url.parse(control))
    headers = (("Content-Type", "application/json"),)
    answer = await client.exchange(method, path, headers, body=json.dumps(content).encode())
    await client.aclose()
    assert answer.status == 200, answer.body
    return json.loads(answer.body)


@dataclass
class Played:
    """A running one, by what it printed of itself."""

    process: Process
    up: dict[str, Any]

    async def ask(self, method: str, path: str, **content: Any) -> Any:
        return await ask(self.up["control"], method, path, **content)

    async def line(self) -> dict[str, Any]:
        """Return the next call that it prints."""
        return await json_line(self.process)


@asynccontextmanager
async def played(folder: Path, *options: str) -> AsyncIterator[Played]:
    command = (*SIMGRANT, "sim", "smdp", "--dir", "tls", "--json", *options)
    async with child(*command, cwd=folder) as process:
        yield Played(process, await json_line(process))


@asynccontextmanager
async def client(folder: Path, settings: str) -> AsyncIterator[Smdp]:
    """Open the SM-DP+ of a configuration file with these lines."""
    file = folder / "simgrant.toml"
    file.write_text(settings)
    smdp = open_smdps(load(file, {}))["default"]["sim"]
    yield smdp
    await smdp.close()


def toml(settings: dict[str, Any]) -> str:
    lines = "\n".join(f"{key} = {json.dumps(value)}" for key, value in settings.items())
    return f"[smdp.sim]\n{lines}\n"


def soon() -> float:
    return time.monotonic() + 30


async def test_what_it_prints_is_a_configuration_that_works(tmp_path: Path) -> None:
    options = ("--dir", "tls", "--port", "0", "--control-port", "0", "--stock", "a=1")
    async with child(*SIMGRANT, "sim", "smdp", *options, cwd=tmp_path) as process:
        assert process.stdout is not None
        text = ""
        async with asyncio.timeout(_READY_S):
            while "SHA-256" not in text:
                text += (await process.stdout.readline()).decode()
        async with client(tmp_path, text) as smdp:
            assert smdp.terms.profile_types == ("a",)
            iccid = await smdp.download_order("1", profile_type="a", eid=EID, deadline=soon())
            told = await smdp.confirm_order("2", iccid=iccid, release=True, deadline=soon())
            assert told.smdp_address == "smdp.example.com"
            with pytest.raises(Refused):
                await smdp.download_order("3", profile_type="a", eid=EID, deadline=soon())
        async with child(*SIMGRANT, "check-config", cwd=tmp_path) as checked:
            said, _ = await checked.communicate()
        assert b"sim: https://127.0.0.1:" in said
        process.terminate()
        assert await process.wait() == 0


async def test_who_is_killed_in_a_call_comes_back_with_the_books(tmp_path: Path) -> None:
    ports = ("--port", str(free_port()), "--control-port", str(free_port()))
    options = (*ports, "--stock", "consumer=5", "--state", "books")
    async with played(tmp_path, *options) as first:
        settings = toml(first.up["settings"])
        await first.ask("PUT", "/fault", fault="silent")
        async with client(tmp_path, settings) as smdp:
            call = asyncio.create_task(
                smdp.download_order("the call", profile_type="consumer", eid=EID, deadline=soon())
            )
            assert (await first.line())["result"] == "done"
            first.process.kill()
            with pytest.raises(UnknownOutcome):
                await call
    async with played(tmp_path, *options) as second, client(tmp_path, settings) as smdp:
        assert await second.ask("GET", "/stock") == {"consumer": {"Available": 4, "Linked": 1}}
        iccid = await smdp.download_order(
            "the call", profile_type="consumer", eid=EID, deadline=soon()
        )
        assert (await second.line())["result"] == "repeated"
        assert await second.ask("GET", "/stock") == {"consumer": {"Available": 4, "Linked": 1}}
        assert (await second.ask("GET", f"/profiles/{iccid.digits}"))["eid"] == EID.digits


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--stock", "consumer"), "TYPE=COUNT"),
        (("--address", "https://x"), "--address"),
        (("--callback-url", "nowhere"), "nowhere"),
        (("--state", "."), "directory"),
    ],
)
async def test_options_that_make_no_sense_are_said_to(
    tmp_path: Path, options: tuple[str, ...], said: str
) -> None:
    command = (*SIMGRANT, "sim", "smdp", "--dir", "tls", *options)
    ports = ("--port", "0", "--control-port", "0")
    process = await asyncio.create_subprocess_exec(*command, *ports, stderr=PIPE, cwd=tmp_path)
    async with asyncio.timeout(_READY_S):
        _, told = await process.communicate()
    assert process.returncode == 2
    assert said in told.decode()
