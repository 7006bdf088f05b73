"""What an operator's BSS answers to the requests of Ericsson's Secure Entitlement Server.

The requests are known from an operator's public description; the answers are not, so these are made
up: an example to map.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from simgrant.sim.bss.answers import Call, Refusal, json_answer
from simgrant.sim.bss.faults import Fault
from simgrant.sim.bss.lines import Line, Lines
from simgrant.sim.web import Answer
from simgrant.wire.tmf.inventory import ProductStatus

_PATH: Final = re.compile(r"[A-Za-z0-9-]+/esintegration/v1\.0/esim/([A-Za-z]+)", re.ASCII)
_CHECKS: Final = frozenset({"esimEligibilityCheck", "checkSubsTransEligibility"})
_OPTIONS: Final = {"VoWiFi": "vowifi"}
"""Names that are options of a line; it has all others with its plan."""


def operation_of(call: Call) -> str:
    """Return which of its operations a request is; empty = none."""
    found = _PATH.fullmatch(call.resource) if call.api is None else None
    return found[1] if found else ""


class Ses:
    """The operations."""

    def __init__(self, lines: Lines, unqualified: Mapping[str, str]) -> None:
        """``unqualified`` says why a line may have no eSIM, by IMSI."""
        self._lines = lines
        self._unqualified = unqualified

    def answer(self, call: Call, fault: Fault | None) -> Answer:
        """Return what is said; Refusal."""
        operation = operation_of(call)
        if call.method != "POST":
            raise Refusal(405)
        asked = call.content()
        if not isinstance(asked, dict):
            raise Refusal(400, "no object")
        if operation == "entitlements":
            return self._entitlements(asked, fault)
        if operation in _CHECKS:
            return self._checked(asked, fault)
        raise Refusal(404)

    def _entitlements(self, asked: dict[str, Any], fault: Fault | None) -> Answer:
        names = asked.get("entitlement-names")
        if not asked.get("msisdn") or not isinstance(names, list):
            raise Refusal(400, "msisdn and entitlement-names are mandatory")
        line = self._line(asked.get("imsi"), asked["msisdn"], fault)
        if line is None:
            return _unknown()
        state = line.state.value.upper() if fault is not Fault.ODD_STATE else "LIMBO"
        told = {
            "imsi": line.imsi,
            "msisdn": line.msisdn,
            "subscriber-status": state,
            "plan": line.plan,
            "entitlements": [
                {"entitlement-name": name, "entitlement-status": self._status(line, name)}
                for name in names
                if isinstance(name, str)
            ],
        }
        return json_answer(told)

    def _checked(self, asked: dict[str, Any], fault: Fault | None) -> Answer:
        line = self._line(asked.get("imsi"), asked.get("primaryMsisdn"), fault)
        if line is None:
            return _unknown()
        told: dict[str, Any] = {
            "imsi": line.imsi,
            "primaryMsisdn": line.msisdn,
            "eligible": "NO" if line.imsi in self._unqualified else "YES",
        }
        if fault is Fault.ODD_STATE:
            told["eligible"] = "PERHAPS"
        if line.imsi in self._unqualified:
            told["reason"] = self._unqualified[line.imsi]
        return json_answer(told)

    def _line(self, imsi: object, msisdn: object, fault: Fault | None) -> Line | None:
        if fault is Fault.NOBODY:
            return None
        line = self._lines.find(imsi=str(imsi)) or self._lines.find(msisdn=str(msisdn))
        return line.as_another() if line and fault is Fault.OTHER_SUBSCRIBER else line

    def _status(self, line: Line, name: str) -> str:
        has = line.state is ProductStatus.ACTIVE
        if (option := _OPTIONS.get(name)) is not None:
            has = has and option in line.options
        return "ENABLED" if has else "DISABLED"


def _unknown() -> Answer:
    return json_answer({"error": {"code": "SUBSCRIBER_NOT_FOUND"}}, status=404)
