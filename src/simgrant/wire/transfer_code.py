"""What a new phone shows to be scanned: its eSIM's EID and its IMEI (TS.43 §6.8).

``esim:transfer?eid=<32 digits>&imei=<15 digits>``, the two in any order, one of them at least. It
is the phone's word about itself and proves nothing.
"""

from __future__ import annotations

from typing import Final

from simgrant.identities import Eid, Imei, InvalidIdentity
from simgrant.nouns import noun

_HEAD: Final = "esim:transfer"
_LONGEST: Final = 256
_IMEI_DIGITS: Final = 15


class BadTransferCode(ValueError):
    """It is no such code; the text never repeats it, since it names a device."""


@noun
class TransferCode:
    """A phone that a line may move to. Making one that cannot be written raises the error."""

    eid: Eid | None
    imei: Imei | None

    def __post_init__(self) -> None:
        if self.eid is None and self.imei is None:
            raise BadTransferCode("neither an EID nor an IMEI")
        if self.imei is not None and len(self.imei.digits) != _IMEI_DIGITS:
            raise BadTransferCode("the IMEI has not 15 digits")


def push_transfer_code(code: TransferCode) -> str:
    """Return the text."""
    named = (("eid", code.eid), ("imei", code.imei))
    return f"{_HEAD}?" + "&".join(f"{name}={found.digits}" for name, found in named if found)


def pull_transfer_code(text: str) -> TransferCode:
    """Return what a text says; raise `BadTransferCode`. What it names besides is not looked at."""
    if len(text) > _LONGEST:
        raise BadTransferCode("too long")
    head, _, query = text.partition("?")
    if head.lower() != _HEAD:
        raise BadTransferCode("not of the form esim:transfer?eid=…&imei=…")
    values: dict[str, str] = {}
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        if name.lower() in values:
            raise BadTransferCode("a name comes twice")
        values[name.lower()] = value
    eid, imei = values.get("eid"), values.get("imei")
    try:
        return TransferCode(None if eid is None else Eid(eid), None if imei is None else Imei(imei))
    except InvalidIdentity as error:
        raise BadTransferCode(str(error)) from None
