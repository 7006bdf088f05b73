"""What is wrong with the settings of partners' servers and of who issues their tokens."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from simgrant.config.addresses import is_safe_address
from simgrant.config.model import Issuer, Settings
from simgrant.config.section import unknown_tenants


def partner_problems(settings: Settings, tenants: Collection[str]) -> Iterator[str]:
    """Name what would leave an issuer or a partner without effect, or two of them alike."""
    issuers: dict[str, str] = {}
    asked: dict[str, str] = {}
    for name, issuer in settings.issuers.items():
        yield from issuer_problems(f"issuers.{name}", issuer)
        if (other := issuers.setdefault(issuer.issuer, name)) != name:
            yield f"issuers.{name}: {issuer.issuer} is also {other}'s"
        yield from unknown_tenants(f"issuers.{name}", issuer.tenants, tenants)
        for tenant in issuer.tenants or tenants if issuer.introspection else ():
            if (other := asked.setdefault(tenant, name)) != name:
                yield f"issuers.{name}: tenant {tenant} has {other} to ask about tokens"
    issuers_of = {
        tenant: [
            name
            for name, issuer in settings.issuers.items()
            if not issuer.tenants or tenant in issuer.tenants
        ]
        for tenant in tenants
    }
    claimed: dict[tuple[str, str], str] = {}
    for name, partner in settings.partners.items():
        if not (partner.requestor_ids or partner.client_ids):
            yield f"partners.{name}: needs requestor_ids or client_ids to be known by"
        if partner.access_token and not (partner.client_ids and settings.issuers):
            yield (
                f"partners.{name}: an access_token needs client_ids and one of the [issuers]; "
                "or say access_token = false"
            )
        for kind, ids in (
            ("requestor_id", [each.lower() for each in partner.requestor_ids]),
            ("client_id", partner.client_ids),
        ):
            for each in ids:
                if (other := claimed.setdefault((kind, each), name)) != name:
                    yield f"partners.{name}: {kind} {each} is also {other}'s"
        if partner.enterprises and not (
            partner.operations and partner.requestor_ids and partner.client_ids and settings.issuers
        ):
            yield (
                f"partners.{name}: to act for enterprises it needs operations, requestor_ids, "
                "client_ids and one of the [issuers]"
            )
        yield from unknown_tenants(f"partners.{name}", partner.tenants, tenants)
        if partner.issuer and partner.issuer not in settings.issuers:
            yield f"partners.{name}: there is no [issuers.{partner.issuer}]"
        yield from (
            f"partners.{name}: needs issuer: tenant {tenant} trusts {' and '.join(trusted)}"
            for tenant, trusted in issuers_of.items()
            if len(trusted) > 1
            and partner.client_ids
            and not partner.issuer
            and (not partner.tenants or tenant in partner.tenants)
        )


def issuer_problems(where: str, issuer: Issuer) -> Iterator[str]:
    """Name what would make an issuer believe too much, or nothing."""
    if not issuer.issuer:
        yield f"{where}: needs issuer"
    if bool(issuer.jwks) == bool(issuer.introspection):
        yield f"{where}: needs jwks or introspection, and not both"
    if not (issuer.audience or (issuer.introspection and issuer.scopes)):
        yield f"{where}: needs audience"
    if issuer.introspection:
        needed = ("client_id", "secret_file")
        yield from (f"{where}: needs {key}" for key in needed if not getattr(issuer, key))
    for key in ("jwks", "introspection"):
        url = getattr(issuer, key)
        if url and (key == "introspection" or "://" in url) and not is_safe_address(url):
            yield f"{where}.{key}: {url!r} is no https address"
