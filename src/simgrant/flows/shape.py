"""What a family of clients needs changed in the applications of its documents (ADR 0019).

Services answer by the specification; what single clients read otherwise is done here, once for all
requests that are alike.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from simgrant.nouns import replace
from simgrant.spec.ids import AccessType, AppId, HomeRoamingNwType
from simgrant.wire.document import (
    Application,
    Characteristic,
    CharacteristicList,
    Item,
    Parm,
)

_LTE = Parm("AccessType", str(int(AccessType.LTE)))
_AT_HOME = frozenset(
    Parm("HomeRoamingNWType", str(int(where)))
    for where in (HomeRoamingNwType.ALL, HomeRoamingNwType.HOME)
)


class Shape(NamedTuple):
    """The changes; equal ones share their answers."""

    own_parameters: bool = True
    """Whether an operator's own parameters may be there; they are never made for who has none."""
    flat_voice: bool = False
    """Put the status of LTE at home beside the entries per access of ap2003."""
    parm_names: tuple[tuple[str, str], ...] = ()
    """Names of parms and what stands in their place."""


PLAIN = Shape()


def shaped(applications: tuple[Application, ...], shape: Shape) -> tuple[Application, ...]:
    """Return the applications as the family reads them."""
    if shape.flat_voice:
        applications = tuple(map(_with_flat_voice, applications))
    if shape.parm_names:
        names = dict(shape.parm_names)
        applications = tuple(
            replace(each, items=_renamed(each.items, names)) for each in applications
        )
    return applications


def _with_flat_voice(application: Application) -> Application:
    """Return ap2003 with the status of older clients beside the entries of newer ones.

    Divergence "volte-flat-beside-entries".
    """
    if application.app_id != AppId.VOICE_OVER_CELLULAR:
        return application
    for item in application.items:
        entries = item.entries if isinstance(item, CharacteristicList) else ()
        for entry in entries:
            if _LTE in entry.items and not _AT_HOME.isdisjoint(entry.items):
                status = next(parm for parm in _parms(entry) if parm.name == "EntitlementStatus")
                return replace(application, items=(status, *application.items))
    return application


def _parms(entry: Characteristic) -> Iterable[Parm]:
    return (item for item in entry.items if isinstance(item, Parm))


def _renamed(items: tuple[Item, ...], names: dict[str, str]) -> tuple[Item, ...]:
    """Return items with new names, but for one that another, an operator's own, has already."""
    taken = {item.name if isinstance(item, Parm) else item.type for item in items}
    found: list[Item] = []
    for item in items:
        if isinstance(item, Parm):
            name = names.get(item.name, item.name)
            found.append(item if name in taken else Parm(name, item.value))
        elif isinstance(item, Characteristic):
            found.append(replace(item, items=_renamed(item.items, names)))
        else:
            entries = (replace(each, items=_renamed(each.items, names)) for each in item.entries)
            found.append(replace(item, entries=tuple(entries)))
    return tuple(found)
