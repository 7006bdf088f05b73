"""``simgrant sim hlr``: an HLR on the command line, until Ctrl-C."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from simgrant.nouns import named_noun
from simgrant.sim.hlr.faults import Fault, Plan
from simgrant.sim.options import stop
from simgrant.sim.sims import Sim, demo_sims, following, load_sims
from simgrant.sim.transcript import console

if TYPE_CHECKING:
    from simgrant.sim.hlr.server import Seen

_MOST_SIMS: Final = 1_000_000


@named_noun
class _Wanted:
    """What the options say."""

    sims: tuple[Sim, ...]
    port: int
    plan: Plan | None
    as_lines: bool


def hlr(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1.")] = 4222,
    sim: Annotated[
        Path | None, typer.Option(help="SIM file (TOML, JSON or CSV) of who it knows.")
    ] = None,
    count: Annotated[
        int, typer.Option(min=1, max=_MOST_SIMS, help="How many demonstration SIMs it knows.")
    ] = 1000,
    fault: Annotated[Fault | None, typer.Option(help="What to do wrong.")] = None,
    times: Annotated[int, typer.Option(help="To so many requests; -1 = to all.")] = -1,
    delay: Annotated[float, typer.Option(min=0, help="Seconds, for --fault slow.")] = 1.0,
    cause: Annotated[int, typer.Option(min=0, max=255, help="For --fault cause.")] = 17,
    as_lines: Annotated[bool, typer.Option("--json", help="One JSON object a request.")] = False,
) -> None:
    """Play an HLR that gives vectors over GSUP, until Ctrl-C; its SIMs are those of `sim handset`.

    It says what to put into the settings. Nothing is kept: SIMs that are ahead resynchronise.
    """
    try:
        wanted = _Wanted(
            sims=load_sims(sim) if sim else following(demo_sims()[0], count),
            port=port,
            plan=Plan(fault=fault, times=times, delay_s=delay, cause=cause) if fault else None,
            as_lines=as_lines,
        )
        asyncio.run(_serve(wanted))
    except (ValueError, OSError) as error:
        stop(str(error))


async def _serve(wanted: _Wanted) -> None:
    from simgrant.sim.hlr.server import HlrServer

    tell = _line if wanted.as_lines else _show
    server = HlrServer(wanted.sims, port=wanted.port, tell=tell)
    server.plan = wanted.plan
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    await server.up()
    try:
        address = f"{server.address}:{server.port}"
        if wanted.as_lines:
            _write({"event": "up", "address": address})
        else:
            out = console()
            settings = f'[hlr.sim]\naddress = "{address}"\nunit_name = "ecs-%d"\n'
            out.print(settings, markup=False, soft_wrap=True)
            out.print(f"# an HLR that knows {len(wanted.sims)} SIMs", markup=False)
        await ended.wait()
    finally:
        await server.down()


def _show(seen: Seen) -> None:
    what = "separated vectors" if seen.separated else "vectors"
    resync = ", resynchronisation" if seen.resync else ""
    told = "given" if seen.cause is None else f"cause {seen.cause}"
    fault = f" ({seen.fault})" if seen.fault else ""
    console().print(f"{seen.peer}: {what}{resync}: {told}{fault}", markup=False)


def _line(seen: Seen) -> None:
    _write({"event": "request", **seen.as_json()})


def _write(content: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(content) + "\n")
    sys.stdout.flush()
