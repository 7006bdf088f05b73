"""Activation codes: the text that leads an eUICC to its profile (SGP.22 §4.1).

``1$SM-DP+$MATCHING-ID[$OID[$1]]``. In a QR code and wherever people see it, ``LPA:`` stands in
front; it is taken with and without. An empty matching id means that the SM-DP+ knows the profile
by the EID.
"""

from __future__ import annotations

import base64
import re
from dataclasses import field
from typing import Final

from simgrant.nouns import noun
from simgrant.wire.es2plus import is_fqdn, is_matching_id

PREFIX: Final = "LPA:"
_FORMAT: Final = "1"
_CONFIRMED: Final = "1"
_LONGEST: Final = 1024
_OID: Final = re.compile(r"[0-2](\.[0-9]{1,20}){1,30}")


class BadActivationCode(ValueError):
    """It is no activation code; the text never repeats it, since it is a credential."""


@noun
class ActivationCode:
    """Where a profile is, and by which name. Making one that cannot be written raises the error."""

    smdp_address: str
    matching_id: str = field(default="", repr=False)
    oid: str = ""
    """The SM-DP+'s object identifier, for eUICCs that check it; mostly empty."""
    needs_confirmation: bool = False
    """Whether its user has to type a confirmation code."""

    def __post_init__(self) -> None:
        if not is_fqdn(self.smdp_address):
            raise BadActivationCode("the address of the SM-DP+ is no name")
        if not is_matching_id(self.matching_id):
            raise BadActivationCode("the matching id is none")
        if self.oid and not _OID.fullmatch(self.oid):
            raise BadActivationCode("the OID is none")


def push_activation_code(code: ActivationCode, *, prefix: bool = True) -> str:
    """Return the text, with ``LPA:`` in front unless that is unwanted."""
    parts = [_FORMAT, code.smdp_address, code.matching_id]
    if code.needs_confirmation:
        parts += [code.oid, _CONFIRMED]
    elif code.oid:
        parts.append(code.oid)
    return (PREFIX if prefix else "") + "$".join(parts)


def pull_activation_code(text: str) -> ActivationCode:
    """Return what a text says; raise `BadActivationCode`."""
    if len(text) > _LONGEST:
        raise BadActivationCode("too long")
    if text[: len(PREFIX)].upper() == PREFIX:
        text = text[len(PREFIX) :]
    parts = text.split("$")
    if not 3 <= len(parts) <= 5 or parts[0] != _FORMAT:
        raise BadActivationCode("not of the form 1$address$matching-id")
    address, matching_id, oid, flag = (*parts[1:], "", "")[:4]
    if flag not in ("", _CONFIRMED):
        raise BadActivationCode("the flag of the confirmation code is neither 1 nor absent")
    return ActivationCode(address, matching_id, oid, flag == _CONFIRMED)


def push_parameter(code: ActivationCode) -> str:
    """Return the code as ProfileActivationCode has it: base64 (TS.43 §6.5.3)."""
    return base64.b64encode(push_activation_code(code).encode("ascii")).decode("ascii")
