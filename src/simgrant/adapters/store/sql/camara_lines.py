"""The port ``CamaraLines`` over any ``Engine``: lines as partner APIs see them, with the SQL."""

# ruff: noqa: S608 - what is put into these texts is other texts of this package.

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from simgrant.adapters.store.sql import rows, statements
from simgrant.adapters.store.sql.camara_tokens import REVOKED
from simgrant.adapters.store.sql.engine import Engine, Rows
from simgrant.domain.camara.line import Line
from simgrant.domain.line_marks import MarkName
from simgrant.domain.subscription import Terminal
from simgrant.identities import Imsi, Msisdn
from simgrant.ports.camara_lines import LineFound


def _line(found: str, *marks: int) -> str:
    """Return the statement that looks a line up: one row, whether there is a line or not.

    ``found`` joins its subscription as s, ``marks`` are the numbers of the parameters that name
    them.
    """
    columns = ", ".join(f"s.{name}" for name in statements.SUBSCRIPTION_COLUMNS.split(", "))
    sim, iccid, number = marks
    joined = "".join(
        f"\nLEFT JOIN line_mark {alias}"
        f" ON {alias}.tenant = ?1 AND {alias}.imsi = s.imsi AND {alias}.mark = ?{place}"
        for alias, place in (("a", sim), ("b", iccid), ("c", number))
    )
    return (
        f"SELECT {columns}, a.value, b.at, c.value,"
        " (SELECT 1 FROM camara_revoked r WHERE r.tenant = ?1 AND r.token_id = ?3),"
        " EXISTS (SELECT 1 FROM camara_consent t WHERE t.tenant = ?1 AND t.imsi = s.imsi)\n"
        f"FROM (SELECT 1 AS one) AS o {found}{joined}"
    )


LINE_BY_IMSI: Final = _line("LEFT JOIN subscription s ON s.tenant = ?1 AND s.imsi = ?2", 4, 5, 6)
LINE_BY_MSISDN: Final = _line(
    "LEFT JOIN msisdn m ON m.tenant = ?1 AND m.msisdn = ?2"
    " LEFT JOIN subscription s ON s.tenant = ?1 AND s.imsi = m.imsi",
    4,
    5,
    6,
)
_MARKS: Final = (MarkName.SIM_SINCE.value, MarkName.ICCID.value, MarkName.NUMBER_SINCE.value)


class SqlCamaraLines:
    """Lines, in tables (the ``CamaraLines`` port)."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def by_imsi(self, tenant: str, imsi: Imsi, *, token_id: bytes) -> LineFound:
        """Return the line of a SIM, and whether a token is revoked."""
        params = (tenant, imsi.digits, token_id, *_MARKS)
        return _found(await self._engine.read(LINE_BY_IMSI, params))

    async def by_msisdn(self, tenant: str, msisdn: Msisdn, *, token_id: bytes) -> LineFound:
        """Return the line that has a number, likewise."""
        params = (tenant, msisdn.digits, token_id, *_MARKS)
        return _found(await self._engine.read(LINE_BY_MSISDN, params))

    async def is_revoked(self, tenant: str, token_id: bytes) -> bool:
        """Say whether an access token is revoked."""
        return bool(await self._engine.read(REVOKED, (tenant, token_id)))

    async def terminals(self, tenant: str, imsi: Imsi) -> Sequence[Terminal]:
        """Return the devices that were ever seen with a line's SIM."""
        found = await self._engine.read(statements.TERMINALS, (tenant, imsi.digits))
        return [rows.to_terminal(row) for row in found]


def _found(found: Rows) -> LineFound:
    ((*columns, sim_since, iccid_at, number_since, revoked, said),) = found
    line = None
    if columns[0] is not None:
        line = Line(
            subscription=rows.to_subscription(tuple(columns)),
            sim_since=int(sim_since or 0),
            iccid_at=iccid_at or 0,
            number_since=int(number_since or 0),
            silent=not said,
        )
    return LineFound(line, revoked is not None)
