"""Vectors over SWx: Multimedia-Auth between us and the HSS (TS 29.273 §8.1.2.1, §8.2.2.1).

What is in an answer is given as it came: whether it makes a vector is for who asked.
"""

from __future__ import annotations

from dataclasses import field
from typing import Final

from simgrant.nouns import Number, Word, noun
from simgrant.spec.diameter import dictionary
from simgrant.wire.diameter.avps import (
    ANID,
    AUTH_SESSION_STATE,
    CONFIDENTIALITY_KEY,
    DESTINATION_HOST,
    DESTINATION_REALM,
    INTEGRITY_KEY,
    RAT_TYPE,
    SIP_AUTH_DATA_ITEM,
    SIP_AUTHENTICATE,
    SIP_AUTHENTICATION_SCHEME,
    SIP_AUTHORIZATION,
    SIP_ITEM_NUMBER,
    SIP_NUMBER_AUTH_ITEMS,
    USER_NAME,
)
from simgrant.wire.diameter.base import push_application
from simgrant.wire.diameter.message import Avps

APPLICATION: Final = dictionary().applications["3GPP SWx"].id
RESYNC_BYTES: Final = 30
"""RAND and AUTS."""
_NO_STATE: Final = 1
_WLAN: Final = 0


class Command(Number):
    """Commands of SWx."""

    SERVER_ASSIGNMENT = 301
    MULTIMEDIA_AUTH = 303
    REGISTRATION_TERMINATION = 304
    PUSH_PROFILE = 305


class Scheme(Word):
    """What a vector is asked for."""

    AKA = "EAP-AKA"
    AKA_PRIME = "EAP-AKA'"


@noun
class AuthRequest:
    """What a MAR asks for."""

    user_name: str = field(repr=False)
    scheme: str
    resync: bytes = field(default=b"", repr=False)
    """RAND and AUTS; empty = no resynchronisation."""
    network: str = ""
    """The access network that EAP-AKA' binds keys to."""


@noun
class AuthItem:
    """What an MAA brings."""

    user_name: str = field(repr=False)
    scheme: str
    authenticate: bytes = field(repr=False)
    """RAND and AUTN."""
    authorization: bytes = field(repr=False)
    """XRES."""
    ck: bytes = field(repr=False)
    ik: bytes = field(repr=False)


def push_fixed(realm: str, host: str) -> bytes:
    """Return the AVPs that every request to one HSS has; ``host`` empty = any of the realm."""
    return b"".join(
        (
            push_application(APPLICATION),
            AUTH_SESSION_STATE.push(_NO_STATE),
            DESTINATION_REALM.push(realm),
            DESTINATION_HOST.push(host) if host else b"",
            RAT_TYPE.push(_WLAN),
            SIP_NUMBER_AUTH_ITEMS.push(1),
        )
    )


def push_request(wanted: AuthRequest) -> bytes:
    """Return the AVPs of a MAR that are its own."""
    item = SIP_AUTHENTICATION_SCHEME.push(wanted.scheme)
    if wanted.resync:
        item += SIP_AUTHORIZATION.push(wanted.resync)
    network = ANID.push(wanted.network) if wanted.network else b""
    return USER_NAME.push(wanted.user_name) + SIP_AUTH_DATA_ITEM.wrap(item) + network


def pull_request(avps: Avps) -> AuthRequest:
    """Return what a MAR asks for; BadDiameter."""
    item = avps.need(SIP_AUTH_DATA_ITEM)
    return AuthRequest(
        avps.need(USER_NAME),
        item.need(SIP_AUTHENTICATION_SCHEME),
        item.get(SIP_AUTHORIZATION) or b"",
        avps.get(ANID) or "",
    )


def push_item(item: AuthItem) -> bytes:
    """Return the AVPs of an MAA behind its result."""
    return b"".join(
        (
            USER_NAME.push(item.user_name),
            SIP_NUMBER_AUTH_ITEMS.push(1),
            SIP_AUTH_DATA_ITEM.wrap(
                SIP_ITEM_NUMBER.push(1)
                + SIP_AUTHENTICATION_SCHEME.push(item.scheme)
                + SIP_AUTHENTICATE.push(item.authenticate)
                + SIP_AUTHORIZATION.push(item.authorization)
                + CONFIDENTIALITY_KEY.push(item.ck)
                + INTEGRITY_KEY.push(item.ik)
            ),
        )
    )


def pull_item(avps: Avps) -> AuthItem:
    """Return what an MAA brings; BadDiameter where anything that is needed is missing."""
    item = avps.need(SIP_AUTH_DATA_ITEM)
    return AuthItem(
        avps.get(USER_NAME) or "",
        item.get(SIP_AUTHENTICATION_SCHEME) or "",
        item.need(SIP_AUTHENTICATE),
        item.need(SIP_AUTHORIZATION),
        item.need(CONFIDENTIALITY_KEY),
        item.need(INTEGRITY_KEY),
    )
