"""What a simulated BSS sells (TMF620), and to whom (TMF679)."""

from __future__ import annotations

from typing import Any, Final
from uuid import uuid4

from simgrant.sim.bss.answers import Call, Refusal, json_answer, listed, one
from simgrant.sim.bss.faults import Fault
from simgrant.sim.bss.lines import LINE_SPECIFICATION, Line, Lines
from simgrant.sim.web import Answer
from simgrant.wire.sbi.body import BadMessage, read
from simgrant.wire.tmf.apis import Api
from simgrant.wire.tmf.inventory import ProductStatus
from simgrant.wire.tmf.qualification import OLD_RESOURCE, RESOURCE, Qualification, Result

PLANS: Final = {
    "standard": "Calls, Wi-Fi calling and devices",
    "basic": "Calls over 4G",
    "home": "Calls and Wi-Fi calling, at home",
    "data": "Data alone",
    "premium": "Everything",
}
"""The offerings that are plans: those of the policy that comes with the server."""
OPTIONS: Final = {"vowifi": "Wi-Fi calling", "companion": "Devices", "satellite": "Satellite"}
"""The offerings that a line may have besides."""
_COMPANION: Final = "companion"


def offerings(root: str) -> list[dict[str, Any]]:
    """Return what is sold, as TMF620 has it; one of them is sold no more."""
    told = [(name, text, LINE_SPECIFICATION, "plans") for name, text in PLANS.items()]
    told += [(name, text, "option", "options") for name, text in OPTIONS.items()]
    found = [
        {
            "id": name,
            "href": f"{root}{Api.OFFERING}/productOffering/{name}",
            "name": name.capitalize(),
            "description": text,
            "lifecycleStatus": "Active",
            "isSellable": True,
            "productSpecification": {"id": specification, "name": specification},
            "category": [{"id": category, "name": category}],
        }
        for name, text, specification, category in told
    ]
    return [*found, found[0] | {"id": "retired", "name": "Retired", "lifecycleStatus": "Retired"}]


class Market:
    """Answers who may have what."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self.unqualified: dict[str, str] = {}
        """By IMSI (digits): who may have nothing, and why."""

    def offered(self, call: Call, root: str) -> Answer:
        """Answer a request for productOffering; Refusal."""
        if call.method != "GET":
            raise Refusal(405)
        found = offerings(root)
        return json_answer(one(found, call)) if call.id else listed(found, call)

    def qualified(self, call: Call, root: str, fault: Fault | None) -> Answer:
        """Answer whether somebody qualifies; Refusal."""
        if call.method != "POST" or call.resource not in (RESOURCE, OLD_RESOURCE):
            raise Refusal(405)
        content = call.content()
        try:
            asked = read(call.body, Qualification)
        except BadMessage as error:
            raise Refusal(400, str(error)) from None
        name = f"{call.resource}Item"
        if not asked.items or name not in content:
            raise Refusal(400, f"{name} is missing")
        values = asked.items[0].values
        line = self._lines.find(imsi=values.get("imsi", ""), msisdn=values.get("msisdn", ""))
        if line is None or fault is Fault.NOBODY:
            raise Refusal(404)
        why = self._why_not(line)
        result = Result.UNQUALIFIED if why else Result.QUALIFIED
        item = content[name][0] | {"state": "done", "qualificationItemResult": result}
        if why:
            item["eligibilityUnavailabilityReason"] = [{"code": "1", "label": why}]
        if fault is Fault.OTHER_SUBSCRIBER:
            other = line.as_another().values()
            item["product"] = {
                "productCharacteristic": [
                    {"name": key, "value": value} for key, value in other.items()
                ]
            }
        id_ = uuid4().hex
        told = content | {
            "id": id_,
            "href": f"{root}{Api.QUALIFICATION}/{call.resource}/{id_}",
            "state": "done",
            "qualificationResult": result,
            name: [item],
        }
        return json_answer(told, status=201)

    def _why_not(self, line: Line) -> str:
        if line.imsi in self.unqualified:
            return self.unqualified[line.imsi]
        if line.state is not ProductStatus.ACTIVE:
            return "the line is not active"
        has = line.plan in ("standard", "premium") or _COMPANION in line.options
        return "" if has else "the plan has no devices"
