"""How calls get to the server: one connection, deadlines, and calls that are said again."""

from __future__ import annotations

import json
import random
import ssl
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

_AGAIN: Final = frozenset({429, 502, 503, 504})
_MOST_ANSWER: Final = 256 * 1024 * 1024
_MOST_NAMED: Final = 20
"""Lines whose errors are in the text of a problem; `Problem.errors` has all that are told."""


class Problem(Exception):
    """A call that was refused, or that could not be carried out."""

    def __init__(self, status: int, said: Mapping[str, Any], retry_after: float | None) -> None:
        self.status = status
        """The HTTP status; 0 = nobody answered."""
        self.code: str = str(said.get("code", ""))
        """What the problem is, in a word that stays the same."""
        self.detail: str = str(said.get("detail", ""))
        self.request_id: str = str(said.get("request_id", ""))
        """By which the call is found in the server's log."""
        self.errors: list[dict[str, Any]] = list(said.get("errors", ()))
        """Of an import, or of events: what is wrong with which of them."""
        self.retry_after = retry_after
        """Seconds after which it may be tried again, where the server says so."""
        wrong = "; ".join(
            f"{each.get('line')}: {each.get('reason')}" for each in self.errors[:_MOST_NAMED]
        )
        super().__init__(": ".join(filter(None, (self.code or str(status), self.detail, wrong))))


@dataclass(frozen=True, slots=True)
class Retries:
    """How often, and how long, a call is said again."""

    tries: int = 4
    """In all."""
    first_pause_s: float = 0.2
    """Before the second one; it doubles, and a random part of it is waited."""
    longest_pause_s: float = 5.0
    whole_s: float = 60.0
    """After which no other try begins."""


class Transport:
    """One connection to a server; not to be used by several threads at a time."""

    def __init__(
        self,
        url: str,
        *,
        token: str | Callable[[], str] = "",
        tenant: str = "",
        actor: str = "",
        tls: ssl.SSLContext | None = None,
        timeout_s: float = 30.0,
        retries: Retries = Retries(),
    ) -> None:
        """``token`` may be a function that returns the one that is good now.

        With a client certificate, load it into ``tls``. ``actor`` is the person on whose behalf
        calls are made, for the audit.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("the address has to begin with https:// or http://")
        self._https = parts.scheme == "https"
        self._host = parts.hostname
        self._port = parts.port or (443 if self._https else 80)
        self._base = parts.path.rstrip("/")
        self._token = token
        self._tenant = tenant
        self._actor = actor
        self._tls = tls
        self._timeout_s = timeout_s
        self._retries = retries
        self._connection: HTTPConnection | None = None

    def close(self) -> None:
        """Let go of the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def call(
        self,
        method: str,
        path: str,
        *,
        parts: Mapping[str, str] | None = None,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        seen: str | None = None,
        key: str | None = None,
    ) -> Any:
        """Return what a call is answered, None for nothing; raise `Problem`."""
        asked = {name: _text(value) for name, value in (query or {}).items() if value is not None}
        if self._tenant:
            asked.setdefault("tenant", self._tenant)
        for name, value in (parts or {}).items():
            path = path.replace(f"{{{name}}}", quote(value, safe="+"))
        target = f"{self._base}{path}{f'?{urlencode(asked)}' if asked else ''}"
        headers = {"accept": "application/json"}
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers["content-type"] = "application/json"
        if method != "GET":
            headers["idempotency-key"] = key or str(uuid.uuid4())
            if self._actor:
                headers["x-actor"] = self._actor
        if seen:
            headers["if-match"] = seen
        return self._said(method, target, headers, data)

    def _said(self, method: str, target: str, headers: dict[str, str], data: bytes | None) -> Any:
        ends = time.monotonic() + self._retries.whole_s
        pause = self._retries.first_pause_s
        for left in range(self._retries.tries - 1, -1, -1):
            try:
                return self._once(method, target, headers, data)
            except Problem as problem:
                waits = random.uniform(pause / 2, pause)  # noqa: S311 - jitter
                if problem.retry_after is not None:
                    waits = max(waits, problem.retry_after)
                if (
                    not left
                    or not _may_be_again(problem)
                    or waits > self._retries.longest_pause_s
                    or time.monotonic() + waits > ends
                ):
                    raise
            time.sleep(waits)
            pause = min(2 * pause, self._retries.longest_pause_s)
        raise AssertionError  # of the last try something came

    def _once(self, method: str, target: str, headers: dict[str, str], data: bytes | None) -> Any:
        token = self._token() if callable(self._token) else self._token
        if token:
            headers = {**headers, "authorization": f"Bearer {token}"}
        connection = self._connection or self._connect()
        try:
            connection.request(method, target, data, headers)
            answer = connection.getresponse()
            content = answer.read(_MOST_ANSWER)
        except (OSError, HTTPException) as error:
            self.close()
            said = {"code": "no_answer", "detail": type(error).__name__}
            raise Problem(0, said, None) from None
        if answer.will_close:
            self.close()
        if 200 <= answer.status < 300:
            return json.loads(content) if content else None
        raise Problem(answer.status, _object(content), _seconds(answer.getheader("retry-after")))

    def _connect(self) -> HTTPConnection:
        if self._https:
            self._connection = HTTPSConnection(
                self._host, self._port, timeout=self._timeout_s, context=self._tls
            )
        else:
            self._connection = HTTPConnection(self._host, self._port, timeout=self._timeout_s)
        return self._connection


def _may_be_again(problem: Problem) -> bool:
    """Say whether the same call may come to something: it has a key, or changes nothing."""
    return problem.status in (0, *_AGAIN) or problem.code == "in_progress"


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _object(content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _seconds(text: str | None) -> float | None:
    return float(text) if text and text.isdigit() else None
