"""The identities a SIM gives: root, pseudonym and re-authentication NAIs (TS 23.003 §19.3).

The leading digit says which method and which kind of identity it is. Nothing
here is proof of anything: an identity is a claim until the SIM has answered its
challenge.
"""

from __future__ import annotations

import re
from dataclasses import field
from enum import StrEnum
from functools import lru_cache
from typing import Final

from simgrant.eap.packet import Variant
from simgrant.identities import Imsi, InvalidIdentity
from simgrant.nouns import noun

MAX_IDENTITY_BYTES: Final = 253
"""The longest NAI that has to be carried (RFC 7542 §2.3); longer ones are refused."""


class MalformedIdentity(ValueError):
    """The text is no identity of a SIM; the message never repeats it."""


class RealmMismatch(ValueError):
    """The realm names another operator than the IMSI does; the message repeats neither."""


class IdentityKind(StrEnum):
    """What an identity stands for (RFC 4187 §4.1.1)."""

    PERMANENT = "permanent"
    """It holds the IMSI."""
    PSEUDONYM = "pseudonym"
    """The server gave it out in place of the permanent one."""
    REAUTHENTICATION = "reauthentication"
    """The server gave it out for one fast re-authentication."""


@noun
class Nai:
    """An identity taken apart; its repr shows neither IMSI nor pseudonym."""

    kind: IdentityKind
    variant: Variant
    """The method that the leading digit asks for."""
    imsi: Imsi | None
    """Of a permanent identity only."""
    mcc: str
    """Mobile country code of the home realm, three digits."""
    mnc: str
    """Mobile network code as realms write it: always three digits, 01 as 001."""
    realm: str
    """The home realm, in lower case."""
    username: str = field(repr=False)
    """What stands before the @, leading digit included."""
    visited_realm: str | None = None
    """Of a decorated NAI: the realm behind the @ (TS 23.003 §19.3.3)."""


_LEADING: Final = {
    ord("0"): (Variant.AKA, IdentityKind.PERMANENT),
    ord("2"): (Variant.AKA, IdentityKind.PSEUDONYM),
    ord("4"): (Variant.AKA, IdentityKind.REAUTHENTICATION),
    ord("6"): (Variant.AKA_PRIME, IdentityKind.PERMANENT),
    ord("7"): (Variant.AKA_PRIME, IdentityKind.PSEUDONYM),
    ord("8"): (Variant.AKA_PRIME, IdentityKind.REAUTHENTICATION),
}
"""1, 3 and 5 are EAP-SIM's and refused: a SIM without AKA cannot prove the network."""

_DIGITS = {pair: chr(digit) for digit, pair in _LEADING.items()}

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_REALM = re.compile(
    rf"(?P<prefix>{_LABEL}(?:\.{_LABEL})*)\.mnc(?P<mnc>[0-9]{{3}})\.mcc(?P<mcc>[0-9]{{3}})"
    r"\.(?:pub\.)?3gppnetwork\.org"
)
_ANY_REALM = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_USERNAME = re.compile(r"[!-?A-~]+")
_EMERGENCY = frozenset({"sos", "emergency"})


def kind_of(identity: bytes) -> tuple[Variant, IdentityKind] | None:
    """Return method and kind by the leading digit, None if it is none of ours."""
    return _LEADING.get(identity[0]) if identity else None


def parse_nai(text: str) -> Nai:
    """Take an identity apart, or raise `MalformedIdentity` or `RealmMismatch`.

    The part before `mnc` is free, because a carrier may configure it on its
    devices (AOSP service_entitlement); `nai.epc` and `wlan` are the usual ones.
    """
    if not text.isascii() or len(text) > MAX_IDENTITY_BYTES:
        raise MalformedIdentity("not ASCII or longer than 253 characters")
    local, at, realm = text.rpartition("@")
    if not at:
        raise MalformedIdentity("no realm")
    home, username, visited = _undecorate(local, realm.lower())
    leading = kind_of(username.encode())
    if leading is None:
        raise MalformedIdentity("leading digit is none of EAP-AKA's")
    mcc, mnc = _plmn(home)
    variant, kind = leading
    imsi = None
    if kind is IdentityKind.PERMANENT:
        imsi = _imsi(username[1:])
        _agree(imsi, mcc=mcc, mnc=mnc)
    elif not _USERNAME.fullmatch(username):
        raise MalformedIdentity("user name with characters it may not have")
    return Nai(kind, variant, imsi, mcc, mnc, home, username, visited)


def permanent_nai(
    imsi: Imsi,
    *,
    mcc: str,
    mnc: str,
    prefix: str = "nai.epc",
    variant: Variant = Variant.AKA,
) -> str:
    """Return the root NAI of an IMSI (TS 23.003 §19.3.2)."""
    digit = _DIGITS[variant, IdentityKind.PERMANENT]
    return f"{digit}{imsi.digits}@{prefix}.mnc{mnc:0>3}.mcc{mcc}.3gppnetwork.org"


def _undecorate(local: str, realm: str) -> tuple[str, str, str | None]:
    """Return home realm, user name, visited realm; `home!user@visited` is decorated."""
    *route, username = local.split("!")
    if not route:
        return realm, username, None
    hops = [hop.lower() for hop in route]
    if not all(_ANY_REALM.fullmatch(hop) for hop in (*hops, realm)):
        raise MalformedIdentity("a realm of the decoration is none")
    return hops[0], username, realm


@lru_cache(maxsize=256)
def _plmn(realm: str) -> tuple[str, str]:
    """Return MCC and MNC of a realm; an operator's phones send the same few over and over."""
    match = _REALM.fullmatch(realm)
    if match is None:
        raise MalformedIdentity("realm is not of the 3gppnetwork.org form")
    # An emergency session is not a subscription asking for its services (TS 23.003 §19.3.9).
    if _EMERGENCY.intersection(match["prefix"].split(".")):
        raise MalformedIdentity("emergency realm")
    return match["mcc"], match["mnc"]


def _imsi(digits: str) -> Imsi:
    try:
        return Imsi(digits)
    except InvalidIdentity:
        raise MalformedIdentity("IMSI is not 6 to 15 digits") from None


def _agree(imsi: Imsi, *, mcc: str, mnc: str) -> None:
    """Check the realm against the IMSI, whose MNC may be two or three digits long.

    The IMSI does not say which, so either reading will do (TS 23.003 §2.2).
    """
    digits = imsi.digits
    if digits[:3] != mcc or mnc not in ("0" + digits[3:5], digits[3:6]):
        raise RealmMismatch("realm and IMSI name different operators")
