"""Events of an operator's systems as bytes in rows, and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from simgrant.domain.bss_events import BssEvent, Change
from simgrant.domain.eligibility import Aspect, Eligibility
from simgrant.domain.network_facts import Kind, Learned
from simgrant.domain.risk import NumberType
from simgrant.domain.subscription import ConsentStatus, SubscriptionStatus
from simgrant.identities import Iccid, Imsi, Msisdn
from simgrant.spec.ids import ProvStatus

_encode, _decode = msgspec.json.Encoder().encode, msgspec.json.Decoder().decode


def _same(value: Any) -> Any:
    return value


_READ: Final[Mapping[Aspect, Callable[[Any], Any]]] = {
    Aspect.STATUS: SubscriptionStatus,
    Aspect.PLAN: _same,
    Aspect.OPTIONS: frozenset,
    Aspect.REFUSALS: frozenset,
    Aspect.TERMS: ConsentStatus,
    Aspect.ADDRESS: ConsentStatus,
    Aspect.PROVISIONING: ProvStatus,
    Aspect.VISITED_PLMN: _same,
    Aspect.MSISDN: Msisdn,
    Aspect.NUMBER_TYPE: NumberType,
    Aspect.PREPAID: _same,
    Aspect.PORT_FREEZE: _same,
    Aspect.CUSTOMER_SINCE: _same,
    Aspect.SIM_SINCE: _same,
}


def from_event(event: BssEvent) -> bytes:
    """Return an event as JSON."""
    told = {
        aspect.value: _plain(value)
        for aspect in Aspect
        if (value := getattr(event.told, aspect.value)) is not None
    }
    members: dict[str, Any] = {"id": event.event_id, "change": event.change.value, "at": event.at}
    for name in ("imsi", "msisdn", "new_imsi", "iccid"):
        if (identity := getattr(event, name)) is not None:
            members[name] = identity.digits
    if event.terminal_id:
        members["terminal_id"] = event.terminal_id
    if event.learned is not None:
        members["learned"] = {
            kind.value: (each.value, each.source, each.at, each.asked_at)
            for kind, each in event.learned.items()
        }
    return _encode(members | {"told": told} if told else members)


def to_event(body: bytes) -> BssEvent:
    """Return the event of `from_event`."""
    members: dict[str, Any] = _decode(body)
    told = {name: _READ[Aspect(name)](value) for name, value in members.get("told", {}).items()}

    learned = None
    if "learned" in members:
        learned = {Kind(kind): Learned(*each) for kind, each in members["learned"].items()}

    def identity(name: str, kind: Callable[[str], Any]) -> Any:
        return kind(members[name]) if name in members else None

    return BssEvent(
        event_id=members["id"],
        change=Change(members["change"]),
        at=members["at"],
        imsi=identity("imsi", Imsi),
        msisdn=identity("msisdn", Msisdn),
        told=Eligibility(**told),
        new_imsi=identity("new_imsi", Imsi),
        iccid=identity("iccid", Iccid),
        terminal_id=members.get("terminal_id", ""),
        learned=learned,
    )


def _plain(value: Any) -> Any:
    if isinstance(value, frozenset):
        return sorted(value)
    return value.digits if isinstance(value, Msisdn) else value
