"""The device that a temporary token belongs to, as the token's row keeps it (TS.43 §8.9).

A mark has a half for each identity of the device, so that a request that names but one of them can
be held against it. It is bound to its token: two rows do not tell that a device is the same.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

from simgrant.wire.request import Ask

HALF_BYTES: Final = 16
_ID_LETTERS: Final = 64
"""Of a terminal_id, as far as an order keeps it."""


def mark(token_id: bytes, terminal_id: str, eid: str) -> bytes:
    """Return the mark of a device."""
    return _half(token_id, b"id", terminal_id.lower()) + _half(token_id, b"eid", eid)


def named_mark(token_id: bytes, ask: Ask) -> bytes | None:
    """Return the mark of the device that a request names; None where it does not name all of it."""
    terminal_id, eid = _named(ask)
    return mark(token_id, terminal_id, eid) if terminal_id and eid else None


def is_other(token_id: bytes, ask: Ask, held_for: bytes) -> bool:
    """Say whether a request names another device than that of a mark, in whole or in part."""
    terminal_id, eid = _named(ask)
    asked = mark(token_id, terminal_id, eid)
    return any(
        given and not hmac.compare_digest(asked[part], held_for[part])
        for given, part in (
            (terminal_id, slice(0, HALF_BYTES)),
            (eid, slice(HALF_BYTES, 2 * HALF_BYTES)),
        )
    )


def _named(ask: Ask) -> tuple[str, str]:
    return (
        ask.value("target_terminal_id").strip()[:_ID_LETTERS],
        ask.value("target_terminal_eid").strip(),
    )


def _half(token_id: bytes, kind: bytes, text: str) -> bytes:
    return hashlib.sha256(token_id + kind + text.encode()).digest()[:HALF_BYTES]
