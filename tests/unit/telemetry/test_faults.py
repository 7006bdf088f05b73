"""Faults of ours in the log: where they were, and nothing of what was in hand."""

from __future__ import annotations

import structlog

from simgrant.telemetry.log import say_fault


def test_a_fault_is_logged_without_its_message() -> None:
    secret = "8944500000000000017"
    with structlog.testing.capture_logs() as events:
        try:
            raise RuntimeError(secret)
        except RuntimeError as error:
            say_fault(error, request_id="r1")
    (event,) = events
    assert (event["event"], event["error"], event["request_id"]) == (
        "internal_error",
        "RuntimeError",
        "r1",
    )
    assert "test_a_fault_is_logged" in "".join(event["where"])
    assert secret not in str(event)
