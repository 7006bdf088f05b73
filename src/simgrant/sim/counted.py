"""How often something is done wrong on purpose."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol, TypeVar

from simgrant.nouns import replace


class Counted(Protocol):
    """A noun that says how often."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def times(self) -> int:
        """How often still; -1 = until told otherwise."""


P = TypeVar("P", bound=Counted)


def counted(plan: P | None) -> P | None:
    """Return what is left of a plan after one more request."""
    if plan is None or plan.times < 0:
        return plan
    return replace(plan, times=plan.times - 1) if plan.times > 1 else None
