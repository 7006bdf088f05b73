"""The only place that builds adapters from the configuration.

Above: ``serving`` and the commands, which ask for a whole server or for one
part of it. What newcomers get wrong: nothing is looked up at run time. What a
flow needs is handed to it here, once.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry

from simgrant.adapters.authn import local_auc
from simgrant.adapters.keyring import file as key_file
from simgrant.adapters.store import sqlite
from simgrant.config.load import DEFAULT_TENANT, Loaded
from simgrant.config.model import Auth, Limits
from simgrant.config.model import Tenant as TenantSettings
from simgrant.domain.policy import Policy, PolicyError, default_policy, parse_policy
from simgrant.domain.tenant import Plmn, Tenancy, Tenant
from simgrant.eap.machine import Options
from simgrant.errors import StartRefused
from simgrant.flows.answer import Portal
from simgrant.flows.authenticate import Family, Reception
from simgrant.flows.by_sim import BySim
from simgrant.flows.by_sim import Rules as SimRules
from simgrant.flows.by_token import ByToken
from simgrant.flows.by_token import Rules as TokenRules
from simgrant.flows.entitle import Entitle
from simgrant.flows.entitle import Rules as EntitleRules
from simgrant.flows.journal import Journal
from simgrant.flows.journal import Limits as JournalLimits
from simgrant.flows.limits import Rate, StartLimits
from simgrant.fronts.device.app import LAST_LEG_SHARE, DeviceFront
from simgrant.fronts.device.app import Limits as FrontLimits
from simgrant.fronts.device.protocol import Bounds
from simgrant.fronts.device.source import Proxies
from simgrant.ports.store import Store
from simgrant.services import SERVICES
from simgrant.services.own import refuse_taken
from simgrant.telemetry.log import LineWriter, console_line
from simgrant.telemetry.metrics import Metrics


class SystemClock:
    """The time of this machine."""

    now = staticmethod(time.time)
    """Unix seconds."""
    monotonic = staticmethod(time.monotonic)
    """Seconds that never go back."""


CLOCK = SystemClock()


@dataclass(slots=True)
class Parts:
    """A server's insides, ready to be put behind a listener."""

    loaded: Loaded
    tenancy: Tenancy
    policies: dict[str, Policy]
    portals: dict[str, Portal]
    keys: key_file.FileKeys
    store: Store
    metrics: Metrics
    lines: LineWriter
    journal: Journal
    entitle: Entitle
    device: DeviceFront
    bounds: Bounds


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
    tokens = loaded.settings.tokens
    config = key_file.Config(loaded.key_file, tenants, accept_for=tokens.life_s + tokens.overlap_s)
    return key_file.open_keys(config, on_renewal)


def policies(loaded: Loaded) -> dict[str, Policy]:
    """Return each tenant's policy; raise StartRefused with every problem of a file."""
    default = default_policy()
    return {
        name: read_policy(loaded.path(settings.policy)) if settings.policy else default
        for name, settings in loaded.tenants.items()
    }


def read_policy(path: Path) -> Policy:
    """Return the policy of a TOML file; raise StartRefused with its problems, a line each."""
    try:
        policy = parse_policy(path.read_text(encoding="utf-8"))
        refuse_taken(policy, SERVICES)
    except OSError as error:
        raise StartRefused(f"policy {path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise StartRefused(f"policy {path}: {error}") from None
    except PolicyError as error:
        raise StartRefused(
            "\n".join(f"policy {path}: {problem}" for problem in error.problems)
        ) from None
    return policy


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


@asynccontextmanager
async def opened(loaded: Loaded, *, worker: int = 0) -> AsyncIterator[Parts]:
    """Build everything one worker needs, and close it in the right order."""
    settings = loaded.settings
    found = tenancy(loaded)
    found_policies = policies(loaded)
    metrics = Metrics(CollectorRegistry())
    keys = open_keys(loaded, metrics.ring_renewed)
    store = await open_store(loaded)
    lines = LineWriter(shape=console_line if settings.server.log_format == "console" else None)
    try:
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
            name: Portal(
                tenant.portal_url or settings.portal.base_url, settings.portal.user_data_life_s
            )
            for name, tenant in loaded.tenants.items()
        }
        reception = Reception(
            tenancy=found,
            keys=keys,
            store=store,
            clock=CLOCK,
            known_apps=frozenset(SERVICES),
            token_life_s=settings.tokens.life_s,
        )
        vectors = local_auc.open_vectors(
            local_auc.Config(ind=(settings.local_auc.ind + worker) % 32),
            store=store,
            keys=keys,
            clock=CLOCK,
        )
        entitle = Entitle(
            by_token=ByToken(
                reception, TokenRules(settings.tokens.renew_last, settings.tokens.overlap_s)
            ),
            by_sim=BySim(
                reception,
                vectors=vectors,
                limits=_limits(settings.limits),
                rules=_sim_rules(settings.auth),
            ),
            policies=found_policies,
            portals=portals,
            keys=keys,
            store=store,
            clock=CLOCK,
            rules=EntitleRules(
                settings.documents.validity_s,
                settings.documents.validity_spread,
                settings.roaming.max_age_s,
            ),
            families=[
                Family(handset.user_agent.lower(), handset.apps)
                for handset in settings.handsets.values()
            ],
        )
        proxies = Proxies(settings.device.trusted_proxies)
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
        )
        yield Parts(
            loaded,
            found,
            found_policies,
            portals,
            keys,
            store,
            metrics,
            lines,
            journal,
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
        )
        await journal.flush()
    finally:
        lines.close()
        await store.close()


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
