"""``simgrant sim handset``: handsets that ask for entitlements, on the command line."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from simgrant.nouns import named_noun, replace
from simgrant.sim.card import Card
from simgrant.sim.exchange import Result
from simgrant.sim.faults import Fault
from simgrant.sim.follow_up import Event, Failed, Trouble, WebEnd, await_notice, open_pages
from simgrant.sim.handset import Handset
from simgrant.sim.http import HttpError, Limits, Url
from simgrant.sim.options import (
    AnyPlmnOption,
    CaOption,
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
from simgrant.sim.receiver import DEFAULT_AIR, Address, Receiver
from simgrant.sim.showing import Exit, Show
from simgrant.sim.signing_in import Auth, Proof, signed_in
from simgrant.sim.sims import BadSimFile, Sim, SqnFile
from simgrant.sim.transcript import Mask, console
from simgrant.sim.web_view import WebView
from simgrant.wire.document import Document
from simgrant.wire.push_token import CHANNELS, Channel

MOST_SIMS = 1000
"""Handsets in one run; load is what the bench is for."""


class Repeat(StrEnum):
    """What to do once the document is there."""

    NO = "no"
    TOKEN = "token"  # noqa: S105 - the name of a leg
    """Ask again with the token."""
    FULL = "full"
    """Authenticate in full again."""


@named_noun
class _Push:
    """Where handsets are told of changes."""

    air: Url
    channel: Channel


@named_noun
class _Plan:
    """What every handset of a run does."""

    proof: Proof
    profile: Profile
    fault: Fault | None
    repeat: Repeat
    operation: str
    targets: str
    terminal_id: str
    notif_token: str
    push: _Push | None
    web_view: WebEnd | None
    fill: dict[str, str]
    extra: tuple[tuple[str, str], ...]
    headers: tuple[tuple[str, str], ...]
    parallel: int
    sqn: SqnFile | None


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
        sims = sims_of(
            imsi=imsi,
            k=k,
            opc=opc,
            any_plmn=any_plmn,
            file=sim,
            mnc_digits=mnc_digits,
            count=count,
        )
        plan = _Plan(
            proof=Proof(
                auth=auth,
                url=Url.parse(url),
                msisdn=msisdn,
                texts=Url.parse(push_service) if push_service else None,
                wait_s=wait,
                tls=tls_of(ca, insecure=insecure)
                if ca or insecure or url.startswith("https:")
                else None,
                limits=Limits(connect_s=timeout, read_s=timeout),
            ),
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
            repeat=repeat,
            operation=operation,
            targets=targets,
            terminal_id=terminal_id,
            notif_token=notif_token,
            push=_push(PROFILES[profile], channel, push_service or DEFAULT_AIR, notif_token)
            if push
            else None,
            web_view=web_view,
            fill=dict(pairs_of(fill or (), "=", "--fill NAME=VALUE")),
            extra=pairs_of(parameter or (), "=", "--param NAME=VALUE"),
            headers=pairs_of(header or (), ":", "--header 'NAME: VALUE'"),
            # Who waits for a notice must not keep others from registering.
            parallel=count if push else parallel,
            sqn=SqnFile(sqn_file) if sqn_file else None,
        )
    except (ValueError, BadSimFile) as error:
        stop(str(error))
    show = Show(console(), Mask(reveal=reveal), as_lines=as_lines, many=len(sims) > 1)
    try:
        worst = asyncio.run(_run(plan, sims, show))
        if plan.sqn is not None:
            plan.sqn.save()
    except KeyboardInterrupt:
        console(stderr=True).print("interrupted")
        raise typer.Exit(Exit.INTERRUPTED) from None
    except BadSimFile as error:
        stop(str(error))
    raise typer.Exit(worst)


async def _run(plan: _Plan, sims: tuple[Sim, ...], show: Show) -> Exit:
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


async def _one(plan: _Plan, sim: Sim, show: Show) -> None:
    try:
        await _visit(plan, sim, show)
    except HttpError as error:
        # The server's own are in the outcomes; this is the push service.
        show.event(sim, Failed(str(error), Trouble.UNREACHABLE))


async def _visit(plan: _Plan, sim: Sim, show: Show) -> None:
    taken = plan.sqn.taken(sim.imsi) if plan.sqn else ()
    card = Card(sim, taken=taken, fault=plan.fault)
    receiver, address = None, Address(int(plan.profile.notif_action), plan.notif_token)
    if plan.push is not None:
        receiver = Receiver(plan.push.air, plan.push.channel, limits=plan.proof.limits)
        address = await receiver.register(_number(plan, sim))
    async with Handset(
        sim,
        plan.proof.url,
        plan.profile,
        card=card,
        fault=plan.fault,
        terminal_id=plan.terminal_id,
        notif_token=address.token if address.action else "",
        notif_action=address.action,
        extra=plan.extra,
        headers=plan.headers,
        tls=plan.proof.tls,
        limits=plan.proof.limits,
    ) as phone:
        if plan.proof.auth is not Auth.SIM:
            outcome = await signed_in(plan.proof, phone, _number(plan, sim))
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
            await show.events(sim, _after(plan, phone, receiver, outcome.document))
    if plan.sqn is not None:
        plan.sqn.keep(sim.imsi, card.taken)


async def _after(
    plan: _Plan, phone: Handset, receiver: Receiver | None, document: Document
) -> AsyncIterator[Event]:
    """Do what comes after the answer."""
    if plan.web_view is not None:
        view = WebView(plan.profile, tls=plan.proof.tls, limits=plan.proof.limits)
        async for event in open_pages(phone, document, view, end=plan.web_view, fill=plan.fill):
            yield event
    if plan.push is not None and receiver is not None:
        async for event in await_notice(phone, receiver, wait_s=plan.proof.wait_s):
            yield event


def _number(plan: _Plan, sim: Sim) -> str:
    """Return the telephone number that a handset is reached by."""
    return plan.proof.msisdn or (sim.msisdn.digits if sim.msisdn else "")


def _push(profile: Profile, channel: Channel | None, air: str, notif_token: str) -> _Push:
    if profile.bare:
        raise ValueError(f"{profile.name} registers for no push")
    if notif_token:
        raise ValueError("--push brings its own token; leave out --notif-token")
    return _Push(air=Url.parse(air), channel=channel or CHANNELS[profile.notif_action])


def _changed(profile: Profile, **wishes: object) -> Profile:
    """Return the profile with what was asked for on the command line."""
    given = {name: value for name, value in wishes.items() if value not in (None, "")}
    return replace(profile, **given)  # type: ignore[arg-type]
