"""Documents as Android's readers understand them, and not better.

Written from what they do (AOSP service_entitlement, ImsServiceEntitlement, and the satellite and
slice code of services/Telephony), so that a test can say "the phone sees this", which a correct
reader of XML or JSON cannot.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any
from xml.parsers import expat


@dataclass
class _Element:
    tag: str
    attributes: list[str]
    children: list[_Element] = field(default_factory=list)

    @property
    def type(self) -> str:
        """Attribute number 0, whatever it is called."""
        return self.attributes[1] if self.attributes else ""

    def attribute(self, name: str) -> str:
        names = dict(zip(self.attributes[::2], self.attributes[1::2], strict=True))
        return names.get(name, "")

    def all(self, tag: str) -> list[_Element]:
        return [child for child in self.children if child.tag == tag]


def _tree(document: bytes) -> _Element:
    text = document.decode().replace("&", "&amp;").replace("&amp;amp;", "&amp;")
    root = _Element("", [])
    stack = [root]

    def start(tag: str, attributes: list[str]) -> None:
        element = _Element(tag, attributes)
        stack[-1].children.append(element)
        stack.append(element)

    parser = expat.ParserCreate()
    parser.ordered_attributes = True
    parser.StartElementHandler = start
    parser.EndElementHandler = lambda _: stack.pop()
    parser.Parse(text, True)
    return root.children[0]


class XmlDoc:
    """The reader of the IMS app: leaf characteristics only, names with regard to case."""

    def __init__(self, document: bytes) -> None:
        self._found: dict[str, dict[str, str]] = {}
        self._read(_tree(document))

    def _read(self, element: _Element) -> None:
        for group in element.all("characteristic"):
            if group.all("characteristic"):
                self._read(group)
                continue
            parms = {
                parm.attribute("name"): parm.attribute("value")
                for parm in group.all("parm")
                if parm.attribute("value")
            }
            self._found.setdefault(self._key(group.type, parms), {}).update(parms)

    @staticmethod
    def _key(kind: str, parms: dict[str, str]) -> str:
        if kind == "APPLICATION":
            return parms.get("AppID", "")
        if kind == "RATVoiceEntitleInfoDetails":
            return f"{parms.get('AccessType')}/{parms.get('HomeRoamingNWType')}"
        return kind

    def get(self, group: str, name: str) -> str | None:
        """Return a value by ``VERS``, ``TOKEN``, an AppID, or ``AccessType/HomeRoamingNWType``."""
        return self._found.get(group, {}).get(name)


class Ts43XmlDoc:
    """The reader for ODSA: paths of types, names without regard to case, the last one wins."""

    def __init__(self, document: bytes) -> None:
        self._found: dict[str, dict[str, str]] = {}
        self._read(_tree(document), "")

    def _read(self, element: _Element, path: str) -> None:
        for group in element.all("characteristic"):
            here = f"{path}|{group.type}" if path else group.type
            parms = self._found.setdefault(here, {})
            for parm in group.all("parm"):
                parms[parm.attribute("name").lower()] = parm.attribute("value")
            self._read(group, here)

    def get(self, path: str, name: str) -> str | None:
        """Return the value of ``name`` at a path such as ``APPLICATION|DownloadInfo``."""
        return self._found.get(path, {}).get(name.lower())


class Satellite:
    """The reader of ap2016: JSON only, and whatever it cannot read is DISABLED with no networks."""

    def __init__(self, document: bytes) -> None:
        self.enabled = False
        self.metered: dict[str, bool] = {}
        """Of each allowed network; what does not say that it is unmetered is metered."""
        self.services: dict[str, dict[str, str]] = {}
        """Of each allowed network that lists services: by type the policy."""
        self.barred: list[str] = []
        found: Any = json.loads(document).get("ap2016")
        if not isinstance(found, dict):
            return
        self.enabled = found.get("EntitlementStatus") == "1"
        for network in found.get("PLMNAllowed", []):
            plmn = network["PLMN"]
            self.metered[plmn] = network.get("DataPlanType", "").lower() != "unmetered"
            if "AllowedServicesInfo" in network:
                self.services[plmn] = {"sms": ""} | {
                    each["AllowedServices"]["ServiceType"].lower(): each["AllowedServices"][
                        "ServicePolicy"
                    ].lower()
                    for each in network["AllowedServicesInfo"]
                }
        self.barred = [network["PLMN"] for network in found.get("PLMNBarred", [])]


FAILED, ERROR, WEB_VIEW = "check failed", "carrier error", "web view"
PURCHASED, IN_PROGRESS = "already purchased", "in progress"
_SLICES = {
    "1": (WEB_VIEW, PURCHASED, PURCHASED, IN_PROGRESS),
    "3": (ERROR, ERROR, IN_PROGRESS, IN_PROGRESS),
    "4": (ERROR, PURCHASED, PURCHASED, ERROR),
}


def purchase(document: bytes) -> str:
    """Return what the slice code of Android makes of an ap2010 document in JSON."""
    found: Any = json.loads(document).get("ap2010")
    if not isinstance(found, dict):
        return ERROR
    by_provisioning = _SLICES.get(found.get("EntitlementStatus", "0"))
    if by_provisioning is None:
        return FAILED
    return by_provisioning[int(found.get("ProvStatus", "0"))]
