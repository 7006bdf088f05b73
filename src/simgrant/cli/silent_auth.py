"""The story of silent authentication: a phone lends a token, a partner's server redeems it.

TS.43 §13.1.2. Everything is real but the radio, as in the first story; what the server made of each
request is read from its own records.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from simgrant.nouns import noun

if TYPE_CHECKING:
    from rich.text import Text

    from simgrant.serving import Running
    from simgrant.sim.exchange import Outcome
    from simgrant.sim.handset import Handset
    from simgrant.sim.partner import PartnerServer

_VERIFY: Final = "VerifyPhoneNumber"
_GET: Final = "GetPhoneNumber"
_ANOTHER: Final = "+15550199"


@noun
class Stage:
    """Who plays, and what they have in their hands."""

    server: Running
    handset: Handset
    partner: PartnerServer
    held: dict[str, str] = field(repr=False)
    """The temporary token that the phone gave away last, and the phone's number."""


@noun
class Scene:
    """One thing that is shown, and what has to come of it."""

    title: str
    act: Callable[[Stage], Awaitable[Outcome]]
    status: int
    """Of the last exchange."""
    outcome: str
    """What the server's record has to say."""
    parms: Mapping[str, str] = field(default_factory=dict)
    """What the document has to hold; ``*`` = anything, ``number`` = the phone's number."""


async def _prove(stage: Stage) -> Outcome:
    return await stage.handset.authenticate()


def _lend(target: str) -> Callable[[Stage], Awaitable[Outcome]]:
    async def act(stage: Stage) -> Outcome:
        outcome = await stage.handset.operate(
            "AcquireTemporaryToken", extra=(("operation_targets", target),)
        )
        stage.held["token"] = _parms(outcome).get("TemporaryToken", "")
        return outcome

    return act


def _redeem(operation: str, **extra: str) -> Callable[[Stage], Awaitable[Outcome]]:
    async def act(stage: Stage) -> Outcome:
        from simgrant.sim.partner import Errand

        errand = Errand(
            operation=operation,
            proof=(("temporary_token", stage.held["token"]),),
            extra=tuple(extra.items()),
        )
        return await stage.partner.run(errand)

    return act


async def _revoke_and_redeem(stage: Stage) -> Outcome:
    from simgrant.config.load import DEFAULT_TENANT

    store = stage.server.parts.store
    await store.revoke_tokens(DEFAULT_TENANT, stage.handset.sim.imsi, None)
    return await _redeem(_GET)(stage)


SCENES: Final = (
    Scene(
        "An app wants to know its user's number. The phone proves its SIM by EAP-AKA",
        _prove,
        200,
        "document",
        {"OperationResult": "1"},
    ),
    Scene(
        "It acquires a temporary token, good for GetPhoneNumber alone, and gives it to the app",
        _lend(_GET),
        200,
        "document",
        {"OperationResult": "1", "TemporaryToken": "*", "OperationTargets": _GET},
    ),
    Scene(
        "The app's server redeems it, and learns the number; it gets no TOKEN of its own",
        _redeem(_GET),
        200,
        "document",
        {"OperationResult": "1", "MSISDN": "number"},
    ),
    Scene(
        "It, or whoever has stolen it, tries once more: the token is spent",
        _redeem(_GET),
        401,
        "lent_token_spent",
    ),
    Scene(
        "Another app only wants to verify a number, and gets a token for just that",
        _lend(_VERIFY),
        200,
        "document",
        {"OperationTargets": _VERIFY},
    ),
    Scene(
        "With it nobody learns the number",
        _redeem(_GET),
        403,
        "operation_not_of_token",
    ),
    Scene(
        "But whether a number is the right one: this one is not",
        _redeem(_VERIFY, msisdn=_ANOTHER),
        200,
        "document",
        {"PhoneNumberVerification": "0"},
    ),
    Scene(
        "A third token is lent …",
        _lend(_GET),
        200,
        "document",
        {"TemporaryToken": "*"},
    ),
    Scene(
        "… and the operator revokes all tokens of the SIM before it is used",
        _revoke_and_redeem,
        401,
        "lent_token_revoked",
    ),
)
"""What the story tells, in order."""


async def play() -> list[str]:
    """Play every scene; return what was not as expected."""
    from rich.text import Text

    from simgrant.cli.demo import exchange_lines, stage
    from simgrant.sim.handset import Handset
    from simgrant.sim.http import Url
    from simgrant.sim.partner import PartnerServer
    from simgrant.sim.profiles import PROFILES, ProfileName
    from simgrant.sim.sims import demo_sims
    from simgrant.sim.transcript import console, write

    out = console()
    failures: list[str] = []
    requests = 0
    with TemporaryDirectory(prefix="simgrant-demo-") as state:
        async with stage(Path(state)) as server:
            url = Url.parse(server.device_url)
            sim, profile = demo_sims()[0], PROFILES[ProfileName.ANDROID_NUMBER]
            head = (("simgrant", "bold"), f" serves phones and partners at {server.device_url}\n")
            write(out, Text.assemble(*head))
            async with Handset(sim, url, profile) as handset, PartnerServer(url) as partner:
                players = Stage(server, handset, partner, {"number": await _number(server, sim)})
                for number, scene in enumerate(SCENES, start=1):
                    outcome = await scene.act(players)
                    requests += len(outcome.exchanges)
                    record = await _record(server, handset)
                    write(out, Text(f"{number}  {scene.title}", "bold cyan"))
                    for seen in outcome.exchanges:
                        for line in exchange_lines(seen):
                            write(out, line)
                    write(out, _told(outcome, record))
                    write(out, Text())
                    failures += [
                        f"scene {number}: {failure}"
                        for failure in _judge(scene, outcome, record, players)
                    ]
    good = Text("✓ ", style="bold green") if not failures else Text("✗ ", style="bold red")
    good.append(f"{len(SCENES)} scenes, {requests} requests, {len(failures)} surprises", "bold")
    write(out, good)
    return failures


async def _number(server: Running, sim: Any) -> str:
    from simgrant.config.load import DEFAULT_TENANT

    found = await server.parts.store.find(DEFAULT_TENANT, imsi=sim.imsi)
    return "" if found is None or found.msisdn is None else found.msisdn.e164


async def _record(server: Running, handset: Handset) -> Mapping[str, Any]:
    """Return what the server wrote down of the last request."""
    from simgrant.config.load import DEFAULT_TENANT
    from simgrant.flows.explain import record_data

    parts = server.parts
    await parts.journal.flush()
    digits = handset.sim.imsi.digits
    references = parts.keys.ring.references(DEFAULT_TENANT, "imsi", digits)
    (record,) = record_data(await parts.store.records(DEFAULT_TENANT, references, limit=1))
    return record


def _judge(
    scene: Scene, outcome: Outcome, record: Mapping[str, Any], stage: Stage
) -> Iterator[str]:
    """Yield what was not as it has to be."""
    if outcome.last.status != scene.status:
        yield f"status {outcome.last.status} and not {scene.status}"
    if record["outcome"] != scene.outcome:
        yield f"{record['outcome']} and not {scene.outcome}"
    told = _parms(outcome)
    for name, value in scene.parms.items():
        wanted = stage.held.get(value, value)
        if name not in told or (wanted != "*" and told[name] != wanted):
            yield f"{name} is not {value}"
    lent = outcome.last.leg == "lent"
    if lent and outcome.document is not None and outcome.document.token is not None:
        yield "a TOKEN for a partner"


def _parms(outcome: Outcome) -> dict[str, str]:
    """Return the parameters of the document's one application; none without a document."""
    from simgrant.wire.document import Parm

    document = outcome.document
    if document is None:
        return {}
    (application,) = document.applications
    return {item.name: item.value for item in application.items if isinstance(item, Parm)}


def _told(outcome: Outcome, record: Mapping[str, Any]) -> Text:
    """Return what came of it: the document's parameters, or the server's reason."""
    from rich.text import Text

    from simgrant.sim.transcript import Mask

    line = Text("     ")
    if outcome.document is None:
        return line.append("because: ", "dim").append(str(record["outcome"]), "red")
    mask = Mask()
    for name, value in _parms(outcome).items():
        if name.endswith("Expiry"):
            continue
        # A demonstration number is shown, a token never.
        shown = value if name == "MSISDN" else mask.value(name, value)
        line.append(f"{name} ", "dim").append(f"{shown}  ", "green" if value != "0" else "yellow")
    return line
