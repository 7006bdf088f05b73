"""A question that a server has a phone ask, and what its owner says to it (MSG, TS.43 Table 45).

As Android's library reads it: without a text, both buttons and a word on whether something is to
be typed there is no question. What is typed is checked by the phone before it is sent.
"""

from __future__ import annotations

import base64
import re
from dataclasses import field
from typing import Final

from simgrant.nouns import named_noun
from simgrant.sim.companion import parms
from simgrant.sim.exchange import Outcome

_ENCODED: Final = "encodedValue="
_NEEDED: Final = ("Message", "Accept_btn", "Reject_btn", "Accept_freetext")
_YES: Final = "1"


class NotTyped(ValueError):
    """What was typed is nothing that the phone would send; the text is the server's."""


@named_noun
class Dialogue:
    """What the phone shows."""

    title: str
    message: str
    typed: bool
    """Whether something has to be typed."""
    expression: str = ""
    """What it has to match; empty = anything."""
    complaint: str = ""
    """What the phone says where it does not."""
    iccid: str = field(default="", repr=False)
    """Of the profile that it is about, where it came with a configuration."""

    @classmethod
    def pull(cls, outcome: Outcome) -> Dialogue | None:
        """Return the question in an answer, None where there is none that a phone understands."""
        told = parms(outcome)
        above = next((path[: -len("Message")] for path in told if path.endswith("MSG/Message")), "")
        if not all(told.get(above + name) for name in _NEEDED):
            return None
        return cls(
            title=told.get(f"{above}Title", ""),
            message=told[f"{above}Message"],
            typed=told[f"{above}Accept_freetext"] == _YES,
            expression=_decoded(told.get(f"{above}Accept_freetext_validation", "")),
            complaint=told.get(f"{above}Accept_freetext_validation_failed_error_text", ""),
            iccid=told.get(f"{above.removesuffix('MSG/')}ICCID", ""),
        )

    def accepted(self, text: str = "") -> dict[str, str]:
        """Return what the phone sends once its owner agrees; raise `NotTyped`."""
        if not self.typed:
            return {"MSG_btn": "1"}
        if self.expression and re.search(self.expression, text) is None:
            raise NotTyped(self.complaint)
        return {"MSG_btn": "1", "MSG_response": text}

    def rejected(self) -> dict[str, str]:
        """Return what it sends where he does not."""
        return {"MSG_btn": "0"}


def _decoded(text: str) -> str:
    """Return an expression; empty for what is none."""
    try:
        if text.startswith(_ENCODED):
            text = base64.b64decode(text.removeprefix(_ENCODED), validate=True).decode()
        re.compile(text)
    except (ValueError, re.error):
        return ""
    return text
