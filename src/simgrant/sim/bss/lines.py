"""The subscriptions that a simulated BSS knows, and how its inventories show them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final

from simgrant.sim.sims import Sim
from simgrant.wire.tmf.apis import Api
from simgrant.wire.tmf.inventory import ProductStatus, ResourceStatus, ServiceState
from simgrant.wire.tmf.parts import push_characteristics

LINE_SPECIFICATION: Final = "mobile-line"
VOWIFI_SPECIFICATION: Final = "vowifi"
SIM_SPECIFICATION: Final = "sim-card"
_BEGAN: Final = 1_600_000_000
_OTHER_IMSI: Final = "999990000000000"
_OTHER_NUMBER: Final = "999990000000"


@dataclass(slots=True, repr=False)
class Line:
    """One subscription; what is set here is told from then on."""

    imsi: str
    msisdn: str
    """Digits; empty = it has no number."""
    iccid: str
    plan: str = "standard"
    """The id of its offering."""
    options: set[str] = field(default_factory=set)
    """The ids of offerings that it has besides."""
    state: ProductStatus = ProductStatus.ACTIVE
    vowifi: ServiceState = ServiceState.ACTIVE
    sim_state: ResourceStatus = ResourceStatus.AVAILABLE
    terms: str = "given"
    address: str = "given"
    network: str = ""
    """Where the phone is: digits of MCC and MNC; empty = not told."""
    prepaid: bool = False
    frozen: bool = False
    """Whether its number may not be taken elsewhere."""
    number_type: str = "mobile"
    since: int = _BEGAN
    """Unix seconds since when there is a subscriber."""
    sim_since: int = _BEGAN

    def values(self) -> dict[str, str]:
        """Return whose it is, as characteristics say it."""
        return {"msisdn": self.msisdn, "imsi": self.imsi}

    def as_another(self) -> Line:
        """Return the line of a stranger that looks like this one."""
        return replace(self, imsi=_OTHER_IMSI, msisdn=_OTHER_NUMBER)

    def products(self, root: str) -> list[dict[str, Any]]:
        """Return it as TMF637 has it: the plan, and a product for each option."""
        told = self.values() | {
            "terms": self.terms,
            "address": self.address,
            "visitedPlmn": self.network,
            "prepaid": str(self.prepaid).lower(),
            "portFreeze": str(self.frozen).lower(),
            "numberType": self.number_type,
        }
        base = self._product(root, f"prod-{self.imsi}", self.plan, LINE_SPECIFICATION, told)
        return [base, *(self.option(root, name) for name in sorted(self.options))]

    def option(self, root: str, name: str) -> dict[str, Any]:
        """Return an option as TMF637 has it."""
        id_ = f"prod-{self.imsi}-{name}"
        return self._product(root, id_, name, "option", self.values())

    def services(self, root: str) -> list[dict[str, Any]]:
        """Return it as TMF638 has it: Wi-Fi calling in the network."""
        id_ = f"vowifi-{self.imsi}"
        return [
            {
                "id": id_,
                "href": f"{root}{Api.SERVICE}/service/{id_}",
                "name": "Wi-Fi calling",
                "category": "CFS",
                "serviceType": "VoWiFi",
                "state": self.vowifi,
                "startDate": _time(self.since),
                "serviceSpecification": {"id": VOWIFI_SPECIFICATION, "name": "VoWiFi"},
                "serviceCharacteristic": push_characteristics(self.values()),
            }
        ]

    def resources(self, root: str) -> list[dict[str, Any]]:
        """Return it as TMF639 has it: its SIM."""
        id_ = f"sim-{self.iccid}"
        return [
            {
                "id": id_,
                "href": f"{root}{Api.RESOURCE}/resource/{id_}",
                "name": "SIM",
                "category": "SIM",
                "resourceStatus": self.sim_state,
                "startOperatingDate": _time(self.sim_since),
                "resourceSpecification": {"id": SIM_SPECIFICATION, "name": "SIM card"},
                "resourceCharacteristic": push_characteristics(
                    self.values() | {"iccid": self.iccid}
                ),
            }
        ]

    def _product(
        self, root: str, id_: str, offering: str, specification: str, values: dict[str, str]
    ) -> dict[str, Any]:
        return {
            "id": id_,
            "href": f"{root}{Api.PRODUCT}/product/{id_}",
            "name": offering,
            "status": self.state,
            "startDate": _time(self.since),
            "isBundle": False,
            "productOffering": {"id": offering, "name": offering},
            "productSpecification": {"id": specification, "name": specification},
            "productCharacteristic": push_characteristics(values),
        }


class Lines:
    """All subscriptions."""

    def __init__(self, sims: Iterable[Sim]) -> None:
        self._by_imsi = {
            sim.imsi.digits: Line(
                imsi=sim.imsi.digits,
                msisdn=sim.msisdn.digits if sim.msisdn else "",
                iccid=f"8988{sim.imsi.digits:0>15}",
            )
            for sim in sims
        }

    def __iter__(self) -> Any:
        """Go through them."""
        return iter(self._by_imsi.values())

    def find(self, *, imsi: str = "", msisdn: str = "") -> Line | None:
        """Return the line of an IMSI, else of a number (with or without ``+``)."""
        if imsi:
            return self._by_imsi.get(imsi)
        digits = msisdn.removeprefix("+")
        return next((each for each in self if digits and each.msisdn == digits), None)

    def move(self, line: Line, imsi: str) -> None:
        """Give a line another IMSI; ValueError where another has it."""
        if imsi != line.imsi:
            if imsi in self._by_imsi:
                raise ValueError("another line has that IMSI")
            del self._by_imsi[line.imsi]
            line.imsi = imsi
            self._by_imsi[imsi] = line


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
