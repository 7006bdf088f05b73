"""Every kind of token at every place: it works where it was issued for, and nowhere else.

A model says in a few lines what ought to work; the server is asked the same.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simgrant.flows.operations import OPERATIONS
from simgrant.identities import Imsi
from tests.clocks import set_clock
from tests.device.harness import (
    ALLOWED,
    JSON,
    NO_VOWIFI,
    START,
    Answer,
    Request,
    Server,
    Workbench,
    new_subscription,
)
from tests.device.partner import NUMBER, app_of, number_phone, operate, temporary
from tests.jwts import EcSigner, SharedSigner

AUDIENCE = "https://ecs.example.net"
ISSUERS = {"default": "https://login.example.net", "blue": "https://blue.example.net"}
HOSTS = {"default": "red.example.net", "blue": "blue.example.net"}
BLUE = Imsi("999990000000001")
SETTINGS = f"""
[limits]
refusals_burst = 0
guesses_burst = 0
[tenants.default]
hosts = ["{HOSTS["default"]}"]
plmns = ["001-01"]
[tenants.blue]
hosts = ["{HOSTS["blue"]}"]
plmns = ["999-99"]
[issuers.login]
issuer = "{ISSUERS["default"]}"
audience = "{AUDIENCE}"
jwks = "login.json"
tenants = ["default"]
[issuers.blue]
issuer = "{ISSUERS["blue"]}"
audience = "{AUDIENCE}"
jwks = "login.json"
tenants = ["blue"]
[partners.bank]
requestor_ids = ["bank", "bank-2"]
client_ids = ["bank"]
access_token = false
app_key = "bank.json"
[partners.shop]
requestor_ids = ["shop"]
client_ids = ["shop"]
access_token = false
"""

PLACES = ("token", "temporary_token", "operator_token", "access_token", "App_token")
PLACE = {"requestor_token": "token"}
"""Where a token goes that has no place of its own name."""
APPS = ("ap2004", "ap2011", "ap2014", "ap2015")
BANK = ("bank", "bank-2")
KNOWN = (*BANK, "shop")
NAMES = sorted({operation.name for operation in OPERATIONS.values()})
TEMPORARY_LIFE, OPERATOR_LIFE, TOKEN_LIFE = 300, 3600, 30 * 86_400
ACCESS_LIFE, REQUESTOR_LIFE = 60 + 30, 3600
"""The first with what clocks may differ by."""


@dataclass(frozen=True)
class Issued:
    """A token, and all that it is for."""

    kind: str
    text: str
    tenant: str
    app: str
    operations: tuple[str, ...] = ()
    requestor: str = ""
    life: int = TOKEN_LIFE


@dataclass(frozen=True)
class Use:
    """What somebody does with it."""

    place: str
    app: str
    operation: str
    requestor: str
    host: str
    age: int
    again: bool


def ought_to_work(issued: Issued, use: Use) -> bool:
    """Say what TS.43 and the settings above say of it."""
    operation = OPERATIONS.get(use.operation.lower())
    place = PLACE.get(issued.kind, issued.kind)
    if place != use.place or use.host != HOSTS[issued.tenant] or use.age >= issued.life:
        return False
    if use.app != issued.app:
        return False
    if use.app == "ap2011":
        # No operation is named for the partner, and what is none is answered by a result.
        if issued.kind == "requestor_token":
            named = operation is not None and use.app in operation.proofs
            return use.requestor == issued.requestor and not named
        return use.requestor in BANK and not use.operation
    if use.place == "token":
        if use.app == "ap2004" or operation is None:
            return True
        return "sim" in operation.proofs.get(use.app, frozenset({"sim"}))
    if operation is None or use.app not in operation.proofs:
        return False
    if use.place not in operation.proofs[use.app]:
        return False
    if use.operation not in issued.operations and use.operation != "ValidateOperatorToken":
        return False
    if use.requestor not in (BANK if issued.kind == "operator_token" else KNOWN):
        return False
    return use.requestor == issued.requestor or not issued.requestor


class World:
    """A server that lives as long as the property is tried."""

    server: Server

    def __init__(self, bench: Workbench) -> None:
        self.bench = bench
        self.login, self.bank = EcSigner("k1"), SharedSigner("b1", os.urandom(32))
        self.tokens: dict[tuple[str, str], str] = {}
        self.number = count()

    async def issue(self, kind: str, tenant: str, app: str, requestor: str) -> Issued:
        """Issue a token."""
        now = int(self.bench.clock.now())
        if app == "ap2011":
            claims = {"iss": ISSUERS[tenant], "aud": AUDIENCE, "exp": now + 60}
            access = self.login.sign(claims | {"client_id": "bank"})
            if kind == "access_token":
                return Issued(kind, access, tenant, app, life=ACCESS_LIFE)
            first = Use("access_token", app, "", "bank", HOSTS[tenant], 0, again=False)
            answer = await self.use(Issued("access_token", access, tenant, app), first)
            token = answer.object["Token"]["token"]
            return Issued(kind, token, tenant, app, requestor="bank", life=REQUESTOR_LIFE)
        imsi = ALLOWED if tenant == "default" else BLUE
        phone = number_phone(self.server, apps=(app,), imsi=imsi, host=HOSTS[tenant])
        if (tenant, app) not in self.tokens:
            self.tokens[tenant, app] = await phone.token()
        token = self.tokens[tenant, app]
        if kind == "token":
            return Issued(kind, token, tenant, app)
        if kind == "App_token":
            claims = {"iss": "bank", "exp": now + 60, "jti": str(next(self.number))}
            return Issued(kind, self.bank.sign(claims), tenant, app, life=60)
        if kind == "temporary_token":
            wanted = {"ap2014": "GetPhoneNumber,VerifyPhoneNumber", "ap2015": "VerifyPhoneNumber"}
            lent = await temporary(phone, token, wanted[app], requestor_id=requestor)
            names = tuple(wanted[app].split(","))
            return Issued(kind, lent, tenant, app, names, requestor, TEMPORARY_LIFE)
        answer = await operate(
            phone,
            token,
            "AcquireOperatorToken",
            client_id="bank",
            scope="number-verification:verify",
        )
        lent = app_of(answer, app)["OperatorToken"]
        names = ("VerifyPhoneNumber",)
        return Issued(kind, lent, tenant, app, names, "", OPERATOR_LIFE)

    async def use(self, issued: Issued, use: Use) -> Answer:
        """Send the token where somebody takes it to."""
        members = {
            use.place: issued.text,
            "app": use.app,
            "operation": use.operation,
            "requestor_id": use.requestor,
            "client_id": "bank",
            "msisdn": NUMBER,
            "operation_targets": "VerifyPhoneNumber",
            "scope": "number-verification:verify",
            "entitlement_version": "12.0",
            "app_name": "Google-OGI",
        }
        body = json.dumps({name: value for name, value in members.items() if value})
        headers = [("content-type", JSON), ("accept", JSON), ("host", use.host)]
        return await self.server.send(Request("POST", b"", headers, body.encode()))


def worked(answer: Answer, use: Use) -> bool:
    """Say whether something was told that is for the holder of a good token only."""
    if answer.status != 200:
        return False
    if use.place == "token":
        return bool(answer.object["Token"]["token"]) and use.app in answer.object
    told: dict[str, str] = answer.object.get(use.app, {})
    return told.get("OperatorTokenValidity") != "0" and told.get("OperationResult") != "101"


@pytest.fixture(scope="module")
def directory(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("every-token")
    shutil.copytree(template / "state", made / "state")
    return made


@pytest.fixture(scope="module")
def world(directory: Path) -> Iterator[tuple[World, asyncio.Runner]]:
    with pytest.MonkeyPatch.context() as patched, asyncio.Runner() as runner:
        bench = Workbench(directory, patched)
        set_clock(patched, bench.clock)
        login, bank = directory / "login.json", directory / "bank.json"
        made = World(bench)
        login.write_text(json.dumps({"keys": [made.login.jwk]}))
        bank.write_text(json.dumps(made.bank.jwk))
        opening = bench.opened(SETTINGS)
        made.server = runner.run(opening.__aenter__())
        try:
            runner.run(made.server.add(new_subscription(BLUE, made.server.ring, tenant="blue")))
            yield made, runner
        finally:
            runner.run(opening.__aexit__(None, None, None))


ISSUED = (
    *(("token", app) for app in APPS if app != "ap2011"),
    ("temporary_token", "ap2014"),
    ("temporary_token", "ap2015"),
    ("operator_token", "ap2015"),
    ("access_token", "ap2011"),
    ("requestor_token", "ap2011"),
    ("App_token", "ap2015"),
)
REQUESTORS = (*KNOWN, "nobody", "")
AGES = (0, 59, 60, TEMPORARY_LIFE - 1, TEMPORARY_LIFE, OPERATOR_LIFE, TOKEN_LIFE)


async def tried(made: World, kind: str, app: str, tenant: str, requestor: str, use: Use) -> bool:
    """Issue a token, use it and hold what comes of it against the model; say whether it worked."""
    made.bench.clock.at = START
    issued = await made.issue(kind, tenant, app, requestor)
    made.bench.clock.advance(use.age)
    works = worked(await made.use(issued, use), use)
    assert works == ought_to_work(issued, use), (issued, use)
    if works and use.again:
        again = worked(await made.use(issued, use), use)
        assert again == (kind != "temporary_token"), (issued, use)
    return works


@pytest.mark.conforms("temporary.bound", "temporary.not-renewed", "app-tokens.scopes")
@pytest.mark.parametrize(("kind", "app"), ISSUED)
def test_every_token_at_every_place(
    world: tuple[World, asyncio.Runner], kind: str, app: str
) -> None:
    """Every place, application and operation, and one thing wrong at a time of the rest."""
    made, runner = world
    tenant = "default"
    right = [
        Use(place, at, operation, "bank", HOSTS[tenant], 0, again=True)
        for place in PLACES
        for at in APPS
        for operation in ("", "NoSuchThing", *NAMES)
    ]
    operation = {"ap2014": "GetPhoneNumber", "ap2011": ""}.get(app, "VerifyPhoneNumber")
    usual = next(
        use
        for use in right
        if (use.place, use.app, use.operation) == (PLACE.get(kind, kind), app, operation)
    )
    wrong = [
        *(replace(usual, requestor=requestor) for requestor in REQUESTORS),
        *(replace(usual, host=host) for host in HOSTS.values()),
        *(replace(usual, age=age) for age in AGES),
    ]

    async def all_tried() -> int:
        return sum(
            [
                await tried(made, kind, app, tenant, requestor, use)
                for requestor in ("bank", "")
                for use in (*right, *wrong)
            ]
        )

    worked_in_all = runner.run(all_tried())
    assert bool(worked_in_all) == (kind != "App_token")


@settings(max_examples=300, deadline=None)
@given(
    issued=st.sampled_from(ISSUED),
    tenant=st.sampled_from(sorted(HOSTS)),
    requestor=st.sampled_from(["", "bank"]),
    use=st.builds(
        Use,
        place=st.sampled_from(PLACES),
        app=st.sampled_from(APPS),
        operation=st.sampled_from(["", "NoSuchThing", *NAMES]),
        requestor=st.sampled_from(REQUESTORS),
        host=st.sampled_from(sorted(HOSTS.values())),
        age=st.sampled_from(AGES),
        again=st.booleans(),
    ),
)
def test_a_token_works_only_where_it_was_issued_for(
    world: tuple[World, asyncio.Runner],
    issued: tuple[str, str],
    tenant: str,
    requestor: str,
    use: Use,
) -> None:
    made, runner = world
    runner.run(tried(made, *issued, tenant, requestor, use))


def test_a_token_of_one_terminal_or_client_is_no_others(
    world: tuple[World, asyncio.Runner],
) -> None:
    made, runner = world

    async def tried() -> list[int]:
        made.bench.clock.at = START
        phone = number_phone(made.server, host=HOSTS["default"])
        token = await phone.token()
        return [
            (await operate(phone.but(**changes), token, "GetPhoneNumber")).status
            for changes in (
                {},
                {"terminal_id": "350000000000017"},
                {"app_name": "another"},
                {"imsi": NO_VOWIFI},
            )
        ]

    assert runner.run(tried()) == [200, 511, 511, 511]
