"""What an HSS knows of a user, over Sh: User-Data (TS 29.328 §6.1.1, TS 29.329 §6.1.1).

An application server names people by their number or by a public identity of IMS, never by an
IMSI alone; the private identity says which of several SIMs is meant (TS 29.328 Table 7.6.1).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import field
from typing import Final

from simgrant.nouns import Number, noun
from simgrant.spec.diameter import dictionary
from simgrant.wire.diameter.avps import (
    CURRENT_LOCATION,
    DATA_REFERENCE,
    MSISDN,
    PUBLIC_IDENTITY,
    REQUESTED_DOMAIN,
    USER_DATA,
    USER_IDENTITY,
    USER_NAME,
)
from simgrant.wire.diameter.message import Avps, BadDiameter, Fault
from simgrant.wire.diameter.sh_data import UserData, pull_user_data

APPLICATION: Final = dictionary().applications["3GPP Sh"].id
_PACKET_SWITCHED: Final = 1
_AS_IT_IS_KNOWN: Final = 0
"""Nobody is paged for it (TS 29.329 §6.3.8)."""


class Command(Number):
    """Commands of Sh that we send."""

    USER_DATA = 306


class Reference(Number):
    """What can be asked for (TS 29.329 §6.3.4)."""

    LOCATION_INFORMATION = 14
    USER_STATE = 15
    MSISDN = 17


@noun
class Asked:
    """What a request asks for, as an HSS reads it."""

    number: str = field(repr=False)
    """Digits; empty where the user is named by a public identity."""
    public: str = field(repr=False)
    private: str = field(repr=False)
    """The private identity, an IMSI with or without a domain; empty = any."""
    references: frozenset[int]


def push_by_number(number: str, imsi: str, references: Collection[Reference]) -> bytes:
    """Return the AVPs of a UDR that are its own, about a SIM of a number in digits."""
    return USER_IDENTITY.wrap(MSISDN.push(_push_tbcd(number))) + _push_rest(imsi, references)


def push_by_identity(imsi: str, domain: str, references: Collection[Reference]) -> bytes:
    """Return the same about a SIM, by the identities of IMS that are made of its IMSI.

    As a phone without an ISIM makes them (TS 23.003 §13.3, §13.4B).
    """
    private = f"{imsi}@{domain}"
    identity = USER_IDENTITY.wrap(PUBLIC_IDENTITY.push(f"sip:{private}"))
    return identity + _push_rest(private, references)


def pull_request(avps: Avps) -> Asked:
    """Return whom a UDR is about and what it asks for; BadDiameter."""
    identity = avps.need(USER_IDENTITY)
    number = identity.get(MSISDN)
    references = frozenset(avps.all(DATA_REFERENCE))
    if not references:
        raise BadDiameter(Fault.MISSING_AVP, "no Data-Reference")
    return Asked(
        _pull_tbcd(number) if number is not None else "",
        identity.need(PUBLIC_IDENTITY) if number is None else "",
        avps.get(USER_NAME) or "",
        references,
    )


def pull_answer(avps: Avps) -> UserData:
    """Return what a UDA tells; BadDiameter. One without User-Data tells nothing."""
    data = avps.get(USER_DATA)
    return UserData() if data is None else pull_user_data(data)


def push_answer(data: bytes) -> bytes:
    """Return the AVPs of a UDA with a Sh-Data document."""
    return USER_DATA.push(data)


def _push_rest(private: str, references: Collection[Reference]) -> bytes:
    asked = b"".join(DATA_REFERENCE.push(each) for each in sorted(references))
    if set(references) != {Reference.MSISDN}:
        asked += REQUESTED_DOMAIN.push(_PACKET_SWITCHED)
    if Reference.LOCATION_INFORMATION in references:
        asked += CURRENT_LOCATION.push(_AS_IT_IS_KNOWN)
    return asked + USER_NAME.push(private)


def _push_tbcd(digits: str) -> bytes:
    """Return digits two by two, the first in the lower half (TS 29.002, TBCD-STRING)."""
    even = digits + "f" * (len(digits) % 2)
    return bytes.fromhex("".join(even[at + 1] + even[at] for at in range(0, len(even), 2)))


def _pull_tbcd(data: bytes) -> str:
    text = "".join(f"{each & 15:x}{each >> 4:x}" for each in data).removesuffix("f")
    if not text.isdecimal():
        raise BadDiameter(Fault.INVALID_AVP_VALUE, "MSISDN is no number")
    return text
