"""The state of an EAP session, sealed into the cookie of its first challenge.

Android keeps the first cookie for the whole session and ignores later ones, so
the cookie holds the state of the *first* challenge and the request's parameters,
and nothing is written for a start that nobody proved. What comes after is one
row per session id (``ports.store.SessionRow``), whose ``state`` is sealed too.
"""

from __future__ import annotations

import struct
from dataclasses import field

from simgrant.errors import Unauthenticated
from simgrant.flows.tokens import decode, encode, open_seal
from simgrant.identities import Imsi
from simgrant.keyring.ring import KeyRing, Purpose
from simgrant.nouns import noun
from simgrant.ports.keys import Keys

COOKIE = "ECSSID"
"""The name of every cookie of ours."""
MAX_COOKIE = 3_600
"""Characters of the cookie's value; the whole Set-Cookie line stays under 3,800 bytes."""
SESSION_ID_BYTES = 16

_FORMAT = 1
_HEAD = struct.Struct(">B16sIBBH")
_ROW_FORMAT = 0x81
"""Differs from a cookie's, so that a row offered as a cookie is refused."""
_SKEW = 5
"""Seconds by which the clock of the node that began may be ahead of ours."""
_KEPT = 1
"""Flag: the parameters are in the session's row, since the request was too long."""
_HIDDEN = 2
"""Flag: the challenge was made up for an IMSI that is not ours."""
_RELAYED = 4
"""Flag: the SIM is authenticated by an EAP server that is not ours."""


@noun
class Started:
    """What the cookie of a first challenge says."""

    session_id: bytes = field(repr=False)
    started: int
    """Unix seconds."""
    imsi: Imsi
    aka: bytes = field(repr=False)
    """State of the EAP machine, as ``eap.state.push_state`` gives it; relayed: as the EAP server's
    adapter gave it."""
    parameters: bytes = field(repr=False)
    """The first request's parameters (``wire.request.push_parameters``); empty if kept."""
    kept: bool = False
    hidden: bool = False
    relayed: bool = False


def push_cookie(session: Started, ring: KeyRing, tenant: str, *, nonce: bytes, now: float) -> str:
    """Return the cookie's value: base64url without padding."""
    digits = session.imsi.digits.encode()
    flags = (
        (_KEPT if session.kept else 0)
        | (_HIDDEN if session.hidden else 0)
        | (_RELAYED if session.relayed else 0)
    )
    plain = b"".join(
        (
            _HEAD.pack(
                _FORMAT,
                session.session_id,
                session.started,
                flags,
                len(digits),
                len(session.aka),
            ),
            digits,
            session.aka,
            session.parameters,
        )
    )
    return encode(ring.seal(Purpose.SESSION, tenant, plain, nonce=nonce, now=now))


def pull_cookie(value: str, keys: Keys, *, now: float, life: int) -> tuple[str, Started]:
    """Return (tenant, session) of a cookie; raise Unauthenticated for any other text."""
    tenant, plain = open_seal(keys, Purpose.SESSION, decode(value), now=now)
    if plain[0] != _FORMAT:
        raise Unauthenticated("session_format")
    _, session_id, started, flags, digits, aka = _HEAD.unpack_from(plain)
    if not started - _SKEW <= now < started + life:
        raise Unauthenticated("session_expired")
    at = _HEAD.size
    return tenant, Started(
        session_id,
        started,
        Imsi(plain[at : at + digits].decode()),
        plain[at + digits : at + digits + aka],
        plain[at + digits + aka :],
        kept=bool(flags & _KEPT),
        hidden=bool(flags & _HIDDEN),
        relayed=bool(flags & _RELAYED),
    )


def seal_row(
    row_state: bytes, kept: bytes, ring: KeyRing, tenant: str, *, nonce: bytes, now: float
) -> bytes:
    """Return the sealed state of a session's row.

    ``row_state`` is the second challenge's state and packet or the accepted answer's token;
    ``kept`` the first request's parameters, where the cookie had no room for them.
    """
    plain = bytes((_ROW_FORMAT,)) + push_pair(row_state, kept)
    return ring.seal(Purpose.SESSION, tenant, plain, nonce=nonce, now=now)


def open_row(sealed: bytes, keys: Keys, *, now: float) -> tuple[bytes, bytes]:
    """Return (row_state, kept) of a session's row; raise Unauthenticated if its key is gone."""
    _, plain = open_seal(keys, Purpose.SESSION, sealed, now=now)
    return pull_pair(plain[1:])


def push_pair(first: bytes, second: bytes) -> bytes:
    """Return two byte strings as one; the first has at most 65,535 bytes."""
    return len(first).to_bytes(2, "big") + first + second


def pull_pair(data: bytes) -> tuple[bytes, bytes]:
    """Return what ``push_pair`` joined."""
    end = 2 + int.from_bytes(data[:2], "big")
    return data[2:end], data[end:]
