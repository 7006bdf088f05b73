"""Subscriptions on the management plane: rows in, changes, everything out, nothing left.

The use cases behind the commands, and behind whatever else manages subscriptions
later. A row is a mapping of texts with the names in ``COLUMNS``, wherever it came
from; it is checked completely before anything is written.
"""

from __future__ import annotations

import json
import re
from collections.abc import (
    AsyncIterator,
    Callable,
    Collection,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from dataclasses import field
from types import MappingProxyType
from typing import Any, Final, Protocol

from simgrant.domain.address import AddressField
from simgrant.domain.holdings import Holdings
from simgrant.domain.line_marks import NO, TIMES, YES, LineMark, MarkName
from simgrant.domain.problems import did_you_mean
from simgrant.domain.risk import NumberType
from simgrant.domain.subscription import (
    Consent,
    ConsentKind,
    ConsentStatus,
    PushRegistration,
    Subscription,
    SubscriptionStatus,
)
from simgrant.domain.tenant import Tenant
from simgrant.domain.told import Told, aspects_told
from simgrant.domain.visit import Receipt
from simgrant.eap.milenage import opc_from_op
from simgrant.eap.tuak import topc_from_top
from simgrant.errors import Conflict
from simgrant.flows.moments import moment
from simgrant.flows.order_data import order_data, passed_data
from simgrant.identities import Iccid, Imsi, InvalidIdentity, Msisdn
from simgrant.keyring.ring import KeyRing
from simgrant.nouns import noun
from simgrant.ports.store import (
    Change,
    Erased,
    Export,
    NewSubscription,
    PendingNotice,
    SimKey,
    Store,
)
from simgrant.spec.ids import ProvStatus
from simgrant.wire.instant import pull_instant
from simgrant.wire.push_token import CHANNELS, Channel

COLUMNS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "imsi": "IMSI, 6 to 15 digits; the only column that must be there beside plan",
        "msisdn": "telephone number in E.164 form, with or without +",
        "plan": "name of a plan in the tenant's policy",
        "status": "active (default), suspended or barred",
        "gid1": "GID1 of the SIM, hexadecimal",
        "provisioning": "VoWiFi in the network: not_required (default), not_provisioned, "
        "provisioned or in_progress",
        "visited_plmn": "network it was last seen in: digits of MCC and MNC",
        "k": "Ki for the local AuC, hexadecimal; may be called ki",
        "opc": "OPc (TOPc for TUAK), hexadecimal",
        "op": "OP (TOP for TUAK), hexadecimal, instead of opc",
        "algorithm": "milenage (default) or tuak",
        "amf": "authentication management field, 4 hexadecimal digits (default 8000)",
        "sqn": "highest sequence number the SIM has seen, hexadecimal (default 0)",
        "res_length": "bytes of RES: 8 (default); 4, 8 or 16 for TUAK",
        "terms": "terms and conditions: missing (default), given, not_required or in_progress",
        "terms_version": "which text was agreed to",
        "address": "emergency address: missing (default), given, not_required or in_progress",
        "address_id": "identifier of the address on file",
        "iccid": "ICCID of the SIM; another one than before is a SIM swap",
        "sim_since": "when the line got its SIM, such as 2026-11-01; the day of the last SIM swap",
        "port_freeze": "yes where the subscriber has the line locked against being moved, or no",
        "prepaid": "yes or no",
        "number_type": f"one of {', '.join(NumberType)}",
        "mnc_digits": "for the simulator, which reads the same files; not kept",
    }
)
"""Every column of an import, with its meaning."""

DEFAULT_AMF: Final = "8000"
"""With the separation bit, so that EAP-AKA and EAP-AKA' both work."""

_ALIASES: Final = MappingProxyType({"ki": "k"})
_PROVISIONING: Final = MappingProxyType({status.name.lower(): status for status in ProvStatus})
_IMPORTABLE: Final = (
    SubscriptionStatus.ACTIVE,
    SubscriptionStatus.SUSPENDED,
    SubscriptionStatus.BARRED,
)
_ALL_RECORDS: Final = 1_000_000
_RECORDS_SEEN: Final = 500
_NOTICES_SHOWN: Final = 20
_PLMN = re.compile(r"[0-9]{5,6}")
_HEX = re.compile(r"[0-9A-Fa-f]*")

Progress = Callable[[int], None]
"""Told how many rows are done, now and then."""


class BadRow(ValueError):
    """The row cannot be taken; the message names the column and never repeats a key."""


@noun
class SimSecrets:
    """A SIM's keys in clear, between the row and the wrapping."""

    algorithm: str
    k: bytes = field(repr=False)
    op: bytes = field(repr=False)
    """OPc or TOPc."""
    amf: bytes
    sqn: int
    res_length: int


class Wrap(Protocol):
    """Turns a SIM's keys into what the store may hold."""

    def __call__(self, imsi: Imsi, secrets: SimSecrets) -> SimKey:
        """Return the keys wrapped by the key ring."""


@noun
class Context:
    """What rows are checked against."""

    tenant: Tenant
    plans: Collection[str]
    """Names of the plans in the tenant's policy."""
    now: int
    """Unix seconds."""


@noun
class Draft:
    """A checked row, not yet written."""

    subscription: Subscription
    consents: tuple[Consent, ...] = ()
    marks: tuple[LineMark, ...] = ()
    secrets: SimSecrets | None = field(default=None, repr=False)

    def wrapped(self, wrap: Wrap) -> NewSubscription:
        """Return the rows to write."""
        imsi = self.subscription.imsi
        sim = None if self.secrets is None else wrap(imsi, self.secrets)
        return NewSubscription(self.subscription, sim, self.consents, self.marks)


@noun
class Checked:
    """All rows of an import, checked."""

    drafts: list[Draft]
    lines: list[int]
    """The line of each draft."""
    problems: list[tuple[int, str]]
    """Line number and reason of every row that cannot be taken."""


@noun
class Edit:
    """Checked changes of one subscription."""

    change: Change
    consents: tuple[Consent, ...]
    marks: tuple[LineMark, ...] = ()


# --- rows ----------------------------------------------------------------------------------


def check_columns(names: Iterable[str]) -> None:
    """Raise BadRow for a column that is none of ours, with what was probably meant."""
    for name in names:
        if name not in COLUMNS and name not in _ALIASES:
            hint = did_you_mean(name, (*COLUMNS, *_ALIASES))
            raise BadRow(f"unknown column {name[:32]!r}{hint}")


def draft(row: Mapping[str, str], context: Context) -> Draft:
    """Return the subscription of a row; raise BadRow. An empty text is a missing value.

    The token epoch starts at the present time and not at 0: a token of a subscription
    that was erased and made again must not come alive with it.
    """
    check_columns(row)
    values = {_ALIASES.get(name, name): text for name, text in row.items() if text}
    now = context.now
    imsi = _imsi(values, context.tenant)
    if "plan" not in values:
        raise BadRow("plan is missing")
    visited = visited_plmn(values.get("visited_plmn", ""))
    subscription = Subscription(
        tenant=context.tenant.name,
        imsi=imsi,
        msisdn=_msisdn(values),
        status=_status(values.get("status", SubscriptionStatus.ACTIVE)),
        plan=_plan(values["plan"], context.plans),
        gid1=_gid1(values.get("gid1", "")),
        provisioning=_provisioning(values.get("provisioning", "not_required")),
        visited_plmn=visited,
        visited_at=now if visited else 0,
        token_epoch=now,
        created_at=now,
        changed_at=now,
    )
    return Draft(subscription, _consents(values, now), _marks(values, now), _secrets(values))


def check(rows: Iterable[tuple[int, Mapping[str, str] | BadRow]], context: Context) -> Checked:
    """Check numbered rows, all of them, whatever is wrong with the first."""
    checked = Checked([], [], [])
    seen: dict[str, int] = {}
    numbers: dict[str, int] = {}
    for line, row in rows:
        try:
            if isinstance(row, BadRow):
                raise row
            made = draft(row, context)
            subscription = made.subscription
            first = seen.setdefault(subscription.imsi.digits, line)
            if first != line:
                raise BadRow(f"imsi is that of line {first}")
            if subscription.msisdn is not None:
                first = numbers.setdefault(subscription.msisdn.digits, line)
                if first != line:
                    raise BadRow(f"msisdn is that of line {first}")
        except BadRow as problem:
            checked.problems.append((line, str(problem)))
        else:
            checked.drafts.append(made)
            checked.lines.append(line)
    return checked


def edit(values: Mapping[str, str], context: Context) -> Edit:
    """Return the checked changes; only what is in ``values`` is changed. Raise BadRow.

    ``visited_plmn`` may be empty: the network is then not known any more.
    """
    check_columns(values)
    plan, status = values.get("plan"), values.get("status")
    visited, provisioning = values.get("visited_plmn"), values.get("provisioning")
    gid1 = values.get("gid1")
    change = Change(
        msisdn=_msisdn(values),
        status=None if status is None else _status(status),
        plan=None if plan is None else _plan(plan, context.plans),
        gid1=None if gid1 is None else _gid1(gid1),
        provisioning=None if provisioning is None else _provisioning(provisioning),
        visited_plmn=None if visited is None else visited_plmn(visited),
    )
    return Edit(change, _consents(values, context.now), _marks(values, context.now))


def visited_plmn(text: str) -> str:
    """Return the digits of a network, or nothing for nothing; raise BadRow."""
    digits = text.replace("-", "")
    if digits and not _PLMN.fullmatch(digits):
        raise BadRow("visited_plmn must be the digits of MCC and MNC, such as 26201")
    return digits


def _imsi(values: Mapping[str, str], tenant: Tenant) -> Imsi:
    if "imsi" not in values:
        raise BadRow("imsi is missing")
    try:
        imsi = Imsi(values["imsi"])
    except InvalidIdentity as error:
        raise BadRow(f"imsi: {error}") from None
    if not tenant.serves(imsi):
        served = ", ".join(f"{plmn.mcc}-{plmn.mnc}" for plmn in tenant.plmns)
        ranges = ", ".join(f"{first}-{last}" for first, last in tenant.imsi_ranges)
        raise BadRow(
            f"imsi is not of tenant {tenant.name}, which serves {ranges or served or 'no network'}"
        )
    return imsi


def _msisdn(values: Mapping[str, str]) -> Msisdn | None:
    text = values.get("msisdn")
    if not text:
        return None
    try:
        return Msisdn(text)
    except InvalidIdentity as error:
        raise BadRow(f"msisdn: {error}") from None


def _plan(name: str, plans: Collection[str]) -> str:
    if name not in plans:
        raise BadRow(
            f"plan {name[:32]!r} is not in the policy, which has {', '.join(sorted(plans))}"
        )
    return name


def _status(text: str) -> SubscriptionStatus:
    if text not in _IMPORTABLE:
        raise BadRow(f"status must be one of {', '.join(_IMPORTABLE)}")
    return SubscriptionStatus(text)


def _provisioning(text: str) -> ProvStatus:
    try:
        return _PROVISIONING[text]
    except KeyError:
        raise BadRow(f"provisioning must be one of {', '.join(_PROVISIONING)}") from None


def _gid1(text: str) -> str:
    if len(text) > 64 or not _HEX.fullmatch(text):
        raise BadRow("gid1 must be hexadecimal")
    return text.upper()


def _consents(values: Mapping[str, str], now: int) -> tuple[Consent, ...]:
    found = []
    for kind, detail in ((ConsentKind.TERMS, "terms_version"), (ConsentKind.ADDRESS, "address_id")):
        text = values.get(kind)
        if text is None:
            if values.get(detail):
                raise BadRow(f"{detail} needs {kind}")
            continue
        try:
            status = ConsentStatus(text)
        except ValueError:
            raise BadRow(f"{kind} must be one of {', '.join(ConsentStatus)}") from None
        found.append(Consent(kind, status, values.get(detail, "")[:128], now))
    return tuple(found)


def _marks(values: Mapping[str, str], now: int) -> tuple[LineMark, ...]:
    """Return what the row notes about the line."""
    found = []
    for name, read in _MARKS.items():
        text = values.get(name)
        if text is not None:
            found.append(LineMark(name, read(name, text, now), now))
    return tuple(found)


def _iccid(name: str, text: str, _now: int) -> str:
    try:
        return Iccid(text.strip().upper().removesuffix("F")).digits
    except InvalidIdentity as error:
        raise BadRow(f"{name}: {error}") from None


def _since(name: str, text: str, now: int) -> str:
    try:
        at = pull_instant(text)
    except ValueError:
        raise BadRow(f"{name} must be a time such as 2026-11-01 or 2026-11-01T08:30Z") from None
    if not 0 <= at <= now:
        raise BadRow(f"{name} must be in the past")
    return str(at)


def _yes_or_no(name: str, text: str, _now: int) -> str:
    if text not in (YES, NO):
        raise BadRow(f"{name} must be {YES} or {NO}")
    return text


def _number_type(name: str, text: str, _now: int) -> str:
    if text not in tuple(NumberType):
        raise BadRow(f"{name} must be one of {', '.join(NumberType)}")
    return text


_MARKS: Final[Mapping[MarkName, Callable[[str, str, int], str]]] = MappingProxyType(
    {
        MarkName.ICCID: _iccid,
        MarkName.SIM_SINCE: _since,
        MarkName.PORT_FREEZE: _yes_or_no,
        MarkName.PREPAID: _yes_or_no,
        MarkName.NUMBER_TYPE: _number_type,
    }
)
"""How what a row says becomes what is noted; columns and marks have the same names."""


def _secrets(values: Mapping[str, str]) -> SimSecrets | None:
    if "k" not in values:
        for name in ("opc", "op"):
            if name in values:
                raise BadRow(f"{name} needs k")
        return None
    if ("opc" in values) == ("op" in values):
        raise BadRow("k needs opc or op, and not both")
    algorithm = values.get("algorithm", "milenage").lower()
    if algorithm not in ("milenage", "tuak"):
        raise BadRow("algorithm must be one of milenage, tuak")
    tuak = algorithm == "tuak"
    k = _key("k", values["k"], (16, 32) if tuak else (16,))
    name = "opc" if "opc" in values else "op"
    op = _key(name, values[name], (32,) if tuak else (16,))
    if name == "op":
        op = topc_from_top(k, op) if tuak else opc_from_op(k, op)
    amf = _key("amf", values.get("amf", DEFAULT_AMF), (2,))
    length = values.get("res_length", "8")
    if length not in (("4", "8", "16") if tuak else ("8",)):
        raise BadRow(f"res_length must be {'4, 8 or 16' if tuak else '8'} for {algorithm}")
    return SimSecrets(algorithm, k, op, amf, _sqn(values.get("sqn", "0")), int(length))


def _key(name: str, text: str, sizes: tuple[int, ...]) -> bytes:
    if _HEX.fullmatch(text) and len(text) in (2 * size for size in sizes):
        return bytes.fromhex(text)
    digits = " or ".join(str(2 * size) for size in sizes)
    raise BadRow(f"{name} must have {digits} hexadecimal digits")


def _sqn(text: str) -> int:
    if not text or len(text) > 12 or not _HEX.fullmatch(text):
        raise BadRow("sqn must have at most 12 hexadecimal digits")
    return int(text, 16)


# --- use cases -----------------------------------------------------------------------------


async def add(store: Store, made: Draft, wrap: Wrap) -> Subscription:
    """Write one new subscription; Conflict if there is one of that IMSI."""
    await store.add(made.wrapped(wrap))
    return made.subscription


async def add_all(
    store: Store,
    drafts: Collection[Draft],
    wrap: Wrap,
    *,
    replace: bool = False,
    progress: Progress | None = None,
) -> int:
    """Write every checked row in one transaction, or none; RowConflict says what is in the way."""

    def rows() -> Iterator[NewSubscription]:
        for number, made in enumerate(drafts, start=1):
            yield made.wrapped(wrap)
            if progress is not None and number % 500 == 0:
                progress(number)
        if progress is not None:
            progress(len(drafts))

    return await store.add_many(rows(), replace=replace)


async def existing(store: Store, tenant: str, drafts: Iterable[Draft]) -> list[Imsi]:
    """Return which of these IMSIs the store has already (a removed one does not count)."""
    wanted = {made.subscription.imsi.digits: made.subscription.imsi for made in drafts}
    if not wanted:
        return []
    first, last = min(wanted), max(wanted)
    found = []
    # One walk over the file's range of IMSIs costs less than a question for each row.
    async for subscription in store.list(tenant, after=_just_before(first)):
        digits = subscription.imsi.digits
        if digits > last:
            break
        if digits in wanted and subscription.status is not SubscriptionStatus.REMOVED:
            found.append(subscription.imsi)
    return found


def _just_before(digits: str) -> str:
    """Return a text that sorts before these digits and after whatever else does."""
    return digits[:-1] + chr(ord(digits[-1]) - 1) + "~"


async def find(store: Store, tenant: str, name: str) -> Subscription:
    """Return the subscription of an IMSI, or of an MSISDN that begins with ``+``.

    Raise BadRow if it is neither, Conflict if there is none.
    """
    try:
        if name.startswith("+"):
            found = await store.find(tenant, msisdn=Msisdn(name))
        else:
            found = await store.find(tenant, imsi=Imsi(name))
    except InvalidIdentity as error:
        raise BadRow(f"{error}; give an IMSI, or an MSISDN with +") from None
    if found is None:
        raise Conflict("no_subscription", for_operator=f"tenant {tenant} has no such subscription")
    return found


async def find_live(store: Store, tenant: str, name: str) -> Subscription:
    """Return a subscription that was not removed; raise as ``find`` does."""
    found = await find(store, tenant, name)
    if found.status is SubscriptionStatus.REMOVED:
        raise Conflict("subscription_removed", for_operator="the subscription was removed")
    return found


async def apply(
    store: Store,
    subscription: Subscription,
    changes: Edit,
    *,
    now: int,
) -> Subscription:
    """Write changes of one subscription and return its new state.

    Whoever acts upon events tells devices, where they are told something else now.
    """
    tenant, imsi = subscription.tenant, subscription.imsi
    if not changes.consents and changes.change == Change():
        await store.set_marks(tenant, imsi, changes.marks)
        return subscription
    return await store.change(
        tenant,
        imsi,
        changes.change,
        now=now,
        consents=changes.consents,
        marks=changes.marks,
    )


async def listed(
    store: Store, tenant: str, *, status: SubscriptionStatus | None, after: str, limit: int
) -> AsyncIterator[Subscription]:
    """Yield up to ``limit`` subscriptions in order of IMSI; removed ones only if asked for."""
    left = limit
    async for subscription in store.list(tenant, after=after, status=status):
        if subscription.status is SubscriptionStatus.REMOVED and status is None:
            continue
        if left <= 0:
            break
        left -= 1
        yield subscription


async def purchases(
    store: Store, tenant: str, *, since: int
) -> AsyncIterator[tuple[Imsi, Receipt]]:
    """Yield what was bought on pages from a time on (Unix seconds), in order of IMSI."""
    async for imsi, receipt in store.purchases(tenant):
        if receipt.at >= since:
            yield imsi, receipt


async def export(store: Store, subscription: Subscription, ring: KeyRing) -> dict[str, Any]:
    """Return everything held about one subscriber as plain data, less the SIM's keys."""
    tenant, imsi = subscription.tenant, subscription.imsi
    held = await store.export(tenant, imsi)
    if held is None:
        raise Conflict("no_subscription", for_operator="it is gone")
    references = ring.references(tenant, "imsi", imsi.digits)
    records = await store.records(tenant, references, limit=_ALL_RECORDS)
    orders = await store.orders.of(tenant, imsi)
    pin = await store.pins.find(tenant, imsi)
    learned = await store.learned.learned(tenant, imsi)
    told = await store.told.told(tenant, imsi)
    return {
        "subscription": as_data(held.subscription),
        "has_sim_key": held.has_sim_key,
        "consents": [consent_data(consent) for consent in held.consents],
        "terminals": [
            {
                "terminal_id": terminal.terminal_id,
                "vendor": terminal.vendor,
                "model": terminal.model,
                "sw_version": terminal.sw_version,
                "seen_at": moment(terminal.seen_at),
                "first_at": moment(terminal.first_at),
            }
            for terminal in held.terminals
        ],
        "push_registrations": [
            {
                "terminal_id": push.terminal_id,
                "app_id": push.app_id,
                "app_name": push.app_name,
                "action": push.action,
                "token": push.token,
                "at": moment(push.at),
            }
            for push in held.push
        ],
        "holdings": holdings_data(held.held),
        "line": marks_data(held.marks),
        "network": {
            kind.value: {
                "value": each.value,
                "source": each.source,
                "at": moment(each.at),
                "asked_at": moment(each.asked_at),
            }
            for kind, each in sorted(learned.items())
        },
        "bss": None if told is None else told_data(told),
        "pending_notices": pending_data(held),
        "purchases": [receipt_data(each) for each in held.purchases],
        "account_pin": None if pin is None else {"set_at": moment(pin.set_at), "tries": pin.tries},
        "orders": [order_data(order) for order in orders],
        "order_history": [passed_data(each) for each in await store.orders.history(tenant, imsi)],
        "records": [json.loads(record.body) for record in records],
    }


def told_data(told: Told) -> dict[str, Any]:
    """Return what a BSS told, as plain data."""
    found = told.eligibility
    return {
        "source": told.source,
        "at": moment(told.asked_at),
        "since": moment(told.changed_at),
        "told": None
        if found is None
        else {
            aspect.value: _plain(getattr(found, aspect)) for aspect in sorted(aspects_told(found))
        },
    }


def _plain(value: object) -> object:
    if isinstance(value, Msisdn):
        return value.digits
    if isinstance(value, ProvStatus):
        return value.name.lower()
    return sorted(value) if isinstance(value, frozenset) else value


async def notices_told(
    store: Store, subscription: Subscription, ring: KeyRing
) -> list[dict[str, Any]]:
    """Return what became of a subscription's newest notices, the newest first, as plain data.

    They are looked for among its newest records of every kind.
    """
    references = ring.references(subscription.tenant, "imsi", subscription.imsi.digits)
    found = await store.records(subscription.tenant, references, limit=_RECORDS_SEEN)
    bodies = (json.loads(record.body) for record in found)
    return [body for body in bodies if body.get("event") == "notice"][:_NOTICES_SHOWN]


async def erase(
    store: Store,
    subscription: Subscription,
    ring: KeyRing,
    *,
    now: int,
    switched: Collection[str],
) -> Erased:
    """Delete every row of one subscription, its request records among them (see the port).

    ``switched`` are the tenant's services that are switched in the network.
    """
    tenant, imsi = subscription.tenant, subscription.imsi
    references = ring.references(tenant, "imsi", imsi.digits)
    return await store.erase(tenant, imsi, references, now=now, switched=switched)


# --- plain data ----------------------------------------------------------------------------


def holdings_data(held: Holdings) -> list[dict[str, Any]]:
    """Return what a subscription holds as plain data, a row for each thing."""
    boosts = (
        {
            "boost_type": each.boost_type,
            "purchase": each.purchase.value,
            "until": None if each.until is None else moment(each.until),
            "at": moment(each.at),
        }
        for each in held.boosts
    )
    usage = (
        {
            "counter": each.counter,
            "used": each.used,
            "allowance": each.allowance,
            "cycle_end": None if each.cycle_end is None else moment(each.cycle_end),
            "at": moment(each.at),
        }
        for each in held.usage
    )
    satellite = (
        {"satellite": each.status.value, "at": moment(each.at)}
        for each in (held.satellite,)
        if each
    )
    billing = (
        {
            "store_vendor": each.store_vendor,
            "store_user_id": each.store_user_id,
            "terms": each.terms.value,
            "provisioning": each.provisioning.name.lower(),
            "spent": None if each.spent is None else str(each.spent),
            "limit": None if each.limit is None else str(each.limit),
            "at": moment(each.at),
        }
        for each in held.billing
    )
    address = (
        {
            **{part.value: each.address.part(part) for part in AddressField},
            "address_id": each.identifier,
            "at": moment(each.at),
        }
        for each in (held.address,)
        if each
    )
    return [*boosts, *usage, *satellite, *billing, *address]


def marks_data(marks: Sequence[LineMark]) -> list[dict[str, Any]]:
    """Return what is noted about a line as plain data."""
    return [
        {
            "mark": mark.name.value,
            "value": moment(int(mark.value)) if mark.name in TIMES else mark.value,
            "since": moment(mark.at) if mark.at else None,
        }
        for mark in marks
    ]


def receipt_data(receipt: Receipt) -> dict[str, Any]:
    """Return what was bought on a page as plain data."""
    return {
        "what": receipt.what,
        "price": None if receipt.price is None else str(receipt.price),
        "lasts_s": receipt.lasts_s,
        "at": moment(receipt.at),
    }


def pending_data(held: Export) -> list[dict[str, Any]]:
    """Return the notices that wait as plain data."""
    return [
        {
            "terminal_id": each.terminal_id,
            "app_id": each.app_id,
            "app_name": each.app_name,
            "channel": _channel_of(each, held.push),
            "since": moment(each.at),
            "attempts": each.attempts,
            "last_failure": each.reason or None,
            "cause": each.cause or None,
            "next_attempt": moment(each.due_at),
        }
        for each in held.notices
    ]


def registered_data(held: Export) -> list[dict[str, Any]]:
    """Return where clients want to be told of changes as plain data, less their tokens."""
    return [
        {
            "terminal_id": each.terminal_id,
            "app_id": each.app_id,
            "app_name": each.app_name,
            "channel": _channel(each.action),
            "at": moment(each.at),
        }
        for each in held.push
    ]


def _channel_of(notice: PendingNotice, push: Sequence[PushRegistration]) -> str:
    """Return the channel of a notice; empty where its client is registered no more."""
    if not notice.terminal_id:
        return Channel.SMS
    client = (notice.terminal_id, notice.app_id, notice.app_name)
    found = (p.action for p in push if (p.terminal_id, p.app_id, p.app_name) == client)
    return next(map(_channel, found), "")


def _channel(action: int) -> str:
    """Return the channel that a notif_action asks for, or its number where we have none."""
    channels: dict[int, str] = {int(each): channel for each, channel in CHANNELS.items()}
    return channels.get(action, str(action))


def as_data(subscription: Subscription) -> dict[str, Any]:
    """Return a subscription as plain data, its identities in clear."""
    msisdn = subscription.msisdn
    return {
        "tenant": subscription.tenant,
        "imsi": subscription.imsi.digits,
        "msisdn": msisdn.e164 if msisdn else None,
        "status": subscription.status.value,
        "plan": subscription.plan,
        "gid1": subscription.gid1,
        "provisioning": subscription.provisioning.name.lower(),
        "visited_plmn": subscription.visited_plmn or None,
        "visited_at": moment(subscription.visited_at),
        "token_epoch": subscription.token_epoch,
        "created_at": moment(subscription.created_at),
        "changed_at": moment(subscription.changed_at),
    }


def consent_data(consent: Consent) -> dict[str, Any]:
    """Return a consent as plain data."""
    return {
        "kind": consent.kind.value,
        "status": consent.status.value,
        "version": consent.version,
        "at": moment(consent.at),
        "expires_at": None if consent.expires_at is None else moment(consent.expires_at),
    }
