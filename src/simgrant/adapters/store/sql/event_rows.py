"""Events of an operator's systems as bytes in rows, and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

import msgspec

from simgrant.adapters.store.sql import rows
from simgrant.adapters.store.sql.engine import Row
from simgrant.adapters.store.sql.told_rows import to_told
from simgrant.domain.bss_events import BssEvent, Change, ToldConsent
from simgrant.domain.companions import Companions, Counted
from simgrant.domain.eligibility import Aspect, Eligibility
from simgrant.domain.life import Life
from simgrant.domain.network_facts import Kind, Learned
from simgrant.domain.risk import NumberType
from simgrant.domain.subscription import ConsentKind, ConsentStatus, SubscriptionStatus
from simgrant.identities import Iccid, Imsi, Msisdn
from simgrant.ports.life import Waiting
from simgrant.spec.ids import ProvStatus

_MOST_BETWEEN: Final = 8
"""States of a subscription that are kept of those that held between two comparisons."""

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


def from_event(
    event: BssEvent,
    before: Sequence[Row] = (),
    told: Row = (),
    counted: Counted | None = None,
) -> bytes:
    """Return an event as JSON; with what `Waiting` says of what was before.

    ``before`` are the rows of `life_of`, ``told`` the one of `to_told`.
    """
    tells = {
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
    if event.api_consent is not None:
        members["api_consent"] = asdict(event.api_consent)
    if before:
        members["before"] = _state(before)
    if told:
        members["was_told"] = list(told)
    if counted is not None:
        members["companions"] = _counted(counted)
    return _encode(members | {"told": tells} if tells else members)


def held_too(body: bytes, state: Sequence[Row]) -> bytes | None:
    """Return an event's JSON with rows of `life_of` that came after it, and held for a while.

    None where it says so already, or that there was too much of it.
    """
    return _between(body, ("before", "between"), _state(state))


def counted_too(body: bytes, counted: Counted) -> bytes | None:
    """Return an event's JSON with a number of companions that there was for a while, likewise."""
    return _between(body, ("companions", "numbers"), _counted(counted))


def _between(body: bytes, names: tuple[str, str], new: Sequence[Any]) -> bytes | None:
    """Return it with ``new``; ``names`` are those of the first member, and of those after it."""
    first, later = names
    members: dict[str, Any] = _decode(body)
    held = members.setdefault(later, [])
    new = _decode(_encode(new))
    # Of a number, since when it is so makes no other answer.
    if held is None or any(new[:2] == each[:2] for each in (members[first], *held)):
        return None
    members[later] = [*held, new] if len(held) < _MOST_BETWEEN else None
    return _encode(members)


def _state(rows_: Sequence[Row]) -> tuple[list[Any], list[tuple[Any, ...]]]:
    state, *held = rows_
    return list(state), [(kind, bytes(body).decode(), at) for kind, body, at in held]


def _counted(counted: Counted) -> tuple[int, int, int]:
    return (*counted.companions, counted.at)


def to_waiting(source: str, arrived_us: int, body: bytes) -> Waiting:
    """Return the event of `from_event`, as it waits."""
    members: dict[str, Any] = _decode(body)
    before = None
    if "before" in members:
        state, held = members["before"]
        before = life_of(state, held)
    told = to_told(members["was_told"]) if "was_told" in members else None
    between = members.get("between", ())
    lives = None if between is None else tuple(life_of(*each) for each in between)
    numbers = members.get("numbers", ())
    counted = _to_counted(members["companions"]) if "companions" in members else None
    return Waiting(
        source,
        _event(members),
        arrived_us,
        before,
        told,
        counted,
        lives,
        None if numbers is None else tuple(map(_to_counted, numbers)),
    )


def _to_counted(member: Sequence[int]) -> Counted:
    *there, at = member
    return Counted(Companions(*there), at)


def to_event(body: bytes) -> BssEvent:
    """Return the event of `from_event`."""
    return _event(_decode(body))


def life_of(state: Row, held: Sequence[Row]) -> Life:
    """Return a subscription of its row, its consents and the rows of what it holds.

    Nothing is noted of the line in it.
    """
    consents = rows.to_consents(state[12:])
    return Life(
        rows.to_subscription(state[:12]),
        consents.get(ConsentKind.TERMS),
        consents.get(ConsentKind.ADDRESS),
        rows.to_holdings(held),
    )


def _event(members: Mapping[str, Any]) -> BssEvent:
    told = {name: _READ[Aspect(name)](value) for name, value in members.get("told", {}).items()}
    learned = None
    if "learned" in members:
        learned = {Kind(kind): Learned(*each) for kind, each in members["learned"].items()}

    consent = members.get("api_consent")

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
        api_consent=None
        if consent is None
        else ToldConsent(**{**consent, "apis": tuple(consent["apis"])}),
    )


def _plain(value: Any) -> Any:
    if isinstance(value, frozenset):
        return sorted(value)
    return value.digits if isinstance(value, Msisdn) else value
