"""Issuers of access tokens, made of their settings."""

from __future__ import annotations

from simgrant.adapters.issuers import introspection, jwks
from simgrant.compose.clock import CLOCK
from simgrant.config import model
from simgrant.config.load import Loaded
from simgrant.config.model import IdentityProvider
from simgrant.links.client_auth import ClientAuth, Credentials
from simgrant.links.fetched import FetchRules
from simgrant.links.http import HttpConfig
from simgrant.ports.clock import Clock
from simgrant.ports.issuers import Issuer


def open_issuer(
    loaded: Loaded, where: str, settings: model.Issuer, *, clock: Clock = CLOCK
) -> Issuer:
    """Return one issuer, which is not asked yet; raise StartRefused where a file is no use."""
    address = settings.introspection or settings.jwks
    http = HttpConfig(
        peer=where,
        ca_file=loaded.path(settings.ca_file) if settings.ca_file else None,
        # The check of the settings lets plain HTTP stay on this machine.
        plain=address.startswith("http:"),
        connect_timeout_s=settings.timeout_s,
    )
    if settings.introspection:
        return introspection.open_issuer(
            introspection.Config(
                issuer=settings.issuer,
                audience=settings.audience,
                scopes=frozenset(settings.scopes),
                url=settings.introspection,
                credentials=credentials(loaded, settings),
                assertion_audience=settings.assertion_audience,
                cache_s=settings.cache_s,
                timeout_s=settings.timeout_s,
                http=http,
            ),
            clock=clock,
        )
    return jwks.open_issuer(
        jwks.Config(
            issuer=settings.issuer,
            audience=settings.audience,
            scopes=frozenset(settings.scopes),
            jwks=settings.jwks if "://" in settings.jwks else loaded.path(settings.jwks),
            http=http,
            rules=FetchRules(fetch_s=settings.timeout_s, good_s=settings.keys_max_age_s),
        ),
        clock=clock,
    )


def credentials(loaded: Loaded, settings: model.Issuer | IdentityProvider) -> Credentials:
    """Return who we are to somebody who issues tokens."""
    return Credentials(
        client_id=settings.client_id,
        client_auth=ClientAuth(settings.client_auth),
        secret_file=loaded.path(settings.secret_file),
        key_id=settings.key_id,
    )
