"""Where subscriptions, terminals, session outcomes and request records are kept.

One port, two adapters (SQLite, PostgreSQL), one conformance suite. Every method
of the device path is one statement or one transaction within one subscription,
so that a distributed engine can keep a subscription's rows together. Rows are
told apart by tenant first, always.

Errors promised by every adapter: PeerUnavailable (the store cannot be reached
or its deadline passed; nothing was changed, or the same call may be repeated),
Conflict (the row exists already, or is not there to be changed; for a change, one
that was REMOVED is not there), BadRequest (a text that cannot be kept, such as half a
surrogate pair).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from dataclasses import field
from typing import Final, Protocol

from simgrant.domain.holdings import NOTHING, Holding, Holdings
from simgrant.domain.line_marks import LineMark
from simgrant.domain.subscription import (
    Consent,
    ConsentKind,
    Profile,
    PushRegistration,
    Subscription,
    SubscriptionStatus,
    Terminal,
)
from simgrant.domain.visit import Receipt, Settlement, Visit
from simgrant.errors import Conflict
from simgrant.identities import Imsi, Msisdn
from simgrant.nouns import Word, noun
from simgrant.ports.account_pins import PinRows
from simgrant.ports.camara_consents import ConsentRows
from simgrant.ports.camara_consumers import ConsumerRows
from simgrant.ports.camara_events import CamaraEvents
from simgrant.ports.camara_lines import CamaraLines
from simgrant.ports.camara_tokens import CamaraTokens
from simgrant.ports.camara_usage import UsageRows
from simgrant.ports.deeds import Deed, Deeds
from simgrant.ports.event_hubs import HubRows
from simgrant.ports.life import LifeRows
from simgrant.ports.network_data import LearnedRows
from simgrant.ports.network_events import Inbox
from simgrant.ports.orders import Orders
from simgrant.ports.policies import PolicyRows
from simgrant.ports.sweeps import SweepRows
from simgrant.ports.switching import NO_SERVICES, SwitchRows
from simgrant.ports.told import ToldRows
from simgrant.spec.ids import ProvStatus


class Outcome(Word):
    """What is already known of an EAP session; there is one row per session id."""

    STARTED = "started"
    """The first request was too long for a cookie and is kept here."""
    RESYNC = "resync"
    """The SIM asked for resynchronisation; ``state`` is that of the second challenge."""
    ACCEPTED = "accepted"
    REFUSED = "refused"


@noun
class SessionRow:
    """The row of one EAP session. ``state`` is sealed by the caller, opaque here."""

    outcome: Outcome
    at: int
    """Unix seconds; rows may be purged once the session's life is over."""
    state: bytes = field(default=b"", repr=False)
    answer_hash: bytes = b""
    """SHA-256 of the EAP packet that the row was written for; empty while undecided."""


class TokenState(Word):
    """What became of a token that is good once, or until something is done."""

    REDEEMED = "redeemed"
    """It was given in exchange for something that is good once: only its holder may go on."""
    CONSUMED = "consumed"
    BOUND = "bound"
    """It moves a line, and belongs to the first device that was shown with it, its ``holder``."""
    MOVED = "moved"
    """The line has moved to that device: it may still ask about it, and nothing more."""


@noun
class TokenUse:
    """The row of one such token; there is none while it was only issued."""

    state: TokenState
    at: int
    """Unix seconds."""
    expires_at: int
    """Unix seconds at which the token is over anyway, and the row may be forgotten."""
    holder: bytes = field(default=b"", repr=False)
    """SHA-256 of what it was redeemed for; empty for a token that was consumed at once."""


@noun
class DueNotice:
    """That a client on a terminal is to be told of a change (ADR 0021)."""

    tenant: str
    imsi: Imsi
    terminal_id: str = field(repr=False)
    """Empty: the SIM itself is told, by SMS."""
    app_name: str
    app_id: str
    at: int
    """Unix seconds of the change."""
    mark: int
    """Tells this change from any other of the same client and application."""
    attempts: int
    """How often it was claimed, this time included."""
    registration: PushRegistration | None
    """None where there is none any more, and for SMS."""
    msisdn: Msisdn | None
    reason: str = ""
    """Why the try before this one did not deliver it."""
    cause: str = ""
    """A word for what changed, where it is told why."""


@noun
class PendingNotice:
    """A notice that waits, or is under way, for who is asked why a phone was not told."""

    terminal_id: str = field(repr=False)
    """Empty: the SIM itself is told, by SMS."""
    app_name: str
    app_id: str
    at: int
    """Unix seconds of the change."""
    due_at: int
    """Unix seconds of the next try; while one is under way, of the one after its lease."""
    attempts: int
    """How often it was claimed."""
    reason: str
    """Why the last try did not deliver it; empty before there was one."""
    cause: str = ""
    """As in `DueNotice`."""


@noun
class Settled:
    """What became of a notice that was claimed."""

    notice: DueNotice
    again_at: int | None = None
    """Unix seconds at which it is due again; None = it is done."""
    dead: bool = False
    """The channel gave the registration's token up."""
    dead_since: int | None = None
    """Unix seconds from which it did, where it says so: a registration renewed later stays."""
    reason: str = ""
    """Why it is due again: a word of ours or of the channel, never a token."""


@noun
class SimKey:
    """The local AuC's row of one SIM. Keys are wrapped by the key ring, never in clear."""

    algorithm: str
    """``milenage`` or ``tuak``."""
    wrapped_k: bytes = field(repr=False)
    wrapped_op: bytes = field(repr=False)
    """OPc (Milenage, 16 bytes in clear) or TOPc (TUAK, 32 bytes), wrapped."""
    amf: bytes
    """2 bytes; its first bit is the separation bit that EAP-AKA' needs."""
    sqn_offset: int
    """DIF of TS 33.102 §C.1.1.3: SEQ = clock (units of 0.1 s) + this."""
    res_length: int = 8
    """Bytes of RES that the SIM gives: 8 for Milenage, 4, 8 or 16 for TUAK."""


@noun
class NewSubscription:
    """All the rows of one subscription, as provisioned or imported."""

    subscription: Subscription
    sim: SimKey | None = None
    consents: tuple[Consent, ...] = ()
    marks: tuple[LineMark, ...] = ()


@noun
class Change:
    """Fields of a subscription to set; None leaves a field as it is."""

    msisdn: Msisdn | None = None
    status: SubscriptionStatus | None = None
    plan: str | None = None
    gid1: str | None = None
    provisioning: ProvStatus | None = None
    visited_plmn: str | None = None
    """Digits, or empty for "not known"; sets ``visited_at`` to the time of the change."""


@noun
class RequestRecord:
    """One request as it is kept for care agents and audits."""

    tenant: str
    subscriber_ref: str
    """Keyed hash of the IMSI; empty when the request named no subscription."""
    at_us: int
    """Unix microseconds at which the answer was made."""
    request_id: str
    body: bytes = field(repr=False)
    """JSON text of the record: facts, decisions, rule, policy version, outcome, times."""


@noun
class Export:
    """Everything held about one person's subscription, less the SIM's keys."""

    subscription: Subscription
    consents: tuple[Consent, ...]
    terminals: tuple[Terminal, ...]
    push: tuple[PushRegistration, ...]
    has_sim_key: bool
    held: Holdings = NOTHING
    notices: tuple[PendingNotice, ...] = ()
    """What its clients are still to be told."""
    purchases: tuple[Receipt, ...] = ()
    """What was bought on pages, the oldest first."""
    marks: tuple[LineMark, ...] = ()


@noun
class Erased:
    """How many rows of each kind an erasure removed."""

    subscriptions: int
    terminals: int
    sessions: int
    records: int
    left: int = 0
    """Services and eSIM orders of which something is still to be done elsewhere."""


class RowConflict(Conflict):
    """Conflict of one row of ``add_many``; ``index`` is its position, counted from 0."""

    def __init__(self, index: int, reason: str, for_operator: str) -> None:
        super().__init__(reason, for_operator=for_operator)
        self.index = index


LAST_RECORD: Final = (2**63 - 1, "")
"""After every record."""


class Store(Protocol):
    """The port; see the module's docstring for what every method promises."""

    @property
    def orders(self) -> Orders:
        """Return the same database's tables of eSIM orders."""

    @property
    def pins(self) -> PinRows:
        """Return the same database's table of PINs."""

    @property
    def inbox(self) -> Inbox:
        """Return the same database's table of what core networks told."""

    @property
    def learned(self) -> LearnedRows:
        """Return the same database's table of what was asked of core networks."""

    @property
    def switches(self) -> SwitchRows:
        """Return the same database's lines that are to be switched in the network."""

    @property
    def life(self) -> LifeRows:
        """Return the same database's tables of events and of what follows from them."""

    @property
    def policies(self) -> PolicyRows:
        """Return the same database's tables of published policies."""

    @property
    def sweeps(self) -> SweepRows:
        """Return the same database's table of who is still to be told of another policy."""

    @property
    def deeds(self) -> Deeds:
        """Return the same database's tables of who changed what."""

    def doing(self, deed: Deed) -> Store:
        """Return this store for one deed, which is written down with each change (ports.deeds).

        Conflict (``changed_meanwhile``) where a change is of another state than was seen.
        """

    @property
    def told(self) -> ToldRows:
        """Return the same database's table of what a BSS told."""

    @property
    def hubs(self) -> HubRows:
        """Return the same database's table of our registrations at hubs."""

    @property
    def consumers(self) -> ConsumerRows:
        """Return the same database's tables of consumers of partner APIs, and of tariffs."""

    @property
    def camara_tokens(self) -> CamaraTokens:
        """Return the same database's tables of what access tokens are got for."""

    @property
    def api_consents(self) -> ConsentRows:
        """Return the same database's table of what subscribers said about consumers."""

    @property
    def usage(self) -> UsageRows:
        """Return the same database's table of what was used of partner APIs."""

    @property
    def camara_lines(self) -> CamaraLines:
        """Return the same database's lines, as partner APIs look at them."""

    @property
    def camara_events(self) -> CamaraEvents:
        """Return the same database's subscriptions to events of lines, and their outbox."""

    # --- the device path -------------------------------------------------

    async def profile(
        self, tenant: str, imsi: Imsi, terminal_id: str, client: str, *, told: bool = False
    ) -> Profile | None:
        """Return the subscription, its consents and this client's grant; ``told`` = and what a BSS
        told of it, as ``kept``.

        One read: ``Profile.terminal_epoch`` and ``Profile.granted_at`` are the ``token_epoch``
        and the ``issued_at`` of the client's row in the table ``token_grant`` (tenant, imsi,
        terminal_id, client), None without one.
        """

    async def session(self, tenant: str, imsi: Imsi, session_id: bytes) -> SessionRow | None:
        """Return the row of an EAP session (16-byte id), if it has one yet."""

    async def decide_session(
        self,
        tenant: str,
        imsi: Imsi,
        session_id: bytes,
        row: SessionRow,
        *,
        expected: Outcome | None,
        terminal: Terminal | None = None,
        client: str = "",
    ) -> bool:
        """Write a session's row if it still has the expected outcome (None = no row yet).

        Return False, and change nothing, when another answer was faster. With
        ``terminal`` (an accepted session) that terminal's row is made or renewed in
        the same transaction, and so is the ``token_grant`` of (terminal, client), with
        ``issued_at = row.at``; it keeps its token epoch, and a new one begins at 0.
        """

    async def renew_grant(
        self,
        tenant: str,
        imsi: Imsi,
        terminal_id: str,
        client: str,
        *,
        issued_at: int,
        expected: int,
    ) -> bool:
        """Set when a client's newest token was issued, if it still is ``expected``."""

    async def register_push(
        self, tenant: str, imsi: Imsi, push: Sequence[PushRegistration]
    ) -> None:
        """Keep, renew or (action 0) remove registrations, one per terminal, app and app_name."""

    async def sim_key(self, tenant: str, imsi: Imsi) -> SimKey | None:
        """Return the local AuC's row of a SIM."""

    async def set_sqn_offset(self, tenant: str, imsi: Imsi, offset: int, *, expected: int) -> bool:
        """Set DIF after a resynchronisation if it still is ``expected``; say whether it was."""

    async def append_records(self, records: Sequence[RequestRecord]) -> None:
        """Write request records in one transaction."""

    async def ping(self) -> None:
        """Return when the store answers; PeerUnavailable otherwise."""

    async def token_use(self, tenant: str, imsi: Imsi | None, token_id: bytes) -> TokenUse | None:
        """Return what became of a token; an IMSI of None is for one of no subscription."""

    async def use_token(
        self,
        tenant: str,
        imsi: Imsi | None,
        token_id: bytes,
        use: TokenUse,
        *,
        expected: TokenState | None,
    ) -> bool:
        """Write what becomes of a token if it still is as expected (None = nothing became of it).

        Return False, and change nothing, when somebody else was faster, or when what is there
        has another ``holder`` than ``use``.
        """

    # --- what a subscription holds -----------------------------------------

    async def holdings(
        self, tenant: str, imsi: Imsi, kinds: Collection[type[Holding]] | None = None
    ) -> Holdings:
        """Return what a subscription holds besides its plan, or only what is of these kinds."""

    async def set_holding(
        self,
        tenant: str,
        imsi: Imsi,
        holding: Holding,
        *,
        ended: bool = False,
        instead_of: Holding | None = None,
    ) -> None:
        """Write what a subscription holds as of ``holding.at``; with ``ended``, no more.

        It takes the place of what there was of the same boost type, counter, or store and user.
        But for counters, what devices are told is compared with what they were, as in `change`.
        Conflict if there is no such subscription, or nothing to end; with ``instead_of``, also
        where it came to hold something else than that.
        """

    # --- what is noted about a line ----------------------------------------

    async def marks(self, tenant: str, imsi: Imsi) -> Sequence[LineMark]:
        """Return what is noted about a line, by name."""

    async def set_marks(self, tenant: str, imsi: Imsi, marks: Sequence[LineMark]) -> None:
        """Note something about a line, in one transaction.

        What is as it was keeps its time. Conflict if there is no such subscription.
        """

    async def terminal_since(self, tenant: str, imsi: Imsi, terminal_id: str) -> int | None:
        """Return the Unix seconds at which a terminal was first seen with this SIM."""

    # --- web views ---------------------------------------------------------

    async def visit(self, tenant: str, imsi: Imsi, visit_id: bytes) -> Visit | None:
        """Return how far a web view is, None where nobody opened it."""

    async def begin_visit(self, tenant: str, imsi: Imsi, visit_id: bytes, visit: Visit) -> bool:
        """Note that a web view was opened; say whether it was the first time.

        False, and nothing changed, where somebody else was faster.
        """

    async def settle_visit(
        self, tenant: str, imsi: Imsi, visit_id: bytes, settled: Settlement
    ) -> bool:
        """Write what a step ended in; False, and nothing, if it is over.

        What devices are told is compared with what they were, as in `change`.
        Conflict, and nothing changed, where there is no such subscription, where it holds
        something else by now than what the settlement takes the place of, or where its order has
        gone on (`order_meanwhile`). NoStock, likewise, where no profile is left for that.
        """

    def purchases(self, tenant: str) -> AsyncIterator[tuple[Imsi, Receipt]]:
        """Yield what was bought on pages and is still kept, in order of IMSI."""

    # --- the outbox of notices ---------------------------------------------

    async def tell(
        self,
        tenant: str,
        imsi: Imsi,
        *,
        at: int,
        apps: Sequence[str] | None = None,
        sms_apps: Sequence[str] = (),
    ) -> int:
        """Note that the registered clients are to be told of a change; return of how many apps.

        ``apps`` None means every application that they registered for. Where none is registered
        (for these apps), ``sms_apps`` are told to the SIM by SMS, if it has a number.
        """

    async def claim_notices(self, *, now: int, again_at: int, limit: int) -> Sequence[DueNotice]:
        """Return notices that are due, which nobody else is given until ``again_at``.

        They are of one part of all subscriptions, so that those of one device come together; where
        there are more, another call returns them. All times are Unix seconds.
        """

    async def settle_notices(self, settled: Sequence[Settled]) -> None:
        """Write what became of claimed notices, in one transaction.

        One whose change was overtaken by a newer one is left as it is, to be told anew.
        """

    # --- the management plane --------------------------------------------

    async def add(self, new: NewSubscription) -> None:
        """Write one new subscription; Conflict if the IMSI exists (unless REMOVED)."""

    async def add_many(self, new: Iterable[NewSubscription], *, replace: bool = False) -> int:
        """Write all or none; return how many. RowConflict says which row is in the way.

        With ``replace`` an existing subscription is overwritten, keeping its token epoch
        and, where the new row has no SIM key or consents, those it has. Where it changes, what
        devices are told is compared with what they were, as in `change`.
        """

    async def change(
        self,
        tenant: str,
        imsi: Imsi,
        change: Change,
        *,
        now: int,
        consents: Sequence[Consent] = (),
        marks: Sequence[LineMark] = (),
    ) -> Subscription:
        """Set the given fields and return the new state.

        Consents and what is noted about the line are written with them, all or nothing, and so is
        an event with what the subscription was (`Waiting.before`): whoever acts upon it raises the
        document's version, and tells devices, where they are told something else now.
        Conflict if there is no such subscription.
        """

    async def set_consent(self, tenant: str, imsi: Imsi, consent: Consent) -> None:
        """Write one consent, as in `change`; Conflict if there is no such subscription."""

    async def remove(
        self, tenant: str, imsi: Imsi, *, now: int, switched: Collection[str] = NO_SERVICES
    ) -> None:
        """Make it REMOVED, raise its token epoch, forget its SIM key, consents, push tokens.

        What it may have on of ``switched``, the services that are switched in the network, goes
        off, whoever has its IMSI by then.
        """

    async def revoke_tokens(self, tenant: str, imsi: Imsi, terminal_id: str | None) -> int:
        """Raise the token epoch of the subscription, or of every grant of one terminal.

        Return the new epoch, of a terminal the highest of its clients'; Conflict if there is
        no such subscription or no grant of that terminal.
        """

    async def find(
        self, tenant: str, *, imsi: Imsi | None = None, msisdn: Msisdn | None = None
    ) -> Subscription | None:
        """Return one subscription by IMSI or by MSISDN."""

    def list(
        self, tenant: str, *, after: str = "", status: SubscriptionStatus | None = None
    ) -> AsyncIterator[Subscription]:
        """Yield subscriptions in order of IMSI digits, after the given ones."""

    async def count(self, tenant: str) -> int:
        """Return how many subscriptions the tenant has, REMOVED ones left out."""

    async def export(self, tenant: str, imsi: Imsi) -> Export | None:
        """Return all that is held about one subscription."""

    async def erase(
        self,
        tenant: str,
        imsi: Imsi,
        subscriber_refs: Sequence[str],
        *,
        now: int,
        switched: Collection[str] = NO_SERVICES,
    ) -> Erased:
        """Delete every row of one subscription and its request records.

        Only what is still to be done in the network, at an SM-DP+ or at a BSS is left, as in
        `remove`, with nothing but what names it there, until it is done, for `LEFT_FOR_S` at most.
        """

    async def records(
        self,
        tenant: str,
        subscriber_refs: Sequence[str],
        *,
        limit: int = 100,
        before: tuple[int, str] = LAST_RECORD,
    ) -> Sequence[RequestRecord]:
        """Return the newest request records of a subscription, newest first.

        None is as new as ``before``: Unix microseconds, and a request id among those of that time.
        """

    def recorded(
        self, tenant: str, *, since_us: int, limit: int
    ) -> AsyncIterator[Sequence[RequestRecord]]:
        """Yield the newest records of all subscriptions in batches, none older than that.

        They come about in the order of their times, the newest first: what is read is what there
        is while it is read, and nobody is kept from writing.
        """

    async def consents(self, tenant: str, imsi: Imsi) -> dict[ConsentKind, Consent]:
        """Return a subscription's consents."""

    async def sim_keys(
        self, *, after: tuple[str, str] = ("", "")
    ) -> Sequence[tuple[str, Imsi, SimKey]]:
        """Return the next batch of SIM keys in order of (tenant, IMSI), for re-wrapping."""

    async def rewrap(self, tenant: str, imsi: Imsi, old: SimKey, new: SimKey) -> bool:
        """Replace the wrapped keys of a SIM if they still are ``old``'s."""

    # --- upkeep ------------------------------------------------------------

    async def purge(self, *, sessions_before: int, records_before: int, limit: int = 5000) -> int:
        """Delete old rows (Unix seconds), a bounded batch; return how many.

        ``sessions_before`` is for sessions that began, and for tokens and web views that were
        over, before it.
        """

    async def close(self) -> None:
        """Finish what is queued and let go of every connection."""
