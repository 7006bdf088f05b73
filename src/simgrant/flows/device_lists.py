"""The lists of devices that are in use; whoever reads a newer file puts it here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from simgrant.domain.device_lists import EidList, Listing, TacList
from simgrant.domain.facts import NOBODY, Fact


class DeviceLists:
    """Lists by the names that the settings give them."""

    def __init__(self, tacs: Mapping[str, TacList], eids: Mapping[str, EidList]) -> None:
        self._tacs = dict(tacs)
        self._eids = dict(eids)

    def take_tacs(self, name: str, newer: TacList) -> None:
        """Use a newer list from now on."""
        self._tacs[name] = newer

    def take_eids(self, name: str, newer: EidList) -> None:
        """Use a newer list from now on."""
        self._eids[name] = newer

    def sizes(self) -> Iterator[tuple[str, int]]:
        """Yield how many rows each list has."""
        for lists in (self._tacs, self._eids):
            yield from ((name, len(found)) for name, found in lists.items())

    def of_tac(self, name: str, tac: str) -> Fact[Listing]:
        """Return what a list says of a TAC; nothing where there is no list."""
        found = self._tacs.get(name)
        return _NOTHING if found is None else Fact(found.of(tac), f"list {name}")

    def of_eid(self, name: str, eid: str) -> Fact[Listing]:
        """Return what a list says of an EID; nothing where there is no list."""
        found = self._eids.get(name)
        return _NOTHING if found is None else Fact(found.of(eid), f"list {name}")


_NOTHING = Fact(Listing.UNLISTED, NOBODY)
