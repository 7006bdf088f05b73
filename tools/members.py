"""Finds which members of enumerations the expressions of some modules may be, without running them.

A name is followed to what is assigned to it in its function, a parameter to what its calls hand on,
by the function's name, and an entry of a module's table to those of its keys.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from typing import TypeAlias

Member: TypeAlias = tuple[str, str]
"""Names of an enumeration and of its member."""
_Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef


class Members:
    """The members that expressions may be, wherever they come from within the same modules."""

    def __init__(self, trees: Iterable[ast.Module], enumerations: Iterable[str]) -> None:
        """``enumerations`` are the names of those that matter."""
        self._enumerations = frozenset(enumerations)
        self._within: dict[ast.AST, _Function] = {}
        self._calls: dict[str, list[ast.Call]] = {}
        self._tables: dict[str, ast.Dict] = {}
        for tree in trees:
            self._look(tree, None)

    def of(self, node: ast.expr) -> frozenset[Member]:
        """Return what an expression of the modules may be; nothing where that is not seen."""
        return frozenset(self._of(node, frozenset()))

    def _look(self, node: ast.AST, within: _Function | None) -> None:
        if within is not None:
            self._within[node] = within
        match node:
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
                self._calls.setdefault(name, []).append(node)
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=ast.Dict() as table)
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.Dict() as table)
            ) if within is None:
                self._tables[name] = table
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                within = node
            case _:
                pass
        for child in ast.iter_child_nodes(node):
            self._look(child, within)

    def _of(self, node: ast.expr, seen: frozenset[tuple[_Function, str]]) -> Iterator[Member]:
        match node:
            case ast.Attribute(value=ast.Name(id=owner), attr=name) if owner in self._enumerations:
                yield owner, name
            case ast.IfExp(body=body, orelse=orelse):
                yield from self._of(body, seen)
                yield from self._of(orelse, seen)
            case ast.Subscript(value=ast.Name(id=name), slice=key) if name in self._tables:
                wanted = set(self._of(key, seen))
                table = self._tables[name]
                for one, value in zip(table.keys, table.values, strict=True):
                    if one is not None and (not wanted or wanted & set(self._of(one, seen))):
                        yield from self._of(value, seen)
            case ast.Name(id=name) if node in self._within:
                function = self._within[node]
                if (function, name) not in seen:
                    for each in self._bound(function, name):
                        yield from self._of(each, seen | {(function, name)})
            case _:
                return

    def _bound(self, function: _Function, name: str) -> Iterator[ast.expr]:
        """Yield what a name may stand for in a function."""
        for node in ast.walk(function):
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    yield from _assigned(target, node.value, name)
        arguments = function.args
        own = [each.arg for each in (*arguments.posonlyargs, *arguments.args)]
        keyed = dict(
            zip((each.arg for each in arguments.kwonlyargs), arguments.kw_defaults, strict=True)
        )
        if name not in own and name not in keyed:
            return
        defaults = dict(zip(reversed(own), reversed(arguments.defaults), strict=False)) | keyed
        if (default := defaults.get(name)) is not None:
            yield default
        places = [each for each in own if each not in ("self", "cls")]
        for call in self._calls.get(function.name, ()):
            yield from (each.value for each in call.keywords if each.arg == name)
            if name in places[: len(call.args)]:
                yield call.args[places.index(name)]


def _assigned(target: ast.expr, value: ast.expr, name: str) -> Iterator[ast.expr]:
    match target, value:
        case ast.Name(id=called), _ if called == name:
            yield value
        case ast.Tuple(elts=targets), ast.Tuple(elts=values) if len(targets) == len(values):
            for one, each in zip(targets, values, strict=True):
                yield from _assigned(one, each, name)
        case _:
            return
