"""What a person carries to a web view, sealed: the handle that enters it, and a page's token.

A handle is the user data of a document (TS.43 §3.1.2, §6.5.9). It says whose visit this would be;
whether it was one already, and how far, says the row that `Handle.visit` names (ADR 0025). A page's
token comes back with its form, and says what the form is about.
"""

from __future__ import annotations

import os
from dataclasses import field
from hashlib import sha256

import msgspec

from simgrant.domain.visit import Step
from simgrant.errors import Unauthenticated
from simgrant.flows.tokens import decode, encode, open_seal
from simgrant.identities import Imsi
from simgrant.keyring.ring import NONCE_BYTES, KeyRing, Purpose
from simgrant.nouns import noun
from simgrant.ports.keys import Keys

VISIT_BYTES = 16


@noun
class Handle:
    """What the user data say of who opens a page."""

    app_id: str
    imsi: Imsi
    terminal_id: str = field(repr=False)
    until: int
    """Unix seconds until which it opens the page."""
    epoch: int
    """Token epoch of the subscription: revoking its tokens ends the handle."""
    about: tuple[str, ...] = field(repr=False)
    """The boost type, or the store and its user; nothing for other applications."""


def push_handle(handle: Handle, ring: KeyRing, tenant: str, *, now: float) -> str:
    """Return it sealed: base64url without padding."""
    plain = "\0".join(
        (
            handle.app_id,
            handle.imsi.digits,
            handle.terminal_id,
            str(handle.until),
            str(handle.epoch),
            *handle.about,
        )
    )
    # A nonce made from the text: a repeated answer is the same to the byte, and no two
    # different texts share one.
    nonce = ring.derive(tenant, "web_view", plain, NONCE_BYTES)
    return encode(ring.seal(Purpose.WEB_VIEW, tenant, plain.encode(), nonce=nonce, now=now))


def pull_handle(text: str, keys: Keys, *, now: float) -> tuple[str, Handle, bytes]:
    """Return (tenant, handle, the name of its visit); raise Unauthenticated for any other text.

    One that is over is returned too: whoever was inside may go on for a while.
    """
    sealed = decode(text)
    tenant, plain = open_seal(keys, Purpose.WEB_VIEW, sealed, now=now)
    fields = plain.decode().split("\0")
    if len(fields) < 5:
        raise Unauthenticated("web_view_format")
    app_id, imsi, terminal_id, until, epoch, *about = fields
    handle = Handle(app_id, Imsi(imsi), terminal_id, int(until), int(epoch), tuple(about))
    return tenant, handle, sha256(sealed).digest()[:VISIT_BYTES]


class PageToken(msgspec.Struct, frozen=True, array_like=True):
    """What the form of a page says of itself."""

    visit: bytes
    step: Step
    shown: str
    """What was agreed to, where a form agrees: the hash of a text."""
    issued: int
    """Unix seconds."""
    app_id: str
    imsi: str
    terminal_id: str
    until: int
    epoch: int
    about: tuple[str, ...]

    def __repr__(self) -> str:
        return f"PageToken({self.step})"

    @property
    def handle(self) -> Handle:
        """The handle that the visit began with."""
        return Handle(
            self.app_id, Imsi(self.imsi), self.terminal_id, self.until, self.epoch, self.about
        )


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(PageToken).decode


def push_page(
    handle: Handle,
    visit: bytes,
    step: Step,
    *,
    shown: str,
    ring: KeyRing,
    tenant: str,
    now: float,
) -> str:
    """Return the token of a page that is at a step of a visit."""
    token = PageToken(
        visit,
        step,
        shown,
        int(now),
        handle.app_id,
        handle.imsi.digits,
        handle.terminal_id,
        handle.until,
        handle.epoch,
        handle.about,
    )
    nonce = os.urandom(NONCE_BYTES)
    return encode(ring.seal(Purpose.PAGE, tenant, _encode(token), nonce=nonce, now=now))


def pull_page(text: str, keys: Keys, *, now: float, life_s: int) -> tuple[str, PageToken]:
    """Return (tenant, token); raise Unauthenticated for any other text, or one that is over."""
    tenant, plain = open_seal(keys, Purpose.PAGE, decode(text), now=now)
    try:
        token = _decode(plain)
    except msgspec.DecodeError:
        # Of another release.
        raise Unauthenticated("page_format") from None
    if now >= token.issued + life_s:
        raise Unauthenticated("page_expired")
    return tenant, token
