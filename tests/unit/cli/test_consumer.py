"""`simgrant consumer`, `tariff` and `usage`: what they do, print, and never print."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import os
import shlex
import shutil
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc.jwk import ECKey, OKPKey, RSAKey
from typer.testing import CliRunner, Result

from simgrant.cli import app
from simgrant.cli.consumer import _toml
from simgrant.cli.serve import make_state
from simgrant.compose.clock import CLOCK
from simgrant.compose.store import open_store
from simgrant.config.load import load
from simgrant.domain.camara.access_token import Method
from simgrant.domain.camara.month import Month, month_of
from simgrant.domain.camara.tariff import MILLION
from simgrant.domain.camara.usage import Outcome, Usage
from simgrant.flows.camara.statements import (
    StatementLine,
    UsageRow,
    amount,
    plain,
    pull_place,
    push_place,
    tmf635,
)
from simgrant.ports.camara_usage import Place
from tests.docs.pages import page
from tests.examples import examples
from tests.jwts import EcSigner
from tests.swagger import Swagger

NOVEMBER = Month(2026, 11)
API = "number-verification"


@dataclass
class Simgrant:
    """The command line in a directory of its own."""

    directory: Path

    def __call__(self, *args: str, code: int = 0, stdin: str = "") -> Result:
        done = CliRunner().invoke(app, list(args), input=stdin, prog_name="simgrant")
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == code, done.output
        return done

    def json(self, *args: str) -> Any:
        return json.loads(self(*args, "--json").stdout)

    def file(self, name: str, text: str) -> str:
        (self.directory / name).write_text(text)
        return name

    def used(self, *rows: Usage) -> None:
        async def write() -> None:
            store = await open_store(load(None, {}))
            for row in rows:
                assert await store.usage.record("default", row, expires_at=0)
            await store.close()

        asyncio.run(write())


@pytest.fixture(scope="module")
def made_state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    state = tmp_path_factory.mktemp("made") / "state"
    make_state(load(None, {"SIMGRANT__SERVER__STATE_DIR": f'"{state}"'}))
    return state


@pytest.fixture
def simgrant(tmp_path: Path, made_state: Path, monkeypatch: pytest.MonkeyPatch) -> Simgrant:
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith("SIMGRANT__"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "200")
    shutil.copytree(made_state, tmp_path / "state")
    return Simgrant(tmp_path)


@pytest.fixture
def bank(simgrant: Simgrant) -> Simgrant:
    """The same with a consumer."""
    simgrant.file("keys.json", json.dumps({"keys": [EcSigner("k1").jwk]}))
    simgrant("consumer", "add", "bank", "--name", "Bank", "--jwks", "keys.json")
    return simgrant


# --- consumers ----------------------------------------------------------------------------------


def test_a_consumer_is_made_shown_and_may_use_nothing(bank: Simgrant) -> None:
    found = bank.json("consumer", "show", "bank")
    assert (found["name"], found["active"], found["permissions"]) == ("Bank", True, [])
    assert (found["revision"], found["has_secret"]) == (1, False)
    assert found["jwks"]["keys"][0]["kid"] == "k1"
    shown = bank("consumer", "show", "bank").stdout
    assert "private_key_jwt, keys: own" in shown
    assert "bank" in bank("consumer", "list").stdout
    said = bank("consumer", "add", "bank", "--name", "X", "--jwks", "keys.json", code=1).stderr
    assert "bank is, or was, a consumer" in said


def test_a_public_key_in_pem_is_one_too(simgrant: Simgrant) -> None:
    made: list[tuple[type[ECKey | RSAKey | OKPKey], Any]] = [
        (ECKey, ec.generate_private_key(ec.SECP256R1()).public_key()),
        (RSAKey, rsa.generate_private_key(65537, 2048).public_key()),
        (OKPKey, ed25519.Ed25519PrivateKey.generate().public_key()),
    ]
    for kind, public in made:
        pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        simgrant.file("bank.pem", pem.decode())
        name = kind.key_type.lower()
        simgrant("consumer", "add", name, "--name", "Bank", "--jwks", "bank.pem")
        (kept,) = simgrant.json("consumer", "show", name)["jwks"]["keys"]
        assert kept["kid"] == kind.import_key(pem).thumbprint()
        again = kind.import_key(kept).as_pem(private=False)
        assert again == pem


WRONG_CONSUMERS: tuple[tuple[tuple[str, ...], str], ...] = (
    ((), "needs jwks or jwks_url"),
    (("--jwks-url", "http://bank.example/keys"), "jwks_url: not an https address"),
    (("--jwks", "absent"), "absent: No such file"),
    (("--jwks", "bad.json"), "bad.json: Expecting"),
    (("--jwks", "private.pem"), "private.pem: a private key"),
    (("--jwks", "torn.pem"), "torn.pem: no public key in PEM"),
    (("--jwks", "shared.json"), "jwks: there is a private or a shared key in it"),
    (("--set", "algorithms=['none']", "--jwks", "keys.json"), "'none' is none of ES256"),
    (("--set", "algorithms=['HS256']", "--jwks", "keys.json"), "'HS256' is none of"),
    (("--set", "grants=['refresh_token']", "--jwks", "keys.json"), "bank: Invalid enum value"),
    (
        ("--set", "grants=['password']", "--jwks", "keys.json"),
        "$.grants[0]`; there are authorization_code, ciba, client_credentials, jwt_bearer",
    ),
    (("--set", "bound=none", "--jwks", "keys.json"), "there are certificate, dpop, nothing"),
    (("--set", "colour=red", "--jwks", "keys.json"), "unknown field `colour`"),
    (("--set", "colour", "--jwks", "keys.json"), "is no KEY=VALUE"),
    (
        ("--set", "redirect_uris=['http://a.example/']", "--jwks", "keys.json"),
        "is neither https",
    ),
    (("--set", "redirect_uris=['javascript:x']", "--jwks", "keys.json"), "is neither https"),
    (("--set", "application_claim=act", "--jwks", "keys.json"), "no applications"),
)


def test_what_is_wrong_with_a_consumer_is_said(simgrant: Simgrant) -> None:
    simgrant.file("bad.json", "{")
    simgrant.file(
        "private.pem", "-----BEGIN EC PRIVATE KEY-----\nAA==\n-----END EC PRIVATE KEY-----\n"
    )
    simgrant.file("torn.pem", "-----BEGIN PUBLIC KEY-----\nAA==\n-----END PUBLIC KEY-----\n")
    simgrant.file("keys.json", json.dumps(EcSigner("k1").jwk))
    simgrant.file("shared.json", json.dumps({"keys": [{"kty": "oct", "k": "AAAA"}]}))
    for options, said in WRONG_CONSUMERS:
        done = CliRunner().invoke(app, ["consumer", "add", "bank", "--name", "Bank", *options])
        assert done.exit_code in (1, 2), options
        assert said in " ".join(done.stderr.split()), options
    assert simgrant.json("consumer", "list") == []


def test_a_consumer_is_changed_member_by_member(bank: Simgrant) -> None:
    bank("consumer", "change", "bank", "--name", "New", "--sandbox", "--inactive")
    bank("consumer", "change", "bank", "--set", "assertion_life_s=600", "--set", "sector=a.example")
    found = bank.json("consumer", "show", "bank")
    assert (found["name"], found["sandbox"], found["active"]) == ("New", True, False)
    assert (found["assertion_life_s"], found["sector"], found["revision"]) == (600, "a.example", 3)
    bank("consumer", "change", "bank", "--jwks-url", "https://bank.example/keys")
    found = bank.json("consumer", "show", "bank")
    assert "jwks" not in found
    assert found["jwks_url"] == "https://bank.example/keys"
    assert "nothing is to be changed" in bank("consumer", "change", "bank", code=2).stderr
    assert (
        "keeps its name"
        in bank("consumer", "change", "bank", "--set", "client_id=shop", code=2).stderr
    )
    assert "no consumer 'shop'" in bank("consumer", "change", "shop", "--live", code=1).stderr


def test_a_scope_that_no_api_here_has_is_pointed_out(bank: Simgrant) -> None:
    said = bank("consumer", "allow", "bank", API, "--scope", f"{API}:verfy").stderr
    assert f'no API of ours has the scope {API}:verfy; did you mean "{API}:verify"?' in said
    for known in (f"{API}:verify", "token:introspect"):
        assert "warning" not in bank("consumer", "allow", "bank", API, "--scope", known).stderr


def test_an_api_that_is_none_here_is_pointed_out(bank: Simgrant) -> None:
    said = bank("consumer", "allow", "bank", "number-verif").stderr
    assert f'there is no API number-verif here; did you mean "{API}"?' in said
    assert "warning" not in bank("consumer", "allow", "bank", "token").stderr


def test_a_purpose_that_nobody_knows_is_pointed_out(bank: Simgrant) -> None:
    allow = ("consumer", "allow", "bank", API, "--scope", f"{API}:verify", "--purpose")
    said = bank(*allow, "Marketin").stderr
    assert "no camara_purposes.Marketin, so it needs the subscriber's consent" in said
    assert 'did you mean "Marketing"?' in said
    assert "warning" not in bank(*allow, "Marketing").stderr
    bank.file("simgrant.toml", '[camara_purposes.ServiceProvision]\nbasis = "contract"\n')
    assert "warning" not in bank(*allow, "serviceProvision").stderr
    assert "camara_purposes.Marketing" in bank(*allow, "Marketing").stderr
    bank.file("all.toml", bank("consumer", "export").stdout)
    assert "camara_purposes.Marketin," in bank("consumer", "import", "all.toml").stderr
    given = f'permissions=[{{api="{API}", scopes=["{API}:verify"], purposes=["Selling"]}}]'
    assert "Selling" in bank("consumer", "change", "bank", "--set", given).stderr
    assert "Selling" not in bank("consumer", "change", "bank", "--sandbox").stderr
    new = ("shop", "--name", "Shop", "--jwks", "keys.json", "--set", given)
    assert "camara_purposes.Selling" in bank("consumer", "add", *new).stderr


def test_what_a_consumer_may_use_grows_and_shrinks(bank: Simgrant) -> None:
    allow = ("consumer", "allow", "bank", API)
    assert (
        "no tariff 'gold' (there are none)"
        in bank(*allow, "--scope", f"{API}:verify", "--tariff", "gold", code=1).stderr
    )
    bank(*allow, "--scope", f"{API}:verify", "--purpose", "FraudPreventionAndDetection")
    bank(*allow, "--per-second", "2.5", "--per-month", "1000")
    bank(*allow, "--scope", f"{API}:device-phone-number:read", "--per-month", "0")
    (found,) = bank.json("consumer", "show", "bank")["permissions"]
    assert found["scopes"] == [f"{API}:device-phone-number:read", f"{API}:verify"]
    assert found["rates"] == {"per_second": 2.5, "burst": 0, "per_month": 0}
    assert "2.5 a second" in bank("consumer", "show", "bank").stdout
    bank("consumer", "forbid", "bank", API, "--scope", f"{API}:verify")
    (found,) = bank.json("consumer", "show", "bank")["permissions"]
    assert found["scopes"] == [f"{API}:device-phone-number:read"]
    bank("consumer", "forbid", "bank", API)
    assert bank.json("consumer", "show", "bank")["permissions"] == []
    assert "may use nothing" in bank("consumer", "forbid", "bank", API, code=1).stderr


def test_a_removed_consumer_leaves_its_name_behind(bank: Simgrant) -> None:
    assert "would remove bank" in bank("consumer", "remove", "bank").stderr
    bank("consumer", "remove", "bank", "--yes")
    assert bank.json("consumer", "list") == []
    assert "no consumer" in bank("consumer", "show", "bank", code=1).stderr
    bank("consumer", "add", "bank", "--name", "Bank", "--jwks", "keys.json", code=1)


def test_a_secret_is_shown_once_and_only_its_hash_is_kept(bank: Simgrant) -> None:
    said = bank("consumer", "rotate-secret", "bank", code=1).stderr
    assert "by its key, not a secret" in said
    done = bank("consumer", "change", "bank", "--set", "proving=client_secret_basic")
    assert "it has no secret yet" in done.stderr
    secret = bank("consumer", "rotate-secret", "bank").stdout.strip()
    assert len(secret) == 43
    other = bank.json("consumer", "rotate-secret", "bank")["client_secret"]
    assert other != secret
    bank("consumer", "change", "bank", "--name", "New")
    assert bank.json("consumer", "show", "bank")["has_secret"]
    data = b"".join(path.read_bytes() for path in bank.directory.rglob("*.sqlite3*"))
    assert secret.encode() not in data
    assert other.encode() not in data
    bank("consumer", "change", "bank", "--set", "proving=private_key_jwt")
    assert not bank.json("consumer", "show", "bank")["has_secret"]


def test_what_is_exported_is_imported_again(bank: Simgrant) -> None:
    bank("consumer", "allow", "bank", API, "--scope", f"{API}:verify", "--per-second", "3")
    bank("consumer", "change", "bank", "--set", 'applications=[{id="a1", name="Ä \\"q\\""}]')
    before = bank.json("consumer", "show", "bank")
    for name, text in (
        ("all.toml", bank("consumer", "export").stdout),
        ("all.json", bank("consumer", "export", "bank", "--json").stdout),
    ):
        bank.file(name, text)
        assert "would change bank" in bank("consumer", "import", name).stderr
        bank("consumer", "import", name, "--yes")
        after = bank.json("consumer", "show", "bank")
        assert {**after, "revision": 0} == {**before, "revision": 0}
    text = bank("consumer", "export").stdout.replace('"bank"', '"shop"')
    bank("consumer", "import", "-", "--yes", stdin=text)
    assert [each["client_id"] for each in bank.json("consumer", "list")] == ["bank", "shop"]


def test_an_import_with_one_mistake_writes_nothing(bank: Simgrant) -> None:
    text = bank("consumer", "export").stdout
    bank.file("two.toml", text.replace('"bank"', '"shop"') + "\n" + text.replace("ES256", "none"))
    assert "'none' is none of" in bank("consumer", "import", "two.toml", "--yes", code=1).stderr
    assert len(bank.json("consumer", "list")) == 1
    bank.file("text.toml", "consumer = 1")
    assert "neither a consumer" in bank("consumer", "import", "text.toml", code=2).stderr


def test_changes_are_in_the_audit(bank: Simgrant) -> None:
    bank("consumer", "change", "bank", "--inactive")
    newest, first = bank.json("audit", "list")
    assert (newest["call"], newest["subject"]) == ("consumer change", "consumer bank")
    assert newest["detail"] == "active"
    assert first["call"] == "consumer add"
    bank("audit", "check")


PLAIN = st.recursive(
    st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=5,
)
TABLES = st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
    PLAIN | st.dictionaries(st.text("ab \"'\\.é", min_size=1), PLAIN, max_size=3),
    max_size=5,
)


@settings(max_examples=examples(50), deadline=None)
@given(data=TABLES, tables=st.lists(TABLES, min_size=1, max_size=2))
def test_what_is_written_as_toml_is_read_as_the_same(
    data: dict[str, Any], tables: list[dict[str, Any]]
) -> None:
    whole = data | {"tables": tables}
    assert tomllib.loads(_toml("consumer", whole)) == {"consumer": [whole]}


# --- tariffs ------------------------------------------------------------------------------------

GOLD = """
name = "gold"
valid_from = "2099-01-01"
currency = "EUR"
aggregator_share = "12.5"
prices = [
    { outcome = "match", price = "0.03" },
    { outcome = "match", price = "0.0125", operation = "phoneNumberShare" },
]
"""


def test_a_tariff_has_versions_that_begin_later(bank: Simgrant) -> None:
    bank("tariff", "add", bank.file("gold.toml", GOLD))
    bank("tariff", "add", bank.file("g2.toml", GOLD.replace("2099-01-01", "2099-02-01T00:00Z")))
    first, second = bank.json("tariff", "list")
    assert (first["valid_from"], second["valid_from"]) == (
        "2099-01-01T00:00:00Z",
        "2099-02-01T00:00:00Z",
    )
    assert [each["price"] for each in first["prices"]] == ["0.03", "0.0125"]
    assert first["aggregator_share"] == "12.5"
    assert "12.5 %" in bank("tariff", "list").stdout
    scope = ("--scope", f"{API}:verify")
    bank("consumer", "allow", "bank", API, *scope, "--tariff", "gold")
    assert "there is a version" in bank("tariff", "add", "gold.toml", code=1).stderr
    bank("tariff", "remove", "gold", "2099-02-01", "--yes")
    said = bank("tariff", "remove", "gold", "2099-01-01", "--yes", code=1).stderr
    assert "it is that of bank" in said
    assert (
        "explains what was paid"
        in bank("tariff", "remove", "gold", "2020-01-01", "--yes", code=1).stderr
    )


WRONG_TARIFFS = (
    ("2099-01-01", "2020-01-01", "2020-01-01 is over"),
    ("2099-01-01", "2199-01-01", "far off"),
    ("2099-01-01", "2099-13-01", "is no date"),
    ("0.03", "0.0000001", "price"),
    ("0.03", "-1", "price"),
    ("EUR", "euro", "currency"),
    ("12.5", "100.1", "aggregator_share"),
    ('outcome = "match"', 'outcome = "maybe"', "there are asked, delivered"),
    ("currency", "waehrung", "waehrung"),
    ("[", "", "gold.toml"),
)


def test_what_is_wrong_with_a_tariff_is_said(simgrant: Simgrant) -> None:
    for old, new, said in WRONG_TARIFFS:
        simgrant.file("gold.toml", GOLD.replace(old, new, 1))
        done = CliRunner().invoke(app, ["tariff", "add", "gold.toml"])
        assert done.exit_code in (1, 2), new
        assert said in done.stderr, new
    assert simgrant.json("tariff", "list") == []


# --- usage --------------------------------------------------------------------------------------


def usage(number: int, **members: Any) -> Usage:
    made = Usage(
        usage_id=number.to_bytes(1, "big") * 16,
        at_ms=NOVEMBER.since * 1000 + number,
        client_id="bank",
        api=API,
        operation="phoneNumberVerify",
        method=Method.SIM,
        outcome=Outcome.MATCH,
        status=200,
        correlator="=1+1",
        tariff="gold",
        price_micros=30_001,
        share_micros=10_000,
        currency="EUR",
    )
    return replace(made, **members)


ROWS = (
    *(usage(n) for n in range(40)),
    usage(40, outcome=Outcome.NO_MATCH, price_micros=0, share_micros=0),
    usage(41, client_id="shop", currency="USD"),
    usage(42, sandbox=True, tariff="", currency="", price_micros=0, share_micros=0),
    usage(43, at_ms=NOVEMBER.since * 1000 - 1),
    usage(44, at_ms=NOVEMBER.until * 1000),
)


def test_a_statement_is_what_the_rows_add_up_to(simgrant: Simgrant) -> None:
    simgrant.used(*ROWS)
    found = simgrant.json("usage", "statement", "2026-11", "--check")
    assert [(each["consumer"], each["outcome"], each["count"]) for each in found] == [
        ("bank", "match", 40),
        ("bank", "no_match", 1),
        ("shop", "match", 1),
        ("bank", "match", 1),
    ]
    first = found[0]
    assert (first["price"], first["aggregator"], first["operator"]) == (
        "1.20004",
        "0.40",
        "0.80004",
    )
    done = simgrant("usage", "statement", "2026-11", "--consumer", "bank", "--check")
    assert "42 rows add up to it exactly" in done.stderr
    assert "1.20004 EUR: 0.80004 the operator's, 0.40 aggregators'" in done.stderr
    assert "bank (sandbox)" in done.stdout
    lines = list(
        csv.DictReader(io.StringIO(simgrant("usage", "statement", "2026-11", "--csv").stdout))
    )
    assert [line["price"] for line in lines] == [each["price"] for each in found]
    assert tuple(lines[0]) == StatementLine.__struct_fields__
    assert "is no month" in simgrant("usage", "statement", "11/2026", code=2).stderr


def test_a_month_that_is_not_over_is_said_to_be_so(simgrant: Simgrant) -> None:
    this = str(month_of(CLOCK.now()))
    assert "is not over yet" in simgrant("usage", "statement", this).stderr
    for command in ("statement", "export"):
        said = simgrant("usage", command, "2026-11", "--consumer", "shop").stderr
        assert "there is no consumer 'shop'" in said
    assert "not both" in simgrant("usage", "statement", this, "--csv", "--json", code=2).stderr
    assert "is not over" not in simgrant("usage", "statement", "2024-02").stderr


def test_every_row_is_exported_once_however_often_it_is_cut_off(simgrant: Simgrant) -> None:
    simgrant.used(*ROWS)
    export = ("usage", "export", "2026-11", "--limit", "9")
    ids, after = [], list[str]()
    for _ in range(16):
        done = simgrant(*export, *after)
        ids += [json.loads(line)["id"] for line in done.stdout.splitlines()]
        if "there may be more" not in done.stderr:
            break
        place = [line for line in done.stderr.splitlines() if line.startswith("--after")]
        after = place[-1].split()
    assert sorted(ids) == sorted(row.usage_id.hex() for row in ROWS[:43])
    text = simgrant("usage", "export", "2026-11", "--csv").stdout
    lines = list(csv.DictReader(io.StringIO(text)))
    assert len(lines) == 43
    assert tuple(lines[0]) == UsageRow.__struct_fields__
    assert {line["correlator"] for line in lines} == {"'=1+1"}
    assert "is no place" in simgrant(*export, "--after", "x", code=2).stderr
    assert "not both" in simgrant(*export, "--csv", "--tmf635", code=2).stderr


def test_usage_is_what_tmf635_describes(simgrant: Simgrant) -> None:
    simgrant.used(*ROWS[39:43])
    lines = simgrant("usage", "export", "2026-11", "--tmf635").stdout.splitlines()
    assert len(lines) == 4
    definition = Swagger("635")
    headers = {"content-type": "application/json;charset=utf-8"}
    for line in lines:
        target = f"/tmf-api/usageManagement/v4/usage/{json.loads(line)['id']}"
        definition.response("GET", target, 200, headers, line.encode())


@pytest.mark.parametrize("shape", [tmf635, plain])
def test_no_shape_of_usage_leaves_a_member_out(shape: Callable[[Usage], dict[str, Any]]) -> None:
    members = {
        "application": "app-x",
        "purpose": "Purpose",
        "code": "CODE",
        "subject_ref": "ref-x",
        "correlator": "corr-x",
        "suspicion": "sim_swapped",
    }
    made = usage(1, **members)
    text = json.dumps(shape(made))
    for value in (*members.values(), made.usage_id.hex(), "bank", "0.030001", "0.01", "EUR"):
        assert value in text


@given(micros=st.integers(0, 10**15))
def test_amounts_are_exact(micros: int) -> None:
    text = amount(micros)
    whole, _, decimals = text.partition(".")
    assert 2 <= len(decimals) <= 6
    assert int(whole) * MILLION + int(decimals.ljust(6, "0")) == micros


@given(shard=st.integers(0, 15), at_ms=st.integers(-1, 10**15), id_=st.binary(max_size=16))
def test_a_place_is_read_as_it_was_written(shard: int, at_ms: int, id_: bytes) -> None:
    place = Place(shard, at_ms, id_)
    assert pull_place(push_place(place)) == place


# --- the page -----------------------------------------------------------------------------------


def test_the_commands_of_the_page_do_what_it_says(simgrant: Simgrant) -> None:
    about = page("open-gateway-consumers.md")
    (tariff,) = about.fences("toml")
    simgrant.file("gold.toml", tariff.replace("2027-01-01", "2099-01-01"))
    simgrant.file("bank-keys.json", json.dumps(EcSigner("k1").jwk))
    done = 0
    for block in about.fences("sh"):
        for line in block.splitlines():
            if "consumers.toml" in line:
                simgrant.file("consumers.toml", simgrant("consumer", "export").stdout)
            name, *args = shlex.split(line)
            assert name == "simgrant"
            simgrant(*args)
            done += 1
    assert done >= 12
    found = simgrant.json("consumer", "show", "bank")
    assert found["permissions"][0]["tariff"] == "gold"
    assert found["sink_hosts"] == ["hooks.bank.example"]
