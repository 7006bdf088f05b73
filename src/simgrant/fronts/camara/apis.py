"""The APIs behind the listener of partners: requests to the flow, answers and refusals to HTTP."""

from __future__ import annotations

from typing import Final

from simgrant.flows.camara.problem import Code, Problem
from simgrant.flows.camara.serve_api import ApiRequest, NoMethod, ServeApi
from simgrant.fronts.camara.answers import NO_STORE, problem
from simgrant.fronts.camara.message import Asked, Task, Told

_EMPTY: Final = (("cache-control", "no-store"),)


class ApisFront:
    """Answers what is under the paths of APIs (a `Handler`)."""

    def __init__(self, apis: ServeApi) -> None:
        self._apis = apis

    async def __call__(self, asked: Asked, task: Task) -> Told:
        """Answer one call; what may befall any request is raised as `EcsError`."""
        request = ApiRequest(
            method=asked.method,
            path=asked.path,
            body=asked.body,
            content_type=asked.content_type,
            accept=asked.accept,
            authorization=asked.authorization,
            dpop=asked.dpop,
            certificate=asked.certificate,
            host=asked.host,
            source=asked.source,
            correlator=task.correlator,
            deadline=task.deadline,
        )
        try:
            reply = await self._apis.serve(request, task.trail)
        except Problem as refused:
            task.trail.outcome = refused.reason
            return _told(refused)
        return Told(reply.status, NO_STORE if reply.body else _EMPTY, reply.body)


def _told(refused: Problem) -> Told:
    headers: list[tuple[str, str]] = []
    if refused.code is Code.UNAUTHENTICATED:
        # Whatever is wrong, it says no more (RFC 6750 §3.1 would tell some of it).
        headers.append(("www-authenticate", "Bearer"))
    if isinstance(refused, NoMethod):
        headers.append(("allow", ", ".join(refused.allowed)))
    if refused.retry_after is not None:
        headers.append(("retry-after", str(refused.retry_after)))
    return problem(refused.status, refused.code.value, refused.message, tuple(headers))
