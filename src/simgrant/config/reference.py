"""Render the configuration reference from the tables of settings (``--check`` compares it).

A setting's prose is the string under its field, read from the source: the
documentation cannot say something else than the code.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from simgrant.config import (
    api_tables,
    bss_tables,
    camara_books,
    camara_purposes,
    camara_tables,
    model,
    questions,
    rest_tables,
)
from simgrant.config.load import NAMED
from simgrant.config.section import bounds_of, table_in

_MODULES = (
    model,
    api_tables,
    bss_tables,
    camara_books,
    camara_purposes,
    camara_tables,
    questions,
    rest_tables,
)
_PAGE = "docs/reference/configuration.md"
_HEAD = """# Configuration reference

<!-- Made by `make docs` from src/simgrant/config/model.py. Do not edit. -->

One TOML file, given with `--config` or found as `simgrant.toml` in the current
directory. Every value can be set by the environment as
`SIMGRANT__SECTION__KEY`, which wins over the file. Everything has a default;
an empty file is a working configuration.
"""


def render() -> str:
    """Return the reference as Markdown."""
    prose = _prose()
    parts = [_HEAD]
    for section in msgspec.structs.fields(model.Settings):
        kind: Any = NAMED.get(section.name, section.type)
        title = f"{section.name}.NAME" if section.name in NAMED else section.name
        parts.extend(_section(title, kind, prose))
    return "\n".join(parts)


def _section(title: str, kind: Any, prose: dict[tuple[str, str], str]) -> Iterator[str]:
    """Yield a table of settings, and after it the tables inside it."""
    yield f"## [{title}]\n\n{inspect.getdoc(kind)}\n"
    yield "| key | default | meaning |\n| --- | --- | --- |"
    inside: list[tuple[str, Any]] = []
    for field in msgspec.structs.fields(kind):
        if table := table_in(field.type):
            named = "" if isinstance(field.type, type) else ".NAME"
            inside.append((f"{title}.{field.name}{named}", table))
        text = _text(prose, kind, field.name).replace("|", "\\|")
        if within := bounds_of(field.type):
            text += f" From {within}."
        yield f"| `{field.name}` | `{_shown(field)}` | {text} |"
    yield ""
    for name, nested in inside:
        yield from _section(name, nested, prose)


def undocumented() -> list[str]:
    """Return the settings without prose."""
    prose = _prose()
    kinds = [
        kind
        for module in _MODULES
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, model.Section)
    ]
    return [
        f"{kind.__name__}.{field.name}"
        for kind in kinds
        if kind is not model.Settings
        for field in msgspec.structs.fields(kind)
        if not _text(prose, kind, field.name)
    ]


def _text(prose: dict[tuple[str, str], str], kind: type, name: str) -> str:
    """Return a setting's prose, from the section or from what it is made from; empty if none."""
    return next(
        (prose[each.__name__, name] for each in kind.mro() if (each.__name__, name) in prose), ""
    )


def _prose() -> dict[tuple[str, str], str]:
    found = {}
    for node in (node for each in _MODULES for node in ast.parse(inspect.getsource(each)).body):
        if isinstance(node, ast.ClassDef):
            for field, text in zip(node.body, node.body[1:], strict=False):
                match field, text:
                    case (
                        ast.AnnAssign(target=ast.Name(id=name)),
                        ast.Expr(value=ast.Constant(value=str(words))),
                    ):
                        found[node.name, name] = " ".join(words.split())
    return found


def _shown(field: msgspec.structs.FieldInfo) -> str:
    default = field.default
    if default is msgspec.NODEFAULT:
        default = field.default_factory()
    if isinstance(default, model.Section):
        default = {}
    return msgspec.json.encode(default).decode()


def main(arguments: list[str]) -> int:
    """Write the page (by default the one in docs), or compare it with ``--check``."""
    check = "--check" in arguments
    page = Path(next((name for name in arguments if name != "--check"), _PAGE))
    text = render()
    if not check:
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(text, encoding="utf-8")
        return 0
    missing = undocumented()
    if missing:
        print("settings without prose: " + ", ".join(missing), file=sys.stderr)
        return 1
    if not page.exists() or page.read_text(encoding="utf-8") != text:
        print(f"{page} is out of date; run: make docs", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
