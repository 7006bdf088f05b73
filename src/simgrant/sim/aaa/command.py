"""``simgrant sim aaa``: a 3GPP AAA server on the command line, until Ctrl-C."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn

import typer

from simgrant.nouns import named_noun
from simgrant.sim.aaa.faults import Fault, Plan
from simgrant.sim.sims import Sim, demo_sims, following, load_sims
from simgrant.sim.transcript import console

if TYPE_CHECKING:
    from simgrant.sim.aaa.server import Seen

_USAGE: Final = 2
_REALM: Final = "epc.mnc001.mcc001.3gppnetwork.org"
_MOST_SIMS: Final = 1_000_000


@named_noun
class _Wanted:
    """What the options say."""

    sims: tuple[Sim, ...]
    port: int
    host: str
    realm: str
    peers: frozenset[str] | None
    plan: Plan | None
    prime: bool
    as_lines: bool


def aaa(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1.")] = 3868,
    host: Annotated[str, typer.Option(help="Its Origin-Host.")] = f"aaa.{_REALM}",
    realm: Annotated[str, typer.Option(help="Its realm.")] = _REALM,
    sim: Annotated[
        Path | None, typer.Option(help="SIM file (TOML, JSON or CSV) of who it knows.")
    ] = None,
    count: Annotated[
        int, typer.Option(min=1, max=_MOST_SIMS, help="How many demonstration SIMs it knows.")
    ] = 1000,
    peer: Annotated[
        list[str] | None, typer.Option(help="Origin-Host that is let in; repeat it. Else anybody.")
    ] = None,
    fault: Annotated[Fault | None, typer.Option(help="What to do wrong.")] = None,
    times: Annotated[int, typer.Option(help="To so many requests; -1 = to all.")] = -1,
    delay: Annotated[float, typer.Option(min=0, help="Seconds, for --fault slow.")] = 1.0,
    result: Annotated[
        str, typer.Option(metavar="VENDOR:CODE", help="For --fault result: 0:5012, 10415:5001.")
    ] = "0:5012",
    prime: Annotated[
        bool, typer.Option("--prime", help="Speak EAP-AKA' where the identity asks for it.")
    ] = False,
    as_lines: Annotated[bool, typer.Option("--json", help="One JSON object a request.")] = False,
) -> None:
    """Play a 3GPP AAA server that authenticates SIMs by EAP over Diameter, until Ctrl-C.

    Its SIMs are those of `sim handset`. It is asked over SWm, STa or the application of RFC 4072,
    and says what to put into the settings. Nothing is kept: SIMs that are ahead resynchronise.
    """
    from simgrant.wire.diameter.avps import is_identity

    try:
        for option, name in (("--host", host), ("--realm", realm)):
            if not is_identity(name):
                raise ValueError(f"{option}: {name!r} is no name of a node")
        vendor, found, code = result.partition(":")
        if not (found and vendor.isdecimal() and code.isdecimal()):
            raise ValueError("--result must look like 0:5012")
        plan = None
        if fault is not None:
            plan = Plan(fault=fault, times=times, delay_s=delay, vendor=int(vendor), code=int(code))
        wanted = _Wanted(
            sims=load_sims(sim) if sim else following(demo_sims()[0], count),
            port=port,
            host=host,
            realm=realm,
            peers=frozenset(peer) if peer else None,
            plan=plan,
            prime=prime,
            as_lines=as_lines,
        )
        asyncio.run(_serve(wanted))
    except (ValueError, OSError) as error:
        _stop(str(error))


async def _serve(wanted: _Wanted) -> None:
    # The dictionary is read by who plays an AAA server, not by every command.
    from simgrant.sim.aaa.server import AaaServer
    from simgrant.sim.hss.auc import Auc

    server = AaaServer(
        Auc(wanted.sims),
        host=wanted.host,
        realm=wanted.realm,
        port=wanted.port,
        peers=wanted.peers,
        prime=wanted.prime,
        note=_line if wanted.as_lines else _show,
    )
    server.wrong = wanted.plan
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    await server.up()
    try:
        address = f"{server.address}:{server.port}"
        if wanted.as_lines:
            up = {"event": "up", "address": address, "host": wanted.host, "realm": wanted.realm}
            _write(up)
        else:
            out = console()
            out.print(settings_for(wanted.host, wanted.realm, address), markup=False)
            out.print(f"# an AAA server that knows {len(wanted.sims)} SIMs", markup=False)
        await ended.wait()
    finally:
        await server.leave()


def settings_for(host: str, realm: str, address: str) -> str:
    """Return the settings of a server that lets such an AAA server authenticate."""
    return (
        f'[diameter]\norigin_host = "ecs-%d.{realm}"\n\n'
        f'[diameter_peers.sim]\nhost = "{host}"\naddress = "{address}"\n\n'
        f'[aaa.sim]\nrealm = "{realm}"\npeers = ["sim"]\n'
    )


def _show(seen: Seen) -> None:
    fault = f" ({seen.fault})" if seen.fault else ""
    console().print(f"{seen.peer}: {seen.session_id}: {seen.shown}{fault}", markup=False)


def _line(seen: Seen) -> None:
    _write({"event": "request", **seen.as_json()})


def _write(content: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(content) + "\n")
    sys.stdout.flush()


def _stop(message: str) -> NoReturn:
    console(stderr=True).print(f"Error: {message}", style="red", markup=False)
    raise typer.Exit(_USAGE)
