"""Run the server: listeners, workers, signals, renewal of keys and certificates.

One worker runs in this process; several run as processes of their own under a
supervisor that owns the sockets and the management listener, restarts who dies
and passes signals on. SIGTERM: not ready, finish what is in flight within a
bound, exit 0. SIGHUP: read key ring, certificate and profiles of clients again.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import multiprocessing
import os
import random
import signal
import socket
import ssl
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

import structlog
import uvicorn
import uvloop
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.multiprocess import mark_process_dead

from simgrant import __version__
from simgrant.compose import core_network
from simgrant.compose import server as compose
from simgrant.compose.api import opened_api
from simgrant.compose.clock import CLOCK
from simgrant.compose.esims import order_calls
from simgrant.config.load import Loaded, parse_listen
from simgrant.errors import EcsError, StartRefused
from simgrant.flows.management.carry_out import ANSWERS_KEPT_S
from simgrant.fronts.device.protocol import (
    Answer,
    Bounds,
    Requests,
    devices,
    partners,
    protocol_class,
)
from simgrant.fronts.management.app import ManagementFront
from simgrant.links.certified import CertifiedProtocol
from simgrant.links.client_certificates import ask_for_certificate, require_certificate
from simgrant.links.watched import Watched
from simgrant.nouns import replace
from simgrant.ports.store import Store
from simgrant.services import SERVICES
from simgrant.telemetry import log
from simgrant.telemetry.collected import collected
from simgrant.telemetry.policy_lines import policy_lines
from simgrant.telemetry.sources import source_lines

_PURGE_EVERY_S = 60.0
_MONTH_S = 31 * 86_400
_RESTART_FIRST_S, _RESTART_LAST_S = 0.5, 10.0
_PING_S = 1.0

Announce = Callable[[str, str], None]


@dataclass(slots=True)
class Running:
    """A server that answers."""

    parts: compose.Parts
    device_url: str
    management_url: str
    portal_url: str
    """Empty where there are no pages."""
    camara_url: str
    """Empty where there are no partner APIs."""
    events_url: str
    """Empty where nobody brings events."""
    es2plus_url: str
    """Empty where no SM-DP+ tells us anything."""


def serve(loaded: Loaded, *, workers: int, announce: Announce) -> int:
    """Run until a signal ends it; return the exit code. Raise StartRefused before it starts.

    ``announce`` is given the addresses for devices and for operations once they are taken.
    """
    log.configure(loaded.settings.server.log_format)
    if workers > 1:
        # Known before there are any: each would refuse to start, again and again.
        core_network.refuse_one_name(loaded)
    main = _single(loaded, announce) if workers == 1 else _supervise(loaded, workers, announce)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)


# --- one worker ------------------------------------------------------------------------


async def _single(loaded: Loaded, announce: Announce) -> int:
    stop, reload = _on_signals()
    async with running(loaded, reload=reload) as server:
        announce(server.device_url, server.management_url)
        await stop.wait()
        structlog.get_logger().info("stopping")
    return 0


@asynccontextmanager
async def running(loaded: Loaded, *, reload: asyncio.Event | None = None) -> AsyncIterator[Running]:
    """Run one worker with its management listener in this event loop."""
    with _listening_to_all(loaded) as (sockets, loaded):
        async with compose.opened(loaded) as parts:
            state = _State(parts)
            front = ManagementFront(
                not_ready=state.not_ready,
                metrics=partial(_metrics_of, parts),
                services=SERVICES,
                version=__version__,
                orders=order_calls(loaded, parts.store),
                sources=partial(_lines, parts.metrics.registry),
            )
            # The management listener outlives the other, to say that this node is going.
            async with (
                _serving(front, sockets.management, shutdown_s=1.0),
                _serving_api(parts, sockets.api),
                _worker(state, sockets.shared, index=0, reload=reload),
            ):
                yield Running(
                    parts,
                    _url_of(sockets.shared.device, loaded.settings.device.tls_certificate),
                    _url("http", sockets.management),
                    loaded.portal_url if sockets.shared.portal else "",
                    _url_of(sockets.shared.camara, loaded.settings.camara.tls_certificate),
                    _url_of(sockets.shared.events, loaded.settings.events.tls_certificate),
                    _url_of(sockets.shared.es2plus, loaded.settings.es2plus.tls_certificate),
                )


def _metrics_of(parts: compose.Parts) -> bytes:
    """Return the metrics, with the requests in them that were answered a moment ago."""
    parts.journal.settle()
    return generate_latest(parts.metrics.registry)


def _lines(registry: CollectorRegistry) -> str:
    """Return what `/readyz` says besides: of the operator's systems, and of published policies."""
    return source_lines(registry) + policy_lines(registry)


@dataclass(slots=True)
class _State:
    """Whether one worker should get traffic."""

    parts: compose.Parts
    stopping: bool = False

    async def not_ready(self) -> str:
        """Say why not; empty = it should."""
        return "stopping" if self.stopping else await _unreachable(self.parts.store)


@asynccontextmanager
async def _worker(
    state: _State, shared: _Shared, *, index: int, reload: asyncio.Event | None
) -> AsyncIterator[None]:
    """Serve the listeners that workers share, and do the upkeep."""
    parts = state.parts
    settings = parts.loaded.settings
    certificates = _certificates(parts.loaded)
    # What is alive now lives as long as the process: the collector need not look at it.
    gc.collect()
    gc.freeze()
    # Requests leave hardly any cycles: looking for them at every second one is too often.
    gc.set_threshold(20_000, 20, 20)
    # The thread that writes needs the interpreter's lock for moments only. Until it has it, each
    # statement that the event loop runs wakes it in vain: let it have it sooner than after 5 ms.
    sys.setswitchinterval(0.0005)
    async with (
        _upkeep(parts, certificates.values(), index, reload),
        _serving(
            parts.device,
            shared.device,
            shutdown_s=settings.server.shutdown_timeout_s,
            http=protocol_class(parts.device, parts.bounds),
            context=_context_of(certificates, "device"),
            backlog=settings.device.backlog,
        ) as phones,
        _serving_answer(
            parts,
            parts.portal,
            shared.portal,
            parts.portal_bounds,
            _context_of(certificates, "portal"),
        ) as pages,
        _serving_answer(
            parts,
            parts.camara,
            shared.camara,
            parts.camara_bounds,
            _context_of(certificates, "camara"),
            requests=partners,
        ) as apis,
        _serving_certified(
            parts, parts.es2plus, shared.es2plus, _context_of(certificates, "es2plus")
        ) as smdps,
        _serving_certified(
            parts, parts.ways_in.front, shared.events, _context_of(certificates, "events")
        ) as senders,
    ):
        try:
            yield
        finally:
            state.stopping = True
            # All at once: each may take all the time that there is.
            for server in (phones, pages, apis, smdps, senders):
                if server is not None:
                    server.should_exit = True


@asynccontextmanager
async def _serving_answer(
    parts: compose.Parts,
    answer: Answer | None,
    listener: socket.socket | None,
    bounds: Bounds,
    context: ssl.SSLContext | None,
    *,
    requests: Requests = devices,
) -> AsyncIterator[_Server | None]:
    """Serve the portal or partners by the connections of devices, where there are any."""
    if listener is None or answer is None:
        yield None
        return
    async with _serving(
        answer,
        listener,
        shutdown_s=parts.loaded.settings.server.shutdown_timeout_s,
        http=protocol_class(answer, bounds, requests),
        context=context,
    ) as server:
        yield server


@asynccontextmanager
async def _serving_certified(
    parts: compose.Parts,
    front: Any,
    listener: socket.socket | None,
    context: ssl.SSLContext | None,
) -> AsyncIterator[_Server | None]:
    """Serve systems that may show who they are by certificates, where there are any."""
    if listener is None or front is None:
        yield None
        return
    shutdown_s = parts.loaded.settings.server.shutdown_timeout_s
    async with _serving(
        front, listener, shutdown_s=shutdown_s, http=CertifiedProtocol, context=context
    ) as server:
        yield server


@asynccontextmanager
async def _serving_api(parts: compose.Parts, listener: socket.socket | None) -> AsyncIterator[None]:
    """Serve the management API, where there is one: beside the workers, not in each of them."""
    if listener is None:
        yield
        return
    loaded = parts.loaded
    api = loaded.settings.api
    watched, context = [parts.keys.watched], None
    if api.tls_certificate:
        certificate = Certificate(
            (loaded.path(api.tls_certificate), loaded.path(api.tls_key)),
            loaded.path(api.client_ca) if api.client_ca else None,
            optional=True,
        )
        watched.append(certificate.watched)
        context = certificate.context
    async with (
        opened_api(loaded, parts.store, parts.keys, parts.policies, parts.events) as front,
        _serving(
            front,
            listener,
            shutdown_s=loaded.settings.server.shutdown_timeout_s,
            http=CertifiedProtocol,
            context=context,
        ),
        _beside(_look(watched, loaded.settings.keys.poll_s)),
    ):
        yield


async def _look(watched: Iterable[Watched], poll_s: float) -> None:
    """Take over what changed, again and again."""
    while True:
        await asyncio.sleep(poll_s)
        for each in watched:
            each.look()


async def _unreachable(store: Store) -> str:
    try:
        async with asyncio.timeout(_PING_S):
            await store.ping()
    except (EcsError, TimeoutError):
        return "the store does not answer"
    return ""


@asynccontextmanager
async def _serving(
    app: Any,
    listener: socket.socket,
    *,
    shutdown_s: float,
    http: Any = "httptools",
    context: ssl.SSLContext | None = None,
    backlog: int = 128,
) -> AsyncIterator[_Server]:
    """Serve an application on a socket; on exit finish what is in flight."""
    config = uvicorn.Config(
        app,
        http=http,
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=True,
        proxy_headers=False,
        timeout_graceful_shutdown=max(1, round(shutdown_s)),
        backlog=backlog,
        ssl_context_factory=(lambda *_: context) if context else None,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await server.await_start(task)
        yield server
    finally:
        server.should_exit = True
        await task


class _Server(uvicorn.Server):
    """uvicorn's server, with signals left to us and a start that can be awaited."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._up = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone: one place handles them for all listeners."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(sockets)
        self._up.set()

    async def await_start(self, task: asyncio.Task[None]) -> None:
        """Return once connections are taken; raise what kept it from starting."""
        up = asyncio.create_task(self._up.wait())
        await asyncio.wait((up, task), return_when=asyncio.FIRST_COMPLETED)
        up.cancel()
        if task.done():
            task.result()


# --- upkeep ------------------------------------------------------------------------------


@asynccontextmanager
async def _upkeep(
    parts: compose.Parts,
    certificates: Iterable[Certificate],
    index: int,
    reload: asyncio.Event | None,
) -> AsyncIterator[None]:
    """Run what has to be done beside answering, until the end."""
    work = [
        parts.journal.run(),
        parts.notices.run(),
        parts.lifecycle.run(),
        parts.policies.run(),
        _renew(parts, tuple(certificates), reload or asyncio.Event()),
    ]
    if parts.diameter is not None:
        work.append(parts.diameter.run())
        work.append(parts.network.run())
    if parts.partners is not None:
        work.extend(parts.partners.work())
    work.extend(link.run() for link in parts.links)
    if parts.loaded.settings.esim:
        work.append(parts.ordering.run())
    if index == 0:
        work.append(_purge(parts))
        work.extend(topic.run() for topic in parts.ways_in.topics)
        if parts.ways_in.hubs is not None:
            work.append(parts.ways_in.hubs.run())
        if parts.waiting is not None:
            work.append(parts.waiting.run())
    async with _beside(*work):
        yield


@asynccontextmanager
async def _beside(*work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run what goes on for ever beside something else, until that ends."""
    tasks = [asyncio.create_task(each) for each in work]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _renew(
    parts: compose.Parts, certificates: Iterable[Certificate], reload: asyncio.Event
) -> None:
    """Take over what changed of key ring, certificates and profiles, each second and on SIGHUP."""
    watched = (*parts.watched, *(each.watched for each in certificates))
    while True:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(parts.loaded.settings.keys.poll_s):
                await reload.wait()
        forced = reload.is_set()
        reload.clear()
        for each in watched:
            each.look(forced=forced)


async def _purge(parts: compose.Parts) -> None:
    """Forget sessions that are over and records past their time, in small batches."""
    settings = parts.loaded.settings
    while True:
        await asyncio.sleep(_PURGE_EVERY_S * random.uniform(0.8, 1.2))  # noqa: S311 - jitter
        now = int(CLOCK.now())
        try:
            deleted = 1
            while deleted:
                deleted = await parts.store.purge(
                    sessions_before=now - 2 * settings.auth.session_life_s,
                    records_before=now - settings.records.keep_days * 86_400,
                )
            while await parts.events.purge():
                pass
            while await parts.store.camara_tokens.purge(before=now):
                pass
            usage_before = now - settings.camara_usage.keep_months * _MONTH_S
            while await parts.store.usage.purge(before_ms=usage_before * 1000, now=now):
                pass
            for tenant in parts.loaded.tenants:
                while await parts.store.deeds.purge(
                    tenant,
                    answers_before=now - ANSWERS_KEPT_S,
                    entries_before=now - settings.api.audit_days * 86_400,
                ):
                    pass
        except EcsError as error:
            structlog.get_logger().warning("purge_failed", reason=error.reason)


def _certificates(loaded: Loaded) -> dict[str, Certificate]:
    """Return the certificates of the listeners that have one; raise StartRefused."""
    settings = loaded.settings
    found = {
        name: Certificate((loaded.path(section.tls_certificate), loaded.path(section.tls_key)))
        for name, section in (("device", settings.device), ("portal", settings.portal))
        if section.listen and section.tls_certificate
    }
    es2plus = settings.es2plus
    if es2plus.listen:
        files = (loaded.path(es2plus.tls_certificate), loaded.path(es2plus.tls_key))
        found["es2plus"] = Certificate(files, loaded.path(es2plus.client_ca))
    for name, asking in (("events", settings.events), ("camara", settings.camara)):
        if asking.listen and asking.tls_certificate:
            files = (loaded.path(asking.tls_certificate), loaded.path(asking.tls_key))
            ca = loaded.path(asking.client_ca) if asking.client_ca else None
            found[name] = Certificate(files, ca, optional=True)
    return found


def _context_of(certificates: Mapping[str, Certificate], name: str) -> ssl.SSLContext | None:
    return certificates[name].context if name in certificates else None


class Certificate:
    """A listener's certificate, renewed in place: new handshakes get the new one."""

    def __init__(
        self, files: tuple[Path, Path], client_ca: Path | None = None, *, optional: bool = False
    ) -> None:
        """Take the files of the chain and of its key.

        With ``client_ca`` nobody is let in without a certificate of these authorities, or, if
        that is ``optional``, with one of others.
        """
        self._optional = optional
        self._files = files
        self._client_ca = client_ca
        self.watched = Watched("certificate", self._files, self._take)
        self.context = self._live = self._load(_context())

    def _take(self) -> bool:
        self._live = self._load(_context())
        # A context keeps one certificate for each kind of key, so the listener's own
        # cannot be changed from ECDSA to RSA: each handshake is handed the live one.
        self.context.sni_callback = self._hand_over
        return True

    def _hand_over(self, connection: ssl.SSLObject, _name: str | None, _: ssl.SSLContext) -> None:
        connection.context = self._live

    def _load(self, context: ssl.SSLContext) -> ssl.SSLContext:
        try:
            context.load_cert_chain(*self._files)
        except (OSError, ssl.SSLError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise StartRefused(f"certificate {self._files[0]}: {reason}") from None
        if self._client_ca is not None:
            ask = ask_for_certificate if self._optional else require_certificate
            ask(context, self._client_ca)
        return context


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20")
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    # Phones come back after days, when no ticket is good any more, and each one made costs
    # a tenth of the handshake.
    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0
    return context


# --- several workers ---------------------------------------------------------------------


@dataclass(slots=True)
class _Child:
    """One worker process as the supervisor sees it."""

    index: int
    process: SpawnProcess
    link: Connection
    """Our end: the child says it is ready; when we are gone, it sees the end and stops."""
    ready: bool = False


@dataclass(slots=True)
class _Supervisor:
    """Starts workers, restarts who dies, and knows whether all are ready."""

    loaded: Loaded
    shared: _Shared
    metrics_dir: str
    store: Store
    """For asking whether it answers; the workers have their own."""
    stopping: bool = False
    children: dict[int, _Child] = field(default_factory=dict)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def start(self, index: int, *, pause: float = _RESTART_FIRST_S) -> None:
        """Start worker ``index`` and watch it."""
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(
            target=_worker_process, args=(self.loaded, self.shared, index, theirs), daemon=False
        )
        process.start()
        theirs.close()
        child = self.children[index] = _Child(index, process, ours)
        loop = asyncio.get_running_loop()
        loop.add_reader(ours.fileno(), self._heard, child)
        loop.add_reader(process.sentinel, self._died, child, pause)

    def signal(self, number: int) -> None:
        """Pass a signal on to every worker."""
        for child in self.children.values():
            with contextlib.suppress(ProcessLookupError):
                os.kill(child.process.pid or 0, number)

    async def not_ready(self) -> str:
        """Say why no traffic should come."""
        if self.stopping:
            return "stopping"
        late = sum(not child.ready for child in self.children.values())
        return f"{late} workers are not ready" if late else await _unreachable(self.store)

    def _heard(self, child: _Child) -> None:
        asyncio.get_running_loop().remove_reader(child.link.fileno())
        with contextlib.suppress(EOFError, OSError):
            child.ready = bool(child.link.recv())

    def _died(self, child: _Child, pause: float) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(child.process.sentinel)
        loop.remove_reader(child.link.fileno())
        child.link.close()
        child.process.join()
        mark_process_dead(child.process.pid, self.metrics_dir)  # type: ignore[no-untyped-call]
        was_ready, child.ready = child.ready, False
        if self.stopping:
            del self.children[child.index]
            if not self.children:
                self.ended.set()
            return
        pause = _RESTART_FIRST_S if was_ready else min(pause * 2, _RESTART_LAST_S)
        structlog.get_logger().error(
            "worker_died", worker=child.index, exit_code=child.process.exitcode, restart_in_s=pause
        )
        loop.call_later(pause, self._again, child.index, pause)

    def _again(self, index: int, pause: float) -> None:
        if self.stopping:
            self.children.pop(index, None)
            if not self.children:
                self.ended.set()
        else:
            self.start(index, pause=pause)


async def _supervise(loaded: Loaded, workers: int, announce: Announce) -> int:
    # Whatever would stop every worker is said once, before there are any.
    async with compose.opened(loaded) as parts:
        _certificates(loaded)
        await _oversee(loaded, workers, announce, parts)
    return 0


async def _oversee(loaded: Loaded, workers: int, announce: Announce, parts: compose.Parts) -> None:
    """Keep the workers running until a signal ends it, and then see them end."""
    stop, reload = _on_signals()
    settings = loaded.settings
    with (
        tempfile.TemporaryDirectory(prefix="simgrant-metrics-") as metrics_dir,
        _listening_to_all(loaded) as (sockets, loaded),
    ):
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = metrics_dir
        supervisor = _Supervisor(loaded, sockets.shared, metrics_dir, parts.store)

        front = ManagementFront(
            not_ready=supervisor.not_ready,
            metrics=lambda: collected(metrics_dir, generate_latest),
            services=SERVICES,
            version=__version__,
            orders=order_calls(loaded, parts.store),
            sources=lambda: collected(metrics_dir, _lines) or "",
        )
        async with (
            _serving(front, sockets.management, shutdown_s=1.0),
            _serving_api(parts, sockets.api),
            _beside(parts.policies.run()),
        ):
            device_url = _url_of(sockets.shared.device, loaded.settings.device.tls_certificate)
            announce(device_url, _url("http", sockets.management))
            for index in range(workers):
                supervisor.start(index)
            while not stop.is_set():
                waits = [asyncio.create_task(each.wait()) for each in (stop, reload)]
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
                for wait in waits:
                    wait.cancel()
                if reload.is_set():
                    reload.clear()
                    supervisor.signal(signal.SIGHUP)
            supervisor.stopping = True
            # Ours too have to go, or the kernel takes phones in that nobody will answer.
            sockets.shared.close()
            supervisor.signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(settings.server.shutdown_timeout_s + 5):
                    await supervisor.ended.wait()
            except TimeoutError:
                supervisor.signal(signal.SIGKILL)


def _worker_process(loaded: Loaded, shared: _Shared, index: int, link: Connection) -> None:
    """Run one worker of several; the target of a process."""
    log.configure(loaded.settings.server.log_format)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            runner.run(_worker_main(loaded, shared, index, link))
        except StartRefused as refused:
            structlog.get_logger().error("worker_refused", worker=index, error=str(refused))
            raise SystemExit(1) from None


async def _worker_main(loaded: Loaded, shared: _Shared, index: int, link: Connection) -> None:
    stop, reload = _on_signals()
    loop = asyncio.get_running_loop()

    def orphaned() -> None:
        loop.remove_reader(link.fileno())
        stop.set()

    loop.add_reader(link.fileno(), orphaned)
    async with (
        compose.opened(loaded, worker=index) as parts,
        _worker(_State(parts), shared, index=index, reload=reload),
    ):
        link.send(True)
        await stop.wait()


# --- sockets and signals --------------------------------------------------------------------


def _on_signals() -> tuple[asyncio.Event, asyncio.Event]:
    """Return (stop, reload), set by SIGTERM or SIGINT and by SIGHUP."""
    stop, reload = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, reload.set)
    return stop, reload


@dataclass(frozen=True, slots=True)
class _Shared:
    """The sockets that every worker serves."""

    device: socket.socket
    portal: socket.socket | None
    """None where there are no pages."""
    es2plus: socket.socket | None
    """None where no SM-DP+ tells us anything."""
    events: socket.socket | None
    """None where nobody brings events."""
    camara: socket.socket | None
    """None where there are no partner APIs."""

    def close(self) -> None:
        """Take no more connections in this process."""
        for each in (self.device, self.portal, self.es2plus, self.events, self.camara):
            if each is not None:
                each.close()


@dataclass(frozen=True, slots=True)
class _Sockets:
    """Every socket of a server."""

    shared: _Shared
    management: socket.socket
    api: socket.socket | None
    """None where there is no management API."""


@contextmanager
def _listening_to_all(loaded: Loaded) -> Iterator[tuple[_Sockets, Loaded]]:
    """Yield the sockets, and the settings with the places of portal and partners in them.

    Raise StartRefused where an address is not to be had.
    """
    settings = loaded.settings
    with contextlib.ExitStack() as stack:

        def listening(name: str, text: str, backlog: int) -> socket.socket:
            return stack.enter_context(_listening(name, text, backlog))

        device = listening("device", settings.device.listen, settings.device.backlog)
        management = listening("management", settings.management.listen, 128)
        portal = camara = es2plus = events = api = None
        if settings.api.listen:
            api = listening("api", settings.api.listen, 128)
        if settings.portal.listen:
            portal = listening("portal", settings.portal.listen, settings.device.backlog)
            loaded = replace(loaded, portal_place=_url("", portal).removeprefix("://"))
        if settings.camara.listen:
            camara = listening("camara", settings.camara.listen, settings.device.backlog)
            loaded = replace(loaded, camara_place=_url("", camara).removeprefix("://"))
        if settings.es2plus.listen:
            es2plus = listening("es2plus", settings.es2plus.listen, 128)
        if settings.events.listen:
            events = listening("events", settings.events.listen, 128)
        yield _Sockets(_Shared(device, portal, es2plus, events, camara), management, api), loaded


@contextmanager
def _listening(name: str, text: str, backlog: int) -> Iterator[socket.socket]:
    """Yield a bound socket; raise StartRefused where the address is not to be had."""
    host, port = parse_listen(text)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With its protocol named, the event loop turns Nagle's algorithm off.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
            listener.listen(backlog)
        except OSError as error:
            raise StartRefused(f"{name}.listen {text}: {error.strerror}") from None
        listener.setblocking(False)
        yield listener
    finally:
        listener.close()


def _url_of(listener: socket.socket | None, certificate: str) -> str:
    """Return where a listener is, by TLS if it has a certificate; empty where there is none."""
    return "" if listener is None else _url("https" if certificate else "http", listener)


def _url(scheme: str, listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"
