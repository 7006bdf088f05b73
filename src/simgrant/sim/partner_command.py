"""``simgrant sim partner``: a partner's server with a question, on the command line."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from simgrant.nouns import replace
from simgrant.sim.exchange import Exchange, Outcome
from simgrant.sim.http import Limits, Url
from simgrant.sim.options import (
    AudienceOption,
    CaOption,
    ClientIdOption,
    ClientKeyOption,
    InsecureOption,
    KeyIdOption,
    LinesOption,
    RequestorOption,
    ScopeOption,
    TimeoutOption,
    TokenUrlOption,
    UrlArgument,
    applicant_of,
    pairs_of,
    stop,
    tls_of,
)
from simgrant.sim.partner import DEMO_REQUESTOR, Errand, PartnerServer
from simgrant.sim.showing import Show
from simgrant.sim.transcript import Mask, console


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
        tls = tls_of(ca, insecure=insecure) if wants_tls else None
        errand = Errand(
            operation=operation,
            app=app_id,
            requestor_id=requestor_id,
            proof=tuple((name, value) for name, value in given if value),
            extra=pairs_of(parameter or (), "=", "--param NAME=VALUE"),
        )
        applicant = applicant_of(token_url, client_id, client_key, key_id, token_audience, scope)
    except (ValueError, OSError) as error:
        stop(str(error))

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

    show = Show(console(), Mask(reveal=reveal), as_lines=as_lines, many=False)
    show.outcome(None, asyncio.run(run()))
    raise typer.Exit(show.exit_code())
