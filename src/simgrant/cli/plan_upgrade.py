"""The story of a plan upgrade: denied, an event, a push, allowed.

Everything is real but the radio: the event is a CRM's, of TM Forum's product inventory, the push is
of the simulated service, and what the phone asks again is what made it ask.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from simgrant.nouns import noun

if TYPE_CHECKING:
    from rich.console import Console

    from simgrant.serving import Running
    from simgrant.sim.exchange import Outcome
    from simgrant.sim.handset import Handset
    from simgrant.sim.receiver import Receiver

_SIM: Final = 1
"""Of the demonstration's: one with a plan without VoWiFi."""
_WITHIN_S: Final = 2.0
"""Seconds from the event to the phone's new document."""
_TOKEN: Final = "the-token-of-the-demonstrations-crm"  # noqa: S105 - for loopback, and gone after it
_EVENT: Final = "ProductAttributeValueChangeEvent"
_OFFER: Final = "PO-17"
"""What the CRM calls the plan."""


@noun
class Stage:
    """Who plays."""

    server: Running
    handset: Handset
    receiver: Receiver
    """The phone's end of its push service."""


async def play() -> list[str]:
    """Play every scene; return what was not as expected."""
    from rich.text import Text

    from simgrant.sim.transcript import console, write

    out = console()
    with TemporaryDirectory(prefix="simgrant-demo-") as state:
        async with _stage(Path(state)) as stage:
            failures = await _tell(stage, out)
    good = Text("✓ ", style="bold green") if not failures else Text("✗ ", style="bold red")
    write(out, good.append(f"5 scenes, {len(failures)} surprises", "bold"))
    return failures


async def _tell(stage: Stage, out: Console) -> list[str]:
    failures: list[str] = []
    _head(out, 1, "A phone asks for VoWiFi, which its plan does not have")
    outcome = await stage.handset.authenticate()
    failures += _shown(out, outcome, "INCOMPATIBLE")
    failures += await _why(stage, out, "denied", "not_in_plan")

    _head(out, 2, "Its subscriber buys a better plan: the CRM tells the server")
    began = time.monotonic()
    status = await _announce(stage)
    _line(out, f"→ POST /listener/{_EVENT}   the product is {_OFFER} now", "cyan")
    _line(out, f"← {status}", "green")
    failures += [] if status == 204 else [f"the event was answered with {status}"]

    _head(out, 3, "The server compares what it answered with what it answers now, and pushes")
    notice = await stage.receiver.listen(within=10)
    if notice is None:
        return [*failures, "no notice came"]
    _line(out, f"♪ a notice by {notice.channel}: {', '.join(notice.apps)}", "yellow")

    _head(out, 4, "The phone asks again, with its token: it may")
    outcome = await stage.handset.ask(apps=notice.apps)
    seconds = time.monotonic() - began
    failures += _shown(out, outcome, "ENABLED")

    _head(out, 5, "Asked why")
    failures += await _why(stage, out, "allowed", "")
    _line(out, f"{seconds:.2f} s from the event to the document", "bold")
    return [*failures, *([f"it took {seconds:.1f} s"] if seconds > _WITHIN_S else [])]


async def _announce(stage: Stage) -> int:
    """Tell of the product as a hub of TMF637 does; return the answer's status."""
    from simgrant.cli.common import now
    from simgrant.sim.http import HttpClient, Url
    from simgrant.wire.tmf_events import Happening, Kind, Made, push_message, tmf_event

    values = {"imsi": stage.handset.sim.imsi.digits, "planCode": _OFFER}
    made = Made(Kind.PRODUCT, "p-1", state="active", characteristics=values)
    event = tmf_event("crm-1", made, Happening.ATTRIBUTE_VALUE_CHANGE, at=now())
    client = HttpClient(Url.parse(stage.server.events_url))
    headers = (("Authorization", f"Bearer {_TOKEN}"), ("Content-Type", "application/json"))
    try:
        path = f"/listener/{_EVENT}"
        return (await client.exchange("POST", path, headers, body=push_message([event]))).status
    finally:
        await client.aclose()


async def _why(stage: Stage, out: Console, result: str, reason: str) -> list[str]:
    """Show what ``simgrant explain`` says of VoWiFi; return what is not as it has to be."""
    from simgrant.cli.common import now
    from simgrant.compose import explaining
    from simgrant.config.load import DEFAULT_TENANT
    from simgrant.flows.explain import Inquiry
    from simgrant.spec.ids import AppId

    parts = stage.server.parts
    found = await parts.store.find(DEFAULT_TENANT, imsi=stage.handset.sim.imsi)
    if found is None:
        return ["there is no subscription"]
    explanation = await explaining.explain(
        parts.loaded,
        Inquiry(AppId.VOWIFI, records=0),
        found,
        policy=parts.policies[DEFAULT_TENANT],
        store=parts.store,
        ring=parts.keys.ring,
        now=now(),
    )
    (decision,) = (
        each.decision
        for each in explanation.explained
        if each.decision.question.feature == "vowifi"
    )
    said = f"{decision.result} ({decision.reason})"
    _line(out, f"explain: plan {found.plan}, vowifi {said}", "dim")
    if decision.result == result and reason in ("", decision.reason):
        return []
    return [f"vowifi is {said}"]


def _shown(out: Console, outcome: Outcome, status: str) -> list[str]:
    """Show a conversation; return what is not as it has to be."""
    from simgrant.cli.demo import exchange_lines, vowifi_status
    from simgrant.sim.transcript import write

    for seen in outcome.exchanges:
        for line in exchange_lines(seen):
            write(out, line)
    found = vowifi_status(outcome)
    _line(out, f"  VoWiFi {found}", "green" if found == "ENABLED" else "red")
    return [] if found == status else [f"VoWiFi is {found or 'not there'} and not {status}"]


def _head(out: Console, number: int, title: str) -> None:
    from rich.text import Text

    from simgrant.sim.transcript import write

    write(out, Text(f"\n{number}  {title}", "bold cyan"))


def _line(out: Console, text: str, style: str) -> None:
    from rich.text import Text

    from simgrant.sim.transcript import write

    write(out, Text(f"   {text}", style))


@asynccontextmanager
async def _stage(state: Path) -> AsyncIterator[Stage]:
    """Open a server that is told by a CRM, a push service, and a phone that registers with it."""
    from simgrant.cli.demo import stage
    from simgrant.sim.handset import Handset
    from simgrant.sim.http import Url
    from simgrant.sim.profiles import PROFILES, ProfileName
    from simgrant.sim.push.air import Air
    from simgrant.sim.push.services import Services
    from simgrant.sim.receiver import Receiver
    from simgrant.sim.sims import demo_sims
    from simgrant.wire.push_token import Channel

    services = Services(state / "push")
    air = Air(services, port=0)
    token_file = state / "crm.token"
    token_file.write_text(_TOKEN)
    settings = {
        "EVENTS__LISTEN": '"127.0.0.1:0"',
        "EVENTS__PLAN_NAMES": '["planCode"]',
        "EVENTS__PLANS": f'{{ "{_OFFER}" = "standard" }}',
        "EVENT_SENDERS__CRM__TOKEN_FILE": json.dumps(str(token_file)),
        "EVENT_RULES__PLAN__CHANGE": '"plan_changed"',
        "EVENT_RULES__PLAN__VALUES": '["planCode"]',
        "PUSH__POLL_S": "0.1",
    }
    async with AsyncExitStack() as stack:
        await services.up()
        stack.push_async_callback(services.down)
        await air.up()
        stack.push_async_callback(air.down)
        for key, value in services.tables("lab")["fcm.lab"].items():
            settings[f"FCM__LAB__{key.upper()}"] = json.dumps(value)
        variables = {f"SIMGRANT__{key}": value for key, value in settings.items()}
        server = await stack.enter_async_context(stage(state / "server", variables))
        receiver = Receiver(Url.parse(air.web.url), Channel.FCM)
        address = await receiver.register()
        handset = Handset(
            demo_sims()[_SIM],
            Url.parse(server.device_url),
            PROFILES[ProfileName.ANDROID_IMS],
            notif_token=address.token,
            notif_action=address.action,
        )
        yield Stage(server, await stack.enter_async_context(handset), receiver)
