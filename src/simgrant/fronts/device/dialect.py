"""What may be answered on the device listener beside TS.43: something else at a path of its own.

TS.43 answers at every path, so whatever speaks differently needs one that it can be told by. Where
nothing else is configured, no request is asked for its path.
"""

from __future__ import annotations

from typing import Protocol

from simgrant.domain.trail import Trail
from simgrant.flows.authenticate import Call
from simgrant.fronts.device.message import Reply, Request


class Dialect(Protocol):
    """Answers the requests to one path. Admission, deadline, record and errors are the front's."""

    async def __call__(self, request: Request, call: Call, trail: Trail) -> Reply:
        """Return the reply; set the trail's outcome; raise an EcsError to refuse."""
