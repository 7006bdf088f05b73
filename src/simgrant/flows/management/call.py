"""What a call of the management API is: a line of a table, and what its function is handed."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import field
from types import MappingProxyType
from typing import Annotated, Any, Final, Generic, Protocol, TypeAlias, TypeVar

import msgspec

from simgrant.domain.access import Client, Scope
from simgrant.domain.policy import Policy
from simgrant.domain.subscription import Subscription, SubscriptionStatus
from simgrant.domain.tenant import Tenant
from simgrant.flows import explain, subscriptions
from simgrant.flows.management.audit import deed, digest
from simgrant.flows.management.problem import Code, Problem
from simgrant.flows.policies import Compile
from simgrant.identities import Imsi
from simgrant.keyring.ring import KeyRing
from simgrant.nouns import named_noun, noun, replace
from simgrant.ports.bss_events import EventIntake
from simgrant.ports.deeds import AnswerKey
from simgrant.ports.keys import Keys
from simgrant.ports.store import Store
from simgrant.ports.switching import NO_SERVICES

Q = TypeVar("Q")
B = TypeVar("B")
M = TypeVar("M")

JSON: Final = "application/json"
NDJSON: Final = "application/x-ndjson"
_BODY: Final = 64 * 1024


class Query(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The parameters that every call has in its address."""

    tenant: Annotated[str, msgspec.Meta(pattern="^[a-z0-9][a-z0-9-]{0,31}$")] = ""
    """Whose: the name of a tenant. Without it, that of a client that has one, else `default`."""


class PageQuery(Query, kw_only=True):
    """The parameters of a call that answers with a page."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 100
    """At most so many."""
    after: Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9_=-]{0,512}$")] = ""
    """`next` of the page before."""


class Explain(Protocol):
    """Explains what a phone gets."""

    async def __call__(
        self, inquiry: explain.Inquiry, subscription: Subscription, *, policy: Policy, now: int
    ) -> dict[str, Any]:
        """Return an explanation as plain data."""


@named_noun
class Office:
    """What calls of one tenant are made with."""

    tenant: Tenant
    store: Store
    keys: Keys
    policy: Callable[[], Policy]
    """Returns what holds now."""
    wrap: Callable[[int], subscriptions.Wrap]
    """Returns how keys of SIMs are wrapped at a time (Unix seconds)."""
    sms_apps: tuple[str, ...]
    """Of which SIMs are told by SMS, where no client registered."""
    explain: Explain
    events: EventIntake
    """Takes over what happened."""
    compile: Compile
    """Makes a policy of its text."""
    purposes: frozenset[str]
    """For which consumers of partner APIs may process, as far as they are known."""
    switched: frozenset[str] = NO_SERVICES
    """The services of lines that are switched in the network."""
    looking: asyncio.Lock = field(default_factory=asyncio.Lock, repr=False, hash=False)
    """Held by whoever looks a policy through, which takes seconds: one at a time."""


@named_noun
class Desk:
    """What one call is made with."""

    office: Office
    client: Client
    now: int
    """Unix seconds."""
    call: str = ""
    """The name of the call."""
    actor: str = ""
    """The person behind it, as the client says."""
    request_id: str = ""
    seen: bytes = b""
    """The digest of the state that was seen; empty = it is not said."""
    answer: AnswerKey | None = None
    """Where the call may come again."""

    @property
    def store(self) -> Store:
        """What is looked at; what is changed goes by `doing`."""
        return self.office.store

    @property
    def tenant(self) -> str:
        """Whose subscriptions they are."""
        return self.office.tenant.name

    @property
    def ring(self) -> KeyRing:
        """The key ring of this moment."""
        return self.office.keys.ring

    def context(self) -> subscriptions.Context:
        """Return what rows are checked against."""
        return subscriptions.Context(self.office.tenant, self.office.policy().plans, self.now)

    def doing(self, imsi: Imsi | None, detail: str = "", *, subject: str = "") -> Store:
        """Return the store for changing something, and having that written down.

        ``imsi`` is whose it is; else ``subject`` names it. ``detail`` says what of it.
        """
        made = deed(self.ring, self.tenant, self.now, self.call, imsi, detail, subject)
        return self.store.doing(
            replace(
                made,
                client=self.client.name,
                actor=self.actor,
                request_id=self.request_id,
                seen=self.seen,
                answer=self.answer,
                began=self.now,
            )
        )

    def digest(self, data: bytes) -> bytes:
        """Return the keyed hash that entries and states are known by."""
        return digest(self.ring, self.tenant, data)

    def tag(self, state: bytes) -> str:
        """Return the entity tag of a state (RFC 9110 §8.8.3)."""
        return f'"{self.digest(state).hex()}"'

    async def any(self, name: str) -> Subscription:
        """Return a subscription by IMSI or number, a removed one too."""
        return await subscriptions.find(self.store, self.tenant, name)

    async def one(self, name: str) -> Subscription:
        """Return a subscription that was not removed."""
        found = await self.any(name)
        if found.status is SubscriptionStatus.REMOVED:
            raise Problem(Code.REMOVED)
        return found


@named_noun
class Asked(Generic[Q, B]):
    """One call, read and admitted."""

    desk: Desk
    path: Mapping[str, str]
    """The variable parts of its path."""
    query: Q
    body: B = field(repr=False)


@named_noun
class Done:
    """What a call is answered with."""

    content: Any = field(default=None, repr=False)
    status: int = 0
    """The HTTP status; 0 = the one that the table says."""
    etag: str = ""
    """By which a later call says which state it has seen."""
    location: str = ""
    """Where the new thing is."""


Run: TypeAlias = Callable[[Asked[Any, Any]], Awaitable[Done]]
NONE: Final = type(None)


@noun
class Part:
    """A variable part of paths."""

    pattern: str
    about: str
    example: str


PARTS: Final[Mapping[str, Part]] = MappingProxyType(
    {
        "subscription": Part(
            r"^(\+[0-9]{5,15}|[0-9]{6,15})$", "IMSI, or the number with its +", "001010000000001"
        ),
        "terminal": Part(r"^[!-~]{1,64}$", "IMEI or UUID of a device", "350000000000017"),
        "kind": Part("^(terms|address)$", "Which consent", "terms"),
        "boost_type": Part(
            "^([1-9]|[1-9][0-9]|1[0-9][0-9]|2[0-4][0-9]|25[0-5])$",
            "Which boost (TS 24.526 §5.2)",
            "166",
        ),
        "order": Part("^[0-9a-fA-F]{1,32}$", "Id of an order, or how it begins", "0123abcd"),
        "version": Part("^[1-9][0-9]{0,8}$", "Number of a version", "1"),
        "consumer": Part("^[A-Za-z0-9][A-Za-z0-9._~-]{0,63}$", "client_id of a consumer", "bank"),
        "tariff": Part("^[a-z0-9][a-z0-9_-]{0,31}$", "Name of a tariff", "gold"),
        "counter": Part("^[a-z0-9_-]{1,32}$", "Name of a counter in the policy", "data"),
    }
)
"""Every variable part; what does not fit its pattern is not found."""


@named_noun
class Call:
    """One call: what routing, checks, the document and its page are made of."""

    name: str
    """Its name in the document, and of the client's method."""
    group: str
    """What it is about."""
    method: str
    path: str
    """With its variable parts in braces."""
    scope: Scope
    about: str
    """What it does, in a sentence without its dot."""
    run: Run
    query: type[Query] = Query
    body: Any = NONE
    """Type of the body; None = it has none."""
    optional: bool = False
    """Whether the body may be left out."""
    kinds: tuple[str, ...] = (JSON,)
    """Content types that the body may have."""
    pull: Callable[[str, bytes], Any] | None = None
    """Reads the body, given its content type, where that takes more than its type says; raises
    what msgspec does."""
    most_bytes: int = _BODY
    answer: Any = NONE
    """Type of the answer; None = it has none."""
    status: int = 200
    statuses: Mapping[int, str] = field(default_factory=dict)
    """Others that say that it was done, with their meanings."""
    problems: tuple[Code, ...] = ()
    """Those that it may have beside what all have."""
    slow: bool = False
    """Whether it may take as long as an import."""
    makes: Mapping[str, str] = field(default_factory=dict)
    """Variable parts of other calls' paths that its answer has, and where (OpenAPI)."""
    seen: bool = False
    """Whether it may be said which state was seen (`If-Match`)."""

    @property
    def changes(self) -> bool:
        """Whether it is a call that changes something."""
        return self.method != "GET"


def pull_member(decode: Callable[[bytes], M], raw: bytes) -> M:
    """Return one of what a body has many of; raise ValueError with what is wrong with it."""
    try:
        return decode(raw)
    except msgspec.ValidationError:
        raise
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ValueError("it is no JSON") from None


def push_cursor(*parts: str) -> str:
    """Return what a page's `next` is; nobody is to read anything in it."""
    return base64.urlsafe_b64encode(msgspec.json.encode(parts)).decode()


def pull_cursor(text: str, parts: int) -> tuple[str, ...]:
    """Return the parts of a cursor, all empty for the first page; raise `Problem`."""
    if not text:
        return ("",) * parts
    try:
        found = msgspec.json.decode(base64.urlsafe_b64decode(text), type=tuple[str, ...])
    except (binascii.Error, ValueError):
        found = ()
    if len(found) != parts or not all(each.isascii() and each.isprintable() for each in found):
        raise Problem(Code.INVALID, "after: not the next of a page")
    return found
