"""The JSON that producers answer with, read once and strictly (TS 29.501 §5.2.3)."""

from __future__ import annotations

import re
from typing import Final, TypeVar

import msgspec

S = TypeVar("S")

_AFTER_MEMBER: Final = re.compile(r" - at `\$([A-Za-z0-9_.\[\]]{0,80})`$")


class BadMessage(ValueError):
    """It is not what was to come; the text names a member at most, and repeats no value."""


def read(body: bytes, kind: type[S]) -> S:
    """Return JSON as ``kind``; BadMessage, whose text names the member at most."""
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        found = _AFTER_MEMBER.search(str(error))
        where = found[1].lstrip(".") if found else ""
        raise BadMessage(f"{where or 'a member'} is missing or malformed") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadMessage("it is no JSON") from None
