"""``simgrant sim push``: the played push services on the command line, and what comes to them."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn

import typer
from rich.text import Text

from simgrant.sim.push.switch import FAULTS, Taken, Turned
from simgrant.sim.transcript import Mask, console, write
from simgrant.wire.push_token import Channel, is_token

if TYPE_CHECKING:
    from simgrant.sim.push.air import Air
    from simgrant.sim.push.services import Services

FIRST_PORT: Final = 9081
_USAGE, _INTERRUPTED = 2, 130
_STYLES: Final = {
    Channel.FCM: "yellow",
    Channel.APNS: "cyan",
    Channel.WNS: "blue",
    Channel.SMS: "magenta",
}
_SHOWN: Final = (
    "priority",
    "ttl",
    "apns-priority",
    "apns-push-type",
    "apns-expiration",
    "x-wns-type",
    "x-wns-ttl",
    "port",
    "validity",
)
"""Of a channel's own fields those that say how it is delivered. The others may be secrets."""


def push(
    folder: Annotated[
        Path, typer.Option(help="Directory for keys, secrets and certificates; made if absent.")
    ] = Path("push"),
    port: Annotated[
        int,
        typer.Option(
            min=0,
            max=65531,
            help="First of five ports on 127.0.0.1: FCM, APNs, WNS, SMPP, the phones'; 0 = any.",
        ),
    ] = FIRST_PORT,
    name: Annotated[str, typer.Option(help="Name of the tables in the settings.")] = "lab",
    fault: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CHANNEL=FAULT",
            help=f"What to do wrong from the start, one of: {', '.join(FAULTS)}; repeatable.",
        ),
    ] = None,
    dead: Annotated[
        list[str] | None, typer.Option(metavar="TOKEN", help="A push token that is dead.")
    ] = None,
    reveal: Annotated[
        bool, typer.Option("--reveal", help="Show tokens and numbers in clear.")
    ] = False,
    as_lines: Annotated[
        bool, typer.Option("--json", help="One JSON object a notice, the settings first.")
    ] = False,
) -> None:
    """Play FCM, APNs, WNS and a message centre, and show what comes, until Ctrl-C.

    Prints the settings that point a server here. Phones are those of `simgrant sim handset --push`.
    Faults are switched while it runs, too: `curl -d down http://127.0.0.1:9085/fcm/fault`.
    """
    try:
        # What they take beside the server's own dependencies is the extra `sim`.
        from simgrant.sim.push.air import Air
        from simgrant.sim.push.services import BadFolder, Services
    except ImportError:
        _stop("install simgrant with the extra sim")
    show = _Show(Mask(reveal=reveal), as_lines=as_lines)
    try:
        services = Services(folder, first_port=port)
        air = Air(services, port=port + len(services.all) if port else 0, tell=show.message)
        faults = [_fault(each) for each in fault or ()]
        for token in dead or ():
            _bury(services, token)
        asyncio.run(_run(services, air, faults, name, show))
    except (ValueError, BadFolder) as error:
        _stop(str(error))
    except OSError as error:
        _stop(f"ports from {port} on: {error.strerror or error}")
    except KeyboardInterrupt:
        raise typer.Exit(_INTERRUPTED) from None


async def _run(
    services: Services, air: Air, faults: Iterable[tuple[Channel, str]], name: str, show: _Show
) -> None:
    from simgrant.sim.push.services import as_toml

    try:
        await services.up()
        await air.up()
        tables = services.tables(name)
        for channel, fault in faults:
            await air.play(channel, fault)
        show.beginning(services, air, list(as_toml(tables)))
        await asyncio.Event().wait()
    finally:
        await air.down()
        await services.down()


def _fault(text: str) -> tuple[Channel, str]:
    channel, equals, fault = text.partition("=")
    if not equals or channel not in list(Channel) or fault.partition(" ")[0] not in FAULTS:
        raise ValueError(f"--fault {text}: must be CHANNEL=FAULT, such as fcm=throttled")
    return Channel(channel), fault


def _bury(services: Services, token: str) -> None:
    """Let a token be dead in every service whose it could be."""
    fits = [channel for channel in Channel if is_token(channel, token)]
    if not fits:
        raise ValueError("--dead: no channel has such tokens")
    for channel in fits:
        services.all[channel].switch.dead.add(token)


def _stop(message: str) -> NoReturn:
    console(stderr=True).print(f"Error: {message}", style="red", markup=False)
    raise typer.Exit(_USAGE)


class _Show:
    """Prints where everything is, and each message as it comes."""

    def __init__(
        self, mask: Mask, *, as_lines: bool, clock: Callable[[], float] = time.time
    ) -> None:
        self._out = console()
        self._mask = mask
        self._clock = clock
        self._as_lines = as_lines

    def beginning(self, services: Services, air: Air, settings: list[str]) -> None:
        addresses = {str(channel): services.address(channel) for channel in services.all}
        if self._as_lines:
            _line(
                {
                    "event": "up",
                    "addresses": addresses,
                    "phones": air.web.url,
                    "settings": "\n".join(settings),
                }
            )
            return
        for kind, address in (*addresses.items(), ("phones", air.web.url)):
            write(self._out, Text.assemble((f"{kind:<8}", "bold"), address))
        write(self._out, Text("\nThe server's settings:\n", style="dim"))
        # As they are, on lines of their own however long, so that they can be copied.
        for setting in settings:
            self._out.print(Text(setting, style="green"), soft_wrap=True)
        write(self._out, Text("Waiting for notices; Ctrl-C ends.\n", style="dim"))
        self._out.file.flush()

    def message(self, channel: Channel, what: Taken | Turned) -> None:
        """Print a message that came, whatever became of it."""
        at = datetime.fromtimestamp(self._clock(), UTC)
        name = "msisdn" if channel is Channel.SMS else "token"
        token = self._mask.value(name, what.token)
        if self._as_lines:
            _line(_as_json(at, channel, what, token))
            return
        line = Text.assemble(
            (f"{at.astimezone():%H:%M:%S}  ", "dim"), (f"{channel:<5} ", f"bold {_STYLES[channel]}")
        )
        if isinstance(what, Turned):
            line.append(f"✗ {what.why}", "yellow").append(f"  {token}", "dim")
        else:
            line.append(" ".join(what.apps), "green")
            line.append(what.extra.get("text", ""))
            line.append(f"  to {token}")
            collapse = f"{what.collapse_id[:8]}…" if what.collapse_id else ""
            for key, value in (("of", what.timestamp), ("collapse", collapse)):
                line.append(f"  {key} {value}" if value else "", "dim")
        write(self._out, line)
        self._out.file.flush()


def _as_json(at: datetime, channel: Channel, what: Taken | Turned, token: str) -> dict[str, Any]:
    said: dict[str, Any] = {"at": f"{at:%Y-%m-%dT%H:%M:%SZ}", "channel": str(channel)}
    if isinstance(what, Turned):
        return said | {"event": "turned_away", "why": what.why, "token": token or None}
    return said | {
        "event": "taken",
        "token": token,
        "apps": list(what.apps),
        "timestamp": what.timestamp or None,
        "collapse_id": what.collapse_id or None,
        "text": what.extra.get("text"),
        "delivery": _how(what.extra),
    }


def _how(extra: Mapping[str, str]) -> dict[str, str]:
    return {name: extra[name] for name in _SHOWN if extra.get(name)}


def _line(data: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(data, ensure_ascii=False) + "\n")
    sys.stdout.flush()
