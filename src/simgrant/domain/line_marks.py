"""What an operator's systems note about a line, for the rules of eSIMs: SIM, freeze, kind of line.

Each mark is told by itself and has its own age. What nobody told is not known, and the source of
the facts (``adapters/risk``) says what holds then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from typing import Final

from simgrant.nouns import Word, noun


class MarkName(Word):
    """What can be noted."""

    ICCID = "iccid"
    """Of the SIM. The mark's time is when it became another; 0 while it is the first known."""
    SIM_SINCE = "sim_since"
    """Unix seconds since when the line has its SIM: the day of the last SIM swap."""
    NUMBER_SINCE = "number_since"
    """Unix seconds since when the line has its number, where it had another before."""
    PORT_FREEZE = "port_freeze"
    """Whether the subscriber has the line locked against being moved."""
    PREPAID = "prepaid"
    NUMBER_TYPE = "number_type"
    """A word of `simgrant.domain.risk.NumberType`."""


TIMES: Final = frozenset({MarkName.SIM_SINCE, MarkName.NUMBER_SINCE})
"""Those whose value is a time."""
YES, NO = "yes", "no"


@noun
class LineMark:
    """One thing that was noted."""

    name: MarkName
    value: str = field(repr=False)
    """Digits, a word, or yes and no."""
    at: int
    """Unix seconds since when it has been so."""


def mark_of(marks: Sequence[LineMark], name: MarkName) -> LineMark | None:
    """Return the mark of this name."""
    return next((mark for mark in marks if mark.name is name), None)
