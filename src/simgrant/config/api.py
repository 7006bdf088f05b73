"""What is wrong with the settings of the management API."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Iterator
from typing import Final

from simgrant.config.model import Api, ApiClient, Settings
from simgrant.config.section import unknown_tenants
from simgrant.domain.access import Scope
from simgrant.domain.problems import did_you_mean

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")


def api_problems(settings: Settings, tenants: Collection[str]) -> Iterator[str]:
    """Name what would let nobody in, or the wrong one; ``tenants`` are those that there are."""
    api = settings.api
    if bool(api.tls_certificate) != bool(api.tls_key):
        yield "api: tls_certificate and tls_key go together"
    if api.client_ca and not api.tls_certificate:
        yield "api: client_ca needs tls_certificate"
    if api.listen and not (api.tls_certificate or api.behind_proxy or _is_here(api)):
        yield "api: needs tls_certificate, or behind_proxy where a proxy does the TLS"
    claimed: dict[tuple[str, str], str] = {}
    for name, client in settings.api_clients.items():
        where = f"api_clients.{name}"
        yield from _client_problems(where, client, settings, tenants)
        for client_id in client.client_ids:
            if (other := claimed.setdefault((client.issuer, client_id), name)) != name:
                yield f"{where}: client_id {client_id} is also {other}'s"
    for name, issuer in settings.api_issuers.items():
        if issuer.tenants:
            yield f"api_issuers.{name}.tenants: say it of the clients"
    asked = [name for name, each in settings.api_issuers.items() if each.introspection]
    if len(asked) > 1:
        yield f"api_issuers: one alone can be asked about tokens, not {' and '.join(asked)}"


def _client_problems(
    where: str, client: ApiClient, settings: Settings, tenants: Collection[str]
) -> Iterator[str]:
    if not _NAME.fullmatch(where.partition(".")[2]):
        yield f"{where}: a name is lower case letters, digits and hyphens"
    if not (client.role or client.scopes):
        yield f"{where}: may do nothing without role or scopes"
    known = [scope.value for scope in Scope]
    for scope in client.scopes:
        if scope not in known:
            yield f"{where}.scopes: there is no {scope}{did_you_mean(scope, known)}"
    yield from unknown_tenants(where, client.tenants, tenants)
    by_certificate = client.certificate_sha256 or client.certificate_subjects
    if not (client.token_file or client.client_ids or by_certificate):
        yield f"{where}: is known by nothing: token_file, client_ids or a certificate"
    if bool(client.issuer) != bool(client.client_ids):
        yield f"{where}: issuer and client_ids go together"
    if client.issuer and client.issuer not in settings.api_issuers:
        yield f"{where}: there is no [api_issuers.{client.issuer}]"
    if by_certificate and not settings.api.client_ca:
        yield f"{where}: certificates need api.client_ca"


def _is_here(api: Api) -> bool:
    """Say whether nobody else reaches the address."""
    try:
        return ipaddress.ip_address(api.listen.rpartition(":")[0].strip("[]")).is_loopback
    except ValueError:
        return True  # What is wrong with it is said elsewhere.
