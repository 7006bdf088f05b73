"""Expressions of rules in CEL, by the library of its authors (the extra ``cel``).

It is typed: an expression over names that nobody declared, or that yields anything but a truth, is
refused when the policy is read. It counts what it does in lists and stops.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from simgrant.domain.expressions import (
    BadExpression,
    Evaluate,
    ExpressionFailed,
    Expressions,
    Kind,
)

_LIBRARY = "cel_expr_python.cel"
_UNKNOWN = re.compile(r"undeclared reference to '(\w+)'")
_HEAD = re.compile(r"^(?:[A-Z_]+: )?(?:ERROR: )?(?:<input>:(\d+):(\d+): )?")
_MOST_SAID = 120


def open_expressions() -> Expressions | None:
    """Return what compiles CEL; None where the extra is not installed.

    The library itself is loaded for the first expression, which most policies have none of.
    """
    package, _, _ = _LIBRARY.partition(".")
    return Cel() if find_spec(package) is not None else None


class Cel:
    """Compiles expressions and evaluates them."""

    def compile(self, text: str, declared: Mapping[str, Kind]) -> Evaluate:
        """Return a checked expression over the names declared; raise BadExpression."""
        cel = import_module(_LIBRARY)
        types = {
            Kind.TRUTH: cel.Type.BOOL,
            Kind.NUMBER: cel.Type.INT,
            Kind.TEXT: cel.Type.STRING,
            Kind.TEXTS: cel.Type.List(cel.Type.STRING),
        }
        try:
            env = cel.NewEnv(variables={name: types[kind] for name, kind in declared.items()})
            made = env.compile(text)
            kind = made.return_type()
        except Exception as error:
            # The binding raises RuntimeError for what is wrong, TypeError for what is no text.
            raise _bad(error) from None
        if kind != cel.Type.BOOL:
            raise BadExpression(f"yields {kind.name()}, not bool")

        def evaluate(values: Mapping[str, object]) -> bool:
            try:
                value: Any = made.eval(data=values).value()
            except Exception as error:
                # Whatever the binding raises: it must be a denial, and no fault of the server.
                raise ExpressionFailed(_said(error)) from None
            if value is True or value is False:
                return value
            raise ExpressionFailed(_said(value))

        return evaluate


def _bad(error: Exception) -> BadExpression:
    if not isinstance(error, RuntimeError):
        return BadExpression("is no text of characters")
    found = _UNKNOWN.search(str(error))
    return BadExpression(_said(error), found[1] if found else "")


def _said(error: object) -> str:
    """Return the first line of what the library says, without its own names of places."""
    line = str(error).partition("\n")[0]
    place = _HEAD.match(line)
    said = line[place.end() :] if place else line
    said = said.removesuffix("]").rpartition(" [")[0] or said if said.endswith("]") else said
    # What it would have taken instead is all of its grammar.
    said = said.partition(" expecting {")[0]
    at = f" (at {place[1]}:{place[2]})" if place and place[1] else ""
    printable = "".join(char if char.isprintable() else "�" for char in said[:_MOST_SAID])
    return f"{printable}{at}"
