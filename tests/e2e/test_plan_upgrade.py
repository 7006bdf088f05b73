"""The story of a plan upgrade, as `make demo STORY=plan-upgrade` tells it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.story import assert_in_order, told

pytestmark = pytest.mark.e2e


def test_the_story_of_the_plan_upgrade_has_no_surprises(tmp_path: Path) -> None:
    assert_in_order(
        told("plan-upgrade", tmp_path),
        "VoWiFi INCOMPATIBLE",
        "plan basic, vowifi denied (not_in_plan)",
        "POST /listener/ProductAttributeValueChangeEvent",
        "← 204",
        "a notice by fcm: ap2004",
        "VoWiFi ENABLED",
        "plan standard, vowifi allowed (in_plan)",
        "5 scenes, 0 surprises",
    )
