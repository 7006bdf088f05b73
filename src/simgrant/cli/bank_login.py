"""The story of a bank's login: a phone, the bank's app, its back end and the operator.

Each says what it saw. Everything is real but the radio: the phone proves its SIM by EAP-AKA, the
back end is an OAuth client with a key of its own, and what it learnt is every byte that it got.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from simgrant.nouns import noun

if TYPE_CHECKING:
    from rich.console import Console

    from simgrant.domain.camara.consumer import Consumer
    from simgrant.domain.subscription import Subscription
    from simgrant.serving import Running
    from simgrant.sim.back_end import BackEnd
    from simgrant.sim.exchange import Exchange
    from simgrant.sim.handset import Handset

_VERIFY: Final = "VerifyPhoneNumber"
_PURPOSE: Final = "FraudPreventionAndDetection"
_TARIFF: Final = "login"
_PRICE_MICROS: Final = 30_000
_ANOTHER: Final = "+15550199"
_YES: Final = {"devicePhoneNumberVerified": True}
_NO: Final = {"devicePhoneNumberVerified": False}
_COLOURS: Final = {"phone": "cyan", "app": "blue", "back end": "green", "operator": "magenta"}


@noun
class Stage:
    """Who plays, and what the app has in its hands."""

    server: Running
    line: Subscription
    handset: Handset
    bank: BackEnd
    out: Console
    held: dict[str, str] = field(default_factory=dict, repr=False)
    failures: list[str] = field(default_factory=list)

    def say(self, who: str, text: str) -> None:
        """Print what somebody saw."""
        from rich.text import Text

        from simgrant.sim.transcript import write

        write(self.out, Text.assemble((f"   {who:<9}", f"bold {_COLOURS[who]}"), text))

    def expect(self, said: bool, otherwise: str) -> None:
        """Note what is not as it has to be."""
        if not said:
            self.failures.append(otherwise)


@noun
class Scene:
    """One thing that is shown."""

    title: str
    act: Callable[[Stage], Awaitable[None]]


async def _log_in(stage: Stage) -> None:
    await _lend(stage)
    await _grant(stage)
    said = await _ask(stage, _number(stage))
    stage.expect(said == _YES, f"the bank was told {said}")
    await _operator(stage, "match")


async def _repeat(stage: Stage) -> None:
    said = await _ask(stage, _number(stage))
    stage.expect(said == {} and _status(stage) == 401, f"it was answered {_status(stage)}, {said}")
    await _operator(stage, "access_token_spent")


async def _replay(stage: Stage) -> None:
    await _grant(stage, refused=True)
    stage.expect(_status(stage) == 400, f"it was answered {_status(stage)}")
    await _operator(stage, "exchanged_before")


async def _another(stage: Stage) -> None:
    await _lend(stage)
    await _grant(stage)
    said = await _ask(stage, _ANOTHER)
    stage.expect(said == _NO, f"the bank was told {said}")
    await _operator(stage, "no_match")


async def _swapped(stage: Stage) -> None:
    from simgrant.config.load import DEFAULT_TENANT

    await _lend(stage)
    await _grant(stage)
    await stage.server.parts.store.revoke_tokens(DEFAULT_TENANT, stage.line.imsi, None)
    stage.say("operator", "the line gets another SIM: all that the old one proved is over")
    said = await _ask(stage, _number(stage))
    stage.expect(said == {} and _status(stage) == 401, f"it was answered {_status(stage)}, {said}")
    await _operator(stage, "access_token_of_before")


SCENES: Final = (
    Scene("A customer opens the bank's app, and is logged in without typing anything", _log_in),
    Scene("Somebody repeats the question with the same access token", _repeat),
    Scene("Somebody has stolen the temporary token, and comes second", _replay),
    Scene("A customer claims a number that is not the phone's", _another),
    Scene("The SIM is swapped before the bank asks", _swapped),
)
"""What the story tells, in order."""


async def play() -> list[str]:
    """Play every scene; return what was not as expected."""
    from rich.text import Text

    from simgrant.sim.transcript import console, write

    out = console()
    with TemporaryDirectory(prefix="simgrant-demo-") as state:
        async with _stage(Path(state), out) as stage:
            for number, scene in enumerate(SCENES, start=1):
                write(out, Text(f"\n{number}  {scene.title}", "bold cyan"))
                before = len(stage.failures)
                await scene.act(stage)
                for at in range(before, len(stage.failures)):
                    stage.failures[at] = f"scene {number}: {stage.failures[at]}"
            learnt = list(_learnt(stage))
            stage.failures.extend(learnt)
            if not learnt:
                size = sum(len(each.body) for each in stage.bank.seen)
                said = f"in {size} bytes of answers no number, no SIM and no device was told"
                write(out, Text(""))
                stage.say("back end", said)
            stage.failures.extend([each async for each in _books(stage)])
            failures = stage.failures
    good = Text("✓ ", style="bold green") if not failures else Text("✗ ", style="bold red")
    good.append(f"{len(SCENES)} scenes, {len(failures)} surprises", "bold")
    write(out, good)
    return failures


# --- what they do --------------------------------------------------------------------------------


def _number(stage: Stage) -> str:
    return "" if stage.line.msisdn is None else stage.line.msisdn.e164


def _status(stage: Stage) -> int | None:
    return stage.bank.seen[-1].status


async def _lend(stage: Stage) -> None:
    """Have the phone prove its SIM, and give its app a temporary token."""
    from simgrant.sim.companion import parms

    proved = await stage.handset.authenticate()
    stage.say("phone", f"EAP-AKA with the SIM: {_answers(proved.exchanges)}")
    extra = (("operation_targets", _VERIFY),)
    outcome = await stage.handset.operate("AcquireTemporaryToken", extra=extra)
    token = parms(outcome).get("TemporaryToken", "")
    stage.held["token"] = token
    stage.say("phone", f"AcquireTemporaryToken: {_answers(outcome.exchanges)}, {_short(token)}")
    stage.say("app", "hands the temporary token to the back end; it has seen nothing else")
    stage.expect(bool(token), "the phone got no temporary token")


async def _grant(stage: Stage, *, refused: bool = False) -> None:
    """Have the back end turn the temporary token into an access token."""
    from simgrant.sim.back_end import CALLS, Question, Refused

    try:
        scope = CALLS[Question.VERIFY].scope
        token = await stage.bank.redeem(f"operatortoken:{stage.held['token']}", scope)
    except Refused:
        stage.say(
            "back end", f"POST /oauth2/token: {_answers(stage.bank.seen[-1:])}, {_error(stage)}"
        )
        if not refused:
            raise RuntimeError("the temporary token was refused") from None
        return
    stage.held["access"] = token
    said = f"POST /oauth2/token: {_answers(stage.bank.seen[-1:])}, an access token for one call"
    stage.say("back end", said)
    stage.expect(not refused, "the temporary token was good twice")


async def _ask(stage: Stage, number: str) -> Mapping[str, Any]:
    """Have the back end ask whether it is this number; return what it is told."""
    from simgrant.sim.back_end import Question, Refused

    try:
        said = await stage.bank.ask(Question.VERIFY, stage.held["access"], phone_number=number)
    except Refused:
        stage.say("back end", f"POST …/verify: {_answers(stage.bank.seen[-1:])}, {_error(stage)}")
        return {}
    stage.say("back end", f"POST …/verify: {_answers(stage.bank.seen[-1:])}, {json.dumps(said)}")
    return said


async def _operator(stage: Stage, outcome: str) -> None:
    """Show what the operator wrote down of the last request."""
    from simgrant.config.load import DEFAULT_TENANT
    from simgrant.flows.explain import record_data

    parts, line = stage.server.parts, stage.line
    await parts.journal.flush()
    ring, msisdn = parts.keys.ring, line.msisdn
    references = [
        *ring.references(DEFAULT_TENANT, "imsi", line.imsi.digits),
        *(ring.references(DEFAULT_TENANT, "msisdn", msisdn.digits) if msisdn else ()),
    ]
    (record,) = record_data(await parts.store.records(DEFAULT_TENANT, references, limit=1))
    stage.say("operator", f"{record.get('requestor') or '-'} asked: {record['outcome']}")
    stage.expect(record["outcome"] == outcome, f"{record['outcome']} and not {outcome}")


def _answers(exchanges: tuple[Exchange, ...] | list[Exchange]) -> str:
    return ", ".join(f"{each.status} in {each.milliseconds:.1f} ms" for each in exchanges)


def _error(stage: Stage) -> str:
    said = json.loads(stage.bank.seen[-1].body)
    return str(said.get("error") or said.get("code"))


def _short(token: str) -> str:
    return f"a temporary token of {len(token)} characters"


# --- what came of it -----------------------------------------------------------------------------


def _learnt(stage: Stage) -> Iterator[str]:
    """Yield what the bank was told that is none of its business, in any byte that it got."""
    from simgrant.sim.profiles import DEMO_IMEI

    line = stage.line
    secrets = {
        "the IMSI": line.imsi.digits,
        "the number": "" if line.msisdn is None else line.msisdn.digits,
        "the device": DEMO_IMEI,
    }
    for seen in stage.bank.seen:
        got = "\n".join((*(f"{name}: {value}" for name, value in seen.got), seen.body.decode()))
        for name, value in secrets.items():
            if value and value in got:
                yield f"{name} is in what the bank got of {seen.url}"
    answers = [
        json.loads(seen.body)
        for seen in stage.bank.seen
        if seen.status == 200 and seen.url.endswith("/verify")
    ]
    if answers != [_YES, _NO]:
        yield f"the bank was told {answers}"


async def _books(stage: Stage) -> AsyncIterator[str]:
    """Yield where the books are not what was answered: two answers, each of them billed once."""
    from simgrant.config.load import DEFAULT_TENANT
    from simgrant.ports.camara_usage import Span

    rows = stage.server.parts.store.usage
    found = [each async for some in rows.totals(DEFAULT_TENANT, Span(0, 1 << 52)) for each in some]
    billed = {each.outcome.value: (each.count, each.price_micros) for each in found}
    stage.say("operator", f"books: {', '.join(f'{n} {o}' for o, (n, _) in sorted(billed.items()))}")
    if billed != {"match": (1, _PRICE_MICROS), "no_match": (1, _PRICE_MICROS)}:
        yield f"the books say {billed}"


@asynccontextmanager
async def _stage(state: Path, out: Console) -> AsyncIterator[Stage]:
    """Open a server with partner APIs, a bank that may use one, and a phone."""
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    from simgrant.cli.demo import stage
    from simgrant.config.load import DEFAULT_TENANT
    from simgrant.sim.back_end import BackEnd, Contract
    from simgrant.sim.handset import Handset
    from simgrant.sim.http import Url
    from simgrant.sim.profiles import PROFILES, ProfileName
    from simgrant.sim.sims import demo_sims

    settings = {
        "CAMARA__LISTEN": '"127.0.0.1:0"',
        f"CAMARA_PURPOSES__{_PURPOSE}__BASIS": '"legitimate_interest"',
    }
    key = ec.generate_private_key(ec.SECP256R1())
    variables = {f"SIMGRANT__{name}": value for name, value in settings.items()}
    async with stage(state, variables) as server:
        await _sign_contract(server, _bank(key.public_key()))
        store = server.parts.store
        line = await store.find(DEFAULT_TENANT, imsi=demo_sims()[0].imsi)
        if line is None:
            raise RuntimeError("the demonstration's subscription is missing")
        contract = Contract(
            issuer=Url.parse(server.camara_url),
            api_root=Url.parse(server.camara_url),
            client_id="bank",
            key=key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
            purpose=_PURPOSE,
        )
        url, profile = Url.parse(server.device_url), PROFILES[ProfileName.ANDROID_NUMBER]
        async with (
            Handset(demo_sims()[0], url, profile) as handset,
            BackEnd(contract) as bank,
        ):
            yield Stage(server, line, handset, bank, out)


def _bank(public_key: Any) -> Consumer:
    """Return the bank's contract: one API, one purpose, and a price."""
    from joserfc.jwk import ECKey

    from simgrant.domain.camara.consumer import Consumer, Permission

    jwk = ECKey.import_key(public_key).as_dict(private=False)
    return Consumer(
        client_id="bank",
        name="A bank",
        jwks=json.dumps({"keys": [jwk]}),
        permissions=(
            Permission(
                api="number-verification",
                scopes=frozenset({"number-verification:verify"}),
                purposes=frozenset({_PURPOSE}),
                tariff=_TARIFF,
            ),
        ),
    )


async def _sign_contract(server: Running, bank: Consumer) -> None:
    from simgrant.config.load import DEFAULT_TENANT
    from simgrant.domain.camara.tariff import Price, Tariff
    from simgrant.domain.camara.usage import Outcome

    parts = server.parts
    prices = tuple(
        Price(outcome=outcome, micros=_PRICE_MICROS)
        for outcome in (Outcome.MATCH, Outcome.NO_MATCH)
    )
    tariff = Tariff(name=_TARIFF, valid_from=0, currency="EUR", prices=prices)
    await parts.store.consumers.put_tariff(DEFAULT_TENANT, tariff)
    await parts.store.consumers.put(DEFAULT_TENANT, bank, seen=0)
    if parts.partners is None:
        raise RuntimeError("there are no partner APIs")
    await parts.partners.known.consumers.look()
