"""Fixtures of the partners' tests: those of the device tests."""

from __future__ import annotations

from tests.device.conftest import bench, template

__all__ = ["bench", "template"]
