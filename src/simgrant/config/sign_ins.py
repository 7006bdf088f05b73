"""What is wrong with the settings of signing in: identity providers, and one-time passwords."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from simgrant.config import texts
from simgrant.config.addresses import is_host_port, is_safe_address
from simgrant.config.model import Settings, Tenant
from simgrant.config.section import unknown_tenants
from simgrant.wire.id_token import ALGORITHMS
from simgrant.wire.sms_text import fits


def sign_in_problems(
    settings: Settings, tenants: Mapping[str, Tenant], default: str
) -> Iterator[str]:
    """Name what would let nobody sign in, or would let the wrong one ask."""
    claimed: dict[tuple[str, str], str] = {}
    for name, provider in settings.identity_providers.items():
        where = f"identity_providers.{name}"
        yield from (
            f"{where}: needs {key}"
            for key in ("issuer", "client_id", "secret_file", "redirect_uri", "claim", "apps")
            if not getattr(provider, key)
        )
        for key in ("issuer", "redirect_uri", "second_factor_url", "error_url"):
            url = getattr(provider, key)
            if url and not is_safe_address(url):
                yield f"{where}.{key}: {url!r} is no https address"
        if "openid" not in provider.scopes:
            yield f"{where}.scopes: openid has to be one of them"
        for algorithm in provider.algorithms or ("none at all",):
            if algorithm not in ALGORITHMS:
                yield f"{where}.algorithms: {algorithm}: it may be {', '.join(ALGORITHMS)}"
        yield from unknown_tenants(where, provider.tenants, tenants)
        yield from _nameless(where, provider.tenants, tenants, default)
        for tenant in provider.tenants or tenants:
            for app in provider.apps:
                other = claimed.setdefault((tenant, app.lower()), name)
                if other != name:
                    yield f"{where}: {app} of tenant {tenant} is also {other}'s"
    with_otp = [name for name, tenant in tenants.items() if tenant.otp_apps]
    yield from _nameless("otp_apps", with_otp, tenants, default)
    camara_too = settings.camara.listen and settings.portal.listen
    needs_texts = [
        *(("camara",) if camara_too and settings.text_messages.smsc else ()),
        *(f"tenants.{name}.otp_apps" for name in with_otp),
        *(
            f"identity_providers.{name}.second_factor_url"
            for name, each in settings.identity_providers.items()
            if each.second_factor_url
        ),
    ]
    for where in needs_texts:
        yield from (
            f"{where}: needs text_messages.{key}"
            for key in ("smsc", "system_id", "password_file", "source")
            if not getattr(settings.text_messages, key)
        )
    smsc = settings.text_messages.smsc
    if smsc and not is_host_port(smsc):
        yield f"text_messages.smsc: {smsc!r} is not host:port"
    for language, text in (texts.OTP | settings.otp.text).items():
        if "{code}" not in text:
            yield f"otp.text.{language}: has no {{code}}"
        elif not fits(text.replace("{code}", "0" * settings.otp.digits)):
            yield f"otp.text.{language}: does not fit into one short message"
    for language, text in settings.otp.consent_text.items():
        yield from (
            f"otp.consent_text.{language}: has no {place}"
            for place in ("{code}", "{consumer}")
            if place not in text
        )


def _nameless(
    where: str, names: Iterable[str], tenants: Mapping[str, Tenant], default: str
) -> Iterator[str]:
    """Name tenants that a request without a SIM cannot be of."""
    yield from (
        f"{where}: tenant {name} needs hosts: without a SIM, nothing else tells whose a request is"
        for name in names
        if name in tenants and name != default and not tenants[name].hosts
    )
