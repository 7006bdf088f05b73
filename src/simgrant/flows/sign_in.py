"""What ways to sign in without a SIM have in common (TS.43 §2.8.2, §8.3).

Whoever begins has proved nothing, so nothing is written for him: the first request travels sealed,
in ``state`` or in a cookie, and comes back with the proof. What is good once becomes a row when it
is used, and of two who use it, one wins.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable
from dataclasses import field
from hashlib import sha256

from simgrant.domain.risk import Way
from simgrant.domain.subscription import SERVED, Terminal
from simgrant.domain.tenant import Tenant
from simgrant.domain.trail import Trail
from simgrant.errors import BadRequest, Unauthenticated, UnknownIdentity
from simgrant.flows.authenticate import Principal, Reception
from simgrant.flows.tokens import Claims, decode, encode, open_seal
from simgrant.identities import Imsi
from simgrant.keyring.ring import NONCE_BYTES, Purpose
from simgrant.nouns import noun, replace
from simgrant.ports.store import Outcome, SessionRow, TokenState, TokenUse
from simgrant.wire.request import Ask, pull_parameters, push_parameters
from simgrant.wire.request import ask as to_ask

ID_BYTES = 16
MAX_HANDLE = 3_000
"""Characters of what is sealed: it stands in addresses, and not every browser takes longer ones."""
_FORMAT = 1
_HEAD = struct.Struct(">B16sI")
_SKEW = 5
"""Seconds by which the clock of the node that began may be ahead of ours."""
_IMSI_ROOM = 15
_PROOFS = frozenset({"eap_id", "imsi", "token", "msisdn", "otp", "state", "code"})


@noun
class Redirect:
    """The answer is an address to go to."""

    url: str = field(repr=False)


@noun
class CodeSent:
    """The answer is empty, with a cookie: a one-time password is on its way, or seems to be."""

    cookie: str = field(repr=False)


@noun
class Begun:
    """What is sealed of a sign-in that began."""

    id: bytes = field(repr=False)
    """Random: names its rows, and is what its secrets are made of."""
    started: int
    """Unix seconds."""
    imsi: Imsi | None
    """Whose one-time password this is; None where it is nobody's, or not known yet."""
    code: str = field(repr=False)
    """The one-time password; empty where there is none."""
    parameters: bytes = field(repr=False)
    """The first request's (``wire.request.push_parameters``)."""


def begin(ask: Ask, *, now: float, imsi: Imsi | None = None, code: str = "") -> Begun:
    """Return a new sign-in of a request."""
    return Begun(os.urandom(ID_BYTES), int(now), imsi, code, push_parameters(ask.parameters))


def signing_in(who: Principal) -> Ask:
    """Return what a proved SIM's holder asked, as his sign-in brings it back: without the proof."""
    named = (
        ("terminal_id", who.terminal_id),
        ("app_name", who.claims.app_name),
        *(("app", app) for app in who.apps),
    )
    dropped = _PROOFS.union(name for name, _ in named)
    kept = [pair for pair in who.ask.parameters if pair[0] not in dropped]
    return to_ask((*kept, *named))


def seal(reception: Reception, purpose: Purpose, tenant: Tenant, begun: Begun) -> str:
    """Return it sealed, of one length whether it is somebody's or not; BadRequest if too long."""
    digits = begun.imsi.digits if begun.imsi else ""
    plain = b"".join(
        (
            _HEAD.pack(_FORMAT, begun.id, begun.started),
            f"{digits:<{_IMSI_ROOM}}{begun.code}\0".encode(),
            begun.parameters,
        )
    )
    nonce, now = os.urandom(NONCE_BYTES), reception.clock.now()
    text = encode(reception.keys.ring.seal(purpose, tenant.name, plain, nonce=nonce, now=now))
    if len(text) > MAX_HANDLE:
        raise BadRequest("too_long_to_keep")
    return text


def unseal(reception: Reception, purpose: Purpose, text: str, *, life_s: int) -> tuple[str, Begun]:
    """Return (tenant, sign-in); raise Unauthenticated for any other text, or one that is over."""
    now = reception.clock.now()
    name, plain = open_seal(reception.keys, purpose, decode(text), now=now)
    if plain[0] != _FORMAT:
        raise Unauthenticated("sign_in_format")
    _, id_, started = _HEAD.unpack_from(plain)
    if not started - _SKEW <= now < started + life_s:
        raise Unauthenticated("sign_in_expired")
    texts, _, parameters = plain[_HEAD.size :].partition(b"\0")
    digits, code = texts[:_IMSI_ROOM].decode().rstrip(), texts[_IMSI_ROOM:].decode()
    return name, Begun(id_, started, Imsi(digits) if digits else None, code, parameters)


def first_ask(begun: Begun) -> Ask:
    """Return the request that a sign-in began with."""
    return to_ask(pull_parameters(begun.parameters))


def row_id(begun: Begun, what: str) -> bytes:
    """Return the name of a sign-in's row for ``what``."""
    return sha256(begun.id + what.encode()).digest()[:ID_BYTES]


async def claim(
    reception: Reception, tenant: Tenant, names: Iterable[bytes], *, expires_at: int
) -> bool:
    """Take the first of these names that nobody took; say whether there was one.

    This counts, without a counter that two could read at once: each taken name is a row.
    """
    use = TokenUse(TokenState.CONSUMED, int(reception.clock.now()), expires_at)
    for name in names:
        if await reception.store.use_token(tenant.name, None, name, use, expected=None):
            return True
    return False


async def admit(
    reception: Reception,
    tenant: Tenant,
    imsi: Imsi,
    begun: Begun,
    ask: Ask,
    trail: Trail,
    *,
    way: Way,
) -> Principal:
    """Write that a subscription's holder was proved, and return the principal with its token."""
    now = int(reception.clock.now())
    claims = Claims(
        imsi,
        ask.terminal_id,
        trail.apps,
        ask.app_name.lower(),
        now,
        now + reception.token_life_s,
        epoch=0,
        terminal_epoch=0,
        way=way,
    )
    reception.name(trail, tenant, imsi, ask.terminal_id)
    profile = await reception.profile(tenant, claims, trail)
    if profile is None or profile.subscription.status not in SERVED:
        status = "none" if profile is None else profile.subscription.status
        raise UnknownIdentity(f"subscription_{status}")
    claims = replace(
        claims,
        epoch=profile.subscription.token_epoch,
        terminal_epoch=profile.terminal_epoch or 0,
    )
    claim_ = ask.terminal
    terminal = Terminal(
        claims.terminal_id, claim_.vendor, claim_.model, claim_.sw_version, seen_at=now
    )
    won = await reception.store.decide_session(
        tenant.name,
        imsi,
        begun.id,
        SessionRow(Outcome.ACCEPTED, now),
        expected=None,
        terminal=terminal,
        client=claims.client,
    )
    if not won:
        raise Unauthenticated("session_over")
    token = reception.token(claims, tenant)
    return Principal(
        tenant,
        profile,
        ask,
        claims.terminal_id,
        claims.apps,
        token,
        claims.expires,
        now,
        claims,
    )
