"""What core networks need: the links to HSSs, HLRs, UDMs and AAA servers, and who is asked of them.

A kind of source is a line in ``SOURCES``, whoever knows subscribers a line in ``TELLERS``.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from simgrant.adapters.authn import aaa_relay, cx, gsup, hss_sbi, local_auc, s6a, swx, udm
from simgrant.adapters.keyring import file as key_file
from simgrant.adapters.network_data import sh as sh_data
from simgrant.adapters.network_data import swx as swx_data
from simgrant.adapters.network_data import udm as udm_data
from simgrant.compose.clock import CLOCK
from simgrant.config import aaa as aaa_settings
from simgrant.config import core_network_tables as tables
from simgrant.config import diameter as diameter_settings
from simgrant.config import hlr as hlr_settings
from simgrant.config import network_data as network_settings
from simgrant.config import routes as route_settings
from simgrant.config import sbi as sbi_settings
from simgrant.config.load import Loaded
from simgrant.domain.policy import Policy
from simgrant.domain.route import LOCAL_AUC, Routes
from simgrant.errors import StartRefused
from simgrant.flows.derived import Derived
from simgrant.flows.network_data import NetworkFacts, Tellers
from simgrant.flows.vector_sources import HedgeResult, VectorSources
from simgrant.flows.vector_sources import Rules as SourceRules
from simgrant.identities import Imsi
from simgrant.links.diameter import sctp
from simgrant.links.diameter.node import DiameterNode, RouteConfig
from simgrant.links.diameter.peer import Over, PeerConfig, State, TlsFiles
from simgrant.links.diameter.watchdog import WatchdogRules
from simgrant.links.gsup import Hlr, HlrConfig, HlrState
from simgrant.links.guarded import Config as GuardConfig
from simgrant.links.guarded import Guarded, Result, SourceState
from simgrant.links.http import HttpConfig
from simgrant.links.retry import RetryBudget, RetryRules
from simgrant.links.sbi.nrf import Consumer, Nrf
from simgrant.links.sbi.producers import Producers, ProducersConfig, by_root
from simgrant.links.sbi.service import SbiService, ServiceConfig
from simgrant.ports.clock import Clock
from simgrant.ports.eap_servers import EapServer
from simgrant.ports.network_data import NetworkData
from simgrant.ports.network_events import NetworkEvents
from simgrant.ports.store import Store
from simgrant.ports.vectors import Vectors
from simgrant.telemetry.metrics import Metrics
from simgrant.wire.diameter.base import Node
from simgrant.wire.diameter.overload import Report
from simgrant.wire.diameter.sh import APPLICATION as SH
from simgrant.wire.sbi.headers import STATUSES
from simgrant.wire.sbi.subscriber import NUMBERS, NUMBERS_VERSION, PLACES
from simgrant.wire.sbi.ueau import Operation, service_of


def _log(*, good: bool) -> Callable[..., None]:
    """Return what writes an event: good news, or what somebody should look at."""
    log = structlog.get_logger()
    written: Callable[..., None] = log.info if good else log.warning
    return written


class DiameterWatch:
    """Counts what becomes of Diameter peers and requests, and tells of the first."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def changed(self, peer: str, state: State, reason: str) -> None:
        """Show the peer's new state, and log it."""
        self._metrics.show_diameter_peer(peer, state, State)
        log = _log(good=state is State.OKAY)
        log("diameter_peer", peer=peer, state=state.value, reason=reason)

    def answered(self, peer: str, result: str, seconds: float) -> None:
        """Count a request."""
        self._metrics.count_diameter(peer, result, seconds)

    def overloaded(self, hss: str, whose: str, report: Report) -> None:
        """Log what was reported."""
        _log(good=not (report.percent and report.seconds))(
            "diameter_overload",
            hss=hss,
            host=whose,
            scope=report.scope.name.lower(),
            percent=report.percent,
            seconds=report.seconds,
        )

    def spared(self, hss: str) -> None:
        """Count a request that was not sent."""
        self._metrics.count_diameter_spared(hss)


_INTERFACES = {"swx": swx, "s6a": s6a, "cx": cx}


def told_of(loaded: Loaded) -> Callable[[str, Imsi], list[str]]:
    """Return how it is found of which tenants' subscriptions a Diameter peer may tell.

    Those whose routes lead, with that IMSI, to an HSS that the peer leads to or is redirected to.
    """
    settings, found = loaded.settings, Routes(route_settings.routes(loaded.settings))
    leads_to = {
        peer: frozenset(
            f"hss.{name}"
            for name, hss in settings.hss.items()
            if peer in (*hss.peers, *hss.redirects_to)
        )
        for peer in settings.diameter_peers
    }

    def tenants(peer: str, imsi: Imsi) -> list[str]:
        sources = leads_to.get(peer, frozenset())
        return [name for name in loaded.tenants if not sources.isdisjoint(found.of(name, imsi))]

    return tenants


def open_diameter(
    loaded: Loaded,
    metrics: Metrics,
    *,
    events: NetworkEvents | None = None,
    worker: int = 0,
    clock: Clock = CLOCK,
) -> DiameterNode | None:
    """Return our Diameter node, None where there is no HSS; it connects once it is run.

    ``events`` takes over what HSSs tell.

    Raise StartRefused where a file of TLS is no use, or another worker has our name.
    """
    settings = loaded.settings.diameter
    if not (loaded.settings.hss or loaded.settings.aaa):
        return None
    if worker:
        refuse_one_name(loaded)
    tls = TlsFiles(
        ca=loaded.path(settings.ca_file) if settings.ca_file else None,
        certificate=loaded.path(settings.certificate) if settings.certificate else None,
        key=loaded.path(settings.key) if settings.key else None,
    )
    tables = loaded.settings.diameter_peers
    if any(table.tls for table in tables.values()):
        try:
            tls.context()
        except OSError as error:
            raise StartRefused(f"diameter: {error.strerror or error}") from None
    peers = []
    for name, table in tables.items():
        if table.transport == "sctp" and not sctp.is_there():
            raise StartRefused(
                f"diameter_peers.{name}: transport: this kernel has no SCTP (modprobe sctp)"
            )
        address, port = diameter_settings.place(table)
        peers.append(
            PeerConfig(
                name=name,
                host=table.host,
                address=address,
                port=port,
                over=Over(table.transport),
                priority=table.priority,
                weight=table.weight,
                tls=tls if table.tls else None,
                window=table.window,
                connect_timeout_s=table.connect_timeout_s,
                watchdog=WatchdogRules(tw_s=settings.watchdog_s),
            )
        )
    hsss = loaded.settings.hss.values()
    spoken = {each.interface for each in hsss} | {each.tells_over for each in hsss if each.tells}
    handlers = {
        asked: handler
        for name in spoken & _INTERFACES.keys()
        for asked, handler in _INTERFACES[name].HANDLERS.items()
    }
    for aaa in loaded.settings.aaa.values():
        handlers.update(aaa_relay.handlers(aaa.interface))
    applications = {application for application, _ in handlers}
    if "sh" in spoken:
        applications.add(SH)
    node = Node(
        host=diameter_settings.origin_host(settings, worker),
        realm=diameter_settings.origin_realm(settings),
        product="simgrant",
        applications=tuple(sorted(applications)),
        state_id=int(clock.now()),
    )
    watch = DiameterWatch(metrics)
    return DiameterNode(
        node,
        peers,
        watcher=watch,
        clock=clock,
        handlers=handlers,
        events=events,
        heeds_overload=settings.heeds_overload,
    )


def refuse_one_name(loaded: Loaded) -> None:
    """Raise StartRefused where several workers would have one name to an HSS or HLR."""
    settings = loaded.settings
    if setting := hlr_settings.shares_a_name(settings):
        raise StartRefused(f"{setting}: with several workers it needs %d")
    asks = settings.hss or settings.aaa
    if asks and not diameter_settings.names_workers(settings.diameter):
        raise StartRefused("diameter.origin_host: with several workers it needs %d")


def _way(name: str, table: tables.Hss | tables.Aaa) -> RouteConfig:
    """Return the way to an HSS or an AAA server."""
    return RouteConfig(
        name=name,
        peers=table.peers,
        redirects_to=table.redirects_to,
        patience_s=table.patience_s,
        message_priority=table.message_priority,
    )


def _hss(name: str, table: tables.Hss, node: DiameterNode, network: str) -> Vectors:
    route = _way(name, table)
    realm, host = table.realm, table.host
    match table.interface:
        case "swx":
            own = swx.Config(route=route, realm=realm, host=host, network=network)
            return swx.open_vectors(own, node=node)
        case "s6a":
            plmn = table.visited_plmn
            sgsn = s6a.Config(route=route, realm=realm, host=host, visited_plmn=plmn)
            return s6a.open_vectors(sgsn, node=node)
        case "cx":
            cscf = cx.Config(
                route=route,
                realm=realm,
                host=host,
                domain=table.ims_domain,
                server_name=table.server_name,
            )
            return cx.open_vectors(cscf, node=node)


def aaas(loaded: Loaded, node: DiameterNode | None) -> dict[str, EapServer]:
    """Return the AAA server of each tenant that has one."""
    if node is None:
        return {}
    made = {
        name: aaa_relay.open_eap_server(
            aaa_relay.Config(
                route=_way(name, table),
                realm=table.realm,
                host=table.host,
                interface=table.interface,
                prime=loaded.settings.auth.aka_prime,
            ),
            node=node,
        )
        for name, table in loaded.settings.aaa.items()
    }
    of_tenant = aaa_settings.aaa_of(loaded.settings, loaded.tenants)
    return {tenant: made[name] for tenant, name in of_tenant.items()}


class HlrWatch:
    """Counts what becomes of HLRs and requests, and tells of the first."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def changed(self, hlr: str, state: HlrState, reason: str) -> None:
        """Show the HLR's new state, and log it."""
        self._metrics.show_hlr(hlr, state, HlrState)
        log = _log(good=state is HlrState.OKAY)
        log("hlr", hlr=hlr, state=state.value, reason=reason)

    def answered(self, hlr: str, result: str, seconds: float) -> None:
        """Count a request."""
        self._metrics.count_gsup(hlr, result, seconds)


def open_hlrs(
    loaded: Loaded, metrics: Metrics, *, worker: int = 0, clock: Clock = CLOCK
) -> dict[str, Hlr]:
    """Return the HLRs by name; each connects once it is run.

    Raise StartRefused where another worker has our name.
    """
    if worker:
        refuse_one_name(loaded)
    watch = HlrWatch(metrics)
    found = {}
    for name, table in loaded.settings.hlr.items():
        address, port = hlr_settings.place(table)
        config = HlrConfig(
            name=name,
            address=address,
            port=port,
            unit_name=hlr_settings.unit_name(table, worker),
            window=table.window,
            connect_timeout_s=table.connect_timeout_s,
            ping_s=table.ping_s,
        )
        found[name] = Hlr(config, watcher=watch, clock=clock)
    return found


class SourceWatch:
    """Counts what becomes of sources of vectors and requests, and tells of the first."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def changed(self, source: str, state: SourceState, reason: str) -> None:
        """Show the source's new state, and log it."""
        self._metrics.show_source(source, state, SourceState)
        if reason:
            log = _log(good=state is SourceState.OKAY)
            log("vector_source", source=source, state=state.value, reason=reason)

    def answered(self, source: str, result: Result, seconds: float) -> None:
        """Count a request."""
        self._metrics.count_vectors(source, result, seconds)

    def hedged(self, source: str, result: HedgeResult) -> None:
        """Count a second request."""
        self._metrics.count_hedge(source, result)


@dataclass
class Core:
    """What the sources of vectors of one worker are made of."""

    loaded: Loaded
    metrics: Metrics
    store: Store
    keys: key_file.FileKeys
    diameter: DiameterNode | None
    worker: int = 0
    clock: Clock = CLOCK
    links: list[Link] = field(default_factory=list)
    """What a source needs to have run while we serve: whoever opens one adds to it."""
    nrfs: dict[str, Nrf] = field(default_factory=dict)
    """Those that services ask already, by the names of their tables."""


class Link(Protocol):
    """A connection of ours that has to be kept."""

    async def run(self) -> None:
        """Keep it until cancelled."""


def _hsss(core: Core) -> Iterator[tuple[str, Vectors]]:
    """Yield each HSS by its table's name."""
    settings = core.loaded.settings
    for name, table in settings.hss.items():
        if core.diameter is not None:
            yield name, _hss(name, table, core.diameter, settings.auth.aka_prime_network)


def _hlrs(core: Core) -> Iterator[tuple[str, Vectors]]:
    """Yield each HLR by its table's name."""
    for name, hlr in open_hlrs(
        core.loaded, core.metrics, worker=core.worker, clock=core.clock
    ).items():
        core.links.append(hlr)
        yield name, gsup.open_vectors(gsup.Config(name=name), hlr=hlr)


class SbiWatch:
    """Counts what becomes of requests to a 5G core, and tells what its NRFs say."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._told: dict[str, tuple[int, str]] = {}

    def answered(self, service: str, result: str, seconds: float) -> None:
        """Count a request; statuses that no interface has are one."""
        known = result in STATUSES or not result.isdecimal()
        self._metrics.count_sbi(service, result if known else "other", seconds)

    def found(self, service: str, instances: int, problem: str) -> None:
        """Show how many instances are known, and log it when it changes."""
        self._metrics.show_sbi(service, instances)
        if self._told.get(service) != (instances, problem):
            self._told[service] = instances, problem
            log = _log(good=not problem)
            log("sbi_instances", service=service, instances=instances, reason=problem)


def open_service(
    core: Core,
    where: str,
    table: tables.Udm | tables.HssSbi,
    *,
    service: str = "",
    version: str = "v1",
) -> SbiService:
    """Return a service of the table at ``where``, as ``udm.home``; that of vectors by default."""
    watch = SbiWatch(core.metrics)
    opened = SbiService(
        ServiceConfig(
            name=where,
            service=service or service_of(sbi_settings.operation_of(table)),
            version=version,
            target=sbi_settings.type_of(table),
            consumer=core.loaded.settings.sbi.nf_type,
            discovers=not table.addresses,
            authorized=table.oauth2,
        ),
        _producers(core, where, table, watch),
        _nrf(core, table.nrf, watch) if table.nrf else None,
        watcher=watch,
        clock=core.clock,
        chance=random.random,
    )
    core.links.append(opened)
    return opened


def _nrf(core: Core, name: str, watch: SbiWatch) -> Nrf:
    """Return an NRF by its table's name, the same one for every service."""
    if name not in core.nrfs:
        settings = core.loaded.settings
        sbi = settings.sbi
        consumer = Consumer(instance=sbi.nf_instance_id.lower(), type=sbi.nf_type)
        found = _producers(core, f"nrf.{name}", settings.nrf[name], watch)
        core.nrfs[name] = Nrf(found, consumer)
        core.links.append(core.nrfs[name])
    return core.nrfs[name]


def _producers(
    core: Core, name: str, table: tables.Producer | tables.Nrf, watch: SbiWatch
) -> Producers:
    loaded, sbi = core.loaded, core.loaded.settings.sbi
    config = ProducersConfig(
        name=name,
        http=HttpConfig(
            peer=name,
            ca_file=loaded.path(sbi.ca_file) if sbi.ca_file else None,
            certificate=loaded.path(sbi.certificate) if sbi.certificate else None,
            key=loaded.path(sbi.key) if sbi.key else None,
            in_flight=table.window if isinstance(table, tables.Producer) else 100,
            # A connection that had ended unnoticed is no reason to go elsewhere.
            retry=RetryRules(tries=2, first_wait_s=0.01, reserve=100),
        ),
        patience_s=table.patience_s,
    )
    return Producers(config, by_root(table.addresses), watcher=watch, clock=core.clock)


def _udms(core: Core) -> Iterator[tuple[str, Vectors]]:
    """Yield each UDM by its table's name."""
    settings = core.loaded.settings
    for name, table in settings.udm.items():
        config = udm.Config(
            as_ausf=sbi_settings.operation_of(table) is Operation.GENERATE_AUTH_DATA,
            network=settings.auth.aka_prime_network,
            instance=settings.sbi.nf_instance_id.lower(),
        )
        yield name, udm.open_vectors(config, service=open_service(core, f"udm.{name}", table))


def _hss_sbis(core: Core) -> Iterator[tuple[str, Vectors]]:
    """Yield each HSS with service-based interfaces by its table's name."""
    for name, table in core.loaded.settings.hss_sbi.items():
        config = hss_sbi.Config(ims_domain=table.ims_domain, server_name=table.server_name)
        service = open_service(core, f"hss_sbi.{name}", table)
        yield name, hss_sbi.open_vectors(config, service=service)


SOURCES: dict[str, Callable[[Core], Iterator[tuple[str, Vectors]]]] = {
    "hss": _hsss,
    "hlr": _hlrs,
    "udm": _udms,
    "hss_sbi": _hss_sbis,
}
"""Each section whose tables are sources of vectors, and how it is opened."""


def open_sources(core: Core) -> VectorSources:
    """Return all sources of vectors behind their routes; what has to be run is in ``core``."""
    settings = core.loaded.settings
    found: dict[str, Vectors] = {
        f"{kind}.{name}": source
        for kind, opened in SOURCES.items()
        for name, source in opened(core)
    }
    found[LOCAL_AUC] = local_auc.open_vectors(
        local_auc.Config(ind=(settings.local_auc.ind + core.worker) % 32),
        store=core.store,
        keys=core.keys,
        clock=core.clock,
    )
    routes = route_settings.routes(settings)
    asked = {name for route in routes for name in route.sources}
    watch = SourceWatch(core.metrics)
    return VectorSources(
        Routes(routes),
        {
            name: _guarded(core, name, source, watch)
            for name, source in found.items()
            if name in asked
        },
        clock=core.clock,
        budget=RetryBudget(RetryRules(share=0.5, reserve=100)),
        hedges=RetryBudget(RetryRules(share=0.05, reserve=10)),
        watcher=watch,
        rules=SourceRules(first_retry_s=max(1, settings.server.retry_after_s // 2)),
    )


def _hss_data(core: Core) -> Iterator[tuple[str, NetworkData]]:
    """Yield each HSS that is asked about subscribers, by its table's name."""
    node = core.diameter
    for name, table in core.loaded.settings.hss.items():
        if not table.tells or node is None:
            continue
        way, realm, host = _way(name, table), table.realm, table.host
        match table.tells_over:
            case "swx":
                own = swx_data.Config(route=way, realm=realm, host=host)
                yield name, swx_data.open_data(own, node=node)
            case "sh":
                config = sh_data.Config(route=way, realm=realm, host=host, domain=table.ims_domain)
                yield name, sh_data.open_data(config, node=node)


def _udm_data(core: Core) -> Iterator[tuple[str, NetworkData]]:
    """Yield each UDM that is asked about subscribers, by its table's name."""
    for name, table in core.loaded.settings.udm.items():
        if table.tells:
            where = f"udm.{name}"
            numbers = open_service(
                core, f"{where}/{NUMBERS}", table, service=NUMBERS, version=NUMBERS_VERSION
            )
            places = open_service(core, f"{where}/{PLACES}", table, service=PLACES)
            yield name, udm_data.open_data(numbers, places)


TELLERS: dict[str, Callable[[Core], Iterator[tuple[str, NetworkData]]]] = {
    "hss": _hss_data,
    "udm": _udm_data,
}
"""Each section whose tables are asked about subscribers, and how it is opened."""


def open_network(core: Core, policies: Mapping[str, Policy]) -> NetworkFacts:
    """Return who asks core networks about subscribers, if they are to be asked."""
    return NetworkFacts(
        core.store,
        tellers(core.loaded),
        {f"{kind}.{name}": data for kind, opened in TELLERS.items() for name, data in opened(core)},
        rules=Derived(policies, lambda _, policy: policy.looks_at_network),
        clock=core.clock,
        metrics=core.metrics,
        timeout_s=core.loaded.settings.network_data.timeout_s,
    )


def tellers(loaded: Loaded) -> Tellers:
    """Return who tells what of subscribers, without asking anybody."""
    settings = loaded.settings
    return Tellers(
        network_settings.tells_of(settings),
        sources_of=Routes(route_settings.routes(settings)).of,
        ages=network_settings.ages(settings),
    )


def _guarded(core: Core, name: str, source: Vectors, watch: SourceWatch) -> Guarded:
    limits = route_settings.limits_of(core.loaded.settings, name)
    config = GuardConfig(
        name=name,
        timeout_s=limits.timeout_s,
        in_flight=limits.in_flight,
        failures=limits.failures,
        pause_s=limits.pause_s,
    )
    return Guarded(config, source, watcher=watch, clock=core.clock, chance=random.random)
