"""What asks a subscriber for his consent, sealed: the link to the page, and the page's token.

The link says what is asked, of whom and by whom. The consumer holds it, so it proves nobody: it
leads to a page that first finds out whether it is the subscriber (ADR 0063). A page's token comes
back with its form and says what was found out since.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import field
from typing import Final, TypeVar

import msgspec

from simgrant.domain.subscription import Subscription
from simgrant.errors import Unauthenticated
from simgrant.flows.tokens import MAX_TEXT, decode, encode, open_seal
from simgrant.identities import Imsi
from simgrant.keyring.ring import NONCE_BYTES, KeyRing, Purpose
from simgrant.nouns import Word, named_noun
from simgrant.ports.camara_consents import Purposeful
from simgrant.ports.keys import Keys

PAGE: Final = "consents"
"""Last part of the address of these pages, under that of the portal."""
LINK: Final = "ask"
"""What the address has the sealed link in."""
ID_BYTES: Final = 16
_IMSI_ROOM: Final = 15
_SKEW: Final = 5
"""Seconds by which the clock of the node that made a token may be ahead of ours."""

T = TypeVar("T")


class Asked(msgspec.Struct, frozen=True, array_like=True):
    """What a link asks a subscriber."""

    id: bytes
    """Random: which link it is, in what is written down."""
    until: int
    """Unix seconds until which it opens the page."""
    imsi: str
    epoch: int
    """Token epoch of the subscription: revoking its tokens ends the link."""
    client_id: str
    application: str
    purpose: str
    apis: tuple[str, ...]
    callback: str
    """Where he goes from there; empty = nowhere."""
    partly: bool = False
    """Whether the consumer wants more, which he cannot give there."""

    def __repr__(self) -> str:
        return f"Asked({self.client_id}, {self.purpose})"

    @property
    def wanted(self) -> Purposeful:
        """What is asked, as a call would."""
        return Purposeful(
            client_id=self.client_id,
            application=self.application,
            purpose=self.purpose,
            scopes=self.apis,
        )


class Step(Word):
    """What the form of a page is about."""

    CODE = "code"
    """The one-time password that was sent."""
    ANSWER = "answer"
    """Whether he gives his consent."""
    LIST = "list"
    """All that he said."""


class Form(msgspec.Struct, frozen=True, array_like=True):
    """What the form of a page says of itself."""

    step: Step
    began: int
    """Unix seconds: when the password was sent; after `Step.CODE`, when it came back."""
    id: bytes
    """Random: names the rows of the one-time password."""
    holder: str
    """IMSI of whose password was sent, or seems to be: of one length, whether it is anybody's."""
    code: str = ""
    """The one-time password; empty after it came back."""
    link: bytes = b""
    """Which link it is about; empty = he came by himself, to see what he said."""
    epoch: int = 0
    """After `Step.CODE`, token epoch of his subscription: revoking its tokens ends the page."""
    shown: str = ""
    """The hash of what was shown."""

    def __repr__(self) -> str:
        return f"Form({self.step})"

    @property
    def imsi(self) -> Imsi | None:
        """Who that is; None = nobody."""
        digits = self.holder.rstrip()
        return Imsi(digits) if digits else None


def holder_of(imsi: Imsi | None) -> str:
    """Return `Form.holder`."""
    return f"{imsi.digits if imsi is not None else '':<{_IMSI_ROOM}}"


@named_noun
class CaptureLinks:
    """Makes the links of all tenants that have the page."""

    keys: Keys
    pages: Mapping[str, str] = field(hash=False)
    """Address of each tenant's portal."""
    life_s: int

    def made(
        self,
        subscription: Subscription,
        wanted: Purposeful,
        apis: tuple[str, ...],
        callback: str,
        *,
        partly: bool,
        now: int,
    ) -> str:
        """Return the address that asks a subscriber; empty where the tenant has no page."""
        page, number = self.pages.get(subscription.tenant, ""), subscription.msisdn
        if not page or number is None:
            return ""  # A code has to be sent somewhere.
        asked = Asked(
            os.urandom(ID_BYTES),
            now + self.life_s,
            subscription.imsi.digits,
            subscription.token_epoch,
            wanted.client_id,
            wanted.application,
            wanted.purpose,
            apis,
            callback,
            partly,
        )
        text = push_link(asked, self.keys.ring, subscription.tenant, now=now)
        # Longer ones than we open come of names that no catalogue has.
        return f"{page}/{PAGE}?{LINK}={text}" if len(text) <= MAX_TEXT else ""


_encode: Final = msgspec.json.Encoder().encode
_asked: Final = msgspec.json.Decoder(Asked)
_form: Final = msgspec.json.Decoder(Form)


def push_link(asked: Asked, ring: KeyRing, tenant: str, *, now: float) -> str:
    """Return it sealed: base64url without padding."""
    return _sealed(Purpose.CONSENT_LINK, asked, ring, tenant, now)


def pull_link(text: str, keys: Keys, *, now: float) -> tuple[str, Asked]:
    """Return (tenant, what is asked); raise Unauthenticated for any other text.

    Whoever calls looks whether it is over.
    """
    return _opened(Purpose.CONSENT_LINK, _asked, text, keys, now)


def push_form(form: Form, ring: KeyRing, tenant: str, *, now: float) -> str:
    """Return it sealed: base64url without padding."""
    return _sealed(Purpose.CONSENT_PAGE, form, ring, tenant, now)


def pull_form(text: str, keys: Keys, *, now: float) -> tuple[str, Form]:
    """Return (tenant, form); raise Unauthenticated for any other text.

    Whoever calls looks whether it is over.
    """
    tenant, form = _opened(Purpose.CONSENT_PAGE, _form, text, keys, now)
    if now < form.began - _SKEW:
        raise Unauthenticated("consent_page_expired")
    return tenant, form


def _sealed(purpose: Purpose, value: msgspec.Struct, ring: KeyRing, tenant: str, now: float) -> str:
    nonce = os.urandom(NONCE_BYTES)
    return encode(ring.seal(purpose, tenant, _encode(value), nonce=nonce, now=now))


def _opened(
    purpose: Purpose, decoder: msgspec.json.Decoder[T], text: str, keys: Keys, now: float
) -> tuple[str, T]:
    tenant, plain = open_seal(keys, purpose, decode(text), now=now)
    try:
        return tenant, decoder.decode(plain)
    except msgspec.DecodeError:
        # Of another release.
        raise Unauthenticated(f"{purpose}_format") from None
