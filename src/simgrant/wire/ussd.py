"""USSD over SMPP 3.4: what a dialogue's messages say in optional parameters (§5.3.2.43, §5.3.2.44).

``ussd_service_op`` says what a message is. ``its_session_info`` has two bytes: the number of the
session, and seven bits that count its messages with one that says it has ended.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from simgrant.nouns import Number, noun

SERVICE_OP: Final = 0x0501
SESSION_INFO: Final = 0x1383
MOST_SESSION: Final = 0xFF
MOST_SEQUENCE: Final = 0x7F


class UssdOp(Number):
    """What a message of a dialogue is."""

    USSR_REQUEST = 2
    """The network asks, and waits for an answer."""
    USSN_REQUEST = 3
    """The network tells something."""
    USSR_CONFIRM = 18
    """The answer."""
    USSN_CONFIRM = 19


@noun
class Dialogue:
    """Where in a dialogue a message is."""

    op: int
    """A `UssdOp`, or another one of SMPP's."""
    session: int
    """0 to 255."""
    sequence: int = 0
    """0 to 127."""
    has_ended: bool = False


class BadDialogue(ValueError):
    """Optional parameters that are not those of a dialogue."""


def push_dialogue(dialogue: Dialogue) -> tuple[tuple[int, bytes], ...]:
    """Return tags and values; ValueError for what their bits do not hold."""
    if not (0 <= dialogue.session <= MOST_SESSION and 0 <= dialogue.sequence <= MOST_SEQUENCE):
        raise ValueError("no session, or no message, of such a number")
    info = bytes((dialogue.session, dialogue.sequence << 1 | dialogue.has_ended))
    return ((SERVICE_OP, bytes((dialogue.op,))), (SESSION_INFO, info))


def pull_dialogue(tlvs: Iterable[tuple[int, bytes]]) -> Dialogue | None:
    """Return the dialogue that a message is of; None = it is of none. BadDialogue."""
    op = info = None
    for tag, value in tlvs:
        if tag == SERVICE_OP:
            op = value
        elif tag == SESSION_INFO:
            info = value
    if op is None:
        return None
    if len(op) != 1 or info is None or len(info) != 2:
        raise BadDialogue("a USSD message without a session")
    return Dialogue(op[0], info[0], info[1] >> 1, bool(info[1] & 1))
