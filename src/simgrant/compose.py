"""The only place that builds adapters from the configuration.

Above: ``serving`` and the commands, which ask for a whole server or for one
part of it. What newcomers get wrong: nothing is looked up at run time. What a
flow needs is handed to it here, once.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from prometheus_client import CollectorRegistry

from simgrant.adapters.authn import local_auc
from simgrant.adapters.keyring import file as key_file
from simgrant.adapters.store import sqlite
from simgrant.config.clients import tac_range, version_of
from simgrant.config.load import DEFAULT_TENANT, Loaded
from simgrant.config.model import Auth, Limits
from simgrant.config.model import Match as MatchSettings
from simgrant.config.model import Profile as ProfileSettings
from simgrant.config.model import Tenant as TenantSettings
from simgrant.domain.policy import Policy, PolicyError, default_policy, parse_policy
from simgrant.domain.tenant import Plmn, Tenancy, Tenant
from simgrant.domain.words import Words
from simgrant.domain.words_file import read_words
from simgrant.eap.machine import Options
from simgrant.errors import StartRefused
from simgrant.flows.answer import Portal
from simgrant.flows.authenticate import Reception
from simgrant.flows.by_sim import BySim
from simgrant.flows.by_sim import Rules as SimRules
from simgrant.flows.by_token import ByToken
from simgrant.flows.by_token import Rules as TokenRules
from simgrant.flows.clients import Clients, Match, Patterns, Profile
from simgrant.flows.entitle import Entitle
from simgrant.flows.entitle import Rules as EntitleRules
from simgrant.flows.journal import Journal
from simgrant.flows.journal import Limits as JournalLimits
from simgrant.flows.limits import Rate, StartLimits
from simgrant.flows.shape import Shape
from simgrant.flows.signing import Signer
from simgrant.fronts.device import key_set
from simgrant.fronts.device.app import LAST_LEG_SHARE, DeviceFront
from simgrant.fronts.device.app import Limits as FrontLimits
from simgrant.fronts.device.key_set import KeySet
from simgrant.fronts.device.protocol import Bounds
from simgrant.fronts.device.source import Proxies
from simgrant.keyring.signing import Algorithm
from simgrant.ports.store import Store
from simgrant.services import SERVICES
from simgrant.spec.version import FIRST, NEWEST
from simgrant.telemetry.log import LineWriter, console_line
from simgrant.telemetry.metrics import Metrics
from simgrant.wire.negotiate import Format

T = TypeVar("T")


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
    return {name: policy_of(loaded, name) for name in loaded.tenants}


def policy_of(loaded: Loaded, tenant: str) -> Policy:
    """Return a tenant's policy with its words; raise StartRefused with every problem."""
    settings = loaded.tenants[tenant]
    words = Words(settings.language)
    if settings.texts:
        texts = {app_id: service.texts for app_id, service in SERVICES.items()}
        words = _read(
            "texts",
            loaded.path(settings.texts),
            lambda text: read_words(text, language=settings.language, services=texts),
        )
    if settings.policy:
        path = loaded.path(settings.policy)
        return _read("policy", path, lambda text: parse_policy(text, words=words))
    with _told("policy", "built in"):
        return default_policy(words)


def _read(what: str, path: Path, parse: Callable[[str], T]) -> T:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise StartRefused(f"{what} {path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise StartRefused(f"{what} {path}: {error}") from None
    with _told(what, path):
        return parse(text)


@contextmanager
def _told(what: str, where: object) -> Iterator[None]:
    """Raise StartRefused for a PolicyError, with the file in each line."""
    try:
        yield
    except PolicyError as error:
        lines = (f"{what} {where}: {problem}" for problem in error.problems)
        raise StartRefused("\n".join(lines)) from None


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
            clients=Clients(profiles(loaded)),
        )
        proxies = Proxies(settings.device.trusted_proxies)
        signs = signer(loaded, keys)
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


def _name_problems(parm_names: Mapping[str, str]) -> Iterator[str]:
    """Yield names that no service has, and those by which a document would say something twice."""
    paths = [path.split("/") for service in SERVICES.values() for path in service.parms]
    names = {path[-1] for path in paths} | {"RegisterNotifStatus"}
    taken = names.union(*paths, ("AppID",))
    for old, new in parm_names.items():
        if old not in names:
            yield f"{old}: no service has this parameter"
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
