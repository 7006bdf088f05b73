"""`simgrant demo`: a server and handsets made of software, in one process, for a few seconds.

Everything is real but the radio: the handsets talk HTTP and EAP-AKA over loopback,
and what was decided is read from the records that the server wrote.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from simgrant.cli.common import Refused, now
from simgrant.nouns import Word, noun

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from simgrant.serving import Running
    from simgrant.sim.exchange import Exchange, Outcome
    from simgrant.sim.handset import Handset
    from simgrant.wire.document import Application, Item

_ALLOWED: Final = ("allowed", "in_plan")
_ALL_ALLOWED: Final = {
    "vowifi": _ALLOWED,
    "volte": _ALLOWED,
    "vonr": _ALLOWED,
    "smsoip": _ALLOWED,
}
_SUSPENDED: Final = ("denied", "subscription_suspended")
_HOME: Final = "00101"
_DONE: Final = (200, 200)


@noun
class Scene:
    """One thing that is shown, and what has to come of it."""

    title: str
    sim: int
    """Which demonstration SIM, from 1."""
    statuses: tuple[int, ...]
    """The HTTP statuses that have to come."""
    decided: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Result and reason by feature, as the server's record has to have them."""
    vowifi: str = ""
    """EntitlementStatus of VoWiFi in the document."""
    by_token: bool = False
    clone: bool = False
    """The SIM has not the key it needs and guesses its answer."""
    visited: str = ""
    """Where the network says it is."""


SCENES: Final = (
    Scene(
        "A phone asks for VoWiFi, VoLTE/VoNR and SMSoIP; its SIM proves itself by EAP-AKA",
        sim=1,
        statuses=_DONE,
        decided=_ALL_ALLOWED,
        vowifi="ENABLED",
    ),
    Scene(
        "It asks again, with the token it was given: one request",
        sim=1,
        statuses=(200,),
        decided=_ALL_ALLOWED,
        vowifi="ENABLED",
        by_token=True,
    ),
    Scene(
        "Another plan: no VoWiFi and no VoNR in it",
        sim=2,
        statuses=_DONE,
        decided={
            **_ALL_ALLOWED,
            "vowifi": ("denied", "not_in_plan"),
            "vonr": ("denied", "not_in_plan"),
        },
        vowifi="INCOMPATIBLE",
    ),
    Scene(
        "The terms are not accepted yet: the phone is sent to a page to do so",
        sim=3,
        statuses=_DONE,
        decided=_ALL_ALLOWED,
        vowifi="DISABLED",
    ),
    Scene(
        "A plan for home only, at home",
        sim=5,
        statuses=_DONE,
        decided=_ALL_ALLOWED,
        vowifi="ENABLED",
        visited=_HOME,
    ),
    Scene(
        "The same phone abroad, in network 262-01",
        sim=5,
        statuses=(200,),
        decided={"vowifi": ("denied", "not_abroad"), "smsoip": ("denied", "not_abroad")},
        vowifi="INCOMPATIBLE",
        by_token=True,
        visited="26201",
    ),
    Scene(
        "A suspended subscription: it is told so, in its language",
        sim=4,
        statuses=_DONE,
        decided=dict.fromkeys(_ALL_ALLOWED, _SUSPENDED),
        vowifi="INCOMPATIBLE",
    ),
    Scene(
        "A clone of the first SIM, without its key: it guesses, and is refused",
        sim=1,
        statuses=(200, 403),
        clone=True,
    ),
)
"""What the demonstration shows, in order."""


class Story(Word):
    """What can be shown."""

    SERVICES = "services"
    """Who gets which service, and why."""
    SILENT_AUTH = "silent-auth"
    """A phone lends a token, and a partner's server learns its number with it, once."""
    WATCH = "watch"
    """A watch gets an eSIM of an SM-DP+, and gives it back."""
    NEW_PHONE = "new-phone"
    """A line moves to a new phone, and the old one is told."""
    BANK_LOGIN = "bank-login"
    """A bank verifies its customer's number silently, and learns nothing else."""
    PLAN_UPGRADE = "plan-upgrade"
    """A better plan is bought, and the phone is told within two seconds."""


def demo(
    *,
    story: Annotated[Story, typer.Option(help="What to show.")] = Story.SERVICES,
) -> None:
    """Show everything in a few seconds: a server, a few SIMs, what they get and why.

    Runs on free loopback ports with a state of its own that is gone afterwards.
    """
    import asyncio

    import uvloop

    from simgrant.cli import bank_login, new_phone, plan_upgrade, silent_auth, watch

    plays = {
        Story.SERVICES: _play,
        Story.SILENT_AUTH: silent_auth.play,
        Story.WATCH: watch.play,
        Story.NEW_PHONE: new_phone.play,
        Story.PLAN_UPGRADE: plan_upgrade.play,
        Story.BANK_LOGIN: bank_login.play,
    }
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        failures = runner.run(plays[story]())
    if failures:
        raise Refused(f"not as expected: {'; '.join(failures)}")


async def _play() -> list[str]:
    """Play every scene; return what was not as expected."""
    from rich.text import Text

    from simgrant.sim.transcript import console, write

    out = console()
    write(
        out, Text("A server is starting, with a key ring and a database of its own …", style="dim")
    )
    failures: list[str] = []
    with TemporaryDirectory(prefix="simgrant-demo-") as state:
        async with stage(Path(state)) as server, _Handsets(server.device_url) as handsets:
            head = Text.assemble(
                ("simgrant", "bold"),
                f" serves phones at {server.device_url}, operations at {server.management_url}\n",
            )
            write(out, head)
            for number, scene in enumerate(SCENES, start=1):
                outcome, record = await _act(scene, server, handsets)
                _show(out, number, scene, outcome, record)
                failures += [
                    f"scene {number}: {failure}" for failure in _judge(scene, outcome, record)
                ]
            requests = handsets.requests
    good = Text("✓ ", style="bold green") if not failures else Text("✗ ", style="bold red")
    good.append(f"{len(SCENES)} scenes, {requests} requests, {len(failures)} surprises", "bold")
    write(out, good)
    write(
        out,
        Text(
            "\nLeave it running:    simgrant serve\n"
            "Then, as a phone:    simgrant sim handset http://127.0.0.1:8080/\n"
            "And ask it why:      simgrant explain 001010000000003 vowifi"
        ),
    )
    return failures


# --- the stage -------------------------------------------------------------------------------


@asynccontextmanager
async def stage(state: Path, more: Mapping[str, str] | None = None) -> AsyncIterator[Running]:
    """Run a server with a state of its own, deaf to the environment and to any configuration.

    ``more`` are settings, as variables of an environment.
    """
    import asyncio

    import structlog

    from simgrant import serving
    from simgrant.cli.serve import add_demo, make_state
    from simgrant.config.load import load

    loaded = load(
        None,
        {
            "SIMGRANT__SERVER__STATE_DIR": str(state),
            "SIMGRANT__DEVICE__LISTEN": '"127.0.0.1:0"',
            "SIMGRANT__MANAGEMENT__LISTEN": '"127.0.0.1:0"',
            "SIMGRANT__PORTAL__LISTEN": '"127.0.0.1:0"',
            **(more or {}),
        },
    )
    await asyncio.to_thread(make_state, loaded)
    await add_demo(loaded)
    async with contextlib.AsyncExitStack() as stack:
        # The server's log goes where nobody looks: what matters of it is shown by us.
        structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
        with contextlib.redirect_stdout(io.TextIOWrapper(io.BytesIO())):
            server = await stack.enter_async_context(serving.running(loaded))
        yield server


class _Handsets:
    """The handsets of the play, each with its SIM, made when it is first needed."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._by_sim: dict[int, Handset] = {}
        self._stack = contextlib.AsyncExitStack()
        self.requests = 0

    async def __aenter__(self) -> _Handsets:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def ask(self, scene: Scene) -> Outcome:
        """Let the scene's handset ask."""
        if scene.clone:
            handset = await self._made(scene, clone=True)
        elif scene.sim in self._by_sim:
            handset = self._by_sim[scene.sim]
        else:
            handset = self._by_sim[scene.sim] = await self._made(scene, clone=False)
        outcome = await (handset.ask() if scene.by_token else handset.authenticate())
        self.requests += len(outcome.exchanges)
        return outcome

    async def _made(self, scene: Scene, *, clone: bool) -> Handset:
        from simgrant.sim.faults import Fault
        from simgrant.sim.handset import Handset
        from simgrant.sim.http import Url
        from simgrant.sim.profiles import PROFILES, ProfileName
        from simgrant.sim.sims import demo_sims

        return await self._stack.enter_async_context(
            Handset(
                demo_sims()[scene.sim - 1],
                Url.parse(self._url),
                PROFILES[ProfileName.ANDROID_IMS_PROVISIONING],
                fault=Fault.WRONG_RES if clone else None,
            )
        )


async def _act(
    scene: Scene, server: Running, handsets: _Handsets
) -> tuple[Outcome, Mapping[str, Any]]:
    """Play one scene; return what the handset saw and what the server wrote down."""
    from simgrant.config.load import DEFAULT_TENANT
    from simgrant.flows.demo_data import SIMS
    from simgrant.flows.explain import record_data
    from simgrant.identities import Imsi
    from simgrant.ports.store import Change

    parts = server.parts
    imsi = Imsi(SIMS[scene.sim - 1].imsi)
    if scene.visited:
        change = Change(visited_plmn=scene.visited)
        await parts.store.change(DEFAULT_TENANT, imsi, change, now=now())
    outcome = await handsets.ask(scene)
    await parts.journal.flush()
    references = parts.keys.ring.references(DEFAULT_TENANT, "imsi", imsi.digits)
    # What came of the scene's own change may have been written down meanwhile.
    found = record_data(await parts.store.records(DEFAULT_TENANT, references, limit=5))
    return outcome, next(record for record in found if record.get("event", "") != "life")


def _judge(scene: Scene, outcome: Outcome, record: Mapping[str, Any]) -> Iterator[str]:
    """Yield what was not as it has to be."""
    statuses = tuple(seen.status for seen in outcome.exchanges)
    if statuses != scene.statuses:
        yield f"statuses {statuses} and not {scene.statuses}"
    decided = {
        (each["feature"], each["result"], each["reason"]) for each in record.get("decisions", ())
    }
    for feature, (result, reason) in scene.decided.items():
        if (feature, result, reason) not in decided:
            yield f"{feature} was not {result} for {reason}"
    found = vowifi_status(outcome)
    if found != scene.vowifi:
        yield f"VoWiFi is {found or 'not in a document'} and not {scene.vowifi or 'refused'}"


def vowifi_status(outcome: Outcome) -> str:
    """Return the name of VoWiFi's EntitlementStatus, empty without a document."""
    from simgrant.spec.ids import AppId

    for application in outcome.document.applications if outcome.document else ():
        if application.app_id == AppId.VOWIFI:
            return _statuses(application)[0]
    return ""


def _statuses(application: Application) -> list[str]:
    """Return the names of all EntitlementStatus values in an application, in order."""
    return [status for _, status in _labelled(application.items, application.app_id)]


def _labelled(items: tuple[Item, ...], app_id: str) -> Iterator[tuple[str, str]]:
    """Yield each EntitlementStatus by name, with the access and the place it is for."""
    from simgrant.sim.transcript import value_name
    from simgrant.wire.document import CharacteristicList, Parm

    names = {
        item.name: value_name(item.name, item.value, app_id=app_id)
        for item in items
        if isinstance(item, Parm)
    }
    if "EntitlementStatus" in names:
        label = (names.get(name, "") for name in ("AccessType", "HomeRoamingNWType"))
        words = (_WORDS.get(word, word.lower()) for word in label)
        yield " ".join(filter(None, words)), names["EntitlementStatus"]
    for item in items:
        if isinstance(item, CharacteristicList):
            for entry in item.entries:
                yield from _labelled(entry.items, app_id)
        elif not isinstance(item, Parm):
            yield from _labelled(item.items, app_id)


# --- what is shown -----------------------------------------------------------------------------

_WORDS: Final = {"LTE": "LTE", "NG_RAN": "5G", "ALL": ""}
_COLORS: Final = {
    "ENABLED": "green",
    "DISABLED": "yellow",
    "PROVISIONING": "yellow",
    "INCOMPATIBLE": "red",
    "allowed": "green",
    "pending": "yellow",
    "denied": "red",
}


def _show(
    out: Console, number: int, scene: Scene, outcome: Outcome, record: Mapping[str, Any]
) -> None:
    from rich.text import Text

    from simgrant.flows.demo_data import SIMS
    from simgrant.sim.transcript import write

    who = SIMS[scene.sim - 1]
    write(out, Text.assemble((f"{number}  {scene.title}", "bold cyan"), (f"  {who.imsi}", "dim")))
    for seen in outcome.exchanges:
        for line in exchange_lines(seen):
            write(out, line)
    for application in outcome.document.applications if outcome.document else ():
        write(out, _application(application))
    write(out, _why(outcome, record))
    write(out, Text())


def exchange_lines(seen: Exchange) -> Iterator[Text]:
    """Yield what went there and what came back."""
    from rich.text import Text

    from simgrant.sim.exchange import Leg

    asked = {
        Leg.START: "EAP_ID, app and the terminal's data",
        Leg.TOKEN: "token, app and the terminal's data",
        Leg.ANSWER: "the SIM's answer (AT_RES, AT_MAC) and the cookie",
    }
    if operation := dict(seen.parameters).get("operation"):
        proofs = ("token", "temporary_token", "operator_token")
        proof = next((name for name in proofs if name in dict(seen.parameters)), "nothing")
        asked[seen.leg] = f"{operation} with a {proof}"
    yield Text.assemble(
        ("   → ", "cyan"), (f"{seen.method:<5}", "bold"), asked.get(seen.leg, str(seen.leg))
    )
    color = "green" if seen.status == 200 else "red"
    if seen.challenge is not None:
        what = "EAP-AKA challenge (AT_RAND, AT_AUTN, AT_MAC)"
    elif seen.document is not None:
        what = "document"
    else:
        what = seen.reason.lower() or seen.failure
    size = f"{len(seen.body)} bytes, " if seen.body else ""
    yield Text.assemble(
        ("   ← ", color),
        (f"{seen.status or 'none':<5}", f"bold {color}"),
        what,
        (f"  {size}{seen.milliseconds:.1f} ms", "dim"),
    )


def _application(application: Application) -> Text:
    """Return one service in a line: its statuses, and below what else the phone is told."""
    from rich.text import Text

    from simgrant.sim.transcript import APP_NAMES
    from simgrant.wire.document import Parm

    names = {str(app_id): name for app_id, name in APP_NAMES.items()}
    line = Text(f"     {application.app_id} {names.get(application.app_id, ''):<20} ")
    for position, (label, status) in enumerate(_labelled(application.items, application.app_id)):
        if position and position % 2 == 0:
            line.append(f"\n     {'':<28}")
        line.append(f"{label} " if label else "")
        line.append(f"{status}  ", _COLORS.get(status, ""))
    said = {item.name: item.value for item in application.items if isinstance(item, Parm)}
    if message := said.get("MessageForIncompatible"):
        line.append(f"\n       “{message}”", "italic")
    elif said.get("TC_Status") == "0" and said.get("ServiceFlow_URL"):
        line.append(f"→ {said['ServiceFlow_URL']}", "dim")
    return line


def _why(outcome: Outcome, record: Mapping[str, Any]) -> Text:
    """Return what the server decided and why, from its own record."""
    from rich.text import Text

    line = Text("     because: ", style="dim")
    if outcome.document is None:
        line.append(record["outcome"], "red not dim")
        return line
    reasons: dict[tuple[str, str], list[str]] = {}
    for each in record["decisions"]:
        features = reasons.setdefault((each["result"], each["reason"]), [])
        if each["feature"] not in features:
            features.append(each["feature"])
    for position, ((result, reason), features) in enumerate(reasons.items()):
        line.append(", " if position else "", "dim")
        line.append(" ".join(features), "not dim")
        line.append(f" {result} ", f"{_COLORS[result]} not dim")
        line.append(f"({reason})", "dim")
    missing = [kind for kind in ("terms", "address") if _fact(record, kind) == "missing"]
    if missing:
        line.append(f", {' and '.join(missing)} missing", "yellow not dim")
    return line


def _fact(record: Mapping[str, Any], name: str) -> Any:
    return next(iter(record.get("facts", {}).get(name, ())), None)
