"""``simgrant sim phone``: a line that comes into a phone's eSIM, on the command line."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated, Final

import typer

from simgrant.nouns import replace
from simgrant.sim.exchange import Outcome
from simgrant.sim.follow_up import open_pages
from simgrant.sim.handset import Handset
from simgrant.sim.http import BadAnswer, HttpClient, HttpError, Limits, Url
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
from simgrant.sim.phones import APP, Cast, PhoneClient, Target, Way, has_line, moves
from simgrant.sim.profiles import DEMO_IMEI, PROFILES, ProfileName
from simgrant.sim.showing import Exit, Show
from simgrant.sim.signing_in import Auth, Proof, signed_in
from simgrant.sim.transcript import Mask, console
from simgrant.sim.web_view import WebView

_AUTH: Final = {Way.OTP: Auth.OTP, Way.OIDC: Auth.OIDC, Way.SIGN_UP: Auth.OIDC}
"""How a phone proves itself that has no SIM."""


def phone(
    url: UrlArgument,
    way: Annotated[Way, typer.Argument(help="How the line comes into the eSIM.")],
    imsi: Annotated[
        str, typer.Option(help="The line's SIM: a demonstration one, or that of --k and --opc.")
    ] = "",
    k: KOption = "",
    opc: OpcOption = "",
    old_imei: Annotated[str, typer.Option(help="IMEI of the phone with the SIM.")] = DEMO_IMEI,
    old_iccid: Annotated[
        str, typer.Option(help="ICCID of its SIM, or of the profile that it removed or deletes.")
    ] = "",
    delete_old: Annotated[
        bool,
        typer.Option(
            "--delete-old",
            help="It deletes that profile when it is to, at --smdp-books (TS.43 §8.11).",
        ),
    ] = False,
    imei: Annotated[str, typer.Option(help="IMEI of the new phone.")] = "350000000000033",
    eid: EidOption = "89049032123451234512345678901235",
    msisdn: Annotated[str, typer.Option(help="Number of the line, for otp.")] = "",
    web_view: WebViewOption = None,
    fill: FillOption = None,
    push_service: Annotated[
        str,
        typer.Option(help="The phones' port of `simgrant sim push`: read the password there."),
    ] = "",
    smdp_books: Annotated[
        str,
        typer.Option(help="Second port of `simgrant sim smdp`: the profile is installed there."),
    ] = "",
    answer: Annotated[
        str,
        typer.Option(help="What is said where the phone asks: yes, no, or the account's PIN."),
    ] = "yes",
    wait: Annotated[
        float, typer.Option(min=0.1, max=86_400, help="Seconds to wait for profile or password.")
    ] = 60.0,
    insecure: InsecureOption = False,
    ca: CaOption = None,
    timeout: TimeoutOption = 30.0,
    any_plmn: AnyPlmnOption = False,
    reveal: Annotated[
        bool, typer.Option("--reveal", help="Show identities, tokens and codes in clear.")
    ] = False,
    as_lines: LinesOption = False,
) -> None:
    """Get a line into a phone's eSIM as phones do (ap2009), and show what was said.

    Exit code: as of `handset`, of the worst answer; 1 too where the line is not there.
    """
    try:
        if way is Way.OTP and not msisdn:
            raise ValueError("otp needs an --msisdn")
        if delete_old and not (old_iccid and smdp_books):
            raise ValueError("--delete-old needs --old-iccid and --smdp-books")
        filled = dict(pairs_of(fill or (), "=", "--fill NAME=VALUE"))
        (card,) = sims_of(imsi=imsi, k=k, opc=opc, any_plmn=any_plmn)
        where = Url.parse(url)
        tls = tls_of(ca, insecure=insecure) if url.startswith("https:") else None
        limits = Limits(connect_s=timeout, read_s=timeout)
        target = Target(imei=imei, eid=eid)
        target.scanned(target.code)  # Whether a phone could have them.
        proof = Proof(
            auth=_AUTH.get(way, Auth.SIM),
            url=where,
            msisdn=msisdn,
            texts=Url.parse(push_service) if push_service else None,
            wait_s=wait,
            tls=tls,
            limits=limits,
        )
        books = Url.parse(smdp_books) if smdp_books else None
    except ValueError as error:
        stop(str(error))
    show = Show(console(), Mask(reveal=reveal), as_lines=as_lines, many=False)
    kind = replace(PROFILES[ProfileName.ANDROID_NUMBER], apps=(APP,), app_name="")

    async def install(iccid: str) -> None:
        if books is not None:
            await _tell(books, "/install", iccid, limits)

    async def delete(iccid: str) -> None:
        if books is not None:
            await _tell(books, "/delete", iccid, limits)

    async def page(asks: PhoneClient, outcome: Outcome) -> None:
        if web_view is not None and outcome.document is not None:
            view = WebView(kind, tls=tls, limits=limits)
            pages = open_pages(
                asks.handset,
                outcome.document,
                view,
                end=web_view,
                fill=filled,
                again=asks.configuration,
            )
            await show.events(card, pages)

    async def run() -> bool:
        has_sim = way not in (Way.RECOVER, Way.READY)
        async with (
            Handset(card, where, kind, terminal_id=old_imei, tls=tls, limits=limits) as first,
            Handset(card, where, kind, terminal_id=imei, tls=tls, limits=limits) as second,
        ):
            cast = Cast(
                old=PhoneClient(
                    first if has_sim else second,
                    target,
                    old_imei=old_imei if has_sim and way is not Way.NEW else "",
                    old_iccid=old_iccid,
                ),
                new=PhoneClient(second, target, old_iccid=old_iccid),
                sign_in=lambda handset: signed_in(proof, handset, msisdn),
                install=install,
                delete=delete if delete_old else None,
                page=page if web_view is not None else None,
                wait_s=wait,
                reply=answer,
            )
            last = None
            async for last in moves(way, cast):
                show.outcome(None, last)
        return last is not None and has_line(last)

    try:
        moved = asyncio.run(run())
    except HttpError as error:
        console(stderr=True).print(f"Error: {error}", style="red", markup=False)
        raise typer.Exit(Exit.UNREACHABLE) from None
    raise typer.Exit(show.exit_code() or (Exit.DOCUMENT if moved else Exit.REFUSED))


async def _tell(books: Url, path: str, iccid: str, limits: Limits) -> None:
    """Let a simulated SM-DP+ say that a profile was installed or deleted; raise HttpError."""
    http = HttpClient(books, limits=limits)
    try:
        body = json.dumps({"iccid": iccid}).encode()
        kind = (("content-type", "application/json"),)
        answer = await http.exchange("POST", path, kind, body=body)
    finally:
        await http.aclose()
    if answer.status != 200:
        raise BadAnswer(
            f"the SM-DP+ says {answer.status} {answer.body[:80].decode('ascii', 'replace')}"
        )
