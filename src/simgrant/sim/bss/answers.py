"""What a simulated BSS reads of requests, and answers: JSON, or an error in its place (TMF630)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

import msgspec

from simgrant.nouns import noun
from simgrant.sim.web import Answer, Request
from simgrant.wire.tmf.apis import Api

JSON: Final = ("content-type", "application/json;charset=utf-8")
OWN: Final = "lines"
"""The resource of the API that is nobody's standard."""
_REASONS: Final = {
    400: ("20", "Bad request"),
    401: ("41", "Invalid credentials"),
    404: ("60", "Not found"),
    405: ("61", "Method not allowed"),
    409: ("70", "Conflict"),
    415: ("68", "Unsupported media type"),
    429: ("53", "Too many requests"),
    500: ("1", "Internal error"),
    503: ("5", "Service unavailable"),
}


@dataclass(eq=False)
class Refusal(Exception):
    """The request is refused."""

    status: int
    message: str = ""
    headers: tuple[tuple[str, str], ...] = ()

    def answer(self) -> Answer:
        """Return it as an Error of TMF630."""
        code, reason = _REASONS.get(self.status, ("1", "Error"))
        content = {"code": code, "reason": reason, "status": str(self.status)}
        if self.message:
            content["message"] = self.message
        return Answer(self.status, (JSON, *self.headers), msgspec.json.encode(content))


@noun
class Call:
    """A request, taken apart."""

    method: str
    api: Api | None
    """None = it is none of TM Forum's."""
    resource: str
    """Such as ``product``; of an API that has no ids, the whole path."""
    id: str = field(repr=False)
    """Of one resource; empty = of all."""
    query: tuple[tuple[str, str], ...] = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    def content(self) -> Any:
        """Return the JSON that it brings; Refusal."""
        kind = self.headers.get("content-type", "").partition(";")[0].strip()
        if kind not in ("application/json", "application/merge-patch+json"):
            raise Refusal(415)
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise Refusal(400, "it is no JSON") from None

    def parameter(self, name: str) -> str:
        """Return the first value of a parameter; empty where it has none."""
        return next((value for each, value in self.query if each == name), "")


def pull_call(request: Request, root: str = "") -> Call:
    """Return a request in its parts; ``root`` is what all paths begin with."""
    path, _, query = request.target.partition("?")
    path = path.removeprefix(root)
    found, rest = None, path.strip("/")
    for api in Api:
        if path.startswith(f"{api}/"):
            found, rest = api, path.removeprefix(f"{api}/")
    resource, id_ = rest, ""
    if found is not None or rest.startswith(f"{OWN}/"):
        resource, _, id_ = rest.partition("/")
    pairs = tuple(parse_qsl(query, keep_blank_values=True))
    return Call(request.method, found, resource, unquote(id_), pairs, request.headers, request.body)


def json_answer(content: object, *headers: tuple[str, str], status: int = 200) -> Answer:
    """Return JSON."""
    return Answer(status, (JSON, *headers), msgspec.json.encode(content))


def listed(documents: list[dict[str, Any]], call: Call) -> Answer:
    """Return the part of a list that is asked for (TMF630: filters, fields, offset, limit)."""
    found = documents
    for name, value in call.query:
        if name not in ("fields", "offset", "limit", "sort"):
            wanted = frozenset(value.split(","))
            found = [each for each in found if wanted & set(_at(each, name.split(".")))]
    offset, limit = _number(call, "offset", 0), _number(call, "limit", 1000)
    part = [selected(each, call) for each in found[offset : offset + limit]]
    totals = (("x-total-count", str(len(found))), ("x-result-count", str(len(part))))
    return json_answer(part, *totals)


def selected(document: dict[str, Any], call: Call) -> dict[str, Any]:
    """Return the members of a document that are asked for; who it is, always."""
    fields = call.parameter("fields")
    if not fields:
        return document
    wanted = {*fields.split(","), "id", "href"}
    return {name: value for name, value in document.items() if name in wanted}


def one(documents: list[dict[str, Any]], call: Call) -> dict[str, Any]:
    """Return the document that is asked for; Refusal."""
    for each in documents:
        if each["id"] == call.id:
            return selected(each, call)
    raise Refusal(404)


def _at(content: Any, path: list[str]) -> list[str]:
    """Return the values at a path, as text; lists are gone through."""
    if isinstance(content, list):
        return [value for each in content for value in _at(each, path)]
    if not path:
        return [content if isinstance(content, str) else msgspec.json.encode(content).decode()]
    if isinstance(content, dict) and path[0] in content:
        return _at(content[path[0]], path[1:])
    return []


def _number(call: Call, name: str, usual: int) -> int:
    text = call.parameter(name)
    if not text:
        return usual
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise Refusal(400, f"{name} is no number")
    return int(text)
