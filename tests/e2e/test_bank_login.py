"""The story of a bank's login, as `make demo STORY=bank-login` tells it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e

SIMGRANT = Path(sys.executable).with_name("simgrant")


def test_the_story_of_the_banks_login_has_no_surprises(tmp_path: Path) -> None:
    done = subprocess.run(
        [SIMGRANT, "demo", "--story", "bank-login"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    shown = (
        "AcquireTemporaryToken",
        "an access token for one call",
        '{"devicePhoneNumberVerified": true}',
        "access_token_spent",
        "exchanged_before",
        '{"devicePhoneNumberVerified": false}',
        "access_token_of_before",
        "no number, no SIM and no device was told",
        "books: 1 match, 1 no_match",
        "5 scenes, 0 surprises",
    )
    places = [done.stdout.find(each) for each in shown]
    assert -1 not in places, done.stdout
    assert places == sorted(places)
    assert list(tmp_path.iterdir()) == []
