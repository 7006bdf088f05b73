"""Holds HTTP messages against the OpenAPI files of 3GPP, which lie beside the checkout.

They are not ours to hand on: `shared/spec/3gpp` has what github.com/jdegre/5GC_APIs (Rel-18) has,
`shared/spec/tmf` the definitions of TM Forum (tests/swagger.py).
Stricter than OpenAPI: a member that no schema names is a mistake here. What refers to a file that
is not there may be anything.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

import jsonschema_rs
import pytest
import yaml

_SPEC: Final = Path(__file__).parents[2] / "shared/spec"
FOLDER: Final = _SPEC / "3gpp"
TMF_FOLDER: Final = _SPEC / "tmf"
_HERE: Final = "#/definitions/"
_PROBLEM: Final = "application/problem+json"
_COMMON: Final = "TS29571_CommonData"
_PROBLEM_DETAILS: Final = {"$ref": f"{_HERE}{_COMMON}.components.schemas.ProblemDetails"}
_VARIABLE: Final = re.compile(r"\{[^}]*\}")


def are_there() -> bool:
    """Tell whether there is anything to hold messages against."""
    return FOLDER.is_dir()


class Api:
    """One service, as its file describes it."""

    def __init__(self, file: str) -> None:
        """Take the name of a file without its ending; skips the test where it is not there."""
        if not are_there():
            pytest.skip(f"the definitions of 3GPP are not in {FOLDER}")
        content = load(file)
        (server,) = content.get("servers", [{"url": "{apiRoot}"}])
        root = server["url"].removeprefix("{apiRoot}")
        self._operations = [
            (pattern(root + path), method.upper(), at)
            for path, at in content["paths"].items()
            for method in at
        ]

    def request(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes = b""
    ) -> None:
        """Raise AssertionError unless this is a request that the file describes."""
        operation, values = self._operation(method, target)
        query = parse_qsl(target.partition("?")[2], keep_blank_values=True)
        left = {("query", name): value for name, value in query}
        assert len(left) == len(query), "a parameter is repeated"
        left |= {("path", name): value for name, value in values.items()}
        for parameter in operation.get("parameters", ()):
            value = left.pop((parameter["in"], parameter["name"]), None)
            if value is not None:
                _parameter(parameter, value)
            else:
                there = parameter["in"] == "header" and parameter["name"].lower() in headers
                assert there or not parameter.get("required"), parameter["name"]
        assert not left, f"it has no parameters {sorted(name for _, name in left)}"
        if "requestBody" in operation:
            _body(resolved(operation["requestBody"])["content"], headers, body)
        else:
            assert body == b"", "it has no body"

    def response(
        self, method: str, target: str, status: int, headers: Mapping[str, str], body: bytes
    ) -> None:
        """Raise AssertionError unless this is an answer that the file describes.

        What it does not say of a status is as all services have it.
        """
        operation, _ = self._operation(method, target)
        found = load(_COMMON)["components"]["responses"] | operation["responses"]
        response = resolved(found.get(str(status), operation["responses"]["default"]))
        for name, header in response.get("headers", {}).items():
            value = headers.get(name.lower())
            assert value is not None or not header.get("required"), name
            if value is not None and "schema" in header:
                check(header["schema"], value)
        if "content" in response:
            _body(response["content"], headers, body)
        elif body:
            assert headers.get("content-type") == _PROBLEM, "what is not described is a problem"
            check(_PROBLEM_DETAILS, json.loads(body))

    def _operation(self, method: str, target: str) -> tuple[Any, dict[str, str]]:
        """Return an operation, and the variable parts of its path."""
        path = target.partition("?")[0]
        for pattern, known, at in self._operations:
            if known == method and (match := pattern.fullmatch(path)):
                operation = at[method.lower()]
                parameters = operation.get("parameters", ())
                names = [each["name"] for each in parameters if each["in"] == "path"]
                return operation, dict(zip(names, map(unquote, match.groups()), strict=True))
        raise AssertionError(f"there is no {method} of such a path")


def _parameter(parameter: Any, value: str) -> None:
    if "content" in parameter:
        check(parameter["content"]["application/json"]["schema"], json.loads(value))
        return
    told: Any = value
    match resolved(parameter["schema"]).get("type"):
        case "array":
            assert parameter.get("explode") is False, "not known how"
            told = value.split(",")
        case "integer":
            told = int(value)
        case "boolean":
            told = {"true": True, "false": False}[value]
    check(parameter["schema"], told)


def _body(content: Any, headers: Mapping[str, str], body: bytes) -> None:
    kind = headers.get("content-type", "").partition(";")[0].strip()
    assert kind in content, f"{kind!r} is none of {sorted(content)}"
    if kind == "application/x-www-form-urlencoded":
        told: Any = dict(parse_qsl(body.decode(), strict_parsing=True))
    else:
        told = json.loads(body)
    check(content[kind]["schema"], told)


def resolved(schema: Any) -> Any:
    """Return what a reference means."""
    while "$ref" in schema:
        file, *parts = schema["$ref"].removeprefix(_HERE).split(".")
        schema = load(file)
        for part in parts:
            schema = schema[part]
    return schema


def pattern(path: str) -> re.Pattern[str]:
    """Return what matches a path with variable parts."""
    return re.compile("([^/]+)".join(map(re.escape, _VARIABLE.split(path))))


def check(schema: Any, instance: Any) -> None:
    """Raise AssertionError unless an instance is as a schema has it."""
    problems = [
        f"{'/'.join(map(str, each.instance_path))}: {each.message}"
        for each in _validator(json.dumps(schema)).iter_errors(instance)
    ]
    assert not problems, problems


@cache
def _validator(schema: str) -> jsonschema_rs.Draft4Validator:
    """Return what validates by a schema, with all that it refers to."""
    whole = json.loads(schema)
    definitions: dict[str, Any] = {}
    waiting = [whole]
    while waiting:
        for each in _tables_in(waiting.pop()):
            name = each.get("$ref", "").removeprefix(_HERE)
            if name and name not in definitions:
                definitions[name] = resolved(each)
                waiting.append(definitions[name])
    return jsonschema_rs.Draft4Validator(
        {"allOf": [whole], "definitions": definitions}, validate_formats=True
    )


@cache
def load(file: str) -> Any:
    """Return a file as JSON Schema has it, as far as it differs.

    A reference is the name of a definition, made of the file's and the way in it.
    """
    # What is JSON is YAML too.
    content = yaml.load(_path(file).read_bytes(), yaml.CSafeLoader)
    for each in _tables_in(content):
        if isinstance(reference := each.get("$ref"), str):
            other, _, pointer = reference.partition("#")
            stem = other.removesuffix(".yaml") or file
            each.clear()
            if _path(stem).exists():
                each["$ref"] = f"{_HERE}{stem}{pointer.replace('/', '.')}"
        if each.pop("nullable", False) is True and isinstance(each.get("type"), str):
            each["type"] = [each["type"], "null"]
        if each.get("type") == "object" and isinstance(each.get("properties"), dict):
            each.setdefault("additionalProperties", False)
    return content


def _path(file: str) -> Path:
    found = TMF_FOLDER / f"{file}.json"
    return found if found.exists() else FOLDER / f"{file}.yaml"


def _tables_in(content: Any) -> Iterator[dict[str, Any]]:
    if isinstance(content, dict):
        yield content
        for each in tuple(content.values()):
            yield from _tables_in(each)
    elif isinstance(content, list):
        for each in content:
            yield from _tables_in(each)
