"""Holds HTTP messages against the definitions of TM Forum (Swagger 2.0), beside the checkout.

Stricter than they are: a member that no schema names is a mistake here. Lists may be filtered by
any member (TMF630), so a parameter that is not described has to be the way to one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

import pytest

from tests.openapi import TMF_FOLDER, check, load, pattern, resolved

FILES: Final = {
    "620": "tmf620-product-catalog",
    "622": "tmf622-product-ordering-management",
    "635": "tmf635-usage-management",
    "637": "tmf637-product-inventory",
    "638": "tmf638-service-inventory",
    "639": "tmf639-resource-inventory",
}
_KINDS: Final = {"integer": int, "string": str}


class Swagger:
    """One API, as its file describes it."""

    def __init__(self, number: str) -> None:
        """Take the number of an API; skips the test where its file is not there."""
        if not TMF_FOLDER.is_dir():
            pytest.skip(f"the definitions of TM Forum are not in {TMF_FOLDER}")
        content = load(FILES[number])
        root = content["basePath"].rstrip("/")
        self._operations = [
            (pattern(root + path), method.upper(), operation)
            for path, at in content["paths"].items()
            for method, operation in at.items()
        ]

    def request(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes = b""
    ) -> None:
        """Raise AssertionError unless this is a request that the file describes."""
        operation = self._operation(method, target)
        described = {each["name"]: each for each in operation.get("parameters", ())}
        for name, value in parse_qsl(target.partition("?")[2], keep_blank_values=True):
            if name in described:
                _KINDS[described[name]["type"]](value)
            else:
                _has_member(operation["responses"]["200"]["schema"], name.split("."))
        content = [each for each in described.values() if each["in"] == "body"]
        if content:
            kind = headers["content-type"].partition(";")[0]
            assert kind == "application/json", kind
            check(content[0]["schema"], json.loads(body))
        else:
            assert body == b"", "it has no body"

    def response(
        self, method: str, target: str, status: int, headers: Mapping[str, str], body: bytes
    ) -> None:
        """Raise AssertionError unless this is an answer that the file describes."""
        described = self._operation(method, target)["responses"]
        assert str(status) in described, f"{status} is not described"
        if "schema" in described[str(status)]:
            assert headers["content-type"] == "application/json;charset=utf-8"
            check(described[str(status)]["schema"], json.loads(body))
        else:
            assert body == b"", "it has no body"

    def event(self, content: object, event_type: str) -> None:
        """Raise AssertionError unless this is an event that its listener is told."""
        name = f"{event_type[0].lower()}{event_type[1:]}"
        for found, method, operation in self._operations:
            if method == "POST" and found.pattern.endswith(f"/listener/{name}"):
                (parameter,) = (each for each in operation["parameters"] if each["in"] == "body")
                check(parameter["schema"], content)
                return
        raise AssertionError(f"nobody listens to {event_type}")

    def _operation(self, method: str, target: str) -> Any:
        path = target.partition("?")[0]
        for found, known, operation in self._operations:
            if known == method and found.fullmatch(path):
                return operation
        raise AssertionError(f"there is no {method} of such a path")


def _has_member(schema: Any, way: list[str]) -> None:
    for name in ("", *way):
        found = resolved(schema)
        if found.get("type") == "array":
            found = resolved(found["items"])
        if name:
            assert name in found.get("properties", {}), f"there is no {name} to filter by"
            schema = found["properties"][name]
