"""Patterns and shapes that several calls of the management API share."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

Meta = msgspec.Meta

ImsiText = Annotated[str, Meta(pattern="^[0-9]{6,15}$")]
NumberText = Annotated[str, Meta(pattern=r"^\+?[0-9]{5,15}$")]
Hex = Annotated[str, Meta(pattern="^[0-9A-Fa-f]{1,64}$")]
Moment: TypeAlias = Annotated[
    str,
    Meta(
        pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9:.]{5,15}(Z|[+-][0-9]{2}:[0-9]{2})?)?$",
        max_length=40,
    ),
]
"""A date, or a time in UTC unless it says otherwise (ISO 8601)."""
_PRINTABLE = r"^[^\x00-\x1f\x7f]*$"
Name: TypeAlias = Annotated[str, Meta(min_length=1, max_length=64, pattern=_PRINTABLE)]
Short: TypeAlias = Annotated[str, Meta(max_length=128, pattern=_PRINTABLE)]

Status = Literal["active", "suspended", "barred"]
AnyStatus = Literal["active", "suspended", "barred", "removed"]
ConsentState = Literal["missing", "given", "not_required", "in_progress"]
Provisioning = Literal["not_required", "not_provisioned", "provisioned", "in_progress"]
NumberKind = Literal["unknown", "mobile", "fixed", "voip", "data_only", "m2m"]


class Fields(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """What may be said of a subscription; what is left out stays as it is, or is as usual."""

    msisdn: NumberText | UnsetType = UNSET
    """Telephone number, E.164."""
    status: Status | UnsetType = UNSET
    gid1: Annotated[str, Meta(pattern="^[0-9A-Fa-f]{0,64}$")] | UnsetType = UNSET
    """GID1 of the SIM."""
    provisioning: Provisioning | UnsetType = UNSET
    """State of VoWiFi in the network."""
    visited_plmn: Annotated[str, Meta(pattern="^([0-9]{3}-?[0-9]{2,3})?$")] | UnsetType = UNSET
    """Digits of the network it is in; empty = not known."""
    iccid: Annotated[str, Meta(pattern="^[0-9]{18,20}$")] | UnsetType = UNSET
    """ICCID of the SIM; another one than before is a SIM swap."""
    sim_since: Moment | UnsetType = UNSET
    """When the line got its SIM."""
    port_freeze: bool | UnsetType = UNSET
    """Whether it is locked against being moved."""
    prepaid: bool | UnsetType = UNSET
    number_type: NumberKind | UnsetType = UNSET


class Whole(Fields, kw_only=True):
    """A subscription that is written as a whole."""

    plan: Name
    """A plan of the tenant's policy."""
    k: Hex | UnsetType = UNSET
    """Ki for the local AuC; nobody is told it again."""
    opc: Hex | UnsetType = UNSET
    """OPc, or TOPc for TUAK."""
    op: Hex | UnsetType = UNSET
    """OP or TOP, in place of `opc`."""
    algorithm: Literal["milenage", "tuak"] | UnsetType = UNSET
    amf: Annotated[str, Meta(pattern="^[0-9A-Fa-f]{4}$")] | UnsetType = UNSET
    sqn: Annotated[str, Meta(pattern="^[0-9A-Fa-f]{1,12}$")] | UnsetType = UNSET
    """Highest sequence number that the SIM has seen."""
    res_length: Literal[4, 8, 16] | UnsetType = UNSET
    """Bytes of RES."""
    terms: ConsentState | UnsetType = UNSET
    """Terms and conditions."""
    terms_version: Short | UnsetType = UNSET
    """Which text was agreed to."""
    address: ConsentState | UnsetType = UNSET
    """Emergency address."""
    address_id: Short | UnsetType = UNSET
    """Identifier of the address on file."""


class NewSubscription(Whole, kw_only=True):
    """A subscription to be made."""

    imsi: ImsiText


class SubscriptionChange(Fields, kw_only=True):
    """What is to be changed of a subscription."""

    plan: Name | UnsetType = UNSET


class ListedSubscription(msgspec.Struct, kw_only=True):
    """A subscription in a list. Times are ISO 8601 in UTC."""

    tenant: str
    imsi: ImsiText
    msisdn: str | None
    status: AnyStatus
    plan: str
    gid1: str
    provisioning: Provisioning
    visited_plmn: str | None
    visited_at: str | None
    token_epoch: int
    """Raised when its tokens are revoked."""
    created_at: str | None
    changed_at: str | None


class Subscription(ListedSubscription, kw_only=True):
    """A subscription, with what is noted about its line."""

    etag: str
    """By which a later change says which state it has seen (`If-Match`)."""
    iccid: str | None = None
    sim_since: str | None = None
    port_freeze: bool | None = None
    prepaid: bool | None = None
    number_type: NumberKind | None = None


class SubscriptionPage(msgspec.Struct):
    """Some subscriptions."""

    items: list[ListedSubscription]
    next: str | None
    """`after` of the next page; null = there is none."""


def row_of(fields: msgspec.Struct) -> dict[str, str]:
    """Return what was said as a row of an import: texts by column."""
    found = {}
    for name in fields.__struct_fields__:
        value: Any = getattr(fields, name)
        if value is UNSET:
            continue
        found[name] = {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
    return found
