"""``simgrant sim hlr``: an HLR on the command line, until Ctrl-C."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from simgrant.nouns import named_noun
from simgrant.sim.hlr.faults import Fault, Plan
from simgrant.sim.options import stop
from simgrant.sim.playing import (
    CountOption,
    DelayOption,
    LinesOption,
    PortOption,
    SimsOption,
    TimesOption,
    Up,
    play,
    sims_of,
    write_line,
    write_remark,
)
from simgrant.sim.sims import Sim

if TYPE_CHECKING:
    from simgrant.sim.hlr.server import Seen


@named_noun
class _Wanted:
    """What the options say."""

    sims: tuple[Sim, ...]
    port: int
    plan: Plan | None
    as_lines: bool


def hlr(
    port: PortOption = 4222,
    sim: SimsOption = None,
    count: CountOption = 1000,
    fault: Annotated[Fault | None, typer.Option(help="What to do wrong.")] = None,
    times: TimesOption = -1,
    delay: DelayOption = 1.0,
    cause: Annotated[int, typer.Option(min=0, max=255, help="For --fault cause.")] = 17,
    as_lines: LinesOption = False,
) -> None:
    """Play an HLR that gives vectors over GSUP, until Ctrl-C; its SIMs are those of `sim handset`.

    It says what to put into the settings. Nothing is kept: SIMs that are ahead resynchronise.
    """
    try:
        wanted = _Wanted(
            sims=sims_of(sim, count),
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

    def say() -> Up:
        address = f"{server.address}:{server.port}"
        return Up(
            what=f"an HLR that knows {len(wanted.sims)} SIMs",
            settings=f'[hlr.sim]\naddress = "{address}"\nunit_name = "ecs-%d"\n',
            line={"address": address},
        )

    await play(server, say, as_lines=wanted.as_lines)


def _show(seen: Seen) -> None:
    what = "separated vectors" if seen.separated else "vectors"
    resync = ", resynchronisation" if seen.resync else ""
    told = "given" if seen.cause is None else f"cause {seen.cause}"
    fault = f" ({seen.fault})" if seen.fault else ""
    write_remark(f"{seen.peer}: {what}{resync}: {told}{fault}")


def _line(seen: Seen) -> None:
    write_line({"event": "request", **seen.as_json()})
