"""The call by which an operator's systems tell what happened to subscriptions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final, Literal

import msgspec
from msgspec import UNSET, UnsetType

from simgrant.domain.access import Scope
from simgrant.domain.bss_events import MOST_APIS, BssEvent, Change, ToldConsent
from simgrant.domain.eligibility import Eligibility
from simgrant.domain.risk import NumberType
from simgrant.domain.subscription import ConsentStatus, SubscriptionStatus
from simgrant.flows.camara.told_consents import told_consent
from simgrant.flows.management.access import may
from simgrant.flows.management.api_consents import ApiName, ApplicationName, Evidence, Purpose
from simgrant.flows.management.api_consents import ClientId as ConsumerId
from simgrant.flows.management.call import Asked, Call, Done, Query, pull_member
from simgrant.flows.management.problem import Code, LineError, Problem
from simgrant.flows.management.shapes import (
    ConsentState,
    ImsiText,
    Moment,
    Name,
    NumberKind,
    NumberText,
    Provisioning,
    Status,
)
from simgrant.identities import Iccid, Imsi, InvalidIdentity, Msisdn
from simgrant.nouns import noun
from simgrant.spec.ids import ProvStatus
from simgrant.wire.instant import pull_instant

_MOST: Final = 500
_Changes = Literal[
    "plan_changed",
    "option_started",
    "option_ended",
    "consent_given",
    "consent_withdrawn",
    "suspended",
    "resumed",
    "sim_swapped",
    "imsi_changed",
    "msisdn_changed",
    "ported_out",
    "device_lost",
    "roaming_entered",
    "roaming_left",
    "profile_ready",
    "changed",
]


class Holds(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What holds since an event, as far as it is told."""

    status: Status | UnsetType = UNSET
    plan: Name | UnsetType = UNSET
    """A plan of the tenant's policy."""
    options: list[Name] | UnsetType = UNSET
    """Features that it has besides those of its plan."""
    refusals: list[Name] | UnsetType = UNSET
    """Features that it may not have."""
    terms: ConsentState | UnsetType = UNSET
    address: ConsentState | UnsetType = UNSET
    provisioning: Provisioning | UnsetType = UNSET
    visited_plmn: Annotated[str, msgspec.Meta(pattern="^([0-9]{5,6})?$")] | UnsetType = UNSET
    """Digits of the network it is in; empty = not known."""
    msisdn: NumberText | UnsetType = UNSET
    number_type: NumberKind | UnsetType = UNSET
    prepaid: bool | UnsetType = UNSET
    port_freeze: bool | UnsetType = UNSET


class ToldApiConsent(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """About which consumer of partner APIs a consent was given or withdrawn, and what for."""

    client_id: ConsumerId
    application: ApplicationName = ""
    """Only about this one of the consumer's; empty = about all."""
    purpose: Purpose
    """For what: a purpose of W3C's DPV."""
    apis: Annotated[list[ApiName], msgspec.Meta(min_length=1, max_length=MOST_APIS)]
    expires_at: Moment | None = None
    """Until when it is given."""
    evidence: Evidence = ""
    """What shows it to a third party; empty = the event's id does."""


class Event(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Something that happened to a subscription, which is named by IMSI, number or both."""

    event_id: Annotated[str, msgspec.Meta(min_length=1, max_length=128, pattern="^[!-~]+$")]
    """What its sender calls it: one that comes again is known."""
    change: _Changes
    at: Moment
    """When it happened."""
    imsi: ImsiText | UnsetType = UNSET
    msisdn: NumberText | UnsetType = UNSET
    told: Holds | UnsetType = UNSET
    new_imsi: ImsiText | UnsetType = UNSET
    """For `imsi_changed`, and for a SIM swap that changed it."""
    iccid: Annotated[str, msgspec.Meta(pattern="^[0-9]{18,20}$")] | UnsetType = UNSET
    """Of the new SIM, or of the profile that is ready."""
    terminal_id: Annotated[str, msgspec.Meta(pattern="^[!-~]{1,64}$")] | UnsetType = UNSET
    """Of the device that is lost."""
    api_consent: ToldApiConsent | UnsetType = UNSET
    """For `consent_given` and `consent_withdrawn`: it is about a consumer of partner APIs, and
    about nothing else. It needs the scope `consents:write` as well."""


class EventTaken(msgspec.Struct):
    """What became of an event."""

    event_id: str
    taken: Literal["kept", "known", "set_aside"]
    """`known`: it came before. `set_aside`: nothing can be done for it now; a person finds it."""


class EventsTaken(msgspec.Struct):
    """What became of events, in their order."""

    items: list[EventTaken]


@noun
class Said:
    """Events as they came, or what is wrong with one."""

    members: tuple[Event | ValueError, ...]


def pull_events(_kind: str, said: bytes) -> Said:
    """Return the events of a body; raise what msgspec does, and `Problem`."""
    parts = msgspec.json.decode(said, type=list[msgspec.Raw])
    if len(parts) > _MOST:
        raise Problem(Code.TOO_LARGE, f"more than {_MOST} events")
    return Said(tuple(_member(bytes(raw)) for raw in parts))


def _member(raw: bytes) -> Event | ValueError:
    try:
        return pull_member(_decode, raw)
    except ValueError as error:
        return error


_decode: Final = msgspec.json.Decoder(Event).decode


async def _tell(asked: Asked[Query, Said]) -> Done:
    desk, members = asked.desk, asked.body.members
    if any(isinstance(each, Event) and each.api_consent is not UNSET for each in members):
        may(desk.client, Scope.CONSENTS_WRITE)
    events = _events(members)
    # Kept or not at all: who is answered need not tell them again.
    taken = await desk.office.events.take(desk.tenant, f"api:{desk.client.name}", events)
    return Done(
        content=msgspec.convert(
            {
                "items": [
                    {"event_id": event.event_id, "taken": each.value}
                    for event, each in zip(events, taken, strict=True)
                ]
            },
            EventsTaken,
        )
    )


def _events(members: Sequence[Event | ValueError]) -> list[BssEvent]:
    """Return events, checked; raise `Problem`, which names each that is wrong."""
    events, errors, code = [], [], Code.INVALID
    for line, each in enumerate(members, start=1):
        if isinstance(each, ValueError):
            code = Code.MALFORMED
            errors.append(LineError(line, str(each)))
            continue
        try:
            events.append(_event(each))
        except (InvalidIdentity, ValueError) as error:
            errors.append(LineError(line, str(error)))
    if errors:
        text = f"{len(errors)} of {len(members)} events cannot be taken; nothing was kept"
        raise Problem(code, text, errors=errors)
    return events


def _event(said: Event) -> BssEvent:
    """Return an event, checked; raise ValueError."""
    if said.imsi is UNSET and said.msisdn is UNSET:
        raise ValueError("imsi or msisdn has to be there")
    change, at = Change(said.change), max(pull_instant(said.at), 0)
    return BssEvent(
        event_id=said.event_id,
        change=change,
        at=at,
        imsi=None if said.imsi is UNSET else Imsi(said.imsi),
        msisdn=None if said.msisdn is UNSET else Msisdn(said.msisdn),
        told=Eligibility() if said.told is UNSET else _holds(said.told),
        new_imsi=None if said.new_imsi is UNSET else Imsi(said.new_imsi),
        iccid=None if said.iccid is UNSET else Iccid(said.iccid),
        terminal_id="" if said.terminal_id is UNSET else said.terminal_id,
        api_consent=None if said.api_consent is UNSET else _api_consent(said, change, at),
    )


def _api_consent(said: Event, change: Change, at: int) -> ToldConsent:
    told = said.api_consent
    others = (said.told, said.new_imsi, said.iccid, said.terminal_id)
    if told is UNSET or any(each is not UNSET for each in others):
        raise ValueError("what tells of an api_consent tells nothing else")
    return told_consent(
        change,
        ToldConsent(
            client_id=told.client_id,
            application=told.application,
            purpose=told.purpose,
            apis=tuple(told.apis),
            expires_at=None if told.expires_at is None else pull_instant(told.expires_at),
            evidence=told.evidence,
        ),
        at=at,
    )


def _holds(said: Holds) -> Eligibility:
    return Eligibility(
        status=None if said.status is UNSET else SubscriptionStatus(said.status),
        plan=None if said.plan is UNSET else said.plan,
        options=None if said.options is UNSET else frozenset(said.options),
        refusals=None if said.refusals is UNSET else frozenset(said.refusals),
        terms=None if said.terms is UNSET else ConsentStatus(said.terms),
        address=None if said.address is UNSET else ConsentStatus(said.address),
        provisioning=None if said.provisioning is UNSET else ProvStatus[said.provisioning.upper()],
        visited_plmn=None if said.visited_plmn is UNSET else said.visited_plmn,
        msisdn=None if said.msisdn is UNSET else Msisdn(said.msisdn),
        number_type=None if said.number_type is UNSET else NumberType(said.number_type),
        prepaid=None if said.prepaid is UNSET else said.prepaid,
        port_freeze=None if said.port_freeze is UNSET else said.port_freeze,
    )


CALLS: Final = (
    Call(
        name="tell_events",
        group="events",
        method="POST",
        path="/v1/events",
        scope=Scope.EVENTS_WRITE,
        about=f"Tell what happened to subscriptions, up to {_MOST} events, all of them or none",
        run=_tell,
        body=list[Event],
        pull=pull_events,
        most_bytes=1024 * 1024,
        answer=EventsTaken,
    ),
)
