"""Headers that calls of the management API may have beside HTTP's own."""

from __future__ import annotations

import re
from typing import Final

from simgrant.nouns import noun


@noun
class Header:
    """A header that calls may have."""

    name: str
    pattern: re.Pattern[str] | None
    """What it has to be; None = what it is else, is nothing that anybody has seen."""
    about: str


KEY: Final = Header(
    "idempotency-key",
    re.compile(r"[A-Za-z0-9._:-]{1,128}"),
    "What the caller calls this call. It may be said again with the same key for a day, is "
    "carried out once, and gets the same answer.",
)
ACTOR: Final = Header(
    "x-actor",
    re.compile(r"[ -~]{1,128}"),
    "The person on whose behalf it is, for the audit.",
)
IF_MATCH: Final = Header(
    "if-match",
    None,
    "The `ETag` of the state that was seen: where it is another one by now, nothing is changed.",
)
