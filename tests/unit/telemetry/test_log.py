"""What people read of a server in a terminal, and how often they are told of a trouble."""

from __future__ import annotations

import io
import logging
import sys

import pytest
import structlog
from structlog.testing import capture_logs

from simgrant.domain.trail import Trail
from simgrant.telemetry.log import LineWriter, Sparing, configure, console_line
from simgrant.telemetry.record import (
    NetworkRecord,
    NoticeRecord,
    instant,
    push_network,
    push_notice,
    push_trail,
)

AT = 1_795_000_000.25


def test_a_request_is_one_line() -> None:
    trail = Trail("r1", leg="token", apps=("ap2003", "ap2004"), status=200, outcome="document")
    line = console_line(push_trail(trail, now=AT, seconds=0.0012))
    assert line == b"11:06:40.250 200 token  ap2003,ap2004        document 1.2 ms "


def test_a_notice_is_one_line() -> None:
    record = NoticeRecord(
        at=instant(AT),
        request_id="n1",
        tenant="default",
        event="notice",
        outcome="refused",
        channel="fcm",
        subscriber_ref="00",
        terminal_ref="01",
        apps=("ap2004",),
        changed_at=instant(AT - 1),
        attempts=1,
        reason="sender_mismatch",
    )
    line = console_line(push_notice(record))
    assert line == b"11:06:40.250 notice fcm    ap2004               refused sender_mismatch"


def test_what_the_network_told_is_one_line() -> None:
    record = NetworkRecord(
        at=instant(AT),
        request_id="e1",
        tenant="default",
        event="network",
        outcome="revoke",
        subscriber_ref="00",
        told="s6a_cancel_location",
        told_at=instant(AT - 1),
        peer="hss",
        cause="subscription_withdrawal",
    )
    line = console_line(push_network(record))
    assert line == b"11:06:40.250 network s6a_cancel_location subscription_withdrawal revoke"


def test_a_trouble_is_logged_again_after_a_minute_and_another_one_at_once() -> None:
    times = iter((1.0, 2.0, 60.9, 61.0, 61.0, 61.0))
    sparing = Sparing(lambda: next(times))
    with capture_logs() as lines:
        for _ in range(4):
            sparing.warn("blue", "channel_failed", "gone")
        sparing.warn("red", "channel_failed", "gone")
        sparing.warn("red", "channel_failed", "late")
    assert [(each["tenant"], each["reason"]) for each in lines] == [
        ("blue", "gone"),
        ("blue", "gone"),
        ("red", "gone"),
        ("red", "late"),
    ]


class Output(io.RawIOBase):
    """Keeps what was written at a time, as a pipe takes it that several processes write to."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        self.writes.append(bytes(data))  # type: ignore[call-overload]
        return len(self.writes[-1])


def test_a_line_and_its_end_are_written_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    output = Output()
    # As Python has it where PYTHONUNBUFFERED is set.
    text = io.TextIOWrapper(output, write_through=True)  # type: ignore[type-var]
    monkeypatch.setattr(sys, "stdout", text)
    monkeypatch.setattr(logging, "basicConfig", lambda **_: None)
    before = structlog.get_config()
    try:
        configure("json")
        structlog.get_logger().warning("lifecycle", reason="store_unavailable")
    finally:
        structlog.configure(**before)
    (line,) = output.writes
    assert line.startswith(b'{"reason":"store_unavailable"')
    assert line.endswith(b"}\n")


async def test_of_request_lines_no_more_are_written_at_once_than_a_pipe_takes() -> None:
    output = Output()
    writer = LineWriter(output)  # type: ignore[arg-type]
    lines = [b"x" * length for length in (10, 700, 4_094, 4_095, 4_096, 9_000, 1, *[600] * 20)]
    for line in lines:
        writer.write(line)
    writer.close()
    assert b"".join(output.writes).splitlines() == lines
    assert all(piece.endswith(b"\n") for piece in output.writes)
    assert all(len(piece) <= 4_096 or piece.count(b"\n") == 1 for piece in output.writes)
    assert len(output.writes) < 12
