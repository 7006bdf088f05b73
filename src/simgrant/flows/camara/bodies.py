"""What requests of several partner APIs have in common."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Final, TypeAlias, TypeVar, Union, cast, get_args

import msgspec
from msgspec import UNSET, UnsetType

from simgrant.flows.camara.api import Body
from simgrant.flows.camara.problem import Code, Problem
from simgrant.identities import Msisdn
from simgrant.wire.instant import utc

T = TypeVar("T", bound=msgspec.Struct)

PhoneNumber: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"^\+[1-9][0-9]{4,14}\Z")]
"""E.164 with its ``+``; the default, where it has one, is empty and never comes from outside."""
LONGEST_AGE_H: Final = 2400
_USUAL_AGE_H: Final = 240
_DAY_S: Final = 86_400
_FIRST_DAY: Final = date(1970, 1, 1).toordinal()


class OfNumber(Body, kw_only=True):
    """A request that may name a number."""

    phone_number: PhoneNumber = ""

    def named(self) -> Msisdn | None:
        """Return that number."""
        return Msisdn(self.phone_number) if self.phone_number else None


class OfAge(OfNumber, kw_only=True):
    """A request about the last hours."""

    max_age: int = _USUAL_AGE_H
    """Hours."""


def checked_age(body: OfAge, *, monitored_d: int) -> int:
    """Return the seconds that are asked about; raise `Problem` where it is not known for so long.

    ``monitored_d`` is for how many days changes are told; 0 = for ever.
    """
    most = min(LONGEST_AGE_H, monitored_d * 24 or LONGEST_AGE_H)
    if not 1 <= body.max_age <= most:
        raise Problem(Code.OUT_OF_RANGE, f"maxAge can be 1 to {most} hours here")
    return body.max_age * 3600


def told_change(at: int, *, monitored_d: int, now: int) -> tuple[str | None, int | UnsetType]:
    """Return how a change is told that was at ``at`` (Unix seconds): its time, and the days.

    The time is None where changes are told for some days only, and it was before.
    """
    days = monitored_d or UNSET
    if monitored_d and at <= now - monitored_d * _DAY_S:
        return None, days
    return utc(at), days


def end_of(day: date, *, now: int) -> int:
    """Return the Unix seconds at which a day ends (UTC); raise `Problem` for one to come.

    Somewhere it is tomorrow already.
    """
    begins = (day.toordinal() - _FIRST_DAY) * _DAY_S
    if begins > now + _DAY_S:
        raise Problem(Code.OUT_OF_RANGE, "The day is still to come")
    return begins + _DAY_S


def tolerant(kind: type[T]) -> type[T]:
    """Return a type of bodies that passes over what it does not know, however deep.

    One that may say one thing alone stays as it is.
    """
    if getattr(kind, "says_one_thing", False):
        return kind
    own: list[tuple[str, Any, Any]] = []
    for each in msgspec.structs.fields(kind):
        parts = get_args(each.type) or (each.type,)
        if any(map(_is_struct, parts)):
            inner = tuple(tolerant(part) if _is_struct(part) else part for part in parts)
            own.append((each.name, Union[inner], each.default))  # noqa: UP007 - made here
    made = msgspec.defstruct(
        kind.__name__, own, bases=(kind,), forbid_unknown_fields=False, kw_only=True
    )
    return cast("type[T]", made)


def _is_struct(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)
