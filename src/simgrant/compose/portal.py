"""The pages of the portal."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from simgrant.compose.activation import switched_services
from simgrant.compose.answering import answering
from simgrant.compose.bss import known_countries, open_validator
from simgrant.compose.clock import CLOCK
from simgrant.compose.policies import PORTAL_WORDS
from simgrant.compose.sign_ins import asks_for_consent
from simgrant.config import texts as shipped
from simgrant.config.load import DEFAULT_TENANT, Loaded
from simgrant.config.model import Tenant as TenantSettings
from simgrant.domain.policy import Policy
from simgrant.domain.words import Words
from simgrant.errors import StartRefused
from simgrant.flows.answer import Portal, page_of
from simgrant.flows.authenticate import Reception
from simgrant.flows.codes import Codes
from simgrant.flows.consent_pages.desk import ConsentHouse, Consumers
from simgrant.flows.consent_pages.pages import ConsentPages, ConsentRules
from simgrant.flows.eligibility import Eligibilities
from simgrant.flows.esim_means import EsimMeans
from simgrant.flows.journal import Journal
from simgrant.flows.limits import Rate
from simgrant.flows.visits import House, Visits
from simgrant.flows.visits import Rules as VisitRules
from simgrant.flows.web_views import WEB_VIEWS
from simgrant.flows.web_views.web_view import Subject
from simgrant.fronts.device.message import Request
from simgrant.fronts.device.protocol import Answer
from simgrant.fronts.device.source import Proxies
from simgrant.fronts.portal import app as portal_app
from simgrant.fronts.portal.app import PortalFront
from simgrant.fronts.portal.brand import Brand, Logo
from simgrant.fronts.portal.message import Asked
from simgrant.fronts.portal.pages import Site
from simgrant.ports.camara_consents import CamaraConsents

_LOGOS = {".png": "image/png", ".svg": "image/svg+xml", ".webp": "image/webp"}


_MOST_LOGO = 256 * 1024


_MOST_TERMS = 65_536


def site(loaded: Loaded, name: str, words: Words) -> Site:
    """Return what a tenant's pages are made with; raise StartRefused for a logo of no use."""
    tenant = loaded.tenants[name]
    texts, _ = shipped.portal()
    return Site(
        portal_of(loaded, name),
        _brand(loaded, name),
        {text: words.of(PORTAL_WORDS, text, said) for text, said in texts.items()},
        tenant.language,
    )


def portal_of(loaded: Loaded, tenant: str) -> str:
    """Return the address of a tenant's pages, without a slash at the end."""
    return (loaded.tenants[tenant].portal_url or loaded.portal_url).rstrip("/")


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
        _own_hosts(loaded, name),
    )


def open_portal(
    loaded: Loaded,
    reception: Reception,
    policies: Mapping[str, Policy],
    journal: Journal,
    esim: EsimMeans,
    eligibilities: Eligibilities,
    *,
    consents: ConsentPages | None = None,
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
            switched=switched_services(loaded),
        ),
        sites={**sites, portal_app.NOBODY: nobody},
        slugs=frozenset(page_of(Portal("/", 0), app).rpartition("/")[2] for app in WEB_VIEWS),
        journal=journal,
        clock=CLOCK,
        limits=portal_app.Limits(
            settings.max_in_flight, server.request_timeout_s, server.retry_after_s
        ),
        consents=consents,
    )


def open_consent_pages(
    loaded: Loaded,
    reception: Reception,
    policies: Mapping[str, Policy],
    consumers: Consumers,
    consents: CamaraConsents,
    codes: Codes | None,
) -> ConsentPages | None:
    """Return the pages about consents; None where subscribers are not asked so."""
    if codes is None or not asks_for_consent(loaded):
        return None
    settings, otp = loaded.settings, loaded.settings.otp
    texts, _ = shipped.portal()
    called = {name.lower(): said for name, said in shipped.purposes().items()}
    for name, table in settings.camara_purposes.items():
        called[name.lower()] = {**called.get(name.lower(), {}), **table.text}
    return ConsentPages(
        reception,
        houses={
            name: ConsentHouse(
                base=portal_of(loaded, name),
                language=loaded.tenants[name].language,
                hosts=_own_hosts(loaded, name),
                texts={
                    text: policy.words.of(PORTAL_WORDS, text, said) for text, said in texts.items()
                },
                purposes=called,
            )
            for name, policy in policies.items()
        },
        consents=consents,
        rows=reception.store.api_consents,
        consumers=consumers,
        codes=codes,
        rules=ConsentRules(
            page_life_s=settings.portal.page_life_s,
            lasts_d=settings.camara.consent_days,
            sms=shipped.CONSENT_SMS | otp.consent_text,
            own_sms=shipped.OTP | otp.text,
            by_source=Rate(settings.portal.source_burst, settings.portal.source_per_minute / 60),
            remembered=settings.limits.remembered,
        ),
    )


def portal_answer(portal: PortalFront, proxies: Proxies) -> Answer:
    """Return the portal as what answers the requests of a connection."""
    return answering(portal, _asked, proxies)


def _asked(request: Request, source: str) -> Asked:
    return Asked(
        method=request.method.decode("ascii"),
        path=request.path.decode("latin-1"),
        query=request.query,
        body=request.body,
        host=request.host,
        source=source,
        accept_language=request.accept_language,
        user_agent=request.user_agent,
        fault=request.fault,
    )


def _own_hosts(loaded: Loaded, name: str) -> frozenset[str]:
    """Return the host names of a tenant's pages, where they are not those of all."""
    own = loaded.tenants[name].portal_url
    return frozenset({_host(own)} - {_host(loaded.portal_url), ""})


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
