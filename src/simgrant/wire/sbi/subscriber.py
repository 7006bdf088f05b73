"""What a UDM tells of a subscriber: his number, and where he is registered (TS 29.503 §5.2, §5.3).

Nudm_SDM says what his subscription is, Nudm_UECM which AMF serves him. Unknown members are passed
over; what is no such answer is `BadMessage`.
"""

from __future__ import annotations

import re
from typing import Annotated, Final

import msgspec

from simgrant.wire.sbi.body import BadMessage, read

NUMBERS: Final = "nudm-sdm"
NUMBERS_VERSION: Final = "v2"
PLACES: Final = "nudm-uecm"
_MSISDN: Final = re.compile(r"msisdn-([0-9]{5,15})", re.ASCII)
_MOST: Final = 100
_Mcc = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{3}\Z")]
_Mnc = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{2,3}\Z")]


class _Translation(msgspec.Struct, frozen=True, rename="camel"):
    supi: str = ""
    gpsi: str = ""
    additional_gpsis: tuple[str, ...] = ()


class _PlmnId(msgspec.Struct, frozen=True):
    mcc: _Mcc
    mnc: _Mnc


class _Guami(msgspec.Struct, frozen=True, rename="camel"):
    plmn_id: _PlmnId


class _Registration(msgspec.Struct, frozen=True, rename="camel"):
    guami: _Guami
    supi: str = ""
    purge_flag: bool = False


def number_path(imsi: str) -> str:
    """Return where the numbers of a SIM are told (TS 29.503 §6.1.3.19)."""
    return f"/{NUMBERS}/{NUMBERS_VERSION}/imsi-{imsi}/id-translation-result"


def place_path(imsi: str) -> str:
    """Return where it is told which AMF serves a SIM (TS 29.503 §6.2.3.2)."""
    return f"/{PLACES}/v1/imsi-{imsi}/registrations/amf-3gpp-access"


def pull_number(body: bytes, imsi: str) -> str:
    """Return the first telephone number of a SIM in digits; empty where it has none.

    BadMessage also for an answer about another one.
    """
    told = read(body, _Translation)
    _check(told.supi, imsi)
    for gpsi in (told.gpsi, *told.additional_gpsis[:_MOST]):
        if match := _MSISDN.fullmatch(gpsi):
            return match[1]
    return ""


def pull_network(body: bytes, imsi: str) -> str:
    """Return the network that a SIM is registered in, as 5 or 6 digits; empty = in none any more.

    BadMessage also for an answer about another one.
    """
    told = read(body, _Registration)
    _check(told.supi, imsi)
    network = told.guami.plmn_id
    return "" if told.purge_flag else network.mcc + network.mnc


def _check(supi: str, imsi: str) -> None:
    if supi and supi != f"imsi-{imsi}":
        raise BadMessage("it is another user's")
