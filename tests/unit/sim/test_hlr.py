"""The simulated HLR's command, as a process; its GSUP is tried elsewhere."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE
from pathlib import Path

import pytest
from typer.testing import CliRunner

from simgrant.cli.app import app
from simgrant.config.load import load
from simgrant.links.gsup import Hlr, HlrConfig
from tests.unit.links.diameter.world import MovableClock
from tests.unit.links.hlr_world import IMSI, Diary


async def test_the_command_gives_vectors_until_it_is_stopped() -> None:
    process = await asyncio.create_subprocess_exec(
        *("setpriv", "--pdeathsig", "KILL", sys.executable, "-m", "simgrant", "sim", "hlr"),
        *("--port", "0", "--json", "--fault", "cause", "--cause", "22", "--times", "1"),
        stdin=DEVNULL,
        stdout=PIPE,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(60):
            up = json.loads(await process.stdout.readline())
        port = int(up["address"].rpartition(":")[2])
        clock = MovableClock()
        config = HlrConfig(name="home", address="127.0.0.1", port=port, unit_name="ecs-7")
        ours = Hlr(config, watcher=Diary(asyncio.Event()), clock=clock)
        running = asyncio.create_task(ours.run())
        deadline = clock.monotonic() + 30
        told = [
            await ours.ask(IMSI, separated=True, rand=b"", auts=b"", deadline=deadline)
            for _ in range(2)
        ]
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert [(each.cause, len(each.vectors)) for each in told] == [(22, 0), (None, 5)]
        async with asyncio.timeout(30):
            seen = [json.loads(await process.stdout.readline()) for _ in told]
        assert [(each["peer"], each["cause"], each["fault"]) for each in seen] == [
            ("ecs-7", 22, "cause"),
            ("ecs-7", None, None),
        ]
        assert IMSI not in json.dumps(seen)
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(30):
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_what_the_command_prints_are_settings(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *("setpriv", "--pdeathsig", "KILL", sys.executable, "-m", "simgrant", "sim", "hlr"),
        *("--port", "0"),
        stdin=DEVNULL,
        stdout=PIPE,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(60):
            lines = [await process.stdout.readline() for _ in range(5)]
        file = tmp_path / "hlr.toml"
        file.write_bytes(b"".join(lines))
        settings = load(file, {}).settings
        assert settings.hlr["sim"].unit_name == "ecs-%d"
        assert b"knows 1000 SIMs" in lines[-1]
    finally:
        process.kill()
        await process.wait()


@pytest.mark.parametrize("options", [["--sim", "/nowhere"], ["--fault", "none-such"]])
def test_what_the_command_refuses(options: list[str]) -> None:
    assert CliRunner().invoke(app, ["sim", "hlr", *options]).exit_code == 2
