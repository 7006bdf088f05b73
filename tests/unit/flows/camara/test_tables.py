"""The tables of partner APIs and the types beside them say what the released definitions say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, get_args, get_type_hints

import msgspec
import pytest

from simgrant.domain.camara.access_token import Subject
from simgrant.flows.camara import api as api_module
from simgrant.flows.camara.api import Answer, Api, ApiOperation, Empty, Routes
from simgrant.flows.camara.apis import APIS
from simgrant.flows.camara.problem import KINDS, Code, Problem
from simgrant.flows.camara.serve_api import ApiReply
from simgrant.identities import Imsi
from tests.camara_definitions import body_of, codes, document, properties, resolved

OPERATIONS = [(api, operation) for api in APIS.values() for operation in api.operations]


def named(value: object) -> str:
    return value.name if isinstance(value, Api) else getattr(value, "id", "")


def test_an_api_has_the_version_and_the_path_of_its_definition() -> None:
    assert len(APIS) >= 8
    for api in APIS.values():
        found = document(api.name)
        assert found["info"]["version"] == api.version
        (server,) = found["servers"]
        assert server["url"] == "{apiRoot}" + api.path


def test_an_api_has_the_operations_of_its_definition() -> None:
    for api in APIS.values():
        defined = {
            (each["operationId"], method.upper(), path)
            for path, at in document(api.name)["paths"].items()
            for method, each in at.items()
        }
        assert {(each.id, each.method, each.path) for each in api.operations} == defined


@pytest.mark.parametrize(("api", "operation"), OPERATIONS, ids=named)
def test_an_operation_is_as_its_definition_says(api: Api, operation: ApiOperation) -> None:
    defined = document(api.name)["paths"][operation.path][operation.method.lower()]
    scopes = [scope for each in defined["security"] for scope in each["openId"]]
    assert operation.scopes == set(scopes)
    # Of those that have a type of event in them, the one of the type that is meant does.
    assert all(
        len(each["openId"]) == 1 or all(scope.endswith(":create") for scope in each["openId"])
        for each in defined["security"]
    )
    refusals = {
        code
        for status, answer in defined["responses"].items()
        if not status.startswith("2")
        for code in codes(api.name, body_of(api.name, answer))
    }
    assert operation.codes == refusals


@pytest.mark.parametrize(("api", "operation"), OPERATIONS, ids=named)
def test_bodies_have_the_members_of_the_definition(api: Api, operation: ApiOperation) -> None:
    defined = document(api.name)["paths"][operation.path][operation.method.lower()]
    if "requestBody" in defined:
        _same(
            operation.handler.body, *properties(api.name, body_of(api.name, defined["requestBody"]))
        )
    else:
        assert operation.handler.body is Empty
    answered = next(each for status, each in defined["responses"].items() if status[0] == "2")
    if "content" not in resolved(api.name, answered):
        assert operation.handler.content is None
        return
    assert operation.handler.content is not None
    answer = resolved(api.name, body_of(api.name, answered))
    answer = answer.get("items", answer)
    _same(operation.handler.content, *properties(api.name, answer))


def _same(kind: type[msgspec.Struct], defined: dict[str, Any], required: set[str]) -> None:
    fields = msgspec.structs.fields(kind)
    assert {each.encode_name for each in fields} == defined.keys()
    assert {each.encode_name for each in fields if each.required} == required


@pytest.mark.parametrize("code", list(Code))
def test_a_code_has_one_status_everywhere(code: Code) -> None:
    said = Problem(code)
    assert said.status == KINDS[code].status
    assert said.message
    assert re.fullmatch(r"([A-Z_]+\.)?[A-Z_]+", said.code)
    for api in APIS.values():
        for answer in document(api.name)["components"]["responses"].values():
            answer = resolved(api.name, answer)
            schema = body_of(api.name, answer)
            if code in codes(api.name, schema):
                assert KINDS[code].status in _statuses(api.name, schema)


def _statuses(api: str, schema: dict[str, Any]) -> set[int]:
    schema = resolved(api, schema)
    found = set(schema.get("properties", {}).get("status", {}).get("enum", ()))
    for part in schema.get("allOf", ()):
        found |= _statuses(api, part)
    return found


def test_number_verification_is_for_one_call_and_needs_a_proof() -> None:
    for operation in APIS["number-verification"].operations:
        assert operation.single_use
        assert operation.legs == {3}
        assert operation.methods == {"sim", "nba"}


def test_a_path_leads_to_its_operation() -> None:
    routes = Routes(APIS.values())
    assert routes.at("/number-verification/v2/verify").operations.keys() == {"POST"}
    assert routes.at("/number-verification/v2/device-phone-number").operations.keys() == {"GET"}
    assert not routes.at("/number-verification/v2").operations
    assert not routes.at("/number-verification/v2/verify/").operations
    above = "/sim-swap-subscriptions/v0.3/subscriptions"
    assert routes.at(above).operations.keys() == {"GET", "POST"}
    one = routes.at(f"{above}/123")
    assert one.resource == "123"
    assert one.operations.keys() == {"GET", "DELETE"}
    assert not routes.at(f"{above}/").operations
    assert not routes.at(f"{above}/1/2").operations
    assert len(routes.all) == len(OPERATIONS)


def test_nothing_that_is_answered_has_an_imsi() -> None:
    kinds = list(_kinds(ApiReply))
    for _, operation in OPERATIONS:
        if operation.handler.content is not None:
            kinds += _kinds(operation.handler.content)
    assert len(kinds) > 15
    assert not any(kind is Imsi for kind in kinds)
    for kind in kinds:
        for name in getattr(kind, "__annotations__", {}):
            assert "imsi" not in name.lower()
    # The walk finds one where there is one.
    assert Imsi in set(_kinds(Subject))
    assert Imsi in set(_kinds(api_module.Task))
    assert Imsi not in set(_kinds(Answer))


def _kinds(kind: Any, seen: set[Any] | None = None) -> Iterator[Any]:
    """Yield a type and all that its fields are made of."""
    seen = set() if seen is None else seen
    if kind in seen:
        return
    seen.add(kind)
    yield kind
    for part in get_args(kind):
        if not isinstance(part, str | int | float | msgspec.Meta):
            yield from _kinds(part, seen)
    if isinstance(kind, type) and kind.__module__.startswith("simgrant."):
        for part in get_type_hints(kind).values():
            yield from _kinds(part, seen)
