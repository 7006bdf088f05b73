"""What a UDM tells of subscribers: their number, and where they are (TS 29.503 §5.2, §5.3)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

from simgrant.sim.places import Place
from simgrant.sim.sims import Sim
from simgrant.sim.udm.answers import Call, Refusal
from simgrant.sim.udm.faults import Fault

_AMF: Final = "b1c9f0e2-5a3d-4b6f-8e77-3f1d2c4b5a69"
_AMF_ID: Final = "020040"
_OTHER_USER: Final = "999990000000000"
_OTHER_NUMBER: Final = "999990000000"
_DATA_SETS: Final = "registration-dataset-names"


class Subscribers:
    """The SIMs of a core: each at home unless it is said where else."""

    def __init__(self, sims: Iterable[Sim]) -> None:
        self._sims = {sim.imsi.digits: sim for sim in sims}
        self._by_number = {sim.msisdn.digits: sim for sim in self._sims.values() if sim.msisdn}
        self.places: dict[str, Place | None] = {}
        """By IMSI (digits): where a phone is registered; None = nowhere."""

    def answer(self, call: Call, fault: Fault | None) -> dict[str, Any]:
        """Return the content of an answer; Refusal."""
        handlers = {
            ("nudm-sdm", "id-translation-result"): self._translation,
            ("nudm-sdm", "am-data"): self._access,
            ("nudm-uecm", "registrations"): self._registrations,
            ("nudm-uecm", "registrations/amf-3gpp-access"): self._amf,
        }
        handler = handlers.get((call.service, call.operation))
        if handler is None:
            raise Refusal(404, "RESOURCE_URI_STRUCTURE_NOT_FOUND")
        if call.method != "GET":
            raise Refusal(405, headers=(("allow", "GET"),))
        sim = self._sims.get(call.imsi)
        if sim is None and call.user.startswith("msisdn-"):
            sim = self._by_number.get(call.user.removeprefix("msisdn-"))
        if sim is None:
            raise Refusal(404, "USER_NOT_FOUND")
        return handler(call, sim, fault)

    def _translation(self, call: Call, sim: Sim, fault: Fault | None) -> dict[str, Any]:
        del call
        number = _number(sim, fault)
        other = fault is Fault.OTHER_USER
        told = {"supi": f"imsi-{_OTHER_USER if other else sim.imsi.digits}"}
        return told | {"gpsi": number} if number else told

    def _access(self, call: Call, sim: Sim, fault: Fault | None) -> dict[str, Any]:
        del call
        number = _number(sim, fault)
        return {"gpsis": [number]} if number else {}

    def _amf(self, call: Call, sim: Sim, fault: Fault | None) -> dict[str, Any]:
        del call
        place = self.places.get(sim.imsi.digits, Place(mcc=sim.mcc, mnc=sim.mnc))
        if place is None:
            raise Refusal(404, "CONTEXT_NOT_FOUND")
        root = f"http://amf.5gc.mnc{place.mnc.zfill(3)}.mcc{place.mcc}.3gppnetwork.org"
        told: dict[str, Any] = {
            "amfInstanceId": _AMF,
            "deregCallbackUri": f"{root}/namf-callback/v1/dereg-notify",
            "guami": {"plmnId": {"mcc": place.mcc, "mnc": place.mnc}, "amfId": _AMF_ID},
            "ratType": "NR",
        }
        if place.purged:
            told["purgeFlag"] = True
        if place.since is not None:
            told["registrationTime"] = datetime.fromtimestamp(place.since, UTC).isoformat()
        match fault:
            case Fault.OTHER_USER:
                told["supi"] = f"imsi-{_OTHER_USER}"
            case Fault.NO_KEYS:
                del told["guami"]
        return told

    def _registrations(self, call: Call, sim: Sim, fault: Fault | None) -> dict[str, Any]:
        names = call.query.get(_DATA_SETS, "").split(",")
        if names == [""]:
            raise Refusal(400, "MANDATORY_QUERY_PARAM_MISSING", f"{_DATA_SETS} is missing")
        # Of the data sets there is this one alone.
        if "AMF_3GPP" not in names:
            raise Refusal(404, "CONTEXT_NOT_FOUND")
        return {"amf3Gpp": self._amf(call, sim, fault)}


def _number(sim: Sim, fault: Fault | None) -> str:
    """Return a GPSI; empty where there is none."""
    if fault is Fault.OTHER_USER:
        return f"msisdn-{_OTHER_NUMBER}"
    if fault is Fault.OTHER_KIND:
        return "extid-joe@example.com"
    return f"msisdn-{sim.msisdn.digits}" if sim.msisdn else ""
