"""``simgrant sim sink``: a sink of notifications on the command line, until Ctrl-C."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from simgrant.sim.options import stop
from simgrant.sim.playing import (
    CertificateOption,
    KeyOption,
    LinesOption,
    PortOption,
    server_tls,
    until_ended,
    write_line,
    write_remark,
)
from simgrant.sim.sink import Notification, Sink
from simgrant.sim.transcript import Mask, console


def sink(
    port: PortOption = 9443,
    certificate: CertificateOption = None,
    key: KeyOption = None,
    access_token_file: Annotated[
        Path | None, typer.Option(help="File with the access token that has to come along.")
    ] = None,
    status: Annotated[int, typer.Option(min=200, max=599, help="What to answer.")] = 204,
    reveal: Annotated[bool, typer.Option("--reveal", help="Show numbers in clear.")] = False,
    as_lines: LinesOption = False,
) -> None:
    """Listen for notifications of partner APIs, as an application's back end does; until Ctrl-C.

    Operators send to https addresses alone: give it a certificate that the server trusts.
    """
    try:
        tls = server_tls(certificate, key, None, protocols=("h2", "http/1.1"))
        token = access_token_file.read_text().strip() if access_token_file else ""
        asyncio.run(
            _listen(
                Sink(tls, access_token=token, tell=_teller(Mask(reveal=reveal), as_lines=as_lines)),
                port,
                status,
            )
        )
    except (ValueError, OSError) as error:
        stop(str(error))


def _teller(mask: Mask, *, as_lines: bool) -> Callable[[Notification], None]:
    """Return what shows a notification."""

    def tell(told: Notification) -> None:
        data = told.event.get("data")
        shown = {
            name: mask.value(name, value) if isinstance(value, str) else value
            for name, value in (data.items() if isinstance(data, dict) else ())
        }
        if as_lines:
            write_line(
                {
                    "id": told.id,
                    "type": told.type,
                    "time": told.event.get("time"),
                    "data": shown,
                    "authorized": told.authorized,
                    "status": told.status,
                }
            )
        else:
            said = f"{told.type or 'no event'} {shown}: {told.status}"
            console().print(said, markup=False, soft_wrap=True)

    return tell


async def _listen(sink: Sink, port: int, status: int) -> None:
    sink.web.port, sink.status = port, status
    ended = until_ended()
    await sink.up()
    write_remark(f"notifications go to {sink.url}")
    try:
        await ended.wait()
    finally:
        await sink.down()
