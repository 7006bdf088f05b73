"""Vectors over S6a and S6d: Authentication-Information (TS 29.272 §5.2.3, §7.2.5, §7.2.6).

Those of UTRAN have CK and IK, which is why an SGSN (S6d) asks for them. Those of E-UTRAN have KASME
in their place, and EAP-AKA has no use for it.
"""

from __future__ import annotations

from typing import Final

from simgrant.nouns import Number
from simgrant.spec.diameter import dictionary
from simgrant.wire.diameter.avps import (
    AUTHENTICATION_INFO,
    AUTN,
    CONFIDENTIALITY_KEY,
    E_UTRAN_VECTOR,
    IMMEDIATE_RESPONSE_PREFERRED,
    INTEGRITY_KEY,
    ITEM_NUMBER,
    KASME,
    NUMBER_OF_REQUESTED_VECTORS,
    RAND,
    RE_SYNCHRONIZATION_INFO,
    REQUESTED_EUTRAN_AUTHENTICATION_INFO,
    REQUESTED_UTRAN_GERAN_AUTHENTICATION_INFO,
    USER_NAME,
    UTRAN_VECTOR,
    VISITED_PLMN_ID,
    XRES,
)
from simgrant.wire.diameter.base import push_destination
from simgrant.wire.diameter.message import Avps, BadDiameter, Fault
from simgrant.wire.diameter.vectors import Brought, Scheme, Wanted

APPLICATION: Final = dictionary().applications["3GPP S6a"].id
_PLMN_BYTES: Final = 3


class Command(Number):
    """Commands of S6a that we send or are sent."""

    CANCEL_LOCATION = 317
    AUTHENTICATION_INFORMATION = 318
    INSERT_SUBSCRIBER_DATA = 319
    DELETE_SUBSCRIBER_DATA = 320
    RESET = 322


def push_plmn(plmn: str) -> bytes:
    """Return a network such as ``001-01`` in three bytes (TS 29.272 §7.3.9); ValueError."""
    mcc, _, mnc = plmn.partition("-")
    if not (f"{mcc}{mnc}".isdecimal() and plmn.isascii() and len(mcc) == 3 and len(mnc) in (2, 3)):
        raise ValueError(f"{plmn!r} is no network; one such as 001-01 is meant")
    third = mnc[2:] or "f"
    return bytes.fromhex(f"{mcc[1]}{mcc[0]}{third}{mcc[2]}{mnc[1]}{mnc[0]}")


def push_fixed(realm: str, host: str, *, visited_plmn: str) -> bytes:
    """Return the AVPs that every request to one HSS has; ``host`` empty = any of the realm."""
    return push_destination(APPLICATION, realm, host) + VISITED_PLMN_ID.push(
        push_plmn(visited_plmn)
    )


def push_request(wanted: Wanted) -> bytes:
    """Return the AVPs of an AIR that are its own."""
    asked = NUMBER_OF_REQUESTED_VECTORS.push(1) + IMMEDIATE_RESPONSE_PREFERRED.push(1)
    if wanted.resync:
        asked += RE_SYNCHRONIZATION_INFO.push(wanted.resync)
    kind = REQUESTED_UTRAN_GERAN_AUTHENTICATION_INFO
    return USER_NAME.push(wanted.user_name) + kind.wrap(asked)


def pull_request(avps: Avps) -> Wanted:
    """Return what an AIR asks for; BadDiameter."""
    if len(avps.need(VISITED_PLMN_ID)) != _PLMN_BYTES:
        raise BadDiameter(Fault.INVALID_AVP_VALUE, "Visited-PLMN-Id is not 3 bytes long")
    asked, scheme = avps.get(REQUESTED_UTRAN_GERAN_AUTHENTICATION_INFO), Scheme.UTRAN
    if asked is None:
        asked, scheme = avps.need(REQUESTED_EUTRAN_AUTHENTICATION_INFO), Scheme.E_UTRAN
    return Wanted(avps.need(USER_NAME), scheme, asked.get(RE_SYNCHRONIZATION_INFO) or b"")


def push_item(item: Brought) -> bytes:
    """Return the AVPs of an AIA with a vector of UTRAN; keys that are empty are left out."""
    keys = (CONFIDENTIALITY_KEY.push(item.ck) if item.ck else b"") + (
        INTEGRITY_KEY.push(item.ik) if item.ik else b""
    )
    return AUTHENTICATION_INFO.wrap(UTRAN_VECTOR.wrap(_push_challenge(item) + keys))


def push_eutran_item(item: Brought, kasme: bytes) -> bytes:
    """Return the AVPs of an AIA with a vector of E-UTRAN."""
    return AUTHENTICATION_INFO.wrap(E_UTRAN_VECTOR.wrap(_push_challenge(item) + KASME.push(kasme)))


def pull_item(avps: Avps) -> Brought:
    """Return what an AIA brings; BadDiameter where anything that is needed is missing.

    Only vectors of E-UTRAN: its scheme says so, and it has no keys.
    """
    info, user_name = avps.need(AUTHENTICATION_INFO), avps.get(USER_NAME) or ""
    found = info.get(UTRAN_VECTOR)
    if found is None and (other := info.get(E_UTRAN_VECTOR)) is not None:
        parts = (other.need(RAND), other.need(AUTN), other.need(XRES))
        return Brought(user_name, Scheme.E_UTRAN, *parts, b"", b"")
    found = info.need(UTRAN_VECTOR)
    return Brought(
        user_name,
        Scheme.UTRAN,
        found.need(RAND),
        found.need(AUTN),
        found.need(XRES),
        found.need(CONFIDENTIALITY_KEY),
        found.need(INTEGRITY_KEY),
    )


def _push_challenge(item: Brought) -> bytes:
    return ITEM_NUMBER.push(1) + RAND.push(item.rand) + XRES.push(item.xres) + AUTN.push(item.autn)
