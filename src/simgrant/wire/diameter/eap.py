"""EAP over Diameter: Diameter-EAP of an authenticator (RFC 4072 §3; TS 29.273 §5.2.2, §7.2.2).

The keys of a successful answer are not read: nothing here has a use for them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Final

from simgrant.nouns import Number, noun
from simgrant.spec.diameter import dictionary
from simgrant.wire.diameter.avps import (
    AUTH_APPLICATION_ID,
    AUTH_REQUEST_TYPE,
    DESTINATION_HOST,
    DESTINATION_REALM,
    EAP_PAYLOAD,
    ORIGIN_HOST,
    RAT_TYPE,
    SESSION_ID,
    STATE,
    USER_NAME,
)
from simgrant.wire.diameter.base import NO_STATE
from simgrant.wire.diameter.message import Avps

APPLICATIONS: Final[Mapping[str, int]] = {
    "swm": dictionary().applications["3GPP SWm"].id,
    "sta": dictionary().applications["3GPP STa"].id,
    "eap": dictionary().applications["Diameter EAP"].id,
}
"""What an AAA server may be asked over, by the name that the settings have for it."""
_AUTHORIZE_AUTHENTICATE: Final = 3
_WLAN: Final = 0


class Command(Number):
    """Commands of these applications."""

    RE_AUTH = 258
    DIAMETER_EAP = 268
    ABORT_SESSION = 274


@noun
class EapRequest:
    """What a DER says."""

    session_id: str
    user_name: str = field(repr=False)
    payload: bytes = field(repr=False)
    """An EAP response."""
    host: str = ""
    """Destination-Host: who answered before; empty = anybody of the realm."""
    state: bytes = field(default=b"", repr=False)
    """As the answer before had it, untouched."""


@noun
class EapAnswer:
    """What a DEA says behind its result."""

    session_id: str
    """Empty where it says none."""
    host: str
    """Origin-Host."""
    payload: bytes = field(repr=False)
    """An EAP request, success or failure; empty where there is none."""
    state: bytes = field(default=b"", repr=False)
    user_name: str = field(default="", repr=False)


def push_fixed(application: int, realm: str) -> bytes:
    """Return the AVPs that every DER to one realm has, but for who sends it."""
    return b"".join(
        (
            AUTH_APPLICATION_ID.push(application),
            DESTINATION_REALM.push(realm),
            AUTH_REQUEST_TYPE.push(_AUTHORIZE_AUTHENTICATE),
            NO_STATE,
            RAT_TYPE.push(_WLAN),
        )
    )


def push_request(asked: EapRequest, fixed: bytes) -> bytes:
    """Return the AVPs of a DER; ``fixed`` is ``push_fixed`` and who we are."""
    return b"".join(
        (
            SESSION_ID.push(asked.session_id),
            fixed,
            DESTINATION_HOST.push(asked.host) if asked.host else b"",
            USER_NAME.push(asked.user_name),
            EAP_PAYLOAD.push(asked.payload),
            STATE.push(asked.state) if asked.state else b"",
        )
    )


def pull_request(avps: Avps) -> EapRequest:
    """Return what a DER says; BadDiameter."""
    return EapRequest(
        avps.need(SESSION_ID),
        avps.get(USER_NAME) or "",
        avps.need(EAP_PAYLOAD),
        avps.get(DESTINATION_HOST) or "",
        avps.get(STATE) or b"",
    )


def push_answer(payload: bytes, *, state: bytes = b"", user_name: str = "") -> bytes:
    """Return the AVPs of a DEA behind its result and Origin-Host; what is empty is left out."""
    return b"".join(
        (
            EAP_PAYLOAD.push(payload) if payload else b"",
            STATE.push(state) if state else b"",
            USER_NAME.push(user_name) if user_name else b"",
        )
    )


def pull_answer(avps: Avps) -> EapAnswer:
    """Return what a DEA says; BadDiameter."""
    return EapAnswer(
        avps.get(SESSION_ID) or "",
        avps.need(ORIGIN_HOST),
        avps.get(EAP_PAYLOAD) or b"",
        avps.get(STATE) or b"",
        avps.get(USER_NAME) or "",
    )
