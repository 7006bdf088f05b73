"""Who changed what on the management plane, and what calls were answered that may come again.

`Store.doing` gives a store whose every change is written down beside it, in the same transaction:
who, what, on which subscription, and digests of what that was before and after. The entries of a
tenant are a chain, so that nobody takes one out, or changes one, unseen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import field
from typing import Any, Protocol, TypeAlias

import msgspec

from simgrant.identities import Imsi
from simgrant.nouns import Number, named_noun, noun

Digest: TypeAlias = Callable[[bytes], bytes]
"""A keyed hash, 32 bytes; it may be called in any thread."""


@noun
class AnswerKey:
    """What a caller calls one of its calls, so that it may say it again."""

    tenant: str
    client: str
    key: str


@named_noun
class Deed:
    """What somebody is about to do."""

    tenant: str
    at: int
    """Unix seconds."""
    client: str
    """The system that calls, or ``cli``."""
    actor: str
    """The person behind it, as the system says; empty = it does not."""
    call: str
    """What is done, by its name."""
    request_id: str
    detail: str = ""
    """What of it is changed: names, and nothing of a person."""
    subject: str = ""
    """Keyed reference of the subscription, or the name of what else is changed."""
    imsi: Imsi | None = None
    """Whose state is compared before and after; it is not kept."""
    seen: bytes = b""
    """Digest of the state that whoever asks has seen; empty = he does not say."""
    digest: Digest = field(repr=False, compare=False)
    answer: AnswerKey | None = None
    began: int = 0
    """When that call was begun, as `Deeds.begin` was told."""


@named_noun
class Entry:
    """A deed that was done."""

    number: int
    """Counted from 1, in each tenant."""
    at: int
    client: str
    actor: str
    call: str
    request_id: str
    detail: str
    subject: str
    before: bytes
    """Digest of the subscription's state; empty where there was none, or it is not about one."""
    after: bytes
    chain: bytes = field(repr=False)
    """Keyed hash over this entry and the chain of the one before."""


def row_of(entry: Entry) -> tuple[Any, ...]:
    """Return the members of an entry but for its chain, in their order."""
    return (
        entry.number,
        entry.at,
        entry.client,
        entry.actor,
        entry.call,
        entry.request_id,
        entry.detail,
        entry.subject,
        entry.before,
        entry.after,
    )


def chained(before: bytes, tenant: str, entry: Entry, digest: Digest) -> bytes:
    """Return the chain of an entry that follows upon one with the chain ``before``."""
    return digest(msgspec.json.encode((before, tenant, *row_of(entry))))


class Progress(Number):
    """How far a call is that may come again."""

    BEGUN = 0
    CHANGED = 1
    """What it changes is written, its answer not yet."""
    ANSWERED = 2


@named_noun
class Answer:
    """What a call was answered."""

    status: int
    headers: str
    """JSON: names and values."""
    body: bytes = field(repr=False)


@named_noun
class Begun:
    """What there is of a call."""

    is_new: bool
    """It is the first of its key, and to be carried out now."""
    digest: bytes = b""
    """Of the call that the key is of."""
    progress: Progress = Progress.BEGUN
    answer: Answer | None = None
    at: int = 0
    """Unix seconds at which it was begun."""


class Deeds(Protocol):
    """The port; the errors are those of the port ``Store``."""

    async def state(self, tenant: str, imsi: Imsi) -> bytes | None:
        """Return a subscription's state as bytes that are the same as long as it is; None = none.

        Its consents and what it holds are not of it.
        """

    async def entries(
        self, tenant: str, *, after: int = 0, subjects: Sequence[str] = (), limit: int = 100
    ) -> Sequence[Entry]:
        """Return entries after a number, in their order; with ``subjects``, those about them.

        Without, and ``after`` below 0, the newest ones, the newest first.
        """

    async def begin(self, key: AnswerKey, digest: bytes, *, at: int, lease_s: int) -> Begun:
        """Note that a call is carried out, if none of its key is, or was.

        One that was begun ``lease_s`` ago and changed nothing since is taken over.
        """

    async def finish(self, key: AnswerKey, answer: Answer, *, began: int) -> None:
        """Keep the answer of a call that was begun."""

    async def give_up(self, key: AnswerKey, *, began: int) -> None:
        """Forget a call that was begun, if it changed nothing."""

    async def purge(self, tenant: str, *, answers_before: int, entries_before: int) -> int:
        """Delete a bounded batch of old rows (Unix seconds); return how many."""
