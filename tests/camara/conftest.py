"""Fixtures of the partners' tests: those of the device tests; and what Gherkin files need."""

from __future__ import annotations

import pytest
from pytest_bdd.parser import Feature

from tests.device.conftest import bench, template

__all__ = ["bench", "template"]

FEATURE = pytest.StashKey[str]()
"""The name of the feature that a scenario is of."""


def pytest_bdd_before_scenario(request: pytest.FixtureRequest, feature: Feature) -> None:
    """Note which feature it is."""
    request.node.stash[FEATURE] = feature.name or ""


def pytest_bdd_apply_tag(tag: str) -> bool:
    """Say that a tag of a Gherkin file is done with: they are names there, and no marks."""
    return bool(tag)
