"""`simgrant identity`: whose a private user identity is (TS.43 §12).

IMSIs are shown in clear here, on the management plane, and are never logged.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from simgrant.cli.common import BadUsage, JsonOption, Refused, TenantOption, desk, print_json, run
from simgrant.cli.common import table as show

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import ec

app = typer.Typer(help="Private user identities.", no_args_is_help=True)


@app.callback()
def identity() -> None:
    """Lead what a Wi-Fi network saw back to the subscription."""


@app.command()
def resolve(
    ctx: typer.Context,
    text: Annotated[
        str, typer.Argument(metavar="IDENTITY", help="PrivateUserID; - reads it from the input.")
    ],
    *,
    key: Annotated[
        Path | None,
        typer.Option("--key", metavar="FILE", help="The gateway's private key (PEM), for type 2."),
    ] = None,
    tenant: TenantOption = "default",
    json: JsonOption = False,
) -> None:
    """Say which subscription an identity stands for, and until when."""
    if text == "-":
        text = sys.stdin.read(8192)

    async def work() -> None:
        from simgrant.flows.private_identity import resolve as flow
        from simgrant.keyring.identity import NotAnIdentity
        from simgrant.wire.instant import utc

        private = None if key is None else _private(key)
        async with desk(ctx, tenant) as here:
            try:
                found = flow(text, here.keys(), private=private, now=here.now)
            except NotAnIdentity as error:
                raise Refused(str(error)) from None
            if found.tenant and found.tenant != tenant:
                raise Refused(f"it is of tenant {found.tenant}: say --tenant {found.tenant}")
            opened = found.opened
            subscription = await here.store.find(tenant, imsi=opened.imsi)
            row = {
                "imsi": opened.imsi.digits,
                "type": found.kind.name.lower(),
                "issued": utc(opened.issued),
                "expires": utc(opened.expires),
                "over": here.now >= opened.expires,
                "subscription": subscription.status.value if subscription else None,
            }
        if json:
            print_json(row)
            return
        state = "over" if row["over"] else "good"
        show(
            ("IMSI", "TYPE", "ISSUED", "EXPIRES", "STATE", "SUBSCRIPTION"),
            (
                (
                    opened.imsi.digits,
                    str(row["type"]),
                    str(row["issued"]),
                    str(row["expires"]),
                    state,
                    str(row["subscription"] or "none"),
                ),
            ),
        )

    run(work())


def _private(path: Path) -> ec.EllipticCurvePrivateKey:
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    from simgrant.keyring.identity import is_on_curve

    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise BadUsage(f"--key {path}: {getattr(error, 'strerror', '') or error}") from None
    if not (isinstance(key, ec.EllipticCurvePrivateKey) and is_on_curve(key)):
        raise BadUsage(f"--key {path}: it must be a key on P-256")
    return key
