"""Questions to an HSS about a user's data: one request, and what is wrong with its answer."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager

from simgrant.errors import PeerMisbehaved, PeerUnavailable
from simgrant.links.diameter.node import DiameterNode, RouteConfig
from simgrant.spec.diameter import result_name
from simgrant.wire.diameter.avps import SESSION_ID, USER_NAME
from simgrant.wire.diameter.message import Avps, BadDiameter


class HssData:
    """An HSS that is asked by one command."""

    def __init__(
        self, route: RouteConfig, application: int, command: int, fixed: bytes, node: DiameterNode
    ) -> None:
        """``fixed`` are the AVPs of every request, but for the session's and ours."""
        self._name = route.name
        self._node = node
        self._route = node.route(route)
        self._application = application
        self._command = command
        self._fixed = fixed + node.node.push_origin()

    async def ask(
        self, own: bytes, nothing: Collection[tuple[int, int]], *, deadline: float
    ) -> Avps | None:
        """Return the answer to a request; None for results that mean that it tells nothing.

        Raise what the node raises, and PeerUnavailable for any other result.
        """
        avps = SESSION_ID.push(self._node.session_id()) + self._fixed + own
        told = await self._node.request(
            self._route, self._command, self._application, avps, deadline=deadline
        )
        vendor, code = told.result
        if told.result in nothing:
            return None
        if not 2000 <= code < 3000:
            said = f"{self._name}: {result_name(vendor, code)}"
            raise PeerUnavailable("hss_data_refused", for_operator=said)
        return told.avps

    @contextmanager
    def reading(self, told: Avps, imsi: str) -> Iterator[None]:
        """Raise PeerMisbehaved for an answer about another user, and one that cannot be read."""
        try:
            whose = told.get(USER_NAME)
            if whose and whose.partition("@")[0] not in (imsi, f"0{imsi}"):
                raise PeerMisbehaved(
                    "hss_data_malformed", for_operator=f"{self._name}: it is another user's"
                )
            yield
        except (BadDiameter, ValueError) as error:
            # Neither text repeats a value.
            raise PeerMisbehaved(
                "hss_data_malformed", for_operator=f"{self._name}: {type(error).__name__}"
            ) from None
