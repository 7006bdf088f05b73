"""A 5G core over HTTP/2: its instances, its NRF, faults, and a list of who asked what."""

from __future__ import annotations

import asyncio
import re
import ssl
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import field
from email.utils import parsedate_to_datetime
from typing import Any, Final

from simgrant.nouns import noun
from simgrant.sim.hss.auc import Auc
from simgrant.sim.sims import Sim
from simgrant.sim.udm.answers import JSON, Call, Refusal, json_answer, pull_call
from simgrant.sim.udm.faults import OF_NRF, Fault, Plan
from simgrant.sim.udm.instance import SERVICES, TYPES, Instance
from simgrant.sim.udm.nrf import Nrf
from simgrant.sim.udm.subscribers import Subscribers
from simgrant.sim.udm.vectors import Vectors
from simgrant.sim.web import Answer, Break, Request, WebServer, after
from simgrant.wire.sbi.headers import (
    CORRELATION_INFO,
    LOAD,
    MAX_RSP_TIME,
    OVERLOAD,
    SENDER_TIMESTAMP,
    Load,
    Overload,
    push_load,
    push_overload,
)

_KEPT: Final = 10_000
_TARGET: Final = "3gpp-sbi-target-nf-id"
_UEAU: Final = frozenset({"nudm-ueau", "nhss-gba-ueau", "nhss-ims-ueau"})
_MS: Final = re.compile(r"[0-9]{1,5}", re.ASCII)
_BREAKS: Final = {
    Fault.SILENT: Break.SILENT,
    Fault.RESET: Break.RESET,
    Fault.GOAWAY: Break.GOAWAY,
    Fault.DRAIN: Break.DRAIN,
    Fault.RESET_STREAM: Break.RESET_STREAM,
    Fault.REFUSE_STREAM: Break.REFUSE_STREAM,
    Fault.HALF: Break.HALF,
}
"""What faults do to a connection."""
_ANSWERED: Final = frozenset({Fault.HALF, Fault.DRAIN})
"""After an answer, or a part of one."""
_OLDER: Final = Answer(505)
"""To whoever does not speak HTTP/2 (TS 29.500 §5.2.1)."""
_HTML: Final = b"<!doctype html><title>Bad gateway</title>\n"


@noun
class Seen:
    """A request that came to an instance, or to the NRF."""

    instance: int | None
    """0 = the first; None = the NRF."""
    method: str
    service: str
    operation: str
    """What of the path names nobody, such as ``security-information/generate-auth-data``."""
    imsi: str = field(repr=False)
    resync: bool
    authorized: bool
    """Whether it came with a token, good or bad."""
    headers: Mapping[str, str] = field(repr=False)
    fault: Fault | None
    status: int
    """0 = there was no answer."""

    @property
    def max_rsp_time_ms(self) -> int | None:
        """For how long whoever asks waits, as it says (TS 29.500 §5.2.3.3.3)."""
        return _max_rsp_time_ms(self.headers)

    @property
    def sent_at(self) -> float | None:
        """When it was sent, as it says; Unix seconds."""
        return _sent_at(self.headers)

    @property
    def correlation(self) -> str:
        """Whom it is about, as 3gpp-Sbi-Correlation-Info says."""
        return self.headers.get(CORRELATION_INFO, "")

    def as_json(self) -> dict[str, Any]:
        """Return what JSON can have of it, without who it is about."""
        return {
            "instance": self.instance,
            "service": self.service,
            "operation": self.operation,
            "resync": self.resync,
            "authorized": self.authorized,
            "max_rsp_time_ms": self.max_rsp_time_ms,
            "correlated": self.correlation.partition("-")[0] or None,
            "status": self.status,
            "fault": self.fault,
        }


class Core:
    """UDMs, HSSs and the NRF that knows them, with one authentication centre."""

    def __init__(
        self,
        sims: Iterable[Sim],
        *,
        instances: int = 1,
        tls: ssl.SSLContext | None = None,
        oauth2: bool = False,
        consumers: frozenset[str] | None = None,
        knows_prime: bool = True,
        five_g_aka: bool = False,
        networks: frozenset[str] | None = None,
        first_port: int = 0,
        tell: Callable[[Seen], None] = lambda _: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Take the first of the ports: of the NRF, and then of each instance; 0 = any.

        ``oauth2`` is whether instances want a token of the NRF's; see `Nrf` and `Vectors` for
        who gets one, and for whom there are vectors.
        """
        sims = tuple(sims)
        self.auc = Auc(sims, knows_prime=knows_prime)
        self.subscribers = Subscribers(sims)
        self.instances = [Instance(index, self.answer, tls) for index in range(instances)]
        self.nrf = Nrf(self.instances, oauth2=oauth2, consumers=consumers, clock=clock)
        self.nrf_web = WebServer(self.answer_nrf, tls)
        self.plan: Plan | None = None
        """What instances do wrong; what the NRF does wrong is its own."""
        self.seen: deque[Seen] = deque(maxlen=_KEPT)
        self.changed = asyncio.Event()
        """Set whenever something came; for tests, which clear it."""
        self._vectors = Vectors(self.auc, five_g_aka=five_g_aka, networks=networks)
        self._oauth2 = oauth2
        self._tell = tell
        self._clock = clock
        if first_port:
            for port, web in enumerate(self._webs(), first_port):
                web.port = port

    async def up(self) -> None:
        """Listen; OSError where a port is taken."""
        for web in self._webs():
            await web.up()

    async def down(self) -> None:
        """Break every connection and listen no more."""
        for web in self._webs():
            await web.down()

    def misbehave(self, plan: Plan | None) -> None:
        """Set what instances do wrong, or the NRF where the fault is one of its own."""
        if plan is not None and plan.fault in OF_NRF:
            self.nrf.plan = plan
        else:
            self.plan = plan

    def questions(self) -> list[Seen]:
        """Return what came to instances, without what came to the NRF."""
        return [each for each in self.seen if each.instance is not None]

    def answer(self, instance: Instance, request: Request) -> Answer | Awaitable[Answer]:
        """Return what an instance answers."""
        if request.version != "h2":
            return _OLDER
        call = pull_call(request)
        plan = self._plan_for(instance, call)
        fault = plan.fault if plan else None
        try:
            answer = self._refused_by(plan, instance, call, request) or self._said(
                instance, call, fault
            )
        except Refusal as refusal:
            answer = refusal.answer()
        headers = self._told_of(instance.id_for(call.service), instance.load, plan)
        answer = Answer(answer.status, (*answer.headers, *headers), answer.body)
        return self._sent(instance.index, call, plan, answer)

    # --- what is wrong ----------------------------------------------------------------

    def _plan_for(self, instance: Instance, call: Call) -> Plan | None:
        """Return what is to be done wrong to a request, and count it."""
        plan = self.plan
        if plan is None or plan.instance not in (None, instance.index):
            return None
        if plan.imsi and plan.imsi != call.imsi:
            return None
        self.plan = plan.counted
        return plan

    def _refused_by(
        self, plan: Plan | None, instance: Instance, call: Call, request: Request
    ) -> Answer | None:
        if plan is None:
            return None
        match plan.fault:
            case fault if fault in _BREAKS and fault not in _ANSWERED:
                return Answer()
            case Fault.REDIRECT | Fault.MOVED:
                index = (instance.index + 1) % len(self.instances)
                other = self.instances[index]
                headers = (
                    JSON,
                    ("location", f"{other.web.url}{request.target}"),
                    (_TARGET, f"nfinst={other.id_for(call.service)}"),
                )
                return Answer(307 if plan.fault is Fault.REDIRECT else 308, headers, b"{}")
            case Fault.UNAUTHORIZED:
                said = ("www-authenticate", 'Bearer error="invalid_token"')
                raise Refusal(401, headers=(said,))
            case Fault.UNKNOWN_USER:
                raise Refusal(404, "USER_NOT_FOUND")
        return _failed(plan)

    def _told_of(self, id_: str, load: int | None, plan: Plan | None) -> list[tuple[str, str]]:
        """Return what an answer says of load and overload (TS 29.500 §6.3, §6.4)."""
        told, now = [], self._clock()
        if load is not None:
            told.append((LOAD, push_load(Load(id_, now, load))))
        if plan is not None and plan.fault is Fault.OVERLOADED:
            report = Overload(f"NF-Instance: {id_}", id_, now, plan.reduction, plan.validity_s)
            told.append((OVERLOAD, push_overload(report)))
        return told

    # --- answers ----------------------------------------------------------------------

    def _said(self, instance: Instance, call: Call, fault: Fault | None) -> Answer:
        kind = TYPES.get(call.service)
        if kind is None or SERVICES[kind][call.service] != call.version:
            raise Refusal(400, "INVALID_API")
        if self._oauth2:
            authorization = call.headers.get("authorization", "")
            self.nrf.check(authorization, kind, instance.ids[kind], call.service)
        if _has_given_up(call.headers, self._clock()):
            raise Refusal(504, "TIMED_OUT_REQUEST")
        if call.service in _UEAU:
            return json_answer(self._vectors.answer(call, fault))
        return json_answer(self.subscribers.answer(call, fault))

    def answer_nrf(self, request: Request) -> Answer | Awaitable[Answer]:
        """Return what the NRF answers."""
        if request.version != "h2":
            return _OLDER
        call, plan = pull_call(request), self.nrf.plan
        self.nrf.plan = plan.counted if plan else None
        try:
            answer = _failed(plan) if plan else None
            answer = answer or self.nrf.answer(request, plan.fault if plan else None)
        except Refusal as refusal:
            answer = refusal.answer()
        return self._sent(None, call, plan, answer)

    def _sent(
        self, instance: int | None, call: Call, plan: Plan | None, answer: Answer
    ) -> Answer | Awaitable[Answer]:
        """Take note of a request, and return the answer as it goes out."""
        fault = plan.fault if plan else None
        broken = None if fault is None else _BREAKS.get(fault)
        answer = Answer(answer.status, answer.headers, answer.body, broken)
        seen = Seen(
            instance=instance,
            method=call.method,
            service=call.service,
            operation=call.operation if instance is not None else call.user or call.version,
            imsi=call.imsi,
            resync=b'"resynchronizationInfo"' in call.body,
            authorized="authorization" in call.headers,
            headers=call.headers,
            fault=fault,
            status=answer.status if broken in (None, Break.DRAIN) else 0,
        )
        self.seen.append(seen)
        self.changed.set()
        self._tell(seen)
        if plan is not None and fault is Fault.SLOW:
            return after(plan.delay_s, answer)
        return answer

    def _webs(self) -> list[WebServer]:
        return [self.nrf_web, *(each.web for each in self.instances)]


def _failed(plan: Plan) -> Answer | None:
    """Return what anybody may answer that fails; Refusal."""
    wait = () if plan.retry_after_s is None else (("retry-after", str(plan.retry_after_s)),)
    match plan.fault:
        case Fault.STATUS:
            raise Refusal(plan.status, plan.cause)
        case Fault.BUSY:
            raise Refusal(503, "NF_CONGESTION", headers=wait)
        case Fault.THROTTLED:
            raise Refusal(429, "NF_CONGESTION_RISK", headers=wait)
        case Fault.GARBAGE:
            return Answer(200, (JSON,), b'{"authType": "EAP_A')
        case Fault.EMPTY:
            return Answer(200, (JSON,))
        case Fault.WRONG_TYPE:
            return Answer(200, (("content-type", "text/html"),), _HTML)
    return None


def _has_given_up(headers: Mapping[str, str], now: float) -> bool:
    """Tell whether whoever asked waits no more, as it says (TS 29.500 §6.11.2)."""
    sent_at, waits_ms = _sent_at(headers), _max_rsp_time_ms(headers)
    return sent_at is not None and waits_ms is not None and now > sent_at + waits_ms / 1000


def _max_rsp_time_ms(headers: Mapping[str, str]) -> int | None:
    text = headers.get(MAX_RSP_TIME, "").strip()
    return int(text) if _MS.fullmatch(text) else None


def _sent_at(headers: Mapping[str, str]) -> float | None:
    whole, _, rest = headers.get(SENDER_TIMESTAMP, "").strip().partition(".")
    ms, _, zone = rest.partition(" ")
    if len(ms) != 3 or not ms.isdecimal() or zone != "GMT":
        return None
    try:
        return parsedate_to_datetime(f"{whole} GMT").timestamp() + int(ms) / 1000
    except ValueError:
        return None
