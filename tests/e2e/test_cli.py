"""Every command, against a real store: what it does, what it prints, and what it never prints.

`Simgrant` runs a command as a user does and looks at everything printed: no SIM key and no
secret of the key ring may ever be in it.
"""

import asyncio
import base64
import contextlib
import csv
import io
import json
import os
import pty
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from typer.testing import CliRunner, Result

from simgrant.adapters.authn import local_auc
from simgrant.adapters.keyring.file import new_key, read_keys, write_keys
from simgrant.cli import app
from simgrant.compose.store import open_keys, open_store
from simgrant.config.load import Loaded, load
from simgrant.domain.camara.access_token import Method
from simgrant.domain.camara.event_subscription import EventSubscription, EventType
from simgrant.domain.camara.usage import Outcome, Usage
from simgrant.domain.policy import default_policy_text
from simgrant.domain.subscription import Subscription
from simgrant.flows.camara.subscribing import SubscriptionRules, Subscriptions, label_of
from simgrant.flows.private_identity import PrivateIdentities
from simgrant.identities import Imsi, Msisdn
from simgrant.keyring.identity import Opened, Sealer
from simgrant.keyring.ring import Use
from simgrant.ports.camara_events import Added
from simgrant.ports.store import SimKey
from tests.e2e.story import told
from tests.servers.process import free_port, wait_until

pytestmark = pytest.mark.e2e

SIMGRANT = str(Path(sys.executable).with_name("simgrant"))
KI = "0123456789abcdef0123456789abcdef"
OPC = "fedcba9876543210fedcba9876543210"
DEMO_KI = "465b5ce8b199b49faa5f0a2ee238a6bc"
IMSI = "001010000000101"
OTHER = "001010000000102"
NUMBER = "+447700900101"
HEAD = "imsi,msisdn,plan,k,opc,terms,address\n"


@dataclass
class Simgrant:
    """The command line in a directory of its own."""

    directory: Path

    def __call__(self, *args: str, code: int = 0, stdin: str = "") -> Result:
        """Run one command; it must end with this exit code and give nothing away."""
        done = CliRunner().invoke(app, list(args), input=stdin, prog_name="simgrant")
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == code, done.output
        self.assert_nothing_secret(done.output)
        return done

    def json(self, *args: str, code: int = 0) -> Any:
        """Run one command and return the JSON it printed."""
        return json.loads(self(*args, code=code).stdout)

    def assert_nothing_secret(self, output: str) -> None:
        """Fail if a SIM key or a secret of the ring is in what was printed."""
        secrets = [KI, OPC, DEMO_KI]
        for path in self.directory.rglob("*keys*.json"):
            for entry in json.loads(path.read_bytes())["keys"]:
                secrets += [entry["secret"], base64.b64decode(entry["secret"]).hex()]
        folded = output.lower().replace("\n", "")
        for secret in secrets:
            assert secret.lower() not in folded

    def file(self, name: str, text: str, mode: int = 0o600) -> str:
        """Write a file and return its name."""
        path = self.directory / name
        path.write_text(text)
        path.chmod(mode)
        return name

    @property
    def loaded(self) -> Loaded:
        """The settings that the commands read."""
        found = self.directory / "simgrant.toml"
        return load(found if found.exists() else None, {})

    @property
    def ring(self) -> Path:
        """The server's key ring."""
        return self.loaded.key_file

    def subscription(self, imsi: str) -> Subscription | None:
        """Return what the store has."""
        return asyncio.run(self._subscription(imsi))

    async def _subscription(self, imsi: str) -> Subscription | None:
        store = await open_store(self.loaded)
        try:
            return await store.find("default", imsi=Imsi(imsi))
        finally:
            await store.close()

    def sim_key(self, imsi: str) -> SimKey:
        """Return the wrapped keys that the store has."""

        async def look() -> SimKey | None:
            store = await open_store(self.loaded)
            try:
                return await store.sim_key("default", Imsi(imsi))
            finally:
                await store.close()

        found = asyncio.run(look())
        assert found is not None
        return found

    def opens(self, imsi: str) -> bool:
        """Say whether the ring opens a SIM's keys, and they are those that were given."""
        ring = open_keys(self.loaded).ring
        algorithm = local_auc.unwrap(self.sim_key(imsi), ring, "default", Imsi(imsi))
        known = local_auc._milenage(bytes.fromhex(KI), bytes.fromhex(OPC), 8)
        rand = bytes(16)
        return algorithm.f2345(rand) == known.f2345(rand)


SINK_TOKEN = "what the sink wants"
SINK_ID = "s1"


@dataclass
class Sink:
    """A consumer's sink that wants an access token, in the store of a server."""

    simgrant: Simgrant

    def subscribe(self) -> None:
        """Have a subscription that tells it."""

        async def work() -> None:
            store = await open_store(self.simgrant.loaded)
            try:
                keys = open_keys(self.simgrant.loaded)
                rules = SubscriptionRules(most=1, ahead_s=0)
                made = Subscriptions(store.camara_events, keys, rules=rules)
                token = made.sealed("default", SINK_ID, SINK_TOKEN, now=time.time())
                one = EventSubscription(
                    subscription_id=SINK_ID,
                    client_id="bank",
                    api="sim-swap-subscriptions",
                    type=EventType.SWAPPED,
                    msisdn=Msisdn(NUMBER.removeprefix("+")),
                    two_legs=True,
                    sink="https://bank.example/sink",
                    access_token=token,
                    created_at=int(time.time()),
                )
                usage = Usage(
                    usage_id=bytes(16),
                    at_ms=0,
                    client_id="bank",
                    api=one.api,
                    operation="create",
                    method=Method.NONE,
                    outcome=Outcome.DELIVERED,
                    status=201,
                )
                added = await store.camara_events.add(
                    "default",
                    one,
                    happened=None,
                    token_ends_at=0,
                    most=1,
                    usage=usage,
                    expires_at=0,
                )
                assert added is Added.DONE
            finally:
                await store.close()

        asyncio.run(work())

    @property
    def wrapped(self) -> bytes:
        """Its access token, as the store has it."""

        async def look() -> bytes:
            store = await open_store(self.simgrant.loaded)
            try:
                found = await store.camara_events.find("default", SINK_ID)
            finally:
                await store.close()
            assert found is not None
            return found.access_token

        return asyncio.run(look())

    @property
    def token(self) -> str:
        """What it would be told with."""
        ring = open_keys(self.simgrant.loaded).ring
        return ring.unwrap("default", label_of(SINK_ID), self.wrapped).decode()


@pytest.fixture(scope="session")
def _made_state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state directory with a key ring and an empty database, to be copied."""
    state = tmp_path_factory.mktemp("made") / "state"
    loaded = load(None, {"SIMGRANT__SERVER__STATE_DIR": f'"{state}"'})
    from simgrant.cli.serve import make_state

    make_state(loaded)
    return state


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Simgrant:
    """The command line in an empty directory."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith("SIMGRANT__"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "100")
    return Simgrant(tmp_path)


@pytest.fixture
def simgrant(bare: Simgrant, _made_state: Path) -> Simgrant:
    """The command line beside a key ring and an empty SQLite database."""
    shutil.copytree(_made_state, bare.directory / "state")
    return bare


@pytest.fixture
def one(simgrant: Simgrant) -> Simgrant:
    """The same with one subscription in it."""
    simgrant.file("ki", KI)
    simgrant.file("opc", OPC + "\n")
    simgrant(
        *("subscription", "add", IMSI, "--plan", "standard", "--msisdn", NUMBER),
        *("--ki-file", "ki", "--opc-file", "opc", "--terms", "given", "--address", "given"),
    )
    return simgrant


def rows(count: int, *, first: int = 200) -> str:
    """Return a CSV file of subscriptions."""
    out = io.StringIO()
    out.write(HEAD)
    for number in range(first, first + count):
        out.write(
            f"00101{number:010d},+4477{number:08d},standard,{number:032x},{OPC},given,given\n"
        )
    return out.getvalue()


# --- the root --------------------------------------------------------------------------------


def test_version(bare: Simgrant) -> None:
    assert re.fullmatch(r"simgrant \d+\.\d+\.\d+\n", bare("--version").stdout)


def test_module_runs_as_the_command(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "simgrant", "--version"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.startswith("simgrant ")


def test_help_names_every_command(bare: Simgrant) -> None:
    shown = bare("--help").stdout
    names = "serve demo check-config keys subscription token identity explain db services sim"
    for name in names.split():
        assert re.search(rf"│ {name} ", shown), name


def test_wrong_flag_and_wrong_command_are_usage_errors(bare: Simgrant) -> None:
    assert "No such option" in bare("db", "status", "--colour", code=2).stderr
    assert "Did you mean 'serve'" in bare("sevre", code=2).stderr
    assert "requires an argument" in bare("serve", "--config", code=2).stderr


def test_configuration_that_is_not_there(bare: Simgrant) -> None:
    done = bare("check-config", "--config", "none.toml", code=2)
    assert "none.toml: No such file or directory" in done.stdout
    done = bare("db", "status", "--config", "none.toml", code=2)
    assert done.stderr == "error: configuration none.toml: No such file or directory\n"


def test_every_unknown_key_is_named_with_what_was_meant(bare: Simgrant) -> None:
    bare.file("simgrant.toml", "[server]\nworker = 2\n[tokns]\nlife_s = 1\n")
    done = bare("db", "status", code=2)
    assert 'error: unknown key server.worker; did you mean "workers"?' in done.stderr
    assert 'error: unknown section [tokns]; did you mean "tokens"?' in done.stderr


def test_an_empty_file_is_a_working_configuration(simgrant: Simgrant) -> None:
    simgrant.file("empty.toml", "")
    done = simgrant("check-config", "--config", "empty.toml")
    assert "empty.toml" in done.stdout


def test_the_environment_wins_over_the_file(
    simgrant: Simgrant, monkeypatch: pytest.MonkeyPatch
) -> None:
    simgrant.file("simgrant.toml", '[server]\nstate_dir = "elsewhere"\n')
    assert simgrant.json("db", "status", "--json", code=1)["revision"] is None
    monkeypatch.setenv("SIMGRANT__SERVER__STATE_DIR", "state")
    assert simgrant.json("db", "status", "--json")["revision"]


def test_nothing_is_coloured_where_nobody_sees_it(one: Simgrant) -> None:
    for args in (("explain", IMSI, "vowifi"), ("keys", "list"), ("check-config",), ("services",)):
        assert "\x1b" not in one(*args).output


def test_the_command_line_is_quick_to_import() -> None:
    """What only one command needs is imported by that command."""
    heavy = (
        "alembic asyncpg cryptography rich.console simgrant.compose.server simgrant.serving"
        " simgrant.sim simgrant.sim.cli sqlalchemy structlog uvicorn"
    )
    code = f"import simgrant.cli, sys; print(*(set({heavy.split()!r}) & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.strip() == ""


def test_the_shell_completes_commands(tmp_path: Path) -> None:
    asked = {"_SIMGRANT_COMPLETE": "complete_bash", "COMP_WORDS": "simgrant sub", "COMP_CWORD": "1"}
    done = subprocess.run(
        [SIMGRANT],
        cwd=tmp_path,
        env=os.environ | asked,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.split() == ["subscription"]


def test_a_reader_that_went_away_is_no_error(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [SIMGRANT, "subscription", "columns"],
        cwd=tmp_path,
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


# --- db --------------------------------------------------------------------------------------


def test_db_upgrade_makes_the_tables_once(bare: Simgrant) -> None:
    assert "run: simgrant db upgrade" in bare("db", "status", code=1).stdout
    assert "from nothing to revision" in bare("db", "upgrade").stderr
    assert "already at revision" in bare("db", "upgrade").stderr
    assert "up to date" in bare("db", "status").stdout
    status = bare.json("db", "status", "--json")
    assert status["revision"] == status["needed"]
    assert (bare.directory / "state/simgrant.db").stat().st_mode & 0o777 == 0o600
    assert (bare.directory / "state").stat().st_mode & 0o777 == 0o700


def test_db_upgrade_shows_its_statements(bare: Simgrant) -> None:
    assert "CREATE TABLE " in bare("db", "upgrade", "--verbose").stdout


def test_a_relative_path_starts_at_the_configuration(bare: Simgrant) -> None:
    (bare.directory / "etc").mkdir()
    folder = bare.directory.name  # a name that cannot be under the root by chance
    bare.file("etc/simgrant.toml", f'[store]\nurl = "sqlite:///{folder}/my.db"\n')
    bare("db", "upgrade", "--config", "etc/simgrant.toml")
    assert (bare.directory / "etc" / folder / "my.db").exists()
    assert "up to date" in bare("db", "status", "--config", "etc/simgrant.toml").stdout
    bare("subscription", "list", "--config", "etc/simgrant.toml")


def test_a_command_without_a_database_says_what_to_run(bare: Simgrant) -> None:
    assert "simgrant db upgrade" in bare("subscription", "list", code=2).stderr


# --- keys --------------------------------------------------------------------------------------


def test_keys_init_makes_a_private_file_once(bare: Simgrant) -> None:
    bare("keys", "init")
    before = bare.ring.read_bytes()
    assert bare.ring.stat().st_mode & 0o777 == 0o600
    assert "kept" in bare("keys", "init").stderr
    assert bare.ring.read_bytes() == before


def test_keys_init_makes_the_rings_of_tenants_too(bare: Simgrant) -> None:
    bare.file(
        "simgrant.toml",
        '[tenants.mvno]\nplmns = ["001-01"]\ngid1 = ["AB"]\nkeys = "mvno-keys.json"\n',
    )
    bare("keys", "init")
    assert (bare.directory / "mvno-keys.json").stat().st_mode & 0o777 == 0o600
    own = [key for key in bare.json("keys", "list", "--json") if key["tenants"] == ["mvno"]]
    assert len(own) == len(Use)


def test_a_ring_that_others_can_read_is_refused(simgrant: Simgrant) -> None:
    simgrant.ring.chmod(0o640)
    for args in (("keys", "list"), ("keys", "rotate"), ("keys", "prune")):
        assert "mode is 0640, must be 0600" in simgrant(*args, code=2).stderr


def test_keys_list(simgrant: Simgrant) -> None:
    found = simgrant.json("keys", "list", "--json")
    assert {key["use"] for key in found} == {"sealing", "hashing", "wrapping", "signing"}
    assert {key["state"] for key in found} == {"newest"}
    shown = simgrant("keys", "list").stdout
    assert all(key["id"] in shown for key in found)


def test_rotation_lets_every_process_know_the_key_first(simgrant: Simgrant) -> None:
    (old,) = (key for key in read_keys(simgrant.ring) if key.use is Use.SEALING)
    said = simgrant("keys", "rotate").stderr
    new = next(
        key for key in read_keys(simgrant.ring) if key.use is Use.SEALING and key.id != old.id
    )
    assert new.active == new.created + 10
    keys = {key["id"]: key for key in simgrant.json("keys", "list", "--json")}
    assert (keys[old.id]["state"], keys[new.id]["state"]) == ("newest", "coming")
    accepted = datetime.fromisoformat(keys[old.id]["accepted_until"]).timestamp()
    tokens = simgrant.loaded.settings.tokens
    assert accepted == new.active + tokens.life_s + tokens.overlap_s
    assert keys[old.id]["accepted_until"] in said
    assert simgrant.ring.stat().st_mode & 0o777 == 0o600


def test_rotation_at_once(simgrant: Simgrant) -> None:
    simgrant("keys", "rotate", "--use", "hashing", "--at-once")
    hashing = [key for key in simgrant.json("keys", "list", "--json") if key["use"] == "hashing"]
    assert sorted(key["state"] for key in hashing) == ["accepted", "newest"]


def test_wrapping_key_rotation_wraps_every_sim_key_anew(one: Simgrant) -> None:
    before, ring = one.sim_key(IMSI), one.ring.read_bytes()
    said = one("keys", "rotate", "--use", "wrapping").stderr
    assert "would add a wrapping key" in said
    assert "wrap 1 SIM keys anew" in said
    assert (one.sim_key(IMSI), one.ring.read_bytes()) == (before, ring)

    one("keys", "rotate", "--use", "wrapping", "--at-once", "--yes")
    assert one.sim_key(IMSI).wrapped_k != before.wrapped_k
    assert one.sim_key(IMSI).wrapped_op != before.wrapped_op
    assert one.opens(IMSI)


def test_rewrap_finishes_what_was_cut_short(one: Simgrant) -> None:
    before = one.sim_key(IMSI)
    keys = read_keys(one.ring)
    at = int(time.time())
    write_keys(one.ring, [*keys, new_key(Use.WRAPPING, now=at, active=at)])
    assert "would look at 1 SIM keys" in one("keys", "rewrap").stderr
    assert one.sim_key(IMSI) == before
    one("keys", "rewrap", "--yes")
    assert one.sim_key(IMSI) != before
    assert one.opens(IMSI)


def test_rewrap_says_which_keys_are_lost(one: Simgrant) -> None:
    keys = [key for key in read_keys(one.ring) if key.use is not Use.WRAPPING]
    at = int(time.time())
    write_keys(one.ring, [*keys, new_key(Use.WRAPPING, now=at, active=at)])
    assert "1 SIM keys open with no key" in one("keys", "rewrap", "--yes", code=1).stderr


def test_a_stolen_sealing_key_is_revoked_once_another_is_in_use(one: Simgrant) -> None:
    (old,) = (key for key in read_keys(one.ring) if key.use is Use.SEALING)
    said = one("keys", "revoke", old.id, "--yes", code=1).stderr
    assert "no other sealing key is in use" in said
    one("keys", "rotate", "--at-once")
    assert "would remove" in one("keys", "revoke", old.id).stderr
    assert old.id in {key.id for key in read_keys(one.ring)}
    one("keys", "revoke", old.id, "--yes")
    (new,) = (key for key in read_keys(one.ring) if key.use is Use.SEALING)
    assert new.id != old.id
    (wrapping,) = (key for key in read_keys(one.ring) if key.use is Use.WRAPPING)
    assert "never revoked" in one("keys", "revoke", wrapping.id, "--yes", code=1).stderr
    assert "has no key" in one("keys", "revoke", "00000000", "--yes", code=2).stderr


def test_a_signing_key_is_rotated_revoked_and_pruned_a_day_later(one: Simgrant) -> None:
    def signing() -> list[str]:
        return [key.id for key in read_keys(one.ring) if key.use is Use.SIGNING]

    (old,) = signing()
    assert "no other signing key" in one("keys", "revoke", old, "--yes", code=1).stderr
    assert "published from now on" in one("keys", "rotate", "--use", "signing", "--at-once").stderr
    _, new = signing()
    assert "nobody can check" in one("keys", "revoke", old).stderr
    one("keys", "revoke", old, "--yes")
    assert signing() == [new]

    now, day = int(time.time()), 86_400
    others = [key for key in read_keys(one.ring) if key.use is not Use.SIGNING]
    made = [new_key(Use.SIGNING, now=at, active=at) for at in (now - 3 * day, now - 2 * day, now)]
    write_keys(one.ring, [*others, *made])
    one("keys", "prune", "--yes")
    assert signing() == [key.id for key in made[1:]], "the last but one was replaced just now"


def test_signatures_need_a_key(one: Simgrant) -> None:
    one.file("simgrant.toml", '[signing]\nalgorithm = "ed25519"\n')
    assert one.json("check-config", "--json")["ok"]
    others = [key for key in read_keys(one.ring) if key.use is not Use.SIGNING]
    write_keys(one.ring, others)
    said = one("check-config", code=2).stdout
    assert "no signing key for tenant default" in said


def test_prune_keeps_what_is_needed(one: Simgrant) -> None:
    (old,) = (key for key in read_keys(one.ring) if key.use is Use.WRAPPING)
    at = int(time.time())
    write_keys(one.ring, [*read_keys(one.ring), new_key(Use.WRAPPING, now=at, active=at)])
    assert "every key is needed" in one("keys", "prune", "--yes").stderr
    one("keys", "rewrap", "--yes")
    assert f"would remove wrapping key {old.id}" in one("keys", "prune").stderr
    assert old.id in {key.id for key in read_keys(one.ring)}
    one("keys", "prune", "--yes")
    assert old.id not in {key.id for key in read_keys(one.ring)}
    assert one.opens(IMSI)


def test_a_sink_is_told_with_its_access_token_whatever_is_rotated(simgrant: Simgrant) -> None:
    sink = Sink(simgrant)
    sink.subscribe()
    wrapped = sink.wrapped
    (old,) = (key for key in read_keys(simgrant.ring) if key.use is Use.WRAPPING)
    at = int(time.time())
    write_keys(simgrant.ring, [*read_keys(simgrant.ring), new_key(Use.WRAPPING, now=at, active=at)])
    assert sink.token == SINK_TOKEN, "the key before opens it still"
    assert "every key is needed" in simgrant("keys", "prune", "--yes").stderr

    would = simgrant("keys", "rewrap").stderr
    assert "would look at 0 SIM keys and 1 access tokens of sinks and wrap anew" in would
    assert sink.wrapped == wrapped
    simgrant("keys", "rewrap", "--yes")
    assert sink.wrapped[:4] != wrapped[:4]
    assert sink.token == SINK_TOKEN
    once = sink.wrapped
    simgrant("keys", "rewrap", "--yes")
    assert sink.wrapped == once, "it is under the newest key already"

    simgrant("keys", "prune", "--yes")
    assert old.id not in {key.id for key in read_keys(simgrant.ring)}
    assert sink.token == SINK_TOKEN

    others = [key for key in read_keys(simgrant.ring) if key.use is not Use.WRAPPING]
    write_keys(simgrant.ring, [*others, new_key(Use.WRAPPING, now=at, active=at)])
    said = simgrant("keys", "rewrap", "--yes", code=1).stderr
    assert "1 access tokens of sinks open with no key of the ring" in said


def test_prune_touches_nothing_of_a_tenant_that_is_not_configured(one: Simgrant) -> None:
    one.file("simgrant.toml", '[tenants.gone]\nimsi_ranges = ["001010000000900-001010000000999"]\n')
    args = ("subscription", "add", "001010000000900", "--plan", "basic", "--tenant", "gone")
    one(*args, "--ki-file", "ki", "--opc-file", "opc")
    (one.directory / "simgrant.toml").unlink()
    one("keys", "rotate", "--use", "wrapping", "--at-once", "--yes")
    assert "tenant gone, which is not configured" in one("keys", "prune").stderr
    assert "every key is needed" in one("keys", "prune", "--yes").stderr


def test_prune_removes_sealing_keys_past_their_acceptance(simgrant: Simgrant) -> None:
    day, now = 86_400, int(time.time())
    others = [key for key in read_keys(simgrant.ring) if key.use is not Use.SEALING]
    ages = (90, 60, 5)
    sealing = [new_key(Use.SEALING, now=now - age * day, active=now - age * day) for age in ages]
    write_keys(simgrant.ring, [*others, *sealing])
    # That of 90 days was replaced 60 days ago, that of 60 days only 5 days ago.
    simgrant("keys", "prune", "--yes")
    left = {key.id for key in read_keys(simgrant.ring) if key.use is Use.SEALING}
    assert left == {sealing[1].id, sealing[2].id}


def test_rotation_of_a_tenants_own_ring(simgrant: Simgrant) -> None:
    simgrant.file(
        "simgrant.toml",
        '[tenants.mvno]\nplmns = ["001-01"]\ngid1 = ["AB"]\nkeys = "mvno-keys.json"\n',
    )
    simgrant("keys", "init")
    before = simgrant.ring.read_bytes()
    simgrant("keys", "rotate", "--tenant", "mvno")
    assert simgrant.ring.read_bytes() == before
    assert len(read_keys(simgrant.directory / "mvno-keys.json")) == len(Use) + 1
    assert "no tenant 'mvn'" in simgrant("keys", "rotate", "--tenant", "mvn", code=2).stderr
    assert (
        "no key ring of its own" in simgrant("keys", "rotate", "--tenant", "default", code=2).stderr
    )


def test_ctrl_c_ends_a_wait_with_one_line(one: Simgrant) -> None:
    with started("keys", "rotate", "--use", "wrapping", "--yes", cwd=one.directory) as running:
        running.await_line("waiting 10 s")
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(timeout=30) == 130
    assert running.lines[-1] == "interrupted"
    assert not any("Traceback" in line for line in running.lines)


# --- subscriptions -----------------------------------------------------------------------------


def test_add_and_show(one: Simgrant) -> None:
    for name in (IMSI, NUMBER):
        shown = one.json("subscription", "show", name, "--json")
        assert (shown["imsi"], shown["msisdn"], shown["plan"]) == (IMSI, NUMBER, "standard")
        assert shown["has_sim_key"] is True
        assert {each["kind"]: each["status"] for each in shown["consents"]} == {
            "terms": "given",
            "address": "given",
        }
        for what in ("push_registrations", "pending_notices", "notices"):
            assert shown[what] == []
    assert IMSI in one("subscription", "show", IMSI).stdout
    assert one.opens(IMSI)


def test_a_new_subscription_starts_with_the_epoch_of_now(one: Simgrant) -> None:
    found = one.subscription(IMSI)
    assert found is not None
    assert abs(found.token_epoch - time.time()) < 60


def test_a_key_file_that_others_can_read_is_refused(simgrant: Simgrant) -> None:
    simgrant.file("ki", KI, mode=0o644)
    done = simgrant("subscription", "add", IMSI, "--plan", "standard", "--ki-file", "ki", code=2)
    assert done.stderr == "error: ki: mode is 0644, must be 0600\n"


def test_a_key_on_the_command_line_is_warned_of(simgrant: Simgrant) -> None:
    done = simgrant("subscription", "add", IMSI, "--plan", "standard", "--ki", KI, "--opc", OPC)
    assert "shell's history" in done.stderr
    assert simgrant.opens(IMSI)


def test_without_a_terminal_no_key_is_asked_for(simgrant: Simgrant) -> None:
    done = simgrant("subscription", "add", IMSI, "--plan", "standard")
    assert "no SIM key" in done.stderr
    assert simgrant.json("subscription", "show", IMSI, "--json")["has_sim_key"] is False


def test_at_a_terminal_keys_are_asked_for_and_not_echoed(simgrant: Simgrant) -> None:
    ours, theirs = pty.openpty()
    # setsid gives it a controlling terminal, from which keys are read unseen.
    command = ["setsid", "--ctty", "--wait", SIMGRANT, "subscription", "add", IMSI]
    process = subprocess.Popen(
        [*command, "--plan", "standard"],
        cwd=simgrant.directory,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    shown = ""
    try:
        for question, key in (("no SIM key): ", KI), ("OPc: ", OPC)):
            while question not in shown:
                shown += os.read(ours, 1024).decode()
            os.write(ours, f"{key}\n".encode())
        with contextlib.suppress(OSError):  # the end of the other side
            while more := os.read(ours, 1024):
                shown += more.decode()
        assert process.wait(timeout=30) == 0
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    simgrant.assert_nothing_secret(shown)
    assert simgrant.opens(IMSI)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--plan", "gold"), "plan 'gold' is not in the policy"),
        (("--plan", "standard", "--ki", KI), "k needs opc or op"),
        (("--plan", "standard", "--ki", KI[:-1], "--opc", OPC), "k must have 32"),
        (("--plan", "standard", "--msisdn", "12"), "msisdn: Msisdn must have"),
        (("--plan", "standard", "--visited-plmn", "DE"), "visited_plmn must be"),
        (("--plan", "standard", "--ki-file", "none"), "none: No such file"),
    ],
)
def test_add_refuses_what_makes_no_sense(
    simgrant: Simgrant, args: tuple[str, ...], said: str
) -> None:
    assert said in simgrant("subscription", "add", IMSI, *args, code=2).stderr
    assert simgrant.subscription(IMSI) is None


def test_add_refuses_what_exists(one: Simgrant) -> None:
    done = one("subscription", "add", IMSI, "--plan", "basic", code=1)
    assert f"{IMSI} exists already" in done.stderr
    done = one("subscription", "add", OTHER, "--plan", "basic", "--msisdn", NUMBER, code=1)
    assert f"{NUMBER} is the number of another subscription" in done.stderr
    assert one.subscription(OTHER) is None


def test_set_changes_what_is_named_and_nothing_else(one: Simgrant) -> None:
    one(
        *("subscription", "set", NUMBER, "--plan", "basic", "--visited-plmn", "262-01"),
        *("--gid1", "ab", "--provisioning", "in_progress", "--terms", "missing"),
    )
    shown = one.json("subscription", "show", IMSI, "--json")
    assert (shown["plan"], shown["visited_plmn"], shown["gid1"]) == ("basic", "26201", "AB")
    assert (shown["provisioning"], shown["msisdn"]) == ("in_progress", NUMBER)
    assert {each["kind"]: each["status"] for each in shown["consents"]} == {
        "terms": "missing",
        "address": "given",
    }
    one("subscription", "set", IMSI, "--visited-plmn", "unknown")
    assert one.json("subscription", "show", IMSI, "--json")["visited_plmn"] is None


def test_the_pin_of_an_account_is_set_from_a_file_and_never_shown(
    one: Simgrant, tmp_path: Path
) -> None:
    def has_pin() -> bool:
        return bool(one.json("subscription", "show", IMSI, "--json")["has_account_pin"])

    file = tmp_path / "pin"
    file.write_text("271828\n")
    said = one("subscription", "set", IMSI, "--pin-file", str(file), code=2).stderr
    assert "must be 0600" in said
    file.chmod(0o600)
    done = one("subscription", "set", IMSI, "--pin-file", str(file), "--terms", "missing")
    assert "has a PIN now" in done.stderr
    assert has_pin()
    shown = one("subscription", "show", IMSI).stdout + one("subscription", "export", IMSI).stdout
    assert "271828" not in shown + done.stderr + done.stdout
    one("subscription", "set", IMSI, "--no-pin")
    assert not has_pin()
    file.write_text("27")
    assert (
        "4 to 12 digits" in one("subscription", "set", IMSI, "--pin-file", str(file), code=2).stderr
    )
    assert (
        "which of them"
        in one("subscription", "set", IMSI, "--pin-file", str(file), "--no-pin", code=2).stderr
    )


def test_set_of_nothing_or_of_nonsense_is_a_usage_error(one: Simgrant) -> None:
    assert "nothing to set" in one("subscription", "set", IMSI, code=2).stderr
    assert "gold" in one("subscription", "set", IMSI, "--plan", "gold", code=2).stderr
    assert "give an IMSI" in one("subscription", "set", "me", "--plan", "basic", code=2).stderr
    assert "no such subscription" in one("subscription", "suspend", OTHER, code=1).stderr


def test_the_life_of_a_subscription(one: Simgrant) -> None:
    for command, status in (
        ("suspend", "suspended"),
        ("bar", "barred"),
        ("resume", "active"),
        ("remove", "removed"),
    ):
        one("subscription", command, IMSI)
        assert one.json("subscription", "show", IMSI, "--json")["status"] == status
    assert "was removed" in one("subscription", "resume", IMSI, code=1).stderr
    assert one.json("subscription", "show", IMSI, "--json")["has_sim_key"] is False


def test_list(one: Simgrant) -> None:
    one("subscription", "import", one.file("r.csv", rows(3)), "--yes")
    one("subscription", "suspend", "001010000000201")
    one("subscription", "remove", "001010000000202")

    def listed(*args: str) -> list[str]:
        return [row["imsi"] for row in one.json("subscription", "list", "--json", *args)]

    assert listed() == [IMSI, "001010000000200", "001010000000201"]
    assert listed("--status", "suspended") == ["001010000000201"]
    assert listed("--status", "removed") == ["001010000000202"]
    assert listed("--after", IMSI, "--limit", "1") == ["001010000000200"]
    assert "--after 001010000000200" in one("subscription", "list", "--limit", "2").stderr


def test_export_has_everything_but_the_keys(one: Simgrant) -> None:
    found = one.json("subscription", "export", NUMBER)
    assert found["subscription"]["imsi"] == IMSI
    assert found["has_sim_key"] is True
    assert set(found) >= {"consents", "terminals", "push_registrations", "records"}


def test_erase_is_for_good_and_not_by_accident(one: Simgrant) -> None:
    first = one.subscription(IMSI)
    assert "would delete" in one("subscription", "erase", IMSI).stderr
    assert one.subscription(IMSI) == first
    assert f"{IMSI} erased" in one("subscription", "erase", IMSI, "--yes").stderr
    assert one.subscription(IMSI) is None
    one("subscription", "add", IMSI, "--plan", "standard")
    again = one.subscription(IMSI)
    assert first is not None
    assert again is not None
    assert again.token_epoch >= first.token_epoch > 1_700_000_000


def test_an_unknown_tenant_is_refused_with_a_hint(simgrant: Simgrant) -> None:
    for args in (
        ("subscription", "list"),
        ("token", "revoke", IMSI),
        ("explain", IMSI, "vowifi"),
    ):
        done = simgrant(*args, "--tenant", "defalt", code=2)
        assert done.stderr == "error: no tenant 'defalt'; did you mean \"default\"?\n"


def test_tenants_do_not_see_each_other(simgrant: Simgrant) -> None:
    simgrant.file(
        "simgrant.toml", '[tenants.mvno]\nimsi_ranges = ["001010000000100-001010000000199"]\n'
    )
    simgrant("subscription", "add", IMSI, "--plan", "basic", "--tenant", "mvno")
    assert simgrant.json("subscription", "list", "--json") == []
    assert len(simgrant.json("subscription", "list", "--json", "--tenant", "mvno")) == 1
    said = simgrant(
        "subscription", "add", "001010000000300", "--plan", "basic", "--tenant", "mvno", code=2
    ).stderr
    assert "which serves 001010000000100-001010000000199" in said


def test_revoking_tokens(one: Simgrant) -> None:
    before = one.subscription(IMSI)
    one("token", "revoke", IMSI)
    after = one.subscription(IMSI)
    assert before is not None
    assert after is not None
    assert after.token_epoch > before.token_epoch
    assert "no such terminal" in one("token", "revoke", IMSI, "--terminal", "1", code=1).stderr


# --- import ------------------------------------------------------------------------------------


def as_json(text: str) -> str:
    return json.dumps(list(csv.DictReader(io.StringIO(text))))


def as_lines(text: str) -> str:
    return "\n".join(json.dumps(row) for row in csv.DictReader(io.StringIO(text)))


@pytest.mark.parametrize(
    ("name", "text"),
    [("r.csv", rows(3)), ("r.json", as_json(rows(3))), ("r.jsonl", as_lines(rows(3)))],
)
def test_import_says_what_it_would_do_and_does_it(simgrant: Simgrant, name: str, text: str) -> None:
    file = simgrant.file(name, text)
    said = simgrant("subscription", "import", file).stderr
    assert "would add 3 subscriptions of tenant default, 3 of them with SIM keys" in said
    assert simgrant.json("subscription", "list", "--json") == []
    assert "3 subscriptions written" in simgrant("subscription", "import", file, "--yes").stderr
    found = simgrant.json("subscription", "list", "--json")
    assert [row["imsi"][-3:] for row in found] == ["200", "201", "202"]
    assert found[1]["msisdn"] == "+447700000201"
    assert simgrant.sim_key("001010000000201").algorithm == "milenage"


def test_import_from_standard_input(simgrant: Simgrant) -> None:
    simgrant("subscription", "import", "-", "--yes", stdin=rows(2))
    simgrant("subscription", "import", "-", "--yes", stdin=as_lines(rows(2, first=300)))
    assert len(simgrant.json("subscription", "list", "--json")) == 4


def test_bad_rows_are_named_by_line_and_nothing_is_imported(simgrant: Simgrant) -> None:
    text = rows(2) + f"x,,standard,,,,\n001010000000300,,gold,{KI},{OPC[:-1]},,\n"
    done = simgrant("subscription", "import", simgrant.file("r.csv", text), "--yes", code=1)
    assert "error: line 4: imsi: Imsi must have 6 to 15 digits" in done.stderr
    assert "error: line 5: plan 'gold' is not in the policy" in done.stderr
    assert "error: 2 bad rows; nothing was written" in done.stderr
    assert simgrant.json("subscription", "list", "--json") == []


def test_of_many_bad_rows_the_first_are_shown(simgrant: Simgrant) -> None:
    file = simgrant.file("r.csv", "imsi,plan\n" + "1,standard\n" * 25)
    said = simgrant("subscription", "import", file, code=1).stderr
    assert said.count("error: line ") == 20
    assert "25 bad rows, the first 20 shown" in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the file is empty"),
        (HEAD, "no rows in it"),
        ("imsi,plan,colour\n", "unknown column 'colour'"),
        ("[{", "the file is no JSON"),
        ('imsi,plan\n"00', "the file line"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused(simgrant: Simgrant, text: str, said: str) -> None:
    file = simgrant.file("rows", text)
    assert said in simgrant("subscription", "import", file, "--yes", code=1).stderr


def test_a_file_that_cannot_be_read_is_a_usage_error(simgrant: Simgrant) -> None:
    assert "No such file" in simgrant("subscription", "import", "none.csv", code=2).stderr
    (simgrant.directory / "r.csv").write_bytes(b"imsi\n\xff\n")
    assert "not UTF-8" in simgrant("subscription", "import", "r.csv", code=2).stderr


def test_a_file_of_keys_that_others_can_read_is_warned_of(simgrant: Simgrant) -> None:
    file = simgrant.file("r.csv", rows(1), mode=0o644)
    assert "can be read by others" in simgrant("subscription", "import", file).stderr


def test_what_exists_is_replaced_only_on_demand(one: Simgrant) -> None:
    before = one.subscription(IMSI)
    file = one.file("r.csv", f"imsi,plan\n{OTHER},basic\n{IMSI},basic\n")
    said = one("subscription", "import", file, code=1).stderr
    assert f"{IMSI} exists already; --replace" in said
    said = one("subscription", "import", file, "--yes", code=1).stderr
    assert f"line 3: {IMSI} exists already; nothing was written; --replace" in said
    assert one.subscription(OTHER) is None

    assert "would overwrite 1 and add 1" in one("subscription", "import", file, "--replace").stderr
    one("subscription", "import", file, "--replace", "--yes")
    after = one.subscription(IMSI)
    assert before is not None
    assert after is not None
    assert (after.plan, after.token_epoch) == ("basic", before.token_epoch)
    assert one.opens(IMSI), "a row without a SIM key keeps the one that is there"


def test_a_number_of_another_stops_the_whole_import(one: Simgrant) -> None:
    file = one.file("r.csv", f"imsi,plan,msisdn\n{OTHER},basic,{NUMBER}\n")
    said = one("subscription", "import", file, "--yes", code=1).stderr
    assert f"line 2: {NUMBER} is the number of another subscription" in said


def test_the_columns_are_listed(simgrant: Simgrant) -> None:
    shown = simgrant("subscription", "columns").stdout
    for name in HEAD.strip().split(","):
        assert re.search(rf"^{name} ", shown, re.MULTILINE), name


@pytest.mark.slow
def test_a_large_import(simgrant: Simgrant) -> None:
    file = simgrant.file("r.csv", rows(100_000, first=1_000))
    assert (
        "100000 subscriptions written" in simgrant("subscription", "import", file, "--yes").stderr
    )


# --- explain and services ----------------------------------------------------------------------


def test_explain_shows_facts_rules_and_document(one: Simgrant) -> None:
    shown = one("explain", IMSI, "vowifi").stdout
    assert re.search(r"terms +given +terms consent, \d+ s old", shown)
    assert 'suspended        not so: status = "suspended" (status is active)' in shown
    assert "allowed: in_plan" in shown
    assert re.search(r"EntitlementStatus +1  enabled", shown)
    assert "No requests on record" in shown


def test_explain_as_json(one: Simgrant) -> None:
    found = one.json("explain", NUMBER, "ap2004", "--json")
    assert found["refusal"] is None
    (decision,) = found["decisions"]
    assert (decision["result"], decision["rule"]) == ("allowed", "in-plan")
    assert [rule["rule"] for rule in decision["tried"]][-1] == "in-plan"
    assert [rule["held"] for rule in decision["tried"]][-2:] == [False, True]
    assert found["application"]["items"]["EntitlementStatus"] == "1"
    features = ["companion", "esim", "private_identity", "smsoip", "volte", "vonr", "vowifi"]
    assert found["facts"]["features"]["value"] == features


LANGUAGE = """
[schedules.long_ago]
until = 2001-01-01T00:00:00Z
[rollouts.all]
percent = 100
[own.ap2004]
X_Quality = "standard"
[[rule]]
id = "past"
during = "long_ago"
result = "denied"
[[rule]]
id = "broken"
features = ["smsoip"]
when = { expr = "size(plan) / (size(plan) - size(plan)) > 1" }
result = "denied"
[[rule]]
id = "first"
features = ["vowifi"]
when = { rollout = "all" }
result = "allowed"
with = { X_Quality = "high" }
care = "They are the first."
[[rule]]
id = "never"
features = ["vowifi"]
when = { rollout = "all", in_plan = true }
result = "denied"
"""


def test_explain_shows_all_that_rules_can_say(one: Simgrant) -> None:
    one.file("policy.toml", LANGUAGE + default_policy_text())
    one.file("simgrant.toml", '[tenants.default]\npolicy = "policy.toml"\n')
    shown = one("explain", IMSI, "vowifi").stdout
    assert 'past             out of schedule: during = "long_ago"' in shown
    assert re.search(r"rollouts +all +policy ", shown)
    then = one("explain", IMSI, "vowifi", "--at", "2000-12-31T23:59").stdout
    assert re.search(r"schedules +long_ago +policy ", then)
    assert re.search(r'► past +during = "long_ago"', then)
    assert "no time, such as" in one("explain", IMSI, "vowifi", "--at", "noon", code=2).stderr
    assert 'with X_Quality = "high"' in shown
    assert "for you: They are the first." in shown
    assert re.search(r"X_Quality +high", shown)
    assert "its expression failed: divide by zero" in one("explain", IMSI, "smsoip").stdout
    (decision,) = one.json("explain", IMSI, "vowifi", "--json")["decisions"]
    assert decision["tried"][-1]["care"] == "They are the first."
    checked = one("check-config", "--offline").stdout
    assert 'rule "never": can never be reached: rule "first" decides before it' in checked
    assert 'rule "past"' not in checked


def test_explain_never_gives_the_web_views_data_away(one: Simgrant) -> None:
    """Whoever has it could open the subscriber's page."""
    one("subscription", "set", IMSI, "--terms", "missing")
    items = one.json("explain", IMSI, "vowifi", "--json")["application"]["items"]
    assert items["ServiceFlow_URL"].endswith("/vowifi")
    assert items["ServiceFlow_UserData"] == "flow=…"


def test_explain_what_if_it_were_abroad(one: Simgrant) -> None:
    one("subscription", "set", IMSI, "--plan", "home")
    args = ("explain", IMSI, "vowifi", "--json", "--language", "de")
    home = one.json(*args)["decisions"][0]
    abroad = one.json(*args, "--roaming", "26201")
    assert home["reason"] == "in_plan"
    assert abroad["decisions"][0]["reason"] == "not_abroad"
    assert abroad["facts"]["area"]["value"] == "roaming"
    assert "Ausland" in abroad["application"]["items"]["MessageForIncompatible"]
    unchanged = one.subscription(IMSI)
    assert unchanged is not None
    assert unchanged.visited_plmn == ""


def test_explain_says_when_no_document_is_given_at_all(one: Simgrant) -> None:
    one("subscription", "bar", IMSI)
    assert "the subscription is barred" in one.json("explain", IMSI, "vowifi", "--json")["refusal"]
    assert "Refused: the subscription is barred" in one("explain", IMSI, "vowifi").stdout


def test_explain_follows_the_version_of_the_client(one: Simgrant) -> None:
    old = one.json("explain", IMSI, "volte", "--json", "--entitlement-version", "2.0")
    new = one.json("explain", IMSI, "volte", "--json", "--entitlement-version", "8.0")
    assert "VoiceOverCellularEntitleInfo" not in old["application"]["items"]
    assert len(new["application"]["items"]["VoiceOverCellularEntitleInfo"]) == 2


def test_explain_shows_which_profile_fits_and_what_it_changes(one: Simgrant) -> None:
    one.file(
        "simgrant.toml",
        '[profiles.lab]\nmatch.user_agent = ["Lab/*"]\nmatch.tac = ["35332800"]\n'
        'parm_names = { TC_Status = "tc_status" }\nversion_max = "8.0"\n',
    )
    says = ("--user-agent", "lab/3", "--terminal-id", "353328001234565")
    args = ("explain", IMSI, "vowifi", *says, "--entitlement-version", "12.0")
    found = one.json(*args, "--json")
    assert found["application"]["items"]["tc_status"] == "1"
    client = found["client"]
    assert (client["profile"], client["version"]) == ("lab", "8.0")
    (tried,) = client["tried"]
    assert [each["name"] for each in tried["conditions"]] == ["user_agent", "tac"]
    assert client["removed"] == {"TC_Status": "1"}
    assert client["added"] == {"tc_status": "1"}
    assert client["switches"] == {"version_max": "8.0", "parm_names": {"TC_Status": "tc_status"}}
    shown = one(*args).stdout
    assert "user_agent lab/3 fits Lab/*; tac 35332800 fits 35332800-35332800" in shown
    assert re.search(r"^- TC_Status +1", shown, re.MULTILINE)
    assert re.search(r"^\+ tc_status +1", shown, re.MULTILINE)
    other = one("explain", IMSI, "vowifi", "--user-agent", "Other/1").stdout
    assert "lab              not so: user_agent Other/1, not Lab/*" in other
    assert "The client is of profile generic" in other
    plain = one.json("explain", IMSI, "vowifi", "--json")
    assert plain["client"] is None
    assert plain["application"]["items"]["TC_Status"] == "1"


def test_explain_of_a_version_that_a_profile_refuses(one: Simgrant) -> None:
    one.file(
        "simgrant.toml",
        '[profiles.old]\nmatch.version_to = "3.99"\nversion_min = "4.0"\n'
        'version_outside = "refuse"\n',
    )
    args = ("explain", IMSI, "vowifi", "--like", "old", "--entitlement-version", "2.0", "--json")
    assert "profile old does not serve version 2.0: 406" in one.json(*args)["refusal"]


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        ((IMSI, "vowifi", "--like", "samsun"), 2, 'did you mean "samsung'),
        ((IMSI, "vowifi", "--like", "samsung", "--bare"), 2, "would change nothing"),
        ((IMSI, "vowify"), 2, 'did you mean "vowifi'),
        ((OTHER, "vowifi"), 1, "no such subscription"),
        ((IMSI, "vowifi", "--roaming", "DE"), 2, "visited_plmn must be"),
        ((IMSI, "vowifi", "--entitlement-version", "x"), 2, "is no version"),
    ],
)
def test_explain_refuses_what_makes_no_sense(
    one: Simgrant, args: tuple[str, ...], code: int, said: str
) -> None:
    assert said in one("explain", *args, code=code).stderr


def test_services(bare: Simgrant) -> None:
    found = {service["app_id"]: service for service in bare.json("services", "--json")}
    assert found["ap2004"]["name"] == "VoWiFi"
    assert set(found["ap2004"]["needs"]) >= {"terms", "address"}
    assert "ap2003" in bare("services").stdout


# --- check-config ------------------------------------------------------------------------------


def test_check_config_of_a_working_server(simgrant: Simgrant) -> None:
    found = simgrant.json("check-config", "--json")
    assert found["ok"] is True
    assert {each["topic"] for each in found["findings"]} >= {
        "settings",
        "listeners",
        "tenants",
        "policy",
        "keys",
        "store",
    }
    assert "0 problems" in simgrant("check-config").stderr


def test_check_config_names_every_problem_at_once(bare: Simgrant) -> None:
    bare.file("policy.toml", '[[rule]]\nid = "x"\nresult = "maybe"\n')
    bare.file(
        "simgrant.toml",
        '[device]\nlisten = "127.0.0.1:8080"\ntls_certificate = "c.pem"\ntls_key = "k.pem"\n'
        '[management]\nlisten = "127.0.0.1:8080"\n[tenants.default]\npolicy = "policy.toml"\n',
    )
    found = bare.json("check-config", "--json", code=2)
    problems = {each["topic"] for each in found["findings"] if each["level"] == "problem"}
    assert problems == {"listeners", "policy", "keys", "certificate", "store"}
    assert found["ok"] is False


def test_check_config_looks_at_what_the_portal_needs(simgrant: Simgrant) -> None:
    simgrant.file(
        "simgrant.toml",
        '[portal]\nlisten = "127.0.0.1:8080"\npublic_url = "http://portal.example.net"\n'
        '[tenants.default]\nportal_logo = "logo.gif"\nportal_terms = "none"\n',
    )
    found = simgrant.json("check-config", "--json", code=2)["findings"]
    said = {each["level"]: each["text"] for each in found if each["topic"] == "listeners"}
    assert said == {"problem": "device and portal are both 127.0.0.1:8080"}
    problems = [each["text"] for each in found if each["topic"] == "portal"]
    assert len(problems) == 2
    simgrant.file("simgrant.toml", '[portal]\npublic_url = "http://portal.example.net"\n')
    found = simgrant.json("check-config", "--json")["findings"]
    assert [each["text"] for each in found if each["level"] == "warning"] == [
        "phones are sent to http://portal.example.net, without TLS"
    ]
    simgrant.file("simgrant.toml", '[device]\ntrusted_proxies = ["192.0.2.1"]\n')
    found = simgrant.json("check-config", "--json")["findings"]
    assert [each["text"] for each in found if each["level"] == "warning"] == [
        "phones are sent to http://127.0.0.1:8082, which is this machine: set portal.public_url"
    ]


def test_check_config_warns_of_tenants_that_serve_nobody(simgrant: Simgrant) -> None:
    simgrant.file(
        "simgrant.toml",
        '[tenants.own]\nplmns = ["001-02"]\n[tenants.idle]\nhosts = ["ts43.example"]\n'
        '[tenants.good]\nplmns = ["001-03"]\nhosts = ["good.example"]\n',
    )
    warned = [
        each["text"]
        for each in simgrant.json("check-config", "--json")["findings"]
        if each["level"] == "warning"
    ]
    assert warned == ["idle serves no SIM: it has no plmns"]


@pytest.mark.parametrize(("days", "level"), [(365, "ok"), (3, "warning"), (-1, "problem")])
def test_check_config_looks_at_the_certificate(simgrant: Simgrant, days: int, level: str) -> None:
    make_certificate(simgrant.directory, days=days)
    simgrant.file("simgrant.toml", '[device]\ntls_certificate = "c.pem"\ntls_key = "k.pem"\n')
    found = simgrant.json("check-config", "--json", code=2 if level == "problem" else 0)
    (finding,) = (each for each in found["findings"] if each["topic"] == "certificate")
    assert finding["level"] == level


def make_certificate(directory: Path, *, days: int) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "ts43.example")])
    ends = datetime.fromtimestamp(time.time(), UTC) + timedelta(days=days)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1)
        .not_valid_before(ends - timedelta(days=800))
        .not_valid_after(ends)
        .sign(key, hashes.SHA256())
    )
    (directory / "c.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (directory / "k.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    (directory / "k.pem").chmod(0o600)


# --- identities and partners --------------------------------------------------------------------


def test_an_identity_leads_back_to_its_subscription(one: Simgrant) -> None:
    keys = open_keys(load(None, {"SIMGRANT__SERVER__STATE_DIR": str(one.directory / "state")}))
    made = PrivateIdentities({}, keys=keys, life_s=3600)
    text = made.push("default", Imsi(IMSI), at=1_700_000_000, now=time.time())
    shown = one("identity", "resolve", text).stdout
    assert re.search(rf"{IMSI}  pseudonym  2023-11-14T22:13:20Z  \S+Z  over +active", shown)
    found = json.loads(one("identity", "resolve", "-", "--json", stdin=text + "\n").stdout)
    assert (found["imsi"], found["over"], found["subscription"]) == (IMSI, True, "active")
    assert (
        "no pseudonym of this key ring" in one("identity", "resolve", "2" + 60 * "x", code=1).stderr
    )
    assert (
        "takes the gateway's private key" in one("identity", "resolve", "a.b.c.d.e", code=1).stderr
    )


def test_an_encrypted_identity_is_opened_with_the_gateways_key(one: Simgrant) -> None:
    gateway = ec.generate_private_key(ec.SECP256R1())
    private = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    one.file("gw.pem", gateway.private_bytes(serialization.Encoding.PEM, *private).decode())
    now = int(time.time())
    sealer = Sealer(gateway.public_key(), ephemeral=os.urandom(48))
    text = sealer.push(Opened(Imsi(IMSI), now, now + 60), nonce=os.urandom(12))
    found = json.loads(one("identity", "resolve", text, "--key", "gw.pem", "--json").stdout)
    assert (found["imsi"], found["type"], found["over"]) == (IMSI, "other", False)
    one.file("bad.pem", "nonsense")
    assert "--key bad.pem" in one("identity", "resolve", text, "--key", "bad.pem", code=2).stderr


def test_partners_are_checked_before_a_start(simgrant: Simgrant) -> None:
    simgrant.file(
        "simgrant.toml",
        '[partners.bank]\nrequestor_ids = ["bank"]\naccess_token = false\n'
        'operations = ["GetPhoneNumbr"]\n',
    )
    done = simgrant("check-config", code=2)
    assert "partners.bank.operations: there is no operation 'GetPhoneNumbr'" in done.stdout


# --- demo and serve ----------------------------------------------------------------------------


def test_the_demonstration_shows_everything_and_has_no_surprises(tmp_path: Path) -> None:
    done = subprocess.run(
        [SIMGRANT, "demo"], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert "8 scenes, 14 requests, 0 surprises" in done.stdout
    for shown in (
        "vowifi volte vonr smsoip allowed (in_plan)",
        "terms and address missing",
        "denied (not_abroad)",
        "denied (subscription_suspended)",
        "← 403  forbidden",
    ):
        assert shown in done.stdout
    Simgrant(tmp_path).assert_nothing_secret(done.stdout)
    assert list(tmp_path.iterdir()) == []


def test_the_story_of_silent_auth_has_no_surprises(tmp_path: Path) -> None:
    story = told("silent-auth", tmp_path)
    assert "9 scenes, 10 requests, 0 surprises" in story
    for shown in (
        "MSISDN +447700900001",
        "because: lent_token_spent",
        "because: operation_not_of_token",
        "PhoneNumberVerification 0",
        "because: lent_token_revoked",
    ):
        assert shown in story


def test_the_story_of_the_watch_has_no_surprises(tmp_path: Path) -> None:
    story = told("watch", tmp_path)
    assert "0 surprises; the books of both sides agree" in story
    for shown in (
        "CompanionAppEligibility 1",
        "SM-DP+: downloadOrder, confirmOrder",
        "orders: active, released",
        "cancelOrder",
    ):
        assert shown in story


def test_serve_starts_from_nothing_for_a_newcomer(tmp_path: Path) -> None:
    device, settings = ports()
    handset = [SIMGRANT, "sim", "handset", f"http://127.0.0.1:{device}/", "--json"]
    for visit in ("first", "second"):
        with started("serve", cwd=tmp_path, settings=settings) as running:
            running.await_line("curl -i")
            wait_until(lambda: listens(device), what="the server to listen")
            done = subprocess.run(handset, capture_output=True, text=True, timeout=60)
            assert done.returncode == 0, done.stdout + done.stderr
            for family in ("samsung", "microg"):
                like = [*handset, "--like", family, "--fault", "sqn-ahead"]
                done = subprocess.run(like, capture_output=True, text=True, timeout=60)
                assert done.returncode == 0, done.stdout + done.stderr
            running.process.send_signal(signal.SIGINT)
            assert running.process.wait(timeout=30) == 0
        output = "\n".join(running.lines)
        assert ("5 demonstration subscriptions" in output) is (visit == "first")
        Simgrant(tmp_path).assert_nothing_secret(output)
        log = [line for line in running.lines if line.startswith("{")]
        assert any('"outcome":"document"' in line for line in log)
        assert not any("001010000000001" in line for line in log), "an IMSI is in the log"


def test_with_a_configuration_nothing_is_made_unasked(bare: Simgrant) -> None:
    """Or a mistyped path would give an empty server where a full one was meant."""
    _, settings = ports()
    bare.file("simgrant.toml", '[server]\nstate_dir = "state"\n')
    with started("serve", cwd=bare.directory, settings=settings) as running:
        assert running.process.wait(timeout=30) == 2
    assert running.lines[-1].startswith("error: ")
    assert "simgrant keys init" in running.lines[-1]
    assert not (bare.directory / "state").exists()


def test_serve_makes_what_is_absent_when_asked(bare: Simgrant) -> None:
    device, settings = ports()
    bare.file("simgrant.toml", '[server]\nstate_dir = "state"\n')
    with started("serve", "--init", cwd=bare.directory, settings=settings) as running:
        wait_until(lambda: listens(device), what="the server to listen")
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(timeout=30) == 0
    assert bare.json("subscription", "list", "--json") == []


def test_a_simulated_core_network_is_tried_as_its_page_says(bare: Simgrant) -> None:
    """What it prints are settings from the first line to the last, requests included."""
    device, settings = ports()
    file = bare.directory / "udm.toml"
    with file.open("w") as out:
        played = subprocess.Popen(
            [SIMGRANT, "sim", "udm", "--port", "0", "--oauth2"], cwd=bare.directory, stdout=out
        )
    try:
        wait_until(lambda: "# a 5G core" in file.read_text(), what="the core to listen")
        serve = ("--config", str(file), "serve", "--demo")
        with started(*serve, cwd=bare.directory, settings=settings) as running:
            wait_until(lambda: listens(device), what="the server to listen")
            handset = [SIMGRANT, "sim", "handset", f"http://127.0.0.1:{device}/"]
            done = subprocess.run(handset, capture_output=True, text=True, timeout=60)
            assert done.returncode == 0, done.stdout + done.stderr
            running.process.send_signal(signal.SIGINT)
            assert running.process.wait(timeout=30) == 0
    finally:
        played.send_signal(signal.SIGINT)
        assert played.wait(timeout=30) == 0
    assert set(tomllib.loads(file.read_text())) == {"sbi", "nrf", "udm"}
    assert "generate-av: 200" in file.read_text()


def test_demonstration_subscriptions_are_for_an_empty_state(bare: Simgrant) -> None:
    """Their keys are published: no server in service gets them by mistake."""
    bare.file("simgrant.toml", '[server]\nstate_dir = "state"\n')
    bare("keys", "init")
    device, settings = ports()
    with started("serve", "--demo", cwd=bare.directory, settings=settings) as running:
        wait_until(lambda: listens(device), what="the server to listen")
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(timeout=30) == 0
    assert bare.json("subscription", "list", "--json") == []


def test_half_a_state_is_not_completed(bare: Simgrant) -> None:
    """A new key ring beside an old database would make every SIM key in it unreadable."""
    bare("db", "upgrade")
    with started("serve", cwd=bare.directory, settings=ports()[1]) as running:
        assert running.process.wait(timeout=30) == 2
    assert "simgrant keys init" in running.lines[-1]
    assert not bare.ring.exists()


def test_an_address_in_use_is_one_line(simgrant: Simgrant) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        settings = {"SIMGRANT__DEVICE__LISTEN": f'"127.0.0.1:{port}"'}
        with started("serve", cwd=simgrant.directory, settings=settings) as running:
            assert running.process.wait(timeout=30) == 2
    assert running.lines[-1] == f"error: device.listen 127.0.0.1:{port}: Address already in use"


# --- PostgreSQL --------------------------------------------------------------------------------


@pytest.fixture
def on_postgres(bare: Simgrant, postgres_url: str) -> Simgrant:
    """The command line beside a key ring and an empty PostgreSQL database."""
    bare.file("url", postgres_url)
    bare.file("simgrant.toml", '[store]\nurl_file = "url"\n')
    bare("keys", "init")
    return bare


def test_everything_works_on_postgres(on_postgres: Simgrant) -> None:
    simgrant = on_postgres
    assert simgrant.json("db", "status", "--json", code=1)["revision"] is None
    assert "simgrant db upgrade" in simgrant("subscription", "list", code=2).stderr
    assert "from nothing to revision" in simgrant("db", "upgrade").stderr
    assert "already at revision" in simgrant("db", "upgrade").stderr
    assert simgrant.json("check-config", "--json")["ok"] is True

    file = simgrant.file("r.csv", rows(3).replace(f"{200:032x}", KI))
    simgrant("subscription", "import", file, "--yes")
    said = simgrant("subscription", "import", file, code=1).stderr
    assert "001010000000200 and 2 more exist already" in said
    imsi = "001010000000200"
    simgrant("subscription", "set", imsi, "--plan", "home", "--visited-plmn", "26201")
    found = simgrant.json("explain", imsi, "vowifi", "--json")
    assert found["decisions"][0]["reason"] == "not_abroad"

    simgrant("keys", "rotate", "--use", "wrapping", "--at-once", "--yes")
    assert simgrant.opens(imsi)
    simgrant("keys", "prune", "--yes")
    assert simgrant.opens(imsi)

    simgrant("token", "revoke", imsi)
    assert simgrant.json("subscription", "export", imsi)["has_sim_key"] is True
    simgrant("subscription", "remove", imsi)
    simgrant("subscription", "erase", imsi, "--yes")
    assert len(simgrant.json("subscription", "list", "--json")) == 2


def test_a_password_is_never_shown(bare: Simgrant) -> None:
    bare.file("url", f"postgresql://simgrant:hunter2@127.0.0.1:{free_port()}/nowhere")
    bare.file("simgrant.toml", '[store]\nurl_file = "url"\n')
    bare("keys", "init")
    for args in (("db", "status"), ("subscription", "list"), ("check-config",)):
        assert "hunter2" not in bare(*args, code=2).output


# --- processes ---------------------------------------------------------------------------------


class Started:
    """A command that runs beside the test; its lines are read as they come."""

    def __init__(self, args: tuple[str, ...], cwd: Path, settings: dict[str, str]) -> None:
        clean = {name: text for name, text in os.environ.items() if "SIMGRANT__" not in name}
        self.process = subprocess.Popen(
            [SIMGRANT, *args],
            cwd=cwd,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=clean | settings,
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.lines.extend(line.rstrip("\n") for line in self.process.stdout)

    def await_line(self, text: str) -> None:
        """Return once a line with this text came."""

        def came() -> bool:
            return any(text in line for line in list(self.lines))

        wait_until(lambda: came() or self.process.poll() is not None, what=f"a line with {text!r}")
        assert came(), self.lines

    def end(self) -> None:
        """Let nothing of it live on."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join()
        assert self.process.stdout is not None
        self.process.stdout.close()


@contextlib.contextmanager
def started(*args: str, cwd: Path, settings: dict[str, str] | None = None) -> Iterator[Started]:
    """Run a command until the block ends."""
    running = Started(args, cwd, settings or {})
    try:
        yield running
    finally:
        running.end()


def ports() -> tuple[int, dict[str, str]]:
    """Return a free device port, and the settings that choose it."""
    device = free_port()
    return device, {
        "SIMGRANT__DEVICE__LISTEN": f'"127.0.0.1:{device}"',
        "SIMGRANT__MANAGEMENT__LISTEN": f'"127.0.0.1:{free_port()}"',
        "SIMGRANT__PORTAL__LISTEN": '"127.0.0.1:0"',
    }


def listens(port: int) -> bool:
    """Say whether somebody takes connections there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


# --- who may have an eSIM ----------------------------------------------------------------------

EID = "89049032123451234512345678901235"
ESIM_RULES = """
[tac_lists.watches]
file = "watches.csv"

[smdp.north]
url = "http://127.0.0.1:9"
requester = "ECS1"
address = "smdp.example.net"

[esim.watch]
smdp = "north"
profile_type = "watch"
tac_list = "watches"
per_eid = 1
"""


@pytest.fixture
def ruled(one: Simgrant) -> Simgrant:
    """The same with a list of watches."""
    one.file("watches.csv", "tac,vendor,model,allow\n35000000,ACME,W1,yes\n35000001,ACME,W0,no\n")
    one.file("simgrant.toml", ESIM_RULES)
    return one


def test_a_line_is_noted_and_shown(one: Simgrant) -> None:
    one("subscription", "set", IMSI, "--iccid", "8944110000000000013", "--port-freeze", "yes")
    one("subscription", "set", IMSI, "--sim-since", "2026-01-01", "--number-type", "mobile")
    line = {each["mark"]: each for each in one.json("subscription", "show", IMSI, "--json")["line"]}
    assert line["port_freeze"]["value"] == "yes"
    assert line["sim_since"]["value"] == "2026-01-01T00:00:00Z"
    assert line["iccid"]["since"] is None
    assert "port_freeze" in one("subscription", "show", IMSI).stdout
    assert one.json("subscription", "export", IMSI)["line"] == list(line.values())
    one("subscription", "set", IMSI, "--port-freeze", "no", "--plan", "basic")
    shown = one.json("subscription", "show", IMSI, "--json")
    assert shown["plan"] == "basic"
    assert [each["value"] for each in shown["line"] if each["mark"] == "port_freeze"] == ["no"]


def test_explain_says_who_may_have_an_esim(ruled: Simgrant) -> None:
    watch = ("explain", IMSI, "ap2006", "--device-id", "350000000000014", "--eid", EID)
    found = ruled.json(*watch, "--json")
    assert found["decisions"][0]["reason"] == "in_plan"
    assert found["limit"] is None
    assert found["facts"]["tac_list"] == {"value": "allowed", "source": "list watches"}
    assert found["facts"]["proof"]["value"] == "sim"
    shown = ruled("explain", IMSI, "ap2006", "--device-id", "350000010000014").stdout
    assert "denied: device_not_allowed" in shown
    assert "sim_age_h" in shown
    ruled("subscription", "set", IMSI, "--port-freeze", "yes")
    moved = ruled.json("explain", IMSI, "ap2009", "--kind", "transfer", "--json")
    assert moved["decisions"][0]["reason"] == "port_freeze"
    assert moved["limit"] == "not_offered"
    # Of no other service anything is said of it.
    assert "sim_age_h" not in ruled.json("explain", IMSI, "vowifi", "--json")["facts"]
    ruled("explain", IMSI, "ap2006", "--eid", "1", code=2)


def test_check_config_reads_the_lists(ruled: Simgrant) -> None:
    assert "watches (2 rows)" in ruled("check-config").stdout
    ruled.file("watches.csv", "tac,vendor,model,allow\n35000000,ACME,W1,yes\nx,ACME,W0,no\n")
    assert "line 3: tac must be 8 digits" in ruled("check-config", code=2).stdout
