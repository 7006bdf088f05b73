"""Which sources of vectors a SIM's vectors come from, in order: the most specific route."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator

from simgrant.identities import Imsi
from simgrant.nouns import named_noun, noun

LOCAL_AUC = "local_auc"
"""The name of our own AuC among the sources."""
ANY_TENANT = ""


@named_noun
class Route:
    """Sources in the order in which they are asked, and for whom."""

    name: str
    sources: tuple[str, ...]
    tenants: tuple[str, ...] = ()
    """Empty = every tenant."""
    imsis: tuple[tuple[str, str], ...] = ()
    """First and last digits that an IMSI starts with, as many of one as of the other; empty =
    every IMSI."""
    hedge: float = 0.0
    """Where a source has taken longer than for this share of its answers, the next is asked
    besides; 0 = never."""

    def stretches(self) -> Iterator[Stretch]:
        """Yield what it is for, one by one."""
        for tenant in self.tenants or (ANY_TENANT,):
            for first, last in self.imsis or (("", ""),):
                yield Stretch(tenant, len(first), first, last, self.name)


@noun
class Stretch:
    """Neighbouring IMSIs of a tenant, and the route that is for them; they sort by these."""

    tenant: str
    digits: int
    """How many digits of the IMSI are looked at."""
    first: str
    last: str
    route: str

    @property
    def place(self) -> tuple[str, int, str, str]:
        """Where it comes among others: those that may overlap are neighbours."""
        return self.tenant, self.digits, self.first, self.last


class Routes:
    """All routes, ready for look-up.

    A route that names the tenant goes before one for every tenant, and among those the one that
    looks at more digits of the IMSI. Two of one kind that overlap are refused with the settings.
    """

    def __init__(self, routes: Iterable[Route]) -> None:
        self._routes: dict[str, Route] = {}
        found: dict[str, dict[int, list[Stretch]]] = {}
        for route in routes:
            self._routes[route.name] = route
            for stretch in route.stretches():
                found.setdefault(stretch.tenant, {}).setdefault(stretch.digits, []).append(stretch)
        self._found = {
            tenant: [
                (digits, sorted(lines, key=lambda line: line.first))
                for digits, lines in sorted(by_digits.items(), reverse=True)
            ]
            for tenant, by_digits in found.items()
        }

    def of(self, tenant: str, imsi: Imsi) -> tuple[str, ...]:
        """Return the names of the sources to ask, the first one first; empty = no route."""
        route = self.route(tenant, imsi)
        return route.sources if route else ()

    def route(self, tenant: str, imsi: Imsi) -> Route | None:
        """Return the route of a SIM, None where there is none."""
        for whose in (tenant, ANY_TENANT):
            for digits, lines in self._found.get(whose, ()):
                start = imsi.digits[:digits]
                at = bisect_right(lines, start, key=lambda line: line.first) - 1
                if at >= 0 and len(start) == digits and start <= lines[at].last:
                    return self._routes[lines[at].route]
        return None
