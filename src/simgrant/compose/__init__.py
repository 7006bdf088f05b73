"""The only place that builds adapters from the configuration.

Above: ``serving`` and the commands, which ask for a whole server or for one
part of it. What newcomers get wrong: nothing is looked up at run time. What a
flow needs is handed to it here, once.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any, TypeVar
from urllib.parse import urlsplit

import structlog
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from prometheus_client import CollectorRegistry

from simgrant.adapters.account_pins import embedded as embedded_pins
from simgrant.adapters.account_pins.embedded import EmbeddedPins
from simgrant.adapters.idp import oidc
from simgrant.adapters.keyring import file as key_file
from simgrant.adapters.risk.embedded import EmbeddedRisk
from simgrant.adapters.store import sqlite
from simgrant.compose import bss
from simgrant.compose.activation import (
    open_device_switches,
    open_switching,
    switched_tenants,
)
from simgrant.compose.bss import (
    judges_of,
    known_countries,
    open_orders,
    open_sale,
    open_validator,
    waiting_orders,
)
from simgrant.compose.camara import (
    CAMARA_MAX_BODY,
    CamaraParts,
    camara_answer,
    open_camara,
    own_tokens,
)
from simgrant.compose.camara_apis import open_apis
from simgrant.compose.camara_events import open_events, open_subscriptions
from simgrant.compose.clock import CLOCK as CLOCK
from simgrant.compose.consumers import open_consumers
from simgrant.compose.core_network import (
    Core,
    Link,
    aaas,
    open_diameter,
    open_network,
    open_sources,
    told_of,
)
from simgrant.compose.eligibility import open_eligibilities
from simgrant.compose.events import WaysIn, open_ways_in
from simgrant.compose.issuers import credentials, open_issuer
from simgrant.compose.life import open_life, open_sweeps
from simgrant.compose.policies import ESIM_WORDS, PORTAL_WORDS, open_policies
from simgrant.compose.policies import policy_of as policy_of
from simgrant.config import model
from simgrant.config import texts as shipped
from simgrant.config.bss import bss_of
from simgrant.config.clients import tac_range, version_of
from simgrant.config.esims import eid_range
from simgrant.config.load import DEFAULT_TENANT, Loaded
from simgrant.config.model import Auth, IdentityProvider, Limits
from simgrant.config.model import Match as MatchSettings
from simgrant.config.model import Profile as ProfileSettings
from simgrant.config.model import Tenant as TenantSettings
from simgrant.domain.device_lists import read_eids, read_tacs
from simgrant.domain.order import CompanionService, Inquiry, Kind, OrderMode, Source
from simgrant.domain.pace import Pace
from simgrant.domain.partner import Partner
from simgrant.domain.plan_offer import PlanOffer
from simgrant.domain.policy import Policy
from simgrant.domain.profile_source import SourceRule
from simgrant.domain.tenant import Plmn, Tenancy, Tenant
from simgrant.domain.words import Words
from simgrant.eap.machine import Options
from simgrant.errors import StartRefused
from simgrant.flows.answer import Portal, page_of
from simgrant.flows.authenticate import Reception
from simgrant.flows.bss_inbox import BssInbox
from simgrant.flows.bss_waiting import WaitingOrders
from simgrant.flows.by_lent_token import ByLentToken
from simgrant.flows.by_oidc import LIFE_S, ByOidc, ClaimKind, SignIn
from simgrant.flows.by_otp import ByOtp
from simgrant.flows.by_otp import Rules as OtpRules
from simgrant.flows.by_requestor import ByRequestor
from simgrant.flows.by_sim import BySim
from simgrant.flows.by_sim import Rules as SimRules
from simgrant.flows.by_token import ByToken
from simgrant.flows.by_token import Rules as TokenRules
from simgrant.flows.clients import Clients, Match, Patterns, Profile
from simgrant.flows.device_lists import DeviceLists
from simgrant.flows.early_no import EarlyNo
from simgrant.flows.eligibility import Eligibilities
from simgrant.flows.entitle import Entitle
from simgrant.flows.entitle import Rules as EntitleRules
from simgrant.flows.esim_means import (
    Asking,
    Conditions,
    Esim,
    EsimMeans,
    Line,
    OldProfile,
    StepUps,
)
from simgrant.flows.explain_esim import Sources
from simgrant.flows.issuers import Issuers
from simgrant.flows.journal import Journal
from simgrant.flows.journal import Limits as JournalLimits
from simgrant.flows.lifecycle import Lifecycle
from simgrant.flows.limits import LentLimits, Rate, StartLimits, Throttle
from simgrant.flows.live_policies import LivePolicies
from simgrant.flows.message import Speech
from simgrant.flows.network_data import NetworkFacts
from simgrant.flows.network_events import NetworkInbox
from simgrant.flows.notices import Notices
from simgrant.flows.notices import Rules as NoticeRules
from simgrant.flows.operate import Operate
from simgrant.flows.operations import OPERATIONS
from simgrant.flows.operations.operation import Means, Offer
from simgrant.flows.order_switches import SwitchDesk
from simgrant.flows.ordering import Ordering
from simgrant.flows.ordering import Rules as OrderRules
from simgrant.flows.private_identity import GatewayKey, PrivateIdentities
from simgrant.flows.profile_events import Events, Teller
from simgrant.flows.profile_sources import ProfileSources
from simgrant.flows.shape import Shape
from simgrant.flows.signing import Signer
from simgrant.flows.visits import House, Visits
from simgrant.flows.visits import Rules as VisitRules
from simgrant.flows.web_views import WEB_VIEWS
from simgrant.flows.web_views.web_view import Subject
from simgrant.fronts.device import key_set
from simgrant.fronts.device.app import LAST_LEG_SHARE, DeviceFront
from simgrant.fronts.device.app import Limits as FrontLimits
from simgrant.fronts.device.key_set import KeySet
from simgrant.fronts.device.message import Reply, Request, Send
from simgrant.fronts.device.protocol import Answer, Bounds
from simgrant.fronts.device.source import Proxies
from simgrant.fronts.es2plus.app import Call, Es2plusFront
from simgrant.fronts.es2plus.app import Limits as CallLimits
from simgrant.fronts.management.orders import OrderCalls, read_token
from simgrant.fronts.portal import app as portal_app
from simgrant.fronts.portal.app import PortalFront
from simgrant.fronts.portal.brand import Brand, Logo
from simgrant.fronts.portal.message import Asked
from simgrant.fronts.portal.pages import Site
from simgrant.keyring.identity import is_on_curve
from simgrant.keyring.signing import Algorithm
from simgrant.links.client_certificates import Caller, Callers
from simgrant.links.device_lists import read_list, watched_list
from simgrant.links.diameter.node import DiameterNode
from simgrant.links.fetched import FetchRules
from simgrant.links.http import HttpConfig
from simgrant.links.secret_file import SecretFile
from simgrant.links.watched import Watched
from simgrant.ports.bss_orders import BssOrders
from simgrant.ports.eligibility import EligibilitySource
from simgrant.ports.keys import Keys
from simgrant.ports.notifier import Notifier
from simgrant.ports.smdp import Smdp, Terms
from simgrant.ports.store import Store
from simgrant.services import SERVICES
from simgrant.spec.ids import AppId, SimIdType
from simgrant.spec.version import FIRST, NEWEST
from simgrant.telemetry.log import LineWriter, console_line
from simgrant.telemetry.metrics import Metrics
from simgrant.wire.es2plus import Function
from simgrant.wire.jwt import pull_keys
from simgrant.wire.negotiate import Format
from simgrant.wire.push_token import Channel

T = TypeVar("T")


_SMDP_IDLE_S = 4.0
"""Seconds: enough for the calls of one order, and less than servers wait before they hang up."""
_CLAIMED_AT_ONCE = 250
"""Notices; one who claims many holds the others up."""
_LOGOS = {".png": "image/png", ".svg": "image/svg+xml", ".webp": "image/webp"}
_MOST_LOGO = 256 * 1024
_MOST_TERMS = 65_536


@dataclass(slots=True)
class Parts:
    """A server's insides, ready to be put behind a listener."""

    loaded: Loaded
    tenancy: Tenancy
    policies: LivePolicies
    """Each tenant's policy of this moment, to be run."""
    portals: dict[str, Portal]
    keys: key_file.FileKeys
    store: Store
    metrics: Metrics
    lines: LineWriter
    journal: Journal
    notices: Notices
    diameter: DiameterNode | None
    """Connections to HSSs, to be run; None where there are none."""
    network: NetworkInbox
    """What HSSs tell, to be run."""
    events: BssInbox
    """Takes over what operators' systems tell."""
    ways_in: WaysIn
    """How events come in."""
    lifecycle: Lifecycle
    """Acts upon that, to be run."""
    links: tuple[Link, ...]
    """Other connections that sources of vectors need, to be run."""
    smdps: dict[str, dict[str, Smdp]]
    """Each tenant's SM-DP+s by name."""
    ordering: Ordering
    waiting: WaitingOrders | None
    """Who looks at orders that BSSs have taken over, to be run by one worker."""
    entitle: Entitle
    device: DeviceFront
    bounds: Bounds
    portal: Answer | None
    """The portal behind connections; None where there are no pages."""
    portal_bounds: Bounds
    camara: Answer | None
    """Partner APIs behind connections; None where there are none."""
    camara_bounds: Bounds
    partners: CamaraParts | None
    """What is behind them, to be run."""
    es2plus: Es2plusFront | None
    """None where no SM-DP+ tells us anything."""
    watched: tuple[Watched, ...]
    """What is read again when its files change."""


def tenancy(loaded: Loaded) -> Tenancy:
    """Return the configured tenants, the default one among them."""
    return Tenancy(
        (_tenant(name, settings) for name, settings in loaded.tenants.items()),
        default=DEFAULT_TENANT,
    )


def _tenant(name: str, settings: TenantSettings) -> Tenant:
    ranges = tuple(
        (first, last) for first, _, last in (text.partition("-") for text in settings.imsi_ranges)
    )
    return Tenant(
        name,
        hosts=frozenset(host.lower().rstrip(".") for host in settings.hosts),
        plmns=tuple(Plmn(*text.split("-")) for text in settings.plmns),
        gid1=frozenset(text.upper() for text in settings.gid1),
        imsi_ranges=ranges,
    )


def open_keys(loaded: Loaded, on_renewal: Callable[[], None] = lambda: None) -> key_file.FileKeys:
    """Return the live key ring of every tenant; raise StartRefused."""
    tenants = {
        name: loaded.path(settings.keys) if settings.keys else None
        for name, settings in loaded.tenants.items()
    }
    settings = loaded.settings
    longest = max(
        settings.tokens.life_s + settings.tokens.overlap_s,
        settings.temporary_tokens.life_s,
        settings.operator_tokens.life_s,
        settings.camara.token_life_s,
        settings.camara.client_token_life_s,
        settings.camara.request_life_s,
        settings.tokens.requestor_life_s,
        settings.private_identity.life_s,
        settings.otp.life_s,
        settings.portal.user_data_life_s + settings.portal.page_life_s,
        LIFE_S,
    )
    config = key_file.Config(loaded.key_file, tenants, accept_for=longest)
    return key_file.open_keys(config, on_renewal)


async def open_store(loaded: Loaded) -> Store:
    """Return the configured store; raise StartRefused if it is damaged, absent or outdated."""
    url, settings = loaded.store_url, loaded.settings.store
    scheme, _, rest = url.partition("://")
    if scheme == "sqlite":
        return await sqlite.open_store(
            sqlite.SqliteConfig(
                path=loaded.path(rest.removeprefix("/")),
                reads=settings.sqlite_reads,
                timeout_s=settings.timeout_s,
            )
        )
    if scheme in ("postgresql", "postgres"):
        # Its driver is an extra: a server on SQLite needs neither to install nor to load it.
        from simgrant.adapters.store import postgres

        return await postgres.open_store(
            postgres.PostgresConfig(
                url=url,
                pool_min=settings.pool_min,
                pool_max=settings.pool_max,
                timeout_s=settings.timeout_s,
            )
        )
    raise StartRefused("store.url: must begin with sqlite:/// or postgresql://")


def open_notifiers(loaded: Loaded) -> dict[str, dict[Channel, Notifier]]:
    """Return each tenant's push channels; raise StartRefused where a file of one is no use."""
    found: dict[str, dict[Channel, Notifier]] = {name: {} for name in loaded.tenants}
    for kind, build in _CHANNELS.items():
        tables: dict[str, Any] = getattr(loaded.settings, kind)
        named = {tenant for table in tables.values() for tenant in table.tenants}
        for name, table in tables.items():
            try:
                notifier = build(loaded, table)
            except ImportError:
                raise StartRefused(
                    f"{kind}.{name}: install simgrant with the extra {kind}"
                ) from None
            except StartRefused as error:
                raise StartRefused(f"{kind}.{name}: {error}") from None
            for tenant in table.tenants or found.keys() - named:
                found[tenant][notifier.channel] = notifier
    return found


def sms_apps(loaded: Loaded, tenant: str) -> tuple[str, ...]:
    """Return the applications that a tenant's SIMs are told of by SMS, if no client registered."""
    tables = loaded.settings.sms.values()
    if loaded.settings.push.sms == "never" or not any(
        tenant in table.tenants or not table.tenants for table in tables
    ):
        return ()
    return tuple(app_id for app_id, service in SERVICES.items() if service.notifiable)


def _fcm(loaded: Loaded, table: model.Fcm) -> Notifier:
    from simgrant.adapters.notify import fcm

    config = fcm.Config(
        service_account=loaded.path(table.service_account),
        http=_http(loaded, "fcm", table),
        url=table.url,
        project=table.project,
        priority=table.priority,
    )
    return fcm.open_notifier(config, clock=CLOCK)


def _apns(loaded: Loaded, table: model.Apns) -> Notifier:
    from simgrant.adapters.notify import apns

    config = apns.Config(
        key_file=loaded.path(table.key_file),
        key_id=table.key_id,
        team_id=table.team_id,
        topic=table.topic,
        topics=table.topics,
        http=_http(loaded, "apns", table),
        url=table.url,
    )
    return apns.open_notifier(config, clock=CLOCK)


def _wns(loaded: Loaded, table: model.Wns) -> Notifier:
    from simgrant.adapters.notify import wns

    config = wns.Config(
        client_id=table.client_id,
        client_secret=loaded.path(table.client_secret_file),
        http=_http(loaded, "wns", table),
        token_url=table.token_url,
        scope=table.scope,
    )
    return wns.open_notifier(config, clock=CLOCK)


def _sms(loaded: Loaded, table: model.Sms) -> Notifier:
    from simgrant.adapters.notify import sms
    from simgrant.links.smpp import SmppConfig

    config = sms.Config(
        smpp=SmppConfig(
            host=table.host,
            port=table.port,
            system_id=table.system_id,
            password_file=loaded.path(table.password_file),
            system_type=table.system_type,
            tls=table.tls,
            window=table.window,
        ),
        source=table.source,
        source_ton=table.source_ton,
        source_npi=table.source_npi,
        port=table.device_port,
        addressing=table.addressing,
    )
    return sms.open_notifier(config, clock=CLOCK)


def open_smdps(loaded: Loaded) -> dict[str, dict[str, Smdp]]:
    """Return each tenant's SM-DP+s by name; raise StartRefused where a file of one is no use."""
    found: dict[str, dict[str, Smdp]] = {name: {} for name in loaded.tenants}
    for name, table in loaded.settings.smdp.items():
        # Its client is loaded where there is one.
        from simgrant.adapters.smdp import es2plus

        config = es2plus.Config(
            terms=Terms(
                name=name,
                address=table.address,
                profile_types=table.profile_types,
                remembers_calls=table.remembers_calls,
                post_confirm_delay_s=table.post_confirm_delay_s,
            ),
            url=table.url,
            urls={Function(key): url for key, url in table.urls.items()},
            requester=table.requester,
            admin_protocol=table.admin_protocol,
            pad_iccid=table.iccid_pad_f,
            user=table.user,
            password_file=loaded.path(table.password_file) if table.password_file else None,
            http=HttpConfig(
                peer=f"smdp.{name}",
                ca_file=loaded.path(table.ca_file) if table.ca_file else None,
                certificate=loaded.path(table.certificate) if table.certificate else None,
                key=loaded.path(table.key) if table.key else None,
                plain=any(url.startswith("http:") for url in (table.url, *table.urls.values())),
                connect_timeout_s=table.connect_timeout_s,
                idle_s=_SMDP_IDLE_S,
                in_flight=table.in_flight,
            ),
        )
        try:
            smdp = es2plus.open_smdp(config, clock=CLOCK)
        except StartRefused as error:
            raise StartRefused(f"smdp.{name}: {error}") from None
        for tenant in table.tenants or found:
            found[tenant][name] = smdp
    return found


def open_es2plus(
    loaded: Loaded, store: Store, ordering: Ordering, metrics: Metrics
) -> Es2plusFront:
    """Return what SM-DP+s tell of their profiles; raise StartRefused for a certificate of none."""
    settings = loaded.settings

    def record(call: Call) -> None:
        metrics.count_smdp_call(call.smdp, call.answer)
        log = structlog.get_logger()
        # Whose call it is, and of which profile, was said by who took it over.
        (log.info if call.answer == 204 else log.warning)(
            "smdp_called",
            smdp=call.smdp,
            function=call.function,
            call=call.call_id,
            answer=call.answer,
            reason=call.reason,
            ms=round(call.seconds * 1000, 1),
        )

    tellers = {
        name: Teller(table.tenants or tuple(loaded.tenants), table.deletion_point or None)
        for name, table in settings.smdp.items()
    }
    callers = Callers(
        (
            Caller(
                name=name,
                sha256=frozenset(table.tells_sha256),
                subjects=frozenset(table.tells_subjects),
            )
            for name, table in settings.smdp.items()
        ),
        section="smdp",
    )
    return Es2plusFront(
        Events(store.orders, ordering=ordering, tellers=tellers),
        callers,
        clock=CLOCK,
        record=record,
        limits=CallLimits(
            in_flight=settings.es2plus.in_flight, timeout_s=settings.server.request_timeout_s
        ),
    )


def _http(loaded: Loaded, peer: str, table: model.PushChannel) -> HttpConfig:
    hosts = []
    for text in table.connect_to:
        name, _, place = text.partition("=")
        address, _, port = place.rpartition(":")
        hosts.append((name, address.strip("[]"), int(port)))
    return HttpConfig(
        peer=peer,
        ca_file=loaded.path(table.ca_file) if table.ca_file else None,
        proxy=table.proxy,
        hosts=tuple(hosts),
    )


# What they are made of is imported when there is one: a server that tells nobody loads no client.
_CHANNELS: dict[str, Callable[[Loaded, Any], Notifier]] = {
    "fcm": _fcm,
    "apns": _apns,
    "wns": _wns,
    "sms": _sms,
}


@asynccontextmanager
async def opened(loaded: Loaded, *, worker: int = 0) -> AsyncIterator[Parts]:
    """Build everything one worker needs, and close it in the right order."""
    settings = loaded.settings
    found = tenancy(loaded)
    metrics = Metrics(CollectorRegistry())
    keys = open_keys(loaded, metrics.key_reloads.inc)
    store = await open_store(loaded)
    lines = LineWriter(shape=console_line if settings.server.log_format == "console" else None)
    notifiers: dict[str, dict[Channel, Notifier]] = {}
    smdps: dict[str, dict[str, Smdp]] = {}
    bss_orders: dict[str, BssOrders] = {}
    switches: dict[str, SwitchDesk] = {}
    waiting: WaitingOrders | None = None
    bss_sources: dict[str, EligibilitySource] = {}
    by_otp: ByOtp | None = None
    by_oidc: ByOidc | None = None
    access: Issuers | None = None
    portal: PortalFront | None = None
    camara: CamaraParts | None = None
    network: NetworkFacts | None = None
    eligibilities: Eligibilities | None = None
    try:
        policies = await open_policies(loaded, store, keys, metrics, CLOCK)
        notifiers = open_notifiers(loaded)
        smdps = open_smdps(loaded)
        bss_orders = open_orders(loaded, CLOCK)
        switches = open_device_switches(loaded, CLOCK)
        # Of their own: who judges is asked while look-ups may be in trouble.
        bss_sources = bss.open_sources(loaded, CLOCK)
        journal = Journal(
            store,
            clock=CLOCK,
            metrics=metrics,
            write_line=lines.write,
            limits=JournalLimits(
                settings.records.queue, settings.records.batch, settings.records.interval_s
            ),
        )
        portals = {
            name: Portal(tenant.portal_url or loaded.portal_url, settings.portal.user_data_life_s)
            for name, tenant in loaded.tenants.items()
        }
        reception = Reception(
            tenancy=found,
            keys=keys,
            store=store,
            clock=CLOCK,
            known_apps=frozenset(SERVICES),
            token_life_s=settings.tokens.life_s,
            with_bss=[name for name in loaded.tenants if bss_of(settings, name)],
        )
        inbox = NetworkInbox(
            store.inbox,
            tenants_of=told_of(loaded),
            keys=keys,
            clock=CLOCK,
            metrics=metrics,
            keep=journal.keep,
        )
        diameter = open_diameter(loaded, metrics, events=inbox, worker=worker, clock=CLOCK)
        core = Core(loaded, metrics, store, keys, diameter, worker, CLOCK)
        vectors = open_sources(core)
        network = open_network(core, policies)
        eligibilities = open_eligibilities(loaded, policies, store, metrics=metrics, clock=CLOCK)
        returns = _returns(settings.limits)
        by_otp = _by_otp(loaded, reception, returns)
        by_oidc = _by_oidc(loaded, reception, returns, by_otp)
        access = issuers(loaded)
        ordering = Ordering(
            store.orders,
            smdps=smdps,
            clock=CLOCK,
            metrics=metrics,
            rules=_order_rules(settings.orders),
            bss=bss_orders,
            choose=ProfileSources(source_rules(loaded), keys).of,
            switches=switches,
        )
        sale = open_sale(loaded, esims(loaded), _ESIM_APPS, CLOCK)
        lists = device_lists(loaded)
        most_polls = settings.orders.most_polls
        esim = EsimMeans(
            keys,
            ordering,
            sale,
            policies,
            settings.roaming.max_age_s,
            portals,
            Throttle(
                "too_many_polls",
                Rate(most_polls, most_polls / settings.orders.life_s),
                remembered=settings.limits.remembered,
            ),
            open_account_pins(loaded, store, keys),
            {name: speech(policy) for name, policy in policies.items()},
            risk=EmbeddedRisk(store),
            lists=lists,
            step_ups=step_ups(loaded),
            metrics=metrics,
            network=network,
            judges=judges_of(loaded, bss_sources, CLOCK),
        )
        means = Means(OPERATIONS, keys, store, offers(loaded), partners(loaded), esim, network)
        clients = Clients(profiles(loaded))
        entitle = Entitle(
            operate=Operate(
                reception,
                means=means,
                by_lent_token=ByLentToken(
                    reception,
                    means=means,
                    issuers=access,
                    own=own_tokens(loaded, keys, CLOCK),
                ),
                by_requestor=ByRequestor(
                    reception,
                    means=means,
                    issuers=access,
                    token_life_s=settings.tokens.requestor_life_s,
                ),
                bss=eligibilities,
                limits=_lent_limits(settings.limits),
            ),
            by_token=ByToken(
                reception, TokenRules(settings.tokens.renew_last, settings.tokens.overlap_s)
            ),
            by_sim=BySim(
                reception,
                vectors=vectors,
                eap_servers=aaas(loaded, diameter),
                network=network,
                limits=_limits(settings.limits),
                rules=_sim_rules(settings.auth),
                bss=eligibilities,
            ),
            by_oidc=by_oidc,
            by_otp=by_otp,
            early_no=EarlyNo(esim.esims, lists),
            tenancy=found,
            identities=PrivateIdentities(
                gateways(loaded), keys=keys, life_s=settings.private_identity.life_s
            ),
            policies=policies,
            portals=portals,
            keys=keys,
            store=store,
            network=network,
            bss=eligibilities,
            clock=CLOCK,
            channels={name: frozenset(of_tenant) for name, of_tenant in notifiers.items()},
            rules=EntitleRules(
                settings.documents.validity_s,
                settings.documents.validity_spread,
                settings.roaming.max_age_s,
                settings.auth.fallback_on_core_failure,
            ),
            clients=clients,
        )
        notices = Notices(
            store,
            notifiers=notifiers,
            keys=keys,
            clock=CLOCK,
            metrics=metrics,
            keep=journal.keep,
            rules=_notice_rules(settings.push),
        )
        events, lifecycle = open_life(
            loaded,
            store,
            tenants={name: _tenant(name, table) for name, table in loaded.tenants.items()},
            policies=policies,
            portals=portals,
            sms_apps=sms_apps,
            keys=keys,
            metrics=metrics,
            keep=journal.keep,
            eligibilities=eligibilities,
            network=network,
        )
        sweeps = open_sweeps(
            loaded,
            store,
            tenants=found.by_name,
            policies=policies,
            portals=portals,
            sms_apps=sms_apps,
            keys=keys,
            note=lifecycle.note,
            eligibilities=eligibilities,
            network=network,
        )
        switching = open_switching(
            loaded,
            store,
            inbox=events,
            bss=eligibilities,
            tenants=found.by_name,
            policies=policies,
            keys=keys,
            clock=CLOCK,
        )
        proxies = Proxies(settings.device.trusted_proxies)
        signs = signer(loaded, keys)
        if settings.portal.listen:
            portal = open_portal(loaded, reception, policies, journal, esim, eligibilities)
        if settings.camara.listen:
            known = await open_consumers(loaded, store, CLOCK)
            subscriptions = open_subscriptions(loaded, store, keys)
            apis = open_apis(
                loaded, store, known, subscriptions, eligibilities, network, keys, CLOCK
            )
            told = open_events(loaded, store, known, keys, metrics, CLOCK)
            camara = open_camara(loaded, store, known, apis, told, keys, journal, CLOCK)
        device = DeviceFront(
            entitle,
            journal=journal,
            metrics=metrics,
            clock=CLOCK,
            proxies=proxies,
            limits=FrontLimits(
                settings.server.max_in_flight,
                settings.server.request_timeout_s,
                settings.server.retry_after_s,
                settings.documents.gzip_from,
            ),
            secure_cookie=bool(settings.device.tls_certificate),
            signer=signs,
            dialects={key_set.PATH: KeySet(signs, found)} if signs else {},
        )
        waiting = waiting_orders(loaded, store.orders, ordering, bss_orders, CLOCK)
        yield Parts(
            loaded,
            found,
            policies,
            portals,
            keys,
            store,
            metrics,
            lines,
            journal,
            notices,
            diameter,
            inbox,
            events,
            open_ways_in(loaded, events, store.hubs, access, metrics, waiting),
            lifecycle,
            (*core.links, sale, sweeps, *switching),
            smdps,
            ordering,
            waiting,
            entitle,
            device,
            Bounds(
                max_head=settings.device.max_head,
                max_body=settings.device.max_body,
                # As many as there may be second legs in flight: those are who sends bodies.
                max_coming=int(settings.server.max_in_flight * LAST_LEG_SHARE),
                head_timeout_s=settings.device.head_timeout_s,
                body_timeout_s=settings.server.request_timeout_s,
                keep_alive_s=settings.device.keep_alive_s,
                proxies=proxies,
                proxy_protocol=settings.device.proxy_protocol,
            ),
            None if portal is None else portal_answer(portal, proxies),
            _bounds(settings, proxies, portal_app.MAX_BODY, settings.portal.max_in_flight),
            None if camara is None else camara_answer(camara.front, proxies),
            _bounds(settings, proxies, CAMARA_MAX_BODY, settings.camara.max_in_flight),
            camara,
            open_es2plus(loaded, store, ordering, metrics) if settings.es2plus.listen else None,
            (keys.watched, *_watched_settings(loaded, clients), *_watched_lists(loaded, lists)),
        )
        await journal.flush()
    finally:
        lines.close()
        # One may serve several tenants.
        for notifier in {each for channels in notifiers.values() for each in channels.values()}:
            await notifier.close()
        for smdp in {each for named in smdps.values() for each in named.values()}:
            await smdp.close()
        if waiting is not None:
            await waiting.close()
        for orders in {*bss_orders.values()}:
            await orders.close()
        for activation in {id(each): each.activation for each in switches.values()}.values():
            await activation.close()
        for source in {*bss_sources.values()}:
            await source.close()
        for way in (by_oidc, by_otp, access, portal, camara, network, eligibilities):
            if way is not None:
                await way.close()
        await store.close()


def site(loaded: Loaded, name: str, words: Words) -> Site:
    """Return what a tenant's pages are made with; raise StartRefused for a logo of no use."""
    tenant = loaded.tenants[name]
    texts, _ = shipped.portal()
    return Site(
        (tenant.portal_url or loaded.portal_url).rstrip("/"),
        _brand(loaded, name),
        {text: words.of(PORTAL_WORDS, text, said) for text, said in texts.items()},
        tenant.language,
    )


def house(loaded: Loaded, name: str, countries: Mapping[str, str] | None = None) -> House:
    """Return what is a tenant's own on its pages; raise StartRefused for a file of no use.

    ``countries`` are the validator's, by default those that the settings know of.
    """
    tenant = loaded.tenants[name]
    _, terms = shipped.portal()
    return House(
        tenant.language,
        {Subject(each): said for each, said in _terms(loaded, name, terms).items()},
        _countries(name, tenant, countries or known_countries(loaded)),
        frozenset({_host(tenant.portal_url)} - {_host(loaded.portal_url), ""}),
    )


def open_portal(
    loaded: Loaded,
    reception: Reception,
    policies: Mapping[str, Policy],
    journal: Journal,
    esim: EsimMeans,
    eligibilities: Eligibilities,
) -> PortalFront:
    """Return the portal; raise StartRefused where a tenant's file of it is no use."""
    settings, server = loaded.settings.portal, loaded.settings.server
    validator = open_validator(loaded, CLOCK)
    sites = {name: site(loaded, name, policy.words) for name, policy in policies.items()}
    nobody = Site(
        loaded.portal_url.rstrip("/"),
        Brand(),
        shipped.portal()[0],
        loaded.tenants[DEFAULT_TENANT].language,
    )
    return PortalFront(
        Visits(
            reception,
            houses={name: house(loaded, name, validator.countries) for name in loaded.tenants},
            validator=validator,
            esim=esim,
            bss=eligibilities,
            rules=VisitRules(
                settings.resume_s,
                settings.page_life_s,
                settings.receipts_days * 86_400,
                loaded.settings.roaming.max_age_s,
                Rate(settings.source_burst, settings.source_per_minute / 60),
                Rate(settings.visit_burst, settings.visit_per_minute / 60),
                loaded.settings.limits.remembered,
            ),
            switched=switched_tenants(loaded),
        ),
        sites={**sites, portal_app.NOBODY: nobody},
        slugs=frozenset(page_of(Portal("/", 0), app).rpartition("/")[2] for app in WEB_VIEWS),
        journal=journal,
        clock=CLOCK,
        limits=portal_app.Limits(
            settings.max_in_flight, server.request_timeout_s, server.retry_after_s
        ),
    )


def _bounds(settings: model.Settings, proxies: Proxies, max_body: int, max_coming: int) -> Bounds:
    """Return the bounds of a listener that is not the devices', and no proxy's header precedes."""
    return Bounds(
        max_head=settings.device.max_head,
        max_body=max_body,
        max_coming=max_coming,
        head_timeout_s=settings.device.head_timeout_s,
        body_timeout_s=settings.server.request_timeout_s,
        keep_alive_s=settings.device.keep_alive_s,
        proxies=proxies,
        proxy_protocol=False,
    )


def portal_answer(portal: PortalFront, proxies: Proxies) -> Answer:
    """Return the portal as what answers the requests of a connection."""

    async def answer(request: Request, send: Send) -> None:
        told = await portal(
            Asked(
                method=request.method.decode("ascii"),
                path=request.path.decode("latin-1"),
                query=request.query,
                body=request.body,
                host=request.host,
                source=proxies.source(
                    request.peer,
                    forwarded=request.forwarded,
                    x_forwarded_for=request.x_forwarded_for,
                ),
                accept_language=request.accept_language,
                user_agent=request.user_agent,
                fault=request.fault,
            )
        )
        headers = (*told.headers, ("content-length", str(len(told.body))))
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
        send(Reply(told.status, lines.encode("latin-1"), told.body), b"")

    return answer


def _brand(loaded: Loaded, name: str) -> Brand:
    tenant = loaded.tenants[name]
    if not tenant.portal_logo:
        return Brand(tenant.portal_name, tenant.portal_colour)
    where, path = f"tenants.{name}.portal_logo", loaded.path(tenant.portal_logo)
    kind = _LOGOS.get(path.suffix.lower())
    if kind is None:
        raise StartRefused(f"{where}: {path}: it must be one of {', '.join(_LOGOS)}")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise StartRefused(f"{where}: {path}: {error.strerror}") from None
    if len(data) > _MOST_LOGO:
        raise StartRefused(f"{where}: {path}: it is larger than {_MOST_LOGO} bytes")
    return Brand(tenant.portal_name, tenant.portal_colour, Logo(kind, data))


def _terms(loaded: Loaded, name: str, terms: shipped.Texts) -> dict[str, dict[str, str]]:
    """Return what has to be agreed to by subject and language: the tenant's, else the example."""
    found: dict[str, dict[str, str]] = {each: dict(said) for each, said in terms.items()}
    directory = loaded.tenants[name].portal_terms
    if not directory:
        return found
    where = f"tenants.{name}.portal_terms"
    own: dict[str, dict[str, str]] = {}
    subjects = (Subject.VOWIFI, Subject.SATELLITE, Subject.BILLING)
    try:
        for path in sorted(loaded.path(directory).glob("*.txt")):
            subject, _, language = path.name.removesuffix(".txt").partition(".")
            if subject not in subjects or not language:
                raise StartRefused(
                    f"{where}: {path}: its name must be {' or '.join(subjects)}, a dot, a language"
                )
            text = path.read_text("utf-8")
            if not 0 < len(text.strip()) <= _MOST_TERMS:
                raise StartRefused(f"{where}: {path}: it must have 1 to {_MOST_TERMS} letters")
            own.setdefault(str(subject), {})[language] = text.replace("\r\n", "\n")
    except (OSError, UnicodeDecodeError) as error:
        raise StartRefused(f"{where}: {error}") from None
    if not own:
        raise StartRefused(
            f"{where}: {loaded.path(directory)}: there is no file such as vowifi.en.txt"
        )
    return found | own


def _countries(
    name: str, tenant: TenantSettings, known: Mapping[str, str]
) -> tuple[tuple[str, str], ...]:
    for country in tenant.address_countries:
        if country not in known:
            raise StartRefused(
                f"tenants.{name}.address_countries: {country!r} is none of {', '.join(known)}"
            )
    wanted = tenant.address_countries or tuple(known)
    return tuple((country, known[country]) for country in wanted)


def _host(url: str) -> str:
    return urlsplit(url).hostname or ""


def signer(loaded: Loaded, keys: key_file.FileKeys) -> Signer | None:
    """Return what signs documents, where they are signed; StartRefused if a tenant has no key."""
    wanted = loaded.settings.signing.algorithm
    if wanted == "off":
        return None
    algorithm = Algorithm(wanted)
    for tenant in loaded.tenants:
        if not keys.ring.signing_keys(tenant, algorithm):
            raise StartRefused(
                f"signing: no signing key for tenant {tenant}; make one with: "
                "simgrant keys rotate --use signing --at-once"
            )
    return Signer(algorithm, keys=keys, clock=CLOCK)


def gateways(loaded: Loaded) -> dict[str, GatewayKey]:
    """Return the key of each tenant's Wi-Fi gateway, where it has one; raise StartRefused."""
    found = {}
    for name, tenant in loaded.tenants.items():
        if not tenant.identity_key:
            continue
        path = loaded.path(tenant.identity_key)
        try:
            key = load_pem_public_key(path.read_bytes())
        except (OSError, ValueError) as error:
            raise StartRefused(f"tenants.{name}.identity_key: {path}: {error}") from None
        if not (isinstance(key, EllipticCurvePublicKey) and is_on_curve(key)):
            raise StartRefused(f"tenants.{name}.identity_key: {path}: it must be a key on P-256")
        found[name] = GatewayKey(key, tenant.identity_key_id)
    return found


def issuers(loaded: Loaded) -> Issuers:
    """Return the issuers of access tokens; raise StartRefused where a file of one is no use.

    None is asked yet, so that one that is away keeps nobody from starting.
    """
    made = [
        (settings.tenants, open_issuer(loaded, f"issuers.{name}", settings, clock=CLOCK))
        for name, settings in loaded.settings.issuers.items()
    ]
    partners = loaded.settings.partners.values()
    return Issuers(
        {
            tenant: tuple(issuer for of, issuer in made if not of or tenant in of)
            for tenant in loaded.tenants
        },
        {
            tenant: {
                client_id: loaded.settings.issuers[partner.issuer].issuer
                for partner in partners
                if partner.issuer and (not partner.tenants or tenant in partner.tenants)
                for client_id in partner.client_ids
            }
            for tenant in loaded.tenants
        },
    )


def _by_otp(loaded: Loaded, reception: Reception, returns: Throttle) -> ByOtp | None:
    """Return the way by one-time passwords, None where nobody is sent any; raise StartRefused."""
    settings, centre = loaded.settings, loaded.settings.text_messages
    apps = otp_apps(loaded)
    if not any(apps.values()) and not any(
        each.second_factor_url for each in settings.identity_providers.values()
    ):
        return None
    # Its client is an extra, as is the database's: most servers send no messages.
    from simgrant.adapters.texts import sms
    from simgrant.links.smpp import SmppConfig

    host, _, port = centre.smsc.rpartition(":")
    smpp = SmppConfig(
        host=host.strip("[]"),
        port=int(port),
        system_id=centre.system_id,
        password_file=loaded.path(centre.password_file),
        tls=centre.tls,
        window=centre.window,
    )
    otp = settings.otp
    return ByOtp(
        reception,
        apps=apps,
        spoken={name: tenant.language for name, tenant in loaded.tenants.items()},
        texts=sms.open_texts(
            sms.Config(
                smpp=smpp,
                source=centre.source,
                source_ton=centre.source_ton,
                source_npi=centre.source_npi,
            ),
            clock=CLOCK,
        ),
        throttle=Throttle(
            "too_many_codes",
            Rate(otp.number_burst, otp.number_per_hour / 3600),
            Rate(otp.source_burst, otp.source_per_minute / 60),
            remembered=settings.limits.remembered,
        ),
        returns=returns,
        rules=OtpRules(
            life_s=otp.life_s,
            digits=otp.digits,
            tries=otp.tries,
            per_day=otp.per_day,
            texts=shipped.OTP | otp.text,
        ),
    )


def _by_oidc(
    loaded: Loaded, reception: Reception, returns: Throttle, by_otp: ByOtp | None
) -> ByOidc | None:
    """Return the way by OpenID providers, None where there is none; raise StartRefused."""
    found = sign_ins(loaded)
    if not found:
        return None
    return ByOidc(reception, sign_ins=found, returns=returns, by_otp=by_otp)


def sign_ins(loaded: Loaded) -> dict[str, dict[str, SignIn]]:
    """Return the OpenID providers by tenant and AppID; raise StartRefused."""
    found: dict[str, dict[str, SignIn]] = {}
    for name, provider in loaded.settings.identity_providers.items():
        sign_in = SignIn(
            provider=_provider(loaded, name, provider),
            claim=provider.claim,
            kind=ClaimKind(provider.claim_is),
            second_factor_url=provider.second_factor_url,
            error_url=provider.error_url,
            error_texts=shipped.SIGN_IN_FAILED | provider.error_text,
        )
        for app in _services(f"identity_providers.{name}.apps", provider.apps):
            for tenant in provider.tenants or loaded.tenants:
                found.setdefault(tenant, {})[app] = sign_in
    return found


def otp_apps(loaded: Loaded) -> dict[str, frozenset[str]]:
    """Return what may be had by a one-time password, by tenant; raise StartRefused."""
    return {
        name: _services(f"tenants.{name}.otp_apps", tenant.otp_apps)
        for name, tenant in loaded.tenants.items()
    }


def _returns(limits: Limits) -> Throttle:
    """Return the bound on those who come back from a page, or with a password."""
    rate = Rate(limits.call_back_source_burst, limits.call_back_source_per_minute / 60)
    return Throttle("too_many_call_backs", rate, remembered=limits.remembered)


def _provider(loaded: Loaded, name: str, settings: IdentityProvider) -> oidc.OidcProvider:
    return oidc.open_provider(
        oidc.Config(
            issuer=settings.issuer,
            credentials=credentials(loaded, settings),
            redirect_uri=settings.redirect_uri,
            scopes=settings.scopes,
            algorithms=settings.algorithms,
            skew_s=settings.clock_skew_s,
            http=HttpConfig(
                peer=f"identity_providers.{name}",
                ca_file=loaded.path(settings.ca_file) if settings.ca_file else None,
                # The check of the settings lets plain HTTP stay on this machine.
                plain=settings.issuer.startswith("http:"),
                connect_timeout_s=settings.timeout_s,
            ),
            rules=FetchRules(fetch_s=settings.timeout_s),
        ),
        clock=CLOCK,
    )


def _services(where: str, names: Iterable[str]) -> frozenset[str]:
    """Return AppIDs in lower case; raise StartRefused for one that is not served."""
    found = frozenset(name.lower() for name in names)
    for name in sorted(found - SERVICES.keys()):
        raise StartRefused(f"{where}: {name} is not served; {', '.join(sorted(SERVICES))} are")
    return found


def partners(loaded: Loaded) -> dict[str, tuple[Partner, ...]]:
    """Return each tenant's partners; raise StartRefused."""
    made = [
        (
            settings.tenants,
            Partner(
                name,
                frozenset(text.lower() for text in settings.requestor_ids),
                frozenset(settings.client_ids),
                _operations(f"partners.{name}.operations", settings.operations)
                if settings.operations
                else None,
                frozenset(text.lower() for text in settings.enterprises),
                settings.access_token,
                _app_key(loaded, name, settings.app_key),
            ),
        )
        for name, settings in loaded.settings.partners.items()
    ]
    return {
        tenant: tuple(partner for of, partner in made if not of or tenant in of)
        for tenant in loaded.tenants
    }


def _app_key(loaded: Loaded, name: str, file: str) -> str:
    if not file:
        return ""
    path = loaded.path(file)
    try:
        text = path.read_text("utf-8")
        pull_keys(text)
    except (OSError, ValueError) as error:
        raise StartRefused(f"partners.{name}.app_key: {path}: {error}") from None
    return text


def offers(loaded: Loaded) -> dict[str, Offer]:
    """Return what each tenant decides about operations; raise StartRefused."""
    settings = loaded.settings
    kinds = {"imsi": SimIdType.IMSI, "uuid": SimIdType.UUID, "hash": SimIdType.IMSI_HASH}
    return {
        name: Offer(
            withheld=_operations(f"tenants.{name}.withheld", tenant.withheld),
            temporary_life_s=settings.temporary_tokens.life_s,
            single_use=settings.temporary_tokens.single_use,
            transfer_life_s=settings.temporary_tokens.transfer_life_s,
            operator_life_s=settings.operator_tokens.life_s,
            auth_url=settings.operator_tokens.auth_url,
            sim_id_type=kinds[tenant.sim_id],
            tells_imsi=tenant.tell_imsi,
            mvno_name=tenant.mvno_name,
            bare_json=tenant.partner_json,
        )
        for name, tenant in loaded.tenants.items()
    }


_ESIM_APPS = {
    "companion": AppId.ODSA_COMPANION,
    "primary": AppId.ODSA_PRIMARY,
    "enterprise": AppId.ODSA_SERVER_INITIATED,
}


def esims(loaded: Loaded) -> dict[str, Esim]:
    """Return what each tenant offers devices of eSIMs."""
    orders = loaded.settings.orders
    lines: dict[str, dict[str, Line]] = {tenant: {} for tenant in loaded.tenants}
    for table in loaded.settings.esim.values():
        line = Line(
            _source(table),
            tuple(map(CompanionService, table.services)) if table.app == "companion" else (),
            table.most,
            by_address=table.download == "smdp_address",
            further=tuple(loaded.settings.profile_sources[name].smdp for name in table.sources),
            conditions=_conditions(table),
            not_eligible_url=table.not_eligible_url,
            old_profile=OldProfile(table.old_profile),
            inquiries={
                kind: Inquiry(asked)
                for kind, asked in (
                    (Kind.SUBSCRIBE, table.ask_new),
                    (Kind.TRANSFER, table.ask_transfer),
                    (Kind.RECOVER, table.ask_new),
                )
                if asked != "nothing"
            },
            most_an_hour=table.most_an_hour,
            plans=tuple(
                PlanOffer(name, offer.name, offer.description, offer.profile_type)
                for name in table.plans
                if (offer := loaded.settings.plan_offers.get(name)) is not None
            ),
            asking=Asking(table.portal),
        )
        app_id = _ESIM_APPS[table.app]
        for tenant in table.tenants or lines:
            lines[tenant][app_id] = line
    return {
        tenant: Esim(of_tenant, orders.polling_s, orders.longest_polling_s, orders.most_polls)
        for tenant, of_tenant in lines.items()
    }


def _source(table: model.Esim) -> Source:
    if table.order_mode == "bss":
        return Source("", table.profile_type, pooled=False, mode=OrderMode.BSS)
    pooled, hold = table.allocation == "pool", table.release == "on_word"
    return Source(table.smdp, table.profile_type, pooled, hold=hold)


def source_rules(loaded: Loaded) -> dict[str, dict[str, tuple[SourceRule, ...]]]:
    """Return by which rules each tenant's orders for each application find their SM-DP+."""
    rules: dict[str, dict[str, tuple[SourceRule, ...]]] = {tenant: {} for tenant in loaded.tenants}
    for table in loaded.settings.esim.values():
        found = tuple(_source_rule(loaded.settings.profile_sources[name]) for name in table.sources)
        for tenant in table.tenants or rules:
            rules[tenant][_ESIM_APPS[table.app]] = found
    return rules


def _source_rule(table: model.ProfileSource) -> SourceRule:
    return SourceRule(
        smdp=table.smdp,
        profile_type=table.profile_type,
        pooled=table.allocation == "pool" if table.allocation else None,
        eid_prefixes=table.eid_prefixes,
        eid_ranges=tuple(eid_range(text) for text in table.eid_ranges),
        profile_types=table.profile_types,
        vendors=tuple(vendor.strip().lower() for vendor in table.vendors),
        share=table.share,
    )


def order_calls(loaded: Loaded, store: Store) -> OrderCalls | None:
    """Return who answers /orders; None where there is no token. Raise StartRefused."""
    if not loaded.settings.management.token_file:
        return None
    path = loaded.path(loaded.settings.management.token_file)
    return OrderCalls(
        store, token=SecretFile(path, read_token).value, tenants=loaded.tenants, clock=CLOCK
    )


def _conditions(table: model.Esim) -> Conditions:
    return Conditions(
        table.tac_list,
        table.eid_list,
        table.parameters == "strict",
        Pace(
            table.window_h * 3600,
            per_line=table.per_line,
            per_eid=table.per_eid,
            per_imei=table.per_imei,
            lines_per_eid=table.lines_per_eid,
        ),
        table.sign_in_life_s,
    )


def step_ups(loaded: Loaded) -> dict[str, StepUps]:
    """Return for what people of each tenant can sign in, where a SIM is not enough."""
    by_otp = otp_apps(loaded)
    found = {}
    for tenant in loaded.tenants:
        apps: set[str] = set()
        for name, provider in loaded.settings.identity_providers.items():
            if tenant in (provider.tenants or loaded.tenants):
                apps |= _services(f"identity_providers.{name}.apps", provider.apps)
        found[tenant] = StepUps(frozenset(apps), by_otp[tenant])
    return found


def esim_sources(loaded: Loaded, store: Store, tenant: str, app_id: str) -> Sources:
    """Return where facts about eSIMs come from, for who explains them; raise StartRefused."""
    line = esims(loaded)[tenant].lines.get(app_id)
    return Sources(EmbeddedRisk(store), store.orders, device_lists(loaded), line)


def device_lists(loaded: Loaded) -> DeviceLists:
    """Return the lists of devices as their files are now; raise StartRefused."""
    tacs, eids = loaded.settings.tac_lists, loaded.settings.eid_lists
    return DeviceLists(
        {
            name: read_list(f"tac_lists.{name}", loaded.path(table.file), read_tacs)
            for name, table in tacs.items()
        },
        {
            name: read_list(f"eid_lists.{name}", loaded.path(table.file), read_eids)
            for name, table in eids.items()
        },
    )


def _watched_lists(loaded: Loaded, lists: DeviceLists) -> Iterator[Watched]:
    """Yield who takes each list over when its file changes."""
    for name, tacs in loaded.settings.tac_lists.items():
        path, take_tacs = loaded.path(tacs.file), partial(lists.take_tacs, name)
        yield watched_list(f"tac_lists.{name}", path, read_tacs, take_tacs)
    for name, eids in loaded.settings.eid_lists.items():
        path, take_eids = loaded.path(eids.file), partial(lists.take_eids, name)
        yield watched_list(f"eid_lists.{name}", path, read_eids, take_eids)


def speech(policy: Policy) -> Speech:
    """Return what phones of a tenant show of eSIM orders."""
    words = policy.words
    texts = shipped.esim()
    return Speech(
        {name: words.of(ESIM_WORDS, name, said) for name, said in texts.items()}, words.language
    )


def open_account_pins(loaded: Loaded, store: Store, keys: Keys) -> EmbeddedPins:
    """Return whoever knows the PINs of accounts."""
    settings = loaded.settings.account_pins
    config = embedded_pins.Config(settings.tries, settings.lock_s)
    return embedded_pins.open_pins(config, rows=store.pins, keys=keys)


def _order_rules(settings: model.Orders) -> OrderRules:
    return OrderRules(
        immediate_s=settings.immediate_s,
        life_s=settings.life_s,
        call_timeout_s=settings.call_timeout_s,
        # Two calls and what is written in between, and still nobody else's.
        lease_s=math.ceil(3 * settings.call_timeout_s) + 15,
        first_pause_s=2.0,
        longest_pause_s=settings.longest_pause_s,
        batch=20,
        in_flight=100,
        poll_s=1.0,
    )


def _operations(where: str, names: Iterable[str]) -> frozenset[str]:
    """Return the names of operations as TS.43 spells them."""
    found = set()
    for name in names:
        operation = OPERATIONS.get(name.lower())
        if operation is None:
            known = ", ".join(sorted({each.name for each in OPERATIONS.values()}))
            raise StartRefused(f"{where}: there is no operation {name!r}; there are {known}")
        found.add(operation.name)
    return frozenset(found)


def _sim_rules(settings: Auth) -> SimRules:
    return SimRules(
        session_life_s=settings.session_life_s,
        vector_timeout_s=settings.vector_timeout_s,
        hide_unknown=settings.hide_unknown,
        eap=Options(
            prime=settings.aka_prime,
            identity_rounds=settings.identity_round,
            ask_identity=settings.identity_round,
            network_name=settings.aka_prime_network.encode(),
        ),
    )


def _notice_rules(settings: model.Push) -> NoticeRules:
    return NoticeRules(
        life_s=settings.life_s,
        # Nobody else takes a notice over while it may still be under way, or waits to be settled.
        lease_s=math.ceil(2 * settings.timeout_s) + 5,
        timeout_s=settings.timeout_s,
        first_pause_s=settings.first_pause_s,
        longest_pause_s=settings.longest_pause_s,
        batch=min(_CLAIMED_AT_ONCE, settings.in_flight),
        in_flight=settings.in_flight,
        poll_s=settings.poll_s,
    )


def _limits(settings: Limits) -> StartLimits:
    return StartLimits(
        imsi_source=Rate(settings.imsi_source_burst, settings.imsi_source_per_minute / 60),
        imsi=Rate(settings.imsi_burst, settings.imsi_per_minute / 60),
        source=Rate(settings.source_burst, settings.source_per_minute / 60),
        remembered=settings.remembered,
    )


def _lent_limits(settings: Limits) -> LentLimits:
    return LentLimits(
        refusals=Rate(settings.refusals_burst, settings.refusals_per_minute / 60),
        guesses=Rate(settings.guesses_burst, settings.guesses_per_minute / 60),
        remembered=settings.remembered,
    )


def profiles(loaded: Loaded) -> tuple[Profile, ...]:
    """Return the profiles of clients, in the order in which they are tried; raise StartRefused."""
    found = loaded.settings.profiles
    problems = [
        f"profiles.{name}.parm_names: {problem}"
        for name, settings in found.items()
        for problem in _name_problems(settings.parm_names)
    ]
    if problems:
        raise StartRefused("\n".join(problems))
    return tuple(_profile(name, settings) for name, settings in found.items())


def _watched_settings(loaded: Loaded, clients: Clients) -> Iterator[Watched]:
    """Yield who takes over the profiles of settings that changed; the rest waits for a restart."""
    if loaded.file is None:
        return
    before = loaded

    def take() -> bool:
        nonlocal before
        now = loaded.again()
        found = profiles(now)
        if waiting := [name for name in now.changed(loaded) if name != "profiles"]:
            structlog.get_logger().warning("settings_wait_for_restart", sections=waiting)
        before, changed = now, "profiles" in now.changed(before)
        if changed:
            clients.take(found)
        return changed

    # They were read by the supervisor perhaps, and a worker that takes a dead one's place begins
    # with what they said then.
    yield Watched("profiles", (loaded.file,), take, read=False)


def _name_problems(parm_names: Mapping[str, str]) -> Iterator[str]:
    """Yield names that nothing has, and those by which a document would say something twice."""
    services = (each.parms for each in SERVICES.values())
    operations = (each.parms for each in OPERATIONS.values())
    paths = [path.split("/") for table in chain(services, operations) for path in table]
    names = {path[-1] for path in paths} | {"OperationResult", "RegisterNotifStatus"}
    taken = names.union(*paths, ("AppID",))
    for old, new in parm_names.items():
        if old not in names:
            yield f"{old}: no answer has this parameter"
        if new in taken:
            yield f"{old}: {new} is taken"


def _profile(name: str, settings: ProfileSettings) -> Profile:
    return Profile(
        name=name,
        match=_match(settings.match),
        apps=settings.apps,
        format={"xml": Format.XML, "json": Format.JSON}.get(settings.document_format),
        xml_type=settings.xml_content_type,
        oldest=version_of(settings.version_min, FIRST),
        newest=version_of(settings.version_max, NEWEST),
        refuses=settings.version_outside == "refuse",
        shape=Shape(
            own_parameters=settings.own_parameters,
            flat_voice=settings.voice_flat_status,
            parm_names=tuple(settings.parm_names.items()),
        ),
        token_validity_s=settings.token_validity_s,
        vers_validity_s=settings.vers_validity_s,
        gzip=settings.gzip,
    )


def _match(settings: MatchSettings) -> Match:
    return Match(
        user_agent=Patterns(*settings.user_agent),
        app_name=Patterns(*settings.app_name),
        accept=Patterns(*settings.accept),
        vendor=Patterns(*settings.terminal_vendor),
        model=Patterns(*settings.terminal_model),
        tacs=tuple(map(tac_range, settings.tac)),
        apps=frozenset(settings.apps),
        oldest=version_of(settings.version_from, Match().oldest),
        newest=version_of(settings.version_to, Match().newest),
        bare=settings.bare,
    )
