"""The management API, made of its settings."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from simgrant.adapters.keyring.file import FileKeys
from simgrant.compose import explaining
from simgrant.compose.activation import switched_services
from simgrant.compose.camara_apis import known_purposes
from simgrant.compose.clock import CLOCK
from simgrant.compose.issuers import open_issuer
from simgrant.compose.policies import compiler
from simgrant.compose.push import sms_apps
from simgrant.compose.sim_keys import wrapper
from simgrant.compose.store import tenancy
from simgrant.config.load import Loaded
from simgrant.domain.access import ROLES, Client, Role, Scope
from simgrant.domain.policy import Policy
from simgrant.domain.subscription import Subscription
from simgrant.flows.explain import Inquiry
from simgrant.flows.explain_data import explained_data
from simgrant.flows.issuers import Issuers
from simgrant.flows.limits import Rate, Throttle
from simgrant.flows.management.access import ISSUERS, Access
from simgrant.flows.management.call import Office
from simgrant.fronts.management.api import ApiFront, Limits
from simgrant.fronts.management.orders import read_token
from simgrant.links.client_certificates import Callers
from simgrant.links.secret_file import SecretFile
from simgrant.ports.bss_events import EventIntake
from simgrant.ports.store import Store
from simgrant.ports.switching import NO_SERVICES


@asynccontextmanager
async def opened_api(
    loaded: Loaded,
    store: Store,
    keys: FileKeys,
    policies: Mapping[str, Policy],
    events: EventIntake,
) -> AsyncIterator[ApiFront]:
    """Yield the API; raise StartRefused where a file of it is no use."""
    settings = loaded.settings
    issuers = api_issuers(loaded)
    try:
        yield ApiFront(
            {
                name: office(loaded, name, store, keys, policies, events)
                for name in tenancy(loaded).by_name
            },
            access(loaded, issuers),
            clock=CLOCK,
            throttle=Throttle(
                "too_many_calls",
                Rate(settings.api.client_burst, settings.api.client_per_minute / 60),
                remembered=max(1, len(settings.api_clients)),
            ),
            limits=Limits(in_flight=settings.api.in_flight),
        )
    finally:
        await issuers.close()


def api_issuers(loaded: Loaded) -> Issuers:
    """Return those whose access tokens are believed; raise StartRefused."""
    made = [
        open_issuer(loaded, f"api_issuers.{name}", table)
        for name, table in loaded.settings.api_issuers.items()
    ]
    return Issuers({ISSUERS: made})


def access(loaded: Loaded, issuers: Issuers) -> Access:
    """Return who may call; raise StartRefused."""
    settings = loaded.settings
    tables = settings.api_clients.items()
    clients = {
        name: Client(
            name=name,
            scopes=(ROLES[Role(table.role)] if table.role else frozenset())
            | frozenset(map(Scope, table.scopes)),
            tenants=frozenset(table.tenants or loaded.tenants),
            token_scopes=table.token_scopes,
        )
        for name, table in tables
    }
    callers = Callers(
        "api_clients",
        sha256={name: table.certificate_sha256 for name, table in tables},
        subjects={name: table.certificate_subjects for name, table in tables},
    )
    return Access(
        clients,
        tokens=[
            (name, SecretFile(loaded.path(table.token_file), read_token).value)
            for name, table in tables
            if table.token_file
        ],
        by_issuer={
            (settings.api_issuers[table.issuer].issuer, client_id): name
            for name, table in tables
            for client_id in table.client_ids
        },
        issuers=issuers,
        by_certificate=callers.of,
    )


def office(
    loaded: Loaded,
    name: str,
    store: Store,
    keys: FileKeys,
    policies: Mapping[str, Policy],
    events: EventIntake,
) -> Office:
    """Return what calls of one tenant are made with."""

    async def explain(
        inquiry: Inquiry, subscription: Subscription, *, policy: Policy, now: int
    ) -> dict[str, Any]:
        found = await explaining.explain(
            loaded, inquiry, subscription, policy=policy, store=store, ring=keys.ring, now=now
        )
        return explained_data(found, loaded.settings, now)

    return Office(
        tenant=tenancy(loaded).by_name[name],
        store=store,
        keys=keys,
        policy=lambda: policies[name],
        wrap=partial(wrapper, keys, name),
        sms_apps=sms_apps(loaded, name),
        explain=explain,
        events=events,
        compile=compiler(loaded),
        purposes=known_purposes(loaded),
        switched=switched_services(loaded).get(name, NO_SERVICES),
    )
