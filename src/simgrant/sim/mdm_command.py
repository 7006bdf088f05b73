"""``simgrant sim mdm``: a company's device management on the command line."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Final

import typer

from simgrant.nouns import named_noun
from simgrant.sim.companion import parms
from simgrant.sim.exchange import Outcome, Result
from simgrant.sim.http import Limits, Url
from simgrant.sim.mdm import Contract, Device, DeviceManagement, End, Step, Told, fleet
from simgrant.sim.options import (
    AudienceOption,
    CaOption,
    ClientIdOption,
    ClientKeyOption,
    InsecureOption,
    KeyIdOption,
    RequestorOption,
    ScopeOption,
    TimeoutOption,
    TokenUrlOption,
    UrlArgument,
    applicant_of,
    stop,
    tls_of,
)
from simgrant.sim.transcript import Mask, as_json, console, render, write

MOST_DEVICES: Final = 10_000
_REFUSED, _UNREACHABLE, _INTERRUPTED = 1, 3, 130


@named_noun
class _Wanted:
    """What the options say."""

    devices: tuple[Device, ...]
    steps: tuple[Step, ...]
    plan: str
    parallel: int
    mask: Mask
    as_lines: bool


def mdm(
    url: UrlArgument,
    steps: Annotated[
        list[Step] | None, typer.Argument(help="What to do with each; subscribe installed.")
    ] = None,
    enterprise_id: Annotated[str, typer.Option(help="Whose devices they are.")] = "demo",
    requestor_id: RequestorOption = "demo-mdm",
    count: Annotated[int, typer.Option(min=1, max=MOST_DEVICES, help="Devices.")] = 1,
    first: Annotated[int, typer.Option(min=1, max=900_000, help="Number of the first.")] = 1,
    plan: Annotated[str, typer.Option(help="The plan to choose, or to change to.")] = "",
    parallel: Annotated[int, typer.Option(min=1, max=256, help="Devices at a time.")] = 16,
    patience: Annotated[
        float, typer.Option(min=1, max=86_400, help="Seconds for one device.")
    ] = 120.0,
    longest_wait: Annotated[
        float, typer.Option(min=0.2, max=3_600, help="Seconds between polls, at most.")
    ] = 60.0,
    access_token: Annotated[str, typer.Option(help="Proof of this system.")] = "",
    token_url: TokenUrlOption = "",
    client_id: ClientIdOption = "",
    client_key: ClientKeyOption = None,
    key_id: KeyIdOption = "",
    token_audience: AudienceOption = "",
    scope: ScopeOption = "",
    insecure: InsecureOption = False,
    ca: CaOption = None,
    timeout: TimeoutOption = 30.0,
    reveal: Annotated[
        bool, typer.Option("--reveal", help="Show devices, profiles and codes in clear.")
    ] = False,
    as_lines: Annotated[bool, typer.Option("--json", help="One JSON object a device.")] = False,
) -> None:
    """Get eSIMs for a company's devices, as its device management does (ap2011), many at a time.

    It proves itself, asks whether the company may, and then subscribes each device, polls for what
    takes longer and says that it is installed; or takes the steps that you name.

    Exit code: 0 all of it was done, 1 something was refused or late, 2 wrong use,
    3 the server cannot be reached, 130 Ctrl-C.
    """
    try:
        where = Url.parse(url)
        if bool(token_url) != bool(client_id and client_key) or bool(token_url) == bool(
            access_token
        ):
            raise ValueError(
                "either --access-token, or --token-url, --client-id and --client-key are needed"
            )
        wanted = _Wanted(
            devices=fleet(count, first=first),
            steps=tuple(steps or (Step.SUBSCRIBE, Step.INSTALLED)),
            plan=plan,
            parallel=parallel,
            mask=Mask(reveal=reveal),
            as_lines=as_lines,
        )
        secure = url.startswith("https:") or token_url.startswith("https:")
        management = DeviceManagement(
            where,
            Contract(
                requestor_id=requestor_id,
                enterprise_id=enterprise_id,
                applicant=applicant_of(
                    token_url, client_id, client_key, key_id, token_audience, scope
                ),
                access_token=access_token,
            ),
            tls=tls_of(ca, insecure=insecure) if secure else None,
            limits=Limits(connect_s=timeout, read_s=timeout),
            patience_s=patience,
            longest_wait_s=longest_wait,
        )
    except (ValueError, OSError) as error:
        stop(str(error))
    ends: Counter[End] = Counter()
    try:
        code = asyncio.run(_run(management, wanted, ends))
    except KeyboardInterrupt:
        code = _INTERRUPTED
    if ends and not as_lines:
        said = ", ".join(f"{ends[end]} {end}" for end in End if ends[end])
        write(console(), f"{ends.total()} of {count} devices: {said}")
    raise typer.Exit(code)


async def _run(management: DeviceManagement, wanted: _Wanted, ends: Counter[End]) -> int:
    """Let every device have its story, a bounded number at a time; return the exit code."""
    asked = await management.authenticate()
    eligible = parms(asked).get("EnterpriseAppEligibility")
    # A company that has all its devices may still give some up.
    if eligible is None or (eligible != "1" and Step.SUBSCRIBE in wanted.steps):
        _show(asked, wanted)
        return _UNREACHABLE if asked.result is Result.UNREACHABLE else _REFUSED
    waiting = iter(wanted.devices)

    async def worker() -> None:
        async with management.connection() as server:
            for device in waiting:
                told = await management.serve(server, device, wanted.steps, plan=wanted.plan)
                ends[told.end] += 1
                _tell(told, wanted)
                advance()

    with _progress(len(wanted.devices)) as advance:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(wanted.parallel, len(wanted.devices))):
                group.create_task(worker())
    if ends[End.UNREACHABLE]:
        return _UNREACHABLE
    return 0 if ends[End.DONE] == len(wanted.devices) else _REFUSED


def _show(outcome: Outcome, wanted: _Wanted) -> None:
    """Print why there is nothing to do."""
    if wanted.as_lines:
        for line in as_json(outcome, mask=wanted.mask, sim=None):
            _line(line)
    else:
        write(console(), render(outcome, mask=wanted.mask))


def _tell(told: Told, wanted: _Wanted) -> None:
    """Print what became of a device: each as a line, or those alone that did not get their way."""
    mask = wanted.mask.value
    shown = {
        "device": mask("enterprise_terminal_id", told.device.terminal_id),
        "eid": mask("enterprise_terminal_eid", told.device.eid),
        "end": told.end.value,
        "iccid": mask("iccid", told.iccid),
        "activation_code": mask("activation_code", told.code) if wanted.mask.reveal else "",
        "requests": told.requests,
        "seconds": told.seconds,
        "why": told.why,
    }
    if wanted.as_lines:
        _line({name: value for name, value in shown.items() if value != ""})
    elif told.end is not End.DONE:
        write(console(), f"{shown['device']}: {told.end}, {told.why}")


def _line(content: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(content, ensure_ascii=False) + "\n")
    sys.stdout.flush()


@contextmanager
def _progress(total: int) -> Iterator[Any]:
    """Show how many are done on standard error, if that is a terminal."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("devices"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("devices", total=total)
        yield lambda: bar.advance(task)
