"""Which test claims to show which requirement, read from the tests without running them.

A test claims with ``@pytest.mark.conforms("id", …)``, or one of its cases does with
``pytest.param(…, marks=pytest.mark.conforms("id"))``, in the decorator or in a list of the
module that the decorator names.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TypeGuard

from simgrant.nouns import noun

MARK = "conforms"


@noun
class Claim:
    """A test says that it shows a requirement, or all that a pattern with ``*`` stands for."""

    pattern: str
    file: str
    """Path from the root of the repository."""
    test: str
    """Its name, behind that of its class if it is in one."""


@noun
class Found:
    """The claims of all tests, and what looks like a claim and is none."""

    claims: list[Claim]
    problems: list[str]


def find(root: Path) -> Found:
    """Return what the tests below ``root/tests`` claim."""
    found = Found([], [])
    for path in sorted((root / "tests").rglob("*.py")):
        text = path.read_text("utf-8")
        if MARK in text:
            read = _read(path.relative_to(root).as_posix(), text)
            found.claims.extend(read.claims)
            found.problems.extend(read.problems)
    return found


@cache
def _read(file: str, text: str) -> Found:
    """Return what a file's text claims; read once, however often it is asked for."""
    tree, found = ast.parse(text), Found([], [])
    lists = {
        target.id: node
        for node in tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    }
    placed: set[ast.Call] = set()
    for name, decorators in _tests(tree) if Path(file).name.startswith("test_") else ():
        calls = [*_calls(decorators)]
        for node in list(_walk(decorators)):
            if isinstance(node, ast.Name) and node.id in lists:
                calls += _calls([lists[node.id]])
        placed.update(calls)
        if calls and any(_is_mark(each, ("skip", "xfail")) for each in decorators):
            found.problems.append(f"{file}::{name} claims, and need not pass")
        for call in calls:
            texts = [each.value for each in call.args if isinstance(each, ast.Constant)]
            patterns = [text for text in texts if isinstance(text, str)]
            if not patterns or len(patterns) != len(call.args) or call.keywords:
                found.problems.append(f"{file}:{call.lineno}: a claim names its ids as texts")
            found.claims.extend(Claim(pattern, file, name) for pattern in patterns)
    found.problems.extend(
        f"{file}:{call.lineno}: a claim that is no test's"
        for call in _calls([tree])
        if call not in placed
    )
    return found


def _tests(tree: ast.Module) -> Iterator[tuple[str, list[ast.expr]]]:
    """Yield each test as pytest collects it, with its decorators and those of its class."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name.startswith("Test"):
            for each in node.body:
                if _is_test(each):
                    yield f"{node.name}::{each.name}", node.decorator_list + each.decorator_list
        elif _is_test(node):
            yield node.name, node.decorator_list


def _is_test(node: ast.stmt) -> TypeGuard[ast.FunctionDef | ast.AsyncFunctionDef]:
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test")


def _calls(nodes: Sequence[ast.AST]) -> Iterator[ast.Call]:
    for node in _walk(nodes):
        if isinstance(node, ast.Call) and _is_mark(node, (MARK,)):
            yield node


def _walk(nodes: Sequence[ast.AST]) -> Iterator[ast.AST]:
    for node in nodes:
        yield from ast.walk(node)


def _is_mark(node: ast.expr, names: Collection[str]) -> bool:
    mark = node.func if isinstance(node, ast.Call) else node
    return isinstance(mark, ast.Attribute) and mark.attr in names
