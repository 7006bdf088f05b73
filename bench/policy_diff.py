"""What it takes to compare two policies over recorded requests: `python -m bench.policy_diff`.

The records are written by the server's own journal, of subscribers whose plans, consents, networks
and devices differ as those of an operator do; they are read, and decided anew by two policies, by
the command that an operator uses.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

from prometheus_client import CollectorRegistry

from bench.world import Place
from simgrant.adapters.store import migrate
from simgrant.compose.store import open_store
from simgrant.config.load import DEFAULT_TENANT, load
from simgrant.domain.facts import Area, Device
from simgrant.domain.policy import default_policy, default_policy_text
from simgrant.domain.subscription import ConsentStatus, SubscriptionStatus
from simgrant.domain.trail import Trail
from simgrant.flows.answer import Portal
from simgrant.flows.gather import View
from simgrant.flows.journal import Journal, Limits
from simgrant.flows.verdicts import Asked, Verdicts
from simgrant.spec.ids import ProvStatus
from simgrant.spec.version import SpecVersion
from simgrant.telemetry.metrics import Metrics
from tests.servers.postgres import Postgres

RECORDS: Final = 100_000
GOAL_S: Final = 30.0
_SEED = 43
_APPS = (
    ("ap2004",),
    ("ap2003", "ap2004"),
    ("ap2003", "ap2004", "ap2005"),
    ("ap2010",),
    ("ap2012",),
)
_PLANS = ("standard", "basic", "home", "data", "premium")
_NETWORKS = tuple(f"{mcc}{mnc:02}" for mcc in (208, 234, 262, 310) for mnc in range(1, 16))
_MODELS = tuple(f"Model {number}" for number in range(300))

STRICTER: Final = (
    '[[rule]]\nid = "abroad"\nfeatures = ["vowifi"]\n'
    'when = { area = "roaming", plan = { not = "premium" } }\nresult = "denied"\n'
    '[[rule]]\nid = "old-model"\nfeatures = ["volte"]\nwhen = { model = "model 17" }\n'
    'result = "denied"\n'
) + default_policy_text().replace('"volte", "smsoip"]', '"volte", "smsoip", "vowifi"]', 1)
"""Takes away from some, gives to others, and looks at what hardly any two devices share."""


def requests(count: int, now: float) -> Iterator[tuple[Trail, float]]:
    """Yield the trails of requests, and when each was answered."""
    chance = random.Random(_SEED)
    policy = default_policy()
    verdicts = Verdicts(policy, Portal("https://portal.example/", 600))
    for number in range(count):
        roams = chance.random() < 0.05
        view = View(
            chance.choices(
                (SubscriptionStatus.ACTIVE, SubscriptionStatus.SUSPENDED), weights=(98, 2)
            )[0],
            chance.choices(_PLANS, weights=(60, 15, 10, 5, 10))[0],
            chance.choices(list(ProvStatus), weights=(1, 1, 96, 2))[0],
            chance.choices((ConsentStatus.GIVEN, "", "expired"), weights=(90, 8, 2))[0],
            chance.choices((ConsentStatus.GIVEN, ""), weights=(90, 10))[0],
            Area.ROAMING if roams else Area.HOME,
            chance.choice(_NETWORKS) if roams else "00101",
        )
        device = Device(f"{chance.randrange(35_000_000, 35_000_300)}", "Acme", "", "15")
        device = Device(device.tac, "Acme", _MODELS[int(device.tac) - 35_000_000], "15")
        apps = chance.choices(_APPS, weights=(50, 20, 20, 7, 3))[0]
        whose = blake2b(b"%d" % chance.randrange(count), digest_size=12).hexdigest()
        trail = Trail(f"{number:016x}", DEFAULT_TENANT, whose)
        trail.terminal_ref = f"{number:024x}"
        trail.leg, trail.outcome, trail.status = "token", "document", 200
        trail.apps, trail.spec_version, trail.profile = apps, "12.0", "android"
        trail.user_agent = "PRD-TS43 term-Acme/M client-IMS-Entitlement/1.0 OS-Android/15"
        trail.device, trail.peers_us = device, {"store": 120}
        trail.times = {"subscription": int(now) - 86_400}
        asked = Asked(apps, SpecVersion(12, 0), ("en",), None)
        trail.verdict = verdicts.of(asked, view, device).verdict
        yield trail, now - (count - number) * 0.5


class _Clock:
    """Stands at the time of the request that is written."""

    at = 0.0

    def now(self) -> float:
        """Return Unix seconds."""
        return self.at

    def monotonic(self) -> float:
        """Return the same."""
        return self.at


async def write(config: Path, count: int) -> float:
    """Write records through the journal; return the seconds it took."""
    store = await open_store(load(config, {}))
    clock = _Clock()
    journal = Journal(
        store,
        clock=clock,
        metrics=Metrics(CollectorRegistry()),
        write_line=lambda _line: None,
        limits=Limits(queue=10_000, batch=500, interval_s=1.0),
    )
    began = time.monotonic()
    for number, (trail, at) in enumerate(requests(count, time.time()), 1):
        clock.at = at
        journal.finish(trail, 0.0003)
        if number % 5000 == 0:
            await journal.flush()
    await journal.flush()
    await store.close()
    return time.monotonic() - began


def measure(config: Path, count: int) -> dict[str, Any]:
    """Write records, compare two policies over them, and return what it took."""
    written_s = asyncio.run(write(config, count))
    for name, text in (("before", default_policy_text()), ("after", STRICTER)):
        config.with_name(f"{name}.toml").write_text(text)
    command = [sys.executable, "-m", "simgrant", "--config", str(config), "policy", "diff"]
    files = [str(config.with_name(f"{name}.toml")) for name in ("before", "after")]
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [*command, *files, "--limit", str(count), "--days", "30", "--json"],
        check=True,
        capture_output=True,
    )
    took_s, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    report = json.loads(done.stdout)
    assert report["requests"] == count, report["requests"]
    return {
        "requests": report["requests"],
        "circumstances": report["circumstances"],
        "gain": report["gains"]["subscribers"],
        "lose": report["loses"]["subscribers"],
        "written_s": round(written_s, 1),
        "compared_s": round(took_s, 1),
        "compared_cpu_s": round(
            after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 1
        ),
    }


def compare(records: int, *, postgres: bool) -> dict[str, Any]:
    """Measure in a place of its own; see `measure`."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="simgrant-diff-")))
        url = f"sqlite:///{directory / 'store.sqlite3'}"
        if postgres:
            url = stack.enter_context(Postgres.start()).create_database()
        place = Place(directory, int(time.time()))
        place.make_keys()
        migrate.upgrade(url)
        return measure(place.configure("diff", url), records)


def main() -> int:
    """Measure with SQLite, or PostgreSQL; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.policy_diff", description=__doc__)
    parser.add_argument("--records", type=int, default=RECORDS)
    parser.add_argument("--postgres", action="store_true", help="keep the records in PostgreSQL")
    arguments = parser.parse_args()
    found = compare(arguments.records, postgres=arguments.postgres)
    sys.stdout.write(json.dumps(found) + "\n")
    return int(found["compared_s"] > GOAL_S)


if __name__ == "__main__":
    raise SystemExit(main())
