"""`simgrant policy`: what each command prints and does, against a real store with real records."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from simgrant.cli import app
from simgrant.cli.common import user
from simgrant.compose.store import open_store
from simgrant.config.load import DEFAULT_TENANT, load
from simgrant.domain.facts import Area, Device
from simgrant.domain.policy import default_policy, default_policy_text
from simgrant.domain.subscription import SubscriptionStatus
from simgrant.domain.trail import Trail, Verdict
from simgrant.flows.gather import View, gather
from simgrant.ports.store import RequestRecord
from simgrant.services import SERVICES
from simgrant.spec.ids import ProvStatus
from simgrant.spec.version import NEWEST
from simgrant.telemetry.record import push_trail, push_verdict

pytestmark = pytest.mark.e2e

IMSI = "001010000000101"
WITHOUT = default_policy_text().replace('"vowifi", ', "")
ODD = default_policy_text() + '[texts.nobody]\nen = "Nobody shows this."\n'
WRONG = '[[rule]]\nid = "x"\nresult = "alowed"\nwhen = { plann = "a" }\n'


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Here:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    (tmp_path / "simgrant.toml").write_text('server.state_dir = "state"\n')
    for name, text in (
        ("same", default_policy_text()),
        ("without", WITHOUT),
        ("odd", ODD),
        ("wrong", WRONG),
    ):
        (tmp_path / f"{name}.toml").write_text(text)
    made = Here()
    made("keys", "init")
    made("db", "upgrade")
    return made


class Here:
    """The command line in a directory of its own."""

    def __call__(self, *args: str, code: int = 0, stdin: str = "") -> Result:
        done = CliRunner().invoke(app, list(args), input=stdin, prog_name="simgrant")
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == code, done.output
        assert IMSI not in done.output
        return done

    def policy(self, *args: str, code: int = 0) -> str:
        return self("policy", *args, code=code).output

    def json(self, *args: str, code: int = 0) -> Any:
        return json.loads(self("policy", *args, "--json", code=code).stdout)

    def publish(self, name: str) -> str:
        return self.policy("publish", f"{name}.toml", "--comment", f"as {name}", "--yes")

    def versions(self) -> list[tuple[int, bool, str, str]]:
        return [
            (each["version"], each["new"], each["by"], each["comment"])
            for each in self.json("list")
        ]

    def record(self, apps: tuple[str, ...], plans: list[str]) -> None:
        """Write a request of a subscriber with each of these plans."""
        policy, records = default_policy(), []
        for number, plan in enumerate(plans):
            view = View(
                SubscriptionStatus.ACTIVE, plan, ProvStatus.NOT_REQUIRED, "given", "given",
                Area.HOME, "00101",
            )  # fmt: skip
            facts = gather(view, Device("35000000", "A", "B", "1"), policy=policy)
            decisions = tuple(
                policy.decide(question, facts)
                for each in apps
                for question in SERVICES[each].questions(NEWEST, facts)
            )
            trail = Trail(f"{number:016x}", DEFAULT_TENANT, f"{number:024x}", leg="token")
            trail.apps, trail.spec_version = apps, str(NEWEST)
            trail.verdict = Verdict(decisions, push_verdict(facts, decisions))
            now = time.time() - 60 - number
            body = push_trail(trail, now=now, seconds=0.001)
            records.append(
                RequestRecord(
                    DEFAULT_TENANT, trail.subscriber_ref, int(now * 1e6), trail.request_id, body
                )
            )

        async def write() -> None:
            store = await open_store(load(Path("simgrant.toml"), {}))
            await store.append_records(records)
            await store.close()

        asyncio.run(write())


def test_before_anything_is_published_the_file_decides(here: Here) -> None:
    assert "never published a policy: built in, in force" in here.policy("list")
    assert here.json("list") == []
    assert "[plans.standard]" in here.policy("show")
    assert "never published" in here.policy("rollback", "--comment", "x", "--yes", code=1)


def test_a_file_is_looked_through_without_a_database(here: Here) -> None:
    Path("state/simgrant.db").unlink()
    assert "no mistakes" in here.policy("check", "same.toml")
    found = here.policy("check", "wrong.toml", code=2)
    assert 'unknown value "alowed"; did you mean "allowed"?' in found
    assert "plann" in found
    said = here.policy("check", "odd.toml")
    assert "warning: odd.toml: texts" in said
    here.policy("check", "odd.toml", "--strict", code=1)
    here.policy("check", "same.toml", "--strict")
    data = here.json("check", "odd.toml")
    assert [each["where"] for each in data["findings"]] == ["texts"]
    assert here.json("check", "wrong.toml", code=2)["problems"]
    assert "no such file" in here.policy("check", "gone.toml", code=2).lower()


def test_publish_go_back_and_look_at_what_happened(here: Here) -> None:
    assert "version 1 (v1-" in here.publish("same")
    here.policy("publish", "without.toml", "--comment", "less", "--by", "ann@example.net", "--yes")
    assert "version 1" in here.policy("rollback", "--comment", "too little", "--yes")
    assert "version 2" in here.policy("rollback", "v2", "--comment", "no", "--yes")
    assert here.versions() == [
        (2, False, user(), "no"),
        (1, False, user(), "too little"),
        (2, True, "ann@example.net", "less"),
        (1, True, user(), "as same"),
    ]
    listed = here.policy("list")
    assert listed.splitlines()[1].startswith("►  4       v2-")
    assert "rolled back to" in listed
    assert here("policy", "show", "1").stdout == default_policy_text()
    assert here("policy", "show").stdout == WITHOUT
    assert "v2-" in here("policy", "show").stderr


def test_what_cannot_be_published_is_refused_and_changes_nothing(here: Here) -> None:
    here.publish("same")
    assert "alowed" in here.policy("publish", "wrong.toml", "--comment", "x", "--yes", code=1)
    assert "which is in force" in here.policy(
        "publish", "same.toml", "--comment", "x", "--yes", code=1
    )
    assert "is no file" in here.policy("publish", "3", "--comment", "x", "--yes", code=2)
    assert "no version 7" in here.policy("rollback", "7", "--comment", "x", "--yes", code=1)
    assert "no version" in here.policy("rollback", "x", "--comment", "x", "--yes", code=2)
    assert "comment" in here.policy("publish", "odd.toml", "--comment", "", "--yes", code=1)
    assert "nothing was changed" in here.policy("publish", "odd.toml", "--comment", "x", code=1)
    assert "warning: odd.toml" in here.publish("odd")
    assert [each[0] for each in here.versions()] == [2, 1]


def test_who_gains_and_loses_is_shown_before_anything_is_published(here: Here) -> None:
    here.record(("ap2004",), ["standard", "standard", "premium", "basic"])
    said = here.publish("without")
    assert "Loses: 3 subscribers, 3 answers" in said
    assert "denied (not_in_plan, no-vowifi)" in said
    data = here.json("diff", "same.toml", "1")
    assert (data["requests"], data["unchanged"]) == (4, 1)
    assert data["gains"]["changes"] == []
    (standard, premium) = data["loses"]["changes"]
    assert [each["plan"] for each in (standard, premium)] == ["standard", "premium"]
    assert (standard["subscribers"], premium["subscribers"]) == (2, 1)
    assert standard["samples"] == [f"{0:024x}", f"{1:024x}"]
    back = here.json("diff", "v1", "same.toml")
    assert back["gains"]["subscribers"] == 3
    assert "Gains: 3 subscribers" in here.policy("diff", "current", "same.toml")
    # What the file's policy decided then, version 1 would decide otherwise.
    assert "Loses: 3 subscribers" in here.policy("replay", "1")
    assert here.json("replay", "same.toml")["unchanged"] == 4
    assert here.json("replay", "1", "--limit", "1")["requests"] == 1
    assert "Nothing was decided" in here.policy("replay", "1", "--days", "0.000001")


def test_what_is_not_on_record_is_said(here: Here) -> None:
    here.record(("ap2004",), ["standard"])
    text = '[[rule]]\nid = "x"\nwhen = { registration = "registered" }\nresult = "denied"\n'
    Path("asking.toml").write_text(text + default_policy_text())
    with Path("simgrant.toml").open("a") as settings:
        settings.write('[udm.home]\naddresses = ["http://127.0.0.1:1"]\ntells = ["registration"]\n')
    said = here.policy("replay", "asking.toml")
    assert "Not known: 1 requests; rules look at what networks tell" in said
    assert here.json("replay", "asking.toml")["not_known"] == {"network_not_asked": 1}


def test_a_policy_is_tried_for_one_subscription(here: Here) -> None:
    done = CliRunner().invoke(app, ["subscription", "add", IMSI, "--plan", "standard"])
    assert done.exit_code == 0, done.output
    said = here.policy("try", "without.toml", IMSI, "vowifi")
    assert "≠  ap2004" in said
    assert "denied (not_in_plan, rule no-vowifi)" in said
    data = here.json("try", "without.toml", IMSI)
    changed = [each["feature"] for each in data["decisions"] if each["in_force"] != each["tried"]]
    assert changed == ["vowifi"]
    done = CliRunner().invoke(app, ["explain", IMSI, "vowifi", "--policy", "without.toml"])
    assert "► no-vowifi" in done.output
    assert here.json("list") == []


def test_the_configuration_is_checked_with_what_decides(here: Here) -> None:
    here.publish("without")
    done = CliRunner().invoke(app, ["check-config"])
    assert "tenant default: version v1-" in done.output
    assert "published in place of its file" in done.output


def test_how_far_devices_are_told_is_shown(here: Here) -> None:
    assert here.json("sweep") == []
    here("subscription", "add", "001010000000102", "--plan", "standard")
    here.publish("same")
    here.publish("without")
    (first, second) = here.json("sweep")
    assert (first["change"], second["change"]) == (1, 2)
    assert first == {"change": 1, "looked": 0, "of": 1, "told": 0}
    assert "LOOKED AT" in here.policy("sweep")
    end_sweeps(1)
    assert here.json("sweep") == [second]
    end_sweeps(2)
    assert "everybody was looked at" in here.policy("sweep", "--watch")
    assert here.json("sweep", "--watch") == []


def end_sweeps(change: int) -> None:
    """Let one end, as a server does once there is nobody left."""

    async def work() -> None:
        store = await open_store(load(Path("simgrant.toml"), {}))
        try:
            (found, *_) = await store.sweeps.under_way(DEFAULT_TENANT)
            assert found.change == change
            await store.sweeps.drop(found)
        finally:
            await store.close()

    asyncio.run(work())
