"""The management API as an ASGI application: reads calls, admits them, and writes answers.

Which calls there are is `flows.management.calls`; nothing about any of them is known here. A page
in somebody's browser cannot call: it is refused where the browser says that it is one, there are no
cookies, and bodies have types that a page cannot send without asking first (which is refused too).
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, unquote_to_bytes

import msgspec
import structlog

from simgrant.domain.access import Client
from simgrant.domain.misfit import misfit
from simgrant.errors import EcsError
from simgrant.flows.limits import Throttle
from simgrant.flows.management.access import Access, Shown, Unknown, may
from simgrant.flows.management.call import JSON, NONE, PARTS, Asked, Call, Desk, Office
from simgrant.flows.management.calls import CALLS, Routes
from simgrant.flows.management.carry_out import Told, carry_out
from simgrant.flows.management.problem import Code, Problem, problem_of
from simgrant.fronts.management.headers import ACTOR, IF_MATCH, KEY
from simgrant.links.asgi import Disconnected, Receive, Scope, Send, TooLong, read_body
from simgrant.links.certified import CERTIFICATE
from simgrant.nouns import named_noun
from simgrant.ports.clock import Clock
from simgrant.telemetry.log import say_fault

PATH: Final = "/v1/openapi.json"
_PROBLEM: Final = "application/problem+json"
_MOST_PARAMETERS: Final = 32
_PARTS: Final = {name: re.compile(part.pattern) for name, part in PARTS.items()}
_TAG: Final = re.compile(r'"([0-9a-f]{64})"')
_DEFAULT_TENANT: Final = "default"
_ONCE: Final = frozenset({"authorization", "content-type", KEY.name, ACTOR.name, IF_MATCH.name})
_ALWAYS: Final = (
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)


@named_noun
class Limits:
    """How much is taken on."""

    in_flight: int = 64
    """Calls under way at a time; more get 503."""
    timeout_s: float = 10.0
    """Seconds from the head of a call to its answer."""
    slow_timeout_s: float = 120.0
    """The same for imports."""


@dataclass(slots=True)
class _Record:
    """What is logged of a call, as far as it is known."""

    request_id: str
    client: str = ""
    call: str = ""
    tenant: str = ""
    code: str = ""
    reason: str = ""
    allow: str = ""


class ApiFront:
    """Answers calls."""

    def __init__(
        self,
        offices: Mapping[str, Office],
        access: Access,
        *,
        clock: Clock,
        throttle: Throttle,
        calls: tuple[Call, ...] = CALLS,
        limits: Limits | None = None,
    ) -> None:
        """``offices`` are by tenant; ``throttle`` has one bucket for each client."""
        self._offices = offices
        self._access = access
        self._clock = clock
        self._throttle = throttle
        self._limits = limits or Limits()
        self._routes = Routes(calls)
        self._under_way = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one call."""
        began = self._clock.monotonic()
        record = _Record(os.urandom(8).hex())
        self._under_way += 1
        try:
            told = await self._answer(scope, receive, record, began)
        except Problem as problem:
            told = _refusal(problem, record)
        except Exception as error:
            say_fault(error, request_id=record.request_id)
            told = _refusal(Problem(Code.INTERNAL), record)
        finally:
            self._under_way -= 1
        await _send(send, told, record.request_id)
        # Who asked what of whom is in the audit, if it changed anything.
        structlog.get_logger().info(
            "api_called",
            request_id=record.request_id,
            client=record.client,
            call=record.call,
            tenant=record.tenant,
            status=told.status,
            code=record.code,
            reason=record.reason,
            ms=round((self._clock.monotonic() - began) * 1000, 1),
        )

    async def _answer(self, scope: Scope, receive: Receive, record: _Record, began: float) -> Told:
        headers = _headers(scope)
        if self._under_way > self._limits.in_flight:
            raise Problem(Code.UNAVAILABLE, "too many calls are under way", retry_after=1)
        _refuse_pages(headers)
        client = await self._client(scope, headers, record, began)
        if scope["path"] == PATH:
            return self._documented(scope["method"], record)
        call, parts = self._call(scope, record)
        may(client, call.scope)
        limit = self._limits.slow_timeout_s if call.slow else self._limits.timeout_s
        try:
            async with asyncio.timeout(limit - (self._clock.monotonic() - began)):
                said = await _body(scope, receive, call)
                asked = self._asked(scope, headers, call, parts, said, client, record)
                key = headers.get(KEY.name, "")
                return await carry_out(call, asked, key=key, said=_identity(scope, headers, said))
        except TimeoutError:
            raise Problem(Code.UNAVAILABLE, "it took too long", retry_after=5) from None

    async def _client(
        self, scope: Scope, headers: Mapping[str, str], record: _Record, began: float
    ) -> Client:
        shown = Shown(
            headers.get("authorization", ""), scope.get("state", {}).get(CERTIFICATE, b"")
        )
        try:
            client = await self._access.client(shown, deadline=began + self._limits.timeout_s)
            record.client = client.name
            self._throttle.take((client.name,), now=self._clock.monotonic())
        except EcsError as error:
            record.reason = error.reason
            raise problem_of(error) from None
        return client

    def _documented(self, method: str, record: _Record) -> Told:
        """Return the document, for whoever is known."""
        record.call = "openapi"
        if method != "GET":
            record.allow = "GET"
            raise Problem(Code.METHOD_NOT_ALLOWED)
        return Told(200, {}, _document())

    def _call(self, scope: Scope, record: _Record) -> tuple[Call, dict[str, str]]:
        raw = scope.get("raw_path") or scope["path"].encode()
        try:
            path = "/".join(
                unquote_to_bytes(part).decode().replace("/", "\0") for part in raw.split(b"/")
            )
        except UnicodeDecodeError:
            raise Problem(Code.NOT_FOUND) from None
        found = self._routes.find(path)
        if found is None or not all(
            _PARTS[name].fullmatch(value) for name, value in found.parts.items()
        ):
            raise Problem(Code.NOT_FOUND)
        call = found.calls.get(scope["method"])
        if call is None:
            record.allow = ", ".join(sorted(found.calls))
            raise Problem(Code.METHOD_NOT_ALLOWED)
        record.call = call.name
        return call, found.parts

    def _asked(
        self,
        scope: Scope,
        headers: Mapping[str, str],
        call: Call,
        parts: Mapping[str, str],
        said: bytes,
        client: Client,
        record: _Record,
    ) -> Asked[Any, Any]:
        """Return a call, checked."""
        for header in (KEY, ACTOR):
            value = headers.get(header.name)
            if value is not None and header.pattern and not header.pattern.fullmatch(value):
                raise Problem(Code.MALFORMED, f"{header.name}: it is not as it has to be")
        query = _query(scope["query_string"], call)
        office = self._office(client, query.tenant)
        record.tenant = office.tenant.name
        seen = headers.get(IF_MATCH.name, "*") if call.seen else "*"
        desk = Desk(
            office=office,
            client=client,
            now=int(self._clock.now()),
            call=call.name,
            actor=headers.get(ACTOR.name, ""),
            request_id=record.request_id,
            seen=_seen(seen),
        )
        return Asked(desk=desk, path=parts, query=query, body=_pull(call, headers, said))

    def _office(self, client: Client, tenant: str) -> Office:
        """Return a tenant's; others than the client's are not there for it."""
        if not tenant:
            tenant = next(iter(client.tenants)) if len(client.tenants) == 1 else _DEFAULT_TENANT
        office = self._offices.get(tenant) if tenant in client.tenants else None
        if office is None:
            raise Problem(Code.NOT_FOUND, "there is no such tenant")
        return office


@cache
def _document() -> bytes:
    return Path(__file__).with_name("openapi.json").read_bytes()


def _seen(tag: str) -> bytes:
    """Return the digest in an entity tag; what is none is of no state."""
    if tag.strip() == "*":
        return b""
    found = _TAG.fullmatch(tag.strip())
    return bytes.fromhex(found[1]) if found else b"?"


def _refuse_pages(headers: Mapping[str, str]) -> None:
    """Raise `Problem` for what a page in a browser sends; somebody who looks by hand may."""
    if "origin" in headers or headers.get("sec-fetch-site", "none") != "none":
        raise Problem(Code.FROM_A_BROWSER)


def _query(text: bytes, call: Call) -> Any:
    try:
        pairs = parse_qsl(
            text.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=_MOST_PARAMETERS,
        )
    except ValueError:
        raise Problem(Code.MALFORMED, "the query cannot be read") from None
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Problem(Code.MALFORMED, "a parameter of the query is there twice")
    try:
        return msgspec.convert(found, call.query, strict=False)
    except msgspec.ValidationError as error:
        raise Problem(Code.MALFORMED, f"query: {misfit(error, call.query)}") from None


async def _body(scope: Scope, receive: Receive, call: Call) -> bytes:
    try:
        return await read_body(scope, receive, most=call.most_bytes)
    except TooLong:
        raise Problem(Code.TOO_LARGE, f"more than {call.most_bytes} bytes") from None
    except Disconnected:
        raise Problem(Code.MALFORMED, "disconnected") from None


def _pull(call: Call, headers: Mapping[str, str], said: bytes) -> Any:
    """Return what a body says."""
    if call.body is NONE:
        if said not in (b"", b"{}"):
            raise Problem(Code.MALFORMED, "it has no body")
        return None
    if not said and call.optional:
        return call.body()
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in call.kinds:
        raise Problem(Code.CONTENT_TYPE, f"it has to be {' or '.join(call.kinds)}")
    try:
        if call.pull is not None:
            return call.pull(kind, said)
        try:
            return msgspec.json.decode(said, type=call.body)
        except msgspec.ValidationError:
            # 1.0 is as whole a number as 1 (RFC 8259 §6), though only few write it so.
            return msgspec.convert(_whole(msgspec.json.decode(said)), call.body)
    except msgspec.ValidationError as error:
        raise Problem(Code.MALFORMED, misfit(error, call.body)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Problem(Code.MALFORMED, "the body is no JSON") from None


def _whole(value: Any) -> Any:
    """Return what was read with numbers that are whole as such."""
    match value:
        case float() if value.is_integer():
            return int(value)
        case list():
            return list(map(_whole, value))
        case dict():
            return {name: _whole(each) for name, each in value.items()}
    return value


def _identity(scope: Scope, headers: Mapping[str, str], said: bytes) -> bytes:
    """Return all that tells one call from another."""
    path = scope.get("raw_path") or scope["path"].encode()
    seen = headers.get(IF_MATCH.name, "")
    return msgspec.json.encode((scope["method"], path, scope["query_string"], seen, said))


def _refusal(problem: Problem, record: _Record) -> Told:
    headers = {"content-type": _PROBLEM}
    record.code = problem.code
    if isinstance(problem, Unknown):
        record.reason = problem.reason
        headers["www-authenticate"] = 'Bearer realm="simgrant"'
    if record.allow:
        headers["allow"] = record.allow
    if problem.retry_after is not None:
        headers["retry-after"] = str(problem.retry_after)
    if problem.code in (Code.TOO_LARGE, Code.UNAVAILABLE):
        # What is left of the body is not read.
        headers["connection"] = "close"
    return Told(problem.status, headers, msgspec.json.encode(problem.details(record.request_id)))


async def _send(send: Send, told: Told, request_id: str) -> None:
    kind = {"content-type": JSON} if told.body else {}
    headers = {**kind, **told.headers, "x-request-id": request_id}
    if told.status != 204:
        headers["content-length"] = str(len(told.body))
    await send(
        {
            "type": "http.response.start",
            "status": told.status,
            "headers": [
                *((name.encode(), value.encode("latin-1")) for name, value in headers.items()),
                *_ALWAYS,
            ],
        }
    )
    await send({"type": "http.response.body", "body": told.body})


def _headers(scope: Scope) -> dict[str, str]:
    """Return the headers by name; of one that is there twice, nobody can say which counts."""
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        key = name.decode("latin-1")
        if key in found and key in _ONCE:
            raise Problem(Code.MALFORMED, f"{key} is there twice")
        found[key] = value.decode("latin-1")
    return found
