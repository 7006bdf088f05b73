"""The simulated HLR's command, as a process; its GSUP is tried elsewhere."""

from __future__ import annotations

import asyncio
import json
import signal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from simgrant.cli.app import app
from simgrant.config.load import load
from simgrant.links.gsup import Hlr, HlrConfig
from tests.clocks import MovableClock
from tests.loopback.links.hlr_world import IMSI, Diary
from tests.servers.process import SIMGRANT, child, json_line


async def test_the_command_gives_vectors_until_it_is_stopped() -> None:
    options = ("--port", "0", "--json", "--fault", "cause", "--cause", "22", "--times", "1")
    async with child(*SIMGRANT, "sim", "hlr", *options) as process:
        up = await json_line(process)
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
        seen = [await json_line(process) for _ in told]
        assert [(each["peer"], each["cause"], each["fault"]) for each in seen] == [
            ("ecs-7", 22, "cause"),
            ("ecs-7", None, None),
        ]
        assert IMSI not in json.dumps(seen)
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(30):
            assert await process.wait() == 0


async def test_what_the_command_prints_are_settings(tmp_path: Path) -> None:
    async with child(*SIMGRANT, "sim", "hlr", "--port", "0") as process:
        assert process.stdout is not None
        async with asyncio.timeout(60):
            lines = [await process.stdout.readline() for _ in range(5)]
        file = tmp_path / "hlr.toml"
        file.write_bytes(b"".join(lines))
        settings = load(file, {}).settings
        assert settings.hlr["sim"].unit_name == "ecs-%d"
        assert b"knows 1000 SIMs" in lines[-1]


@pytest.mark.parametrize("options", [["--sim", "/nowhere"], ["--fault", "none-such"]])
def test_what_the_command_refuses(options: list[str]) -> None:
    assert CliRunner().invoke(app, ["sim", "hlr", *options]).exit_code == 2
