"""A whole server, built from the configuration.

What newcomers get wrong: nothing is looked up at run time. What a flow needs is handed to it here,
once.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

from prometheus_client import CollectorRegistry

from simgrant.adapters.keyring import file as key_file
from simgrant.adapters.risk.embedded import EmbeddedRisk
from simgrant.compose import bss
from simgrant.compose.activation import open_device_switches, open_switching
from simgrant.compose.bss import judges_of, open_orders, open_sale, waiting_orders
from simgrant.compose.camara import (
    CAMARA_MAX_BODY,
    CamaraParts,
    camara_answer,
    open_camara,
    own_tokens,
)
from simgrant.compose.camara_apis import open_apis, open_consents
from simgrant.compose.camara_events import open_events, open_subscriptions
from simgrant.compose.clients import profiles, watched_settings
from simgrant.compose.clock import CLOCK
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
from simgrant.compose.esims import (
    ESIM_APPS,
    device_lists,
    esims,
    offers,
    open_es2plus,
    open_smdps,
    order_rules,
    source_rules,
    watched_lists,
)
from simgrant.compose.events import WaysIn, open_ways_in
from simgrant.compose.life import open_life, open_sweeps
from simgrant.compose.partners import gateways, issuers, partners, signer
from simgrant.compose.policies import ESIM_WORDS, open_policies
from simgrant.compose.portal import open_consent_pages, open_portal, portal_answer
from simgrant.compose.push import notice_rules, open_notifiers, sms_apps
from simgrant.compose.sign_ins import open_by_oidc, open_by_otp, open_codes, returns_of, step_ups
from simgrant.compose.store import open_account_pins, open_keys, open_store, tenancy
from simgrant.config import model
from simgrant.config import texts as shipped
from simgrant.config.bss import bss_of
from simgrant.config.load import Loaded
from simgrant.config.model import Auth, Limits
from simgrant.domain.policy import Policy
from simgrant.domain.tenant import Tenancy
from simgrant.eap.machine import Options
from simgrant.flows.answer import Portal
from simgrant.flows.authenticate import Reception
from simgrant.flows.bss_inbox import BssInbox
from simgrant.flows.bss_waiting import WaitingOrders
from simgrant.flows.by_lent_token import ByLentToken
from simgrant.flows.by_oidc import ByOidc
from simgrant.flows.by_otp import ByOtp
from simgrant.flows.by_requestor import ByRequestor
from simgrant.flows.by_sim import BySim
from simgrant.flows.by_sim import Rules as SimRules
from simgrant.flows.by_token import ByToken
from simgrant.flows.by_token import Rules as TokenRules
from simgrant.flows.clients import Clients
from simgrant.flows.codes import Codes
from simgrant.flows.consent_pages.pages import ConsentPages
from simgrant.flows.early_no import EarlyNo
from simgrant.flows.eligibility import Eligibilities
from simgrant.flows.entitle import Entitle
from simgrant.flows.entitle import Rules as EntitleRules
from simgrant.flows.esim_means import EsimMeans
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
from simgrant.flows.operate import Operate
from simgrant.flows.operations import OPERATIONS
from simgrant.flows.operations.operation import Means
from simgrant.flows.order_switches import SwitchDesk
from simgrant.flows.ordering import Ordering
from simgrant.flows.private_identity import PrivateIdentities
from simgrant.flows.profile_sources import ProfileSources
from simgrant.fronts.device import key_set
from simgrant.fronts.device.app import LAST_LEG_SHARE, DeviceFront
from simgrant.fronts.device.app import Limits as FrontLimits
from simgrant.fronts.device.key_set import KeySet
from simgrant.fronts.device.protocol import Answer, Bounds
from simgrant.fronts.device.source import Proxies
from simgrant.fronts.es2plus.app import Es2plusFront
from simgrant.fronts.portal import app as portal_app
from simgrant.fronts.portal.app import PortalFront
from simgrant.links.diameter.node import DiameterNode
from simgrant.links.watched import Watched
from simgrant.ports.bss_orders import BssOrders
from simgrant.ports.eligibility import EligibilitySource
from simgrant.ports.notifier import Notifier
from simgrant.ports.smdp import Smdp
from simgrant.ports.store import Store
from simgrant.services import SERVICES
from simgrant.telemetry.log import LineWriter, console_line
from simgrant.telemetry.metrics import Metrics
from simgrant.wire.push_token import Channel

T = TypeVar("T")


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
    codes: Codes | None = None
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
        returns = returns_of(settings.limits)
        codes = open_codes(loaded, reception)
        by_otp = open_by_otp(loaded, reception, returns, codes)
        by_oidc = open_by_oidc(loaded, reception, returns, by_otp)
        access = issuers(loaded)
        ordering = Ordering(
            store.orders,
            smdps=smdps,
            clock=CLOCK,
            metrics=metrics,
            rules=order_rules(settings.orders),
            bss=bss_orders,
            choose=ProfileSources(source_rules(loaded), keys).of,
            switches=switches,
        )
        sale = open_sale(loaded, esims(loaded), ESIM_APPS, CLOCK)
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
            rules=notice_rules(settings.push),
        )
        events, lifecycle = open_life(
            loaded,
            store,
            tenants=found.by_name,
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
        consent_pages: ConsentPages | None = None
        if settings.camara.listen:
            known = await open_consumers(loaded, store, CLOCK)
            subscriptions = open_subscriptions(loaded, store, keys)
            apis = open_apis(
                loaded, store, known, subscriptions, eligibilities, network, keys, CLOCK
            )
            told = open_events(loaded, store, known, keys, metrics, CLOCK)
            camara = open_camara(loaded, store, known, apis, told, keys, journal, metrics, CLOCK)
            consent_pages = open_consent_pages(
                loaded, reception, policies, known.consumers, open_consents(loaded, store), codes
            )
        if settings.portal.listen:
            portal = open_portal(
                loaded,
                reception,
                policies,
                journal,
                esim,
                eligibilities,
                consents=consent_pages,
            )
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
            (keys.watched, *watched_settings(loaded, clients), *watched_lists(loaded, lists)),
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
        for way in (by_oidc, codes, access, portal, camara, network, eligibilities):
            if way is not None:
                await way.close()
        await store.close()


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


def speech(policy: Policy) -> Speech:
    """Return what phones of a tenant show of eSIM orders."""
    words = policy.words
    texts = shipped.esim()
    return Speech(
        {name: words.of(ESIM_WORDS, name, said) for name, said in texts.items()}, words.language
    )


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
