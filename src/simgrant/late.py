"""``Late``: a group of commands, each built when somebody calls it or asks for it.

typer builds every command of an application at the start, which takes longer than most of ours
run.
"""

from __future__ import annotations

from collections import UserDict
from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, ClassVar, TypeAlias

import typer
from typer.core import TyperGroup

Hung: TypeAlias = typer.Typer | Callable[..., None]
"""What hangs under a name: a group, or the function of one command."""


class Late(TyperGroup):
    """A group whose class says what hangs in it, in the order of its help."""

    hung: ClassVar[Mapping[str, Hung]] = MappingProxyType({})

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = _Built(self.hung)


class _Built(UserDict[str, Any]):
    """Commands by name, each built as it is looked up."""

    def __getitem__(self, name: str) -> Any:
        return _build(name, super().__getitem__(name))


@cache
def _build(name: str, hung: Hung) -> Any:
    if isinstance(hung, typer.Typer):
        command: Any = typer.main.get_group(hung)
    else:
        alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        alone.command(name)(hung)
        command = typer.main.get_command(alone)
    command.name = name
    return command
