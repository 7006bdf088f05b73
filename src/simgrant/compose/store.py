"""What almost everything opens: key rings, the store, account PINs."""

from __future__ import annotations

from collections.abc import Callable

from simgrant.adapters.account_pins import embedded as embedded_pins
from simgrant.adapters.account_pins.embedded import EmbeddedPins
from simgrant.adapters.keyring import file as key_file
from simgrant.adapters.store import sqlite
from simgrant.config.bss import switches_devices
from simgrant.config.load import DEFAULT_TENANT, Loaded
from simgrant.config.model import Tenant as TenantSettings
from simgrant.domain.tenant import Plmn, Tenancy, Tenant
from simgrant.errors import StartRefused
from simgrant.flows.by_oidc import LIFE_S
from simgrant.ports.keys import Keys
from simgrant.ports.store import Store


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
    devices = frozenset(
        tenant for tenant in loaded.tenants if switches_devices(loaded.settings, tenant)
    )
    scheme, _, rest = url.partition("://")
    if scheme == "sqlite":
        return await sqlite.open_store(
            sqlite.SqliteConfig(
                path=loaded.path(rest.removeprefix("/")),
                reads=settings.sqlite_reads,
                timeout_s=settings.timeout_s,
                devices=devices,
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
                devices=devices,
            )
        )
    raise StartRefused("store.url: must begin with sqlite:/// or postgresql://")


def open_account_pins(loaded: Loaded, store: Store, keys: Keys) -> EmbeddedPins:
    """Return whoever knows the PINs of accounts."""
    settings = loaded.settings.account_pins
    config = embedded_pins.Config(settings.tries, settings.lock_s)
    return embedded_pins.open_pins(config, rows=store.pins, keys=keys)
