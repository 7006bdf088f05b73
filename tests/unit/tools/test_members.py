"""What the expressions of some modules may be, by their source."""

from __future__ import annotations

import ast

import pytest

from tools import reference
from tools.members import Members

SOURCE = """
TABLE = {Kind.A: Code.ONE, Kind.B: Code.TWO}

def plain(): refuse(Code.ONE)
def either(is_one): refuse(Code.ONE if is_one else Code.TWO)
def named():
    now, error = 1, Code.TWO
    refuse(error)
def looked_up(kind): refuse(TABLE[kind])
def whole_table(row): refuse(TABLE[row.kind])
def with_default(error=Code.THREE): refuse(error)
def unseen(error): refuse(error)
def other(): refuse(Other.ONE)
def again(error): again(error); refuse(error)

class Thing:
    def by_place(self, first, error): refuse(error)
    async def by_name(self, *, error=Code.ONE): refuse(error)

def caller(thing):
    looked_up(Kind.B)
    with_default(Code.ONE)
    thing.by_place(0, Code.TWO)
    thing.by_name(error=Code.THREE)
    again(Code.TWO)
"""


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        ("plain", "ONE"),
        ("either", "ONE TWO"),
        ("named", "TWO"),
        ("looked_up", "TWO"),
        ("whole_table", "ONE TWO"),
        ("with_default", "ONE THREE"),
        ("unseen", ""),
        ("other", ""),
        ("again", "TWO"),
        ("by_place", "TWO"),
        ("by_name", "ONE THREE"),
    ],
)
def test_a_name_is_followed_to_what_it_stands_for(function: str, expected: str) -> None:
    tree = ast.parse(SOURCE)
    members = Members([tree], ["Code", "Kind"])
    (within,) = (
        each
        for each in ast.walk(tree)
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef) and each.name == function
    )
    (call,) = (
        each
        for each in ast.walk(within)
        if isinstance(each, ast.Call) and ast.unparse(each.func) == "refuse"
    )
    assert {name for _, name in members.of(call.args[0])} == set(expected.split())


def test_partners_are_told_what_the_code_hands_on() -> None:
    found = reference.partner_reasons()
    assert found["assertion_over"] == {"invalid_client", "invalid_grant", "invalid_request_object"}
    assert found["assertion_replayed"] == found["assertion_over"] | {"invalid_dpop_proof"}
    assert found["polled_too_often"] == {"slow_down"}
    assert found["request_pending"] == {"authorization_pending"}
    assert found["quota_exceeded"] == {"QUOTA_EXCEEDED"}
    assert found["request_over"] == {"expired_token", "invalid_grant"}
