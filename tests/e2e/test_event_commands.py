"""`simgrant event`: what was set aside is found, shown, done after all, or dropped."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from simgrant.cli import app
from simgrant.cli.event import ChangeName
from simgrant.compose.clock import CLOCK
from simgrant.compose.store import open_keys, open_store
from simgrant.config.load import load
from simgrant.domain.bss_events import Change
from simgrant.domain.camara.consumer import Consumer, Permission
from simgrant.flows.bss_inbox import BssInbox

pytestmark = pytest.mark.e2e

IMSI = "001010000000101"
OTHER = "001010000000102"


class Here:
    """The command line in a directory of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, *args: str, code: int = 0) -> Result:
        done = CliRunner().invoke(app, list(args), prog_name="simgrant")
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == code, done.output
        return done

    def aside(self) -> list[dict[str, str]]:
        found: list[dict[str, str]] = json.loads(self("event", "list", "--json").stdout)
        return found

    def set_aside(self, raw: bytes) -> None:
        async def work() -> None:
            loaded = load(Path("simgrant.toml"), {})
            store = await open_store(loaded)
            try:
                inbox = BssInbox(store.life, clock=CLOCK, keys=open_keys(loaded))
                await inbox.set_aside("default", "crm", raw, reason="not_json")
            finally:
                await store.close()

        asyncio.run(work())

    def contract(self) -> None:
        """Have a consumer with a contract."""
        permissions = tuple(
            Permission(api=api, scopes=frozenset({f"{api}:check"}), purposes=frozenset({"Fraud"}))
            for api in ("sim-swap", "kyc-tenure")
        )
        bank = Consumer(client_id="bank", name="Bank", permissions=permissions)

        async def work() -> None:
            store = await open_store(load(Path("simgrant.toml"), {}))
            try:
                assert await store.consumers.put("default", bank, seen=0)
            finally:
                await store.close()

        asyncio.run(work())


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Here:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    (tmp_path / "simgrant.toml").write_text('server.state_dir = "state"\n')
    made = Here(tmp_path)
    made("keys", "init")
    made("db", "upgrade")
    return made


def test_what_is_told_of_nobody_is_found_and_done_once_there_is_somebody(here: Here) -> None:
    assert "nothing was set aside" in here("event", "list").stderr
    here("event", "send", IMSI, "plan_changed", "--plan", "premium", "--id", "x-1", code=1)
    (one,) = here.aside()
    assert (one["source"], one["event_id"], one["change"]) == ("by-hand", "x-1", "plan_changed")
    assert IMSI not in here("event", "list").stdout
    shown = here("event", "show", one["id"][:6]).stdout
    assert IMSI in shown
    assert "premium" in shown
    assert "set aside" in here("event", "replay", one["id"], code=1).stderr
    here("subscription", "add", IMSI, "--plan", "standard")
    assert "taken" in here("event", "replay", one["id"]).stderr
    assert here.aside() == []
    assert "known" in here("event", "send", IMSI, "plan_changed", "--id", "x-1").stderr
    options = ("--option", "vowifi", "--option", "companion")
    sent = here("event", "send", IMSI, "option_started", *options, "--id", "x-2", "--json")
    assert json.loads(sent.stdout) == {"id": "x-2", "taken": ["kept"]}
    told = here("event", "send", OTHER, "option_started", *options, "--json", code=1)
    assert json.loads(told.stdout)["taken"] == ["set_aside"]
    (stranger,) = here.aside()
    assert all(option in here("event", "show", stranger["id"]).stdout for option in options[1::2])


def test_a_consent_is_told_by_hand(here: Here) -> None:
    here("subscription", "add", IMSI, "--plan", "standard")
    about = ("--consumer", "bank", "--purpose", "dpv:Fraud", "--api", "sim-swap")
    until = ("--until", "2099-01-01", "--evidence", "call 7")
    send = ("event", "send", IMSI)
    assert "set aside" in here(*send, "consent_given", *about, *until, code=1).stderr
    (one,) = here.aside()
    assert one["reason"] == "unknown_consumer"
    shown = json.loads(here("event", "show", one["id"], "--json").stdout)["api_consent"]
    assert shown == {
        "client_id": "bank",
        "application": None,
        "purpose": "dpv:Fraud",
        "apis": ["sim-swap"],
        "expires_at": "2099-01-01T00:00:00Z",
        "evidence": "call 7",
    }
    # What does not name whom and what it is about is no consent to our own terms.
    assert "bad value" in here(*send, "consent_withdrawn", *about[2:], code=2).stderr
    assert "bad value" in here(*send, "suspended", *about, code=2).stderr
    assert "no time" in here(*send, "consent_given", *about, "--until", "soon", code=2).stderr
    here.contract()
    assert "taken" in here("event", "replay", one["id"]).stderr
    here(*send, "consent_withdrawn", *about, "--id", "x-1")
    found = json.loads(here("consent", "list", IMSI, "--json").stdout)
    assert [each["said"] for each in found] == ["given", "withdrawn"]
    assert [each["evidence"] for each in found] == ["call 7", "by-hand x-1"]
    assert all(each["genuine"] for each in found)


def test_what_is_said_of_several_apis_is_written_together_or_not_at_all(here: Here) -> None:
    here("subscription", "add", IMSI, "--plan", "standard")
    here.contract()
    say = ("consent", "say", IMSI, "given", "bank", "Fraud", "sim-swap")
    assert "not as one is spelled" in here(*say, "Kyc Tenure", code=2).stderr
    unknown = here(*say, "sim-swapp", code=1).stderr
    assert "the contract of 'bank' has no API 'sim-swapp' for Fraud: it has " in unknown
    assert "kyc-tenure, sim-swap" in unknown
    assert json.loads(here("consent", "list", IMSI, "--json").stdout) == []
    here(*say, "kyc-tenure")
    found = json.loads(here("consent", "list", IMSI, "--json").stdout)
    assert [(each["api"], each["number"]) for each in found] == [("kyc-tenure", 1), ("sim-swap", 1)]
    entries = json.loads(here("audit", "list", "--json").stdout)
    assert [each["call"] for each in entries].count("consent say") == 1


def test_what_is_done_with_events_is_in_the_audit(here: Here) -> None:
    """As everything is that people do; what changes nothing is not."""
    here("event", "send", IMSI, "plan_changed", "--plan", "premium", "--id", "x-1", code=1)
    (one,) = here.aside()
    here("event", "replay", one["id"], code=1)
    here("subscription", "add", IMSI, "--plan", "standard", "--msisdn", "+447700900001")
    here("event", "replay", one["id"])
    here("event", "send", "+447700900001", "suspended", "--id", "x-2")
    here("event", "send", IMSI, "suspended", "--id", "x-2")
    here.set_aside(b"{")
    (broken,) = here.aside()
    here("event", "replay", broken["id"], code=1)
    here("event", "drop", broken["id"])
    here("event", "drop", broken["id"], code=1)
    entries = json.loads(here("audit", "list", "--json").stdout)
    found = [(each["call"], each["detail"]) for each in entries if each["client"] == "cli"]
    assert sorted(found) == sorted(
        [
            ("event send", "plan_changed"),
            ("subscription add", ""),
            ("event replay", f"event {one['id']}"),
            ("event send", "suspended"),
            ("event drop", f"event {broken['id']}"),
        ]
    )
    whole = json.dumps(entries)
    assert IMSI not in whole
    assert "447700900001" not in whole
    mine = json.loads(here("audit", "list", "--subscription", IMSI, "--json").stdout)
    assert len(mine) == 4
    assert "5 entries" in here("audit", "check").stderr


def test_what_nobody_could_read_is_shown_without_moving_the_cursor(here: Here) -> None:
    here("subscription", "add", IMSI, "--plan", "standard")
    here.set_aside(b'{"id": "\x1b[2J')
    here.set_aside(json.dumps({"id": "1", "change": "changed", "imsi": IMSI}).encode())
    by_body = {
        json.loads(here("event", "show", each["id"], "--json").stdout)["body"]: each["id"]
        for each in here.aside()
    }
    broken = next(found for body, found in by_body.items() if "[2J" in body)
    readable = next(found for body, found in by_body.items() if "[2J" not in body)
    assert "\x1b" not in here("event", "show", broken).stdout
    assert "not json" in here("event", "replay", broken, code=1).stderr
    assert "taken" in here("event", "replay", readable).stderr
    here("event", "drop", broken)
    here.set_aside(json.dumps([{"change": "changed", "imsi": IMSI}, {"change": "burst"}]).encode())
    (several,) = here.aside()
    wrong = "1. bad id, 2. bad id"
    assert wrong in here("event", "replay", several["id"], code=1).stderr
    here("event", "drop", several["id"])
    assert here.aside() == []
    assert "no event" in here("event", "drop", broken, code=1).stderr


def test_what_is_no_event_is_refused(here: Here) -> None:
    assert "bad value" in here("event", "send", IMSI, "resumed", "--status", "on", code=2).stderr
    assert "bad identity" in here("event", "send", "12", "resumed", code=2).stderr


def test_every_change_can_be_told() -> None:
    assert [each.value for each in ChangeName] == [each.value for each in Change]


def test_the_example_is_looked_through(here: Here) -> None:
    """Who may bring events, and which topics are read; files that are no use are found."""
    example = Path(__file__).parents[2] / "examples/events.toml"
    settings = here.folder / "simgrant.toml"
    settings.write_text('server.state_dir = "state"\n' + example.read_text())
    assert "crm.token" in here("check-config", "--offline", code=2).stdout
    files = (
        ("crm.token", "t" * 40),
        ("kafka.password", "secret"),
        ("bss.secret", "secret-of-ours"),
    )
    for name, text in files:
        (here.folder / name).write_text(text)
        (here.folder / name).chmod(0o600)
    looked = here("check-config", "--offline").stdout
    assert "crm brings them to 127.0.0.1:8084, for default" in looked
    assert "inventory: topic product-inventory-events, for default" in looked
    assert "products: hub https://bss.example.com" in looked
    assert "secret" not in looked.replace("bss.secret", "")
