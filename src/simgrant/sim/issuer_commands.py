"""``simgrant sim idp`` and ``issuer``: who signs people in, and who grants access tokens."""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from simgrant.sim.lies import Lie, TokenLie
from simgrant.sim.options import stop
from simgrant.sim.showing import Exit
from simgrant.sim.transcript import console

if TYPE_CHECKING:
    from simgrant.sim.idp import OpenIdProvider
    from simgrant.sim.issuer import AuthorizationServer


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
        stop(f"{client_key}: {error}")
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
        stop(f"{file}: {error}")


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
        stop(f"port {port}: {error.strerror}")
    except KeyboardInterrupt:
        raise typer.Exit(Exit.INTERRUPTED) from None
