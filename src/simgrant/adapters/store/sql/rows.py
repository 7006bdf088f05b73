"""Rows to the domain's values and back; the columns are those of ``statements``."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable
from decimal import Decimal
from typing import Any, TypeAlias

import msgspec

from simgrant.adapters.store.sql.engine import Params, Row, Rows
from simgrant.adapters.store.sql.statements import shard_of
from simgrant.domain.address import CivicAddress
from simgrant.domain.holdings import (
    HeldAddress,
    HeldBilling,
    HeldBoost,
    HeldSatellite,
    HeldUsage,
    Holding,
    Holdings,
    Money,
    Purchase,
)
from simgrant.domain.line_marks import LineMark, MarkName
from simgrant.domain.subscription import (
    Consent,
    ConsentKind,
    ConsentStatus,
    Profile,
    PushRegistration,
    Subscription,
    SubscriptionStatus,
    Terminal,
)
from simgrant.domain.told import Told
from simgrant.domain.visit import Receipt, Step, Visit
from simgrant.identities import Imsi, Msisdn
from simgrant.ports.store import (
    DueNotice,
    Outcome,
    PendingNotice,
    RequestRecord,
    SessionRow,
    SimKey,
    TokenState,
    TokenUse,
)
from simgrant.spec.ids import ProvStatus

NO_RECEIPT = b""
_Parts: TypeAlias = tuple[str, str, tuple[Any, ...]]
"""Kind, name and fields of what a subscription holds."""

# Looking a value up costs a tenth of calling the enum.
_STATUS = {status.value: status for status in SubscriptionStatus}
_CONSENT = {status.value: status for status in ConsentStatus}
_PURCHASE = {purchase.value: purchase for purchase in Purchase}
_TERMS, _ADDRESS = ConsentKind.TERMS, ConsentKind.ADDRESS
_PROVISIONING = {int(status): status for status in ProvStatus}


def to_subscription(row: Row) -> Subscription:
    """Build a subscription from ``SUBSCRIPTION_COLUMNS``."""
    (
        tenant,
        imsi,
        msisdn,
        status,
        plan,
        gid1,
        prov,
        plmn,
        plmn_at,
        epoch,
        created,
        changed,
    ) = row
    return Subscription(
        tenant,
        Imsi(imsi),
        None if msisdn is None else Msisdn(msisdn),
        _STATUS[status],
        plan,
        gid1,
        _PROVISIONING[prov],
        plmn,
        plmn_at,
        epoch,
        created,
        changed,
    )


def from_subscription(value: Subscription) -> Params:
    """Return a subscription as ``SUBSCRIPTION_COLUMNS``."""
    return (
        value.tenant,
        value.imsi.digits,
        None if value.msisdn is None else value.msisdn.digits,
        value.status.value,
        value.plan,
        value.gid1,
        int(value.provisioning),
        value.visited_plmn,
        value.visited_at,
        value.token_epoch,
        value.created_at,
        value.changed_at,
    )


def to_profile(tenant: str, imsi: Imsi, row: Row, kept: Told | None = None) -> Profile:
    """Build a profile from the row of ``PROFILE``, and what a BSS told."""
    (
        msisdn,
        status,
        plan,
        gid1,
        provisioning,
        visited_plmn,
        visited_at,
        epoch,
        created_at,
        changed_at,
        terms,
        terms_version,
        terms_at,
        terms_end,
        address,
        address_version,
        address_at,
        address_end,
        terminal_epoch,
        granted_at,
    ) = row
    return Profile(
        Subscription(
            tenant,
            imsi,
            None if msisdn is None else Msisdn(msisdn),
            _STATUS[status],
            plan,
            gid1,
            _PROVISIONING[provisioning],
            visited_plmn,
            visited_at,
            epoch,
            created_at,
            changed_at,
        ),
        None
        if terms is None
        else Consent(_TERMS, _CONSENT[terms], terms_version, terms_at, terms_end),
        None
        if address is None
        else Consent(_ADDRESS, _CONSENT[address], address_version, address_at, address_end),
        terminal_epoch,
        granted_at,
        kept=kept,
    )


def to_consents(row: Row) -> dict[ConsentKind, Consent]:
    """Build the consents there are from ``CONSENT_COLUMNS``."""
    return {
        kind: Consent(kind, _CONSENT[status], version, at, expires_at)
        for kind, (status, version, at, expires_at) in ((_TERMS, row[:4]), (_ADDRESS, row[4:]))
        if status is not None
    }


def from_consent(value: Consent | None) -> Params:
    """Return a consent as its four of the ``CONSENT_COLUMNS``."""
    if value is None:
        return (None, None, None, None)
    return (value.status.value, value.version, value.at, value.expires_at)


def from_consents(values: Iterable[Consent]) -> Params:
    """Return consents as ``CONSENT_COLUMNS``; of two of one kind the last counts."""
    by_kind = {value.kind: value for value in values}
    return (*from_consent(by_kind.get(_TERMS)), *from_consent(by_kind.get(_ADDRESS)))


def to_sim_key(row: Row) -> SimKey:
    """Build a SIM's key from ``SIM_KEY_COLUMNS``."""
    algorithm, wrapped_k, wrapped_op, amf, sqn_offset, res_length = row
    return SimKey(algorithm, wrapped_k, wrapped_op, amf, sqn_offset, res_length)


def from_sim_key(value: SimKey) -> Params:
    """Return a SIM's key as ``SIM_KEY_COLUMNS``."""
    return (
        value.algorithm,
        value.wrapped_k,
        value.wrapped_op,
        value.amf,
        value.sqn_offset,
        value.res_length,
    )


def to_terminal(row: Row) -> Terminal:
    """Build a terminal from ``TERMINAL_COLUMNS``."""
    return Terminal(*row)


def from_terminal(value: Terminal) -> Params:
    """Return a terminal as ``TERMINAL_COLUMNS``."""
    return (
        value.terminal_id,
        value.vendor,
        value.model,
        value.sw_version,
        value.seen_at,
    )


def to_mark(row: Row) -> LineMark:
    """Build a mark from the row of ``MARKS``."""
    name, value, at = row
    return LineMark(MarkName(name), value, at)


def from_mark(tenant: str, imsi: str, mark: LineMark) -> Params:
    """Return a mark as the parameters of ``MARK_KEPT``.

    A first ICCID is no sign of a swap: it was not known before.
    """
    new_at = 0 if mark.name is MarkName.ICCID else mark.at
    return (tenant, imsi, mark.name.value, mark.value, new_at, mark.at)


def to_session(row: Row) -> SessionRow:
    """Build what is known of a session from the row of ``SESSION``."""
    outcome, at, state, answer_hash = row
    return SessionRow(Outcome(outcome), at, state, answer_hash)


def from_session(tenant: str, imsi: Imsi, session_id: bytes, row: SessionRow) -> Params:
    """Return a session as the first eight parameters of its statements."""
    return (
        tenant,
        imsi.digits,
        session_id,
        row.outcome.value,
        row.at,
        row.state,
        row.answer_hash,
        shard_of(imsi.digits),
    )


def to_push(row: Row) -> PushRegistration:
    """Build a push registration from the row of ``PUSHES``."""
    return PushRegistration(*row)


def to_record(row: Row) -> RequestRecord:
    """Build a request's record from the row of ``RECORDS``."""
    return RequestRecord(*row)


def from_record(value: RequestRecord) -> Params:
    """Return a request's record as the parameters of ``RECORD_KEPT``."""
    return (
        value.tenant,
        value.subscriber_ref,
        value.at_us,
        value.request_id,
        value.body,
        # Requests that named nobody share an empty reference, and are to be spread too.
        shard_of(value.subscriber_ref or value.request_id),
    )


def to_token_use(row: Row) -> TokenUse:
    """Build what became of a token from the row of ``USE``."""
    state, holder, at, expires_at = row
    return TokenUse(TokenState(state), at, expires_at, holder)


def from_token_use(tenant: str, imsi: Imsi | None, token_id: bytes, use: TokenUse) -> Params:
    """Return what becomes of a token as the first eight parameters of its statements."""
    digits = imsi.digits if imsi else ""
    return (
        tenant,
        digits,
        token_id,
        use.state.value,
        use.holder,
        use.at,
        use.expires_at,
        # Tokens of no subscription share an empty IMSI, and are to be spread too.
        shard_of(digits or token_id.hex()),
    )


def to_visit(row: Row) -> Visit:
    """Build a visit from the row of ``VISIT``."""
    step, opened_at, expires_at = row
    return Visit(Step(step), opened_at, expires_at)


def from_visit(tenant: str, imsi: Imsi, visit_id: bytes, visit: Visit) -> Params:
    """Return a visit as the parameters of ``VISIT_BEGINS``."""
    return (
        tenant,
        imsi.digits,
        visit_id,
        visit.step.value,
        visit.opened_at,
        visit.expires_at,
        shard_of(imsi.digits),
        NO_RECEIPT,
    )


def to_receipt(text: bytes) -> Receipt:
    """Build what was bought from a column ``receipt`` that is not empty."""
    what, price, lasts_s, at = msgspec.json.decode(text)
    return Receipt(what, _money(price), lasts_s, at)


def from_receipt(value: Receipt | None) -> bytes | None:
    """Return what was bought as the column ``receipt``; None where nothing was."""
    if value is None:
        return None
    return msgspec.json.encode((value.what, value.price, value.lasts_s, value.at))


def to_notice(row: Row) -> DueNotice:
    """Build a notice from the row of ``NOTICES_CLAIMED``."""
    (
        tenant,
        imsi,
        terminal_id,
        app_name,
        app_id,
        at,
        mark,
        attempts,
        reason,
        cause,
        action,
        token,
        since,
        number,
    ) = row
    return DueNotice(
        tenant,
        Imsi(imsi),
        terminal_id,
        app_name,
        app_id,
        at,
        mark,
        attempts,
        None
        if action is None
        else PushRegistration(terminal_id, app_id, app_name, action, token, since),
        None if number is None else Msisdn(number),
        reason or "",
        cause or "",
    )


def to_pending(row: Row) -> PendingNotice:
    """Build a notice that waits from the row of ``NOTICES``."""
    terminal_id, app_name, app_id, at, due_at, attempts, reason, cause = row
    return PendingNotice(
        terminal_id, app_name, app_id, at, due_at, attempts, reason or "", cause or ""
    )


def notice_key(notice: DueNotice) -> Params:
    """Return the first five parameters of the statements on one notice."""
    return (
        notice.tenant,
        notice.imsi.digits,
        notice.terminal_id,
        notice.app_name,
        notice.app_id,
    )


def change_params(tenant: str, imsi: str, at: int) -> Params:
    """Return the first five parameters of the statements that note a change to be told."""
    mark = int.from_bytes(os.urandom(7))
    return (tenant, imsi, at, mark, shard_of(imsi))


def to_holdings(found: Rows, kinds: Collection[type[Holding]] | None = None) -> Holdings:
    """Build what a subscription holds from the rows of ``HOLDINGS``, or what is of these kinds."""
    by_kind: dict[str, list[Any]] = {}
    for kind, body, at in found:
        made, build = _HOLDINGS[kind]
        if kinds is None or made in kinds:
            one = build(_decoded(body), at)
            if kind in by_kind:
                by_kind[kind].append(one)
            else:
                by_kind[kind] = [one]
    of = by_kind.get
    (satellite,), (address,) = of("satellite", _NONE), of("address", _NONE)
    return Holdings(
        tuple(of("boost", ())), tuple(of("usage", ())), satellite, tuple(of("billing", ())), address
    )


_NONE = (None,)


_decoded = msgspec.json.Decoder().decode


def from_holding(value: Holding) -> Params:
    """Return kind, name, body and time of what a subscription holds."""
    kind, name, fields = _HOLDING_PARTS[type(value)](value)
    return (kind, name, msgspec.json.encode(fields), value.at)


def _boost(fields: Any, at: int) -> HeldBoost:
    boost_type, purchase, until = fields
    return HeldBoost(boost_type, _PURCHASE[purchase], until, at)


def _usage(fields: Any, at: int) -> HeldUsage:
    counter, used, allowance, cycle_end = fields
    return HeldUsage(counter, used, allowance, cycle_end, at)


def _satellite(fields: Any, at: int) -> HeldSatellite:
    return HeldSatellite(_CONSENT[fields[0]], at)


def _billing(fields: Any, at: int) -> HeldBilling:
    vendor, user, terms, provisioning, spent, limit, resets_at = fields
    return HeldBilling(
        vendor,
        user,
        _CONSENT[terms],
        _PROVISIONING[provisioning],
        _money(spent),
        _money(limit),
        resets_at,
        at,
    )


def _address(fields: Any, at: int) -> HeldAddress:
    parts, identifier = fields
    return HeldAddress(CivicAddress(**parts), identifier, at)


def _money(fields: Any) -> Money | None:
    return None if fields is None else Money(Decimal(fields[0]), fields[1])


def _of_boost(value: HeldBoost) -> _Parts:
    fields = (value.boost_type, value.purchase.value, value.until)
    return "boost", str(value.boost_type), fields


def _of_usage(value: HeldUsage) -> _Parts:
    fields = (value.counter, value.used, value.allowance, value.cycle_end)
    return "usage", value.counter, fields


def _of_satellite(value: HeldSatellite) -> _Parts:
    return "satellite", "", (value.status.value,)


def _of_billing(value: HeldBilling) -> _Parts:
    fields = (
        value.store_vendor,
        value.store_user_id,
        value.terms.value,
        int(value.provisioning),
        value.spent,
        value.limit,
        value.resets_at,
    )
    # No two pairs make one name, whatever is in them.
    name = f"{len(value.store_vendor)} {value.store_vendor}{value.store_user_id}"
    return "billing", name, fields


def _of_address(value: HeldAddress) -> _Parts:
    return "address", "", (value.address, value.identifier)


_HOLDINGS: dict[str, tuple[type[Holding], Callable[[Any, int], Holding]]] = {
    "boost": (HeldBoost, _boost),
    "usage": (HeldUsage, _usage),
    "satellite": (HeldSatellite, _satellite),
    "billing": (HeldBilling, _billing),
    "address": (HeldAddress, _address),
}
_HOLDING_PARTS: dict[type, Callable[[Any], _Parts]] = {
    HeldBoost: _of_boost,
    HeldUsage: _of_usage,
    HeldSatellite: _of_satellite,
    HeldBilling: _of_billing,
    HeldAddress: _of_address,
}
