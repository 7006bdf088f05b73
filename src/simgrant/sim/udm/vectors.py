"""Vectors as a UDM and an HSS give them over service-based interfaces (TS 29.503, TS 29.562).

Answers are put together here and not by the codecs that read them, so that they may say what is
wrong.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

import msgspec

from simgrant.eap.keys import bind_to_network
from simgrant.sim.hss import auc as centre
from simgrant.sim.hss.auc import Auc
from simgrant.sim.hss.interfaces import kasme
from simgrant.sim.udm.answers import Call, Refusal
from simgrant.sim.udm.faults import Fault
from simgrant.wire.diameter.s6a import push_plmn
from simgrant.wire.diameter.vectors import Brought, Scheme, Wanted
from simgrant.wire.sbi.body import BadMessage, read
from simgrant.wire.sbi.ueau import (
    AuthDataRequest,
    GbaRequest,
    HssRequest,
    Resynchronization,
    SipRequest,
    is_serving_network,
)

_S = TypeVar("_S", bound=msgspec.Struct)

_OTHER_USER: Final = "999990000000000"
_HSS_KIND: Final = re.compile(r"hss-security-information/([a-z-]{1,40})/generate-av")
_AV_TYPES: Final[Mapping[str, str]] = {
    "eap-aka": "EAP_AKA",
    "eap-aka-prime": "EAP_AKA_PRIME",
    "eps-aka": "EPS_AKA",
    "ims-aka": "IMS_AKA",
    "gba-aka": "GBA_AKA",
    "umts-aka": "UMTS_AKA",
}
"""By what the path says."""
_REFUSALS: Final[Mapping[tuple[int, int], tuple[int, str]]] = {
    centre.UNKNOWN_USER: (404, "USER_NOT_FOUND"),
    centre.NO_SUCH_SCHEME: (403, "AUTHENTICATION_REJECTED"),
    centre.BAD_AUTS: (403, "AUTHENTICATION_REJECTED"),
}
_KEYS: Final = ("ck", "ik", "ckPrime", "ikPrime", "kasme", "kausf")


class _Plmn(msgspec.Struct, frozen=True):
    mcc: str
    mnc: str


class _HssRequest(HssRequest, frozen=True):
    """What an HSS asks a UDM, with the member that vectors for EPS take besides."""

    serving_network_id: _Plmn | None = None


class Vectors:
    """Answers questions for vectors, of one authentication centre."""

    def __init__(self, auc: Auc, *, five_g_aka: bool, networks: frozenset[str] | None) -> None:
        """Take whether subscribers are for 5G AKA, and the serving networks that are allowed.

        The second are names such as ``5G:mnc001.mcc001.3gppnetwork.org``; None = all.
        """
        self._auc = auc
        self._five_g_aka = five_g_aka
        self._networks = networks

    def answer(self, call: Call, fault: Fault | None) -> dict[str, Any]:
        """Return the content of an answer; Refusal."""
        handler = self._handler(call)
        if call.method != "POST":
            raise Refusal(405, headers=(("allow", "POST"),))
        if call.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            raise Refusal(415)
        return handler(call, fault)

    def _handler(self, call: Call) -> Callable[[Call, Fault | None], dict[str, Any]]:
        match call.service, call.operation:
            case "nudm-ueau", "security-information/generate-auth-data":
                return self._auth_data
            case "nudm-ueau", "gba-security-information/generate-av":
                return self._gba_of_udm
            case "nhss-gba-ueau", "security-information/generate-auth-data":
                return self._gba
            case "nhss-ims-ueau", "security-information/generate-sip-auth-data":
                return self._sip
            case "nudm-ueau", operation if _HSS_KIND.fullmatch(operation):
                return self._generate_av
        raise Refusal(404, "RESOURCE_URI_STRUCTURE_NOT_FOUND")

    # --- one operation each -----------------------------------------------------------

    def _generate_av(self, call: Call, fault: Fault | None) -> dict[str, Any]:
        asked = _read(call, _HssRequest)
        found = _HSS_KIND.fullmatch(call.operation)
        kind = _AV_TYPES.get(found[1], "") if found else ""
        if not kind:
            raise Refusal(501, detail="there are no vectors for this method")
        if asked.hss_auth_type != kind:
            raise Refusal(400, "MANDATORY_IE_INCORRECT", "hssAuthType is not that of the path")
        scheme, name, plmn = Scheme.AKA, "", b""
        if kind == "EAP_AKA_PRIME":
            scheme, name = _prime(fault), asked.an_id or ""
            if not name:
                raise Refusal(400, "MANDATORY_IE_MISSING", "anId is missing")
        elif kind == "EPS_AKA":
            scheme, plmn = Scheme.E_UTRAN, _plmn(asked.serving_network_id)
        vectors = []
        resync = asked.resynchronization_info
        for _ in range(asked.num_of_requested_vectors):
            item = self._item(call, scheme, resync, fault, name)
            resync = None
            told = _members(item) | {"avType": kind}
            if kind == "EAP_AKA_PRIME":
                told |= _primed(item, name)
            elif kind == "EPS_AKA":
                told["kasme"] = kasme(item, plmn).hex()
            else:
                told |= {"ck": item.ck.hex(), "ik": item.ik.hex()}
            vectors.append(_spoilt(told, fault, kind))
        return {"hssAuthenticationVectors": vectors}

    def _auth_data(self, call: Call, fault: Fault | None) -> dict[str, Any]:
        asked = _read(call, AuthDataRequest)
        name, resync = asked.serving_network_name, asked.resynchronization_info
        if not is_serving_network(name):
            raise Refusal(400, "MANDATORY_IE_INCORRECT", "servingNetworkName is malformed")
        if self._networks is not None and name not in self._networks:
            raise Refusal(403, "SERVING_NETWORK_NOT_AUTHORIZED")
        user = f"imsi-{_OTHER_USER if fault is Fault.OTHER_USER else call.imsi}"
        if self._five_g_aka:
            item = self._item(call, Scheme.E_UTRAN, resync, fault)
            told = _members(item) | {"avType": "5G_HE_AKA", "kausf": kausf(item, name).hex()}
            del told["xres"]
            told["xresStar"] = xres_star(item, name).hex()
            kind = "5G_AKA"
        else:
            item = self._item(call, _prime(fault), resync, fault, name)
            told = _members(item) | {"avType": "EAP_AKA_PRIME"} | _primed(item, name)
            kind = "EAP_AKA_PRIME"
        if fault is Fault.OTHER_KIND:
            kind = "EAP_TLS"
        vector = _spoilt(told, fault, told["avType"])
        return {"authType": kind, "supi": user, "authenticationVector": vector}

    def _gba_of_udm(self, call: Call, fault: Fault | None) -> dict[str, Any]:
        return {"3gAkaAv": self._plain(call, _read(call, GbaRequest), fault)}

    def _gba(self, call: Call, fault: Fault | None) -> dict[str, Any]:
        vector = self._plain(call, _read(call, GbaRequest), fault)
        return {"impi": _impi(call, fault), "3gAkaAv": vector}

    def _sip(self, call: Call, fault: Fault | None) -> dict[str, Any]:
        asked = _read(call, SipRequest)
        if asked.sip_authentication_scheme != "DIGEST-AKAV1-MD5":
            raise Refusal(403, "AUTHENTICATION_REJECTED")
        vectors = [self._plain(call, asked, fault)]
        return {"impi": _impi(call, fault), "3gAkaAvs": vectors}

    # --- vectors ----------------------------------------------------------------------

    def _plain(
        self, call: Call, asked: GbaRequest | SipRequest, fault: Fault | None
    ) -> dict[str, str]:
        item = self._item(call, Scheme.IMS_AKA, asked.resynchronization_info, fault)
        told = _members(item) | {"ck": item.ck.hex(), "ik": item.ik.hex()}
        return _spoilt(told, fault, "")

    def _item(
        self,
        call: Call,
        scheme: Scheme,
        resync: Resynchronization | None,
        fault: Fault | None,
        name: str = "",
    ) -> Brought:
        again = bytes.fromhex(resync.rand + resync.auts) if resync else b""
        try:
            return self._auc.item(
                Wanted(call.imsi, scheme, again, name), wrong=fault is Fault.WRONG_VECTOR
            )
        except centre.Refusal as refusal:
            raise Refusal(*_REFUSALS[refusal.vendor, refusal.code]) from None


def _read(call: Call, kind: type[_S]) -> _S:
    try:
        return read(call.body, kind)
    except BadMessage as error:
        cause = "INVALID_MSG_FORMAT" if "JSON" in str(error) else "MANDATORY_IE_INCORRECT"
        raise Refusal(400, cause, str(error)) from None


def _plmn(told: _Plmn | None) -> bytes:
    if told is None:
        raise Refusal(400, "MANDATORY_IE_MISSING", "servingNetworkId is missing")
    try:
        return push_plmn(f"{told.mcc}-{told.mnc}")
    except ValueError:
        raise Refusal(400, "MANDATORY_IE_INCORRECT", "servingNetworkId is malformed") from None


def _prime(fault: Fault | None) -> Scheme:
    return Scheme.AKA if fault is Fault.NO_SEPARATION else Scheme.AKA_PRIME


def _primed(item: Brought, name: str) -> dict[str, str]:
    """Return CK' and IK'."""
    ck, ik = item.ck, item.ik
    if item.scheme != Scheme.AKA_PRIME:
        ck, ik = bind_to_network(ck, ik, autn=item.autn, network_name=name.encode())
    return {"ckPrime": ck.hex(), "ikPrime": ik.hex()}


def _members(item: Brought) -> dict[str, str]:
    return {"rand": item.rand.hex(), "autn": item.autn.hex(), "xres": item.xres.hex()}


def _impi(call: Call, fault: Fault | None) -> str:
    user = call.user.removeprefix("imsi-").removeprefix("impi-")
    return user.replace(call.imsi, _OTHER_USER) if fault is Fault.OTHER_USER else user


def _spoilt(vector: dict[str, str], fault: Fault | None, kind: str) -> dict[str, str]:
    """Return a vector, with what is to be wrong in it."""
    match fault:
        case Fault.NO_KEYS:
            return {name: value for name, value in vector.items() if name not in _KEYS}
        case Fault.SHORT_AUTN:
            return vector | {"autn": vector["autn"][:-2]}
        case Fault.OTHER_KIND if kind:
            return vector | {"avType": "EPS_AKA" if kind != "EPS_AKA" else "EAP_AKA"}
    return vector


def kausf(item: Brought, name: str) -> bytes:
    """Return KAUSF (TS 33.501 §A.2), for which SQN and AK are the first six bytes of AUTN."""
    return _derived(item, b"\x6a", name.encode(), item.autn[:6])


def xres_star(item: Brought, name: str) -> bytes:
    """Return XRES* (TS 33.501 §A.4)."""
    return _derived(item, b"\x6b", name.encode(), item.rand, item.xres)[16:]


def _derived(item: Brought, code: bytes, *parts: bytes) -> bytes:
    """Return what is derived from CK and IK (TS 33.220 §B.2)."""
    text = code + b"".join(part + len(part).to_bytes(2, "big") for part in parts)
    return hmac.digest(item.ck + item.ik, text, hashlib.sha256)
