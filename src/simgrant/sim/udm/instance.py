"""One instance of a 5G core: a UDM, and an HSS with service-based interfaces, at one address."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable
from typing import Final
from uuid import uuid4

from simgrant.sim.web import Answer, Request, WebServer

SERVICES: Final = {
    "UDM": {"nudm-ueau": "v1", "nudm-sdm": "v2", "nudm-uecm": "v1"},
    "HSS": {"nhss-gba-ueau": "v1", "nhss-ims-ueau": "v1"},
}
"""By NF type: what an instance offers, and in which version."""
TYPES: Final = {service: kind for kind, offered in SERVICES.items() for service in offered}
"""By service: the NF type that offers it."""
ADDRESS: Final = "127.0.0.1"


class Instance:
    """An instance, as the NRF knows it; what is set here it tells from then on."""

    def __init__(
        self,
        index: int,
        answer: Callable[[Instance, Request], Answer | Awaitable[Answer]],
        tls: ssl.SSLContext | None,
    ) -> None:
        self.index = index
        """0 = the first."""
        self.ids = {kind: str(uuid4()) for kind in SERVICES}
        """NF instance ids, by type."""
        self.web = WebServer(lambda request: answer(self, request), tls)
        self.scheme = "https" if tls else "http"
        self.fqdn = ""
        """Its name, where certificates are for names; empty = it has an address only."""
        self.priority = 0
        self.capacity = 100
        self.load: int | None = None
        """Percent, of which answers and the NRF tell; None = they do not."""
        self.ranges: tuple[tuple[str, str], ...] = ()
        """Whom it serves: first and last IMSI of ranges; empty = everybody."""

    def id_for(self, service: str) -> str:
        """Return which NF instance offers a service; the UDM where it is none of theirs."""
        return self.ids[TYPES.get(service, "UDM")]

    def serves(self, imsi: str) -> bool:
        """Tell whether it serves an IMSI (digits)."""
        return not self.ranges or any(first <= imsi <= last for first, last in self.ranges)
