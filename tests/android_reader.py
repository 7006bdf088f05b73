"""XML documents as Android's two readers understand them, and not better.

Written from what they do (AOSP service_entitlement and ImsServiceEntitlement), so that a test can
say "the phone sees this", which a correct XML reader cannot.
"""

from __future__ import annotations

from dataclasses import dataclass, field
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
