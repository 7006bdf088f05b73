"""Who proves otherwise than by a SIM who he is: codes, passwords, providers."""

from __future__ import annotations

from collections.abc import Iterable

from simgrant.adapters.idp import oidc
from simgrant.compose.clock import CLOCK
from simgrant.compose.issuers import credentials
from simgrant.config import texts as shipped
from simgrant.config.load import Loaded
from simgrant.config.model import IdentityProvider, Limits
from simgrant.errors import StartRefused
from simgrant.flows.authenticate import Reception
from simgrant.flows.by_oidc import ByOidc, ClaimKind, SignIn
from simgrant.flows.by_otp import ByOtp
from simgrant.flows.codes import Codes
from simgrant.flows.codes import Rules as CodeRules
from simgrant.flows.esim_means import StepUps
from simgrant.flows.limits import Rate, Throttle
from simgrant.links.fetched import FetchRules
from simgrant.links.http import HttpConfig
from simgrant.services import SERVICES


def open_codes(loaded: Loaded, reception: Reception) -> Codes | None:
    """Return who sends one-time passwords, None where nobody does; raise StartRefused."""
    settings, centre = loaded.settings, loaded.settings.text_messages
    if not (lets_in_by_code(loaded) or asks_for_consent(loaded)):
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
    return Codes(
        reception,
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
        rules=CodeRules(life_s=otp.life_s, digits=otp.digits, tries=otp.tries, per_day=otp.per_day),
    )


def open_by_otp(
    loaded: Loaded, reception: Reception, returns: Throttle, codes: Codes | None
) -> ByOtp | None:
    """Return the way by one-time passwords, None where nobody is sent any; raise StartRefused."""
    if codes is None or not lets_in_by_code(loaded):
        return None
    return ByOtp(
        reception,
        codes=codes,
        apps=otp_apps(loaded),
        spoken={name: tenant.language for name, tenant in loaded.tenants.items()},
        texts=shipped.OTP | loaded.settings.otp.text,
        returns=returns,
    )


def open_by_oidc(
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


def lets_in_by_code(loaded: Loaded) -> bool:
    """Say whether phones are let in by one-time passwords; raise StartRefused."""
    providers = loaded.settings.identity_providers.values()
    return any(otp_apps(loaded).values()) or any(each.second_factor_url for each in providers)


def asks_for_consent(loaded: Loaded) -> bool:
    """Say whether subscribers are asked on the portal what consumers of partner APIs may know."""
    settings = loaded.settings
    return bool(settings.camara.listen and settings.portal.listen and settings.text_messages.smsc)


def otp_apps(loaded: Loaded) -> dict[str, frozenset[str]]:
    """Return what may be had by a one-time password, by tenant; raise StartRefused."""
    return {
        name: _services(f"tenants.{name}.otp_apps", tenant.otp_apps)
        for name, tenant in loaded.tenants.items()
    }


def returns_of(limits: Limits) -> Throttle:
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
