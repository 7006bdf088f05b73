"""Partners, and what is signed for them."""

from __future__ import annotations

from collections.abc import Iterable

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from simgrant.adapters.keyring import file as key_file
from simgrant.compose.clock import CLOCK
from simgrant.compose.issuers import open_issuer
from simgrant.config.load import Loaded
from simgrant.domain.partner import Partner
from simgrant.errors import StartRefused
from simgrant.flows.issuers import Issuers
from simgrant.flows.operations import OPERATIONS
from simgrant.flows.private_identity import GatewayKey
from simgrant.flows.signing import Signer
from simgrant.keyring.identity import is_on_curve
from simgrant.keyring.signing import Algorithm
from simgrant.wire.jwt import pull_keys


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


def gateways(loaded: Loaded) -> dict[str, GatewayKey]:
    """Return the key of each tenant's Wi-Fi gateway, where it has one; raise StartRefused."""
    found = {}
    for name, tenant in loaded.tenants.items():
        if not tenant.identity_key:
            continue
        path = loaded.path(tenant.identity_key)
        try:
            key = load_pem_public_key(path.read_bytes())
        except (OSError, ValueError) as error:
            raise StartRefused(f"tenants.{name}.identity_key: {path}: {error}") from None
        if not (isinstance(key, EllipticCurvePublicKey) and is_on_curve(key)):
            raise StartRefused(f"tenants.{name}.identity_key: {path}: it must be a key on P-256")
        found[name] = GatewayKey(key, tenant.identity_key_id)
    return found


def issuers(loaded: Loaded) -> Issuers:
    """Return the issuers of access tokens; raise StartRefused where a file of one is no use.

    None is asked yet, so that one that is away keeps nobody from starting.
    """
    made = [
        (settings.tenants, open_issuer(loaded, f"issuers.{name}", settings, clock=CLOCK))
        for name, settings in loaded.settings.issuers.items()
    ]
    partners = loaded.settings.partners.values()
    return Issuers(
        {
            tenant: tuple(issuer for of, issuer in made if not of or tenant in of)
            for tenant in loaded.tenants
        },
        {
            tenant: {
                client_id: loaded.settings.issuers[partner.issuer].issuer
                for partner in partners
                if partner.issuer and (not partner.tenants or tenant in partner.tenants)
                for client_id in partner.client_ids
            }
            for tenant in loaded.tenants
        },
    )


def partners(loaded: Loaded) -> dict[str, tuple[Partner, ...]]:
    """Return each tenant's partners; raise StartRefused."""
    made = [
        (
            settings.tenants,
            Partner(
                name,
                frozenset(text.lower() for text in settings.requestor_ids),
                frozenset(settings.client_ids),
                operations_of(f"partners.{name}.operations", settings.operations)
                if settings.operations
                else None,
                frozenset(text.lower() for text in settings.enterprises),
                settings.access_token,
                _app_key(loaded, name, settings.app_key),
            ),
        )
        for name, settings in loaded.settings.partners.items()
    ]
    return {
        tenant: tuple(partner for of, partner in made if not of or tenant in of)
        for tenant in loaded.tenants
    }


def _app_key(loaded: Loaded, name: str, file: str) -> str:
    if not file:
        return ""
    path = loaded.path(file)
    try:
        text = path.read_text("utf-8")
        pull_keys(text)
    except (OSError, ValueError) as error:
        raise StartRefused(f"partners.{name}.app_key: {path}: {error}") from None
    return text


def operations_of(where: str, names: Iterable[str]) -> frozenset[str]:
    """Return the names of operations as TS.43 spells them."""
    found = set()
    for name in names:
        operation = OPERATIONS.get(name.lower())
        if operation is None:
            known = ", ".join(sorted({each.name for each in OPERATIONS.values()}))
            raise StartRefused(f"{where}: there is no operation {name!r}; there are {known}")
        found.add(operation.name)
    return frozenset(found)
