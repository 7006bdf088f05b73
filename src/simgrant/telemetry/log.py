"""Logging: one line of JSON per event on standard output, or readable lines for people.

Request lines are made by ``telemetry.record`` and only passed through here.
They are gathered and written a few times a second, since a system call per
line costs more than the line.
"""

from __future__ import annotations

import asyncio
import logging
import math
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from select import PIPE_BUF
from typing import BinaryIO, Literal

import msgspec
import structlog

_FLUSH_S = 0.2
_FLUSH_BYTES = 64 * 1024

LogFormat = Literal["json", "console"]


def configure(log_format: LogFormat) -> None:
    """Set up structlog, and what libraries log through the standard library."""
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty())
        if log_format == "console"
        else structlog.processors.JSONRenderer(serializer=_json)
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
            structlog.processors.format_exc_info,
            renderer,
        ],
        # Writes a line together with its end: workers share an output that may have no buffer.
        logger_factory=structlog.WriteLoggerFactory(sys.stdout),
        cache_logger_on_first_use=False,
    )
    # Libraries get only their warnings through, and no access log: URLs hold identities.
    logging.basicConfig(
        level=logging.WARNING, format="%(message)s", handlers=[_Bridge()], force=True
    )


def _json(event: object, **_: object) -> str:
    return msgspec.json.encode(event, enc_hook=str).decode()


class _Bridge(logging.Handler):
    """Hands records of the standard library's logging to structlog."""

    def emit(self, record: logging.LogRecord) -> None:
        log = structlog.get_logger()
        log.log(record.levelno, record.getMessage(), logger=record.name, exc_info=record.exc_info)


class LineWriter:
    """Writes request lines in batches; loses none on ``close``."""

    def __init__(
        self, out: BinaryIO | None = None, *, shape: Callable[[bytes], bytes] | None = None
    ) -> None:
        self._out = out or sys.stdout.buffer
        self._shape = shape
        self._lines: list[bytes] = []
        self._size = 0
        self._timer: asyncio.TimerHandle | None = None

    def write(self, line: bytes) -> None:
        """Take one line, without its end."""
        if self._shape is not None:
            line = self._shape(line)
        self._lines.append(line)
        self._size += len(line)
        if self._size >= _FLUSH_BYTES:
            self.flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_FLUSH_S, self.flush)

    def flush(self) -> None:
        """Write what has gathered; an output that is gone must not stop the service."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._lines:
            return
        lines, self._lines, self._size = self._lines, [], 0
        try:
            for piece in _pieces(lines):
                self._out.write(piece)
                self._out.flush()
        except (OSError, ValueError):
            self._out = open("/dev/null", "wb")  # noqa: SIM115 - lives as long as the process

    close = flush


def _pieces(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Yield lines, as many together as a pipe takes at once: no worker writes in between them."""
    piece = bytearray()
    for line in lines:
        if piece and len(piece) + len(line) >= PIPE_BUF:
            yield bytes(piece)
            piece.clear()
        piece += line + b"\n"
    yield bytes(piece)


def console_line(line: bytes) -> bytes:
    """Return the JSON line of a record as one short line for people."""
    record = msgspec.json.decode(line)
    apps = ",".join(record.get("apps", ())) or "-"
    if record["event"] == "notice":
        return (
            f"{record['at'][11:23]} notice {record['channel'] or '-':<6} {apps:<20} "
            f"{record['outcome']} {record.get('reason', '')}"
        ).encode()
    if record["event"] == "network":
        return (
            f"{record['at'][11:23]} network {record['told']} {record.get('cause') or '-'} "
            f"{record['outcome']}"
        ).encode()
    reasons = ",".join(
        f"{decision['feature']}={decision['result']}({decision['reason']})"
        for decision in record.get("decisions", ())
    )
    return (
        f"{record['at'][11:23]} {record['status']} {record['leg']:<6} {apps:<20} "
        f"{record['outcome']} {record['ms']:.1f} ms {reasons}"
    ).encode()


def say_fault(error: BaseException, **named: str) -> None:
    """Log a fault of ours as ``internal_error``: its type and where it was, and what is ``named``.

    Neither its message nor the locals, since they may hold secrets and identities.
    """
    structlog.get_logger().error(
        "internal_error",
        **named,
        error=type(error).__name__,
        where=traceback.format_tb(error.__traceback__),
    )


class Sparing:
    """Logs troubles, but each not for everything that meets it: once a minute."""

    _AGAIN_S = 60.0

    def __init__(self, monotonic: Callable[[], float]) -> None:
        """``monotonic`` tells seconds."""
        self._monotonic = monotonic
        self._said: dict[tuple[str, str, str], float] = {}

    def warn(self, tenant: str, event: str, reason: str) -> None:
        """Log a trouble of a tenant, or of nobody in particular, unless it was a moment ago."""
        key, now = (tenant, event, reason), self._monotonic()
        if now - self._said.get(key, -math.inf) >= self._AGAIN_S:
            self._said[key] = now
            structlog.get_logger().warning(event, tenant=tenant, reason=reason)
