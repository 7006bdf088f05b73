"""Metrics are read while workers make their files, and never end in a fault."""

from __future__ import annotations

from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest

from simgrant.telemetry.collected import collected


def test_a_file_that_is_being_made_is_waited_for(tmp_path: Path) -> None:
    half = tmp_path / "counter_1.db"
    half.touch()
    assert collected(str(tmp_path), generate_latest) is None

    tries = 0

    def read(registry: CollectorRegistry) -> bytes:
        nonlocal tries
        tries += 1
        if tries == 2:
            half.unlink()
        return generate_latest(registry)

    assert collected(str(tmp_path), read) is not None
    assert tries == 2
