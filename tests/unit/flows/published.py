"""A store with policies that somebody published, for tests of what becomes of them."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from simgrant.adapters.store.sql.store import SqlStore
from simgrant.adapters.store.sqlite import SqliteConfig, open_store
from simgrant.domain.policy import Policy, parse_policy
from simgrant.flows.policies import PolicyDesk
from simgrant.keyring.ring import Key, KeyRing, Use
from simgrant.ports.policies import Published

T = "default"


def rules(*rules: str) -> str:
    """Return a policy with one plan, and what is said of every feature, in order."""
    listed = "\n".join(
        f'[[rule]]\nid = "r{number}"\n{rule}' for number, rule in enumerate(rules, 1)
    )
    return f'[plans.standard]\nfeatures = ["vowifi", "volte"]\n\n{listed}\n'


ALLOWING = rules('result = "allowed"')
DENYING = rules('result = "denied"')


def key_ring(*hashing: int) -> KeyRing:
    keys = [Key("00000001", Use.SEALING, 0, 0, bytes(32))]
    keys += [Key("00000002", Use.WRAPPING, 0, 0, bytes(32))]
    keys += [
        Key(f"{number:08x}", Use.HASHING, 0, number, bytes([number]) * 32) for number in hashing
    ]
    return KeyRing(dict.fromkeys((T, "other", "red"), keys), accept_for=100)


@dataclass
class Keys:
    """A ring; and another that is on file, and taken over when it is looked for."""

    ring: KeyRing = field(default_factory=lambda: key_ring(3))
    newer: KeyRing | None = None

    def refresh(self) -> bool:
        if self.newer is None:
            return False
        self.ring, self.newer = self.newer, None
        return True


def compiled(tenant: str, text: str, version: str) -> Policy:
    assert tenant
    return parse_policy(text, version=version)


def desk_of(store: SqlStore, keys: Keys | None = None, tenant: str = T) -> PolicyDesk:
    return PolicyDesk(store.policies, tenant, keys=keys or Keys(), compile_=compiled)


async def publish(desk: PolicyDesk, text: str, by: str = "ann") -> Published:
    newest = await desk.newest()
    seen = newest.change.change if newest is not None else 0
    return await desk.publish(text, author=by, comment="why", seen=seen, at=1000 + seen)


@asynccontextmanager
async def store_at(template: Path, directory: Path) -> AsyncIterator[SqlStore]:
    path = directory / "store.sqlite3"
    if not path.exists():
        shutil.copy(template, path)
    store = await open_store(SqliteConfig(path, timeout_s=60))
    try:
        yield store
    finally:
        await store.close()
