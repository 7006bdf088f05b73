"""What an HSS knows of a user, over SWx: Server-Assignment (TS 29.273 §8.1.2.2, §8.2.2.3)."""

from __future__ import annotations

from typing import Final

from simgrant.wire.diameter.avps import (
    NON_3GPP_USER_DATA,
    SERVER_ASSIGNMENT_TYPE,
    SUBSCRIPTION_ID,
    SUBSCRIPTION_ID_DATA,
    SUBSCRIPTION_ID_TYPE,
    USER_NAME,
)
from simgrant.wire.diameter.message import Avps

AAA_USER_DATA_REQUEST: Final = 12
"""The type that asks and changes nothing: every other one registers a server or ends one."""
_E164: Final = 0


def push_request(user_name: str) -> bytes:
    """Return the AVPs of a SAR that are its own; it is of no other type than 12."""
    return USER_NAME.push(user_name) + SERVER_ASSIGNMENT_TYPE.push(AAA_USER_DATA_REQUEST)


def pull_number(avps: Avps) -> str:
    """Return the telephone number in an SAA, as it came; empty without one; BadDiameter."""
    data = avps.get(NON_3GPP_USER_DATA)
    for group in data.all(SUBSCRIPTION_ID) if data is not None else ():
        if group.need(SUBSCRIPTION_ID_TYPE) == _E164:
            return group.need(SUBSCRIPTION_ID_DATA)
    return ""


def push_number(number: str) -> bytes:
    """Return the AVPs of an SAA with a number; empty = the user has none."""
    own = SUBSCRIPTION_ID_TYPE.push(_E164) + SUBSCRIPTION_ID_DATA.push(number)
    return NON_3GPP_USER_DATA.wrap(SUBSCRIPTION_ID.wrap(own) if number else b"")
