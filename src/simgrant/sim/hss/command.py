"""``simgrant sim hss``: an HSS on the command line, until Ctrl-C."""

from __future__ import annotations

import asyncio
import ssl
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Final

import typer

from simgrant.nouns import named_noun
from simgrant.sim.hss.faults import Fault, Plan
from simgrant.sim.options import stop
from simgrant.sim.places import Place, pull_place
from simgrant.sim.playing import (
    CertificateOption,
    ClientCaOption,
    ControlOption,
    CountOption,
    DelayOption,
    HostOption,
    KeyOption,
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
    server_tls,
    sims_of,
    write_line,
    write_remark,
)
from simgrant.sim.sims import Sim

if TYPE_CHECKING:
    from simgrant.sim.hss.server import Seen

_REALM: Final = "epc.mnc001.mcc001.3gppnetwork.org"


class Interface(StrEnum):
    """What vectors are asked for over."""

    SWX = "swx"
    CX = "cx"
    S6A = "s6a"


_OF_INTERFACE: Final = {
    Interface.SWX: "",
    Interface.CX: (
        'interface = "cx"\nims_domain = "ims.mnc001.mcc001.3gppnetwork.org"\n'
        'server_name = "sip:ecs.ims.mnc001.mcc001.3gppnetwork.org"\n'
    ),
    Interface.S6A: 'interface = "s6a"\nvisited_plmn = "001-01"\n',
}
"""What the settings of the server have to say of it."""


@named_noun
class _Wanted:
    """What the options say."""

    sims: tuple[Sim, ...]
    port: int
    host: str
    realm: str
    peers: frozenset[str] | None
    tls: ssl.SSLContext | None
    over_sctp: bool
    plan: Plan | None
    control_port: int | None
    interface: Interface
    places: dict[str, Place | None]
    knows_prime: bool
    ready: int
    as_lines: bool


def hss(
    port: PortOption = 3868,
    host: HostOption = f"hss.{_REALM}",
    realm: RealmOption = _REALM,
    sim: SimsOption = None,
    count: CountOption = 1000,
    peer: PeersOption = None,
    certificate: CertificateOption = None,
    key: KeyOption = None,
    client_ca: ClientCaOption = None,
    over_sctp: Annotated[
        bool, typer.Option("--sctp", help="Listen over SCTP, in clear, where the kernel has it.")
    ] = False,
    fault: Annotated[Fault | None, typer.Option(help="What to do wrong.")] = None,
    times: TimesOption = -1,
    delay: DelayOption = 1.0,
    result: ResultOption = "0:5012",
    redirect_to: Annotated[
        list[str] | None,
        typer.Option(help="Diameter URI of who is to be asked, with `--fault redirect`."),
    ] = None,
    usage: Annotated[
        int, typer.Option(min=0, help="What else a redirect is for (Redirect-Host-Usage).")
    ] = 0,
    percent: Annotated[
        int, typer.Option(min=0, max=100, help="Of requests that are too many: `--fault overload`.")
    ] = 50,
    of_realm: Annotated[
        bool, typer.Option("--of-realm", help="The whole realm has too many, and not this host.")
    ] = False,
    seconds: Annotated[
        int, typer.Option(min=0, help="For which a redirect may be kept, or a report is good.")
    ] = 30,
    control_port: ControlOption = None,
    interface: Annotated[
        Interface, typer.Option(help="Which one the settings that it prints are for.")
    ] = Interface.SWX,
    at: Annotated[
        list[str] | None,
        typer.Option(
            metavar="IMSI=NETWORK",
            help="The network that a phone is in, such as 001-01; empty = in none. Else all are "
            "at home.",
        ),
    ] = None,
    no_prime: Annotated[bool, typer.Option("--no-prime", help="Know nothing of EAP-AKA'.")] = False,
    ready: Annotated[
        int,
        typer.Option(
            min=0,
            help="Make so many vectors of a SIM and give them out in turn, for load; 0 = new ones.",
        ),
    ] = 0,
    as_lines: LinesOption = False,
) -> None:
    """Play an HSS until Ctrl-C: vectors over SWx, Cx and S6a, what is known of users over Sh.

    Its SIMs are those of `sim handset`. It says what to put into the settings, for one interface.
    Nothing is kept: SIMs that are ahead resynchronise.
    """
    try:
        check_names(host, realm)
        vendor, code = pull_result(result)
        plan = None
        if fault is not None:
            plan = Plan(
                fault=fault,
                times=times,
                delay_s=delay,
                vendor=vendor,
                code=code,
                to=tuple(redirect_to or ()),
                usage=usage,
                percent=percent,
                realm=of_realm,
                seconds=seconds,
            )
        wanted = _Wanted(
            sims=sims_of(sim, count),
            port=port,
            host=host,
            realm=realm,
            peers=frozenset(peer) if peer else None,
            tls=server_tls(certificate, key, client_ca),
            over_sctp=over_sctp,
            plan=plan,
            control_port=control_port,
            interface=interface,
            places=dict(map(pull_place, at or ())),
            knows_prime=not no_prime,
            ready=ready,
            as_lines=as_lines,
        )
        asyncio.run(_serve(wanted))
    except (ValueError, OSError) as error:
        stop(str(error))


async def _serve(wanted: _Wanted) -> None:
    # The dictionary is read by who plays an HSS, not by every command.
    from simgrant.sim.hss.auc import Auc
    from simgrant.sim.hss.server import HssServer

    server = HssServer(
        Auc(wanted.sims, knows_prime=wanted.knows_prime, ready=wanted.ready),
        host=wanted.host,
        realm=wanted.realm,
        port=wanted.port,
        peers=wanted.peers,
        tls=wanted.tls,
        over_sctp=wanted.over_sctp,
        tell=_line if wanted.as_lines else _show,
    )
    server.plan = wanted.plan
    server.users.places.update(wanted.places)
    levers = None
    if wanted.control_port is not None:
        # What it takes beside the server's own dependencies is the extra `sim`.
        from simgrant.sim.hss.control import Control

        levers = Control(server, port=wanted.control_port).web

    def say() -> Up:
        address = f"{server.address}:{server.port}"
        return Up(
            what=f"an HSS that knows {len(wanted.sims)} SIMs",
            settings=settings_for(
                wanted.interface,
                host=wanted.host,
                realm=wanted.realm,
                address=address,
                tls=wanted.tls is not None,
                over_sctp=wanted.over_sctp,
            ),
            line={
                "address": address,
                "host": wanted.host,
                "realm": wanted.realm,
                "control": levers.url if levers else "",
            },
        )

    await play(server, say, as_lines=wanted.as_lines, down=server.leave, levers=levers)


def settings_for(
    interface: Interface,
    *,
    host: str,
    realm: str,
    address: str,
    tls: bool,
    over_sctp: bool = False,
) -> str:
    """Return the settings of a server that takes its vectors from such an HSS."""
    own = "\ntls = true" if tls else '\ntransport = "sctp"' if over_sctp else ""
    return (
        f'[diameter]\norigin_host = "ecs-%d.{realm}"\n\n'
        f'[diameter_peers.sim]\nhost = "{host}"\naddress = "{address}"{own}\n\n'
        f'[hss.sim]\nrealm = "{realm}"\npeers = ["sim"]\n{_OF_INTERFACE[interface]}'
    )


def _show(seen: Seen) -> None:
    resync = ", resynchronisation" if seen.resync else ""
    again = ", sent again" if seen.repeated else ""
    fault = f" ({seen.fault})" if seen.fault else ""
    what = f"{seen.interface}, {seen.scheme}{resync}{again}"
    write_remark(f"{seen.peer}: {what}: {seen.shown}{fault}")


def _line(seen: Seen) -> None:
    write_line({"event": "request", **seen.as_json()})
