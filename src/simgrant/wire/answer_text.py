"""What a person answers to a question out of band: yes or no, in few languages, perhaps a code.

Nothing is guessed: whatever is neither is no answer, such as a message to the same short code that
is about something else.
"""

from __future__ import annotations

import re
from typing import Final

from simgrant.nouns import noun

MOST_BYTES: Final = 280
"""Of a text that is looked at: two messages' worth, and no answer is as long."""
UDHI: Final = 0x40
"""Bit of ``esm_class``: a user data header comes first."""
_TYPE: Final = 0x3C
"""Bits of ``esm_class`` that say what a message is; 0 = what somebody wrote (SMPP 3.4 §5.2.12)."""
_CODINGS: Final = {0x00: "ascii", 0x01: "ascii", 0x03: "latin-1", 0x08: "utf-16-be"}
"""By ``data_coding``. The default alphabet is ASCII's where digits and letters are concerned."""
_TEXT: Final = re.compile(
    r"[\s\"'*#.,!]*([a-zí]+|[12](?![0-9]))[\s\"'*#.,!:-]*([0-9]{1,8})?[\s\"'*#.,!]*"
)
_YES: Final = frozenset({"yes", "y", "ja", "j", "oui", "o", "si", "sí", "s", "1"})
_NO: Final = frozenset({"no", "n", "nein", "non", "stop", "2"})


@noun
class Answer:
    """What somebody answered."""

    agrees: bool
    code: str
    """Digits; empty = none came with it."""

    def __repr__(self) -> str:
        return f"Answer(agrees={self.agrees})"


def pull_text(data: bytes, *, coding: int, esm_class: int) -> str | None:
    """Return what somebody wrote; None = nobody wrote it, or it is too long or of no alphabet."""
    if esm_class & _TYPE or len(data) > MOST_BYTES or coding not in _CODINGS:
        return None
    if esm_class & UDHI:
        # Of a message in parts, no part is an answer; any other header says nothing of the text.
        data = data[1 + data[0] :] if data else b""
    return data.decode(_CODINGS[coding], "replace")


def pull_answer(text: str) -> Answer | None:
    """Return what a text answers; None = it is no answer.

    ``1`` and ``2`` are yes and no where somebody has a menu before him (USSD).
    """
    found = _TEXT.fullmatch(text.lower())
    if found is None or found[1] not in _YES | _NO:
        return None
    return Answer(found[1] in _YES, found[2] or "")
