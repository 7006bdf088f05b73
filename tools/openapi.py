"""Write the OpenAPI 3.1 document of the management API and its page; ``--check`` compares them.

Both are made of the table of calls, its types and their prose.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import msgspec

from simgrant import __version__
from simgrant.domain.access import MEANINGS, ROLES, Scope
from simgrant.flows.management.call import JSON, NDJSON, NONE, PARTS, Call
from simgrant.flows.management.calls import CALLS, GROUPS
from simgrant.flows.management.problem import KINDS, Code, ProblemDetails
from simgrant.fronts.management.headers import ACTOR, IF_MATCH, KEY, Header
from tools.markdown import head, table

_REF: Final = "#/components/schemas/{name}"
_PROBLEM: Final = "application/problem+json"
_EVERY: Final = (
    Code.MALFORMED,
    Code.UNAUTHENTICATED,
    Code.FORBIDDEN,
    Code.NOT_FOUND,
    Code.INVALID,
    Code.TOO_MANY,
    Code.INTERNAL,
    Code.UNAVAILABLE,
)
"""What every call may be answered."""


def document(calls: Iterable[Call] = CALLS, version: str = __version__) -> dict[str, Any]:
    """Return the document as plain data."""
    listed = list(calls)
    paths: dict[str, dict[str, Any]] = {}
    schemas = _Schemas(listed)
    for call in listed:
        paths.setdefault(call.path, {})[call.method.lower()] = _operation(call, schemas)
    groups = dict.fromkeys(call.group for call in listed)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "simgrant management API",
            "version": version,
            "description": "Subscriptions, devices and what follows for them, for an operator's "
            "own systems.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "tags": [{"name": name, "description": GROUPS[name]} for name in groups],
        "paths": paths,
        "components": {
            "schemas": schemas.components,
            "responses": dict(sorted(schemas.responses.items())),
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A token of its own, or an access token of an issuer.",
                },
                "certificate": {"type": "mutualTLS", "description": "A client certificate."},
            },
        },
        "security": [{"bearer": []}, {"certificate": []}],
    }


class _Schemas:
    """The schemas of all that calls take and answer."""

    def __init__(self, calls: list[Call]) -> None:
        self.calls = calls
        types = [ProblemDetails]
        for call in calls:
            types += [kind for kind in (call.body, call.answer) if kind is not NONE]
        found, self.components = msgspec.json.schema_components(types, ref_template=_REF)
        self._by_id = {id(kind): schema for kind, schema in zip(types, found, strict=True)}
        self._kept = types
        self.responses: dict[str, Any] = {}
        for name, kind in _structs(types).items():
            _describe(self.components[name], kind)

    def of(self, kind: Any) -> Mapping[str, Any]:
        """Return the schema of a type."""
        return self._by_id[id(kind)]


def _structs(types: Iterable[Any]) -> dict[str, Any]:
    """Return the structs that types are made of, by name."""
    found: dict[str, Any] = {}

    def walk(kind: msgspec.inspect.Type) -> None:
        if isinstance(kind, msgspec.inspect.StructType):
            if kind.cls.__name__ in found:
                return
            found[kind.cls.__name__] = kind.cls
            for field in kind.fields:
                walk(field.type)
        for name in ("types", "item_types"):
            for each in getattr(kind, name, ()):
                walk(each)
        for name in ("item_type", "value_type", "type"):
            each = getattr(kind, name, None)
            if isinstance(each, msgspec.inspect.Type):
                walk(each)

    for kind in msgspec.inspect.multi_type_info(types):
        walk(kind)
    return found


def _describe(schema: dict[str, Any], kind: Any) -> None:
    """Give the members of a struct the prose that stands under its fields."""
    schema.pop("title", None)
    prose = _prose(kind)
    names = {field.name: field.encode_name for field in msgspec.structs.fields(kind)}
    for name, text in prose.items():
        own = schema["properties"].get(names.get(name, name))
        if own is None:
            continue
        own.pop("default", None) if own.get("default") == [] else None
        if "$ref" not in own:
            own["description"] = text


def _prose(kind: Any) -> dict[str, str]:
    """Return the prose of a struct's fields, from where each is declared."""
    found: dict[str, str] = {}
    for each in reversed(kind.mro()):
        if each.__module__.startswith("simgrant."):
            found |= _prose_in(each.__module__).get(each.__name__, {})
    return found


@cache
def _prose_in(module: str) -> dict[str, dict[str, str]]:
    """Return the prose of all classes of a module."""
    found: dict[str, dict[str, str]] = {}
    for node in ast.parse(inspect.getsource(sys.modules[module])).body:
        if not isinstance(node, ast.ClassDef):
            continue
        for field, text in zip(node.body, node.body[1:], strict=False):
            match field, text:
                case (
                    ast.AnnAssign(target=ast.Name(id=name)),
                    ast.Expr(value=ast.Constant(value=str(words))),
                ):
                    found.setdefault(node.name, {})[name] = " ".join(words.split())
    return found


def _operation(call: Call, schemas: _Schemas) -> dict[str, Any]:
    made: dict[str, Any] = {
        "operationId": call.name,
        "tags": [call.group],
        "summary": call.about,
        "x-scope": call.scope.value,
        "parameters": [*_path_parameters(call), *_query_parameters(call), *_headers(call)],
        "responses": _responses(call, schemas),
    }
    if call.body is not NONE:
        made["requestBody"] = {
            "required": not call.optional,
            "content": {kind: {"schema": _body_schema(call, kind, schemas)} for kind in call.kinds},
        }
    return made


def _body_schema(call: Call, kind: str, schemas: _Schemas) -> Mapping[str, Any]:
    if kind == NDJSON:
        return {"type": "string", "description": "A line of JSON for each."}
    return schemas.of(call.body)


def _path_parameters(call: Call) -> Iterable[dict[str, Any]]:
    for name in re.findall(r"\{(\w+)\}", call.path):
        part = PARTS[name]
        yield {
            "name": name,
            "in": "path",
            "required": True,
            "description": part.about,
            "schema": {"type": "string", "pattern": part.pattern, "examples": [part.example]},
        }


def _query_parameters(call: Call) -> Iterable[dict[str, Any]]:
    _, components = msgspec.json.schema_components([call.query], ref_template=_REF)
    prose = _prose(call.query)
    schema = components[call.query.__name__]
    for name, own in schema["properties"].items():
        if own.get("default") == "":
            del own["default"]
        found = {
            "name": name,
            "in": "query",
            "required": name in schema.get("required", ()),
            "schema": own,
        }
        if prose.get(name):
            found["description"] = prose[name]
        yield found


def _headers(call: Call) -> Iterable[dict[str, Any]]:
    if call.changes:
        yield _header(KEY)
        yield _header(ACTOR)
    if call.seen:
        yield _header(IF_MATCH)


def _header(header: Header) -> dict[str, Any]:
    return {
        "name": "-".join(map(str.capitalize, header.name.split("-"))),
        "in": "header",
        "description": header.about,
        "schema": {"type": "string"}
        | ({"pattern": f"^({header.pattern.pattern})$"} if header.pattern else {}),
    }


def _responses(call: Call, schemas: _Schemas) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for status, about in {call.status: "It is done", **call.statuses}.items():
        found[str(status)] = done = {"description": about, **_content(call, schemas)}
        if call.makes:
            done["links"] = {
                each.name: {"operationId": each.name, "parameters": dict(call.makes)}
                for each in schemas.calls
                if any(f"{{{part}}}" in each.path for part in call.makes)
            }
    problems = [*_EVERY, *call.problems]
    if call.changes:
        problems += [Code.IN_PROGRESS, Code.ANSWER_LOST, Code.CONFLICT, Code.KEY_REUSED]
    if call.seen:
        problems.append(Code.CHANGED_MEANWHILE)
    if call.body is not NONE:
        problems += [Code.TOO_LARGE, Code.CONTENT_TYPE]
    elif call.changes:
        problems.append(Code.TOO_LARGE)
    by_status: dict[int, list[Code]] = {}
    for code in dict.fromkeys(problems):
        by_status.setdefault(KINDS[code].status, []).append(code)
    for status, codes in sorted(by_status.items()):
        name = "_".join(codes)
        schemas.responses[name] = {
            "description": "; ".join(f"`{code}`: {KINDS[code].title}" for code in codes),
            "content": {_PROBLEM: {"schema": schemas.of(ProblemDetails)}},
        }
        found[str(status)] = {"$ref": f"#/components/responses/{name}"}
    return found


def _content(call: Call, schemas: _Schemas) -> dict[str, Any]:
    if call.answer is NONE:
        return {}
    return {"content": {JSON: {"schema": schemas.of(call.answer)}}}


# --- the page ----------------------------------------------------------------------------------


def page() -> str:
    """Return the page of calls."""
    parts = [
        head("Calls of the management API", "src/simgrant/flows/management"),
        "What it is for, who may call, and what is the same for all calls:\n"
        "[The management API](../management-api.md). The same as a document for programs:\n"
        "`GET /v1/openapi.json`.\n",
    ]
    for name, about in GROUPS.items():
        parts.append(f"## {name.capitalize()}\n\n{about}\n")
        parts += [_call(call) for call in CALLS if call.group == name]
    parts += [
        "## Scopes\n",
        table(
            ("scope", "allows to", "roles"),
            (
                (
                    f"`{scope}`",
                    MEANINGS[scope],
                    ", ".join(role for role, scopes in ROLES.items() if scope in scopes),
                )
                for scope in Scope
            ),
        ),
        "## Problems\n",
        table(
            ("code", "status", "meaning"),
            ((f"`{code}`", str(kind.status), kind.title) for code, kind in KINDS.items()),
        ),
    ]
    return "\n".join(parts)


def _call(call: Call) -> str:
    found = [f"### {call.method} {call.path}\n", f"{call.about}. Scope `{call.scope}`.\n"]
    query = [
        (f"`{each['name']}`", str(each.get("description", "")))
        for each in _query_parameters(call)
        if each["name"] != "tenant"
    ]
    if query:
        found.append(table(("parameter", "meaning"), query))
    if call.body is not NONE:
        rows = list(_members(call.body))
        if rows:
            found.append("The body has:\n")
            found.append(table(("member", "meaning"), rows))
    return "\n".join(found)


def _members(kind: Any) -> Iterable[tuple[str, str]]:
    if not (isinstance(kind, type) and issubclass(kind, msgspec.Struct)):
        return
    prose = _prose(kind)
    for field in msgspec.structs.fields(kind):
        needed = "" if not field.required else " (must be there)"
        yield f"`{field.encode_name}`{needed}", prose.get(field.name, "")


ROOT: Final = Path(__file__).parents[1]


def rendered() -> dict[str, str]:
    """Return what each file has to hold."""
    text = msgspec.json.format(msgspec.json.encode(document()), indent=1).decode() + "\n"
    return {
        "src/simgrant/fronts/management/openapi.json": text,
        "docs/reference/management-api.md": page(),
    }


def main(arguments: list[str]) -> int:
    """Write the files, or compare them with ``--check``."""
    late = 0
    for name, text in rendered().items():
        path = ROOT / name
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        if "--check" in arguments:
            print(f"{name} is out of date; run: make docs", file=sys.stderr)
            late = 1
        else:
            path.write_text(text, encoding="utf-8")
    return late


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
