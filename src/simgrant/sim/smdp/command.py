"""``simgrant sim smdp``: an SM-DP+ on the command line, until Ctrl-C."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from simgrant.nouns import named_noun
from simgrant.sim.options import stop
from simgrant.sim.playing import until_ended, write_line
from simgrant.sim.transcript import console
from simgrant.wire.es2plus import is_fqdn

_MOST: Final = 100_000


@named_noun
class _Wanted:
    """What the options say."""

    folder: Path
    port: int
    control_port: int
    stock: tuple[tuple[str, int], ...]
    address: str
    books: Path | None
    callback_url: str
    callback_ca: Path | None
    remembers: bool
    padded: bool
    as_lines: bool


def smdp(
    folder: Annotated[
        Path, typer.Option("--dir", help="Where its certificates are, and the operator's; made.")
    ],
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of ES2+ on 127.0.0.1.")] = 9443,
    control_port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of books and faults on 127.0.0.1.")
    ] = 9444,
    stock: Annotated[
        list[str] | None,
        typer.Option(
            "--stock",
            help="TYPE=COUNT of profiles to make where there are none of the type; consumer=100.",
        ),
    ] = None,
    address: Annotated[
        str, typer.Option(help="The name that activation codes have.")
    ] = "smdp.example.com",
    books: Annotated[
        Path | None, typer.Option("--state", help="Keep profiles and calls in this file.")
    ] = None,
    callback_url: Annotated[
        str, typer.Option(help="Where the operator is told of progress, such as https://…:9445")
    ] = "",
    callback_ca: Annotated[
        Path | None, typer.Option(help="CA of the operator's listener; else its own.")
    ] = None,
    forgets_calls: Annotated[
        bool, typer.Option("--forgets-calls", help="Do a call anew whose identifier comes again.")
    ] = False,
    no_padding: Annotated[
        bool, typer.Option("--no-padding", help="Write ICCIDs without F at their end.")
    ] = False,
    as_lines: Annotated[bool, typer.Option("--json", help="One JSON object a call.")] = False,
) -> None:
    """Play an SM-DP+ over mutual TLS: orders, stock, faults, progress; until Ctrl-C.

    It makes an authority and certificates for both sides, and says what to put into the settings.
    `GET /stock`, `PUT /fault` and more are on its second port.
    """
    try:
        wanted = _Wanted(
            folder=folder,
            port=port,
            control_port=control_port,
            stock=tuple(map(_stock, stock or ("consumer=100",))),
            address=address,
            books=books,
            callback_url=callback_url,
            callback_ca=callback_ca,
            remembers=not forgets_calls,
            padded=not no_padding,
            as_lines=as_lines,
        )
        if not is_fqdn(address):
            raise ValueError("--address: it is no name")
        asyncio.run(_serve(wanted))
    except (ValueError, OSError) as error:
        stop(str(error))


async def _serve(wanted: _Wanted) -> None:
    # What it takes beside the server's own dependencies is the extra `sim`.
    from simgrant.sim.smdp.caller import Caller
    from simgrant.sim.smdp.certificates import Certificates
    from simgrant.sim.smdp.control import Control, shown
    from simgrant.sim.smdp.pool import Pool
    from simgrant.sim.smdp.server import Seen, SmdpServer

    def tell(seen: Seen) -> None:
        if wanted.as_lines:
            write_line({"event": "call", **shown(seen)})
        else:
            fault = f" ({seen.fault})" if seen.fault else ""
            console().print(f"{seen.function}: {seen.result}{fault}", markup=False)

    certificates = Certificates(wanted.folder, now=time.time())
    pool = Pool(address=wanted.address, books=wanted.books)
    for profile_type, count in wanted.stock:
        if profile_type not in pool.stock():
            pool.add(profile_type, count)
    server = SmdpServer(
        pool,
        certificates.server_context(),
        remembers=wanted.remembers,
        padded=wanted.padded,
        tell=tell,
    )
    server.web.port = wanted.port
    caller = None
    if wanted.callback_url:
        secure = wanted.callback_url.startswith("https:")
        caller = Caller(
            wanted.callback_url,
            tls=certificates.caller_context(wanted.callback_ca) if secure else None,
            padded=wanted.padded,
        )
    control = Control(server, caller, port=wanted.control_port)
    ended = until_ended()
    try:
        await server.up()
        await control.up()
        settings = {
            "url": server.web.url,
            "address": wanted.address,
            "requester": "simgrant",
            "certificate": str(certificates.operator.resolve()),
            "key": str(certificates.operator_key.resolve()),
            "ca_file": str(certificates.ca.resolve()),
            "iccid_pad_f": wanted.padded,
            "profile_types": list(pool.stock()),
        }
        if wanted.as_lines:
            up = {"event": "up", "url": server.web.url, "control": control.web.url}
            write_line({**up, "fingerprint": certificates.fingerprint(), "settings": settings})
        else:
            out = console()
            out.print(f"[smdp.sim]\n{_toml(settings)}", markup=False, soft_wrap=True)
            out.print(f"# books and faults: {control.web.url}", markup=False)
            out.print(f"# SHA-256 of its certificate: {certificates.fingerprint()}", markup=False)
        await ended.wait()
    finally:
        await control.down()
        await server.down()
        if caller is not None:
            await caller.close()
        pool.close()


def _stock(text: str) -> tuple[str, int]:
    profile_type, found, count = text.rpartition("=")
    if not found or not profile_type or not count.isdecimal() or not 0 < int(count) <= _MOST:
        raise ValueError(f"--stock: {text!r} is not TYPE=COUNT, with a count up to {_MOST}")
    return profile_type, int(count)


def _toml(settings: dict[str, Any]) -> str:
    # Texts, switches and lists of texts are written alike in both.
    return "\n".join(f"{name} = {json.dumps(value)}" for name, value in settings.items())
