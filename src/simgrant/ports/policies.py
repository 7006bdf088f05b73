"""Published policies: versions that are never changed, and the changes that put them in force.

Every change names the version that is in force from then on; a publication makes a new version, a
rollback names an older one. Changes are numbered from 1 without a gap, and each is signed together
with the one before it (``flows/policies.py``), so a row that was altered, or put in between, shows.
A tenant without a change never published anything.

Errors promised by every adapter: PeerUnavailable (the store cannot be reached; nothing was
changed), BadRequest (a text that cannot be kept).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Protocol

from simgrant.nouns import noun


@noun
class PolicyVersion:
    """A policy as it was published, but for its text, which may be long."""

    number: int
    """Counted from 1."""
    sha256: str
    """Of the text in UTF-8, in hexadecimal digits."""
    made_from: int
    """The version that was in force when it was published; 0 = the policy of a file."""


@noun
class PolicyChange:
    """That a version is in force from now on."""

    change: int
    """Counted from 1."""
    number: int
    """The version."""
    author: str
    at: int
    """Unix seconds."""
    comment: str
    signature: bytes = field(repr=False)


@noun
class Published:
    """A change with all that its signature is about."""

    change: PolicyChange
    version: PolicyVersion
    before: bytes = field(repr=False)
    """The signature of the change before it; empty for the first one."""


class PolicyRows(Protocol):
    """Where they are kept."""

    async def current(self) -> Mapping[str, int]:
        """Return the newest change of every tenant that ever published; cheap."""

    async def published(self, tenant: str, change: int) -> Published | None:
        """Return a change; None where there is none of that number, or its version is gone."""

    async def history(self, tenant: str, *, limit: int) -> Sequence[Published]:
        """Return the newest changes, the newest first."""

    async def version(self, tenant: str, number: int) -> PolicyVersion | None:
        """Return a version, None where there is none of that number."""

    async def newest_version(self, tenant: str) -> int:
        """Return the number of the version that was published last; 0 = none was."""

    async def text(self, tenant: str, number: int) -> str | None:
        """Return the TOML of a version, None where there is none of that number."""

    async def put(
        self,
        tenant: str,
        change: PolicyChange,
        version: PolicyVersion | None = None,
        text: str = "",
    ) -> bool:
        """Put a change in force, with the version and its text where that is new, at one go.

        False, and nothing changed, where the change before it is not the newest any more, or the
        version's number is taken.
        """
