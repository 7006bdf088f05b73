"""The released OpenAPI and Gherkin files of CAMARA, which lie beside the checkout.

They are not ours to hand on: `shared/spec/camara` has them as github.com/camaraproject does.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

RELEASED: Final = Path(__file__).parents[2] / "shared/spec/camara/released"


def need(path: Path) -> Path:
    """Return a file that has to be there; where nobody minds, skip the test without it."""
    if not path.exists():
        word = f"the definitions of CAMARA are not in {RELEASED}"
        pytest.fail(word) if os.environ.get("CI") else pytest.skip(word)
    return path


def file_of(api: str) -> Path:
    """Return the OpenAPI file of an API."""
    found = sorted(need(RELEASED).glob(f"*/API_definitions/{api}.yaml"))
    assert len(found) == 1, f"{api} has {len(found)} definitions"
    return found[0]


def feature(api: str, name: str) -> Path:
    """Return a Gherkin file, by the names of its repository and its own."""
    return need(RELEASED / api / "Test_definitions" / f"{name}.feature")


@cache
def document(api: str) -> dict[str, Any]:
    """Return the definition of an API."""
    found: dict[str, Any] = yaml.load(file_of(api).read_text(), yaml.CSafeLoader)
    return found


def resolved(api: str, node: dict[str, Any]) -> dict[str, Any]:
    """Return what a node of a definition refers to."""
    while "$ref" in node:
        found: Any = document(api)
        for part in node["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        node = found
    return node


def properties(api: str, schema: dict[str, Any]) -> tuple[dict[str, Any], set[str]]:
    """Return the members of an object, and the names of those that it must have."""
    schema = resolved(api, schema)
    found, required = dict(schema.get("properties", {})), set(schema.get("required", ()))
    for part in schema.get("allOf", ()):
        more, needed = properties(api, part)
        found |= more
        required |= needed
    return found, required


def codes(api: str, schema: dict[str, Any]) -> set[str]:
    """Return the codes that an error may have."""
    schema = resolved(api, schema)
    found = set(resolved(api, schema.get("properties", {}).get("code", {})).get("enum", ()))
    for kind in ("allOf", "oneOf", "anyOf"):
        for part in schema.get(kind, ()):
            found |= codes(api, part)
    return found


def body_of(api: str, content: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a request or an answer."""
    found: dict[str, Any] = resolved(api, content)["content"]["application/json"]["schema"]
    return found
