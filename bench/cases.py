"""What is measured: the table of cases, their reference and their targets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bench import services
from bench.load import Kind
from simgrant.services import SERVICES

Database = Literal["", "sqlite", "sqlite_small", "sqlite_services", "postgres", "postgres_services"]

SUBSCRIPTIONS = 1_000_000
SMALL = 1_000
TOKENS = 60_000
"""How many of the subscriptions ask; each in its turn, so none is asked twice in a round."""
SIMS = 20_000
"""How many SIMs authenticate; none of them asks by token, which a new grant would replace."""

USS_MB = 120.0
"""Target for the private memory of every worker."""
GROWTH = 1.2
"""Target: a million subscriptions cost at most this many times what a thousand do."""


@dataclass(frozen=True, slots=True)
class Case:
    """One line of the table."""

    key: str
    title: str
    kind: Kind
    database: Database = ""
    """Empty = none: the bare server, or what needs no server."""
    reference: str = ""
    """The case whose CPU per operation, divided by ours, is the ratio; empty = none."""
    target: float | None = None
    """The least ratio."""
    tls: bool = False
    """A new TLS connection for each operation."""
    prf: Literal["ctypes", "python"] | None = None
    app: str = services.BASE
    """The service that is asked for."""
    hss: Literal["new", "ready"] | None = None
    """An HSS gives the vectors: new ones, as HSSs do, or ready ones, which cost it less."""
    bss: bool = False
    """A BSS is asked for each request, through the ``rest`` adapter."""
    below_us: float | None = None
    """Target: processor time of an operation is below it."""
    rate: float | None = None
    """Target: so many operations a second at least."""


def _of_service(app: str) -> Case:
    """Return the case of a service, compared with that of ap2004 on the same database."""
    return Case(
        _key_of(app),
        f"token request for {app}, {SERVICES[app].name}",
        "token",
        "sqlite_services",
        "" if app == services.BASE else _key_of(services.BASE),
        None if app == services.BASE else 1 / services.enquiry_of(app).most,
        app=app,
    )


def _key_of(app: str) -> str:
    return f"s{app.removeprefix('ap20')}"


CASES = (
    Case("a", "bare server, 12 parameters parsed, 1 KB", "token"),
    Case("b0", "token request, SQLite, 1,000 subscriptions", "token", "sqlite_small", "a"),
    Case(
        "b",
        "token request, SQLite, 1,000,000 subscriptions",
        "token",
        "sqlite",
        "a",
        0.35,
    ),
    Case("c", "token request, PostgreSQL, 1,000,000", "token", "postgres", "a", 0.22),
    Case("l", "(b), a BSS asked each time", "token", "sqlite", "b", 0.5, bss=True),
    Case("lc", "(c), a BSS asked each time", "token", "postgres", "c", 0.6, bss=True),
    Case("d", "full authentication, SQLite", "auth", "sqlite", "a", 0.10, prf="ctypes"),
    Case("d0", "full authentication, PRF in Python", "auth", "sqlite", "a", 0.07, prf="python"),
    Case("e0", "bare server, a new TLS connection each", "token", tls=True),
    Case("e", "(b), a new TLS connection each", "token", "sqlite", "e0", 0.8, tls=True),
    Case(
        "h", "(d), vectors of an HSS over SWx", "auth", "sqlite", "d", 0.75, prf="ctypes", hss="new"
    ),
    Case(
        "v",
        "a vector over SWx, of an HSS that has them ready",
        "vector",
        hss="ready",
        below_us=110,
        rate=8_000,
    ),
    Case("v0", "building a MAR", "build", below_us=15),
    Case("v1", "reading an MAA", "read", below_us=10),
    Case("n", "a number verified, SQLite", "verify", "sqlite", below_us=400, rate=2_500),
    Case("nc", "a number verified, PostgreSQL", "verify", "postgres", below_us=400, rate=2_500),
    Case("t", "a temporary token got, redeemed, verified, SQLite", "chain", "sqlite_services"),
    Case(
        "tc",
        "a temporary token got, redeemed, verified, PostgreSQL",
        "chain",
        "postgres_services",
        below_us=1_400,
        rate=700,
    ),
    Case("p", "a decision by the last of 200 rules", "decide_last", below_us=20),
    Case("p0", "a decision by the middle one", "decide_middle", below_us=20),
    *map(_of_service, services.apps()),
)


def chosen(keys: str) -> tuple[Case, ...]:
    """Return the cases of a comma-separated list, and those they are compared with, and so on.

    `d` stands for `d0` too, as a letter does for all that begin with it, so `s` for every service.
    An unknown key raises ValueError.
    """
    wanted: set[str] = set()
    for key in filter(None, (part.strip() for part in keys.split(","))):
        found = [case for case in CASES if case.key == key or case.key[0] == key]
        if not found:
            raise ValueError(f"no case {key!r}; there are {', '.join(each.key for each in CASES)}")
        wanted |= {case.key for case in found}
    for case in reversed(CASES):
        # What a case is compared with stands before it.
        if case.key in wanted and case.reference:
            wanted.add(case.reference)
    return tuple(case for case in CASES if not wanted or case.key in wanted)
