"""The listener of partners: a path leads to a handler, and every answer leaves one record.

What all of them have in common is here: how much work is taken on and for how long,
``x-correlator``, and what is said where nothing else is known. A handler knows no connection.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from typing import Final

from simgrant.domain.trail import Trail
from simgrant.errors import BadRequest, EcsError, NotThere, Overloaded, PeerTimeout
from simgrant.flows.camara.refusals import OAuthRefused
from simgrant.flows.journal import Journal
from simgrant.fronts.camara.answers import INTERNAL, Wrong, oauth_problem, problem, refused, wrong
from simgrant.fronts.camara.message import Asked, Handler, Task, Told
from simgrant.nouns import noun
from simgrant.ports.clock import Clock
from simgrant.telemetry.log import say_fault
from simgrant.within import Within

MAX_BODY: Final = 65_536
OAUTH: Final = frozenset({"oauth2", ".well-known"})
"""First parts of paths where errors are said as OAuth does."""
_CORRELATOR: Final = re.compile(r"[a-zA-Z0-9_:;./<>{}-]{0,256}", re.ASCII)


@noun
class Limits:
    """How much work is taken on at a time, and for how long."""

    max_in_flight: int
    request_timeout_s: float
    retry_after_s: int


class CamaraFront:
    """Answers the requests of the partners' listener."""

    def __init__(
        self,
        handlers: Mapping[str, Handler],
        *,
        others: Handler | None = None,
        journal: Journal,
        clock: Clock,
        limits: Limits,
    ) -> None:
        """``handlers`` have the first part of a path each; ``others`` gets all that is left."""
        self._handlers = handlers
        self._others = others
        self._journal = journal
        self._clock = clock
        self._limits = limits
        self._name = secrets.token_hex(4)
        self._number = 0
        self._in_flight = 0

    async def __call__(self, asked: Asked) -> Told:
        """Answer one request, whatever it is, and leave one record of it."""
        started = self._clock.monotonic()
        self._number += 1
        trail = Trail(request_id=f"{self._name}{self._number:08x}", leg="partner")
        trail.user_agent = asked.user_agent[:160]
        first = asked.path[1:].partition("/")[0]
        given = asked.x_correlator
        good = _CORRELATOR.fullmatch(given) is not None
        correlator = given if given and good else trail.request_id
        self._in_flight += 1
        try:
            if not good and first not in OAUTH:
                raise BadRequest("bad_correlator")
            deadline = started + self._limits.request_timeout_s
            task = Task(trail=trail, deadline=deadline, correlator=correlator)
            told = await self._answered(asked, first, task)
        except OAuthRefused as error:
            trail.outcome, trail.detail = error.reason, error.for_operator
            told = refused(error, basic=asked.authorization[:6].lower() == "basic ")
        except EcsError as error:
            trail.outcome, trail.detail = error.reason, error.for_operator
            told = self._failed(first, wrong(error), error.retry_after)
        except Exception as error:
            trail.outcome = "internal_error"
            say_fault(error, request_id=trail.request_id)
            told = self._failed(first, INTERNAL, None)
        finally:
            self._in_flight -= 1
        trail.status = told.status
        self._journal.finish(trail, self._clock.monotonic() - started)
        return Told(told.status, (*told.headers, ("x-correlator", correlator)), told.body)

    async def _answered(self, asked: Asked, first: str, task: Task) -> Told:
        if asked.fault is not None:
            raise asked.fault
        if self._in_flight > self._limits.max_in_flight:
            raise Overloaded("in_flight")
        handler = self._handlers.get(first, self._others)
        if handler is None:
            raise NotThere("no_such_place")
        try:
            with Within(self._limits.request_timeout_s):
                return await handler(asked, task)
        except TimeoutError:
            raise PeerTimeout("request_timeout") from None

    def _failed(self, first: str, what: Wrong, retry_after: int | None) -> Told:
        seconds = str(retry_after or self._limits.retry_after_s)
        headers = (("retry-after", seconds),) if what.status in (429, 503) else ()
        if first in OAUTH:
            return oauth_problem(what.status, what.oauth, what.message, headers)
        return problem(what.status, what.code, what.message, headers)
