"""What the settings of HLRs mean, and what would keep one from being asked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from simgrant.config.model import Hlr, Settings
from simgrant.wire.gsup import PORT, is_name

_WORKER: Final = "%d"


def unit_name(hlr: Hlr, worker: int) -> str:
    """Return our name there in one worker."""
    return hlr.unit_name.replace(_WORKER, str(worker))


def place(hlr: Hlr) -> tuple[str, int]:
    """Return where an HLR listens; ValueError where the setting is no place."""
    host, colon, port = hlr.address.rpartition(":")
    if not colon or (":" in host and not host.startswith("[")):
        host, port = hlr.address, str(PORT)
    host = host.strip("[]")
    if not (port.isascii() and port.isdecimal() and 0 < int(port) < 1 << 16 and host):
        raise ValueError(f"{hlr.address!r} is not address:port")
    return host, int(port)


def hlr_problems(settings: Settings) -> Iterator[str]:
    """Name what is missing, malformed or claimed twice."""
    units: dict[tuple[str, str], str] = {}
    for name, hlr in settings.hlr.items():
        where = f"hlr.{name}"
        yield from _problems(where, hlr, settings.server.workers)
        unit = (hlr.address, hlr.unit_name)
        if (other := units.setdefault(unit, name)) != name:
            yield f"{where}: hlr.{other} has the same address and unit_name: one table is enough"


def _problems(where: str, hlr: Hlr, workers: int) -> Iterator[str]:
    if not hlr.address:
        yield f"{where}.address: must be set"
    else:
        try:
            place(hlr)
        except ValueError as error:
            yield f"{where}.address: {error}"
    if not hlr.unit_name:
        yield f"{where}.unit_name: must be set: the HLR sends its answers to a name"
    elif not is_name(unit_name(hlr, 0)):
        yield f"{where}.unit_name: {hlr.unit_name!r} is no name; letters, digits and - are meant"
    elif workers > 1 and _WORKER not in hlr.unit_name:
        yield f"{where}.unit_name: with several workers it needs %d, for the worker's number"


def shares_a_name(settings: Settings) -> str:
    """Return the setting by which all workers would have one name at an HLR; empty = none."""
    bad = (name for name, hlr in settings.hlr.items() if _WORKER not in hlr.unit_name)
    return next((f"hlr.{name}.unit_name" for name in bad), "")
