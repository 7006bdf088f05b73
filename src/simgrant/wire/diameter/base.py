"""Messages between neighbours: capabilities, watchdog, disconnection (RFC 6733 §5)."""

from __future__ import annotations

from typing import Final

from simgrant.nouns import Number, noun
from simgrant.spec.diameter import IETF, TGPP, dictionary
from simgrant.wire.diameter.avps import (
    ACCT_APPLICATION_ID,
    AUTH_APPLICATION_ID,
    AUTH_SESSION_STATE,
    DESTINATION_HOST,
    DESTINATION_REALM,
    DISCONNECT_CAUSE,
    ERROR_MESSAGE,
    EXPERIMENTAL_RESULT,
    EXPERIMENTAL_RESULT_CODE,
    HOST_IP_ADDRESS,
    ORIGIN_HOST,
    ORIGIN_REALM,
    ORIGIN_STATE_ID,
    PRODUCT_NAME,
    PROXY_INFO,
    RESULT_CODE,
    SESSION_ID,
    SUPPORTED_VENDOR_ID,
    VENDOR_ID,
    VENDOR_SPECIFIC_APPLICATION_ID,
)
from simgrant.wire.diameter.message import Avps, Message, answer

COMMON: Final = 0
"""The application of these messages."""
RELAY: Final = dictionary().applications["Relay"].id
"""What a relay says it can do: everything."""

_FIRST_OF_VENDORS: Final = 1 << 24
"""Where the applications of vendors begin (RFC 6733 §11.3)."""

NO_STATE: Final = AUTH_SESSION_STATE.push(1)
"""Nobody keeps a session: what 3GPP's applications say in each message."""


class Command(Number):
    """Commands of the base protocol."""

    CAPABILITIES_EXCHANGE = 257
    DEVICE_WATCHDOG = 280
    DISCONNECT_PEER = 282


class Result(Number):
    """Results that a node says by itself (RFC 6733 §7.1)."""

    SUCCESS = 2001
    COMMAND_UNSUPPORTED = 3001
    UNABLE_TO_DELIVER = 3002
    TOO_BUSY = 3004
    REDIRECT_INDICATION = 3006
    APPLICATION_UNSUPPORTED = 3007
    UNKNOWN_PEER = 3010
    NO_COMMON_APPLICATION = 5010
    UNABLE_TO_COMPLY = 5012


class Cause(Number):
    """Why a connection is ended (RFC 6733 §5.4.3)."""

    REBOOTING = 0
    BUSY = 1
    DO_NOT_WANT_TO_TALK_TO_YOU = 2


@noun
class Node:
    """Who a Diameter node is."""

    host: str
    realm: str
    product: str
    applications: tuple[int, ...]
    """3GPP's, for authentication; or RELAY."""
    state_id: int = 0
    """Grows with each restart that forgot something; 0 = it says nothing."""

    def push_origin(self) -> bytes:
        """Return Origin-Host and Origin-Realm, which everything begins with."""
        return ORIGIN_HOST.push(self.host) + ORIGIN_REALM.push(self.realm)


@noun
class Capabilities:
    """What the other side said of itself."""

    host: str
    realm: str
    product: str
    applications: frozenset[int]
    state_id: int | None

    def shares(self, applications: tuple[int, ...]) -> bool:
        """Whether there is an application to talk about."""
        return RELAY in self.applications or not self.applications.isdisjoint(applications)


def push_capabilities(node: Node, address: str) -> bytes:
    """Return the AVPs of a CER, or of a CEA behind its Result-Code (RFC 6733 §5.3)."""
    parts = [
        node.push_origin(),
        HOST_IP_ADDRESS.push(address),
        VENDOR_ID.push(IETF),
        PRODUCT_NAME.push(node.product),
    ]
    if node.state_id:
        parts.append(ORIGIN_STATE_ID.push(node.state_id))
    parts.append(SUPPORTED_VENDOR_ID.push(TGPP))
    for application in node.applications:
        own = AUTH_APPLICATION_ID.push(application)
        # A relay's is nobody's in particular, and those of standards are no vendor's.
        plain = application == RELAY or application < _FIRST_OF_VENDORS
        parts.append(own if plain else push_application(application))
    return b"".join(parts)


def push_application(application: int) -> bytes:
    """Return one of 3GPP's applications as it stands in messages (RFC 6733 §6.11)."""
    return VENDOR_SPECIFIC_APPLICATION_ID.wrap(
        VENDOR_ID.push(TGPP) + AUTH_APPLICATION_ID.push(application)
    )


def push_destination(application: int, realm: str, host: str) -> bytes:
    """Return whom a request of an application is for; ``host`` empty = any of the realm."""
    meant = DESTINATION_HOST.push(host) if host else b""
    return push_application(application) + NO_STATE + DESTINATION_REALM.push(realm) + meant


def pull_capabilities(avps: Avps) -> Capabilities:
    """Return what a CER or CEA says; BadDiameter."""
    found = set(avps.all(AUTH_APPLICATION_ID))
    found.update(avps.all(ACCT_APPLICATION_ID))
    for group in avps.all(VENDOR_SPECIFIC_APPLICATION_ID):
        found.update(group.all(AUTH_APPLICATION_ID))
        found.update(group.all(ACCT_APPLICATION_ID))
    return Capabilities(
        avps.need(ORIGIN_HOST),
        avps.need(ORIGIN_REALM),
        avps.get(PRODUCT_NAME) or "",
        frozenset(found),
        avps.get(ORIGIN_STATE_ID),
    )


def push_watchdog(node: Node) -> bytes:
    """Return the AVPs of a DWR, or of a DWA behind its Result-Code (RFC 6733 §5.5)."""
    state = ORIGIN_STATE_ID.push(node.state_id) if node.state_id else b""
    return node.push_origin() + state


def push_disconnect(node: Node, cause: int) -> bytes:
    """Return the AVPs of a DPR (RFC 6733 §5.4.1)."""
    return node.push_origin() + DISCONNECT_CAUSE.push(cause)


def pull_result(avps: Avps) -> tuple[int, int]:
    """Return vendor and code of an answer's result; BadDiameter where it has none.

    What comes as Experimental-Result is 3GPP's, also where its vendor was left out; errors of the
    protocol are nobody's own, though some peers write them there.
    """
    code = avps.get(RESULT_CODE)
    if code is not None:
        return IETF, code
    group = avps.need(EXPERIMENTAL_RESULT)
    code = group.need(EXPERIMENTAL_RESULT_CODE)
    vendor = group.get(VENDOR_ID) or TGPP
    return (IETF if 3000 <= code < 4000 else vendor), code


def push_result(vendor: int, code: int) -> bytes:
    """Return a result as an answer says it."""
    if vendor == IETF:
        return RESULT_CODE.push(code)
    return EXPERIMENTAL_RESULT.wrap(VENDOR_ID.push(vendor) + EXPERIMENTAL_RESULT_CODE.push(code))


def answer_with(node: Node, to: Message, vendor: int, code: int, avps: bytes = b"") -> bytes:
    """Return the answer to a request of an application, or the refusal of one.

    What a relay needs to find the way back is repeated (RFC 6733 §6.2).
    """
    session = to.avps.copies(SESSION_ID)
    body = session + push_result(vendor, code) + node.push_origin() + avps
    is_error = vendor == IETF and 3000 <= code < 4000
    return answer(to.header, body + to.avps.copies(PROXY_INFO), error=is_error)


def answer_fault(node: Node, to: Message, code: int, text: str) -> bytes:
    """Return the answer to a request that cannot be understood."""
    return answer_with(node, to, IETF, code, ERROR_MESSAGE.push(text))
