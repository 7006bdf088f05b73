"""``simgrant sim bss``: a business support system on the command line, until Ctrl-C."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING, Annotated, Final

import typer

from simgrant.nouns import named_noun
from simgrant.sim.bss.faults import Fault, Plan
from simgrant.sim.options import stop
from simgrant.sim.playing import (
    CertificateOption,
    ClientCaOption,
    ControlOption,
    CountOption,
    DelayOption,
    KeyOption,
    LinesOption,
    PortOption,
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

if TYPE_CHECKING:
    from simgrant.sim.bss.server import Seen

_PORT: Final = 7878
_SETTINGS: Final = """\
[bss.sim]
url = "{url}"
{client}
[bss.sim.products.plans]
premium = "premium"
standard = "standard"
home = "home"
basic = "basic"
data = "data"

[bss.sim.products.options]
vowifi = "vowifi"
companion = "companion"

[bss.sim.products.values]
terms = "terms"
address = "address"
msisdn = "msisdn"
visited_plmn = "visitedPlmn"
prepaid = "prepaid"
port_freeze = "portFreeze"
number_type = "numberType"
customer_since = "startDate"

[bss.sim.services]
vowifi = ["vowifi"]

[bss.sim.resources.values]
sim_since = "startDate"

[bss.sim.orders]
on = true
"""


@named_noun
class _Wanted:
    """What the options say."""

    sims: tuple[Sim, ...]
    port: int
    tls: ssl.SSLContext | None
    client: tuple[str, str] | None
    callback_token: str
    plan: Plan | None
    control_port: int | None
    as_lines: bool


def bss(
    port: PortOption = _PORT,
    sim: SimsOption = None,
    count: CountOption = 1000,
    certificate: CertificateOption = None,
    key: KeyOption = None,
    client_ca: ClientCaOption = None,
    client: Annotated[
        str,
        typer.Option(
            metavar="ID:SECRET",
            help="Want access tokens, and give them (/token) to this OAuth client.",
        ),
    ] = "",
    callback_token: Annotated[
        str, typer.Option(help="Bearer token to bring with events to those who are told of them.")
    ] = "",
    fault: Annotated[Fault | None, typer.Option(help="What to do wrong.")] = None,
    times: TimesOption = -1,
    delay: DelayOption = 1.0,
    resource: Annotated[
        str, typer.Option(help="For --fault: to requests for this one, such as productOrder.")
    ] = "",
    status: Annotated[
        int, typer.Option(min=400, max=599, help="For --fault status: the status.")
    ] = 500,
    control_port: ControlOption = None,
    as_lines: LinesOption = False,
) -> None:
    """Play a BSS that speaks TM Forum Open APIs, until Ctrl-C.

    Its subscriptions have the SIMs of `sim handset`. It says what to put into the settings. By its
    management interface subscriptions are changed, and who has registered is told. Nothing is kept.
    """
    try:
        plan = None
        if fault is not None:
            plan = Plan(fault=fault, times=times, delay_s=delay, resource=resource, status=status)
        id_, colon, secret = client.partition(":")
        if client and not (id_ and colon and secret):
            raise ValueError("--client must look like ID:SECRET")
        wanted = _Wanted(
            sims=sims_of(sim, count),
            port=port,
            tls=server_tls(certificate, key, client_ca, protocols=("h2", "http/1.1")),
            client=(id_, secret) if client else None,
            callback_token=callback_token,
            plan=plan,
            control_port=control_port,
            as_lines=as_lines,
        )
        asyncio.run(_serve(wanted))
    except (ValueError, OSError) as error:
        stop(str(error))


async def _serve(wanted: _Wanted) -> None:
    try:
        # What they take beside the server's own dependencies is the extra `sim`.
        from simgrant.sim.bss.control import Control
        from simgrant.sim.bss.server import Bss
    except ImportError:
        stop("install simgrant with the extra sim")
    played = Bss(
        wanted.sims,
        tls=wanted.tls,
        port=wanted.port,
        client=wanted.client,
        callback_token=wanted.callback_token,
        tell=_line if wanted.as_lines else _show,
    )
    played.plan = wanted.plan
    levers = None
    if wanted.control_port is not None:
        levers = Control(played, port=wanted.control_port).web

    def say() -> Up:
        url = played.web.url
        return Up(
            what=f"a BSS that knows {len(wanted.sims)} SIMs",
            settings=settings_for(url, client_id=wanted.client[0] if wanted.client else ""),
            line={"url": url, "control": levers.url if levers else ""},
        )

    await play(
        played,
        say,
        as_lines=wanted.as_lines,
        levers=levers,
        pulled="requests, faults, subscriptions",
    )


def settings_for(url: str, *, client_id: str = "") -> str:
    """Return the settings of a server that asks such a BSS."""
    client = ""
    if client_id:
        client = (
            f'token_url = "{url}/token"\nclient_id = "{client_id}"\nsecret_file = "bss.secret"\n'
        )
    return _SETTINGS.format(url=url, client=client)


def _show(seen: Seen) -> None:
    fault = f" ({seen.fault})" if seen.fault else ""
    write_remark(f"{seen.method} {seen.resource}: {seen.status or 'no answer'}{fault}")


def _line(seen: Seen) -> None:
    write_line({"event": "request", **seen.as_json()})
