"""The AVPs by name, each with the type that the dictionary gives it (RFC 6733 §4.2, §4.3).

A name that the dictionary lacks, or has with another type, fails when this is loaded.
"""

from __future__ import annotations

import ipaddress
import re
import struct
from collections.abc import Callable
from typing import Final, TypeVar

from simgrant.spec.diameter import dictionary
from simgrant.wire.diameter.message import AvpKind, Avps, pull_avps

T = TypeVar("T")

MOST_NAME: Final = 255
"""Bytes of a DiameterIdentity."""
_U32: Final = struct.Struct(">I")
_U64: Final = struct.Struct(">Q")
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?", re.ASCII)
_IPV4, _IPV6 = 1, 2
"""Address families (RFC 6733 §4.3.1)."""


def is_identity(text: str) -> bool:
    """Say whether a text may be the name of a node or of a realm."""
    return len(text) <= MOST_NAME and _NAME.fullmatch(text) is not None


def _bytes(data: bytes) -> bytes:
    return data


def _pull_u32(data: bytes) -> int:
    value: int
    (value,) = _U32.unpack(data)
    return value


def _pull_u64(data: bytes) -> int:
    value: int
    (value,) = _U64.unpack(data)
    return value


def _push_text(text: str) -> bytes:
    return text.encode()


def _pull_text(data: bytes) -> str:
    return data.decode()


def _push_identity(text: str) -> bytes:
    if not is_identity(text):
        raise ValueError("that is no name of a node")
    return text.encode("ascii")


def _pull_identity(data: bytes) -> str:
    # A few peers end what they think of as a C string.
    text = data.rstrip(b"\0").decode("ascii")
    if not is_identity(text):
        raise ValueError("that is no name of a node")
    return text


def _push_address(text: str) -> bytes:
    address = ipaddress.ip_address(text)
    return (_IPV4 if address.version == 4 else _IPV6).to_bytes(2, "big") + address.packed


def _pull_address(data: bytes) -> str:
    family, packed = int.from_bytes(data[:2], "big"), data[2:]
    if (family, len(packed)) not in ((_IPV4, 4), (_IPV6, 16)):
        raise ValueError("that is no address")
    return str(ipaddress.ip_address(packed))


def _kind(
    name: str, types: tuple[str, ...], push: Callable[[T], bytes], pull: Callable[[bytes], T]
) -> AvpKind[T]:
    row = dictionary().avps[name]
    if row.type not in types:
        raise TypeError(f"{name} is {row.type}")
    return AvpKind(
        name, code=row.code, vendor=row.vendor, mandatory=row.mandatory, push=push, pull=pull
    )


def _number(name: str) -> AvpKind[int]:
    return _kind(name, ("Unsigned32", "Enumerated", "Time"), _U32.pack, _pull_u32)


def _long(name: str) -> AvpKind[int]:
    return _kind(name, ("Unsigned64",), _U64.pack, _pull_u64)


def _octets(name: str) -> AvpKind[bytes]:
    return _kind(name, ("OctetString",), _bytes, _bytes)


def _text(name: str) -> AvpKind[str]:
    return _kind(name, ("UTF8String", "DiameterURI"), _push_text, _pull_text)


def _identity(name: str) -> AvpKind[str]:
    return _kind(name, ("DiameterIdentity",), _push_identity, _pull_identity)


def _group(name: str) -> AvpKind[Avps]:
    return _kind(name, ("Grouped",), Avps.push, pull_avps)


# RFC 6733
USER_NAME = _text("User-Name")
STATE = _octets("State")
HOST_IP_ADDRESS = _kind("Host-IP-Address", ("Address",), _push_address, _pull_address)
AUTH_APPLICATION_ID = _number("Auth-Application-Id")
ACCT_APPLICATION_ID = _number("Acct-Application-Id")
VENDOR_SPECIFIC_APPLICATION_ID = _group("Vendor-Specific-Application-Id")
REDIRECT_HOST = _text("Redirect-Host")
REDIRECT_HOST_USAGE = _number("Redirect-Host-Usage")
REDIRECT_MAX_CACHE_TIME = _number("Redirect-Max-Cache-Time")
SESSION_ID = _text("Session-Id")
ORIGIN_HOST = _identity("Origin-Host")
SUPPORTED_VENDOR_ID = _number("Supported-Vendor-Id")
VENDOR_ID = _number("Vendor-Id")
RESULT_CODE = _number("Result-Code")
PRODUCT_NAME = _text("Product-Name")
DISCONNECT_CAUSE = _number("Disconnect-Cause")
AUTH_REQUEST_TYPE = _number("Auth-Request-Type")
AUTH_SESSION_STATE = _number("Auth-Session-State")
ORIGIN_STATE_ID = _number("Origin-State-Id")
ERROR_MESSAGE = _text("Error-Message")
DESTINATION_REALM = _identity("Destination-Realm")
PROXY_INFO = _group("Proxy-Info")
DESTINATION_HOST = _identity("Destination-Host")
ORIGIN_REALM = _identity("Origin-Realm")
EXPERIMENTAL_RESULT = _group("Experimental-Result")
EXPERIMENTAL_RESULT_CODE = _number("Experimental-Result-Code")
# RFC 7944
DRMP = _number("DRMP")
# RFC 7683
OC_SUPPORTED_FEATURES = _group("OC-Supported-Features")
OC_FEATURE_VECTOR = _long("OC-Feature-Vector")
OC_OLR = _group("OC-OLR")
OC_SEQUENCE_NUMBER = _long("OC-Sequence-Number")
OC_VALIDITY_DURATION = _number("OC-Validity-Duration")
OC_REPORT_TYPE = _number("OC-Report-Type")
OC_REDUCTION_PERCENTAGE = _number("OC-Reduction-Percentage")
# RFC 4072
EAP_PAYLOAD = _octets("EAP-Payload")
EAP_MASTER_SESSION_KEY = _octets("EAP-Master-Session-Key")
# TS 29.229 and TS 29.273
PUBLIC_IDENTITY = _text("Public-Identity")
SERVER_NAME = _text("Server-Name")
SIP_NUMBER_AUTH_ITEMS = _number("SIP-Number-Auth-Items")
SIP_AUTHENTICATION_SCHEME = _text("SIP-Authentication-Scheme")
SIP_AUTHENTICATE = _octets("SIP-Authenticate")
SIP_AUTHORIZATION = _octets("SIP-Authorization")
SIP_AUTH_DATA_ITEM = _group("SIP-Auth-Data-Item")
SIP_ITEM_NUMBER = _number("SIP-Item-Number")
CONFIDENTIALITY_KEY = _octets("Confidentiality-Key")
INTEGRITY_KEY = _octets("Integrity-Key")
RAT_TYPE = _number("RAT-Type")
ANID = _text("ANID")
SERVER_ASSIGNMENT_TYPE = _number("Server-Assignment-Type")
NON_3GPP_USER_DATA = _group("Non-3GPP-User-Data")
# TS 29.329
USER_IDENTITY = _group("User-Identity")
MSISDN = _octets("MSISDN")
USER_DATA = _octets("User-Data")
DATA_REFERENCE = _number("Data-Reference")
REQUESTED_DOMAIN = _number("Requested-Domain")
CURRENT_LOCATION = _number("Current-Location")
# RFC 4006
SUBSCRIPTION_ID = _group("Subscription-Id")
SUBSCRIPTION_ID_DATA = _text("Subscription-Id-Data")
SUBSCRIPTION_ID_TYPE = _number("Subscription-Id-Type")
DEREGISTRATION_REASON = _group("Deregistration-Reason")
REASON_CODE = _number("Reason-Code")
# TS 29.272
CANCELLATION_TYPE = _number("Cancellation-Type")
VISITED_PLMN_ID = _octets("Visited-PLMN-Id")
REQUESTED_EUTRAN_AUTHENTICATION_INFO = _group("Requested-EUTRAN-Authentication-Info")
REQUESTED_UTRAN_GERAN_AUTHENTICATION_INFO = _group("Requested-UTRAN-GERAN-Authentication-Info")
NUMBER_OF_REQUESTED_VECTORS = _number("Number-Of-Requested-Vectors")
RE_SYNCHRONIZATION_INFO = _octets("Re-Synchronization-Info")
IMMEDIATE_RESPONSE_PREFERRED = _number("Immediate-Response-Preferred")
AUTHENTICATION_INFO = _group("Authentication-Info")
E_UTRAN_VECTOR = _group("E-UTRAN-Vector")
UTRAN_VECTOR = _group("UTRAN-Vector")
ITEM_NUMBER = _number("Item-Number")
RAND = _octets("RAND")
XRES = _octets("XRES")
AUTN = _octets("AUTN")
KASME = _octets("KASME")
