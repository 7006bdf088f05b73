"""``simgrant sim udm``: a 5G core on the command line, until Ctrl-C."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING, Annotated, Final
from uuid import uuid4

import typer

from simgrant.nouns import named_noun
from simgrant.sim.options import stop
from simgrant.sim.places import Place, pull_place
from simgrant.sim.playing import (
    CertificateOption,
    ClientCaOption,
    ControlOption,
    CountOption,
    DelayOption,
    KeyOption,
    LinesOption,
    SimsOption,
    TimesOption,
    Up,
    play,
    server_tls,
    sims_of,
    write_line,
    write_remark,
)
from simgrant.sim.sims import Sim
from simgrant.sim.udm.faults import Fault, Plan
from simgrant.wire.sbi.ueau import Operation

if TYPE_CHECKING:
    from simgrant.sim.udm.server import Seen

_FIRST_PORT: Final = 7777
_MOST_INSTANCES: Final = 16

_OF_OPERATION: Final = {
    Operation.GENERATE_AV: "[udm.sim]\n",
    Operation.GENERATE_AUTH_DATA: (
        "[auth]\naka_prime = true\n"
        'aka_prime_network = "5G:mnc001.mcc001.3gppnetwork.org"\n\n'
        '[udm.sim]\noperation = "generate-auth-data"\n'
    ),
    Operation.GBA: "[hss_sbi.sim]\n",
    Operation.IMS: (
        '[hss_sbi.sim]\nims_domain = "ims.mnc001.mcc001.3gppnetwork.org"\n'
        'server_name = "sip:ecs.ims.mnc001.mcc001.3gppnetwork.org"\n'
    ),
}
"""What the settings of the server have to say of it."""


@named_noun
class _Wanted:
    """What the options say."""

    sims: tuple[Sim, ...]
    first_port: int
    instances: int
    tls: ssl.SSLContext | None
    oauth2: bool
    prime: bool
    five_g_aka: bool
    places: dict[str, Place | None]
    plan: Plan | None
    control_port: int | None
    ask: Operation
    as_lines: bool


def udm(
    port: Annotated[
        int,
        typer.Option(
            min=0,
            max=65535 - _MOST_INSTANCES,
            help="First port on 127.0.0.1: of the NRF, and then of each instance; 0 = any.",
        ),
    ] = _FIRST_PORT,
    instances: Annotated[
        int, typer.Option(min=1, max=_MOST_INSTANCES, help="How many UDMs there are.")
    ] = 2,
    sim: SimsOption = None,
    count: CountOption = 1000,
    certificate: CertificateOption = None,
    key: KeyOption = None,
    client_ca: ClientCaOption = None,
    oauth2: Annotated[
        bool, typer.Option("--oauth2", help="Want a token of the NRF's with each request.")
    ] = False,
    fault: Annotated[Fault | None, typer.Option(help="What to do wrong.")] = None,
    times: TimesOption = -1,
    delay: DelayOption = 1.0,
    imsi: Annotated[str, typer.Option(help="For --fault: to questions about this one.")] = "",
    status: Annotated[
        int, typer.Option(min=400, max=599, help="For --fault status: the status,")
    ] = 500,
    cause: Annotated[str, typer.Option(help="and its cause.")] = "",
    control_port: ControlOption = None,
    ask: Annotated[
        Operation, typer.Option(help="Which question the settings that it prints are for.")
    ] = Operation.GENERATE_AV,
    at: Annotated[
        list[str] | None,
        typer.Option(
            metavar="IMSI=NETWORK",
            help="The network that a phone is registered in, such as 001-01; empty = in none. "
            "Else all are at home.",
        ),
    ] = None,
    five_g_aka: Annotated[
        bool, typer.Option("--5g-aka", help="Be of a network that authenticates by 5G AKA.")
    ] = False,
    no_prime: Annotated[bool, typer.Option("--no-prime", help="Know nothing of EAP-AKA'.")] = False,
    as_lines: LinesOption = False,
) -> None:
    """Play a 5G core that gives vectors over service-based interfaces, until Ctrl-C.

    It is an NRF and UDMs, each an HSS as well, over HTTP/2; without a certificate in the clear. Its
    SIMs are those of `sim handset`. It says what to put into the settings, for one question.
    Nothing is kept: SIMs that are ahead resynchronise.
    """
    try:
        plan = None
        if fault is not None:
            plan = Plan(
                fault=fault, times=times, imsi=imsi, delay_s=delay, status=status, cause=cause
            )
        wanted = _Wanted(
            sims=sims_of(sim, count),
            first_port=port,
            instances=instances,
            tls=server_tls(certificate, key, client_ca, protocols=("h2",)),
            oauth2=oauth2,
            prime=not no_prime,
            five_g_aka=five_g_aka,
            places=dict(map(pull_place, at or ())),
            plan=plan,
            control_port=control_port,
            ask=ask,
            as_lines=as_lines,
        )
        asyncio.run(_serve(wanted))
    except (ValueError, OSError) as error:
        stop(str(error))


async def _serve(wanted: _Wanted) -> None:
    try:
        # What they take beside the server's own dependencies is the extra `sim`.
        from simgrant.sim.udm.control import Control
        from simgrant.sim.udm.server import Core
    except ImportError:
        stop("install simgrant with the extra sim")
    core = Core(
        wanted.sims,
        instances=wanted.instances,
        tls=wanted.tls,
        oauth2=wanted.oauth2,
        knows_prime=wanted.prime,
        five_g_aka=wanted.five_g_aka,
        first_port=wanted.first_port,
        tell=_line if wanted.as_lines else _show,
    )
    core.subscribers.places.update(wanted.places)
    core.misbehave(wanted.plan)
    levers = None
    if wanted.control_port is not None:
        levers = Control(core, port=wanted.control_port).web

    def say() -> Up:
        nrf = core.nrf_web.url
        return Up(
            what=f"a 5G core that knows {len(wanted.sims)} SIMs",
            settings=settings_for(wanted.ask, nrf=nrf, oauth2=wanted.oauth2),
            line={
                "nrf": nrf,
                "instances": [each.web.url for each in core.instances],
                "control": levers.url if levers else "",
            },
        )

    await play(core, say, as_lines=wanted.as_lines, levers=levers)


def settings_for(ask: Operation, *, nrf: str, oauth2: bool) -> str:
    """Return the settings of a server that takes its vectors from such a core."""
    tokens = "oauth2 = true\n" if oauth2 else ""
    return (
        f'[sbi]\nnf_instance_id = "{uuid4()}"\n\n'
        f'[nrf.sim]\naddresses = ["{nrf}"]\n\n'
        f'{_OF_OPERATION[ask]}nrf = "sim"\n{tokens}'
    )


def _show(seen: Seen) -> None:
    where = "NRF" if seen.instance is None else f"UDM {seen.instance}"
    resync = ", resynchronisation" if seen.resync else ""
    fault = f" ({seen.fault})" if seen.fault else ""
    what = f"{seen.service} {seen.operation}{resync}"
    write_remark(f"{where}: {what}: {seen.status or 'no answer'}{fault}")


def _line(seen: Seen) -> None:
    write_line({"event": "request", **seen.as_json()})
