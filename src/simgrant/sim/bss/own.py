"""The lines of a simulated BSS by an API of its own, as operators have them beside TM Forum's."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from simgrant.sim.bss.answers import OWN, Call, Refusal, json_answer
from simgrant.sim.bss.faults import Fault
from simgrant.sim.bss.lines import Line, Lines
from simgrant.sim.web import Answer
from simgrant.wire.tmf.inventory import ProductStatus, ServiceState

_STATES: Final = {ProductStatus.ACTIVE: "A", ProductStatus.SUSPENDED: "S"}
_CONSENTS: Final = {"given": "Y", "missing": "N"}


def is_own(call: Call) -> bool:
    """Say whether a request is one of this API."""
    return call.api is None and call.resource == OWN


def answered(call: Call, lines: Lines, fault: Fault | None) -> Answer:
    """Return what is said of a line: ``GET /lines/{number or IMSI}``; Refusal."""
    if call.method != "GET":
        raise Refusal(405)
    line = lines.find(imsi=call.id) or lines.find(msisdn=call.id)
    if line is None or fault is Fault.NOBODY:
        return json_answer({"code": "UNKNOWN_LINE"}, status=404)
    if fault is Fault.OTHER_SUBSCRIBER:
        line = line.as_another()
    document = _document(line)
    if fault is Fault.ODD_STATE:
        document["state"] = "limbo"
    return json_answer(document)


def _document(line: Line) -> dict[str, Any]:
    return {
        "imsi": line.imsi,
        "msisdn": f"+{line.msisdn}" if line.msisdn else None,
        "state": _STATES.get(line.state, "X"),
        "tariff": {"code": line.plan.upper(), "since": _day(line.since)},
        "addOns": [{"code": name.upper(), "on": True} for name in sorted(line.options)],
        "consents": {
            "terms": _CONSENTS.get(line.terms, line.terms),
            "address": _CONSENTS.get(line.address, line.address),
        },
        "wifiCalling": line.vowifi is ServiceState.ACTIVE,
        "network": line.network or None,
        "billing": "PRE" if line.prepaid else "POST",
        "locked": line.frozen,
        "numberType": line.number_type.upper(),
        "sim": {"since": line.sim_since * 1000},
    }


def _day(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%d.%m.%Y")
