"""The vector inside Multimedia-Auth, the same over SWx and Cx (TS 29.229 §6.3.13, TS 29.273 §8)."""

from __future__ import annotations

from typing import Final

from simgrant.wire.diameter.avps import (
    CONFIDENTIALITY_KEY,
    INTEGRITY_KEY,
    SIP_AUTH_DATA_ITEM,
    SIP_AUTHENTICATE,
    SIP_AUTHENTICATION_SCHEME,
    SIP_AUTHORIZATION,
    SIP_ITEM_NUMBER,
    SIP_NUMBER_AUTH_ITEMS,
    USER_NAME,
)
from simgrant.wire.diameter.message import Avps, BadDiameter, Fault
from simgrant.wire.diameter.vectors import RAND_BYTES, Brought, Wanted

ONE_VECTOR: Final = SIP_NUMBER_AUTH_ITEMS.push(1)
_NEEDED: Final = (SIP_AUTHENTICATE, SIP_AUTHORIZATION, CONFIDENTIALITY_KEY, INTEGRITY_KEY)
_BOTH, _XRES, _CK, _IK = (kind.key for kind in _NEEDED)


def push_wanted(wanted: Wanted) -> bytes:
    """Return User-Name and the item of a MAR."""
    item = SIP_AUTHENTICATION_SCHEME.push(wanted.scheme)
    if wanted.resync:
        item += SIP_AUTHORIZATION.push(wanted.resync)
    return USER_NAME.push(wanted.user_name) + SIP_AUTH_DATA_ITEM.wrap(item)


def pull_wanted(avps: Avps) -> Wanted:
    """Return what User-Name and the item of a MAR ask for; BadDiameter."""
    item = avps.need(SIP_AUTH_DATA_ITEM)
    return Wanted(
        avps.need(USER_NAME),
        item.need(SIP_AUTHENTICATION_SCHEME),
        item.get(SIP_AUTHORIZATION) or b"",
    )


def push_item(item: Brought) -> bytes:
    """Return the AVPs of an MAA behind its result; keys that are empty are left out."""
    return b"".join(
        (
            USER_NAME.push(item.user_name),
            ONE_VECTOR,
            SIP_AUTH_DATA_ITEM.wrap(
                SIP_ITEM_NUMBER.push(1)
                + SIP_AUTHENTICATION_SCHEME.push(item.scheme)
                + SIP_AUTHENTICATE.push(item.rand + item.autn)
                + SIP_AUTHORIZATION.push(item.xres)
                + (CONFIDENTIALITY_KEY.push(item.ck) if item.ck else b"")
                + (INTEGRITY_KEY.push(item.ik) if item.ik else b"")
            ),
        )
    )


def pull_item(avps: Avps) -> Brought:
    """Return what an MAA brings; BadDiameter where anything that is needed is missing."""
    item = avps.need(SIP_AUTH_DATA_ITEM)
    found = item.by_key()
    try:
        # They are any bytes, which are for who asked to look at.
        both, xres, ck, ik = found[_BOTH], found[_XRES], found[_CK], found[_IK]
    except KeyError:
        missing = next(kind for kind in _NEEDED if kind.key not in found)
        raise BadDiameter(Fault.MISSING_AVP, f"{missing.name} is missing") from None
    return Brought(
        avps.get(USER_NAME) or "",
        item.get(SIP_AUTHENTICATION_SCHEME) or "",
        both[:RAND_BYTES],
        both[RAND_BYTES:],
        xres,
        ck,
        ik,
    )
