"""freeDiameter, which is not ours, as two relays between our node and our HSS.

It checks our capabilities, watchdogs and good-byes by itself, reads every AVP that it routes by,
and would not relay what it cannot take apart. The scenes are played once, in a network of their
own.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.interop.relayed import REALM, RELAYS

NAMESPACES = (["unshare", "-rn"], ["sudo", "--non-interactive", "unshare", "-n"])
"""Ways to have a network of one's own, the first that works."""


def _namespace() -> list[str] | None:
    for command in NAMESPACES:
        if shutil.which(command[0]) is None:
            continue
        if subprocess.run([*command, "true"], capture_output=True).returncode == 0:
            return command
    return None


pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(
        shutil.which("freeDiameterd") is None,
        reason="freeDiameter is not installed (apt-get install freediameterd)",
    ),
]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the scenes of `relayed.py` showed."""
    namespace = _namespace()
    if namespace is None:
        pytest.skip("no network namespace can be made here (unshare)")
    folder = tmp_path_factory.mktemp("relays")
    command = [
        *namespace,
        "--kill-child",
        sys.executable,
        "-m",
        "tests.interop.relayed",
        str(folder),
    ]
    ran = subprocess.run(
        command, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=300
    )
    logs = "".join(log.read_text()[-2000:] for log in folder.rglob("log"))
    assert ran.returncode == 0, ran.stderr[-3000:] + logs
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


def test_a_vector_comes_through_and_is_good(seen: dict[str, Any]) -> None:
    assert seen["vector"]
    assert seen["prime"]
    assert seen["through"] == f"dra1.{REALM}"


def test_vectors_of_s6a_and_cx_come_through(seen: dict[str, Any]) -> None:
    assert seen["s6a"]
    assert seen["cx"]
    assert seen["interfaces"] == ["s6a", "cx"]


def test_a_resynchronisation_comes_through(seen: dict[str, Any]) -> None:
    assert seen["resync"]


def test_a_no_comes_back_as_it_was_said(seen: dict[str, Any]) -> None:
    assert seen["unknown"] == "hss_user_unknown"


def test_hundreds_under_way_come_back_to_who_asked(seen: dict[str, Any]) -> None:
    assert seen["many"] == ["vector"]


def test_who_is_too_busy_is_asked_by_the_other_relay(seen: dict[str, Any]) -> None:
    assert seen["busy"] == "vector"
    assert seen["busy_seen"] == [
        {"peer": f"{relay}.{REALM}", "repeated": False} for relay in RELAYS
    ]


def test_what_the_hss_asks_us_is_answered_all_the_way_back(seen: dict[str, Any]) -> None:
    assert seen["pushed"] == [10415, 5001]


def test_a_relay_that_dies_costs_nobody_an_answer(seen: dict[str, Any]) -> None:
    assert seen["failover"] == ["vector"]
    assert seen["failover_same_ids"]
    assert seen["failover_flagged"]


def test_a_relay_that_is_stopped_says_good_bye(seen: dict[str, Any]) -> None:
    assert seen["stopped"] == "it said good-bye"
    assert seen["nobody"] == "diameter_no_peer"


def test_a_relay_that_comes_back_is_doubtful_until_it_has_answered(seen: dict[str, Any]) -> None:
    assert seen["back"][-3:] == ["closed", "doubtful", "okay"]
    assert seen["served_again"] == "vector"


def test_its_watchdog_is_answered(seen: dict[str, Any]) -> None:
    assert seen["watchdog_of_the_relay"]
