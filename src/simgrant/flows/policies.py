"""Published policies: how they are signed, checked, put in force and taken back (ADR 0042).

Every change is signed with the key ring, over all that it says and the signature of the change
before it: whoever can write to the database but not read the key ring can neither make a policy nor
alter one, nor its author, nor its place in the history.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from simgrant.domain.policy import Policy, digest_of
from simgrant.errors import BadRequest, Conflict
from simgrant.keyring.ring import KeyRing
from simgrant.nouns import noun, replace
from simgrant.ports.keys import Keys
from simgrant.ports.policies import PolicyChange, PolicyRows, PolicyVersion, Published

Compile: TypeAlias = Callable[[str, str, str], Policy]
"""Returns a tenant's policy of its text, under the name of a version; raises PolicyError."""

MOST_LETTERS_OF_AUTHOR: Final = 64
MOST_LETTERS_OF_COMMENT: Final = 500
MOST_CHANGES: Final = 1000
"""That are shown of a history."""
_LABEL: Final = "policy"


def name_of(version: PolicyVersion) -> str:
    """Return what a version is called in records, logs and metrics: ``v3-0123456789ab``."""
    return f"v{version.number}-{version.sha256[:12]}"


def number_of(name: str) -> int | None:
    """Return the number in a version's name, or in ``v3`` or ``3``; None where it is none."""
    digits = name.removeprefix("v").partition("-")[0]
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 10 else None


def is_genuine(tenant: str, published: Published, ring: KeyRing) -> bool:
    """Say whether a change, and what it says of its version, are as they were signed."""
    change, version = published.change, published.version
    about = _signed(tenant, change, version, published.before)
    return change.number == version.number and ring.is_signed(
        tenant, _LABEL, about, change.signature
    )


def _signed(tenant: str, change: PolicyChange, version: PolicyVersion, before: bytes) -> bytes:
    """Return what a signature is about: JSON, in which no two lists of values look alike."""
    return json.dumps(
        [
            tenant,
            change.change,
            change.number,
            version.sha256,
            version.made_from,
            change.author,
            change.at,
            change.comment,
            before.hex(),
        ]
    ).encode()


@noun
class Entry:
    """A change as a history shows it."""

    published: Published
    genuine: bool
    """Whether it is as it was signed."""
    is_new: bool
    """Whether its version was published by it; else it was rolled back to."""


class PolicyDesk:
    """What operators do with one tenant's policies, from wherever they do it."""

    def __init__(self, rows: PolicyRows, tenant: str, *, keys: Keys, compile_: Compile) -> None:
        self._rows = rows
        self._tenant = tenant
        self._keys = keys
        self._compile = compile_

    async def newest(self) -> Published | None:
        """Return the newest change, genuine or not; None where nothing was ever published."""
        found = await self._rows.history(self._tenant, limit=1)
        return found[0] if found else None

    async def in_force(self) -> tuple[Published, Policy] | None:
        """Return what is in force; None where nothing was ever published.

        Conflict where it is not as it was signed: then servers go on with what they have.
        PolicyError where this release cannot read it.
        """
        newest = await self.newest()
        if newest is None:
            return None
        if not self._is_genuine(newest):
            raise Conflict(
                "policy_not_genuine",
                for_operator=f"change {newest.change.change} of the policy is not as it was "
                "signed, or signed with a key that is not on the ring: see `simgrant policy list`",
            )
        return newest, await self.policy(newest.version)

    async def version(self, number: int) -> PolicyVersion:
        """Return a version; Conflict where there is none of that number."""
        version = await self._rows.version(self._tenant, number)
        if version is None:
            raise Conflict("no_policy_version", for_operator=f"there is no version {number}")
        return version

    async def text(self, version: PolicyVersion) -> str:
        """Return the text of a version; Conflict where it is not the one that was published."""
        text = await self._rows.text(self._tenant, version.number)
        if text is None or digest_of(text) != version.sha256:
            raise Conflict(
                "policy_not_genuine",
                for_operator=f"the text of version {version.number} is not what was published",
            )
        return text

    async def policy(self, version: PolicyVersion) -> Policy:
        """Return a version, compiled; PolicyError where this release cannot."""
        return self._compile(self._tenant, await self.text(version), name_of(version))

    async def history(self, limit: int = MOST_CHANGES) -> Sequence[Entry]:
        """Return the newest changes, the newest first, each checked."""
        entries: list[Entry] = []
        newest = 0
        for published in reversed(await self._rows.history(self._tenant, limit=limit)):
            number = published.version.number
            entries.append(Entry(published, self._is_genuine(published), number > newest))
            newest = max(newest, number)
        return entries[::-1]

    async def publish(
        self, text: str, *, author: str, comment: str, seen: int, at: int
    ) -> Published:
        """Put a new version in force.

        ``seen`` is the newest change that whoever publishes knows of, 0 for none: Conflict where
        somebody was faster, or where it is the text that is in force anyway. PolicyError for a text
        with mistakes.
        """
        _check(author, comment)
        before = await self._seen(seen)
        number = await self._rows.newest_version(self._tenant) + 1
        made_from = before.version.number if before is not None else 0
        version = PolicyVersion(number, digest_of(text), made_from)
        if before is not None and before.version.sha256 == version.sha256:
            self._refuse_the_same(before)
        self._compile(self._tenant, text, name_of(version))
        return await self._put(version, author, comment, before, at, text)

    async def roll_back(
        self, number: int, *, author: str, comment: str, seen: int, at: int
    ) -> Published:
        """Put an older version in force again; Conflict and PolicyError as in `publish`."""
        _check(author, comment)
        before = await self._seen(seen)
        version = await self.version(number)
        if before is not None and before.version.number == number:
            self._refuse_the_same(before)
        # This release may know less, or more, than the one that published it.
        await self.policy(version)
        return await self._put(version, author, comment, before, at)

    async def _seen(self, seen: int) -> Published | None:
        newest = await self.newest()
        if (newest.change.change if newest is not None else 0) != seen:
            raise _faster()
        return newest

    def _refuse_the_same(self, newest: Published) -> None:
        # Put in force once more, what is not genuine is signed anew.
        if self._is_genuine(newest):
            raise Conflict(
                "policy_in_force",
                for_operator=f"this is version {newest.version.number}, which is in force",
            )

    async def _put(
        self,
        version: PolicyVersion,
        author: str,
        comment: str,
        newest: Published | None,
        at: int,
        text: str | None = None,
    ) -> Published:
        number, before = 1, b""
        if newest is not None:
            number, before = newest.change.change + 1, newest.change.signature
        bare = PolicyChange(number, version.number, author, at, comment, b"")
        about = _signed(self._tenant, bare, version, before)
        signature = self._keys.ring.sign(self._tenant, _LABEL, about, now=at)
        published = Published(replace(bare, signature=signature), version, before)
        made = () if text is None else (version, text)
        done = await self._rows.put(self._tenant, published.change, *made)
        # Of a commit that nobody was told of, the second try finds itself.
        if done or await self._rows.published(self._tenant, number) == published:
            return published
        raise _faster()

    def _is_genuine(self, published: Published) -> bool:
        return is_genuine(self._tenant, published, self._keys.ring)


def _faster() -> Conflict:
    return Conflict(
        "policy_changed_meanwhile",
        for_operator="somebody else changed the policy meanwhile: look at it again",
    )


def _check(author: str, comment: str) -> None:
    if not 1 <= len(author) <= MOST_LETTERS_OF_AUTHOR or not author.isprintable():
        raise BadRequest(
            "policy_author",
            for_operator=f"who publishes must be named by 1 to {MOST_LETTERS_OF_AUTHOR} "
            "printable characters",
        )
    if not 1 <= len(comment) <= MOST_LETTERS_OF_COMMENT or not comment.isprintable():
        raise BadRequest(
            "policy_comment",
            for_operator=f"the comment must have 1 to {MOST_LETTERS_OF_COMMENT} "
            "printable characters",
        )
