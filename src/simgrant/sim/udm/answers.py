"""What instances of a 5G core answer: JSON, or the problem in place of it (TS 29.500 §5.2.7)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

import msgspec

from simgrant.nouns import noun
from simgrant.sim.web import Answer, Request
from simgrant.wire.sbi.headers import PROBLEM_TYPE

JSON: Final = ("content-type", "application/json")
_PROBLEM: Final = ("content-type", PROBLEM_TYPE)


@dataclass(eq=False)
class Refusal(Exception):
    """The request is refused: status and cause say why."""

    status: int
    cause: str = ""
    detail: str = ""
    headers: tuple[tuple[str, str], ...] = ()

    def answer(self) -> Answer:
        """Return it as ProblemDetails (TS 29.571 §5.2.4.1)."""
        content: dict[str, Any] = {"status": self.status}
        if self.cause:
            content["cause"] = self.cause
        if self.detail:
            content["detail"] = self.detail
        body = msgspec.json.encode(content)
        return Answer(self.status, (_PROBLEM, *self.headers), body)


@noun
class Call:
    """A request to an instance, taken apart."""

    method: str
    service: str
    """Such as ``nudm-ueau``."""
    version: str
    user: str = field(repr=False)
    """The first part of the path below the version, decoded: whom it is about."""
    operation: str
    """What follows: it names nobody."""
    query: Mapping[str, str] = field(repr=False)
    """Of a repeated parameter the last."""
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def imsi(self) -> str:
        """Digits, of a SUPI or a private identity; empty where it has none."""
        kind, dash, rest = self.user.rpartition("-")
        digits = (rest if dash and kind in ("imsi", "impi") else self.user).partition("@")[0]
        return digits if digits.isdecimal() and digits.isascii() else ""


def pull_call(request: Request) -> Call:
    """Return a request in its parts, empty where it has fewer."""
    path, _, query = request.target.partition("?")
    parts = path.lstrip("/").split("/", 3)
    service, version, user, operation = parts + [""] * (4 - len(parts))
    return Call(
        request.method,
        service,
        version,
        unquote(user),
        operation,
        dict(parse_qsl(query, keep_blank_values=True)),
        request.headers,
        request.body,
    )


def json_answer(content: object, *headers: tuple[str, str]) -> Answer:
    """Return 200 with JSON."""
    return Answer(200, (JSON, *headers), msgspec.json.encode(content))
