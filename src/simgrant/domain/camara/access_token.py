"""What an access token of partner APIs says: for whom, about whom, for what (RFC 6749, ICM)."""

from __future__ import annotations

from dataclasses import field

from simgrant.identities import Imsi, Msisdn
from simgrant.nouns import Word, named_noun


class Method(Word):
    """How the subscriber was proved (amr)."""

    SIM = "sim"
    """By EAP-AKA, and a temporary token of that device (TS.43 §2.8.6)."""
    NETWORK = "nba"
    """By the address of its connection (CAMARA network-based authentication)."""
    CHALLENGE = "oob"
    """By an answer to what was sent to the line: USSD or SMS."""
    CLAIMED = "claimed"
    """Not at all: the consumer named the number (``tel:``), and is trusted by contract."""
    NONE = "none"
    """There is no subscriber in it: the two-legged way."""


@named_noun
class Subject:
    """About whom an access token is. It is never told to a consumer."""

    imsi: Imsi
    msisdn: Msisdn
    """The number at the time of issue: where the line has another by now, the token is over."""
    epoch: int
    """Token epoch of the subscription at issue."""


@named_noun
class AccessToken:
    """An access token, opened. Times are Unix seconds."""

    token_id: bytes = field(repr=False)
    """16 random bytes: the key of what became of it."""
    client_id: str
    application: str = ""
    scopes: frozenset[str]
    """Without ``openid`` and the purpose."""
    purpose: str = ""
    """W3C DPV, without the prefix; empty only where there is no subscriber in it."""
    method: Method
    subject: Subject | None = None
    """None = two-legged: requests name the number."""
    audience: str = ""
    """The one resource that it is good for (RFC 8707); empty = all that its scopes are of."""
    single_use: bool = False
    issued: int
    expires: int
    key: bytes = b""
    """SHA-256 thumbprint of the certificate or DPoP key that it is bound to; empty = to none."""
    temporary_token: bytes = field(default=b"", repr=False)
    """``token_id`` of the temporary token it was got for: where it was redeemed with that."""
