"""The story of a plan upgrade, as `make demo STORY=plan-upgrade` tells it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e

SIMGRANT = Path(sys.executable).with_name("simgrant")


def test_the_story_of_the_plan_upgrade_has_no_surprises(tmp_path: Path) -> None:
    done = subprocess.run(
        [SIMGRANT, "demo", "--story", "plan-upgrade"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    shown = (
        "VoWiFi INCOMPATIBLE",
        "plan basic, vowifi denied (not_in_plan)",
        "POST /listener/ProductAttributeValueChangeEvent",
        "← 204",
        "a notice by fcm: ap2004",
        "VoWiFi ENABLED",
        "plan standard, vowifi allowed (in_plan)",
        "5 scenes, 0 surprises",
    )
    places = [done.stdout.find(each) for each in shown]
    assert -1 not in places, done.stdout
    assert places == sorted(places)
    assert list(tmp_path.iterdir()) == []
