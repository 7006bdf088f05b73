"""Vectors over service-based interfaces: what is asked for, and what comes (TS 29.503, TS 29.562).

Four operations, of a UDM (Nudm_UEAuthentication) and of an HSS (Nhss_gbaUEAU, Nhss_imsUEAU). Each
has a path, a body and an answer of its own; all bring one vector. Both directions are here, for
whoever asks and for whoever plays the other side. Unknown members are passed over. What is no such
message is `BadMessage`, whose text names the member and repeats no value.
"""

from __future__ import annotations

import re
from dataclasses import field
from typing import Annotated, Final
from urllib.parse import quote

import msgspec

from simgrant.nouns import Word, noun
from simgrant.wire.sbi.body import BadMessage, read

_KEY: Final = "^[A-Fa-f0-9]{32}\\Z"
_Key = Annotated[str, msgspec.Meta(pattern=_KEY)]
_Xres = Annotated[str, msgspec.Meta(pattern="^([A-Fa-f0-9]{2}){4,16}\\Z")]
_Auts = Annotated[str, msgspec.Meta(pattern="^[A-Fa-f0-9]{28}\\Z")]
_SERVING_NETWORK: Final = re.compile(
    r"5G:mnc[0-9]{3}\.mcc[0-9]{3}\.3gppnetwork\.org|5G:NSWO", re.ASCII
)
_WLAN_OFFLOAD: Final = "5G:NSWO"


class Operation(Word):
    """What a vector is asked for with."""

    GENERATE_AV = "generate-av"
    """Of a UDM, as an HSS asks: for EAP-AKA or EAP-AKA' (TS 29.503 §5.4.2.6)."""
    GENERATE_AUTH_DATA = "generate-auth-data"
    """Of a UDM, as an AUSF asks: EAP-AKA' alone is of use (TS 29.503 §5.4.2.2)."""
    GBA = "gba"
    """Of an HSS, as a BSF asks: EAP-AKA (TS 29.562 §5.4)."""
    IMS = "ims"
    """Of an HSS, as an S-CSCF asks: EAP-AKA (TS 29.562 §5.4)."""


class HssAuthType(Word):
    """What a vector of `Operation.GENERATE_AV` is for."""

    EAP_AKA = "EAP_AKA"
    EAP_AKA_PRIME = "EAP_AKA_PRIME"


@noun
class Asked:
    """One question for a vector."""

    imsi: str = field(repr=False)
    """Digits."""
    prime: bool = False
    """For EAP-AKA', with keys bound to ``network``."""
    network: str = ""
    """What EAP-AKA' binds keys to: an access network identity, or a serving network name."""
    rand: bytes = field(default=b"", repr=False)
    auts: bytes = field(default=b"", repr=False)
    """With ``rand`` a resynchronisation; 14 bytes."""
    ausf: str = ""
    """The instance that asks for `Operation.GENERATE_AUTH_DATA`; a UUID."""
    ims_domain: str = ""
    """What follows the IMSI in a private identity, for `Operation.IMS`."""
    server_name: str = ""
    """The SIP URI of who asks, for `Operation.IMS`."""


@noun
class Brought:
    """One vector, in its parts."""

    kind: str
    """What it says that it is for; empty where it says nothing."""
    rand: bytes = field(repr=False)
    autn: bytes = field(repr=False)
    xres: bytes = field(repr=False)
    ck: bytes = field(repr=False)
    """CK' for EAP-AKA'."""
    ik: bytes = field(repr=False)
    user: str = field(default="", repr=False)
    """Whose it says that it is; empty where it says nothing."""


class Resynchronization(msgspec.Struct, frozen=True):
    """RAND and AUTS, in hex."""

    rand: _Key
    auts: _Auts

    def __repr__(self) -> str:
        return "Resynchronization(…)"


class HssRequest(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """HssAuthenticationInfoRequest (TS 29.503 §6.3.6.2.9)."""

    hss_auth_type: str
    num_of_requested_vectors: Annotated[int, msgspec.Meta(ge=1, le=5)]
    requesting_node_type: str | None = None
    resynchronization_info: Resynchronization | None = None
    an_id: str | None = None


class AuthDataRequest(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """AuthenticationInfoRequest (TS 29.503 §6.3.6.2.2)."""

    serving_network_name: str
    ausf_instance_id: str
    resynchronization_info: Resynchronization | None = None
    nswo_ind: bool = False


class GbaRequest(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """AuthenticationInfoRequest of Nhss_gbaUEAU (TS 29.562 §6.5.6.2.2)."""

    authentication_scheme: str | None = None
    resynchronization_info: Resynchronization | None = None


class SipRequest(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """SipAuthenticationInfoRequest (TS 29.562 §6.3.6.2.2)."""

    cscf_server_name: str
    sip_authentication_scheme: str
    sip_number_auth_items: Annotated[int, msgspec.Meta(ge=1)] = 1
    resynchronization_info: Resynchronization | None = None


class Vector(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A vector of any kind, in hex; which keys it has depends on the kind."""

    rand: _Key
    autn: _Key
    xres: _Xres = ""
    av_type: str = ""
    ck: _Key = ""
    ik: _Key = ""
    ck_prime: _Key = ""
    ik_prime: _Key = ""

    def __repr__(self) -> str:
        return "Vector(…)"


class HssResult(msgspec.Struct, frozen=True, rename="camel"):
    """HssAuthenticationInfoResult (TS 29.503 §6.3.6.2.10)."""

    hss_authentication_vectors: Annotated[
        tuple[Vector, ...], msgspec.Meta(min_length=1, max_length=5)
    ]


class AuthDataResult(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """AuthenticationInfoResult (TS 29.503 §6.3.6.2.3)."""

    auth_type: str
    authentication_vector: Vector | None = None
    supi: str = ""


class GbaResult(msgspec.Struct, frozen=True, omit_defaults=True):
    """AuthenticationInfoResult of Nhss_gbaUEAU (TS 29.562 §6.5.6.2.3)."""

    impi: str = ""
    vector: Vector | None = msgspec.field(default=None, name="3gAkaAv")


class SipResult(msgspec.Struct, frozen=True, omit_defaults=True):
    """SipAuthenticationInfoResult (TS 29.562 §6.3.6.2.3)."""

    impi: str
    vectors: Annotated[tuple[Vector, ...], msgspec.Meta(max_length=32)] = msgspec.field(
        default=(), name="3gAkaAvs"
    )


def service_of(operation: Operation) -> str:
    """Return the service that an operation is of: the first part of its path, and its scope."""
    match operation:
        case Operation.GENERATE_AV | Operation.GENERATE_AUTH_DATA:
            return "nudm-ueau"
        case Operation.GBA:
            return "nhss-gba-ueau"
        case Operation.IMS:
            return "nhss-ims-ueau"


def is_serving_network(text: str) -> bool:
    """Tell whether this is a serving network name that a UDM takes (TS 24.501 §9.12.1)."""
    return _SERVING_NETWORK.fullmatch(text) is not None


def path(operation: Operation, asked: Asked) -> str:
    """Return the path of a request below the API root, with its first slash."""
    user = f"imsi-{asked.imsi}"
    match operation:
        case Operation.GENERATE_AV:
            kind = "eap-aka-prime" if asked.prime else "eap-aka"
            what = f"hss-security-information/{kind}/generate-av"
        case Operation.GENERATE_AUTH_DATA | Operation.GBA:
            what = "security-information/generate-auth-data"
        case Operation.IMS:
            user = quote(_impi(asked), safe="@")
            what = "security-information/generate-sip-auth-data"
    return f"/{service_of(operation)}/v1/{user}/{what}"


def push(operation: Operation, asked: Asked) -> bytes:
    """Return the body of a request."""
    resync = None
    if asked.auts:
        resync = Resynchronization(rand=asked.rand.hex(), auts=asked.auts.hex())
    body: msgspec.Struct
    match operation:
        case Operation.GENERATE_AV:
            body = HssRequest(
                hss_auth_type=HssAuthType.EAP_AKA_PRIME if asked.prime else HssAuthType.EAP_AKA,
                num_of_requested_vectors=1,
                requesting_node_type="WLAN_AAA_SERVER",
                resynchronization_info=resync,
                an_id=asked.network if asked.prime else None,
            )
        case Operation.GENERATE_AUTH_DATA:
            body = AuthDataRequest(
                serving_network_name=asked.network,
                ausf_instance_id=asked.ausf,
                resynchronization_info=resync,
                nswo_ind=asked.network == _WLAN_OFFLOAD,
            )
        case Operation.GBA:
            body = GbaRequest("DIGEST_AKAV1_MD5", resync)
        case Operation.IMS:
            body = SipRequest(asked.server_name, "DIGEST-AKAV1-MD5", 1, resync)
    return msgspec.json.encode(body)


def pull(operation: Operation, body: bytes) -> Brought:
    """Return the vector that an answer brings, the first of several; BadMessage."""
    match operation:
        case Operation.GENERATE_AV:
            vectors = read(body, HssResult).hss_authentication_vectors
            return _brought(vectors[0], vectors[0].av_type, "")
        case Operation.GENERATE_AUTH_DATA:
            told = read(body, AuthDataResult)
            if told.authentication_vector is None:
                return Brought(told.auth_type, b"", b"", b"", b"", b"", told.supi)
            return _brought(told.authentication_vector, told.auth_type, told.supi)
        case Operation.GBA:
            gba = read(body, GbaResult)
            if gba.vector is None:
                raise BadMessage("there is no vector in it")
            return _brought(gba.vector, "", gba.impi)
        case Operation.IMS:
            sip = read(body, SipResult)
            if not sip.vectors:
                raise BadMessage("there is no vector in it")
            return _brought(sip.vectors[0], "", sip.impi)


def _brought(vector: Vector, kind: str, user: str) -> Brought:
    """Return a vector's bytes; of EAP-AKA' vectors the keys are CK' and IK'."""
    return Brought(
        kind or vector.av_type,
        bytes.fromhex(vector.rand),
        bytes.fromhex(vector.autn),
        bytes.fromhex(vector.xres),
        bytes.fromhex(vector.ck_prime or vector.ck),
        bytes.fromhex(vector.ik_prime or vector.ik),
        user,
    )


def _impi(asked: Asked) -> str:
    return f"{asked.imsi}@{asked.ims_domain}"
