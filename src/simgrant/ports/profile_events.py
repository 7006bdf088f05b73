"""Who wants to know what became of profiles: the flow of orders, told by the fronts.

Here we are the one who promises: `progress` returns once the event cannot be lost any more, and
raises PeerUnavailable where it could not be kept, so that the SM-DP+ is asked to come again. The
same event may come twice, late, out of order, and for a profile that nobody here ordered, which
is no error.
"""

from __future__ import annotations

from typing import Final, Protocol

from simgrant.identities import Eid, Iccid
from simgrant.wire.es2plus import Status

DOWNLOAD: Final = 3
INSTALLATION: Final = 4
"""With a status that is done: the profile is on its eUICC."""


class ProfileEvents(Protocol):
    """Takes over what an SM-DP+ tells of its profiles."""

    async def progress(
        self,
        smdp: str,
        iccid: Iccid,
        *,
        point: int,
        status: Status,
        at: int,
        eid: Eid | None = None,
    ) -> None:
        """Take over that a step of a download ended.

        ``smdp`` is a name of the settings, proved by the certificate of who told it; ``point`` is
        one of the numbers above or a peer's own; ``at`` is in Unix seconds; ``eid`` is of the
        eUICC, where it says which.
        """
