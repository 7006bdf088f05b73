"""``simgrant sim app``: an application on a phone and its back end, on the command line."""

from __future__ import annotations

import asyncio
import json
import time
from enum import IntEnum, StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from simgrant.nouns import named_noun
from simgrant.sim.back_end import CALLS, BackEnd, Contract, Question, Refused
from simgrant.sim.companion import parms
from simgrant.sim.exchange import Exchange, Outcome, Result
from simgrant.sim.handset import Handset
from simgrant.sim.http import HttpError, Limits, Url
from simgrant.sim.options import (
    CaOption,
    ClientIdOption,
    InsecureOption,
    KeyIdOption,
    LinesOption,
    TimeoutOption,
    stop,
    tls_of,
)
from simgrant.sim.profiles import PROFILES, ProfileName
from simgrant.sim.sims import demo_sims
from simgrant.sim.transcript import Mask, as_json, console, render, write
from simgrant.wire.instant import utc

_TARGETS: Final = {Question.VERIFY: "VerifyPhoneNumber", Question.NUMBER: "GetPhoneNumber"}
_LONGEST_S: Final = 120.0
_DAYS: Final = 365


class Flow(StrEnum):
    """How the back end gets its access token."""

    JWT_BEARER = "jwt-bearer"
    """An assertion about the subscriber (RFC 7523)."""
    CIBA = "ciba"
    """It asks in the back channel, and polls."""
    CODE = "code"
    """The app opens an address, and the network knows whose connection it is."""
    CLIENT_CREDENTIALS = "client-credentials"
    """There is no subscriber in it: the number is in the request."""


class Exit(IntEnum):
    """What the command ends with."""

    ANSWERED = 0
    REFUSED = 1
    USAGE = 2
    UNREACHABLE = 3
    INTERRUPTED = 130


@named_noun
class _Plan:
    """What the options say."""

    contract: Contract
    question: Question
    flow: Flow
    subject: str
    """What the subscriber is named by; empty = the phone lends a temporary token."""
    phone: Url | None
    sim: int
    number: str
    extra: dict[str, Any]
    resource: str


def app(
    issuer: Annotated[
        str, typer.Argument(help="The authorization server, such as http://127.0.0.1:8083")
    ],
    question: Annotated[Question, typer.Argument(help="What to ask.")] = Question.VERIFY,
    flow: Annotated[Flow, typer.Option(help="How the access token is come by.")] = Flow.JWT_BEARER,
    client_id: ClientIdOption = "",
    client_key: Annotated[
        Path | None, typer.Option(help="Its private key (PEM; P-256 or RSA).")
    ] = None,
    key_id: KeyIdOption = "",
    purpose: Annotated[
        str, typer.Option(help="W3C DPV purpose, without its prefix.")
    ] = "FraudPreventionAndDetection",
    phone: Annotated[
        str,
        typer.Option(
            help="The entitlement server that the phone asks for a temporary token first."
        ),
    ] = "",
    sim: Annotated[
        int, typer.Option(min=1, max=len(demo_sims()), help="Which demonstration SIM it has.")
    ] = 1,
    temporary_token: Annotated[str, typer.Option(help="One that a phone lent already.")] = "",
    login_hint: Annotated[
        str, typer.Option(help="The subscriber in place of a token: tel:+… or ipport:…")
    ] = "",
    phone_number: Annotated[
        str, typer.Option(help="The number to verify; without a subscriber, the one asked about.")
    ] = "",
    parameter: Annotated[
        list[str] | None,
        typer.Option(
            "--param", help="A further NAME=VALUE of the question; VALUE as JSON or text."
        ),
    ] = None,
    redirect_uri: Annotated[
        str, typer.Option(help="Where the app is led back to, for --flow code.")
    ] = "http://127.0.0.1/callback",
    api_root: Annotated[str, typer.Option(help="Root of the APIs, if not the issuer.")] = "",
    resource: Annotated[str, typer.Option(help="Ask for a token for this address alone.")] = "",
    dpop: Annotated[bool, typer.Option("--dpop", help="Bind tokens to a key (RFC 9449).")] = False,
    insecure: InsecureOption = False,
    ca: CaOption = None,
    timeout: TimeoutOption = 30.0,
    reveal: Annotated[
        bool, typer.Option("--reveal", help="Show numbers and tokens in clear.")
    ] = False,
    as_lines: LinesOption = False,
) -> None:
    """Ask an operator's partner APIs as an application with its back end does (CAMARA).

    With --phone the application's phone proves its SIM there, acquires a temporary token, and hands
    it to the back end, which learns nothing else of it.

    Exit code: 0 there is an answer, 1 it was refused, 2 wrong use, 3 the server cannot be reached.
    """
    try:
        if client_key is None or not client_id:
            raise ValueError("--client-id and --client-key are needed")
        plan = _Plan(
            contract=Contract(
                issuer=Url.parse(issuer),
                api_root=Url.parse(api_root or issuer),
                client_id=client_id,
                key=_key(client_key),
                key_id=key_id,
                purpose=purpose,
                redirect_uri=redirect_uri,
                dpop=dpop,
            ),
            question=question,
            flow=flow,
            subject=_subject(flow, temporary_token, login_hint, phone, phone_number),
            phone=Url.parse(phone) if phone else None,
            sim=sim,
            number=phone_number,
            extra=_usual(question) | _members(parameter or ()),
            resource=resource,
        )
        wants_tls = any(each.startswith("https:") for each in (issuer, phone, api_root))
        back_end = BackEnd(
            plan.contract,
            tls=tls_of(ca, insecure=insecure) if wants_tls else None,
            limits=Limits(connect_s=timeout, read_s=timeout),
        )
    except (ValueError, OSError) as error:
        stop(str(error))
    mask = Mask(reveal=reveal)
    before: list[Exchange] = []
    why = ""
    try:
        asyncio.run(_run(back_end, plan, before))
        code = Exit.ANSWERED
    except Refused:
        code = Exit.REFUSED
    except TimeoutError:
        code, why = Exit.REFUSED, "nobody said yes in time"
    except HttpError as error:
        code, why = Exit.UNREACHABLE, str(error)
    except KeyboardInterrupt:
        raise typer.Exit(Exit.INTERRUPTED) from None
    _show((*before, *back_end.seen), code, why, mask=mask, as_lines=as_lines)
    raise typer.Exit(code)


def _key(file: Path) -> bytes:
    """Return a private key as PEM; raise ValueError where there is none."""
    try:
        key = file.read_bytes()
        load_pem_private_key(key, None)
    except OSError as error:
        raise ValueError(f"--client-key {file}: {error.strerror}") from None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError(f"--client-key {file}: no private key without a password (PEM)") from None
    return key


def _subject(flow: Flow, token: str, hint: str, phone: str, number: str) -> str:
    """Return what the subscriber is named by; raise ValueError where that does not fit."""
    named = [each for each in (token, hint, phone) if each]
    if flow is Flow.CLIENT_CREDENTIALS:
        if named or not number:
            raise ValueError("--flow client-credentials names nobody but --phone-number")
        return ""
    if flow is Flow.CODE:
        if named:
            raise ValueError("--flow code is about whoever has this connection")
        return ""
    if len(named) != 1:
        raise ValueError("one of --phone, --temporary-token and --login-hint says about whom it is")
    return f"operatortoken:{token}" if token else hint


def _usual(question: Question) -> dict[str, Any]:
    """Return what a question cannot do without: a day a year ago."""
    day = utc(int(time.time()) - _DAYS * 86_400)[:10]
    match question:
        case Question.RECYCLED:
            return {"specifiedDate": day}
        case Question.TENURE:
            return {"tenureDate": day}
        case _:
            return {}


def _members(pairs: list[str] | tuple[str, ...]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals:
            raise ValueError(f"{pair!r} is not --param NAME=VALUE")
        try:
            found[name] = json.loads(text)
        except ValueError:
            found[name] = text
    return found


async def _run(back_end: BackEnd, plan: _Plan, before: list[Exchange]) -> None:
    """Ask; what the phone saw goes to ``before``."""
    call, number = CALLS[plan.question], plan.number
    async with back_end:
        subject = plan.subject
        if plan.phone is not None:
            subject = f"operatortoken:{await lend(plan.phone, plan.sim, plan.question, before)}"
        match plan.flow:
            case Flow.JWT_BEARER:
                token = await back_end.redeem(subject, call.scope, resource=plan.resource)
            case Flow.CIBA:
                token = await by_back_channel(back_end, subject, call.scope)
            case Flow.CODE:
                token = await back_end.by_code(call.scope)
            case Flow.CLIENT_CREDENTIALS:
                token = await back_end.by_itself(call.scope)
        if plan.flow is not Flow.CLIENT_CREDENTIALS and not call.own:
            number = ""
        await back_end.ask(plan.question, token, phone_number=number, extra=plan.extra)


async def lend(url: Url, sim: int, question: Question, seen: list[Exchange]) -> str:
    """Return a temporary token that a phone acquires.

    Raise Refused where it gets none, HttpError where the server cannot be reached.
    """
    target = _TARGETS.get(question, _TARGETS[Question.NUMBER])
    profile = PROFILES[ProfileName.ANDROID_NUMBER]
    async with Handset(demo_sims()[sim - 1], url, profile) as handset:
        targets = (("operation_targets", target),)
        for ask in (
            handset.authenticate,
            partial(handset.operate, "AcquireTemporaryToken", extra=targets),
        ):
            outcome = await ask()
            seen += outcome.exchanges
            if outcome.result is Result.UNREACHABLE:
                raise HttpError(outcome.why)
        token = parms(outcome).get("TemporaryToken", "")
    if not token:
        raise Refused
    return token


async def by_back_channel(back_end: BackEnd, subject: str, *scopes: str) -> str:
    """Return an access token, once whoever is asked has said yes (CIBA §10.1)."""
    begun = await back_end.ask_back_channel(subject, *scopes)
    wait = float(begun.get("interval", 5))
    async with asyncio.timeout(min(float(begun.get("expires_in", _LONGEST_S)), _LONGEST_S)):
        while True:
            try:
                return await back_end.poll(str(begun["auth_req_id"]))
            except Refused:
                said = _error(back_end.seen[-1])
                if said == "slow_down":
                    wait += 5
                elif said != "authorization_pending":
                    raise
            await asyncio.sleep(wait)


def _error(seen: Exchange) -> str:
    try:
        return str(json.loads(seen.body)["error"])
    except (ValueError, KeyError, TypeError):
        return ""


def _show(
    exchanges: tuple[Exchange, ...], code: Exit, why: str, *, mask: Mask, as_lines: bool
) -> None:
    """Print what was said."""
    result = {
        Exit.ANSWERED: Result.DOCUMENT,
        Exit.REFUSED: Result.REFUSED,
        Exit.UNREACHABLE: Result.UNREACHABLE,
    }[code]
    if not exchanges:
        stop(why, code=code)
    last = exchanges[-1]
    why = why or f"{last.status} {last.reason}".rstrip()
    outcome = Outcome(result=result, exchanges=exchanges, why=why)
    if as_lines:
        for line in as_json(outcome, mask=mask, sim=None):
            typer.echo(json.dumps(line, ensure_ascii=False))
    else:
        write(console(), render(outcome, mask=mask))
