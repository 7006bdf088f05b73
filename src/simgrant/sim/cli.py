"""``simgrant sim``: simulated handsets on the command line."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import ssl
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final
from urllib.parse import parse_qs, urlencode, urlsplit

import typer
from rich.console import Console
from rich.text import Text

from simgrant.identities import Imsi, InvalidIdentity
from simgrant.nouns import named_noun, replace
from simgrant.sim.aaa.command import aaa
from simgrant.sim.app_command import app as application
from simgrant.sim.browser import follow
from simgrant.sim.bss.command import bss
from simgrant.sim.card import Card
from simgrant.sim.companion import APP as COMPANION_APP
from simgrant.sim.companion import Companion, CompanionClient, Step
from simgrant.sim.events import event_json, render_event
from simgrant.sim.exchange import Exchange, Outcome, Result
from simgrant.sim.faults import Fault
from simgrant.sim.follow_up import Event, Failed, Trouble, WebEnd, await_notice, open_pages
from simgrant.sim.handset import Handset
from simgrant.sim.hlr.command import hlr
from simgrant.sim.hss.command import hss
from simgrant.sim.http import BadAnswer, HttpClient, HttpError, Limits, Unreachable, Url
from simgrant.sim.lies import Lie, TokenLie
from simgrant.sim.mdm_command import mdm
from simgrant.sim.options import (
    AnyPlmnOption,
    AudienceOption,
    CaOption,
    ClientIdOption,
    ClientKeyOption,
    EidOption,
    InsecureOption,
    KeyIdOption,
    KOption,
    LinesOption,
    OpcOption,
    RequestorOption,
    ScopeOption,
    TimeoutOption,
    TokenUrlOption,
    UrlArgument,
)
from simgrant.sim.options import applicant_of as _applicant
from simgrant.sim.options import stop as _stop
from simgrant.sim.options import tls_of as _tls
from simgrant.sim.partner import DEMO_REQUESTOR, Errand, PartnerServer
from simgrant.sim.phones import APP as PHONE_APP
from simgrant.sim.phones import Cast, PhoneClient, Target, Way, has_line, moves
from simgrant.sim.profiles import (
    DEMO_IMEI,
    PROFILES,
    Accept,
    CookieRule,
    Method,
    Profile,
    ProfileName,
    Speaks,
)
from simgrant.sim.push.command import push as push_services
from simgrant.sim.receiver import DEFAULT_AIR, Address, Receiver
from simgrant.sim.sims import (
    BadSimFile,
    Sim,
    SqnFile,
    demo_sims,
    following,
    key_from,
    load_sims,
)
from simgrant.sim.sink_command import sink
from simgrant.sim.smdp.command import smdp
from simgrant.sim.transcript import Mask, as_json, console, render, render_line, write
from simgrant.sim.udm.command import udm
from simgrant.sim.web_view import WebView, pages_of
from simgrant.wire.document import Document
from simgrant.wire.push_token import CHANNELS, Channel

if TYPE_CHECKING:
    from simgrant.sim.idp import OpenIdProvider
    from simgrant.sim.issuer import AuthorizationServer

MOST_SIMS = 1000
"""Handsets in one run; load is what the bench is for."""

_PASSWORD: Final = re.compile(r"(?<![0-9])[0-9]{4,10}(?![0-9])")

app = typer.Typer(
    name="sim",
    help="Handsets and partners' servers made of software, to try a server with.",
    no_args_is_help=True,
)


class Exit(IntEnum):
    """What the exit code of `simgrant sim handset` says."""

    DOCUMENT = 0
    """Every handset got its document."""
    REFUSED = 1
    """At least one did not."""
    USAGE = 2
    """The command line makes no sense."""
    UNREACHABLE = 3
    """At least one found no server."""
    UNHEARD = 4
    """At least one waited for a notice in vain."""
    INTERRUPTED = 130
    """Ctrl-C."""


_EXITS: Final = {
    Trouble.REFUSED: Exit.REFUSED,
    Trouble.UNREACHABLE: Exit.UNREACHABLE,
    Trouble.UNHEARD: Exit.UNHEARD,
}


class Repeat(StrEnum):
    """What to do once the document is there."""

    NO = "no"
    TOKEN = "token"  # noqa: S105 - the name of a leg
    """Ask again with the token."""
    FULL = "full"
    """Authenticate in full again."""


WebViewOption = Annotated[
    WebEnd | None,
    typer.Option(help="Open the page that an answer names: look, finish its forms, dismiss."),
]
FillOption = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=VALUE", help="What to write or choose on the page."),
]


class Auth(StrEnum):
    """How the handset proves who it is."""

    SIM = "sim"
    OIDC = "oidc"
    """By signing in on the page that the server names; one that wants a person is for you."""
    OTP = "otp"
    """By the one-time password that is sent to --msisdn, which you are asked for."""


@named_noun
class _Push:
    """Where handsets are told of changes."""

    air: Url
    channel: Channel


@named_noun
class _Plan:
    """What every handset of a run does."""

    url: Url
    profile: Profile
    fault: Fault | None
    auth: Auth
    msisdn: str
    repeat: Repeat
    operation: str
    targets: str
    terminal_id: str
    notif_token: str
    push: _Push | None
    texts: Url | None
    """Where the handset reads its messages."""
    wait_s: float
    web_view: WebEnd | None
    fill: dict[str, str]
    extra: tuple[tuple[str, str], ...]
    headers: tuple[tuple[str, str], ...]
    tls: ssl.SSLContext | None
    limits: Limits
    parallel: int
    sqn: SqnFile | None


@named_noun
class _Proof:
    """How a phone without a SIM of the line proves it; its fields are those of `_Plan`."""

    auth: Auth
    url: Url
    msisdn: str
    texts: Url | None
    wait_s: float
    tls: ssl.SSLContext | None
    limits: Limits


@app.command()
def handset(
    url: UrlArgument,
    imsi: Annotated[
        str, typer.Option(help="A demonstration SIM, one of --sim, or that of --k and --opc.")
    ] = "",
    sim: Annotated[
        Path | None, typer.Option(help="SIM file (TOML, JSON or CSV): imsi, k, opc or op.")
    ] = None,
    k: KOption = "",
    opc: OpcOption = "",
    mnc_digits: Annotated[int, typer.Option(min=2, max=3, help="Digits of the MNC in --imsi.")] = 2,
    profile: Annotated[
        ProfileName, typer.Option("--like", "--profile", help="The kind of handset.")
    ] = ProfileName.ANDROID_IMS,
    app_ids: Annotated[
        list[str] | None, typer.Option("--app", help="AppID to ask for; repeat it for several.")
    ] = None,
    entitlement_version: Annotated[str, typer.Option(help="Version of TS.43 to claim.")] = "",
    method: Annotated[Method | None, typer.Option(help="How the parameters travel.")] = None,
    accept: Annotated[Accept | None, typer.Option(help="Documents to accept.")] = None,
    cookies: Annotated[CookieRule | None, typer.Option(help="Cookie habits.")] = None,
    eap: Annotated[
        Speaks | None, typer.Option(help="EAP peer; rfc-prime is EAP-AKA' (RFC 9048).")
    ] = None,
    fault: Annotated[Fault | None, typer.Option(help="What to do wrong.")] = None,
    auth: Annotated[Auth, typer.Option(help="What to prove itself with.")] = Auth.SIM,
    msisdn: Annotated[
        str, typer.Option(help="Number of the SIM, for --auth otp and messages to it.")
    ] = "",
    repeat: Annotated[
        Repeat, typer.Option(help="Ask again, with the token or in full.")
    ] = Repeat.NO,
    count: Annotated[
        int, typer.Option(min=1, max=MOST_SIMS, help="Handsets, with consecutive SIMs.")
    ] = 1,
    parallel: Annotated[
        int, typer.Option(min=1, max=MOST_SIMS, help="Handsets that ask at the same time.")
    ] = 10,
    terminal_id: Annotated[str, typer.Option(help="IMEI or UUID of the device.")] = DEMO_IMEI,
    vendor: Annotated[str, typer.Option(help="terminal_vendor.")] = "",
    model: Annotated[str, typer.Option(help="terminal_model.")] = "",
    sw_version: Annotated[str, typer.Option(help="terminal_sw_version.")] = "",
    app_name: Annotated[str, typer.Option(help="app_name.")] = "",
    gid1: Annotated[str | None, typer.Option(help="GID1 of the SIM.")] = None,
    notif_token: Annotated[str, typer.Option(help="Push token to register (FCM).")] = "",
    push: Annotated[
        bool,
        typer.Option("--push", help="Register for push, wait for a notice, and ask again at it."),
    ] = False,
    wait: Annotated[
        float, typer.Option(min=0.1, max=86_400, help="Seconds to wait for a notice or a message.")
    ] = 60.0,
    channel: Annotated[
        Channel | None, typer.Option(help="Push service, if not this family's own.")
    ] = None,
    push_service: Annotated[
        str,
        typer.Option(
            help=f"The phones' port of `simgrant sim push`, for --push ({DEFAULT_AIR} if not said) "
            "and to read the password of --auth otp there.",
        ),
    ] = "",
    web_view: WebViewOption = None,
    fill: FillOption = None,
    operation: Annotated[
        str, typer.Option(help="Operation to ask for, with the token, once there is one.")
    ] = "",
    targets: Annotated[
        str, typer.Option(help="operation_targets, for AcquireTemporaryToken.")
    ] = "",
    parameter: Annotated[
        list[str] | None,
        typer.Option("--param", help="A further NAME=VALUE of every request, such as msisdn=+155…"),
    ] = None,
    header: Annotated[
        list[str] | None, typer.Option(help="A further header line, NAME: VALUE.")
    ] = None,
    sqn_file: Annotated[
        Path | None, typer.Option(help="Keep the SIMs' sequence numbers in this file.")
    ] = None,
    insecure: InsecureOption = False,
    ca: CaOption = None,
    timeout: TimeoutOption = 30.0,
    any_plmn: AnyPlmnOption = False,
    reveal: Annotated[
        bool, typer.Option("--reveal", help="Show identities, tokens and cookies in clear.")
    ] = False,
    as_lines: LinesOption = False,
) -> None:
    """Ask a server for entitlements, as a handset does, and show what was said.

    Exit code: 0 there is a document, 1 the server or a page refused, 2 wrong use,
    3 the server cannot be reached, 4 no notice came.
    """
    try:
        if auth is Auth.OTP and not msisdn:
            raise ValueError("--auth otp needs an --msisdn")
        if msisdn and auth is Auth.SIM and not push:
            raise ValueError("--msisdn is for --auth, and for --push by SMS")
        if (auth is not Auth.SIM or web_view is WebEnd.FINISH) and count > 1:
            raise ValueError("a person has one handset at a time in hand")
        sims = _sims(imsi=imsi, file=sim, k=k, opc=opc, mnc_digits=mnc_digits, count=count)
        _only_test_networks(sims, any_plmn=any_plmn)
        plan = _Plan(
            url=Url.parse(url),
            profile=_changed(
                PROFILES[profile],
                apps=tuple(app_ids) if app_ids else None,
                entitlement_version=entitlement_version,
                method=method,
                accept=accept,
                cookies=cookies,
                speaks=eap,
                vendor=vendor,
                model=model,
                sw_version=sw_version,
                app_name=app_name,
                gid1=gid1,
            ),
            fault=fault,
            auth=auth,
            msisdn=msisdn,
            repeat=repeat,
            operation=operation,
            targets=targets,
            terminal_id=terminal_id,
            notif_token=notif_token,
            push=_push(PROFILES[profile], channel, push_service or DEFAULT_AIR, notif_token)
            if push
            else None,
            texts=Url.parse(push_service) if push_service else None,
            wait_s=wait,
            web_view=web_view,
            fill=dict(_pairs(fill or (), "=", "--fill NAME=VALUE")),
            extra=_pairs(parameter or (), "=", "--param NAME=VALUE"),
            headers=_pairs(header or (), ":", "--header 'NAME: VALUE'"),
            tls=_tls(ca, insecure=insecure) if ca or insecure or url.startswith("https:") else None,
            limits=Limits(connect_s=timeout, read_s=timeout),
            # Who waits for a notice must not keep others from registering.
            parallel=count if push else parallel,
            sqn=SqnFile(sqn_file) if sqn_file else None,
        )
    except (ValueError, BadSimFile) as error:
        _stop(str(error))
    show = _Show(console(), Mask(reveal=reveal), as_lines=as_lines, many=len(sims) > 1)
    try:
        worst = asyncio.run(_run(plan, sims, show))
        if plan.sqn is not None:
            plan.sqn.save()
    except KeyboardInterrupt:
        console(stderr=True).print("interrupted")
        raise typer.Exit(Exit.INTERRUPTED) from None
    except BadSimFile as error:
        _stop(str(error))
    raise typer.Exit(worst)


@app.command()
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
        (card,) = sims = _sims(imsi=imsi, file=None, k=k, opc=opc, mnc_digits=2, count=1)
        _only_test_networks(sims, any_plmn=any_plmn)
        where = Url.parse(url)
        tls = _tls(ca, insecure=insecure) if url.startswith("https:") else None
        told = Companion(
            terminal_id=terminal_id, eid=eid, name=name, service=service, old_iccid=old_iccid
        )
        filled = dict(_pairs(fill or (), "=", "--fill NAME=VALUE"))
    except ValueError as error:
        _stop(str(error))
    show = _Show(console(), Mask(reveal=reveal), as_lines=as_lines, many=False)

    async def run() -> None:
        phone = replace(PROFILES[ProfileName.ANDROID_NUMBER], apps=(COMPANION_APP,), app_name="")
        limits = Limits(connect_s=timeout, read_s=timeout)
        async with Handset(card, where, phone, tls=tls, limits=limits) as handset:
            client = CompanionClient(handset, told)
            view = WebView(phone, tls=tls, limits=limits)
            for step in steps:
                outcome = await client.take(step)
                show.outcome(None, outcome)
                if web_view is None or outcome.document is None or not pages_of(outcome.document):
                    continue
                async for event in open_pages(
                    handset,
                    outcome.document,
                    view,
                    end=web_view,
                    fill=filled,
                    again=client.configuration,
                ):
                    show.event(card, event)

    asyncio.run(run())
    raise typer.Exit(show.exit_code())


_AUTH: Final = {Way.OTP: Auth.OTP, Way.OIDC: Auth.OIDC, Way.SIGN_UP: Auth.OIDC}
"""How a phone proves itself that has no SIM."""


@app.command()
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
        filled = dict(_pairs(fill or (), "=", "--fill NAME=VALUE"))
        (card,) = sims = _sims(imsi=imsi, file=None, k=k, opc=opc, mnc_digits=2, count=1)
        _only_test_networks(sims, any_plmn=any_plmn)
        where = Url.parse(url)
        tls = _tls(ca, insecure=insecure) if url.startswith("https:") else None
        limits = Limits(connect_s=timeout, read_s=timeout)
        target = Target(imei=imei, eid=eid)
        target.scanned(target.code)  # Whether a phone could have them.
        proof = _Proof(
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
        _stop(str(error))
    show = _Show(console(), Mask(reveal=reveal), as_lines=as_lines, many=False)
    kind = replace(PROFILES[ProfileName.ANDROID_NUMBER], apps=(PHONE_APP,), app_name="")

    async def install(iccid: str) -> None:
        if books is not None:
            await _tell(books, "/install", iccid, limits)

    async def delete(iccid: str) -> None:
        if books is not None:
            await _tell(books, "/delete", iccid, limits)

    async def page(asks: PhoneClient, outcome: Outcome) -> None:
        if web_view is not None and outcome.document is not None:
            view = WebView(kind, tls=tls, limits=limits)
            async for event in open_pages(
                asks.handset,
                outcome.document,
                view,
                end=web_view,
                fill=filled,
                again=asks.configuration,
            ):
                show.event(card, event)

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
                sign_in=lambda handset: _signed_in(proof, handset, msisdn),
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


@app.command()
def partner(
    url: UrlArgument,
    operation: Annotated[
        str, typer.Option(help="What to ask for; empty = to be known, and no more.")
    ] = "GetPhoneNumber",
    temporary_token: Annotated[str, typer.Option(help="A token that a handset lent.")] = "",
    operator_token: Annotated[str, typer.Option(help="A token that an app lent.")] = "",
    access_token: Annotated[str, typer.Option(help="Proof of this server itself.")] = "",
    token: Annotated[
        str, typer.Option(help="The TOKEN that this server got for such a proof.")
    ] = "",
    token_url: TokenUrlOption = "",
    client_id: ClientIdOption = "",
    client_key: ClientKeyOption = None,
    key_id: KeyIdOption = "",
    token_audience: AudienceOption = "",
    scope: ScopeOption = "",
    app_id: Annotated[str, typer.Option("--app", help="AppID to ask for.")] = "ap2014",
    requestor_id: RequestorOption = DEMO_REQUESTOR,
    parameter: Annotated[
        list[str] | None, typer.Option("--param", help="A further NAME=VALUE, such as msisdn=…")
    ] = None,
    insecure: InsecureOption = False,
    ca: CaOption = None,
    timeout: TimeoutOption = 30.0,
    reveal: Annotated[
        bool, typer.Option("--reveal", help="Show numbers and tokens in clear.")
    ] = False,
    as_lines: LinesOption = False,
) -> None:
    """Ask a server about a subscriber, as a partner's server with a lent token does, or as a system
    of ap2011 by itself.

    With --token-url it first asks an authorization server for the proof of itself (RFC 7523).

    Exit code: 0 there is a document, 1 the server refused, 2 wrong use,
    3 the server cannot be reached.
    """
    given = (
        ("temporary_token", temporary_token),
        ("operator_token", operator_token),
        ("access_token", access_token),
        ("token", token),
    )
    try:
        where = Url.parse(url)
        if bool(token_url) != bool(client_id and client_key) or (token_url and access_token):
            raise ValueError(
                "--token-url, --client-id and --client-key go together, without --access-token"
            )
        wants_tls = url.startswith("https:") or token_url.startswith("https:")
        tls = _tls(ca, insecure=insecure) if wants_tls else None
        errand = Errand(
            operation=operation,
            app=app_id,
            requestor_id=requestor_id,
            proof=tuple((name, value) for name, value in given if value),
            extra=_pairs(parameter or (), "=", "--param NAME=VALUE"),
        )
        applicant = _applicant(token_url, client_id, client_key, key_id, token_audience, scope)
    except (ValueError, OSError) as error:
        _stop(str(error))

    async def run() -> Outcome:
        limits = Limits(connect_s=timeout, read_s=timeout)
        asked = errand
        before: tuple[Exchange, ...] = ()
        if applicant is not None:
            from simgrant.sim.applicant import Grant, apply

            granted = await apply(applicant, tls=tls, limits=limits)
            if not isinstance(granted, Grant):
                return granted
            proof = (*errand.proof, ("access_token", granted.access_token))
            asked, before = replace(errand, proof=proof), (granted.exchange,)
        async with PartnerServer(where, tls=tls, limits=limits) as server:
            outcome = await server.run(asked)
            return replace(outcome, exchanges=(*before, *outcome.exchanges))

    show = _Show(console(), Mask(reveal=reveal), as_lines=as_lines, many=False)
    show.outcome(None, asyncio.run(run()))
    raise typer.Exit(show.exit_code())


@app.command()
def idp(
    redirect_uri: Annotated[
        str, typer.Option(help="Where the entitlement server is led back to, as it has it.")
    ],
    phone_number: Annotated[str, typer.Option(help="Number of the one person it knows.")],
    secret_file: Annotated[
        Path, typer.Option(help="The client's secret; made where there is no such file.")
    ],
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1.")] = 9080,
    client_id: Annotated[str, typer.Option(help="The one client it knows.")] = "simgrant",
    lie: Annotated[Lie, typer.Option(help="What to say that is not so.")] = Lie.NONE,
    in_userinfo: Annotated[
        bool, typer.Option("--in-userinfo", help="Tell the number in userinfo only.")
    ] = False,
) -> None:
    """Play an OpenID provider that signs everybody in as one person, until Ctrl-C."""
    # What it takes beside the server's own dependencies is the extra `sim`.
    from simgrant.sim.idp import OpenIdProvider

    provider = OpenIdProvider(
        client_id=client_id,
        client_secret=_secret(secret_file),
        redirect_uri=redirect_uri,
        phone_number=phone_number,
        in_userinfo=in_userinfo,
    )
    provider.lie = lie
    _play(provider, port)


@app.command()
def issuer(
    client_id: Annotated[str, typer.Option(help="The one client it grants tokens to.")],
    client_key: Annotated[
        Path, typer.Option(help="What that signs with: its public key (PEM), or its secret.")
    ],
    secret_file: Annotated[
        Path,
        typer.Option(help="The entitlement server's secret; made where there is no such file."),
    ],
    audience: Annotated[str, typer.Option(help="aud of its tokens.")],
    server_id: Annotated[
        str, typer.Option(help="Which client the entitlement server is, when it asks.")
    ] = "simgrant",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1.")] = 9086,
    scope: Annotated[str, typer.Option(help="Scope of its tokens.")] = "",
    opaque: Annotated[
        bool, typer.Option("--opaque", help="Grant tokens that say nothing themselves.")
    ] = False,
    life: Annotated[int, typer.Option(min=1, help="Seconds that a token lives.")] = 300,
    lie: Annotated[TokenLie, typer.Option(help="What to say that is not so.")] = TokenLie.NONE,
) -> None:
    """Play an issuer of access tokens, with keys and introspection, until Ctrl-C."""
    from simgrant.sim.issuer import AuthorizationServer
    from simgrant.sim.oauth import Client

    try:
        key = client_key.read_text().strip()
    except (ValueError, OSError) as error:
        _stop(f"{client_key}: {error}")
    is_public = key.startswith("-----BEGIN")
    server = AuthorizationServer(
        audience=audience,
        clients=[Client(client_id, "" if is_public else key, key if is_public else "")],
        servers=[Client(server_id, _secret(secret_file))],
        scope=scope,
        opaque=opaque,
        life_s=life,
    )
    server.lie = lie
    _play(server, port)


def _secret(file: Path) -> str:
    """Return the secret in a file, which is made where there is none."""
    try:
        if not file.exists():
            file.touch(0o600)
            file.write_text(secrets.token_urlsafe(24) + "\n")
        return file.read_text().strip()
    except (ValueError, OSError) as error:
        _stop(f"{file}: {error}")


def _play(server: OpenIdProvider | AuthorizationServer, port: int) -> None:
    """Let a server listen until Ctrl-C."""
    server.web.port = port

    async def serve() -> None:
        await server.up()
        console().print(f"issuer {server.issuer}", markup=False)
        try:
            await asyncio.Event().wait()
        finally:
            await server.down()

    try:
        asyncio.run(serve())
    except OSError as error:
        _stop(f"port {port}: {error.strerror}")
    except KeyboardInterrupt:
        raise typer.Exit(Exit.INTERRUPTED) from None


app.command("push")(push_services)
app.command()(smdp)
app.command()(mdm)
app.command()(hss)
app.command()(aaa)
app.command()(hlr)
app.command()(udm)
app.command()(bss)
app.command("app")(application)
app.command()(sink)


# ------------------------------------------------------------------------------- running


class _Show:
    """Prints each conversation when it is over, whole, however many run at once."""

    def __init__(self, out: Console, mask: Mask, *, as_lines: bool, many: bool) -> None:
        self._out = out
        self._mask = mask
        self._as_lines = as_lines
        self._many = many
        self._results: list[Result] = []
        self._failures: set[Exit] = set()

    def outcome(self, sim: Sim | None, outcome: Outcome) -> None:
        self._results.append(outcome.result)
        if self._as_lines:
            for line in as_json(outcome, mask=self._mask, sim=sim.imsi if sim else None):
                sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")
            sys.stdout.flush()
        elif self._many and sim:
            write(self._out, render_line(outcome, name=self._mask.imsi(sim.imsi)))
        else:
            write(self._out, render(outcome, mask=self._mask))

    def event(self, sim: Sim, event: Event) -> None:
        """Print what a handset does after its answer."""
        if isinstance(event, Outcome):
            self.outcome(sim, event)
            return
        if isinstance(event, Failed):
            self._failures.add(_EXITS[event.kind])
        if self._as_lines:
            data = {"sim": self._mask.imsi(sim.imsi), **event_json(event, mask=self._mask)}
            sys.stdout.write(json.dumps(data, ensure_ascii=False) + "\n")
            sys.stdout.flush()
            return
        if self._many:
            write(self._out, Text(self._mask.imsi(sim.imsi), style="bold"))
        write(self._out, render_event(event, mask=self._mask))
        self._out.file.flush()

    def total(self) -> None:
        """Say how many there were of each result, if there were many."""
        if self._many and not self._as_lines:
            counts = {str(each): self._results.count(each) for each in Result}
            said = ", ".join(f"{number} {name}" for name, number in counts.items() if number)
            write(self._out, f"{len(self._results)} conversations: {said}")

    def exit_code(self) -> Exit:
        """Return the exit code that the worst conversation deserves."""
        if Result.UNREACHABLE in self._results or Exit.UNREACHABLE in self._failures:
            return Exit.UNREACHABLE
        if any(result is not Result.DOCUMENT for result in self._results):
            return Exit.REFUSED
        return min(self._failures, default=Exit.DOCUMENT)


async def _run(plan: _Plan, sims: tuple[Sim, ...], show: _Show) -> Exit:
    """Let the handsets ask, a bounded number at a time."""
    waiting = iter(sims)

    async def worker() -> None:
        for sim in waiting:
            await _one(plan, sim, show)

    async with asyncio.TaskGroup() as group:
        for _ in range(min(plan.parallel, len(sims))):
            group.create_task(worker())
    show.total()
    return show.exit_code()


async def _one(plan: _Plan, sim: Sim, show: _Show) -> None:
    try:
        await _visit(plan, sim, show)
    except HttpError as error:
        # The server's own are in the outcomes; this is the push service.
        show.event(sim, Failed(str(error), Trouble.UNREACHABLE))


async def _visit(plan: _Plan, sim: Sim, show: _Show) -> None:
    taken = plan.sqn.taken(sim.imsi) if plan.sqn else ()
    card = Card(sim, taken=taken, fault=plan.fault)
    receiver, address = None, Address(int(plan.profile.notif_action), plan.notif_token)
    if plan.push is not None:
        receiver = Receiver(plan.push.air, plan.push.channel, limits=plan.limits)
        address = await receiver.register(_number(plan, sim))
    async with Handset(
        sim,
        plan.url,
        plan.profile,
        card=card,
        fault=plan.fault,
        terminal_id=plan.terminal_id,
        notif_token=address.token if address.action else "",
        notif_action=address.action,
        extra=plan.extra,
        headers=plan.headers,
        tls=plan.tls,
        limits=plan.limits,
    ) as phone:
        if plan.auth is not Auth.SIM:
            outcome = await _signed_in(plan, phone, _number(plan, sim))
            if plan.operation and outcome.result is Result.DOCUMENT:
                show.outcome(sim, outcome)
                outcome = await phone.operate(plan.operation)
        elif plan.operation:
            targets = (("operation_targets", plan.targets),) if plan.targets else ()
            outcome = await phone.operate(plan.operation, extra=targets)
        else:
            outcome = await phone.ask()
        show.outcome(sim, outcome)
        if outcome.result is Result.DOCUMENT and plan.repeat is not Repeat.NO:
            again = phone.ask if plan.repeat is Repeat.TOKEN else phone.authenticate
            show.outcome(sim, await again())
        if phone.document is not None and outcome.document is not None:
            async for event in _after(plan, phone, receiver, outcome.document):
                show.event(sim, event)
    if plan.sqn is not None:
        plan.sqn.keep(sim.imsi, card.taken)


async def _after(
    plan: _Plan, phone: Handset, receiver: Receiver | None, document: Document
) -> AsyncIterator[Event]:
    """Do what comes after the answer."""
    if plan.web_view is not None:
        view = WebView(plan.profile, tls=plan.tls, limits=plan.limits)
        async for event in open_pages(phone, document, view, end=plan.web_view, fill=plan.fill):
            yield event
    if plan.push is not None and receiver is not None:
        async for event in await_notice(phone, receiver, wait_s=plan.wait_s):
            yield event


async def _signed_in(plan: _Plan | _Proof, phone: Handset, number: str) -> Outcome:
    """Prove by a page, or by a password; what only a person can do, the terminal is asked for."""
    read = _asked("One-time password")
    if plan.texts is not None and number:
        texts = Receiver(plan.texts, Channel.SMS, limits=plan.limits)
        await texts.register(number)
        read = _read(texts, plan.wait_s)
    if plan.auth is Auth.OTP:
        return await phone.with_password(plan.msisdn, read)

    async def browse(page: str) -> str:
        try:
            return await follow(page, tls=plan.tls, limits=plan.limits)
        except (HttpError, ValueError) as error:
            state = parse_qs(urlsplit(page).query).get("state")
            if plan.texts is not None and state and "client_id=" not in page:
                # The page that asks for a password too: it leads back with both.
                return f"{plan.url}?{urlencode({'state': state[0], 'OTP': await read()})}"
            if isinstance(error, HttpError):
                raise
            console(stderr=True).print(f"{page}\n{error}", markup=False, soft_wrap=True)
            return await _asked("The address that it led to")()

    return await phone.sign_in(browse)


def _asked(what: str) -> Callable[[], Awaitable[str]]:
    async def read() -> str:
        try:
            return str(await asyncio.to_thread(typer.prompt, what, err=True)).strip()
        except typer.Abort:
            raise Unreachable(f"nobody said the {what[0].lower()}{what[1:]}") from None

    return read


def _read(texts: Receiver, wait_s: float) -> Callable[[], Awaitable[str]]:
    """Read the password in the message that comes, as phones offer to do."""

    async def read() -> str:
        while (notice := await texts.listen(within=wait_s)) is not None:
            if found := _PASSWORD.search(notice.text):
                return found[0]
        raise Unreachable(f"no message with a password has come within {wait_s:g} s")

    return read


def _number(plan: _Plan, sim: Sim) -> str:
    """Return the telephone number that a handset is reached by."""
    return plan.msisdn or (sim.msisdn.digits if sim.msisdn else "")


# ------------------------------------------------------------------------- command line


def _push(profile: Profile, channel: Channel | None, air: str, notif_token: str) -> _Push:
    if profile.bare:
        raise ValueError(f"{profile.name} registers for no push")
    if notif_token:
        raise ValueError("--push brings its own token; leave out --notif-token")
    return _Push(air=Url.parse(air), channel=channel or CHANNELS[profile.notif_action])


def _sims(
    *, imsi: str, file: Path | None, k: str, opc: str, mnc_digits: int, count: int
) -> tuple[Sim, ...]:
    """Return the SIMs that the options name."""
    if bool(k) != bool(opc):
        raise ValueError("--k and --opc go together")
    if k:
        if file is not None:
            raise ValueError("--sim brings its own keys; leave out --k and --opc")
        if not imsi:
            raise ValueError("--k and --opc need an --imsi")
        first = Sim(
            imsi=_imsi(imsi),
            k=key_from(k, name="--k"),
            opc=key_from(opc, name="--opc"),
            mnc_digits=mnc_digits,
        )
        return following(first, count)
    if file is not None:
        return _chosen(load_sims(file), imsi, count, f"{file} has")
    demo = demo_sims()
    if imsi and _imsi(imsi).digits[:-4] == demo[0].imsi.digits[:-4]:
        return following(_demo(demo[0], imsi), count)
    if imsi:
        raise ValueError("--imsi names no demonstration SIM; give its --k and --opc, or --sim")
    return following(demo[0], count)


def _demo(first: Sim, imsi: str) -> Sim:
    """Return a SIM of the demonstration range, which all have the same keys."""
    steps = int(imsi) - int(first.imsi.digits)
    if steps < 0:
        raise ValueError("the demonstration SIMs begin with 001010000000001")
    return following(first, steps + 1)[-1]


def _chosen(sims: tuple[Sim, ...], imsi: str, count: int, whose: str) -> tuple[Sim, ...]:
    start = 0
    if imsi:
        wanted = _imsi(imsi)
        start = next((at for at, sim in enumerate(sims) if sim.imsi == wanted), -1)
        if start < 0:
            raise ValueError(f"{whose} no such IMSI")
    found = sims[start : start + count]
    if len(found) < count:
        raise ValueError(f"{whose} {len(found)} SIMs from there on, not {count}")
    return found


def _imsi(text: str) -> Imsi:
    try:
        return Imsi(text)
    except InvalidIdentity as error:
        raise ValueError(f"--imsi: {error}") from None


def _only_test_networks(sims: Iterable[Sim], *, any_plmn: bool) -> None:
    if any_plmn:
        return
    for sim in sims:
        if not sim.is_test:
            raise ValueError(
                f"a SIM of network {sim.mcc}-{sim.mnc}, which is no test network "
                "(001-01, 999-xx); say --any-plmn if that is meant"
            )


def _changed(profile: Profile, **wishes: object) -> Profile:
    """Return the profile with what was asked for on the command line."""
    given = {name: value for name, value in wishes.items() if value not in (None, "")}
    return replace(profile, **given)  # type: ignore[arg-type]


def _pairs(texts: Iterable[str], separator: str, form: str) -> tuple[tuple[str, str], ...]:
    pairs = []
    for text in texts:
        name, found, value = text.partition(separator)
        if not found or not name.strip():
            raise ValueError(f"{text!r} is not of the form {form}")
        pairs.append((name.strip(), value.strip()))
    return tuple(pairs)
