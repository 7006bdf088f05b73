"""The port ``PolicyRows`` over any ``Engine``: published policies and their changes, with the SQL.

The numbers of changes are what keeps two who publish at once apart: of both who want the same one
the second finds it taken, and writes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from simgrant.adapters.store.sql.engine import Body, Engine, Row, Run
from simgrant.adapters.store.sql.sweeps import begun
from simgrant.ports.policies import PolicyChange, PolicyVersion, Published

CURRENT_POLICIES: Final = "SELECT tenant, change FROM policy_current"

_PUBLISHED: Final = """
SELECT c.change, c.number, c.author, c.at, c.comment, c.signature,
       v.number, v.sha256, v.made_from, p.signature
FROM policy_change AS c
JOIN policy_version AS v ON v.tenant = c.tenant AND v.number = c.number
LEFT JOIN policy_change AS p ON p.tenant = c.tenant AND p.change = c.change - 1
"""

PUBLISHED_POLICY: Final = f"{_PUBLISHED} WHERE c.tenant = ?1 AND c.change = ?2"

POLICY_HISTORY: Final = f"{_PUBLISHED} WHERE c.tenant = ?1 ORDER BY c.change DESC LIMIT ?2"

POLICY_VERSION: Final = """
SELECT number, sha256, made_from FROM policy_version WHERE tenant = ?1 AND number = ?2
"""

NEWEST_POLICY_VERSION: Final = """
SELECT number FROM policy_version WHERE tenant = ?1 ORDER BY number DESC LIMIT 1
"""

POLICY_TEXT: Final = "SELECT body FROM policy_version WHERE tenant = ?1 AND number = ?2"

NEWEST_POLICY_CHANGE: Final = """
SELECT change FROM policy_change WHERE tenant = ?1 ORDER BY change DESC LIMIT 1
"""

POLICY_CHANGE_PUT: Final = """
INSERT INTO policy_change (tenant, change, number, author, at, comment, signature)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (tenant, change) DO NOTHING RETURNING change
"""

POLICY_VERSION_PUT: Final = """
INSERT INTO policy_version (tenant, number, body, sha256, made_from)
VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (tenant, number) DO NOTHING RETURNING number
"""

POLICY_CURRENT_SET: Final = """
INSERT INTO policy_current (tenant, change) VALUES (?1, ?2)
ON CONFLICT (tenant) DO UPDATE SET change = excluded.change
"""


class SqlPolicies:
    """Published policies in tables (the ``PolicyRows`` port)."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def current(self) -> Mapping[str, int]:
        """Return the newest change of every tenant that ever published."""
        found = await self._engine.read(CURRENT_POLICIES, ())
        return {str(tenant): int(change) for tenant, change in found}

    async def published(self, tenant: str, change: int) -> Published | None:
        """Return a change; None where there is none of that number, or its version is gone."""
        found = await self._engine.read(PUBLISHED_POLICY, (tenant, change))
        return _published(found[0]) if found else None

    async def history(self, tenant: str, *, limit: int) -> Sequence[Published]:
        """Return the newest changes, the newest first."""
        return list(map(_published, await self._engine.read(POLICY_HISTORY, (tenant, limit))))

    async def version(self, tenant: str, number: int) -> PolicyVersion | None:
        """Return a version, None where there is none of that number."""
        found = await self._engine.read(POLICY_VERSION, (tenant, number))
        return PolicyVersion(*found[0]) if found else None

    async def newest_version(self, tenant: str) -> int:
        """Return the number of the version that was published last; 0 = none was."""
        found = await self._engine.read(NEWEST_POLICY_VERSION, (tenant,))
        return int(found[0][0]) if found else 0

    async def text(self, tenant: str, number: int) -> str | None:
        """Return the TOML of a version, None where there is none of that number."""
        found = await self._engine.read(POLICY_TEXT, (tenant, number))
        return str(found[0][0]) if found else None

    async def put(
        self,
        tenant: str,
        change: PolicyChange,
        version: PolicyVersion | None = None,
        text: str = "",
    ) -> bool:
        """Put a change in force; False, and nothing changed, where somebody was faster."""
        number = change.change
        row = (change.number, change.author, change.at, change.comment, change.signature)

        def body() -> Body[bool]:
            newest = yield Run(NEWEST_POLICY_CHANGE, (tenant,))
            if (newest[0][0] if newest else 0) != number - 1:
                return False
            if not (yield Run(POLICY_CHANGE_PUT, (tenant, number, *row))):
                return False
            if version is not None:
                made = (version.number, text, version.sha256, version.made_from)
                if not (yield Run(POLICY_VERSION_PUT, (tenant, *made))):
                    raise _Taken
            yield Run(POLICY_CURRENT_SET, (tenant, number))
            yield begun(tenant, number, at=change.at)
            return True

        try:
            return await self._engine.transact(body)
        except _Taken:
            return False


class _Taken(Exception):
    """A version's number is taken already: all of the transaction is undone."""


def _published(row: Row) -> Published:
    *parts, before = row
    return Published(PolicyChange(*parts[:6]), PolicyVersion(*parts[6:]), before or b"")
