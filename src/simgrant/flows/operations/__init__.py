"""One operation of TS.43 per module, next to its table of the same name.

Above: ``flows.operate``, which checks a call against the table and words the answer. Below: the
ports, as far as `Means` has them. Putting ``<name>.py`` with an ``OPERATION`` and ``<name>.toml``
into this folder is all it takes to add one. What newcomers get wrong: an operation does not look
at who is asking; its table says who may.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import import_module
from pkgutil import iter_modules
from types import MappingProxyType

from simgrant.flows.operations.operation import Operation

__all__ = ["OPERATED", "OPERATIONS", "NotAnOperation", "collect"]

_NO_OPERATIONS = frozenset({"operation"})
"""Modules of this package that hold none."""


class NotAnOperation(TypeError):
    """Something in this folder is no operation, or has a name that is taken."""


def collect(offered: Iterable[tuple[str, object]]) -> Mapping[str, Operation]:
    """Return operations by name and by each misspelling, in lower case."""
    found: dict[str, Operation] = {}
    for place, operation in offered:
        if not isinstance(operation, Operation):
            raise NotAnOperation(f"{place} has no OPERATION that is an Operation")
        for name in (operation.name.lower(), *operation.spellings):
            if found.setdefault(name, operation) is not operation:
                raise NotAnOperation(f"{place} claims {name}, which another has already")
    return MappingProxyType(found)


def _ours() -> Iterable[tuple[str, object]]:
    for module in iter_modules(__path__, f"{__name__}."):
        if module.name.rpartition(".")[2] not in _NO_OPERATIONS:
            yield module.name, getattr(import_module(module.name), "OPERATION", None)


OPERATIONS: Mapping[str, Operation] = collect(_ours())
"""Every operation of this server, by what it may be called."""

OPERATED: frozenset[str] = frozenset(
    app for operation in OPERATIONS.values() for app in operation.proofs
)
"""The applications that have operations; to the others the parameter means nothing."""
