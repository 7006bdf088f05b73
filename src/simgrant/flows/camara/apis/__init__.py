"""The partner APIs that there are, one module each beside its table.

Putting ``<name>.py`` with an ``API`` and ``<name>.toml`` into this folder is all it takes to add
one.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from types import MappingProxyType
from typing import Final

from simgrant.flows.camara.api import Api


def _found() -> dict[str, Api]:
    modules = (import_module(f"{__name__}.{each.name}") for each in iter_modules(__path__))
    return {api.name: api for api in (module.API for module in modules)}


APIS: Final = MappingProxyType(_found())
"""By name."""
