"""Partner APIs, made of the settings: which there are, what is asked, and the sandbox."""

from __future__ import annotations

from simgrant.compose.consumers import ConsumerParts
from simgrant.compose.portal import portal_of
from simgrant.compose.questions import believed
from simgrant.compose.sign_ins import asks_for_consent
from simgrant.config import texts
from simgrant.config.camara_tables import SandboxNumber
from simgrant.config.load import Loaded
from simgrant.domain.camara.consent import Basis, Purposes
from simgrant.domain.problems import did_you_mean
from simgrant.domain.tenant import Plmn
from simgrant.errors import StartRefused
from simgrant.flows.camara.api import Api, ApiRules, Routes
from simgrant.flows.camara.apis import APIS
from simgrant.flows.camara.consents import Consents
from simgrant.flows.camara.holders import BoundHolders
from simgrant.flows.camara.line_facts import OwnFacts
from simgrant.flows.camara.sandbox import Sandbox, SandboxLine
from simgrant.flows.camara.serve_api import ApiPorts, ApiTenant, ServeApi
from simgrant.flows.camara.subscribing import Subscriptions
from simgrant.flows.camara.tokens import pull_access_token
from simgrant.flows.consent_pages.tokens import CaptureLinks
from simgrant.flows.eligibility import Eligibilities
from simgrant.flows.network_data import NetworkFacts
from simgrant.identities import Msisdn
from simgrant.ports.camara_consents import Standing
from simgrant.ports.clock import Clock
from simgrant.ports.keys import Keys
from simgrant.ports.store import Store

NEEDS_CONSENTS = frozenset({"consent-info"})
"""APIs that have nothing to tell where nobody keeps consents."""


def open_apis(
    loaded: Loaded,
    store: Store,
    partners: ConsumerParts,
    subscriptions: Subscriptions,
    eligibilities: Eligibilities,
    network: NetworkFacts,
    keys: Keys,
    clock: Clock,
) -> ServeApi:
    """Return who answers calls of the APIs; raise StartRefused for one that there is not."""
    settings = loaded.settings.camara
    consents = open_consents(loaded, store, links=capture_links(loaded, keys))
    ports = ApiPorts(
        open_token=pull_access_token,
        holders=BoundHolders(store.camara_tokens, loaded.camara_urls, clock=clock),
        consumers=partners.consumers,
        limits=partners.quotas,
        lines=store.camara_lines,
        facts=OwnFacts(store.camara_lines, store, eligibilities, network),
        consents=consents,
        permits=consents,
        books=partners.books,
        subscriptions=subscriptions,
        fraud=partners.fraud,
    )
    return ServeApi(
        Routes(offered_apis(loaded, with_consents=ports.consents is not None)),
        ports,
        tenants={
            name: ApiTenant(
                base=url,
                home_plmns=home_plmns(loaded, name),
                believes=believed(loaded, name),
                sandbox=sandbox(loaded, name),
            )
            for name, url in loaded.camara_urls.items()
        },
        keys=keys,
        clock=clock,
        rules=ApiRules(
            monitored_sim_d=settings.monitored_sim_days,
            monitored_device_d=settings.monitored_device_days,
        ),
        strict=settings.strict_bodies,
    )


def open_consents(loaded: Loaded, store: Store, *, links: CaptureLinks | None = None) -> Consents:
    """Return who knows what may be processed; without ``links`` nobody is asked on a page."""
    bases = {
        (name.lower(), api): Basis(basis)
        for name, table in loaded.settings.camara_purposes.items()
        for api, basis in {"": table.basis, **table.apis}.items()
    }
    purposes = dict.fromkeys(loaded.tenants, Purposes(bases=bases))
    return Consents(store.api_consents, purposes, links=links)


def known_purposes(loaded: Loaded) -> frozenset[str]:
    """Return the purposes that are configured; where none are, those that pages have words for."""
    return frozenset(loaded.settings.camara_purposes or texts.purposes())


def capture_links(loaded: Loaded, keys: Keys) -> CaptureLinks | None:
    """Return who makes links to the page that asks for a consent; None where there is none."""
    if not asks_for_consent(loaded):
        return None
    return CaptureLinks(
        keys=keys,
        pages={name: portal_of(loaded, name) for name in loaded.tenants},
        life_s=loaded.settings.camara.capture_life_s,
    )


def home_plmns(loaded: Loaded, tenant: str) -> frozenset[str]:
    """Return the digits of MCC and MNC of a tenant's own networks."""
    return frozenset(Plmn(*text.split("-")).digits for text in loaded.tenants[tenant].plmns)


def offered_apis(loaded: Loaded, *, with_consents: bool) -> tuple[Api, ...]:
    """Return the APIs that are served; raise StartRefused for one that there is not."""
    there = {name: api for name, api in APIS.items() if with_consents or name not in NEEDS_CONSENTS}
    wanted = loaded.settings.camara.apis
    for name in wanted:
        if name not in APIS:
            raise StartRefused(f"camara.apis: there is no {name}{did_you_mean(name, APIS)}")
        if name not in there:
            raise StartRefused(f"camara.apis: {name} needs consents to be kept")
    return tuple(api for name, api in there.items() if not wanted or name in wanted)


def sandbox(loaded: Loaded, tenant: str) -> Sandbox:
    """Return the test numbers of a tenant."""
    return Sandbox(
        {
            Msisdn(number): _line(table)
            for number, table in loaded.settings.test_numbers.items()
            if not table.tenants or tenant in table.tenants
        }
    )


def _line(table: SandboxNumber) -> SandboxLine:
    return SandboxLine(
        sim_age_h=table.sim_age_h,
        device_age_h=None if table.device_age_h < 0 else table.device_age_h,
        customer_d=table.customer_days,
        number_d=min(table.number_days, table.customer_days),
        prepaid=table.prepaid,
        suspended=table.status == "suspended",
        throttled=table.status == "throttled",
        plmn=table.network.replace("-", ""),
        standing=Standing(table.consent),
    )
