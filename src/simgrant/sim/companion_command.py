"""``simgrant sim companion``: a phone that manages a companion, on the command line."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from simgrant.nouns import replace
from simgrant.sim.companion import APP, Companion, CompanionClient, Step
from simgrant.sim.follow_up import open_pages
from simgrant.sim.handset import Handset
from simgrant.sim.http import Limits, Url
from simgrant.sim.options import (
    AnyPlmnOption,
    CaOption,
    EidOption,
    FillOption,
    InsecureOption,
    KOption,
    LinesOption,
    OpcOption,
    TimeoutOption,
    UrlArgument,
    WebViewOption,
    pairs_of,
    sims_of,
    stop,
    tls_of,
)
from simgrant.sim.profiles import PROFILES, ProfileName
from simgrant.sim.showing import Show
from simgrant.sim.transcript import Mask, console
from simgrant.sim.web_view import WebView, pages_of


def companion(
    url: UrlArgument,
    steps: Annotated[list[Step], typer.Argument(help="What its phone asks for, one by one.")],
    imsi: Annotated[
        str, typer.Option(help="The phone's SIM: a demonstration one, or that of --k and --opc.")
    ] = "",
    k: KOption = "",
    opc: OpcOption = "",
    terminal_id: Annotated[
        str, typer.Option(help="IMEI or UUID of the companion.")
    ] = "350000000000017",
    eid: EidOption = "89049032123451234512345678901235",
    name: Annotated[str, typer.Option(help="What its owner calls it.")] = "My watch",
    service: Annotated[
        str, typer.Option(help="SharedNumber, DiffNumber or FamilyNumber.")
    ] = "SharedNumber",
    old_iccid: Annotated[
        str,
        typer.Option(help="For transfer: ICCID of the companion that it replaces; empty = a page."),
    ] = "",
    web_view: WebViewOption = None,
    fill: FillOption = None,
    insecure: InsecureOption = False,
    ca: CaOption = None,
    timeout: TimeoutOption = 30.0,
    any_plmn: AnyPlmnOption = False,
    reveal: Annotated[
        bool, typer.Option("--reveal", help="Show identities, tokens and codes in clear.")
    ] = False,
    as_lines: LinesOption = False,
) -> None:
    """Manage a companion's eSIM as its phone does (ap2006), and show what was said.

    What the companion does with the activation code, `simgrant sim smdp` can play. Exit code: as
    of `handset`, of the worst step.
    """
    try:
        (card,) = sims_of(imsi=imsi, k=k, opc=opc, any_plmn=any_plmn)
        where = Url.parse(url)
        tls = tls_of(ca, insecure=insecure) if url.startswith("https:") else None
        told = Companion(
            terminal_id=terminal_id, eid=eid, name=name, service=service, old_iccid=old_iccid
        )
        filled = dict(pairs_of(fill or (), "=", "--fill NAME=VALUE"))
    except ValueError as error:
        stop(str(error))
    show = Show(console(), Mask(reveal=reveal), as_lines=as_lines, many=False)

    async def run() -> None:
        phone = replace(PROFILES[ProfileName.ANDROID_NUMBER], apps=(APP,), app_name="")
        limits = Limits(connect_s=timeout, read_s=timeout)
        async with Handset(card, where, phone, tls=tls, limits=limits) as handset:
            client = CompanionClient(handset, told)
            view = WebView(phone, tls=tls, limits=limits)
            for step in steps:
                outcome = await client.take(step)
                show.outcome(None, outcome)
                if web_view is None or outcome.document is None or not pages_of(outcome.document):
                    continue
                pages = open_pages(
                    handset,
                    outcome.document,
                    view,
                    end=web_view,
                    fill=filled,
                    again=client.configuration,
                )
                await show.events(card, pages)

    asyncio.run(run())
    raise typer.Exit(show.exit_code())
