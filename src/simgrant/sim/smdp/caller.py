"""What a simulated SM-DP+ tells the operator: the progress of its profiles, over mutual TLS."""

from __future__ import annotations

import ssl
import time
import uuid
from collections.abc import Callable
from typing import Final

from simgrant.identities import Eid, Iccid
from simgrant.sim.http import HttpClient, Limits, Url
from simgrant.sim.smdp.pool import Profile
from simgrant.wire.es2plus import (
    CONTENT_TYPE,
    DONE,
    Function,
    Header,
    Progress,
    Status,
    push_request,
)

REQUESTER: Final = "smdp.example.com"
"""Who the SM-DP+ says that it is."""
_VERSIONS: Final = {
    Function.HANDLE_PROGRESS: "gsma/rsp/v2.5.0",
    Function.HANDLE_NOTIFICATION: "gsma/rsp/v3.1.0",
}


class Caller:
    """One operator, who is told by one call after the other."""

    def __init__(
        self,
        url: str,
        *,
        tls: ssl.SSLContext | None = None,
        padded: bool = True,
        now: Callable[[], float] = time.time,
    ) -> None:
        """``url`` is what the paths of ES2+ are put behind; ValueError where it is none."""
        self._url = Url.parse(url)
        self._client = HttpClient(self._url, tls=tls, limits=Limits(connect_s=5, read_s=10))
        self._padded = padded
        self._now = now

    async def tell(
        self,
        profile: Profile,
        point: int,
        status: Status = DONE,
        *,
        function: Function = Function.HANDLE_PROGRESS,
    ) -> int:
        """Tell a step, and return the HTTP status; raise `simgrant.sim.http.HttpError`."""
        said = Progress(
            function=function,
            iccid=Iccid(profile.iccid),
            point=point,
            status=status,
            profile_type=profile.profile_type,
            at=int(self._now()),
            eid=Eid(profile.eid) if profile.eid else None,
        )
        header = Header(REQUESTER, f"urn:uuid:{uuid.uuid4()}")
        headers = (("Content-Type", CONTENT_TYPE), ("X-Admin-Protocol", _VERSIONS[function]))
        path = self._url.path.rstrip("/") + function.path
        body = push_request(header, said, padded=self._padded)
        return (await self._client.exchange("POST", path, headers, body=body)).status

    async def close(self) -> None:
        """Let go of the connection."""
        await self._client.aclose()
