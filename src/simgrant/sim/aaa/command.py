"""``simgrant sim aaa``: a 3GPP AAA server on the command line, until Ctrl-C."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Final

import typer

from simgrant.nouns import named_noun
from simgrant.sim.aaa.faults import Fault, Plan
from simgrant.sim.options import stop
from simgrant.sim.playing import (
    CountOption,
    DelayOption,
    HostOption,
    LinesOption,
    PeersOption,
    PortOption,
    RealmOption,
    ResultOption,
    SimsOption,
    TimesOption,
    Up,
    check_names,
    play,
    pull_result,
    sims_of,
    write_line,
    write_remark,
)
from simgrant.sim.sims import Sim

if TYPE_CHECKING:
    from simgrant.sim.aaa.server import Seen

_REALM: Final = "epc.mnc001.mcc001.3gppnetwork.org"


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
    port: PortOption = 3868,
    host: HostOption = f"aaa.{_REALM}",
    realm: RealmOption = _REALM,
    sim: SimsOption = None,
    count: CountOption = 1000,
    peer: PeersOption = None,
    fault: Annotated[Fault | None, typer.Option(help="What to do wrong.")] = None,
    times: TimesOption = -1,
    delay: DelayOption = 1.0,
    result: ResultOption = "0:5012",
    prime: Annotated[
        bool, typer.Option("--prime", help="Speak EAP-AKA' where the identity asks for it.")
    ] = False,
    as_lines: LinesOption = False,
) -> None:
    """Play a 3GPP AAA server that authenticates SIMs by EAP over Diameter, until Ctrl-C.

    Its SIMs are those of `sim handset`. It is asked over SWm, STa or the application of RFC 4072,
    and says what to put into the settings. Nothing is kept: SIMs that are ahead resynchronise.
    """
    try:
        check_names(host, realm)
        vendor, code = pull_result(result)
        plan = None
        if fault is not None:
            plan = Plan(fault=fault, times=times, delay_s=delay, vendor=vendor, code=code)
        wanted = _Wanted(
            sims=sims_of(sim, count),
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
        stop(str(error))


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

    def say() -> Up:
        address = f"{server.address}:{server.port}"
        return Up(
            what=f"an AAA server that knows {len(wanted.sims)} SIMs",
            settings=settings_for(wanted.host, wanted.realm, address),
            line={"address": address, "host": wanted.host, "realm": wanted.realm},
        )

    await play(server, say, as_lines=wanted.as_lines, down=server.leave)


def settings_for(host: str, realm: str, address: str) -> str:
    """Return the settings of a server that lets such an AAA server authenticate."""
    return (
        f'[diameter]\norigin_host = "ecs-%d.{realm}"\n\n'
        f'[diameter_peers.sim]\nhost = "{host}"\naddress = "{address}"\n\n'
        f'[aaa.sim]\nrealm = "{realm}"\npeers = ["sim"]\n'
    )


def _show(seen: Seen) -> None:
    fault = f" ({seen.fault})" if seen.fault else ""
    write_remark(f"{seen.peer}: {seen.session_id}: {seen.shown}{fault}")


def _line(seen: Seen) -> None:
    write_line({"event": "request", **seen.as_json()})
